"""The long short-term memory cell with layer normalization, written as its equations."""

import keras
from keras import ops

from layers.cell import MemoryCell


@keras.saving.register_keras_serializable("rnn_recipes")
class LayerNormLSTMCell(MemoryCell):
    """One step of a long short-term memory network with layer normalization.

    With x_t the input, h_{t-1} the hidden state, c_{t-1} the cell state, σ the recurrent activation and ⊙ the
    element-wise product:

        [i; f; c̃; o] = LN(W x_t; g_x) + LN(U h_{t-1}; g_h) + b
        c_t = σ(f) ⊙ c_{t-1} + σ(i) ⊙ tanh(c̃)                  cell state
        h_t = σ(o) ⊙ tanh(LN(c_t; g_c) + b_c)                   hidden state, also the output
        LN(a; g) = g ⊙ (a - μ) / sqrt(s² + ε)                   mean μ and variance s² over all elements of a

    Source: Ba, Kiros & Hinton (2016), "Layer Normalization", arXiv 1607.06450, equations 20 to 22; their two biases are
    one here, b.

    Weights, in this order, the four gates side by side as i, f, c, o:
        kernel: W, shape (features, 4 * units).
        recurrent_kernel: U, shape (units, 4 * units).
        gain: g_x above g_h, shape (2, 4 * units); cell_gain: g_c, shape (units,); initialized to 1.
        cell_bias: b_c, shape (units,); bias: b, shape (4 * units,); absent with `use_bias=False`.

    Arguments are those of `keras.layers.LSTMCell`, and `epsilon`, ε. Dropout, call arguments, returns and errors are
    those of `Cell`; the states are [h_{t-1}, c_{t-1}], each of shape (batch, units).
    """

    gates = 4

    def __init__(self, units, activation="tanh", recurrent_activation="sigmoid", *, epsilon=1e-5, **kwargs):
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        self.build_kernels(input_shape)
        self.gain = self.add_weight((2, 4 * self.units), "ones", name="gain")
        self.cell_gain = self.add_weight((self.units,), "ones", name="cell_gain")
        self.cell_bias = self.add_weight((self.units,), "zeros", name="cell_bias") if self.use_bias else None
        self.build_bias((4 * self.units,))

    def project_input(self, x):
        """LN(W x; g_x) + b: (..., features) to (..., 4 * units)."""
        return self.normalized(ops.matmul(x, self.kernel), self.gain[0]) + (self.bias if self.use_bias else 0)

    def project_state(self, h):
        """U h: (batch, units) to (batch, 4 * units)."""
        return ops.matmul(h, self.recurrent_kernel)

    def step(self, wx, uh, states):
        """From LN(W x_t; g_x) + b and U h_{t-1} to [h_t, c_t]."""
        _, c_tm1 = states
        z_i, z_f, z_c, z_o = ops.split(wx + self.normalized(uh, self.gain[1]), 4, axis=-1)
        i_t = self.recurrent_activation(z_i)
        f_t = self.recurrent_activation(z_f)
        c_tilde = self.activation(z_c)
        c_t = f_t * c_tm1 + i_t * c_tilde
        o_t = self.recurrent_activation(z_o)
        c_n = self.normalized(c_t, self.cell_gain) + (self.cell_bias if self.use_bias else 0)
        h_t = o_t * self.activation(c_n)
        return [h_t, c_t]

    def normalized(self, a, gain):
        """LN(a; gain)."""
        mean, variance = ops.moments(a, axes=-1, keepdims=True)
        return gain * (a - mean) * ops.rsqrt(variance + self.epsilon)

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon}
