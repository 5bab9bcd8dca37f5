"""What is computed over the runs of all seeds, on short runs of the recipes and on files written by hand."""

import importlib
import json
from types import SimpleNamespace

from toolkit.runs import Run

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from benchmarks import publish, rows, summaries
from datasets import reviews

FEW = {"train": 40, "validation": 10, "test": 10}  # examples of built-in data
DATA = {"translation": "translation", "image_captioning": "captions"}


@pytest.fixture
def published(tmp_path, monkeypatch):
    """published(recipe, settings, seeds) publishes in an empty folder and returns the content of the file."""
    monkeypatch.chdir(tmp_path)
    tf.config.run_functions_eagerly(True)  # tracing graphs takes longer than these trainings

    def publish_row(recipe, settings, seeds=2, **more):
        row = rows.Row(recipe=recipe, variant="tiny", seeds=seeds, settings=settings, **more)
        return json.loads(publish.publish(row, "a command", ".").read_text())

    yield publish_row
    tf.config.run_functions_eagerly(False)


def finished(name, metrics, **files):
    """A finished run with these metrics, and tables in CSV files."""
    run = Run(name)
    run.path.mkdir(parents=True)
    for file, records in files.items():
        pd.DataFrame(records).to_csv(run / f"{file}.csv", index=False)
    run.finish(metrics)
    return run


def test_metrics_that_only_the_first_run_has_are_given_once(tmp_path):
    metrics = [{"minutes": 1.0, "accuracy": 0.5, "accuracy_majority": 0.4}, {"minutes": 2.0, "accuracy": 0.7}]
    runs = [finished(tmp_path / str(seed), m) for seed, m in enumerate(metrics)]
    assert summaries.by_seed(None, None, runs) == {
        "by_seed": [(0, 1.0, {"accuracy": 0.5}), (1, 2.0, {"accuracy": 0.7})],
        "once": {"accuracy_majority": 0.4},
    }


@pytest.mark.slow
def test_imdb_sentiment_has_the_accuracy_of_the_mean_probability(published, monkeypatch):
    monkeypatch.setattr(reviews, "SIZES", {"train": 200, "validation": 40, "test": 60})
    tiny = {"units": 3, "embedding": 4, "epochs": 1, "batch_size": 64, "words": 12}
    metrics = published("imdb_sentiment", tiny)["metrics"]
    recipe = importlib.import_module("recipes.imdb_sentiment")
    test = recipe.load_data().splits["test"]
    opened = [recipe.open_finished(f"runs/imdb_sentiment/tiny-seed{seed}") for seed in (0, 1)]
    mean = np.mean([recipe.probabilities(model, words, test["text"], 12) for *_, words, model in opened], axis=0)
    accuracy = np.mean((mean > 0.5) == test["label"])
    assert metrics["test_accuracy_seeds_averaged"]["mean"] == pytest.approx(accuracy, abs=1e-6)
    assert len(metrics["test_accuracy"]["values"]) == 2 and metrics["accuracy_majority"]["values"] == []
    assert not {name for name in Run("runs/imdb_sentiment/tiny-seed1").metrics() if name.startswith("accuracy_")}


def test_imdb_sentiment_averages_probabilities_before_it_decides(tmp_path):
    probabilities = {"0": np.array([0.9, 0.45, 0.2]), "1": np.array([0.2, 0.7, 0.7])}  # means: 0.55, 0.575, 0.45
    recipe = SimpleNamespace(
        load_data=lambda *_: SimpleNamespace(splits={"test": {"text": ["", "", ""], "label": np.array([1, 0, 1])}}),
        open_finished=lambda path: (None, None, None, path.name),
        probabilities=lambda model, *_: probabilities[model],
    )
    runs = [finished(tmp_path / name, {"minutes": 1.0}) for name in probabilities]
    settings = importlib.import_module("recipes.imdb_sentiment").Settings()
    summary = summaries.imdb_sentiment(recipe, settings, runs)
    assert summary["once"] == {"test_accuracy_seeds_averaged": pytest.approx(1 / 3)}


