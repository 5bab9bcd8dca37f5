"""Why a network without memory cannot do it: three tasks about the past, and networks with and without memory.

In:     random sequences of symbols, one-hot, shape (batch, timesteps, 4).
Out:    a probability at each timestep, shape (batch, timesteps, 1).
Shape:  sequence-to-sequence.

    recall    was the symbol three steps ago an "a"?
    parity    is the number of "a" so far odd?
    order     of the first "a" and the first "b" so far, was the "a" first?

Every network gives the same answer to inputs that look the same to it. One that sees the present symbol alone can only
know how often the answer is yes; one that sees a window of the last eight knows all about recall, and nothing about
what lies before its window. Parity needs one bit of memory for ever, order needs two.

    now      y_t = σ(v · φ(W x_t + b) + c)
    window   y_t = σ(v · φ(W [x_t; x_{t-1}; … x_{t-7}] + b) + c)
    cells    y_t = σ(v · h_t + c), h_t from x_t and h_{t-1}

All have about the same number of weights. They are trained on sequences of --timesteps steps, and tested on new ones of
that length and of four times that length: what is learned as a rule holds there too.

Try next: --timesteps 60; --cells minimal,norm-lstm,peephole-lstm
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import common, training  # isort: skip

import keras
import numpy as np
import pandas as pd
import typer
from matplotlib import pyplot as plt

RECIPE = "feedforward_or_recurrent"
SYMBOLS, BACK, WINDOW, LONGER, TESTED = 4, 3, 8, 4, 1000
TASKS = "recall", "parity", "order"
WITHOUT = {"now": 1, "window": WINDOW}  # networks without memory, and how many timesteps they see
app = common.command_line(__doc__)


def answers(task, symbols):
    """Yes or no at every timestep, of symbols 0 ("a") to 3, (batch, timesteps): booleans of that shape."""
    a, b = symbols == 0, symbols == 1
    if task == "recall":
        return np.pad(a, [(0, 0), (BACK, 0)])[:, :-BACK]
    if task == "parity":
        return np.cumsum(a, axis=1) % 2 == 1
    first_a, first_b = (np.where(x.any(axis=1), x.argmax(axis=1), x.shape[1])[:, None] for x in (a, b))
    return (first_a < first_b) & (np.arange(symbols.shape[1]) >= first_a)


def batch_of(task, count, timesteps, rng):
    """One-hot sequences, (count, timesteps, 4), and the answers, (count, timesteps, 1).

    For the question of order "a" and "b" are made rare, or it would be settled within a few steps.
    """
    chances = [0.05, 0.05, 0.45, 0.45] if task == "order" else [0.25] * SYMBOLS
    symbols = rng.choice(SYMBOLS, (count, timesteps), p=chances)
    return np.eye(SYMBOLS, dtype="float32")[symbols], answers(task, symbols)[..., None].astype("float32")


def hidden(name, units):
    """The layer of a network that has a memory, or has none."""
    if name in WITHOUT:
        return keras.layers.Conv1D(units, WITHOUT[name], padding="causal", activation="tanh")
    return common.recurrent(name, units, return_sequences=True)


def weights_of(name, units):
    layer = hidden(name, units)
    layer.build((None, None, SYMBOLS))
    return layer.count_params()


def units_for(name, weights):
    """The units with which a layer's weights come nearest to a number."""
    units = next(units for units in range(1, weights) if weights_of(name, units) >= weights)
    return min((max(units - 1, 1), units), key=lambda n: abs(weights_of(name, n) - weights))


def build_model(name, units):
    layers = [keras.Input((None, SYMBOLS)), hidden(name, units), keras.layers.Dense(1, activation="sigmoid")]
    return keras.Sequential(layers)


