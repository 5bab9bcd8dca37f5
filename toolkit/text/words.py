"""Words of a text, the vocabulary of a run, and word ids."""

import collections

from toolkit.runs import Stop, replacing

import numpy as np
import regex
import tensorflow as tf

UNKNOWN = 1  # 0 is padding
FILE = "vocabulary.txt"  # in a run's folder, a word on each line


def split_words(text):
    """The words of a text in lower case. Punctuation marks are words of their own; isn't and it's stay whole."""
    text = regex.sub(r"<br */?>|\p{Cc}|\pZ", " ", text.lower())
    return regex.sub(r"([^\pL\pM\pN_\s'])", r" \1 ", text).split()


class Vocabulary:
    """The most frequent words of some texts, numbered from 2 in the order of their frequency.

    Attributes:
        words: a list of words, the most frequent first.
    """

    def __init__(self, words):
        self.words = list(words)
        self._ids = {word: number for number, word in enumerate(self.words, UNKNOWN + 1)}

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
        ids = [self._ids.get(word, UNKNOWN) for word in split_words(text)[-last:]]
        return np.array(ids or [UNKNOWN], "int32")


def pair_ids(ids, count):
    """Ids of the pairs of neighbouring words, 1 … `count`, by a hash: (words,) to (words,), int32.

    The first word's neighbour is padding. Pairs share an id where there are more pairs than ids (Weinberger et al.
    2009, "Feature Hashing for Large Scale Multitask Learning").
    """
    ids = np.asarray(ids, "int64")
    pairs = ids * 2**32 + np.pad(ids[:-1], [(1, 0)])
    return tf.strings.to_hash_bucket_fast(tf.strings.as_string(pairs), count).numpy().astype("int32") + 1


def columns(vocabulary, texts, words=400, bigrams=0):
    """The network's inputs: lists of int32 arrays, one a text; word ids and, with `bigrams`, ids of pairs of words."""
    ids = [vocabulary.ids(text, words) for text in texts]
    return [ids, [pair_ids(row, bigrams) for row in ids]] if bigrams else [ids]
