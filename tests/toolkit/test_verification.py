"""The comparison of a network with its twin of built-in layers."""

from toolkit import verification
from toolkit.cells import CELLS, recurrent

import keras
import numpy as np
import pytest


def small_model(cell="lstm", units=4):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((5, 2)), recurrent(cell, units, return_sequences=True), keras.layers.Dense(1)]
    return keras.Sequential(layers)


def small_data():
    x = np.random.default_rng(0).normal(size=(40, 5, 2)).astype("float32")
    return x, x.sum(axis=-1, keepdims=True)


def test_verify_passes_for_equal_networks(capsys):
    verification.verify(small_model, "gru", *small_data(), steps=5)
    table = capsys.readouterr().out
    assert table.count("pass") == 7 and "FAIL" not in table


def test_verify_exits_with_1_when_gates_are_swapped(capsys, monkeypatch):
    class Swapped(CELLS["lstm"]):
        def step(self, wx, uh, states):
            i, f, c, o = keras.ops.split(wx + uh, 4, axis=-1)
            return super().step(keras.ops.concatenate([f, i, c, o], axis=-1), 0.0, states)

    monkeypatch.setitem(CELLS, "lstm", Swapped)
    with pytest.raises(SystemExit) as caught:
        verification.verify(small_model, "builtin-lstm", *small_data(), steps=5)
    assert caught.value.code == 1 and "FAIL" in capsys.readouterr().out


def test_random_sequences_are_padded_on_the_right():
    ids = verification.random_sequences(np.random.default_rng(0), 50, 9, 30)
    lengths = (ids != 0).sum(axis=1)
    assert ids.shape == (50, 9) and ids.max() < 30 and (lengths >= 4).all() and len({*lengths}) == 6
    assert all((row[:length] >= 2).all() for row, length in zip(ids, lengths))
