"""What the loops of recurrent_tensorflow.py are made of."""

import tensorflow as tf
from keras import ops

_BUCKETS = [quarters << e for e in range(14) for quarters in (3, 4)]  # 3, 4, 6, 8, 12, 16, 24, ...


def compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


def swap(a):
    """Time and batch change places."""
    return None if a is None else ops.transpose(a, (1, 0, *range(2, len(a.shape))))


def flat(a):
    return ops.reshape(a, (-1, *a.shape[2:]))


def transposed(weight):
    return ops.transpose(weight) if len(weight.shape) == 2 else weight


def padded(a):
    """A tensor, (batch, timesteps, ...), with zeros behind, to one of a few sizes."""
    length = tf.shape(a)[1]
    return tf.pad(a, [[0, 0], [0, round_up(length) - length], *[[0, 0]] * (len(a.shape) - 2)])


def round_up(length):
    """The bucket of a length that is known only when the graph runs: at most half as much again."""
    return tf.maximum(length, tf.gather([*_BUCKETS, 0], tf.searchsorted(_BUCKETS, [length]))[0])


def scan(body, carry, sequences, length, reverse=False):
    """Run `body(carry, elements) -> carry, outputs` over time; None among `sequences` is None at every step.

    The next elements travel with the loop: XLA then reads a whole buffer, and does not slice once for each gate
    (at m 103 to 62 µs a step, because only then the gates are computed in vectors).
    """
    live = [s for s in tf.nest.flatten(sequences) if s is not None]
    size = tf.shape(live[0])[0] if live[0].shape[0] is None else live[0].shape[0]
    arrays = [tf.TensorArray(s.dtype, size, element_shape=s.shape[1:], clear_after_read=False).unstack(s) for s in live]

    def elements(values):
        values = iter(values)
        return tf.nest.map_structure(lambda s: None if s is None else next(values), sequences)

    def step(t, carry, outputs, now):
        carry, ys = body(carry, elements(now))
        at = length - 1 - t if reverse else t
        ahead = tf.maximum(at - 1, 0) if reverse else tf.minimum(at + 1, length - 1)
        outputs = [o.write(at, y) for o, y in zip(outputs, tf.nest.flatten(ys))]
        return t + 1, carry, outputs, [a.read(ahead) for a in arrays]

    first = [a.read(length - 1 if reverse else 0) for a in arrays]
    shapes = body(carry, elements(first))[1]
    outputs = [tf.TensorArray(y.dtype, size, element_shape=y.shape) for y in tf.nest.flatten(shapes)]
    _, carry, outputs, _ = tf.while_loop(
        lambda t, *_: t < length, step, (0, list(carry), outputs, first), maximum_iterations=size, parallel_iterations=1
    )
    return carry, tf.nest.pack_sequence_as(shapes, [o.stack() for o in outputs])


class Products:
    """The linear parts inside a step, whose weights get their gradient after the loop, as one product over all steps.

    Called with a function and its argument, as the step has them, in the same order at every step. On the way forward
    it keeps the values; on the way back, given these, it does not work them out again.

    Attributes:
        values, functions, inputs: one for each call in this step.
    """

    def __init__(self, values=None, scope=None):
        self.known, self.scope = values is not None, scope
        self.values, self.functions, self.inputs = values or [], [], []

    def __call__(self, function, a):
        self.functions.append(function)
        self.inputs.append(a)
        if not self.known:
            self.values.append(function(a))
            return self.values[-1]
        return self._again(function, a, self.values[len(self.inputs) - 1])

    def _again(self, function, a, value):
        @tf.custom_gradient
        def known(a, value):
            def gradient(d):
                with tf.GradientTape() as tape, self.scope:
                    tape.watch(a)
                    b = function(a)
                return tape.gradient(b, a, d), d

            return tf.identity(value), gradient

        return known(a, value)
