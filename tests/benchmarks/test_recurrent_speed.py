"""The benchmark of recurrent layers, at a size that takes no time."""

import json
import math
import multiprocessing
from multiprocessing import forkserver

from toolkit.runs import Stop

import pytest

from benchmarks import recurrent_speed


@pytest.fixture
def forked(monkeypatch):
    """The processes of the contenders come from one that has imported TensorFlow, instead of importing it each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["layers"])
    monkeypatch.setattr(multiprocessing, "get_context", lambda method: context)
    yield
    forkserver._forkserver._stop()  # nothing public ends it before this process ends


@pytest.mark.slow
def test_every_contender_is_measured(tmp_path, capsys, monkeypatch, forked):
    few = [recurrent_speed.OURS, recurrent_speed.BASELINE, recurrent_speed.JITTED]
    monkeypatch.setattr(recurrent_speed, "contenders", lambda size: few)
    monkeypatch.setattr(recurrent_speed, "STARTS", 1)
    size = recurrent_speed.Size(3, 4, 2, 5, masked=True)
    figure = tmp_path / "speed.png"
    recurrent_speed.run(["simple"], {"tiny": size}, 2, tmp_path, figure, warm_up=0.1)
    content = json.loads((tmp_path / "recurrent_speed.simple.json").read_text())
    report = content["metrics"]["tiny"]
    installed = recurrent_speed.contenders(size)
    for key, entries in report.items():
        without = [recurrent_speed.TORCH] if key == "fit" else []
        if key in recurrent_speed.CHANGING + recurrent_speed.STARTING:
            without = {*installed} - {*recurrent_speed.SOME}
        assert list(entries) == [name for name in installed if name not in without]
        assert all(0 < value < math.inf for entry in entries.values() for value in entry.values())
        assert {value for label, value in entries[recurrent_speed.BASELINE].items() if "ratio" in label} == {1}
    assert list(report) == list(recurrent_speed.UNITS)
    assert content["measured"]["tiny"]["machine"]["gflops"] > 0 and figure.stat().st_size > 0
    recurrent_speed.run_starts(["simple"], {"tiny": size}, tmp_path)
    again = json.loads((tmp_path / "recurrent_speed.simple.json").read_text())
    changed = [key for key in report if again["metrics"]["tiny"][key] != report[key]]
    assert changed == recurrent_speed.STARTING and list(again["metrics"]["tiny"]) == list(report)
    assert list(again["starts"]) == ["tiny"]
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith(tuple(installed))]
    assert {line.split("  ")[0] for line in rows} == {*installed, *(f"keras.layers, {u}" for u in ("ms", "MiB"))}


def test_a_part_of_the_sizes_is_measured_again(tmp_path, monkeypatch):
    of_starts = {key: {c: [1.0] for c in recurrent_speed.SOME} for key in recurrent_speed.STARTING}
    monkeypatch.setattr(recurrent_speed, "measure_starts", lambda cell, name, size: of_starts)

    def run(names, milliseconds):
        values = {key: {recurrent_speed.BASELINE: [milliseconds]} for key in recurrent_speed.UNITS}
        monkeypatch.setattr(recurrent_speed, "measure", lambda *arguments: (values, 1.0))
        sizes = {name: recurrent_speed.SIZES[name] for name in names}
        recurrent_speed.run(["gru"], sizes, rounds, tmp_path, tmp_path / "speed.png")
        return json.loads((tmp_path / "recurrent_speed.gru.json").read_text())

    rounds = 2
    run(["s20", "m"], 3.0)
    recurrent_speed.run_starts(["gru"], {name: recurrent_speed.SIZES[name] for name in ("s20", "m")}, tmp_path)
    rounds = 5
    content = run(["m"], 4.0)
    times = {n: report["training"][recurrent_speed.BASELINE]["ms"] for n, report in content["metrics"].items()}
    assert times == {"s20": 3.0, "m": 4.0}
    assert {n: source["rounds"] for n, source in content["measured"].items()} == {"s20": 2, "m": 5}
    assert [*content["starts"]] == ["s20"] and [*content["sizes"]] == ["s20", "m"]


def test_the_share_of_the_limit_follows_from_the_operations():
    """At a rate of one operation a millisecond the share is the number of operations divided by the time."""
    size = recurrent_speed.Size(2, 3, 4, 5)
    values = {key: {recurrent_speed.BASELINE: [2.0], recurrent_speed.OURS: [1.0]} for key in recurrent_speed.UNITS}
    report = recurrent_speed.summary(values, "gru", size, 1)
    forward = 2 * 2 * 3 * (4 + 5) * 3 * 5
    ours = report["inference"][recurrent_speed.OURS]
    assert (ours["ratio"], ours["share_of_limit"]) == (0.5, forward)
    assert report["training"][recurrent_speed.BASELINE]["share_of_limit"] == 3 * forward / 2


def test_an_unknown_size_is_one_line():
    with pytest.raises(Stop, match="Choose from s20, .*Received: huge"):
        recurrent_speed.choose("s20,huge", recurrent_speed.SIZES)


def test_starts_alone_need_a_file_with_their_sizes(tmp_path):
    with pytest.raises(Stop, match="Received: s20, not in .*recurrent_speed.gru.json"):
        recurrent_speed.run_starts(["gru"], {"s20": recurrent_speed.SIZES["s20"]}, tmp_path)
