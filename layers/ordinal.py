"""An output layer for ordered classes, such as ratings."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("rnn_recipes")
class ProportionalOdds(keras.layers.Layer):
    """The proportional odds model: for each class but the last, the probability that the class is higher.

        P(y > k) = σ(w · x - θ_k)                     with increasing thresholds θ_1 < θ_2 < …
        θ_k = θ_1 + Σ_{1 < j <= k} log(1 + exp(δ_j))  so that they increase, whatever the weights δ are

    Source: McCullagh (1980), "Regression Models for Ordinal Data", Journal of the Royal Statistical Society B 42(2),
    eq. 2.3.

    Train it with binary cross-entropy against 1 for every k that is below the true class, else 0.

    Weights, in this order:
        kernel: w, shape (features, 1).
        first: θ_1, shape (1,), initialized to -2.
        gaps: δ, shape (classes - 2,), initialized to 0.

    Args:
        classes: the ordered classes, at least two numbers, ascending.

    Call arguments: `inputs`, x of shape (batch, features).
    Returns: P(y > k), shape (batch, classes - 1), decreasing in k.
    Raises: ValueError: the classes are fewer than two or not ascending.
    """

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.classes = [int(k) if k == int(k) else float(k) for k in classes]  # half stars are ratings too
        if len(self.classes) < 2 or self.classes != sorted(set(self.classes)):
            raise ValueError(f"Argument `classes` must be two or more ascending numbers. Received: classes={classes}")

    def build(self, input_shape):
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], 1))
        self.first = self.add_weight(name="first", shape=(1,), initializer=keras.initializers.Constant(-2.0))
        self.gaps = self.add_weight(name="gaps", shape=(len(self.classes) - 2,), initializer="zeros")

    def call(self, inputs):
        thresholds = ops.cumsum(ops.concatenate([self.first, ops.softplus(self.gaps)]))
        return ops.sigmoid(ops.matmul(inputs, self.kernel) - thresholds)

    def get_config(self):
        return super().get_config() | {"classes": self.classes}
