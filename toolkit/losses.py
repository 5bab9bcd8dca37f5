"""Loss functions that Keras does not have."""

from toolkit.batches import PADDING

import keras
import tensorflow as tf
from keras import ops

XLA_FROM = 2000  # classes


def label_smoothed_cross_entropy(smoothing):
    """The mean cross-entropy over all tokens that are not padding, in nats, as a function of tokens and logits.

    The target distribution is 1 - smoothing for the right token, and the rest spread evenly over the whole vocabulary.

    Source: Szegedy et al. (2016), "Rethinking the Inception Architecture for Computer Vision", section 7.

    Args:
        smoothing: the probability that is spread, in [0, 1).

    Returns:
        A function from tokens, (batch, steps), and logits, (batch, steps, vocabulary size), to a scalar.
    """

    def plain(tokens, logits):
        is_token = ops.cast(ops.not_equal(tokens, PADDING), "float32")
        right = ops.take_along_axis(logits, ops.cast(tokens, "int32")[..., None], axis=-1)[..., 0]
        expected = (1 - smoothing) * right + smoothing * ops.mean(logits, axis=-1)
        return ops.sum((ops.logsumexp(logits, axis=-1) - expected) * is_token) / ops.sum(is_token)

    if keras.backend.backend() != "tensorflow":
        return plain
    compiled = tf.function(plain, jit_compile=True)

    def loss(tokens, logits):
        # XLA passes over the logits a few times where TensorFlow passes ten times: 83 ms instead of 118 for 64
        # sentences of 20 tokens and a vocabulary of 8,000. That is worth half a second of compiling for each length.
        return (compiled if logits.shape[-1] >= XLA_FROM else plain)(tokens, logits)

    return loss
