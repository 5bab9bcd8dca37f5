"""Publish results: train a row of benchmarks/published/ with each seed and write its file in results/.

    python benchmarks/publish.py --list
    python benchmarks/publish.py stock_prices.price stock_prices.volatility
    python benchmarks/publish.py imdb_sentiment.quick --data-dir folder/with/aclImdb

A row is a file with the settings, the number of seeds, and the figures of others to compare with. Its runs are
runs/RECIPE/VARIANT-seedN. After an interruption the same command continues: finished runs are left alone, and an
unfinished one is resumed. Then `python benchmarks/tables.py` puts the new figures into README.md and docs/.
"""

import dataclasses
import importlib
import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli
from toolkit.runs import Stop, check_writable

from cyclopts import Parameter

from benchmarks import record, script, summaries
from benchmarks.rows import FOLDER, Row, planned, settings_of, train


def publish(row, command, output=record.RESULTS, **changes):
    """Train a row and write its file; returns the file's path. `changes` are those of `rows.settings_of`."""
    chapter = importlib.import_module(f"recipes.{row.recipe}")
    settings = settings_of(row, chapter, **changes)
    trainings = planned(row, settings)
    train(row, chapter, trainings)
    summary = summaries.of(row, chapter, settings, [run for run, _ in trainings])
    return record.write(row.recipe, row.variant, command, published=row.published, folder=output, **summary)


def main(
    *rows: Annotated[str, Parameter(help="Rows to publish, such as stock_prices.price.")],
    list_rows: Annotated[cli.Switch, Parameter(name="--list", help="List the rows and exit.")] = False,
    data_dir: Annotated[Path | None, Parameter(help="Folder in which the rows' data is looked up.")] = None,
    pretrained: Annotated[Path | None, Parameter(help="Run of review_language_model.py. [default: runs/lm]")] = None,
    weights: Annotated[
        str | None, Parameter(help="Weights of the network for pictures, a .weights.h5 file. [default: imagenet]")
    ] = None,
    seeds: Annotated[int | None, cli.at_least(1, 1000), Parameter(help="Number of seeds. [default: the row's]")] = None,
    output: Annotated[Path, Parameter(help="Folder of the results.")] = record.RESULTS,
):
    """Publish the rows named."""
    if list_rows:
        print("\n".join(sorted(path.stem for path in FOLDER.glob("*.toml"))))
    elif not rows:
        raise Stop("Name one or more rows; --list shows all.")
    else:
        check_writable(output)
    for row in [Row.read(name) for name in rows]:
        command = f"python benchmarks/publish.py {row.name}"
        changes = {"pretrained": pretrained and str(pretrained), "weights": weights}
        for name, value in changes.items():
            if value is not None and name in row.settings:
                command += f" --{name} {value}"
        if seeds not in (None, row.seeds):
            row, command = dataclasses.replace(row, seeds=seeds), f"{command} --seeds {seeds}"
        print(publish(row, command, output, data_dir=data_dir, **changes))


if __name__ == "__main__":
    script.main(main, __doc__)
