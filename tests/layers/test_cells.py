"""Every cell computes what its reference computes, forwards and backwards, whatever surrounds it.

The reference is the built-in cell of the same name, else the cell itself in keras.layers.RNN.
"""

import os

import keras
import numpy as np
import pytest
from cell_cases import (
    ALL,
    BATCH,
    CELLS,
    FEATURES,
    LENGTH,
    WITH_TWIN,
    assert_same,
    close,
    container,
    masks,
    our_cell,
    ours,
    outputs_and_gradients,
    random_weights,
    reference_cell,
    reference_layer,
    reference_loop,
    references,
    sequences,
    states,
)

pytestmark = pytest.mark.usefixtures("container")

# The options of the layer, then: which mask, how many timesteps, whether an initial state is given.
CONDITIONS = {
    "plain": ({}, None, LENGTH, False),
    "sequences": ({"return_sequences": True}, None, LENGTH, False),
    "states": ({"return_sequences": True, "return_state": True}, None, LENGTH, False),
    "right-padded": ({"return_sequences": True, "return_state": True}, "right", LENGTH, False),
    "left-padded": ({"return_sequences": True, "return_state": True}, "left", LENGTH, False),
    "holes": ({"return_state": True}, "holes", LENGTH, False),
    "a row without a step": ({"return_sequences": True, "return_state": True}, "a full row", LENGTH, False),
    "zero output for mask": ({"return_sequences": True, "zero_output_for_mask": True}, "holes", LENGTH, False),
    "length 1": ({"return_sequences": True, "return_state": True}, None, 1, False),
    "backwards": ({"return_sequences": True, "return_state": True, "go_backwards": True}, None, LENGTH, False),
    "backwards, masked": ({"return_state": True, "go_backwards": True}, "left", LENGTH, True),
    "unrolled": ({"return_sequences": True, "unroll": True}, None, LENGTH, False),
    "unrolled, masked": ({"return_state": True, "unroll": True}, "holes", LENGTH, True),
    "initial state": ({"return_sequences": True, "return_state": True}, None, LENGTH, True),
    "initial state, masked": ({"return_sequences": True, "return_state": True}, "a full row", LENGTH, True),
}


# Activations and biases say nothing new about masks, directions and states, and a cell without a twin little: each is
# tried with a few, and these cells with a third of the others.
FEW = "plain", "backwards, masked"
TRIED = [
    (case, condition)
    for i, case in enumerate(ALL)
    for j, condition in enumerate(CONDITIONS)
    if condition in FEW or case in WITH_TWIN or case in CELLS and ("EVERY_CELL" in os.environ or (i + j) % 3 == 0)
]


def measure(layer, case, mask, length, with_state):
    x = sequences(length=length)
    layer.build(x.shape)
    mask = None if mask is None else masks(mask, length=length)
    return outputs_and_gradients(random_weights(layer), x, states(case) if with_state else (), mask)


@pytest.mark.parametrize("case, condition", TRIED)
def test_outputs_and_gradients(case, condition):
    options, *rest = CONDITIONS[condition]
    result = measure(ours(case, **options), case, *rest)
    for name, reference in references().items():
        assert_same(result, measure(reference(case, **options), case, *rest), name)


@pytest.mark.parametrize("case", ALL)
def test_returned_states_stand_in_the_documented_order(case):
    """The first state is h, the last output; an LSTM's second is c, which continues the sequence."""
    layer = ours(case, return_sequences=True, return_state=True)
    x = sequences()
    layer.build(x.shape)
    whole, *final = random_weights(layer)(x)
    np.testing.assert_array_equal(whole[:, -1], final[0])
    assert len(final) == len(states(case))
    _, *half = layer(x[:, :2])
    close(layer(x[:, 2:], initial_state=half)[0], whole[:, 2:], 1e-6, "the second half, continued")


@pytest.mark.parametrize("case", ALL)
def test_stateful(case):
    """Two batches in a row, then a reset: the same as the reference layer, and the same as one long sequence."""
    x = sequences()
    results = {}
    for name, make in {"ours": ours, **references()}.items():
        layer = make(case, stateful=True, return_sequences=True)
        layer.build((BATCH, 2, FEATURES))
        random_weights(layer)
        halves = [layer(x[:, :2]), layer(x[:, 2:])]
        layer.reset_state()
        results[name] = [*halves, layer(x[:, :2])]
    for name in references():
        for i, (a, b) in enumerate(zip(results["ours"], results[name])):
            close(a, b, 1e-5, f"call {i} against {name}")
    np.testing.assert_array_equal(results["ours"][2], results["ours"][0])
    whole = ours(case, return_sequences=True)
    whole.build(x.shape)
    close(results["ours"][1], random_weights(whole)(x)[:, 2:], 1e-6, "the second half of the whole sequence")


