"""The fast path of layers.RNN on Keras's JAX backend, on a GPU: a loop with all W x before it, or cuDNN's kernel.

Measured by benchmarks/backend_speed.py. On a CPU Keras's loop is the fastest, and for the inference of all but large
layers on a GPU too: XLA makes one matrix product of W x and U h there.
"""

import jax
import keras
from jax import numpy as jnp
from jax.experimental import rnn

LARGE = 513  # units from which on matrix products are what takes the time


def helps(x, cells, training):
    """Whether this is faster than Keras's loop."""
    return jax.default_backend() != "cpu" and (training or all(map(_is_large, cells)))


def run(cell, x, states, mask, mask_h, training, keep, carry):
    """One cell over sequences, (batch, timesteps, features): its outputs, or None without `keep`, and final states.

    `mask` has shape (batch, timesteps, 1), `mask_h`, the recurrent dropout, that of the first state; both may be None.
    All final states are right, whether or not they are asked for (`carry`).
    """
    is_lstm = hasattr(cell, "fused_kernel") and cell.fused_kernel() == "lstm"
    if is_lstm and _is_large(cell) and training and not cell.recurrent_dropout and x.size and x.dtype == jnp.float32:
        return _cudnn(cell, x, states, mask)

    weights = keras.StatelessScope(initialize_variables=False)
    for variable in cell.weights:
        weights.add_update((variable, variable.value))  # cast here for mixed precision, not at every timestep

    def body(states, element):
        wx_t, *valid = element
        with weights:
            new = cell.step(wx_t, cell.project_state(states[0] if mask_h is None else states[0] * mask_h), states)
        new = [jnp.where(valid[0], a, b) for a, b in zip(new, states)] if valid else new
        return new, new[0] if keep else None

    sequences = [cell.project_input(x), *([] if mask is None else [mask])]
    finals, outputs = jax.lax.scan(body, states, [jnp.swapaxes(a, 0, 1) for a in sequences])
    return jnp.swapaxes(outputs, 0, 1) if keep else None, finals


def _is_large(cell):
    return getattr(cell, "units", 0) >= LARGE


def _cudnn(cell, x, states, mask):
    lengths = jnp.full(x.shape[:1], x.shape[1], "int32")
    if mask is not None:  # a masked step changes nothing: only the others are run, moved to the front of each sequence
        valid = mask[..., 0]
        lengths = valid.sum(1, dtype="int32")
        x = _at(x, jnp.argsort(~valid, axis=1))
    kernels = [w.value.T.ravel() for w in (cell.kernel, cell.recurrent_kernel)]
    none = jnp.zeros(4 * cell.units, x.dtype)
    weights = jnp.concatenate([*kernels, cell.bias.value if cell.use_bias else none, none])  # cuDNN has two biases
    initial = [state[None] for state in states]  # its first axis is for more layers
    sizes = {"input_size": x.shape[-1], "hidden_size": cell.units, "num_layers": 1}
    at_least_one = jnp.maximum(lengths, 1)
    outputs, *finals = rnn.lstm(x, *initial, weights, at_least_one, **sizes, dropout=0.0, bidirectional=False)
    finals = [final[0] for final in finals]
    if mask is not None:
        finals = [jnp.where(lengths[:, None] > 0, a, b) for a, b in zip(finals, states)]
        outputs = _at(outputs, jnp.maximum(jnp.cumsum(valid, 1) - 1, 0))
    return outputs, finals


def _at(sequences, timesteps):
    """The elements of sequences, (batch, n, features), at timesteps of their own, (batch, timesteps)."""
    return jnp.take_along_axis(sequences, timesteps[..., None], axis=1)
