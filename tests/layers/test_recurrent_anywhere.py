"""layers.RNN gives the built-in layers' outputs and gradients wherever in a TensorFlow graph it stands."""

import gc
import math
import os
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import layers
from layers import recurrent_tensorflow

UNITS = 4  # as many as features, so that a layer can be fed its own outputs
CELLS = {
    "simple": ("SimpleRNN", {}),
    "lstm": ("LSTM", {}),
    "gru": ("GRU", {}),
    "gru-before": ("GRU", {"reset_after": False}),
}
X = np.random.default_rng(1).normal(size=(5, 6, UNITS)).astype("float32")
MASK = np.random.default_rng(2).random(X.shape[:2]) < 0.6
MASK[1] = False
TRAINING = True


def ours(case, **options):
    name, arguments = CELLS[case]
    return layers.RNN(getattr(layers, f"{name}Cell")(UNITS, **arguments), return_sequences=True, **options)


def built_in(case, **options):
    name, arguments = CELLS[case]
    return getattr(keras.layers, name)(UNITS, **arguments, return_sequences=True, **options)


def network(make, case):
    """A layer before it and two of it, one on the other: each needs the gradient of the next."""
    parts = [keras.layers.Dense(UNITS), make(case), make(case)]
    rng = np.random.default_rng(0)
    for part in parts:
        part.build((None, None, UNITS))
        part.set_weights([rng.normal(0, 0.5, w.shape) for w in part.weights])
    return parts


def apply(parts, x, mask):
    dense, first, second = parts
    return second(first(dense(x), mask=mask, training=TRAINING), mask=mask, training=TRAINING)


def plain(parts, x, mask):
    return apply(parts, x, mask)


def mapped(parts, x, mask):
    rows = (x, tf.ones(x.shape[:2], "bool") if mask is None else mask)
    one = lambda row: apply(parts, row[0][None], None if mask is None else row[1][None])[0]
    return tf.map_fn(one, rows, fn_output_signature=tf.float32)


def range_loop(parts, x, mask):
    total = tf.zeros_like(x)
    for _ in tf.range(2):
        total += apply(parts, x + total, mask)
    return total


def while_loop(parts, x, mask):
    return tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, apply(parts, x + y, mask)), (0, tf.zeros_like(x)))[1]


def cond(parts, x, mask):
    return tf.cond(tf.reduce_sum(x) < 1e9, lambda: apply(parts, x, mask), lambda: x)


def switch_case(parts, x, mask):
    return tf.switch_case(tf.constant(1), [lambda: x, lambda: apply(parts, x, mask), lambda: 2 * x])


class Outer(keras.layers.Layer):
    """A cell that runs a whole layer at every step, over what it was given so far."""

    state_size = [UNITS]

    def __init__(self, parts, mask):
        super().__init__()
        self.parts, self.given = parts, mask

    def call(self, inputs, states):
        inner = apply(self.parts, inputs[:, None] * states[0][:, :, None], None)  # (batch, UNITS, UNITS)
        return tf.reduce_mean(inner, 1), [tf.reduce_mean(inner, 1)]


def nested(parts, x, mask):
    return keras.layers.RNN(Outer(parts, mask), return_sequences=True)(x, mask=mask, initial_state=[x[:, 0]])


def repeated(parts, x, mask):
    return apply(parts, apply(parts, apply(parts, x, mask), mask), mask)


PLACES = [plain, mapped, range_loop, while_loop, cond, switch_case, nested, repeated]


