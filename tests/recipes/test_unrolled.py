"""The layer by hand: beside Keras, beside differences, and what its figure claims."""

import json
from pathlib import Path

import numpy as np
import pytest

from recipes import unrolled


def test_run_writes_and_draws(call, capsys):
    assert call("--run-dir", "mine") == 0
    said = capsys.readouterr().out
    assert "W (5, 3), U (3, 3), b (3,)" in said and "FAIL" not in said
    assert Path("mine/unrolled.png").stat().st_size > 20_000
    found = json.loads(Path("mine/metrics.json").read_text())
    assert all(value < 1e-6 for part in found["differences"].values() for value in part.values())
    assert {*found["differences"]["lstm"]} >= {"∂L/∂W_f", "∂L/∂W_i", "∂L/∂W_c", "∂L/∂W_o"}
    assert call("--run-dir", "mine") == 2  # nothing is overwritten


def test_verify_tells_a_wrong_gradient(call, capsys, monkeypatch):
    assert call("verify", "--timesteps", 5) == 0
    right = unrolled.sigmoid
    monkeypatch.setattr(unrolled, "sigmoid", lambda a: right(1.001 * a))
    assert call("verify", "--timesteps", 5) == 1
    assert "FAIL" in capsys.readouterr().out


@pytest.mark.parametrize("cell", unrolled.CELLS)
def test_the_gradient_is_the_slope(cell):
    x, y, weights = unrolled.draw(cell, 7, 3)
    loss = lambda weights: np.sum((unrolled.forward(cell, x, weights)["h"][1:] - y)[-3:] ** 2) / 2
    seen = unrolled.forward(cell, x, weights)
    gradients, _ = unrolled.backward(cell, x, weights, seen, unrolled.own_errors(seen["h"], y))
    for i, gradient in enumerate(gradients):
        d = np.random.default_rng(i).normal(size=gradient.shape)
        ends = [loss([w + step * d if i == j else w for j, w in enumerate(weights)]) for step in (1e-6, -1e-6)]
        assert np.sum(gradient * d) == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


def test_ignored_outputs_pass_gradients_on():
    for cell, found in unrolled.flow(10, 0).items():
        assert found["own"][:7] == [0] * 7 and min(found["own"][7:]) > 0, cell
        assert min(found["all"]) > 0 and found["all"][9] == found["own"][9], cell


def test_shutting_the_output_gate_stills_all_others():
    found = unrolled.shut(10, 0)
    assert all(found[gate][0] < 0.05 * max(found[gate]) for gate in "ifco")


@pytest.mark.parametrize("cell", unrolled.CELLS)
def test_truncation(cell):
    """Whole windows lose nothing; a window of one sees no other step."""
    x, y, weights = unrolled.draw(cell, 8, 1)
    seen = unrolled.forward(cell, x, weights)
    own = unrolled.own_errors(seen["h"], y)
    whole, whole_passed = unrolled.backward(cell, x, weights, seen, own)
    for a, b in zip(whole, unrolled.backward(cell, x, weights, seen, own, 8)[0]):
        np.testing.assert_allclose(a, b, atol=1e-12)
    one, passed = unrolled.backward(cell, x, weights, seen, own, 1)
    np.testing.assert_array_equal(passed, own)
    assert max(np.abs(a - b).max() for a, b in zip(whole, one)) > 1e-3
    errors = unrolled.truncated(8, 0, draws=3)[cell]
    assert errors[-1] == pytest.approx(0, abs=1e-12) and errors[0] > errors[4] > 0
