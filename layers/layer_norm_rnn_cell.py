"""The simple recurrent cell with layer normalization, written as its equations."""

import keras
from keras import ops

from layers.cell import Cell


@keras.saving.register_keras_serializable("rnn_recipes")
class LayerNormRNNCell(Cell):
    """One step of a simple recurrent network with layer normalization.

    With x_t the input, h_{t-1} the hidden state, φ the activation (tanh by default), ⊙ the element-wise product:

        a_t = W x_t + U h_{t-1}
        h_t = φ(g ⊙ (a_t - μ_t) / sqrt(σ_t² + ε) + b)   hidden state, also the output

    where μ_t and σ_t² are the mean and the variance of the units of a_t, in each sequence and at each step.

    Source: Ba, Kiros & Hinton (2016), "Layer Normalization", arXiv 1607.06450, equation 4.

    Weights, in this order:
        kernel: W, shape (features, units).
        recurrent_kernel: U, shape (units, units).
        gain: g, shape (units,), initialized to 1.
        bias: b, shape (units,); absent with `use_bias=False`.

    Arguments are those of `keras.layers.SimpleRNNCell`, and `epsilon`, ε. Dropout, call arguments, returns and errors
    are those of `Cell`; the state is h_{t-1}, shape (batch, units).
    """

    def __init__(self, units, activation="tanh", *, epsilon=1e-5, **kwargs):
        super().__init__(units, activation, **kwargs)
        self.epsilon = epsilon

    def build(self, input_shape):
        self.build_kernels(input_shape)
        self.gain = self.add_weight((self.units,), "ones", name="gain")
        self.build_bias((self.units,))

    def project_input(self, x):
        """W x: (..., features) to (..., units)."""
        return ops.matmul(x, self.kernel)

    def project_state(self, h):
        """U h: (batch, units) to (batch, units)."""
        return ops.matmul(h, self.recurrent_kernel)

    def step(self, wx, uh, states):
        """From W x_t and U h_{t-1} to [h_t]."""
        a_t = wx + uh
        mean, variance = ops.moments(a_t, axes=-1, keepdims=True)
        normalized = self.gain * (a_t - mean) * ops.rsqrt(variance + self.epsilon)
        h_t = self.activation(normalized + self.bias if self.use_bias else normalized)
        return [h_t]

    def get_config(self):
        return super().get_config() | {"epsilon": self.epsilon}
