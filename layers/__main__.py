"""Lists the layers, and copies them with their tests into a project: python -m layers copy LSTMCell path/to/project"""

import ast
import contextlib
import inspect
import io
import os
import pathlib
import re
import shlex
import sys
from typing import Annotated

import cyclopts
from cyclopts import Parameter

import layers
from layers import cell

CLASSES = [name for name in layers.__all__ if inspect.isclass(getattr(layers, name))]  # functions are not copied
BASES = cell.Cell, cell.GatedCell, cell.MemoryCell
app = cyclopts.App(
    name="python -m layers",
    help="Recurrent cells and layers for Keras, one idea a file.",
    help_format="plaintext",
    help_formatter="plain",
    version_flags=[],
    suppress_keyboard_interrupt=False,
)


class Stop(Exception):
    """An error in what the user asked for; the message is one line."""


def main(arguments=None):
    """Run a command. Errors are one line, and exit status 2; a reader of the output may leave early."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # for terminals that lack a character
    try:
        app(arguments, exit_on_error=False, print_error=False, result_action="return_value")
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python would complain as it shuts down
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except (cyclopts.CycloptsError, Stop, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)


@app.command(name="list")
def list_():
    """Print the name, file, purpose and source of every layer."""
    for name in CLASSES:
        what, *paragraphs = inspect.getdoc(getattr(layers, name)).split("\n\n")
        sources = [re.sub(r"^Sources?: ", "", p) for p in paragraphs if p.startswith("Source")]
        print(f"{name}  layers/{module_of(name)}.py\n    {' '.join(what.split())}")
        for source in sources:
            print(f"    Equations: {' '.join(source.split())}")


@app.command(usage="Usage: python -m layers copy NAME... FOLDER [--force]")
def copy(
    *names: Annotated[str, Parameter(name="NAME... FOLDER", help="Names of layers, and the folder to write into.")],
    force: Annotated[bool, Parameter(negative=(), show_default=False, help="Replace files that exist.")] = False,
):
    """Write layers and their tests into a folder."""
    *names, folder = dict.fromkeys(names) or [""]
    if not names or folder in CLASSES:
        received = " ".join([*names, folder]) or "nothing"
        raise Stop(f"Expected one name or more, and then a folder to write into. Received: {received}")
    for name in names:
        if name not in CLASSES:
            raise Stop(f"There is no layer of that name; there are {', '.join(CLASSES)}. Received: {name}")
    folder = pathlib.Path(folder)
    if any(place.is_file() for place in (folder, *folder.parents)):
        raise Stop(f"The last argument must be a folder, and this is a file or lies under one. Received: {folder}")
    texts = {folder / file: text for name in names for file, text in copied_files(name).items()}
    existing = [str(path) for path in texts if os.path.lexists(path)]
    if existing and not force:
        raise Stop(f"Nothing was written: --force replaces files that exist. Received: {', '.join(existing)}")
    write(texts)
    for path in texts:
        print(f"wrote {path}")
    for name in names:
        print(f"from {module_of(name)} import {name}  # with {folder} as the working folder or on the Python path")
    tests = dict.fromkeys(f"test_{module_of(name)}.py" for name in names)
    print(f"cd {shlex.quote(str(folder))} && python -m pytest {' '.join(tests)}")


def write(texts):
    """Write files, texts by path, and put them in their places once all are written: an error leaves the old ones.

    A symbolic link is replaced, not followed.
    """
    temporary = {path: path.with_name(f".{path.name}.{os.getpid()}") for path in texts}
    try:
        for path, text in texts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary[path].open("x", encoding="utf-8") as file:
                file.write(text)
        for path in texts:
            os.replace(temporary[path], path)
    except OSError as error:
        raise Stop(f"The file cannot be written. Received: {error}") from error
    finally:
        for path in temporary.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def module_of(name):
    """The name of the module that defines a class: lstm_cell for LSTMCell."""
    return getattr(layers, name).__module__.rpartition(".")[2]


def copied_files(name):
    """The text of every file of a copy, by name. There the module is imported by its own name."""
    module = module_of(name)
    folder = pathlib.Path(layers.__file__).parent
    for_backends = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob(f"{module}_*.py"))}
    test = (folder.parent / "tests" / "layers" / f"test_{module}.py").read_text(encoding="utf-8")
    texts = {f"{module}.py": complete_source(getattr(layers, name)), **for_backends, f"test_{module}.py": test}
    return {file: re.sub(rf"from layers(\.{module})? import", f"from {module} import", t) for file, t in texts.items()}


def complete_source(cls):
    """The source of a class's module; that of a cell with its base classes put in, so that it imports only Keras."""
    own = inspect.getsource(sys.modules[cls.__module__])
    docstring, own_imports, body = split(own)
    if all(node.module != "layers.cell" for node in own_imports):
        return own
    _, imports, shared = split(inspect.getsource(cell))
    for base in BASES:
        if not issubclass(cls, base):
            shared = shared.replace(inspect.getsource(base), "")
    names = {alias.name for node in own_imports + imports if node.module == "keras" for alias in node.names}
    head = f"{docstring}\nimport keras\nfrom keras import {', '.join(sorted(names))}\n"
    return re.sub("\n{4,}", "\n\n\n", head + shared + body)


def split(source):
    """The docstring of a module, its imports from other modules, and the text below its imports."""
    tree = ast.parse(source)
    *_, last = (node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom)))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    lines = source.splitlines(keepends=True)
    return "".join(lines[: tree.body[0].end_lineno]), imports, "".join(lines[last.end_lineno :])


if __name__ == "__main__":
    main()
