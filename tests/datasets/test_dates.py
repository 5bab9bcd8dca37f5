"""Columns of dates in every order, and those that can be read in several."""

import pandas as pd
import pytest

from datasets import dates

DAYS = pd.to_datetime(["2021-01-04", "2021-01-05", "2021-01-29", "2021-02-01"])


@pytest.mark.parametrize(
    "write, how",
    [
        ("%Y-%m-%d", "year-month-day"),
        ("%Y.%m.%d", "year-month-day"),
        ("%Y/%m/%d 16:00:00", "year-month-day"),
        ("%Y-%m-%dT00:00:00.000Z", "year-month-day"),
        ("%Y-%m-%d 00:00:00-05:00", "year-month-day"),
        ("%Y-%m-%d 00:00:00 UTC", "year-month-day"),
        ("%d/%m/%Y", "day/month/year"),
        ("%d.%m.%Y", "day/month/year"),
        ("%m/%d/%Y", "month/day/year"),
        ("%m/%d/%Y 4:00 PM", "month/day/year"),
        ("%d.%m.%y", "day/month/year"),
        ("%m/%d/%y", "month/day/year"),
        ("%y/%m/%d", "year/month/day"),
        ("%b %d, %Y", "month day, year"),
        ("%A, %B %d, %Y", "month day, year"),
        ("%d-%b-%Y", "day month year"),
        ("%d. %B %Y", "day month year"),
        ("%d-%b-%y", "day month year"),
        ("%Y%m%d", "yearmonthday"),
        ("%Y%m%d 170000", "yearmonthday"),
    ],
)
def test_the_order_is_found_out_where_a_day_above_12_decides(write, how):
    table, found = dates.read(pd.Series(DAYS.strftime(write), range(2, 6)), "p.csv")
    assert table["day"].tolist() == DAYS.tolist() and found == f"dates as {how}"
    assert table.index.tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize("unit, factor", [("seconds", 1), ("milliseconds", 1000), ("microseconds", 10**6)])
def test_time_since_1970(unit, factor):
    texts = pd.Series([str(int(day.timestamp() + 3600) * factor) for day in DAYS])
    table, found = dates.read(texts, "p.csv")
    assert table["day"].tolist() == DAYS.tolist() and found == f"dates as {unit} since 1970, in UTC"
    assert set(table["time"]) == {"01:00:00"}


@pytest.mark.parametrize(
    "text, flags",
    [("01/02/2020", "%d/%m/%Y or %m/%d/%Y"), ("01.02.2020 10:00", "%d/%m/%Y or %m/%d/%Y"), ("01/02/20", "%d/%m/%y or")],
)
def test_what_is_ambiguous_is_asked_for(text, flags):
    with pytest.raises(ValueError, match=f"p.csv: .*several ways.* --date-format {flags}.*Received: '{text}'"):
        dates.read(pd.Series([text, text.replace("2", "3", 1)]), "p.csv")


def test_a_form_decides():
    texts = pd.Series(["01/02/2020 09:30", "02/02/2020 10:30"])
    for form, month in {"%d/%m/%Y": 2, "%m/%d/%Y": 1, "%d/%m/%Y %H:%M": 2}.items():
        table, how = dates.read(texts, "p.csv", form)
        assert table["day"][0] == pd.Timestamp(2020, month, 3 - month) and how == f"dates as {form}"
        assert table["time"][0].startswith("09:30")


@pytest.mark.parametrize("form", ["%Q", "%", "%d%d"])
def test_a_form_that_is_none(form):
    with pytest.raises(ValueError, match="--date-format must be made of") as error:
        dates.read(pd.Series(["2020-01-02"]), "p.csv", form)
    assert str(error.value).endswith(f"Received: {form!r}")


@pytest.mark.parametrize("text", ["9999-12-31", "yesterday", "", "31/31/2020", "9" * 30, "1e5", "0001-01-01"])
def test_a_column_without_dates(text):
    with pytest.raises(ValueError, match="p.csv, line 7: a date from 1700 to 2200 is needed"):
        dates.read(pd.Series([text], [7]), "p.csv")


def test_a_few_texts_may_be_no_dates():
    table, _ = dates.read(pd.Series(["2020-01-02", "soon", "9999-01-01", "2020-01-03"]), "p.csv")
    assert table["day"].isna().tolist() == [False, True, True, False]
