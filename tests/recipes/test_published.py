"""The published runs, as somebody uses them who has trained nothing."""

import importlib
import subprocess
import sys
from pathlib import Path

from toolkit import runs

import pytest

from recipes import gates

ROOT = runs.PUBLISHED.parent
PICTURE = runs.PUBLISHED / "pictures" / "surfer.jpg"
THERE = sorted(path.parent.name for path in runs.PUBLISHED.glob("*/metrics.json"))
COMMANDS = {  # of a chapter, and what it draws
    "imdb_sentiment": (["predict", "Not bad at all."], "review-1.png"),
    "star_rating": (["predict", "Not bad at all."], "review-1.png"),
    "translation": (["predict", "--beam", 1, "Ein Hund."], "attention-1.png"),
    "image_captioning": (["predict", "--beam", 1, PICTURE], "predicted.png"),
    "stock_prices": (["predict", "--data", "sp500", "--horizon", 2, "--paths", 20], "future-*.png"),
    "next_character": (["sample", "--length", 20, "The"], None),
}


def files():
    return {path: path.stat().st_mtime_ns for path in runs.PUBLISHED.rglob("*")}


@pytest.mark.parametrize("name", THERE)
def test_a_published_run_predicts_and_stays_as_it_is(run_recipe, name):
    before, (recipe, _, variant) = files(), name.partition(".")
    (command, *arguments), drawn = COMMANDS[recipe]
    chapter = importlib.import_module(f"recipes.{recipe}")
    assert run_recipe(chapter, command, "--run", runs.PUBLISHED / name, *arguments) == 0
    assert files() == before
    assert drawn is None or any(Path("runs", recipe, f"published.{variant}").glob(drawn))


@pytest.mark.skipif("stock_prices.volatility" not in THERE, reason="published/stock_prices.volatility is not there")
def test_the_prices_that_come_along_are_those_of_the_published_run(run_recipe):
    """Without --data they are compared, on any processor."""
    arguments = ["predict", "--run", runs.PUBLISHED / "stock_prices.volatility", "--horizon", 2, "--paths", 20]
    assert run_recipe(importlib.import_module("recipes.stock_prices"), *arguments) == 0


@pytest.mark.skipif(
    "next_character.coupled-lstm" not in THERE, reason="published/next_character.coupled-lstm is not there"
)
def test_gates_reads_a_published_run():
    before, run = files(), runs.Run(runs.PUBLISHED / "next_character.coupled-lstm")
    traces, labels, series = gates.read(run, timesteps=300)
    assert len(labels) == 300 and "inside quotation marks" in series
    assert traces["memory_1", "c"].shape == (300, 128)
    assert files() == before


@pytest.mark.skipif("star_rating.imdb" not in THERE, reason="published/star_rating.imdb is not there")
def test_without_a_run_of_ones_own_predict_takes_a_published_one_and_says_so(tmp_path, quick_interpreter):
    command = [sys.executable, ROOT / "recipes/star_rating.py", "predict", "Not bad at all."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stdout.splitlines()
    run = runs.PUBLISHED / "star_rating.imdb"
    assert first == f"No run of your own under runs/star_rating: using {run}; --run names another."
    assert second.startswith("1: ") and "stars" in second
