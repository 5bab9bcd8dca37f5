"""Run folders: what a training leaves on disk, written so that a kill at any moment loses nothing."""

import contextlib
import importlib.metadata
import json
import os
import sys
import time
import warnings
from dataclasses import asdict
from pathlib import Path

import keras
import numpy as np
from matplotlib import pyplot as plt

RUNS = Path("runs")


class Stop(Exception):
    """Ends a command with a message for its user and no traceback."""


@contextlib.contextmanager
def user_errors():
    """Around code that reads what a user named: its ValueError or OSError becomes a Stop with the same message."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise Stop(error) from error


class Run:
    """A folder with all that a training leaves: config.json, checkpoint, history.csv, model.keras, metrics.json, plots.

    The run is finished once metrics.json exists. After that nothing but plots and reports is written into it.
    """

    def __init__(self, path):
        self.path = Path(path)

    def __truediv__(self, name):
        return self.path / name

    finished = property(lambda self: (self / "metrics.json").exists())
    started = property(lambda self: (self / "config.json").exists())

    @property
    def config(self):
        """The contents of config.json: recipe, settings, data (a checksum) and versions. Raises Stop if damaged."""
        try:
            config = json.loads((self / "config.json").read_text())
            return {name: config[name] for name in ("recipe", "settings", "data")}
        except (OSError, ValueError, KeyError) as error:
            raise Stop(f"{self / 'config.json'} is missing or damaged ({error}): train again.") from error

    def settings(self, kind):
        """The settings of the run as the dataclass `kind`. Raises Stop where they are not those of this version."""
        try:
            return kind(**self.config["settings"])
        except TypeError as error:
            raise Stop(f"{self / 'config.json'} is damaged or of another version ({error}): train again.") from error

    def check_data(self, checksum):
        """Raises Stop if the data is not what the run was trained on."""
        if self.config["data"] != checksum:
            raise Stop(
                f"The data is not what {self.path} was trained on: restore it, or train again in another --run-dir."
            )

    def check_settings(self, settings, besides=()):
        """Raises Stop if the run was started with settings other than these, apart from those named `besides`."""
        before, now = self.config["settings"], _as_json(settings)
        changed = [
            f"{k}={before.get(k)}, now {now.get(k)}"
            for k in dict.fromkeys([*before, *now])
            if k not in besides and before.get(k) != now.get(k)
        ]
        if changed:
            others = "; ".join(changed)
            raise Stop(f"{self.path} was started with other settings ({others}): repeat those, or name another folder.")

    def metrics(self):
        return json.loads((self / "metrics.json").read_text())

    def finish(self, metrics):
        """Write metrics.json, which makes this a finished run."""
        self.write_json("metrics.json", metrics)

    def model(self):
        with user_errors():
            return keras.saving.load_model(self / "model.keras", compile=False)

    def array(self, name):
        with user_errors():
            return np.load(self / name)

    def write_json(self, name, content):
        with replacing(self / name) as file:
            file.write(json.dumps(content, indent=2).encode())

    def save_figure(self, figure, name):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # scripts the font lacks are drawn as boxes
            figure.savefig(self / name)
        plt.close(figure)


def open_run(recipe, settings, data, run_dir=None, resume=False):
    """Open a new run's folder or, with `resume`, that of an unfinished run.

    Args:
        recipe: the recipe's name.
        settings: a dataclass instance, or a dict, of values that JSON can hold.
        data: a text that changes when the data does, such as a checksum.
        run_dir: the folder. By default a new one, or with `resume` the newest unfinished one, under runs/RECIPE.
        resume: whether an unfinished run in the folder is continued.

    Raises Stop rather than overwrite or mix anything that is on disk.
    """
    if resume and run_dir is None:
        run_dir = newest(recipe, finished=False)
    run = Run(run_dir or RUNS / recipe / time.strftime("%Y%m%d-%H%M%S"))
    if run.finished:
        raise Stop(f"{run.path} holds a finished run, which is never overwritten: name another --run-dir.")
    if run.started:
        _check_resumable(run, recipe, settings, data, resume)
    elif run.path.exists() and (not run.path.is_dir() or any(p.suffix != ".part" for p in run.path.iterdir())):
        raise Stop(f"{run.path} exists and is not a run of a recipe: name a new folder as --run-dir.")
    else:
        with user_errors():
            run.path.mkdir(parents=True, exist_ok=True)
            config = {"recipe": recipe, "settings": _as_json(settings), "data": data, "versions": versions()}
            run.write_json("config.json", config)
    return run


def _as_json(settings):
    return json.loads(json.dumps(settings if isinstance(settings, dict) else asdict(settings)))


def _check_resumable(run, recipe, settings, data, resume):
    if not resume:
        raise Stop(f"{run.path} holds an unfinished run: add --resume to continue it, or name another --run-dir.")
    if run.config["recipe"] != recipe:
        raise Stop(f"{run.path} holds a run of {run.config['recipe']}, not of {recipe}: name another folder.")
    run.check_data(data)
    run.check_settings(settings)


def finished_run(recipe, path=None):
    """A recipe's finished run, by default its newest; with `recipe=None` and a path, that of any recipe.

    Raises Stop if there is none, or it is another recipe's.
    """
    run = Run(path or newest(recipe, finished=True))
    if not run.finished:
        what = "an unfinished run: finish it with train --resume" if run.started else "no run: train one first"
        raise Stop(f"{run.path} holds {what}.")
    if recipe not in (None, run.config["recipe"]):
        raise Stop(f"{run.path} holds a run of {run.config['recipe']}, and this is {recipe}: name another --run.")
    return run


def newest(recipe, finished):
    """The path of the recipe's newest finished, or else unfinished, run under runs/. Raises Stop if there is none."""
    runs = [Run(path.parent) for path in (RUNS / recipe).glob("*/config.json")]
    runs = sorted((r for r in runs if r.finished == finished), key=lambda run: (run / "config.json").stat().st_mtime)
    if not runs:
        state, hint = ("finished", "train one first") if finished else ("unfinished", "start without --resume")
        raise Stop(f"No {state} run under {RUNS / recipe}: {hint}, or name the folder.")
    return runs[-1].path


def versions():
    names = "tensorflow", "keras", "numpy"
    return {"python": sys.version.split()[0], **{name: importlib.metadata.version(name) for name in names}}


@contextlib.contextmanager
def replacing(path):
    """A binary file that replaces `path` once it is complete: a kill at any moment leaves the old file or the new."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")  # two runs may write a shared file at once
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def key(name):
    """A baseline's name as part of a metric's name: "NBSVM, bigrams" is nbsvm_bigrams."""
    return name.lower().replace(",", "").replace(" ", "_")
