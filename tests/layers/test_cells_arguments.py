"""What a cell refuses, and that it says which argument was wrong and what was received."""

import keras
import numpy as np
import pytest
from cell_cases import CELLS, WITH_TWIN, our_cell, ours, reference_cell

import layers

BAD = [
    *(("units", units) for units in (0, -3, 2.5, "8", True, None, float("nan"), [3])),
    *((name, rate) for name in ("dropout", "recurrent_dropout") for rate in (1.5, -0.1, "x", 1.0, float("nan"), None)),
    ("activation", "tahn"),
    ("activation", 3),
    ("recurrent_activation", "sigmiod"),
    ("kernel_initializer", "glorot"),
    ("recurrent_initializer", "ortho"),
    ("bias_initializer", "zero_s"),
    ("kernel_regularizer", "l3"),
    ("bias_constraint", "positive"),
]


CASES = [
    (case, name, value)
    for case, (cls, _) in CELLS.items()
    for name, value in BAD
    if name != "recurrent_activation" or issubclass(cls, layers.GatedCell)
]


@pytest.mark.parametrize("case, name, value", CASES, ids=[f"{case}, {name}={value!r}" for case, name, value in CASES])
def test_bad_arguments(case, name, value):
    with pytest.raises((ValueError, TypeError)) as raised:
        our_cell(case, **{"units": 3} | {name: value})
    # Keras's own messages on initializers, regularizers and constraints name the kind only.
    kind = name.split("_")[-1] if name.endswith(("initializer", "regularizer", "constraint")) else f"`{name}`"
    assert kind in str(raised.value)
    assert str(value) in str(raised.value)


@pytest.mark.parametrize("case", CELLS)
def test_an_unknown_argument_is_named(case):
    with pytest.raises((ValueError, TypeError), match="recurent_dropout"):
        our_cell(case, recurent_dropout=0.1)


@pytest.mark.parametrize("case", CELLS)
def test_numpy_numbers_are_numbers(case):
    cell = our_cell(case, np.int64(3), dropout=np.float32(0.5))
    assert cell.get_config()["units"] == 3
    assert (type(cell.units), type(cell.dropout)) == (int, float)


@pytest.mark.parametrize("case", WITH_TWIN)
def test_defaults_are_the_built_in_ones(case):
    ours_, theirs = our_cell(case), reference_cell(case)
    assert ours_.state_size == theirs.state_size
    assert ours_.output_size == theirs.output_size


@pytest.mark.parametrize("shape", [(5, 4), (5, 6, 4, 2), (5, 6, None)], ids=str)
@pytest.mark.parametrize("case", CELLS)
def test_inputs_of_another_rank(case, shape):
    for layer in (ours(case), keras.layers.Bidirectional(ours(case))):
        with pytest.raises((ValueError, TypeError), match=r"(?s)`inputs`.*\(batch, timesteps, features\).*Received"):
            layer(keras.Input(batch_shape=shape))


@pytest.mark.parametrize("shape", [(5, 6, 4, 2), (5, 6, 7)], ids=str)
@pytest.mark.parametrize("case", CELLS)
def test_inputs_that_do_not_fit_after_the_first_call(case, shape):
    """A matrix is left out: `keras.layers.RNN` looks for its timesteps before it calls the cell."""
    layer = ours(case)
    layer(np.zeros((5, 6, 4), "float32"))
    with pytest.raises((ValueError, TypeError)) as raised:
        layer(np.zeros(shape, "float32"))
    assert "Input" in str(raised.value)
    assert str(shape[-1]) in str(raised.value)


@pytest.mark.parametrize("case", WITH_TWIN)
def test_a_step_alone(case):
    """Called without a layer around it, a cell takes and returns what the built-in one does."""
    cell, twin = our_cell(case), reference_cell(case)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    initial = cell.get_initial_state(5)
    cell.build(x.shape)
    twin.build(x.shape)
    twin.set_weights(cell.get_weights())
    (mine, my_states), (theirs, their_states) = cell(x, initial), twin(x, initial)
    np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert len(my_states) == len(their_states) == len(initial)
    np.testing.assert_array_equal(my_states[0], mine)


@pytest.mark.parametrize("case", [case for case, (cls, _) in CELLS.items() if cls.states == 1])
def test_a_single_state_needs_no_list(case):
    cell, x, h = our_cell(case), np.ones((5, 4), "float32"), np.full((5, 3), 0.5, "float32")
    np.testing.assert_array_equal(cell(x, h)[0], cell(x, [h])[0])
