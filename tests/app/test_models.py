"""Runs are found, and opened once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

from toolkit.runs import Run, Stop

import pytest

from app.models import Models, finished_runs


def run_in(folder, name, recipe="translation", finished=True):
    (folder / name).mkdir(parents=True)
    run = Run(folder / name)
    run.write_json("config.json", {"recipe": recipe, "settings": {"data": "grammar"}, "data": ""})
    if finished:
        run.finish({})
    return run


def test_named_runs_come_before_those_that_come_along(tmp_path):
    along, own = run_in(tmp_path / "along", "translation.small"), run_in(tmp_path, "own")
    run_in(tmp_path / "along", "unfinished", finished=False)
    found = finished_runs([own.path], along.path.parent)
    assert [*found] == [str(own.path), "translation.small"]
    assert [*finished_runs([], tmp_path / "nowhere")] == []


def test_a_named_run_must_be_finished(tmp_path):
    run_in(tmp_path, "half", finished=False)
    for name, message in (("half", "unfinished run"), ("nowhere", "holds no run")):
        with pytest.raises(Stop, match=message):
            finished_runs([tmp_path / name])


def test_a_run_is_opened_once_at_its_first_use(tmp_path):
    opened = []

    def open_slowly(recipe, path):
        time.sleep(0.05)
        opened.append((recipe.RECIPE, path))
        return object()

    models = Models({"own": run_in(tmp_path, "own")}, {"translation": open_slowly})
    assert [*models] == ["own"] and models.setting("own", "data") == "grammar" and opened == []
    barrier = threading.Barrier(8)
    with ThreadPoolExecutor(8) as pool:
        found = [*pool.map(lambda _: barrier.wait() is None or models["own"], range(8))]
    assert opened == [("translation", tmp_path / "own")] and len({*map(id, found)}) == 1
