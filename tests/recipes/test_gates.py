"""What units do: series that a unit might track, the choice of a unit, and runs of several recipes read."""

import json
from pathlib import Path

from toolkit import runs
from toolkit.text.characters import Alphabet
from toolkit.text.subwords import Subwords
from toolkit.text.words import Vocabulary

import keras
import numpy as np
import pytest

from datasets import characters, generated_reviews, generated_translations
from recipes import gates, imdb_sentiment, next_character, star_rating, stock_prices, translation

REVIEW = "The plot was not bad, but (I think) long."
SENTENCE = "The cat does not see a dog."


@pytest.fixture(autouse=True)
def few_labels(monkeypatch):
    """Most of the time of a figure goes into the labels of its timesteps."""
    monkeypatch.setattr(gates.figures, "TIMESTEPS", 20)


def finished(recipe, settings, model, *parts, data="test"):
    """A run's folder as after a training: a model, and what is saved beside it."""
    run = runs.open_run(recipe.RECIPE, settings, data, "trained")
    for part in parts:
        part.save(run)
    model.save(run / "model.keras")
    run.finish({})
    return run


def traced():
    with np.load("mine/trace.npz") as saved:
        labels = saved["labels"].tolist()
        return labels, {name: saved[name] for name in saved if name != "labels"}


def tracked():
    return {row["series"] for row in json.loads(Path("mine/metrics.json").read_text())["trackers"]}


def test_series_of_a_text_are_those_marked_by_hand():
    text = 'The cat (a boy) does not see it. "Yes,"\nI say.'
    series = gates.text_series(text)
    inside = lambda name: "".join(c for c, value in zip(text, series[name]) if value == 1)
    assert inside("inside quotation marks") == '"Yes,' and inside("inside brackets") == "(a boy"
    assert inside("after a not") == " see it"
    assert series["position in the line"][text.index("\n") + 1 :].tolist() == [0, 1, 2, 3, 4, 5]


def test_a_unit_is_chosen_in_the_first_half_and_judged_in_the_second():
    rng = np.random.default_rng(0)
    series = rng.integers(0, 2, 400).astype(float)
    values = rng.normal(size=(400, 5))
    values[:200, 3] -= 5 * series[:200]  # tracks in the first half only
    values[:, 1] += 2 * series
    (row,) = gates.find_trackers({("memory", "h"): values}, {"it": series})
    expected = [np.corrcoef(values[half, 3], series[half])[0, 1] for half in (slice(200), slice(200, None))]
    assert row["unit"] == 3 and row["gate"] == "h" and row["series"] == "it"
    assert [row["first_half"], row["second_half"]] == pytest.approx(expected)
    assert row["first_half"] < -0.8 and abs(row["second_half"]) < 0.3


def test_a_constant_unit_correlates_with_nothing():
    assert gates.correlations(np.ones((9, 1)), np.arange(9.0)) == [0]


def test_all_states_together_know_what_no_unit_does():
    """The series is a sum over thirty states, each of which has little of it; gates are not states."""
    rng = np.random.default_rng(0)
    states = rng.normal(size=(600, 30))
    series = (states.sum(axis=1) > 0).astype(float)
    traces = {("memory", "h"): states[:, :15], ("memory", "c"): states[:, 15:], ("memory", "f"): series[:, None]}
    assert 0.7 < gates.correlation_of_all_states(traces, series) < 0.85  # √(2/π) at most, the sign of a normal sum
    assert np.abs(gates.correlations(states, series)).max() < 0.3
    assert abs(gates.correlation_of_all_states(traces, rng.normal(size=600))) < 0.2


@pytest.mark.slow
def test_the_default_trains_a_network_and_reads_with_it(run_recipe, monkeypatch, capsys):
    monkeypatch.setattr(characters, "SIZE", 60_000)
    small = ["--units", 6, "--epochs", 1, "--window", 50, "--timesteps", 400]
    assert run_recipe(gates, *small, "--run-dir", "mine") == 0
    assert "400 timesteps, 36 gates and states of units" in capsys.readouterr().out
    labels, traces = traced()
    assert len(labels) == 400 and traces["memory f"].shape == (400, 6)
    assert tracked() == {*gates.text_series("")}
    for name in ("gates", "trackers"):
        assert Path(f"mine/{name}.png").stat().st_size > 20_000
    assert json.loads(Path("mine/metrics.json").read_text())["minutes"] > 0

    assert run_recipe(gates, "--run", "mine", "--text", 'He does not say "no".', "--run-dir", "again") == 0
    assert "21 timesteps" in capsys.readouterr().out and not Path("again/model.keras").exists()
    assert run_recipe(gates, "--run", "mine", "--text", "x", "--run-dir", "third") == 2
    assert "two timesteps or more" in capsys.readouterr().err and not Path("third").exists()


