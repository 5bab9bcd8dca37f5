"""What the tests of layers share."""

import os
import pathlib
import sys

import keras
import pytest

# Test folders are no packages, so the helper modules beside the tests are found by their own names.
sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(autouse=True)
def same_dtype_policy():
    """No test leaves a policy behind."""
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def container(request, untraced):
    """Puts our cells into the one layer or the other; see `pytest_generate_tests`."""
    import cell_cases

    cell_cases.chosen[0] = cell_cases.CONTAINERS[request.param]
    yield
    cell_cases.chosen[0] = keras.layers.RNN


def pytest_generate_tests(metafunc):
    """Every check of cells in a layer runs in both layers."""
    if "container" in metafunc.fixturenames:
        metafunc.parametrize("container", ["keras.layers.RNN", "layers.RNN"], indirect=True)


# What every cell goes through. The other tests run on the cells with a built-in twin, and with EVERY_CELL=1 in the
# environment on all.
FOR_EVERY_CELL = {
    "test_outputs_and_gradients",
    "test_returned_states_stand_in_the_documented_order",
    "test_masked_steps_are_skipped",
    "test_configs_move_both_ways",
    "test_initial_weights_losses_and_constraints_are_those_of_the_reference",
    "test_trained_in_mixed_precision_with_dropout",
    "test_any_cell_drops_an_input_at_all_timesteps_or_at_none",
    "test_any_cell_drops_states_in_training_only",
    "test_fast_path_runs",
}
# Other activations and biases say nothing new about masks, directions and states.
FOR_OTHER_ACTIVATIONS = {
    "test_outputs_and_gradients",
    "test_configs_move_both_ways",
    "test_initial_weights_losses_and_constraints_are_those_of_the_reference",
    "test_weight_names_and_first_bias_are_the_built_in_ones",
}
# The same for all cells: `Cell` draws the masks, and Keras's loop runs where layers.RNN leaves it to that. Keras's own
# tests train all cells with a twin in keras.layers.RNN (test_keras_own.py).
FOR_ONE_CELL = {
    "test_masks_in_a_compiled_train_step",
    "test_masks_of_a_stateful_layer_in_a_jit_compiled_fit",
    "test_off_at_inference",
}
FOR_ONE_CELL_IN_KERAS = {
    "test_train_on_batch_with_and_without_jit",
    "test_four_epochs_have_the_loss_curve_of_the_reference_layer",
    "test_any_batch_and_length",
    "test_trained_in_mixed_precision_with_dropout",
    "test_dtype_policies",
    "test_a_state_in_float32_is_taken_under_every_policy",
}


def pytest_collection_modifyitems(items):
    """Leave out what says little for its time.

    Cells without a built-in twin are compared with themselves in keras.layers.RNN, and to that loop activations and
    biases make no difference. One test loads all cells in a fresh process, as the test of each file does for its copy.
    """
    import cell_cases

    def wanted(item):
        given = item.callspec.params if hasattr(item, "callspec") else {}
        name, case = getattr(item, "originalname", item.name), given.get("case")
        if name == "test_saved_and_loaded_in_a_fresh_process" and "case" not in given:
            return item.path.stem == "test_lstm_cell"
        in_keras, slow = given.get("container") == "keras.layers.RNN", item.path.stem.startswith("test_cells")
        if in_keras and case not in (None, *cell_cases.WITH_TWIN):
            return False
        if "EVERY_CELL" in os.environ or not slow or item.path.stem == "test_cells_arguments":
            return True
        if name in FOR_ONE_CELL or in_keras and name in FOR_ONE_CELL_IN_KERAS:
            return case == "lstm"
        if in_keras and name == "test_outputs_and_gradients":
            return given["condition"] in ("plain", "a row without a step", "unrolled, masked", "initial state")
        if case in cell_cases.CELLS:
            return case in cell_cases.WITH_TWIN or name in FOR_EVERY_CELL
        return case is None or name in FOR_OTHER_ACTIVATIONS

    items[:] = filter(wanted, items)


@pytest.fixture(autouse=True)
def fresh_process(quick_interpreter):
    """The tests of each cell start one; they go along with a copy of the cell, so they cannot ask for it themselves."""
