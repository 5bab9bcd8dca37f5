"""The maximum over time, with and without a mask.

Copied by `python -m layers copy`, this file and pooling.py need no other file of this project.
"""

import keras
import numpy as np

from layers.pooling import MaskedMaxPooling1D

X = np.random.default_rng(0).normal(-5, 1, (3, 4, 2)).astype("float32")  # below 0, which padding must not be
LENGTHS = 4, 2, 1
MASK = np.arange(4) < np.array(LENGTHS)[:, None]


def test_masked_timesteps_are_left_out():
    expected = [row[:length].max(0) for row, length in zip(X, LENGTHS)]
    np.testing.assert_array_equal(MaskedMaxPooling1D()(X, mask=MASK), expected)


def test_without_a_mask_it_is_the_built_in_layer():
    np.testing.assert_array_equal(MaskedMaxPooling1D()(X), keras.layers.GlobalMaxPooling1D()(X))


def test_a_sequence_that_is_masked_throughout_gives_negative_infinity():
    assert (keras.ops.convert_to_numpy(MaskedMaxPooling1D()(X, mask=MASK & False)) == -np.inf).all()


def test_padding_changes_nothing_and_the_mask_ends_here(tmp_path):
    ids, pooling = keras.Input((None,), dtype="int32"), MaskedMaxPooling1D()
    pooled = pooling(keras.layers.Embedding(9, 3, mask_zero=True)(ids))
    assert pooled.shape == (None, 3)
    assert pooling.compute_mask(X, MASK) is None
    model = keras.Model(ids, pooled)
    short, padded = np.array([[5, 6, 7]]), np.array([[5, 6, 7, 0, 0]])
    np.testing.assert_array_equal(model.predict(short, verbose=0), model.predict(padded, verbose=0))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(padded, verbose=0), model.predict(padded, verbose=0))


def test_mixed_precision():
    pooled = MaskedMaxPooling1D(dtype="mixed_float16")(X, mask=MASK)
    assert keras.backend.standardize_dtype(pooled.dtype) == "float16"
    assert np.isfinite(keras.ops.convert_to_numpy(pooled)).all()
