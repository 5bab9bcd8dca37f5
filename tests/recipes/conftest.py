"""What the tests of all recipes share."""

import functools
import sys

from toolkit import cli, verification

import pytest
import tensorflow as tf


@pytest.fixture
def run_recipe(tmp_path, monkeypatch):
    """Run a recipe as from the command line, in an empty folder: run_recipe(module, *arguments) is the exit status."""
    monkeypatch.chdir(tmp_path)

    def run(recipe, *arguments):
        monkeypatch.setattr(sys, "argv", [f"{recipe.RECIPE}.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main(recipe.app)
        return caught.value.code or 0

    return run


@pytest.fixture
def eagerly():
    """No graphs: where a network is tiny and trained for a few steps, most of the time goes into tracing them."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def verify_quickly(eagerly, untraced, monkeypatch):
    """`verify` without graphs, through the own path of layers.RNN, with three steps of training instead of twenty."""
    monkeypatch.setattr(verification, "verify", functools.partial(verification.verify, steps=3))
