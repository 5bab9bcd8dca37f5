"""The cells that Keras has no twin of: in layers.RNN as in keras.layers.RNN, whatever surrounds them.

That their equations are right, each one's own test shows.
"""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from cell_cases import assert_same, close, masks, outputs_and_gradients, random_weights, sequences

import layers

CELLS = {
    "peephole": layers.PeepholeLSTMCell,
    "coupled": layers.CoupledLSTMCell,
    "minimal": layers.MinimalGatedCell,
    "norm-simple": layers.LayerNormRNNCell,
    "norm-lstm": layers.LayerNormLSTMCell,
}
every_cell = pytest.mark.parametrize("cell", CELLS.values(), ids=CELLS)


def in_graph(layer, mask, state=()):
    layer.build(sequences().shape)
    random_weights(layer)
    mask = None if mask is None else masks(mask)
    return tf.function(lambda: outputs_and_gradients(layer, sequences(), state, mask), autograph=False)()


@every_cell
def test_outputs_and_gradients(cell):
    options = {"return_sequences": True, "return_state": True, "go_backwards": True}
    states = len(cell(3).state_size) if isinstance(cell(3).state_size, list) else 1
    state = [a.astype("float32") for a in np.random.default_rng(2).normal(size=(states, 5, 3))]
    mine, theirs = (
        in_graph(container(cell(3), **options), "a full row", state) for container in (layers.RNN, keras.layers.RNN)
    )
    assert_same(mine, theirs, "keras.layers.RNN")
    assert all(np.abs(gradient).max() > 0 for gradient in mine[1].values())


def test_in_both_directions_and_stacked():
    cells = lambda: [cell(3) for cell in CELLS.values()]
    wrap = lambda container: keras.layers.Bidirectional(container(cells(), return_sequences=True))
    assert_same(
        *(in_graph(wrap(container), "holes") for container in (layers.RNN, keras.layers.RNN)), "keras.layers.RNN"
    )


@every_cell
def test_trained_in_mixed_precision_with_dropout(cell):
    keras.config.set_dtype_policy("mixed_bfloat16")
    recurrent = layers.RNN(cell(8, dropout=0.2, recurrent_dropout=0.2))
    model = keras.Sequential([keras.Input((None, 4)), recurrent, keras.layers.Dense(1, dtype="float32")])
    model.compile(keras.optimizers.Adam(0.03), "mse")
    x = sequences(64)
    losses = model.fit(x, x.mean((1, 2))[:, None], epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


@every_cell
def test_config_brings_the_cell_back(cell):
    arguments = {"use_bias": False, "kernel_initializer": "ones", "dropout": 0.25, "recurrent_regularizer": "l2"}
    first = cell(3, activation="relu", **arguments)
    config = json.loads(json.dumps(first.get_config()))
    again = cell.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config
    assert again.dropout == 0.25 and again.activation is keras.activations.relu and not again.use_bias


@every_cell
def test_what_it_refuses(cell):
    for argument, value in {"units": 0, "dropout": 1.0, "activation": "tahn"}.items():
        with pytest.raises(ValueError, match=f"`{argument}`.*{value}"):
            cell(**{"units": 3} | {argument: value})


@every_cell
def test_a_state_continues_a_sequence(cell):
    layer = layers.RNN(cell(3), return_sequences=True, return_state=True)
    layer.build(sequences().shape)
    whole, *_ = random_weights(layer)(sequences())
    _, *half = layer(sequences()[:, :2])
    close(layer(sequences()[:, 2:], initial_state=half)[0], whole[:, 2:], 1e-5, "the second half, continued")
