"""Vanishing and exploding gradients, measured: how much of an error reaches k timesteps back, and what changes that.

In:     random sequences, shape (batch, timesteps, features); in the adding problem numbers and marks, features = 2.
Out:    the last hidden state, whose random mix is the loss L; in the adding problem the sum, shape (batch, 1).
Shape:  sequence-to-vector.

    ∂L/∂h_t = ∂L/∂h_T · Π_{k=t+1..T} ∂h_k/∂h_{k-1}          for a simple cell ∂h_k/∂h_{k-1} = diag(φ') U
    ∂c_t/∂c_{t-1} = f_t + …                                  for an LSTM: the forget gate passes its cell state on

A product of T matrices vanishes if their spectral radius stays below 1; above 1 it may explode (Hochreiter 1991;
Pascanu, Mikolov & Bengio 2013). The adding problem (Hochreiter & Schmidhuber 1997) shows what that costs: two numbers
of a long sequence are marked, one near its beginning, and the network has to give their sum at its end. The answer 1,
whatever the sequence, has a mean squared error of 1/6.

Try next: --lags 100,200,400 --steps 4000
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli, comparisons, plots, runs

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from matplotlib import pyplot as plt

import layers
from datasets import tasks

RECIPE = "gradient_flow"
FEATURES, UNITS, BATCH_SIZE = 8, 32, 32
STEPS_AVERAGED = 20  # steps of training whose losses are averaged to one point of a curve
RADII = 0.5, 0.9, 1.0, 1.2, 2.0  # spectral radii of U, or of each gate's block of it
CELLS = {"simple": layers.SimpleRNNCell, "gru": layers.GRUCell, "lstm": layers.LSTMCell}
REMEDIES = {
    "simple, random U": lambda: layers.SimpleRNNCell(UNITS, recurrent_initializer="glorot_normal"),
    "simple, orthogonal U": lambda: layers.SimpleRNNCell(UNITS),
    "simple, identity U, relu": lambda: layers.SimpleRNNCell(UNITS, "relu", recurrent_initializer="identity"),
    "simple, layer normalization": lambda: layers.LayerNormRNNCell(UNITS),
    "lstm, forget bias 0": lambda: layers.LSTMCell(UNITS, unit_forget_bias=False),
    "lstm, forget bias 1": lambda: layers.LSTMCell(UNITS),
}
LEARNERS = {name: lambda cell=cell: cell(UNITS) for name, cell in CELLS.items()}
LEARNERS |= {"simple, identity U, relu": REMEDIES["simple, identity U, relu"]}
CLIPPING = {"not clipped": {}, "by value, 0.05": {"clipvalue": 0.05}, "by norm, 1": {"global_clipnorm": 1.0}}
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings:
    timesteps: Annotated[int, cli.at_least(2)] = 100
    """Length of the sequences whose gradients are measured."""
    lags: comparisons.Lengths = field(default_factory=lambda: [10, 30, 100])
    """Lengths of the adding problem, with commas between."""
    steps: Annotated[int, cli.at_least(STEPS_AVERAGED)] = 1200
    """Steps of each training."""
    seed: cli.Seed = 0
    """Seed of the weights and the sequences."""


# ----------------------------------------------------------------------------------------- gradients of the states


class PerturbedCell(keras.layers.Layer):
    """A cell whose inputs are [x_t, n_t], side by side; n_t is added to h_t, so that ∂L/∂n_t is ∂L/∂h_t."""

    def __init__(self, cell):
        super().__init__()
        self.cell, self.state_size = cell, cell.state_size

    def build(self, input_shape):
        if not self.cell.built:
            self.cell.build((input_shape[0], input_shape[1] - self.cell.units))

    def get_initial_state(self, batch_size=None):
        return self.cell.get_initial_state(batch_size)

    def call(self, inputs, states):
        features = inputs.shape[-1] - self.cell.units
        _, (h_t, *others) = self.cell(inputs[:, :features], states)
        h_t = h_t + inputs[:, features:]
        return h_t, [h_t, *others]


class Perturbations(keras.layers.Layer):
    """Puts the weights n_t, all zero, beside x_t: (batch, timesteps, features) to (batch, timesteps, features + units).

    They are a part of no network: their gradients are those of the hidden states, every one of which has its own.
    """

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, input_shape):
        self.values = self.add_weight(shape=(*input_shape[:2], self.units), initializer="zeros", name="perturbations")

    def call(self, x):
        return ops.concatenate([x, self.values], axis=-1)


def gradient_norms(make_cell, timesteps=100, seed=0, radius=None):
    """‖∂L/∂h_t‖ relative to its value at the last timestep, (timesteps,), where L is a random mix of h_T.

    All of them are read off one step of gradient descent at learning rate 1, which works on every backend.

    Args:
        make_cell: a function without arguments that returns a cell.
        radius: the spectral radius to give to U; None for U as it was initialized.
    """
    keras.utils.set_random_seed(seed)
    cell, rng = make_cell(), np.random.default_rng(seed)
    cell.build((BATCH_SIZE, FEATURES))
    if radius is not None:
        set_spectral_radius(cell, radius)
    x = rng.normal(size=(timesteps, BATCH_SIZE, FEATURES)).astype("float32").swapaxes(0, 1)
    mix = rng.normal(size=(BATCH_SIZE, UNITS)).astype("float32")
    perturbations = Perturbations(UNITS)
    inputs = keras.Input((timesteps, FEATURES), batch_size=BATCH_SIZE)
    model = keras.Model(inputs, keras.layers.RNN(PerturbedCell(cell))(perturbations(inputs)))
    model.compile(keras.optimizers.SGD(1.0), loss=lambda mix, h: ops.sum(mix * h, axis=-1), run_eagerly=True)
    model.train_on_batch(x, mix)
    norms = np.linalg.norm(ops.convert_to_numpy(perturbations.values), axis=(0, 2))
    return norms / norms[-1]


def set_spectral_radius(cell, radius):
    """Scale each gate's block of U, the recurrent kernel, to the spectral radius."""
    u = ops.convert_to_numpy(cell.recurrent_kernel)
    blocks = np.split(u, u.shape[1] // UNITS, axis=1)
    blocks = [radius * block / np.abs(np.linalg.eigvals(block)).max() for block in blocks]
    cell.recurrent_kernel.assign(np.concatenate(blocks, axis=1))


def norms_by_radius(timesteps=100, seed=0):
    """The `gradient_norms` of each cell, by the spectral radius of U."""
    return {
        name: {f"radius {r}": gradient_norms(lambda: cell(UNITS), timesteps, seed, r) for r in RADII}
        for name, cell in CELLS.items()
    }


def norms_of_remedies(timesteps=100, seed=0):
    """The `gradient_norms` of each remedy."""
    return {name: gradient_norms(make_cell, timesteps, seed) for name, make_cell in REMEDIES.items()}


# -------------------------------------------------------------------------------------------------- adding problem


def learning_curve(make_cell, lag, steps, seed, optimizer, radius=None):
    """Mean squared errors along a training on sequences that are new in each step, (steps / STEPS_AVERAGED,)."""
    keras.utils.set_random_seed(seed)
    cell = make_cell()
    model = keras.Sequential([keras.Input((lag, 2)), layers.RNN(cell), keras.layers.Dense(1)])
    if radius is not None:
        set_spectral_radius(cell, radius)
    model.compile(optimizer, "mse")
    stream = tf.data.Dataset.from_tensor_slices(tasks.adding(lag, steps * BATCH_SIZE, seed)).batch(BATCH_SIZE)
    epochs = steps // STEPS_AVERAGED
    history = model.fit(stream, epochs=epochs, steps_per_epoch=STEPS_AVERAGED, shuffle=False, verbose=0)
    return np.array(history.history["loss"])


def final_errors(lags, steps=1200, seed=0, verbose=0):
    """The mean squared error over the last tenth of the training, by cell and lag; `verbose=1` shows a progress bar."""
    errors = {name: {} for name in LEARNERS}
    bar = keras.utils.Progbar(len(lags) * len(LEARNERS), unit_name="training", verbose=verbose)
    for lag in lags:
        for name, make_cell in LEARNERS.items():
            curve = learning_curve(make_cell, lag, steps, seed, keras.optimizers.Adam(0.005, global_clipnorm=1.0))
            errors[name][lag] = float(np.mean(curve[-max(len(curve) // 10, 1) :]))
            bar.add(1)
    return errors


def clipped_curves(steps=400, seed=0):
    """Learning curves of a simple cell whose U has the spectral radius 1.5 at first, by how gradients are clipped."""
    return {
        name: learning_curve(LEARNERS["simple"], 20, steps, seed, keras.optimizers.SGD(0.05, **clipping), radius=1.5)
        for name, clipping in CLIPPING.items()
    }


# --------------------------------------------------------------------------------------------------------- figures


def plot_norms(axis, norms, title):
    """‖∂L/∂h_t‖ against the distance from the last timestep, a curve for each name in a dict."""
    for name, values in norms.items():
        axis.plot(np.arange(len(values))[::-1], np.maximum(values, 1e-12), label=name)
    axis.axhline(1, color=plots.BASELINE, linewidth=0.8)
    axis.set(yscale="log", ylim=(1e-12, 1e8), xlabel="timesteps back from the end", title=title)
    axis.set_ylabel("‖∂L/∂h_t‖, relative to the last")
    axis.legend(fontsize=9)


def plot_radii(norms):
    figure, axes = plt.subplots(1, len(CELLS), figsize=(15, 4.2), sharey=True)
    for axis, cell in zip(axes, CELLS):
        axis.set_prop_cycle(color=plt.colormaps["viridis"](np.linspace(0, 0.9, len(RADII))))
        plot_norms(axis, norms[cell], f"{cell} cell, by the spectral radius of U")
        axis.label_outer()
    return figure


def plot_remedies(norms):
    figure, axis = plt.subplots(figsize=(7, 4.5))
    plot_norms(axis, norms, "What keeps gradients alive")
    return figure


def plot_adding_problem(errors):
    figure, axis = plt.subplots(figsize=(7, 4.5))
    for name, by_lag in errors.items():
        cell, _, variant = name.partition(", ")
        style = {"linestyle": "--", "markerfacecolor": "white"} if variant else {}
        axis.plot([*by_lag], [*by_lag.values()], marker="o", color=plots.CELL_COLORS[cell], label=name, **style)
    axis.axhline(tasks.ADDING_BASELINE, color=plots.BASELINE, linestyle=":", label="the answer 1, always")
    title = "The adding problem, after training"
    axis.set(yscale="log", ylim=(1e-5, 1), xlabel="timesteps", ylabel="mean squared error", title=title)
    axis.legend(loc="lower right")
    return figure


def plot_clipping(curves):
    figure, axis = plt.subplots(figsize=(7, 4.5))
    for name, curve in curves.items():
        steps = STEPS_AVERAGED * np.arange(1, len(curve) + 1)
        axis.plot(steps, np.where(np.isfinite(curve), curve, np.nan), label=name)
    title = "Clipping gradients keeps a simple cell alive"
    axis.set(yscale="log", ylim=(0.05, 1e4), xlabel="step of training", ylabel="mean squared error", title=title)
    axis.legend()
    return figure


# -------------------------------------------------------------------------------------------------------- commands


@app.command
def run(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None):
    """Measure, train, report and draw; the default command."""
    s = settings
    folder = runs.open_run(RECIPE, s, "random sequences", run_dir)
    norms = norms_by_radius(s.timesteps, s.seed)
    norms["remedies"] = norms_of_remedies(s.timesteps, s.seed)
    print(f"‖∂L/∂h‖ at the first of {s.timesteps} timesteps, relative to the last:")
    for panel, curves in norms.items():
        print(f"    {panel:10}" + ", ".join(f"{name}: {values[0]:.0e}" for name, values in curves.items()))
    clipped = clipped_curves(min(s.steps, 400), s.seed)
    errors = final_errors(s.lags, s.steps, s.seed, verbose=1)
    baseline = f"the answer 1, always: {tasks.ADDING_BASELINE:.3f}"
    print(f"Mean squared error of the adding problem after {s.steps} steps of training ({baseline}):")
    for name, by_lag in errors.items():
        print(f"    {name:26}" + ", ".join(f"{lag} timesteps: {error:.4f}" for lag, error in by_lag.items()))
    folder.save_figure(plot_radii(norms), "spectral_radius.png")
    folder.save_figure(plot_remedies(norms["remedies"]), "remedies.png")
    folder.save_figure(plot_adding_problem(errors), "adding_problem.png")
    folder.save_figure(plot_clipping(clipped), "clipping.png")
    as_lists = lambda curves: {name: curve.tolist() for name, curve in curves.items()}
    norms = {panel: as_lists(curves) for panel, curves in norms.items()}
    folder.finish({"gradient_norms": norms, "adding_problem": errors, "clipping": as_lists(clipped)})
    print(f"The figures are in {folder.path}.")


if __name__ == "__main__":
    cli.main(app)
