"""What the tests of all recipes share."""

import importlib
import sys

import pytest
import tensorflow as tf

from recipes import common


@pytest.fixture
def call(request, tmp_path, monkeypatch):
    """Run the recipe that the test file is named after, as from the command line, in an empty folder.

    Returns the exit status.
    """
    name = request.path.stem.removeprefix("test_")
    recipe = importlib.import_module(f"recipes.{name}")
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            common.main(recipe.app)
        return caught.value.code or 0

    return run


@pytest.fixture
def eagerly():
    """No graphs: where a network is tiny and is trained for a few steps, most of the time goes into tracing them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
