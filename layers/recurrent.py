"""A fast recurrent layer, with a gradient of its own, for cells that state their linear parts and the rest apart."""

import os

import keras
from keras import ops


@keras.saving.register_keras_serializable("rnn_recipes")
class RNN(keras.layers.RNN):
    """`keras.layers.RNN` with the same arguments and results, and faster on a CPU (benchmarks/recurrent_speed.py).

    It needs nothing but what a cell of this project states anyway:

        project(x)              what depends on the input alone, shape (..., features) to (..., n)
        recur(h)                what is linear in the previous output, (batch, units) to (batch, m)
        step(wx, uh, states)    the rest, from both to the new states, the first of which is the output

    The gradient comes from these three, whatever they compute, so a new cell has it by writing its equations:
    back-propagation through time (Werbos 1990) with one vector-Jacobian product of `step` and of `recur` a timestep,
    while the gradients of all weights in `project` and `recur` are one matrix product each, after the loop.

    It runs on Keras's TensorFlow backend. On others, in mixed precision, with `unroll=True`, or around a cell without
    the three, this layer is keras.layers.RNN, at its speed. `dropout_masks(x, h)` of a cell that has dropout gives what
    to multiply the inputs and h with, for a whole sequence.
    """

    def __init__(self, cell, **kwargs):
        super().__init__(cell, **kwargs)
        if keras.backend.backend() == "tensorflow":
            self.supports_jit = False  # it compiles its own loops; Keras would compile the whole step for each length

    def inner_loop(self, sequences, initial_state, mask, training=False):
        cells = getattr(self.cell, "cells", [self.cell])
        for cell in cells:
            if training and _drops(cell):
                cell.seed_generator.next()  # new masks, also where the first state comes from outside
        if keras.backend.backend() != "tensorflow" or self.unroll or not all(_can_be_split(cell) for cell in cells):
            return super().inner_loop(sequences, initial_state, mask, training)
        x = ops.transpose(sequences, (1, 0, 2))
        mask = None if mask is None else ops.transpose(ops.cast(keras.tree.flatten(mask)[0], "bool"))
        if self.go_backwards:
            x, mask = ops.flip(x, 0), None if mask is None else ops.flip(mask, 0)
        mask = None if mask is None else ops.expand_dims(mask, -1)
        stacked, finals = cells[0] is not self.cell, []
        for cell, states in zip(cells, initial_state if stacked else [initial_state]):
            keep = self.return_sequences or cell is not cells[-1]
            nested = isinstance(states, (list, tuple))
            x, final = _run(cell, x, list(states) if nested else [states], mask, training, keep)
            finals.append(final if nested else final[0])
        last = keras.tree.flatten(finals[-1])[0]
        if mask is not None:  # as in Keras: zero, or the last output, which before the first valid step is zero
            valid = mask if self.zero_output_for_mask else ops.cumsum(ops.cast(mask, "int32"), 0) > 0
            last = ops.where(valid[-1], last, ops.zeros_like(last))
            x = x if x is None else ops.where(valid, x, ops.zeros_like(x))
        outputs = ops.expand_dims(last, 1) if x is None else ops.transpose(x, (1, 0, 2))
        return last, outputs, finals if stacked else finals[0]


def _can_be_split(cell):
    same_dtype = cell.compute_dtype == cell.variable_dtype  # Keras casts weights in its own calls only
    return same_dtype and all(hasattr(cell, name) for name in ("project", "recur", "step"))


def _drops(cell):
    return hasattr(cell, "dropout_masks") and (cell.dropout or cell.recurrent_dropout)


