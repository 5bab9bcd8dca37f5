"""Films of two moving shapes: which way does one move, how fast, and do the two pass each other?

In:     a film, shape (batch, frames, 16, 16, 1), values from 0 to 1.
Out:    logits, shape (batch, 13): eight directions and three speeds of the square; whether the two shapes pass.
Shape:  sequence-to-vector; each timestep is a picture.

    cnn-lstm     v_t = CNN(X_t), the same for each frame;  h_t = LSTM(v_t, h_{t-1});  logits = V h_T
    conv-simple  H_t = φ(W * X_t + U * H_{t-1} + b), maps with a memory;  logits = V [mean H_T; max H_T]
    conv-lstm    H_t = ConvLSTM(X_t, H_{t-1}), and the same
    one-frame    v = CNN(X_t), of the film's middle frame alone

A square and a cross start anywhere and move in straight lines; what leaves the picture at one edge comes back at the
opposite one. They move in the same direction, or in opposite directions and so pass each other. Every position in a
frame is equally likely for every answer, so that from a single frame one answer in eight, in three and in two is right.

Motion can be seen only by comparing two frames. A CNN that is applied to one frame at a time learns nothing from these
answers until it encodes where the shapes are, and has no reason to learn that first: "cnn-lstm untaught" stays at
chance. Therefore the CNN of cnn-lstm first learns from single pictures where the square and the cross are, and is then
frozen, as Donahue et al. took theirs from ImageNet. The convolutional cells compare neighbouring pixels over time from
the start and need no such lesson.

Sources: Donahue et al. (2015, "Long-term Recurrent Convolutional Networks") for the CNN in front of an LSTM; Shi et al.
(2015) for the convolutional LSTM. Try next: --noise 0.3; --films 500
"""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli, plots, runs, training, verification
from toolkit.cells import recurrent
from toolkit.export import arrays, bundle

import keras
import numpy as np
import pandas as pd
from cyclopts import Parameter
from keras import ops
from matplotlib import pyplot as plt

from layers import ConvLSTMCell, ConvRNN, ConvRNNCell

RECIPE = "video_direction"
WIDTH = 16  # of a frame, and its height
STEPS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]  # down and right, in pixels
ARROWS = "↖", "↑", "↗", "←", "→", "↙", "↓", "↘"
SPEEDS = 1, 2, 3
SHAPES = {
    "square": np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]),
    "cross": np.array([(-2, 0), (-1, 0), (0, 0), (1, 0), (2, 0), (0, -2), (0, -1), (0, 1), (0, 2)]),
}
QUESTIONS = {"direction": len(STEPS), "speed": len(SPEEDS), "passing": 2}
NETWORKS = "one-frame", "cnn-lstm untaught", "cnn-lstm", "conv-simple", "conv-lstm"
PICTURES, LESSONS = 8000, 3  # single pictures, new in each lesson, from which the CNN learns where the shapes are
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings:
    frames: Annotated[int, cli.at_least(2, 1000)] = 8
    """Frames in a film."""
    films: Annotated[int, cli.at_least(10)] = 3000
    """Films to train on in each epoch, always new ones."""
    noise: cli.Positive = 0.05
    """Standard deviation of the noise of each pixel."""
    epochs: cli.Count = 15
    """Epochs of new films."""
    batch_size: cli.Count = 32
    """Films in one training step."""
    learning_rate: cli.LearningRate = 0.006
    """Learning rate at the start; it falls to 0 along a cosine."""
    seed: cli.Seed = 0
    """Seed of the films and the weights."""


# ------------------------------------------------------------------------------------------------------------ data


def render(centres, noise, rng):
    """Films, float32 (count, frames, 16, 16, 1), of shapes at `centres`, (count, frames, shapes, 2), on a torus."""
    films = np.zeros((*centres.shape[:2], WIDTH, WIDTH, 1), "float32")
    rows, times = np.indices(centres.shape[:2])[..., None]
    for shape, pixels in enumerate(SHAPES.values()):
        y, x = np.moveaxis((centres[:, :, shape, None] + pixels) % WIDTH, -1, 0)
        films[rows, times, y, x, 0] = 1
    return np.clip(films + rng.normal(0, noise, films.shape).astype("float32"), 0, 1)


def make_films(count, frames, noise, seed):
    """Films, float32 (count, frames, 16, 16, 1), and answers, int32 (count, 3): direction, speed, passing."""
    rng = np.random.default_rng(seed)
    answers = np.stack([rng.integers(0, n, count) for n in QUESTIONS.values()], axis=1).astype("int32")
    square = np.array(STEPS)[answers[:, 0]] * np.array(SPEEDS)[answers[:, 1], None]
    velocities = np.stack([square, np.where(answers[:, 2:] == 1, -1, 1) * square], axis=1)[:, None]
    start = rng.integers(0, WIDTH, (count, 1, 2, 2))
    return render(start + velocities * np.arange(frames)[:, None, None], noise, rng), answers


