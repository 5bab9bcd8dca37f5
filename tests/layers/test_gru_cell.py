"""The gated recurrent unit, against NumPy and against keras.layers.GRU.

Copied by `python -m layers copy`, this file and gru_cell.py need no other file of this project.
"""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from layers.gru_cell import GRUCell


def both(reset_after):
    """A layer around our cell and the built-in layer, with the same random weights."""
    ours = keras.layers.RNN(GRUCell(3, reset_after=reset_after), return_sequences=True, return_state=True)
    built_in = keras.layers.GRU(3, reset_after=reset_after, return_sequences=True, return_state=True)
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
@pytest.mark.parametrize("reset_after", [True, False])
def test_outputs_and_gradients_are_those_of_the_built_in_layer(reset_after, masked):
    rng = np.random.default_rng(1)
    x, mask = rng.normal(size=(5, 6, 4)).astype("float32"), rng.random((5, 6)) < 0.6 if masked else None
    (mine, my_gradients), (theirs, their_gradients) = (
        outputs_and_gradients(layer, x, mask) for layer in both(reset_after)
    )
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    for a, b in zip(my_gradients, their_gradients, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


@pytest.mark.parametrize("reset_after", [True, False])
def test_the_equations(reset_after):
    layer, _ = both(reset_after)
    (w_z, w_r, w_h), (u_z, u_r, u_h), bias = (np.split(weight, 3, axis=-1) for weight in layer.get_weights())
    (b_z, c_z), (b_r, c_r), (b_h, c_h) = bias if reset_after else [(b, 0) for b in bias]
    x = np.random.default_rng(3).normal(size=(5, 6, 4)).astype("float32")
    whole, final = layer(x)
    h = np.zeros((5, 3))
    for t in range(6):
        x_t = x[:, t]
        z = sigmoid(x_t @ w_z + b_z + h @ u_z + c_z)
        r = sigmoid(x_t @ w_r + b_r + h @ u_r + c_r)
        h_tilde = np.tanh(x_t @ w_h + b_h + (r * (h @ u_h + c_h) if reset_after else (r * h) @ u_h))
        h = z * h + (1 - z) * h_tilde
        np.testing.assert_allclose(whole[:, t], h, atol=1e-5)
    np.testing.assert_allclose(final, h, atol=1e-5)


def test_a_worked_example():
    """Update gate z = [0.8, 0.3] and candidate [0.2, -0.1], from h = [1, -1]: what z keeps, and the rest is new."""
    cell = GRUCell(2)
    cell.build((1, 4))
    z = np.array([0.8, 0.3])
    bias = np.zeros((2, 6))
    bias[0] = np.hstack([np.log(z / (1 - z)), [0, 0], np.arctanh([0.2, -0.1])])
    cell.set_weights([np.random.default_rng(4).normal(size=(4, 6)), np.zeros((2, 6)), bias])
    h, _ = cell(np.zeros((1, 4), "float32"), np.array([[1, -1]], "float32"))
    np.testing.assert_allclose(h, [[0.8 + 0.2 * 0.2, -0.3 + 0.7 * -0.1]], atol=1e-6)


def test_saved_and_loaded_in_a_fresh_process(tmp_path):
    model = keras.Sequential([keras.Input((6, 4)), keras.layers.RNN(GRUCell(3)), keras.layers.Dense(1)])
    x = np.random.default_rng(2).normal(size=(5, 6, 4)).astype("float32")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    lines = [
        "import keras, numpy as np",
        "from layers.gru_cell import GRUCell",
        "np.save('y.npy', keras.models.load_model('model.keras').predict_on_batch(np.load('x.npy')))",
    ]
    module = GRUCell.__module__
    place = pathlib.Path(sys.modules[module].__file__).parents[module.count(".")]
    environment = os.environ | {"PYTHONPATH": str(place)}
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict_on_batch(x), rtol=0, atol=1e-6)


def test_dropout_is_drawn_in_training_only():
    layer = keras.layers.RNN(GRUCell(3, dropout=0.5, recurrent_dropout=0.5, seed=1))
    x = np.ones((5, 6, 4), "float32")
    np.testing.assert_array_equal(layer(x), layer(x))
    assert np.abs(layer(x, training=True) - layer(x, training=True)).max() > 1e-3
