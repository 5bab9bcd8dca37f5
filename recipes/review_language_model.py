"""A language model of film reviews in both directions: what it learns from unlabelled text, a classifier starts from.

In:     word numbers, shape (batch, timesteps), padded on the right and masked.
Out:    the mean surprise at each word, -log P, in nats, shape (batch, 1); the states, for whoever reads on from there.
Shape:  sequence-to-sequence; both sequences are the same words, one step apart.

    e_t = E[w_t]
    →h_t = LSTM(e_t, →h_{t-1})        P(w_{t+1} | w_1 … w_t) = softmax(E (→P →h_t) + c)
    ←h_t = LSTM(e_t, ←h_{t+1})        P(w_{t-1} | w_t … w_T) = softmax(E (←P ←h_t) + c)

Source: Dai & Le (2015), "Semi-supervised Sequence Learning", who start a classifier from a language model in one
direction; E is the output's matrix too (Press & Wolf 2017). In training the softmax is over a sample of the vocabulary
(importance sampling, Bengio & Senécal 2008); the perplexity reported is over all of it.

Next: python recipes/imdb_sentiment.py train --data imdb --pretrained RUN
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import batches, common, review_text, training  # isort: skip

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
import typer
from keras import ops

from datasets import reviews

RECIPE = "review_language_model"
LONGEST = 10_000  # words of a review
HELD_OUT = 400  # pieces of the validation part on which the perplexity is measured: a full softmax is dear
app = common.command_line(__doc__)

Vocabulary = Annotated[int, typer.Option(min=10, help="Words to know: the commonest of the labelled and unlabelled.")]
Words = Annotated[int, typer.Option(min=5, help="Words in a piece: a longer review is cut into several.")]
Sampled = Annotated[int, typer.Option(min=1, help="Words to tell the right one from, in training.")]


class Surprise(keras.layers.Layer):
    """-log P of every word given those before it, and given those after it, averaged over a sequence.

    In training the softmax is over the right word and `sampled` others, drawn anew for each batch.

    Call arguments: word numbers, (batch, timesteps), and states, (batch, timesteps, 2 units), padded on the right.
    Returns: shape (batch, 1).
    """

    def __init__(self, embedding, sampled, seed, **kwargs):
        super().__init__(**kwargs)
        self.embedding, self.sampled = embedding, sampled
        self.vocabulary, self.width = embedding.input_dim, embedding.output_dim
        self.seed_generator = keras.random.SeedGenerator(seed)

    def build(self, ids_shape, states_shape):
        half = (states_shape[-1] // 2, self.width)
        self.projections = [self.add_weight(name=name, shape=half) for name in ("forward", "backward")]
        self.bias = self.add_weight(name="bias", shape=(self.vocabulary,), initializer="zeros")

    def call(self, ids, states, training=False):
        forward, backward = ops.split(states, 2, axis=-1)
        # A pair of neighbours exists where the right one is no padding: one predicts the other, and is predicted by it.
        pairs = ops.cast(ops.not_equal(ids[:, 1:], batches.PADDING), "float32")
        x = [ops.matmul(h, p) for h, p in zip((forward[:, :-1], backward[:, 1:]), self.projections)]
        x, words = ops.concatenate(x, axis=1), ops.concatenate([ids[:, 1:], ids[:, :-1]], axis=1)
        loss = (self._among_sampled if training else self._among_all)(x, words) * ops.tile(pairs, (1, 2))
        return ops.sum(loss, axis=1, keepdims=True) / ops.maximum(2 * ops.sum(pairs, axis=1, keepdims=True), 1)

    def _among_all(self, x, words):
        logits = ops.matmul(x, ops.transpose(self.embedding.embeddings)) + self.bias
        return keras.losses.sparse_categorical_crossentropy(words, logits, from_logits=True)

    def _among_sampled(self, x, words):
        """Words are numbered from the commonest on, so a log-uniform draw is near the one by frequency (Zipf)."""
        draw = keras.random.uniform((self.sampled,), seed=self.seed_generator)
        others = ops.cast(ops.exp(draw * np.log(self.vocabulary)), words.dtype)
        bias = lambda chosen: ops.take(self.bias * 1, chosen)
        right = ops.sum(x * self.embedding(words), axis=-1) + bias(words)
        return _against(x, right, words, self.embedding(others), bias(others) - self._log_expected(others), others)

    def _log_expected(self, chosen):
        """How often a word is expected among the sampled, from 1 on: importance weights that make the sum over draws,
        in expectation, the sum over all other words (Bengio & Senécal 2008)."""
        n = ops.cast(ops.maximum(chosen, 1), "float32")
        return ops.log(self.sampled * ops.log1p(1 / n) / np.log(self.vocabulary))


@tf.function(jit_compile=True)  # a training step is a quarter shorter than uncompiled
def _against(x, right, words, table, bias, others):
    """-log of the share that the right words' logits have among themselves and the others'."""
    wrong = tf.einsum("btd,nd->btn", x, table) + bias
    wrong = tf.where(words[..., None] == others, -1e9, wrong)
    top = tf.stop_gradient(tf.maximum(right, tf.reduce_max(wrong, axis=-1)))
    return top - right + tf.math.log(tf.exp(right - top) + tf.reduce_sum(tf.exp(wrong - top[..., None]), axis=-1))


def build_model(vocabulary, settings):
    """From word numbers to the surprise; the classifier's encoder is in it, under the same layer names."""
    ids, x = review_text.states(vocabulary, settings)
    embedding = keras.Model(ids, x).get_layer("embedding")
    surprise = Surprise(embedding, settings["sampled"], settings["seed"], name="surprise")
    return keras.Model(ids, surprise(ids, x))


