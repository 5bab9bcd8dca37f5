"""One recurrent layer by hand, in NumPy: forward, back through time, and what truncating the gradient loses.

In:     one sequence, shape (timesteps, 5): five features at each timestep.
Out:    the hidden state of three units at each timestep, shape (timesteps, 3).
Shape:  sequence-to-sequence; only the last three outputs count in the loss.

    h_t = φ(x_t W + h_{t-1} U + b)              W: kernel (5, 3), U: recurrent kernel (3, 3), b: bias (3,)
    L = ½ Σ_t ‖h_t - y_t‖²                      over the last three timesteps
    δ_t = (∂L/∂h_t) ⊙ φ'(…)                     ∂L/∂h_t = the direct gradient of L plus δ_{t+1} Uᵀ
    ∂L/∂W = Σ_t x_tᵀ δ_t,  ∂L/∂U = Σ_t h_{t-1}ᵀ δ_t,  ∂L/∂b = Σ_t δ_t

and the same for an LSTM, whose δ_t has four parts, one for each gate. Source: Werbos (1990), "Backpropagation Through
Time: What It Does and How to Do It". The gradients that Keras computes for this project's layers must agree to 1e-6.

Three figures show that
- an output that does not count in the loss has no direct gradient, but passes on the gradient of later outputs;
- the gradients of the four gates depend on each other: each contains the values of the others;
- truncated back-propagation, in which each error goes back at most k timesteps, ignores everything before that.

Try next: --timesteps 30
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli, plots, runs

import keras
import numpy as np
from keras import ops
from matplotlib import pyplot as plt

import layers

RECIPE = "unrolled"
FEATURES, UNITS, COUNTED, TOLERANCE = 5, 3, 3, 1e-6
CELLS = {"simple": (layers.SimpleRNNCell, 1), "lstm": (layers.LSTMCell, 4)}  # with the number of their gates
WEIGHTS, GATES = ("W", "U", "b"), ("i", "f", "c", "o")
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings:
    timesteps: Annotated[int, cli.at_least(COUNTED + 1)] = 12
    """Length of the sequence."""
    seed: cli.Seed = 0
    """Seed of the sequence, the targets and the weights."""


# ------------------------------------------------------------------------------------------------------------ data


def random_example(cell="simple", timesteps=12, seed=0, scale=1.0):
    """A sequence x, (timesteps, 5), targets y, (timesteps, 3), and a cell's weights [W, U, b], times `scale`."""
    rng, columns = np.random.default_rng(seed), CELLS[cell][1] * UNITS
    x, y = rng.normal(size=(timesteps, FEATURES)), rng.uniform(-1, 1, (timesteps, UNITS))
    kernels = [rng.normal(0, scale / np.sqrt(rows), (rows, columns)) for rows in (FEATURES, UNITS)]
    return x, y, [*kernels, rng.normal(0, 0.3, columns)]


# --------------------------------------------------------------------------------------------------------- forward


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def forward(cell, x, weights):
    """The states and gates that back-propagation needs.

    Returns a dict of "h" and "c", each (timesteps + 1, 3) with the initial state first, and "gates", for an LSTM a
    tuple (i, f, c̃, o) for each timestep.
    """
    w, u, b = weights
    h, c, gates = np.zeros((1, UNITS)), np.zeros((1, UNITS)), []
    for x_t in x:
        a = x_t @ w + h[-1] @ u + b
        if cell == "simple":
            h_t = np.tanh(a)
        else:
            i, f, g, o = (φ(z) for φ, z in zip((sigmoid, sigmoid, np.tanh, sigmoid), np.split(a, 4)))
            c = np.vstack([c, f * c[-1] + i * g])
            h_t = o * np.tanh(c[-1])
            gates.append((i, f, g, o))
        h = np.vstack([h, h_t])
    return {"h": h, "c": c, "gates": gates}


def direct_gradient(h, y):
    """∂L/∂h_t where L depends on h_t directly, (timesteps, 3): zero but for the last three timesteps."""
    return np.where(np.arange(len(y))[:, None] >= len(y) - COUNTED, h[1:] - y, 0)


# ----------------------------------------------------------------------------------------------- back through time


def backward(cell, x, weights, states, direct, window=None):
    """Back-propagation through time.

    Args:
        states: what `forward` returns.
        direct: what `direct_gradient` returns, (timesteps, 3).
        window: the number of timesteps that each error goes back at most; None for all.

    Returns the gradients of W, U and b, and ∂L/∂h_t, direct and through later timesteps, (timesteps, 3).
    """
    if window is None:
        return _back(cell, x, weights, states, direct, len(x))
    errors = [np.where(np.arange(len(x))[:, None] == t, direct, 0) for t in np.flatnonzero(direct.any(axis=1))]
    results = [_back(cell, x, weights, states, error, window) for error in errors]  # each has a window of its own
    gradients, totals = zip(*results)
    return [sum(terms) for terms in zip(*gradients)], sum(totals)


