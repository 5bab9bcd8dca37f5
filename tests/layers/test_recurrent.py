"""layers.RNN differentiates whatever a cell computes, and keeps shapes and files as keras.layers.RNN does."""

import importlib
import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from layers.recurrent import RNN

fast_path = importlib.import_module(f"{RNN.__module__}_tensorflow")


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

    def project_input(self, x):
        return ops.tanh(ops.matmul(x, self.w))

    def project_state(self, h):
        return ops.matmul(h * self.gain, self.u) + ops.concatenate([self.gain] * 3)

    def step(self, wx, uh, states):
        h, c, kept = states
        c = ops.sigmoid(wx + uh[:, : 2 * self.units] + self.peephole * c) + 0.5 * c
        h = ops.tanh(ops.matmul(c, self.mix)) * self.gain + uh[:, 2 * self.units :] * h + kept
        return [h, c, kept]

    def get_config(self):
        return super().get_config() | {"units": self.units}

    def call(self, inputs, states):
        states = self.step(self.project_input(inputs), self.project_state(states[0]), states)
        return states[0], states


MASKS = {
    "holes": np.random.default_rng(3).random((7, 6)) < 0.6,
    "a row without a step": np.repeat(np.arange(7)[:, None] != 2, 6, axis=1),
}


def results(container, mask, lengths=(6,), dynamic=False, training=None, **options):
    """Outputs, states, and the gradients of a random mix of them for the inputs, initial states and weights.

    One list of them for each of the lengths, all from one graph.
    """
    layer = container(OddCell(3), return_sequences=True, return_state=True, **options)
    layer.build((7, 6, 4))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.weights])
    x, *states = [tf.constant(rng.normal(size=s), "float32") for s in [(7, 6, 4), (7, 3), (7, 6), (7, 3)]]
    mask = None if mask is None else tf.constant(MASKS[mask])
    mix = [tf.constant(rng.normal(size=s), "float32") for s in [(7, 6, 3), (7, 3), (7, 6), (7, 3)]]

    def measure(x, mask=None):
        watched = [x, *states, *(w.value for w in layer.trainable_weights)]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            outputs = layer(x, mask=mask, initial_state=states, training=training)
            loss = sum(tf.reduce_sum(a * b) for a, b in zip(outputs, [mix[0][:, : tf.shape(x)[1]], *mix[1:]]))
        return [*outputs, *tape.gradient(loss, watched)]

    batch, length = (None, None) if dynamic else (7, 6)
    inputs = [x] if mask is None else [x, mask]
    signature = [tf.TensorSpec((batch, length, *tensor.shape[2:]), tensor.dtype) for tensor in inputs]
    measure = tf.function(measure, autograph=False, input_signature=signature)
    return [measure(*(tensor[:, :n] for tensor in inputs)) for n in lengths]


def assert_same(ours, theirs):
    for mine, reference in zip(ours, theirs, strict=True):
        assert len(mine) == 4 + 1 + 3 + 5 and all(np.abs(gradient).max() > 1e-3 for gradient in mine[4:])
        for a, b in zip(mine, reference, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("options", [{}, {"go_backwards": True}, {"zero_output_for_mask": True}])
@pytest.mark.parametrize("mask", [None, *MASKS])
def test_gradients_equal_automatic_differentiation(mask, options):
    assert_same(results(RNN, mask, **options), results(keras.layers.RNN, mask, **options))


@pytest.mark.parametrize("mask, compile_after", [(None, 0), ("holes", math.inf), ("a row without a step", 0)])
def test_training_in_pieces_of_time(mask, compile_after, monkeypatch):
    """Four timesteps, then two, which are padded where they are compiled."""
    monkeypatch.setattr(fast_path, "_piece", lambda loop, x: 4)
    monkeypatch.setattr(fast_path, "COMPILE_AFTER", compile_after)
    assert_same(results(RNN, mask, training=True), results(keras.layers.RNN, mask, training=True))


@pytest.mark.parametrize("options", [{}, {"go_backwards": True}])
@pytest.mark.parametrize("mask", [None, "holes"])
def test_lengths_known_only_when_the_graph_runs(mask, options):
    """Sequences are padded for the compiler, which must be seen nowhere."""
    options |= {"lengths": [5, 6, 3, 2, 4], "dynamic": True}
    assert_same(results(RNN, mask, **options), results(keras.layers.RNN, mask, **options))


@pytest.mark.parametrize("steps, most", [(2, 1.5), (4, 1.25)])
def test_few_sizes_are_compiled(steps, most):
    sizes = [*range(1, 1000), *range(1000, 80000, 777)]
    rounded = [int(fast_path._round_up(tf.constant(n), steps)) for n in sizes]
    assert all(n <= size <= most * n for n, size in zip(sizes, rounded))
    assert len({*rounded[:999]}) <= 10 * steps


def test_a_cell_without_the_split_works_as_in_keras(monkeypatch):
    monkeypatch.setattr(fast_path, "run", None)
    x = np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32")
    ours, theirs = (keras.Sequential([layer]) for layer in (RNN(keras.layers.LSTMCell(3)), keras.layers.LSTM(3)))
    ours.build(x.shape), theirs.build(x.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), atol=1e-6)


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
