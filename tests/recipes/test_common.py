"""Run folders, the command line's manners, cells by name, and the table of results."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

import layers
from recipes import common, results

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def finish(run):
    run.write_json("metrics.json", {"loss": 1.0})
    return run


def test_finished_run_is_never_overwritten(here):
    finish(common.Run.begin("prices", {}, "data", "mine"))
    for resume in (False, True):
        with pytest.raises(common.Stop, match="mine holds a finished run, which is never overwritten"):
            common.Run.begin("prices", {}, "data", "mine", resume)
    assert json.loads(Path("mine/metrics.json").read_text()) == {"loss": 1.0}


def test_unfinished_run_wants_resume_and_the_same_settings(here):
    common.Run.begin("prices", {"epochs": 3, "data": Path("a.csv")}, "data", "mine")
    with pytest.raises(common.Stop, match="unfinished run: add --resume"):
        common.Run.begin("prices", {"epochs": 3, "data": Path("a.csv")}, "data", "mine")
    with pytest.raises(common.Stop, match=r"other settings \(epochs=3, now 4\)"):
        common.Run.begin("prices", {"epochs": 4, "data": Path("a.csv")}, "data", "mine", resume=True)
    with pytest.raises(common.Stop, match="holds a run of prices, not of reviews"):
        common.Run.begin("reviews", {"epochs": 3, "data": Path("a.csv")}, "data", "mine", resume=True)
    assert common.Run.begin("prices", {"epochs": 3, "data": Path("a.csv")}, "data", "mine", resume=True).path == Path(
        "mine"
    )


def test_a_folder_that_is_no_run_is_left_alone(here):
    (here / "thesis").mkdir()
    (here / "thesis" / "chapter.txt").write_text("years of work")
    with pytest.raises(common.Stop, match="thesis exists and is not a run"):
        common.Run.begin("prices", {}, "data", "thesis")
    (here / "file").write_text("")
    with pytest.raises(common.Stop, match="file exists and is not a run"):
        common.Run.begin("prices", {}, "data", "file")
    assert [p.name for p in (here / "thesis").iterdir()] == ["chapter.txt"]


def test_newest_run_is_the_default(here):
    with pytest.raises(common.Stop, match="No unfinished run under runs/prices: start without --resume"):
        common.Run.begin("prices", {}, "data", resume=True)
    with pytest.raises(common.Stop, match="No finished run under runs/prices: train one first"):
        common.Run.open("prices")
    unfinished = common.Run.begin("prices", {}, "data", "runs/prices/b")
    finished = finish(common.Run.begin("prices", {}, "data", "runs/prices/a"))
    assert common.Run.begin("prices", {}, "data", resume=True).path == unfinished.path
    assert common.Run.open("prices").path == finished.path


def test_opening_what_is_no_finished_run_of_this_recipe(here):
    common.Run.begin("prices", {}, "data", "begun")
    finish(common.Run.begin("poems", {}, "data", "poems"))
    for folder, message in [
        ("nowhere", "nowhere holds no run: train one first"),
        ("begun", "begun holds an unfinished run: finish it with train --resume"),
        ("poems", "poems holds a run of poems, and this is prices"),
    ]:
        with pytest.raises(common.Stop, match=message):
            common.Run.open("prices", folder)


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), common.replacing(path) as file:
        file.write(b"half of the new")
        raise RuntimeError
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]


def test_two_processes_may_write_one_file_at_once(tmp_path, monkeypatch):
    path = tmp_path / "features.npy"
    with common.replacing(path) as file:
        file.write(b"whole")
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with common.replacing(path) as other:
            other.write(b"whole")
    assert path.read_bytes() == b"whole" and [*tmp_path.iterdir()] == [path]


@pytest.mark.parametrize("name", common.CELL_NAMES)
def test_every_cell_name_makes_its_layer(name):
    layer = common.recurrent(name, 3, dropout=0.1, recurrent_dropout=0.2, return_sequences=True)
    assert layer.return_sequences and layer.cell.units == 3
    assert (layer.cell.dropout, layer.cell.recurrent_dropout) == (0.1, 0.2)
    assert (type(layer) is layers.RNN) != name.startswith("builtin-")


def test_flags_alone_mean_train_and_errors_are_one_line(monkeypatch, capsys):
    app = typer.Typer()
    seen = []

    @app.command()
    def train(cell: common.Cell = "lstm"):
        seen.append(cell)
        if cell == "gru":
            raise common.Stop("the coffee is cold.")

    app.command()(lambda: None)
    for arguments in ([], ["--cell", "simple"], ["train", "--cell", "gru"]):
        monkeypatch.setattr(sys, "argv", ["recipe.py", *arguments])
        with pytest.raises(SystemExit) as caught:
            common.main(app)
    assert seen == ["lstm", "simple", "gru"]
    assert caught.value.code == 2 and capsys.readouterr().err == "error: the coffee is cold.\n"


def test_results_file_and_table(tmp_path):
    runs = [(0, 1.0, {"rmse": 2.0}), (1, 3.0, {"rmse": 4.0})]
    beside = [{"name": "Naive", "metric": "rmse", "value": 3, "source": "by hand"}]
    path = results.publish("prices", "daily", "python recipes/prices.py", {"keras": "3"}, runs, beside, tmp_path)
    content = json.loads(path.read_text())
    assert path.name == "prices.daily.json" and content["seeds"] == [0, 1] and content["minutes"] == [1.0, 3.0]
    assert content["metrics"]["rmse"] == {"values": [2.0, 4.0], "mean": 3.0, "sd": 1.414214}
    row = results.table(tmp_path).splitlines()[2]
    assert row.startswith("| prices | daily | rmse | 3 ± 1.4 | 3 (Naive; by hand) | 2 | 2.0 |")


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not bind a process to cores")
def test_results_count_the_cores_that_the_process_may_use(monkeypatch):
    everything = os.sched_getaffinity(0)
    monkeypatch.setattr(os, "cpu_count", lambda: 99)
    try:
        os.sched_setaffinity(0, {min(everything)})
        assert results.machine()["cores"] == 1
    finally:
        os.sched_setaffinity(0, everything)
    assert results.machine()["cores"] == len(everything)


def test_readme_shows_the_results_that_lie_in_results():
    text = (ROOT / "README.md").read_text()
    assert text == results.readme(text), "run: python recipes/results.py"
    shown = [name for name in results.MATRICES if (ROOT / "results" / f"{name}.json").exists()]
    for name in ("results", "speed", *shown):
        assert text.count(results.BEGIN.format(name)) == text.count(results.END.format(name)) == 1


def test_results_with_a_table_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setitem(results.MATRICES, "lengths.all", (["task", "cell"], "length", "accuracy"))
    keys = "task", "cell", "length", "accuracy"
    rows = [("recall", "lstm", 20, 0.5), ("recall", "lstm", 20, 0.7), ("recall", "gru", 5, 1.0)]
    records = [dict(zip(keys, row)) for row in rows]
    results.publish(
        "lengths",
        "all",
        "",
        {},
        [(0, 1.0, {"accuracy": 0.7}), (1, 1.0, {"accuracy": 0.5})],
        [],
        tmp_path,
        table=records,
    )
    assert len(results.table(tmp_path).splitlines()) == 2  # its head alone
    assert results.matrix("lengths.all", tmp_path).splitlines() == [
        "| task, cell | 20 | 5 |",
        "|---|---|---|",
        "| recall, lstm | 0.6 ± 0.14 | – |",
        "| recall, gru | – | 1 |",
    ]


def test_recipe_runs_beside_another_package_called_datasets(tmp_path):
    """As the one of Hugging Face, which an installation puts before ours on the path."""
    for name in ("datasets", "layers"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the other package')")
    recipe = str(ROOT / "recipes/stock_prices.py")
    code = f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); runpy.run_path({recipe!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
