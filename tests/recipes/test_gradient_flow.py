"""How errors travel back: beside automatic differentiation over the whole sequence, and what the figure claims."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from recipes import gradient_flow


def test_run_writes_and_draws(call, capsys, monkeypatch):
    monkeypatch.setattr(gradient_flow, "LEARNERS", {"simple": gradient_flow.LEARNERS["simple"]})
    assert call("--timesteps", 12, "--lags", "4", "--steps", 40, "--run-dir", "mine") == 0
    assert "who always says 1: 0.167" in capsys.readouterr().out
    assert Path("mine/gradient_flow.png").stat().st_size > 20_000
    found = json.loads(Path("mine/metrics.json").read_text())
    assert {*found["flow"]} == {"simple", "gru", "lstm", "remedies"}
    assert len(found["flow"]["lstm"]["radius 0.9"]) == 12 and found["flow"]["lstm"]["radius 0.9"][-1] == 1
    assert len(found["clipping"]["not clipped"]) == 2 and [*found["adding"]["simple"]] == ["4"]
    assert call("--lags", "four", "--run-dir", "other") == 2
    assert "Received: four" in capsys.readouterr().err


@pytest.mark.parametrize("name", gradient_flow.MAIN)
def test_shares_are_those_of_the_whole_graph(name):
    cell = gradient_flow.MAIN[name](gradient_flow.UNITS)
    shares = gradient_flow.norms(lambda: cell, 6, 3, radius=1.2)
    rng = np.random.default_rng(3)
    x = tf.constant(rng.normal(size=(6, gradient_flow.BATCH, 8)).astype("float32"))
    mix = rng.normal(size=(gradient_flow.BATCH, gradient_flow.UNITS)).astype("float32")
    states, seen = cell.get_initial_state(gradient_flow.BATCH), []
    with tf.GradientTape() as tape:
        tape.watch(states)
        for x_t in x:
            _, states = cell(x_t, states)
            seen.append(states[0])
        loss = tf.reduce_sum(mix * seen[-1])
    expected = np.array([float(tf.norm(g)) for g in tape.gradient(loss, seen)])
    np.testing.assert_allclose(shares, expected / expected[-1], rtol=1e-3)


@pytest.mark.parametrize("name", gradient_flow.MAIN)
def test_each_gate_gets_the_spectral_radius(name):
    cell = gradient_flow.MAIN[name](gradient_flow.UNITS)
    cell.build((None, 8))
    gradient_flow.scaled(cell, 1.7)
    for part in np.split(cell.recurrent_kernel.numpy(), cell.recurrent_kernel.shape[1] // gradient_flow.UNITS, axis=1):
        assert np.abs(np.linalg.eigvals(part)).max() == pytest.approx(1.7, rel=1e-4)


def test_a_small_radius_vanishes_and_a_great_one_explodes():
    small, great = (gradient_flow.norms(gradient_flow.LEARNERS["simple"], 40, 0, radius)[0] for radius in (0.5, 3.0))
    assert small < 1e-10 and great > 10


def test_the_adding_problem():
    x, y = gradient_flow.adding(50, 2000, 1)
    marks = x[:, :, 1]
    assert (marks[:, :5].sum(1) == 1).all() and (marks[:, 25:].sum(1) == 1).all() and (marks.sum(1) == 2).all()
    np.testing.assert_allclose((x[:, :, 0] * marks).sum(1)[:, None], y, rtol=1e-6)
    assert np.mean((y - 1) ** 2) == pytest.approx(gradient_flow.GUESS, rel=0.1)
    assert np.abs(gradient_flow.adding(50, 2000, 2)[0] - x).max() > 0.1


def test_a_short_lag_is_learnt_and_clipping_keeps_the_loss_finite():
    adam = keras.optimizers.Adam(0.01, global_clipnorm=1.0)
    assert gradient_flow.learn(gradient_flow.LEARNERS["gru"], 4, 300, 0, adam)[-1] < 0.02
    curves = gradient_flow.clipped(60, 0)
    assert np.isfinite(curves["by norm, 1"]).all() and [*curves] == [*gradient_flow.CLIPPING]
