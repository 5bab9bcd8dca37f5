"""The table of all cells."""

import json
from pathlib import Path

from recipes import common, feedforward_or_recurrent, relatives


def test_run_writes_and_draws(call, capsys, monkeypatch):
    monkeypatch.setattr(feedforward_or_recurrent, "TESTED", 100)
    few = {name: common.CELLS[name] for name in ("norm-simple", "minimal")}
    monkeypatch.setattr(common, "CELLS", few)
    assert call("--steps", 20, "--weights", 100, "--lags", "4", "--run-dir", "mine") == 0
    rows = json.loads(Path("mine/metrics.json").read_text())
    assert [row["cell"] for row in rows] == [*few]
    for row in rows:
        assert {*row} == {"cell", "seed", "units", "recall", "parity", "order", "adding 4"}
        assert all(0 < row[task] <= 1 for task in ("recall", "parity", "order")) and row["adding 4"] > 0
    assert rows[0]["recall"] != rows[1]["recall"]
    assert Path("mine/relatives.png").stat().st_size > 10_000
    assert "minimal" in capsys.readouterr().out and relatives.RECIPE == "relatives"
