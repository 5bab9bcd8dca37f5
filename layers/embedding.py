"""Embeddings with a dense gradient, so that optimizers treat a token that occurs twice in a batch rightly."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("rnn_recipes")
class Embedding(keras.layers.Embedding):
    """`keras.layers.Embedding` with a dense gradient, and the same in everything else.

    On TensorFlow the built-in layer's gradient is a list of rows, one for each token of the batch. Adam and RMSprop
    square the rows, and clipping by norm squares and sums them, before the rows of one token are added up. So a token
    that occurs often is updated too far: where it occurs twice with gradient 1 each, one step of Adam(0.1) moves it by
    0.1414 instead of 0.1000 (measured on TensorFlow 2.21 with Keras 3.15).

    Call arguments: `inputs`, tokens, integers of any shape.
    Returns: their vectors, shape (*inputs.shape, output_dim).
    """

    def call(self, inputs):
        if inputs.dtype not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        # The product stands between table and look-up because its gradient is dense; it costs one pass over the table.
        return ops.cast(ops.take(self.embeddings * 1, inputs, axis=0), self.compute_dtype)

    def quantize(self, mode=None, **kwargs):
        """As in the built-in layer, whose check of its exact type would make `model.quantize` skip this layer."""
        return super().quantize(mode, **kwargs | {"type_check": False})


@keras.saving.register_keras_serializable("rnn_recipes")
class TiedEmbedding(keras.layers.Layer):
    """One matrix E that embeds tokens and, in reverse, gives the logits of the next token: weight tying.

        e = E[w]
        logits = E h + a        with `reverse=True`

    Sources: Press & Wolf (2017), "Using the Output Embedding to Improve Language Models", EACL; Inan, Khosravi & Socher
    (2017), "Tying Word Vectors and Word Classifiers", ICLR.

    Its gradient is dense, as that of `Embedding`.

    Weights, in this order:
        embeddings: E, shape (vocabulary_size, units).
        bias: a, shape (vocabulary_size,).

    Call arguments:
        inputs: tokens, integers of any shape; or h with `reverse=True`, shape (..., units).
        reverse: whether to return logits.

    Returns: vectors, shape (*inputs.shape, units); or logits, shape (..., vocabulary_size).
    """

    def __init__(self, vocabulary_size, units, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary_size, self.units = vocabulary_size, units

    def build(self, inputs_shape=None):
        shape = (self.vocabulary_size, self.units)
        self.embeddings = self.add_weight(name="embeddings", shape=shape, initializer="glorot_uniform")
        self.bias = self.add_weight(name="bias", shape=shape[:1], initializer="zeros")

    def call(self, inputs, reverse=False):
        matrix = self.embeddings * 1  # the product's gradient is dense
        if reverse:
            return ops.matmul(inputs, ops.transpose(matrix)) + self.bias
        return ops.take(matrix, inputs, axis=0)

    def compute_output_spec(self, inputs, reverse=False):
        shape = (*inputs.shape[:-1], self.vocabulary_size) if reverse else (*inputs.shape, self.units)
        return keras.KerasTensor(shape, dtype=self.compute_dtype)

    def get_config(self):
        return super().get_config() | {"vocabulary_size": self.vocabulary_size, "units": self.units}
