"""A fast recurrent layer, with a gradient of its own, for cells that state their linear parts and the rest apart."""

import importlib

import keras
from keras import ops


@keras.saving.register_keras_serializable("rnn_recipes")
class RNN(keras.layers.RNN):
    """`keras.layers.RNN` with the same arguments and results, and faster on a CPU (benchmarks/recurrent_speed.py).

    It needs nothing but what a cell of this project states anyway:

        project(x)              what depends on the input alone, shape (..., features) to (..., n)
        recur(h)                what is linear in the previous output, (batch, units) to (batch, m)
        step(wx, uh, states)    the rest, from both to the new states, the first of which is the output

    The gradient comes from these three, whatever they compute, so a new cell has it by writing its equations:
    back-propagation through time (Werbos 1990) with one vector-Jacobian product of `step` and of `recur` a timestep,
    while the gradients of all weights in `project` and `recur` are one matrix product each, after the loop.
    `dropout_masks(x, h)` of a cell that has dropout gives what to multiply the inputs and h with, at every step.

    It runs on Keras's TensorFlow and JAX backends, in what they compile: fit, evaluate, predict, tf.function, jax.jit.
    Outside of these, on PyTorch, in mixed precision, with `unroll=True`, or around a cell without the three, this layer
    is keras.layers.RNN, at its speed. On TensorFlow, XLA compiles each direction once for a length; lengths that are
    known only when the graph runs are rounded up to a few sizes. Gradients of gradients need `keras.layers.RNN` there.
    """

    def __init__(self, cell, **kwargs):
        super().__init__(cell, **kwargs)
        if keras.backend.backend() == "tensorflow":
            self.supports_jit = False  # it compiles its own loops; Keras would compile the whole step for each length

    def inner_loop(self, sequences, initial_state, mask, training=False):
        cells = getattr(self.cell, "cells", [self.cell])
        for cell in cells:
            if training and _drops(cell):
                cell.seed_generator.next()  # new masks, also where the first state comes from outside
        fast_path = _fast_path(sequences)
        if fast_path is None or self.unroll or not all(_can_be_split(cell) for cell in cells):
            return super().inner_loop(sequences, initial_state, mask, training)
        x, mask = sequences, None if mask is None else ops.cast(keras.tree.flatten(mask)[0], "bool")
        if self.go_backwards:
            x, mask = ops.flip(x, 1), None if mask is None else ops.flip(mask, 1)
        mask = None if mask is None else ops.expand_dims(mask, -1)
        stacked, finals = cells[0] is not self.cell, []
        for cell, states in zip(cells, initial_state if stacked else [initial_state]):
            keep = self.return_sequences or cell is not cells[-1]
            nested = isinstance(states, (list, tuple))
            states, x, mask_h = list(states) if nested else [states], ops.cast(x, cell.compute_dtype), None
            if training and _drops(cell):
                mask_x, mask_h = cell.dropout_masks(x[:, 0], states[0])
                x = x * ops.expand_dims(mask_x, 1)
            x, final = fast_path.run(cell, x, states, mask, mask_h, training, keep)
            finals.append(final if nested else final[0])
        last = keras.tree.flatten(finals[-1])[0]
        if mask is not None:  # as in Keras: zero, or the last output, which before the first valid step is zero
            valid = mask if self.zero_output_for_mask else ops.cumsum(ops.cast(mask, "int32"), 1) > 0
            last = ops.where(valid[:, -1], last, ops.zeros_like(last))
            x = x if x is None else ops.where(valid, x, ops.zeros_like(x))
        outputs = ops.expand_dims(last, 1) if x is None else x
        return last, outputs, finals if stacked else finals[0]


def _fast_path(x):
    """The module for this backend, if x is a part of a graph: what is compiled has no use where it runs once."""
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax"):
        return None
    module = importlib.import_module(f"{__name__}_{backend}")
    return module if module.in_graph(x) else None


def _can_be_split(cell):
    same_dtype = cell.compute_dtype == cell.variable_dtype  # Keras casts weights in its own calls only
    return same_dtype and all(hasattr(cell, name) for name in ("project", "recur", "step"))


def _drops(cell):
    return hasattr(cell, "dropout_masks") and (cell.dropout or cell.recurrent_dropout)
