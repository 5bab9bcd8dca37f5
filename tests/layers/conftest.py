"""What the tests of layers share."""

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


def pytest_collection_modifyitems(items):
    """Tests in keras.layers.RNN run on the cells with a built-in twin: the others are compared with themselves there.
    Activations and biases make no difference to that loop."""
    import cell_cases

    def wanted(item):
        given = item.callspec.params if hasattr(item, "callspec") else {}
        return given.get("container") != "keras.layers.RNN" or given.get("case") in (None, *cell_cases.WITH_TWIN)

    items[:] = filter(wanted, items)
