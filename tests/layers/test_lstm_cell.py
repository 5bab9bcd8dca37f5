"""The long short-term memory cell, against NumPy and against keras.layers.LSTM.

Copied by `python -m layers copy`, this file and lstm_cell.py need no other file of this project.
"""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from layers.lstm_cell import LSTMCell


def both():
    """A layer around our cell and the built-in layer, with the same random weights."""
    ours = keras.layers.RNN(LSTMCell(3), return_sequences=True, return_state=True)
    built_in = keras.layers.LSTM(3, return_sequences=True, return_state=True)
    rng = np.random.default_rng(0)
    for layer in (ours, built_in):
        layer.build((None, None, 4))
    ours.set_weights([rng.normal(0, 0.5, w.shape) for w in ours.weights])
    built_in.set_weights(ours.get_weights())
    return ours, built_in


def outputs_and_gradients(layer, x, mask):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, mask=mask)
        loss = sum(tf.reduce_sum(tf.cos(y + i)) for i, y in enumerate(outputs))
    return outputs, tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])


@pytest.mark.parametrize("masked", [False, True])
def test_outputs_and_gradients_are_those_of_the_built_in_layer(masked):
    rng = np.random.default_rng(1)
    x, mask = rng.normal(size=(5, 6, 4)).astype("float32"), rng.random((5, 6)) < 0.6 if masked else None
    (mine, my_gradients), (theirs, their_gradients) = (outputs_and_gradients(layer, x, mask) for layer in both())
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for a, b in zip(my_gradients, their_gradients, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def test_the_equations():
    layer, _ = both()
    (w_i, w_f, w_c, w_o), (u_i, u_f, u_c, u_o), (b_i, b_f, b_c, b_o) = (
        np.split(weight, 4, axis=-1) for weight in layer.get_weights()
    )
    x = np.random.default_rng(3).normal(size=(5, 6, 4)).astype("float32")
    whole, final_h, final_c = layer(x)
    h = c = np.zeros((5, 3))
    for t in range(6):
        x_t = x[:, t]
        i = sigmoid(x_t @ w_i + h @ u_i + b_i)
        f = sigmoid(x_t @ w_f + h @ u_f + b_f)
        c_tilde = np.tanh(x_t @ w_c + h @ u_c + b_c)
        c = f * c + i * c_tilde
        o = sigmoid(x_t @ w_o + h @ u_o + b_o)
        h = o * np.tanh(c)
        np.testing.assert_allclose(whole[:, t], h, atol=1e-5)
    np.testing.assert_allclose(final_h, h, atol=1e-5)
    np.testing.assert_allclose(final_c, c, atol=1e-5)


def test_the_worked_example_of_lecture_notes():
    """Gates f = [0.8, 0.3], i = [0.5, 0.7], o = [0.9, 0.6] and candidate [0.2, -0.1], from a state of zeros."""
    cell = LSTMCell(2)
    cell.build((1, 4))
    gates = np.array([[0.5, 0.7], [0.8, 0.3], [0.9, 0.6]])
    i, f, o = np.log(gates / (1 - gates))
    rng = np.random.default_rng(4)
    cell.set_weights([rng.normal(size=(4, 8)), rng.normal(size=(2, 8)), np.hstack([i, f, np.arctanh([0.2, -0.1]), o])])
    h, (_, c) = cell(np.zeros((1, 4), "float32"), cell.get_initial_state(1))
    np.testing.assert_allclose(c, [[0.1, -0.07]], atol=1e-6)
    np.testing.assert_allclose(h, [[0.0897, -0.0419]], atol=5e-5)


def test_the_forget_gate_starts_open():
    for open_, value in [(True, 1), (False, 0)]:
        cell = LSTMCell(3, unit_forget_bias=open_)
        cell.build((1, 4))
        np.testing.assert_array_equal(cell.get_weights()[2], [0] * 3 + [value] * 3 + [0] * 6)


def test_saved_and_loaded_in_a_fresh_process(tmp_path):
    model = keras.Sequential([keras.Input((6, 4)), keras.layers.RNN(LSTMCell(3)), keras.layers.Dense(1)])
    x = np.random.default_rng(2).normal(size=(5, 6, 4)).astype("float32")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    lines = [
        "import keras, numpy as np",
        "from layers.lstm_cell import LSTMCell",
        "np.save('y.npy', keras.models.load_model('model.keras').predict_on_batch(np.load('x.npy')))",
    ]
    module = LSTMCell.__module__
    place = pathlib.Path(sys.modules[module].__file__).parents[module.count(".")]
    environment = os.environ | {"PYTHONPATH": str(place)}
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict_on_batch(x), rtol=0, atol=1e-6)


def test_dropout_is_drawn_in_training_only():
    layer = keras.layers.RNN(LSTMCell(3, dropout=0.5, recurrent_dropout=0.5, seed=1))
    x = np.ones((5, 6, 4), "float32")
    np.testing.assert_array_equal(layer(x), layer(x))
    assert np.abs(layer(x, training=True) - layer(x, training=True)).max() > 1e-3
