"""The cell in the docstring of layers/cell.py has what the cells of this project have.

All tests of cells run on it too, because it has a line in cell_cases.py.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from cell_cases import CELLS, assert_same, masks, outputs_and_gradients, random_weights, sequences

import layers
from layers import recurrent_tensorflow

Own, _ = CELLS["own"]  # made from the text of the docstring


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def test_it_is_a_subclass_with_gates():
    assert Own.__name__ == "UpdateGateCell"
    assert issubclass(Own, layers.GatedCell)


def test_the_equations_in_its_comments():
    layer = layers.RNN(Own(3), return_sequences=True)
    layer.build((None, None, 4))
    (w_u, w_h), (u_u, u_h), (b_u, b_h) = (np.split(w, 2, axis=-1) for w in random_weights(layer).get_weights())
    x, h, outputs = sequences(), np.zeros((5, 3)), []
    for x_t in np.moveaxis(x, 1, 0):
        u = sigmoid(x_t @ w_u + h @ u_u + b_u)
        h = u * h + (1 - u) * np.tanh(x_t @ w_h + h @ u_h + b_h)
        outputs.append(h)
    np.testing.assert_allclose(layer(x), np.stack(outputs, 1), atol=1e-5)


@pytest.mark.parametrize("mask", [None, "holes", "a full row"])
def test_the_fast_loop_of_layers_RNN_gives_the_results_of_keras_layers_RNN(mask, monkeypatch):
    runs, run = [], recurrent_tensorflow.run
    monkeypatch.setattr(recurrent_tensorflow, "run", lambda *arguments: (runs.append(1), run(*arguments))[1])
    results = []
    for container in (layers.RNN, keras.layers.RNN):
        layer = container(Own(3), return_sequences=True, return_state=True)
        layer.build(sequences().shape)
        random_weights(layer)
        mask_array = None if mask is None else masks(mask)
        measure = lambda: outputs_and_gradients(layer, sequences(), mask=mask_array)
        results.append(tf.function(measure, autograph=False)())
    assert_same(*results, "keras.layers.RNN")
    assert runs, "the fast loop did not run"


def test_saved_and_loaded_with_its_arguments(tmp_path):
    cell = Own(3, "relu", "hard_sigmoid", dropout=0.25, kernel_regularizer="l2")
    model = keras.Sequential([keras.Input((None, 4)), layers.RNN(cell), keras.layers.Dense(1)])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(sequences(), verbose=0), model.predict(sequences(), verbose=0))
    configs = (json.dumps(each.layers[0].cell.get_config(), sort_keys=True) for each in (model, again))
    assert next(configs) == next(configs)


def test_dropout_in_training_only():
    layer = layers.RNN(Own(3, dropout=0.5, recurrent_dropout=0.5, seed=1))
    np.testing.assert_array_equal(layer(sequences()), layer(sequences()))
    assert np.abs(layer(sequences(), training=True) - layer(sequences(), training=True)).max() > 1e-3


def test_mixed_precision():
    layer = layers.RNN(Own(3, dtype="mixed_bfloat16"), dtype="mixed_bfloat16")
    assert layer(sequences()).dtype == "bfloat16"
    assert {w.dtype for w in layer.weights} == {"float32"}


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="`units`.*units=0"):
        Own(0)