def _back(cell, x, weights, states, direct, window):
    u, h, c = weights[1], states["h"], states["c"]
    gradients, total = [np.zeros_like(w) for w in weights], np.zeros_like(direct)
    last = np.flatnonzero(direct.any(axis=1)).max()
    d_h, d_c = np.zeros(UNITS), np.zeros(UNITS)
    for t in range(last, max(last - window, -1), -1):
        d_h = d_h + direct[t]
        total[t] = d_h
        if cell == "simple":
            delta = d_h * (1 - h[t + 1] ** 2)
        else:
            i, f, g, o = states["gates"][t]
            tanh_c = np.tanh(c[t + 1])
            d_c = d_c + d_h * o * (1 - tanh_c**2)
            d_i, d_f, d_g, d_o = d_c * g, d_c * c[t], d_c * i, d_h * tanh_c
            delta = np.hstack([d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g**2), d_o * o * (1 - o)])
            d_c = d_c * f
        for gradient, term in zip(gradients, (np.outer(x[t], delta), np.outer(h[t], delta), delta)):
            gradient += term
        d_h = delta @ u.T
    return gradients, total


# -------------------------------------------------------------------------------- beside automatic differentiation


def automatic(cell, x, y, weights):
    """Outputs and gradients of the project's layer by automatic differentiation; in double precision, but for JAX.

    A gradient is read off one step of gradient descent at learning rate 1, which works on every backend.
    """
    layer = keras.layers.RNN(CELLS[cell][0](UNITS, dtype="float64"), return_sequences=True, dtype="float64")
    inputs, targets = (keras.Input((len(x), size), dtype="float64") for size in (FEATURES, UNITS))
    errors = (layer(inputs) - targets)[:, -COUNTED:]
    model = keras.Model([inputs, targets], ops.sum(ops.square(errors), axis=(1, 2)) / 2)
    layer.set_weights(weights)
    h = ops.convert_to_numpy(layer(x[None]))[0]
    model.compile(keras.optimizers.SGD(1.0), loss=lambda _, loss: loss)
    model.train_on_batch([x[None], y[None]], np.zeros(1))
    return h, [before - after for before, after in zip(weights, layer.get_weights())]


def differences(cell, timesteps=12, seed=0):
    """The largest difference between NumPy and the layer, by the name of what is compared."""
    x, y, weights = random_example(cell, timesteps, seed)
    states = forward(cell, x, weights)
    gradients, _ = backward(cell, x, weights, states, direct_gradient(states["h"], y))
    h, theirs = automatic(cell, x, y, weights)
    pairs = {"h": (states["h"][1:], h)}
    for name, ours, other in zip(WEIGHTS, gradients, theirs):
        if cell == "lstm":
            split = zip(GATES, np.split(ours, 4, -1), np.split(other, 4, -1))
            pairs |= {f"∂L/∂{name}_{gate}": (a, b) for gate, a, b in split}
        else:
            pairs[f"∂L/∂{name}"] = ours, other
    return {name: float(np.abs(a - b).max()) for name, (a, b) in pairs.items()}


def report(found):
    """Print the differences of each cell; returns whether all are within the tolerance."""
    for cell, by_name in found.items():
        print(f"\n{cell}: NumPy beside layers.{CELLS[cell][0].__name__} in keras.layers.RNN, largest difference")
        for name, value in by_name.items():
            print(f"    {name:10}{value:10.1e}  {'pass' if value <= TOLERANCE else 'FAIL'}")
    return max(value for by_name in found.values() for value in by_name.values()) <= TOLERANCE


# ----------------------------------------------------------------------------------------------------- experiments


def gradient_norms(timesteps=12, seed=0):
    """‖∂L/∂h_t‖ for each cell: "direct", and "total", with what later timesteps pass back; lists over t."""
    norms = {}
    for cell in CELLS:
        x, y, weights = random_example(cell, timesteps, seed)
        states = forward(cell, x, weights)
        direct = direct_gradient(states["h"], y)
        total = backward(cell, x, weights, states, direct)[1]
        norms[cell] = {name: np.linalg.norm(d, axis=1).tolist() for name, d in (("direct", direct), ("total", total))}
    return norms


def closing_the_output_gate(timesteps=12, seed=0, biases=np.linspace(-8, 4, 25)):
    """‖∂L/∂W‖ of each gate while only the bias of the output gate changes, by the name of the gate."""
    x, y, (w, u, b) = random_example("lstm", timesteps, seed)
    norms = {"bias": biases.tolist()} | {gate: [] for gate in GATES}
    for bias in biases:
        weights = [w, u, np.hstack([b[: 3 * UNITS], np.full(UNITS, bias)])]
        states = forward("lstm", x, weights)
        gradient = backward("lstm", x, weights, states, direct_gradient(states["h"], y))[0][0]
        for gate, columns in zip(GATES, np.split(gradient, 4, axis=-1)):
            norms[gate].append(float(np.linalg.norm(columns)))
    return norms


