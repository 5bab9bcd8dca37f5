"""Which imports the files of layers/ have, and that a cell file is little more than its equations."""

import ast
import pathlib
import re
import sys

import pytest

import layers
from layers.recurrent import EXPORTERS, WITHOUT_LISTS

FOLDER = pathlib.Path(layers.__file__).parent
FILES = sorted(FOLDER.glob("*.py"))
CELLS = sorted(FOLDER.glob("*_cell.py"))

STANDARD = sys.stdlib_module_names | {"keras"}
ALLOWED = {"__init__.py": {"layers"}, "__main__.py": STANDARD | {"layers", "cyclopts"}}
ALLOWED |= {"convert.py": STANDARD | {"layers"}, "torch_weights.py": STANDARD | {"numpy"}}
ALLOWED |= {"recurrent_tensorflow.py": {"keras", "os", "pathlib", "re", "tensorflow", "weakref"}}
ALLOWED |= {"recurrent_jax.py": {"jax", "keras"}, "recurrent_torch.py": {"keras", "torch"}}
ALLOWED |= {path.name: {"keras", "layers"} for path in CELLS}
FROM_LAYERS = {"layers.cell.Cell", "layers.cell.GatedCell", "layers.cell.MemoryCell"}


def imported(path):
    """Every module and name that a file imports, dotted."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names)


def test_there_are_cells():
    assert {path.name for path in CELLS} >= {"gru_cell.py", "lstm_cell.py", "simple_rnn_cell.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports(path):
    names = list(imported(path))
    assert {name.split(".")[0] for name in names} <= ALLOWED.get(path.name, STANDARD)
    source = path.read_text(encoding="utf-8")
    for known in (
        'importlib.import_module(f"{__package__}.{name}" if __package__ else name)',
        *WITHOUT_LISTS,
        *EXPORTERS,
    ):
        source = source.replace(known, "")
    assert not re.search(r"keras\.src|keras\._|DropoutRNNCell|importlib\.|__import__", source)
    private = [name for name in names if re.search(r"\b(src|_\w*)\b", name.removeprefix("__future__"))]
    assert not private


@pytest.mark.parametrize("path", CELLS, ids=lambda path: path.name)
def test_a_cell_imports_its_base_class_and_keras_alone(path):
    assert len({name for name in imported(path) if name.startswith("layers")} & FROM_LAYERS) == 1
    assert {name for name in imported(path) if not name.startswith("keras")} <= FROM_LAYERS


@pytest.mark.parametrize("path", CELLS, ids=lambda path: path.name)
def test_length(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 75


def test_every_public_name_has_its_file_and_its_test():
    """`python -m layers copy NAME` writes both."""
    for name in layers.__all__:
        module = getattr(layers, name).__module__.removeprefix("layers.")
        assert (FOLDER / f"{module}.py").is_file()
        assert (FOLDER.parent / "tests" / "layers" / f"test_{module}.py").is_file()
