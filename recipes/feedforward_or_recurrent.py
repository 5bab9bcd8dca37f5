"""Which tasks need a memory: three questions about the past, put to networks with and without memory.

In:     random sequences of four symbols, one-hot, shape (batch, timesteps, 4).
Out:    the probability that the answer is yes, at each timestep, shape (batch, timesteps, 1).
Shape:  sequence-to-sequence.

    recall    Was the symbol three timesteps ago an "a"?
    parity    Is the number of "a" so far odd?
    order     Of the first "a" and the first "b" so far, did the "a" come first?

A network gives the same answer wherever its inputs look the same. One that sees only the present symbol can learn no
more than how often the answer is yes. One that sees a window of the last eight symbols has all it needs for recall, and
nothing of what came before the window. Parity needs one bit of memory without end, order needs two.

    now      y_t = σ(v · φ(W x_t + b) + c)
    window   y_t = σ(v · φ(W [x_t; x_{t-1}; … x_{t-7}] + b) + c)
    cells    y_t = σ(v · h_t + c), h_t from x_t and h_{t-1}

All networks have about the same number of weights. They are trained on sequences of --timesteps symbols, and tested on
new ones of that length and of four times that length: a rule that has been learned holds there too.

Try next: --timesteps 60; --cells minimal,norm-lstm,peephole-lstm
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli, comparisons, plots, runs, training, verification
from toolkit.cells import CELL_NAMES, recurrent, units_for

import keras
import numpy as np
import pandas as pd
from cyclopts import Parameter
from matplotlib import pyplot as plt

from datasets import tasks

RECIPE = "feedforward_or_recurrent"
SEEN = {"now": 1, "window": 8}  # networks without memory, and the number of timesteps that each sees
LONGER, TEST_SEQUENCES = 4, 1000
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings:
    cells: comparisons.some_of(CELL_NAMES) = field(default_factory=lambda: ["simple", "gru", "lstm"])
    """Recurrent cells to compare, with commas between."""
    timesteps: Annotated[int, cli.at_least(tasks.DISTANCE + 1)] = 24
    """Length of the sequences to train on."""
    weights: Annotated[int, cli.at_least(20)] = 3000
    """Number of weights of each network's hidden layer, approximately."""
    steps: cli.Count = 1000
    """Steps of each training."""
    batch_size: cli.Count = 64
    """Sequences in one training step."""
    learning_rate: cli.LearningRate = 0.01
    """Learning rate at the start; it falls to 0 along a cosine."""
    seed: cli.Seed = 0
    """Seed of the weights and the sequences."""


# --------------------------------------------------------------------------------------------------------- network


def hidden_layer(network="gru", units=30):
    """The layer of a network with memory, a --cell name, or without, "now" or "window"."""
    if network in SEEN:
        return keras.layers.Conv1D(units, SEEN[network], padding="causal", activation="tanh")
    return recurrent(network, units, return_sequences=True)


def build_model(network="gru", units=30):
    """A network from one-hot symbols, (batch, timesteps, 4), to probabilities of yes, (batch, timesteps, 1)."""
    inputs = keras.Input((None, tasks.SYMBOLS))
    return keras.Sequential([inputs, hidden_layer(network, units), keras.layers.Dense(1, activation="sigmoid")])


# ----------------------------------------------------------------------------------------------------------- train


def fit(model, question, timesteps=24, steps=1000, batch_size=64, learning_rate=0.01, seed=0):
    """Compile and train a model on sequences that are new in each step; returns the minutes of training."""
    rng = np.random.default_rng([tasks.QUESTIONS.index(question), seed])
    x, y = tasks.about_the_past(question, timesteps, steps * batch_size, rng)
    optimizer = keras.optimizers.Adam(training.cosine_decay(learning_rate, 1, steps), global_clipnorm=1.0)
    model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    started = time.monotonic()
    model.fit(x, y, batch_size=batch_size, shuffle=False, verbose=0)
    return (time.monotonic() - started) / 60


