"""Run folders: nothing on disk is ever lost, mixed or half written."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from toolkit import runs

import pytest


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
