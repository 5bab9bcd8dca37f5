"""The table of all cells."""

import json
from pathlib import Path

import pytest

from recipes import common, feedforward_or_recurrent, relatives


@pytest.fixture
def few(monkeypatch):
    """Two cells."""
    monkeypatch.setattr(feedforward_or_recurrent, "TESTED", 100)
    cells = {name: common.CELLS[name] for name in ("norm-simple", "minimal")}
    monkeypatch.setattr(common, "CELLS", cells)
    return cells


def test_run_writes_and_draws(call, capsys, few):
    assert call("--steps", 20, "--weights", 100, "--lags", "4", "--run-dir", "mine") == 0
    rows = json.loads(Path("mine/metrics.json").read_text())
    assert [row["cell"] for row in rows] == [*few]
    for row in rows:
        assert {*row} == {"cell", "seed", "units", "recall", "parity", "order", "adding 4"}
        assert all(0 < row[task] <= 1 for task in ("recall", "parity", "order")) and row["adding 4"] > 0
    assert rows[0]["recall"] != rows[1]["recall"]
    assert Path("mine/relatives.png").stat().st_size > 10_000
    assert "minimal" in capsys.readouterr().out and relatives.RECIPE == "relatives"


def test_published_once_a_seed(call, few, monkeypatch):
    tasks = {"recall": 0.9, "adding 50": 0.01}
    reached = lambda name, settings: (
        {"units": 3} | {task: v + settings["seed"] + len(name) for task, v in tasks.items()}
    )
    monkeypatch.setattr(relatives, "measured", reached)
    assert call("publish", "--seeds", 2, "--output", "one") == 0
    monkeypatch.setattr(relatives, "measured", None)  # the second time nothing is trained
    assert call("publish", "--seeds", 2, "--output", ".") == 0
    content = json.loads(Path("relatives.tasks.json").read_text())
    assert content["seeds"] == [0, 1] and len(content["table"]) == 2 * 2 * 2
    for row in content["table"]:
        assert row["reached"] == reached(row["cell"], row)[row["task"]]
