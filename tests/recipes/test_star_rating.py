"""The star rating recipe from the command line, and its ordered classes."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from datasets import reviews
from recipes import star_rating

SMALL = ["--units", "4", "--embedding", "8", "--epochs", "1", "--batch-size", "64", "--words", "12"]
CLASSES = np.array([1, 2, 3, 4, 7, 8, 9, 10])


def test_train_evaluate_predict(call, capsys, monkeypatch):
    monkeypatch.setattr(reviews, "SIZES", {"train": 600, "validation": 100, "test": 100})
    assert call("--run-dir", "mine", *SMALL) == 0
    report = capsys.readouterr().out
    assert {"confusion.png", "model.keras", "metrics.json"} <= {path.name for path in Path("mine").iterdir()}
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert {"mae_stars", "accuracy", "qwk", "mae_stars_middle_rating", "qwk_ridge_bigrams"} <= {*metrics}
    assert metrics["qwk_commonest_rating"] == 0
    assert call("evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in report
    assert call("predict", "--run", "mine", "The plot was superb.") == 0
    assert " stars, " in capsys.readouterr().out and Path("mine/review-1.png").stat().st_size > 5000


def test_ratings_that_cannot_be_used(call, capsys):
    rows = [(f"film {i}", i % 2, 1 + 9 * (i % 2)) for i in range(200)]
    Path("two.csv").write_text("text,label,rating\n" + "".join(f"{t},{y},{r}\n" for t, y, r in rows))
    Path("none.csv").write_text("text,label\n" + "".join(f"{t},{y}\n" for t, y, _ in rows))
    for name, message in [("two.csv", "three ratings or more"), ("none.csv", "no column rating")]:
        assert call("--data", name) == 2
        assert message in capsys.readouterr().err
    assert not Path("runs").exists()


def test_verify(call, capsys):
    assert call("verify", "--cell", "gru", "--units", 5, "--embedding", 4, "--words", 9) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_probabilities_fall_whatever_the_weights():
    layer = star_rating.Ordered(CLASSES)
    x = np.random.default_rng(0).normal(size=(50, 6)).astype("float32") * 5
    layer.build(x.shape)
    layer.set_weights([np.random.default_rng(1).normal(size=w.shape) * 3 for w in layer.get_weights()])
    probability = keras.ops.convert_to_numpy(layer(x))
    assert probability.shape == (50, 7) and (np.diff(probability, axis=1) <= 0).all()
    again = star_rating.Ordered.from_config(layer.get_config())
    again.build(x.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(x), probability)


def test_stars_by_hand():
    sure = star_rating.target(CLASSES)(pd.DataFrame({"rating": [1, 4, 10]}))
    assert sure[1].tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert star_rating.median(sure, CLASSES).tolist() == [1, 4, 10]
    assert star_rating.expected(sure, CLASSES).tolist() == [1, 4, 10]
    unsure = np.array([0.9, 0.8, 0.6, 0.5, 0.2, 0.0, 0.0])
    assert star_rating.median(unsure, CLASSES) == 4
    assert star_rating.expected(unsure, CLASSES) == pytest.approx(1 + 0.9 + 0.8 + 0.6 + 3 * 0.5 + 0.2)


def test_measures_by_hand():
    assert star_rating.measures(CLASSES, CLASSES, CLASSES) == {"mae_stars": 0, "accuracy": 1, "qwk": 1}
    measured = star_rating.measures(np.array([1, 10, 7, 4]), np.array([1, 10, 4, 7]), CLASSES)
    # in ranks 0, 7, 3, 4 for 0, 7, 4, 3: observed 0 + 0 + 1 + 1, expected from the margins 4 * 2 * variance
    ranks = np.array([0, 7, 3, 4])
    expected = np.mean((ranks[:, None] - ranks) ** 2)
    assert measured == {"mae_stars": 1.5, "accuracy": 0.5, "qwk": pytest.approx(1 - 0.5 / expected)}
