"""From raw text to batches: what the recipes on reviews share. The fitted vocabulary is a part of the saved model."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from layers import Embedding
from recipes import batches, common

UNKNOWN = 1  # as TextVectorization numbers it, beside 0 for padding


@keras.saving.register_keras_serializable("rnn_recipes")
def words(texts):
    """Lower case, punctuation marks as words of their own; isn't and it's stay whole.

    Line breaks, control characters and spaces of every kind separate words: a vocabulary is saved a word a line, and
    one that held such a character could not be loaded.
    """
    texts = tf.strings.regex_replace(tf.strings.lower(texts, "utf-8"), r"<br */?>|\p{Cc}|\pZ", " ")
    return tf.strings.regex_replace(texts, r"([^\pL\pM\pN_\s'])", r" \1 ")


@keras.saving.register_keras_serializable("rnn_recipes")
class LastWords(keras.layers.Layer):
    """Cuts sequences padded on the right with 0, (batch, timesteps), to their last `count` words, the verdict."""

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count

    def call(self, ids):
        lengths = ops.sum(ops.cast(ops.not_equal(ids, batches.PADDING), "int32"), axis=1, keepdims=True)
        width = ops.minimum(ops.shape(ids)[1], self.count)
        return ops.take_along_axis(ids, ops.maximum(lengths - self.count, 0) + ops.arange(width)[None], axis=1)

    def compute_output_shape(self, shape):
        return shape[0], None

    def get_config(self):
        return super().get_config() | {"count": self.count}


@keras.saving.register_keras_serializable("rnn_recipes")
class Bigrams(keras.layers.Layer):
    """Numbers each word together with the one before it, by a hash, (batch, timesteps), 1 … `count`.

    Pairs share a number when there are more than numbers (Weinberger et al. 2009, "Feature Hashing"); 0 stays 0.
    """

    def __init__(self, count, **kwargs):
        super().__init__(**kwargs)
        self.count = count
        self.hashing = keras.layers.Hashing(count + 1, mask_value=batches.PADDING)

    def build(self, shape):
        self.hashing.build(shape)

    def call(self, ids):
        ids = ops.cast(ids, "int64")
        before = ops.pad(ids[:, :-1], [[0, 0], [1, 0]])
        return ops.cast(self.hashing(ids * 2**32 + ops.where(ids == batches.PADDING, 0, before)), "int32")

    def compute_output_shape(self, shape):
        return shape

    def get_config(self):
        return super().get_config() | {"count": self.count}


@keras.saving.register_keras_serializable("rnn_recipes")
class MaskedMaximum(keras.layers.Layer):
    """The maximum over the timesteps that are not masked: (batch, timesteps, features) to (batch, features).

    `keras.layers.GlobalMaxPooling1D` takes padding for values.
    """

    supports_masking = True

    def call(self, x, mask=None):
        return ops.max(x if mask is None else ops.where(mask[..., None], x, -np.inf), axis=1)

    def compute_mask(self, x, mask=None):
        return None

    def compute_output_shape(self, shape):
        return shape[0], shape[2]


def vectorizer(texts, vocabulary):
    """The layer that numbers words, 2 the commonest of `texts`; it knows `vocabulary` numbers."""
    layer = keras.layers.TextVectorization(vocabulary, standardize=words, split="whitespace", name="vectorizer")
    layer.adapt(tf.data.Dataset.from_tensor_slices(list(texts)).batch(512))
    return layer


def tokenizer(layer, count):
    """A model from texts, (batch, 1), to the numbers of their last `count` words, (batch, timesteps)."""
    return keras.Sequential([keras.Input((1,), dtype="string"), layer, LastWords(count)], name="tokenizer")


def from_text(tokens, network):
    """The model that takes raw text, (batch, 1), out of its two parts."""
    text = keras.Input((1,), dtype="string")
    return keras.Model(text, network(tokens(text)))


def numbers(tokens, texts):
    """The word numbers of each text, as arrays of its own length; of a text without words UNKNOWN alone."""
    rows = []
    for start in range(0, len(texts), 512):
        ids = ops.convert_to_numpy(tokens(tf.constant(list(texts[start : start + 512]))[:, None]))
        rows += [(row[: np.count_nonzero(row)] if row.any() else np.array([UNKNOWN])).astype("int32") for row in ids]
    return rows


def predictions(network, rows, batch_size=256):
    """The network's output for each review, in their own order."""
    ordered, order = batches.ordered([rows], batch_size)
    outputs = network.predict(ordered, verbose=0)
    return outputs[np.argsort(order)]


def states(vocabulary, settings):
    """From word numbers, (batch, timesteps), to the states of both directions, (batch, timesteps, 2 units)."""
    ids = keras.Input((None,), dtype="int32")
    x = Embedding(vocabulary, settings["embedding"], mask_zero=True, name="embedding")(ids)
    if count := settings.get("bigrams"):  # from zeros on: a pair is, until it is learned, the sum of its words
        table = Embedding(count + 1, settings["embedding"], "zeros", mask_zero=True, name="bigram_embedding")
        x = keras.layers.Add()([x, table(Bigrams(count, name="bigrams")(ids))])
    x = keras.layers.SpatialDropout1D(settings["dropout"], seed=settings["seed"])(x)
    layer = common.recurrent(settings["cell"], settings["units"], return_sequences=True)
    return ids, keras.layers.Bidirectional(layer, name="reader")(x)


def encoder(vocabulary, settings):
    """From word numbers to one vector, (batch, 4 units): the mean and the maximum of the states over time."""
    ids, x = states(vocabulary, settings)
    x = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling1D()(x), MaskedMaximum()(x)])
    return ids, keras.layers.Dropout(settings["dropout"], seed=settings["seed"] + 1)(x)
