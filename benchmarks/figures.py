"""Draw the figures of docs/ that show published results, from the files in results/.

    python benchmarks/figures.py

The other figures of docs/ are made by the chapters' own commands, which the pages name.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit.plots import lengths
from toolkit.runs import Run

import pandas as pd

from benchmarks import record, recurrent_speed, script, summaries
from recipes import relatives, sequence_length

DOCS = Run(record.ROOT / "docs")


def result(name):
    return json.loads((record.RESULTS / f"{name}.json").read_text())


def main():
    """Draw all figures."""
    figure = summaries.plot_bleu_by_length(result("translation.grid")["table"])
    DOCS.save_figure(figure, "translation.bleu_by_length.png")
    for variant in ("imdb", "imdb-200-words"):
        table = pd.DataFrame(result(f"sequence_length.{variant}")["table"])
        figure = lengths.plot(table, sequence_length.TITLES, sequence_length.GUESSING)
        DOCS.save_figure(figure, f"sequence_length.{variant}.png")
    table = pd.DataFrame(result("relatives.tasks")["table"])
    table = table.pivot_table(index=["cell", "seed"], columns="task", values="reached", sort=False).reset_index()
    DOCS.save_figure(relatives.plot(table), "relatives.png")
    speed = {cell: result(f"recurrent_speed.{cell}")["metrics"] for cell in recurrent_speed.CELLS}
    recurrent_speed.chart(speed, DOCS / "recurrent_speed.png")
    print(f"Drawn in {DOCS.path}")


if __name__ == "__main__":
    script.main(main, __doc__)
