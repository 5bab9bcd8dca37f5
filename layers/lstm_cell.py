"""The long short-term memory cell, written as its equations."""

import keras
from keras import ops

from layers.cell import MemoryCell


@keras.saving.register_keras_serializable("rnn_recipes")
class LSTMCell(MemoryCell):
    """One step of a long short-term memory network.

    With x_t the input, h_{t-1} the hidden state, c_{t-1} the cell state, σ the recurrent activation and ⊙ the
    element-wise product:

        i_t = σ(W_i x_t + U_i h_{t-1} + b_i)            input gate
        f_t = σ(W_f x_t + U_f h_{t-1} + b_f)            forget gate
        c̃_t = tanh(W_c x_t + U_c h_{t-1} + b_c)         candidate
        c_t = f_t ⊙ c_{t-1} + i_t ⊙ c̃_t                 cell state
        o_t = σ(W_o x_t + U_o h_{t-1} + b_o)            output gate
        h_t = o_t ⊙ tanh(c_t)                           hidden state, also the output

    Sources: Hochreiter & Schmidhuber (1997), "Long Short-Term Memory", Neural Computation 9(8); the forget gate is from
    Gers, Schmidhuber & Cummins (2000), "Learning to Forget", Neural Computation 12(10); its bias is initialized to 1 as
    Jozefowicz, Zaremba & Sutskever (2015) recommend.

    Weights, in this order, the four gates side by side as i, f, c, o:
        kernel: W, shape (features, 4 * units).
        recurrent_kernel: U, shape (units, 4 * units).
        bias: b, shape (4 * units,); absent with `use_bias=False`.

    Arguments, defaults, weights and states are those of `keras.layers.LSTMCell`, so weights and configs move both ways;
    but one dropout mask serves all gates, where the built-in cell draws one for each. Dropout, call arguments, returns
    and errors are those of `Cell`; the states are [h_{t-1}, c_{t-1}], each of shape (batch, units).
    """

    gates = 4
    fused = "lstm"

    def project_input(self, x):
        """W x + b: (..., features) to (..., 4 * units)."""
        wx = ops.matmul(x, self.kernel)
        return wx + self.bias if self.use_bias else wx

    def project_state(self, h):
        """U h: (batch, units) to (batch, 4 * units)."""
        return ops.matmul(h, self.recurrent_kernel)

    def step(self, wx, uh, states):
        """From W x_t + b and U h_{t-1} to [h_t, c_t]."""
        _, c_tm1 = states
        z_i, z_f, z_c, z_o = ops.split(wx + uh, 4, axis=-1)
        i_t = self.recurrent_activation(z_i)
        f_t = self.recurrent_activation(z_f)
        c_tilde = self.activation(z_c)
        c_t = f_t * c_tm1 + i_t * c_tilde
        o_t = self.recurrent_activation(z_o)
        h_t = o_t * self.activation(c_t)
        return [h_t, c_t]
