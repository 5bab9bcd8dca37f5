"""Columns of numbers as people write them: with a decimal point or comma, thousands apart, and signs of currencies."""

import re

import pandas as pd

from datasets import local

NOT_RECORDED = ("", "-", "--", ".", "n/a", "#n/a", "na", "nan", "none", "null")  # in lower case
MARKS = {"point": (".", ","), "comma": (",", ".")}  # before decimals, and between thousands
PLAIN = {"point": r"[0-9]+(?:\.[0-9]+)?", "comma": r"[0-9]+"}  # numbers as Python reads them
SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}  # 7.64M
LEFT_OUT = r"[\s'’$€£¥₹₩]"  # spaces and apostrophes between thousands, and currencies


def is_recorded(texts):
    """Whether something stands in a cell, right or wrong: a boolean Series."""
    return ~texts.str.strip().str.casefold().isin(NOT_RECORDED)


def read(texts, mark, percent=False):
    """Read numbers.

    Args:
        texts: a Series of texts.
        mark: what stands before decimals, a key of MARKS.
        percent: whether numbers may have a sign of per cent, which is left out.

    Returns a float64 Series, NaN where a text is no number.
    """
    decimal, thousands = map(re.escape, MARKS[mark])
    plain = texts.str.fullmatch(PLAIN[mark]).astype(bool)  # nearly all, which the patterns below would take long for
    if plain.any():
        numbers = pd.to_numeric(texts.where(plain), errors="coerce").astype("float64")
        return numbers if plain.all() else numbers.fillna(read(texts[~plain], mark, percent))
    texts = texts.str.replace(LEFT_OUT, "", regex=True).str.casefold()
    number = rf"([+-]?(?:\d+|\d{{1,3}}(?:{thousands}\d{{2,3}})*{thousands}\d{{3}})?(?:{decimal}\d*)?(?:e[+-]?\d+)?)"
    parts = texts.str.extract(rf"^{number}([kmbt])?{'%?' if percent else ''}$")
    plain = parts[0].str.replace(thousands, "", regex=True).str.replace(decimal, ".", regex=True)
    factors = parts[1].map(SUFFIXES).fillna(1.0).astype("float64")
    return pd.to_numeric(plain, errors="coerce").astype("float64") * factors


def mark(columns, others, source, percent=False):
    """What stands before decimals: "point" or "comma", whichever reads more numbers.

    Args:
        columns: a DataFrame of texts, whose values count.
        others: another one, which gives hints alone.
        source: the file, as messages name it.
        percent: as for `read`.

    Raises ValueError if both read as many numbers, and disagree on `columns`.
    """
    texts = pd.Series(pd.concat([columns, others], axis=1).to_numpy().ravel(), dtype=object).drop_duplicates()
    if texts.str.fullmatch(PLAIN["point"]).all():
        return "point"  # 110.123 has decimals, as programs write them
    point, comma = (read(texts, name, percent).notna().sum() for name in MARKS)
    if point != comma:
        return "point" if point > comma else "comma"
    if not texts.str.contains(",", regex=False).any():
        return "point"
    for name in columns:
        one, other = (read(columns[name], mark, percent) for mark in MARKS)
        apart = columns[name].str.contains(",", regex=False) & (one != other) & (one.notna() | other.notna())
        if apart.any():
            line = apart.idxmax()
            raise ValueError(
                f"{source}, line {line}: a comma may stand before decimals or between thousands; pass --decimal comma "
                f"or --decimal point. Received: {name} {local.shortened(columns[name][line])!r}"
            )
    return "point"
