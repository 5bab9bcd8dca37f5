"""Run folders: nothing on disk is ever lost, mixed or half written."""

import errno
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from toolkit import runs

import pytest
from matplotlib import pyplot as plt


@dataclass(kw_only=True)
class Settings:
    epochs: int = 3
    data: str = "a.csv"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_finished_run_is_never_overwritten(here):
    runs.open_run("prices", Settings(), "data", "mine").finish({"loss": 1.0})
    for resume in (False, True):
        with pytest.raises(runs.Stop, match="mine holds a finished run, which is never overwritten"):
            runs.open_run("prices", Settings(), "data", "mine", resume)
    assert runs.Run("mine").metrics() == {"loss": 1.0}


def test_an_unfinished_run_needs_resume_the_same_settings_and_the_same_data(here):
    runs.open_run("prices", Settings(), "data", "mine")
    with pytest.raises(runs.Stop, match="unfinished run: add --resume"):
        runs.open_run("prices", Settings(), "data", "mine", resume=False)
    with pytest.raises(runs.Stop, match="unfinished run: name another --run-dir"):
        runs.open_run("prices", Settings(), "data", "mine")
    with pytest.raises(runs.Stop, match=r"other settings \(epochs=3, now 4\)"):
        runs.open_run("prices", Settings(epochs=4), "data", "mine", resume=True)
    with pytest.raises(runs.Stop, match="holds a run of prices, not of reviews"):
        runs.open_run("reviews", Settings(), "data", "mine", resume=True)
    with pytest.raises(runs.Stop, match="not what mine was trained on"):
        runs.open_run("prices", Settings(), "changed", "mine", resume=True)
    assert runs.open_run("prices", Settings(), "data", "mine", resume=True).path == Path("mine")


def test_settings_come_back_as_the_dataclass_they_were(here):
    run = runs.open_run("prices", Settings(epochs=7), "data", "mine")
    assert run.settings(Settings) == Settings(epochs=7)


def test_a_run_to_start_from_decides_settings_that_are_not_set_to_something_else(here):
    start = runs.open_run("prices", Settings(epochs=7), "data", "mine")
    assert start.decide(Settings(data="b.csv"), ["epochs"]) == Settings(epochs=7, data="b.csv")
    assert start.decide(Settings(epochs=7), ["epochs"]) == Settings(epochs=7)
    with pytest.raises(runs.Stop, match="--epochs is 7 in mine, from which .* leave --epochs out. Received: 8"):
        start.decide(Settings(epochs=8), ["epochs"])


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"recipe": "prices"}', '{"recipe": 1, "settings": {"x": 1}, "data": 2}']
)
def test_a_damaged_config_is_reported_with_its_file(here, content):
    run = runs.open_run("prices", Settings(), "data", "mine")
    (run / "config.json").write_text(content)
    with pytest.raises(runs.Stop, match=r"mine.config\.json is .*damaged"):
        run.settings(Settings)


def test_settings_may_differ_where_it_is_said(here):
    run = runs.open_run("prices", Settings(), "data", "mine")
    run.check_settings(Settings(data="b.csv"), besides=["data"])
    with pytest.raises(runs.Stop, match=r"data=a\.csv, now b\.csv"):
        run.check_settings(Settings(data="b.csv"))


def test_a_folder_that_is_no_run_is_left_alone(here):
    (here / "thesis").mkdir()
    (here / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(runs.Stop, match="thesis exists and is not a run"):
        runs.open_run("prices", Settings(), "data", "thesis")
    (here / "file").write_text("")
    with pytest.raises(runs.Stop, match="file exists and is not a run"):
        runs.open_run("prices", Settings(), "data", "file")
    assert [p.name for p in (here / "thesis").iterdir()] == ["chapter.txt"]


def test_the_newest_run_is_the_default(here):
    with pytest.raises(runs.Stop, match=r"No unfinished run under runs.prices: start without --resume"):
        runs.open_run("prices", Settings(), "data", resume=True)
    with pytest.raises(runs.Stop, match=r"No finished run under runs.prices: train one first"):
        runs.finished_run("prices")
    for age, name in enumerate(["new", "old"]):
        run = runs.open_run("prices", Settings(), "data", f"runs/prices/{name}")
        os.utime(run / "config.json", times=(1000 - age, 1000 - age))
    assert runs.open_run("prices", Settings(), "data", resume=True).path == Path("runs/prices/new")
    run.finish({})
    assert runs.finished_run("prices").path == Path("runs/prices/old")


def test_without_a_run_of_ones_own_the_first_published_one_is_the_default(here, monkeypatch, capsys):
    monkeypatch.setattr(runs, "PUBLISHED", here / "published")
    for recipe, name in [("prices", "prices.b"), ("prices", "prices.a"), ("prices_of_gold", "prices_of_gold.a")]:
        runs.open_run(recipe, Settings(), "data", f"published/{name}").finish({})
    assert runs.finished_run("prices").path == Path("published/prices.a")
    said = "No run of your own under runs/prices: using published/prices.a; --run names another.\n"
    assert capsys.readouterr().out == said
    runs.open_run("prices", Settings(), "data").finish({})
    assert runs.finished_run("prices").path.parent == Path("runs/prices")
    assert capsys.readouterr().out == ""


def test_figures_of_a_published_run_are_drawn_under_runs(here, monkeypatch):
    monkeypatch.setattr(runs, "PUBLISHED", here / "published")
    for folder, drawn in [("published/prices.a", "runs/prices/published.a"), ("mine/prices.a", "mine/prices.a")]:
        run = runs.open_run("prices", Settings(), "data", folder)
        assert run.save_figure(plt.figure(), "plot.png") == Path(drawn, "plot.png")
        assert Path(drawn, "plot.png").is_file()
    assert [path.name for path in Path("published/prices.a").iterdir()] == ["config.json"]


def test_only_a_finished_run_of_this_recipe_is_opened(here):
    runs.open_run("prices", Settings(), "data", "started")
    runs.open_run("poems", Settings(), "data", "poems").finish({})
    for folder, message in [
        ("nowhere", "nowhere holds no run: train one first"),
        ("started", "started holds an unfinished run: finish it with train --resume"),
        ("poems", "poems holds a run of poems, and this is prices"),
    ]:
        with pytest.raises(runs.Stop, match=message):
            runs.finished_run("prices", folder)
    assert runs.finished_run(None, "poems").path == Path("poems")


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), runs.replacing(path) as file:
        file.write(b"half of the new")
        raise RuntimeError
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]


