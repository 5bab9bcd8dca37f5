"""Run folders: what a training leaves on disk, written so that a kill at any moment loses nothing."""

import contextlib
import importlib.metadata
import json
import math
import os
import sys
import tempfile
import time
import types
import typing
import warnings
from dataclasses import asdict, fields, replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

RUNS = Path("runs")
PUBLISHED = Path(__file__).resolve().parents[1] / "published"  # finished runs that come with the project


class Stop(Exception):
    """Ends a command with a message for its user and no traceback."""


def one_line(value, longest=1000):
    """An error's message, or a value, on one line that any terminal can show; of a long one the beginning and end."""
    words = [word if len(word) <= 300 else f"{word[:60]}…{word[-20:]}" for word in str(value).split()]
    text = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(words))
    return text if len(text) <= longest else f"{text[: longest // 2]} … {text[-longest // 2 :]}"


@contextlib.contextmanager
def user_errors():
    """Around code that reads what a user named: its ValueError or OSError becomes a Stop with the same message."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise Stop(error) from error


class Run:
    """A folder with all that a training leaves: config.json, checkpoint, history.csv, model.keras, metrics.json, plots.

    The run is finished once metrics.json exists. After that nothing but plots and reports is written into it, and
    nothing at all if it is in PUBLISHED.
    """

    def __init__(self, path):
        self.path = Path(path)

    def __truediv__(self, name):
        return self.path / name

    finished = property(lambda self: (self / "metrics.json").exists())
    started = property(lambda self: (self / "config.json").exists())

    @property
    def config(self):
        """What config.json tells: recipe, settings and data (a checksum). Raises Stop if damaged."""

        def parse(path):
            config = json.loads(path.read_text(encoding="utf-8"))
            for name, kind in {"recipe": str, "settings": dict, "data": str}.items():
                if not isinstance(config[name], kind):
                    raise ValueError(f"{name} must be a {kind.__name__}. Received: {one_line(config[name], 60)}")
            return config

        return read_file(self / "config.json", parse)

    def settings(self, kind):
        """The settings of the run as the dataclass `kind`. Raises Stop where they are not those of this version."""
        values, hints = self.config["settings"], typing.get_type_hints(kind, include_extras=True)

        def parse(_):
            settings = kind(**values)
            for name, value in values.items():
                _check_value(name, value, hints[name])
            return settings

        return read_file(self / "config.json", parse)

    def some_settings(self, kind, names):
        """The values of settings by name, which a recipe with the settings `kind` takes over. Raises Stop likewise."""
        values, hints = self.config["settings"], typing.get_type_hints(kind, include_extras=True)

        def parse(_):
            for name in names:
                _check_value(name, values[name], hints[name])
            return {name: values[name] for name in names}

        return read_file(self / "config.json", parse)

    def decide(self, settings, names):
        """Settings of a training that starts from this run, which decides those in `names`.

        Raises Stop if one of these was set to something else.
        """
        decided = self.some_settings(type(settings), names)
        for field in fields(settings):
            value = getattr(settings, field.name)
            if field.name in names and value not in (field.default, decided[field.name]):
                flag = f"--{field.name.replace('_', '-')}"
                raise Stop(
                    f"{flag} is {decided[field.name]} in {self.path}, from which training starts: leave {flag} out. "
                    f"Received: {value}"
                )
        return replace(settings, **decided)

    def check_recipe(self, recipe):
        """Raises Stop if the run, which is to be resumed, is another recipe's."""
        if self.config["recipe"] != recipe:
            raise Stop(f"{self.path} holds a run of {self.config['recipe']}, not of {recipe}: name another folder.")

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
        """The contents of metrics.json, a dict. Raises Stop if damaged."""
        return self.json("metrics.json", dict)

    def finish(self, metrics):
        """Write metrics.json, which makes this a finished run."""
        self.write_json("metrics.json", metrics)

    def model(self, ids=None):
        """The trained network. Raises Stop if its file is damaged.

        Args:
            ids: the run's vocabulary, alphabet or subwords, from which the network's inputs come: their number must be
                that of the network's embedding.
        """

        def parse(path):
            model = keras.saving.load_model(path, compile=False)
            sizes = {layer.input_dim for layer in model.layers if hasattr(layer, "input_dim")}
            if ids is not None and sizes and len(ids) not in sizes:
                raise ValueError(f"the network has {max(sizes):,} ids, and the file that names them {len(ids):,}")
            return model

        return read_file(self / "model.keras", parse)

    def save_model(self, model):
        """Write model.keras in one move."""
        path = self / f"{os.getpid()}.part.keras"  # Keras wants this ending
        try:
            model.save(path)
            os.replace(path, self / "model.keras")
        finally:
            path.unlink(missing_ok=True)

    def array(self, name, columns):
        """The table of finite numbers in an .npy file, (rows, columns). Raises Stop if it is anything else."""

        def parse(path):
            array = np.load(path)
            if array.dtype.kind != "f" or array.ndim != 2 or array.shape[1] != columns or not len(array):
                raise ValueError(f"numbers in {columns} columns are needed. Received: {array.dtype} {array.shape}")
            if not np.isfinite(array).all():
                raise ValueError("it holds NaN or infinite numbers")
            return array

        return read_file(self / name, parse)

    def arrays(self, name):
        """The arrays of finite numbers in an .npz file, a dict by name. Raises Stop if it is anything else."""

        def parse(path):
            with np.load(path) as file:
                arrays = {name: file[name] for name in file.files}
            if not all(np.isfinite(array).all() for array in arrays.values()):
                raise ValueError("it holds NaN or infinite numbers")
            return arrays

        return read_file(self / name, parse)

    def table(self, name, columns):
        """A CSV file as a DataFrame. Raises Stop where it is none, or not filled in.

        Args:
            columns: a dict from names of columns that must be there to what they hold: str, int or float.
        """

        def parse(path):
            table = pd.read_csv(path, float_precision="round_trip").astype(columns)
            if table.empty or table[[*columns]].isna().any(axis=None):
                raise ValueError("it has no rows, or rows that are not filled in")
            return table

        return read_file(self / name, parse)

    def json(self, name, kind):
        """The contents of a JSON file, of the Python type `kind`. Raises Stop if it is anything else."""

        def parse(path):
            content = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content, kind):
                raise ValueError(f"a {kind.__name__} is needed. Received: {one_line(content, 60)}")
            return content

        return read_file(self / name, parse)

    def text(self, name):
        """The contents of a text file in UTF-8. Raises Stop if it cannot be read."""
        return read_file(self / name, lambda path: path.read_text(encoding="utf-8"))

    def write_json(self, name, content):
        with replacing(self / name) as file:
            file.write(json.dumps(content, indent=2).encode())

    def report_path(self, name):
        """The path of a plot or table that a finished run is to get; its folder is made."""
        folder = self.path
        if folder.resolve().parent == PUBLISHED:
            recipe = self.config["recipe"]
            folder = RUNS / recipe / folder.name.replace(recipe, "published", 1)
            folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def save_figure(self, figure, name):
        """Write a figure and return its path."""
        path = self.report_path(name)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # scripts the font lacks are drawn as boxes
            with replacing(path) as file:
                figure.savefig(file, format=path.suffix[1:])
        plt.close(figure)
        return path