def _run(cell, x, states, mask, training, keep):
    """One cell over a sequence, (timesteps, batch, features): its outputs, or None without `keep`, and final states."""
    import tensorflow as tf

    x = ops.cast(x, cell.compute_dtype)
    if training and _drops(cell):
        mask_x, mask_h = cell.dropout_masks(x[0], states[0])
        x = x * mask_x
    else:
        mask_h = None
    compiled = x.shape[0] is not None and not tf.executing_eagerly()
    sequence = _Sequence(cell, len(states), training, keep, compiled)
    # XLA runs a loop on one core of a CPU, so each core gets a part of the batch.
    cores = 1 if tf.config.list_logical_devices("GPU") else min(os.cpu_count(), 4)
    batch = x.shape[1] or tf.shape(x)[1]
    parts = min(cores, x.shape[1] or cores)
    sizes = [batch * (i + 1) // parts - batch * i // parts for i in range(parts)]

    def split(tensor, axis):
        return [None] * parts if tensor is None else tf.split(tensor, sizes, axis, num=parts)

    arguments = zip(split(x, 1), split(mask, 1), split(mask_h, 0), zip(*[split(s, 0) for s in states]))
    results = list(zip(*[sequence(*part) for part in arguments]))
    outputs = tf.concat(results.pop(0), 1) if keep else None
    return outputs, [tf.concat(parts, 0) for parts in results]


class _Sequence:
    """A cell's loop over time with its gradient; weights go in as tensors, so that it can be differentiated by hand."""

    def __init__(self, cell, n, training, keep, compiled):
        import tensorflow as tf

        self.cell, self.n, self.training, self.keep = cell, n, training, keep
        self.variables = [v for v in cell.weights if "float" in v.dtype]
        self.tensors = [tf.convert_to_tensor(v.value) for v in self.variables]
        # Compiled once for each length. Where that changes from batch to batch it would be compiled over and over.
        maybe_compiled = tf.function(jit_compile=True, autograph=False) if compiled else lambda function: function
        self.forward, self.backward = maybe_compiled(self._forward), maybe_compiled(self._backward)

    def __call__(self, x, mask, mask_h, states):
        """Returns the outputs, shape (timesteps, batch, units), if they are kept, and then the final states."""
        import tensorflow as tf

        with self.weights(self.tensors):
            wx = self.cell.project(x)

        @tf.custom_gradient
        def run(*tensors):
            inputs = tensors[0], tensors[1 : self.n + 1], tensors[self.n + 1 :], mask, mask_h
            finals, saved = self.forward(*inputs, save=self.training)

            def gradient(*d):
                kept = saved if self.training else self.forward(*inputs, save=True)[1]
                return self.backward(d[0] if self.keep else None, d[self.keep :], *inputs, kept)

            return [*saved[: self.keep], *finals], gradient

        return run(wx, *states, *self.tensors)

    def weights(self, tensors):
        return keras.StatelessScope(state_mapping=list(zip(self.variables, tensors)))

    def _forward(self, wx, states, weights, mask, mask_h, save):
        if save:
            self.additive = self._is_additive(wx[0], states, weights)

        def body(states, element):
            wx_t, valid = element
            with self.weights(weights):
                uh_t = self.cell.recur(states[0] if mask_h is None else states[0] * mask_h)
                new = self.cell.step(wx_t, uh_t, states)
            if valid is not None:
                new = [ops.where(valid, a, b) for a, b in zip(new, states)]
            if not save:
                return new, new[: self.keep]
            return new, [*new, wx_t + uh_t if self.additive else uh_t]

        return _scan(body, list(states), [wx, mask])

    def _is_additive(self, wx_t, states, weights):
        """Whether the step sees only the sum of both parts: then one array is saved instead of two."""
        import tensorflow as tf

        with tf.GradientTape() as tape, self.weights(weights):
            uh_t = self.cell.recur(states[0])
            tape.watch([wx_t, uh_t])
            new = self.cell.step(wx_t, uh_t, states)
        d_wx, d_uh = tape.gradient(new, [wx_t, uh_t])
        return d_wx is d_uh

    def _backward(self, d_outputs, d_finals, wx, states, weights, mask, mask_h, saved):
        import tensorflow as tf

        *histories, uh = saved
        previous = [tf.concat([s[None], history[:-1]], 0) for s, history in zip(states, histories)]

        def body(carry, element):
            d_states, d_weights = list(carry[: self.n]), carry[self.n :]
            uh_t, wx_t, d_out, valid, *states = element
            wx_t = tf.zeros_like(uh_t) if self.additive else wx_t
            if d_out is not None:
                d_states[0] += d_out
            d_new = d_states if valid is None else [tf.where(valid, d, tf.zeros_like(d)) for d in d_states]
            with tf.GradientTape() as tape, self.weights(weights):
                tape.watch([wx_t, uh_t, *states, *weights])
                new = self.cell.step(wx_t, uh_t, states)
            d_wx, d_uh, *rest = tape.gradient(new, [wx_t, uh_t, *states, *weights], d_new)
            d_previous = [tf.zeros_like(s) if d is None else d for s, d in zip(states, rest[: self.n])]
            with tf.GradientTape() as tape, self.weights(weights):
                h = states[0] if mask_h is None else states[0] * mask_h
                tape.watch(h)
                linear = self.cell.recur(h)
            d_h = tape.gradient(linear, h, d_uh)
            d_previous[0] += d_h if mask_h is None else d_h * mask_h
            if valid is not None:
                d_previous = [tf.where(valid, d, old) for d, old in zip(d_previous, d_states)]
            d_weights = [w + d if d is not None else w for w, d in zip(d_weights, rest[self.n :])]
            return [*d_previous, *d_weights], [d_wx] if d_wx is d_uh else [d_wx, d_uh]

        start = [*d_finals, *(tf.zeros_like(w) for w in weights)]
        carry, d_linear = _scan(
            body, start, [uh, None if self.additive else wx, d_outputs, mask, *previous], reverse=True
        )
        h = previous[0] if mask_h is None else previous[0] * mask_h
        with tf.GradientTape() as tape, self.weights(weights):
            tape.watch(list(weights))
            linear = self.cell.recur(tf.reshape(h, [-1, h.shape[-1]]))
        d_uh = tf.reshape(d_linear[-1], [-1, d_linear[-1].shape[-1]])
        d_weights = tape.gradient(linear, list(weights), d_uh, unconnected_gradients="zero")
        return [d_linear[0], *carry[: self.n], *(a + b for a, b in zip(carry[self.n :], d_weights))]


def _scan(body, carry, sequences, reverse=False):
    """Run `body(carry, elements) -> carry, outputs` over time; None among `sequences` is None at every step.

    The next elements travel with the loop: XLA then reads a whole buffer, and does not slice once for each gate.
    """
    import tensorflow as tf

    length = sequences[0].shape[0] or tf.shape(sequences[0])[0]
    live = [s for s in sequences if s is not None]
    arrays = [
        tf.TensorArray(s.dtype, length, element_shape=s.shape[1:], clear_after_read=False).unstack(s) for s in live
    ]

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
    outputs = [tf.TensorArray(y.dtype, length, element_shape=y.shape) for y in shapes]
    _, carry, outputs, _ = tf.while_loop(
        lambda t, *_: t < length, step, (0, carry, outputs, first), maximum_iterations=length, parallel_iterations=1
    )
    return carry, [o.stack() for o in outputs]
