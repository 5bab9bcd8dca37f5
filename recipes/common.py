"""What every recipe shares: the command line with its flags, cells by name, and run folders."""

import contextlib
import importlib.metadata
import inspect
import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
import typer
from matplotlib import pyplot as plt

import layers

CELLS = {"simple": layers.SimpleRNNCell, "lstm": layers.LSTMCell, "gru": layers.GRUCell}
CELLS |= {"peephole-lstm": layers.PeepholeLSTMCell, "coupled-lstm": layers.CoupledLSTMCell}
CELLS |= {"norm-lstm": layers.LayerNormLSTMCell, "norm-simple": layers.LayerNormRNNCell}
CELLS |= {"minimal": layers.MinimalGatedCell}
BUILT_IN = {"simple": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
BUILT_IN_CELLS = {"simple": keras.layers.SimpleRNNCell, "lstm": keras.layers.LSTMCell, "gru": keras.layers.GRUCell}
CELL_NAMES = [*CELLS, *(f"builtin-{name}" for name in BUILT_IN)]
RUNS = Path("runs")
NOT_SETTINGS = "run_dir", "resume"  # flags that do not change what a run computes


class Stop(Exception):
    """Ends a command with a message for its user, and no traceback."""


# ---------------------------------------------------------------------------------------------------------- flags


def one_of(names):
    def check(value):
        if value not in names:
            raise typer.BadParameter(f"choose one of {', '.join(names)}. Received: {value}")
        return value

    return check


def some_of(names):
    def check(value):
        return [*dict.fromkeys(one_of(names)(name.strip()) for name in value.split(","))]

    return check


DataDir = Annotated[Path | None, typer.Option(help="Folder in which --data is looked up.")]
Cell = Annotated[str, typer.Option(help=f"Recurrent cell: {', '.join(CELL_NAMES)}.", callback=one_of(CELL_NAMES))]
Cells = Annotated[
    str, typer.Option(help=f"Of {', '.join(BUILT_IN)} those to train, commas between.", callback=some_of(BUILT_IN))
]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training data, at most.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Sequences in one training step.")]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the weights, the shuffling and the dropout.")]
RunDir = Annotated[
    Path | None, typer.Option(help="Folder for this run, new or unfinished. [default: runs/RECIPE/DATE-TIME]")
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on with the unfinished run in --run-dir, or else the newest; same result.")
]
FinishedRun = Annotated[Path | None, typer.Option("--run", help="Folder of a finished run. [default: the newest]")]
Strategy = Annotated[
    str,
    typer.Option(help="none, or mirrored: the batch split over all GPUs.", callback=one_of(["none", "mirrored"])),
]


def defaults(train):
    """The settings of a recipe's `train` command without flags."""
    parameters = inspect.signature(train).parameters.values()
    return {p.name: p.default for p in parameters if p.name not in NOT_SETTINGS}


def command_line(doc):
    """A recipe's Typer app; its help is the module's docstring as it stands, unwrapped."""
    unwrapped = "\n\n".join(f"\b\n{paragraph}" for paragraph in doc.split("\n\n"))
    plain = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}
    app = typer.Typer(help=unwrapped, context_settings={"help_option_names": ["-h", "--help"]}, **plain)
    app.callback()(lambda: None)  # or Typer would take no command name where there is one command
    return app


def main(app):
    """Run a recipe's commands; flags alone, or nothing, mean the first. User errors end in one line and status 2."""
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("--help", "-h")):
        arguments = [app.registered_commands[0].callback.__name__, *arguments]
    try:
        app(arguments)
    except Stop as stop:
        print(f"error: {stop}", file=sys.stderr)
        sys.exit(2)


@contextlib.contextmanager
def user_errors():
    """Around the reading of what a user names: its errors say enough without a traceback."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise Stop(error) from error


def typed(what, text, file):
    """What is to be predicted from, with numbers: one text, a file's lines, or lines typed until an empty one."""
    if text is not None and file is not None:
        raise Stop(f"Give a {what} or a --file, not both.")
    with user_errors():
        lines = [text] if text is not None else file.read_text(encoding="utf-8-sig").splitlines() if file else sys.stdin
        if lines is sys.stdin and sys.stdin.isatty():
            print(f"A {what} a line; an empty line ends.")
        for number, line in enumerate(lines, 1):
            line.encode()  # what was typed in another encoding than UTF-8 is told here
            if line.strip():
                yield number, line.strip()
            elif lines is sys.stdin:
                return
            else:
                print(f"{number}: empty, left out")


# ------------------------------------------------------------------------------------------------ building blocks


def cell(name, units, **kwargs):
    """A cell by its `--cell` name; the built-in twin of a cell that has none is that cell."""
    cells = CELLS | BUILT_IN_CELLS if name.startswith("builtin-") else CELLS
    return cells[name.removeprefix("builtin-")](units, **kwargs)


def recurrent(cell, units, dropout=0.0, recurrent_dropout=0.0, **kwargs):
    """A recurrent layer by its `--cell` name; `kwargs` are those of `keras.layers.RNN` (return_sequences, ...).

    The built-in twin of a cell that has none is that cell in `keras.layers.RNN`, with its automatic differentiation.
    """
    name, dropouts = cell.removeprefix("builtin-"), {"dropout": dropout, "recurrent_dropout": recurrent_dropout}
    if name == cell:
        return layers.RNN(CELLS[name](units, **dropouts), **kwargs)
    if name in BUILT_IN:
        return BUILT_IN[name](units, **dropouts, **kwargs)
    return keras.layers.RNN(CELLS[name](units, **dropouts), **kwargs)


