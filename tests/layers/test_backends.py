"""The cells and layers.RNN on Keras's other backends: `make test-backends`. All other tests run on TensorFlow.

A process has one backend: KERAS_BACKEND=jax python -m pytest --noconftest tests/layers/test_backends.py
"""

import contextlib
import functools
import importlib
import itertools
import os
import pathlib
import sys
import types

import keras
import numpy as np
import pytest
from keras import ops

import layers

BACKEND = keras.backend.backend()
if BACKEND == "tensorflow":
    pytest.skip("JAX and PyTorch have an environment of their own: make test-backends", allow_module_level=True)
framework = importlib.import_module(BACKEND)

sys.path.insert(0, str(pathlib.Path(__file__).parent))  # for cell_cases
CELLS, TWINS, WITH_TWIN = (getattr(importlib.import_module("cell_cases"), n) for n in ("CELLS", "TWINS", "WITH_TWIN"))

UNITS, SHAPE = 4, (5, 6, 4)  # as many units as features, so that a layer can be fed its own outputs
WITHOUT_TWIN = [case for case in CELLS if case not in WITH_TWIN]
if "EVERY_CELL" not in os.environ:  # one with weights in `step`, one with normalization, and the documented example
    WITHOUT_TWIN = [case for case in WITHOUT_TWIN if case in ("minimal", "norm-lstm", "own")]
CONTAINERS = {"keras.layers.RNN": keras.layers.RNN, "layers.RNN": layers.RNN}
MASK = np.random.default_rng(2).random(SHAPE[:2]) < 0.6
MASK[1] = False
MASK[2] = np.arange(SHAPE[1]) == 3  # a single step

# Cells without a built-in layer are compared with themselves in keras.layers.RNN.
pairs = [*itertools.product(WITH_TWIN, CONTAINERS), *itertools.product(WITHOUT_TWIN, ["layers.RNN"])]
every_case = pytest.mark.parametrize("case, container", pairs)
some_cases = pytest.mark.parametrize("case", ["lstm", "minimal"])  # two states; weights in `step`
masked_and_not = pytest.mark.parametrize("mask", [None, MASK], ids=["", "masked"])
ON_GPU = framework.default_backend() == "gpu" if BACKEND == "jax" else framework.cuda.is_available()
jax_only = pytest.mark.skipif(BACKEND != "jax", reason="transformations of JAX")


@pytest.fixture(autouse=True)
def same_start():
    keras.utils.set_random_seed(1)


def ours(case, container="layers.RNN", cell=None, **options):
    cls, arguments = CELLS[case]
    return CONTAINERS[container](cls(UNITS, **arguments, **(cell or {})), **options)


def reference(case, **options):
    """The built-in layer, without cuDNN's kernel; where there is none, our cell in Keras's own layer."""
    cls, arguments = CELLS[case]
    if cls not in TWINS:
        return ours(case, "keras.layers.RNN", **options)
    return TWINS[cls][1](UNITS, **arguments, **options, **({} if cls is layers.SimpleRNNCell else {"use_cudnn": False}))


@pytest.fixture
def without_kernel():
    """cuDNN's kernels are not differentiated twice, nor forward, nor vectorized: `portable` is the way out."""
    with layers.portable() if ON_GPU else contextlib.nullcontext():
        yield


def randomized(layer, shape=SHAPE):
    """Draws that differ in every gate and unit: with equal ones, swapped gates go unseen."""
    if not layer.built:
        layer.build(shape)
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.weights])
    return layer


def sequences(shape=SHAPE, seed=1):
    return ops.convert_to_tensor(np.random.default_rng(seed).normal(size=shape).astype("float32"))


def compiled(function):
    """As fit does it."""
    return framework.jit(function) if BACKEND == "jax" else function


def arrays(results):
    return [ops.convert_to_numpy(r) for r in keras.tree.flatten(results)]


def assert_close(mine, theirs, tolerance=1e-5):
    for a, b in zip(arrays(mine), arrays(theirs), strict=True):
        assert np.isfinite(b).all()
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def mixed(results):
    """One number that depends on every element of the results in another way."""
    shares = np.random.default_rng(4)
    draw = lambda shape: ops.convert_to_tensor(shares.normal(size=shape).astype("float32"))
    return sum(ops.sum(ops.cos(y) * draw(y.shape)) for y in keras.tree.flatten(results))


