"""Pooling over time that leaves out masked timesteps."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("rnn_recipes")
class MaskedMaxPooling1D(keras.layers.Layer):
    """The maximum of each feature over the timesteps that are not masked.

        y_k = max_t x_{t,k} over all t with mask_t true

    `keras.layers.GlobalMaxPooling1D` ignores the mask, so that padding can be the maximum.

    Call arguments:
        inputs: shape (batch, timesteps, features).
        mask: shape (batch, timesteps), False where a timestep is padding; by default Keras's mask of the inputs.

    Returns:
        Shape (batch, features); negative infinity for a sequence that is masked throughout.
    """

    supports_masking = True

    def call(self, inputs, mask=None):
        return ops.max(inputs if mask is None else ops.where(ops.expand_dims(mask, -1), inputs, -float("inf")), axis=1)

    def compute_mask(self, inputs, mask=None):
        return None

    def compute_output_shape(self, input_shape):
        return input_shape[0], input_shape[2]