def prepare(seed, strategy="none"):
    """Seed everything, ask for the same bits in every run, and return the scope in which to build the model."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        tf.config.experimental.enable_op_determinism()
    return tf.distribute.MirroredStrategy().scope() if strategy == "mirrored" else contextlib.nullcontext()


# ------------------------------------------------------------------------------------------------------ run folder


class Run:
    """A folder with all that a training leaves: config.json, checkpoint, history.csv, model.keras, metrics.json, plots.

    It is finished once metrics.json is there; after that only plots are drawn again.
    """

    def __init__(self, path):
        self.path = Path(path)

    def __truediv__(self, name):
        return self.path / name

    finished = property(lambda self: (self / "metrics.json").exists())
    started = property(lambda self: (self / "config.json").exists())
    settings = property(lambda self: self.config["settings"])

    @property
    def config(self):
        try:
            config = json.loads((self / "config.json").read_text())
            return {"recipe": config["recipe"], "settings": config["settings"], "data": config["data"]}
        except (OSError, ValueError, KeyError) as error:
            raise Stop(f"{self / 'config.json'} is missing or damaged ({error}): train anew.") from error

    @classmethod
    def begin(cls, recipe, settings, data, run_dir=None, resume=False):
        """A new run's folder, or with `resume` an unfinished one's. Raises Stop rather than lose what is on disk.

        Args:
            data: a text that changes when the data does, such as a checksum.
        """
        settings = json.loads(json.dumps(settings, default=str))
        if resume and run_dir is None:
            run_dir = newest(recipe, finished=False)
        run = cls(run_dir or RUNS / recipe / time.strftime("%Y%m%d-%H%M%S"))
        if run.finished:
            raise Stop(f"{run.path} holds a finished run, which is never overwritten: name another --run-dir.")
        if run.started:
            run._check_resumable(recipe, settings, data, resume)
        elif run.path.exists() and (not run.path.is_dir() or any(p.suffix != ".part" for p in run.path.iterdir())):
            raise Stop(f"{run.path} exists and is not a run of a recipe: name a new folder as --run-dir.")
        else:
            with user_errors():
                run.path.mkdir(parents=True, exist_ok=True)
                config = {"recipe": recipe, "settings": settings, "data": data, "versions": versions()}
                run.write_json("config.json", config)
        return run

    def _check_resumable(self, recipe, settings, data, resume):
        if not resume:
            raise Stop(f"{self.path} holds an unfinished run: add --resume to go on, or name another --run-dir.")
        if self.config["recipe"] != recipe:
            raise Stop(f"{self.path} holds a run of {self.config['recipe']}, not of {recipe}: name another folder.")
        if self.config["data"] != data:
            raise Stop(f"{self.path} was begun on other data than is there now: bring it back, or begin a new run.")
        self.check_settings(settings)

    def check_settings(self, settings):
        """Raises Stop where the run was begun with others."""
        before, settings = self.settings, json.loads(json.dumps(settings, default=str))
        changed = "; ".join(f"{k}={before.get(k)}, now {v}" for k, v in settings.items() if before.get(k) != v)
        if changed:
            raise Stop(f"{self.path} was begun with other settings ({changed}): repeat those, or name another folder.")

    @classmethod
    def open(cls, recipe, run_dir=None):
        """A finished run's folder, by default the recipe's newest."""
        run = cls(run_dir or newest(recipe, finished=True))
        if not run.finished:
            what = "an unfinished run: finish it with train --resume" if run.started else "no run: train one first"
            raise Stop(f"{run.path} holds {what}.")
        if run.config["recipe"] != recipe:
            raise Stop(f"{run.path} holds a run of {run.config['recipe']}, and this is {recipe}: name another --run.")
        return run

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
            warnings.filterwarnings("ignore", "Glyph .* missing")  # words in scripts the font lacks are drawn as boxes
            figure.savefig(self / name, dpi=120, bbox_inches="tight")
        plt.close(figure)


def newest(recipe, finished):
    """The recipe's newest finished, or else unfinished, run folder under runs/."""
    runs = [Run(p.parent) for p in (RUNS / recipe).glob("*/config.json")]
    runs = sorted((r for r in runs if r.finished == finished), key=lambda r: (r / "config.json").stat().st_mtime)
    if not runs:
        state, hint = ("finished", "train one first") if finished else ("unfinished", "start without --resume")
        raise Stop(f"No {state} run under {RUNS / recipe}: {hint}, or name the folder.")
    return runs[-1].path


def once_a_seed(recipe, variant, seeds, settings, complete):
    """The runs of a published result, under runs/RECIPE/VARIANT-seedN: pairs of run and metrics.

    Args:
        settings: what all of them must have been begun with; the seed and where the data lies do not count.
        complete: a function from a seed and a folder that begins the folder's run or goes on with it, and finishes it.
            Runs that are finished are left as they are.
    """
    runs = [Run(RUNS / recipe / f"{variant}-seed{seed}") for seed in range(seeds)]
    for run in runs:
        if run.finished:
            run.check_settings({k: v for k, v in settings.items() if k not in ("seed", "data_dir")})
    for seed, run in enumerate(runs):
        if not run.finished:
            complete(seed, run.path)
    return [(run, json.loads((run / "metrics.json").read_text())) for run in runs]


def versions():
    names = "tensorflow", "keras", "numpy"
    return {"python": sys.version.split()[0], **{name: importlib.metadata.version(name) for name in names}}


@contextlib.contextmanager
def replacing(path):
    """A binary file that takes the place of `path` when it is whole: a kill at any moment leaves the old or the new."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.part")  # two runs may write what they share at once
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
