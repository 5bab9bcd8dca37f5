"""The training loop: exact resume after SIGKILL, the best epoch, early stopping, losses that are not finite."""

import signal
import subprocess
import sys
from pathlib import Path

from toolkit import batches, training
from toolkit.cells import recurrent
from toolkit.runs import Run, Stop, open_run

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

DRIVER = Path(__file__).with_name("train_and_die.py")


def drive(run_dir, *moment):
    return subprocess.run([sys.executable, DRIVER, run_dir, *moment], capture_output=True, text=True)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, quick_interpreter):
    folder = tmp_path_factory.mktemp("whole") / "run"
    done = drive(folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    "moment", ["checkpoint", *(pytest.param(m, marks=pytest.mark.slow) for m in ("epoch", "history"))]
)
def test_killed_and_resumed_ends_with_the_same_bits(uninterrupted, tmp_path, moment):
    killed = drive(tmp_path / "run", moment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not (tmp_path / "run" / "model.keras").exists()
    done = drive(tmp_path / "run")
    assert done.returncode == 0, done.stderr
    with np.load(uninterrupted / "final.npz") as whole, np.load(tmp_path / "run" / "final.npz") as resumed:
        assert len(whole.files) > 15 and whole.files == resumed.files
        for name in whole.files:
            assert whole[name].tobytes() == resumed[name].tobytes(), name
    assert (uninterrupted / "history.csv").read_text() == (tmp_path / "run" / "history.csv").read_text()


def small_model(cell="lstm", units=4, **compile_arguments):
    keras.utils.set_random_seed(1)
    layers = [keras.Input((5, 2)), recurrent(cell, units, return_sequences=True), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(**{"optimizer": "adam", "loss": "mse"} | compile_arguments)
    return model


def small_data(examples=40):
    x = np.random.default_rng(0).normal(size=(examples, 5, 2)).astype("float32")
    return x, x.sum(axis=-1, keepdims=True)


def fit(model, tmp_path, data, **options):
    run = open_run("test", {}, "data", tmp_path / "run", resume=True)
    validation = tf.data.Dataset.from_tensor_slices(small_data()).batch(40)
    training.fit(model, run, batches.shuffled(data, 20, seed=0), validation=validation, **options)
    return run


def test_best_epoch_is_kept_and_training_stops_early(tmp_path):
    """A learning rate that grows makes the validation loss fall, then rise."""
    rates = keras.optimizers.schedules.PiecewiseConstantDecay([8], [0.01, 1.0])
    model = small_model(optimizer=keras.optimizers.Adam(rates))
    run = fit(model, tmp_path, small_data(), epochs=50, patience=2)
    losses = pd.read_csv(run / "history.csv").val_loss
    best = losses.idxmin()
    assert best + 3 == len(losses) < 50
    assert model.evaluate(*small_data(), verbose=0) == pytest.approx(losses[best], rel=1e-5)
    x, y = small_data()
    assert np.mean((run.model().predict(x, verbose=0) - y) ** 2) == pytest.approx(losses[best], rel=1e-5)
    assert (run / "learning_curves.png").stat().st_size > 5000


def test_every_value_of_the_history_has_its_curves(tmp_path, monkeypatch):
    """A reward is measured in training alone, CIDEr in validation alone."""
    history = {"epoch": [1, 2], "loss": [3.0, 2.5], "reward": [0.5, 0.75], "val_loss": [3.25, 3.5], "val_cider": [0, 1]}
    run, drawn = Run(tmp_path), []
    pd.DataFrame(history).to_csv(run / "history.csv", index=False)
    monkeypatch.setattr(Run, "save_figure", lambda run, figure, name: drawn.extend(figure.axes))
    training.plot_history(run)
    found = {axis.get_ylabel(): {line.get_label(): [*line.get_ydata()] for line in axis.lines} for axis in drawn}
    assert found["loss"] == {"training": [3.0, 2.5], "validation": [3.25, 3.5]}
    assert found["reward"] == {"training": [0.5, 0.75]} and found["cider"] == {"validation": [0, 1]}
    assert len(found) == len(drawn) == 3


def test_with_a_minus_the_greatest_value_is_the_best(tmp_path):
    rates = keras.optimizers.schedules.PiecewiseConstantDecay([4], [0.01, 1.0])
    model = small_model(optimizer=keras.optimizers.Adam(rates))
    run = fit(model, tmp_path, small_data(), epochs=8, monitor="-val_loss")
    losses = pd.read_csv(run / "history.csv").val_loss
    assert losses.idxmax() > 0 and model.evaluate(*small_data(), verbose=0) == pytest.approx(losses.max(), rel=1e-5)


def test_killed_after_the_last_checkpoint(tmp_path):
    """The history is then a row short, or not there."""
    run = fit(small_model(), tmp_path, small_data(), epochs=2)
    whole = (run / "history.csv").read_text()
    for path in (run / "history.csv", run / "model.keras"):
        path.unlink()
    assert (fit(small_model(), tmp_path, small_data(), epochs=2) / "history.csv").read_text() == whole
    assert (run / "model.keras").exists()


def test_nan_loss_stops_with_what_to_try(tmp_path):
    x, y = small_data()
    x[7, 2, 0] = np.nan
    with pytest.raises(Stop, match="the loss became nan in epoch 1, step .*smaller --learning-rate"):
        fit(small_model(), tmp_path, (x, y), epochs=2)


def test_the_rate_rises_and_falls():
    for epochs, steps, top in ((3, 1000, 400), (4, 50, 50), (1, 20, 20)):
        rate = training.warmed_up_cosine_decay(0.3, epochs, steps)
        values = [float(rate(step)) for step in range(0, epochs * steps + 1, 5)]
        assert values[0] == 0 and np.argmax(values) == top // 5
        assert max(values) == pytest.approx(0.3) and (epochs == 1 or values[-1] == pytest.approx(0, abs=1e-6))
