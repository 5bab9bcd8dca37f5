"""The gated recurrent unit, written as its equations."""

import inspect

import keras
from keras import constraints, initializers, ops, regularizers


@keras.saving.register_keras_serializable("rnn_recipes")
class GRUCell(keras.layers.Layer):
    """One step of a network of gated recurrent units.

    With x_t the input, h_{t-1} the hidden state, σ the recurrent activation and ⊙ the element-wise product:

        z_t = σ(W_z x_t + U_z h_{t-1} + b_z)                    update gate
        r_t = σ(W_r x_t + U_r h_{t-1} + b_r)                    reset gate
        h̃_t = tanh(W_h x_t + U_h (r_t ⊙ h_{t-1}) + b_h)         candidate, `reset_after=False`
        h̃_t = tanh(W_h x_t + b_h + r_t ⊙ (U_h h_{t-1} + b'_h))  candidate, `reset_after=True`, the default
        h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ h̃_t                   hidden state, also the output

    Source: Cho et al. (2014), "Learning Phrase Representations using RNN Encoder-Decoder", section 2.3, with the
    reset gate before the product, as in `reset_after=False`. The other order, and its second bias b', is cuDNN's.

    Weights, in this order, the three gates side by side as z, r, h:
        kernel: W, shape (features, 3 * units).
        recurrent_kernel: U, shape (units, 3 * units).
        bias: b above b', shape (2, 3 * units); b alone, shape (3 * units,), with `reset_after=False`.

    Arguments, defaults, weights and states are those of `keras.layers.GRUCell`, so weights and configs move both ways.
    `dropout` masks the input, `recurrent_dropout` masks h_{t-1}, each with one mask for all gates (the built-in cell
    then draws one a gate) and for the whole sequence (Gal & Ghahramani 2016). `keras.layers.RNN` begins a new sequence,
    with new masks, when it asks for the initial state; where that comes from outside (stateful layers, decoders), the
    masks change with every update of the weights.

    Call arguments: `inputs`, x_t of shape (batch, features); `states`,
        h_{t-1}, shape (batch, units), alone or in a list; `training`, whether dropout is on.
    Returns h_t, shape (batch, units), and the new states [h_t]. Raises ValueError, naming argument and value.
    """

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=True,
        seed=None,
        **kwargs,
    ):
        kwargs.pop("implementation", None)  # in every built-in config; it chooses between equal results
        super().__init__(**kwargs)
        self.units = _units(units)
        self.activation = _activation("activation", activation)
        self.recurrent_activation = _activation("recurrent_activation", recurrent_activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = _rate("dropout", dropout)
        self.recurrent_dropout = _rate("recurrent_dropout", recurrent_dropout)
        self.reset_after = reset_after
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.state_size = self.units
        self.output_size = self.units

    def build(self, input_shape):
        features = _features(self, input_shape)
        self.kernel = _weight(self, "kernel", (features, 3 * self.units))
        self.recurrent_kernel = _weight(self, "recurrent_kernel", (self.units, 3 * self.units))
        bias_shape = (2, 3 * self.units) if self.reset_after else (3 * self.units,)
        self.bias = _weight(self, "bias", bias_shape) if self.use_bias else None

    def project(self, x):
        """W x + b, all that depends on the input alone: (..., features) to (..., 3 * units)."""
        wx = ops.matmul(x, self.kernel)
        return wx + (self.bias[0] if self.reset_after else self.bias) if self.use_bias else wx

    def recur(self, h):
        """U h + b', all that is linear in the previous output: (batch, units) to (batch, 3 * units).

        With `reset_after=False` the last third is h itself, because the reset gate comes before its product.
        """
        if not self.reset_after:
            return ops.concatenate([ops.matmul(h, self.recurrent_kernel[:, : 2 * self.units]), h], axis=-1)
        uh = ops.matmul(h, self.recurrent_kernel)
        return uh + self.bias[1] if self.use_bias else uh

    def step(self, wx, uh, states):
        """The element-wise rest, from W x_t + b and U h_{t-1} + b' to [h_t]."""
        h_tm1 = states[0]
        x_z, x_r, x_h = ops.split(wx, 3, axis=-1)
        u_z, u_r, u_h = ops.split(uh, 3, axis=-1)
        z_t = self.recurrent_activation(x_z + u_z)
        r_t = self.recurrent_activation(x_r + u_r)
        u_h = r_t * u_h if self.reset_after else ops.matmul(r_t * u_h, self.recurrent_kernel[:, 2 * self.units :])
        h_tilde = self.activation(x_h + u_h)
        h_t = z_t * h_tm1 + (1 - z_t) * h_tilde
        return [h_t]

    def call(self, inputs, states, training=False):
        states = states if isinstance(states, (list, tuple)) else [states]
        h_tm1 = states[0]
        if training and (self.dropout or self.recurrent_dropout):
            mask_x, mask_h = self.dropout_masks(inputs, h_tm1)
            inputs, h_tm1 = inputs * mask_x, h_tm1 * mask_h
        new_states = self.step(self.project(inputs), self.recur(h_tm1), states)
        return new_states[0], new_states

    def dropout_masks(self, x, h):
        """What to multiply x_t and h_{t-1} with, at every step of the present sequence."""
        rates = (x, self.dropout), (h, self.recurrent_dropout)
        return [_mask(self, a, rate, i) if rate else ops.ones_like(a) for i, (a, rate) in enumerate(rates)]

    def get_initial_state(self, batch_size=None):
        """Zeros; the sequence that begins here gets new dropout masks."""
        if self.dropout or self.recurrent_dropout:
            self.seed_generator.next()
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype)]

    def get_config(self):
        names = [name for name in inspect.signature(type(self)).parameters if name != "kwargs"]
        return super().get_config() | {n: keras.saving.serialize_keras_object(getattr(self, n)) for n in names}

    def load_own_variables(self, store):
        super().load_own_variables(_found(self, store))


