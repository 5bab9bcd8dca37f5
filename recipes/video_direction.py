"""Films of two moving shapes: which way, how fast, and do they pass each other? No single frame can tell.

In:     a film, shape (batch, frames, 16, 16, 1), from 0 to 1.
Out:    logits, shape (batch, 13): eight directions and three speeds of the square; whether the two pass each other.
Shape:  sequence-to-vector; each step is a picture.

    cnn-lstm     v_t = CNN(X_t), the same for each frame;  h_t = LSTM(v_t, h_{t-1});  answers = V h_T
    conv-simple  H_t = φ(W * X_t + U * H_{t-1} + b), maps that remember where;  answers = V [mean H_T; max H_T]
    conv-lstm    H_t = ConvLSTM(X_t, H_{t-1}), and the same
    one-frame    v = CNN(X_t), of the film's middle frame alone

A square and a cross begin anywhere and move straight on, off one edge and on again at the other: along with each other,
or against each other, so that they pass. Wherever they are in a frame, they are there as likely with every answer. So
one frame is right one time in eight, in three and in two.

What moves can only be seen by comparing two frames, and a CNN that looks at one frame learns nothing from such answers
until it says where things are, which it has no reason to learn first: cnn-lstm "untaught" stays at guessing. So the
CNN is taught with single pictures where the square and the cross are, and then left as it is, as Donahue et al. took
theirs from ImageNet. The convolutional cells compare neighbouring pixels over time from the start, and need no lesson.

Sources: Donahue et al. (2015, "Long-term Recurrent Convolutional Networks") for the CNN that feeds an LSTM; Shi et al.
(2015) for the convolutional LSTM. Try next: --noise 0.3; --films 500
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
from keras import ops
from matplotlib import pyplot as plt

import layers

RECIPE = "video_direction"
WIDTH = 16
STEPS = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]  # down and right, in pixels
ARROWS = "↖", "↑", "↗", "←", "→", "↙", "↓", "↘"
SPEEDS = 1, 2, 3
SHAPES = {
    "square": np.array([(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]),
    "cross": np.array([(-2, 0), (-1, 0), (0, 0), (1, 0), (2, 0), (0, -2), (0, -1), (0, 1), (0, 2)]),
}
NETWORKS = "one-frame", "cnn-lstm untaught", "cnn-lstm", "conv-simple", "conv-lstm"
QUESTIONS = {"direction": len(STEPS), "speed": len(SPEEDS), "passing": 2}
PICTURES, LESSONS = 8000, 3  # single pictures, new in each lesson, from which the CNN learns where things are
app = common.command_line(__doc__)


def drawn(places, noise, rng):
    """Pictures, float32 (count, frames, 16, 16, 1), of centres, (count, frames, 2 shapes, 2), that may lie outside."""
    made = np.zeros((*places.shape[:2], WIDTH, WIDTH, 1), "float32")
    rows, times = np.indices(places.shape[:2])[..., None]
    for shape, pixels in enumerate(SHAPES.values()):
        y, x = np.moveaxis((places[:, :, shape, None] + pixels) % WIDTH, -1, 0)
        made[rows, times, y, x, 0] = 1
    return np.clip(made + rng.normal(0, noise, made.shape).astype("float32"), 0, 1)


def films(count, frames, noise, seed):
    """Films, float32 (count, frames, 16, 16, 1), and answers, int32 (count, 3): direction, speed, passing."""
    rng = np.random.default_rng(seed)
    answers = np.stack([rng.integers(0, n, count) for n in QUESTIONS.values()], axis=1).astype("int32")
    square = np.array(STEPS)[answers[:, 0]] * np.array(SPEEDS)[answers[:, 1], None]
    moves = np.stack([square, np.where(answers[:, 2:] == 1, -1, 1) * square], axis=1)[:, None]
    start = rng.integers(0, WIDTH, (count, 1, 2, 2))
    return drawn(start + moves * np.arange(frames)[:, None, None], noise, rng), answers


def looker():
    """The CNN that looks at one frame, (batch, 16, 16, 1) to (batch, 8), meant for the two centres.

    Four numbers a shape: cosine and sine of its row and its column, as angles on a circle, because edges are joined.
    """
    convolutions = [keras.layers.Conv2D(filters, 5, 2, "same", activation="relu") for filters in (16, 32)]
    dense = keras.layers.Dense(64, activation="relu"), keras.layers.Dense(8)
    return keras.Sequential([keras.Input((WIDTH, WIDTH, 1)), *convolutions, keras.layers.Flatten(), *dense])


def taught(noise, seed):
    """A CNN that has learned from single pictures where the shapes are, and learns no more."""
    cnn = looker()
    cnn.compile(keras.optimizers.Adam(0.003), "mse")
    for lesson in range(LESSONS):
        rng = np.random.default_rng([seed, 3, lesson])
        places = rng.integers(0, WIDTH, (PICTURES, 1, 2, 2))
        angles = 2 * np.pi * places.reshape(PICTURES, 4) / WIDTH
        targets = np.concatenate([np.cos(angles), np.sin(angles)], axis=1).astype("float32")
        cnn.fit(drawn(places, noise, rng)[:, 0], targets, batch_size=64, verbose=0)
    cnn.trainable = False
    return cnn


def remembered(network, film, cnn):
    """What a network has seen at the end of a film, as one vector."""
    if network == "one-frame":
        return keras.layers.Dense(64, activation="relu")(cnn(film[:, film.shape[1] // 2]))
    if "cnn-lstm" in network:
        cell = "builtin-lstm" if network.startswith("builtin") else "lstm"
        return common.recurrent(cell, 64)(keras.layers.TimeDistributed(cnn)(film))
    kept = {"filters": 16, "kernel_size": 5, "strides": 2, "padding": "same"}
    if network == "builtin-conv-lstm":
        maps = keras.layers.ConvLSTM2D(**kept)(film)
    else:
        cell = layers.ConvLSTMCell if network == "conv-lstm" else layers.ConvRNNCell
        maps = layers.ConvRNN(cell(**kept))(film)
    pooled = [keras.layers.GlobalAveragePooling2D()(maps), keras.layers.GlobalMaxPooling2D()(maps)]
    return keras.layers.Concatenate()(pooled)


def build_model(network, frames, cnn):
    film = keras.Input((frames, WIDTH, WIDTH, 1))
    return keras.Model(film, keras.layers.Dense(sum(QUESTIONS.values()))(remembered(network, film, cnn)))


def parts(answers, logits):
    """The answer and the logits of each question."""
    ends = np.cumsum([*QUESTIONS.values()])[:-1].tolist()
    return [(ops.cast(answers[:, i], "int32"), part) for i, part in enumerate(ops.split(logits, ends, axis=-1))]


def loss(answers, logits):
    """The mean cross-entropy over the three questions."""
    pairs = parts(answers, logits)
    return sum(keras.losses.sparse_categorical_crossentropy(*pair, from_logits=True) for pair in pairs) / len(pairs)


def right(question):
    def accuracy(answers, logits):
        wanted, part = parts(answers, logits)[[*QUESTIONS].index(question)]
        return ops.cast(ops.equal(ops.cast(ops.argmax(part, -1), "int32"), wanted), "float32")

    accuracy.__name__ = question
    return accuracy


def learned(network, settings):
    """Train on films that are new in each epoch; accuracies on others, and the weights, in a dict, and the model."""
    keras.utils.set_random_seed(settings["seed"])
    frames, noise, seed = settings["frames"], settings["noise"], settings["seed"]
    needs = network in ("one-frame", "cnn-lstm")
    model = build_model(network, frames, taught(noise, seed) if needs else looker())
    steps = -(-settings["films"] // settings["batch_size"])
    rate = keras.optimizers.schedules.CosineDecay(settings["learning_rate"], settings["epochs"] * steps)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(optimizer, loss, metrics=[right(question) for question in QUESTIONS])
    for epoch in range(settings["epochs"]):
        shown = films(settings["films"], frames, noise, [seed, 0, epoch])
        model.fit(*shown, batch_size=settings["batch_size"], shuffle=False, verbose=0)
    found = model.evaluate(*films(1000, frames, noise, [seed, 1]), batch_size=100, verbose=0, return_dict=True)
    return {"weights": model.count_params()} | {question: float(found[question]) for question in QUESTIONS}, model


def figure(rows, model, settings):
    """Accuracies beside those of guessing, and three films with what the last network says of them."""
    sheet = plt.figure(figsize=(14, 7), layout="constrained")
    above, below = sheet.subfigures(2, 1, height_ratios=(1, 1.2))
    for axis, (question, answers) in zip(above.subplots(1, 3, sharey=True), QUESTIONS.items()):
        axis.bar([row["network"].replace(" ", "\n") for row in rows], [row[question] for row in rows])
        axis.axhline(1 / answers, color="0.3", linestyle=":")
        axis.set(title=f"{question}; dotted: guessing among {answers}", ylim=(0, 1.02))
    made, answers = films(3, settings["frames"], settings["noise"], [settings["seed"], 2])
    said = [np.argmax(part, -1) for _, part in parts(answers, model.predict(made, verbose=0))]
    shown = np.linspace(0, settings["frames"] - 1, min(settings["frames"], 8)).astype(int)
    grid = below.subplots(3, len(shown), squeeze=False)
    for row, film, truth, *guess in zip(grid, made, answers, *said):
        for axis, t in zip(row, shown):
            axis.imshow(film[t, :, :, 0], cmap="gray_r", vmin=0, vmax=1)
            axis.set(xticks=[], yticks=[], title=f"t = {t + 1}")
        texts = [f"{ARROWS[d]} {SPEEDS[s]} {'passing' if p else 'together'}" for d, s, p in (truth, guess)]
        row[0].set_ylabel(f"is {texts[0]}\nsaid {texts[1]}", rotation=0, ha="right", va="center")
    return sheet


@app.command()
def run(
    frames: Annotated[int, typer.Option(min=2, help="In a film.")] = 8,
    films_: Annotated[int, typer.Option("--films", min=10, help="To train on in each epoch, always new ones.")] = 3000,
    noise: Annotated[float, typer.Option(min=0, help="Standard deviation of the noise of each pixel.")] = 0.05,
    epochs: common.Epochs = 15,
    batch_size: common.BatchSize = 32,
    learning_rate: Annotated[
        float, typer.Option(min=1e-8, max=1, help="At the start; it falls to 0 along a cosine.")
    ] = 0.006,
    seed: common.Seed = 0,
    run_dir: common.RunDir = None,
):
    """Train the five networks on the same films, draw and write down; the default."""
    settings = {"frames": frames, "films": films_, "noise": noise, "epochs": epochs, "batch_size": batch_size}
    settings |= {"learning_rate": learning_rate, "seed": seed}
    folder, rows = common.Run.begin(RECIPE, settings, "drawn", run_dir), []
    bar = keras.utils.Progbar(len(NETWORKS), unit_name="network")
    for network in NETWORKS:
        accuracies, model = learned(network, settings)
        rows.append({"network": network} | accuracies)
        bar.add(1)
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format))
    folder.save_figure(figure(rows, model, settings), "video_direction.png")
    model.save(folder / "model.keras")
    folder.write_json("metrics.json", rows)
    print(f"Drawn in {folder / 'video_direction.png'}")


@app.command()
def verify(
    network: Annotated[
        str, typer.Option(help="conv-lstm or cnn-lstm.", callback=common.one_of(["conv-lstm", "cnn-lstm"]))
    ] = "conv-lstm",
):
    """Compare with built-in layers: `keras.layers.ConvLSTM2D`, or `keras.layers.LSTM` behind the CNN.

    The same network from both, with the same weights: outputs, every gradient, the loss over a short training. Exits
    with 1 where they differ.
    """
    training.verify(lambda name: build_model(name, 5, looker()), network, *films(320, 5, 0.1, 0), loss)


if __name__ == "__main__":
    common.main(app)
