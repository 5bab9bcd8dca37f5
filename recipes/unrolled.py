"""One recurrent layer by hand: forward, back-propagation through time, and what cutting it short loses; in NumPy.

In:     one sequence, shape (timesteps, 5): five inputs a step.
Out:    the hidden state of three neurons a step, shape (timesteps, 3).
Shape:  sequence-to-sequence, of which the loss reads the last three outputs alone.

    h_t = φ(x_t W + h_{t-1} U + b)              W: kernel (5, 3), U: recurrent kernel (3, 3), b: bias (3,)
    L = ½ Σ_t ‖h_t - y_t‖²                      over the outputs that count: the last three
    δ_t = (∂L/∂h_t) ⊙ φ'(…)                     ∂L/∂h_t: what L sees of h_t itself, and δ_{t+1} Uᵀ
    ∂L/∂W = Σ_t x_tᵀ δ_t,  ∂L/∂U = Σ_t h_{t-1}ᵀ δ_t,  ∂L/∂b = Σ_t δ_t

and the same for an LSTM, whose δ_t has four parts, one a gate. Source: Werbos (1990), "Backpropagation Through Time".
The layers' own gradients must agree to 1e-6.

Three claims are looked at. An output that the cost ignores has no gradient of its own, and yet passes on that of those
behind it. The gradients of the four gates are not independent: each holds the others' values. Truncated
back-propagation, which carries each error k steps back at most, is cheaper, and wrong by what lies further back.
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import common  # isort: skip

import keras
import numpy as np
import tensorflow as tf
import typer
from matplotlib import pyplot as plt

import layers

RECIPE = "unrolled"
FEATURES, UNITS, COUNTED, ALLOWED = 5, 3, 3, 1e-6
CELLS = {"simple": (layers.SimpleRNNCell, 1), "lstm": (layers.LSTMCell, 4)}
GATES = "i", "f", "c", "o"
NAMES = "W", "U", "b"
app = common.command_line(__doc__)

Timesteps = Annotated[int, typer.Option(min=COUNTED + 1, help="Length of the sequence.")]


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def draw(cell, timesteps, seed, scale=1.0):
    """A sequence, targets for its outputs, and W, U and b for a cell; scale: of all weights."""
    rng, gates = np.random.default_rng(seed), CELLS[cell][1]
    x, y = rng.normal(size=(timesteps, FEATURES)), rng.uniform(-1, 1, (timesteps, UNITS))
    wide = gates * UNITS
    weights = [rng.normal(0, scale / np.sqrt(n), (n, wide)) for n in (FEATURES, UNITS)]
    return x, y, [*weights, rng.normal(0, 0.3, wide)]


def forward(cell, x, weights):
    """All that a gradient needs, by name; h and c are (timesteps + 1, 3), with the first state in front."""
    w, u, b = weights
    h, c, gates = np.zeros((1, UNITS)), np.zeros((1, UNITS)), []
    for x_t in x:
        a = x_t @ w + h[-1] @ u + b
        if cell == "simple":
            h_t = np.tanh(a)
        else:
            i, f, g, o = (part(z) for part, z in zip((sigmoid, sigmoid, np.tanh, sigmoid), np.split(a, 4)))
            c = np.vstack([c, f * c[-1] + i * g])
            h_t = o * np.tanh(c[-1])
            gates.append((i, f, g, o))
        h = np.vstack([h, h_t])
    return {"h": h, "c": c, "gates": gates}


def backward(cell, x, weights, seen, own, window=None):
    """Back-propagation through time.

    Args:
        seen: what `forward` returns.
        own: ∂L/∂h_t as far as L sees h_t itself, (timesteps, 3).
        window: steps that each error goes back at most; None for all.

    Returns: the gradients of W, U and b, and ∂L/∂h_t, own and passed on together, (timesteps, 3).
    """
    if window is not None:  # each output's error by itself, from its own step on
        alone = [np.where(np.arange(len(x))[:, None] == t, own, 0) for t in np.flatnonzero(own.any(axis=1))]
        parts = [_back(cell, x, weights, seen, error, window) for error in alone]
        return [sum(grads) for grads in zip(*(part[0] for part in parts))], sum(part[1] for part in parts)
    return _back(cell, x, weights, seen, own, len(x))


def _back(cell, x, weights, seen, own, window):
    u, h, c = weights[1], seen["h"], seen["c"]
    gradients, passed = [np.zeros_like(w) for w in weights], np.zeros_like(own)
    last = np.flatnonzero(own.any(axis=1)).max()
    d_h, d_c = np.zeros(UNITS), np.zeros(UNITS)
    for t in range(last, max(last - window, -1), -1):
        d_h = d_h + own[t]
        passed[t] = d_h
        if cell == "simple":
            delta = d_h * (1 - h[t + 1] ** 2)
        else:
            i, f, g, o = seen["gates"][t]
            squashed = np.tanh(c[t + 1])
            d_c = d_c + d_h * o * (1 - squashed**2)
            d_i, d_f, d_g, d_o = d_c * g, d_c * c[t], d_c * i, d_h * squashed
            delta = np.hstack([d_i * i * (1 - i), d_f * f * (1 - f), d_g * (1 - g**2), d_o * o * (1 - o)])
            d_c = d_c * f
        for gradient, part in zip(gradients, (np.outer(x[t], delta), np.outer(h[t], delta), delta)):
            gradient += part
        d_h = delta @ u.T
    return gradients, passed


def own_errors(h, y):
    """∂L/∂h_t as far as L sees h_t itself: nothing but at the last three steps."""
    return np.where(np.arange(len(y))[:, None] >= len(y) - COUNTED, h[1:] - y, 0)


def layers_own(cell, x, y, weights):
    """Outputs and gradients of the Keras layer around our cell, in doubles, by automatic differentiation."""
    layer = keras.layers.RNN(CELLS[cell][0](UNITS, dtype="float64"), return_sequences=True, dtype="float64")
    layer.build((1, len(x), FEATURES))
    layer.set_weights(weights)
    with tf.GradientTape() as tape:
        outputs = layer(tf.constant(x[None]))
        loss = tf.reduce_sum((outputs - y)[:, -COUNTED:] ** 2) / 2
    return outputs[0].numpy(), [g.numpy() for g in tape.gradient(loss, [w.value for w in layer.trainable_weights])]


def compared(cell, timesteps, seed):
    """By what, the greatest difference between the layer and NumPy."""
    x, y, weights = draw(cell, timesteps, seed)
    seen = forward(cell, x, weights)
    gradients, _ = backward(cell, x, weights, seen, own_errors(seen["h"], y))
    outputs, own = layers_own(cell, x, y, weights)
    found = {"h": np.abs(seen["h"][1:] - outputs).max()}
    for name, mine, theirs in zip(NAMES, gradients, own):
        parts = zip(GATES, np.split(mine, 4, -1), np.split(theirs, 4, -1)) if cell == "lstm" else [("", mine, theirs)]
        found |= {f"∂L/∂{name}{'_' + gate if gate else ''}": np.abs(a - b).max() for gate, a, b in parts}
    return {name: float(value) for name, value in found.items()}


def flow(timesteps, seed):
    """‖∂L/∂h_t‖ by cell: as far as L sees h_t itself, and with what is passed back."""
    found = {}
    for cell in CELLS:
        x, y, weights = draw(cell, timesteps, seed)
        seen = forward(cell, x, weights)
        own = own_errors(seen["h"], y)
        passed = backward(cell, x, weights, seen, own)[1]
        found[cell] = {name: np.linalg.norm(part, axis=1).tolist() for name, part in (("own", own), ("all", passed))}
    return found


def shut(timesteps, seed, biases=np.linspace(-8, 4, 25)):
    """‖∂L/∂W‖ of each gate while the output gate alone is shut and opened by its bias."""
    x, y, (w, u, b) = draw("lstm", timesteps, seed)
    found = {"bias": biases.tolist()} | {gate: [] for gate in GATES}
    for bias in biases:
        weights = [w, u, np.hstack([b[: 3 * UNITS], np.full(UNITS, bias)])]
        seen = forward("lstm", x, weights)
        gradient = backward("lstm", x, weights, seen, own_errors(seen["h"], y))[0][0]
        for gate, part in zip(GATES, np.split(gradient, 4, axis=-1)):
            found[gate].append(float(np.linalg.norm(part)))
    return found


def truncated(timesteps, seed, draws=30):
    """By cell, the relative error of the gradient of all weights against the window; mean over random weights."""
    found = {}
    for cell in CELLS:
        errors = []
        for i in range(draws):
            x, y, weights = draw(cell, timesteps, [seed, i], scale=1.2)
            seen = forward(cell, x, weights)
            own = own_errors(seen["h"], y)
            whole = _flat(backward(cell, x, weights, seen, own)[0])
            cut = [_flat(backward(cell, x, weights, seen, own, k)[0]) for k in range(1, timesteps + 1)]
            errors.append([np.linalg.norm(part - whole) / np.linalg.norm(whole) for part in cut])
        found[cell] = np.mean(errors, axis=0).tolist()
    return found


def _flat(gradients):
    return np.concatenate([g.ravel() for g in gradients])


def figure(flows, gates, errors):
    drawn, (left, middle, right) = plt.subplots(1, 3, figsize=(15, 4.2), layout="constrained")
    steps = np.arange(1, len(flows["simple"]["all"]) + 1)
    left.bar(steps, flows["simple"]["own"], color="0.75", label="of its own (simple)")
    for cell, colour in zip(CELLS, ("C0", "C3")):
        left.plot(steps, flows[cell]["all"], ".-", color=colour, label=f"with what is passed back ({cell})")
        right.plot(np.arange(1, len(errors[cell]) + 1), errors[cell], ".-", color=colour, label=cell)
    left.set(yscale="log", xlabel="timestep t", ylabel="‖∂L/∂h_t‖", title="The cost counts three outputs only")
    left.legend()
    for gate in GATES:
        middle.plot(gates["bias"], gates[gate], label=f"∂L/∂W_{gate}")
    title = "Shutting one gate moves the gradients of all"
    middle.set(xlabel="bias of the output gate", ylabel="size of the gradient", title=title)
    middle.legend()
    title = "What truncated back-propagation loses"
    right.set(xlabel="steps that an error goes back at most", ylabel="relative error of the gradient", title=title)
    right.legend()
    return drawn


def report(cell, found):
    print(f"\n{cell}: NumPy beside layers.{CELLS[cell][0].__name__} in keras.layers.RNN, greatest difference")
    for name, value in found.items():
        print(f"    {name:10}{value:10.1e}  {'pass' if value <= ALLOWED else 'FAIL'}")


@app.command()
def run(timesteps: Timesteps = 12, seed: common.Seed = 0, run_dir: common.RunDir = None):
    """Work it through, draw and write down; the default."""
    folder = common.Run.begin(RECIPE, {"timesteps": timesteps, "seed": seed}, "drawn", run_dir)
    x, _, weights = draw("simple", timesteps, seed)
    print("h_t = tanh(x_t W + h_{t-1} U + b):", ", ".join(f"{n} {w.shape}" for n, w in zip(NAMES, weights)))
    with np.printoptions(precision=3, suppress=True):
        for t, h in enumerate(forward("simple", x, weights)["h"][1:4], 1):
            print(f"    t = {t}: x_t = {x[t - 1]}, h_t = {h}")
    differences = {cell: compared(cell, timesteps, seed) for cell in CELLS}
    for cell, found in differences.items():
        report(cell, found)
    flows, gates, errors = flow(timesteps, seed), shut(timesteps, seed), truncated(timesteps, seed)
    folder.save_figure(figure(flows, gates, errors), "unrolled.png")
    found = {"differences": differences, "flow": flows, "output_gate": gates, "truncated": errors}
    folder.write_json("metrics.json", found)
    first = flows["simple"]["all"][0] / flows["simple"]["all"][-1]
    print(f"\nThe first output counts for nothing by itself; through the later ones {first:.2%} of the last one's.")
    print(f"Errors that go back 3 steps give {', '.join(f'{e[2]:.0%} error ({c})' for c, e in errors.items())}.")
    print(f"Drawn in {folder / 'unrolled.png'}")


@app.command()
def verify(timesteps: Timesteps = 12, seed: common.Seed = 0):
    """Compare outputs and every gradient with those of the layers; exits with 1 where they differ."""
    differences = {cell: compared(cell, timesteps, seed) for cell in CELLS}
    for cell, found in differences.items():
        report(cell, found)
    if max(value for found in differences.values() for value in found.values()) > ALLOWED:
        sys.exit(1)


if __name__ == "__main__":
    common.main(app)