# --------------------------------------------------------------------------------------------------------- network


def build_cnn():
    """A CNN from one frame, (batch, 16, 16, 1), to eight features, which can hold the two centres.

    Four features a shape: cosine and sine of its row and its column, as angles on a circle, because opposite edges of
    the picture are joined.
    """
    convolutions = [keras.layers.Conv2D(filters, 5, 2, "same", activation="relu") for filters in (16, 32)]
    dense = keras.layers.Dense(64, activation="relu"), keras.layers.Dense(8)
    return keras.Sequential([keras.Input((WIDTH, WIDTH, 1)), *convolutions, keras.layers.Flatten(), *dense])


def build_model(network, frames, cnn):
    """A network, by its name, from films, (batch, frames, 16, 16, 1), to logits, (batch, 13); `cnn` if it has one."""
    film = keras.Input((frames, WIDTH, WIDTH, 1))
    output = keras.layers.Dense(sum(QUESTIONS.values()))
    if network == "one-frame":
        x = keras.layers.Dense(64, activation="relu")(cnn(film[:, frames // 2]))
    elif "cnn-lstm" in network:
        cell = "builtin-lstm" if network.startswith("builtin") else "lstm"
        x = recurrent(cell, 64)(keras.layers.TimeDistributed(cnn)(film))  # (batch, 64)
    else:
        sizes = {"filters": 16, "kernel_size": 5, "strides": 2, "padding": "same"}
        if network == "builtin-conv-lstm":
            layer = keras.layers.ConvLSTM2D(**sizes)
        else:
            layer = ConvRNN(ConvLSTMCell(**sizes) if network == "conv-lstm" else ConvRNNCell(**sizes))
        maps = layer(film)  # (batch, 8, 8, 16)
        pooled = [keras.layers.GlobalAveragePooling2D()(maps), keras.layers.GlobalMaxPooling2D()(maps)]
        x = keras.layers.Concatenate()(pooled)
    return keras.Model(film, output(x))


def by_question(answers, logits):
    """A pair of answers and logits for each question."""
    ends = np.cumsum([*QUESTIONS.values()])[:-1].tolist()
    return [(ops.cast(answers[:, i], "int32"), part) for i, part in enumerate(ops.split(logits, ends, axis=-1))]


def loss(answers, logits):
    """The mean cross-entropy over the three questions."""
    pairs = by_question(answers, logits)
    return sum(keras.losses.sparse_categorical_crossentropy(*pair, from_logits=True) for pair in pairs) / len(pairs)


def accuracy_of(question):
    """A metric that has the question's name."""

    def accuracy(answers, logits):
        truth, part = by_question(answers, logits)[[*QUESTIONS].index(question)]
        return ops.cast(ops.equal(ops.cast(ops.argmax(part, -1), "int32"), truth), "float32")

    accuracy.__name__ = question
    return accuracy


# ----------------------------------------------------------------------------------------------------------- train


def teach(cnn, noise, seed):
    """Train a CNN on single pictures to encode where the shapes are, and freeze it."""
    cnn.compile(keras.optimizers.Adam(0.003), "mse")
    for lesson in range(LESSONS):
        rng = np.random.default_rng([seed, 3, lesson])
        centres = rng.integers(0, WIDTH, (PICTURES, 1, 2, 2))
        angles = 2 * np.pi * centres.reshape(PICTURES, 4) / WIDTH
        targets = np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype("float32")
        cnn.fit(render(centres, noise, rng)[:, 0], targets, batch_size=64, verbose=0)
    cnn.trainable = False


def fit(model, frames=8, films=3000, noise=0.05, epochs=15, batch_size=32, learning_rate=0.006, seed=0):
    """Compile and train a model on films that are new in each epoch."""
    steps = -(-films // batch_size)
    optimizer = keras.optimizers.Adam(training.cosine_decay(learning_rate, epochs, steps), global_clipnorm=1.0)
    model.compile(optimizer, loss, metrics=[accuracy_of(question) for question in QUESTIONS])
    for epoch in range(epochs):
        examples = make_films(films, frames, noise, [seed, 0, epoch])
        model.fit(*examples, batch_size=batch_size, shuffle=False, verbose=0)


def learn(network, s):
    """Train a network, by its name, with settings `s`; returns it, and a dict of size, time and accuracies."""
    started = time.monotonic()
    keras.utils.set_random_seed(s.seed)
    cnn = build_cnn()
    if network in ("one-frame", "cnn-lstm"):
        teach(cnn, s.noise, s.seed)
    model = build_model(network, s.frames, cnn)
    fit(model, s.frames, s.films, s.noise, s.epochs, s.batch_size, s.learning_rate, s.seed)
    costs = {"weights": model.count_params(), "minutes": (time.monotonic() - started) / 60}
    measured = model.evaluate(*make_films(1000, s.frames, s.noise, [s.seed, 1]), 100, verbose=0, return_dict=True)
    return model, {"network": network} | costs | {question: float(measured[question]) for question in QUESTIONS}


@app.command
def run(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None):
    """Train the five networks on the same films, and report and draw how often they are right; the default command."""
    s, rows = settings, []
    folder = runs.open_run(RECIPE, s, "generated", run_dir)
    bar = keras.utils.Progbar(len(NETWORKS), unit_name="network")
    for network in NETWORKS:
        model, row = learn(network, s)
        rows.append(row)
        bar.add(1)
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format))
    examples = make_films(3, s.frames, s.noise, [s.seed, 2])
    folder.save_figure(plot_accuracies(rows), "accuracies.png")
    folder.save_figure(plot_films(*examples, model.predict(examples[0], verbose=0)), "films.png")
    folder.save_model(model)
    folder.finish({"minutes": sum(row["minutes"] for row in rows), "rows": rows})
    print(f"Accuracies are drawn in {folder / 'accuracies.png'}, films with answers in {folder / 'films.png'}")


# --------------------------------------------------------------------------------------------------------- figures


def plot_accuracies(rows):
    """Each network's accuracy on each question, beside that of guessing."""
    figure, axes = plt.subplots(1, len(QUESTIONS), figsize=(14, 4), sharey=True)
    names = [row["network"].replace(" ", "\n") for row in rows]
    for axis, (question, answers) in zip(axes, QUESTIONS.items()):
        axis.bar(names, [row[question] for row in rows])
        axis.axhline(1 / answers, color=plots.ACTUAL, linestyle=":")
        axis.tick_params("x", labelrotation=30)
        axis.set(title=f"{question} (dotted: guessing, 1 in {answers})", ylim=(0, 1.02))
    axes[0].set_ylabel("accuracy on new films")
    return figure


def plot_films(films, answers, logits=None):
    """Frames of films, each film beside its true answers and, with `logits`, those of a network."""
    times = np.linspace(0, films.shape[1] - 1, min(films.shape[1], 8)).astype(int)
    in_words = lambda rows: [f"{ARROWS[d]} {SPEEDS[s]} {'passing' if p else 'same way'}" for d, s, p in rows]
    lines = {"truth": in_words(answers)}
    if logits is not None:
        lines["network"] = in_words(zip(*(np.argmax(part, -1) for _, part in by_question(answers, logits))))
    figure, axes = plt.subplots(len(films), len(times), figsize=(1.6 * len(times) + 3, 1.8 * len(films)), squeeze=False)
    for i, (row, film) in enumerate(zip(axes, films)):
        for axis, t in zip(row, times):
            axis.imshow(film[t, :, :, 0], cmap="gray_r", vmin=0, vmax=1)
            axis.grid(False)
            axis.set(xticks=[], yticks=[], title=f"t = {t + 1}")
        label = "\n".join(f"{who}: {rows[i]}" for who, rows in lines.items())
        row[0].set_ylabel(label, rotation=0, ha="right", va="center")
    return figure


# ---------------------------------------------------------------------------------------------------------- export


@app.command
def export(out: bundle.Out, /, *, run: cli.FinishedRun = None, format: bundle.Format = "onnx"):
    """Write the network for other programs, with what they need around it, and compare it with Keras."""
    folder = bundle.Folder(out, format)
    run = runs.finished_run(RECIPE, run)
    s, model = run.settings(Settings), run.model()
    for layer in model.layers:
        if format == "litert" and isinstance(layer, keras.layers.RNN):
            layer.unroll = True  # LiteRT has no lists of tensors, which a loop needs
    films, _ = make_films(64, s.frames, s.noise, [s.seed, 4])
    taken = "film", f"{s.frames} frames, values from 0 to 1"
    returned = "logits", ", ".join(f"{count} of the {question}" for question, count in QUESTIONS.items())
    code = (
        f"direction, speed, passing = np.split(logits[0], {np.cumsum([*QUESTIONS.values()])[:-1].tolist()})\n"
        f'print("{"".join(ARROWS)}"[direction.argmax()], 1 + speed.argmax(), passing.argmax() == 1)'
    )
    return folder.write(run, arrays.contents(model, taken, returned, films, "film", code))


# ---------------------------------------------------------------------------------------------------------- verify


@app.command
def verify(
    *,
    network: Annotated[Literal["conv-lstm", "cnn-lstm"], Parameter(help="Network to compare.")] = "conv-lstm",
):
    """Compare with built-in layers: `keras.layers.ConvLSTM2D`, or `keras.layers.LSTM` behind the CNN.

    The same network is built from both, with the same weights: outputs, every gradient, and the loss over a short
    training are compared. The exit status is 1 if they differ.
    """
    verification.verify(lambda name: build_model(name, 5, build_cnn()), network, *make_films(320, 5, 0.1, 0), loss)


if __name__ == "__main__":
    cli.main(app)