@pytest.mark.parametrize("merge_mode", ["concat", None])
@pytest.mark.parametrize("case", ALL)
def test_bidirectional(case, merge_mode):
    """Outputs, then the forward states, then the backward ones, as with the reference layer."""
    results = {}
    for name, make in {"ours": ours, **references()}.items():
        layer = make(case, return_sequences=True, return_state=True)
        layer = keras.layers.Bidirectional(layer, merge_mode=merge_mode)
        results[name] = measure(layer, case, "a full row", LENGTH, False)
    for name in references():
        assert_same(results["ours"], results[name], name)


@pytest.mark.parametrize("case", ALL)
def test_stacked_cells(case):
    """Two cells in one loop, against two reference cells in one loop and two reference layers in a row."""
    options = {"return_sequences": True, "return_state": True}
    results = {}
    for name, make in {"ours": our_cell, "reference": reference_cell}.items():
        around = container if make is our_cell else keras.layers.RNN
        layer = around([make(case, 3), make(case, 2)], **options)
        results[name] = measure(layer, case, "holes", LENGTH, False)
    assert_same(results["ours"], results["reference"], "two reference cells")

    inputs = keras.Input((LENGTH, FEATURES))
    mask = keras.Input((LENGTH,), dtype="bool")
    first, *first_states = reference_layer(case, 3, **options)(inputs, mask=mask)
    second, *second_states = reference_layer(case, 2, **options)(first, mask=mask)
    twins = random_weights(keras.Model([inputs, mask], [second, *first_states, *second_states]))
    for i, (a, b) in enumerate(zip(results["ours"][0], twins([sequences(), masks("holes")]))):
        close(a, b, 1e-5, f"output {i} against two reference layers")


@pytest.mark.parametrize("kind", ["right", "a full row"])
@pytest.mark.parametrize("case", CELLS)
def test_masked_steps_are_skipped(case, kind):
    """What stands under the mask changes nothing: no output, no gradient, and none flows into it."""
    mask = masks(kind)
    x = sequences()
    layer = ours(case, return_sequences=True, return_state=True)
    layer.build(x.shape)
    random_weights(layer)
    clean = outputs_and_gradients(layer, x, mask=mask)
    dirty = outputs_and_gradients(layer, np.where(mask[..., None], x, 7.0).astype("float32"), mask=mask)
    assert_same(dirty, clean, "the clean sequence", 0, 0)
    assert not np.asarray(clean[1]["inputs"])[~mask].any()


# The dtypes of outputs and weights, and what rounding in another order may change.
POLICIES = {
    "mixed_bfloat16": ("bfloat16", "float32", 5e-2),
    "mixed_float16": ("float16", "float32", 5e-3),
    "float64": ("float64", "float64", 1e-12),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("case", CELLS)
def test_dtype_policies(case, policy):
    compute, variable, tolerance = POLICIES[policy]
    rest = ("holes", LENGTH, False)
    options = {"return_sequences": True, "return_state": True}
    exact = measure(ours(case, **options), case, *rest)
    keras.config.set_dtype_policy(policy)
    layer = ours(case, **options)
    result = measure(layer, case, *rest)
    assert [y.dtype.name for y in result[0]] == [compute] * len(result[0])
    assert {w.dtype for w in layer.weights} == {variable}
    assert {s.dtype.name for s in layer.cell.get_initial_state(2)} == {compute}
    for name, reference in references().items():
        assert_same(result, measure(reference(case, **options), case, *rest), name, tolerance, tolerance)
    for i, (a, b) in enumerate(zip(result[0], exact[0])):
        close(a, b, max(tolerance, 1e-5), f"output {i} against float32")


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("case", CELLS)
def test_a_state_in_float32_is_taken_under_every_policy(case, policy):
    keras.config.set_dtype_policy(policy)
    compute, _, tolerance = POLICIES[policy]
    options = {"return_state": True}
    result = measure(ours(case, **options), case, None, LENGTH, True)
    assert {y.dtype.name for y in result[0]} == {compute}
    reference = measure(reference_loop(case, **options), case, None, LENGTH, True)
    assert_same(result, reference, "keras.layers.RNN", tolerance, tolerance)
