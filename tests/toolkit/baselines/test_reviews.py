"""Baselines for networks on reviews."""

from toolkit.baselines import reviews

import numpy as np
import pandas as pd
from scipy import sparse


def table(texts, labels):
    return pd.DataFrame({"text": texts, "label": labels})


def test_log_count_ratio_by_hand():
    seen = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]])
    ratio = reviews._log_count_ratio(sparse.csr_matrix(seen), np.array([1, 1, 0]))
    p, q = np.array([3, 2, 1]) / 6, np.array([1, 2, 2]) / 5
    np.testing.assert_allclose(ratio, np.log(p / q))


def test_pairs_of_words_see_what_single_words_do_not():
    rng = np.random.default_rng(0)
    choices = [("not good", 0), ("not bad", 1), ("very good", 1), ("very bad", 0)]
    drawn = [choices[i] for i in rng.integers(0, 4, 400)]
    parts = [table(*zip(*drawn[i : i + 100])) for i in (0, 200, 300)]
    right = parts[2]["label"].to_numpy()
    assert np.mean(reviews.nbsvm(*parts) == right) == 1
    assert np.mean(reviews.bag_of_words(*parts) == right) < 0.8


def test_majority():
    train = table(["a"] * 3, [1, 1, 0])
    assert reviews.majority(train, None, range(4)).tolist() == [1] * 4


def test_ridge_rates_and_constants_do_not():
    rng = np.random.default_rng(0)
    choices = [("awful film", 1), ("a weak film", 4), ("a good film", 8), ("a superb film", 10), ("no words", 10)]
    texts, ratings = zip(*(choices[i] for i in rng.integers(0, 5, 400)))
    whole = pd.DataFrame({"text": texts, "rating": ratings})
    parts, classes = (whole[:200], whole[200:300], whole[300:]), np.array([1, 4, 8, 10])
    assert (reviews.ridge(*parts, classes) == parts[2]["rating"]).all()
    assert {*reviews.commonest_rating(*parts, classes)} == {10}
    assert {*reviews.middle_rating(*parts, classes)} == {8}
