"""How long a memory each cell has: accuracy against the length of the sequence, for simple, GRU and LSTM cells.

In:     words or symbols as ids, shape (batch, timesteps), all sequences of one length.
Out:    a probability for each class, shape (batch, 2) or (batch, 8), from the last hidden state alone.
Shape:  sequence-to-vector.

    e_t = E[w_t]                        embedding of the t-th word or symbol
    h_t = cell(e_t, h_{t-1})            every cell has about the same number of weights
    p = softmax(V h_T + b)

Two experiments:

    reviews   Is a review positive? Only reviews with at least as many words as the greatest length, each cut to its
              last 10, 20, 50, … words, so that there is neither padding nor a mask. More words tell more, unless they
              are forgotten.
    recall    Random symbols; the answer is the first one, k timesteps before the end. Guessing is right in one of eight
              cases. Lecture notes say that a simple cell remembers about ten timesteps.

The cell lstm-chrono, in recall only, is an LSTM whose gates are initialized to remember for as long as the sequence is
(Tallec & Ollivier 2018, "Can Recurrent Neural Networks Warp Time?", section 2).

The default is a small version of both experiments on the built-in phrases. For IMDB use
--config benchmarks/published/sequence_length.imdb.toml, or that of imdb-200-words, which admits reviews of 200 words
and has many more of them.

Try next: --cells lstm,lstm-chrono --delays 50,100,200 --recall-epochs 20
"""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import batches, cli, comparisons, runs, training, verification
from toolkit.cells import CELL_NAMES, recurrent, units_for
from toolkit.plots import lengths as length_plots
from toolkit.review_settings import ReviewFlags
from toolkit.runs import Stop
from toolkit.text.words import Vocabulary

import keras
import numpy as np
import tensorflow as tf
from cyclopts import Parameter
from keras import ops

from datasets import reviews, tasks
from layers import RNN, Embedding, LSTMCell

RECIPE = "sequence_length"
CHRONO = "lstm-chrono"
EMBEDDING = 32
RECALL_SEQUENCES = 12_800, 2_000, 2_000  # in the training, validation and test splits
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings(ReviewFlags):
    data: str = reviews.GENERATED
    """phrases (built in), imdb, imdb_reviews (no stars), or a file or folder of reviews."""
    data_dir: Annotated[str | None, Parameter(group=cli.RUN)] = None
    """Folder in which --data is looked up."""
    cells: comparisons.some_of([*CELL_NAMES, CHRONO]) = field(default_factory=lambda: ["simple", "gru", "lstm", CHRONO])
    """Cells to compare, with commas between."""
    lengths: comparisons.Lengths = field(default_factory=lambda: [5, 10, 20])
    """Numbers of words that reviews are cut to, with commas between."""
    delays: comparisons.Lengths = field(default_factory=lambda: [5, 10, 20, 40])
    """Lengths of the sequences in the recall experiment, with commas between; "" for no such experiment."""
    seeds: Annotated[int, cli.at_least(1, 1000)] = 1
    """Trainings of each cell at each length, with the seeds 0, 1, …"""
    parameters: Annotated[int, cli.at_least(100)] = 25_000
    """Number of weights of each cell, approximately."""
    vocabulary: Annotated[int, cli.at_least(10)] = 10_000
    """Vocabulary size: the most frequent words of the training split."""
    dropout: cli.Share = 0.3
    """Share of the last hidden state that is dropped, for reviews."""
    epochs: cli.Count = 4
    """Passes over the training split of reviews."""
    recall_epochs: cli.Count = 5
    """Passes over the 12,800 training sequences of the recall experiment."""
    batch_size: cli.Count = 32
    """Sequences in one training step."""
    learning_rate: cli.LearningRate = 0.002
    """Learning rate at the start; it falls to 0 along a cosine."""
    split_seed: cli.Seed = 0
    """Seed of the division of reviews into training and validation splits."""


# ------------------------------------------------------------------------------------------------------------ data


def long_reviews(data, words, vocabulary=10_000):
    """Reviews of at least so many words, each as the ids of its last `words` words.

    Returns the pairs (ids, labels), (reviews, words) and (reviews,), of the splits "train", "validation" and "test",
    and the vocabulary size. Raises Stop where a split has fewer than 20 such reviews.
    """
    known, splits = Vocabulary.learn(data.splits["train"]["text"], vocabulary), []
    for name in ("train", "validation", "test"):
        rows = [known.ids(text, words) for text in data.splits[name]["text"]]
        long = [i for i, row in enumerate(rows) if len(row) == words]
        if len(long) < 20:
            raise Stop(f"Only {len(long)} reviews of the {name} split have {words} words: use smaller --lengths.")
        splits.append((np.stack([rows[i] for i in long]), data.splits[name]["label"].to_numpy()[long]))
    return splits, len(known)


