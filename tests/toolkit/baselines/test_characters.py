"""Baselines of bits per character, by hand."""

import lzma

from toolkit.baselines import characters

import numpy as np
import pytest

TRAIN = "aab" * 40


def test_frequencies_by_hand():
    probabilities = np.array([81, 41, 1]) / 123  # counts and one each; one more for all characters never seen
    assert characters.frequencies(TRAIN, "abc") == pytest.approx(-np.log2(probabilities).mean())


def test_the_compressor_counts_what_the_test_text_adds():
    sizes = [len(lzma.compress(text.encode(), preset=9)) for text in (TRAIN, TRAIN + "abc")]
    assert characters.xz(TRAIN, "abc") == pytest.approx(8 * (sizes[1] - sizes[0]) / 3)
