"""How gradients travel back: beside automatic differentiation over the whole sequence, and what the figures claim."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes import gradient_flow


def test_run_reports_and_draws(run_recipe, capsys, monkeypatch):
    simple = gradient_flow.LEARNERS["simple"]
    monkeypatch.setattr(gradient_flow, "LEARNERS", {"simple": simple})
    monkeypatch.setattr(gradient_flow, "REMEDIES", {"simple, orthogonal U": simple})
    monkeypatch.setattr(gradient_flow, "RADII", (0.9,))
    assert run_recipe(gradient_flow, "--timesteps", 12, "--lags", "4", "--steps", 40, "--run-dir", "mine") == 0
    assert "the answer 1, always: 0.167" in capsys.readouterr().out
    for name in ("spectral_radius", "remedies", "adding_problem", "clipping"):
        assert Path(f"mine/{name}.png").stat().st_size > 10_000
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert {*metrics["gradient_norms"]} == {"simple", "gru", "lstm", "remedies"}
    norms = metrics["gradient_norms"]["lstm"]["radius 0.9"]
    assert len(norms) == 12 and norms[-1] == 1
    assert len(metrics["clipping"]["not clipped"]) == 2 and [*metrics["adding_problem"]["simple"]] == ["4"]


def test_a_lag_that_is_no_number_is_an_error_of_one_line(run_recipe, capsys):
    assert run_recipe(gradient_flow, "--lags", "four") == 2
    assert "Received: four" in capsys.readouterr().err


@pytest.mark.parametrize("name", gradient_flow.CELLS)
def test_the_norms_are_those_of_automatic_differentiation(name):
    make_cell = lambda: gradient_flow.CELLS[name](gradient_flow.UNITS)
    norms = gradient_flow.gradient_norms(make_cell, 6, 3, radius=1.2)
    rng = np.random.default_rng(3)
    x = tf.constant(rng.normal(size=(6, gradient_flow.BATCH_SIZE, gradient_flow.FEATURES)).astype("float32"))
    mix = rng.normal(size=(gradient_flow.BATCH_SIZE, gradient_flow.UNITS)).astype("float32")
    keras.utils.set_random_seed(3)
    cell = make_cell()
    cell.build((gradient_flow.BATCH_SIZE, gradient_flow.FEATURES))
    gradient_flow.set_spectral_radius(cell, 1.2)
    states, hidden = cell.get_initial_state(gradient_flow.BATCH_SIZE), []
    with tf.GradientTape() as tape:
        tape.watch(states)
        for x_t in x:
            _, states = cell(x_t, states)
            hidden.append(states[0])
        loss = tf.reduce_sum(mix * hidden[-1])
    expected = np.array([float(tf.norm(g)) for g in tape.gradient(loss, hidden)])
    np.testing.assert_allclose(norms, expected / expected[-1], rtol=1e-4)


@pytest.mark.parametrize("name", gradient_flow.CELLS)
def test_the_recurrent_kernel_of_each_gate_gets_the_spectral_radius(name):
    cell = gradient_flow.CELLS[name](gradient_flow.UNITS)
    cell.build((None, 8))
    gradient_flow.set_spectral_radius(cell, 1.7)
    u = cell.recurrent_kernel.numpy()
    for block in np.split(u, u.shape[1] // gradient_flow.UNITS, axis=1):
        assert np.abs(np.linalg.eigvals(block)).max() == pytest.approx(1.7, rel=1e-4)


def test_gradients_vanish_at_a_small_radius_and_explode_at_a_large_one():
    small, large = (gradient_flow.gradient_norms(gradient_flow.LEARNERS["simple"], 40, 0, r)[0] for r in (0.5, 3.0))
    assert small < 1e-10 and large > 10


def test_a_short_lag_is_learned():
    adam = keras.optimizers.Adam(0.01, global_clipnorm=1.0)
    assert gradient_flow.learning_curve(gradient_flow.LEARNERS["gru"], 4, 300, 0, adam)[-1] < 0.02


def test_clipping_keeps_the_loss_finite():
    curves = gradient_flow.clipped_curves(60, 0)
    assert [*curves] == [*gradient_flow.CLIPPING] and np.isfinite(curves["by norm, 1"]).all()
