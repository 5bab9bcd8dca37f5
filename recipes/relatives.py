"""Every cell on the same tasks, with about the same number of weights.

In:     random sequences: one-hot symbols, (batch, timesteps, 4), or numbers and marks, (batch, timesteps, 2).
Out:    the answer to a question at each timestep, (batch, timesteps, 1), or the sum of two marked numbers, (batch, 1).
Shape:  sequence-to-sequence, and sequence-to-vector.

Three questions about the past, asked of sequences four times as long as those in training, and the adding problem, in
which the answer 1, whatever the sequence, has a mean squared error of 1/6. datasets/tasks.py explains the tasks.

    simple          h_t = tanh(W x_t + U h_{t-1} + b)               Elman (1990)
    norm-simple     the same, normalized over the units             Ba, Kiros & Hinton (2016)
    gru             two gates                                       Cho et al. (2014)
    minimal         one gate                                        Zhou et al. (2016)
    lstm            three gates and a cell state                    Hochreiter & Schmidhuber (1997)
    peephole-lstm   gates that see the cell state                   Gers & Schmidhuber (2000)
    coupled-lstm    i = 1 - f                                       Greff et al. (2017)
    norm-lstm       with layer normalization                        Ba, Kiros & Hinton (2016)

One seed does not show which of two cells is better. Try next: --seeds 3 --lags 50,100 --steps 1200
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli, comparisons, plots, runs, training
from toolkit.cells import CELLS, recurrent, units_for

import keras
import numpy as np
import tensorflow as tf
from matplotlib import pyplot as plt

from datasets import tasks

RECIPE = "relatives"
TIMESTEPS, LONGER, TEST_SEQUENCES = 24, 4, 1000  # of the questions
STEPS_AVERAGED = 20  # steps of training whose losses are averaged
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings:
    weights: Annotated[int, cli.at_least(50)] = 3000
    """Number of weights of each cell, approximately."""
    lags: comparisons.Lengths = field(default_factory=lambda: [50])
    """Lengths of the adding problem, with commas between."""
    steps: Annotated[int, cli.at_least(STEPS_AVERAGED)] = 600
    """Steps of each training."""
    seeds: Annotated[int, cli.at_least(1, 1000)] = 1
    """Trainings of each cell on each task, with the seeds 0, 1, …"""


# -------------------------------------------------------------------------------------------------------- networks


def build_answering(cell="gru", units=30):
    """A network from one-hot symbols, (batch, timesteps, 4), to probabilities of yes, (batch, timesteps, 1)."""
    layers = [recurrent(cell, units, return_sequences=True), keras.layers.Dense(1, activation="sigmoid")]
    return keras.Sequential([keras.Input((None, tasks.SYMBOLS)), *layers])


def build_adding(cell="gru", units=30, lag=50):
    """A network from numbers and marks, (batch, lag, 2), to the sum of the marked numbers, (batch, 1)."""
    return keras.Sequential([keras.Input((lag, 2)), recurrent(cell, units), keras.layers.Dense(1)])


# ----------------------------------------------------------------------------------------------------------- train


def fit_answering(model, question, steps=600, seed=0, batch_size=64):
    """Compile and train a model on one question, with sequences that are new in each step."""
    rng = np.random.default_rng([tasks.QUESTIONS.index(question), seed])
    x, y = tasks.about_the_past(question, TIMESTEPS, steps * batch_size, rng)
    optimizer = keras.optimizers.Adam(training.cosine_decay(0.01, 1, steps), global_clipnorm=1.0)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0)


def fit_adding(model, lag=50, steps=600, seed=0, batch_size=32):
    """Compile and train a model on the adding problem; returns the mean squared error in the last tenth of the steps.

    Every sequence is new, so that this is an error on sequences that the network has not been trained on.
    """
    model.compile(keras.optimizers.Adam(0.005, global_clipnorm=1.0), "mse")
    stream = tf.data.Dataset.from_tensor_slices(tasks.adding(lag, steps * batch_size, seed)).batch(batch_size)
    epochs = steps // STEPS_AVERAGED
    history = model.fit(stream, epochs=epochs, steps_per_epoch=STEPS_AVERAGED, shuffle=False, verbose=0)
    return float(np.mean(history.history["loss"][-max(epochs // 10, 1) :]))


def measure(cell, seed, s):
    """Train a cell on every task: its units, the minutes, accuracies by question and errors by lag."""
    results, minutes = {}, 0.0
    for question in tasks.QUESTIONS:
        keras.utils.set_random_seed(seed)
        units = units_for(s.weights, tasks.SYMBOLS, lambda units: recurrent(cell, units, return_sequences=True))
        model = build_answering(cell, units)
        started = time.monotonic()
        fit_answering(model, question, s.steps, seed)
        minutes += (time.monotonic() - started) / 60
        results[question] = accuracy(model, question)
    for lag in s.lags:
        keras.utils.set_random_seed(seed)
        model = build_adding(cell, units, lag)
        started = time.monotonic()
        results[f"adding {lag}"] = fit_adding(model, lag, s.steps, seed)
        minutes += (time.monotonic() - started) / 60
    return {"units": units, "minutes": minutes} | results


# -------------------------------------------------------------------------------------------------------- evaluate


def accuracy(model, question):
    """The accuracy on new sequences, four times as long as those in training."""
    timesteps = LONGER * TIMESTEPS
    rng = np.random.default_rng([9, timesteps, tasks.QUESTIONS.index(question)])
    x, y = tasks.about_the_past(question, timesteps, TEST_SEQUENCES, rng)
    return float(model.evaluate(x, y, batch_size=500, verbose=0, return_dict=True)["accuracy"])


def plot(table):
    """A panel for each task, a bar for each cell: the mean over the seeds, and a dot for each seed."""
    columns = table.columns.drop(["cell", "seed", "units", "minutes"], errors="ignore")
    figure, axes = plt.subplots(1, len(columns), figsize=(3.2 * len(columns), 4), sharey=True)
    for axis, column in zip(axes, columns):
        means = table.groupby("cell", sort=False)[column].mean()
        axis.barh(means.index, means, color=[plots.CELL_COLORS[cell] for cell in means.index])
        axis.plot(table[column], table["cell"], "o", color="white", markeredgecolor="black", markersize=4)
        if column.startswith("adding"):
            axis.axvline(tasks.ADDING_BASELINE, color=plots.BASELINE, linestyle=":")
            lag = column.removeprefix("adding ")
            axis.set(title=f"adding, {lag} timesteps", xlabel="mean squared error", xscale="log", xlim=(1e-4, 1))
        else:
            axis.set(title=column, xlabel="accuracy")
    axes[0].invert_yaxis()
    return figure


# ------------------------------------------------------------------------------------------------------------- run


@app.command
def run(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None, resume: cli.Resume = False):
    """Train every cell on every task, report and draw; the default command."""
    s = settings
    folder = runs.open_run(RECIPE, s, "random sequences", run_dir, resume)
    keys = [{"cell": cell, "seed": seed} for seed in range(s.seeds) for cell in CELLS]
    table = comparisons.train_each(folder, keys, lambda cell, seed: measure(cell, seed, s))
    means = table.drop(columns=["seed", "minutes"]).groupby("cell", sort=False).mean()
    print(means.to_string(float_format="{:.4g}".format))
    folder.save_figure(plot(table), "relatives.png")
    folder.finish({"minutes": float(table["minutes"].sum()), "rows": table.to_dict("records")})
    print(f"The figure is {folder / 'relatives.png'}.")


if __name__ == "__main__":
    cli.main(app)
