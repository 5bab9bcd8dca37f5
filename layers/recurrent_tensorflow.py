"""The fast path of layers.RNN on Keras's TensorFlow backend: a loop with a gradient of its own, compiled once it pays.

A cell's loop is traced once, for every batch and length, and runs in two ways: as it is, or compiled by XLA, which is
1.5 to 3 times as fast but takes a second for every size to compile. So a size is compiled when it has run for about as
long as that takes: whatever sizes come, and however often, this costs about twice the least time at worst.
"""

import os
import pathlib
import re
import weakref

import keras
import tensorflow as tf
from keras import ops
from tensorflow.python.eager import record  # nothing public tells whether a tape records
from tensorflow.python.framework.ops import gradient_registry  # nothing public forgets what it holds
from tensorflow.python.ops import control_flow_util  # nothing public tells whether XLA compiles the present graph

COMPILE_AFTER = 10_000  # timesteps of a small layer, each of about 50 µs
IN_PIECES_FROM = 25_000  # numbers in W x of one sequence
WEIGHTS, ROWS, SEQUENCES = range(3)  # kinds of tensors, by the number of their dimensions that any call can change


def helps(x, cells, training):
    """Whether x is a part of a graph: what runs once has no use for a compiled loop."""
    return not tf.executing_eagerly()


def run(cell, x, states, mask, mask_h, training, keep, carry):
    """One cell over sequences, (batch, timesteps, features): its outputs, or None without `keep`, and final states.

    `mask` has shape (batch, timesteps, 1), `mask_h`, the recurrent dropout, that of the first state; both may be None.
    All final states are right, whether or not they are asked for (`carry`).
    Returns None where `project_state` or `step` use more than their arguments and the cell's weights, because only
    TensorFlow's own differentiation finds what else they use.
    """
    loop = _Loop.of(cell, x, states)
    if loop.captures:
        return None
    piece = _piece(loop, x) if training else None
    count, *size = _sizes(loop, x, training, piece)
    if training or record.could_possibly_record() or loop.input_captures or _in_xla():
        results = _in_parts(loop, _Cut(x, count, *size), x, states, mask, mask_h, training, keep, piece)
    else:
        arguments = (x, mask), states, [tf.convert_to_tensor(v.value) for v in loop.weights], size
        results = list(_call(loop.traced(loop.infer, arguments, count, keep), arguments))
    outputs = results.pop(0) if keep else None
    for tensor, known in [(outputs, x.shape[:2])] * keep + [(final, x.shape[:1]) for final in results]:
        tensor.set_shape(known + tensor.shape[len(known) :])
    return outputs, results


