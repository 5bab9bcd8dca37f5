"""Lists the cells, and copies one with its test into another project: python -m layers copy LSTMCell path/to/project"""

import inspect
import pathlib
import re
import shlex
from typing import Annotated

import typer

import layers

PLAIN = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}
CLASSES = [name for name in layers.__all__ if inspect.isclass(getattr(layers, name))]  # functions are not copied
app = typer.Typer(help="Recurrent cells for Keras, one idea a file.", no_args_is_help=True, **PLAIN)


def module_of(name):
    """The name of the one module that holds it: lstm_cell for LSTMCell."""
    return getattr(layers, name).__module__.rpartition(".")[2]


def texts(name):
    """The files and the test as they stand in a copy, by file name: there the module is found by its own name."""
    module = module_of(name)
    folder = pathlib.Path(layers.__file__).parent
    test = (folder.parent / "tests" / "layers" / f"test_{module}.py").read_text(encoding="utf-8")
    parts = [folder / f"{module}.py", *sorted(folder.glob(f"{module}_*.py"))]  # the latter for one backend each
    return {
        **{part.name: part.read_text(encoding="utf-8") for part in parts},
        f"test_{module}.py": re.sub(rf"from layers(\.{module})? import", f"from {module} import", test),
    }


@app.command("list")
def list_():
    """What there is: name, file, what it is, and where its equations are from."""
    for name in CLASSES:
        what, *paragraphs = inspect.getdoc(getattr(layers, name)).split("\n\n")
        sources = [re.sub(r"^Sources?: ", "", p) for p in paragraphs if p.startswith("Source")]
        typer.echo(f"{name}  layers/{module_of(name)}.py\n    {' '.join(what.split())}")
        for source in sources:
            typer.echo(f"    Equations: {' '.join(source.split())}")


@app.command()
def copy(
    names: Annotated[list[str], typer.Argument(metavar="NAME... FOLDER", help="One name or more, then where to.")],
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
):
    """Write the file of each NAME, and its test beside it, into FOLDER."""
    *names, folder = dict.fromkeys(names)
    if not names or folder in CLASSES:
        fail("Expected one name or more, and then a folder to write into", " ".join([*names, folder]))
    folder = pathlib.Path(folder)
    for name in names:
        if name not in CLASSES:
            fail(f"There is no layer of that name; there are {', '.join(CLASSES)}", name)
    if any(place.is_file() for place in (folder, *folder.parents)):
        fail("The last argument must be a folder, and this is a file or lies under one", folder)
    files = {folder / file: text for name in names for file, text in texts(name).items()}
    taken = [str(path) for path in files if path.exists()]
    if taken and not force:
        fail("Nothing was written, because these are there already (--force writes over them)", ", ".join(taken))
    for path, text in files.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            fail("The file cannot be written", error)
        typer.echo(f"wrote {path}")
    for name in names:
        typer.echo(f"from {module_of(name)} import {name}  # with {folder} as the working folder or on the Python path")
    tests = dict.fromkeys(f"test_{module_of(name)}.py" for name in names)
    typer.echo(f"cd {shlex.quote(str(folder))} && python -m pytest {' '.join(tests)}")


def fail(message, received):
    typer.echo(f"{message}. Received: {received}", err=True)
    raise typer.Exit(2)


if __name__ == "__main__":
    app(prog_name="python -m layers")