def train_and_test(network, question, s):
    """A row of the table: the accuracies of one network on one question, beside those of the commoner answer."""
    keras.utils.set_random_seed(s.seed)
    units = units_for(s.weights, tasks.SYMBOLS, lambda units: hidden_layer(network, units))
    model = build_model(network, units)
    minutes = fit(model, question, s.timesteps, s.steps, s.batch_size, s.learning_rate, s.seed)
    row = {"question": question, "network": network, "weights": model.count_params(), "minutes": minutes}
    row["accuracy"], row["baseline"] = accuracy(model, question, s.timesteps)
    row["accuracy_longer"], row["baseline_longer"] = accuracy(model, question, LONGER * s.timesteps)
    return row


# -------------------------------------------------------------------------------------------------------- evaluate


def accuracy(model, question, timesteps):
    """The accuracy on new sequences, and the accuracy of the baseline: the commoner answer, always."""
    rng = np.random.default_rng([9, timesteps, tasks.QUESTIONS.index(question)])
    x, y = tasks.about_the_past(question, timesteps, TEST_SEQUENCES, rng)
    measured = model.evaluate(x, y, batch_size=500, verbose=0, return_dict=True)["accuracy"]
    return float(measured), float(max(y.mean(), 1 - y.mean()))


def plot(table, timesteps):
    """A panel for each question, two bars for each network: sequences as long as in training, and longer ones."""
    figure, axes = plt.subplots(1, len(tasks.QUESTIONS), figsize=(15, 4.5), sharey=True)
    for axis, question in zip(axes, tasks.QUESTIONS):
        rows = table[table["question"] == question]
        colors = [plots.CELL_COLORS.get(name.removeprefix("builtin-"), plots.BASELINE) for name in rows["network"]]
        positions = np.arange(len(rows))
        for suffix, shift, hatch in (("", -0.2, None), ("_longer", 0.2, "///")):
            x = positions + shift
            axis.bar(x, rows[f"accuracy{suffix}"], 0.38, color=colors, hatch=hatch, edgecolor="white", linewidth=0)
            axis.hlines(rows[f"baseline{suffix}"], x - 0.2, x + 0.2, "black", linestyle=":")
        axis.set_xticks(positions, [f"{row.network}\n{row.weights:,}" for row in rows.itertuples()], fontsize=9)
        axis.set(title=question, ylim=(0.4, 1.01), xlabel="network, number of weights")
    axes[0].set_ylabel("accuracy")
    lengths = f"{timesteps} timesteps, hatched: {LONGER * timesteps}"
    figure.suptitle(f"Questions that need a memory ({lengths}; dotted: the commoner answer, always)")
    return figure


@app.command
def run(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None):
    """Train every network on every question, report and draw; the default command."""
    s = settings
    folder = runs.open_run(RECIPE, s, "random sequences", run_dir)
    pairs = [(question, network) for question in tasks.QUESTIONS for network in (*SEEN, *s.cells)]
    bar, rows = keras.utils.Progbar(len(pairs), unit_name="training"), []
    for question, network in pairs:
        rows.append(train_and_test(network, question, s))
        bar.add(1)
    table = pd.DataFrame(rows)
    lengths = {"accuracy": f"{s.timesteps} timesteps", "accuracy_longer": f"{LONGER * s.timesteps} timesteps"}
    shown = table.drop(columns="minutes").rename(columns=lengths)
    print(shown.to_string(index=False, float_format="{:.3f}".format))
    folder.save_figure(plot(table, s.timesteps), "feedforward_or_recurrent.png")
    folder.finish({"minutes": float(table["minutes"].sum()), "rows": rows})
    print(f"The figure is {folder / 'feedforward_or_recurrent.png'}.")


# ---------------------------------------------------------------------------------------------------------- verify


@app.command
def verify(
    *,
    cell: Annotated[cli.Cell, Parameter(help="Recurrent cell.")] = "gru",
    units: Annotated[cli.Units, Parameter(help="Units of the cell.")] = 16,
):
    """Compare with built-in layers.

    The same network is built from both, with the same weights: outputs, every gradient, and the loss over a short
    training are compared. The exit status is 1 if they differ.
    """
    x, y = tasks.about_the_past("parity", 12, 320, np.random.default_rng(0))
    verification.verify(lambda name: build_model(name, units), cell, x, y, "binary_crossentropy")


if __name__ == "__main__":
    cli.main(app)
