"""Training that every recipe shares: exact resume, best epoch, learning curves, and `verify`."""

import contextlib
import importlib.util
import json
import sys
import time
import zipfile

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from matplotlib import pyplot as plt
from matplotlib import ticker

from layers import recurrent
from recipes.common import BUILT_IN, Stop, replacing


def shuffled_batches(arrays, batch_size, seed):
    """Batches for `fit`: a function from the epoch to its batches, so that no pipeline has a position to lose.

    Args:
        arrays: a structure of arrays, each of shape (examples, ...).
        batch_size: examples in a batch; the last one may be smaller.
        seed: with the epoch it decides the order.

    Returns:
        The function, from an int64 scalar to a `tf.data.Dataset`, and the number of batches in an epoch.
    """
    arrays = tf.nest.map_structure(tf.convert_to_tensor, arrays)
    examples = len(tf.nest.flatten(arrays)[0])

    def batches(epoch):
        order = tf.random.experimental.stateless_shuffle(tf.range(examples), [tf.cast(epoch, tf.int64), seed])
        indices = tf.data.Dataset.from_tensor_slices(order).batch(batch_size)
        return indices.map(lambda chosen: tf.nest.map_structure(lambda array: tf.gather(array, chosen), arrays))

    return batches, -(-examples // batch_size)


def warmed_up(highest, epochs, steps):
    """A learning rate that rises to its highest over 400 batches, or the first epoch, and falls to 0 along a cosine."""
    warmup = min(steps, 400)
    rising = {"warmup_target": highest, "warmup_steps": warmup}
    return keras.optimizers.schedules.CosineDecay(0.0, max(epochs * steps - warmup, 1), **rising)


def fit(model, run, batches, epochs, validation, monitor="val_loss", patience=None, callbacks=(), saved=None, part=""):
    """Train a compiled model, resuming from the run's checkpoint if there is one, and keep its best epoch's weights.

    A run killed at any moment and begun again ends with the same bits: the checkpoint, replaced in one step after each
    epoch, holds every variable (weights, optimizer, dropout seeds) and what layers.RNN has run, by which it compiles;
    every epoch's batches follow from its number.
    With an optimizer that has `use_ema`, the averaged weights are those that are validated and kept.

    Args:
        batches: what `shuffled_batches` returns.
        validation: a finite `tf.data.Dataset` of batches; None where `callbacks` validate.
        monitor: the value in history.csv whose minimum is the best epoch; its maximum, with "-" in front.
        patience: epochs without a better one after which training ends; None for never.
        saved: the model to save, if not this one: one that shares its layers.
        part: in front of the names of the files that are written, where a run trains more than once.

    Returns:
        The minutes that all epochs took together, those before a resume included.

    Raises:
        Stop: the loss became infinite or NaN.
    """
    make_batches, steps = batches
    with scope(model):
        model.optimizer.build(model.trainable_variables)
    keeper = Checkpoint(run, monitor, patience, part)
    first = keeper.load(model)
    if first < epochs and not keeper.state["stopped"]:
        stream = tf.data.Dataset.range(first, epochs).flat_map(make_batches).prefetch(tf.data.AUTOTUNE)
        if importlib.util.find_spec("tensorboard"):
            callbacks = [*callbacks, keras.callbacks.TensorBoard(run / f"{part}tensorboard", write_graph=False)]
        print(f"If this is stopped, the same command with --resume --run-dir {run.path} goes on.")
        model.fit(
            stream,
            initial_epoch=first,
            epochs=epochs,
            steps_per_epoch=steps,
            shuffle=False,  # the stream is shuffled already
            validation_data=validation,
            callbacks=[*callbacks, keeper],
            verbose=1 if sys.stdout.isatty() else 2,
        )
    for variable, value in zip(model.weights, keeper.best):
        variable.assign(value)
    keeper.write_history()  # again, because the kill may have come between checkpoint and history
    plot_history(run, part)
    (saved or model).save(run / "model.keras")
    return keeper.state["minutes"]


def scope(model):
    """The scope of the strategy that a model was built in, for what is built around it."""
    strategy = getattr(model, "distribute_strategy", None)  # only the TensorFlow backend has one
    return strategy.scope() if strategy else contextlib.nullcontext()


class Checkpoint(keras.callbacks.Callback):
    """Saves all that training depends on after each epoch, and stops it early, or when the loss is no number."""

    def __init__(self, run, monitor, patience, part=""):
        super().__init__()
        self.run, self.monitor, self.patience, self.part = run, monitor, patience, part
        self.state = {"epochs": 0, "best_epoch": None, "stopped": False, "minutes": 0.0, "history": []}
        self.best = []

    def load(self, model):
        """Restore the model from the run's checkpoint; returns the number of epochs done."""
        path = self.run / f"{self.part}checkpoint.npz"
        try:
            if path.exists():
                self._restore(model, path)
        except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
            raise Stop(f"{path} is damaged ({error}): delete it to begin this run again.") from error
        return self.state["epochs"]

    def _restore(self, model, path):
        with np.load(path) as saved:
            self.state = json.loads(saved["state"].item())
            for i, variable in enumerate(_variables(model)):
                variable.assign(saved[f"variable{i}"].view(variable.numpy().dtype))
            self.best = [saved[f"best{i}"].view(w.numpy().dtype) for i, w in enumerate(model.weights)]
            recurrent.restore_usage(model, [saved[f"usage{i}"] for i in range(len(recurrent.usage(model)))])

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.monotonic()

    def on_test_begin(self, logs=None):
        if self.model.optimizer.use_ema:
            self.newest = [w.numpy() for w in self.model.trainable_variables]
            self.model.optimizer.finalize_variable_values(self.model.trainable_variables)

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
        if self.model.optimizer.use_ema:
            for variable, value in zip(self.model.trainable_variables, self.newest):
                variable.assign(value)
        state["minutes"] += (time.monotonic() - self.began) / 60
        state["stopped"] = self.patience is not None and epoch + 1 - state["best_epoch"] >= self.patience
        self.model.stop_training = state["stopped"]
        arrays = {f"variable{i}": v.numpy() for i, v in enumerate(_variables(self.model))}
        arrays |= {f"best{i}": w for i, w in enumerate(self.best)}
        arrays |= {f"usage{i}": u for i, u in enumerate(recurrent.usage(self.model))}
        with replacing(self.run / f"{self.part}checkpoint.npz") as file:
            np.savez(file, state=np.array(json.dumps(state)), **arrays)
        self.write_history()

    def write_history(self):
        with replacing(self.run / f"{self.part}history.csv") as file:
            pd.DataFrame(self.state["history"]).to_csv(file, index=False)


def _variables(model):
    return [*model.variables, *model.optimizer.variables]


def plot_history(run, part=""):
    """Learning curves of every value in history.csv, that of the training part beside that of the validation part."""
    history = pd.read_csv(run / f"{part}history.csv").set_index("epoch")
    names = [*dict.fromkeys(name.removeprefix("val_") for name in history)]
    figure, axes = plt.subplots(1, len(names), figsize=(5 * len(names), 3.5), squeeze=False, layout="constrained")
    for axis, name in zip(axes[0], names):
        twins = {name: "training", f"val_{name}": "validation"}
        history[[twin for twin in twins if twin in history]].rename(columns=twins).plot(
            ax=axis, marker=".", ylabel=name
        )
        axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    run.save_figure(figure, f"{part}learning_curves.png")


def verify(build, cell, x, y, loss="mse", steps=20, batch_size=32):
    """Compare the network of our cells with its twin of built-in layers; prints a table.

    Both get the same random weights, trainable biases included, and the same batches. A gradient is read off one step
    of plain gradient descent at learning rate 1, which works on every backend.

    Args:
        build: a function from a `--cell` name to a model, without dropout; other noise must be seeded.
        x, y: arrays of at least `batch_size` examples; x may be a tuple of them.
        loss: what `compile` takes.
        steps: Adam steps over which the two losses must stay together.

    Raises:
        SystemExit: with status 1, when a difference is larger than allowed.
    """
    cell = cell.removeprefix("builtin-")
    models = build(cell), build(f"builtin-{cell}")
    rng = np.random.default_rng(0)
    start = [w.numpy() + rng.normal(scale=0.1, size=w.shape) for w in models[0].trainable_variables]
    outputs, gradients, losses = zip(*(_measure(m, start, x, y, loss, steps, batch_size) for m in models))
    names = [f"gradient of {w.path}" for w in models[0].trainable_variables]
    rows = [("outputs", *outputs, 1e-5)]
    rows += [(name, ours, twin, 1e-4) for name, ours, twin in zip(names, *gradients)]
    rows += [(f"loss over {steps} steps of training", *losses, 1e-4)]
    table = [(n, np.abs(b).max(), np.abs(a - b).max() / np.abs(b).max(), allowed) for n, a, b, allowed in rows]
    twin = "the built-in layer" if cell in BUILT_IN else "keras.layers.RNN, for there is no built-in layer"
    print(f"{cell} cell in layers.RNN beside {twin}: same weights, same batches")
    print(f"{'':44}{'largest value':>15}{'difference':>13}{'allowed':>10}   (relative)")
    for name, value, difference, allowed in table:
        verdict = "pass" if difference <= allowed else "FAIL"
        print(f"{name:44}{value:15.6f}{difference:13.1e}{allowed:10.0e}  {verdict}")
    if not all(difference <= allowed for _, _, difference, allowed in table):
        sys.exit(1)


def _measure(model, start, x, y, loss, steps, batch_size):
    """Outputs, gradients and training losses of a model from the given trainable weights."""
    variables = model.trainable_variables
    for variable, value in zip(variables, start):
        variable.assign(value)
    slices = [slice(i, i + batch_size) for i in range(0, len(y) - batch_size + 1, batch_size)]
    batches = [(keras.tree.map_structure(lambda array: array[part], x), y[part]) for part in slices]
    outputs = model.predict_on_batch(batches[0][0])
    model.compile(keras.optimizers.SGD(1.0), loss)
    model.train_on_batch(*batches[0])
    gradients = [value - variable.numpy() for variable, value in zip(variables, start)]
    for variable, value in zip(variables, start):
        variable.assign(value)
    model.compile("adam", loss)
    losses = np.array([model.train_on_batch(*batches[i % len(batches)]) for i in range(steps)])
    return outputs, gradients, losses
