"""Words of a text, vocabularies, and ids."""

from toolkit.baselines import reviews as baselines
from toolkit.runs import Run, Stop
from toolkit.text.words import UNKNOWN, Vocabulary, pair_ids, split_words

import numpy as np
import pytest

TEXTS = ["The plot was NOT bad.", "the plot, the music: it's great!", "bad<br /><br />music"]
ODD = ["one\x85two", "a\u2028b\u3000c", "d\x96e \x1c f", "\u00a0\x85 \x85"]  # IMDB has each of the first kind


def test_words_are_lower_case_and_punctuation_marks_words_of_their_own():
    words = ["it's", "not", "bad", ",", "äh", ".", ".", ".", "(", "10", "/", "10", ")"]
    assert split_words("It's NOT bad,<br />Äh... (10/10)") == words


@pytest.mark.parametrize("text", TEXTS + ODD)
def test_baselines_see_the_same_words(text):
    assert baselines.tokens(text) == split_words(text)


def test_the_vocabulary_holds_the_most_frequent_words():
    vocabulary = Vocabulary.learn(TEXTS, 6)
    assert vocabulary.words == ["the", "plot", "music", "bad"] and len(vocabulary) == 6


def test_ids_are_those_of_known_words_up_to_the_last():
    vocabulary = Vocabulary.learn(TEXTS, 6)
    assert vocabulary.ids("The strange plot", 50).tolist() == [2, UNKNOWN, 3]
    assert vocabulary.ids("The strange plot", 2).tolist() == [UNKNOWN, 3]
    assert vocabulary.ids("", 50).tolist() == [UNKNOWN]  # a network needs something to read


def test_a_vocabulary_of_odd_characters_is_saved_and_loaded(tmp_path):
    vocabulary, run = Vocabulary.learn(TEXTS + ODD, 60), Run(tmp_path)
    assert set("abcdef") | {"one", "two"} <= {*vocabulary.words}
    vocabulary.save(run)
    assert Vocabulary.load(run).words == vocabulary.words


def test_a_missing_or_damaged_vocabulary_is_an_error(tmp_path):
    with pytest.raises(Stop, match=r"vocabulary\.txt"):
        Vocabulary.load(Run(tmp_path))
    (tmp_path / "vocabulary.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(Stop, match="utf-8"):
        Vocabulary.load(Run(tmp_path))


def test_equal_pairs_have_equal_ids_and_the_first_word_is_paired_with_padding():
    first, second = pair_ids([5, 6, 5, 6, 7], 10**6), pair_ids([6, 5, 6], 10**6)
    assert first[1] == first[3] == second[2] and first[2] == second[1]
    assert len({*first, *second}) == 5  # of 05, 65, 56, 76 and 06
    assert (first > 0).all()


@pytest.mark.parametrize("count", [3, 1000, 200_000])
def test_pairs_are_spread_evenly_over_the_ids(count):
    ids = np.concatenate([[a, b] for a in range(1, 60) for b in range(1, 60)])
    shares = np.bincount(pair_ids(ids, count)[1::2], minlength=count + 1)
    assert shares[0] == 0 and len(shares) == count + 1
    assert (shares > 0).sum() > 0.98 * count * (1 - np.exp(-(59**2) / count))
