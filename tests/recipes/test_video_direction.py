"""Films whose single frames say nothing, and networks that see more than one."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from recipes import video_direction as recipe


def test_run_writes_and_draws(call, capsys, monkeypatch):
    monkeypatch.setattr(recipe, "NETWORKS", ("one-frame", "cnn-lstm"))
    assert call("--films", 64, "--epochs", 1, "--frames", 4, "--run-dir", "mine") == 0
    assert "one-frame" in capsys.readouterr().out
    rows = json.loads(Path("mine/metrics.json").read_text())
    assert [row["network"] for row in rows] == ["one-frame", "cnn-lstm"]
    assert all(0 <= row[question] <= 1 for row in rows for question in recipe.QUESTIONS)
    assert Path("mine/video_direction.png").stat().st_size > 20_000


def test_films_are_what_their_answers_say():
    made, answers = recipe.films(60, 7, 0.0, 1)
    assert made.shape == (60, 7, recipe.WIDTH, recipe.WIDTH, 1) and set(np.unique(made)) == {0, 1}
    for film, (direction, speed, passing) in zip(made[..., 0], answers):
        step = np.array(recipe.STEPS[direction]) * recipe.SPEEDS[speed]
        sets = [{tuple(p) for p in np.argwhere(frame)} for frame in film]
        moved = lambda pixels, way, t: {tuple((np.array(p) + way * step * t) % recipe.WIDTH) for p in pixels}
        for y, x in np.argwhere(film[0]):  # where the square begins, and the cross
            square = {((y + a) % recipe.WIDTH, (x + b) % recipe.WIDTH) for a, b in recipe.SHAPES["square"]}
            rest = sets[0] - square
            if square <= sets[0] and len(rest) >= 5 and all(moved(square, 1, t) <= sets[t] for t in range(7)):
                way = -1 if passing else 1
                assert all(moved(rest, way, t) <= sets[t] for t in range(7))
                break
        else:
            overlapping = len(sets[0]) < 18
            assert overlapping, "no square moves as the answers say"


def test_every_place_is_as_likely_with_every_answer():
    """The middle frames' mean pictures, by answer, differ by no more than chance lets them."""
    made, answers = recipe.films(6000, 3, 0.0, 2)
    frames = made[:, 1, :, :, 0]
    for i, count in enumerate(recipe.QUESTIONS.values()):
        means = np.stack([frames[answers[:, i] == answer].mean(0) for answer in range(count)])
        spread = np.sqrt(frames.mean() * (1 - frames.mean()) * count / len(frames))
        assert np.abs(means - frames.mean()).max() < 5.5 * spread


def test_a_single_frame_cannot_tell_and_a_film_can():
    """Of a film of two frames; the network that sees one has been taught where things are."""
    settings = {
        "frames": 2,
        "films": 4000,
        "noise": 0.0,
        "epochs": 6,
        "batch_size": 64,
        "learning_rate": 0.005,
        "seed": 0,
    }
    one, _ = recipe.learned("one-frame", settings)
    both, _ = recipe.learned("conv-lstm", settings)
    for question, answers in recipe.QUESTIONS.items():
        assert one[question] < 1 / answers + 0.06  # 1,000 films: four standard deviations are at most 0.063
    assert both["direction"] > 0.6


def test_a_taught_cnn_says_where_the_shapes_are():
    """Its cosines and sines lead back to the centres of pictures that it has not seen; an untaught one's do not."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(5)
    places = rng.integers(0, recipe.WIDTH, (200, 1, 2, 2))
    pictures = recipe.drawn(places, 0.05, rng)[:, 0]
    errors = []
    for cnn in (recipe.taught(0.05, 0), recipe.looker()):
        cosines, sines = np.split(cnn.predict(pictures, verbose=0), 2, axis=1)
        turns = np.arctan2(sines, cosines) * recipe.WIDTH / (2 * np.pi) - places.reshape(200, 4)
        away = np.abs((turns + recipe.WIDTH / 2) % recipe.WIDTH - recipe.WIDTH / 2)
        errors.append(np.median(away))
    assert errors[0] < 0.5 < 2 < errors[1]


def test_the_loss_and_the_accuracies_by_hand():
    logits = np.random.default_rng(0).normal(size=(5, 13)).astype("float32")
    answers = np.array([[7, 0, 1], [0, 1, 0], [3, 2, 1], [2, 2, 0], [5, 0, 0]])
    expected, ends = 0, [0, 8, 11, 13]
    for i, (start, end) in enumerate(zip(ends, ends[1:])):
        part = logits[:, start:end].astype("float64")
        chances = np.exp(part) / np.exp(part).sum(-1, keepdims=True)
        expected -= np.log(chances[np.arange(5), answers[:, i]]) / 3
        right = recipe.right([*recipe.QUESTIONS][i])(answers, logits)
        np.testing.assert_array_equal(right, part.argmax(-1) == answers[:, i])
    np.testing.assert_allclose(recipe.loss(keras.ops.convert_to_tensor(answers), logits), expected, rtol=1e-5)


@pytest.mark.parametrize("network", ["conv-lstm", "cnn-lstm"])
def test_verify_passes(call, capsys, network):
    assert call("verify", "--network", network) == 0
    assert "FAIL" not in capsys.readouterr().out
