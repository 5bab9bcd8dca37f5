"""The language model of reviews: its loss against NumPy, and a classifier that starts from it."""

import json
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from datasets import generated_reviews
from recipes import common, imdb_sentiment, review_language_model, training

SETTINGS = {"cell": "lstm", "units": 5, "embedding": 4, "dropout": 0.0, "seed": 0, "sampled": 20000}
VOCABULARY = 50


@pytest.fixture
def model():
    model = review_language_model.build_model(VOCABULARY, SETTINGS)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(scale=0.7, size=variable.shape))
    return model


IDS = np.array([[7, 3, 9, 4, 2, 30], [5, 1, 6, 0, 0, 0], [8, 0, 0, 0, 0, 0]])


def log_softmax(x):
    return x - np.log(np.sum(np.exp(x)))


def test_surprise_is_that_of_both_neighbours(model):
    states = keras.ops.convert_to_numpy(keras.Model(model.input, model.get_layer("reader").output)(IDS))
    surprise = model.get_layer("surprise")
    table, bias = (keras.ops.convert_to_numpy(v) for v in (model.get_layer("embedding").embeddings, surprise.bias))
    forward, backward = (keras.ops.convert_to_numpy(p) for p in surprise.projections)
    expected = []
    for row, length in [(0, 6), (1, 3)]:
        logs = [
            log_softmax(states[row, t, :5] @ forward @ table.T + bias)[IDS[row, t + 1]]
            + log_softmax(states[row, t + 1, 5:] @ backward @ table.T + bias)[IDS[row, t]]
            for t in range(length - 1)
        ]
        expected.append(-np.sum(logs) / (2 * (length - 1)))
    np.testing.assert_allclose(model(IDS)[:, 0], [*expected, 0], rtol=1e-4)


def test_sampled_softmax_estimates_the_full_one(model):
    """Padding, number 0, is never drawn; with as many draws as here that is all that sets the two apart."""
    model.get_layer("surprise").bias.assign([-30.0] + [0.0] * (VOCABULARY - 1))
    np.testing.assert_allclose(model(IDS, training=True), model(IDS), rtol=0.03)


def test_how_often_a_word_is_drawn(model):
    surprise, n = model.get_layer("surprise"), np.arange(1, VOCABULARY)
    draw = np.random.default_rng(0).random(200_000)
    counts = np.bincount(np.exp(draw * np.log(VOCABULARY)).astype(int), minlength=VOCABULARY)[1:]
    expected = np.exp(keras.ops.convert_to_numpy(surprise._log_expected(n)))
    np.testing.assert_allclose(counts / 10, expected, rtol=0.15)
    assert expected.sum() == pytest.approx(20000, rel=1e-4)


def test_pieces():
    rows = [np.arange(7), np.arange(3), np.arange(4), np.arange(0)]
    assert [len(piece) for piece in review_language_model.pieces(rows, 3)] == [3, 3, 3, 3]


def test_a_classifier_starts_from_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    for part, name in {"train": "train", "test": "test", "train2": "unsup"}.items():
        rows = generated_reviews.generate(part.rstrip("2"), 240, seed=len(name))
        rows.to_json(f"data/{name}.jsonl", orient="records", lines=True)

    def call(recipe, *arguments):
        monkeypatch.setattr(sys, "argv", ["recipe", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            common.main(recipe.app)
        return caught.value.code or 0

    small = ["--data", "data", "--epochs", 2, "--batch-size", 32, "--words", 12]
    sizes = ["--units", 6, "--embedding", 5, "--vocabulary", 150, "--learning-rate", 0.03]
    assert call(review_language_model, "--run-dir", "lm", *small, *sizes) == 0
    perplexity = json.loads(Path("lm/metrics.json").read_text())["validation_perplexity"]
    history = pd.read_csv("lm/history.csv")
    assert perplexity == pytest.approx(np.exp(history["val_loss"].min())) and 1 < perplexity < 75
    assert f"{perplexity:.1f}" in capsys.readouterr().out

    monkeypatch.setattr(training, "fit", lambda network, run, *rest, saved: saved.save(run / "model.keras"))
    assert call(imdb_sentiment, "--run-dir", "sentiment", "--pretrained", "lm", *small) == 0
    before, after = (common.Run(name).model() for name in ("lm", "sentiment"))
    for name in ("embedding", "reader"):
        pairs = zip(*(m.get_layer("network").get_layer(name).get_weights() for m in (before, after)), strict=True)
        assert all((a == b).all() for a, b in pairs)
    assert common.Run("sentiment").settings["units"] == 6
    vocabularies = [m.get_layer("tokenizer").get_layer("vectorizer").get_vocabulary() for m in (before, after)]
    assert vocabularies[0] == vocabularies[1] and len(vocabularies[0]) <= 150

    assert call(imdb_sentiment, "--pretrained", "nowhere") == 2
    assert "holds no run" in capsys.readouterr().err


def test_verify(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", "lm verify --units 5 --embedding 4 --words 9".split())
    with pytest.raises(SystemExit) as caught:
        common.main(review_language_model.app)
    assert not caught.value.code, capsys.readouterr().out
