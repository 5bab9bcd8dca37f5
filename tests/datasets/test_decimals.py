"""Columns of numbers with decimal points and commas."""

import pandas as pd
import pytest

from datasets import decimals


@pytest.mark.parametrize(
    "text, point, comma",
    [
        ("12", 12, 12),
        ("+1.5e-3", 0.0015, None),
        (".5", 0.5, None),
        ("5.", 5, None),
        ("1,234", 1234, 1.234),
        ("1.234", 1.234, 1234),
        ("1,234,567.5", 1234567.5, None),
        ("1.234.567,5", None, 1234567.5),
        ("12,34,567.8", 1234567.8, None),
        ("1 234,5", None, 1234.5),
        ("1\u202f234.5", 1234.5, None),
        ("4'280.54", 4280.54, None),
        ("$150.30", 150.3, None),
        ("7.64M", 7.64e6, None),
        ("1,2k", None, 1200),
        ("12,5", None, 12.5),
        ("-3", -3, -3),
        ("5%", None, None),
        ("inf", None, None),
        ("nan", None, None),
        ("1_000", None, None),
        ("0x10", None, None),
        ("", None, None),
        ("abc", None, None),
    ],
)
def test_numbers(text, point, comma):
    for mark, value in {"point": point, "comma": comma}.items():
        (found,) = decimals.read(pd.Series([text]), mark)
        assert pd.isna(found) if value is None else found == pytest.approx(value, rel=1e-15)


def test_per_cent_where_it_is_asked_for():
    assert decimals.read(pd.Series(["4.25%"]), "point", percent=True).tolist() == [4.25]


@pytest.mark.parametrize(
    "texts, others, mark",
    [
        (["1.5", "2"], [], "point"),
        (["110.123", "111.456"], [], "point"),
        (["1,234.50", "999.5"], [], "point"),
        (["100,0", "1"], [], "comma"),
        (["4.280,54", "x"], [], "comma"),
        (["1.234.567"], [], "comma"),
        (["61,000", "62,000"], ["7.64M", "8.1M"], "point"),
        (["61,000", "999"], ["1,234,567", "-"], "point"),
        (["99.5", "12,5", "98.5"], [], "point"),
        (["10", "20"], ["1,234", "5,678"], "point"),
    ],
)
def test_the_mark_is_found_out(texts, others, mark):
    assert decimals.mark(pd.DataFrame({"Close": texts}), pd.DataFrame({"Volume": others or texts}), "p.csv") == mark


def test_what_is_ambiguous_is_asked_for():
    with pytest.raises(ValueError, match="p.csv, line 3: .*pass --decimal comma or --decimal point.*Close '1,234'"):
        decimals.mark(pd.DataFrame({"Close": ["5", "1,234"]}, [2, 3]), pd.DataFrame(index=[2, 3]), "p.csv")
