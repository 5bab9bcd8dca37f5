"""What the recipe on characters is made of: windows that follow each other, bits, sampling, and typing along."""

import json
import lzma
import sys

import click
import keras
import numpy as np
import tensorflow as tf
from keras import ops
from matplotlib import pyplot as plt

from datasets import characters
from layers.trace import trace
from recipes import common

SHOWN = 5  # of the characters that are expected next
GATES = {"i": "input gate", "f": "forget gate", "o": "output gate", "z": "update gate", "r": "reset gate"}
STATES = {"c": "cell state", "φ(c)": "cell state, squashed", "h": "hidden state, the output"}
MEANINGS = GATES | STATES | {"c̃": "candidate", "h̃": "candidate"}
VISIBLE = {"\n": "⏎", " ": "␣", "\t": "⇥"}


def check(text, settings):
    """Raises Stop where a part of the text has no window for every strand."""
    for name in ("train", "validation"):
        needed = settings["batch_size"] * settings["window"] + 1
        if len(text.parts[name]) < needed:
            raise common.Stop(
                f"{settings['batch_size']} strands of {settings['window']} characters need {needed:,}: take a smaller "
                f"--batch-size or --window. Received: a {name} part of {len(text.parts[name]):,} characters"
            )


def windows(ids, batch, window):
    """Two arrays, (windows, batch, window): what is read, and the same one character on.

    Row b of a window goes on where row b of the window before it ended.
    """
    count = (len(ids) - 1) // (batch * window)
    strands = [part[: batch * count * window].reshape(batch, count, window) for part in (ids[:-1], ids[1:])]
    return tuple(part.transpose(1, 0, 2) for part in strands)


def in_order(arrays):
    """Batches as `training.fit` takes them: the same in every epoch, because states go on from one to the next."""
    return lambda epoch: tf.data.Dataset.from_tensor_slices(arrays), len(arrays[0])


class FreshStates(keras.callbacks.Callback):
    """Lets no state pass from one reading of a text to another."""

    def on_epoch_begin(self, epoch, logs=None):
        forget(self.model)

    def on_test_begin(self, logs=None):
        forget(self.model)


def forget(model):
    for layer in model.layers:
        if isinstance(layer, keras.layers.RNN):
            layer.reset_state()


def alphabet(run):
    return json.loads((run / "alphabet.json").read_text(encoding="utf-8"))


# ------------------------------------------------------------------------------------------------------------- bits


def bits(model, ids, window=500):
    """The mean of -log₂ P of every number but the first, each given all before it."""
    forget(model)
    surprise = 0.0
    for start in range(0, len(ids) - 1, window):
        seen, said = ids[start : start + window][None], ids[start + 1 : start + 1 + window]
        chances = ops.log_softmax(model(seen[:, : len(said)]))[0]
        surprise -= float(ops.sum(ops.take_along_axis(chances, said[:, None].astype("int32"), axis=-1)))
    return surprise / (len(ids) - 1) / np.log(2)


def rivals(parts):
    """Bits per character of the test part, for who knows how often each character comes, and for a compressor.

    The compressor, xz, has read the training part: what the test part adds to its file counts.
    """
    known, counts = np.unique([*parts["train"]], return_counts=True)
    chance = dict(zip(known, (counts + 1) / (counts.sum() + len(known) + 1)))
    rest = 1 / (counts.sum() + len(known) + 1)
    before, both = (
        len(lzma.compress(part.encode(), preset=9)) for part in (parts["train"], parts["train"] + parts["test"])
    )
    return {
        "frequencies alone": float(np.mean([-np.log2(chance.get(c, rest)) for c in parts["test"]])),
        "xz, having read the training part": 8 * (both - before) / len(parts["test"]),
    }


# --------------------------------------------------------------------------------------------------------- sampling


def expected(model, ids):
    """P of each next character after these, which come after all since the last `forget`; (alphabet + 1,)."""
    return ops.convert_to_numpy(ops.softmax(model(np.asarray(ids, "int32")[None])[0, -1])).astype("float64")


