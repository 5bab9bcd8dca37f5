"""layers.RNN around an AttentionCell: as keras.layers.RNN around it, gradients included."""

import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from layers import RNN, Attention, AttentionCell, GRUCell, LayerNormLSTMCell, LSTMCell, SimpleRNNCell
from layers import recurrent as dispatch

fast_path = importlib.import_module("layers.recurrent_tensorflow")
BATCH, STEPS, TIMESTEPS, MEMORY, UNITS = 5, 6, 7, 4, 3
CELLS = {
    "simple": lambda: SimpleRNNCell(UNITS),
    "gru": lambda: GRUCell(UNITS),
    "lstm": lambda: LSTMCell(UNITS),
    "norm-lstm": lambda: LayerNormLSTMCell(UNITS),
    "stack": lambda: keras.layers.StackedRNNCells([LSTMCell(2), GRUCell(UNITS)]),
}


def results(container, cell, score, lengths, dynamic):
    """Outputs, states, and gradients for inputs, first states, memory and weights; one list for each length."""
    attending = AttentionCell(CELLS[cell](), Attention(score), MEMORY, 5)
    layer = container(attending, return_sequences=True, return_state=True)
    attending.build((BATCH, 2))
    rng = np.random.default_rng(0)
    attending.set_weights([rng.normal(0, 0.7, w.shape) for w in attending.weights])
    sizes = keras.tree.flatten(attending.cell.state_size)
    shapes = [(BATCH, STEPS, 2), (BATCH, TIMESTEPS, MEMORY), *((BATCH, size) for size in sizes)]
    x, memory, *first = [tf.constant(rng.normal(size=shape), "float32") for shape in shapes]
    mask = tf.constant(np.arange(TIMESTEPS) < np.array([[7], [3], [5], [6], [1]]))
    mix = [tf.constant(rng.normal(size=s), "float32") for s in [(BATCH, STEPS, 5), (BATCH, 5), *shapes[2:]]]

    def measure(x, memory, mask):
        watched = [x, memory, *first, *(w.value for w in attending.trainable_weights)]
        with tf.GradientTape() as tape:
            tape.watch(watched)
            outputs = layer(x, initial_state=attending.start(first, memory, mask), training=True)[: 2 + len(sizes)]
            loss = sum(tf.reduce_sum(a * b) for a, b in zip(outputs, [mix[0][:, : tf.shape(x)[1]], *mix[1:]]))
        return [*outputs, *tape.gradient(loss, watched)]

    shapes = [(None, None), (None, None), (None, None)] if dynamic else [x.shape[:2], memory.shape[:2], mask.shape]
    signature = [tf.TensorSpec((*s, *t.shape[2:]), t.dtype) for s, t in zip(shapes, (x, memory, mask))]
    measure = tf.function(measure, autograph=False, input_signature=signature)
    return [measure(x[:, :steps], memory[:, :times], mask[:, :times]) for steps, times in lengths]


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(
    "cell, score",
    [("gru", "additive"), ("lstm", "general"), ("stack", "concat"), ("simple", "additive"), ("norm-lstm", "general")],
)
def test_as_in_keras(cell, score, dynamic, monkeypatch):
    lengths = [(STEPS, TIMESTEPS), (3, 5), (1, TIMESTEPS)] if dynamic else [(STEPS, TIMESTEPS)]
    calls = []
    monkeypatch.setattr(fast_path, "run", lambda *a, run=fast_path.run: calls.append(a) or run(*a))
    both = [results(container, cell, score, lengths, dynamic) for container in (RNN, keras.layers.RNN)]
    assert len(calls) == 1
    for ours, theirs in zip(*both, strict=True):
        assert all(np.abs(b).max() > 1e-3 for b in theirs)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("cell", [keras.layers.GRUCell(4), GRUCell(4, dropout=0.5), GRUCell(4, recurrent_dropout=0.5)])
def test_around_a_cell_that_drops_or_has_no_parts_it_is_keras_own(cell):
    attending = AttentionCell(cell, Attention(), 6)
    assert not dispatch._can_be_split(attending, fast_path)
    assert dispatch._can_be_split(AttentionCell(GRUCell(4), Attention(), 6), fast_path)
