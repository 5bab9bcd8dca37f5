"""The comparison of all cells on the same tasks."""

import json
from pathlib import Path

from toolkit.cells import CELLS
from toolkit.runs import Stop

import pandas as pd
import pytest

from recipes import relatives

SMALL = ["--steps", 20, "--weights", 100, "--lags", "4", "--run-dir", "mine"]


@pytest.fixture
def two_cells(monkeypatch):
    monkeypatch.setattr(relatives, "TEST_SEQUENCES", 100)
    monkeypatch.setattr(relatives, "CELLS", {name: CELLS[name] for name in ("simple", "minimal")})


@pytest.mark.slow
def test_run_reports_and_draws_a_row_for_every_cell(run_recipe, capsys, two_cells):
    assert run_recipe(relatives, *SMALL) == 0
    metrics = json.loads(Path("mine/metrics.json").read_text())
    rows = metrics["rows"]
    assert [(row["cell"], row["seed"]) for row in rows] == [("simple", 0), ("minimal", 0)]
    for row in rows:
        assert {*row} == {"cell", "seed", "units", "minutes", "recall", "parity", "order", "adding 4"}
        assert all(0 < row[question] <= 1 for question in ("recall", "parity", "order")) and row["adding 4"] > 0
    assert rows[0]["recall"] != rows[1]["recall"]
    assert metrics["minutes"] == pytest.approx(sum(row["minutes"] for row in rows)) and metrics["minutes"] > 0
    assert Path("mine/relatives.png").stat().st_size > 10_000
    assert "minimal" in capsys.readouterr().out


def test_an_interrupted_run_continues_after_its_last_row(run_recipe, two_cells, monkeypatch):
    measured = []

    def pretend(cell, seed, s):
        if len(measured) == 3:
            raise Stop("the test")
        measured.append((cell, seed))
        return {"units": 3, "minutes": 0.5, "recall": 0.9, "adding 4": seed + 0.01}

    monkeypatch.setattr(relatives, "measure", pretend)
    assert run_recipe(relatives, *SMALL, "--seeds", 2) == 2
    assert not Path("mine/metrics.json").exists()
    measured.clear()
    assert run_recipe(relatives, "--resume", "--run-dir", "mine") == 0
    assert measured == [("minimal", 1)]
    assert len(pd.read_csv("mine/runs.csv")) == 4 and json.loads(Path("mine/metrics.json").read_text())["minutes"] == 2
