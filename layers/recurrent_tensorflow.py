"""The fast path of layers.RNN on Keras's TensorFlow backend: loops that XLA compiles, and their gradient."""

import importlib
import os

import keras
import tensorflow as tf
from keras import ops

loops = importlib.import_module(f"{__name__}_loops")  # by this file's own name, so that a copy finds its copy
flat, swap = loops.flat, loops.swap
TAKES_CONSTANTS = True  # and linear parts inside a step


def in_graph(x):
    return not tf.executing_eagerly()


def run(cell, x, states, mask, mask_h, training, keep):
    """One cell over sequences, (batch, timesteps, features): its outputs, or None without `keep`, and final states.

    `mask` has shape (batch, timesteps, 1), `mask_h`, the recurrent dropout, that of the first state; both may be None.
    """
    length = x.shape[1]
    if length is None:  # compiled once for each size of padding, while the loop makes only `length` steps
        length, x = tf.shape(x)[1], loops.padded(x)
        mask = None if mask is None else loops.padded(mask)
    n = len(states) - getattr(cell, "constants", 0)
    states, constants = states[:n], states[n:]
    sequence = _Sequence(cell, n, training, keep)
    # XLA runs the element-wise part of a loop on one core of a CPU, so each core gets a part of the batch.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = 1 if tf.config.list_logical_devices("GPU") else min(cores, 4)
    batch, parts = x.shape[0] or tf.shape(x)[0], min(cores, x.shape[0] or cores)
    sizes = [batch * (i + 1) // parts - batch * i // parts for i in range(parts)]

    def split(tensor):
        return [None] * parts if tensor is None else tf.split(tensor, sizes, num=parts)

    seen = [c if c.shape[1] is not None else loops.padded(c) for c in constants]
    inputs = zip(split(x), split(mask), split(mask_h), zip(*map(split, [*states, *seen])))
    results = [sequence(*part, length) for part in inputs]
    results = [tf.concat(parts, 0) for parts in zip(*results)]
    return results[0][:, :length] if keep else None, [*results[keep:], *constants]


class _Sequence:
    """A cell's loop over time with its gradient; weights go in as tensors, so that it can be differentiated by hand.

    A cell's constants stand in front of its weights, and get their gradient as these do. In loops the time comes first:
    sequences are (timesteps, batch, ...) there, and (batch, timesteps, ...) outside.
    """

    def __init__(self, cell, n, training, keep):
        self.cell, self.n, self.training, self.keep = cell, n, training, keep
        self.variables = [v for v in cell.weights if "float" in v.dtype]
        self.tensors = [tf.convert_to_tensor(v.value) for v in self.variables]
        self.forward, self.backward = loops.compiled(self._forward), loops.compiled(self._backward)

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

    def scope(self, weights):
        """In it the cell's variables have these values."""
        return keras.StatelessScope(state_mapping=list(zip(self.variables, weights[-len(self.variables) :])))

    def project(self, x, weights):
        """The part of all steps that depends on the input alone, time first, as one product."""
        with self.scope(weights):
            wx = self.cell.project(flat(swap(x)))
        return ops.reshape(wx, (ops.shape(x)[1], ops.shape(x)[0], *wx.shape[1:]))

    def recur(self, h, mask_h):
        return self.cell.recur(h if mask_h is None else h * mask_h)

    def step(self, wx, uh, states, weights, products):
        constants = weights[: len(weights) - len(self.variables)]
        linear = {"linear": products} if hasattr(self.cell, "constants") else {}
        return self.cell.step(wx, uh, [*states, *constants], **linear)[: self.n]

    def _forward(self, x, states, weights, mask, mask_h, length, save):
        wx = self.project(x, weights)
        self.additive = save and self._is_additive(wx[0], states, weights)

        def body(states, element):
            (wx_t, valid), products = element, loops.Products()
            with self.scope(weights):
                uh_t = self.recur(states[0], mask_h)
                new = self.step(wx_t, uh_t, states, weights, products)
            if valid is not None:
                new = [ops.where(valid, a, b) for a, b in zip(new, states)]
            saved = (states, wx_t + uh_t if self.additive else uh_t, products.values) if save else ()
            return new, (new[: self.keep], saved)

        finals, (outputs, saved) = loops.scan(body, states, (wx, swap(mask)), length)
        return [*map(swap, outputs), *finals], (*saved, None if self.additive else wx) if save else ()

    def _is_additive(self, wx_t, states, weights):
        """Whether the step sees only the sum of both parts: then one array is saved instead of two."""
        with tf.GradientTape() as tape, self.scope(weights):
            uh_t = self.cell.recur(states[0])
            tape.watch([wx_t, uh_t])
            new = self.step(wx_t, uh_t, states, weights, loops.Products())
        d_wx, d_uh = tape.gradient(new, [wx_t, uh_t])
        return d_wx is d_uh

    def _backward(self, d_outputs, d_finals, x, states, weights, mask, mask_h, length, saved):
        n, weights = self.n, list(weights)
        previous, uh, values, wx = saved
        # XLA would transpose U at each step for d_uh Uᵀ; of what is transposed twice, once out here, it sees Uᵀ itself
        # (at l 527 to 364 µs a step).
        transposed, functions = [loops.transposed(w) for w in weights], []

        def body(carry, element):
            uh_t, wx_t, d_out, valid, states, values = element
            d_states, d_weights = list(carry[:n]), carry[n:]
            weights = [loops.transposed(w) for w in transposed]
            wx_t = tf.zeros_like(uh_t) if self.additive else wx_t
            products = loops.Products(values, self.scope(weights))
            if d_out is not None:
                d_states[0] += d_out
            d_new = d_states if valid is None else [tf.where(valid, d, tf.zeros_like(d)) for d in d_states]
            watched = [wx_t, uh_t], states, weights, values
            with tf.GradientTape() as tape, self.scope(weights):
                tape.watch(watched)
                new = self.step(wx_t, uh_t, states, weights, products)
            (d_wx, d_uh), d_previous, d_step, d_values = tape.gradient(new, watched, d_new)
            d_uh = tf.zeros_like(uh_t) if d_uh is None else d_uh
            d_previous = [tf.zeros_like(s) if d is None else d for s, d in zip(states, d_previous)]
            with tf.GradientTape() as tape, self.scope(weights):
                tape.watch(states[0])
                linear = self.recur(states[0], mask_h)
            d_previous[0] += tape.gradient(linear, states[0], d_uh)
            if valid is not None:
                d_previous = [tf.where(valid, d, old) for d, old in zip(d_previous, d_states)]
            d_weights = [w + d if d is not None else w for w, d in zip(d_weights, d_step)]
            functions[:] = products.functions
            return [*d_previous, *d_weights], ([d_wx] if d_wx is d_uh else [d_wx, d_uh], d_values, products.inputs)

        start = [*d_finals, *(tf.zeros_like(w) for w in weights)]
        sequences = uh, wx, swap(d_outputs), swap(mask), list(previous), list(values)
        carry, (d_linear, d_values, inputs) = loops.scan(body, start, sequences, length, reverse=True)
        h = previous[0] if mask_h is None else previous[0] * mask_h
        with tf.GradientTape() as tape, self.scope(weights):
            tape.watch(weights)
            linear = [self.cell.project(flat(swap(x))), self.cell.recur(flat(h))]
            linear += [function(flat(a)) for function, a in zip(functions, inputs)]
        d_wx, d_uh = d_linear[0], d_linear[-1]
        d_weights = tape.gradient(linear, weights, [*map(flat, [d_wx, d_uh, *d_values])], unconnected_gradients="zero")
        return [d_wx, *carry[:n], *(a + b for a, b in zip(carry[n:], d_weights))]
