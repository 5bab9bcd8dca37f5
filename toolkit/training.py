"""The training loop that all recipes share: exact resume, best epoch, early stopping, learning curves."""

import contextlib
import importlib.util
import json
import sys
import time

from toolkit import plots  # noqa: F401  (its style is the one of learning curves)
from toolkit.runs import Stop, read_file, replacing

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from matplotlib import pyplot as plt
from matplotlib import ticker

from layers import recurrent


def reproducible(seed, strategy="none"):
    """Seed everything and ask for the same bits in every run; returns the scope in which to build and compile.

    Args:
        strategy: "none", or "mirrored" for `tf.distribute.MirroredStrategy`: batches are split over all GPUs.
    """
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        tf.config.experimental.enable_op_determinism()
    return tf.distribute.MirroredStrategy().scope() if strategy == "mirrored" else contextlib.nullcontext()


def cosine_decay(learning_rate, epochs, steps):
    """A learning rate that falls to 0 along a cosine over so many epochs of so many steps."""
    return keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)


def warmed_up_cosine_decay(learning_rate, epochs, steps):
    """The same after a linear warm-up over 400 steps, or over the first epoch where that is shorter."""
    warmup = min(steps, 400)
    rising = {"warmup_target": learning_rate, "warmup_steps": warmup}
    return keras.optimizers.schedules.CosineDecay(0.0, max(epochs * steps - warmup, 1), **rising)


def fit(model, run, batches, epochs, validation, monitor="val_loss", patience=None, callbacks=(), saved=None, phase=""):
    """Train a compiled model, resuming from the run's checkpoint if there is one, and restore its best epoch's weights.

    A run that is killed at any moment and resumed ends with the same bits: the checkpoint, replaced in one step after
    each epoch, holds every variable (weights, optimizer, dropout seeds) and what layers.RNN has run, which decides what
    it compiles; the batches of an epoch follow from its number alone.

    Args:
        run: a `toolkit.runs.Run`; its folder gets checkpoint, history.csv, learning curves and model.keras.
        batches: a function from the epoch to a `tf.data.Dataset`, and the number of batches in an epoch, as
            `toolkit.batches` returns them.
        epochs: the epochs to train, at most.
        validation: a finite `tf.data.Dataset` of batches, or None where `callbacks` add validation metrics.
        monitor: the column of history.csv whose minimum is the best epoch; its maximum, with "-" in front.
        patience: epochs without improvement after which training ends; None for never.
        saved: the model to save, if not this one: one that shares its layers.
        phase: a prefix of the files' names where a run trains more than once.

    Returns:
        The minutes that all epochs took together, including those before a resume.

    Raises:
        Stop: the loss became infinite or NaN, or the checkpoint is damaged.
    """
    batches_of, steps = batches
    with scope(model):
        model.optimizer.build(model.trainable_variables)
    checkpoint = Checkpoint(run, monitor, patience, phase)
    first = checkpoint.restore(model)
    if first < epochs and not checkpoint.state["stopped"]:
        stream = tf.data.Dataset.range(first, epochs).flat_map(batches_of).prefetch(tf.data.AUTOTUNE)
        if importlib.util.find_spec("tensorboard"):
            callbacks = [*callbacks, keras.callbacks.TensorBoard(run / f"{phase}tensorboard", write_graph=False)]
        print(f"To continue this run after an interruption: --resume --run-dir {run.path}")
        model.fit(
            stream,
            initial_epoch=first,
            epochs=epochs,
            steps_per_epoch=steps,
            shuffle=False,  # the stream is shuffled already
            validation_data=validation,
            callbacks=[*callbacks, checkpoint],
            verbose=1 if sys.stdout.isatty() else 2,
        )
    for variable, value in zip(model.weights, checkpoint.best):
        variable.assign(value)
    checkpoint.write_history()  # again, because the kill may have come between checkpoint and history
    plot_history(run, phase)
    run.save_model(saved or model)
    return checkpoint.state["minutes"]


def scope(model):
    """The scope of the distribution strategy that a model was built in."""
    strategy = getattr(model, "distribute_strategy", None)  # only the TensorFlow backend has one
    return strategy.scope() if strategy else contextlib.nullcontext()


