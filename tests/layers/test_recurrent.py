"""layers.RNN differentiates whatever a cell computes, and keeps shapes and files as keras.layers.RNN does."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from layers.recurrent import RNN


@keras.saving.register_keras_serializable("test_recurrent")
class OddCell(keras.layers.Layer):
    """Three states, weights in every part, one of them used twice, and one state that the step only passes on."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units, self.state_size = units, [units, 2 * units, units]

    def build(self, input_shape):
        u = self.units
        shapes = {"w": (input_shape[-1], 2 * u), "u": (u, 3 * u), "peephole": (2 * u,), "mix": (2 * u, u), "gain": (u,)}
        for name, shape in shapes.items():
            setattr(self, name, self.add_weight(name=name, shape=shape))

    def project(self, x):
        return ops.tanh(ops.matmul(x, self.w))

    def recur(self, h):
        return ops.matmul(h * self.gain, self.u) + ops.concatenate([self.gain] * 3)

    def step(self, wx, uh, states):
        h, c, kept = states
        c = ops.sigmoid(wx + uh[:, : 2 * self.units] + self.peephole * c) + 0.5 * c
        h = ops.tanh(ops.matmul(c, self.mix)) * self.gain + uh[:, 2 * self.units :] * h + kept
        return [h, c, kept]

    def get_config(self):
        return super().get_config() | {"units": self.units}

    def call(self, inputs, states):
        states = self.step(self.project(inputs), self.recur(states[0]), states)
        return states[0], states


MASKS = {
    "holes": np.random.default_rng(3).random((7, 6)) < 0.6,
    "a row without a step": np.repeat(np.arange(7)[:, None] != 2, 6, axis=1),
}


def results(container, mask, compiled, **options):
    """Outputs, states, and the gradients of a random mix of them for the inputs, initial states and weights."""
    layer = container(OddCell(3), return_sequences=True, return_state=True, **options)
    layer.build((7, 6, 4))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.weights])
    x, *states = [tf.constant(rng.normal(size=s), "float32") for s in [(7, 6, 4), (7, 3), (7, 6), (7, 3)]]
    mask = None if mask is None else tf.constant(MASKS[mask])
    mix = [tf.constant(rng.normal(size=s), "float32") for s in [(7, 6, 3), (7, 3), (7, 6), (7, 3)]]

    def measure():
        watched = [x, *states, *(w.value for w in layer.trainable_weights)]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            outputs = layer(x, mask=mask, initial_state=states)
            loss = sum(tf.reduce_sum(a * b) for a, b in zip(outputs, mix))
        return list(outputs), tape.gradient(loss, watched)

    return tf.function(measure, autograph=False)() if compiled else measure()


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"zero_output_for_mask": True}])
@pytest.mark.parametrize("mask", [None, *MASKS])
def test_gradients_equal_automatic_differentiation(mask, options, compiled):
    outputs, gradients = results(RNN, mask, compiled, **options)
    their_outputs, their_gradients = results(keras.layers.RNN, mask, False, **options)
    assert len(gradients) == 1 + 3 + 5 and all(np.abs(gradient).max() > 1e-3 for gradient in gradients)
    for ours, theirs in zip([*outputs, *gradients], [*their_outputs, *their_gradients], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_a_cell_without_the_split_works_as_in_keras(monkeypatch):
    monkeypatch.setattr(sys.modules[RNN.__module__], "_run", None)
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    ours, theirs = RNN(keras.layers.LSTMCell(3)), keras.layers.LSTM(3)
    ours(x), theirs(x)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-6)


def test_static_shapes_are_kept():
    """As in keras.layers.RNN: what follows may need them."""
    options = {"return_sequences": True, "return_state": True}
    for batch, length in [(5, 6), (None, 6), (None, None)]:
        inputs = tf.TensorSpec((batch, length, 4))
        shapes = [
            [
                y.shape.as_list()
                for y in tf.function(container(OddCell(3), **options)).get_concrete_function(inputs).outputs
            ]
            for container in (RNN, keras.layers.RNN)
        ]
        assert shapes[0] == shapes[1]


def test_saved_and_loaded(tmp_path):
    x = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    model = keras.Sequential([keras.Input((6, 4)), RNN([OddCell(3), OddCell(2)])])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is RNN
    np.testing.assert_array_equal(model.predict(x, verbose=0), loaded.predict(x, verbose=0))
