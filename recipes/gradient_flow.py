"""Vanishing and exploding gradients, measured: how much of an error arrives k steps back, and what changes that.

In:     random sequences, shape (batch, timesteps, features); in the adding problem numbers and marks, features = 2.
Out:    the last hidden state, whose random mix is the loss L; in the adding problem the sum, shape (batch, 1).
Shape:  sequence-to-vector.

    ∂L/∂h_t = ∂L/∂h_T · Π_{k=t+1..T} ∂h_k/∂h_{k-1}          for a simple cell ∂h_k/∂h_{k-1} = diag(φ') U
    ∂c_t/∂c_{t-1} = f_t + …                                  for an LSTM: its cell state is passed on by the forget gate

Of a product of T matrices nothing is left where their spectral radius stays below 1, and no bound holds above it
(Hochreiter 1991; Pascanu, Mikolov & Bengio 2013). The adding problem (Hochreiter & Schmidhuber 1997) shows what that
costs: two numbers of a long sequence are marked, one near its beginning, and their sum is asked for at its end. Who
says 1 whatever comes is wrong by 1/6, squared.

Try next: --lags 100,200,400 --steps 4000
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import common, sequence_length  # isort: skip

import keras
import numpy as np
import tensorflow as tf
import typer
from matplotlib import pyplot as plt

import layers

RECIPE = "gradient_flow"
UNITS, BATCH, SMOOTH = 32, 32, 20  # SMOOTH: steps of training whose losses are averaged
SCALES = 0.5, 0.9, 1.0, 1.2, 2.0  # spectral radius of U, or of each gate's part of it
GUESS = 1 / 6  # the squared error of saying 1
MAIN = {"simple": layers.SimpleRNNCell, "gru": layers.GRUCell, "lstm": layers.LSTMCell}
REMEDIES = {
    "simple, U drawn at random": lambda: layers.SimpleRNNCell(UNITS, recurrent_initializer="glorot_normal"),
    "U orthogonal": lambda: layers.SimpleRNNCell(UNITS),
    "U the identity, relu": lambda: layers.SimpleRNNCell(UNITS, "relu", recurrent_initializer="identity"),
    "layer normalization": lambda: layers.LayerNormRNNCell(UNITS),
    "LSTM, forget bias 0": lambda: layers.LSTMCell(UNITS, unit_forget_bias=False),
    "LSTM, forget bias 1": lambda: layers.LSTMCell(UNITS),
}
LEARNERS = {name: lambda cell=cell: cell(UNITS) for name, cell in MAIN.items()}
LEARNERS |= {"simple, identity, relu": REMEDIES["U the identity, relu"]}
CLIPPING = {"not clipped": {}, "by value, 0.05": {"clipvalue": 0.05}, "by norm, 1": {"global_clipnorm": 1.0}}
app = common.command_line(__doc__)


def scaled(cell, radius):
    """Give each gate's part of U, the recurrent kernel, the spectral radius."""
    parts = np.split(cell.recurrent_kernel.numpy(), cell.recurrent_kernel.shape[1] // UNITS, axis=1)
    parts = [radius * part / np.abs(np.linalg.eigvals(part)).max() for part in parts]
    cell.recurrent_kernel.assign(np.concatenate(parts, axis=1))


def norms(cell, timesteps, seed, radius=None):
    """‖∂L/∂h_t‖ at every t, as a share of that at the last; shape (timesteps,). L is a random mix of h_T."""
    keras.utils.set_random_seed(seed)
    cell, rng = cell(), np.random.default_rng(seed)
    x = tf.constant(rng.normal(size=(timesteps, BATCH, 8)).astype("float32"))
    cell.build(x.shape[1:])
    if radius is not None:
        scaled(cell, radius)

    @tf.function
    def forth(x_t, states):
        return cell(x_t, states)[1]

    @tf.function
    def back(x_t, states, d_states):
        with tf.GradientTape() as tape:
            tape.watch(states)
            new = cell(x_t, states)[1]
        return tape.gradient(new, states, d_states)

    states = [cell.get_initial_state(BATCH)]
    for x_t in x:
        states.append(forth(x_t, states[-1]))
    d = [tf.constant(rng.normal(size=(BATCH, UNITS)).astype("float32")), *map(tf.zeros_like, states[-1][1:])]
    found = [tf.norm(d[0])]
    for t in range(timesteps - 1, 0, -1):
        d = back(x[t], states[t], d)
        found.append(tf.norm(d[0]))
    return np.array([float(norm / found[0]) for norm in found[::-1]])


def flows(timesteps, seed):
    """The shares by panel and curve."""
    found = {
        name: {f"radius {radius}": norms(lambda: cell(UNITS), timesteps, seed, radius) for radius in SCALES}
        for name, cell in MAIN.items()
    }
    found["remedies"] = {name: norms(cell, timesteps, seed) for name, cell in REMEDIES.items()}
    return found


def adding(lag, count, seed):
    """Sequences of `lag` steps, (count, lag, 2), numbers from 0 to 1 and marks; and the sums of the marked, (count, 1).

    One of the first tenth is marked, and one of the second half.
    """
    rng = np.random.default_rng([lag, seed])
    x = np.zeros((count, lag, 2), "float32")
    x[:, :, 0] = rng.random((count, lag))
    rows = np.arange(count)
    places = rng.integers(0, max(lag // 10, 1), count), rng.integers(lag // 2, lag, count)
    for place in places:
        x[rows, place, 1] = 1
    return x, sum(x[rows, place, 0] for place in places)[:, None]


def learn(cell, lag, steps, seed, optimizer, radius=None):
    """Squared errors along a training on sequences that are new at each step, (steps / SMOOTH,)."""
    keras.utils.set_random_seed(seed)
    cell = cell()
    model = keras.Sequential([keras.Input((lag, 2)), layers.RNN(cell), keras.layers.Dense(1)])
    if radius is not None:
        scaled(cell, radius)
    model.compile(optimizer, "mse")
    data = tf.data.Dataset.from_tensor_slices(adding(lag, steps * BATCH, seed)).batch(BATCH)
    epochs = {"epochs": steps // SMOOTH, "steps_per_epoch": SMOOTH, "shuffle": False, "verbose": 0}
    return np.array(model.fit(data, **epochs).history["loss"])


def learned(lags, steps, seed):
    """The squared error at the end, over the last tenth of the training, by cell and lag."""
    found = {name: {} for name in LEARNERS}
    bar = keras.utils.Progbar(len(lags) * len(LEARNERS), unit_name="training")
    for lag in lags:
        for name, cell in LEARNERS.items():
            curve = learn(cell, lag, steps, seed, keras.optimizers.Adam(0.005, global_clipnorm=1.0))
            found[name][lag] = float(np.mean(curve[-max(len(curve) // 10, 1) :]))
            bar.add(1)
    return found


def clipped(steps, seed):
    """Loss curves of a simple network whose U begins with the spectral radius 1.5, by how gradients are clipped."""
    optimizer = lambda clipping: keras.optimizers.SGD(0.05, **clipping)
    return {
        name: learn(LEARNERS["simple"], 20, steps, seed, optimizer(clipping), radius=1.5)
        for name, clipping in CLIPPING.items()
    }


def figure(flow, errors, curves):
    drawn, axes = plt.subplots(2, 3, figsize=(15, 8), layout="constrained")
    titles = {name: f"{name} cell: spectral radius of U at first" for name in MAIN}
    titles["remedies"] = "what helps"
    for axis, (panel, shares) in zip(axes.flat, flow.items()):
        for name, share in shares.items():
            back = np.arange(len(share))[::-1]
            axis.plot(back, np.maximum(share, 1e-12), label=name)
        axis.set(yscale="log", ylim=(1e-12, 1e8), xlabel="steps back from the end", title=titles[panel])
        axis.set_ylabel("‖∂L/∂h_t‖, share of the last")
        axis.axhline(1, color="0.8", linewidth=0.8)
        axis.legend(fontsize=8)
    reach, loss = axes[1, 1:]
    for name, by_lag in errors.items():
        reach.plot([*by_lag], [*by_lag.values()], ".-", label=name)
    reach.axhline(GUESS, color="0.5", linestyle=":", label="who always says 1")
    title = "the adding problem, after training"
    reach.set(yscale="log", ylim=(1e-5, 1), xlabel="timesteps", ylabel="squared error", title=title)
    for name, curve in curves.items():
        loss.plot(SMOOTH * np.arange(1, len(curve) + 1), np.where(np.isfinite(curve), curve, np.nan), label=name)
    title = "simple cell, radius 1.5, gradient descent"
    loss.set(yscale="log", ylim=(0.05, 1e4), xlabel="step of training", ylabel="squared error", title=title)
    reach.legend(fontsize=8, loc="lower right")
    loss.legend(fontsize=8)
    return drawn


@app.command()
def run(
    timesteps: Annotated[int, typer.Option(min=2, help="Of the sequences whose gradients are measured.")] = 100,
    lags: Annotated[str, typer.Option(help="Lengths of the adding problem, with commas between.")] = "10,30,100",
    steps: Annotated[int, typer.Option(min=SMOOTH, help="Of each training.")] = 1200,
    seed: common.Seed = 0,
    run_dir: common.RunDir = None,
):
    """Measure, train, draw and write down; the default."""
    lags = sequence_length.numbers(lags)
    settings = {"timesteps": timesteps, "lags": lags, "steps": steps, "seed": seed}
    folder = common.Run.begin(RECIPE, settings, "drawn", run_dir)
    flow = flows(timesteps, seed)
    print(f"‖∂L/∂h‖ at the first of {timesteps} steps, as a share of that at the last:")
    for panel, shares in flow.items():
        print(f"    {panel:10}" + ", ".join(f"{name}: {share[0]:.0e}" for name, share in shares.items()))
    curves = clipped(min(steps, 400), seed)
    errors = learned(lags, steps, seed)
    print(f"Squared error of the adding problem after {steps} steps; who always says 1: {GUESS:.3f}")
    for name, by_lag in errors.items():
        print(f"    {name:24}" + ", ".join(f"{lag} timesteps: {error:.4f}" for lag, error in by_lag.items()))
    folder.save_figure(figure(flow, errors, curves), "gradient_flow.png")
    found = {"flow": flow, "adding": errors, "clipping": curves}
    folder.write_json("metrics.json", keras.tree.map_structure(plain, found))
    print(f"Drawn in {folder / 'gradient_flow.png'}")


def plain(value):
    return value.tolist() if isinstance(value, np.ndarray) else value


if __name__ == "__main__":
    common.main(app)
