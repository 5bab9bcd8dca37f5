"""The recipe on characters: four letters, a text, sampling, typing, and states carried over from window to window."""

import io
import json
import sys
from pathlib import Path

from toolkit import training, verification
from toolkit.runs import Run, Stop
from toolkit.text.characters import windows

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from datasets import characters
from recipes import next_character

SMALL = {"units": 8, "batch_size": 8, "window": 20, "epochs": 2, "dropout": 0.2}
FLAGS = [part for name, value in SMALL.items() for part in (f"--{name.replace('_', '-')}", value)]


@pytest.fixture(scope="module")
def short():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(characters, "SIZE", 8000)
        yield


@pytest.fixture(scope="module")
def trained(short, tmp_path_factory):
    """A run, and what its training printed."""
    run, printed = tmp_path_factory.mktemp("trained") / "run", io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", printed)
        next_character.train(next_character.Settings(**SMALL), run_dir=run)
    return run, printed.getvalue()


def test_train_evaluate_sample_and_type(trained, run_recipe, capsys, monkeypatch):
    run, report = trained
    left = {path.name for path in run.iterdir()} - {"tensorboard", "learning_curves.png"}
    assert left == {*("config.json", "checkpoint.npz", "history.csv", "metrics.json", "model.keras", "alphabet.json")}
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["minutes"] > 0 and metrics["bits_per_character"] > 0
    assert 0 < metrics["bits_per_character_xz"] < metrics["bits_per_character_frequencies"] < 6
    assert run_recipe(next_character, "evaluate", "--run", run) == 0
    assert capsys.readouterr().out.strip() in report

    sample = ["sample", "The cat", "--run", run, "--length", 50, "--seed"]
    written = []
    for seed in (1, 1, 2):
        assert run_recipe(next_character, *sample, seed) == 0
        written.append(capsys.readouterr().out)
    assert written[0].startswith("The cat") and len(written[0]) == len("The cat") + 51
    assert written[0] == written[1] != written[2]

    monkeypatch.setattr(sys, "stdin", io.StringIO("Th\n語"))
    assert run_recipe(next_character, "type", "--run", run) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line[0] for line in lines] == ["T", "h", "⏎", "語"]
    assert "not in the training split" in lines[3] and lines[0].count("%") == 5


@pytest.mark.slow
def test_the_example_is_learned_to_certainty_and_shows_every_gate(run_recipe, capsys):
    assert run_recipe(next_character, "example", "--run-dir", "mine") == 0
    printed = capsys.readouterr().out
    assert printed.count("    f ") == 3 and "h = [1 0 0 0]" in printed
    assert json.loads(Path("mine/metrics.json").read_text())["P(p | hel)"] > 0.99
    assert Path("mine/example.png").stat().st_size > 20_000


def test_the_example_has_the_gates_of_its_cell_and_no_text_to_sample(run_recipe, eagerly, monkeypatch, capsys):
    learn_word = next_character.learn_word
    monkeypatch.setattr(next_character, "learn_word", lambda cell: learn_word(cell, repetitions=2))
    assert run_recipe(next_character, "example", "--cell", "gru") == 0
    assert capsys.readouterr().out.count("    z ") == 3
    monkeypatch.setattr("toolkit.runs.PUBLISHED", Path("nowhere"))
    assert run_recipe(next_character, "sample") == 2
    assert "No finished run" in capsys.readouterr().err


@pytest.mark.slow
def test_a_resumed_training_ends_with_the_same_bits(trained, run_recipe, monkeypatch):
    whole, _ = trained
    on_epoch_end = training.Checkpoint.on_epoch_end

    def dies(self, epoch, logs=None):
        on_epoch_end(self, epoch, logs)
        raise Stop("killed")

    with monkeypatch.context() as patch:
        patch.setattr(training.Checkpoint, "on_epoch_end", dies)
        assert run_recipe(next_character, "--run-dir", "stopped", *FLAGS) == 2
    assert run_recipe(next_character, "--run-dir", "stopped", "--resume") == 0
    assert (whole / "history.csv").read_text() == Path("stopped/history.csv").read_text()
    weights = [Run(name).model().get_weights() for name in (whole, "stopped")]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_own_text(run_recipe, capsys):
    Path("own.txt").write_text("Ein Männlein steht im Walde, ganz still und stumm.\n" * 200, encoding="utf-8")
    assert run_recipe(next_character, "--data", "own.txt", "--run-dir", "mine", *FLAGS, "--cell", "minimal") == 0
    assert "own.txt: characters 9,180 train" in capsys.readouterr().out
    assert pd.read_csv("mine/history.csv")["loss"].iloc[0] < 4


