"""What all recurrent cells share: arguments, weights, dropout masks, serialization and checks.

A cell of your own needs only the number of its gates, the candidate included, and its equations:

    import keras
    from keras import ops

    from layers.cell import GatedCell


    # Source: Collins, Sohl-Dickstein & Sussillo (2017), "Capacity and Trainability in Recurrent Neural Networks", ICLR
    @keras.saving.register_keras_serializable("my_project")
    class UpdateGateCell(GatedCell):
        gates = 2  # u and h̃, side by side in the weights

        def step(self, wx, uh, states):
            h_tm1 = states[0]
            z_u, z_h = ops.split(wx + uh, 2, axis=-1)
            u_t = self.recurrent_activation(z_u)  # u_t = σ(W_u x_t + U_u h_{t-1} + b_u)
            h_tilde = self.activation(z_h)  # h̃_t = tanh(W_h x_t + U_h h_{t-1} + b_h)
            h_t = u_t * h_tm1 + (1 - u_t) * h_tilde
            return [h_t]

It runs in `keras.layers.RNN`, and faster in `layers.RNN`, on TensorFlow, JAX and PyTorch, with masks, dropout, mixed
precision, saving and loading. A line in tests/layers/cell_cases.py runs all tests of cells on it.

`Cell` is the base class of cells without gates, and `MemoryCell` of cells that also have a cell state. A cell may
override `project_input` and `project_state`; one with more weights overrides `build`, and one with more arguments
`__init__` and `get_config`, as in peephole_lstm_cell.py.
"""

import keras
from keras import activations, constraints, initializers, ops, regularizers


