"""The layer by hand: beside Keras, beside finite differences, and what its figures claim."""

import json
from pathlib import Path

import numpy as np
import pytest

from recipes import unrolled


def test_run_reports_and_draws(run_recipe, capsys):
    assert run_recipe(unrolled, "--run-dir", "mine") == 0
    printed = capsys.readouterr().out
    assert "W (5, 3), U (3, 3), b (3,)" in printed and "FAIL" not in printed
    for name in ("gradient_norms", "output_gate", "truncation"):
        assert Path(f"mine/{name}.png").stat().st_size > 10_000
    differences = json.loads(Path("mine/metrics.json").read_text())["differences"]
    assert all(value < 1e-6 for by_name in differences.values() for value in by_name.values())
    assert {*differences["lstm"]} >= {"∂L/∂W_f", "∂L/∂W_i", "∂L/∂W_c", "∂L/∂W_o"}
    assert run_recipe(unrolled, "--run-dir", "mine") == 2  # a finished run is never overwritten


def test_verify_fails_on_a_wrong_gradient(run_recipe, capsys, monkeypatch):
    assert run_recipe(unrolled, "verify", "--timesteps", 5) == 0
    sigmoid = unrolled.sigmoid
    monkeypatch.setattr(unrolled, "sigmoid", lambda a: sigmoid(1.001 * a))
    assert run_recipe(unrolled, "verify", "--timesteps", 5) == 1
    assert "FAIL" in capsys.readouterr().out


@pytest.mark.parametrize("cell", unrolled.CELLS)
def test_the_gradient_is_the_slope_of_the_loss(cell):
    x, y, weights = unrolled.random_example(cell, 7, 3)
    loss = lambda weights: np.sum((unrolled.forward(cell, x, weights)["h"][1:] - y)[-3:] ** 2) / 2
    states = unrolled.forward(cell, x, weights)
    gradients, _ = unrolled.backward(cell, x, weights, states, unrolled.direct_gradient(states["h"], y))
    for i, gradient in enumerate(gradients):
        d = np.random.default_rng(i).normal(size=gradient.shape)
        ends = [loss([w + step * d if i == j else w for j, w in enumerate(weights)]) for step in (1e-6, -1e-6)]
        assert np.sum(gradient * d) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


@pytest.mark.parametrize("cell", unrolled.CELLS)
def test_outputs_that_do_not_count_pass_gradients_on(cell):
    norms = unrolled.gradient_norms(10, 0)[cell]
    assert norms["direct"][:7] == [0] * 7 and min(norms["direct"][7:]) > 0
    assert min(norms["total"]) > 0 and norms["total"][9] == norms["direct"][9]


def test_closing_the_output_gate_shrinks_the_gradients_of_all_gates():
    norms = unrolled.closing_the_output_gate(10, 0)
    assert all(norms[gate][0] < 0.05 * max(norms[gate]) for gate in "ifco")


@pytest.mark.parametrize("cell", unrolled.CELLS)
def test_a_window_of_the_whole_sequence_loses_nothing_and_a_window_of_one_sees_one_timestep(cell):
    x, y, weights = unrolled.random_example(cell, 8, 1)
    states = unrolled.forward(cell, x, weights)
    direct = unrolled.direct_gradient(states["h"], y)
    exact, _ = unrolled.backward(cell, x, weights, states, direct)
    for a, b in zip(exact, unrolled.backward(cell, x, weights, states, direct, 8)[0]):
        np.testing.assert_allclose(a, b, atol=1e-12)
    one, total = unrolled.backward(cell, x, weights, states, direct, 1)
    np.testing.assert_array_equal(total, direct)
    assert max(np.abs(a - b).max() for a, b in zip(exact, one)) > 1e-3


@pytest.mark.parametrize("cell", unrolled.CELLS)
def test_the_error_of_truncation_falls_to_zero(cell):
    errors = unrolled.truncation_errors(8, 0, draws=3)[cell]
    assert errors[-1] == pytest.approx(0, abs=1e-12) and errors[0] > errors[4] > 0