def drawn(chances, temperature, top_k, rng):
    """A number drawn from P^(1 / temperature) among the likeliest `top_k`; never 0, which stands for no character."""
    logits = np.log(np.maximum(chances, 1e-300)) / temperature
    logits[0] = -np.inf
    if top_k is not None and top_k < len(logits):
        logits[np.argsort(logits)[:-top_k]] = -np.inf
    shares = np.exp(logits - logits.max())
    return int(rng.choice(len(shares), p=shares / shares.sum()))


def sampled(model, alphabet, start, length, temperature, top_k, seed):
    """`start` and what the network writes behind it."""
    forget(model)
    rng, written = np.random.default_rng(seed), []
    chances = expected(model, characters.numbers(start or "\n", alphabet))
    for _ in range(length):
        written.append(drawn(chances, temperature, top_k, rng))
        chances = expected(model, written[-1:])
    return start + "".join(alphabet[number - 1] for number in written)


def type_along(model, alphabet):
    """Reads keys, or standard input, and prints after each what is expected next."""
    forget(model)
    for key in keys():
        chances = expected(model, characters.numbers(key, alphabet))
        best = np.argsort(chances[1:])[::-1][:SHOWN]
        unknown = "" if key in alphabet else " (never seen in training)"
        print(
            f"{VISIBLE.get(key, key)}{unknown}  →  "
            + "   ".join(
                f"{VISIBLE.get(alphabet[i], alphabet[i])} {chances[i + 1]:5.1%} {'█' * round(10 * chances[i + 1])}"
                for i in best
            ),
            flush=True,
        )


def keys():
    while sys.stdin.isatty():
        try:
            key = click.getchar()
        except (EOFError, KeyboardInterrupt):
            return
        yield "\n" if key == "\r" else key
    yield from sys.stdin.read()


# ------------------------------------------------------------------------------------------------- the four letters


def worked(model, word, context):
    """Prints how the network reads `context`; returns the chances of each next letter, (timesteps, alphabet + 1), and
    gates by name."""
    ids = characters.numbers(context, word)[None]
    chances = ops.convert_to_numpy(ops.softmax(model(ids)))[0]
    gates = {name: values[0] for name, values in next(iter(trace(model, ids).values())).items()}
    with np.printoptions(precision=2, suppress=True, floatmode="fixed"):
        for t, letter in enumerate(context):
            print(f"t = {t + 1}: {letter} = {np.eye(len(word), dtype=int)[ids[0, t] - 1]}")
            for name, values in gates.items():
                print(f"    {name:5} {values[t]}")
            print("    next: " + ", ".join(f"{c} {chances[t][i + 1]:.3f}" for i, c in enumerate(word)))
    return chances, gates


def plot_worked(word, context, chances, gates):
    """A table in colours for each gate and state, a row for each character read; the last: what is expected next."""
    columns = -(-(len(gates) + 1) // 2)
    figure, axes = plt.subplots(2, columns, figsize=(2.6 * columns, 5), squeeze=False, layout="constrained")
    for axis in axes.flat[len(gates) + 1 :]:
        axis.axis("off")
    for axis, (name, values) in zip(axes.flat, gates.items()):
        title = f"{name}: {MEANINGS[name]}" if name in MEANINGS else name
        _table(axis, values, context, range(1, values.shape[1] + 1), title, cmap="RdBu_r", vmin=-1, vmax=1)
        axis.set_xlabel("unit")
    title = "probability of the next"
    _table(axes.flat[len(gates)], chances[:, 1:], context, word, title, cmap="Greens", vmin=0, vmax=1)
    figure.suptitle(f"Having read {', '.join(context)}: each row one timestep")
    return figure


def _table(axis, values, rows, columns, title, **colours):
    axis.imshow(values, aspect="auto", **colours)
    axis.set(title=title, xticks=range(len(columns)), yticks=range(len(rows)))
    axis.set_xticklabels(columns)
    axis.set_yticklabels(rows)
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if abs(value) > 0.6 else "black"
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=9)
