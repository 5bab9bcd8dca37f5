"""The minimal gated unit, written as its equations."""

import keras
from keras import ops

from layers.cell import GatedCell


@keras.saving.register_keras_serializable("rnn_recipes")
class MinimalGatedCell(GatedCell):
    """One step of a network of minimal gated units.

    With x_t the input, h_{t-1} the hidden state, σ the recurrent activation and ⊙ the element-wise product:

        f_t = σ(W_f x_t + U_f h_{t-1} + b_f)                    the only gate
        h̃_t = tanh(W_h x_t + U_h (f_t ⊙ h_{t-1}) + b_h)         candidate
        h_t = (1 - f_t) ⊙ h_{t-1} + f_t ⊙ h̃_t                   hidden state, also the output

    Source: Zhou, Wu, Zhang & Zhou (2016), "Minimal Gated Unit for Recurrent Neural Networks", International Journal of
    Automation and Computing 13(3): a gated recurrent unit whose reset gate is its update gate, a third smaller.

    Weights, in this order, gate and candidate side by side as f, h:
        kernel: W, shape (features, 2 * units).
        recurrent_kernel: U, shape (units, 2 * units).
        bias: b, shape (2 * units,); absent with `use_bias=False`.

    Arguments are those of `keras.layers.GRUCell` except `reset_after`. Dropout, call arguments, returns and errors are
    those of `Cell`; the state is h_{t-1}, shape (batch, units).
    """

    gates = 2

    def project_input(self, x):
        """W x + b: (..., features) to (..., 2 * units)."""
        wx = ops.matmul(x, self.kernel)
        return wx + self.bias if self.use_bias else wx

    def project_state(self, h):
        """U_f h, and h itself, because U_h is multiplied by f_t ⊙ h: (batch, units) to (batch, 2 * units)."""
        return ops.concatenate([ops.matmul(h, self.recurrent_kernel[:, : self.units]), h], axis=-1)

    def step(self, wx, uh, states):
        """From W x_t + b, U_f h_{t-1} and h_{t-1} to [h_t]."""
        h_tm1 = states[0]
        x_f, x_h = ops.split(wx, 2, axis=-1)
        u_f, h = ops.split(uh, 2, axis=-1)
        f_t = self.recurrent_activation(x_f + u_f)
        h_tilde = self.activation(x_h + ops.matmul(f_t * h, self.recurrent_kernel[:, self.units :]))
        h_t = (1 - f_t) * h_tm1 + f_t * h_tilde
        return [h_t]
