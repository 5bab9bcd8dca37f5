"""The fast path of layers.RNN on Keras's TensorFlow backend: loops that XLA compiles, and their gradient."""

import os

import keras
import tensorflow as tf
from keras import ops


def in_graph(x):
    return not tf.executing_eagerly()


def run(cell, x, states, mask, mask_h, training, keep):
    """One cell over sequences, (batch, timesteps, features): its outputs, or None without `keep`, and final states.

    `mask` has shape (batch, timesteps, 1), `mask_h`, the recurrent dropout, that of the first state; both may be None.
    """
    length = x.shape[1]
    if length is None:  # compiled once for each size of padding, while the loop makes only `length` steps
        length = tf.shape(x)[1]
        padding = [[0, 0], [0, _round_up(length) - length]]
        x = tf.pad(x, [*padding, *[[0, 0]] * (len(x.shape) - 2)])
        mask = None if mask is None else tf.pad(mask, [*padding, [0, 0]])
    sequence = _Sequence(cell, len(states), training, keep)
    # XLA runs the element-wise part of a loop on one core of a CPU, so each core gets a part of the batch.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = 1 if tf.config.list_logical_devices("GPU") else min(cores, 4)
    batch, parts = x.shape[0] or tf.shape(x)[0], min(cores, x.shape[0] or cores)
    sizes = [batch * (i + 1) // parts - batch * i // parts for i in range(parts)]

    def split(tensor):
        return [None] * parts if tensor is None else tf.split(tensor, sizes, num=parts)

    results = [sequence(*part, length) for part in zip(split(x), split(mask), split(mask_h), zip(*map(split, states)))]
    results = [tf.concat(parts, 0) for parts in zip(*results)]
    return results[0][:, :length] if keep else None, results[keep:]


_BUCKETS = [quarters << e for e in range(14) for quarters in (3, 4)]  # 3, 4, 6, 8, 12, 16, 24, ...


def _round_up(length):
    """The bucket of a length that is known only when the graph runs: at most half as much again."""
    return tf.maximum(length, tf.gather([*_BUCKETS, 0], tf.searchsorted(_BUCKETS, [length]))[0])


class _Sequence:
    """A cell's loop over time with its gradient; weights go in as tensors, so that it can be differentiated by hand.

    In loops the time comes first: sequences are (timesteps, batch, ...) there, and (batch, timesteps, ...) outside.
    """

    def __init__(self, cell, n, training, keep):
        self.cell, self.n, self.training, self.keep = cell, n, training, keep
        self.variables = [v for v in cell.weights if "float" in v.dtype]
        self.tensors = [tf.convert_to_tensor(v.value) for v in self.variables]
        self.forward, self.backward = _compiled(self._forward), _compiled(self._backward)

    def __call__(self, x, mask, mask_h, states, length):
        """Returns the outputs, shape (batch, timesteps, units), if they are kept, and then the final states."""

        @tf.custom_gradient
        def run(x, *tensors):
            inputs = x, tensors[: self.n], tensors[self.n :], mask, mask_h, length
            results, saved = self.forward(*inputs, save=self.training)

            def gradient(*d):
                kept = saved if self.training else self.forward(*inputs, save=True)[1]
                d_wx, *d_tensors = self.backward(d[0] if self.keep else None, d[self.keep :], *inputs, kept)
                with tf.GradientTape() as tape:  # here, where TensorFlow drops it if nobody needs it
                    tape.watch(x)
                    wx = self.project(x, tensors[self.n :])
                return [tape.gradient(wx, x, d_wx, unconnected_gradients="zero"), *d_tensors]

            return results, gradient

        return run(x, *states, *self.tensors)

    def weights(self, tensors):
        return keras.StatelessScope(state_mapping=list(zip(self.variables, tensors)))

    def project(self, x, weights):
        """The part of all steps that depends on the input alone, time first, as one product."""
        with self.weights(weights):
            wx = self.cell.project(_flat(_swap(x)))
        return ops.reshape(wx, (ops.shape(x)[1], ops.shape(x)[0], *wx.shape[1:]))

    def _forward(self, x, states, weights, mask, mask_h, length, save):
        wx = self.project(x, weights)
        if save:
            self.additive = self._is_additive(wx[0], states, weights)

        def body(states, element):
            wx_t, valid = element
            with self.weights(weights):
                uh_t = self.cell.recur(states[0] if mask_h is None else states[0] * mask_h)
                new = self.cell.step(wx_t, uh_t, states)
            if valid is not None:
                new = [ops.where(valid, a, b) for a, b in zip(new, states)]
            saved = [*states, wx_t + uh_t if self.additive else uh_t] if save else []
            return new, [*new[: self.keep], *saved]

        finals, kept = _scan(body, states, [wx, _swap(mask)], length)
        if save and not self.additive:
            kept.append(wx)
        return [*map(_swap, kept[: self.keep]), *finals], kept[self.keep :]

    def _is_additive(self, wx_t, states, weights):
        """Whether the step sees only the sum of both parts: then one array is saved instead of two."""
        with tf.GradientTape() as tape, self.weights(weights):
            uh_t = self.cell.recur(states[0])
            tape.watch([wx_t, uh_t])
            new = self.cell.step(wx_t, uh_t, states)
        d_wx, d_uh = tape.gradient(new, [wx_t, uh_t])
        return d_wx is d_uh

    def _backward(self, d_outputs, d_finals, x, states, weights, mask, mask_h, length, saved):
        n, weights = self.n, list(weights)
        previous, uh, wx = saved[:n], saved[n], None if self.additive else saved[n + 1]
        # XLA would transpose U at each step for d_uh Uᵀ; of what is transposed twice, once out here, it sees Uᵀ itself
        # (at l 527 to 364 µs a step).
        transposed = [_transposed(w) for w in weights]

        def body(carry, element):
            uh_t, wx_t, d_out, valid, *states = element
            d_states, d_weights = list(carry[:n]), carry[n:]
            weights = [_transposed(w) for w in transposed]
            wx_t = tf.zeros_like(uh_t) if self.additive else wx_t
            if d_out is not None:
                d_states[0] += d_out
            d_new = d_states if valid is None else [tf.where(valid, d, tf.zeros_like(d)) for d in d_states]
            with tf.GradientTape() as tape, self.weights(weights):
                tape.watch([wx_t, uh_t, *states, *weights])
                new = self.cell.step(wx_t, uh_t, states)
            d_wx, d_uh, *rest = tape.gradient(new, [wx_t, uh_t, *states, *weights], d_new)
            d_previous = [tf.zeros_like(s) if d is None else d for s, d in zip(states, rest[:n])]
            with tf.GradientTape() as tape, self.weights(weights):
                tape.watch(states[0])
                linear = self.cell.recur(states[0] if mask_h is None else states[0] * mask_h)
            d_previous[0] += tape.gradient(linear, states[0], d_uh)
            if valid is not None:
                d_previous = [tf.where(valid, d, old) for d, old in zip(d_previous, d_states)]
            d_weights = [w + d if d is not None else w for w, d in zip(d_weights, rest[n:])]
            return [*d_previous, *d_weights], [d_wx] if d_wx is d_uh else [d_wx, d_uh]

        start = [*d_finals, *(tf.zeros_like(w) for w in weights)]
        sequences = [uh, wx, _swap(d_outputs), _swap(mask), *previous]
        carry, d_linear = _scan(body, start, sequences, length, reverse=True)
        h = previous[0] if mask_h is None else previous[0] * mask_h
        with tf.GradientTape() as tape, self.weights(weights):
            tape.watch(weights)
            linear = [self.cell.project(_flat(_swap(x))), self.cell.recur(_flat(h))]
        d_wx, d_uh = d_linear[0], d_linear[-1]
        d_weights = tape.gradient(linear, weights, [_flat(d_wx), _flat(d_uh)], unconnected_gradients="zero")
        return [d_wx, *carry[:n], *(a + b for a, b in zip(carry[n:], d_weights))]


def _compiled(function):
    return tf.function(function, jit_compile=True, autograph=False)


def _swap(a):
    """Time and batch change places."""
    return None if a is None else ops.transpose(a, (1, 0, *range(2, len(a.shape))))


def _flat(a):
    return ops.reshape(a, (-1, *a.shape[2:]))


def _transposed(weight):
    return ops.transpose(weight) if len(weight.shape) == 2 else weight


def _scan(body, carry, sequences, length, reverse=False):
    """Run `body(carry, elements) -> carry, outputs` over time; None among `sequences` is None at every step.

    The next elements travel with the loop: XLA then reads a whole buffer, and does not slice once for each gate
    (at m 103 to 62 µs a step, because only then the gates are computed in vectors).
    """
    size = tf.shape(sequences[0])[0] if sequences[0].shape[0] is None else sequences[0].shape[0]
    live = [s for s in sequences if s is not None]
    arrays = [tf.TensorArray(s.dtype, size, element_shape=s.shape[1:], clear_after_read=False).unstack(s) for s in live]

    def elements(values):
        values = iter(values)
        return [None if s is None else next(values) for s in sequences]

    def step(t, carry, outputs, now):
        carry, ys = body(carry, elements(now))
        at = length - 1 - t if reverse else t
        ahead = tf.maximum(at - 1, 0) if reverse else tf.minimum(at + 1, length - 1)
        return t + 1, carry, [o.write(at, y) for o, y in zip(outputs, ys)], [a.read(ahead) for a in arrays]

    first = [a.read(length - 1 if reverse else 0) for a in arrays]
    shapes = body(carry, elements(first))[1]
    outputs = [tf.TensorArray(y.dtype, size, element_shape=y.shape) for y in shapes]
    _, carry, outputs, _ = tf.while_loop(
        lambda t, *_: t < length, step, (0, list(carry), outputs, first), maximum_iterations=size, parallel_iterations=1
    )
    return carry, [o.stack() for o in outputs]
