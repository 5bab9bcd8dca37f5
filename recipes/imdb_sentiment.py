"""Sentiment of film reviews, sequence to vector: did the writer of a review love the film?

In:     the ids of a review's words, shape (batch, timesteps), padded on the right with 0 and masked.
Out:    the probability that the review is positive, shape (batch, 1); as a score, 2 p - 1, from -1 (hate) to +1 (love).
Shape:  sequence-to-vector.

    e_t = E[w_t]                                     embedding of the t-th word, with dropout;
                                                     with --bigrams E[w_t] + B[w_{t-1}, w_t]
    h_t = [LSTM(e_t, h_{t-1}) ; LSTM(e_t, h_{t+1})]  reading in both directions, or another --cell
    p = σ(w · [mean_t h_t ; max_t h_t] + b)          logistic regression on the mean and maximum of all hidden states

The built-in data is generated and needs no download: phrases in which the order of the words decides. For real reviews
use --data imdb, the Large Movie Review Dataset (Maas et al. 2011): 25,000 reviews to train on and 25,000 to test.

Try next: --cell simple, and compare it with a bag of words; --units 128; your own reviews with --data reviews.csv.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import batches, cli, runs, training, verification
from toolkit.baselines.reviews import BASELINES
from toolkit.cells import recurrent
from toolkit.export import bundle, texts
from toolkit.plots import word_scores
from toolkit.review_settings import ReviewFlags
from toolkit.text.words import Vocabulary, columns

import keras
import numpy as np
from cyclopts import Parameter

from datasets import reviews
from layers import Embedding, MaskedMaxPooling1D

RECIPE = "imdb_sentiment"
TAKEN_OVER = "cell", "vocabulary", "embedding", "units"  # settings that a pretrained run decides
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings(ReviewFlags, cli.Settings):
    data: str = reviews.GENERATED
    """phrases (built in), imdb, imdb_reviews (no stars), or a file or folder of reviews."""
    split_seed: cli.Seed = 0
    """Seed of the division into training and validation splits."""
    vocabulary: Annotated[int, cli.at_least(10)] = 20_000
    """Vocabulary size: the most frequent words of the training split."""
    words: Annotated[int, cli.at_least(5, 10_000)] = 400
    """Words to read of a review: its last ones."""
    cell: cli.Cell = "lstm"
    """Recurrent cell."""
    units: cli.Units = 64
    """Units of the recurrent layer, in each direction."""
    embedding: cli.Units = 64
    """Embedding size."""
    bigrams: cli.CountOrNone = 0
    """Ids for pairs of neighbouring words, whose embedding is added to the word's; 0 for none."""
    dropout: cli.Share = 0.4
    """Share of the embeddings and of the pooled states that is dropped."""
    pretrained: str | None = None
    """Run of review_language_model.py to start from; it decides cell, vocabulary, embedding and units."""
    epochs: cli.Count = 4
    """Passes over the training split."""
    batch_size: cli.Count = 32
    """Reviews in one training step."""
    learning_rate: cli.LearningRate = 0.003
    """Learning rate at the start; it falls to 0 along a cosine."""


# ------------------------------------------------------------------------------------------------------------ data


def load_data(data=reviews.GENERATED, data_dir=None, split_seed=0, reading=reviews.Reading()):
    """Reviews with splits "train", "validation" and "test", tables with the columns text and label (0 or 1)."""
    with runs.user_errors():
        loaded = reviews.load(data, data_dir, split_seed, reading, needs="label")
    print(*loaded.understood, sep="\n", end="\n" * bool(loaded.understood))
    return loaded


# --------------------------------------------------------------------------------------------------------- network


def build_model(vocabulary_size, cell="lstm", units=64, embedding=64, bigrams=0, dropout=0.4, seed=0):
    """A network from word ids, (batch, timesteps), to the probability of a positive review, (batch, 1)."""
    inputs = [keras.Input((None,), dtype="int32", name="words")]
    x = Embedding(vocabulary_size, embedding, mask_zero=True, name="embedding")(inputs[0])
    if bigrams:  # initially zero: the embedding of a pair is the sum of its words' until it has been learned
        inputs.append(keras.Input((None,), dtype="int32", name="pairs"))
        pairs = Embedding(bigrams + 1, embedding, "zeros", mask_zero=True, name="bigram_embedding")(inputs[1])
        x = keras.layers.Add()([x, pairs])
    x = keras.layers.SpatialDropout1D(dropout, seed=seed)(x)
    reader = keras.layers.Bidirectional(recurrent(cell, units, return_sequences=True), name="reader")
    states = reader(x)  # (batch, timesteps, 2 * units)
    x = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling1D()(states), MaskedMaxPooling1D()(states)])
    x = keras.layers.Dropout(dropout, seed=seed + 1)(x)  # (batch, 4 * units)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


