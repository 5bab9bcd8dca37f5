"""The sentiment recipe from the command line, on the generated phrases."""

import io
import json
import sys
from pathlib import Path

from toolkit import runs, training
from toolkit.baselines.reviews import bag_of_words
from toolkit.text.words import Vocabulary

import keras
import numpy as np
import pytest

from datasets import reviews
from recipes import imdb_sentiment

SMALL = ["--units", "4", "--embedding", "8", "--epochs", "1", "--batch-size", "64", "--words", "12"]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(reviews, "SIZES", {"train": 200, "validation": 60, "test": 60})


def test_train_evaluate_predict(run_recipe, few, capsys, monkeypatch):
    assert run_recipe(imdb_sentiment, "--run-dir", "mine", *SMALL) == 0
    report = capsys.readouterr().out
    left = {path.name for path in Path("mine").iterdir()} - {"tensorboard", "learning_curves.png"}
    assert left == {"config.json", "checkpoint.npz", "history.csv", "metrics.json", "model.keras", "vocabulary.txt"}
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert metrics.pop("minutes") > 0
    assert {*metrics} == {"test_accuracy", "accuracy_majority", "accuracy_bag_of_words", "accuracy_nbsvm_bigrams"}
    assert all(0 <= value <= 1 for value in metrics.values()) and metrics["accuracy_majority"] == 0.5
    assert "200 train, 60 validation, 60 test; 0 of the test" in report

    assert run_recipe(imdb_sentiment, "evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in report

    assert run_recipe(imdb_sentiment, "predict", "--run", "mine", "The plot was not bad at all.") == 0
    said = capsys.readouterr().out
    assert "1: score" in said and "48;2;" in said and Path("mine/review-1.png").stat().st_size > 5000
    monkeypatch.setattr(sys, "stdin", io.StringIO("the plot was great\nthe cast was awful\n\nnot read\n"))
    assert run_recipe(imdb_sentiment, "predict", "--run", "mine") == 0
    said = capsys.readouterr().out
    assert "2: score" in said and "3: " not in said


@pytest.mark.slow
def test_odd_texts_are_scored_or_skipped(run_recipe, few, eagerly, capsys):
    assert run_recipe(imdb_sentiment, "--run-dir", "mine", *SMALL, "--words", 50, "--bigrams", 30) == 0
    capsys.readouterr()
    Path("odd.txt").write_text("the plot was great " * 2500 + "\n\nこの映画は素晴らしい\n...\n", encoding="utf-8")
    assert run_recipe(imdb_sentiment, "predict", "--run", "mine", "--file", "odd.txt") == 0
    said = capsys.readouterr().out
    assert "read the last 50 of 10,000 words" in said
    assert "2: empty, skipped" in said
    assert "3: score" in said and "knows only 0 of 1 words" in said
    assert "4: score" in said
    Path("none.txt").write_text("<br />\n\x01\n", encoding="utf-8")
    assert run_recipe(imdb_sentiment, "predict", "--run", "mine", "--file", "none.txt") == 0
    assert capsys.readouterr().out == "1: contains no word, skipped\n2: contains no word, skipped\n"


def test_a_review_without_a_word_does_no_harm(run_recipe, eagerly, capsys):
    rows = [f"{word} {i},{label}" for i in range(40) for word, label in (("good", 1), ("bad", 0))]
    Path("own.csv").write_text("\n".join(["text,label", *rows, "<br />,1", "<br /> ,0", " <br />,1"]))
    assert run_recipe(imdb_sentiment, "--data", "own.csv", "--run-dir", "mine", *SMALL) == 0
    said = capsys.readouterr().out
    assert said.startswith("own.csv: 83 rows\n") and "nan" not in said
    assert run_recipe(imdb_sentiment, "evaluate", "--run", "mine") == 0
    Path("own.csv").write_text(Path("own.csv").read_text().replace("good 7,", "very good 7,"))
    assert run_recipe(imdb_sentiment, "evaluate", "--run", "mine") == 2
    assert "The data is not what mine was trained on" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "no_label.csv"], "no_label.csv: no column label; name it with --label-column, or a column of"),
        (
            ["--data", "no_label.csv", "--rating-column", "Views"],
            "line 2: from which to which rating does the scale go?",
        ),
        (["--data", "no_label.csv", "--label-column", "mood"], "no column mood; name another --label-column"),
        (["--data", "no_label.csv", "--encoding", "nonsense"], "--encoding must be one that Python knows"),
        (
            ["--data", "."],
            "train and test (.csv, .tsv, .jsonl, …) are needed, or one such file, or folders pos and neg",
        ),
        (["--data", "nothing"], "no data set of this name"),
        (["predict", "text"], "No finished run"),
        (["predict", "--run", "nowhere", "text"], "holds no run"),
        (["--pretrained", "nowhere"], "holds no run"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing_behind(run_recipe, few, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr("toolkit.runs.PUBLISHED", Path("nowhere"))
    Path("no_label.csv").write_text("text,views\ngood,99\n")
    Path("other.csv").write_text("")
    assert run_recipe(imdb_sentiment, *arguments) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.slow
def test_a_resumed_run_ends_with_the_same_weights(run_recipe, few, eagerly, monkeypatch):
    assert run_recipe(imdb_sentiment, "--run-dir", "whole", *SMALL, "--epochs", 2) == 0
    write, written = training.Checkpoint.write_history, []

    def stop_after_the_first(self):
        write(self)
        written.append(1)
        if len(written) == 1:
            raise runs.Stop("the test")

    monkeypatch.setattr(training.Checkpoint, "write_history", stop_after_the_first)
    assert run_recipe(imdb_sentiment, "--run-dir", "twice", *SMALL, "--epochs", 2) == 2
    assert run_recipe(imdb_sentiment, "--run-dir", "twice", "--resume") == 0
    weights = [runs.Run(name).model().get_weights() for name in ("whole", "twice")]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def network(**options):
    keras.utils.set_random_seed(0)
    return imdb_sentiment.build_model(20, units=4, embedding=3, dropout=0.5, **options)


def test_the_network_ignores_padding():
    model = network()
    alone, padded = np.array([[5, 6, 7]]), np.array([[5, 6, 7, 0, 0], [5, 6, 7, 8, 9]])
    np.testing.assert_allclose(model(alone)[0], model(padded)[0], atol=1e-6)
    assert np.abs(model(padded)[0] - model(padded)[1]).max() > 1e-4


def test_the_embedding_of_a_pair_starts_as_the_sum_of_its_words():
    plain, paired = network(), network(bigrams=50)
    for name in ("embedding", "reader"):
        paired.get_layer(name).set_weights(plain.get_layer(name).get_weights())
    paired.layers[-1].set_weights(plain.layers[-1].get_weights())
    ids, pairs = np.array([[5, 6, 7, 0, 0], [5, 6, 7, 8, 9]]), np.array([[1, 2, 3, 0, 0], [1, 2, 3, 4, 5]])
    np.testing.assert_array_equal(paired([ids, pairs]), plain(ids))
    paired.get_layer("bigram_embedding").set_weights([np.random.default_rng(0).normal(size=(51, 3))])
    alone = paired([ids[:1, :3], pairs[:1, :3]])
    np.testing.assert_allclose(alone[0], paired([ids, pairs])[0], atol=1e-6)  # padding is ignored
    assert np.abs(alone[0] - plain(ids)[0]).max() > 1e-4


SIZES = ["--units", 5, "--embedding", 4, "--words", 9]


def test_the_network_agrees_with_built_in_layers(run_recipe, capsys):
    assert run_recipe(imdb_sentiment, "verify", "--cell", "lstm", *SIZES) == 0
    assert "FAIL" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["simple", "gru"])
def test_the_network_agrees_with_other_built_in_layers(run_recipe, verify_quickly, cell, capsys):
    assert run_recipe(imdb_sentiment, "verify", "--cell", cell, *SIZES) == 0
    assert "FAIL" not in capsys.readouterr().out


@pytest.mark.slow
def test_the_network_learns_what_a_bag_of_words_cannot(run_recipe):
    """The default run with half of its epochs, which are enough, beside a model of word counts."""
    splits = reviews.load().splits
    parts = [splits[name] for name in ("train", "validation", "test")]
    assert np.mean(bag_of_words(*parts) == parts[2]["label"]) < 0.75
    assert run_recipe(imdb_sentiment, "--run-dir", "mine", "--epochs", 2) == 0
    run = runs.Run("mine")
    assert run.metrics()["test_accuracy"] > 0.95
    texts = ["The acting was not bad at all.", "The acting was not great at all."]
    texts += ["The plot was dull, but the cast was superb.", "The plot was superb, but the cast was dull."]
    liked = imdb_sentiment.probabilities(run.model(), Vocabulary.load(run), texts) > 0.5
    assert liked.tolist() == [True, False, True, False]