@pytest.mark.slow
def test_a_run_on_characters_is_read(run_recipe):
    alphabet = Alphabet(characters.load().alphabet)
    settings = next_character.Settings(units=4, layers=2)
    model = next_character.build_model(len(alphabet), units=4, layers=2, batch_size=1)
    finished(next_character, settings, model, alphabet, data=characters.load().checksum())
    assert run_recipe(gates, "--run", "trained", "--timesteps", 30, "--run-dir", "mine") == 0
    labels, traces = traced()
    assert "".join(labels) == characters.load().splits["test"][:30]
    assert {name.split()[0] for name in traces} == {"memory_1", "memory_2"}


@pytest.mark.parametrize("bigrams", [0, pytest.param(30, marks=pytest.mark.slow)])
def test_a_run_on_reviews_is_read(run_recipe, capsys, bigrams):
    vocabulary = Vocabulary.learn(generated_reviews.generate("train", 200)["text"], 100)
    settings = imdb_sentiment.Settings(words=12, units=4, embedding=4, bigrams=bigrams)
    model = imdb_sentiment.build_model(len(vocabulary), units=4, embedding=4, bigrams=bigrams)
    finished(imdb_sentiment, settings, model, vocabulary)
    assert run_recipe(gates, "--run", "trained") == 2
    assert "This network needs a text" in capsys.readouterr().err
    assert run_recipe(gates, "--run", "trained", "--text", REVIEW, "--run-dir", "mine") == 0
    assert "12 timesteps, 56 gates and states of units" in capsys.readouterr().out
    labels, traces = traced()
    assert labels == ["plot", "was", "not", "bad", ",", "but", "(", "i", "think", ")", "long", "."]
    assert traces["reader/backward c"].shape == (12, 4)


@pytest.mark.slow
def test_a_run_on_stars_is_read(run_recipe):
    vocabulary = Vocabulary.learn(generated_reviews.generate("train", 200)["text"], 100)
    model = star_rating.build_model(len(vocabulary), np.array([1, 2, 3]), "coupled-lstm", units=4, embedding=4)
    finished(star_rating, star_rating.Settings(cell="coupled-lstm", units=4, embedding=4), model, vocabulary)
    assert run_recipe(gates, "--run", "trained", "--text", REVIEW, "--run-dir", "mine") == 0
    labels, traces = traced()
    assert len(labels) == 13 and traces["reader/forward f"].shape == (13, 4)
    assert tracked() == {"inside brackets", "after a not", "position in the line", "end of a word"}


def test_the_encoder_of_a_run_on_translations_is_read(run_recipe, capsys):
    pairs = generated_translations.generate({"train": 300}, 0)["train"]
    subwords = Subwords.learn([*pairs["english"], *pairs["french"]], 400)
    settings = translation.Settings(units=4, embedding=3, vocabulary=400, attention="none")
    model = translation.build_model(len(subwords), attention="none", units=4, embedding=3)
    finished(translation, settings, model, subwords)
    assert run_recipe(gates, "--run", "trained") == 2
    assert "This network needs a text" in capsys.readouterr().err
    assert run_recipe(gates, "--run", "trained", "--text", SENTENCE, "--run-dir", "mine") == 0
    labels, traces = traced()
    assert "".join(labels).startswith(f" {SENTENCE}")
    (ids,) = subwords.ids([SENTENCE])
    assert len(traces) == 2 * 4 and {values.shape for values in traces.values()} == {(len(ids), 4)}
    assert "after a not" in tracked()


@pytest.mark.slow
def test_a_run_on_prices_reads_its_test_split(run_recipe, capsys):
    settings = stock_prices.Settings(target="volatility", units=3, cell="minimal")
    data = stock_prices.load_data(target="volatility")
    model = stock_prices.build_model(data.mean, data.variance, "minimal", 3)
    finished(stock_prices, settings, model, data=data.checksum())
    assert run_recipe(gates, "--run", "trained", "--text", "no text") == 2
    assert "it takes no --text. Received: 'no text'" in capsys.readouterr().err
    assert run_recipe(gates, "--run", "trained", "--timesteps", 100, "--run-dir", "mine") == 0
    labels, traces = traced()
    assert labels[0] == f"{data.dates['test'][0]:%Y-%m-%d}" and len(labels) == 100
    h = next(values for name, values in traces.items() if name.endswith(" h"))
    days = data.features[data.first_days["test"] :][:100].to_numpy("float32")
    state = keras.Model(model.inputs, next(x for x in model.layers if isinstance(x, keras.layers.RNN)).output)
    np.testing.assert_allclose(h, state.predict(days[None], verbose=0)[0], atol=1e-6)
    assert tracked() == {*data.features, "mean log_range of 20 days"}
    assert Path("mine/trackers.png").stat().st_size > 20_000


def test_a_text_too_short_for_the_windows_is_refused_in_one_line(run_recipe, capsys):
    assert run_recipe(gates, "--batch-size", 64, "--window", 4000) == 2
    assert "64 strands of 4000 characters need 256,001" in capsys.readouterr().err
    assert not Path("runs").exists()
