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
