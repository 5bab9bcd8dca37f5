"""The files in results/."""

import json
import os

import pytest

from benchmarks import record

RUNS = [(0, 1.0, {"rmse": 2.0}), (1, 3.0, {"rmse": 4.0})]
PUBLISHED = [{"name": "Naive", "metric": "rmse", "value": 3, "source": "by hand"}]


def test_a_result_has_all_that_is_needed_to_make_it_again(tmp_path):
    path = record.write("prices", "daily", "python x.py", RUNS, PUBLISHED, tmp_path / "new", {"naive": 5})
    content = json.loads(path.read_text())
    assert path.name == "prices.daily.json"
    assert {"command", "commit", "date", "versions", "machine"} <= content.keys()
    assert (content["seeds"], content["minutes"], content["published"]) == ([0, 1], [1.0, 3.0], PUBLISHED)
    assert content["metrics"] == {
        "rmse": {"values": [2.0, 4.0], "mean": 3.0, "sd": 1.414214},
        "naive": {"values": [], "mean": 5.0, "sd": None},
    }


def test_an_interval_stands_with_its_metric(tmp_path):
    path = record.write("prices", "daily", "", RUNS, folder=tmp_path, intervals={"rmse": (1.5, 4.5)})
    assert json.loads(path.read_text())["metrics"]["rmse"]["interval"] == [1.5, 4.5]


def test_a_single_value_has_no_standard_deviation():
    assert record.summary([2]) == {"values": [2.0], "mean": 2.0, "sd": None}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind a process to cores")
def test_only_the_cores_that_the_process_may_use_are_counted(monkeypatch):
    everything = os.sched_getaffinity(0)
    monkeypatch.setattr(os, "cpu_count", lambda: 99)
    try:
        os.sched_setaffinity(0, {min(everything)})
        assert record.machine()["cores"] == 1
    finally:
        os.sched_setaffinity(0, everything)
    assert record.machine()["cores"] == len(everything)
