"""Dropout: one mask a sequence, redrawn for the next, independent of every other, and only in training."""

import keras
import numpy as np
import pytest
from cell_cases import CELLS, WITH_TWIN, close, container, our_cell, ours, random_weights, sequences

pytestmark = pytest.mark.usefixtures("container")

SIZE = 6  # features and units alike, so that one mask could stand in for the other
RATES = {"dropout": 0.5, "recurrent_dropout": 0.5}


def transparent(cell, recurrent=0.0, width=SIZE):
    """Sets the weights so that h_t is x_t as the cell sees it, plus `recurrent` times h_{t-1} as the cell sees it."""
    gates = {"SimpleRNNCell": 1, "LSTMCell": 4, "GRUCell": 3}[type(cell).__name__]
    candidate = {"SimpleRNNCell": 0, "LSTMCell": 2, "GRUCell": 2}[type(cell).__name__]
    kernel, recurrent_kernel = np.zeros((width, gates, width)), np.zeros((width, gates, width))
    kernel[:, candidate] = np.eye(width)
    recurrent_kernel[:, candidate] = recurrent * np.eye(width)
    # Gates as open or shut as makes the cell forget everything but h: LSTM i, f, c, o; GRU z, r, h.
    bias = np.repeat({1: [0], 4: [99, -99, 0, 99], 3: [-99, 99, 0]}[gates], width)
    if not cell.built:
        cell.build((None, width))
    bias = np.stack([bias, 0 * bias]) if len(cell.bias.shape) == 2 else bias
    cell.set_weights([kernel.reshape(width, -1), recurrent_kernel.reshape(width, -1), bias])
    return cell


def cell_of(case, recurrent=0.0, width=SIZE, **arguments):
    return transparent(our_cell(case, width, activation="linear", **arguments), recurrent, width)


def layer_of(case, recurrent=0.0, cell=None, **options):
    cell = cell_of(case, recurrent, **(RATES if cell is None else cell))
    return container(cell, return_sequences=True, **options)


def ones(batch=8, length=5, width=SIZE):
    return np.ones((batch, length, width), "float32")


def input_masks(layer, x=None, **call):
    """What the inputs of each timestep were multiplied by, (batch, timesteps, features)."""
    return np.asarray(layer(ones() if x is None else x, training=True, **call))


def initial(layer, value, batch=8):
    return [np.full((batch, SIZE), value, "float32")] * len(layer.state_size)


def assert_one_mask(masks):
    np.testing.assert_array_equal(masks, np.repeat(masks[:, :1], masks.shape[1], 1))
    assert set(np.unique(masks[:, 0])) == {0, 2}
    assert len(np.unique(masks[:, 0], axis=0)) > 1, "all rows have the same mask"


@pytest.mark.parametrize("options", [{}, {"unroll": True}, {"go_backwards": True}, {"stateful": True}])
@pytest.mark.parametrize("case", WITH_TWIN)
def test_one_input_mask_a_sequence(case, options):
    assert_one_mask(input_masks(layer_of(case, **options)))


@pytest.mark.parametrize("case", WITH_TWIN)
def test_one_recurrent_mask_a_sequence(case):
    """With no input, h_t is h_0 times the mask to the power t."""
    layer = layer_of(case, 1.0, {"recurrent_dropout": 0.5})
    h = np.asarray(layer(0 * ones(), initial_state=initial(layer, 1), training=True))
    assert_one_mask(h[:, :1])
    close(h, np.cumprod(np.repeat(h[:, :1], 5, 1), 1), 1e-6, "powers of the first mask")


@pytest.mark.parametrize("case", WITH_TWIN)
def test_recurrent_mask_is_independent_of_the_input_mask(case):
    """h_1 is x_1 = 1 times one mask plus h_0 = 10 times the other: 0, 2, 20 or 22, each a quarter of the time."""
    layer = layer_of(case, 1.0)
    batch = 400
    h = np.asarray(layer(ones(batch, 1), initial_state=initial(layer, 10, batch), training=True))
    values, counts = np.unique(np.round(h), return_counts=True)
    assert list(values) == [0, 2, 20, 22]
    close(counts / h.size, [0.25] * 4, 0.05, "shares")


