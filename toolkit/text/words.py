"""Words of a text, the vocabulary of a run, and word ids."""

import collections

from toolkit.runs import Stop, replacing
from toolkit.text.word_ids import UNKNOWN, numbered, split_words, word_ids

import tensorflow as tf

FILE = "vocabulary.txt"  # in a run's folder, a word on each line


class Vocabulary:
    """The most frequent words of some texts, numbered from 2 in the order of their frequency.

    Attributes:
        words: a list of words, the most frequent first.
        numbers: a dict from each word to its id.
    """

    def __init__(self, words):
        self.words = list(words)
        self.numbers = numbered(self.words)

    @classmethod
    def learn(cls, texts, size):
        """From texts; of `size` ids two are padding and unknown words."""
        counts = collections.Counter(word for text in texts for word in split_words(text))
        return cls(sorted(counts, key=lambda word: (counts[word], word), reverse=True)[: size - 2])

    @classmethod
    def load(cls, run):
        """That of a run. Raises Stop where its file cannot be read."""
        words = run.text(FILE).splitlines()
        if not words or len({*words}) < len(words):
            raise Stop(f"{run / FILE} is damaged: it must hold words, each of them once; train again.")
        return cls(words)

    def save(self, run):
        with replacing(run / FILE) as file:
            file.write("".join(f"{word}\n" for word in self.words).encode())

    def __len__(self):
        return UNKNOWN + 1 + len(self.words)

    def ids(self, text, last):
        """The ids of a text's last words, int32, (at most `last`,); of a text without words UNKNOWN alone."""
        return word_ids(text, self.numbers, last)


def pair_ids(ids, count):
    """Ids of the pairs of neighbouring words, 1 … `count`, by a hash: (words,) to (words,), int32.

    The first word's neighbour is padding. Pairs share an id where there are more pairs than ids (Weinberger et al.
    2009, "Feature Hashing for Large Scale Multitask Learning").
    """
    return hashed_pairs(tf.constant(ids, tf.int64), count).numpy().astype("int32")


def hashed_pairs(ids, count):
    """As `pair_ids`, in a graph too: from int64 ids, (..., words), to int64."""
    before = tf.concat([tf.zeros_like(ids[..., :1]), ids[..., :-1]], axis=-1)
    return tf.strings.to_hash_bucket_fast(tf.strings.as_string(ids * 2**32 + before), count) + 1


def columns(vocabulary, texts, words=400, bigrams=0):
    """The network's inputs: lists of int32 arrays, one a text; word ids and, with `bigrams`, ids of pairs of words."""
    ids = [vocabulary.ids(text, words) for text in texts]
    return [ids, [pair_ids(row, bigrams) for row in ids]] if bigrams else [ids]
