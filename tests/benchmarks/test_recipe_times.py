"""The times of recipes, on a run that takes no time."""

import subprocess

import pytest

from benchmarks import recipe_times


def test_both_cells_are_measured_in_turns(monkeypatch):
    asked = []

    def seconds(recipe, *arguments):
        asked.append((recipe, *arguments))
        return {"gru": [4.0, 1.0, 3.0], "builtin-gru": [8.0, 4.0, 5.0]}[arguments[1]][(len(asked) - 1) // 2]

    monkeypatch.setattr(recipe_times, "seconds", seconds)
    found = recipe_times.measure("stock_prices", 3)
    assert found == {"gru": 3.0, "builtin-gru": 5.0, "ratio": 0.5}
    assert asked == [("stock_prices", "--cell", cell) for cell in ("gru", "builtin-gru")] * 3


def test_a_run_is_timed_and_a_failed_one_is_no_time():
    assert recipe_times.seconds("stock_prices", "--help") > 1
    with pytest.raises(subprocess.CalledProcessError):
        recipe_times.seconds("stock_prices", "--cell", "none")
