"""`python -m layers`: what it lists, and that a copied cell and its test need no other file of this project."""

import ast
import contextlib
import io
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

import layers
import layers.__main__ as command

ROOT = pathlib.Path(layers.__file__).parents[1]
MODULES = sorted({command.module_of(name) for name in command.CLASSES})
CELLS = [name for name in command.CLASSES if issubclass(getattr(layers, name), layers.Cell)]
BASES = ["Cell", "GatedCell", "MemoryCell"]


@pytest.fixture
def run(capsys):
    """Runs a command; returns its exit status, and its standard output and error."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            command.main([str(a) for a in arguments])
        return ended.value.code, *capsys.readouterr()

    return run


def test_list_from_a_shell():
    ran = subprocess.run(
        [sys.executable, "-m", "layers", "list"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    for name in command.CLASSES:
        what = getattr(layers, name).__doc__.splitlines()[0]
        assert f"{name}  layers/{command.module_of(name)}.py\n    {what}" in ran.stdout
    assert "Hochreiter & Schmidhuber (1997)" in ran.stdout


@pytest.mark.parametrize("name", [name for name in command.CLASSES if name.endswith("Cell") and name not in BASES])
def test_every_cell_is_listed_with_its_source(name, run):
    code, listed, _ = run("list")
    assert code == 0
    entry = listed.partition(f"{name}  layers/")[2]
    assert entry.splitlines()[2].startswith("    Equations: ")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Somebody's project, with everything copied into a folder that did not exist, and what the command printed."""
    folder = tmp_path_factory.mktemp("project") / "nets" / "cells"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as ended:
        command.main(["copy", *command.CLASSES, str(folder)])
    assert ended.value.code == 0
    return folder, printed.getvalue()


def test_what_is_written_and_printed(project):
    folder, printed = project
    files = sorted(path.name for path in folder.iterdir())
    backends = [f"recurrent_{backend}.py" for backend in ("jax", "tensorflow", "torch")]
    assert files == sorted([f"{m}.py" for m in MODULES] + [f"test_{m}.py" for m in MODULES] + backends)
    for file in files:
        assert f"wrote {folder / file}\n" in printed
    for name in command.CLASSES:
        assert f"from {command.module_of(name)} import {name}" in printed


@pytest.mark.parametrize("module", [module for module in MODULES if module not in map(command.module_of, CELLS)])
def test_a_layer_that_is_no_cell_is_copied_as_it_stands(module, project):
    assert (project[0] / f"{module}.py").read_text() == (ROOT / "layers" / f"{module}.py").read_text()


@pytest.mark.parametrize("name", [name for name in CELLS if name not in BASES])
def test_a_copied_cell_is_one_file_that_imports_keras_alone(name, project):
    text = (project[0] / f"{command.module_of(name)}.py").read_text()
    tree = ast.parse(text)
    imports = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert imports == ["import keras", "from keras import activations, constraints, initializers, ops, regularizers"]
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef) and node.name[0] != "_"]
    assert classes == [
        cls.__name__ for cls in reversed(getattr(layers, name).__mro__) if cls.__name__ in [*BASES, name]
    ]


def test_copied_cells_are_formatted(project):
    pytest.importorskip("ruff")
    command = [sys.executable, "-m", "ruff", "format", "--check", "--isolated", "--line-length", "120", project[0]]
    ran = subprocess.run(command, capture_output=True, encoding="utf-8")
    assert ran.returncode == 0, ran.stdout


def test_copied_tests_pass_without_this_repository(project, tmp_path):
    folder = shutil.copytree(project[0], tmp_path / "copy")  # other tests look at what was written, maybe afterwards
    path = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and pathlib.Path(p).resolve() != ROOT]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    # Where the repository is installed for editing, `layers` is found all the same: a module of that name hides it.
    (folder / "layers.py").write_text("raise ImportError('the copy must not import the repository')\n")
    tests = [pathlib.Path(path).name for path in project[1].splitlines()[-1].partition("-m pytest ")[2].split()]
    assert len(tests) == len(MODULES)
    ran = subprocess.run(  # all are imported, and a part is run that takes no time
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, *tests, "-k", "worked"],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"[1-9]\d* passed", ran.stdout), ran.stdout