def read_file(path, parse, advice="train again"):
    """What `parse` makes of the path of a file that this project has written.

    Raises Stop, with the file's name and the advice, on any failure: what a damaged archive or model raises is not
    known beforehand.
    """
    try:
        if not path.is_file():  # opening a named pipe would wait for ever
            what = "is damaged: it must be a file" if path.exists() else "is missing"
            raise Stop(f"{path} {what}; {advice}.")
        return parse(path)
    except Stop:
        raise
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}", 200)
        raise Stop(f"{path} is damaged or of another version ({reason}): {advice}.") from error


def _check_value(name, value, hint):
    """Raises ValueError if the value of a setting, read from JSON, is not of its annotated type and in its bounds."""
    if typing.get_origin(hint) is typing.Annotated:
        hint, *extras = typing.get_args(hint)
        _check_value(name, value, hint)
        for validate in (v for extra in extras for v in getattr(extra, "validator", None) or ()):
            if value is not None:
                validate(hint, value)
    elif not _is_of(name, value, hint):
        raise ValueError(f"{name} is of the wrong kind. Received: {one_line(value, 60)}")


def _is_of(name, value, hint):
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        (other,) = [kind for kind in arguments if kind is not types.NoneType]
        if value is not None:
            _check_value(name, value, other)
        return True
    if origin is typing.Literal:
        return value in arguments
    if origin is list:
        return isinstance(value, list) and all(_is_of(name, item, arguments[0]) for item in value)
    if isinstance(value, bool) or hint is bool:
        return hint is bool and isinstance(value, bool)
    return isinstance(value, (int, float) if hint is float else hint) and (hint is not float or math.isfinite(value))


