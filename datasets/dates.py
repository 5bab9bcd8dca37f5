"""Columns of dates as people write them: the order of day, month and year is found out, or asked for."""

import re

import pandas as pd

from datasets import local

# How dates are written once everything between their parts is a space, and how a note and a flag call that
ORDERS = {
    "%Y %m %d": ("year-month-day", "%Y-%m-%d"),
    "%d %m %Y": ("day/month/year", "%d/%m/%Y"),
    "%m %d %Y": ("month/day/year", "%m/%d/%Y"),
    "%b %d %Y": ("month day, year", "%b %d, %Y"),
    "%d %b %Y": ("day month year", "%d %b %Y"),
    "%d %b %y": ("day month year", "%d-%b-%y"),
    "%Y%m%d": ("yearmonthday", "%Y%m%d"),
    "%d %m %y": ("day/month/year", "%d/%m/%y"),
    "%m %d %y": ("month/day/year", "%m/%d/%y"),
    (YEAR_FIRST := "%y %m %d"): ("year/month/day", "%y/%m/%d"),
}
EPOCHS = {"seconds": (9, 11, 1), "milliseconds": (12, 14, 1e3), "microseconds": (15, 17, 1e6)}  # digits, per second
FIRST, LAST = 1700, 2200  # years; what lies outside is no date of a record
WEEKDAY = r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+"
# A time stands behind a T, a space or a comma: 09:30, 12-AM or 093000.
TIME = r"^(.*?)(?:(?:T|[ ,]+)(\d{1,2}:\d\d.*|\d{1,2}-?[APap][Mm]|\d{6}))?$"


def read(texts, source, form=None):
    """Read dates, with a time of day or without.

    Args:
        texts: a Series of texts by line.
        source: the file, as messages name it.
        form: how a date is written, as for `strptime`. By default it is found out.

    Returns:
        A DataFrame by line of `day`, the date, NaT where the text is none, and `time`, the text of the time of day;
        and how a date is written, for a note.

    Raises:
        ValueError: no text is a date, dates can be read in several ways, or `form` is none.
    """
    texts = texts.astype(str).str.strip()
    unique = pd.Series(texts.unique(), dtype=object)
    days, times, how = _as_asked(unique, form) if form else _epochs(unique) or _written(unique, source)
    days = days.where(days.dt.year.between(FIRST, LAST))
    if days.isna().all():
        ways = f", written {form}" if form else "; say how it is written with --date-format, such as %d/%m/%Y"
        raise ValueError(
            f"{source}, line {texts.index[0]}: a date from {FIRST} to {LAST} is needed{ways}. "
            f"Received: {local.shortened(texts.iloc[0])!r}"
        )
    table = pd.DataFrame({"day": days, "time": times.fillna("")}).set_index(unique)
    return table.loc[texts].set_index(texts.index), how


def _as_asked(texts, form):
    """Dates of the form that is asked for, which may leave out the time that follows them."""
    try:
        whole = pd.to_datetime(texts, format=form, errors="coerce")
        parts = texts.str.extract(TIME)
        alone = pd.to_datetime(parts[0], format=form, errors="coerce")
        # Offsets from UTC may differ within a file, which a column of dates cannot hold.
        whole, alone = whole.dt.tz_localize(None), alone.dt.tz_localize(None)
    except (ValueError, TypeError, AttributeError, KeyError, OverflowError, re.error) as error:
        raise ValueError(
            "--date-format must be made of %d, %m, %Y and the like, as for strptime, without a time zone. "
            f"Received: {local.shortened(form)!r}"
        ) from error
    when = whole.fillna(alone)
    return when.dt.normalize(), parts[1].fillna(when.dt.strftime("%H:%M:%S")), f"dates as {form}"


def _epochs(texts):
    """Dates given as time since 1970 in UTC, or None if most are not."""
    for unit, (least, most, per_second) in EPOCHS.items():
        is_epoch = texts.str.fullmatch(rf"\d{{{least},{most}}}(?:\.\d*)?")
        if is_epoch.mean() > 0.5:
            seconds = (pd.to_numeric(texts.where(is_epoch)) // per_second).astype("float64")
            when = pd.to_datetime(seconds, unit="s", errors="coerce")
            return when.dt.normalize(), when.dt.strftime("%H:%M:%S"), f"dates as {unit} since 1970, in UTC"
    return None


def _written(texts, source):
    """Dates in the order that reads most of them. Raises ValueError if several orders do and disagree."""
    parts = texts.str.replace(WEEKDAY, "", case=False, regex=True).str.extract(TIME)
    plain = parts[0].str.replace(r"([^\W\d_]{3})[^\W\d_]*", r"\1", regex=True)  # of a month's name three letters
    plain = plain.str.replace(r"[-/., ]+", " ", regex=True).str.strip()
    readings = {order: pd.to_datetime(plain, format=order, errors="coerce") for order in ORDERS}
    most = max(days.notna().sum() for days in readings.values())
    best = {order: days for order, days in readings.items() if days.notna().sum() == most}
    if YEAR_FIRST in best and len(best) > 1:  # of two figures it reads what the others do, but only one in a row
        best = {order: best[order] for order in best if (order == YEAR_FIRST) == _in_a_row(best[YEAR_FIRST])}
    first = next(iter(best))
    others = [order for order, days in best.items() if not days.equals(best[first])]
    if most and others:
        flags = " or ".join(ORDERS[order][1] for order in [first, *others])
        received = texts[best[first].notna()].iloc[0]
        raise ValueError(
            f"{source}: dates can be read in several ways, and no day above 12 decides: pass --date-format {flags}. "
            f"Received: {local.shortened(received)!r} and the like"
        )
    return best[first], parts[1], f"dates as {ORDERS[first][0]}"


def _in_a_row(days):
    """Whether most dates are a few days apart."""
    return days.dropna().sort_values().diff().median() <= pd.Timedelta(days=7)
