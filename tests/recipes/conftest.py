"""What the tests of all recipes share."""

import importlib
import sys

import pytest

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