def with_weights(layer, function):
    """`function(layer, x)` of x and the layer's weights, as JAX differentiates it, and these weights."""

    def call(x, weights):
        with keras.StatelessScope(state_mapping=list(zip(layer.trainable_weights, weights))):
            return function(layer, x)

    return call, [w.value for w in layer.trainable_weights]


def gradients(layer, function, x, second=False):
    """Of `function(layer, x)` for x and for every weight; or `second`, the gradients of these gradients."""
    call, weights = with_weights(layer, function)
    if BACKEND == "jax":
        slopes = slopes_of(call)
        return framework.jit(slopes_of(slopes) if second else slopes)(x, weights)
    point = [x.clone().requires_grad_(), *weights]
    slopes = framework.autograd.grad(mixed(function(layer, point[0])), point, create_graph=second)
    return framework.autograd.grad(mixed(slopes), point) if second else slopes


def slopes_of(call):
    return framework.grad(lambda *point: mixed(call(*point)), (0, 1))


@every_case
@masked_and_not
@pytest.mark.parametrize("bidirectional", [False, True], ids=["", "bidirectional"])
def test_outputs_and_states(case, container, mask, bidirectional):
    options, x, results = {"return_sequences": True, "return_state": True}, sequences(), []
    for layer in (ours(case, container, **options), reference(case, **options)):
        layer = randomized(keras.layers.Bidirectional(layer) if bidirectional else layer)
        results += [layer(x, mask=mask), compiled(functools.partial(layer, mask=mask))(x)]
    for result in results[1:]:
        assert_close(result, results[0])


def assert_same_training(case, mask, **options):
    """Outputs, final states and gradients of a call that begins with states of its own."""
    options |= {"return_sequences": True, "return_state": True}
    mine, theirs = (randomized(layer(case, **options)) for layer in (ours, reference))
    initial = [sequences((SHAPE[0], UNITS), seed=i) for i in range(len(keras.tree.flatten(mine.state_size)))]
    call = lambda layer, x: layer(x, mask=mask, initial_state=initial, training=True)
    assert_close(compiled(lambda x: call(mine, x))(sequences()), call(theirs, sequences()))
    assert_close(*(gradients(layer, call, sequences()) for layer in (mine, theirs)), 1e-4)


@pytest.mark.parametrize("mask, zero", [(None, False), (MASK, False), (MASK, True)], ids=["", "masked", "masked, zero"])
@pytest.mark.parametrize("case", [*WITH_TWIN, *WITHOUT_TWIN])
def test_training_with_initial_states(case, mask, zero, monkeypatch):
    if BACKEND == "jax":  # the loop of a GPU: on a CPU it takes Keras's
        monkeypatch.setattr(importlib.import_module("layers.recurrent_jax"), "helps", lambda *arguments: True)
    assert_same_training(case, mask, zero_output_for_mask=zero)


@pytest.mark.skipif(not ON_GPU or BACKEND != "jax", reason="a kernel for a GPU, which JAX takes for large layers")
@masked_and_not
def test_a_kernel_for_large_layers(mask, monkeypatch):
    recurrent_jax = importlib.import_module("layers.recurrent_jax")
    ran, cudnn = [], recurrent_jax._cudnn
    monkeypatch.setattr(recurrent_jax, "LARGE", UNITS)
    monkeypatch.setattr(recurrent_jax, "_cudnn", lambda *arguments: (ran.append(1), cudnn(*arguments))[1])
    assert_same_training("lstm", mask)
    assert ran


