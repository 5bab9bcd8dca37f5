"""Recurrent cells on maps, against keras.layers.ConvLSTM2D and against NumPy.

Copied by `python -m layers copy`, this file and convolutional.py need no other file of this project.
"""

import json
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from layers.convolutional import ConvLSTMCell, ConvRNN, ConvRNNCell

X = np.random.default_rng(1).normal(size=(3, 4, 7, 6, 2)).astype("float32")
OPTIONS = {
    "same": {"padding": "same"},
    "valid": {},
    "strides, no bias": {"strides": (2, 1), "padding": "same", "use_bias": False},
    "strides, hard gates": {"strides": 2, "recurrent_activation": "hard_sigmoid", "activation": "elu"},
}


def randomized(layer):
    layer.build((None, None, *X.shape[2:]))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.3, w.shape) for w in layer.weights])
    return layer


def outputs_and_gradients(layer, mask=None, state=None):
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        outputs = layer(x, mask=mask, initial_state=state)
        loss = sum(tf.reduce_sum(tf.cos(y + i)) for i, y in enumerate(outputs))
    return outputs, tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_outputs_and_gradients_are_those_of_the_built_in_layer(options, masked):
    kept = {"return_sequences": True, "return_state": True}
    mine = randomized(ConvRNN(ConvLSTMCell(3, (3, 2), **options), **kept))
    theirs = randomized(keras.layers.ConvLSTM2D(3, (3, 2), **options, **kept))
    assert [w.shape for w in mine.weights] == [w.shape for w in theirs.weights]
    mask = np.random.default_rng(2).random(X.shape[:2]) < 0.6 if masked else None
    for a, b in zip(*(tf.nest.flatten(outputs_and_gradients(layer, mask)) for layer in (mine, theirs)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("sequences", [False, True])
def test_shapes_are_known_beforehand(options, sequences):
    model_of = lambda layer: keras.Model(film, layer(film))
    film = keras.Input((None, 7, 6, 2))
    kept = {"return_sequences": sequences, "return_state": True}
    mine = model_of(ConvRNN(ConvLSTMCell(3, 3, **options), **kept))
    theirs = model_of(keras.layers.ConvLSTM2D(3, 3, **options, **kept))
    assert mine.output_shape == [tuple(shape) for shape in theirs.output_shape]
    for got, shape in zip(mine.predict(X, verbose=0), mine.output_shape, strict=True):
        assert got.shape == (3, *(4 if n is None else n for n in shape[1:]))


def test_the_equation_of_the_simple_cell():
    layer = randomized(ConvRNN(ConvRNNCell(3, 3, padding="same"), return_sequences=True))
    w, u, b = layer.get_weights()

    def convolved(maps, kernel):
        padded = np.pad(maps, [(0, 0), (1, 1), (1, 1), (0, 0)])
        parts = [padded[:, i : i + 7, j : j + 6] @ kernel[i, j] for i in range(3) for j in range(3)]
        return np.sum(parts, axis=0)

    outputs, h = layer(X), np.zeros((3, 7, 6, 3))
    for t in range(4):
        h = np.tanh(convolved(X[:, t], w) + convolved(h, u) + b)
        np.testing.assert_allclose(outputs[:, t], h, atol=1e-5)


@pytest.mark.parametrize("cell", [ConvLSTMCell, ConvRNNCell])
def test_a_state_continues_a_film(cell):
    layer = randomized(ConvRNN(cell(3, 3), return_sequences=True, return_state=True))
    whole, *_ = layer(X)
    _, *half = layer(X[:, :2])
    np.testing.assert_allclose(layer(X[:, 2:], initial_state=half)[0], whole[:, 2:], atol=1e-5)


def test_first_bias_and_weight_names_are_the_built_in_ones():
    mine, theirs = ConvRNN(ConvLSTMCell(3, 3)), keras.layers.ConvLSTM2D(3, 3)
    for layer in (mine, theirs):
        layer.build((None, None, 7, 6, 2))
    assert [w.name for w in mine.weights] == [w.name for w in theirs.weights]
    np.testing.assert_array_equal(mine.get_weights()[2], theirs.get_weights()[2])


@pytest.mark.parametrize("cell", [ConvLSTMCell, ConvRNNCell])
def test_config_brings_the_cell_back(cell):
    first = cell(3, (3, 2), strides=2, padding="same", activation="relu", use_bias=False)
    config = json.loads(json.dumps(first.get_config()))
    again = cell.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert again.kernel_size == (3, 2) and again.activation is keras.activations.relu and not again.use_bias


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"filters": 0, "kernel_size": 3}, "`filters`.*0"),
        ({"filters": 2, "kernel_size": (3, 3, 3)}, r"`kernel_size`.*\(3, 3, 3\)"),
        ({"filters": 2, "kernel_size": 3, "strides": 0}, "`strides`.*0"),
        ({"filters": 2, "kernel_size": 3, "padding": "some"}, "`padding`.*some"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvLSTMCell(**arguments)


def test_a_list_of_cells_is_refused():
    with pytest.raises(ValueError, match="one cell; stack ConvRNN layers"):
        ConvRNN([ConvLSTMCell(2, 3), ConvLSTMCell(2, 3)])


@pytest.mark.parametrize("shape", [(None, None, 7, 6), (None, None, None, 6, 2)])
def test_bad_shapes(shape):
    with pytest.raises(ValueError, match="`inputs` must have shape.*Received"):
        ConvRNN(ConvLSTMCell(3, 3)).build(shape)


def test_saved_and_loaded_in_a_fresh_process(tmp_path):
    layers = [ConvRNN(ConvLSTMCell(3, 3), return_sequences=True), ConvRNN(ConvRNNCell(2, 3)), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((None, 7, 6, 2)), *layers])
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X)
    lines = [
        "import keras, numpy as np",
        "from layers.convolutional import ConvLSTMCell",
        "np.save('y.npy', keras.models.load_model('model.keras').predict_on_batch(np.load('x.npy')))",
    ]
    module = ConvLSTMCell.__module__
    place = pathlib.Path(sys.modules[module].__file__).parents[module.count(".")]
    environment = os.environ | {"PYTHONPATH": str(place)}
    subprocess.run([sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, env=environment, check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), model.predict_on_batch(X))
