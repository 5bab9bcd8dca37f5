"""Words of a text and their ids, as a network takes them. Exports carry this file: it needs numpy and regex alone."""

import numpy as np
import regex

UNKNOWN = 1  # 0 is padding
BREAKS = r"<br */?>|\p{Cc}|\pZ"  # what separates words
MARKS = r"([^\pL\pM\pN_\s'])"  # what is a word of its own


def split_words(text):
    """The words of a text in lower case. Punctuation marks are words of their own; isn't and it's stay whole."""
    return regex.sub(MARKS, r" \1 ", regex.sub(BREAKS, " ", text.lower())).split()


def numbered(words):
    """The id of each word: the most frequent one, which comes first, has the id 2."""
    return {word: number for number, word in enumerate(words, UNKNOWN + 1)}


def word_ids(text, ids, last):
    """The ids of a text's last words, int32, (at most `last`,); of a text without words UNKNOWN alone."""
    return np.array([ids.get(word, UNKNOWN) for word in split_words(text)[-last:]] or [UNKNOWN], "int32")


def pair_ids(ids, count):
    """Ids of the pairs of neighbouring words, 1 … `count`, by a hash: (words,) to (words,), int32."""
    pairs = zip(ids.tolist(), [0, *ids.tolist()[:-1]])
    return np.array([fingerprint(str(word * 2**32 + before)) % count + 1 for word, before in pairs], "int32")


def fingerprint(text):
    """FarmHash's Fingerprint64 of a text of 8 to 16 characters, which the decimal number of a pair always has.

    Source: Pike & Alakuijala (2014), FarmHash, `HashLen0to16`.
    """
    wrap, k = 2**64 - 1, 0x9AE16A3B2F90404F
    rotate = lambda x, bits: (x >> bits | x << 64 - bits) & wrap
    first, last = (int.from_bytes(part, "little") for part in (text.encode()[:8], text.encode()[-8:]))
    multiplier = k + 2 * len(text) & wrap
    first = first + k & wrap
    c = rotate(last, 37) * multiplier + first & wrap
    d = (rotate(first, 25) + last) * multiplier & wrap
    a = (c ^ d) * multiplier & wrap
    b = (d ^ a ^ a >> 47) * multiplier & wrap
    return (b ^ b >> 47) * multiplier & wrap
