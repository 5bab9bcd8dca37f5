"""The runner of published rows, mostly on a recipe that trains nothing."""

import dataclasses
import importlib
import json
import sys
import types
from pathlib import Path

from toolkit import cli, runs
from toolkit.runs import Stop

import pytest

from benchmarks import publish, record, rows, script

ROWS = sorted(path.stem for path in rows.FOLDER.glob("*.toml"))
ROW = rows.Row(recipe="tens", variant="daily", seeds=2, settings={"units": 3})


@dataclasses.dataclass(kw_only=True)
class Settings:
    data_dir: str | None = None
    seed: int = 0
    units: int = 1
    cell: str = "lstm"
    weights: str = "imagenet"


@pytest.fixture
def tens(tmp_path, monkeypatch):
    """A recipe whose score is ten times the units plus the seed.

    `trained` lists the seeds in the order of training; the training of the seed `stop_at` is interrupted once.
    """
    monkeypatch.chdir(tmp_path)
    tens = types.ModuleType("recipes.tens")
    tens.Settings, tens.TAKEN_OVER, tens.trained, tens.stop_at = Settings, ("cell",), [], None

    def train(settings, *, run_dir, resume):
        run = runs.open_run("tens", settings, "data", run_dir, resume)
        tens.trained.append(settings.seed)
        if settings.seed == tens.stop_at:
            tens.stop_at = None
            raise KeyboardInterrupt
        run.finish({"minutes": 0.5, "score": 10 * settings.units + settings.seed})

    tens.train = train
    monkeypatch.setitem(sys.modules, "recipes.tens", tens)
    return tens


def published(row=ROW, **changes):
    """The content of the file that publishing a row writes."""
    return json.loads(publish.publish(row, "a command", "results", **changes).read_text())