# ----------------------------------------------------------------------------------------------------------- train


def fit(model, train, validation, run, epochs=4, batch_size=32, learning_rate=0.003, seed=0):
    """Compile and train a model; it ends with the weights of the epoch with the smallest validation loss.

    Args:
        train, validation: columns of inputs with the labels, (reviews, 1), behind them.
        run: a `toolkit.runs.Run`.

    Returns the minutes of training.
    """
    as_pair = lambda *batch: (batch[:-1], batch[-1])
    stream, steps = batches.bucketed(train, batch_size, seed)
    held_out, _ = batches.by_length(validation, batch_size)
    with training.scope(model):
        optimizer = keras.optimizers.Adam(training.cosine_decay(learning_rate, epochs, steps), global_clipnorm=1.0)
        model.compile(optimizer, "binary_crossentropy", metrics=["accuracy"])
    stream_of = lambda epoch: stream(epoch).map(as_pair)
    return training.fit(model, run, (stream_of, steps), epochs, held_out.map(as_pair))


@app.command
def train(
    settings: cli.Flags[Settings] = Settings(),
    *,
    run_dir: cli.RunDir = None,
    resume: cli.Resume = False,
    baselines: Annotated[bool, Parameter(parse=False)] = True,
):
    """Train and report; the default command."""
    s = settings
    start = runs.finished_run("review_language_model", s.pretrained) if s.pretrained else None
    if start:
        s = start.decide(s, TAKEN_OVER)
    data = load_data(s.data, s.data_dir, s.split_seed, s.reading)
    run = runs.open_run(RECIPE, s, data.checksum(), run_dir, resume)
    with training.reproducible(s.seed, s.strategy):
        pretrained = start.model() if start else None
        vocabulary = Vocabulary.load(start) if start else Vocabulary.learn(data.splits["train"]["text"], s.vocabulary)
        vocabulary.save(run)
        model = build_model(len(vocabulary), s.cell, s.units, s.embedding, s.bigrams, s.dropout, s.seed)
        for name in ("embedding", "reader") if start else ():
            model.get_layer(name).set_weights(pretrained.get_layer(name).get_weights())
    examples = [
        [*columns(vocabulary, split["text"], s.words, s.bigrams), split["label"].to_numpy("float32")[:, None]]
        for split in (data.splits["train"], data.splits["validation"])
    ]
    minutes = fit(model, *examples, run, s.epochs, s.batch_size, s.learning_rate, s.seed)
    metrics = evaluate_model(model, vocabulary, data, s.words, s.bigrams, BASELINES if baselines else {})
    run.finish({"minutes": minutes} | metrics)
    print(f"\nThe run is in {run.path}. Next: python recipes/{RECIPE}.py predict --run {run.path} 'Not bad at all.'")


# -------------------------------------------------------------------------------------------------------- evaluate


def probabilities(model, vocabulary, texts, words=400, bigrams=0):
    """The probability that each text is positive, (texts,)."""
    return batches.predict(model, columns(vocabulary, texts, words, bigrams))[:, 0]


def evaluate_model(model, vocabulary, data, words=400, bigrams=0, baselines=BASELINES):
    """Accuracy on the test split, beside that of the baselines; prints a table and returns the metrics."""
    test = data.splits["test"]
    labels = {"network": probabilities(model, vocabulary, test["text"], words, bigrams) > 0.5}
    for name, baseline in baselines.items():
        labels[name] = baseline(*(data.splits[split] for split in ("train", "validation", "test")))
    accuracy = {name: float(np.mean(label == test["label"])) for name, label in labels.items()}
    print(f"\n{data.described()}")
    print(f"Accuracy on the test split, {len(test):,} reviews:")
    for name, value in accuracy.items():
        print(f"    {name:16}{value:8.2%}")
    best = max(accuracy, key=accuracy.get)
    if best != "network":
        print(f"On these reviews {best} is better than the network.")
    metrics = {"test_accuracy": accuracy.pop("network")}
    return metrics | {f"accuracy_{runs.key(name)}": value for name, value in accuracy.items()}


