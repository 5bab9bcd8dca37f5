"""What units do: series a text is compared with, the choice of a unit, and runs of several recipes read."""

import json
from pathlib import Path

import numpy as np
import pytest

from datasets import characters, reviews
from recipes import common, gates, imdb_sentiment, next_character


def test_what_a_unit_might_track():
    text = 'The cat (a boy) does not see it. "Yes,"\nI say.'
    found = gates.tracked(text)
    inside = lambda name: "".join(c for c, value in zip(text, found[name]) if value == 1)
    assert inside("inside quotation marks") == '"Yes,' and inside("inside brackets") == "(a boy"
    assert inside("behind a not") == " see it"
    assert found["place in the line"][text.index("\n") + 1 :].tolist() == [0, 1, 2, 3, 4, 5]
    assert "inside brackets" not in gates.tracked("no bracket here")


def test_a_unit_is_chosen_on_one_half_and_judged_on_the_other():
    rng = np.random.default_rng(0)
    series = rng.integers(0, 2, 400).astype(float)
    values = rng.normal(size=(400, 5))
    values[:200, 3] -= 5 * series[:200]  # tracks in the first half only
    values[:, 1] += 2 * series
    (row,) = gates.trackers({("memory", "h"): values}, {"it": series})
    expected = [np.corrcoef(values[part, 3], series[part])[0, 1] for part in (slice(200), slice(200, None))]
    assert row["unit"] == 3 and row["of"] == "h" and row["tracks"] == "it"
    assert [row["first_half"], row["second_half"]] == pytest.approx(expected)
    assert row["first_half"] < -0.8 and abs(row["second_half"]) < 0.3
    assert gates.correlations(np.ones((9, 1)), np.arange(9.0)) == [0]


def test_all_states_together_tell_what_no_unit_does():
    """The series is a sum over thirty states, each of which has little of it; gates are not looked at."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(600, 30))
    series = (states.sum(axis=1) > 0).astype(float)
    traces = {("memory", "h"): states[:, :15], ("memory", "c"): states[:, 15:], ("memory", "f"): series[:, None]}
    assert 0.7 < gates.together(traces, series) < 0.85  # at most √(2/π) for the sign of a normal sum
    assert np.abs(gates.correlations(states, series)).max() < 0.3
    assert abs(gates.together(traces, rng.normal(size=600))) < 0.2


def test_the_default_trains_and_reads_characters(call, monkeypatch, capsys):
    monkeypatch.setattr(characters, "SIZE", 60_000)
    small = {"units": 6, "epochs": 1, "window": 50, "batch_size": 16}
    defaults = common.defaults(next_character.train) | small
    monkeypatch.setattr(common, "defaults", lambda train: defaults)
    assert call("--characters", 400, "--run-dir", "mine") == 0
    said = capsys.readouterr().out
    assert "training one first" in said and "400 timesteps, 42 gates and states of units" in said
    with np.load("mine/trace.npz") as saved:
        assert saved["memory_1 f"].shape == (400, 6) and len(saved["labels"]) == 400
    found = json.loads(Path("mine/metrics.json").read_text())
    assert {row["tracks"] for row in found} == {*gates.tracked('(a) not "b"\nc')}
    for name in ("gates", "trackers"):
        assert Path(f"mine/{name}.png").stat().st_size > 20_000
    assert call("--text", 'He does not say "no".', "--run-dir", "other") == 0
    assert "training one first" not in capsys.readouterr().out
    assert call("--text", "x", "--run-dir", "third") == 2


def test_a_run_on_reviews(call, monkeypatch, capsys):
    monkeypatch.setattr(reviews, "SIZES", {"train": 200, "validation": 40, "test": 40})
    settings = common.defaults(imdb_sentiment.train) | {"units": 4, "embedding": 4, "epochs": 1}
    run, data = imdb_sentiment.review_classifier.begin("imdb_sentiment", settings, Path("review"))
    imdb_sentiment.complete(run, data, rivals=False)
    assert call("--run", "review") == 2
    assert "Give this network something to read" in capsys.readouterr().err
    assert call("--run", "review", "--text", "The plot was not bad, but (I think) long.", "--run-dir", "mine") == 0
    assert "13 timesteps, 56 gates" in capsys.readouterr().out
    with np.load("mine/trace.npz") as saved:
        assert (
            saved["labels"].tolist() == "the plot was not bad , but ( i think ) long .".split()[-len(saved["labels"]) :]
        )
        assert saved["reader/backward c"].shape == (len(saved["labels"]), 4)
