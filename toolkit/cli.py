"""The command line of a chapter, made from its settings by cyclopts, and errors in one line."""

import contextlib
import io
import json
import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from toolkit import runs
from toolkit.cells import CELL_NAMES
from toolkit.runs import Stop, one_line

import cyclopts
import tensorflow as tf
from cyclopts import Parameter, config
from cyclopts.validators import Number

from datasets import local

T = TypeVar("T")
FILE = cyclopts.Group("A file of your own", sort_key=1)
RUN = cyclopts.Group("The run", sort_key=2)
MANY = 1_000_000  # a bound for what has no other: no number may be infinite
PLAIN = {  # arguments of cyclopts.App
    "help_format": "plaintext",
    "help_formatter": "plain",
    "version_flags": [],
    "suppress_keyboard_interrupt": False,  # Ctrl-C is for `exit_status`
}

# Types of settings: a field's type gives its bounds, its docstring the flag's help.
Flags = Annotated[T, Parameter(name="*")]  # of a dataclass: a flag for each field
Switch = Annotated[bool, Parameter(negative=())]
Cell = Literal[tuple(CELL_NAMES)]
Strategy = Literal["none", "mirrored"]
Encoding = Annotated[str | None, Parameter(group=FILE)]


def at_least(least, most=MANY):
    """The bounds of a number: `Annotated[int, at_least(2)]`."""
    return Parameter(validator=Number(gte=least, lte=most))


Count = Annotated[int, at_least(1)]
CountOrNone = Annotated[int, at_least(0)]
Units = Annotated[int, at_least(1, 10_000)]  # or features: weights grow with the square
Share = Annotated[float, at_least(0, 0.9)]
Positive = Annotated[float, at_least(0)]
LearningRate = Annotated[float, at_least(1e-8, 1)]
Seed = Annotated[int, at_least(0, 2**32 - 1)]


def comma_separated(kind, convert):
    """The type of a setting that is a list of `kind`, written with commas on the command line.

    Args:
        convert: a function from the parts between the commas, texts, to the list; its ValueError is the user's error.
    """

    def split(_, tokens):
        return convert([part.strip() for token in tokens for part in token.value.split(",")])

    return Annotated[list[kind], Parameter(converter=split, n_tokens=1, negative=())]


@dataclass(kw_only=True)
class Settings:
    """The settings that all recipes with data have."""

    data_dir: Annotated[str | None, Parameter(group=RUN)] = None
    """Folder in which --data is looked up."""
    seed: Annotated[Seed, Parameter(group=RUN)] = 0
    """Seed of the weights, the shuffling and the dropout."""
    strategy: Annotated[Strategy, Parameter(group=RUN)] = "none"
    """none, or mirrored: each batch is split over all GPUs (TensorFlow)."""


@dataclass(kw_only=True)
class TableFlags:
    """How tables of a user's own are read: what is not given is found out from the file."""

    separator: Annotated[Literal[tuple(local.SEPARATORS)] | None, Parameter(group=FILE)] = None
    """What stands between two columns. [default: found out]"""
    encoding: Encoding = None
    """Encoding of the file, such as cp1252. [default: UTF-8, or what its byte-order mark tells]"""
    columns: Annotated[str | None, Parameter(group=FILE)] = None
    """Names of all columns, separated by commas, of a file without a header or with another one."""
    skip_bad_rows: Annotated[Switch, Parameter(group=FILE)] = False
    """Leave out rows that cannot be used, and say how many."""

    @property
    def reading(self):
        columns = tuple(name.strip() for name in self.columns.split(",")) if self.columns else None
        return local.Reading(self.separator, self.encoding, columns, self.skip_bad_rows)


@dataclass(kw_only=True)
class TableSettings(TableFlags, Settings):
    """The settings of recipes that read tables of a user's own."""


# Arguments of commands
RunDir = Annotated[
    Path | None, Parameter(group=RUN, help="Folder for this run, new or unfinished. [default: runs/RECIPE/DATE-TIME]")
]
Resume = Annotated[
    bool,
    Parameter(
        negative=(),
        group=RUN,
        show_default=False,
        help="Continue the unfinished run in --run-dir, or the newest one, with its settings. The result is the same.",
    ),
]
FinishedRun = Annotated[
    Path | None,
    Parameter(
        name="--run", help="Folder of a finished run. [default: the newest in runs/RECIPE, else a published one]"
    ),
]
DataDir = Annotated[str | None, Parameter(help="Folder in which the run's data is looked up. [default: the run's]")]
TextFile = Annotated[Path | None, Parameter(help="A text file with one example on each line.")]


def app(recipe, doc):
    """A chapter's command line. `main` prints the module's docstring, as it stands, above the commands."""
    last_counts = Parameter(allow_repeating=True)  # of a flag that is repeated, as other command lines have it
    app = cyclopts.App(name=f"{recipe}.py", help=doc, default_parameter=last_counts, **PLAIN)

    app.meta.suppress_keyboard_interrupt = False  # which it does not take over

    @app.meta.default
    def with_settings(
        *arguments: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        config: Annotated[
            Path | None, Parameter(group=RUN, help="File with settings (JSON or TOML), such as a run's config.json.")
        ] = None,
    ):
        source = config or _unfinished(recipe, arguments)
        app.config = _settings_file(source) if source else ()
        command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
        run_command(command, bound)

    return app


