"""How long a memory each cell has: accuracy against the length of the sequence, for simple, GRU and LSTM cells.

Two experiments; every cell has about the same number of weights, and the verdict comes from the last state alone:

    reviews   Only reviews of at least as many words as the greatest length, each cut to its last 10, 20, 50, … words,
              so that there is no padding and no mask. Is it a good one? More words say more, if they are not forgotten.
    recall    Random symbols; the answer is the first one, k steps before the end. Guessing is right once in eight
              times. Lecture notes say that a simple cell remembers about ten steps.

In:     words or symbols as numbers, shape (batch, timesteps), all of one length.
Out:    a probability for each answer, shape (batch, 2) or (batch, 8).
Shape:  sequence-to-vector.

The default is a small version of both, on the phrases that come along. The lecture notes' own, on IMDB, and one that
takes shorter reviews, of which there are many more: python recipes/sequence_length.py publish --data-dir FOLDER, and
with --variant imdb-200-words.

Try next: --cells lstm,lstm-chrono --delays 50,100,200 --recall-epochs 20
"""

import itertools
import sys
import time
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import common, results, review_classifier, review_text, training  # isort: skip
from recipes.sequence_length_report import KEYS, SYMBOLS, report  # isort: skip

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
import typer
from keras import ops

from datasets import reviews
from layers import RNN, Embedding, LSTMCell

RECIPE = "sequence_length"
GATES = {"simple": 1, "gru": 3, "lstm": 4}
CHRONO = "lstm-chrono"  # an LSTM whose gates begin nearly shut
WIDTH = 32
TESTED = 2000  # sequences on which recall is tested
VARIANTS = {  # what differs from the default flags
    "imdb": {
        "lengths": "10,20,50,100,200,500,1000",
        "delays": "5,10,20,50,100",
        "epochs": 20,
        "recall_epochs": 8,
    },
    "imdb-200-words": {"lengths": "10,20,50,100,200", "delays": "", "epochs": 4},
}
app = common.command_line(__doc__)


def numbers(text):
    """Ascending whole numbers from "10,20,50"."""
    try:
        values = sorted({int(part) for part in text.split(",")})
    except ValueError as error:
        raise common.Stop(f"Lengths are whole numbers with commas between: 10,20,50. Received: {text}") from error
    if values[0] < 2:
        raise common.Stop(f"A length must be 2 or more. Received: {text}")
    return values


def delays_of(settings):
    return numbers(settings["delays"]) if settings["delays"] else []


def units_for(cell, parameters, features=WIDTH):
    """The units with which a cell's weights, gates * units * (features + units + 1), come nearest to a number."""
    units = np.arange(1, 2000)
    return int(units[np.argmin(np.abs(GATES[cell] * units * (features + units + 1) - parameters))])


def recurrent(name, length, parameters):
    """The layer that a `--cells` name stands for, with about so many weights."""
    cell = "lstm" if name == CHRONO else name
    units = units_for(cell.removeprefix("builtin-"), parameters)
    if name != CHRONO:
        return common.recurrent(cell, units)
    return RNN(LSTMCell(units, unit_forget_bias=False, bias_initializer=lambda *_, **__: chrono(units, length)))


def chrono(units, length):
    """LSTM biases with which gates begin to forget over as many steps as the sequence has, and not over two.

    log u for the forget gate, u from 1 to length - 1, and -log u for the input gate: Tallec & Ollivier (2018), sec. 2.
    """
    forget = ops.log(keras.random.uniform((units,), 1.0, max(length - 1.0, 1.5)))
    return ops.concatenate([-forget, forget, ops.zeros(2 * units)])


def build_model(cell, vocabulary, answers, length, settings):
    ids = keras.Input((None,), dtype="int32")
    x = Embedding(vocabulary, WIDTH)(ids)
    x = recurrent(cell, length, settings["parameters"])(x)
    x = keras.layers.Dropout(settings["dropout"], seed=settings["seed"])(x)
    return keras.Model(ids, keras.layers.Dense(answers, activation="softmax")(x))


def recall_data(length, count, seed):
    """Random symbols, (count, length), and the first of each row, (count,)."""
    symbols = np.random.default_rng([length, seed]).integers(SYMBOLS, size=(count, length), dtype="int32")
    return symbols, symbols[:, 0]


