"""Publish runs: put finished runs into published/, where predict finds them.

    python benchmarks/publish_runs.py imdb_sentiment.quick --data-dir folder/with/aclImdb
    python benchmarks/publish_runs.py image_captioning.attention --data-dir FOLDER --weights FILE.weights.h5

A row of benchmarks/published/ can be named if its file has a table [card]. The run is the one with seed 0,
runs/RECIPE/VARIANT-seed0, whatever it reached; it is trained if it is not there. Its weights are rounded to float16,
and the rounded network is evaluated on the test split. published/ROW gets all that predict and evaluate need, and a
model card, README.md; published/README.md lists the runs.
"""

import importlib
import shutil
import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import runs
from toolkit.runs import Run, Stop

from cyclopts import Parameter

from benchmarks import half_precision, model_cards, rows, script

# What predict and evaluate read, besides config.json, metrics.json and model.keras
FILES = "vocabulary.txt", "subwords.model", "alphabet.json", "ratings.json", "training_residuals.npy"


def publish_run(row, data_dir=None, weights=None):
    """Put the run of a row with seed 0 into published/; returns its `Run`.

    Args:
        row: a `benchmarks.rows.Row` with a card.
        data_dir, weights: settings of the row, where it has them.
    """
    chapter = importlib.import_module(f"recipes.{row.recipe}")
    settings = rows.settings_of(row, chapter, data_dir, weights=weights)
    (trained, _), *_ = trainings = rows.planned(row, settings)
    rows.train(row, chapter, trainings[:1])
    run = copy(trained, Run(runs.PUBLISHED / row.name))
    once = {"baselines": False} if row.recipe in rows.BASELINES_ONCE else {}
    rounded = chapter.evaluate(run=run.path, data_dir=settings.data_dir, **once)
    run.finish({"minutes": trained.metrics()["minutes"]} | rounded)
    with runs.replacing(run / "README.md") as file:
        file.write(model_cards.card(row, trained, run).encode())
    return run


def copy(trained, run):
    """Copy a run without its optimizer, its plots, and the folders of this machine, with weights in float16."""
    shutil.rmtree(run.path, ignore_errors=True)
    run.path.mkdir(parents=True)
    config = trained.config
    config["settings"] |= {"data_dir": None} | encoder_weights(config["settings"])
    run.write_json("config.json", config)
    for name in FILES:
        if (trained / name).exists():
            shutil.copyfile(trained / name, run / name)
    half_precision.save_model(trained.model(), run / "model.keras")
    run.finish(trained.metrics())
    return run


def encoder_weights(settings):
    """Put the weights of a pretrained network beside the runs; returns the setting that names them from a run."""
    path = Path(settings.get("weights", "imagenet"))
    if not path.is_file():
        return {}
    folder = runs.PUBLISHED / settings["encoder"]
    folder.mkdir(parents=True, exist_ok=True)
    with runs.replacing(folder / path.name) as file:
        file.write(half_precision.rounded(path.read_bytes()))
    return {"weights": f"../{folder.name}/{path.name}"}


def main(
    *names: Annotated[str, Parameter(help="Rows whose runs are published, such as star_rating.imdb.")],
    data_dir: Annotated[Path | None, Parameter(help="Folder in which the rows' data is looked up.")] = None,
    weights: Annotated[
        str | None, Parameter(help="Weights of the network for pictures, a .weights.h5 file. [default: imagenet]")
    ] = None,
):
    """Publish the runs of the rows named; without rows, only write the list of all again."""
    every = model_cards.cards()
    for name in names:
        if name not in every:
            raise Stop(f"Only rows with a [card] have a published run: {', '.join(every)}. Received: {name}")
    for name in names:
        print(publish_run(every[name], data_dir, weights).path)
    with runs.replacing(runs.PUBLISHED / "README.md") as file:
        file.write(model_cards.index(every).encode())


if __name__ == "__main__":
    script.main(main, __doc__)