def test_a_full_disk_leaves_the_old_file_and_nothing_half_written(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    run = runs.Run(tmp_path)
    run.finish({"loss": 1.0})
    monkeypatch.setattr(os, "fsync", full)
    for write in (lambda: run.finish({"loss": 2.0}), lambda: run.save_figure(plt.figure(), "figure.png")):
        with pytest.raises(OSError, match="No space left"):
            write()
    assert run.metrics() == {"loss": 1.0} and [path.name for path in tmp_path.iterdir()] == ["metrics.json"]


def test_a_model_that_cannot_be_written_leaves_the_old_one(tmp_path):
    class Model:
        def save(self, path):
            path.write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "model.keras").write_text("old")
    with pytest.raises(OSError):
        runs.Run(tmp_path).save_model(Model())
    assert [*tmp_path.iterdir()] == [tmp_path / "model.keras"] and (tmp_path / "model.keras").read_text() == "old"


def test_a_folder_that_cannot_be_written_is_told_at_once_and_leaves_nothing(here, monkeypatch):
    (here / "file").write_text("")
    with pytest.raises(runs.Stop, match=r"Nothing can be written into file.run \(Not a directory\): name another"):
        runs.open_run("prices", Settings(), "data", "file/run")

    def read_only(**_):
        raise OSError(errno.EROFS, "Read-only file system")

    unfinished = runs.open_run("prices", Settings(), "data", "started")
    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    for folder, resume in (("new/run", False), (unfinished.path, True)):
        with pytest.raises(runs.Stop, match="Read-only file system"):
            runs.open_run("prices", Settings(), "data", folder, resume)
    assert {path.name for path in here.iterdir()} == {"file", "started"}


def test_names_as_long_as_a_file_system_allows_can_be_written(tmp_path):
    run = runs.Run(tmp_path)
    run.save_figure(plt.figure(), f"{'x' * 251}.png")
    run.write_json("x" * 255, 1)
    assert run.json("x" * 255, int) == 1


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are Unix")
def test_a_named_pipe_is_not_waited_for(here):
    run = runs.open_run("prices", Settings(), "data", "mine")
    (run / "config.json").unlink()
    os.mkfifo(run / "config.json")
    with pytest.raises(runs.Stop, match=r"config\.json is damaged: it must be a file"):
        run.settings(Settings)


def test_messages_are_one_line_that_shows_both_ends():
    assert runs.one_line("a\n  b\x1b[0m \udcff") == "a b\\x1b[0m \\udcff"
    assert (
        runs.one_line(f"Invalid value {'9' * 5000} for --units.") == f"Invalid value {'9' * 60}…{'9' * 20} for --units."
    )
    long = runs.one_line("start " + "word " * 1000 + "end")
    assert len(long) < 1010 and long.startswith("start") and long.endswith("end")


def test_two_processes_may_write_one_file_at_once(tmp_path, monkeypatch):
    path = tmp_path / "features.npy"
    with runs.replacing(path) as file:
        file.write(b"whole")
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with runs.replacing(path) as other:
            other.write(b"whole")
    assert path.read_bytes() == b"whole" and [*tmp_path.iterdir()] == [path]


def test_config_names_recipe_settings_data_and_versions(here):
    run = runs.open_run("prices", Settings(), "data", "mine")
    config = json.loads((run / "config.json").read_text())
    assert config["settings"] == {"epochs": 3, "data": "a.csv"}
    assert config["versions"].keys() == {"python", "tensorflow", "keras", "numpy"}