class Enough(keras.callbacks.Callback):
    """Ends a training that has learnt its task."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = logs["val_accuracy"] >= 0.995


def fit(model, parts, epochs, settings):
    """Train on the first part, keep the best epoch by the loss on the second; returns the accuracy on the third."""
    train, held_out, (x, y) = parts
    batches, steps = training.shuffled_batches(train, settings["batch_size"], settings["seed"])
    rate = keras.optimizers.schedules.CosineDecay(settings["learning_rate"], epochs * steps)
    optimizer = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    stream = tf.data.Dataset.range(epochs).flat_map(batches).prefetch(tf.data.AUTOTUNE)
    options = {"epochs": epochs, "steps_per_epoch": steps, "shuffle": False, "verbose": 0}
    model.fit(stream, validation_data=held_out, validation_batch_size=256, callbacks=[best, Enough()], **options)
    return float(model.evaluate(x, y, batch_size=256, verbose=0, return_dict=True)["accuracy"])


def long_reviews(data, words, vocabulary):
    """Word numbers and label of the reviews of at least so many words, by split, and how many words are known."""
    layer = review_text.vectorizer(data.splits["train"]["text"], vocabulary)
    tokens, parts = review_text.tokenizer(layer, words), {}
    for name in ("train", "validation", "test"):
        rows = review_text.numbers(tokens, data.splits[name]["text"])
        kept = [i for i, row in enumerate(rows) if len(row) == words]
        if len(kept) < 20:
            raise common.Stop(
                f"Only {len(kept)} reviews of the {name} part have {words} words: take smaller --lengths."
            )
        parts[name] = np.stack([rows[i] for i in kept]), data.splits[name]["label"].to_numpy()[kept]
    return list(parts.values()), layer.vocabulary_size()


def one(key, settings, reviews_parts, vocabulary):
    """One training; returns its row of the table."""
    experiment, cell, length, seed = key
    settings = settings | {"seed": seed}
    common.prepare(seed)
    if experiment == "recall":
        parts = [recall_data(length, count, seed * 3 + i) for i, count in enumerate((12800, TESTED, TESTED))]
        model = build_model(cell, SYMBOLS, SYMBOLS, length, settings | {"dropout": 0.0})
        epochs = settings["recall_epochs"]
    else:
        parts = [(x[:, -length:], y) for x, y in reviews_parts]
        model = build_model(cell, vocabulary, 2, length, settings)
        epochs = settings["epochs"]
    started = time.time()
    accuracy = fit(model, parts, epochs, settings)
    weights = sum(int(np.prod(w.shape)) for w in model.layers[2].trainable_variables)
    return dict(zip(KEYS, key)) | {"accuracy": accuracy, "minutes": (time.time() - started) / 60, "weights": weights}


def begin(settings, run_dir=None, resume=False):
    """The run's folder and the reviews, read first, so that what the user typed wrong leaves no folder behind."""
    data, lengths = review_classifier.load_data(settings), numbers(settings["lengths"])
    delays_of(settings)
    parts, vocabulary = long_reviews(data, lengths[-1], settings["vocabulary"])
    sizes = [len(y) for _, y in parts]
    print(
        f"Reviews of at least {lengths[-1]} words: {sizes[0]:,} to train on, {sizes[1]:,} validation, {sizes[2]:,} test"
    )
    return common.Run.begin(RECIPE, settings, data.checksum(), run_dir, resume), parts, vocabulary


def complete(run, parts, vocabulary):
    """Every training that the run's folder does not hold yet, then the report."""
    settings, path = run.settings, run / "runs.csv"
    lengths, delays = numbers(settings["lengths"]), delays_of(settings)
    print(f"If this is stopped, the same command with --resume --run-dir {run.path} goes on.")
    cells, seeds = settings["cells"].split(","), range(settings["seeds"])
    keys = [("recall", *rest) for rest in itertools.product(cells, delays, seeds)]
    keys += [("reviews", *rest) for rest in itertools.product([c for c in cells if c != CHRONO], lengths, seeds)]
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    done = {tuple(row[name] for name in KEYS) for row in rows}
    for number, key in enumerate(keys, 1):
        if key not in done:
            rows.append(one(key, settings, parts, vocabulary))
            with common.replacing(path) as file:
                pd.DataFrame(rows).to_csv(file, index=False)
            shown = "{experiment:8}{cell:14} length {length:5}  seed {seed}  {accuracy:7.1%}  {minutes:5.1f} minutes"
            print(f"{number:4} of {len(keys)}  " + shown.format(**rows[-1]), flush=True)
    run.write_json("metrics.json", report(run, pd.DataFrame(rows)))