def open_finished(run):
    """A finished run, its settings, vocabulary and model."""
    run = runs.finished_run(RECIPE, run)
    vocabulary = Vocabulary.load(run)
    return run, run.settings(Settings), vocabulary, run.model(vocabulary)


@app.command
def evaluate(
    *,
    run: cli.FinishedRun = None,
    data_dir: cli.DataDir = None,
    baselines: Annotated[bool, Parameter(parse=False)] = True,
):
    """Report on the test split again."""
    run, s, vocabulary, model = open_finished(run)
    data = load_data(s.data, data_dir or s.data_dir, s.split_seed, s.reading)
    run.check_data(data.checksum())
    return evaluate_model(model, vocabulary, data, s.words, s.bigrams, BASELINES if baselines else {})


# --------------------------------------------------------------------------------------------------------- predict


def judge(model, vocabulary, review, words=400, bigrams=0):
    """The words of a review, the score after each of them, (words,), and the verdict; all empty if there is no word."""
    probability = lambda texts: probabilities(model, vocabulary, texts, words, bigrams)[:, None]
    read, outputs = word_scores.after_each_word(probability, review)
    scores = 2 * outputs[:, 0] - 1
    verdict = f"score {scores[-1]:+.2f}, probability of positive {outputs[-1, 0]:.1%}" if read else ""
    return read, scores, verdict


@app.command
def predict(
    text: Annotated[str | None, Parameter(help="A review. [default: typed, one on each line]")] = None,
    /,
    *,
    run: cli.FinishedRun = None,
    file: cli.TextFile = None,
):
    """Score reviews, and show how the score changes word by word."""
    run, s, vocabulary, model = open_finished(run)
    for number, review in cli.read_examples("review", text, file):
        words, scores, verdict = judge(model, vocabulary, review, s.words, s.bigrams)
        if not words:
            print(f"{number}: contains no word, skipped")
            continue
        word_scores.show(run, number, words, scores, verdict, vocabulary.ids(review, s.words))


# ---------------------------------------------------------------------------------------------------------- export


@app.command
def export(
    out: bundle.Out,
    /,
    *,
    run: cli.FinishedRun = None,
    format: bundle.Format = "onnx",
    data_dir: cli.DataDir = None,
):
    """Write the network for other programs, with what they need around it, and compare it with Keras."""
    folder = bundle.Folder(out, format)
    run, s, vocabulary, model = open_finished(run)
    load = lambda: load_data(s.data, data_dir or s.data_dir, s.split_seed, s.reading).splits["validation"]["text"]
    chosen = bundle.examples(load, texts.EXAMPLES)
    output = "probability", "that the text is positive"
    contents = texts.contents(run, model, output, vocabulary, chosen, folder.takes_text, s.words, s.bigrams)
    return folder.write(run, contents)


# ---------------------------------------------------------------------------------------------------------- verify


@app.command
def verify(
    *,
    cell: Annotated[cli.Cell, Parameter(help="Recurrent cell.")] = "lstm",
    units: Annotated[cli.Units, Parameter(help="Units of the recurrent layer, in each direction.")] = 64,
    embedding: Annotated[cli.Units, Parameter(help="Embedding size.")] = 64,
    words: Annotated[int, cli.at_least(5, 10_000), Parameter(help="Words of the longest review.")] = 60,
):
    """Compare with built-in layers.

    The same network is built from both, with the same weights: outputs, every gradient, and the loss over a short
    training are compared. The exit status is 1 if they differ.
    """
    rng = np.random.default_rng(0)
    ids = verification.random_sequences(rng, 320, words, 500)
    labels = rng.integers(0, 2, (320, 1)).astype("float32")
    build = lambda name: build_model(500, name, units, embedding, dropout=0.0)
    verification.verify(build, cell, (ids,), labels, "binary_crossentropy")


if __name__ == "__main__":
    cli.main(app)
