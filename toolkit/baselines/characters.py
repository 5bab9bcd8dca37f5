"""What networks on characters are compared with: character frequencies, and a compressor."""

import lzma

import numpy as np


def frequencies(train, test):
    """Bits per character of a test text, given only how often each character occurs in a training text.

    Counts are smoothed by one for each character, and by one for all characters that do not occur in training.
    """
    known, counts = np.unique([*train], return_counts=True)
    total = counts.sum() + len(known) + 1
    probability = dict(zip(known, (counts + 1) / total))
    return float(np.mean([-np.log2(probability.get(character, 1 / total)) for character in test]))


def xz(train, test):
    """Bits per character that a test text adds to the size of a training text compressed by xz."""
    before, both = (len(lzma.compress(text.encode(), preset=9)) for text in (train, train + test))
    return 8 * (both - before) / len(test)


BASELINES = {"frequencies": frequencies, "xz": xz}
