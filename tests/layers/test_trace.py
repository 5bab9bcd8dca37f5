"""Traces beside the equations: gates and states of every cell, masked, in both directions, and in whole models.

The cells are those of this project.
"""

import keras
import numpy as np
import pytest

import layers
from layers.trace import NAMES, trace

X = np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32")
MASK = np.array([[True] * 6, [True] * 3 + [False] * 3, [False] * 2 + [True] * 4, [True, False] * 3])
sigmoid = lambda a: 1 / (1 + np.exp(-a))


def randomized(layer):
    if not layer.built:
        layer.build((None, None, 3))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(0, 0.7, w.shape) for w in layer.weights])
    return layer


@pytest.mark.parametrize("name", NAMES)
def test_states_are_the_outputs_of_the_layer(name):
    layer = randomized(layers.RNN(getattr(layers, name)(5), return_sequences=True, return_state=True))
    (found,) = trace(layer, X).values()
    outputs, *finals = layer(X)
    np.testing.assert_allclose(found["h"], outputs, atol=1e-6)
    for state, final in zip(NAMES[name][1], finals, strict=True):
        np.testing.assert_allclose(found[state][:, -1], final, atol=1e-6)
    assert {*found} == {*NAMES[name][0], *NAMES[name][1]}
    assert all(part.shape == (4, 6, 5) for part in found.values())


def test_gates_are_those_of_the_equations():
    layer = randomized(keras.layers.RNN(layers.LSTMCell(5), name="memory"))
    found = trace(layer, X)["memory"]
    kernel, recurrent_kernel, bias = layer.get_weights()
    before = np.concatenate([np.zeros((4, 1, 5)), found["h"][:, :-1]], axis=1)
    i, f, c_tilde, o = np.split(X @ kernel + before @ recurrent_kernel + bias, 4, axis=-1)
    for name, gate in {"i": sigmoid(i), "f": sigmoid(f), "o": sigmoid(o), "c̃": np.tanh(c_tilde)}.items():
        np.testing.assert_allclose(found[name], gate, atol=1e-5)
    np.testing.assert_allclose(found["h"], found["o"] * found["φ(c)"], atol=1e-6)

    layer = randomized(keras.layers.RNN(layers.GRUCell(5, reset_after=False)))
    found = trace(layer, X)[layer.name]
    before = np.concatenate([np.zeros((4, 1, 5)), found["h"][:, :-1]], axis=1)
    np.testing.assert_allclose(found["h"], found["z"] * before + (1 - found["z"]) * found["h̃"], atol=1e-6)


def test_masked_steps_have_no_gates_and_keep_the_states():
    layer = randomized(layers.RNN(layers.GRUCell(5), return_sequences=True))
    masked = keras.Sequential([keras.Input((6, 3)), keras.layers.Masking(), layer])
    found = trace(masked, X * MASK[..., None])[layer.name]
    assert (np.isnan(found["z"]).all(-1) == ~MASK).all() and not np.isnan(found["h"]).any()
    outputs = np.array(masked(X * MASK[..., None]))
    np.testing.assert_allclose(found["h"][MASK], outputs[MASK], atol=1e-6)
    np.testing.assert_array_equal(found["h"][1, 3:], np.repeat(found["h"][1, 2:3], 3, axis=0))


def test_both_directions_in_the_order_of_the_input():
    wrapped = keras.layers.Bidirectional(layers.RNN(layers.LSTMCell(5), return_sequences=True), name="reader")
    model = keras.Sequential([keras.Input((6, 3)), wrapped, keras.layers.GlobalMaxPooling1D()])
    randomized(model)
    before = model.predict(X, verbose=0)
    found = trace(model, X)
    assert {*found} == {"reader/forward", "reader/backward"}
    both = np.concatenate([found["reader/forward"]["h"], found["reader/backward"]["h"]], axis=-1)
    np.testing.assert_allclose(both, wrapped(X), atol=1e-6)
    np.testing.assert_array_equal(model.predict(X, verbose=0), before)  # the model is what it was
    assert "inner_loop" not in vars(wrapped.forward_layer)


def test_layers_inside_layers_and_none_at_all():
    inner = keras.Sequential([keras.layers.RNN(layers.MinimalGatedCell(5), name="inner")])
    model = keras.Sequential([keras.Input((6, 3)), inner, keras.layers.Dense(1)])
    assert [*trace(model, X)] == ["inner"]
    with pytest.raises(ValueError, match="no recurrent layer to trace.*Received"):
        trace(keras.Sequential([keras.Input((6, 3)), keras.layers.LSTM(3)]), X)


def test_a_stateful_layer_keeps_its_states():
    layer = layers.RNN(layers.LSTMCell(5), stateful=True)
    model = keras.Sequential([keras.Input(batch_shape=(4, 6, 3)), layer])
    model(X)
    before = [np.array(state) for state in layer.states]
    trace(model, X)
    np.testing.assert_array_equal([np.array(state) for state in layer.states], before)