def recall_splits(delay, seed=0):
    """Pairs (symbols, first symbols), (sequences, delay) and (sequences,), to train on, to validate and to test."""
    return [tasks.first_symbol(delay, count, seed * 3 + i) for i, count in enumerate(RECALL_SEQUENCES)]


# --------------------------------------------------------------------------------------------------------- network


@keras.saving.register_keras_serializable("rnn_recipes")
class ChronoBias(keras.initializers.Initializer):
    """Biases of an LSTM with gates that remember for up to as many timesteps as the sequence has.

    log u for the forget gate, with u between 1 and length - 1, and -log u for the input gate.
    """

    def __init__(self, length):
        self.length = length

    def __call__(self, shape, dtype=None):
        units = shape[0] // 4
        forget = ops.log(keras.random.uniform((units,), 1.0, max(self.length - 1.0, 1.5)))
        return ops.concatenate([-forget, forget, ops.zeros(2 * units)])

    def get_config(self):
        return {"length": self.length}


def memory(cell="lstm", units=64, length=20):
    """The recurrent layer of a --cells name, for sequences of a length."""
    if cell == CHRONO:
        return RNN(LSTMCell(units, unit_forget_bias=False, bias_initializer=ChronoBias(length)), name="memory")
    return recurrent(cell, units, name="memory")


def build_model(vocabulary_size, classes, cell="lstm", units=64, length=20, dropout=0.3, seed=0):
    """A network from ids, (batch, timesteps), to the probabilities of the classes, (batch, classes)."""
    ids = keras.Input((None,), dtype="int32")
    x = Embedding(vocabulary_size, EMBEDDING)(ids)
    x = memory(cell, units, length)(x)
    x = keras.layers.Dropout(dropout, seed=seed)(x)
    return keras.Model(ids, keras.layers.Dense(classes, activation="softmax")(x))


def units_of(cell, parameters=25_000):
    """The units with which a cell's number of weights comes nearest to `parameters`."""
    return units_for(parameters, EMBEDDING, lambda units: memory(cell.removeprefix("builtin-"), units))


# ----------------------------------------------------------------------------------------------------------- train


class Solved(keras.callbacks.Callback):
    """Ends a training whose task has been learned."""

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = logs["val_accuracy"] >= 0.995


def fit(model, train, validation, epochs=4, batch_size=32, learning_rate=0.002, seed=0):
    """Compile and train a model; it ends with the weights of the epoch with the smallest validation loss.

    Returns the minutes of training.
    """
    batches_of, steps = batches.shuffled(train, batch_size, seed)
    optimizer = keras.optimizers.Adam(training.cosine_decay(learning_rate, epochs, steps), global_clipnorm=1.0)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    started = time.monotonic()
    model.fit(
        tf.data.Dataset.range(epochs).flat_map(batches_of).prefetch(tf.data.AUTOTUNE),
        epochs=epochs,
        steps_per_epoch=steps,
        shuffle=False,  # the stream is shuffled already
        validation_data=validation,
        validation_batch_size=256,
        callbacks=[best, Solved()],
        verbose=0,
    )
    return (time.monotonic() - started) / 60


def train_and_test(experiment, cell, length, seed, units, splits, vocabulary_size, s):
    """One training, with the review splits cut to their last words or with random symbols; the results of its row."""
    training.reproducible(seed)
    if experiment == "recall":
        splits, sizes, dropout, epochs = recall_splits(length, seed), [tasks.FIRST_SYMBOLS] * 2, 0.0, s.recall_epochs
    else:
        splits, sizes = [(ids[:, -length:], labels) for ids, labels in splits], [vocabulary_size, 2]
        dropout, epochs = s.dropout, s.epochs
    model = build_model(*sizes, cell, units, length, dropout, seed)
    minutes = fit(model, *splits[:2], epochs, s.batch_size, s.learning_rate, seed)
    accuracy = model.evaluate(*splits[2], batch_size=256, verbose=0, return_dict=True)["accuracy"]
    weights = model.get_layer("memory").count_params()
    return {"accuracy": float(accuracy), "minutes": minutes, "weights": weights}


