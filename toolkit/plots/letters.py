"""A word read letter by letter: every gate and state of a small network, and what it expects next."""

from toolkit import plots  # noqa: F401  (sets the style)

import numpy as np
from matplotlib import pyplot as plt

GATES = {"i": "input gate", "f": "forget gate", "o": "output gate", "z": "update gate", "r": "reset gate"}
STATES = {"c": "cell state", "φ(c)": "squashed cell state", "h": "hidden state, output"}
MEANINGS = GATES | STATES | {"c̃": "candidate", "h̃": "candidate"}


def show(word, context, inputs, probabilities, gates):
    """Print what happens at each timestep.

    Args:
        word: the letters there are, in the order of their ids.
        context: the letters read.
        inputs: the network's inputs, (timesteps, letters).
        probabilities: of each next letter, (timesteps, letters).
        gates: by name the values of each gate and state, (timesteps, units).
    """
    with np.printoptions(precision=2, suppress=True, floatmode="fixed"):
        for t, letter in enumerate(context):
            print(f"t = {t + 1}: {letter} = {inputs[t]}")
            for name, values in gates.items():
                print(f"    {name:5} {values[t]}")
            print("    next: " + ", ".join(f"{letter} {p:.3f}" for letter, p in zip(word, probabilities[t])))


def plot(word, context, probabilities, gates):
    """A table in colours for each gate and state, and one for the next letter; arguments as in `show`."""
    columns = -(-(len(gates) + 1) // 2)
    figure, axes = plt.subplots(2, columns, figsize=(3 * columns, 6), squeeze=False)
    for axis, (name, values) in zip(axes.flat, gates.items()):
        title = f"{name}: {MEANINGS[name]}" if name in MEANINGS else name
        _table(axis, values, context, range(1, values.shape[1] + 1), title, cmap="RdBu_r", vmin=-1, vmax=1)
        axis.set_xlabel("unit")
    axis = axes.flat[len(gates)]
    _table(axis, probabilities, context, word, "probability of the next", cmap="Greens", vmin=0, vmax=1)
    axis.set_xlabel("next letter")
    for axis in axes.flat[len(gates) + 1 :]:
        axis.axis("off")
    figure.supylabel("letter read at the timestep")
    figure.suptitle(f"A network that has learned {word}: every gate and state after {', '.join(context)}")
    return figure


def _table(axis, values, rows, columns, title, **colors):
    axis.imshow(values, aspect="auto", **colors)
    axis.grid(False)
    axis.set_title(title)
    axis.set_xticks(range(len(columns)), columns)
    axis.set_yticks(range(len(rows)), rows)
    for (row, column), value in np.ndenumerate(values):
        color = "white" if abs(value) > 0.6 else "black"
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=color, fontsize=11)
