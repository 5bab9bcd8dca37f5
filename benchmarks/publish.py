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
import itertools
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli
from toolkit.runs import RUNS, Run, Stop, check_writable

from cyclopts import Parameter

from benchmarks import record, script, summaries

ROWS = Path(__file__).parent / "published"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A published result: what is trained, and the figures of others to compare with.

    `grid` holds lists of values by setting; every combination of them is trained.
    """

    recipe: str
    variant: str
    seeds: int
    settings: dict
    grid: dict = field(default_factory=dict)
    published: list = field(default_factory=list)

    name = property(lambda self: f"{self.recipe}.{self.variant}")

    @classmethod
    def read(cls, name):
        """The row of a name such as "stock_prices.price". Raises Stop if there is no such file."""
        path = ROWS / f"{name}.toml"
        if not path.is_file():
            raise Stop(f"There is no row of this name; --list shows all. Received: {name}")
        return cls(**tomllib.loads(path.read_text(encoding="utf-8")))


def planned(row, settings):
    """The trainings of a row: pairs of a run, which may not exist yet, and its settings.

    Args:
        settings: the row's settings, an instance of the chapter's dataclass. One with a field `seeds` makes a single
            training, which goes through the seeds itself.
    """
    folder, names = RUNS / row.recipe, [f.name for f in dataclasses.fields(settings)]
    if "seeds" in names:
        return [(Run(folder / row.variant), dataclasses.replace(settings, seeds=row.seeds))]
    trainings = []
    for *values, seed in itertools.product(*row.grid.values(), range(row.seeds)):
        chosen = dict(zip(row.grid, values))
        path = folder / "-".join([row.variant, *map(str, values), f"seed{seed}"])
        trainings.append((Run(path), dataclasses.replace(settings, **chosen, seed=seed)))
    return trainings


def settings_of(row, chapter, data_dir=None, **changes):
    """The settings of a row as the chapter's dataclass.

    Args:
        data_dir: folder of the data, for the chapters that have this setting.
        changes: values of settings; each counts for the rows whose file has that setting. None leaves it as it is.
    """
    names = [f.name for f in dataclasses.fields(chapter.Settings)]
    changes = {name: value for name, value in changes.items() if value is not None and name in row.settings}
    if data_dir is not None and "data_dir" in names:
        changes["data_dir"] = str(data_dir)
    return chapter.Settings(**row.settings | changes)


def train(row, chapter, trainings):
    """Train what is not finished yet. Raises Stop, before any training, where a finished run has other settings."""
    for run, settings in trainings:
        if run.finished:
            decided = chapter.TAKEN_OVER if getattr(settings, "pretrained", None) else ()
            run.check_settings(settings, besides=("data_dir", *decided))
    command = chapter.train if hasattr(chapter, "train") else chapter.run
    for run, settings in trainings:
        if not run.finished:
            once = {"baselines": False} if row.recipe in summaries.BASELINES_ONCE and settings.seed > 0 else {}
            print(f"\n{row.name}: {run.path}", flush=True)
            command(settings, run_dir=run.path, resume=True, **once)


def publish(row, command, output=record.RESULTS, **changes):
    """Train a row and write its file; returns the file's path. `changes` are those of `settings_of`."""
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
        print("\n".join(sorted(path.stem for path in ROWS.glob("*.toml"))))
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
