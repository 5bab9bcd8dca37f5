"""The long short-term memory cell with peepholes, written as its equations."""

import keras
from keras import initializers, ops

from layers.cell import MemoryCell


@keras.saving.register_keras_serializable("rnn_recipes")
class PeepholeLSTMCell(MemoryCell):
    """One step of a long short-term memory network whose gates see the cell state.

    With x_t the input, h_{t-1} the hidden state, c_{t-1} the cell state, σ the recurrent activation and ⊙ the
    element-wise product:

        i_t = σ(W_i x_t + U_i h_{t-1} + p_i ⊙ c_{t-1} + b_i)    input gate
        f_t = σ(W_f x_t + U_f h_{t-1} + p_f ⊙ c_{t-1} + b_f)    forget gate
        c̃_t = tanh(W_c x_t + U_c h_{t-1} + b_c)                 candidate
        c_t = f_t ⊙ c_{t-1} + i_t ⊙ c̃_t                         cell state
        o_t = σ(W_o x_t + U_o h_{t-1} + p_o ⊙ c_t + b_o)        output gate, which sees the new cell state
        h_t = o_t ⊙ tanh(c_t)                                   hidden state, also the output

    Source: Gers & Schmidhuber (2000), "Recurrent Nets that Time and Count", IJCNN. The gates of a plain cell see c only
    as o ⊙ tanh(c), and not at all while the output gate is closed.

    Weights, in this order, the gates side by side as i, f, c, o:
        kernel: W, shape (features, 4 * units).
        recurrent_kernel: U, shape (units, 4 * units).
        peephole_kernel: p_i above p_f above p_o, shape (3, units).
        bias: b, shape (4 * units,); absent with `use_bias=False`.

    Arguments are those of `keras.layers.LSTMCell`, and `peephole_initializer`. Dropout, call arguments, returns and
    errors are those of `Cell`; the states are [h_{t-1}, c_{t-1}], each of shape (batch, units).
    """

    gates = 4

    def __init__(self, units, *args, peephole_initializer="glorot_uniform", **kwargs):
        # In the order of the weights, because an initializer without a seed draws one here.
        for name, default in {"kernel_initializer": "glorot_uniform", "recurrent_initializer": "orthogonal"}.items():
            kwargs[name] = initializers.get(kwargs.get(name, default))
        peephole_initializer = initializers.get(peephole_initializer)
        super().__init__(units, *args, **kwargs)
        self.peephole_initializer = peephole_initializer

    def build(self, input_shape):
        self.build_kernels(input_shape)
        self.peephole_kernel = self.add_weight((3, self.units), self.peephole_initializer, name="peephole_kernel")
        self.build_bias((4 * self.units,))

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
        p_i, p_f, p_o = ops.unstack(self.peephole_kernel * 1)
        z_i, z_f, z_c, z_o = ops.split(wx + uh, 4, axis=-1)
        i_t = self.recurrent_activation(z_i + p_i * c_tm1)
        f_t = self.recurrent_activation(z_f + p_f * c_tm1)
        c_tilde = self.activation(z_c)
        c_t = f_t * c_tm1 + i_t * c_tilde
        o_t = self.recurrent_activation(z_o + p_o * c_t)
        h_t = o_t * self.activation(c_t)
        return [h_t, c_t]

    def get_config(self):
        initializer = keras.saving.serialize_keras_object(self.peephole_initializer)
        return super().get_config() | {"peephole_initializer": initializer}