@masked_and_not
@pytest.mark.parametrize("case", WITH_TWIN)
def test_mixed_precision(case, mask):
    """Outputs and gradients within bfloat16's rounding, in its type; weights and their gradients stay float32."""
    options = {"return_sequences": True, "return_state": True, "dtype": "mixed_bfloat16"}
    call = lambda layer, x: [ops.cast(y, "float32") for y in layer(x, mask=mask, training=True)]
    mine, theirs = ours(case, cell={"dtype": "mixed_bfloat16"}, **options), reference(case, **options)
    randomized(mine), randomized(theirs)
    assert [y.dtype for y in mine(sequences(), mask=mask)] == [y.dtype for y in theirs(sequences(), mask=mask)]
    assert_close(call(mine, sequences()), call(theirs, sequences()), 3e-2)
    slopes = [gradients(layer, call, sequences()) for layer in (mine, theirs)]
    assert {keras.backend.standardize_dtype(g.dtype) for g in keras.tree.flatten(slopes)} == {"float32"}
    for a, b in zip(*map(arrays, slopes), strict=True):
        assert np.linalg.norm(a - b) < 0.03 * np.linalg.norm(b)


@masked_and_not
@pytest.mark.parametrize("case", WITH_TWIN)
@pytest.mark.parametrize("of_cell, of_layer", itertools.permutations(["float32", "mixed_bfloat16"]))
def test_a_cell_of_another_precision(of_cell, of_layer, case, mask, monkeypatch):
    """As in keras.layers.RNN, bit for bit: Keras casts inputs and weights for the layer, then again for the cell."""
    if BACKEND == "jax":  # it takes Keras's loop on a CPU otherwise
        monkeypatch.setattr(importlib.import_module("layers.recurrent_jax"), "helps", lambda *arguments: True)
    options = {"return_sequences": True, "return_state": True, "dtype": of_layer}
    call = lambda layer: layer(sequences(), mask=mask, training=True)
    mine, theirs = (call(randomized(ours(case, kind, {"dtype": of_cell}, **options))) for kind in CONTAINERS)
    assert [y.dtype for y in mine] == [y.dtype for y in theirs]
    assert_close([ops.cast(y, "float32") for y in mine], [ops.cast(y, "float32") for y in theirs], 1e-6)


@every_case
def test_stateful(case, container):
    results = []
    for layer in (ours(case, container, stateful=True), reference(case, stateful=True)):
        randomized(layer)
        calls = [layer(sequences(seed=1)), layer(sequences(seed=2))]
        layer.reset_state()
        results.append([*calls, layer(sequences(seed=1))])
    assert_close(*results)


@every_case
def test_a_step_of_training(case, container):
    """Equal weights after a step of plain gradient descent, on padded sequences, mean equal gradients."""
    x = arrays(sequences())[0].copy()
    x[2, 3:] = 0
    results = []
    for layer in (ours(case, container), reference(case)):
        model = keras.Sequential([keras.Input(SHAPE[1:]), keras.layers.Masking(), layer, keras.layers.Dense(1)])
        randomized(model)
        model.compile(keras.optimizers.SGD(0.5), "mse")
        before = model.get_weights()
        loss = model.train_on_batch(x, x.sum((1, 2))[:, None])
        assert all((a != b).any() for a, b in zip(before, model.get_weights()))
        results.append([loss, *model.get_weights()])
    assert_close(*results)


