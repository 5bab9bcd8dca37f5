"""`python -m layers`: what it lists, and that a copied cell and its test stand on their own."""

import os
import pathlib
import subprocess
import sys

import pytest
import typer.testing

import layers
import layers.__main__ as command

ROOT = pathlib.Path(layers.__file__).parents[1]


def run(*arguments):
    result = typer.testing.CliRunner().invoke(command.app, [str(a) for a in arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def test_list_from_a_shell():
    ran = subprocess.run(
        [sys.executable, "-m", "layers", "list"], cwd=ROOT, capture_output=True, encoding="utf-8", check=True
    )
    for name in command.CLASSES:
        what = getattr(layers, name).__doc__.splitlines()[0]
        assert f"{name}  layers/{command.module_of(name)}.py\n    {what}\n" in ran.stdout
        assert not name.endswith("Cell") or f"    {what}\n    Equations: " in ran.stdout
    assert "Hochreiter & Schmidhuber (1997)" in ran.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Somebody's project, with every cell copied into a folder that was not there, and what the command said."""
    folder = tmp_path_factory.mktemp("project") / "nets" / "cells"
    code, said = run("copy", *command.CLASSES, folder)
    assert code == 0, said
    return folder, said


def test_what_is_written_and_said(project):
    folder, said = project
    files = sorted(path.name for path in folder.iterdir())
    modules = sorted({command.module_of(name) for name in command.CLASSES})
    more = ["recurrent_tensorflow.py"]
    assert files == sorted([f"{m}.py" for m in modules] + [f"test_{m}.py" for m in modules] + more)
    for file in files:
        assert f"wrote {folder / file}\n" in said
    for name, module in zip(command.CLASSES, map(command.module_of, command.CLASSES)):
        assert f"from {module} import {name}" in said
        assert (folder / f"{module}.py").read_text() == (ROOT / "layers" / f"{module}.py").read_text()
        assert "from layers" not in (folder / f"test_{module}.py").read_text()


def test_copied_tests_pass_without_this_repository(project):
    folder, said = project
    path = [p for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p and pathlib.Path(p).resolve() != ROOT]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    # Where the repository is installed for editing, `layers` is found all the same: a module of that name hides it.
    (folder / "layers.py").write_text("raise ImportError('the copy must not import the repository')\n")
    tests = said.splitlines()[-1].partition("-m pytest ")[2].split()
    assert len(tests) == len({command.module_of(name) for name in command.CLASSES})
    one = ["test_gru_cell.py", "-k", "worked"]  # a part of one is run, which takes seconds; all are imported
    for arguments in (["--collect-only", *tests], one):
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", folder, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert " passed" in ran.stdout


@pytest.mark.parametrize("file", ["lstm_cell.py", "test_lstm_cell.py"])
def test_nothing_is_overwritten(tmp_path, file):
    (tmp_path / file).write_text("mine")
    code, said = run("copy", "GRUCell", "LSTMCell", tmp_path)
    assert code == 2
    assert str(tmp_path / file) in said.replace("\n", "")
    assert "--force" in said
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {file: "mine"}

    assert run("copy", "LSTMCell", tmp_path, "--force")[0] == 0
    assert (tmp_path / file).read_text() != "mine"
    assert len(list(tmp_path.iterdir())) == 2


def test_unknown_name(tmp_path):
    code, said = run("copy", "GRUCell", "LSTM", tmp_path / "new")
    assert code == 2
    assert "Received: LSTM" in said
    assert all(name in said for name in command.CLASSES)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("place", ["notes.txt", "notes.txt/cells"])
def test_the_destination_is_a_file(tmp_path, place):
    (tmp_path / "notes.txt").write_text("mine")
    code, said = run("copy", "GRUCell", tmp_path / place)
    assert code == 2
    assert "must be a folder" in said
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("arguments", [["LSTMCell"], ["LSTMCell", "GRUCell"], ["folder"]])
def test_no_folder_or_no_name(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, said = run("copy", *arguments)
    assert code == 2
    assert "and then a folder" in said
    assert not list(tmp_path.iterdir())
