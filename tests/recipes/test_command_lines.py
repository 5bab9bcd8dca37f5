"""All command lines, as they are: every flag with values that it must not take, and every flag that a message names."""

import ast
import importlib
import re
import sys
import types
import typing
from pathlib import Path

from toolkit import cli

import pytest

import layers.__main__
from benchmarks import publish, recipe_times, recurrent_speed, script

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(path.stem for path in (ROOT / "recipes").glob("*.py") if path.name != "__init__.py")
SCRIPTS = {module.__name__: module.main for module in (publish, recipe_times, recurrent_speed)}
NUMBERS = "0", "-1", "1000000000", "1.0e400", "nan", "inf", "many"
NO_NUMBERS = {"1.0e400", "nan", "inf", "many"}
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*[a-z]")


def app_of(name):
    if name in SCRIPTS:
        return script.app_of(SCRIPTS[name], "")
    return importlib.import_module(f"recipes.{name}").app


def commands(app):
    """The commands of a command line as lists of arguments, with the app that parses the rest."""
    names = [name for name in app if not name.startswith("-")]
    return [([name], app[name]) for name in names] or [([], app)]


def kinds(hint):
    """The types that an annotation names, without None and without lists around them."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return kinds(inner[0])
    if origin in (typing.Union, types.UnionType, list, tuple):
        return {kind for part in inner for kind in kinds(part)} - {types.NoneType, ...}
    return {typing.Literal if origin is typing.Literal else hint}


def is_bounded(argument):
    """Whether a number has both bounds; lists check their items as they are converted."""
    if typing.get_origin(argument.hint) is list:
        return argument.parameter.converter is not None
    validators = argument.parameter.validator
    return any(getattr(v, "gte", None) is not None and getattr(v, "lte", None) is not None for v in validators)


def faults(app, outcome):
    """What is wrong with a command line's flags: a list of texts.

    Args:
        outcome: a function from a list of arguments to the exit status, what was said, and whether the command ran.
    """
    found = []
    for name, command in commands(app):
        arguments = [a for a in command.assemble_argument_collection() if a.parameter.parse is not False]
        required = ["x" for a in arguments if a.required and not a.names[0].startswith("-")]
        for argument in arguments:
            flag, kind = argument.names[0], kinds(argument.hint)
            number = kind & {int, float}
            if not flag.startswith("--") or not (number or kind == {typing.Literal}):
                continue
            if number and not is_bounded(argument):
                found.append(f"{name} {flag} has no bounds")
            for value in NUMBERS if number else ("misspelt", ""):
                status, said, ran = outcome([*name, *required, f"{flag}={value}"])
                one_line = said.startswith("error: ") and said.count("\n") == 1 and len(said) < 1200
                refused = status == 2 and one_line and not ran
                if not (refused or (status == 0 and ran and number and value not in NO_NUMBERS)):
                    found.append(f"{name} {flag}={value:.20}: {status}, {said:.200}")
    return found


@pytest.fixture
def outcome_with(monkeypatch, capsys):
    """A function from an app to an `outcome` as `faults` takes it. No command is run."""
    ran = []
    monkeypatch.setattr(cli, "run_command", lambda command, bound: ran.append(command))

    def of(app):
        def outcome(arguments):
            ran.clear()
            monkeypatch.setattr(sys, "argv", ["x.py", *arguments])
            with pytest.raises(SystemExit) as ended:
                if hasattr(app, "meta") and app.meta.default_command:
                    cli.main(app)
                with cli.exit_status():
                    command, bound, _ = app.parse_args(arguments, exit_on_error=False, print_error=False)
                    cli.run_command(command, bound)
            return ended.value.code or 0, capsys.readouterr().err, bool(ran)

        return outcome

    return of


@pytest.mark.parametrize("name", [*CHAPTERS, *SCRIPTS])
def test_a_number_or_choice_that_a_flag_cannot_take_is_one_line(outcome_with, name):
    app = app_of(name)
    assert faults(app, outcome_with(app)) == []


def test_a_flag_without_bounds_is_found(outcome_with):
    app = cli.app("planted", "A planted fault.")

    @app.command
    def train(
        *,
        units: typing.Annotated[int, cli.Parameter(validator=cli.Number(gte=1))] = 3,
        rate: float = 0.5,
        good: cli.Count = 2,
        cell: str = "gru",
    ):
        raise AssertionError("no command runs here")

    found = faults(app, outcome_with(app))
    assert {fault.split()[1].partition("=")[0] for fault in found} == {"--units", "--rate"}
    assert any("--rate=nan: 0" in fault for fault in found)


def test_an_error_that_is_not_the_users_is_found(outcome_with):
    app = cli.app("planted", "A planted fault.")

    def convert(_, tokens):
        return 1 // int(tokens[0].value)

    @app.command
    def train(*, lag: typing.Annotated[int, cli.at_least(1), cli.Parameter(converter=convert)] = 3):
        raise AssertionError("no command runs here")

    with pytest.raises(ZeroDivisionError):
        faults(app, outcome_with(app))


# ------------------------------------------------------------------------------------------- flags in messages


def flags_of(app):
    """All flags of a command line."""
    arguments = [a for _, command in commands(app) for a in command.assemble_argument_collection()]
    return {name for argument in arguments for name in argument.names} | {"--config", "--help"}


def messages(source):
    """The texts in all `raise` statements of a source, with "…" for what is filled in."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Raise) and node.exc is not None:
            texts = [n.value for n in ast.walk(node.exc) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            yield "…".join(texts)


def unknown_flags(source, known):
    return sorted({flag for text in messages(source) for flag in FLAG.findall(text)} - known)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapters_messages_name_flags_that_it_has(name):
    source = (ROOT / "recipes" / f"{name}.py").read_text(encoding="utf-8")
    assert unknown_flags(source, flags_of(app_of(name))) == []


def test_other_messages_name_flags_that_some_command_line_has():
    known = set().union(*(flags_of(app_of(name)) for name in [*CHAPTERS, *SCRIPTS]), flags_of(layers.__main__.app))
    found = {}
    for room in ("toolkit", "datasets", "benchmarks", "layers"):
        for path in (ROOT / room).rglob("*.py"):
            if unknown := unknown_flags(path.read_text(encoding="utf-8"), known):
                found[str(path.relative_to(ROOT))] = unknown
    assert found == {}


@pytest.mark.parametrize("name", [name for name in CHAPTERS if "--data" in flags_of(app_of(name))])
def test_what_reads_a_chapters_data_names_flags_that_it_has(name):
    known, found = flags_of(app_of(name)), {}
    for path in readers(ROOT / "recipes" / f"{name}.py"):
        if unknown := unknown_flags(path.read_text(encoding="utf-8"), known):
            found[path.name] = unknown
    assert found == {}


def readers(path, found=frozenset()):
    """The files of datasets/ that a file imports, and those that they import, besides those `found` already."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "datasets":
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            files = {ROOT / f"{name.replace('.', '/')}.py" for name in names}
            for file in {file for file in files if file.exists()} - found:
                found = readers(file, found | {file})
    return found


def test_a_planted_flag_is_found():
    source = 'def f(x):\n    raise ValueError(f"{x} is too long: use --longset, or --longest; a --- b. Received: {x}")'
    assert unknown_flags(source, {"--longest"}) == ["--longset"]
