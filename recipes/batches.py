"""Batches of sequences of many lengths: like lengths together, padded on the right, the order decided by a seed."""

import numpy as np
import tensorflow as tf

PADDING = 0
POOL = 50  # batches whose examples are sorted by length together


def _columns(examples):
    """Each column as a tensor: lists of arrays of many lengths as ragged ones."""
    ragged = lambda rows: tf.ragged.constant(rows, dtype="int32") if isinstance(rows, list) else tf.constant(rows)
    return [ragged(rows) for rows in examples]


def _padded(columns, chosen):
    rows = (tf.gather(column, chosen) for column in columns)
    return tuple(x.to_tensor(PADDING) if isinstance(x, tf.RaggedTensor) else x for x in rows)


def _drawn(examples, epoch, count):
    """The `count` columns of an epoch, all of them ragged, as a part of the graph."""

    def parts(epoch):
        columns = examples(int(epoch))
        flat = [(np.concatenate(rows).astype("int32"), np.array([*map(len, rows)])) for rows in columns]
        return [part for column in flat for part in column]

    found = tf.numpy_function(parts, [epoch], ["int32", "int64"] * count)
    found = [tf.ensure_shape(part, [None]) for part in found]
    return [tf.RaggedTensor.from_row_lengths(*column) for column in zip(found[::2], found[1::2])]


def bucketed(examples, batch_size, seed):
    """Shuffled batches of like lengths, as `training.fit` takes them: a function from the epoch, and how many.

    Args:
        examples: columns; each a list of integer arrays, one an example, which are padded with 0, or one array of shape
            (examples, ...). Lengths are those of the last list. Or a function from the epoch to columns, all of them
            lists, for examples that are never twice the same.
    """
    anew = callable(examples)
    first = examples(0) if anew else examples
    count, fixed = len(first[0]), None if anew else _columns(first)
    steps, pools = -(-count // batch_size), tf.range(count, dtype="int64") // (POOL * batch_size)

    def batches(epoch):
        epoch = tf.cast(epoch, tf.int64)
        columns = _drawn(examples, epoch, len(first)) if anew else fixed
        lengths = [column for column in columns if isinstance(column, tf.RaggedTensor)][-1].row_lengths()
        order = tf.random.experimental.stateless_shuffle(tf.range(count), [epoch, seed])
        order = tf.gather(order, tf.argsort(pools * 2**32 + tf.gather(lengths, order), stable=True))
        turns = tf.random.experimental.stateless_shuffle(tf.range(steps), [epoch, seed + 1])
        chosen = tf.data.Dataset.from_tensor_slices(turns)
        chosen = chosen.map(lambda turn: order[turn * batch_size : (turn + 1) * batch_size])
        return chosen.map(lambda chosen: _padded(columns, chosen))

    return batches, steps


def ordered(examples, batch_size):
    """Batches from the shortest example to the longest, and the order that this is; `examples` as in `bucketed`."""
    columns = _columns(examples)
    order = np.argsort([len(row) for row in [c for c in examples if isinstance(c, list)][-1]], kind="stable")
    chosen = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
    return chosen.map(lambda chosen: _padded(columns, chosen)), order