def run_script(monkeypatch, *arguments):
    """The exit status of publish.py."""
    monkeypatch.setattr(sys, "argv", ["publish.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        script.main(publish.main, publish.__doc__)
    return caught.value.code


def test_a_row_is_trained_once_with_each_seed_and_averaged(tens):
    content = published()
    assert content["metrics"]["score"] == {"values": [30, 31], "mean": 30.5, "sd": 0.707107}
    assert (content["seeds"], content["minutes"], content["command"]) == ([0, 1], [0.5, 0.5], "a command")
    assert {path.name for path in Path("runs/tens").iterdir()} == {"daily-seed0", "daily-seed1"}


def test_publishing_continues_after_an_interruption_where_it_was(tens):
    tens.stop_at = 1
    with pytest.raises(KeyboardInterrupt):
        published()
    assert not Path("results").exists()
    assert published()["metrics"]["score"]["values"] == [30, 31]
    assert tens.trained == [0, 1, 1]


def test_publishing_again_trains_nothing_and_writes_the_same(tens):
    first = published()
    tens.train = None
    assert published() == first


def test_finished_runs_with_other_settings_are_refused_before_any_training(tens):
    published(dataclasses.replace(ROW, seeds=1))
    with pytest.raises(Stop, match=r"daily-seed0 was started with other settings \(units=3, now 4\)"):
        published(dataclasses.replace(ROW, settings={"units": 4}))
    assert tens.trained == [0]


def test_an_unfinished_run_with_other_settings_is_refused(tens):
    tens.stop_at = 0
    with pytest.raises(KeyboardInterrupt):
        published()
    with pytest.raises(Stop, match=r"daily-seed0 was started with other settings \(units=3, now 4\)"):
        published(dataclasses.replace(ROW, settings={"units": 4}))


def test_the_folder_of_the_data_may_change_after_training(tens):
    published(data_dir=Path("here"))
    assert published(data_dir=Path("there"))["metrics"]["score"]["values"] == [30, 31]


def test_flags_change_only_the_rows_whose_file_has_that_setting(tens):
    published(weights="mine.weights.h5")
    assert runs.Run("runs/tens/daily-seed0").config["settings"]["weights"] == "imagenet"
    row = dataclasses.replace(ROW, variant="weighted", settings={"weights": "imagenet"})
    published(row, weights="mine.weights.h5")
    assert runs.Run("runs/tens/weighted-seed0").config["settings"]["weights"] == "mine.weights.h5"


def test_settings_decided_by_a_pretrained_run_are_no_change(tens):
    with_pretrained = dataclasses.make_dataclass("With", [("pretrained", str, "lm")], bases=(Settings,), kw_only=True)
    tens.Settings, train = with_pretrained, tens.train
    tens.train = lambda settings, **options: train(dataclasses.replace(settings, cell="gru"), **options)
    first = published()
    assert published() == first


def test_a_grid_trains_every_combination_and_lists_it(tens):
    row = dataclasses.replace(ROW, variant="grid", grid={"cell": ["gru", "lstm"], "units": [3, 4]}, settings={})
    content = published(row)
    assert [(r["cell"], r["units"], r["seed"], r["score"]) for r in content["table"]] == [
        ("gru", 3, 0, 30),
        ("gru", 3, 1, 31),
        ("gru", 4, 0, 40),
        ("gru", 4, 1, 41),
        ("lstm", 3, 0, 30),
        ("lstm", 3, 1, 31),
        ("lstm", 4, 0, 40),
        ("lstm", 4, 1, 41),
    ]
    assert (content["seeds"], content["minutes"], content["metrics"]) == ([0, 1], [2.0, 2.0], {})


def test_a_recipe_that_has_seeds_of_its_own_is_run_once(tens):
    tens.Settings = dataclasses.make_dataclass("Seeds", [("seeds", int, 1)], bases=(Settings,), kw_only=True)
    settings = rows.settings_of(ROW, tens)
    assert [(run.path, s.seeds) for run, s in rows.planned(ROW, settings)] == [(Path("runs/tens/daily"), 2)]


def test_the_command_written_down_makes_the_file_again(tens, tmp_path, monkeypatch):
    (tmp_path / "tens.daily.toml").write_text('recipe = "tens"\nvariant = "daily"\nseeds = 2\n[settings]\nunits = 3')
    monkeypatch.setattr(rows, "FOLDER", tmp_path)
    assert run_script(monkeypatch, "tens.daily", "--seeds", 3, "--output", "results") == 0
    content = json.loads(Path("results/tens.daily.json").read_text())
    assert content["command"] == "python benchmarks/publish.py tens.daily --seeds 3"
    assert content["metrics"]["score"]["values"] == [30, 31, 32]


def test_mistakes_are_one_line(monkeypatch, capsys):
    for arguments, message in [
        (["stock_prices.none"], "There is no row of this name; --list shows all. Received: stock_prices.none"),
        ([], "Name one or more rows"),
        (["stock_prices.price", "--seeds", "0"], "--seeds"),
    ]:
        assert run_script(monkeypatch, *arguments) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def test_rows_are_listed(monkeypatch, capsys):
    assert run_script(monkeypatch, "--list") == 0
    assert capsys.readouterr().out.split() == ROWS


@pytest.mark.parametrize("name", ROWS)
def test_a_recipe_trains_with_the_file_of_its_row(name):
    """As `python recipes/NAME.py train --config benchmarks/published/ROW.toml`."""
    row = rows.Row.read(name)
    chapter = importlib.import_module(f"recipes.{row.recipe}")
    chapter.app.config = cli._settings_file(rows.FOLDER / f"{name}.toml")
    try:
        _, bound, _ = chapter.app.parse_args(
            ["train" if hasattr(chapter, "train") else "run"], exit_on_error=False, print_error=False
        )
    finally:
        chapter.app.config = ()
    assert bound.arguments["settings"] == chapter.Settings(**row.settings)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_agrees_with_its_result(name):
    row, result = rows.Row.read(name), json.loads((record.RESULTS / f"{name}.json").read_text())
    assert (result["recipe"], result["variant"], name) == (row.recipe, row.variant, row.name)
    assert result["command"] == f"python benchmarks/publish.py {name}"
    assert result["seeds"] == list(range(row.seeds))
    assert result["published"] == row.published
    assert {figure["metric"] for figure in row.published} <= result["metrics"].keys()


def test_every_result_of_a_training_has_its_row():
    results = {path.stem for path in record.RESULTS.glob("*.*.json")}
    assert {name for name in results if not name.startswith(("recurrent_speed.", "backend_speed."))} == {*ROWS}
