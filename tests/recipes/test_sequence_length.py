"""The comparison of memories: an interrupted run, its data, its cells, and its report."""

import json
from pathlib import Path

from toolkit import comparisons
from toolkit.runs import Run, Stop

import keras
import numpy as np
import pandas as pd
import pytest

from datasets import reviews
from recipes import sequence_length

SMALL = ["--lengths", "5,12", "--delays", "2,3", "--parameters", "300"]
SMALL += ["--epochs", "1", "--recall-epochs", "1", "--batch-size", "256"]


@pytest.mark.slow
def test_an_interrupted_run_continues_with_the_same_results(run_recipe, eagerly, capsys, monkeypatch):
    monkeypatch.setattr(reviews, "SIZES", {"train": 400, "validation": 100, "test": 100})
    monkeypatch.setattr(sequence_length, "RECALL_SEQUENCES", (800, 200, 2_000))
    train_and_test, trained = sequence_length.train_and_test, []

    def stop_after_two(*key):
        if len(trained) == 2:
            raise Stop("the test")
        trained.append(key)
        return train_and_test(*key)

    monkeypatch.setattr(sequence_length, "train_and_test", stop_after_two)
    assert run_recipe(sequence_length, "--run-dir", "mine", "--cells", "simple,lstm-chrono", *SMALL) == 2
    assert not Path("mine/metrics.json").exists()
    monkeypatch.setattr(sequence_length, "train_and_test", train_and_test)
    assert run_recipe(sequence_length, "--run-dir", "mine", "--resume") == 0
    printed = capsys.readouterr().out
    table = comparisons.table(Run("mine"))
    assert len(table) == 6 and not table.duplicated(["experiment", "cell", "length", "seed"]).any()
    assert {*table[table["cell"] == "lstm-chrono"]["experiment"]} == {"recall"}
    assert table["accuracy"].between(0, 1).all() and table["weights"].between(280, 320).all()
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert metrics["rows"] == table.to_dict("records") and metrics["minutes"] == pytest.approx(table["minutes"].sum())
    assert Path("mine/sequence_length.png").stat().st_size > 10_000

    settings = Run("mine").settings(sequence_length.Settings)
    again = train_and_test("recall", "simple", 3, 0, sequence_length.units_of("simple", 300), None, None, settings)
    assert again["accuracy"] == table.query("cell == 'simple' and length == 3")["accuracy"].item()

    assert run_recipe(sequence_length, "evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in printed


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--lengths", "10,many"], "whole numbers from 2 on"),
        (["--lengths", "1,5"], "whole numbers from 2 on"),
        (["--lengths", ""], "whole number from 2 on"),
        (["--cells", "simple,elman"], "Received: elman"),
        (["--lengths", "5,500"], "Only 0 reviews of the train split have 500 words"),
    ],
)
def test_wrong_input_is_an_error_of_one_line(run_recipe, capsys, flags, message):
    assert run_recipe(sequence_length, *flags) == 2
    assert message in capsys.readouterr().err
    assert not Path("runs").exists()


@pytest.mark.parametrize("cell, units", [("simple", 142), ("gru", 76), ("lstm", 64), ("lstm-chrono", 64)])
def test_every_cell_has_about_the_same_number_of_weights(cell, units):
    assert sequence_length.units_of(cell, 25_000) == units
    layer = sequence_length.memory(cell, units)
    layer.build((None, None, sequence_length.EMBEDDING))
    assert layer.count_params() == pytest.approx(25_000, rel=0.02)


def test_reviews_are_cut_to_their_last_words_and_shorter_ones_left_out():
    texts = [f"{i} b c d e f" for i in range(30)] + ["too short"] * 5
    split = pd.DataFrame({"text": texts, "label": [i % 2 for i in range(35)]})
    data = type("Data", (), {"splits": dict.fromkeys(("train", "validation", "test"), split)})
    splits, vocabulary_size = sequence_length.long_reviews(data, 6, 100)
    ids, labels = splits[0]
    assert ids.shape == (30, 6) and (splits[2][1] == np.arange(30) % 2).all() and vocabulary_size == 2 + 30 + 5 + 2
    assert (ids[:, 1:] == ids[0, 1:]).all() and len({*ids[:, 0]}) == 30


def test_chrono_gates_remember_for_up_to_the_length_of_the_sequence():
    keras.utils.set_random_seed(0)
    layer = sequence_length.memory(sequence_length.CHRONO, 100, length=100)
    layer.build((None, None, sequence_length.EMBEDDING))
    i, f, c, o = np.split(layer.get_weights()[2], 4)
    timesteps = 1 + np.exp(f)  # over which σ(f) forgets
    assert timesteps.min() >= 2 and 80 < timesteps.max() <= 100 and 35 < timesteps.mean() < 65
    assert (i == -f).all() and not c.any() and not o.any()


@pytest.mark.parametrize("accuracies, reach", [((1, 0.9, 0.5, 0.95), 10), ((0.2, 1, 1, 1), 0), ((1, 1, 1, 1), 40)])
def test_the_reach_of_recall_ends_before_its_first_failure(accuracies, reach):
    assert sequence_length.recall_reach(pd.Series(accuracies, index=[5, 10, 20, 40])) == reach


def test_without_delays_only_reviews_are_compared(run_recipe, monkeypatch, capsys):
    result = {"accuracy": 0.75, "minutes": 0.1, "weights": 300}
    monkeypatch.setattr(sequence_length, "train_and_test", lambda *_: result)
    arguments = ["--lengths", "5,9,12", "--delays", "", "--cells", "simple,lstm", "--parameters", 300, "--seeds", 3]
    assert run_recipe(sequence_length, *arguments, "--run-dir", "mine") == 0
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert {(row["experiment"], row["seed"]) for row in metrics["rows"]} == {("reviews", seed) for seed in range(3)}
    assert len(metrics["rows"]) == 18 and metrics["minutes"] == pytest.approx(1.8)
    assert "recalls" not in capsys.readouterr().out


def test_verify_passes(run_recipe, verify_quickly, capsys):
    assert run_recipe(sequence_length, "verify", "--cell", "gru", "--parameters", 200, "--words", 5) == 0
    assert "FAIL" not in capsys.readouterr().out
