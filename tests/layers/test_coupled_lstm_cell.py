"""The long short-term memory cell with one gate for input and forgetting, against NumPy.

Copied by `python -m layers copy`, this file and coupled_lstm_cell.py need no other file of this project.
"""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from layers.coupled_lstm_cell import CoupledLSTMCell


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def numpy_layer(weights, x):
    (w_f, w_c, w_o), (u_f, u_c, u_o), (b_f, b_c, b_o) = (np.split(w, 3, axis=-1) for w in weights)
    h, c, outputs = np.zeros((len(x), 3)), np.zeros((len(x), 3)), []
    for x_t in np.moveaxis(x, 1, 0):
        f = sigmoid(x_t @ w_f + h @ u_f + b_f)
        c = f * c + (1 - f) * np.tanh(x_t @ w_c + h @ u_c + b_c)
        h = sigmoid(x_t @ w_o + h @ u_o + b_o) * np.tanh(c)
        outputs.append(h)
    return np.stack(outputs, 1), h, c


@pytest.fixture
def layer():
    layer = keras.layers.RNN(CoupledLSTMCell(3), return_sequences=True, return_state=True)
    layer.build((None, None, 4))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.weights])
    return layer


X = np.random.default_rng(1).normal(size=(5, 6, 4)).astype("float32")


def test_the_equations(layer):
    outputs, *finals = layer(X)
    expected, *states = numpy_layer(layer.get_weights(), X)
    for mine, theirs in zip([outputs, *finals], [expected, *states], strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_the_gradient_is_the_slope_of_the_equations(layer):
    """Of every weight and of the inputs, in a random direction, by central differences in NumPy's doubles."""
    weights, direction = layer.get_weights(), np.random.default_rng(2)
    loss = lambda weights, x: sum(np.cos(y + i).sum() for i, y in enumerate(numpy_layer(weights, x)))
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = sum(tf.reduce_sum(tf.cos(y + i)) for i, y in enumerate(layer(x)))
    gradients = tape.gradient(value, [*(w.value for w in layer.trainable_weights), x])
    start = [np.asarray(a, "float64") for a in [*weights, X]]
    for i, gradient in enumerate(gradients):
        d = direction.normal(size=gradient.shape)
        moved = [[a + step * d if i == j else a for j, a in enumerate(start)] for step in (1e-5, -1e-5)]
        slope = (loss(moved[0][:-1], moved[0][-1]) - loss(moved[1][:-1], moved[1][-1])) / 2e-5
        np.testing.assert_allclose(np.sum(gradient * d), slope, rtol=1e-3, atol=1e-4)


def test_without_bias():
    layer = keras.layers.RNN(CoupledLSTMCell(3, use_bias=False))
    assert layer(X).shape == (5, 3)
    assert not [w.name for w in layer.weights if "bias" in w.name]


def test_the_forget_gate_starts_open():
    cell = CoupledLSTMCell(3)
    cell.build((None, 4))
    np.testing.assert_array_equal(np.split(np.array(cell.bias), 3)[0], [1, 1, 1])
    assert np.sum(cell.bias) == 3


def test_saved_and_loaded_in_a_fresh_process(tmp_path):
    model = keras.Sequential([keras.Input((6, 4)), keras.layers.RNN(CoupledLSTMCell(3)), keras.layers.Dense(1)])
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X)
    lines = [
        "import keras, numpy as np",
        "from layers.coupled_lstm_cell import CoupledLSTMCell",
        "np.save('y.npy', keras.models.load_model('model.keras').predict_on_batch(np.load('x.npy')))",
    ]
    module = CoupledLSTMCell.__module__
    place = pathlib.Path(sys.modules[module].__file__).parents[module.count(".")]
    environment = os.environ | {"PYTHONPATH": str(place)}
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "y.npy"), model.predict_on_batch(X), rtol=0, atol=1e-6)


def test_dropout_is_drawn_in_training_only():
    layer = keras.layers.RNN(CoupledLSTMCell(3, dropout=0.5, recurrent_dropout=0.5, seed=1))
    np.testing.assert_array_equal(layer(X), layer(X))
    assert np.abs(layer(X, training=True) - layer(X, training=True)).max() > 1e-3