@pytest.mark.slow
def test_stock_prices_has_the_interval_of_the_seeds_mean_losses(published):
    tiny = {"start": "2014-01-01", "window": 10, "units": 2, "epochs": 1, "batch_size": 256}
    metrics = published("stock_prices", tiny)["metrics"]
    assert not [name for name in metrics if name.endswith(("_low", "_high", "_p"))]
    ratio = metrics["rmse_ratio_naive"]
    assert len(set(ratio["values"])) == 2 and ratio["interval"][0] < ratio["mean"] < ratio["interval"][1]
    assert "interval" not in metrics["mase"]


@pytest.mark.parametrize("name", ["translation", "image_captioning"])
def test_writers_of_sentences_have_the_scores_of_an_ensemble(name, tmp_path, monkeypatch):
    recipe = importlib.import_module(f"recipes.{name}")
    monkeypatch.setattr(importlib.import_module(f"datasets.{DATA[name]}"), "SIZES", FEW)
    monkeypatch.setattr(recipe, "ensemble_scores", lambda runs, data: {"score": len(runs) + len(data.splits["test"])})
    row = rows.Row(recipe=name, variant="tiny", seeds=2, settings={})
    runs = [finished(tmp_path / str(seed), {"minutes": 1.0, "score": 0.5}) for seed in (0, 1)]
    assert summaries.of(row, recipe, recipe.Settings(), runs)["once"] == {"score_seeds_together": 2 + FEW["test"]}
    assert summaries.of(row, recipe, recipe.Settings(), runs[:1])["once"] == {}


def test_translation_grid_has_bleu_by_length(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs, sides = [], ["one two", "a b c d e f g"]
    for cell in ("gru", "lstm"):
        run = finished(f"runs/translation/{cell}", {"minutes": 2.0, "bleu": 100.0})
        run.write_json("config.json", {"recipe": "", "data": "", "settings": {"cell": cell, "attention": "none"}})
        table = pd.DataFrame({"source": sides, "target": sides, "translation": sides})
        table.to_csv(run / "translations-test.tsv", sep="\t", index=False)
        runs.append(run)
    grid = {"cell": ["gru", "lstm"], "attention": ["none"]}
    row = rows.Row(recipe="translation", variant="grid", seeds=1, settings={}, grid=grid)
    recipe = importlib.import_module("recipes.translation")
    summary = summaries.of(row, recipe, recipe.Settings(), runs)
    assert [(record["cell"], record["attention"]) for record in summary["table"]] == [("gru", "none"), ("lstm", "none")]
    assert {band: row["sentences"] for band, row in summary["table"][0]["by_length"].items()} == {"0–5": 1, "6–8": 1}
    assert summary["by_seed"] == [(0, 4.0, {})]


def test_sequence_length_has_the_ends_of_its_table_by_seed(tmp_path):
    keys = "experiment", "cell", "length", "seed", "accuracy", "minutes", "weights"
    rows = [("recall", "gru", n, seed, n / 1000 + seed / 10, 1.0, 9) for n in (10, 20, 100) for seed in (0, 1)]
    rows += [("reviews", "gru", n, seed, n / 1000 + seed / 10, 1.0, 9) for n in (5, 20, 200) for seed in (0, 1)]
    run = finished(tmp_path / "run", {"minutes": 12.0}, runs=[dict(zip(keys, row)) for row in rows])
    settings = importlib.import_module("recipes.sequence_length").Settings(lengths=[5, 20, 200])
    summary = summaries.sequence_length(None, settings, [run])
    names = "recall_gru_20", "recall_gru_100", "reviews_gru_5", "reviews_gru_200"
    assert summary["by_seed"] == [
        (0, 6.0, dict(zip(names, (0.02, 0.1, 0.005, 0.2)))),
        (1, 6.0, pytest.approx(dict(zip(names, (0.12, 0.2, 0.105, 0.3))))),
    ]
    assert len(summary["table"]) == 12


def test_relatives_has_a_record_for_each_cell_task_and_seed(tmp_path):
    row = {"cell": "gru", "units": 3, "minutes": 1.5, "recall": 1.0, "adding 50": 0.01}
    run = finished(tmp_path / "run", {"minutes": 3.0, "rows": [row | {"seed": seed} for seed in (0, 1)]})
    summary = summaries.relatives(None, None, [run])
    assert summary["by_seed"] == [(0, 1.5, {}), (1, 1.5, {})]
    assert {(r["cell"], r["seed"], r["task"], r["reached"]) for r in summary["table"]} == {
        ("gru", seed, task, row[task]) for seed in (0, 1) for task in ("recall", "adding 50")
    }
