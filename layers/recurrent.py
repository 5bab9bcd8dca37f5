"""A fast recurrent layer, with a gradient of its own, for cells whose linear parts are methods of their own."""

import contextlib
import contextvars
import importlib
import sys

import keras
from keras import ops


@keras.saving.register_keras_serializable("rnn_recipes")
class RNN(keras.layers.RNN):
    """`keras.layers.RNN` with the same arguments and results, and faster (see docs/speed.md).

    It needs a cell with these three methods, which all cells of this project have:

        project_input(x)        what depends on the input alone, (..., features) to (..., n)
        project_state(h)        what is linear in the previous output, (batch, units) to (batch, m)
        step(wx, uh, states)    the rest, from both to the new states, the first of which is the output

    The gradient is derived from these three, whatever they compute: back-propagation through time (Werbos 1990) with
    one vector-Jacobian product of `step` and one of `project_state` a timestep. The gradients of all weights in
    `project_input` and `project_state` are one matrix product each, after the loop. If a cell has dropout, its method
    `dropout_masks(x, h)` returns what to multiply the inputs and h by at every timestep.

    On TensorFlow the fast loop runs in graphs: fit, evaluate, predict, tf.function. XLA compiles it for a batch size
    and a length once these have run for about as long as compiling takes. On PyTorch, LSTMCell, GRUCell and
    SimpleRNNCell with the usual activations run as kernels of PyTorch (cuDNN on a GPU, oneDNN on a CPU), masked or not;
    all other cells run in a loop, with the inputs projected before it. On JAX such a loop is used for training on a
    GPU, and cuDNN's kernel for training LSTMs of more than 512 units in float32.

    A kernel of cuDNN has no second-order and no forward-mode derivatives and is not vectorized. A loop of TensorFlow
    around this layer, such as `tf.while_loop` or `tf.map_fn`, is not differentiated twice: the error speaks of a
    "variable without handle data". For both, `portable` is the way out.

    In all other cases this layer runs the loop of keras.layers.RNN, at its speed: on TensorFlow outside of graphs and
    in mixed precision; on JAX on a CPU and for most inference, where that loop was the fastest; with `unroll=True`;
    around a cell that lacks one of the methods or has nested states; and in what `model.export` writes, which then has
    only standard operations (use `portable` for graphs that you make yourself).
    """

    def __init__(self, cell, **kwargs):
        super().__init__(cell, **kwargs)
        if keras.backend.backend() == "tensorflow":
            self.supports_jit = False  # it compiles its own loops; Keras would compile the whole step for each length

    def build(self, sequences_shape, initial_state_shape=None):
        try:
            super().build(sequences_shape, initial_state_shape)
        except ValueError as error:  # a cell is shown one timestep only
            raise ValueError(f"{error}, of sequences of shape {tuple(sequences_shape)}") from error

    def inner_loop(self, sequences, initial_state, mask, training=False):
        cells = cells_of(self.cell)
        training, stacked = bool(training), cells[0] is not self.cell
        states = initial_state if stacked else [initial_state]
        for cell in cells:
            if training and _drops(cell):
                cell.seed_generator.next()  # new masks, also where the first state comes from outside
        run = None if self.unroll else _fast_path(sequences, cells, training)
        results = run and self._fast_loop(run, cells, sequences, states, mask, training)
        if not results:
            return super().inner_loop(sequences, initial_state, mask, training)
        last, outputs, finals = results
        return last, outputs, finals if stacked else finals[0]

    def _fast_loop(self, run, cells, x, initial_state, mask, training):
        """The last output, all outputs, and each cell's final states; None where a cell cannot be run so."""
        if not all(self._can_be_split(cell, states) for cell, states in zip(cells, initial_state)):
            return None
        mask = None if mask is None else ops.cast(keras.tree.flatten(mask)[0], "bool")
        if self.go_backwards:
            x, mask = ops.flip(x, 1), None if mask is None else ops.flip(mask, 1)
        if mask is not None and len(mask.shape) == 2:
            mask = ops.expand_dims(mask, -1)
        finals = []
        for cell, states in zip(cells, initial_state):
            keep = self.return_sequences or cell is not cells[-1]
            nested = isinstance(states, (list, tuple))
            states, x, mask_h = list(states) if nested else [states], ops.cast(x, cell.compute_dtype), None
            if training and _drops(cell):
                mask_x, mask_h = cell.dropout_masks(x[:, 0], states[0])
                x = x * ops.expand_dims(mask_x, 1)
            results = run(cell, x, states, mask, mask_h, training, keep, self.return_state or self.stateful)
            if results is None:
                return None
            x, final = results
            finals.append(final if nested else final[0])
        last = keras.tree.flatten(finals[-1])[0]
        if mask is not None:  # as in Keras: zero, or the last output
            valid, before = mask, ops.zeros_like(last)
            if not self.zero_output_for_mask:
                valid = ops.cumsum(ops.cast(mask, "int32"), 1) > 0
                if keras.backend.backend() == "jax":  # where Keras takes the state of before for an output
                    before = states[0]
            last = ops.where(valid[:, -1], last, before)
            x = x if x is None else ops.where(valid, x, ops.expand_dims(before, 1))
        return last, ops.expand_dims(last, 1) if x is None else x, finals

    def _can_be_split(self, cell, states):
        # Keras casts weights in calls: of this layer, but on TensorFlow the loop has functions of its own.
        cast = cell.variable_dtype if keras.backend.backend() == "tensorflow" else self.compute_dtype
        states = states if isinstance(states, (list, tuple)) else [states]
        return cell.compute_dtype == cast and has_parts(cell) and not any(map(keras.tree.is_nested, states))


