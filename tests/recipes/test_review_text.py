"""From raw text to batches, word scores, and the rivals of the recipes on reviews."""

import re

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from recipes import review_rivals, review_text, word_scores

TEXTS = ["The plot was NOT bad.", "the plot, the music: it's great!", "bad<br /><br />music"]
ODD = ["one\x85two", "a\u2028b\u3000c", "d\x96e \x1c f", "\u00a0\x85 \x85"]  # IMDB has each of the first kind


def test_words():
    assert review_text.words(["It's NOT bad,<br />Äh... (10/10)"]).numpy()[0].decode().split() == (
        "it's not bad , äh . . . ( 10 / 10 )".split()
    )


def test_rivals_see_the_same_words():
    for text in TEXTS + ODD:
        assert review_rivals.tokens(text) == review_text.words([text]).numpy()[0].decode().split()


def test_a_vocabulary_of_odd_characters_can_be_loaded(tmp_path):
    layer = review_text.vectorizer(TEXTS + ODD, 60)
    assert set("abcdef") | {"one", "two"} <= set(layer.get_vocabulary())
    tokens = review_text.tokenizer(layer, 9)
    tokens.save(tmp_path / "tokens.keras")
    again = keras.saving.load_model(tmp_path / "tokens.keras")
    for a, b in zip(review_text.numbers(tokens, TEXTS + ODD), review_text.numbers(again, TEXTS + ODD), strict=True):
        assert a.tolist() == b.tolist()


def test_numbers_are_of_known_words_and_their_own_length():
    tokens = review_text.tokenizer(review_text.vectorizer(TEXTS, 8), 50)
    rows = review_text.numbers(tokens, ["the plot", "", "the strange plot"])
    assert [len(row) for row in rows] == [2, 1, 3] and rows[1] == review_text.UNKNOWN  # or there were nothing to read
    assert (rows[2][[0, 2]] == rows[0]).all() and rows[2][1] == review_text.UNKNOWN
    assert tokens.layers[0].vocabulary_size() == 8


def test_the_last_words_are_kept():
    ids = np.array([[1, 2, 3, 4, 5], [6, 7, 0, 0, 0], [8, 9, 10, 11, 0], [0, 0, 0, 0, 0]])
    cut = review_text.LastWords(3)(ids)
    np.testing.assert_array_equal(cut, [[3, 4, 5], [6, 7, 0], [9, 10, 11], [0, 0, 0]])
    np.testing.assert_array_equal(review_text.LastWords(9)(ids), ids)


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return [np.full(rng.integers(1, 90), i + 1, "int32") for i in range(503)]


def test_maximum_leaves_out_what_is_masked():
    x = np.random.default_rng(0).normal(-5, 1, (3, 4, 2)).astype("float32")
    mask = np.array([[True] * 4, [True, True, False, False], [True, False, False, False]])
    maximum = review_text.MaskedMaximum()(x, mask=mask)
    np.testing.assert_array_equal(maximum, [x[0].max(0), x[1, :2].max(0), x[2, 0]])
    np.testing.assert_array_equal(review_text.MaskedMaximum()(x), x.max(1))


def test_the_encoder_is_blind_to_padding():
    settings = {"embedding": 3, "units": 4, "cell": "lstm", "dropout": 0.5, "seed": 0}
    ids, x = review_text.encoder(20, settings)
    model = keras.Model(ids, x)
    alone, padded = np.array([[5, 6, 7]]), np.array([[5, 6, 7, 0, 0], [5, 6, 7, 8, 9]])
    np.testing.assert_allclose(model(alone)[0], model(padded)[0], atol=1e-6)
    assert np.abs(model(padded)[0] - model(padded)[1]).max() > 1e-3
    assert model.output_shape == (None, 16)


def test_pairs_of_words_have_numbers():
    ids = np.array([[5, 6, 5, 6, 7, 0], [6, 5, 6, 0, 0, 0]])
    first, second = np.array(review_text.Bigrams(10**6)(ids))
    assert first[1] == first[3] == second[2] and first[2] == second[1]
    assert len({*first, *second}) == 6  # of 05, 65, 56, 76, 06 and padding
    assert first[5] == 0 and (second[3:] == 0).all() and (first[:5] > 0).all()
    for count in (3, 1000, 200_000):  # evenly, whatever divides it
        pairs = np.stack(np.meshgrid(np.arange(1, 60), np.arange(1, 60)), -1).reshape(-1, 2)
        shares = np.bincount(np.array(review_text.Bigrams(count)(pairs))[:, 1], minlength=count + 1)
        assert shares[0] == 0 and (shares > 0).sum() > 0.98 * count * (1 - np.exp(-len(pairs) / count))