@pytest.mark.parametrize("case", WITH_TWIN)
def test_the_next_call_draws_new_masks(case):
    layer = layer_of(case)
    first, second = input_masks(layer), input_masks(layer)
    assert (first != second).any()
    assert_one_mask(second)


def spread_between_timesteps(_, h):
    return keras.ops.max(keras.ops.abs(h - h[:, :1]))


def code_of_masks(_, h):
    """A number that tells masks apart: every unit of every row that is kept has its own part in it."""
    return keras.ops.sum(keras.ops.round(h[:, 0] / 2) * np.random.default_rng(0).random((8, SIZE)))


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("case", WITH_TWIN)
def test_masks_in_a_compiled_train_step(case, jit):
    """One mask a sequence and a new one each step there too, with a learning rate of 0: no weight moves it on."""
    model = keras.Sequential([keras.Input((5, SIZE)), layer_of(case)])
    metrics = [spread_between_timesteps, code_of_masks]
    model.compile(keras.optimizers.SGD(0.0), "mse", metrics=metrics, jit_compile=jit)
    steps = []
    for _ in range(4):
        model.reset_metrics()
        steps.append(model.train_on_batch(ones(), ones(), return_dict=True))
    assert [step["spread_between_timesteps"] for step in steps] == [0] * 4
    assert len({float(step["code_of_masks"]) for step in steps}) == 4


@pytest.mark.parametrize("case", WITH_TWIN)
def test_masks_of_a_stateful_layer_change_with_the_weights(case):
    """No call asks for an initial state there, so the weights decide: the masks are new when the weights are.

    layers.RNN draws new ones at every call.
    """
    layer = layer_of(case, stateful=True)
    first, second = input_masks(layer), input_masks(layer)
    assert (first == second).all() == (type(layer) is keras.layers.RNN)
    layer.cell.recurrent_kernel.assign_add(np.full(layer.cell.recurrent_kernel.shape, 1e-6))
    third = input_masks(layer)
    assert (np.abs(third - first) > 1).any()
    assert set(np.unique(third.round(2))) == {0, 2}


@pytest.mark.parametrize("case", WITH_TWIN)
def test_masks_with_a_given_initial_state_change_with_the_weights(case):
    layer = layer_of(case)
    state = initial(layer, 0)
    first, second = (input_masks(layer, initial_state=state) for _ in range(2))
    assert (first == second).all() == (type(layer) is keras.layers.RNN)
    layer.cell.recurrent_kernel.assign_add(np.full(layer.cell.recurrent_kernel.shape, 1e-6))
    assert (np.abs(input_masks(layer, initial_state=state) - first) > 1).any()


@pytest.mark.parametrize("case", WITH_TWIN)
def test_masks_of_a_stateful_layer_in_a_jit_compiled_fit(case):
    """A tiny step of the optimizer is enough to draw new masks."""
    model = keras.Sequential([keras.Input(batch_shape=(8, 5, SIZE)), layer_of(case, 0.01, stateful=True)])
    model.compile(keras.optimizers.SGD(1e-3), "mse", metrics=[code_of_masks], jit_compile=True)
    codes = []
    for _ in range(4):
        model.reset_metrics()
        codes.append(float(model.train_on_batch(ones(), 3 * ones(), return_dict=True)["code_of_masks"]))
    assert len({round(code, 4) for code in codes}) == 4