_portable = contextvars.ContextVar("portable", default=False)


@contextlib.contextmanager
def portable():
    """Within this context layers.RNN runs what keras.layers.RNN would: standard operations only.

    For derivatives that a kernel does not have, and for graphs that you make yourself and that leave the process;
    `model.export` does not need it:

        with layers.portable():
            function = tf.function(model).get_concrete_function(tf.TensorSpec((None, None, 8)))
    """
    token = _portable.set(True)
    try:
        yield
    finally:
        _portable.reset(token)


# Keras and TensorFlow do not tell a layer that it is exported, but its callers are on the stack.
EXPORTERS = "keras.src.export", "tensorflow.lite", "tensorflow.python.saved_model", "tf2onnx", "openvino"
WITHOUT_LISTS = "keras.src.export.litert", "keras.src.export.openvino", "tensorflow.lite", "openvino"


def _callers():
    """The names of the modules whose functions are being run."""
    frame = sys._getframe()
    while frame is not None:
        yield frame.f_globals.get("__name__", "")
        frame = frame.f_back


def _fast_path(x, cells, training):
    """What runs a cell over x; None for Keras's own loop."""
    backend = keras.backend.backend()
    if backend not in ("tensorflow", "jax", "torch") or not (module := _module(backend)).helps(x, cells, training):
        return None
    exporters = [name for name in _callers() if name.startswith(EXPORTERS)]
    if backend == "tensorflow" and any(name.startswith(WITHOUT_LISTS) for name in exporters):
        return module.run_without_lists
    return None if exporters or _portable.get() else module.run


def _module(backend):
    """recurrent_tensorflow.py, _jax.py or _torch.py, beside this file, whatever that is called."""
    name = f"recurrent_{backend}"
    return importlib.import_module(f"{__package__}.{name}" if __package__ else name)


def cells_of(cell):
    """The cells of a stack; of a single cell, itself."""
    return getattr(cell, "cells", [cell])


def has_parts(cell):
    """Whether a cell has the three methods that the fast loop needs."""
    return all(hasattr(cell, part) for part in ("project_input", "project_state", "step"))


def _drops(cell):
    return hasattr(cell, "dropout_masks") and (cell.dropout or cell.recurrent_dropout)


def usage(model):
    """How much every layers.RNN of a model has run at each size, which decides what is compiled, as a list of arrays.

    Compiled or not, results agree to rounding error. If a resumed training must end with the same bits as one that
    was never interrupted, save this with the weights, and pass it to `restore_usage`.
    """
    if keras.backend.backend() != "tensorflow":
        return []
    return [_module("tensorflow").usage(cell) for cell in _cells(model)]


def restore_usage(model, arrays):
    """Restore what `usage` returned, so that the layers of a model compile as if training had never stopped."""
    for cell, array in zip(_cells(model), arrays, strict=True):
        _module("tensorflow").restore_usage(cell, array)


def _cells(model):
    if isinstance(model, RNN):
        return cells_of(model.cell)
    return [cell for layer in getattr(model, "_layers", []) for cell in _cells(layer)]