# The rest is the same in every cell file: each is complete in itself, so that it can be copied alone.


def _mask(cell, x, rate, stream):
    """A dropout mask shaped like x that no step has to keep, because its seed stands still while a sequence runs.

    The sum of the recurrent kernel moves the seed on where nobody asks for an initial state."""
    update = ops.sum(ops.cast(cell.recurrent_kernel, "float32")) * 2.0**24 % 2.0**24
    offset = ops.stack([ops.full_like(update, 1e6 * stream), update])
    state = cell.seed_generator.state.value
    draw = keras.random.uniform(ops.shape(x), dtype="float32", seed=_FixedSeed(state + ops.cast(offset, state.dtype)))
    return ops.cast(draw >= rate, x.dtype) / (1 - rate)


class _FixedSeed(keras.random.SeedGenerator):
    """Hands a tensor to keras.random, which takes integers and generators only."""

    def __init__(self, seed):
        self.next = lambda ordered=True: seed


def _weight(cell, name, shape, initializer=None):
    role = name.removesuffix("_kernel")
    return cell.add_weight(
        name=name,
        shape=shape,
        initializer=initializer or getattr(cell, f"{role}_initializer"),
        regularizer=getattr(cell, f"{role}_regularizer"),
        constraint=getattr(cell, f"{role}_constraint"),
    )


def _units(units):
    if isinstance(units, bool) or not hasattr(units, "__index__") or units <= 0:
        raise ValueError(f"Argument `units` must be a positive integer. Received: units={units!r}")
    return int(units)


def _rate(name, rate):
    if not hasattr(rate, "__float__") or not 0 <= rate < 1:
        raise ValueError(f"Argument `{name}` must be a number in [0, 1). Received: {name}={rate!r}")
    return float(rate)


def _activation(name, activation):
    try:
        return keras.activations.get(activation)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Argument `{name}` is no activation of Keras. Received: {name}={activation!r}") from error


def _features(cell, shape):
    if len(shape) != 2 or shape[-1] is None:
        expected = "(batch, features) a step, (batch, timesteps, features) a sequence, with features known"
        raise ValueError(f"Argument `inputs` must have shape {expected}. Received: a step of shape {tuple(shape)}")
    cell.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: shape[-1]})  # Keras checks every later call
    return shape[-1]


def _found(cell, store):
    """Files name weights by the classes of layers, so this cell does not find those of a built-in layer."""
    if cell.weights and not store.keys():
        raise ValueError(
            f"The file must have weights for a {type(cell).__name__}. Received: none at the place of {cell.name!r}. "
            "Load a file of keras.layers.LSTM, GRU or SimpleRNN into a model of these and call layers.accelerate(model)"
        )
    return store