def accuracies(name, task, settings):
    """Train on sequences that are new at each step; the accuracy on new ones as long, and four times as long."""
    keras.utils.set_random_seed(settings["seed"])
    rng = np.random.default_rng([TASKS.index(task), settings["seed"]])
    model = build_model(name, units_for(name, settings["weights"]))
    rate = keras.optimizers.schedules.CosineDecay(settings["learning_rate"], settings["steps"])
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), "binary_crossentropy", metrics=["accuracy"])
    examples = batch_of(task, settings["steps"] * settings["batch_size"], settings["timesteps"], rng)
    model.fit(*examples, batch_size=settings["batch_size"], shuffle=False, verbose=0)
    found = {"weights": model.count_params()}
    for key, timesteps in lengths(settings).items():
        x, y = batch_of(task, TESTED, timesteps, np.random.default_rng([9, timesteps, TASKS.index(task)]))
        found[key] = float(model.evaluate(x, y, batch_size=500, verbose=0, return_dict=True)["accuracy"])
        found[f"{key}_guess"] = float(max(y.mean(), 1 - y.mean()))
    return found


def lengths(settings):
    return {"accuracy": settings["timesteps"], "accuracy_longer": LONGER * settings["timesteps"]}


def figure(table, settings):
    drawn, axes = plt.subplots(1, len(TASKS), figsize=(15, 4.5), sharey=True, layout="constrained")
    for axis, task in zip(axes, TASKS):
        rows = table[table["task"] == task]
        places = np.arange(len(rows))
        for (key, timesteps), shift, shade in zip(lengths(settings).items(), (-0.2, 0.2), ("C0", "C1")):
            axis.bar(places + shift, rows[key], 0.38, color=shade, label=f"{timesteps} timesteps")
            axis.hlines(rows[f"{key}_guess"], places + shift - 0.2, places + shift + 0.2, "0.2", linestyle=":")
        names = [f"{row.network}\n{row.weights:,} weights" for row in rows.itertuples()]
        axis.set_xticks(places, names, fontsize=8)
        axis.set(title=task, ylim=(0.4, 1.01))
    axes[0].set_ylabel("accuracy; dotted: the commoner answer, always")
    drawn.legend(*axes[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return drawn


@app.command()
def run(
    cells: Annotated[str, typer.Option(help="--cell names, with commas between.")] = "simple,gru,lstm",
    timesteps: Annotated[int, typer.Option(min=BACK + 1, help="Of the sequences to train on.")] = 24,
    weights: Annotated[int, typer.Option(min=20, help="Of each network's hidden layer, about.")] = 3000,
    steps: Annotated[int, typer.Option(min=1, help="Of each training.")] = 1000,
    batch_size: common.BatchSize = 64,
    learning_rate: Annotated[
        float, typer.Option(min=1e-8, max=1, help="At the start; it falls to 0 along a cosine.")
    ] = 0.01,
    seed: common.Seed = 0,
    run_dir: common.RunDir = None,
):
    """Train every network on every task, draw and write down; the default."""
    names = cells.split(",")
    if unknown := {*names} - {*common.CELL_NAMES}:
        raise common.Stop(f"--cells takes {', '.join(common.CELL_NAMES)}. Received: {', '.join(sorted(unknown))}")
    settings = {"cells": names, "timesteps": timesteps, "weights": weights, "steps": steps, "batch_size": batch_size}
    settings |= {"learning_rate": learning_rate, "seed": seed}
    folder = common.Run.begin(RECIPE, settings, "drawn", run_dir)
    every = [(task, name) for task in TASKS for name in (*WITHOUT, *names)]
    bar, rows = keras.utils.Progbar(len(every), unit_name="training"), []
    for task, name in every:
        rows.append({"task": task, "network": name} | accuracies(name, task, settings))
        bar.add(1)
    table = pd.DataFrame(rows)
    shown = table.rename(columns={key: f"{n} steps" for key, n in lengths(settings).items()})
    print(shown.to_string(index=False, float_format="{:.3f}".format))
    folder.save_figure(figure(table, settings), "feedforward_or_recurrent.png")
    folder.write_json("metrics.json", rows)
    print(f"Drawn in {folder / 'feedforward_or_recurrent.png'}")


@app.command()
def verify(cell: common.Cell = "gru", units: Annotated[int, typer.Option(min=1, help="Units of the cell.")] = 16):
    """Compare with built-in layers.

    The same network from both, with the same weights: outputs, every gradient, the loss over a short training. Exits
    with 1 where they differ.
    """
    x, y = batch_of("parity", 320, 12, np.random.default_rng(0))
    training.verify(lambda name: build_model(name, units), cell, x, y, "binary_crossentropy")


if __name__ == "__main__":
    common.main(app)
