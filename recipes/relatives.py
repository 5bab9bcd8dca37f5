"""Every cell on the tasks of the chapters before, with about the same number of weights.

Three questions at every timestep (feedforward_or_recurrent.py), asked of sequences four times as long as those trained
on, and the adding problem (gradient_flow.py): its squared error after training, 1/6 for who always says 1.

    simple          h_t = tanh(W x_t + U h_{t-1} + b)               Elman (1990)
    norm-simple     the same, normalized over the units             Ba, Kiros & Hinton (2016)
    gru             two gates                                       Cho et al. (2014)
    minimal         one gate                                        Zhou et al. (2016)
    lstm            three gates and a cell state                    Hochreiter & Schmidhuber (1997)
    peephole-lstm   gates that see the cell state                   Gers & Schmidhuber (2000)
    coupled-lstm    i = 1 - f                                       Greff et al. (2017)
    norm-lstm       with layer normalization                        Ba, Kiros & Hinton (2016)

One seed says little about which of two cells is better: --seeds 3.
"""

import sys
import time
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import common, feedforward_or_recurrent, gradient_flow, results, sequence_length  # isort: skip

import keras
import numpy as np
import pandas as pd
import typer
from matplotlib import pyplot as plt

RECIPE = "relatives"
PUBLISHED = {"lags": "50,100", "steps": 1200}  # what differs from the default flags
app = common.command_line(__doc__)


def measured(name, settings):
    """Accuracies and squared errors of one cell, by column."""
    asked = common.defaults(feedforward_or_recurrent.run)
    asked |= {key: settings[key] for key in ("weights", "steps", "seed")}
    found = {}
    for task in feedforward_or_recurrent.TASKS:
        found[task] = feedforward_or_recurrent.accuracies(name, task, asked)["accuracy_longer"]
    units = feedforward_or_recurrent.units_for(name, settings["weights"])
    for lag in settings["lags"]:
        optimizer = keras.optimizers.Adam(0.005, global_clipnorm=1.0)
        cell = lambda: common.cell(name, units)
        curve = gradient_flow.learn(cell, lag, settings["steps"], settings["seed"], optimizer)
        found[f"adding {lag}"] = float(np.mean(curve[-max(len(curve) // 10, 1) :]))
    return {"units": units} | found


def figure(table):
    """A panel for each column, a bar for each cell: the mean over the seeds, and each seed a dot."""
    columns = [name for name in table if name not in ("cell", "seed", "units")]
    drawn, axes = plt.subplots(1, len(columns), figsize=(3.2 * len(columns), 4), layout="constrained")
    for axis, column in zip(np.atleast_1d(axes), columns):
        means = table.groupby("cell", sort=False)[column].mean()
        axis.barh(means.index, means, color="0.8")
        axis.plot(table[column], table["cell"], "k.", markersize=4)
        errors = column.startswith("adding")
        axis.set(title=column, xlabel="squared error" if errors else "accuracy", xscale="log" if errors else "linear")
        axis.invert_yaxis()
        axis.tick_params(labelleft=axis is np.atleast_1d(axes)[0])
        if errors:
            axis.axvline(gradient_flow.GUESS, color="0.3", linestyle=":")
    return drawn


def rows_of(settings, seed):
    """A row for every cell, with what it reached."""
    bar, rows = keras.utils.Progbar(len(common.CELLS), unit_name="cell"), []
    for name in common.CELLS:
        rows.append({"cell": name, "seed": seed} | measured(name, settings | {"seed": seed}))
        bar.add(1)
    return rows


@app.command()
def run(
    weights: Annotated[int, typer.Option(min=50, help="Of each cell, about.")] = 3000,
    lags: Annotated[str, typer.Option(help="Lengths of the adding problem, with commas between.")] = "50",
    steps: Annotated[int, typer.Option(min=gradient_flow.SMOOTH, help="Of each training.")] = 600,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each, with the seeds 0, 1, ...")] = 1,
    run_dir: common.RunDir = None,
):
    """Train every cell on every task, draw and write down; the default."""
    settings = {"weights": weights, "lags": sequence_length.numbers(lags), "steps": steps}
    folder = common.Run.begin(RECIPE, settings | {"seeds": seeds}, "drawn", run_dir)
    rows = [row for seed in range(seeds) for row in rows_of(settings, seed)]
    table = pd.DataFrame(rows)
    means = table.drop(columns="seed").groupby("cell", sort=False).mean()
    print(means.to_string(float_format="{:.4g}".format))
    folder.save_figure(figure(table), "relatives.png")
    folder.write_json("metrics.json", rows)
    print(f"Drawn in {folder / 'relatives.png'}")


@app.command()
def publish(
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each, with the seeds 0, 1, ...")] = 3,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = results.ROOT / "results",
):
    """Train every cell longer, once a seed, and write results/; the same command goes on after a stop."""
    settings = common.defaults(run) | PUBLISHED
    settings = {name: settings[name] for name in ("weights", "steps", "lags")}
    settings["lags"] = sequence_length.numbers(settings["lags"])

    def complete(seed, path):
        folder, started = common.Run.begin(RECIPE, settings | {"seed": seed}, "drawn", path, resume=True), time.time()
        rows = rows_of(settings, seed)
        folder.write_json("metrics.json", {"minutes": (time.time() - started) / 60, "rows": rows})

    found = [metrics for _, metrics in common.once_a_seed(RECIPE, "published", seeds, settings, complete)]
    table = pd.DataFrame([row for metrics in found for row in metrics["rows"]])
    table = table.drop(columns="units").melt(["cell", "seed"], var_name="task", value_name="reached")
    runs = [(seed, metrics["minutes"], {}) for seed, metrics in enumerate(found)]
    command, records = f"python recipes/{RECIPE}.py publish --seeds {seeds}", table.to_dict("records")
    print(results.publish(RECIPE, "tasks", command, common.versions(), runs, [], output, table=records))


if __name__ == "__main__":
    common.main(app)