def _piece(loop, x):
    """How many timesteps to train at a time: a third, but 20 or more; None for all, where W x of a sequence is small.

    Each piece adds 4 MiB of graph and 0.2 s to the first step; more than three also make later steps slower.
    """
    length = x.shape[1] or 0
    count = min(3, length // 20)
    if count < 2 or length * loop.wx_spec.shape[1:].num_elements() < IN_PIECES_FROM or _in_xla():
        return None
    return -(-length // count)


def _in_parts(loop, cut, x, states, mask, mask_h, training, keep, piece=None):
    """The outputs, if they are kept, and all final states, from those of the parts of a batch.

    One piece of time runs after the other, so that neither W x nor its gradient is ever whole in memory.
    """
    sequences = [(cut.sequences(x, i), cut.sequences(mask, i)) for i in range(cut.count)]
    states = [[cut.rows(s, i) for s in states] for i in range(cut.count)]
    masks_h, outputs = [cut.rows(mask_h, i) for i in range(cut.count)], []
    call = loop.call_traced if piece else loop.call
    for start in range(0, cut.length, piece) if piece else [0]:
        with tf.control_dependencies(tf.nest.flatten(states) if start else []):  # or W x of all pieces would come first
            now = [[_span(a, start, piece, cut.compiled) for a in part] for part in sequences]
            projected = [(loop.project_input(x), valid) for x, valid in now]
        length = tf.convert_to_tensor(min(piece, cut.length - start) if piece else cut.length)
        size = length, cut.compiled
        results = _differentiable(loop, projected, list(zip(states, masks_h)), size, training, keep, call)
        states = [part[keep:] for part in results]
        if keep:
            outputs.append([part[0] for part in results])
    finals = [cut.join(column, axis=0) for column in zip(*states)]
    if not keep:
        return finals
    outputs = [tf.concat(part, 0) if piece else part[0] for part in zip(*outputs)]
    return [_swap(cut.join(outputs, axis=1)[: cut.length]), *finals]


def _span(sequence, start, piece, compiled):
    """A piece of time; where it runs compiled the last is padded, so that one size is compiled for all."""
    if sequence is None or piece is None:
        return sequence
    span = sequence[start : start + piece]
    missing = piece - span.shape[0]
    return _padded(span, tf.where(compiled, missing, 0)) if missing else span


def run_without_lists(cell, x, states, mask, mask_h, training, keep, carry):
    """As `run`, by operations that LiteRT and OpenVINO have: they know no lists of tensors, which other loops need.

    All outputs are gone through at every timestep, so it suits short sequences.
    """
    sequences = [cell.project_input(x), *([] if mask is None else [mask])]
    length, first = tf.shape(x)[1], tf.zeros_like(states[0])
    outputs = tf.repeat(first[:, None], length, axis=1) if keep else first  # just something without `keep`

    def body(t, states, outputs):
        wx_t, *valid = [tf.gather(a, t, axis=1) for a in sequences]
        new = cell.step(wx_t, cell.project_state(states[0] if mask_h is None else states[0] * mask_h), states)
        new = [tf.where(valid[0], a, b) for a, b in zip(new, states)] if valid else new
        if keep:
            now = tf.range(length) == t
            outputs = tf.where(tf.reshape(now, [1, -1, *[1] * (len(outputs.shape) - 2)]), new[0][:, None], outputs)
        return t + 1, new, outputs

    _, finals, outputs = tf.while_loop(lambda t, *_: t < length, body, (0, states, outputs))
    return outputs if keep else None, finals


def _differentiable(loop, sequences, rows, size, training, keep, call):
    """For each part the outputs, if they are kept, and the final states, with the loop's own gradient.

    The first arguments are those of `forward`; it is differentiated for W x, the states and the weights.
    """
    weights = [tf.convert_to_tensor(v.value) for v in loop.variables]
    (wx, masks), (states, masks_h) = zip(*sequences), zip(*rows)
    inputs, others = (wx, states, weights), (masks, masks_h, size)
    each_part = [[0] * (keep + loop.n)] * len(rows)

    def forward(tensors, others, saving):
        (wx, states, weights), (masks, masks_h, size) = tf.nest.pack_sequence_as(inputs, tensors), others
        return call(loop.forward, (list(zip(wx, masks)), list(zip(states, masks_h)), weights, size), keep, saving)

    def backward(tensors, others, d, ran):
        (wx, states, weights), (masks, masks_h, size) = tf.nest.pack_sequence_as(inputs, tensors), others
        d_outputs, d_finals = [part[0] if keep else None for part in d], [part[keep:] for part in d]
        wx = [None if loop.additive else a for a in wx]
        _, kept, linear = zip(*ran)
        sequences = list(zip(d_outputs, masks, wx, [uh for (uh,) in linear], kept))
        return call(loop.backward, (sequences, list(zip(d_finals, states, masks_h)), weights, size))

    def results_of(ran):
        return [tensor for finals, kept, *_ in ran for tensor in [*kept[:keep], *finals]]

    @tf.custom_gradient
    def first(*tensors):
        ran = forward(tensors, others, saving=training)
        results = results_of(ran)

        def gradient(*d):
            # In the gradient of a loop or a branch these are other tensors, which a tape there does not know.
            d, here, saved, rest = tf.nest.map_structure(_here, (d, tensors, ran, others))

            @tf.custom_gradient
            def second(*arguments):
                d, tensors = arguments[: len(results)], arguments[len(results) :]
                kept = saved if training else forward(tensors, rest, saving=True)
                d_parts = tf.nest.pack_sequence_as(each_part, d)
                gradients = tf.nest.flatten(backward(tensors, rest, d_parts, kept))
                return gradients, lambda *dd: of_gradient(arguments, rest, dd)

            return _kept_by_graph(second(*d, *here))

        def of_gradient(arguments, others, dd):
            """The gradient of the gradient, which TensorFlow works out."""
            d, tensors = arguments[: len(results)], arguments[len(results) :]
            with tf.GradientTape() as outer:
                outer.watch(arguments)
                with tf.GradientTape() as inner:
                    inner.watch(tensors)
                    again = results_of(loop.plain(*tf.nest.pack_sequence_as(inputs, tensors), *others))
                gradients = inner.gradient(again, tensors, d)
            connected = [(g, d) for g, d in zip(gradients, dd) if g is not None]
            return outer.gradient([g for g, _ in connected], arguments, [d for _, d in connected])

        return results, gradient

    results = _kept_by_graph(first(*tf.nest.flatten(inputs)))
    return tf.nest.pack_sequence_as(each_part, results)


def _kept_by_graph(results):
    """The results of a function with a gradient of its own, which ends with the graph that they are in.

    TensorFlow registers such a gradient for ever, and with it the graph: 10 of them, or 29 MiB, for each small layer.
    """
    if tf.is_symbolic_tensor(results[0]):
        operation = results[0].op
        entry = gradient_registry._registry[operation.get_attr("_gradient_op_type").decode()]
        operation._gradient_function = entry["type"]
        kept = weakref.ref(entry["type"])
        entry["type"] = lambda *arguments: kept()(*arguments)
    return results


def _here(value):
    return tf.identity(value) if tf.is_tensor(value) else value


def _not_constant(value):
    return None if value is None else tf.raw_ops.PlaceholderWithDefault(input=value, shape=value.shape)


def _sizes(loop, x, training, piece):
    """In how many parts to run a batch; whether compiled (None where XLA compiles all), then of how many rows each.

    The last is the length that a compiled part is padded to, None where the length is known. `piece` is the number of
    timesteps that run at a time, None for all.
    """
    batch, length = (x.shape[i] or tf.shape(x)[i] for i in range(2))
    if _in_xla():
        return 1, None, batch, None
    count = min(_cores(x), x.shape[0] or 4)
    rows, padded = -(-batch // count), None
    if x.shape[0] is None and count > 1:
        rows = tf.minimum(_round_up(rows, 4), batch)
    if x.shape[1] is None:
        padded = _round_up(length, 2)
    compiled = loop.pays(batch, length, rows, piece or (length if padded is None else padded), training)
    return count, compiled, tf.convert_to_tensor(rows), padded


def _in_xla():
    """Whether XLA compiles all of the present graph."""
    return control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


class _Cut:
    """A batch in parts, one for each core, because XLA runs the element-wise part of a loop on one core of a CPU.

    Compiled, parts have a rounded number of rows, so that few sizes are compiled, and overlap: then no row has to be
    made up. Otherwise the first part is the whole batch, and the others have no rows.
    """

    def __init__(self, x, count, compiled, rows, padded):
        batch, self.length = (x.shape[i] or tf.shape(x)[i] for i in range(2))
        self.count, self.compiled, last = count, compiled, max(count - 1, 1)
        self.padding = None if padded is None else tf.where(compiled, padded - self.length, 0)
        if count > 1:
            self.starts = [tf.where(compiled, (batch - rows) * i // last, 0) for i in range(count)]
            self.sizes = [tf.where(compiled, rows, 0 if i else batch) for i in range(count)]

    def rows(self, tensor, i):
        if tensor is None or self.count == 1:
            return tensor
        rest = [-1 if n is None else n for n in tensor.shape[1:]]
        return tf.slice(tensor, [self.starts[i], *[0] * len(rest)], [self.sizes[i], *rest])

    def sequences(self, tensor, i):
        """A part with the time first, padded to a length for which a compiled loop is likely to exist."""
        if tensor is None:
            return None
        tensor = _swap(self.rows(tensor, i))
        return tensor if self.padding is None else _padded(tensor, self.padding)

    def join(self, parts, axis):
        """The rows of all parts along an axis, each once."""
        joined = [parts[0]]
        for i in range(1, self.count):
            again = tf.where(self.compiled, self.starts[i - 1] + self.sizes[i - 1] - self.starts[i], 0)
            joined.append(parts[i][:, again:] if axis else parts[i][again:])
        return joined[0] if self.count == 1 else tf.concat(joined, axis)


class _Loop:
    """A cell's loop over time and its gradient, as functions of tensors, the weights among them.

    Here sequences have the time first, (timesteps, batch, ...), and the weights are those that `project_state` or
    `step` use. `captures` is true where these use other tensors too, so that the cell cannot be run this way.
    """

    @classmethod
    def of(cls, cell, x, states):
        """The loop of a cell, made at its first call, and anew where the cell has changed."""
        attributes = [(name, id(value)) for name, value in vars(cell).items() if name[0] != "_"]
        key = (*attributes, (x.dtype, *x.shape[2:]), *((s.dtype, *s.shape[1:]) for s in states))
        loops = vars(cell).setdefault("_rnn_recipes_loops", {})  # not set as an attribute, which Keras would track
        if key not in loops:
            loops[key] = cls(cell, x, states)
        return loops[key]

    def __init__(self, cell, x, states):
        self.cell, self.n, self.functions = cell, len(states), {}
        self.weights = [v for v in cell.weights if "float" in v.dtype]
        weights = [_spec(v.value, []) for v in self.weights]
        projection = _trace(self._project, _spec(x[:, 0], [None]), weights)
        self.wx_spec, self.input_captures = _spec(projection.structured_outputs, [None]), _captures(projection)
        self.variables = self.weights
        rows = [_spec(a, [2]) for a in (self.wx_spec, *states)]  # 2 as an example
        step = _trace(self._learn, rows[0], rows[1:], weights)
        self.captures = _captures(step)
        *self.state_specs, self.linear_spec = [_spec(a, [None]) for a in step.structured_outputs]
        self.variables = [v for v, used in zip(self.weights, self.used) if used]
        self.size = sum(v.shape.num_elements() for v in self.variables)
        self.work = _work(cell)

    def _learn(self, wx, states, weights):
        """One step: which weights it uses, and whether only the sum of W x and U h, which is then all that is saved."""
        # Not by a tape: it counts a gradient that two tensors share once too often, and this graph would stay for ever.
        with self._with(weights):
            uh = self.cell.project_state(states[0])
            new = self.cell.step(wx, uh, states)
        in_projection = tf.gradients(uh, weights)
        d_wx, d_uh, *in_step = tf.gradients(new, [wx, uh, *weights], stop_gradients=uh)
        self.additive = d_wx is not None and d_wx is d_uh
        self.used = [a is not None or b is not None for a, b in zip(in_projection, in_step)]
        self.in_step = [i for i, d in enumerate(d for d, used in zip(in_step, self.used) if used) if d is not None]
        return [*new, wx + uh if self.additive else uh]

    def _project(self, x, weights):
        with _with(self.weights, weights):
            return self.cell.project_input(x)

    def _with(self, weights):
        return _with(self.variables, weights)

    def project_input(self, x):
        """The part of all steps that depends on the input alone, as one product."""
        wx = self.cell.project_input(_flat(x))
        return tf.reshape(wx, [*tf.unstack(tf.shape(x)[:2]), *wx.shape[1:]])

    def infer(self, sequences, states, weights, size, count, keep):
        """What `_in_parts` gives without training, traced as a whole: 150 operations less to make in every graph.

        Not where a tape records: the gradient of a function is a graph of its own, 5 MiB more for each layer.
        """
        x, mask = sequences
        with _with(self.weights, weights):
            return _in_parts(self, _Cut(x, count, *size), x, states, mask, None, False, keep)

    def pays(self, batch, length, rows, padded, training):
        """Whether to run a size compiled; takes note that it came."""
        cost = tf.cast(length, tf.float32) * (1 + tf.cast(batch, tf.float32) * self.size / 1e6)
        key = (tf.cast(rows, tf.int64) * 2**32 + tf.cast(padded, tf.int64)) * 2 + int(training)
        replica = tf.distribute.get_replica_context()
        if replica and replica.num_replicas_in_sync > 1:  # each counts for itself, or the order would decide
            key = key * replica.num_replicas_in_sync + tf.cast(replica.replica_id_in_sync_group, tf.int64)
        work = self.work.lookup(key)
        with tf.control_dependencies([work]):
            self.work.insert(key, work + cost)
        return tf.ensure_shape(work >= COMPILE_AFTER, [])

    def forward(self, sequences, rows, weights, size, keep, saving):
        """For each part the final states, outputs, if they are kept, and all that the gradient needs, if it is saved.

        That is the sequences of all states, the first of which is the output, and of U h or W x + U h.
        """
        length, compiled = size
        arguments = [(*part, weights, length) for part in zip(sequences, rows)]
        kinds = ROWS, SEQUENCES, SEQUENCES
        return self._each(self._forward, arguments, compiled, kinds, self.n if saving else int(keep), saving)

    def plain(self, wx, states, weights, masks, masks_h, size):
        """What `forward` gives but for the last, by a loop that TensorFlow can differentiate twice."""
        length, _ = size

        def of(wx, states, mask, mask_h):
            live = [a for a in (wx, mask) if a is not None]
            step = lambda states, element: self._step(weights, mask_h, states, *element)[0]
            sequences = tf.scan(step, live, states)
            return [s[length - 1] for s in sequences], sequences

        return [of(*part) for part in zip(wx, states, masks, masks_h)]

    def backward(self, sequences, rows, weights, size):
        """The gradients for W x and the states of each part and for weights, from those of outputs and final states."""
        length, compiled = size
        arguments = [(*part, weights, length) for part in zip(sequences, rows)]
        results = self._each(self._backward, arguments, compiled, (SEQUENCES, ROWS, WEIGHTS))
        d_weights = [[] for _ in weights]
        for (*_, kept), (_, states, mask_h), (d_linear, _, d_step) in zip(sequences, rows, results):
            with tf.control_dependencies(d_linear):  # or it would be there from the start
                h = tf.concat([states[0][None], kept[0][:-1]], 0)
            with tf.GradientTape() as tape, self._with(weights):
                tape.watch(weights)
                uh = self.cell.project_state(_flat(h if mask_h is None else h * mask_h))
            d_projection = tape.gradient(uh, weights, _flat(d_linear[-1]))
            for i, gradient in [*zip(self.in_step, d_step), *enumerate(d_projection)]:
                d_weights[i] += [] if gradient is None else [gradient]
        d_linear, d_states, _ = zip(*results)
        return [d_wx for d_wx, *_ in d_linear], d_states, [tf.add_n(d) for d in d_weights]

    def _each(self, function, arguments, compiled, kinds, *options):
        """A function of all parts, which gives lists of these kinds: compiled, or as it is on the first part alone."""
        plain = self.traced(function, arguments[0], *options)
        if compiled is None:
            return [_call(plain, part) for part in arguments]
        fast = self.compiled(function, arguments[0], *options)

        def run_plain():
            first = _call(plain, arguments[0])
            nothing = [[_no_rows(a, kind) for a in tensors] for tensors, kind in zip(first, kinds)]
            return [first] + [nothing] * (len(arguments) - 1)

        return tf.cond(compiled, lambda: [_call(fast, part) for part in arguments], run_plain)

    def call(self, function, arguments, *options):
        return function(*arguments, *options)

    def call_traced(self, function, arguments, *options):
        """As `call`, but the function is traced once for all pieces of time, and no state and no size is a constant.

        TensorFlow would make it anew for each constant: with four pieces of time, 7 MiB and half a second more.
        """
        sequences, rows, weights, size = arguments
        rows, size = tf.nest.map_structure(_not_constant, (rows, size))
        arguments = sequences, rows, weights, size
        return _call(self.traced(function, arguments, *options), arguments)

    def traced(self, function, arguments, *options):
        """The function, traced once for any number of rows and timesteps, of the arguments that are not None."""
        given = [a is not None for a in tf.nest.flatten(arguments)]
        key = function.__name__, *options, *given
        if key not in self.functions:
            kinds = SEQUENCES, ROWS, WEIGHTS, WEIGHTS
            specs = [tf.nest.map_structure(lambda a: _spec(a, [None] * n), part) for n, part in zip(kinds, arguments)]

            def flat(*tensors):
                tensors = iter(tensors)
                values = [next(tensors) if there else None for there in given]
                return function(*tf.nest.pack_sequence_as(arguments, values), *options)

            given_specs = [spec for spec in tf.nest.flatten(specs) if spec is not None]
            # What is called for every piece of time would otherwise be there, and take memory, once for each.
            attributes = {"_noinline": True} if function in (self.forward, self.backward) else None
            self.functions[key] = _trace(flat, *given_specs, experimental_attributes=attributes)
        return self.functions[key]

    def compiled(self, function, arguments, *options):
        traced = self.traced(function, arguments, *options)
        key = "compiled", traced
        if key not in self.functions:
            self.functions[key] = _compiled(traced)
        return self.functions[key]

    def _step(self, weights, mask_h, states, wx_t, valid=None):
        """One step: the new states, and U h."""
        with self._with(weights):
            uh_t = self.cell.project_state(states[0] if mask_h is None else states[0] * mask_h)
            new = self.cell.step(wx_t, uh_t, states)
        return new if valid is None else [tf.where(valid, a, b) for a, b in zip(new, states)], uh_t

    def _forward(self, sequences, rows, weights, length, kept, saving):
        states, mask_h = rows

        def body(states, element):
            new, uh_t = self._step(weights, mask_h, states, *element)
            return new, [*new[:kept], *[element[0] + uh_t if self.additive else uh_t] * saving]

        specs = [*self.state_specs[:kept], *[self.linear_spec] * saving]
        finals, outputs = _scan(body, states, sequences, length, specs)
        return [finals, outputs[:kept], outputs[kept:]]

    def _backward(self, sequences, rows, weights, length):
        n, (d_finals, first, mask_h), (d_outputs, mask, wx, uh, states) = self.n, rows, sequences
        # XLA would transpose U at each step for d_uh Uᵀ; of what is transposed twice, once out here, it sees Uᵀ itself
        # (at l 527 to 364 µs a step).
        transposed = [_transposed(w) for w in weights]

        def body(carry, element):
            d_out, valid, wx_t, uh_t, *states = element
            d_states, d_weights = list(carry[:n]), carry[n:]
            weights = [_transposed(w) for w in transposed]
            stepped = [weights[i] for i in self.in_step]
            wx_t = tf.zeros((), uh_t.dtype) if self.additive else wx_t
            if d_out is not None:
                d_states[0] += d_out
            d_new = d_states if valid is None else [tf.where(valid, d, tf.zeros_like(d)) for d in d_states]
            with tf.GradientTape() as tape, self._with(weights):
                tape.watch([wx_t, uh_t, *states, *stepped])
                new = self.cell.step(wx_t, uh_t, states)
            d_wx, d_uh, *rest = tape.gradient(new, [wx_t, uh_t, *states, *stepped], d_new)
            d_previous = [tf.zeros_like(s) if d is None else d for s, d in zip(states, rest[:n])]
            with tf.GradientTape() as tape, self._with(weights):
                tape.watch(states[0])
                linear = self.cell.project_state(states[0] if mask_h is None else states[0] * mask_h)
            d_previous[0] += tape.gradient(linear, states[0], d_uh)
            if valid is not None:
                d_previous = [tf.where(valid, d, old) for d, old in zip(d_previous, d_states)]
            d_weights = [w + d for w, d in zip(d_weights, rest[n:])]
            return [*d_previous, *d_weights], [d_uh] if self.additive else [d_wx, d_uh]

        carry = [*d_finals, *(tf.zeros_like(weights[i]) for i in self.in_step)]
        lagged = list(zip(states, first))
        specs = [self.linear_spec] if self.additive else [self.wx_spec, self.linear_spec]
        carry, d_linear = _scan(body, carry, (d_outputs, mask, wx, uh), length, specs, lagged, reverse=True)
        return [d_linear, carry[:n], carry[n:]]


_COMPILED = {}


def _compiled(function):
    """A function that XLA compiles, the same for equal ones: those of another layer, or of a model built once more.

    XLA keeps its programs as long as the process lives, 7 MiB for the sizes of a training.
    """
    if any(op.type.startswith("Debug") for op in function.graph.get_operations()):  # those XLA does not know
        return function
    key = None if function.captured_inputs else _contents(function)
    if key in _COMPILED:
        return _COMPILED[key]
    fast = _trace(lambda *tensors: function(*tensors), *function.structured_input_signature[0], jit_compile=True)
    return fast if key is None else _COMPILED.setdefault(key, fast)


def _trace(function, *signature, **options):
    return tf.function(function, autograph=False, **options).get_concrete_function(*signature)


def _call(function, arguments):
    """The result of a function traced without the arguments that are None."""
    return function(*(a for a in tf.nest.flatten(arguments) if a is not None))


def _with(variables, values):
    return keras.StatelessScope(state_mapping=list(zip(variables, values)))


def _captures(function):
    """Whether a function uses variables or tensors of a graph that are not its arguments."""
    return any(tf.is_symbolic_tensor(a) or a.dtype == tf.resource for a in function.captured_inputs)


def _contents(function):
    """A function and those that it calls, as text, with other names: theirs count all that the process has traced."""
    inner = {f.signature.name: str(f) for f in function.graph.as_graph_def().library.function}
    traced_as = sorted(inner, key=lambda name: int("0" + re.sub(r"\D", "", name)))
    text = "".join([str(function.structured_outputs), str(function.function_def), *(inner[name] for name in traced_as)])
    numbers = {name: f"#{i}" for i, name in enumerate([function.function_def.signature.name, *traced_as])}
    longest_first = sorted(numbers, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), lambda found: numbers[found[0]], text)


def _work(cell):
    """What a cell's loops have run at each size, in timesteps of a small layer: a table that no model's file has."""
    if "_rnn_recipes_work" not in vars(cell):
        with tf.init_scope(), tf.device("CPU"):
            table = tf.lookup.experimental.MutableHashTable(tf.int64, tf.float32, 0.0)
        vars(cell)["_rnn_recipes_work"] = table
    return vars(cell)["_rnn_recipes_work"]


def usage(cell):
    return tf.stack([tf.cast(column, tf.float64) for column in _work(cell).export()]).numpy()


def restore_usage(cell, array):
    keys, work = array
    _work(cell).insert(keys.astype("int64"), work.astype("float32"))


def _scan(body, carry, sequences, length, specs, lagged=(), reverse=False):
    """Run `body(carry, element) -> carry, outputs` over time; None among the sequences is None in every element.

    Elements of `lagged`, pairs of a sequence and what comes before it, are those of the timestep before.
    The next element travels with the loop: XLA then reads a whole buffer, and does not slice once for each gate (at m
    103 to 62 µs a step, because only then the gates are computed in vectors).
    XLA compiles anew for every number that a slice begins at, if that is known before the loop: hence no slices here,
    and no `length` in what is read (batches of many lengths took 4 times as long).
    """
    live = [s for s in sequences if s is not None]
    size = tf.shape(live[0])[0]
    outputs = [tf.TensorArray(spec.dtype, size, element_shape=spec.shape) for spec in specs]

    def read(t):
        before = tf.maximum(t - 1, 0)
        return [tf.gather(s, t) for s in live] + [tf.where(t > 0, tf.gather(s, before), first) for s, first in lagged]

    def step(t, carry, outputs, now):
        values = iter(now)
        element = [None if s is None else next(values) for s in sequences]
        carry, ys = body(carry, [*element, *values])
        ahead = tf.maximum(t - 1, 0) if reverse else tf.minimum(t + 1, size - 1)
        return t - 1 if reverse else t + 1, carry, [o.write(t, y) for o, y in zip(outputs, ys)], read(ahead)

    start = length - 1 if reverse else 0
    more = (lambda t, *_: t >= 0) if reverse else (lambda t, *_: t < length)
    _, carry, outputs, _ = tf.while_loop(more, step, (start, list(carry), outputs, read(start)))
    return carry, [o.stack() for o in outputs]


def _no_rows(a, kind):
    """A tensor like a of as many timesteps, but without rows; zeros for weights, which have none."""
    leading = [[], [0], [tf.shape(a)[0], 0]][kind]
    return tf.zeros([*leading, *(n or 0 for n in a.shape[kind:])], a.dtype)


def _spec(a, leading):
    """Shape and dtype of a tensor, with these leading dimensions instead of its own."""
    return None if a is None else tf.TensorSpec([*leading, *a.shape[len(leading) :]], a.dtype)


def _swap(a):
    """Time and batch change places."""
    return ops.transpose(a, (1, 0, *range(2, len(a.shape))))


def _padded(a, more):
    """With so many timesteps of zeros behind it."""
    return tf.pad(a, [[0, more], *[[0, 0]] * (len(a.shape) - 1)])


def _flat(a):
    return tf.reshape(a, [-1, *a.shape[2:]])


def _transposed(weight):
    return ops.transpose(weight) if len(weight.shape) == 2 else weight


_SIZES = {steps: [m << e for e in range(16) for m in range(steps, 2 * steps)] for steps in (2, 4)}


def _round_up(n, steps):
    """The next of a few sizes, `steps` of them for each doubling."""
    sizes = [*range(1, steps), *_SIZES[steps]]
    return tf.maximum(n, tf.gather([*sizes, 0], tf.searchsorted(sizes, [n]))[0])


def _cores(x):
    """How many parts of a batch are worth it: 1 on a GPU, else a part for each of up to four cores."""
    if tf.config.list_logical_devices("GPU") and "CPU" not in tf.identity(x).device.upper():
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = tf.config.threading.get_inter_op_parallelism_threads()
    return max(1, min(cores, threads or cores, _quota() or cores, 4))


def _quota():
    """The cores that a container may use, rounded up; None where nothing limits it."""
    try:
        quota, period = pathlib.Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return -(-int(quota) // int(period))
    except (OSError, ValueError):  # another system, or "max"
        return None
