"""The star rating recipe from the command line, and its medians, expectations and measures by hand."""

import json
from pathlib import Path

from toolkit.runs import Run

import numpy as np
import pytest

from datasets import reviews
from recipes import star_rating

SMALL = ["--units", "4", "--embedding", "8", "--epochs", "1", "--batch-size", "64", "--words", "12"]
RATINGS = np.array([1, 2, 3, 4, 7, 8, 9, 10])


def test_train_evaluate_predict(run_recipe, capsys, monkeypatch):
    monkeypatch.setattr(reviews, "SIZES", {"train": 600, "validation": 100, "test": 100})
    assert run_recipe(star_rating, "--run-dir", "mine", *SMALL) == 0
    report = capsys.readouterr().out
    left = {path.name for path in Path("mine").iterdir()} - {"tensorboard", "learning_curves.png"}
    files = {"config.json", "checkpoint.npz", "history.csv", "metrics.json", "model.keras", "vocabulary.txt"}
    assert left == files | {"ratings.json", "confusion.png"}
    metrics = json.loads(Path("mine/metrics.json").read_text())
    measures = {"mae_stars", "accuracy", "qwk"}
    baselines = {"commonest_rating", "middle_rating", "ridge_bigrams"}
    assert {*metrics} == {"minutes"} | measures | {f"{m}_{b}" for m in measures for b in baselines}
    assert metrics["qwk_commonest_rating"] == 0 and metrics["minutes"] > 0
    assert run_recipe(star_rating, "evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in report
    assert run_recipe(star_rating, "predict", "--run", "mine", "The plot was superb.") == 0
    printed = capsys.readouterr().out
    assert "1: " in printed and " stars, expectation " in printed
    assert Path("mine/review-1.png").stat().st_size > 5000

    Path("mine/ratings.json").write_text("[1, 2")
    assert run_recipe(star_rating, "predict", "--run", "mine", "superb") == 2


@pytest.mark.slow
def test_pairs_of_words_and_a_training_without_baselines(run_recipe, eagerly, monkeypatch, capsys):
    monkeypatch.setattr(reviews, "SIZES", {"train": 600, "validation": 100, "test": 100})
    settings = star_rating.Settings(units=3, embedding=4, epochs=1, batch_size=64, words=12, bigrams=30)
    star_rating.train(settings, run_dir=Path("pairs"), resume=True, baselines=False)
    assert {*Run("pairs").metrics()} == {"minutes", "mae_stars", "accuracy", "qwk"}
    assert run_recipe(star_rating, "predict", "--run", "pairs", "superb") == 0
    assert " stars, " in capsys.readouterr().out


def test_ratings_that_cannot_be_used_are_one_line_and_leave_nothing_behind(run_recipe, capsys):
    numbers = range(200)
    Path("one.csv").write_text("text,stars\n" + "".join(f"film {i},3\n" for i in numbers))
    Path("few.csv").write_text("text,stars\n" + "".join(f"film {i},{1 + i % 5}\n" for i in range(20)))
    Path("none.csv").write_text("text,label\n" + "".join(f"film {i},{i % 2}\n" for i in numbers))
    Path("hundred.csv").write_text("text,stars\n" + "".join(f"film {i},{i % 100}\n" for i in numbers))
    for name, message in [
        ("one.csv", "two ratings or more"),
        ("few.csv", "needs reviews: ten and more of each rating"),
        ("none.csv", "no column rating; name it with --rating-column. Received: text, label"),
        ("hundred.csv", "line 2: from which to which rating does the scale go? Name it with --scale"),
    ]:
        assert run_recipe(star_rating, "--data", name) == 2
        said = capsys.readouterr().err
        assert message in said and said.count("\n") == 1
    assert not Path("runs").exists()


def test_half_stars_without_labels(run_recipe, eagerly, capsys):
    Path("half.csv").write_text(
        "review,stars\n" + "".join(f"film {i % 9} number {i},{i % 9 / 2 + 0.5}\n" for i in range(180))
    )
    assert run_recipe(star_rating, "--data", "half.csv", "--run-dir", "mine", *SMALL) == 0
    said = capsys.readouterr().out
    assert said.startswith("half.csv: texts from 'review', ratings 0.5 to 4.5 from 'stars', half stars too, 180 rows\n")
    assert json.loads(Path("mine/ratings.json").read_text()) == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]
    assert run_recipe(star_rating, "evaluate", "--run", "mine") == 0
    assert run_recipe(star_rating, "predict", "--run", "mine", "film 3") == 0
    assert " stars, expectation " in capsys.readouterr().out
    Path("half.csv").write_text(Path("half.csv").read_text().replace("film 3 number 3,", "film 3,"))
    assert run_recipe(star_rating, "evaluate", "--run", "mine") == 2
    assert "The data is not what mine was trained on" in capsys.readouterr().err


def test_verify_passes(run_recipe, verify_quickly, capsys):
    assert run_recipe(star_rating, "verify", "--cell", "gru", "--units", 5, "--embedding", 4, "--words", 9) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_half_stars_count_by_their_rank():
    half = np.array([0.5, 1.5, 4.0])
    assert star_rating.exceeds([0.5, 4.0], half).tolist() == [[0, 0], [1, 1]]
    assert star_rating.measure(half, half, half) == {"mae_stars": 0, "accuracy": 1, "qwk": 1}
    assert star_rating.measure(half[:1], half[:1], half)["qwk"] == 0  # undefined
    assert star_rating.verdict(np.array([0.9, 0.2]), half) == "1.5 stars, expectation 1.9 (0.5: 10%, 1.5: 70%, 4: 20%)"


def test_the_targets_of_a_review_are_the_ratings_that_it_exceeds():
    assert star_rating.exceeds([1, 4, 10], RATINGS).tolist() == [[0] * 7, [1] * 3 + [0] * 4, [1] * 7]


def test_certain_probabilities_give_back_the_stars():
    certain = star_rating.exceeds([1, 4, 10], RATINGS)
    assert star_rating.median(certain, RATINGS).tolist() == [1, 4, 10]
    assert star_rating.expectation(certain, RATINGS).tolist() == [1, 4, 10]


def test_median_and_expectation_by_hand():
    probabilities = np.array([0.9, 0.8, 0.6, 0.5, 0.2, 0.0, 0.0])
    assert star_rating.median(probabilities, RATINGS) == 4
    assert star_rating.expectation(probabilities, RATINGS) == pytest.approx(1 + 0.9 + 0.8 + 0.6 + 3 * 0.5 + 0.2)
    expected = "4 stars, expectation 5.0 (1: 10%, 2: 10%, 3: 20%, 4: 10%, 7: 30%, 8: 20%)"
    assert star_rating.verdict(probabilities, RATINGS) == expected


def test_right_ratings_have_the_best_measures():
    assert star_rating.measure(RATINGS, RATINGS, RATINGS) == {"mae_stars": 0, "accuracy": 1, "qwk": 1}


def test_measures_by_hand():
    measured = star_rating.measure(np.array([1, 10, 7, 4]), np.array([1, 10, 4, 7]), RATINGS)
    # As ranks 0, 7, 4, 3 for 0, 7, 3, 4: squared differences 0 + 0 + 1 + 1; by chance those of all pairs of ranks
    ranks = np.array([0, 7, 3, 4])
    by_chance = np.mean((ranks[:, None] - ranks) ** 2)
    assert measured == {"mae_stars": 1.5, "accuracy": 0.5, "qwk": pytest.approx(1 - 0.5 / by_chance)}