def test_pairs_start_from_the_sum_of_their_words():
    settings = {"embedding": 3, "units": 4, "cell": "lstm", "dropout": 0.0, "seed": 0}
    plain, paired = (keras.Model(*review_text.encoder(20, settings | {"bigrams": n})) for n in (0, 50))
    for name in ("embedding", "reader"):
        paired.get_layer(name).set_weights(plain.get_layer(name).get_weights())
    alone, padded = np.array([[5, 6, 7]]), np.array([[5, 6, 7, 0, 0], [5, 6, 7, 8, 9]])
    np.testing.assert_array_equal(paired(padded), plain(padded))
    table = paired.get_layer("bigram_embedding")
    table.set_weights([np.random.default_rng(0).normal(size=(51, 3))])
    np.testing.assert_allclose(paired(alone)[0], paired(padded)[0], atol=1e-6)  # blind to padding
    assert np.abs(paired(alone) - plain(alone)).max() > 1e-3


def test_predictions_come_back_in_order(rows):
    network = keras.Sequential([keras.Input((None,), dtype="int32"), keras.layers.Lambda(lambda ids: ids[:, :1])])
    np.testing.assert_array_equal(review_text.predictions(network, rows, 64)[:, 0], np.arange(1, 504))


# -------------------------------------------------------------------------------------------------------- rivals


def table(texts, labels):
    return pd.DataFrame({"text": texts, "label": labels})


def test_log_count_ratio_by_hand():
    seen = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1]])
    from scipy import sparse

    ratio = review_rivals._log_count_ratio(sparse.csr_matrix(seen), np.array([1, 1, 0]))
    p, q = np.array([3, 2, 1]) / 6, np.array([1, 2, 2]) / 5
    np.testing.assert_allclose(ratio, np.log(p / q))


def test_pairs_of_words_see_what_single_words_do_not():
    rng = np.random.default_rng(0)
    choices = [("not good", 0), ("not bad", 1), ("very good", 1), ("very bad", 0)]
    drawn = [choices[i] for i in rng.integers(0, 4, 400)]
    parts = [table(*zip(*drawn[i : i + 100])) for i in (0, 200, 300)]
    right = parts[2]["label"].to_numpy()
    assert np.mean(review_rivals.nbsvm(*parts) == right) == 1
    assert np.mean(review_rivals.bag_of_words(*parts) == right) < 0.8


def test_majority():
    train = table(["a"] * 3, [1, 1, 0])
    assert review_rivals.majority(train, None, range(4)).tolist() == [1] * 4


def test_ridge_rates_and_constants_do_not():
    rng = np.random.default_rng(0)
    choices = [("awful film", 1), ("a weak film", 4), ("a good film", 8), ("a superb film", 10), ("no words", 10)]
    texts, ratings = zip(*(choices[i] for i in rng.integers(0, 5, 400)))
    whole = pd.DataFrame({"text": texts, "rating": ratings})
    parts, classes = (whole[:200], whole[200:300], whole[300:]), np.array([1, 4, 8, 10])
    assert (review_rivals.ridge(*parts, classes) == parts[2]["rating"]).all()
    assert {*review_rivals.commonest_rating(*parts, classes)} == {10}
    assert {*review_rivals.middle_rating(*parts, classes)} == {8}


# -------------------------------------------------------------------------------------------------------- scores


@pytest.fixture
def model():
    """Its probability is 0.9 from the word "great" on, before that 0.5."""
    tokens = review_text.tokenizer(review_text.vectorizer(TEXTS, 50), 2000)
    great = int(tokens(tf.constant([["great"]]))[0, 0])
    ids = keras.Input((None,), dtype="int32")
    found = keras.layers.Lambda(lambda ids: 0.5 + 0.4 * tf.reduce_max(tf.cast(ids == great, "float32"), 1, True))(ids)
    return review_text.from_text(tokens, keras.Model(ids, found, name="network"))


@pytest.mark.parametrize("length", [4, 1000])
def test_the_score_moves_at_the_word_that_moves_it(model, length):
    shown, outputs = word_scores.reading(model, "plot " * (length // 2) + "great " + "music " * (length // 2))
    scores = outputs[:, 0]
    assert len(shown) == len(scores) == length + 1 and shown[length // 2] == "great"
    near = 0 if length < word_scores.PREFIXES else 4  # of many words only some are asked for
    np.testing.assert_allclose(scores[: length // 2 - near], 0.5, atol=1e-6)
    np.testing.assert_allclose(scores[length // 2 + near :], 0.9, atol=1e-6)


def test_colours():
    text = word_scores.coloured(["bad", "so", "great"], [-1, 0, 1])
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == "bad so great"
    assert "48;2;255;0;0" in text and "48;2;255;255;255" in text and "48;2;0;255;0" in text


def test_a_plot_of_many_words():
    figure = word_scores.plot(["word"] * 2000, np.linspace(-1, 1, 2000), "title")
    assert figure.get_size_inches()[0] <= 24 and len(figure.axes[0].get_xticks()) <= 90
