"""Films whose single frames do not give the answers, and networks that see one frame or all of them."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from recipes import video_direction as recipe


def test_run_writes_and_draws(run_recipe, eagerly, untraced, capsys, monkeypatch):
    monkeypatch.setattr(recipe, "NETWORKS", ("one-frame", "cnn-lstm"))
    monkeypatch.setattr(recipe, "PICTURES", 64)  # what a lesson teaches is tested below
    assert run_recipe(recipe, "--films", 64, "--epochs", 1, "--frames", 4, "--run-dir", "mine") == 0
    assert "one-frame" in capsys.readouterr().out
    metrics = json.loads(Path("mine/metrics.json").read_text())
    rows = metrics["rows"]
    assert [row["network"] for row in rows] == ["one-frame", "cnn-lstm"]
    assert all(0 <= row[question] <= 1 for row in rows for question in recipe.QUESTIONS)
    assert metrics["minutes"] == sum(row["minutes"] for row in rows) > 0
    assert Path("mine/accuracies.png").stat().st_size > 10_000
    assert Path("mine/films.png").stat().st_size > 10_000
    assert Path("mine/model.keras").exists()


def test_wrong_settings_are_one_line_and_leave_nothing_behind(run_recipe, capsys):
    assert run_recipe(recipe, "--frames", 1) == 2
    error = capsys.readouterr().err
    assert "--frames" in error and error.count("\n") == 1
    assert not Path("runs").exists()


def test_the_shapes_of_a_film_move_as_its_answers_have_it():
    films, answers = recipe.make_films(60, 7, 0.0, 1)
    assert films.shape == (60, 7, recipe.WIDTH, recipe.WIDTH, 1) and set(np.unique(films)) == {0, 1}
    for film, (direction, speed, passing) in zip(films[..., 0], answers):
        step = np.array(recipe.STEPS[direction]) * recipe.SPEEDS[speed]
        sets = [{tuple(p) for p in np.argwhere(frame)} for frame in film]
        moved = lambda pixels, way, t: {tuple((np.array(p) + way * step * t) % recipe.WIDTH) for p in pixels}
        for y, x in np.argwhere(film[0]):  # every possible centre of the square
            square = {((y + a) % recipe.WIDTH, (x + b) % recipe.WIDTH) for a, b in recipe.SHAPES["square"]}
            rest = sets[0] - square
            if square <= sets[0] and len(rest) >= 5 and all(moved(square, 1, t) <= sets[t] for t in range(7)):
                way = -1 if passing else 1
                assert all(moved(rest, way, t) <= sets[t] for t in range(7))
                break
        else:
            overlapping = len(sets[0]) < 18
            assert overlapping, "no square moves as the answers have it"


def test_every_position_is_equally_likely_for_every_answer():
    """The mean middle frames of films with different answers differ by no more than chance."""
    films, answers = recipe.make_films(6000, 3, 0.0, 2)
    frames = films[:, 1, :, :, 0]
    for i, count in enumerate(recipe.QUESTIONS.values()):
        means = np.stack([frames[answers[:, i] == answer].mean(0) for answer in range(count)])
        spread = np.sqrt(frames.mean() * (1 - frames.mean()) * count / len(frames))
        assert np.abs(means - frames.mean()).max() < 5.5 * spread


@pytest.mark.slow
def test_a_single_frame_is_not_enough_and_a_film_is():
    """Films of two frames; the CNN of the network that sees one of them has learned where the shapes are."""
    settings = recipe.Settings(frames=2, films=4000, noise=0.0, epochs=6, batch_size=64, learning_rate=0.005)
    _, one = recipe.learn("one-frame", settings)
    _, both = recipe.learn("conv-lstm", settings)
    for question, answers in recipe.QUESTIONS.items():
        assert one[question] < 1 / answers + 0.06  # 1,000 films: four standard deviations are at most 0.063
    assert both["direction"] > 0.6


@pytest.mark.slow
def test_a_taught_cnn_encodes_where_the_shapes_are():
    """The centres in new pictures can be computed from its cosines and sines, not from those of an untaught CNN."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(5)
    centres = rng.integers(0, recipe.WIDTH, (200, 1, 2, 2))
    pictures = recipe.render(centres, 0.05, rng)[:, 0]
    taught, untaught = recipe.build_cnn(), recipe.build_cnn()
    recipe.teach(taught, 0.05, 0)
    errors = []
    for cnn in (taught, untaught):
        cosines, sines = np.split(cnn.predict(pictures, verbose=0), 2, axis=1)
        shifts = np.arctan2(sines, cosines) * recipe.WIDTH / (2 * np.pi) - centres.reshape(200, 4)
        distances = np.abs((shifts + recipe.WIDTH / 2) % recipe.WIDTH - recipe.WIDTH / 2)
        errors.append(np.median(distances))
    assert errors[0] < 0.5 < 2 < errors[1]


def test_the_loss_and_the_accuracies_by_hand():
    logits = np.random.default_rng(0).normal(size=(5, 13)).astype("float32")
    answers = np.array([[7, 0, 1], [0, 1, 0], [3, 2, 1], [2, 2, 0], [5, 0, 0]])
    expected, ends = 0, [0, 8, 11, 13]
    for i, (start, end) in enumerate(zip(ends, ends[1:])):
        part = logits[:, start:end].astype("float64")
        probabilities = np.exp(part) / np.exp(part).sum(-1, keepdims=True)
        expected -= np.log(probabilities[np.arange(5), answers[:, i]]) / 3
        accuracy = recipe.accuracy_of([*recipe.QUESTIONS][i])(answers, logits)
        np.testing.assert_array_equal(accuracy, part.argmax(-1) == answers[:, i])
    np.testing.assert_allclose(recipe.loss(keras.ops.convert_to_tensor(answers), logits), expected, rtol=1e-5)


@pytest.mark.parametrize("network", ["conv-lstm", "cnn-lstm"])
def test_verify_passes(run_recipe, verify_quickly, capsys, network):
    assert run_recipe(recipe, "verify", "--network", network) == 0
    assert "FAIL" not in capsys.readouterr().out