def truncation_errors(timesteps=12, seed=0, draws=30):
    """For each cell the relative error of the gradient for windows of 1, 2, … timesteps, a mean over random weights."""
    flat = lambda gradients: np.concatenate([g.ravel() for g in gradients])
    means = {}
    for cell in CELLS:
        errors = []
        for draw in range(draws):
            x, y, weights = random_example(cell, timesteps, [seed, draw], scale=1.2)
            states = forward(cell, x, weights)
            direct = direct_gradient(states["h"], y)
            exact = flat(backward(cell, x, weights, states, direct)[0])
            truncated = [flat(backward(cell, x, weights, states, direct, k)[0]) for k in range(1, timesteps + 1)]
            errors.append([np.linalg.norm(gradient - exact) / np.linalg.norm(exact) for gradient in truncated])
        means[cell] = np.mean(errors, axis=0).tolist()
    return means


# --------------------------------------------------------------------------------------------------------- figures


def plot_norms(norms):
    figure, axis = plt.subplots(figsize=(7, 4))
    timesteps = np.arange(1, len(norms["simple"]["total"]) + 1)
    axis.bar(timesteps, norms["simple"]["direct"], color=plots.BASELINE, label="simple, direct gradient only")
    for cell in CELLS:
        axis.plot(timesteps, norms[cell]["total"], ".-", color=plots.CELL_COLORS[cell], label=f"{cell}, total gradient")
    title = "Outputs that do not count in the loss pass gradients on"
    axis.set(yscale="log", xlabel="timestep t", ylabel="‖∂L/∂h_t‖", title=title)
    axis.legend()
    return figure


def plot_output_gate(norms):
    figure, axis = plt.subplots(figsize=(7, 4))
    for gate in GATES:
        axis.plot(norms["bias"], norms[gate], label=f"∂L/∂W_{gate}")
    title = "Closing the output gate shrinks the gradients of all gates"
    axis.set(xlabel="bias of the output gate", ylabel="norm of the gradient", title=title)
    axis.legend()
    return figure


def plot_truncation(errors):
    figure, axis = plt.subplots(figsize=(7, 4))
    for cell, means in errors.items():
        axis.plot(np.arange(1, len(means) + 1), means, ".-", color=plots.CELL_COLORS[cell], label=cell)
    title = "What truncated back-propagation loses"
    axis.set(xlabel="timesteps that an error goes back at most", ylabel="relative error of the gradient", title=title)
    axis.legend()
    return figure


# -------------------------------------------------------------------------------------------------------- commands


@app.command
def run(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None):
    """Compute, compare and draw everything; the default command."""
    s = settings
    folder = runs.open_run(RECIPE, s, "random numbers", run_dir)
    x, _, weights = random_example("simple", s.timesteps, s.seed)
    print("h_t = tanh(x_t W + h_{t-1} U + b):", ", ".join(f"{n} {w.shape}" for n, w in zip(WEIGHTS, weights)))
    with np.printoptions(precision=3, suppress=True):
        for t, h in enumerate(forward("simple", x, weights)["h"][1:4], 1):
            print(f"    t = {t}: x_t = {x[t - 1]}, h_t = {h}")
    found = {cell: differences(cell, s.timesteps, s.seed) for cell in CELLS}
    report(found)
    norms = gradient_norms(s.timesteps, s.seed)
    gate, errors = closing_the_output_gate(s.timesteps, s.seed), truncation_errors(s.timesteps, s.seed)
    folder.save_figure(plot_norms(norms), "gradient_norms.png")
    folder.save_figure(plot_output_gate(gate), "output_gate.png")
    folder.save_figure(plot_truncation(errors), "truncation.png")
    folder.finish({"differences": found, "gradient_norms": norms, "output_gate": gate, "truncation": errors})
    total = norms["simple"]["total"]
    print(
        f"\nThe first output does not count in the loss; its gradient is {total[0] / total[-1]:.2%} of the last one's."
    )
    means = ", ".join(f"{means[2]:.0%} ({cell})" for cell, means in errors.items())
    print(f"When errors go back at most 3 timesteps, the relative error of the gradient is {means}.")
    print(f"The figures are in {folder.path}.")


@app.command
def verify(settings: cli.Flags[Settings] = Settings()):
    """Compare outputs and every gradient with those of the layers. The exit status is 1 if they differ."""
    if not report({cell: differences(cell, settings.timesteps, settings.seed) for cell in CELLS}):
        sys.exit(1)


if __name__ == "__main__":
    cli.main(app)
