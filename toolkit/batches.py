"""Batches whose order follows from a seed and the epoch alone, so that no pipeline has a position to lose."""

import numpy as np
import tensorflow as tf

PADDING = 0
POOL = 50  # batches whose examples are sorted by length together


def shuffled(arrays, batch_size, seed):
    """Shuffled batches for `training.fit`.

    Args:
        arrays: a structure of arrays, each of shape (examples, ...).
        batch_size: examples in a batch; the last one may be smaller.
        seed: together with the epoch it decides the order.

    Returns:
        A function from the epoch, an int64 scalar, to a `tf.data.Dataset`, and the number of batches in an epoch.
    """
    arrays = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    examples = len(tf.nest.flatten(arrays)[0])

    def batches(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(examples), [tf.cast(epoch, tf.int64), seed])
        indices = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return indices.map(lambda chosen: tf.nest.map_structure(lambda array: tf.gather(array, chosen), arrays))

    return batches, -(-examples // batch_size)


def bucketed(columns, batch_size, seed):
    """Shuffled batches of sequences of similar length, padded on the right with 0, for `training.fit`.

    Args:
        columns: each a list of integer arrays, one an example, which are padded, or one array of shape (examples, ...).
            The last list decides what is similar.

    Returns:
        A function from the epoch, an int64 scalar, to a `tf.data.Dataset`, and the number of batches in an epoch.
    """
    columns = _tensors(columns)
    lengths = [column for column in columns if isinstance(column, tf.RaggedTensor)][-1].row_lengths()
    count = len(lengths)
    steps, pools = -(-count // batch_size), tf.range(count, dtype="int64") // (POOL * batch_size)

    def batches(epoch):
        epoch = tf.cast(epoch, tf.int64)
        order = tf.random.experimental.stateless_shuffle(tf.range(count), [epoch, seed])
        order = tf.gather(order, tf.argsort(pools * 2**32 + tf.gather(lengths, order), stable=True))
        turns = tf.random.experimental.stateless_shuffle(tf.range(steps), [epoch, seed + 1])
        chosen = tf.data.Dataset.from_tensor_slices(turns)
        chosen = chosen.map(lambda turn: order[turn * batch_size : (turn + 1) * batch_size])
        return chosen.map(lambda chosen: _padded(columns, chosen))

    return batches, steps


def by_length(columns, batch_size):
    """Batches from the shortest example to the longest, for validation and prediction, and the order that this is.

    Args:
        columns: as in `bucketed`.

    Returns:
        A `tf.data.Dataset` and the examples' indices in its order, so that `outputs[np.argsort(order)]` is in theirs.
    """
    lengths = [len(row) for row in [column for column in columns if isinstance(column, list)][-1]]
    columns, order = _tensors(columns), np.argsort(lengths, kind="stable")
    chosen = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
    return chosen.map(lambda chosen: _padded(columns, chosen)), order


def _tensors(columns):
    """Each column as a tensor; a list of arrays of many lengths as a ragged one."""
    ragged = lambda rows: tf.ragged.constant(rows, dtype="int32") if isinstance(rows, list) else tf.constant(rows)
    return [ragged(rows) for rows in columns]


def _padded(columns, chosen):
    rows = (tf.gather(column, chosen) for column in columns)
    return tuple(x.to_tensor(PADDING) if isinstance(x, tf.RaggedTensor) else x for x in rows)


def predict(model, columns, batch_size=256):
    """A model's outputs for examples of many lengths, in their order; `columns` as in `bucketed`, inputs alone."""
    batches, order = by_length(columns, batch_size)
    outputs = model.predict(batches.map(lambda *inputs: (inputs,)), verbose=0)
    return outputs[np.argsort(order)]
