"""The times of recipes, on runs that take no time."""

import subprocess

import pytest

from benchmarks import recipe_times


def test_both_cells_take_turns(monkeypatch):
    calls = []

    def seconds(recipe, *arguments):
        calls.append((recipe, *arguments))
        return {"gru": [4.0, 1.0, 3.0], "builtin-gru": [8.0, 4.0, 5.0]}[arguments[1]][(len(calls) - 1) // 2]

    monkeypatch.setattr(recipe_times, "seconds", seconds)
    found = recipe_times.measure("stock_prices", 3)
    assert found == {"gru": 3.0, "builtin-gru": 5.0, "ratio": 0.5}
    assert calls == [("stock_prices", "--cell", cell) for cell in ("gru", "builtin-gru")] * 3


@pytest.mark.slow
def test_a_run_is_timed(quick_interpreter):
    assert recipe_times.seconds("stock_prices", "--help") > 0.1


def test_a_failed_run_is_an_error(quick_interpreter):
    with pytest.raises(subprocess.CalledProcessError):
        recipe_times.seconds("stock_prices", "--cell", "none")