def open_run(recipe, settings, data, run_dir=None, resume=None):
    """Open a new run's folder or, with `resume`, that of an unfinished run.

    Args:
        recipe: the recipe's name.
        settings: a dataclass instance, or a dict, of values that JSON can hold.
        data: a text that changes when the data does, such as a checksum.
        run_dir: the folder. By default a new one, or with `resume` the newest unfinished one, under runs/RECIPE.
        resume: whether an unfinished run in the folder is continued; None for a recipe that cannot do so.

    Raises Stop rather than overwrite or mix anything that is on disk.
    """
    if resume and run_dir is None:
        run_dir = newest(recipe, finished=False)
    run = Run(run_dir or RUNS / recipe / time.strftime("%Y%m%d-%H%M%S"))
    if run.finished:
        raise Stop(f"{run.path} holds a finished run, which is never overwritten: name another --run-dir.")
    if run.started:
        _check_resumable(run, recipe, settings, data, resume)
        check_writable(run.path)
    elif run.path.exists() and (not run.path.is_dir() or any(p.suffix != ".part" for p in run.path.iterdir())):
        raise Stop(f"{run.path} exists and is not a run of a recipe: name a new folder as --run-dir.")
    else:
        check_writable(run.path)
        config = {"recipe": recipe, "settings": _as_json(settings), "data": data, "versions": versions()}
        run.write_json("config.json", config)
    return run


def check_writable(folder):
    """Make a folder if it is not there. Raises Stop, and leaves no new folder, where nothing can be written into it."""
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"a few bytes, which a full disk has no room for")
    except OSError as error:
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()
        raise Stop(f"Nothing can be written into {folder} ({error.strerror}): name another folder.") from error


def _as_json(settings):
    return json.loads(json.dumps(settings if isinstance(settings, dict) else asdict(settings)))


def _check_resumable(run, recipe, settings, data, resume):
    if not resume:
        hint = "" if resume is None else "add --resume to continue it, or "
        raise Stop(f"{run.path} holds an unfinished run: {hint}name another --run-dir.")
    run.check_recipe(recipe)
    run.check_data(data)
    run.check_settings(settings)


def finished_run(recipe, path=None):
    """A recipe's finished run, by default `default_run`; with `recipe=None` and a path, that of any recipe.

    Raises Stop if there is none, or it is another recipe's.
    """
    run = Run(default_run(recipe) if path is None else path)
    if not run.finished:
        what = "an unfinished run: finish it with train --resume" if run.started else "no run: train one first"
        raise Stop(f"{run.path} holds {what}.")
    if recipe not in (None, run.config["recipe"]):
        raise Stop(f"{run.path} holds a run of {run.config['recipe']}, and this is {recipe}: name another --run.")
    return run


def default_run(recipe):
    """The path of the recipe's newest finished run or, where there is none, of its first published one by name.

    Says so in the second case. Raises Stop if there is neither.
    """
    published = sorted(path.parent for path in PUBLISHED.glob(f"{recipe}.*/metrics.json"))
    if not published or own_runs(recipe, finished=True):
        return newest(recipe, finished=True)
    path, here = published[0], Path.cwd()
    path = path.relative_to(here) if path.is_relative_to(here) else path
    print(f"No run of your own under {RUNS / recipe}: using {path}; --run names another.")
    return path


def newest(recipe, finished):
    """The path of the recipe's newest finished, or else unfinished, run under runs/. Raises Stop if there is none."""
    if not (runs := own_runs(recipe, finished)):
        state, hint = ("finished", "train one first") if finished else ("unfinished", "start without --resume")
        raise Stop(f"No {state} run under {RUNS / recipe}: {hint}, or name the folder.")
    return max(runs, key=lambda run: (run / "config.json").stat().st_mtime).path


def own_runs(recipe, finished):
    """The recipe's finished, or else unfinished, runs under runs/, a list."""
    runs = [Run(path.parent) for path in (RUNS / recipe).glob("*/config.json")]
    return [run for run in runs if run.finished == finished]


def versions():
    names = "tensorflow", "keras", "numpy"
    return {"python": sys.version.split()[0], **{name: importlib.metadata.version(name) for name in names}}


@contextlib.contextmanager
def replacing(path):
    """A binary file that replaces `path` once it is complete: a kill at any moment leaves the old file or the new."""
    temporary = path.with_name(f"{path.name[:50]}.{os.getpid()}.part")  # two runs may write a shared file at once
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
