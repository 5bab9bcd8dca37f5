"""The command line: flags from a dataclass, settings from a file or from the run that is resumed, one-line errors."""

import errno
import io
import json
import os
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from toolkit import cli, runs

import pytest
import tensorflow as tf

DOC = f"""Writes poems.

    h_t = tanh(W x_t){" " * 40}a hidden state, described in a line that is wider than most terminals are
    y_t = V h_t
"""


ROOT = Path(__file__).resolve().parents[2]


@dataclass(kw_only=True)
class Settings(cli.Settings):
    units: cli.Count = 64
    """Units of the recurrent layer."""
    dropout: cli.Share = 0.4
    """Share of the states that is dropped."""
    cell: cli.Cell = "lstm"
    """Recurrent cell."""
    lengths: cli.comma_separated(int, lambda parts: [int(part) for part in parts]) = field(
        default_factory=lambda: [10, 20]
    )
    """Lengths of the sequences."""
    shuffle: cli.Switch = False
    """Shuffle the examples."""


ERRORS = {
    "interrupt": KeyboardInterrupt(),
    "disk": OSError(errno.ENOSPC, "No space left on device", "runs/metrics.json"),
    "memory": MemoryError("Unable to allocate 7 TiB"),
    "allocation": tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"),
}


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """Run a small recipe: exit status, standard error, and the settings and runs it has been called with."""
    monkeypatch.chdir(tmp_path)
    app, calls = cli.app("poems", DOC), []

    @app.command
    def train(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None, resume: cli.Resume = False):
        """Train; the default command."""
        calls.append(settings)
        run = runs.open_run("poems", settings, "data", run_dir, resume)
        print("roses → red\n" * 10_000)
        if settings.units == 13:
            raise cli.Stop("the coffee\nis cold.")
        run.finish({})

    @app.command
    def predict(text: str, /, *, run: cli.FinishedRun = None):
        """Continue a text."""
        calls.append((text, run))
        if text in ERRORS:
            raise ERRORS[text]
        for _ in range(10_000):
            print("roses → red")
        calls.append("the end")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["poems.py", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            cli.main(app)
        said = capsys.readouterr()
        return caught.value.code, said.err or said.out, calls

    return run


def test_flags_alone_or_nothing_mean_the_first_command(command):
    for arguments in (["--run-dir", "a"], ["--run-dir", "b", "--units", 3], ["train", "--run-dir", "c", "--units", 3]):
        code, _, calls = command(*arguments)
        assert code == 0
    assert [settings.units for settings in calls] == [64, 3, 3]
    assert command()[0] == 0


def test_the_last_of_repeated_flags_counts(command):
    _, _, [settings] = command("--units", 3, "--cell", "gru", "--units", 4, "--cell", "lstm")
    assert (settings.units, settings.cell) == (4, "lstm")


def test_every_kind_of_setting_is_a_flag(command):
    flags = "--units 3 --dropout 0.1 --cell gru --lengths 5,7 --shuffle --seed 9 --data-dir x --strategy mirrored"
    _, _, [settings] = command("train", *flags.split())
    assert settings == Settings(
        units=3, dropout=0.1, cell="gru", lengths=[5, 7], shuffle=True, seed=9, data_dir="x", strategy="mirrored"
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--units", "0"], 'error: Invalid value "0" for --units. Must be >= 1.'),
        (["--units", "many"], 'error: Invalid value for --units: unable to convert "many" into int.'),
        (["--dropout", "nan"], 'error: Invalid value "nan" for --dropout.'),
        (["--dropout", "1"], 'error: Invalid value "1.0" for --dropout. Must be <= 0.9.'),
        (["--cell", "lsmt"], 'error: Invalid value "lsmt" for --cell.'),
        (["--lengths", "5,x"], "error: Invalid value for --lengths"),
        (["--seed", str(2**32)], f'error: Invalid value "{2**32}" for --seed.'),
        (["--unit", "3"], "error: Unknown option: --unit. Did you mean --units?"),
        (["predict"], "error: "),
        (["poem"], 'error: Unknown command "poem".'),
        (["--units", "13"], "error: the coffee is cold."),
        (["--config", "nowhere.json"], "error: --config needs a .json or .toml file"),
        (["--resume", "--run-dir", "typo"], "error: typo holds no run to resume"),
        (["--resume"], "error: No unfinished run under"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_is_one_line_with_what_was_received(command, arguments, message):
    code, said, _ = command(*arguments)
    assert code == 2 and said.startswith(message) and said.count("\n") == 1


@pytest.mark.parametrize(
    "text, status, message",
    [
        ("interrupt", 130, "interrupted\n"),
        ("disk", 2, "error: [Errno 28] No space left on device: 'runs/metrics.json'\n"),
        ("memory", 2, "error: not enough memory, try smaller sizes (Unable to allocate 7 TiB)\n"),
        ("allocation", 2, "error: not enough memory, try smaller sizes (OOM when allocating)\n"),
    ],
)
def test_what_ends_a_command_is_one_line(command, text, status, message):
    assert command("predict", text)[:2] == (status, message)


@pytest.fixture
def broken_pipe(monkeypatch):
    """Lets standard output be a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        yield lambda: monkeypatch.setattr(sys, "stdout", stream)


def test_a_reader_who_leaves_ends_a_command_quietly(command, broken_pipe):
    broken_pipe()
    code, said, calls = command("predict", "a text")
    assert (code, said) == (0, "") and "the end" not in calls


def test_a_reader_who_leaves_does_not_end_a_training(command, broken_pipe):
    broken_pipe()
    code, said, _ = command("--run-dir", "mine")
    assert (code, said) == (0, "") and runs.Run("mine").finished


def test_a_terminal_that_lacks_a_character_gets_its_escape(command, monkeypatch):
    shown = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(shown, encoding="cp1252"))
    assert command("predict", "a text")[0] == 0
    assert shown.getvalue().startswith(b"roses \\u2192 red")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="a Unix shell closes the streams")
def test_closed_streams_are_no_error(tmp_path):
    code = "import toolkit, sys; print(sys.stdin.read(), sys.stdout.isatty()); sys.stderr.write('x')"
    code += f"; open({str(tmp_path / 'done')!r}, 'w').close()"
    shell = f"exec {shlex.quote(sys.executable)} -c {shlex.quote(code)} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", shell], cwd=ROOT).returncode == 0 and (tmp_path / "done").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals are Unix")
def test_an_interrupted_program_says_so(tmp_path, quick_interpreter):
    interrupt = "os.kill(os.getpid(), signal.SIGINT); time.sleep(60)"  # the signal may reach another thread first
    code = f"from toolkit import cli; import os, signal, time\nwith cli.exit_status(): {interrupt}"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")


def test_settings_come_from_a_file_and_flags_override_them(command, tmp_path):
    (tmp_path / "row.toml").write_text('recipe = "poems"\n[settings]\nunits = 5\nlengths = [3, 4]\nshuffle = true\n')
    _, _, [settings] = command("train", "--config", "row.toml", "--units", 7)
    assert settings == Settings(units=7, lengths=[3, 4], shuffle=True)


def test_a_file_with_a_wrong_setting_is_refused(command, tmp_path):
    for content, message in (({"units": 0}, "Must be >= 1"), ({"unitz": 3}, "Unknown option")):
        (tmp_path / "config.json").write_text(json.dumps({"settings": content}))
        code, said, _ = command("--config", "config.json")
        assert code == 2 and message in said and "config.json" in said


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.json", "{", "a.json cannot be read as JSON"),
        ("a.toml", "units = ", "a.toml cannot be read as TOML"),
        ("a.json", "\xff", "a.json cannot be read as JSON"),
        ("a.json", "[1]", "a.json must hold the settings"),
        ("a.toml", "units = 3", "a.toml must hold the settings"),
    ],
)
def test_a_damaged_file_of_settings_is_named(command, tmp_path, name, content, message):
    (tmp_path / name).write_text(content, encoding="latin-1")
    code, said, _ = command("--config", name)
    assert code == 2 and message in said and said.count("\n") == 1


def test_resume_takes_the_settings_of_the_run(command):
    assert command("--units", 13, "--lengths", "3,4", "--run-dir", "mine")[0] == 2
    for resumed in (["--resume", "--run-dir", "mine"], ["--resume", "--run-dir=mine"]):
        _, _, calls = command(*resumed)
        assert calls[-1] == Settings(units=13, lengths=[3, 4])
    code, said, _ = command("--resume", "--run-dir", "mine", "--units", 12)
    assert code == 2 and "other settings (units=13, now 12)" in said


def test_a_run_of_another_recipe_is_not_resumed(command):
    runs.open_run("prices", {"window": 3}, "data", "other")
    code, said, _ = command("--resume", "--run-dir", "other")
    assert (code, said) == (2, "error: other holds a run of prices, not of poems: name another folder.\n")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are Unix")
def test_a_named_pipe_is_no_file(command, tmp_path):
    os.mkfifo(tmp_path / "pipe.json")
    code, said, _ = command("--config", "pipe.json")
    assert code == 2 and said.startswith("error: --config needs a .json or .toml file")
    with pytest.raises(cli.Stop, match="no regular file"):
        [*cli.read_examples("poem", None, tmp_path / "pipe.json")]


def test_resume_alone_takes_the_newest_unfinished_run(command):
    assert command("--units", 13)[0] == 2
    _, _, calls = command("--resume")
    assert calls[-1].units == 13


def test_help_shows_the_docstring_as_it_stands_and_every_flag(command):
    code, said, _ = command("--help")
    assert code == 0 and said.startswith(DOC) and "train: Train; the default command." in said
    assert said.count("Writes poems.") == 1
    code, said, _ = command("train", "--help")
    for shown in (
        "--units INT: Units of the recurrent layer. [default: 64]",
        "--resume",
        "--config",
        "choices: simple",
    ):
        assert shown in said


def test_examples_are_a_text_or_the_lines_of_a_file_or_typed(tmp_path, monkeypatch, capsys):
    file = tmp_path / "poems.txt"
    file.write_text("\ufeffroses are red \n\nviolets\n", encoding="utf-8")
    assert [*cli.read_examples("poem", "a text", None)] == [(1, "a text")]
    assert [*cli.read_examples("poem", None, file)] == [(1, "roses are red"), (3, "violets")]
    assert capsys.readouterr().out == "2: empty, skipped\n"
    monkeypatch.setattr(sys, "stdin", io.StringIO("roses\n\nnot read\n"))
    assert [*cli.read_examples("poem", None, None)] == [(1, "roses")]


def test_examples_that_cannot_be_read_are_errors(tmp_path):
    (tmp_path / "latin.txt").write_bytes("groß".encode("latin-1"))
    for text, file, message in [
        ("text", tmp_path / "latin.txt", "not both"),
        (None, tmp_path / "latin.txt", r"latin.txt, line 1: not UTF-8. Received: gro\\udcdf"),
        (None, tmp_path / "none.txt", "none.txt, nothing there"),
        (None, tmp_path, "a folder"),
        ("gro\udcdf", None, "not UTF-8"),
    ]:
        with pytest.raises(cli.Stop, match=message):
            [*cli.read_examples("poem", text, file)]


def test_bounds_of_a_count():
    annotated = Annotated[int, cli.at_least(2, 5)]
    validate = annotated.__metadata__[0].validator[0]
    validate(int, 2), validate(int, 5)
    for wrong in (1, 6):
        with pytest.raises(ValueError):
            validate(int, wrong)