def outputs_and_gradients(place, make, case, mask):
    parts = network(make, case)
    place = tf.autograph.to_graph(place) if place is range_loop else place
    weights = [w.value for part in parts for w in part.weights]

    def run(x, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = place(parts, x, mask)
            loss = tf.reduce_sum(y * tf.reshape(tf.sin(tf.range(120.0)), y.shape))
        return y, tape.gradient(loss, [x, *weights])

    if make is ours:  # the reference is the same outside of a graph, where nothing has to be traced
        run = tf.function(run, autograph=False)
    y, gradients = run(tf.constant(X), None if mask is None else tf.constant(mask))
    if make is ours:
        assert all("_rnn_recipes_loops" in vars(part.cell) for part in parts[1:]), "Keras's own loop ran"
    return [y, *gradients]


# A mask adds to what is computed; without one, a cell with one state and a cell with two are enough. In every place the
# cell is tried that has weights in its step, for which the loop keeps most, and one of the others in turn.
CASES = [("gru-before", True), ("gru", False), ("lstm", False), ("simple", True), ("lstm", True), ("gru", True)]
TRIED = [
    pytest.param(place, case, MASK if masked else None, id=f"{place.__name__}-{case}{'-masked' * masked}")
    for i, place in enumerate(PLACES)
    for j, (case, masked) in enumerate(CASES)
    if j in (0, 1 + i % 5) or place is plain or "EVERY_CELL" in os.environ
]


@pytest.mark.parametrize("place, case, mask", TRIED)
def test_as_it_is(place, case, mask, monkeypatch):
    monkeypatch.setattr(recurrent_tensorflow, "_cores", lambda x: 1)  # half the graph; compiled, there are all parts
    compare(place, case, mask)


def all_slow_but(fast):
    return [place if place is fast else pytest.param(place, marks=pytest.mark.slow) for place in PLACES]


@pytest.mark.parametrize("place", all_slow_but(plain), ids=lambda place: place.__name__)
def test_compiled(place, monkeypatch):
    monkeypatch.setattr(recurrent_tensorflow, "COMPILE_AFTER", 0)
    compare(place, "lstm", MASK)


@pytest.mark.parametrize("place", all_slow_but(while_loop), ids=lambda place: place.__name__)
def test_in_pieces_of_time(place, monkeypatch):
    in_pieces_of(4, monkeypatch)
    monkeypatch.setattr(recurrent_tensorflow, "_cores", lambda x: 1)
    compare(place, "gru-before", MASK)


def in_pieces_of(timesteps, monkeypatch):
    monkeypatch.setattr(recurrent_tensorflow, "_piece", lambda loop, x: timesteps if timesteps < x.shape[1] else None)


@pytest.mark.parametrize("return_sequences", [False, True])
def test_masks_of_dropout_are_those_of_the_whole_sequence(return_sequences, monkeypatch):
    cell = layers.LSTMCell(UNITS, dropout=0.3, recurrent_dropout=0.4, seed=1)
    layer = layers.RNN(cell, return_sequences=return_sequences)
    layer.build(X.shape)
    weights = [w.value for w in layer.trainable_weights]

    def run(x):
        with tf.GradientTape() as tape:
            y = layer(x, mask=MASK, training=True)
            loss = tf.reduce_sum(tf.sin(y))
        return [y, *tape.gradient(loss, weights)]

    results, seed = [], cell.seed_generator.state.numpy()
    for timesteps in (6, 4):
        in_pieces_of(timesteps, monkeypatch)
        cell.seed_generator.state.assign(seed)
        results.append(tf.function(run, autograph=False)(tf.constant(X)))
    assert_close(*results)


@pytest.mark.parametrize(
    "length, rows",
    [(198, [5 * 66] * 3), (161, [5 * 54, 5 * 54, None]), (59, [5 * 30, None]), (39, [5 * 39])],
)
def test_training_projects_a_piece_of_time_once_the_piece_before_has_run(length, rows, monkeypatch):
    """All of them at once, with their gradient, would be most of what a training step takes of memory.

    None stands for the last piece where it is padded if it runs compiled: its rows are not known before.
    """
    monkeypatch.setattr(recurrent_tensorflow, "IN_PIECES_FROM", 4 * UNITS * 39)
    monkeypatch.setattr(recurrent_tensorflow, "_cores", lambda x: 1)
    layer = ours("lstm")
    run = tf.function(lambda x: layer(x, training=True), autograph=False)
    graph = run.get_concrete_function(tf.TensorSpec((5, length, UNITS))).graph
    projections = [op for op in graph.get_operations() if op.type == "MatMul"]
    loops = [op for op in graph.get_operations() if op.type == "PartitionedCall"]

    def comes_before(first, second):
        seen, todo = set(), [second]
        while todo:
            if (op := todo.pop()) is first:
                return True
            if op not in seen:
                seen.add(op)
                todo += [*(tensor.op for tensor in op.inputs), *op.control_inputs]
        return False

    assert [op.outputs[0].shape[0] for op in projections] == rows
    assert len(loops) == (len(rows) if len(rows) > 1 else 0), "what only one piece needs is no function"
    assert all(comes_before(a, b) for a, b in zip(loops, projections[1:]))
    assert not any(comes_before(last, projections[-1]) for last in loops[-1:])


@pytest.mark.parametrize(
    "place, compile_after",
    [(plain, 0), (while_loop, 0), *(pytest.param(place, math.inf, marks=pytest.mark.slow) for place in PLACES[1:])],
)
def test_gradients_without_training(place, compile_after, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "TRAINING", False)
    monkeypatch.setattr(recurrent_tensorflow, "COMPILE_AFTER", compile_after)
    if compile_after:
        monkeypatch.setattr(recurrent_tensorflow, "_cores", lambda x: 1)
    compare(place, "gru-before", MASK)


def test_graphs_without_training_share_what_is_traced():
    """Making operations, at a few milliseconds each, is most of the time of a first predict.

    A tape gets them as they are: the gradient of such a function takes more memory and time than they do.
    """
    layer = ours("lstm")

    def traced(length):
        run = tf.function(lambda x: layer(x, training=False), autograph=False)
        graph = run.get_concrete_function(tf.TensorSpec((None, length, UNITS))).graph
        (loop,) = layer.cell._rnn_recipes_loops.values()
        calls = [op.type for op in graph.get_operations()].count("PartitionedCall")
        return calls, [name for name, *_ in loop.functions].count("infer")

    with tf.GradientTape():
        assert traced(6) == (0, 0)
    assert [traced(length) for length in (6, 5, None)] == [(1, 1), (1, 1), (1, 2)], "the last for a length to be padded"


@pytest.mark.parametrize("compile_after", [0, math.inf])
def test_gradient_of_a_function_that_was_traced_without_a_tape(compile_after, monkeypatch):
    monkeypatch.setattr(recurrent_tensorflow, "COMPILE_AFTER", compile_after)
    results = []
    for make in (ours, built_in):
        dense, layer, _ = network(make, "gru-before")
        run = tf.function(lambda x, parts=(dense, layer): parts[1](parts[0](x), mask=MASK, training=False))
        x = tf.constant(X)
        run(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(tf.sin(run(x)))
        results.append(tape.gradient(loss, [x, *(w.value for part in (dense, layer) for w in part.weights)]))
    assert_close(*results)


def compare(place, case, mask):
    assert_close(*(outputs_and_gradients(place, make, case, mask) for make in (ours, built_in)))


def assert_close(mine, theirs):
    for a, b in zip(mine, theirs, strict=True):
        assert a is not None and np.abs(b).max() > 1e-6
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4 * np.abs(b).max())


def penalty(make, mask, training, case="lstm", times=None):
    """The gradient for all weights of a gradient for the inputs; a loop applies the layer so many `times`, if any."""
    dense, layer, _ = network(make, case)
    weights = [w.value for part in (dense, layer) for w in part.weights]
    once = lambda x: layer(x, mask=mask, training=training)
    loop = lambda x: tf.while_loop(lambda i, _: i < times, lambda i, y: (i + 1, once(y)), (0, x))[1]
    applied = loop if times else once

    def run(x):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(tf.sin(applied(dense(x))))
            norm = tf.reduce_sum(inner.gradient(y, x) ** 2)
        return outer.gradient(norm, weights, unconnected_gradients="zero")

    return (tf.function(run, autograph=False) if make is ours else run)(tf.constant(X))


@pytest.mark.slow
@pytest.mark.parametrize("training, timesteps", [(False, 6), (True, 6), (True, 4)])
def test_gradients_of_gradients(training, timesteps, monkeypatch):
    in_pieces_of(timesteps, monkeypatch)
    monkeypatch.setattr(recurrent_tensorflow, "_cores", lambda x: 1)  # every part of a batch is a graph like the first
    for a, b in zip(penalty(ours, MASK, training), penalty(built_in, MASK, training), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_gradients_of_gradients_of_a_loop_of_a_portable_layer():
    with layers.portable():
        mine = penalty(ours, MASK, False, "simple", times=2)
    for a, b in zip(mine, penalty(built_in, MASK, False, "simple", times=2), strict=True):
        assert np.abs(b).max() > 1e-3
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="variable without handle data"):
        penalty(ours, MASK, False, "simple", times=2)


def test_inside_what_XLA_compiles():
    def run(make):
        parts = network(make, "lstm")
        return tf.function(lambda x: apply(parts, x, None), jit_compile=True)(tf.constant(X))

    np.testing.assert_allclose(run(ours), run(built_in), atol=1e-5)


class Scaled(layers.SimpleRNNCell):
    """A step that uses a tensor which is no weight of the cell: only TensorFlow itself finds its gradient."""

    def step(self, wx, uh, states):
        return super().step(wx, uh * self.outside[0], states)


class ScaledInput(layers.SimpleRNNCell):
    """Such a tensor in what depends on the input alone, which TensorFlow differentiates."""

    def project_input(self, x):
        return super().project_input(x) * self.outside[0]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("of", [Scaled, ScaledInput])
def test_a_gradient_that_the_fast_path_would_lose(of, in_graph, training):
    outside, x = tf.Variable(0.7), tf.constant(X)
    results = []
    for container in (layers.RNN, keras.layers.RNN):
        cell = of(UNITS, kernel_initializer="ones", recurrent_initializer="ones")
        object.__setattr__(cell, "outside", [outside])
        layer = container(cell)
        layer.build(x.shape)

        @tf.function(autograph=False)
        def run(scale, layer=layer, cell=cell):
            cell.outside[0] = scale * outside if in_graph else outside
            return tf.reduce_sum(layer(x, training=training))

        @tf.function(autograph=False)
        def recorded(scale, run=run.python_function):
            with tf.GradientTape() as tape:
                y = run(scale)
            return tape.gradient(y, outside)

        values = [run(scale) for scale in (1.0, 0.5)]  # a graph for each, without a tape
        results.append([*values, *(recorded(scale) for scale in (1.0, 0.5))])
    assert np.min(np.abs(results[1])) > 1e-3
    np.testing.assert_allclose(*results, rtol=1e-5)


def fitted(layer, length=6):
    model = keras.Sequential([keras.Input((None, UNITS)), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(X, X[:, :, :1], verbose=0)
    return model


def test_check_numerics(monkeypatch):
    """TensorFlow's search for NaNs adds operations that XLA does not know."""
    monkeypatch.setattr(recurrent_tensorflow, "COMPILE_AFTER", 0)
    tf.debugging.enable_check_numerics()
    try:
        fitted(ours("lstm"))
    finally:
        tf.debugging.disable_check_numerics()


def test_a_size_is_compiled_once_it_has_run_long_enough(monkeypatch):
    monkeypatch.setattr(recurrent_tensorflow, "COMPILE_AFTER", 15)  # timesteps: two batches of six and more
    ran = []
    each = recurrent_tensorflow._Loop._each

    def watched(loop, function, parts, compiled, *options):
        tf.py_function(lambda c: ran.append(bool(c)), [compiled], [])
        return each(loop, function, parts, compiled, *options)

    monkeypatch.setattr(recurrent_tensorflow._Loop, "_each", watched)
    layer = ours("simple")
    run = tf.function(lambda x: layer(x), autograph=False, input_signature=[tf.TensorSpec((None, None, UNITS))])
    for _ in range(4):
        run(X)
    assert ran == [False, False, False, True]
    run(X[:, :3])  # another length begins anew
    assert ran[-1] is False
    arrays = layers.recurrent.usage(layer)
    twin = ours("simple")
    twin.build(X.shape)
    layers.recurrent.restore_usage(twin, arrays)
    tf.function(lambda x: twin(x), autograph=False, input_signature=[tf.TensorSpec((None, None, UNITS))])(X)
    assert ran[-1] is True


def test_lengths_that_are_padded_to_one_size_share_a_compiled_loop(tmp_path):
    """What XLA takes for a constant it compiles anew for every value: the number of timesteps must be none."""
    program = """if True:
        import sys, numpy, keras, layers
        from layers import recurrent_tensorflow
        recurrent_tensorflow.COMPILE_AFTER = 0
        inputs = keras.Input((None, 3))
        x = layers.RNN(layers.LSTMCell(2), return_sequences=True)(keras.layers.Masking()(inputs))
        model = keras.Model(inputs, x)
        model.compile("sgd", "mse")
        for length in map(int, sys.argv[1:]):
            model.train_on_batch(numpy.ones((2, length, 3), "float32"), numpy.ones((2, length, 2), "float32"))
    """

    def compiled(*lengths):
        folder = tmp_path / "-".join(lengths)
        flags = {"XLA_FLAGS": f"--xla_dump_to={folder} --xla_dump_hlo_as_text=true"}
        subprocess.run([sys.executable, "-c", program, *lengths], env=os.environ | flags, check=True)
        return len([*folder.glob("*before_optimizations.txt")])

    once = compiled("16")
    assert once > 0
    assert compiled("16", "13", "14", "15") == once


@pytest.mark.parametrize("training", [False, True])
def test_a_graph_ends_with_the_function_that_was_traced(training):
    layer = ours("lstm")

    @tf.function(autograph=False)
    def gradient(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x, training=training))
        return tape.gradient(loss, layer.trainable_weights[0].value)

    gradient(tf.constant(X))
    graph = weakref.ref(gradient.get_concrete_function(tf.constant(X)).graph)
    assert graph()
    del gradient
    gc.collect()
    assert graph() is None


def test_what_was_traced_to_learn_of_a_cell_ends_with_it():
    def graphs():
        gc.collect()
        return [id(g) for g in gc.get_objects() if isinstance(g, tf.Graph) and getattr(g, "name", "") == "_learn"]

    before = graphs()
    for case in CELLS:
        layer = ours(case)
        tf.function(lambda x, layer=layer: layer(x), autograph=False)(X)
        assert len(graphs()) == len(before)
        del layer


def test_equal_layers_share_what_is_compiled(monkeypatch):
    """XLA keeps its programs for ever: a model that is built again must not make them again."""
    monkeypatch.setattr(recurrent_tensorflow, "COMPILE_AFTER", 0)
    monkeypatch.setattr(recurrent_tensorflow, "_COMPILED", compiled := {})

    class Scaled(layers.SimpleRNNCell):
        factor = 1.0

        def step(self, wx, uh, states):
            return [tf.reshape(self.factor, [-1])[:UNITS] * h for h in super().step(wx, uh, states)]

    def run(factor):
        cell, twin = Scaled(UNITS), Scaled(UNITS)
        cell.factor = twin.factor = factor
        layer, reference = layers.RNN(cell), keras.layers.RNN(twin)
        reference.build(X.shape)
        layer.build(X.shape)
        layer.set_weights(reference.get_weights())
        result = tf.function(lambda x: layer(x), autograph=False)(X)
        np.testing.assert_allclose(result, reference(X), rtol=0, atol=1e-5)
        return len(compiled)

    once = run(1.0)
    assert once > 0
    assert run(1.0) == once  # of other weights
    assert run(0.5) == 2 * once  # of another constant, hence not the same
    for factor in (0.5, 0.25):  # too large for a constant: a graph takes it from outside, and is never shared
        assert run(tf.fill([200], factor)) == 2 * once


@pytest.mark.parametrize("cores", [1, 2, 3, 4])
def test_batches_in_parts_that_overlap(cores, monkeypatch):
    monkeypatch.setattr(recurrent_tensorflow, "COMPILE_AFTER", 0)
    monkeypatch.setattr(recurrent_tensorflow, "_cores", lambda x: cores)
    monkeypatch.setattr(
        recurrent_tensorflow._Loop, "_each", lambda loop, f, parts, compiled, kinds, *o: [f(*p, *o) for p in parts]
    )
    layer, twin = ours("simple"), keras.layers.RNN(layers.SimpleRNNCell(UNITS), return_sequences=True)
    twin.build((None, None, UNITS))
    layer.build((None, None, UNITS))
    layer.set_weights(twin.get_weights())

    def run(layer, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
            loss = tf.reduce_sum(y**2)
        return [y, *tape.gradient(loss, [x, *(w.value for w in layer.weights)])]

    in_graph = tf.function(lambda x: run(layer, x), [tf.TensorSpec((None, None, UNITS))], autograph=False)
    for batch in (1, 2, 3, 5, 9, 17, 21):
        x = tf.constant(np.random.default_rng(batch).normal(size=(batch, 3, UNITS)), "float32")
        for a, b in zip(in_graph(x), run(twin, x), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-4, err_msg=f"a batch of {batch}")


@pytest.mark.parametrize("compile_after", [0, math.inf])
def test_a_batch_without_rows(compile_after, monkeypatch):
    """As in a graph of keras.layers. Without timesteps these raise an error too."""
    monkeypatch.setattr(recurrent_tensorflow, "COMPILE_AFTER", compile_after)
    layer = ours("lstm")

    @tf.function(input_signature=[tf.TensorSpec([None, None, UNITS])])
    def run(x):
        with tf.GradientTape() as tape:
            outputs = layer(x, training=True)
            loss = tf.reduce_sum(outputs)
        return outputs, tape.gradient(loss, [w.value for w in layer.trainable_weights])

    outputs, gradients = run(tf.constant(X[:0]))
    assert outputs.shape == (0, 6, UNITS)
    assert all(not np.any(g) for g in gradients)
    outputs, gradients = run(tf.constant(X))
    assert outputs.shape == (5, 6, UNITS) and all(np.any(g) for g in gradients)


def test_cores(monkeypatch, tmp_path):
    x = tf.constant(X)
    monkeypatch.setattr(recurrent_tensorflow.os, "sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    monkeypatch.setattr(recurrent_tensorflow, "_quota", lambda: None)
    assert recurrent_tensorflow._cores(x) == 3
    monkeypatch.setattr(recurrent_tensorflow, "_quota", lambda: 2)
    assert recurrent_tensorflow._cores(x) == 2
    monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda: 1)
    assert recurrent_tensorflow._cores(x) == 1
    monkeypatch.setattr(tf.config.threading, "get_inter_op_parallelism_threads", lambda: 0)
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"])
    where = lambda device: tf.function(lambda: _cores_on(device))()
    assert where("CPU") == 2 and where("GPU") == 1


def _cores_on(device):
    with tf.device(device):
        return recurrent_tensorflow._cores(tf.zeros(1))


def test_the_quota_of_a_container(monkeypatch):
    for text, cores in [("150000 100000", 2), ("max 100000", None), ("", None)]:
        monkeypatch.setattr(recurrent_tensorflow.pathlib.Path, "read_text", lambda path, text=text: text)
        assert recurrent_tensorflow._quota() == cores


def test_masks_with_a_last_dimension():
    x, mask = tf.constant(X), tf.constant(MASK)
    layer = ours("gru")
    run = tf.function(lambda mask: layer(x, mask=mask), autograph=False)
    np.testing.assert_array_equal(run(mask[..., None]), run(mask))


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 4, 3)])
def test_a_wrong_rank_is_told_with_the_shape_that_was_given(shape):
    with pytest.raises(ValueError, match=rf"\({', '.join(map(str, shape))}\)"):
        layers.RNN(layers.LSTMCell(3))(np.zeros(shape, "float32"))