def cells_of(value):
    return ",".join(common.one_of([*common.CELL_NAMES, CHRONO])(cell) for cell in value.split(","))


@app.command()
def train(
    data: review_classifier.Data = reviews.GENERATED,
    data_dir: common.DataDir = None,
    cells: Annotated[str, typer.Option(help="Cells to compare.", callback=cells_of)] = "simple,gru,lstm,lstm-chrono",
    lengths: Annotated[str, typer.Option(help="Words to cut reviews to, with commas between.")] = "5,10,20",
    delays: Annotated[str, typer.Option(help='Lengths of the recall experiment; "" for none.')] = "5,10,20,40",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each, with the seeds 0, 1, ...")] = 1,
    parameters: Annotated[int, typer.Option(min=100, help="Weights of each cell, about.")] = 25000,
    vocabulary: review_classifier.Vocabulary = 10000,
    dropout: review_classifier.Dropout = 0.3,
    epochs: common.Epochs = 4,
    recall_epochs: Annotated[int, typer.Option(min=1, help="The same for recall, over 12,800 sequences.")] = 5,
    batch_size: common.BatchSize = 32,
    learning_rate: review_classifier.LearningRate = 0.002,
    split_seed: review_classifier.SplitSeed = 0,
    run_dir: common.RunDir = None,
    resume: common.Resume = False,
):
    """Train every cell at every length, and compare; the default."""
    settings = {name: value for name, value in locals().items() if name not in common.NOT_SETTINGS}
    complete(*begin(settings, run_dir, resume))


@app.command()
def publish(
    variant: Annotated[str, typer.Option(help=f"{', '.join(VARIANTS)}.", callback=common.one_of(VARIANTS))] = "imdb",
    data_dir: common.DataDir = None,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = results.ROOT / "results",
):
    """Compare on IMDB, three seeds each, and write results/; the same command goes on after a stop.

    "imdb" is what the lecture notes ask for, and leaves few reviews; "imdb-200-words" takes those of 200 words or more.
    """
    settings = common.defaults(train) | {"data": "imdb", "data_dir": data_dir, "seeds": 3} | VARIANTS[variant]
    run = common.Run(common.RUNS / RECIPE / f"published-{variant}")
    if run.finished:
        run.check_settings({name: value for name, value in settings.items() if name != "data_dir"})
    else:
        complete(*begin(settings, run.path, resume=True))
    table, runs = pd.read_csv(run / "runs.csv"), []
    lengths = numbers(settings["lengths"])
    for seed, rows in table.groupby("seed"):
        ends = rows["length"].isin([lengths[0], lengths[-1]])
        shown = rows[ends.where(rows["experiment"] == "reviews", rows["length"].isin([20, 100]))]
        names = shown["experiment"] + "_" + shown["cell"] + "_" + shown["length"].astype(str)
        runs.append((seed, rows["minutes"].sum(), dict(zip(names, shown["accuracy"]))))
    command = f"python recipes/{RECIPE}.py publish --variant {variant}"
    print(
        results.publish(
            RECIPE, variant, command, common.versions(), runs, [], output, table=table.round(4).to_dict("records")
        )
    )


@app.command()
def evaluate(run: common.FinishedRun = None):
    """Report on a finished comparison again."""
    run = common.Run.open(RECIPE, run)
    with common.user_errors():
        report(run, pd.read_csv(run / "runs.csv"))


@app.command()
def verify(cell: common.Cell = "simple", parameters: int = 2000, words: review_classifier.Words = 60):
    """Compare with built-in layers: outputs, every gradient, the loss over a short training."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 100, (320, words)), rng.integers(0, 2, 320)
    settings = {"parameters": parameters, "dropout": 0.0, "seed": 0}
    build = lambda name: build_model(name, 100, 2, words, settings)
    training.verify(build, cell, x, y, "sparse_categorical_crossentropy")


if __name__ == "__main__":
    common.main(app)
