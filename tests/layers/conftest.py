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
def container(request):
    """Puts our cells into the one layer or the other; see `pytest_generate_tests`."""
    import cell_cases

    cell_cases.chosen[0] = cell_cases.CONTAINERS[request.param]
    yield
    cell_cases.chosen[0] = keras.layers.RNN


def pytest_generate_tests(metafunc):
    """Every check of cells in a layer runs in both layers."""
    if "container" in metafunc.fixturenames:
        metafunc.parametrize("container", ["keras.layers.RNN", "layers.RNN"], indirect=True)
