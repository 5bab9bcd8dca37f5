"""The language model of reviews: its loss against NumPy, and a classifier that starts from it."""

from pathlib import Path

from toolkit import training
from toolkit.runs import Run
from toolkit.text.words import Vocabulary

import keras
import numpy as np
import pandas as pd
import pytest

from datasets import generated_reviews
from recipes import imdb_sentiment, review_language_model

SIZE = 50  # of the vocabulary
IDS = np.array([[7, 3, 9, 4, 2, 30], [5, 1, 6, 0, 0, 0], [8, 0, 0, 0, 0, 0]])


@pytest.fixture
def model():
    model = review_language_model.build_model(SIZE, units=5, embedding=4, dropout=0.0, sampled=20000)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(scale=0.7, size=variable.shape))
    return model


def log_softmax(x):
    return x - np.log(np.sum(np.exp(x)))


def test_the_loss_is_the_cross_entropy_of_both_neighbours(model):
    states = keras.ops.convert_to_numpy(keras.Model(model.input, model.get_layer("reader").output)(IDS))
    layer = model.get_layer("cross_entropy")
    table, bias = (keras.ops.convert_to_numpy(v) for v in (model.get_layer("embedding").embeddings, layer.bias))
    forward, backward = (keras.ops.convert_to_numpy(p) for p in layer.projections)
    expected = []
    for row, length in [(0, 6), (1, 3)]:
        logs = [
            log_softmax(states[row, t, :5] @ forward @ table.T + bias)[IDS[row, t + 1]]
            + log_softmax(states[row, t + 1, 5:] @ backward @ table.T + bias)[IDS[row, t]]
            for t in range(length - 1)
        ]
        expected.append(-np.sum(logs) / (2 * (length - 1)))
    np.testing.assert_allclose(model(IDS)[:, 0], [*expected, 0], rtol=1e-4)


def test_the_sampled_softmax_estimates_the_full_one(model):
    """Padding, id 0, is never in the sample; with as large a sample as here, nothing else differs."""
    model.get_layer("cross_entropy").bias.assign([-30.0] + [0.0] * (SIZE - 1))
    np.testing.assert_allclose(model(IDS, training=True), model(IDS), rtol=0.03)


def test_a_word_is_in_the_sample_as_often_as_expected(model):
    draws = np.random.default_rng(0).random(200_000)
    counts = np.bincount(np.exp(draws * np.log(SIZE)).astype(int), minlength=SIZE)[1:]
    expected = model.get_layer("cross_entropy")._log_expected_count(np.arange(1, SIZE))
    expected = np.exp(keras.ops.convert_to_numpy(expected))
    np.testing.assert_allclose(counts / 10, expected, rtol=0.15)
    assert expected.sum() == pytest.approx(20000, rel=1e-4)


def test_long_reviews_are_cut_into_pieces_and_single_words_dropped():
    texts = [" ".join("abcdefg"[:length]) for length in (7, 3, 4, 0)]
    cut = review_language_model.pieces(Vocabulary("abcdefg"), texts, 3)
    assert [piece.tolist() for piece in cut] == [[2, 3, 4], [5, 6, 7], [2, 3, 4], [2, 3, 4]]


@pytest.fixture
def folder_of_reviews(tmp_path):
    (tmp_path / "data").mkdir()
    for part, name in {"train": "train", "test": "test", "train2": "unsup"}.items():
        rows = generated_reviews.generate(part.rstrip("2"), 240, seed=len(name))
        rows.to_json(tmp_path / "data" / f"{name}.jsonl", orient="records", lines=True)


@pytest.mark.slow
def test_a_classifier_starts_from_it(run_recipe, folder_of_reviews, monkeypatch, capsys):
    small = ["--data", "data", "--epochs", 2, "--batch-size", 32, "--words", 12]
    sizes = ["--units", 6, "--embedding", 5, "--vocabulary", 150, "--learning-rate", 0.03]
    assert run_recipe(review_language_model, "--run-dir", "lm", *small, *sizes) == 0
    before = Run("lm")
    perplexity = before.metrics()["validation_perplexity"]
    assert before.metrics()["minutes"] > 0
    assert perplexity == pytest.approx(np.exp(pd.read_csv("lm/history.csv")["val_loss"].min()))
    assert 1 < perplexity < 75
    assert f"{perplexity:.1f}" in capsys.readouterr().out

    untrained = lambda model, run, *args, **kwargs: (model.save(run / "model.keras"), 0.1)[1]
    monkeypatch.setattr(training, "fit", untrained)
    assert run_recipe(imdb_sentiment, "--run-dir", "sentiment", "--pretrained", "lm", *small) == 0
    after = Run("sentiment")
    for name in ("embedding", "reader"):
        pairs = zip(*(run.model().get_layer(name).get_weights() for run in (before, after)), strict=True)
        assert all((a == b).all() for a, b in pairs)
    assert after.config["settings"]["units"] == 6
    assert Vocabulary.load(before).words == Vocabulary.load(after).words and len(Vocabulary.load(after)) <= 150


def test_a_classifier_cannot_start_from_nothing(run_recipe, capsys):
    assert run_recipe(imdb_sentiment, "--pretrained", "nowhere") == 2
    assert "holds no run" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_verify_passes(run_recipe, verify_quickly, capsys):
    assert run_recipe(review_language_model, "verify", "--units", 5, "--embedding", 4, "--words", 9) == 0
    assert "FAIL" not in capsys.readouterr().out
