"""What the tests of layers share."""

import os
import pathlib
import sys

import keras
import pytest

# Test folders are no packages, so the helper modules beside the tests are found by their own names.
sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(autouse=True)
def same_start():
    """Every test starts from the same seed and leaves no dtype policy behind."""
    keras.utils.set_random_seed(1)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture
def container(request, monkeypatch):
    """Puts our cells into the one layer or the other; see `pytest_generate_tests`.

    Outside a graph, layers.RNN would be keras.layers.RNN: here it takes its own path there too, without tracing it.
    """
    import cell_cases
    import tensorflow as tf

    from layers import recurrent_tensorflow

    each = recurrent_tensorflow._Loop._each

    def as_it_is(loop, function, parts, compiled, kinds, *options):
        if tf.executing_eagerly():
            return [function(*part, *options) for part in parts]
        return each(loop, function, parts, compiled, kinds, *options)

    monkeypatch.setattr(recurrent_tensorflow, "in_graph", lambda x: True)
    monkeypatch.setattr(recurrent_tensorflow._Loop, "_each", as_it_is)
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
    "test_saved_and_loaded_in_a_fresh_process",
    "test_trained_in_mixed_precision_with_dropout",
    "test_any_cell_drops_an_input_at_all_timesteps_or_at_none",
    "test_any_cell_drops_states_in_training_only",
    "test_fast_path_runs",
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
        if given.get("container") == "keras.layers.RNN":
            return case in (None, *cell_cases.WITH_TWIN)
        slow = item.path.stem.startswith("test_cells") and item.path.stem not in ("test_cells_arguments",)
        without_twin = case in cell_cases.CELLS and case not in cell_cases.WITH_TWIN
        return not (slow and without_twin and name not in FOR_EVERY_CELL and "EVERY_CELL" not in os.environ)

    items[:] = filter(wanted, items)
