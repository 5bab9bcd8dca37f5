"""The fast path of layers.RNN on Keras's PyTorch backend: cuDNN's or oneDNN's kernel for the whole cell, or a loop."""

import keras
import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

KERNELS = {"lstm": torch.lstm, "gru": torch.gru, "simple": torch.rnn_tanh}
GATES = {"lstm": [0, 1, 2, 3], "gru": [1, 0, 2], "simple": [0]}  # ours, in the order in which PyTorch has them


def helps(x, cells, training):
    return True


def run(cell, x, states, mask, mask_h, training, keep, carry):
    """One cell over sequences, (batch, timesteps, features): its outputs, or None without `keep`, and final states.

    `mask` has shape (batch, timesteps, 1), `mask_h`, the recurrent dropout, that of the first state; both may be None.
    Without `carry` only the first of the final states is right, which is the last output.
    """
    states = [state.clone() for state in states] if carry else states  # a stateful layer overwrites them
    if _has_kernel(cell, x) and not (training and cell.recurrent_dropout):
        return _run_kernel(cell, x, states, mask, keep, carry)
    weights = keras.StatelessScope(initialize_variables=False)
    for variable in cell.weights:
        weights.add_update((variable, variable.value))  # cast here for mixed precision, not at every timestep
    wx, outputs = cell.project_input(x), []
    for t in range(x.shape[1]):
        with weights:
            new = cell.step(wx[:, t], cell.project_state(states[0] if mask_h is None else states[0] * mask_h), states)
        states = new if mask is None else [torch.where(mask[:, t], a, b) for a, b in zip(new, states)]
        outputs += states[:keep]
    return torch.stack(outputs, dim=1) if keep else None, states


def _has_kernel(cell, x):
    if not hasattr(cell, "fused_kernel") or cell.fused_kernel() is None or not x.numel():
        return False
    # A kernel is neither recorded nor transformed. Nothing public tells of vmap and forward-mode differentiation.
    recorded = torch.jit.is_tracing() or torch.compiler.is_compiling()
    mapped = torch._C._functorch.is_functorch_wrapped_tensor(x)
    return not (recorded or mapped or torch.autograd.forward_ad._current_level >= 0)


def _run_kernel(cell, x, states, mask, keep, carry):
    name = cell.fused_kernel()
    kernel, weights = KERNELS[name], _weights(cell, GATES[name], x.dtype)
    states = [state.to(x.dtype)[None] for state in states]  # PyTorch's first axis is for more layers
    layers, dropout, bidirectional, batch_first = 1, 0.0, False, True
    options = weights, cell.use_bias, layers, dropout, torch.is_grad_enabled(), bidirectional
    initial = lambda states: states if name == "lstm" else states[0]
    if mask is None:
        outputs, *finals = kernel(x.contiguous(), initial(states), *options, batch_first)
        return outputs, [final[0] for final in finals]

    # A masked step changes nothing: only the others are run, moved to the front of each sequence.
    valid = mask[..., 0]
    lengths, order = valid.sum(1, keepdim=True), torch.argsort(~valid, dim=1, stable=True)
    x = _at(x, order)
    if carry and name == "lstm":  # to stop at an end is slow, and without it the cell state is that of beyond the end
        packed = pack_padded_sequence(x, lengths[:, 0].clamp(1).cpu(), batch_first, enforce_sorted=False)
        initially = initial([state[:, packed.sorted_indices] for state in states])
        outputs, *finals = kernel(packed.data, packed.batch_sizes, initially, *options)
        outputs, _ = pad_packed_sequence(packed._replace(data=outputs), batch_first)
        finals = [final[0, packed.unsorted_indices] for final in finals]
    else:
        outputs, *finals = kernel(x, initial(states), *options, batch_first)
        finals = [_at(outputs, (lengths - 1).clamp(0))[:, 0], *(final[0] for final in finals[1:])]
    finals = [torch.where(lengths > 0, a, b[0]) for a, b in zip(finals, states)]
    return _at(outputs, (valid.cumsum(1) - 1).clamp(0)) if keep else None, finals


def _at(sequences, timesteps):
    """The elements of sequences, (batch, n, features), at timesteps of their own, (batch, timesteps)."""
    return torch.take_along_dim(sequences, timesteps[..., None], dim=1)


def _weights(cell, gates, dtype):
    """A cell's weights as PyTorch has them, in one piece of memory, as cuDNN needs them."""
    weights = [w.value.to(dtype).T for w in (cell.kernel, cell.recurrent_kernel)]
    if cell.use_bias:
        biases = cell.bias.value.to(dtype).reshape(-1, len(gates) * cell.units)
        weights += [biases[0], biases[1] if len(biases) == 2 else torch.zeros_like(biases[0])]
    if gates != sorted(gates):
        weights = [torch.cat([blocks[gate] for gate in gates]) for blocks in (w.chunk(len(gates)) for w in weights)]
    memory = torch.cat([w.reshape(-1) for w in weights])
    return [part.view(w.shape) for part, w in zip(memory.split([w.numel() for w in weights]), weights)]
