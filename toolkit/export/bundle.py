"""The folder of an export: networks, what they need around them, and a README whose code runs them elsewhere."""

import contextlib
import os
import shutil
import sys
import timeit
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from toolkit import quiet, runs
from toolkit.export import formats
from toolkit.runs import Stop

import numpy as np
from cyclopts import Parameter

ALLOWED = 1e-4  # difference from Keras
REPEATS = 7  # of each timing
Out = Annotated[Path, Parameter(help="Folder to write: a new or an empty one.")]
Format = Annotated[Literal[tuple(formats.FORMATS)], Parameter(help="What runs the network elsewhere.")]


@dataclass(kw_only=True)
class Contents:
    """What is in the folder of an export, and what it is compared on.

    Attributes:
        networks: a `formats.Network` for each name of a file.
        described: what goes into and comes out of them, a text for each name of an input or output.
        files: for each name of a further file its bytes, or the path of what is copied.
        here: a function from an example to what Keras makes of it, a dict of arrays.
        there: a function from the other runtime's networks, a dict of functions, and an example to the same.
        examples: what both are compared on; the first one, which is a single `thing`, is timed.
        count, thing: how many things the examples are, and what one is called: 64, "review".
        install: packages that the code needs besides the runtime.
        imports, code: the program of the README, without the function `load` between them.
    """

    networks: dict
    described: dict
    here: Callable
    there: Callable = lambda networks, example: networks["model"](**example)
    examples: list
    count: int
    thing: str
    files: dict = field(default_factory=dict)
    install: tuple = ()
    imports: str = "import numpy as np"
    code: str


class Folder:
    """A new folder of an export, which is there once it is complete.

    Raises Stop if the folder holds something, or if this machine cannot write or run the format.
    """

    def __init__(self, path, format):
        self.path, self.format = Path(os.path.abspath(path)), format
        with runs.user_errors():
            formats.check(format)
        if os.path.lexists(self.path) and (not self.path.is_dir() or any(self.path.iterdir())):
            raise Stop(f"{path} exists and is not empty: name a new folder.")
        runs.check_writable(self.path.parent)

    @property
    def takes_text(self):
        """Whether a network of this format can take texts."""
        return self.format == "saved-model"

    def write(self, run, contents):
        """Write all `contents`, run the networks elsewhere and compare; prints and returns the `Outcome`.

        Raises:
            SystemExit: with status 1, if a difference is larger than ALLOWED; then no folder is left.
        """
        with self._complete() as folder:
            with runs.user_errors():
                for name, network in contents.networks.items():
                    formats.write(network, name, self.format, folder)
            for name, content in contents.files.items():
                content = content if isinstance(content, bytes) else Path(content).read_bytes()
                (folder / name).write_bytes(content)
            outcome = measure(contents, self.format, folder)
            (folder / "README.md").write_text(readme(run, self.format, contents, outcome), encoding="utf-8")
        print(f"{outcome}\nWritten: {self.path}. The code in its README.md runs it elsewhere.")
        return outcome

    @contextlib.contextmanager
    def _complete(self):
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            temporary.mkdir()
            yield temporary
            if self.path.exists():
                self.path.rmdir()
            temporary.rename(self.path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def examples(load, otherwise, most=64):
    """A list of the first things that `load` returns; `otherwise`, and a line that says so, if it raises Stop."""
    try:
        return list(load()[:most])
    except Stop as error:
        print(f"Compared on examples, because the run's data cannot be read: {error}")
        return otherwise


class Outcome(NamedTuple):
    """How a network does elsewhere, beside Keras."""

    format: str
    difference: float
    count: int
    thing: str
    seconds: float
    keras_seconds: float

    def __str__(self):
        title, things = formats.FORMATS[self.format].title, f"{self.count:,} {self.thing}{'s' * (self.count > 1)}"
        return (
            f"{title} and Keras differ by at most {self.difference:.1e} on {things}. One {self.thing} takes "
            f"{1e3 * self.seconds:.2f} ms in {title} and {1e3 * self.keras_seconds:.2f} ms in Keras."
        )


def measure(contents, format, folder):
    """The `Outcome` of what has been written into a folder: compared on all examples, timed on the first.

    Raises:
        SystemExit: with status 1, if a difference is larger than ALLOWED.
    """
    calls = lambda example: contents.there(networks, example), contents.here
    with quiet():
        networks = {name: _loaded(format, folder / name) for name in contents.networks}
        differences = [largest_difference(*(call(example) for call in calls)) for example in contents.examples]
    difference = np.max(differences)  # which is NaN where one of them is
    if not difference <= ALLOWED:
        by = f"by {difference:.1e}" if np.isfinite(difference) else "in shapes or texts, or by what is no number"
        print(f"FAIL: {format} and Keras differ {by}, and {ALLOWED:.0e} is allowed. Nothing was written.")
        sys.exit(1)
    return Outcome(format, difference, contents.count, contents.thing, *times(calls, contents.examples[0]))


def _loaded(format, path):
    try:
        return formats.FORMATS[format].load(str(path))
    except Exception as error:  # tf2onnx writes operations that ONNX does not have, and says nothing
        raise Stop(
            f"--format {format} cannot hold this network ({runs.one_line(error, 300)}): try another one."
        ) from error


def largest_difference(there, here):
    """The largest absolute difference between two dicts of arrays; infinite where shapes, texts or integers differ."""

    def difference(a, b):
        if a.shape != b.shape or (a.dtype.kind != "f" and (a != b).any()):
            return np.inf
        return 0.0 if a.dtype.kind != "f" else np.abs(np.subtract(a, b, out=np.zeros_like(a), where=a != b)).max()

    return np.max([difference(np.asarray(here[name]), np.asarray(there[name])) for name in here])


def times(calls, example):
    """The median time of each call with the example, in seconds. They take turns."""
    seconds = [[timeit.timeit(lambda: call(example), number=1) for call in calls] for _ in range(REPEATS)]
    return np.median(seconds, axis=0)


def readme(run, format, contents, outcome):
    """The text of README.md."""
    title, install = formats.FORMATS[format].title, (formats.FORMATS[format].install, *contents.install)
    parts = contents.imports, formats.source(format), contents.code
    program = "\n\n\n".join(part.strip() for part in parts if part)
    return f"""\
# {title} from recipes/{run.config["recipe"]}.py

Of the run {run.path.name}. {outcome}

{signature(contents)}
    pip install {" ".join(install)}

```python
{program}
```
"""


def signature(contents):
    """A Markdown table of all inputs and outputs."""
    rows = ["| network | input or output | type and shape | what it is |", "|---|---|---|---|"]
    for name, network in contents.networks.items():
        for way, specs in (("in", network.signature), ("out", network.output_specs())):
            for key, spec in specs.items():
                shape = ", ".join("any" if size is None else str(size) for size in spec.shape)
                rows.append(f"| {name} | {way}: {key} | {spec.dtype.name} ({shape}) | {contents.described[key]} |")
    return "\n".join(rows) + "\n"
