"""The long short-term memory cell with layer normalization, written as its equations."""

import inspect

import keras
from keras import constraints, initializers, ops, regularizers


@keras.saving.register_keras_serializable("rnn_recipes")
class LayerNormLSTMCell(keras.layers.Layer):
    """One step of a long short-term memory network with layer normalization.

    With x_t the input, h_{t-1} the hidden and c_{t-1} the cell state, σ the recurrent activation, ⊙ element by element:

        [i; f; c̃; o] = LN(W x_t; g_x) + LN(U h_{t-1}; g_h) + b
        c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(c̃)                  cell state
        h_t = σ(o) ⊙ tanh(LN(c_t; g_c) + b_c)                   hidden state, also the output
        LN(a; g) = g ⊙ (a - μ) / sqrt(σ² + ε)                   μ and σ² over all elements of a

    Source: Ba, Kiros & Hinton (2016), "Layer Normalization", arXiv 1607.06450, equations 20 to 22; b is the sum of two.

    Weights, in this order, the four gates side by side as i, f, c, o:
        kernel: W, shape (features, 4 * units).
        recurrent_kernel: U, shape (units, 4 * units).
        gain: g_x above g_h, shape (2, 4 * units); cell_gain: g_c, shape (units,); all 1 at first.
        cell_bias: b_c, shape (units,); bias: b, shape (4 * units,); absent with `use_bias=False`.

    Arguments are those of `keras.layers.LSTMCell`, and `epsilon`; a dropout mask lasts for the whole sequence.

    Call arguments: `inputs`, x_t of shape (batch, features); `states`,
        h_{t-1} and c_{t-1}, each of shape (batch, units); `training`, whether dropout is on.
    Returns h_t, shape (batch, units), and the new states [h_t, c_t]. Raises ValueError, naming argument and value.
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
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        epsilon=1e-5,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = _units(units)
        self.activation = _activation("activation", activation)
        self.recurrent_activation = _activation("recurrent_activation", recurrent_activation)
        self.use_bias = use_bias
        self.unit_forget_bias = unit_forget_bias
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
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.epsilon = epsilon
        self.state_size = [self.units, self.units]
        self.output_size = self.units

    def build(self, input_shape):
        features = _features(self, input_shape)
        self.kernel = _weight(self, "kernel", (features, 4 * self.units))
        self.recurrent_kernel = _weight(self, "recurrent_kernel", (self.units, 4 * self.units))
        self.gain = self.add_weight((2, 4 * self.units), "ones", name="gain")
        self.cell_gain = self.add_weight((self.units,), "ones", name="cell_gain")
        self.cell_bias = self.add_weight((self.units,), "zeros", name="cell_bias") if self.use_bias else None
        start = self._bias_start if self.unit_forget_bias else None
        self.bias = _weight(self, "bias", (4 * self.units,), start) if self.use_bias else None

    def _bias_start(self, shape, dtype=None):
        """Forget gates that start open let the first gradients through."""
        b_i, b_co = (self.bias_initializer((n * self.units,), dtype=dtype) for n in (1, 2))
        return ops.concatenate([b_i, ops.ones((self.units,), dtype=dtype), b_co])

    def project(self, x):
        """LN(W x) + b, all that depends on the input alone: (..., features) to (..., 4 * units)."""
        return self.normalized(ops.matmul(x, self.kernel), self.gain[0]) + (self.bias if self.use_bias else 0)

    def recur(self, h):
        """U h, all that is linear in the previous output: (batch, units) to (batch, 4 * units)."""
        return ops.matmul(h, self.recurrent_kernel)

    def step(self, wx, uh, states):
        """The rest, from LN(W x_t) + b and U h_{t-1} to [h_t, c_t]."""
        z_i, z_f, z_c, z_o = ops.split(wx + self.normalized(uh, self.gain[1]), 4, axis=-1)
        i_t = self.recurrent_activation(z_i)
        f_t = self.recurrent_activation(z_f)
        c_tilde = self.activation(z_c)
        c_t = f_t * states[1] + i_t * c_tilde
        o_t = self.recurrent_activation(z_o)
        c_n = self.normalized(c_t, self.cell_gain) + (self.cell_bias if self.use_bias else 0)
        h_t = o_t * self.activation(c_n)
        return [h_t, c_t]

    def normalized(self, a, gain):
        mean, variance = ops.moments(a, axes=-1, keepdims=True)
        return gain * (a - mean) * ops.rsqrt(variance + self.epsilon)

    def call(self, inputs, states, training=False):
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
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype) for _ in range(2)]

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
