"""The weights of a recurrent module of PyTorch in recurrent layers of Keras."""

import itertools
import re

import keras
import numpy as np

# Keras's gates by their place in PyTorch: z, r, h are there the second, first and third of r, z, n.
_GATES = {"SimpleRNNCell": [0], "LSTMCell": [0, 1, 2, 3], "GRUCell": [1, 0, 2]}


def from_torch(module, layer, prefix=""):
    """Move the weights of a torch.nn.RNN, LSTM or GRU into recurrent layers of Keras, ours or the built-in ones.

        kernel = W_ihᵀ, recurrent_kernel = W_hhᵀ    GRU: the gates r, z, n reordered to z, r, h
        bias = b_ih + b_hh                          GRU: both, one above the other, which `reset_after=True` takes

    `torch.nn.LSTM(8, 64, num_layers=2, bidirectional=True)` is a list of two layers, each `Bidirectional` around an
    LSTM of 64 units, the first with `return_sequences=True`. Keras puts the batch first, as PyTorch does with
    `batch_first=True`. PyTorch itself is not imported.

    Args:
        module: the PyTorch module, or its `state_dict()`: a mapping from names to tensors or arrays.
        layer: `keras.layers.SimpleRNN`, `LSTM` or `GRU`, or `layers.RNN` or `keras.layers.RNN` around a cell of these
            names, or `Bidirectional` around one of them. For `num_layers` above 1, a list of them, or one layer around
            a list of cells. Layers that are not built yet are built.
        prefix: what stands before "weight_ih_l0" where the module is a part of a larger one, such as "encoder.".

    Raises:
        ValueError: the layers do not fit the module in number, direction, size, bias or activation.
    """
    arrays = _recurrent_arrays(module, prefix)
    layers = list(layer) if isinstance(layer, (list, tuple)) else [layer]
    rows = [_rows(part) for part in layers]
    cells = {
        f"l{n}{'_reverse' * side}": cell
        for n, row in enumerate(itertools.chain(*rows))
        for side, cell in enumerate(row)
    }
    found = {re.sub("^(weight|bias)_.._", "", name) for name in arrays}
    if found != set(cells):
        raise ValueError(
            "`layer` must be as many layers as the module has, Bidirectional where it is bidirectional. Received: "
            f"layers for {', '.join(cells)}; weights of {', '.join(sorted(found))}"
        )
    for n, part in enumerate(layers):
        if not part.built:
            part.build((None, None, arrays[f"weight_ih_l{sum(map(len, rows[:n]))}"].shape[1]))
    weights = {suffix: _weights(cell, suffix, arrays, module) for suffix, cell in cells.items()}
    for suffix, cell in cells.items():  # after all were checked, so that an error changes nothing
        cell.set_weights(weights[suffix])


def _recurrent_arrays(module, prefix):
    """The arrays of the module by their names in PyTorch, without the prefix."""
    state = module.state_dict() if hasattr(module, "state_dict") else module
    pattern = re.compile(re.escape(prefix) + r"((?:weight|bias)_(?:ih|hh|hr)_l\d+(?:_reverse)?)")
    names = {match[1]: name for name in state if (match := pattern.fullmatch(name))}
    if not names:
        raise ValueError(
            "`module` must be a torch.nn.RNN, LSTM or GRU or its state_dict(), and `prefix` where it is in a larger "
            f"one. Received: prefix={prefix!r}, and the names {', '.join(map(repr, state)) or 'of no weights'}"
        )
    if any("_hr_" in name for name in names):
        raise ValueError("An LSTM with projections has no counterpart in Keras. Received: a module with proj_size > 0")
    return {name: _array(state[full]) for name, full in names.items()}


def _array(tensor):
    # NumPy has no bfloat16, and takes no tensor of a GPU or with a gradient.
    return np.asarray(tensor.detach().cpu().double() if hasattr(tensor, "detach") else tensor)


def _rows(layer):
    """The cells of a layer, by PyTorch's layers and directions: [[forward], …] or [[forward, backward]]."""
    bidirectional = isinstance(layer, keras.layers.Bidirectional)
    sides = [layer.forward_layer, layer.backward_layer] if bidirectional else [layer]
    if not all(isinstance(side, keras.layers.RNN) for side in sides):
        raise ValueError(f"`layer` must be a recurrent layer or a list of them. Received: {layer}")
    rows = [list(row) for row in zip(*(getattr(side.cell, "cells", [side.cell]) for side in sides))]
    if bidirectional and len(rows) > 1:
        raise ValueError(
            "PyTorch's layers each see both directions of the one below: pass a list of Bidirectional layers. "
            f"Received: {layer.name}, a Bidirectional around {len(rows)} cells"
        )
    return rows


def _weights(cell, suffix, arrays, module):
    """What `cell.set_weights` takes."""
    kind = _checked_kind(cell, module)
    order, parts = _GATES[kind], [f"{name}_{suffix}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    parts = [arrays[name] for name in parts if name in arrays]
    if any(len(part) != len(order) * cell.units for part in parts):
        shapes = ", ".join(str(part.shape) for part in parts)
        raise ValueError(
            f"A {kind} of {cell.units} units does not fit the module. Received: {suffix} of shapes {shapes}"
        )
    w_ih, w_hh, *biases = [np.concatenate([np.split(part, len(order))[gate] for gate in order]) for part in parts]
    weights = [w_ih.T, w_hh.T]
    if biases:
        weights.append(np.stack(biases) if kind == "GRUCell" else sum(biases))
    shapes, expected = ([tuple(w.shape) for w in group] for group in (weights, cell.weights))
    if shapes != expected:
        raise ValueError(
            f"The module's weights {suffix} must have the shapes of the layer, which are {expected}; `use_bias` is "
            f"PyTorch's `bias`. Received: {shapes}"
        )
    return weights


def _checked_kind(cell, module):
    """The name of the cell's class, if it computes what PyTorch does."""
    kind = type(cell).__name__
    if kind not in _GATES:
        raise ValueError(f"PyTorch has SimpleRNN, LSTM and GRU cells alone. Received: {kind}")
    simple = kind == "SimpleRNNCell"
    expected = [getattr(module, "nonlinearity", None)] if simple else ["tanh", "sigmoid"]
    for name, function in zip(("activation", "recurrent_activation"), expected):
        if function and getattr(cell, name) is not keras.activations.get(function):
            raise ValueError(f"`{name}` must be {function!r} as in PyTorch. Received: {getattr(cell, name)}")
    if kind == "GRUCell" and not cell.reset_after:
        raise ValueError("PyTorch's GRU resets after the product. Received: a GRUCell with reset_after=False")
    return kind