@pytest.mark.parametrize("file", ["lstm_cell.py", "test_lstm_cell.py"])
def test_files_are_replaced_with_force_only(tmp_path, file, run):
    (tmp_path / file).write_text("mine")
    code, _, error = run("copy", "GRUCell", "LSTMCell", tmp_path)
    assert code == 2
    assert str(tmp_path / file) in error
    assert "--force" in error
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {file: "mine"}

    assert run("copy", "LSTMCell", tmp_path, "--force")[0] == 0
    assert (tmp_path / file).read_text() != "mine"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("target", ["mine.py", "missing.py"])
def test_a_symbolic_link_is_replaced_with_force_only_and_never_followed(tmp_path, target, run):
    (tmp_path / "mine.py").write_text("mine")
    link = tmp_path / "cells" / "lstm_cell.py"
    link.parent.mkdir()
    link.symlink_to(tmp_path / target)
    assert run("copy", "LSTMCell", link.parent)[0] == 2
    assert link.is_symlink() and not (tmp_path / "missing.py").exists()

    assert run("copy", "LSTMCell", link.parent, "--force")[0] == 0
    assert not link.is_symlink() and "class LSTMCell" in link.read_text()
    assert (tmp_path / "mine.py").read_text() == "mine" and not (tmp_path / "missing.py").exists()


def test_a_failure_while_writing_leaves_the_old_file(tmp_path, monkeypatch, run):
    (tmp_path / "lstm_cell.py").write_text("mine")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fail)
    code, _, error = run("copy", "LSTMCell", tmp_path, "--force")
    assert (code, error) == (2, "error: The file cannot be written. Received: no space left\n")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"lstm_cell.py": "mine"}


def test_a_disk_that_is_full_after_one_file_leaves_all_old_ones(tmp_path, monkeypatch, run):
    for name in ("lstm_cell.py", "test_lstm_cell.py"):
        (tmp_path / name).write_text("mine")
    opened, whole = [], pathlib.Path.open

    def fill_up(path, mode="r", **options):
        opened.append(path)
        if mode == "x" and len([p for p in opened if p.parent == tmp_path]) > 1:
            raise OSError(28, "No space left on device")
        return whole(path, mode, **options)

    monkeypatch.setattr(pathlib.Path, "open", fill_up)
    code, _, error = run("copy", "LSTMCell", tmp_path, "--force")
    assert code == 2 and "No space left on device" in error and error.count("\n") == 1
    monkeypatch.undo()
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == dict.fromkeys(
        ["lstm_cell.py", "test_lstm_cell.py"], "mine"
    )


def test_a_reader_who_leaves_is_no_error(monkeypatch, run):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run("list") == (0, "", "")


def test_a_terminal_that_lacks_a_character_gets_its_escape(monkeypatch, run):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="ascii"))
    assert run("list")[0] == 0 and b"\\u0303" in shown.getvalue()


def test_a_name_that_no_file_can_have_is_one_line(tmp_path, run):
    code, _, error = run("copy", "LSTMCell", tmp_path / ("x" * 300))
    assert code == 2 and error.startswith("error: ") and error.count("\n") == 1


def test_unknown_name(tmp_path, run):
    code, _, error = run("copy", "GRUCell", "LSTM", tmp_path / "new")
    assert code == 2
    assert error.startswith("error: ") and error.endswith("Received: LSTM\n")
    assert all(name in error for name in command.CLASSES)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", ["notes.txt", "notes.txt/cells"])
def test_the_destination_is_a_file(tmp_path, place, run):
    (tmp_path / "notes.txt").write_text("mine")
    code, _, error = run("copy", "GRUCell", tmp_path / place)
    assert code == 2
    assert "must be a folder" in error
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("arguments", [[], ["LSTMCell"], ["LSTMCell", "GRUCell"], ["folder"]])
def test_no_folder_or_no_name(arguments, tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    code, _, error = run("copy", *arguments)
    assert code == 2
    assert "and then a folder" in error
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["nope"], ["copy", "--frce", "LSTMCell", "x"]])
def test_other_errors_are_one_line_too(arguments, run):
    code, _, error = run(*arguments)
    assert code == 2
    assert error.startswith("error: ") and error.count("\n") == 1
