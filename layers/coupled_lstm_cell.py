"""The long short-term memory cell with a coupled input and forget gate, written as its equations."""

import keras
from keras import ops

from layers.cell import MemoryCell


@keras.saving.register_keras_serializable("rnn_recipes")
class CoupledLSTMCell(MemoryCell):
    """One step of a long short-term memory network whose input gate is one minus its forget gate.

    With x_t the input, h_{t-1} the hidden state, c_{t-1} the cell state, σ the recurrent activation and ⊙ the
    element-wise product:

        f_t = σ(W_f x_t + U_f h_{t-1} + b_f)            forget gate
        c̃_t = tanh(W_c x_t + U_c h_{t-1} + b_c)         candidate
        c_t = f_t ⊙ c_{t-1} + (1 - f_t) ⊙ c̃_t           cell state
        o_t = σ(W_o x_t + U_o h_{t-1} + b_o)            output gate
        h_t = o_t ⊙ tanh(c_t)                           hidden state, also the output

    Source: Greff et al. (2017), "LSTM: A Search Space Odyssey", IEEE Transactions on Neural Networks and Learning
    Systems 28(10), who call it CIFG, coupled input and forget gate: a quarter fewer weights, and equally accurate.

    Weights, in this order, the gates side by side as f, c, o:
        kernel: W, shape (features, 3 * units).
        recurrent_kernel: U, shape (units, 3 * units).
        bias: b, shape (3 * units,); absent with `use_bias=False`.

    Arguments are those of `keras.layers.LSTMCell`. Dropout, call arguments, returns and errors are those of `Cell`; the
    states are [h_{t-1}, c_{t-1}], each of shape (batch, units).
    """

    gates = 3
    forget_gate = 0

    def project_input(self, x):
        """W x + b: (..., features) to (..., 3 * units)."""
        wx = ops.matmul(x, self.kernel)
        return wx + self.bias if self.use_bias else wx

    def project_state(self, h):
        """U h: (batch, units) to (batch, 3 * units)."""
        return ops.matmul(h, self.recurrent_kernel)

    def step(self, wx, uh, states):
        """From W x_t + b and U h_{t-1} to [h_t, c_t]."""
        _, c_tm1 = states
        z_f, z_c, z_o = ops.split(wx + uh, 3, axis=-1)
        f_t = self.recurrent_activation(z_f)
        c_tilde = self.activation(z_c)
        c_t = f_t * c_tm1 + (1 - f_t) * c_tilde
        o_t = self.recurrent_activation(z_o)
        h_t = o_t * self.activation(c_t)
        return [h_t, c_t]