class Checkpoint(keras.callbacks.Callback):
    """Saves all that training depends on after each epoch; ends training early, or when the loss is not finite."""

    def __init__(self, run, monitor, patience, phase=""):
        super().__init__()
        self.run, self.monitor, self.patience, self.phase = run, monitor, patience, phase
        self.state = {"epochs": 0, "best_epoch": None, "stopped": False, "minutes": 0.0, "history": []}
        self.best = []

    def restore(self, model):
        """Restore the model from the run's checkpoint; returns the number of epochs done."""
        path = self.run / f"{self.phase}checkpoint.npz"
        if path.exists():
            read_file(path, lambda path: self._load(model, path), "delete it to start this run again")
        return self.state["epochs"]

    def _load(self, model, path):
        with np.load(path) as saved:
            state = json.loads(saved["state"].item())
            if not all(isinstance(state[name], type(value)) for name, value in self.state.items() if value is not None):
                raise ValueError("its state is of the wrong kind")
            for i, variable in enumerate(_variables(model)):
                variable.assign(saved[f"variable{i}"].view(variable.numpy().dtype))
            self.best = [saved[f"best{i}"].view(w.numpy().dtype).reshape(w.shape) for i, w in enumerate(model.weights)]
            recurrent.restore_usage(model, [saved[f"usage{i}"] for i in range(len(recurrent.usage(model)))])
            self.state = state

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            raise Stop(
                f"the loss became {logs['loss']} in epoch {self.state['epochs'] + 1}, step {batch + 1}. Try a smaller "
                "--learning-rate, clip the gradients harder (in compile), and look for huge values in the data."
            )

    def on_epoch_end(self, epoch, logs=None):
        state = self.state
        state["history"].append({"epoch": epoch + 1} | {name: float(value) for name, value in logs.items()})
        sign, name = (-1, self.monitor[1:]) if self.monitor[0] == "-" else (1, self.monitor)
        scores = [sign * row[name] for row in state["history"]]
        state["epochs"], state["best_epoch"] = epoch + 1, int(np.argmin(scores)) + 1
        if state["best_epoch"] == epoch + 1:
            self.best = [w.numpy() for w in self.model.weights]
        state["minutes"] += (time.monotonic() - self.started) / 60
        state["stopped"] = self.patience is not None and epoch + 1 - state["best_epoch"] >= self.patience
        self.model.stop_training = state["stopped"]
        arrays = {f"variable{i}": v.numpy() for i, v in enumerate(_variables(self.model))}
        arrays |= {f"best{i}": w for i, w in enumerate(self.best)}
        arrays |= {f"usage{i}": u for i, u in enumerate(recurrent.usage(self.model))}
        with replacing(self.run / f"{self.phase}checkpoint.npz") as file:
            np.savez(file, state=np.array(json.dumps(state)), **arrays)
        self.write_history()

    def write_history(self):
        with replacing(self.run / f"{self.phase}history.csv") as file:
            pd.DataFrame(self.state["history"]).to_csv(file, index=False)


def _variables(model):
    return [*model.variables, *model.optimizer.variables]


def reset_states(model):
    """Forget all that was read: the next call of a stateful network starts from zero states."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.RNN):
            layer.reset_state()


class ResetStates(keras.callbacks.Callback):
    """Lets no state pass from the end of a text to its beginning, or from training to validation."""

    def on_epoch_begin(self, epoch, logs=None):
        reset_states(self.model)

    def on_test_begin(self, logs=None):
        reset_states(self.model)


def plot_history(run, phase=""):
    """Draw learning curves of every column of history.csv, training beside validation."""
    history = pd.read_csv(run / f"{phase}history.csv").set_index("epoch")
    names = [*dict.fromkeys(name.removeprefix("val_") for name in history)]
    figure, axes = plt.subplots(1, len(names), figsize=(5 * len(names), 3.5), squeeze=False)
    for axis, name in zip(axes[0], names):
        splits = {name: "training", f"val_{name}": "validation"}
        history[[split for split in splits if split in history]].rename(columns=splits).plot(
            ax=axis, marker=".", ylabel=name
        )
        axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    run.save_figure(figure, f"{phase}learning_curves.png")