def run_command(command, bound):
    """Call a command with its parsed arguments. One that trains goes on where the reader of its output has left."""
    with lasting_output() if "run_dir" in bound.signature.parameters else contextlib.nullcontext():
        command(*bound.args, **bound.kwargs)


def main(app):
    """Run a chapter's command. Flags alone, or nothing, mean its first command. Errors are one line and status 2."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["--help"], ["-h"]):
        print(app.help.strip(), end="\n\n")
        app.help = ""  # cyclopts would wrap the lines of equations
    elif not arguments or arguments[0].startswith("-"):
        arguments = [next(name for name in app if not name.startswith("-")), *arguments]
    with exit_status():
        app.meta(arguments, exit_on_error=False, print_error=False)


@contextlib.contextmanager
def exit_status():
    """Around a command: ends the program, with status 2 and one line on standard error where the user made an error.

    The reader of its output may leave early (`| head -1`), which is no error; Ctrl-C is status 130.
    """
    _accept_all_characters()
    try:
        with _flushed():
            yield
    except BrokenPipeError:
        _discard(sys.stdout)
    except KeyboardInterrupt:
        _say("interrupted")
        sys.exit(130)
    except (cyclopts.CycloptsError, Stop, OSError) as error:
        _say(f"error: {one_line(error)}")
        sys.exit(2)
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        _say(f"error: not enough memory, try smaller sizes ({one_line(error, 200) or 'no details'})")
        sys.exit(2)
    sys.exit(0)


def _accept_all_characters():
    """Characters that a terminal's encoding lacks are shown as escapes; bytes that are no text reach their reader."""
    for stream, errors in (
        (sys.stdin, "surrogateescape"),
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
    ):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


@contextlib.contextmanager
def _flushed():
    """Writes at the end what is still buffered, so that an error shows here and not while Python shuts down."""
    try:
        yield
    except SystemExit:
        sys.stdout.flush()
        raise
    sys.stdout.flush()


@contextlib.contextmanager
def lasting_output():
    """Where standard output can no longer be written, it is discarded and the command goes on."""
    before, sys.stdout = sys.stdout, _Lasting(sys.stdout)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stdout = before


class _Lasting:
    def __init__(self, stream):
        self._stream = stream

    def write(self, text):
        with self._discarding():
            self._stream.write(text)
        return len(text)

    def flush(self):
        with self._discarding():
            self._stream.flush()

    @contextlib.contextmanager
    def _discarding(self):
        try:
            yield
        except OSError:
            _discard(self._stream)

    def __getattr__(self, name):
        return getattr(self._stream, name)


def _discard(stream):
    """Let all that is written into a stream, and what it has buffered, go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _say(message):
    with contextlib.suppress(OSError):
        print(message, file=sys.stderr, flush=True)


def _unfinished(recipe, arguments):
    """With --resume, the config.json of the run to continue: its settings need not be repeated."""
    if "--resume" not in arguments:
        return None
    named = [after for flag, after in zip(arguments, arguments[1:]) if flag == "--run-dir"]
    named += [a.partition("=")[2] for a in arguments if a.startswith("--run-dir=")]
    run = runs.Run(named[-1] if named else runs.newest(recipe, finished=False))
    if not run.started:
        raise Stop(f"{run.path} holds no run to resume: start without --resume, or name its folder as --run-dir.")
    run.check_recipe(recipe)
    return run / "config.json"


def _settings_file(path):
    readers = {".json": json, ".toml": tomllib}
    if path.suffix not in readers or not path.is_file():
        raise Stop(f"--config needs a .json or .toml file with settings. Received: {path}")
    try:
        parsed = readers[path.suffix].loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise Stop(f"{path} cannot be read as {path.suffix[1:].upper()}: {error}") from error
    if not isinstance(parsed, dict) or not isinstance(parsed.get("settings"), dict):
        raise Stop(f"{path} must hold the settings under the key settings. Received: {local.shortened(parsed)}")
    return config.Dict(parsed, root_keys=("settings",), use_commands_as_keys=False, source=str(path))


def read_examples(what, text, file):
    """Numbers and texts of what to predict: one text, a file's lines, or lines typed until an empty one.

    Args:
        what: what an example is called, such as "review".
        text, file: at most one of them. Without both, standard input is read.

    Raises Stop if both are given, the file is missing, or a line is not UTF-8.
    """
    if text is not None and file is not None:
        raise Stop(f"Give a {what} or a --file, not both.")
    typed = text is None and file is None
    if typed and sys.stdin.isatty():
        print(f"Type a {what} on each line; an empty line ends.")
    for number, line in enumerate(sys.stdin if typed else [text] if file is None else _lines(file), 1):
        try:
            line.encode()
        except UnicodeError as error:
            source = file or "standard input"
            raise Stop(f"{source}, line {number}: not UTF-8. Received: {one_line(line, 60)}") from error
        if line.strip():
            yield number, line.strip()
        elif typed:
            return
        else:
            print(f"{number}: empty, skipped")


def _lines(file):
    with runs.user_errors():
        return local.content(file).decode("utf-8-sig", "surrogateescape").splitlines()
