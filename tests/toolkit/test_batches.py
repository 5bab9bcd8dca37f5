"""Batches whose order follows from a seed and the epoch."""

from toolkit import batches

import keras
import numpy as np
import pytest


@pytest.fixture
def rows():
    """Each filled with its own number, so that what stands beside it can be checked."""
    rng = np.random.default_rng(0)
    return [np.full(rng.integers(1, 90), i + 1, "int32") for i in range(503)]


def test_bucketed_batches_hold_every_example_once_and_little_padding(rows):
    stream, steps = batches.bucketed([rows, np.arange(1, 504)[:, None]], 8, seed=3)
    epochs = [list(stream(epoch).as_numpy_iterator()) for epoch in (0, 1, 1)]
    assert len(epochs[0]) == steps == 63
    for epoch in epochs:
        assert sorted(int(y) for _, targets in epoch for y in targets[:, 0]) == list(range(1, 504))
        for ids, targets in epoch:
            assert ((ids == targets) | (ids == 0)).all()  # each target stands by its own row
            assert [np.count_nonzero(row) for row in ids] == [len(rows[int(y) - 1]) for y in targets[:, 0]]
    first, second, again = ([targets.tolist() for _, targets in epoch] for epoch in epochs)
    assert first != second and second == again
    widths = [ids.shape[1] for ids, _ in epochs[0]]
    assert widths != sorted(widths)
    assert sum(map(len, rows)) / sum(ids.size for ids, _ in epochs[0]) > 0.9


def test_the_longest_batch_comes_at_another_time_in_each_epoch(rows):
    stream, _ = batches.bucketed([rows], 16, seed=0)
    places = [np.argmax([ids.shape[1] for (ids,) in stream(epoch).as_numpy_iterator()]) for epoch in range(6)]
    assert len({*places}) > 2


def test_of_two_columns_of_sequences_the_last_decides_and_both_stay_together(rows):
    others = [row[::-1][: 1 + i % 7] for i, row in enumerate(rows)]
    stream, _ = batches.bucketed([others, rows], 16, seed=0)
    found = list(stream(0).as_numpy_iterator())
    assert all((left[:, 0] == right[:, 0]).all() for left, right in found)
    assert sum(map(len, rows)) / sum(right.size for _, right in found) > 0.9


def test_batches_by_length_come_with_their_order(rows):
    stream, order = batches.by_length([rows], 64)
    first = np.concatenate([ids[:, 0] for (ids,) in stream.as_numpy_iterator()])
    np.testing.assert_array_equal(first, order + 1)
    assert (np.diff([len(rows[i]) for i in order]) >= 0).all()


def test_shuffled_batches_have_an_order_of_their_own_in_each_epoch():
    stream, steps = batches.shuffled(np.arange(50), batch_size=20, seed=3)
    epochs = [np.concatenate(list(stream(epoch).as_numpy_iterator())) for epoch in (0, 1, 0)]
    assert steps == 3
    assert sorted(epochs[1]) == list(range(50))
    assert (epochs[0] != epochs[1]).any() and (epochs[0] == epochs[2]).all()


def test_predictions_come_back_in_the_order_of_the_examples(rows):
    model = keras.Sequential([keras.Input((None,), dtype="int32"), keras.layers.Lambda(lambda ids: ids[:, :1])])
    np.testing.assert_array_equal(batches.predict(model, [rows], 64)[:, 0], np.arange(1, 504))
