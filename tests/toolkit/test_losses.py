"""The label-smoothed cross-entropy, against NumPy."""

import warnings

from toolkit.losses import label_smoothed_cross_entropy

import keras
import numpy as np
import pytest


@pytest.mark.parametrize("vocabulary_size", [6, 2500])  # on TensorFlow the loss of the second is compiled
def test_it_is_the_mean_over_tokens_of_the_cross_entropy_to_the_smoothed_targets(vocabulary_size):
    logits = np.random.default_rng(0).normal(size=(2, 3, vocabulary_size)).astype("float32")
    tokens = np.array([[4, 2, vocabulary_size - 3], [vocabulary_size - 1, 3, 0]])
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = []
    for row, column in zip(*np.nonzero(tokens)):
        target = np.full(vocabulary_size, 0.2 / vocabulary_size)
        target[tokens[row, column]] += 0.8
        expected.append(-(target * np.log(p[row, column])).sum())
    loss = keras.ops.convert_to_numpy(label_smoothed_cross_entropy(0.2)(tokens, keras.ops.convert_to_tensor(logits)))
    np.testing.assert_allclose(loss, np.mean(expected), rtol=1e-5)


def test_a_model_with_the_loss_is_saved_without_a_warning(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    model.compile("adam", label_smoothed_cross_entropy(0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.save(tmp_path / "model.keras")
