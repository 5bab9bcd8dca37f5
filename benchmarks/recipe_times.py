"""How long the default run of a recipe takes with layers.RNN and with the built-in layer of the same cell.

Whole commands are timed, as a user types them: starting Python, reading data, training, the report. The two take turns,
each in an empty folder.

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
from typing import Annotated, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli, runs

import numpy as np
from cyclopts import Parameter

from benchmarks import record, script

RECIPES = "stock_prices", "imdb_sentiment", "star_rating", "translation"


def seconds(recipe, *arguments):
    """The time of one run with the default settings. Raises CalledProcessError if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        command = [sys.executable, record.ROOT / "recipes" / f"{recipe}.py", *map(str, arguments)]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return time.perf_counter() - started


def measure(recipe, rounds):
    """Median seconds over the rounds by cell, and the median ratio of layers.RNN to the built-in layer."""
    cell = importlib.import_module(f"recipes.{recipe}").Settings().cell
    cells = cell, f"builtin-{cell}"
    times = np.array([[seconds(recipe, "--cell", name) for name in cells] for _ in range(rounds)])
    medians = dict(zip(cells, np.median(times, axis=0).round(1).tolist()))
    return medians | {"ratio": round(float(np.median(times[:, 0] / times[:, 1])), 3)}


def main(
    *recipes: Literal[RECIPES],
    rounds: Annotated[int, cli.at_least(1, 1000), Parameter(help="Runs of each cell.")] = 7,
    output: Annotated[Path, Parameter(help="The JSON file; its figures of other recipes are kept.")] = record.RESULTS
    / "recipe_times.json",
):
    """Measure and write results/recipe_times.json."""
    runs.check_writable(output.parent)
    read = lambda path: json.loads(path.read_text(encoding="utf-8"))["metrics"]
    metrics = runs.read_file(output, read, "name another --output") if output.exists() else {}
    for recipe in recipes or RECIPES:
        source = record.provenance()
        made = {name: source.pop(name) for name in ("commit", "date")}
        made["command"] = f"python benchmarks/recipe_times.py {recipe} --rounds {rounds}"
        metrics[recipe] = made | {"rounds": rounds, "seconds": measure(recipe, rounds)}
        print(recipe, metrics[recipe]["seconds"], flush=True)
        with runs.replacing(output) as file:
            file.write(json.dumps(source | {"metrics": metrics}, indent=2).encode() + b"\n")


if __name__ == "__main__":
    script.main(main, __doc__)