@every_case
@pytest.mark.parametrize("stateful", [False, True])
def test_fit_with_dropout(case, container, stateful):
    """Values traced in a train step must not stay behind in the cell: it works outside of it, before and after."""
    layer = ours(case, container, {"dropout": 0.3, "recurrent_dropout": 0.3}, stateful=stateful)
    model = keras.Sequential([keras.Input(batch_shape=SHAPE), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = sequences(), np.ones((5, 1), "float32")
    for _ in range(2):
        history = model.fit(x, y, batch_size=5, epochs=2, verbose=0)
        assert np.isfinite(history.history["loss"]).all()
        if stateful:
            layer.reset_state()
        first, second = (arrays(layer(x, training=True))[0] for _ in range(2))
        assert np.abs(first - second).max() > 1e-3
        model.evaluate(x, y, verbose=0)
    if not stateful:
        np.testing.assert_allclose(model.predict(x, verbose=0), model.predict(x, verbose=0))


@every_case
def test_recurrent_dropout_alone(case, container):
    """No kernel has it, so none may run."""
    layer = randomized(ours(case, container, {"recurrent_dropout": 0.5}))
    plain, first, second = (arrays(layer(sequences(), training=training))[0] for training in (False, True, True))
    assert min(np.abs(plain - first).max(), np.abs(first - second).max()) > 1e-3


@every_case
def test_one_mask_a_sequence(case, container):
    """Where an input is dropped once it is dropped at every timestep: with no kernel, h stays at that of no input."""
    layer = ours(case, container, {"dropout": 0.5, "bias_initializer": "ones"}, return_sequences=True)
    x = np.ones((64, 6, 1), "float32")
    randomized(layer, x.shape)
    kept, dropped = arrays(layer(2 * x)) + arrays(layer(0 * x))
    drawn = arrays(layer(x, training=True))[0]
    is_kept, is_dropped = (np.abs(drawn - h).max((1, 2)) < 1e-5 for h in (kept, dropped))
    assert (is_kept | is_dropped).all()
    assert is_kept.any() and is_dropped.any()


@pytest.mark.parametrize(
    "case", [case for case in CELLS if case not in WITH_TWIN and CELLS[case][0].__name__ in layers.__all__]
)
def test_equations(case, monkeypatch):
    """The outputs, and the gradient in a random direction, are those of the equations in NumPy."""
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))  # for other tests of that file
    cls, _ = CELLS[case]
    file = importlib.import_module(f"test_{cls.__module__.rpartition('.')[2]}")
    monkeypatch.undo()
    layer, x = layers.RNN(cls(3), return_sequences=True, return_state=True), sequences()
    call = lambda layer, x: layer(x)
    start = [arrays(x)[0].astype("float64"), *map(np.float64, randomized(layer).get_weights())]
    assert_close(compiled(layer)(x), file.numpy_layer(start[1:], start[0]))

    direction = np.random.default_rng(3)
    for i, gradient in enumerate(arrays(gradients(layer, call, x))):
        d = direction.normal(size=gradient.shape)
        ahead, behind = ([a + step * d if i == j else a for j, a in enumerate(start)] for step in (1e-5, -1e-5))
        values = [float(mixed_in_numpy(file.numpy_layer(moved[1:], moved[0]))) for moved in (ahead, behind)]
        np.testing.assert_allclose(np.sum(gradient * d), (values[0] - values[1]) / 2e-5, rtol=1e-3, atol=1e-4)


def mixed_in_numpy(results):
    shares = np.random.default_rng(4)
    return sum(np.sum(np.cos(y) * shares.normal(size=y.shape)) for y in results)


class Outer(keras.layers.Layer):
    """A cell that reads a whole sequence at every step."""

    def __init__(self, inner, mask):
        super().__init__()
        self.inner, self.mask, self.state_size = inner, mask, UNITS

    def call(self, inputs, states):
        h = self.inner(ops.reshape(inputs, SHAPE) + states[0][:, None], mask=self.mask)
        return h, [h]


def in_map(layer, x, mask):
    if mask is None:
        return ops.map(lambda row: layer(row[None]), x)
    return ops.map(lambda row: layer(row[0][None], mask=row[1][None]), (x, ops.convert_to_tensor(mask)))


def in_scan(layer, x, mask):
    step = lambda h, x: [layer(x + h[:, None], mask=mask)] * 2
    return ops.scan(step, ops.zeros((SHAPE[0], UNITS)), ops.stack([x, 2 * x, -x]))


def in_loop(layer, x, mask):
    body = lambda i, h: layer(x + h[:, None], mask=mask)
    return ops.fori_loop(0, 3, body, ops.zeros((SHAPE[0], UNITS)))


def in_branch(layer, x, mask):
    return ops.cond(ops.sum(x) < 1e6, lambda: layer(x, mask=mask), lambda: x[:, 0])


def in_switch(layer, x, mask):
    index = ops.cast(ops.sum(x) < 1e6, "int32")
    return ops.switch(index, [lambda x: x[:, 0], lambda x: layer(x, mask=mask)], x)


def in_a_cell(layer, x, mask):
    steps = ops.reshape(ops.stack([x, 2 * x, -x], axis=1), (SHAPE[0], 3, -1))
    outer = layers.RNN if isinstance(layer, layers.RNN) else keras.layers.RNN
    return outer(Outer(layer, mask))(steps)


