"""layers.RNN around the cells of this project; test_cells*.py run every other check of a cell in it too."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from cell_cases import CELLS, assert_same, masks, our_cell, outputs_and_gradients, random_weights, sequences

import layers
from layers import recurrent_tensorflow


@pytest.mark.parametrize("case", CELLS)
def test_inference_is_differentiable_too(case):
    """As for a saliency map: with training off, nothing is kept on the way forward."""
    x, mask = sequences(), masks("holes")
    results = []
    for container in (layers.RNN, keras.layers.RNN):
        layer = container(our_cell(case))
        layer.build(x.shape)
        random_weights(layer)
        results.append(tf.function(lambda: outputs_and_gradients(layer, x, mask=mask), autograph=False)())
    assert_same(*results, "keras.layers.RNN")
    assert all(np.abs(gradient).max() > 0 for gradient in results[0][1].values())


@pytest.mark.slow
def test_different_cells_stacked_in_both_directions():
    results = []
    for container in (layers.RNN, keras.layers.RNN):
        cells = [our_cell(case) for case in ("simple", "peephole", "minimal", "own")]
        layer = keras.layers.Bidirectional(container(cells, return_sequences=True))
        layer.build(sequences().shape)
        random_weights(layer)
        measure = lambda: outputs_and_gradients(layer, sequences(), mask=masks("holes"))
        results.append(tf.function(measure, autograph=False)())
    assert_same(*results, "keras.layers.RNN")


@pytest.fixture
def fast(monkeypatch):
    """Counts the sequences that take the fast path."""
    runs, run = [], recurrent_tensorflow.run
    monkeypatch.setattr(recurrent_tensorflow, "run", lambda *arguments: (runs.append(1), run(*arguments))[1])
    return runs


@pytest.mark.parametrize("case", CELLS)
def test_fast_path_runs(case, fast):
    layer = layers.RNN(our_cell(case))
    layer(sequences())
    assert not fast  # outside a graph there is nothing to win
    model = keras.Sequential([layer, keras.layers.Reshape((1, 3))])
    model.add(keras.layers.Bidirectional(layers.RNN([our_cell(case), our_cell(case)])))
    model.build((5, 4, 4))
    fast.clear()
    assert model.predict(sequences(), verbose=0).shape == (5, 6)
    assert len(fast) == 1 + 2 * 2


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.RNN(layers.LSTMCell(3), unroll=True),
        lambda: layers.RNN(keras.layers.LSTMCell(3)),
        lambda: layers.RNN([layers.LSTMCell(3), keras.layers.GRUCell(3)]),
        lambda: layers.RNN(layers.LSTMCell(3, dtype="mixed_bfloat16")),
    ],
    ids=["unrolled", "built-in cell", "one built-in cell", "mixed precision"],
)
def test_what_falls_back_works_as_in_keras(layer, fast):
    assert keras.Sequential([layer()]).predict(sequences(), verbose=0).shape == (5, 3)
    assert not fast


def test_lengths_that_change_are_traced_once(fast):
    """And so they are compiled at most once, however many lengths come."""
    model = keras.Sequential([keras.Input((None, 4)), layers.RNN(layers.GRUCell(3)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    data = [(np.ones((8, length, 4), "float32"), np.ones((8, 1), "float32")) for length in (3, 5, 9, 4, 7, 6)]
    signature = tf.TensorSpec((None, None, 4)), tf.TensorSpec((None, 1))
    stream = tf.data.Dataset.from_generator(lambda: iter(data), output_signature=signature)
    fast.clear()
    model.fit(stream, verbose=0)
    assert len(fast) <= 2  # Keras traces its step twice at most
