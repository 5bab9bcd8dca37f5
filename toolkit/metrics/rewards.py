"""Rewards of single captions for self-critical training: CIDEr-D and smoothed BLEU against fixed references."""

import collections
import functools
import operator

import numpy as np

ORDERS = 4  # n-grams of 1 to 4 words
SIGMA = 6.0  # words by which the lengths of a caption and a reference may differ


def caption_reward(references, bleu_weight=0.0):
    """CIDEr-D plus, with a weight, BLEU: a function from pictures' numbers and as many texts to rewards, float32.

    Args:
        references: for each picture a list of texts, words separated by spaces.
    """
    cider = CiderReward(references)
    if not bleu_weight:
        return cider
    bleu = BleuReward(references)
    return lambda numbers, texts: cider(numbers, texts) + bleu_weight * bleu(numbers, texts)


class CiderReward:
    """CIDEr-D of texts against fixed references (Vedantam et al. 2015), with the end of a text as a word of its own.

    Without the end, a text that breaks off after "in a" would gain from these words. The document frequencies are
    counted once, so that a few texts can be scored at a time, which pycocoevalcap does not offer.

    Args:
        references: for each picture a list of texts, words separated by spaces.
        end: the word appended to each text; "" for none.
    """

    def __init__(self, references, end=" ."):
        self.end = end
        counts = [[_ngrams(text + end) for text in texts] for texts in references]
        frequencies = collections.Counter(ngram for texts in counts for ngram in set().union(*texts))
        self.idf_unknown = np.log(len(references))
        self.idf = {ngram: self.idf_unknown - np.log(count) for ngram, count in frequencies.items()}
        self.references = [[self._vector(ngrams) for ngrams in texts] for texts in counts]

    def __call__(self, numbers, texts):
        """The score of each text against the references of the picture with that number, float32; at most 10."""
        scores = (
            self._score(self._vector(_ngrams(text + self.end)), self.references[n]) for n, text in zip(numbers, texts)
        )
        return np.fromiter(scores, "float32", len(texts))

    def _vector(self, ngrams):
        """The tf-idf weights of n-grams, their norm for each n, and the number of words."""
        weights, squares = {}, [0.0] * ORDERS
        for ngram, count in ngrams.items():
            weights[ngram] = weight = count * self.idf.get(ngram, self.idf_unknown)
            squares[len(ngram) - 1] += weight * weight
        words = sum(count for ngram, count in ngrams.items() if len(ngram) == 1)
        return weights, np.sqrt(squares), words

    @staticmethod
    def _score(text, references):
        weights, norms, words = text
        total = 0.0
        for others, other_norms, other_words in references:
            products = [0.0] * ORDERS
            for ngram in weights.keys() & others.keys():
                products[len(ngram) - 1] += min(weights[ngram], others[ngram]) * others[ngram]
            norm = norms * other_norms
            cosines = np.divide(products, norm, out=np.zeros(ORDERS), where=norm > 0)
            total += cosines.mean() * np.exp(-((words - other_words) ** 2) / (2 * SIGMA**2))
        return 10 * total / len(references)


class BleuReward:
    """The mean of BLEU-1 to BLEU-4 of single texts against fixed references (Papineni et al. 2002).

    CIDEr gives little weight to common n-grams, and BLEU-4 alone little to single words. The counts of n-grams longer
    than a word are increased by 1, because a text without a correct 4-gram would score 0 otherwise (Lin & Och 2004).
    The brevity penalty compares with the lower quartile of the references' lengths. With the closest length of each
    text, captions become too short for the BLEU of a corpus; with the mean length, so long that precision falls.

    Args:
        references: for each picture a list of texts, words separated by spaces.
    """

    def __init__(self, references):
        self.references = []
        for texts in references:
            most = functools.reduce(operator.or_, map(_ngrams, texts))  # the largest count of each n-gram in one text
            self.references.append((most, np.quantile([len(text.split()) for text in texts], 0.25)))

    def __call__(self, numbers, texts):
        """The score of each text against the references of the picture with that number, float32, from 0 to 1."""
        scores = (self._score(text, *self.references[n]) for n, text in zip(numbers, texts))
        return np.fromiter(scores, "float32", len(texts))

    @staticmethod
    def _score(text, most, reference_length):
        correct, words = np.zeros(ORDERS), len(text.split())
        for ngram, count in _ngrams(text).items():
            correct[len(ngram) - 1] += min(count, most[ngram])
        if not correct[0]:
            return 0.0
        added = np.arange(ORDERS) > 0
        precisions = (correct + added) / (np.maximum(words - np.arange(ORDERS), 0) + added)
        bleu = np.exp(np.cumsum(np.log(precisions)) / np.arange(1, ORDERS + 1))  # BLEU-1 to BLEU-4
        return bleu.mean() * np.exp(min(0.0, 1 - reference_length / words))


def _ngrams(text):
    words = text.split()
    return collections.Counter(tuple(words[i : i + n]) for n in range(1, ORDERS + 1) for i in range(len(words) - n + 1))