def repeated(layer, x, mask):
    h = layer(x, mask=mask)
    return [h, layer(x + h[:, None], mask=mask), layer(x * h[:, None])]


def rematerialized(layer, x, mask):
    return keras.remat(lambda x: layer(x, mask=mask))(x)


def vectorized(layer, x, mask):
    return ops.vectorized_map(lambda x: layer(x, mask=mask), ops.stack([x, 2 * x, -x]))


PLACES = [in_map, in_scan, in_loop, in_branch, in_switch, in_a_cell, repeated, rematerialized, vectorized]


@some_cases
@masked_and_not
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_gradients_in_programs(place, mask, case, request):
    if place is vectorized:
        request.getfixturevalue("without_kernel")
    mine, theirs = (
        gradients(randomized(layer), lambda layer, x: place(layer, x, mask), sequences())
        for layer in (ours(case), reference(case))
    )
    assert all(np.abs(gradient).max() > 1e-4 for gradient in arrays(mine))
    assert_close(mine, theirs, 1e-4)


@some_cases
@masked_and_not
def test_gradients_of_gradients(mask, case, without_kernel):
    call = lambda layer, x: layer(x, mask=mask)
    mine, theirs = (gradients(randomized(layer), call, sequences(), True) for layer in (ours(case), reference(case)))
    assert all(np.abs(gradient).max() > 1e-4 for gradient in arrays(mine))
    assert_close(mine, theirs, 1e-4)


def jvp(call, point, direction):
    return framework.jvp(call, point, direction)[1]


def linearize(call, point, direction):
    return framework.linearize(call, *point)[1](*direction)


def jacfwd(call, point, direction):
    return framework.jacfwd(call, (0, 1))(*point)


def jacrev(call, point, direction):
    return framework.jacrev(call, (0, 1))(*point)


def hessian(call, point, direction):
    return framework.jacfwd(slopes_of(call), (0, 1))(*point)


def jvp_of_gradients(call, point, direction):
    return framework.jvp(slopes_of(call), point, direction)[1]


def checkpoint(call, point, direction):
    return slopes_of(framework.checkpoint(call))(*point)


def vmap_of_gradients(call, point, direction):
    return framework.vmap(slopes_of(call), (0, None))(ops.stack([point[0], direction[0]]), point[1])


TRANSFORMATIONS = [jvp, linearize, jacfwd, jacrev, hessian, jvp_of_gradients, checkpoint, vmap_of_gradients]


def transformed(layer, transform, mask=None, compile=compiled):
    call, weights = with_weights(randomized(layer), lambda layer, x: layer(x, mask=mask))
    direction = sequences(seed=5), [sequences(w.shape, seed) for seed, w in enumerate(weights, 6)]
    return compile(lambda *point: transform(call, point, direction))(sequences(), weights)


@jax_only
@some_cases
@masked_and_not
@pytest.mark.parametrize("transform", TRANSFORMATIONS, ids=lambda transform: transform.__name__)
def test_transformations(transform, mask, case, without_kernel):
    mine, theirs = (transformed(layer, transform, mask) for layer in (ours(case), reference(case)))
    assert all(np.abs(derivative).max() > 1e-4 for derivative in arrays(mine))
    assert_close(mine, theirs, 1e-4)


@jax_only
@pytest.mark.parametrize("transform", [jvp, jacfwd, jacrev], ids=lambda transform: transform.__name__)
def test_transformations_outside_of_jit(transform, without_kernel):
    mine = transformed(ours("lstm"), transform, compile=lambda function: function)
    assert_close(mine, transformed(reference("lstm"), transform), 1e-4)


class NestedCell(keras.layers.Layer):
    """States within states."""

    state_size = UNITS, (UNITS, UNITS)

    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1], UNITS))
        self.u = self.add_weight((UNITS, UNITS))

    def get_initial_state(self, batch_size=None):
        zeros = ops.zeros((batch_size, UNITS))
        return zeros, (zeros, zeros)

    def project_input(self, x):
        return ops.matmul(x, self.w)

    def project_state(self, h):
        return ops.matmul(h, self.u)

    def step(self, wx, uh, states):
        h, (c, d) = states
        c, d = ops.tanh(wx + uh + d), ops.sin(c - wx)
        return [c * d + h, (c, d)]

    def call(self, inputs, states):
        states = self.step(self.project_input(inputs), self.project_state(states[0]), states)
        return states[0], states


