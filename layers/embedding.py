"""An embedding with a dense gradient, so that optimizers treat a token that occurs twice in a batch rightly."""

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
        """As the built-in layer; without the exact type that it asks for, `model.quantize` would pass this layer over."""
        return super().quantize(mode, **kwargs | {"type_check": False})
