"""The proportional odds model, against its equation.

Copied by `python -m layers copy`, this file and ordinal.py need no other file of this project.
"""

import keras
import numpy as np
import pytest

from layers.ordinal import ProportionalOdds

CLASSES = [1, 2, 3, 4, 7, 8, 9, 10]
X = np.random.default_rng(0).normal(size=(50, 6)).astype("float32")


@pytest.fixture
def layer():
    layer = ProportionalOdds(CLASSES)
    layer.build(X.shape)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) * 3 for w in layer.get_weights()])
    return layer


def test_the_equation(layer):
    w, first, gaps = layer.get_weights()
    thresholds = first + np.concatenate([[0], np.cumsum(np.log1p(np.exp(gaps)))])
    np.testing.assert_allclose(layer(X), 1 / (1 + np.exp(-(X @ w - thresholds))), atol=1e-5)


def test_probabilities_decrease_whatever_the_weights(layer):
    probabilities = keras.ops.convert_to_numpy(layer(5 * X))
    assert probabilities.shape == (50, 7)
    assert (np.diff(probabilities, axis=1) <= 0).all()
    assert (np.diff(probabilities, axis=1) < 0).any()


def test_two_classes_are_logistic_regression():
    layer = ProportionalOdds([0, 1])
    layer.build(X.shape)
    kernel, first, _ = layer.get_weights()
    np.testing.assert_allclose(layer(X), 1 / (1 + np.exp(-(X @ kernel - first))), atol=1e-6)


def test_classes_may_be_half_stars():
    assert ProportionalOdds([1, 1.5, 2.0]).get_config()["classes"] == [1, 1.5, 2]


@pytest.mark.slow
def test_training_recovers_the_order():
    classes = np.digitize(X[:, 0], [-0.7, 0.0, 0.7])
    model = keras.Sequential([keras.Input((6,)), ProportionalOdds(range(4))])
    model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
    model.fit(X, (classes[:, None] > np.arange(3)).astype("float32"), epochs=100, verbose=0)
    median = (model.predict(X, verbose=0) > 0.5).sum(1)
    assert np.mean(np.abs(median - classes)) < 0.15


def test_saved_and_loaded(layer, tmp_path):
    model = keras.Sequential([keras.Input((6,)), layer])
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].classes == CLASSES
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


@pytest.mark.parametrize("classes", [[3], [1, 1, 2], [2, 1]])
def test_classes_must_ascend(classes):
    with pytest.raises(ValueError, match=r"`classes` must be two or more ascending numbers. Received: classes=\["):
        ProportionalOdds(classes)