@pytest.mark.parametrize("case", WITH_TWIN)
def test_off_at_inference(case):
    layer, plain = layer_of(case, 0.5), layer_of(case, 0.5, {})
    np.testing.assert_array_equal(layer(ones()), plain(ones()))
    model = keras.Sequential([keras.Input((5, SIZE)), layer])
    model.compile(loss="mse", jit_compile=False)
    np.testing.assert_allclose(model.predict(ones(), verbose=0), plain(ones()), rtol=1e-6)
    loss = float(np.mean(np.square(plain(ones()))))
    for _ in range(2):
        np.testing.assert_allclose(model.evaluate(ones(), 0 * ones(), verbose=0), loss, rtol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16", "mixed_float16", "float64"])
@pytest.mark.parametrize("case", WITH_TWIN)
def test_keep_rate_and_scale(case, policy):
    """A quarter of the inputs is dropped and the rest grows by as much; 19 200 draws are 0.003 apart, one in three."""
    keras.config.set_dtype_policy(policy)
    layer = layer_of(case, cell={"dropout": 0.25})
    draws = np.stack([np.asarray(keras.ops.cast(layer(ones(800, 1), training=True), "float32")) for _ in range(4)])
    assert abs((draws == 0).mean() - 0.25) < 0.015
    np.testing.assert_allclose(draws[draws != 0], 4 / 3, rtol=5e-3)
    for axis in range(4):
        means = (draws == 0).mean(tuple(a for a in range(4) if a != axis))
        # 6.5 standard deviations: of 24 draws, 17 dropped ones (5.2) come up once in 400,000 rows, 20 never.
        assert np.abs(means - 0.25).max() < 6.5 * np.sqrt(0.1875 * draws.shape[axis] / draws.size), f"axis {axis}"


@pytest.mark.parametrize("case", WITH_TWIN)
def test_a_seed_repeats_the_masks(case):
    draws = {}
    for name, seed in [("a", 3), ("b", 3), ("other", 4)]:
        layer = layer_of(case, cell=RATES | {"seed": seed})
        draws[name] = np.stack([input_masks(layer) for _ in range(3)])
    np.testing.assert_array_equal(draws["a"], draws["b"])
    assert (draws["a"] != draws["other"]).any()

    for name in ("c", "d"):
        keras.utils.set_random_seed(5)
        draws[name] = input_masks(layer_of(case))
    np.testing.assert_array_equal(draws["c"], draws["d"])


@pytest.mark.parametrize("case", WITH_TWIN)
def test_directions_have_different_masks(case):
    layer = keras.layers.Bidirectional(layer_of(case), merge_mode=None)
    layer.build((8, 5, SIZE))
    transparent(layer.forward_layer.cell)
    transparent(layer.backward_layer.cell)
    forward, backward = (np.asarray(y) for y in layer(ones(), training=True))
    assert_one_mask(forward)
    assert_one_mask(backward)
    assert (forward != backward).any()


@pytest.mark.parametrize("case", WITH_TWIN)
def test_stacked_cells_have_different_masks(case):
    """The product of two independent masks keeps a quarter, that of a mask with itself half."""
    layer = container([cell_of(case, **RATES) for _ in range(2)], return_sequences=True)
    product = input_masks(layer, ones(400))
    np.testing.assert_array_equal(product, np.repeat(product[:, :1], 5, 1))
    assert set(np.unique(product)) == {0, 4}
    assert abs((product != 0).mean() - 0.25) < 0.05


@pytest.mark.parametrize("case", CELLS)
def test_any_cell_drops_an_input_at_all_timesteps_or_at_none(case):
    """The outputs for an input of 1 are those for 2 or those for 0."""
    layer = ours(case, cell={"dropout": 0.5, "bias_initializer": "ones"}, return_sequences=True)
    x = np.ones((64, 6, 1), "float32")
    layer.build(x.shape)
    random_weights(layer)
    doubled, dropped, trained = (np.asarray(y) for y in (layer(2 * x), layer(0 * x), layer(x, training=True)))
    is_doubled, is_dropped = (np.abs(trained - y).max((1, 2)) < 1e-5 for y in (doubled, dropped))
    assert (is_doubled | is_dropped).all()
    assert is_doubled.any() and is_dropped.any()


@pytest.mark.parametrize("case", CELLS)
def test_any_cell_drops_states_in_training_only(case):
    layer, plain = ours(case, cell={"recurrent_dropout": 0.5}), ours(case)
    for each in (layer, plain):
        each.build(sequences().shape)
        random_weights(each)
    np.testing.assert_array_equal(layer(sequences()), plain(sequences()))
    assert np.abs(np.asarray(layer(sequences(), training=True)) - plain(sequences())).max() > 1e-3
