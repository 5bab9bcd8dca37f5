"""The recipe on characters: four letters, a text, sampling, typing, and states that go on from window to window."""

import io
import json
import lzma
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from datasets import characters
from recipes import character_tools, common, next_character, training

SMALL = ["--units", 8, "--epochs", 1, "--batch-size", 8, "--window", 20]


@pytest.fixture
def little(monkeypatch):
    monkeypatch.setattr(characters, "SIZE", 8000)


def test_train_evaluate_sample_and_type(call, little, capsys, monkeypatch):
    assert call("--run-dir", "mine", *SMALL) == 0
    report = capsys.readouterr().out
    left = {path.name for path in Path("mine").iterdir()} - {"tensorboard", "learning_curves.png"}
    assert left == {*("config.json", "checkpoint.npz", "history.csv", "metrics.json", "model.keras", "alphabet.json")}
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert 0 < metrics["xz, having read the training part"] < metrics["frequencies alone"] < 6
    assert call("evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in report

    assert call("sample", "The cat", "--run", "mine", "--length", 50, "--seed", 1) == 0
    first = capsys.readouterr().out
    assert first.startswith("The cat") and len(first) == len("The cat") + 51
    assert call("sample", "The cat", "--run", "mine", "--length", 50, "--seed", 1) == 0
    assert capsys.readouterr().out == first
    assert call("sample", "The cat", "--run", "mine", "--length", 50, "--seed", 2) == 0
    assert capsys.readouterr().out != first

    monkeypatch.setattr(sys, "stdin", io.StringIO("Th\n語"))
    assert call("type", "--run", "mine") == 0
    said = capsys.readouterr().out.splitlines()
    assert [line[0] for line in said] == ["T", "h", "⏎", "語"] and "never seen" in said[3] and said[0].count("%") == 5


def test_example_is_learnt_to_certainty_and_shows_every_gate(call, capsys):
    assert call("example", "--run-dir", "mine") == 0
    said = capsys.readouterr().out
    assert said.count("    f ") == 3 and "h = [1 0 0 0]" in said
    assert json.loads(Path("mine/metrics.json").read_text())["P(p | hel)"] > 0.99
    assert Path("mine/example.png").stat().st_size > 20_000
    assert call("example", "--cell", "gru") == 0
    assert capsys.readouterr().out.count("    z ") == 3
    assert call("sample") == 2  # the newest run is one that has learned a text
    assert "No finished run" in capsys.readouterr().err


def test_a_stopped_training_goes_on_to_the_same_bits(call, little, monkeypatch):
    options = [*SMALL, "--epochs", 2, "--dropout", 0.2]
    assert call("--run-dir", "whole", *options) == 0
    right = training.Checkpoint.on_epoch_end

    def dies(self, epoch, logs=None):
        right(self, epoch, logs)
        raise common.Stop("killed")

    with monkeypatch.context() as patch:
        patch.setattr(training.Checkpoint, "on_epoch_end", dies)
        assert call("--run-dir", "stopped", *options) == 2
    assert call("--run-dir", "stopped", *options, "--resume") == 0
    assert Path("whole/history.csv").read_text() == Path("stopped/history.csv").read_text()
    weights = [common.Run(name).model().get_weights() for name in ("whole", "stopped")]
    for a, b in zip(*weights):
        np.testing.assert_array_equal(a, b)


def test_own_text(call, capsys):
    Path("own.txt").write_text("Ein Männlein steht im Walde, ganz still und stumm.\n" * 200, encoding="utf-8")
    assert call("--data", "own.txt", "--run-dir", "mine", *SMALL, "--cell", "minimal") == 0
    assert "own.txt: characters 9,180 train" in capsys.readouterr().out
    assert pd.read_csv("mine/history.csv")["loss"].iloc[0] < 4


def test_wrong_input_is_one_line_and_leaves_nothing_behind(call, capsys):
    Path("short.txt").write_text("little")
    Path("small.txt").write_text("a little more\n" * 100)
    for arguments, said in {
        ("--data", "missing.txt"): "There is no such text file",
        ("--data", "short.txt"): "too short to learn from",
        ("--data", "small.txt"): "32 strands of 64 characters need 2,049",
    }.items():
        assert call("train", *arguments) == 2
        assert said in capsys.readouterr().err
    assert call("sample", "--run", ".") == 2
    assert not Path("runs").exists()


def test_verify_passes(call, capsys):
    assert call("verify", "--units", 6) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_windows_follow_each_other():
    seen, said = character_tools.windows(np.arange(1, 50), 3, 4)
    assert seen.shape == said.shape == (4, 3, 4)
    np.testing.assert_array_equal(said, seen + 1)
    np.testing.assert_array_equal(seen[1:, :, 0], seen[:-1, :, -1] + 1)  # each strand goes on where it stopped
    assert len({*seen.ravel()}) == 48


def test_bits_see_all_that_went_before():
    """As one long call of the same network, and whatever the window."""
    settings = {"cell": "gru", "units": 6, "layers": 1, "dropout": 0.0, "seed": 0}
    model, whole = (next_character.build_model(9, settings, batch) for batch in (1, None))
    for part in (model, whole):
        variables, rng = part.trainable_variables, np.random.default_rng(1)
        for variable in variables:
            variable.assign(rng.normal(size=variable.shape))
    ids = np.random.default_rng(2).integers(0, 10, 40).astype("int32")
    logits = whole(ids[None, :-1]).numpy()[0].astype("float64")
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log2(chances[np.arange(39), ids[1:]]).mean()
    for window in (7, 39, 500):
        assert character_tools.bits(model, ids, window) == pytest.approx(expected, rel=1e-5)


def test_rivals_by_hand():
    parts = {"train": "aab" * 40, "validation": "", "test": "abc"}
    found = character_tools.rivals(parts)
    chances = np.array([81, 41, 1]) / 123  # counts and one each; one more for all that was never seen
    assert found["frequencies alone"] == pytest.approx(-np.log2(chances).mean())
    sizes = [len(lzma.compress(text.encode(), preset=9)) for text in (parts["train"], parts["train"] + "abc")]
    assert found["xz, having read the training part"] == pytest.approx(8 * (sizes[1] - sizes[0]) / 3)


def test_drawing():
    chances, rng = np.array([0.3, 0.1, 0.4, 0.2]), np.random.default_rng(0)
    draw = lambda temperature, k: np.bincount(
        [character_tools.drawn(chances, temperature, k, rng) for _ in range(2000)], minlength=4
    )
    np.testing.assert_allclose(draw(1.0, None) / 2000, [0, 1 / 7, 4 / 7, 2 / 7], atol=0.04)
    np.testing.assert_allclose(draw(0.5, None) / 2000, np.array([0, 1, 16, 4]) / 21, atol=0.04)
    assert (draw(1.0, 2) > 0).tolist() == [False, False, True, True]
    assert (draw(1.0, 1) > 0).tolist() == [False, False, True, False]
    assert draw(0.01, None)[2] == 2000