class NestedStates(keras.layers.Layer):
    """Two states, one of which is a pair."""

    state_size, output_size = [UNITS, [UNITS, UNITS]], UNITS

    def project_input(self, x):
        return x

    def project_state(self, h):
        return 0.5 * h

    def step(self, wx, uh, states):
        h, (a, b) = states
        return [tf.tanh(wx + uh + b), [h, a]]

    def call(self, inputs, states):
        new = self.step(self.project_input(inputs), self.project_state(states[0]), states)
        return new[0], new

    def get_initial_state(self, batch_size=None):
        zeros = lambda: tf.zeros((batch_size, UNITS))
        return [zeros(), [zeros(), zeros()]]


class OnlyStep(keras.layers.LSTMCell):
    """One of the three parts alone, which promises nothing."""

    step = None


@pytest.mark.parametrize("make", [NestedStates, lambda: OnlyStep(UNITS), lambda: keras.layers.LSTMCell(UNITS)])
def test_cells_that_Keras_runs(make):
    results = []
    for container in (layers.RNN, keras.layers.RNN):
        keras.utils.set_random_seed(1)
        layer = container(make(), return_sequences=True)
        results.append(tf.function(lambda x, layer=layer: layer(x), autograph=False)(tf.constant(X)))
    np.testing.assert_allclose(*results, atol=1e-6)
