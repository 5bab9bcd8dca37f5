"""Tasks about the past: their answers by hand, networks of the same size, and who can do what."""

import json
from pathlib import Path

import numpy as np
import pytest

from recipes import feedforward_or_recurrent as recipe

A, B, C = 0, 1, 2


@pytest.mark.parametrize(
    "task, expected",
    [
        ("recall", "...x.x.."),
        ("parity", "xx.....x"),
        ("order", "xxxxxxxx"),
    ],
)
def test_answers_by_hand(task, expected):
    symbols = np.array([[A, C, A, B, C, C, B, A]])
    assert "".join(".x"[int(yes)] for yes in recipe.answers(task, symbols)[0]) == expected


def test_order_by_hand():
    rows = np.array([[C, B, A, A], [C, A, B, C], [C, C, C, C], [B, C, C, C], [C, C, A, C]])
    expected = [[0, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]
    np.testing.assert_array_equal(recipe.answers("order", rows), np.array(expected) == 1)


def test_batches():
    for task in recipe.TASKS:
        x, y = recipe.batch_of(task, 500, 20, np.random.default_rng(0))
        assert x.shape == (500, 20, 4) and (x.sum(-1) == 1).all() and y.shape == (500, 20, 1)
        np.testing.assert_array_equal(y[..., 0] == 1, recipe.answers(task, x.argmax(-1)))
        assert 0.2 < y.mean() < 0.6


@pytest.mark.parametrize("name", [*recipe.WITHOUT, "simple", "gru", "lstm", "minimal"])
def test_all_networks_are_about_the_same_size(name):
    units = recipe.units_for(name, 3000)
    assert abs(recipe.weights_of(name, units) / 3000 - 1) < 0.06
    assert recipe.build_model(name, units).count_params() == recipe.weights_of(name, units) + units + 1


@pytest.mark.parametrize("name", recipe.WITHOUT)
def test_without_memory_nothing_outside_the_window_counts(name):
    model = recipe.build_model(name, 5)
    x, _ = recipe.batch_of("recall", 2, 20, np.random.default_rng(1))
    before, changed = np.array(model(x)), x.copy()
    changed[:, 4] = changed[:, 4, [1, 2, 3, 0]]
    moved = np.abs(np.array(model(changed)) - before).max((0, 2)) > 0
    assert moved.tolist() == [4 <= t < 4 + recipe.WITHOUT[name] for t in range(20)]


def test_run_writes_and_draws(call, capsys):
    assert call("--cells", "gru", "--steps", 60, "--timesteps", 8, "--weights", 200, "--run-dir", "mine") == 0
    rows = json.loads(Path("mine/metrics.json").read_text())
    assert [(row["task"], row["network"]) for row in rows] == [
        (task, name) for task in recipe.TASKS for name in ("now", "window", "gru")
    ]
    recall = {row["network"]: row for row in rows if row["task"] == "recall"}
    assert recall["now"]["accuracy"] < recall["now"]["accuracy_guess"] + 0.01 < recall["window"]["accuracy"] - 0.02
    assert Path("mine/feedforward_or_recurrent.png").stat().st_size > 20_000
    assert call("--cells", "gru,some", "--run-dir", "other") == 2
    assert "Received: some" in capsys.readouterr().err


def test_verify_passes(call, capsys):
    assert call("verify", "--cell", "simple", "--units", 5) == 0
    assert "FAIL" not in capsys.readouterr().out