class PartlySplitCell(keras.layers.SimpleRNNCell):
    """A method of one of the names that layers.RNN looks for; the others do not exist."""

    def project_input(self, x):
        raise AssertionError("this is no part of a step")


@pytest.mark.parametrize("cell", [NestedCell, lambda: PartlySplitCell(UNITS)], ids=["nested", "partly split"])
@pytest.mark.parametrize("mask", [None, MASK, MASK[..., None]], ids=["", "masked", "with an axis"])
def test_other_cells(cell, mask):
    call = lambda layer, x: layer(x, mask=mask)
    options = {"return_sequences": True, "return_state": True}
    mine, theirs = (randomized(container(cell(), **options)) for container in (layers.RNN, keras.layers.RNN))
    assert_close(compiled(lambda x: mine(x, mask=mask))(sequences()), theirs(sequences(), mask=mask))
    assert_close(*(gradients(layer, call, sequences()) for layer in (mine, theirs)), 1e-4)


@some_cases
def test_a_mask_with_an_axis(case):
    call = lambda layer, x: layer(x, mask=MASK[..., None])
    mine, theirs = (randomized(layer(case, return_sequences=True)) for layer in (ours, reference))
    assert_close(compiled(lambda x: call(mine, x))(sequences()), theirs(sequences(), mask=MASK))


@masked_and_not
def test_convolutions(mask):
    if BACKEND == "jax" and mask is not None:
        pytest.skip("keras.layers.ConvLSTM2D takes no such mask on JAX (Keras 3.15)")
    x, call = sequences((5, 6, 4, 3, 2)), lambda layer, x: layer(x, mask=mask)
    options = {"return_sequences": True, "return_state": True}
    mine = randomized(layers.ConvRNN(layers.ConvLSTMCell(3, (3, 2), padding="same"), **options), x.shape)
    theirs = randomized(keras.layers.ConvLSTM2D(3, (3, 2), padding="same", **options), x.shape)
    assert_close(compiled(lambda x: call(mine, x))(x), call(theirs, x))
    assert_close(*(gradients(layer, call, x) for layer in (mine, theirs)), 1e-4)


@pytest.mark.parametrize("score", ["additive", "general"])
def test_attention(score):
    """A loop around the cell is its equations, one step after the other."""
    cell = layers.AttentionCell(layers.GRUCell(UNITS), layers.Attention(score), memory_features=7)
    layer = layers.RNN(cell, return_sequences=True)
    memory, x, mask = sequences((5, 3, 7), seed=2), sequences(), np.arange(3) < [[3], [1], [2], [3], [2]]
    start = ops.ones((5, UNITS))
    cell.start([start], memory)  # builds the attention
    cell.build((5, UNITS))
    randomized(layer)
    states, fed, outputs = [start], ops.zeros((5, UNITS)), []
    for t in range(SHAPE[1]):
        s, states = cell.cell(ops.concatenate([x[:, t], fed], 1), states)
        context, _ = cell.attention(s, memory, memory_mask=mask)
        fed = ops.tanh(ops.matmul(ops.concatenate([context, s], 1), cell.kernel) + cell.bias)
        outputs.append(fed)
    run = compiled(lambda x: layer(x, initial_state=cell.start([start], memory, mask)))
    assert_close(run(x), ops.stack(outputs, 1))


def test_accelerated_and_back():
    parts = [keras.layers.Masking(), keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))]
    model = randomized(keras.Sequential([keras.Input((None, 4)), *parts, keras.layers.GRU(3), keras.layers.Dense(1)]))
    x = arrays(sequences())[0] * MASK[..., None]
    ours = layers.accelerate(model)
    assert type(ours.layers[-2]) is layers.RNN
    for other in (ours, layers.to_builtin(ours)):
        np.testing.assert_allclose(other.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-5)
