"""What puts runs into published/, on a small network, and what is there."""

import dataclasses
import re
import sys
import types
import zipfile

from toolkit import runs
from toolkit.runs import Run

import h5py
import keras
import numpy as np
import pytest

from benchmarks import half_precision, model_cards, publish_runs, record, rows, script

THERE = [run for run in (Run(path) for path in sorted(runs.PUBLISHED.iterdir())) if run.started]
ROW = rows.Row(
    recipe="lines",
    variant="steep",
    seeds=2,
    settings={"data": "talk"},
    card={
        "task": "Draws lines.",
        "example": "predict 3",
        "metrics": {"error": "mean error"},
        "weaknesses": ["Curves."],
    },
)


@dataclasses.dataclass(kw_only=True)
class Settings:
    data: str = "sp500"
    data_dir: str | None = None
    encoder: str = "MobileNetV2"
    weights: str = "imagenet"
    seed: int = 0


def network():
    model = keras.Sequential([keras.Input((300,)), keras.layers.Dense(7, name="line")])
    model.compile("adam", "mse")
    model.fit(np.ones((2, 300)), np.ones((2, 7)), verbose=0)
    return model


@pytest.fixture
def lines(tmp_path, monkeypatch):
    """A recipe whose training and evaluation are as short as can be, in an empty folder with one called published."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(runs, "PUBLISHED", tmp_path / "published")
    monkeypatch.setattr(record, "read", lambda name: {"metrics": {"error": {"mean": 0.3, "sd": 0.01}}})
    lines = types.ModuleType("recipes.lines")
    lines.Settings = Settings

    def train(settings, *, run_dir, resume):
        run = runs.open_run("lines", settings, "data", run_dir, resume)
        (run / "vocabulary.txt").write_text("a\nb\n")
        (run / "history.csv").write_text("epoch\n0\n")
        run.save_model(network())
        run.finish({"minutes": 0.5, "error": 0.25})

    def evaluate(*, run, data_dir):
        assert data_dir == "the/data"
        return {"error": 0.26}

    lines.train, lines.evaluate = train, evaluate
    monkeypatch.setitem(sys.modules, "recipes.lines", lines)
    return lines


def test_a_model_in_half_precision_loads_as_float32(tmp_path):
    model = network()
    half_precision.save_model(model, tmp_path / "half.keras")
    model.save(tmp_path / "whole.keras")
    loaded = keras.saving.load_model(tmp_path / "half.keras", compile=False)
    for before, after in zip(model.weights, loaded.weights, strict=True):
        assert after.dtype == "float32"
        np.testing.assert_array_equal(after, np.asarray(before).astype("float16"))
    assert (tmp_path / "half.keras").stat().st_size < (tmp_path / "whole.keras").stat().st_size / 2


def test_the_same_model_gives_the_same_bytes(tmp_path):
    model = network()
    for name in ("first", "second"):
        half_precision.save_model(model, tmp_path / f"{name}.keras")
        with zipfile.ZipFile(tmp_path / f"{name}.keras") as archive:
            assert b'"date_saved": null' in archive.read("metadata.json")
    assert (tmp_path / "first.keras").read_bytes() == (tmp_path / "second.keras").read_bytes()


def test_a_run_is_trained_rounded_evaluated_and_described(lines):
    run = publish_runs.publish_run(ROW, "the/data")
    names = {path.name for path in run.path.iterdir()}
    assert names == {"config.json", "metrics.json", "model.keras", "vocabulary.txt", "README.md"}
    assert run.metrics() == {"minutes": 0.5, "error": 0.26}
    assert Run("runs/lines/steep-seed0").metrics()["error"] == 0.25  # as before
    assert "| mean error | 0.25 | 0.26 | 0.3 ± 0.01 |" in run.text("README.md")
    assert run.config["settings"]["data_dir"] is None
    with zipfile.ZipFile(run / "model.keras") as archive, h5py.File(archive.open("model.weights.h5")) as weights:
        assert "layers" in weights and "optimizer" not in weights


def test_the_weights_of_a_pretrained_network_come_along(lines, tmp_path):
    network().save_weights(tmp_path / "all.weights.h5")
    row = dataclasses.replace(ROW, settings=ROW.settings | {"weights": "imagenet"})
    run = publish_runs.publish_run(row, "the/data", str(tmp_path / "all.weights.h5"))
    named = run.config["settings"]["weights"]
    assert named == "../MobileNetV2/all.weights.h5"
    loaded = network()
    loaded.load_weights(run / named)
    assert loaded.weights[0].dtype == "float32"


def test_only_rows_with_a_card_have_a_published_run(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["publish_runs.py", "stock_prices.price"])
    with pytest.raises(SystemExit) as caught:
        script.main(publish_runs.main, publish_runs.__doc__)
    error = capsys.readouterr().err
    assert caught.value.code == 2 and error.count("\n") == 1
    assert "Only rows with a [card] have a published run: " in error


def test_published_runs_are_small():
    sizes = [sum(path.stat().st_size for path in run.path.iterdir()) for run in THERE]
    assert max(sizes) < 12e6
    assert sum(path.stat().st_size for path in runs.PUBLISHED.rglob("*") if path.is_file()) < 40e6


@pytest.mark.parametrize("run", THERE, ids=lambda run: run.path.name)
def test_the_figures_of_a_card_are_those_of_the_run(run):
    row, card = rows.Row.read(run.path.name), run.text("README.md")
    for name, label in model_cards.measures(row):
        (line,) = [line for line in card.splitlines() if line.startswith(f"| {label} |")]
        assert line.split(" | ")[2] == f"{run.metrics()[name]:.4g}"


@pytest.mark.parametrize("run", THERE, ids=lambda run: run.path.name)
def test_no_folder_of_another_machine_is_named(run):
    assert run.config["settings"]["data_dir"] is None
    for path in run.path.glob("*.json"):
        assert not re.search(r'"(/|[A-Z]:)', path.read_text(encoding="utf-8"))


def test_the_list_of_published_runs_is_that_of_the_folder():
    assert (runs.PUBLISHED / "README.md").read_text(encoding="utf-8") == model_cards.index(model_cards.cards())
