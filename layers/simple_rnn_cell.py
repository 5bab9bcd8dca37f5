"""The simple recurrent cell, written as its equation."""

import keras
from keras import ops

from layers.cell import Cell


@keras.saving.register_keras_serializable("rnn_recipes")
class SimpleRNNCell(Cell):
    """One step of a simple recurrent network, also called Elman network.

    With x_t the input, h_{t-1} the hidden state and φ the activation (tanh by default):

        h_t = φ(W x_t + U h_{t-1} + b)                  hidden state, also the output

    Source: Elman (1990), "Finding Structure in Time", Cognitive Science 14(2).

    Weights, in this order:
        kernel: W, shape (features, units).
        recurrent_kernel: U, shape (units, units).
        bias: b, shape (units,); absent with `use_bias=False`.

    Arguments, defaults, weights and states are those of `keras.layers.SimpleRNNCell`, so weights and configs move both
    ways. Dropout, call arguments, returns and errors are those of `Cell`; the state is h_{t-1}, shape (batch, units).
    """

    fused = "simple"

    def project_input(self, x):
        """W x + b: (..., features) to (..., units)."""
        wx = ops.matmul(x, self.kernel)
        return wx + self.bias if self.use_bias else wx

    def project_state(self, h):
        """U h: (batch, units) to (batch, units)."""
        return ops.matmul(h, self.recurrent_kernel)

    def step(self, wx, uh, states):
        """From W x_t + b and U h_{t-1} to [h_t]."""
        h_t = self.activation(wx + uh)
        return [h_t]
