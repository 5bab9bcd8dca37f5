"""Networks with and without memory: their sizes, what they can see, and the chapter's run."""

import json
from pathlib import Path

from toolkit.cells import units_for

import numpy as np
import pytest

from datasets import tasks
from recipes import feedforward_or_recurrent as recipe


@pytest.mark.parametrize("network", [*recipe.SEEN, "simple", "gru", "lstm", "minimal"])
def test_all_networks_have_about_the_same_number_of_weights(network):
    units = units_for(3000, tasks.SYMBOLS, lambda units: recipe.hidden_layer(network, units))
    output_weights = units + 1
    assert recipe.build_model(network, units).count_params() - output_weights == pytest.approx(3000, rel=0.06)


@pytest.mark.parametrize("network", recipe.SEEN)
def test_a_network_without_memory_sees_nothing_outside_its_window(network):
    model = recipe.build_model(network, 5)
    x, _ = tasks.about_the_past("recall", 20, 2, np.random.default_rng(1))
    changed = x.copy()
    changed[:, 4] = changed[:, 4, [1, 2, 3, 0]]
    moved = np.abs(model.predict(changed, verbose=0) - model.predict(x, verbose=0)).max((0, 2)) > 0
    assert moved.tolist() == [4 <= t < 4 + recipe.SEEN[network] for t in range(20)]


@pytest.mark.slow
def test_run_reports_and_draws_every_network_on_every_question(run_recipe, capsys):
    arguments = ["--cells", "gru", "--steps", 60, "--timesteps", 8, "--weights", 200, "--run-dir", "mine"]
    assert run_recipe(recipe, *arguments) == 0
    metrics = json.loads(Path("mine/metrics.json").read_text())
    pairs = [(question, network) for question in tasks.QUESTIONS for network in ("now", "window", "gru")]
    assert [(row["question"], row["network"]) for row in metrics["rows"]] == pairs and metrics["minutes"] > 0
    assert "32 timesteps" in capsys.readouterr().out
    assert Path("mine/feedforward_or_recurrent.png").stat().st_size > 20_000
    recall = {row["network"]: row for row in metrics["rows"] if row["question"] == "recall"}
    assert recall["now"]["accuracy"] < recall["now"]["baseline"] + 0.01 < recall["window"]["accuracy"] - 0.02


def test_an_unknown_cell_is_an_error_of_one_line(run_recipe, capsys):
    assert run_recipe(recipe, "--cells", "gru,elman") == 2
    assert "Received: elman" in capsys.readouterr().err
    assert not Path("runs").exists()


def test_verify_passes(run_recipe, verify_quickly, capsys):
    assert run_recipe(recipe, "verify", "--cell", "simple", "--units", 5) == 0
    assert "FAIL" not in capsys.readouterr().out