def pieces(rows, words):
    """Reviews longer than `words` cut into pieces of that length; what is left over, if it is two words or more."""
    cut = [row[start : start + words] for row in rows for start in range(0, len(row), words)]
    return [piece for piece in cut if len(piece) > 1]


def mean_surprise(_, surprise):
    return surprise


def fit(settings, run, data):
    """Train from the settings in the run's folder, which then holds the model of the best epoch.

    It goes from raw text to the states of both directions.
    """
    texts = pd.concat([data.splits[name]["text"] for name in ("train", "unlabelled") if name in data.splits])
    with common.prepare(settings["seed"], settings["strategy"]):
        layer = review_text.vectorizer(texts, settings["vocabulary"])
        tokens = review_text.tokenizer(layer, LONGEST)
        rows = [review_text.numbers(tokens, part) for part in (texts, data.splits["validation"]["text"])]
        rows = [pieces(part, settings["words"]) for part in rows]
        examples = [[part, np.zeros((len(part), 1), "float32")] for part in (rows[0], rows[1][:HELD_OUT])]
        stream = batches.bucketed(examples[0], settings["batch_size"], settings["seed"])
        held_out, _ = batches.ordered(examples[1], 8)
        print(f"{sum(map(len, rows[0])):,} words in {len(rows[0]):,} pieces", flush=True)
        model = build_model(layer.vocabulary_size(), settings)
        rate = keras.optimizers.schedules.CosineDecay(settings["learning_rate"], settings["epochs"] * stream[1])
        model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), mean_surprise)
        encoder = keras.Model(model.input, model.get_layer("reader").output, name="network")
    training.fit(model, run, stream, settings["epochs"], held_out, saved=review_text.from_text(tokens, encoder))


@app.command()
def train(
    data: Annotated[
        str, typer.Option(help="As in imdb_sentiment.py; unlabelled reviews are read where there are any.")
    ] = "imdb",
    data_dir: common.DataDir = None,
    cell: common.Cell = "lstm",
    vocabulary: Vocabulary = 30000,
    words: Words = 200,
    embedding: Annotated[int, typer.Option(min=1, help="Numbers that stand for a word.")] = 128,
    units: Annotated[int, typer.Option(min=1, help="Units of the recurrent layer, in each direction.")] = 256,
    dropout: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the embeddings dropped.")] = 0.1,
    sampled: Sampled = 512,
    epochs: common.Epochs = 3,
    batch_size: common.BatchSize = 64,
    learning_rate: Annotated[
        float, typer.Option(min=1e-8, max=1, help="At the start; it falls to 0 along a cosine.")
    ] = 0.003,
    seed: common.Seed = 0,
    split_seed: Annotated[int, typer.Option(min=0, help="Seed of the division into training and validation.")] = 0,
    run_dir: common.RunDir = None,
    resume: common.Resume = False,
    strategy: common.Strategy = "none",
):
    """Train on the training part and the unlabelled reviews, and report the perplexity on the validation part."""
    settings = {name: value for name, value in locals().items() if name not in common.NOT_SETTINGS}
    with common.user_errors():
        data = reviews.load(data, data_dir, split_seed)
    run = common.Run.begin(RECIPE, settings, data.checksum(), run_dir, resume)
    fit(run.settings, run, data)
    surprise = pd.read_csv(run / "history.csv")["val_loss"].min()
    run.write_json("metrics.json", {"validation_perplexity": float(np.exp(surprise))})
    print(f"Perplexity on the validation part, both directions: {np.exp(surprise):.1f}")
    print(f"Next: python recipes/imdb_sentiment.py train --data imdb --pretrained {run.path}")


@app.command()
def verify(cell: common.Cell = "lstm", units: int = 64, embedding: int = 32, words: Words = 60):
    """Compare with built-in layers: outputs, every gradient, the loss over a short training. Exits with 1 where they
    differ."""
    rng = np.random.default_rng(0)
    lengths, vocabulary = rng.integers(words // 2, words, 320, endpoint=True), 500
    x = rng.integers(2, vocabulary, (320, words)) * (np.arange(words) < lengths[:, None])
    settings = {"units": units, "embedding": embedding, "dropout": 0.0, "seed": 0, "sampled": 50}
    build = lambda name: build_model(vocabulary, settings | {"cell": name})
    hundredfold = lambda _, surprise: 100 * surprise  # so that gradients are not small beside the weights
    training.verify(build, cell, x, np.zeros((320, 1), "float32"), hundredfold)


if __name__ == "__main__":
    common.main(app)
