"""Recurrent layers by their --cell names."""

from toolkit import cells

import keras
import pytest

import layers


@pytest.mark.parametrize("name", cells.CELL_NAMES)
def test_every_cell_name_makes_its_layer(name):
    layer = cells.recurrent(name, 3, dropout=0.1, recurrent_dropout=0.2, return_sequences=True)
    assert layer.return_sequences and layer.cell.units == 3
    assert (layer.cell.dropout, layer.cell.recurrent_dropout) == (0.1, 0.2)
    assert (type(layer) is layers.RNN) != name.startswith("builtin-")


def test_the_built_in_twin_of_a_cell_that_keras_lacks_is_in_its_loop():
    layer = cells.recurrent("builtin-minimal", 3)
    assert type(layer) is keras.layers.RNN and type(layer.cell) is layers.MinimalGatedCell


@pytest.mark.parametrize("name", cells.CELLS)
@pytest.mark.parametrize("weights", [50, 3000])
def test_units_come_nearest_to_the_number_of_weights(name, weights):
    build = lambda units: cells.recurrent(name, units)
    units = cells.units_for(weights, 4, build)
    counts = {}
    for near in (max(units - 1, 1), units, units + 1):
        layer = build(near)
        layer.build((None, None, 4))
        counts[near] = abs(layer.count_params() - weights)
    assert counts[units] == min(counts.values())
