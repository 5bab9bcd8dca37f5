"""What units do: series a text is compared with, the choice of a unit, and runs of several recipes read."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from datasets import characters, reviews
from datasets import translation as pairs
from recipes import common, gates, imdb_sentiment, next_character, stock_prices, translation, translation_text


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
    assert call("--timesteps", 400, "--run-dir", "mine") == 0
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


def test_a_run_on_reviews(call, eagerly, monkeypatch, capsys):
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


def untrained(run, model):
    """Leaves a run's folder as if it had been trained."""
    model.save(run / "model.keras")
    run.write_json("metrics.json", {})


def test_a_run_on_translations(call, monkeypatch, capsys):
    monkeypatch.setattr(pairs, "SIZES", {"train": 300, "validation": 40, "test": 40})
    small = {"units": 4, "embedding": 3, "vocabulary": 400, "attention": "none"}
    run, data = translation.begin(common.defaults(translation.train) | small, Path("pairs"))
    subwords = translation_text.Subwords.kept(run, [*data.splits["train"]["source"]], 400)
    untrained(run, translation.build_model(len(subwords), run.settings))
    assert call("--run", "pairs") == 2
    assert "Give this network something to read" in capsys.readouterr().err
    assert call("--run", "pairs", "--text", "The cat does not see a dog.", "--run-dir", "mine") == 0
    with np.load("mine/trace.npz") as saved:
        assert "".join(saved["labels"]).startswith(" The cat does not see a dog.")
        names = {name: saved[name].shape for name in saved if name != "labels"}
    assert len(names) == 2 * 4 and {*names.values()} == {(len(subwords.numbers(["The cat does not see a dog."])[0]), 4)}
    assert "behind a not" in {row["tracks"] for row in json.loads(Path("mine/metrics.json").read_text())}


def test_a_run_on_prices(call, capsys):
    small = {"target": "volatility", "units": 3, "cell": "minimal"}
    run, data = stock_prices.begin(common.defaults(stock_prices.train) | small, Path("prices"))
    model = stock_prices.build_model("minimal", 3, data)
    untrained(run, model)
    assert call("--run", "prices", "--text", "no text") == 2
    assert "and no text. Received: 'no text'" in capsys.readouterr().err
    assert call("--run", "prices", "--timesteps", 100, "--run-dir", "mine") == 0
    with np.load("mine/trace.npz") as saved:
        assert saved["labels"][0] == f"{data.dates['test'][0]:%Y-%m-%d}" and len(saved["labels"]) == 100
        h = next(saved[name] for name in saved if name.endswith(" h"))
    days = data.features[data.first_days["test"] :][:100].to_numpy("float32")
    state = keras.Model(model.inputs, next(x for x in model.layers if isinstance(x, keras.layers.RNN)).output)
    np.testing.assert_allclose(h, state(days[None])[0], atol=1e-6)
    tracks = {row["tracks"] for row in json.loads(Path("mine/metrics.json").read_text())}
    assert tracks == {*data.features, "mean log_range of 20 days"}
    assert Path("mine/trackers.png").stat().st_size > 20_000