def comparison_keys(s):
    """What tells the trainings apart: experiment, cell, length and seed."""
    keys = [("recall", cell, delay) for cell in s.cells for delay in s.delays]
    keys += [("reviews", cell, length) for cell in s.cells if cell != CHRONO for length in s.lengths]
    names = "experiment", "cell", "length", "seed"
    return [dict(zip(names, (*key, seed))) for key in keys for seed in range(s.seeds)]


@app.command
def train(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None, resume: cli.Resume = False):
    """Train every cell at every length, and compare; the default command."""
    s = settings
    if not s.lengths:
        raise Stop("--lengths needs a whole number from 2 on, or several with commas between: 10,20,50.")
    with runs.user_errors():
        data = reviews.load(s.data, s.data_dir, s.split_seed, s.reading)
    print(*data.understood, sep="\n", end="\n" * bool(data.understood))
    splits, vocabulary_size = long_reviews(data, max(s.lengths), s.vocabulary)
    sizes = ", ".join(f"{len(labels):,} {name}" for (_, labels), name in zip(splits, ("train", "validation", "test")))
    print(f"Reviews of at least {max(s.lengths)} words: {sizes}")
    run = runs.open_run(RECIPE, s, data.checksum(), run_dir, resume)
    units = {cell: units_of(cell, s.parameters) for cell in s.cells}
    train_one = lambda experiment, cell, length, seed: train_and_test(
        experiment, cell, length, seed, units[cell], splits, vocabulary_size, s
    )
    table = comparisons.train_each(run, comparison_keys(s), train_one)
    reach = report(run, table)
    run.finish({"minutes": float(table["minutes"].sum())} | reach | {"rows": table.to_dict("records")})


# -------------------------------------------------------------------------------------------------------- evaluate

TITLES = {"recall": "Recall of the first symbol of a sequence", "reviews": "Reviews cut to their last words"}
GUESSING = {"recall": 1 / tasks.FIRST_SYMBOLS, "reviews": 1 / 2}


def report(run, table):
    """Print and draw the accuracies; returns for each cell the longest delay that it recalls over."""
    mean = table.groupby(["experiment", "cell", "length"], sort=False)["accuracy"].mean()
    mean = mean.unstack("length").sort_index(axis=1)
    for experiment in mean.index.unique("experiment"):
        print(f"\n{TITLES[experiment]}: accuracy on the test split, mean over the seeds")
        print(mean.loc[experiment].dropna(axis=1).map("{:.1%}".format).to_string())
    recall = mean.loc["recall"] if "recall" in mean.index else mean[:0]
    reach = {cell: recall_reach(accuracies.dropna()) for cell, accuracies in recall.iterrows()}
    for cell, delay in reach.items():
        print(f"The {cell} cell recalls nine of ten symbols over up to {delay} timesteps, of the delays compared.")
    run.save_figure(length_plots.plot(table, TITLES, GUESSING), "sequence_length.png")
    print(f"The figure is {run / 'sequence_length.png'}.")
    return {f"recall_steps_{cell}": delay for cell, delay in reach.items()}


def recall_reach(accuracies):
    """The longest delay up to which every accuracy, a Series by delay, is 0.9 or more; 0 for none."""
    good = (accuracies.sort_index() >= 0.9).cummin()
    return int(max(good[good].index, default=0))


@app.command
def evaluate(*, run: cli.FinishedRun = None):
    """Report on a finished comparison again."""
    run = runs.finished_run(RECIPE, run)
    report(run, comparisons.table(run, experiment=str, length=int, accuracy=float))


# ---------------------------------------------------------------------------------------------------------- verify


@app.command
def verify(
    *,
    cell: Annotated[cli.Cell, Parameter(help="Recurrent cell.")] = "simple",
    parameters: Annotated[int, cli.at_least(100), Parameter(help="Number of weights, approximately.")] = 2000,
    words: Annotated[int, cli.at_least(5, 10_000), Parameter(help="Words of a review.")] = 60,
):
    """Compare with built-in layers.

    The same network is built from both, with the same weights: outputs, every gradient, and the loss over a short
    training are compared. The exit status is 1 if they differ.
    """
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 100, (320, words)), rng.integers(0, 2, 320)
    build = lambda name: build_model(100, 2, name, units_of(name, parameters), words, dropout=0.0)
    verification.verify(build, cell, x, y, "sparse_categorical_crossentropy")


if __name__ == "__main__":
    cli.main(app)
