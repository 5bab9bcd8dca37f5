"""Recurrent layers by their --cell names."""

import bisect

import keras

import layers

CELLS = {
    "simple": layers.SimpleRNNCell,
    "lstm": layers.LSTMCell,
    "gru": layers.GRUCell,
    "peephole-lstm": layers.PeepholeLSTMCell,
    "coupled-lstm": layers.CoupledLSTMCell,
    "norm-lstm": layers.LayerNormLSTMCell,
    "norm-simple": layers.LayerNormRNNCell,
    "minimal": layers.MinimalGatedCell,
}
BUILT_IN = {"simple": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
BUILT_IN_CELLS = {"simple": keras.layers.SimpleRNNCell, "lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}
CELL_NAMES = [*CELLS, *(f"builtin-{name}" for name in BUILT_IN)]


def cell(name, units, **kwargs):
    """A cell by its --cell name. "builtin-…" of a cell that Keras does not have is our cell."""
    cells = CELLS | BUILT_IN_CELLS if name.startswith("builtin-") else CELLS
    return cells[name.removeprefix("builtin-")](units, **kwargs)


def recurrent(cell, units, dropout=0.0, recurrent_dropout=0.0, **kwargs):
    """A recurrent layer by its --cell name; `kwargs` are those of `keras.layers.RNN` (return_sequences, ...).

    "builtin-…" of a cell that Keras does not have is our cell in `keras.layers.RNN`, differentiated automatically.
    """
    name, dropouts = cell.removeprefix("builtin-"), {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
    if name == cell:
        return layers.RNN(CELLS[name](units, **dropouts), **kwargs)
    if name in BUILT_IN:
        return BUILT_IN[name](units, **dropouts, **kwargs)
    return keras.layers.RNN(CELLS[name](units, **dropouts), **kwargs)


def units_for(weights, features, build):
    """The number of units with which a layer's number of weights comes nearest to `weights`.

    Args:
        weights: number of weights wanted.
        features: size of the layer's input.
        build: a function from a number of units to a layer.
    """

    def count(units):
        layer = build(units)
        layer.build((None, None, features))
        return layer.count_params()

    most = 1
    while count(most) < weights:
        most *= 2
    units = 1 + bisect.bisect_left(range(1, most), weights, key=count)  # the first with as many
    return min((max(units - 1, 1), units), key=lambda n: abs(count(n) - weights))
