"""The sentiment recipe from the command line, on the phrases that come along."""

import io
import json
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from datasets import generated_reviews, reviews
from recipes import common, imdb_sentiment, review_classifier, review_rivals, training

SMALL = ["--units", "4", "--embedding", "8", "--epochs", "1", "--batch-size", "64", "--words", "12"]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(reviews, "SIZES", {"train": 600, "validation": 100, "test": 100})


def test_train_evaluate_predict(call, few, capsys, monkeypatch):
    assert call("--run-dir", "mine", *SMALL) == 0
    report = capsys.readouterr().out
    left = {path.name for path in Path("mine").iterdir()} - {"tensorboard", "learning_curves.png"}
    assert left == {"config.json", "checkpoint.npz", "history.csv", "metrics.json", "model.keras"}
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert metrics.pop("minutes") > 0
    assert {*metrics} == {"test_accuracy", "accuracy_majority", "accuracy_bag_of_words", "accuracy_nbsvm_bigrams"}
    assert all(0 <= value <= 1 for value in metrics.values()) and metrics["accuracy_majority"] == 0.5
    assert "600 train, 100 validation, 100 test; 0 of the test part" in report

    assert call("evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in report

    assert call("predict", "--run", "mine", "The plot was not bad at all.") == 0
    said = capsys.readouterr().out
    assert "1: score" in said and "48;2;" in said and Path("mine/review-1.png").stat().st_size > 5000
    monkeypatch.setattr(sys, "stdin", io.StringIO("the plot was great\nthe cast was awful\n\nnot read\n"))
    assert call("predict", "--run", "mine") == 0
    said = capsys.readouterr().out
    assert "2: score" in said and "3: " not in said

    model = keras.saving.load_model("mine/model.keras", compile=False)
    texts = ["The plot was great.", "bad"]
    raw = model(tf.constant(texts)[:, None])  # the vocabulary travels in the model
    np.testing.assert_allclose(raw, review_classifier.outputs(model, texts), atol=1e-5)


def test_odd_texts(call, few, eagerly, capsys):
    assert call("--run-dir", "mine", *SMALL, "--words", 50, "--bigrams", 30) == 0
    capsys.readouterr()
    Path("odd.txt").write_text("the plot was great " * 2500 + "\n\nこの映画は素晴らしい\n...\n", encoding="utf-8")
    assert call("predict", "--run", "mine", "--file", "odd.txt") == 0
    said = capsys.readouterr().out
    assert "of 10,000 words the last 50 are read" in said
    assert "2: empty, left out" in said
    assert "3: score" in said and "knows only 0 of 1 words" in said
    assert "4: score" in said
    Path("none.txt").write_text("<br />\n\x01\n", encoding="utf-8")
    assert call("predict", "--run", "mine", "--file", "none.txt") == 0
    assert capsys.readouterr().out == "1: no word in it, left out\n2: no word in it, left out\n"


def test_a_review_without_a_word_does_no_harm(call, capsys):
    rows = [f"{word} {i},{label}" for i in range(40) for word, label in (("good", 1), ("bad", 0))]
    Path("own.csv").write_text("\n".join(["text,label", *rows, "<br />,1", "<br /> ,0", " <br />,1"]))
    assert call("--data", "own.csv", "--run-dir", "mine", *SMALL) == 0
    assert "nan" not in capsys.readouterr().out


def test_wrong_input_is_one_line_and_leaves_nothing_behind(call, few, capsys):
    Path("no_label.csv").write_text("text,stars\ngood,9\n")
    Path("latin.txt").write_bytes("groß".encode("latin-1"))
    for arguments, message in [
        (["--data", "no_label.csv"], "there is no column label. Received: text, stars"),
        (["--data", "nothing"], "no set of this name"),
        (["predict", "text"], "No finished run"),
        (["predict", "--run", "nowhere", "text"], "holds no run"),
        (["predict", "text", "--file", "latin.txt"], "No finished run"),
    ]:
        assert call(*arguments) == 2
        assert message in capsys.readouterr().err
    assert not Path("runs").exists()


def test_resumed_ends_with_the_same_weights(call, few, eagerly, monkeypatch):
    assert call("--run-dir", "whole", *SMALL, "--epochs", 2) == 0
    save, seen = training.Checkpoint.write_history, []

    def stop_after_the_first(self):
        save(self)
        seen.append(1)
        if len(seen) == 1:
            raise common.Stop("the test")

    monkeypatch.setattr(training.Checkpoint, "write_history", stop_after_the_first)
    assert call("--run-dir", "twice", *SMALL, "--epochs", 2) == 2
    assert call("--run-dir", "twice", "--resume", *SMALL, "--epochs", 2) == 0
    weights = [common.Run(Path(name)).model().get_weights() for name in ("whole", "twice")]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_published_once_and_gone_on_with(call, eagerly, monkeypatch, capsys):
    small = {"units": 3, "embedding": 4, "epochs": 1, "batch_size": 64, "words": 12}
    monkeypatch.setattr(imdb_sentiment, "VARIANTS", {"quick": small, "pretrained": small})
    Path("imdb").mkdir()
    for part in ("train", "test"):
        rows = generated_reviews.generate(part, 200)
        rows.to_json(f"imdb/{part}.jsonl", orient="records", lines=True)
    publish = ["publish", "--data-dir", "imdb", "--seeds", 2, "--output", "results"]
    assert call(*publish) == 0
    content = json.loads(Path("results/imdb_sentiment.quick.json").read_text())
    metrics, runs = content["metrics"], Path("runs/imdb_sentiment")
    each = [json.loads((runs / f"quick-seed{seed}/metrics.json").read_text()) for seed in (0, 1)]
    assert metrics["test_accuracy"]["values"] == [metrics["test_accuracy"] for metrics in each]
    assert content["minutes"] == [round(metrics["minutes"], 2) for metrics in each] and min(content["minutes"]) > 0
    assert 0 < metrics["test_accuracy_seeds_averaged"]["mean"] < 1 and not metrics["accuracy_majority"]["values"]
    monkeypatch.setattr(imdb_sentiment, "complete", None)  # nothing is trained again
    assert call(*publish) == 0
    assert json.loads(Path("results/imdb_sentiment.quick.json").read_text()) == content
    monkeypatch.setitem(imdb_sentiment.VARIANTS, "quick", small | {"epochs": 2})
    assert call(*publish) == 2
    assert "quick-seed0 was begun with other settings (epochs=1, now 2): repeat those" in capsys.readouterr().err
    assert json.loads(Path("results/imdb_sentiment.quick.json").read_text()) == content
    assert call("publish", "--variant", "pretrained") == 2
    assert "needs --pretrained" in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_verify(call, cell, capsys):
    assert call("verify", "--cell", cell, "--units", 5, "--embedding", 4, "--words", 9) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_the_network_reads_what_a_bag_of_words_cannot(call, capsys):
    """The default run, beside what counts words."""
    data = reviews.load()
    parts = [data.splits[name] for name in ("train", "validation", "test")]
    assert np.mean(review_rivals.bag_of_words(*parts) == parts[2]["label"]) < 0.75
    assert call("--run-dir", "mine") == 0
    assert json.loads(Path("mine/metrics.json").read_text())["test_accuracy"] > 0.95
    model = common.Run(Path("mine")).model()
    texts = ["The acting was not bad at all.", "The acting was not great at all."]
    texts += ["The plot was dull, but the cast was superb.", "The plot was superb, but the cast was dull."]
    liked = review_classifier.outputs(model, texts) > 0.5
    assert liked[:, 0].tolist() == [True, False, True, False]