class Cell(keras.layers.Layer):
    """The base class of all cells: one step of a recurrent network.

    A subclass implements `step`, and says in `gates` how many blocks of `units` columns its weights have, and in
    `states` how many vectors of size `units` its state has, h_t first.

    Weights, in this order, unless the subclass says otherwise:
        kernel: W, shape (features, gates * units).
        recurrent_kernel: U, shape (units, gates * units).
        bias: b, shape (gates * units,); absent with `use_bias=False`.

    Args:
        units: the size of h_t, a positive integer.
        activation, use_bias, the initializers, regularizers and constraints: as in `keras.layers.SimpleRNNCell`.
        dropout, recurrent_dropout: the fractions of x_t and of h_{t-1} to drop in training, in [0, 1). One mask is used
            for all gates and all timesteps of a sequence (Gal & Ghahramani 2016). `keras.layers.RNN` starts a new
            sequence, with new masks, when it asks for the initial state. Where the initial state is passed in (stateful
            layers, decoders), it uses new masks after each update of the weights, and `layers.RNN` in each call.
        seed: the seed of the dropout masks.

    Call arguments:
        inputs: x_t, shape (batch, features).
        states: h_{t-1}, shape (batch, units), alone or first in the list of all states, each of this shape.
        training: whether to apply dropout.

    Returns:
        h_t, shape (batch, units), and the list of all new states, h_t first.

    Raises:
        ValueError: an argument or the shape of the inputs is invalid. The message names it and what was received.
    """

    gates = 1
    states = 1
    fused = None  # what cuDNN, oneDNN and others have as one kernel, in classes whose equations it computes
    # Seeds that are not given are drawn one after another. Keras draws that of the dropout before those of the
    # initializers in its simple cell and after them in its gated cells; in this order the initial weights are the same.
    dropout_seed_first = True

    def __init__(
        self,
        units,
        activation="tanh",
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
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.units = _units(units)
        self.activation = _activation("activation", activation)
        self.use_bias = use_bias
        self.seed = seed
        if self.dropout_seed_first:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        if not self.dropout_seed_first:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = _rate("dropout", dropout)
        self.recurrent_dropout = _rate("recurrent_dropout", recurrent_dropout)
        self.state_size = self.units if self.states == 1 else [self.units] * self.states
        self.output_size = self.units

    def build(self, input_shape):
        self.build_kernels(input_shape)
        self.build_bias((self.gates * self.units,))

    def build_kernels(self, input_shape):
        """Check the shape of the inputs, and create `kernel` and `recurrent_kernel`."""
        if len(input_shape) != 2 or input_shape[-1] is None:
            expected = "(batch, features) a step, (batch, timesteps, features) a sequence, with features known"
            received = f"a step of shape {tuple(input_shape)}"
            raise ValueError(f"Argument `inputs` must have shape {expected}. Received: {received}")
        features = input_shape[-1]
        self.input_spec = keras.layers.InputSpec(ndim=2, axes={-1: features})  # Keras checks every later call
        self.kernel = self._weight("kernel", (features, self.gates * self.units))
        self.recurrent_kernel = self._weight("recurrent_kernel", (self.units, self.gates * self.units))

    def build_bias(self, shape, initializer=None):
        """Create `bias`, which is None with `use_bias=False`."""
        self.bias = self._weight("bias", shape, initializer) if self.use_bias else None

    def _weight(self, name, shape, initializer=None):
        role = name.removesuffix("_kernel")
        return self.add_weight(
            name=name,
            shape=shape,
            initializer=initializer or getattr(self, f"{role}_initializer"),
            regularizer=getattr(self, f"{role}_regularizer"),
            constraint=getattr(self, f"{role}_constraint"),
        )

    def project_input(self, x):
        """W x + b, or whatever depends on the input alone: (..., features) to (..., gates * units)."""
        wx = ops.matmul(x, self.kernel)
        return wx + self.bias if self.use_bias else wx

    def project_state(self, h):
        """U h, or whatever is linear in h_{t-1}: (batch, units) to (batch, gates * units)."""
        return ops.matmul(h, self.recurrent_kernel)

    def step(self, wx, uh, states):
        """The rest of the equations: from the results of `project_input` and `project_state`, and the previous states,
        to the list of the new states, h_t first."""
        raise NotImplementedError(f"{type(self).__name__} must implement `step`")

    def call(self, inputs, states, training=False):
        states = states if isinstance(states, (list, tuple)) else [states]
        h_tm1 = states[0]
        if training and (self.dropout or self.recurrent_dropout):
            mask_x, mask_h = self.dropout_masks(inputs, h_tm1)
            inputs, h_tm1 = inputs * mask_x, h_tm1 * mask_h
        new_states = self.step(self.project_input(inputs), self.project_state(h_tm1), states)
        return new_states[0], new_states

    def fused_kernel(self):
        """The name of the kernel that computes all of this cell: "lstm", "gru" or "simple"; None if there is none."""
        usual = self.activation is activations.tanh
        usual &= getattr(self, "recurrent_activation", activations.sigmoid) is activations.sigmoid
        usual &= getattr(self, "reset_after", True)
        return vars(type(self)).get("fused") if usual else None  # not that of a base class, whose equations may differ

    def dropout_masks(self, x, h):
        """What to multiply x_t and h_{t-1} by at every timestep of the present sequence."""
        rates = (x, self.dropout), (h, self.recurrent_dropout)
        return [self._mask(a, rate, i) if rate else ops.ones_like(a) for i, (a, rate) in enumerate(rates)]

    def _mask(self, x, rate, stream):
        """A dropout mask shaped like x. No timestep has to store it, because its seed is constant during a sequence.

        The sum of the recurrent kernel changes the seed where nobody asks for an initial state."""
        update = ops.sum(ops.cast(self.recurrent_kernel, "float32")) * 2.0**24 % 2.0**24
        offset = ops.stack([ops.full_like(update, 1e6 * stream), update])
        state = self.seed_generator.state.value
        seed = _FixedSeed(state + ops.cast(offset, state.dtype))
        draw = keras.random.uniform(ops.shape(x), dtype="float32", seed=seed)
        return ops.cast(draw >= rate, x.dtype) / (1 - rate)

    def get_initial_state(self, batch_size=None):
        """Zeros; the sequence that starts with them gets new dropout masks."""
        if self.dropout or self.recurrent_dropout:
            self.seed_generator.next()
        return [ops.zeros((batch_size, self.units), dtype=self.compute_dtype) for _ in range(self.states)]

    def get_config(self):
        roles = "kernel", "recurrent", "bias"
        kinds = "initializer", "regularizer", "constraint"
        names = ["units", "activation", "use_bias", "dropout", "recurrent_dropout", "seed"]
        names += [f"{role}_{kind}" for kind in kinds for role in roles]
        return super().get_config() | {n: keras.saving.serialize_keras_object(getattr(self, n)) for n in names}

    def load_own_variables(self, store):
        # Files name weights by the classes of layers, so this cell does not find those of a built-in layer.
        if self.weights and not store.keys():
            raise ValueError(
                f"The file must have weights for a {type(self).__name__}. Received: none at the place of {self.name!r}."
                " Load a file of keras.layers.LSTM, GRU or SimpleRNN into a model of these and call "
                "layers.accelerate(model)"
            )
        super().load_own_variables(store)


class GatedCell(Cell):
    """The base class of cells with gates, whose activation σ is the argument `recurrent_activation`.

    The other arguments, all keyword arguments but `units` and `activation`, are those of `Cell`.
    """

    dropout_seed_first = False

    def __init__(self, units, activation="tanh", recurrent_activation="sigmoid", **kwargs):
        kwargs.pop("implementation", None)  # of built-in cells, where it chooses between equal results
        super().__init__(units, activation, **kwargs)
        self.recurrent_activation = _activation("recurrent_activation", recurrent_activation)

    def get_config(self):
        activation = keras.saving.serialize_keras_object(self.recurrent_activation)
        return super().get_config() | {"recurrent_activation": activation}


class MemoryCell(GatedCell):
    """The base class of cells with a cell state c_t beside h_t, as in a long short-term memory.

    `forget_gate` is the place of the forget gate among the gates. With `unit_forget_bias=True` its bias is initialized
    to 1, as Jozefowicz, Zaremba & Sutskever (2015) recommend; the other arguments are those of `GatedCell`.
    """

    states = 2
    forget_gate = 1

    def __init__(self, units, activation="tanh", recurrent_activation="sigmoid", *, unit_forget_bias=True, **kwargs):
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.unit_forget_bias = unit_forget_bias

    def build_bias(self, shape):
        super().build_bias(shape, self._open_forget_gate if self.unit_forget_bias else None)

    def _open_forget_gate(self, shape, dtype=None):
        """Initial biases with 1 for the forget gate: an open gate lets the first gradients through."""
        sizes = self.forget_gate, self.gates - 1 - self.forget_gate  # the gates before it, and after it
        before, after = ([self.bias_initializer((n * self.units,), dtype=dtype)] if n else [] for n in sizes)
        return ops.concatenate([*before, ops.ones((self.units,), dtype=dtype), *after])

    def get_config(self):
        return super().get_config() | {"unit_forget_bias": self.unit_forget_bias}


class _FixedSeed(keras.random.SeedGenerator):
    """Passes a tensor to keras.random, which takes only integers and generators."""

    def __init__(self, seed):
        self.next = lambda ordered=True: seed


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
        return activations.get(activation)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Argument `{name}` is no activation of Keras. Received: {name}={activation!r}") from error
