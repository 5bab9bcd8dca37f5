"""The simple recurrent cell, against NumPy and against keras.layers.SimpleRNN.

Copied by `python -m layers copy`, this file and simple_rnn_cell.py need no other file of this project.
"""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from layers.simple_rnn_cell import SimpleRNNCell


def both():
    """A layer around our cell and the built-in layer, with the same random weights."""
    ours = keras.layers.RNN(SimpleRNNCell(3), return_sequences=True, return_state=True)
    built_in = keras.layers.SimpleRNN(3, return_sequences=True, return_state=True)
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


def test_the_equation():
    layer, _ = both()
    w, u, b = layer.get_weights()
    x = np.random.default_rng(3).normal(size=(5, 6, 4)).astype("float32")
    h = np.zeros((5, 3))
    for t in range(6):
        h = np.tanh(x[:, t] @ w + h @ u + b)
        np.testing.assert_allclose(layer(x)[0][:, t], h, atol=1e-5)


def test_a_worked_example():
    """Two units, an input of 1 twice: tanh(0.5) and tanh(-1), then the same with what each hands the other."""
    layer = keras.layers.RNN(SimpleRNNCell(2), return_sequences=True)
    layer.build((1, 2, 1))
    layer.set_weights([np.array([[0.5, -1.0]]), np.array([[0.0, 1.0], [2.0, 0.0]]), np.zeros(2)])
    h = [[0.4621, -0.7616], [np.tanh(0.5 + 2 * -0.7616), np.tanh(-1 + 0.4621)]]
    np.testing.assert_allclose(layer(np.ones((1, 2, 1), "float32"))[0], h, atol=1e-4)


def test_saved_and_loaded_in_a_fresh_process(tmp_path):
    model = keras.Sequential([keras.Input((6, 4)), keras.layers.RNN(SimpleRNNCell(3)), keras.layers.Dense(1)])
    x = np.random.default_rng(2).normal(size=(5, 6, 4)).astype("float32")
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", x)
    lines = [
        "import keras, numpy as np",
        "from layers.simple_rnn_cell import SimpleRNNCell",
        "np.save('y.npy', keras.models.load_model('model.keras').predict_on_batch(np.load('x.npy')))",
    ]
    module = SimpleRNNCell.__module__
    place = pathlib.Path(sys.modules[module].__file__).parents[module.count(".")]
    environment = os.environ | {"PYTHONPATH": str(place)}
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict_on_batch(x), rtol=0, atol=1e-6)


def test_dropout_is_drawn_in_training_only():
    layer = keras.layers.RNN(SimpleRNNCell(3, dropout=0.5, recurrent_dropout=0.5, seed=1))
    x = np.ones((5, 6, 4), "float32")
    np.testing.assert_array_equal(layer(x), layer(x))
    assert np.abs(layer(x, training=True) - layer(x, training=True)).max() > 1e-3
