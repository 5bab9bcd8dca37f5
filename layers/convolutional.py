"""Recurrent cells whose states are maps, with convolutions for products, and the layer that runs them over films."""

import keras
from keras import initializers, ops


class _ConvCell(keras.layers.Layer):
    """What both cells share: the convolutions of the input and of the last output, side by side for all gates."""

    def __init__(
        self,
        filters,
        kernel_size,
        strides=1,
        padding="valid",
        activation="tanh",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.filters = _positive("filters", filters)
        self.kernel_size = _pair("kernel_size", kernel_size)
        self.strides = _pair("strides", strides)
        if padding not in ("same", "valid"):
            raise ValueError(f"Argument `padding` must be same or valid. Received: padding={padding!r}")
        self.padding = padding
        self.activation = keras.activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.output_size = self.filters

    def build_for(self, gates, input_shape, bias_start=None):
        if len(input_shape) != 4 or None in input_shape[1:]:
            expected = "(batch, timesteps, height, width, channels), with the last three known"
            raise ValueError(f"Argument `inputs` must have shape {expected}. Received: a step of shape {input_shape}")
        wide = gates * self.filters
        shapes = [(*self.kernel_size, channels, wide) for channels in (input_shape[-1], self.filters)]
        self.kernel = self.add_weight(shapes[0], self.kernel_initializer, name="kernel")
        self.recurrent_kernel = self.add_weight(shapes[1], self.recurrent_initializer, name="recurrent_kernel")
        start = bias_start or self.bias_initializer
        self.bias = self.add_weight((wide,), start, name="bias") if self.use_bias else None
        self.map_shape = self.maps(input_shape[1:3])

    def maps(self, frame):
        """Height and width of the state's maps, from those of a frame."""
        margin = [0, 0] if self.padding == "same" else [size - 1 for size in self.kernel_size]
        return tuple(-(-(size - m) // stride) for size, m, stride in zip(frame, margin, self.strides))

    def project_input(self, x):
        """W * x + b, all that depends on the input alone."""
        wx = ops.conv(x, self.kernel, self.strides, self.padding, data_format="channels_last")
        return wx + self.bias if self.use_bias else wx

    def project_state(self, h):
        """U * h, all that is linear in the previous output."""
        return ops.conv(h, self.recurrent_kernel, 1, "same", data_format="channels_last")

    def call(self, inputs, states, training=False):
        new_states = self.step(self.project_input(inputs), self.project_state(states[0]), states)
        return new_states[0], new_states

    def get_initial_state(self, batch_size=None):
        shape = batch_size, *self.map_shape, self.filters
        return [ops.zeros(shape, dtype=self.compute_dtype) for _ in self.state_size]

    def get_config(self):
        names = ["filters", "kernel_size", "strides", "padding", "activation", "use_bias"]
        names += ["kernel_initializer", "recurrent_initializer", "bias_initializer"]
        return super().get_config() | {n: keras.saving.serialize_keras_object(getattr(self, n)) for n in names}


@keras.saving.register_keras_serializable("rnn_recipes")
class ConvRNNCell(_ConvCell):
    """One step of a simple recurrent network on maps.

    With * a convolution and φ the activation (tanh by default):

        H_t = φ(W * X_t + U * H_{t-1} + b)              hidden maps, also the output

    Source: the simple cell of Elman (1990) with the products of Shi et al. (2015).

    Weights, in this order:
        kernel: W, shape (height, width, channels, filters).
        recurrent_kernel: U, shape (height, width, filters, filters).
        bias: b, shape (filters,); absent with `use_bias=False`.

    Arguments are those of `keras.layers.Conv2D` by the same name; U * H has the stride 1 and keeps the size.
    Runs in `ConvRNN`.

    Call arguments: `inputs`, X_t of shape (batch, height, width, channels); `states`, [H_{t-1}], (batch, new height,
        new width, filters).
    Returns H_t and the new states [H_t]. Raises ValueError, naming argument and value.
    """

    state_size = property(lambda self: [self.filters])

    def build(self, input_shape):
        self.build_for(1, input_shape)

    def step(self, wx, uh, states):
        """The element-wise rest, from W * X_t + b and U * H_{t-1} to [H_t]."""
        return [self.activation(wx + uh)]


@keras.saving.register_keras_serializable("rnn_recipes")
class ConvLSTMCell(_ConvCell):
    """One step of a convolutional long short-term memory network.

    With * a convolution, σ the recurrent activation, ⊙ element by element:

        I_t = σ(W_i * X_t + U_i * H_{t-1} + b_i)        input gate
        F_t = σ(W_f * X_t + U_f * H_{t-1} + b_f)        forget gate
        C̃_t = tanh(W_c * X_t + U_c * H_{t-1} + b_c)     candidate
        C_t = F_t ⊙ C_{t-1} + I_t ⊙ C̃_t                 cell maps
        O_t = σ(W_o * X_t + U_o * H_{t-1} + b_o)        output gate
        H_t = O_t ⊙ tanh(C_t)                           hidden maps, also the output

    Source: Shi et al. (2015), "Convolutional LSTM Network", NIPS, without their peepholes, as in Keras.

    Weights, in this order, the four gates side by side as i, f, c, o:
        kernel: W, shape (height, width, channels, 4 * filters).
        recurrent_kernel: U, shape (height, width, filters, 4 * filters).
        bias: b, shape (4 * filters,); absent with `use_bias=False`.

    Arguments, defaults and weights are those of `keras.layers.ConvLSTM2D`, so weights move both ways; without dropout,
    dilation and the regularizers. Runs in `ConvRNN`.

    Call arguments: `inputs`, X_t of shape (batch, height, width, channels); `states`, H_{t-1} and C_{t-1}, each (batch,
        new height, new width, filters).
    Returns H_t and the new states [H_t, C_t]. Raises ValueError, naming argument and value.
    """

    state_size = property(lambda self: [self.filters, self.filters])

    def __init__(self, *args, recurrent_activation="sigmoid", unit_forget_bias=True, **kwargs):
        super().__init__(*args, **kwargs)
        self.recurrent_activation = keras.activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias

    def build(self, input_shape):
        self.build_for(4, input_shape, self._bias_start if self.unit_forget_bias else None)

    def _bias_start(self, shape, dtype=None):
        b_i, b_co = (self.bias_initializer((n * self.filters,), dtype=dtype) for n in (1, 2))
        return ops.concatenate([b_i, ops.ones((self.filters,), dtype=dtype), b_co])

    def step(self, wx, uh, states):
        """The element-wise rest, from W * X_t + b and U * H_{t-1} to [H_t, C_t]."""
        _, c_tm1 = states
        z_i, z_f, z_c, z_o = ops.split(wx + uh, 4, axis=-1)
        i_t = self.recurrent_activation(z_i)
        f_t = self.recurrent_activation(z_f)
        c_tilde = self.activation(z_c)
        c_t = f_t * c_tm1 + i_t * c_tilde
        o_t = self.recurrent_activation(z_o)
        h_t = o_t * self.activation(c_t)
        return [h_t, c_t]

    def get_config(self):
        activation = keras.saving.serialize_keras_object(self.recurrent_activation)
        return super().get_config() | {"recurrent_activation": activation, "unit_forget_bias": self.unit_forget_bias}


@keras.saving.register_keras_serializable("rnn_recipes")
class ConvRNN(keras.layers.RNN):
    """`keras.layers.RNN`, with the same arguments, around a cell whose states are maps.

    Call arguments: `sequences`, (batch, timesteps, height, width, channels); the rest as in `keras.layers.RNN`.
    Returns the last output, (batch, new height, new width, filters), or all with `return_sequences`.

    Raises ValueError for a list of cells: stack layers instead.
    """

    def __init__(self, cell, **kwargs):
        if isinstance(cell, (list, tuple)):
            raise ValueError(f"`cell` must be one cell; stack ConvRNN layers instead. Received: cell={cell}")
        super().__init__(cell, **kwargs)

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        batch, length, *frame, _ = sequences_shape
        shape = *self.cell.maps(frame), self.cell.filters
        outputs = (batch, length, *shape) if self.return_sequences else (batch, *shape)
        return (outputs, *[(batch, *shape)] * len(self.cell.state_size)) if self.return_state else outputs


def _positive(name, value):
    if isinstance(value, bool) or not hasattr(value, "__index__") or value <= 0:
        raise ValueError(f"Argument `{name}` must be a positive integer. Received: {name}={value!r}")
    return int(value)


def _pair(name, value):
    values = value if isinstance(value, (list, tuple)) else (value, value)
    if len(values) != 2:
        raise ValueError(f"Argument `{name}` must be a positive integer or two of them. Received: {name}={value!r}")
    return tuple(_positive(name, part) for part in values)
