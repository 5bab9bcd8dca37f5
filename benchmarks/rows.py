"""The rows of published results: files in benchmarks/published/, and the trainings that they ask for."""

import dataclasses
import itertools
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from toolkit.runs import RUNS, Run, Stop

FOLDER = Path(__file__).parent / "published"
BASELINES_ONCE = "imdb_sentiment", "star_rating"  # their baselines take minutes and are the same for every seed


@dataclass(frozen=True, kw_only=True)
class Row:
    """A published result: what is trained, and the figures of others to compare with.

    Attributes:
        grid: lists of values by setting; every combination of them is trained.
        published: the figures of others.
        card: what `benchmarks.model_cards` says of the run in published/, where one of this row is there.
    """

    recipe: str
    variant: str
    seeds: int
    settings: dict
    grid: dict = field(default_factory=dict)
    published: list = field(default_factory=list)
    card: dict = field(default_factory=dict)

    name = property(lambda self: f"{self.recipe}.{self.variant}")

    @classmethod
    def read(cls, name):
        """The row of a name such as "stock_prices.price". Raises Stop if there is no such file."""
        path = FOLDER / f"{name}.toml"
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
            once = {"baselines": False} if row.recipe in BASELINES_ONCE and settings.seed > 0 else {}
            print(f"\n{row.name}: {run.path}", flush=True)
            command(settings, run_dir=run.path, resume=True, **once)
