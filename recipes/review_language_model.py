"""A language model of film reviews in both directions: it learns from unlabelled text, and a classifier starts from it.

In:     the ids of a review's words, shape (batch, timesteps), padded on the right with 0 and masked.
Out:    the mean cross-entropy of each word given all words on one side of it, in nats per word, shape (batch, 1);
        saved are the hidden states, (batch, timesteps, 2 units), for a classifier to read on from.
Shape:  sequence-to-sequence, from a text to the same text, one word on and one word back.

    e_t = E[w_t]
    →h_t = LSTM(e_t, →h_{t-1})        P(w_{t+1} | w_1 … w_t) = softmax(E (→P →h_t) + c)
    ←h_t = LSTM(e_t, ←h_{t+1})        P(w_{t-1} | w_t … w_T) = softmax(E (←P ←h_t) + c)

Source: Dai & Le (2015), "Semi-supervised Sequence Learning", who start a classifier from a language model in one
direction. The output layers share the embedding's matrix E (Press & Wolf 2017). In training the softmax is over a
sample of the vocabulary (importance sampling, Bengio & Senécal 2008); the perplexity reported is over all of it.

Try next: python recipes/imdb_sentiment.py train --data imdb --pretrained RUN
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import batches, cli, runs, training, verification
from toolkit.cells import recurrent
from toolkit.export import bundle, texts
from toolkit.review_settings import ReviewFlags
from toolkit.text.words import Vocabulary

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from cyclopts import Parameter
from keras import ops

from datasets import reviews
from layers import Embedding

RECIPE = "review_language_model"
LONGEST = 10_000  # words to read of a review
VALIDATION_PIECES = 400  # on which the perplexity is measured: the softmax over the whole vocabulary is slow
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings(ReviewFlags, cli.Settings):
    data: str = "imdb"
    """As in imdb_sentiment.py; unlabelled reviews are used where there are any."""
    split_seed: cli.Seed = 0
    """Seed of the division into training and validation splits."""
    vocabulary: Annotated[int, cli.at_least(10)] = 30_000
    """Vocabulary size: the most frequent words of the training and unlabelled splits."""
    words: Annotated[int, cli.at_least(5, 10_000)] = 200
    """Words in a piece: a longer review is cut into several."""
    cell: cli.Cell = "lstm"
    """Recurrent cell."""
    units: cli.Units = 256
    """Units of the recurrent layer, in each direction."""
    embedding: cli.Units = 128
    """Embedding size."""
    dropout: cli.Share = 0.1
    """Share of the embeddings that is dropped."""
    sampled: cli.Count = 512
    """Words in the softmax beside the right one, in training."""
    epochs: cli.Count = 3
    """Passes over the training and unlabelled splits."""
    batch_size: cli.Count = 64
    """Pieces in one training step."""
    learning_rate: cli.LearningRate = 0.003
    """Learning rate at the start; it falls to 0 along a cosine."""


# ------------------------------------------------------------------------------------------------------------ data


def load_data(data="imdb", data_dir=None, split_seed=0, reading=reviews.Reading()):
    """Reviews with splits "train", "validation" and, if there are any, "unlabelled": tables with a column text."""
    with runs.user_errors():
        loaded = reviews.load(data, data_dir, split_seed, reading, needs="text")
    print(*loaded.understood, sep="\n", end="\n" * bool(loaded.understood))
    return loaded


def training_texts(data):
    """The texts of the training split, and of the unlabelled one if there is one."""
    return pd.concat([data.splits[name]["text"] for name in ("train", "unlabelled") if name in data.splits])


def pieces(vocabulary, texts, words=200):
    """The word ids of texts, cut into pieces of at most `words` words, int32 arrays; a piece has two words or more."""
    rows = [vocabulary.ids(text, LONGEST) for text in texts]
    cut = [row[start : start + words] for row in rows for start in range(0, len(row), words)]
    return [piece for piece in cut if len(piece) > 1]


# --------------------------------------------------------------------------------------------------------- network


def build_model(vocabulary_size, cell="lstm", units=256, embedding=128, dropout=0.1, sampled=512, seed=0):
    """A network from word ids, (batch, timesteps), to their mean cross-entropy, (batch, 1)."""
    ids = keras.Input((None,), dtype="int32", name="words")
    table = Embedding(vocabulary_size, embedding, mask_zero=True, name="embedding")
    x = keras.layers.SpatialDropout1D(dropout, seed=seed)(table(ids))
    reader = keras.layers.Bidirectional(recurrent(cell, units, return_sequences=True), name="reader")
    states = reader(x)  # (batch, timesteps, 2 * units)
    return keras.Model(ids, NeighbourCrossEntropy(table, sampled, seed, name="cross_entropy")(ids, states))


class NeighbourCrossEntropy(keras.layers.Layer):
    """-log P of every word given those before it, and given those after it, averaged over a sequence.

    In training the softmax is over the right word and `sampled` others, drawn anew for each batch.

    Call arguments:
        ids: word ids, shape (batch, timesteps), padded on the right with 0.
        states: hidden states of both directions, shape (batch, timesteps, 2 units).

    Returns:
        Shape (batch, 1), in nats per word; 0 for a sequence of a single word.
    """

    def __init__(self, embedding, sampled, seed, **kwargs):
        super().__init__(**kwargs)
        self.embedding, self.sampled = embedding, sampled
        self.vocabulary_size, self.embedding_size = embedding.input_dim, embedding.output_dim
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, ids_shape, states_shape):
        shape = states_shape[-1] // 2, self.embedding_size
        self.projections = [self.add_weight(name=name, shape=shape) for name in ("forward", "backward")]
        self.bias = self.add_weight(name="bias", shape=(self.vocabulary_size,), initializer="zeros")

    def call(self, ids, states, training=False):
        forward, backward = ops.split(states, 2, axis=-1)
        # Two neighbours are both words where the right one is. Each of them is predicted from the other's side.
        are_words = ops.cast(ops.not_equal(ids[:, 1:], batches.PADDING), "float32")
        x = [ops.matmul(h, p) for h, p in zip((forward[:, :-1], backward[:, 1:]), self.projections)]
        x, targets = ops.concatenate(x, axis=1), ops.concatenate([ids[:, 1:], ids[:, :-1]], axis=1)
        losses = (self._over_sample if training else self._over_vocabulary)(x, targets) * ops.tile(are_words, (1, 2))
        count = 2 * ops.sum(are_words, axis=1, keepdims=True)
        return ops.sum(losses, axis=1, keepdims=True) / ops.maximum(count, 1)

    def _over_vocabulary(self, x, targets):
        logits = ops.matmul(x, ops.transpose(self.embedding.embeddings)) + self.bias
        return keras.losses.sparse_categorical_crossentropy(targets, logits, from_logits=True)

    def _over_sample(self, x, targets):
        """Ids are in order of frequency, so a log-uniform draw is close to a draw by frequency (Zipf's law)."""
        draws = keras.random.uniform((self.sampled,), seed=self.seed_generator)
        others = ops.cast(ops.exp(draws * np.log(self.vocabulary_size)), targets.dtype)
        bias = lambda ids: ops.take(self.bias * 1, ids)
        target_logits = ops.sum(x * self.embedding(targets), axis=-1) + bias(targets)
        other_bias = bias(others) - self._log_expected_count(others)
        return _sampled_cross_entropy(x, target_logits, targets, self.embedding(others), other_bias, others)

    def _log_expected_count(self, ids):
        """The log of how often an id is expected in the sample, for ids from 1 on.

        These importance weights make the sum over the sample, in expectation, the sum over all other words.
        """
        n = ops.cast(ops.maximum(ids, 1), "float32")
        return ops.log(self.sampled * ops.log1p(1 / n) / np.log(self.vocabulary_size))


def _compiled(function):
    """The function compiled by XLA on TensorFlow, where a training step is a quarter shorter for it."""
    return tf.function(function, jit_compile=True) if keras.backend.backend() == "tensorflow" else function


@_compiled
def _sampled_cross_entropy(x, target_logits, targets, vectors, bias, others):
    """-log of the targets' share in a softmax over the target and the sampled `others`, (batch, predictions).

    Args:
        x: projected states, (batch, predictions, embedding); target_logits, targets: (batch, predictions).
        vectors, bias, others: embeddings, biases and ids of the sample, (sampled, embedding) and (sampled,).
    """
    logits = ops.einsum("btd,nd->btn", x, vectors) + bias
    logits = ops.where(ops.equal(targets[..., None], others), -1e9, logits)
    largest = ops.stop_gradient(ops.maximum(target_logits, ops.max(logits, axis=-1)))
    total = ops.exp(target_logits - largest) + ops.sum(ops.exp(logits - largest[..., None]), axis=-1)
    return largest - target_logits + ops.log(total)


# ----------------------------------------------------------------------------------------------------------- train


def mean_output(_, cross_entropy):
    """The loss: the network's output is the cross-entropy already."""
    return cross_entropy


def fit(model, train, validation, run, epochs=3, batch_size=64, learning_rate=0.003, seed=0):
    """Compile and train a model; what is saved goes from word ids to the hidden states of both directions.

    Args:
        train, validation: lists of word ids, one a piece.
        run: a `toolkit.runs.Run`.

    Returns the minutes of training.
    """
    examples = [[rows, np.zeros((len(rows), 1), "float32")] for rows in (train, validation)]  # no targets of its own
    stream, steps = batches.bucketed(examples[0], batch_size, seed)
    held_out, _ = batches.by_length(examples[1], 8)
    with training.scope(model):
        optimizer = keras.optimizers.Adam(training.cosine_decay(learning_rate, epochs, steps), global_clipnorm=1.0)
        model.compile(optimizer, mean_output)
        encoder = keras.Model(model.input, model.get_layer("reader").output)
    return training.fit(model, run, (stream, steps), epochs, held_out, saved=encoder)


@app.command
def train(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None, resume: cli.Resume = False):
    """Train on the training and unlabelled splits, and report the perplexity on the validation split."""
    s = settings
    data = load_data(s.data, s.data_dir, s.split_seed, s.reading)
    run = runs.open_run(RECIPE, s, data.checksum(), run_dir, resume)
    with training.reproducible(s.seed, s.strategy):
        texts = training_texts(data)
        vocabulary = Vocabulary.learn(texts, s.vocabulary)
        vocabulary.save(run)
        model = build_model(len(vocabulary), s.cell, s.units, s.embedding, s.dropout, s.sampled, s.seed)
    examples = pieces(vocabulary, texts, s.words)
    validation = pieces(vocabulary, data.splits["validation"]["text"], s.words)[:VALIDATION_PIECES]
    print(f"{sum(map(len, examples)):,} words in {len(examples):,} pieces", flush=True)
    minutes = fit(model, examples, validation, run, s.epochs, s.batch_size, s.learning_rate, s.seed)
    perplexity = float(np.exp(pd.read_csv(run / "history.csv")["val_loss"].min()))
    run.finish({"minutes": minutes, "validation_perplexity": perplexity})
    print(f"Perplexity on the validation split, mean of both directions: {perplexity:.1f}")
    print(f"Next: python recipes/imdb_sentiment.py train --data {s.data} --pretrained {run.path}")


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
    run = runs.finished_run(RECIPE, run)
    s, vocabulary = run.settings(Settings), Vocabulary.load(run)
    load = lambda: load_data(s.data, data_dir or s.data_dir, s.split_seed, s.reading).splits["validation"]["text"]
    chosen = bundle.examples(load, texts.EXAMPLES)
    output = "states", "the hidden states of both directions after each word"
    contents = texts.contents(run, run.model(vocabulary), output, vocabulary, chosen, folder.takes_text, s.words)
    return folder.write(run, contents)


# ---------------------------------------------------------------------------------------------------------- verify


@app.command
def verify(
    *,
    cell: Annotated[cli.Cell, Parameter(help="Recurrent cell.")] = "lstm",
    units: Annotated[cli.Units, Parameter(help="Units of the recurrent layer, in each direction.")] = 64,
    embedding: Annotated[cli.Units, Parameter(help="Embedding size.")] = 32,
    words: Annotated[int, cli.at_least(5, 10_000), Parameter(help="Words of the longest review.")] = 60,
):
    """Compare with built-in layers.

    The same network is built from both, with the same weights: outputs, every gradient, and the loss over a short
    training are compared. The exit status is 1 if they differ.
    """
    ids = verification.random_sequences(np.random.default_rng(0), 320, words, 500)
    build = lambda name: build_model(500, name, units, embedding, dropout=0.0, sampled=50)
    hundredfold = lambda _, cross_entropy: 100 * cross_entropy  # or gradients would be small beside the weights
    verification.verify(build, cell, ids, np.zeros((320, 1), "float32"), hundredfold)


if __name__ == "__main__":
    cli.main(app)
