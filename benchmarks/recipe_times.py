"""How long the default run of a recipe takes with layers.RNN, and with the built-in layer of the same cell.

Whole commands, as a user types them: starting Python, reading data, training, the report. In turns, each in an empty
folder.

    python benchmarks/recipe_times.py                               every recipe, 7 rounds: about an hour and a half
    python benchmarks/recipe_times.py stock_prices --rounds 3
"""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from recipes import common, results  # noqa: E402

RECIPES = "stock_prices", "imdb_sentiment", "star_rating", "translation"


def seconds(recipe, *arguments):
    """The time of one default run. Raises CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        command = [sys.executable, ROOT / "recipes" / f"{recipe}.py", *map(str, arguments)]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - began


def measure(recipe, rounds):
    """Seconds, medians over the rounds, by cell; and the median of their ratio, ours to the built-in's."""
    cell = common.defaults(importlib.import_module(f"recipes.{recipe}").train)["cell"]
    cells = cell, f"builtin-{cell}"
    times = np.array([[seconds(recipe, "--cell", name) for name in cells] for _ in range(rounds)])
    medians = dict(zip(cells, np.median(times, axis=0).round(1).tolist()))
    return medians | {"ratio": round(float(np.median(times[:, 0] / times[:, 1])), 3)}


def main(
    recipes: Annotated[list[str] | None, typer.Argument(help=f"[default: {' '.join(RECIPES)}]")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each.")] = 7,
    output: Annotated[Path, typer.Option(help="The JSON file; what it has of other recipes stays.")] = ROOT
    / "results/recipe_times.json",
):
    """Measure and write results/recipe_times.json."""
    before = json.loads(output.read_text())["metrics"] if output.exists() else {}
    for recipe in map(common.one_of(RECIPES), recipes or RECIPES):
        command = f"python benchmarks/recipe_times.py {recipe} --rounds {rounds}"
        made = {"command": command, "commit": results.commit(), "date": time.strftime("%Y-%m-%d")}
        before[recipe] = made | {"rounds": rounds, "seconds": measure(recipe, rounds)}
        print(recipe, before[recipe]["seconds"], flush=True)
        content = {"versions": common.versions(), "machine": results.machine(), "metrics": before}
        output.write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    typer.run(main)