@pytest.mark.slow
def test_a_folder_in_another_encoding_is_read_again_and_another_text_is_noticed(run_recipe, capsys):
    Path("plays").mkdir()
    for name in "ab":
        Path(f"plays/{name}.txt").write_bytes(f"Männlein {name}\n".encode("latin-1") * 200)
    options = ["--data", "plays", "--encoding", "latin-1", "--run-dir", "mine", *FLAGS]
    assert run_recipe(next_character, *options) == 0
    assert capsys.readouterr().out.startswith("plays: in latin-1, 2 files joined (a.txt to b.txt), 4,400 characters")
    assert run_recipe(next_character, "evaluate", "--run", "mine") == 0
    Path("plays/c.txt").write_text("more")
    assert run_recipe(next_character, "evaluate", "--run", "mine") == 2
    assert "The data is not what mine was trained on" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "missing.txt"], "There is no such text file"),
        (["--data", "old.txt"], "old.txt, line 1: not UTF-8. Name the file's encoding with --encoding"),
        (["--data", "short.txt"], "too short to learn from"),
        (["--data", "small.txt"], "32 strands of 64 characters need 2,049"),
        (["sample", "--run", "."], "holds no run"),
        (["sample", "--temperature", "0"], "--temperature"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing_behind(run_recipe, capsys, arguments, message):
    Path("short.txt").write_text("little")
    Path("old.txt").write_bytes("Männlein\n".encode("latin-1") * 300)
    Path("small.txt").write_text("a little more\n" * 100)
    assert run_recipe(next_character, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not Path("runs").exists()


def test_verify_passes(run_recipe, verify_quickly, monkeypatch, capsys):
    verify = verification.verify
    shorter = lambda build, cell, x, y, loss: verify(build, cell, x[:, :5], y[:, :5], loss)
    monkeypatch.setattr(verification, "verify", shorter)
    assert run_recipe(next_character, "verify", "--units", 6) == 0
    assert "FAIL" not in capsys.readouterr().out


def random_model(batch_size):
    model, rng = next_character.build_model(10, "gru", units=6, batch_size=batch_size), np.random.default_rng(1)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    return model


@pytest.mark.parametrize("window", [7, 39, 500])
def test_bits_are_those_of_one_long_call(window):
    ids = np.random.default_rng(2).integers(0, 10, 40).astype("int32")
    logits = random_model(None)(ids[None, :-1]).numpy()[0].astype("float64")
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = -np.log2(probabilities[np.arange(39), ids[1:]]).mean()
    assert next_character.bits_per_character(random_model(1), ids, window) == pytest.approx(expected, rel=1e-5)


def test_states_are_reset_at_the_start_of_each_epoch_and_validation():
    """Without any training, every pass over the text has the same loss."""
    model, ids = random_model(2), np.random.default_rng(2).integers(0, 10, 81)
    data = tf.data.Dataset.from_tensor_slices(windows(ids, 2, 8))
    model.compile(keras.optimizers.SGD(0.0), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(data, epochs=2, validation_data=data, callbacks=[training.ResetStates()], verbose=0)
    first, second = history.history["loss"]
    assert first == second == pytest.approx(history.history["val_loss"][0], rel=1e-6)
    unreset = model.fit(data, epochs=2, verbose=0).history["loss"]
    assert unreset[1] != first


@pytest.mark.parametrize(
    "temperature, top_k, expected",
    [
        (1.0, None, [0, 1 / 7, 4 / 7, 2 / 7]),
        (0.5, None, [0, 1 / 21, 16 / 21, 4 / 21]),
        (1.0, 2, [0, 0, 2 / 3, 1 / 3]),
        (1.0, 1, [0, 0, 1, 0]),
        (0.01, None, [0, 0, 1, 0]),
    ],
)
def test_characters_are_drawn_by_temperature_among_the_likeliest(temperature, top_k, expected):
    probabilities, rng = np.array([0.3, 0.1, 0.4, 0.2]), np.random.default_rng(0)
    ids = [next_character.draw(probabilities, rng, temperature, top_k) for _ in range(2000)]
    shares = np.bincount(ids, minlength=4) / 2000
    np.testing.assert_allclose(shares, expected, atol=0.04)
    assert ((shares > 0) == (np.array(expected) > 0)).all()
