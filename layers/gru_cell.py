"""The gated recurrent unit, written as its equations."""

import keras
from keras import ops

from layers.cell import GatedCell


@keras.saving.register_keras_serializable("rnn_recipes")
class GRUCell(GatedCell):
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
        bias: b above b', shape (2, 3 * units); b alone, shape (3 * units,), with `reset_after=False`; absent with
            `use_bias=False`.

    Arguments, defaults, weights and states are those of `keras.layers.GRUCell`, so weights and configs move both ways;
    but one dropout mask serves all gates, where the built-in cell draws one for each. Dropout, call arguments, returns
    and errors are those of `Cell`; the state is h_{t-1}, shape (batch, units).
    """

    gates = 3
    fused = "gru"

    def __init__(self, units, activation="tanh", recurrent_activation="sigmoid", *, reset_after=True, **kwargs):
        super().__init__(units, activation, recurrent_activation, **kwargs)
        self.reset_after = reset_after

    def build(self, input_shape):
        self.build_kernels(input_shape)
        self.build_bias((2, 3 * self.units) if self.reset_after else (3 * self.units,))

    def project_input(self, x):
        """W x + b: (..., features) to (..., 3 * units)."""
        wx = ops.matmul(x, self.kernel)
        return wx + (self.bias[0] if self.reset_after else self.bias) if self.use_bias else wx

    def project_state(self, h):
        """U h + b': (batch, units) to (batch, 3 * units).

        With `reset_after=False` its last third is h itself, because U_h is multiplied by r_t ⊙ h.
        """
        if not self.reset_after:
            return ops.concatenate([ops.matmul(h, self.recurrent_kernel[:, : 2 * self.units]), h], axis=-1)
        uh = ops.matmul(h, self.recurrent_kernel)
        return uh + self.bias[1] if self.use_bias else uh

    def step(self, wx, uh, states):
        """From W x_t + b and U h_{t-1} + b' to [h_t]."""
        h_tm1 = states[0]
        x_z, x_r, x_h = ops.split(wx, 3, axis=-1)
        u_z, u_r, u_h = ops.split(uh, 3, axis=-1)
        z_t = self.recurrent_activation(x_z + u_z)
        r_t = self.recurrent_activation(x_r + u_r)
        u_h = r_t * u_h if self.reset_after else ops.matmul(r_t * u_h, self.recurrent_kernel[:, 2 * self.units :])
        h_tilde = self.activation(x_h + u_h)
        h_t = z_t * h_tm1 + (1 - z_t) * h_tilde
        return [h_t]

    def get_config(self):
        return super().get_config() | {"reset_after": self.reset_after}
