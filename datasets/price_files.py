"""Reads daily prices from files as programs and exchanges write them; error messages name the line at fault."""

import contextlib
import dataclasses
import datetime
import pathlib
import re

import numpy as np
import pandas as pd
from arch.data import nasdaq, sp500

from datasets import dates, decimals, local, simulated_prices, tables
from datasets.price_names import KNOWN, header_companies, one_header, several
from datasets.price_values import A_PRICE, HIGHEST, LOWEST

BUILT_IN = {"sp500": sp500.load, "nasdaq": nasdaq.load, "simulated": simulated_prices.load}
PRICES = ("Open", "High", "Low")  # besides Close
OPTIONAL_COLUMNS = (*PRICES, "Volume")
DAILY_GAP = 4  # days; the median gap between trading days, holidays included, is shorter in every market
TRADING_DAYS = 252  # in a year of weekdays with its holidays
SPLIT = 0.4  # a change of price from which a day is compared with a split of shares
# How the rows of a day become one
BY_DAY = {"Close": "last", "Open": "first", "High": "max", "Low": "min", "Volume": "sum"}
EXAMPLES = {
    2: "Date,Close",
    5: "Date,Open,High,Low,Close",
    6: "Date,Open,High,Low,Close,Volume",
    7: "Date,Time,Open,High,Low,Close,Volume",
}  # by the number of columns
ADDED = ("when", "time")  # columns of a table whose dates are read
WEEK = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
ACTION = r"dividend|split"  # of a row that tells of one instead of prices


@dataclasses.dataclass(frozen=True)
class Form:
    """What the user says about a file of prices; what is None is found out.

    Attributes:
        reading: a `datasets.local.Reading`, what it says about a table.
        date_format: how dates are written, as for `strptime`.
        decimal: "point" or "comma".
        by_day: whether several rows of a day are joined.
        skip_flat_days: whether days on which High equals Low are left out.
    """

    reading: local.Reading = local.Reading()
    date_format: str | None = None
    decimal: str | None = None
    by_day: bool = False
    skip_flat_days: bool = False


def read(name_or_path="sp500", data_dir=None, column=None, ticker=None, start=None, end=None, form=Form()):
    """Reads daily prices.

    Args:
        name_or_path: "sp500" or "nasdaq" for the S&P 500 or the NASDAQ Composite from 1999 to 2018, which are part of
            the `arch` package; "simulated" for the companies of `datasets.simulated_prices`; or the path of a table, as
            a file of one of the kinds that `datasets.tables` reads.
        data_dir: folder in which a relative path is searched for.
        column: the column to use as the close, for example "Adj Close". By default Close, or what else it is called.
        ticker: the series to read from a file of several: a value of the column Ticker, or a column's name.
        start, end: first and last date to read, as text (YYYY-MM-DD) or as a date without a time zone. Prices before
            and after them are not checked.
        form: a `Form`.

    Returns:
        A float64 DataFrame, indexed by Date, with Close and those of Open, High, Low and Volume that the file has;
        entries of these four that are not numbers are NaN. `attrs["source"]` names the file or data set, and
        `attrs["understood"]` is a tuple of lines on how a file was understood. `attrs["faults"]` is a dict from names
        of these four columns to the line, date and text of the first entry that is present but cannot be a price.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be used, or can be understood in several ways; the message names the line.
    """
    table, company = _table(*_content(name_or_path, data_dir, form.reading), ticker)
    ticker = None if company else ticker  # the header's lines have told its columns apart
    return _series(*_dated(table, form.date_format), column, ticker, start, end, form)


def read_all(name_or_path, data_dir=None, column=None, start=None, end=None, form=Form()):
    """Reads every series of a file, of a folder's files, or of several paths that commas separate.

    Args:
        name_or_path, data_dir, column, start, end, form: as for `read`, of every series.

    Returns:
        Two dicts by the series' name, which is its ticker in a file of several, and else the file's name without its
        ending: frames as `read` returns them, and the messages of those that cannot be used.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: there is no file in a folder, or two series have one name.
    """
    frames, unusable = {}, {}
    for path in _paths(name_or_path, data_dir):
        for name, frame in _each_series(path, column, start, end, form):
            if name in frames or name in unusable:
                raise ValueError(f"{path}: two series have one name; rename one of them. Received: {name!r} twice")
            (unusable if isinstance(frame, ValueError) else frames)[name] = frame
    return frames, unusable


def _each_series(path, column, start, end, form):
    """Pairs of a series' name and its frame, or the ValueError that it raises, for all series of a file."""
    alone = pathlib.Path(path).name.split(".")[0]
    try:
        content = _content(path, None, form.reading)
        in_header = header_companies(content[0]) if form.reading.columns is None else []
        shared = None if in_header else _dated(_table(*content, None)[0], form.date_format)
    except ValueError as error:
        yield alone, error
        return
    for name in in_header or _companies(shared[0]) or [None]:
        try:
            table, how = shared or _dated(_table(*content, name)[0], form.date_format)
            yield name or alone, _series(table, how, column, None if in_header else name, start, end, form)
        except ValueError as error:
            yield name or alone, error


def _series(table, how, column, ticker, start, end, form):
    """The frame of one series of a table whose dates are read; `how` says how they are written."""
    table, name = _chosen(table, column, ticker)
    table = _with_prices(table, name)
    why = f"a date from {dates.FIRST} to {dates.LAST} is needed ({how})"
    table = table.without(table.cells["when"].isna(), why, table.cells["Date"])
    table = _in_order(table, form.by_day)
    return _frame(_between(table, start, end), name, form, percent=column is not None)


def weekdays(days):
    """The days of the week on which prices are recorded, 0 for Monday: from Monday to Friday, or all, or others.

    Args:
        days: the dates, a DatetimeIndex.
    """
    days = days[-260:]  # of the last year: markets have given up Saturdays
    counts = np.bincount(days.day_of_week, minlength=7)
    if len(days) < 15:  # too few to tell a holiday from a day without trading
        return (*range(7),) if counts[5:].any() else (*range(5),)
    return (*np.flatnonzero(counts > counts.max() / 4).tolist(),)


def days_a_year(days):
    """On how many days of a year prices are recorded, from a DatetimeIndex: 252, or 365 where it is every day."""
    week = len(weekdays(days))
    return 365 if week == 7 else TRADING_DAYS * week / 5


def _content(name, data_dir, reading):
    """The text of a data set or file, what messages call it, notes on its encoding, and how to read it."""
    if str(name) in BUILT_IN:
        # As text, so that these data sets pass through the same checks as a file.
        return BUILT_IN[str(name)]().to_csv(), str(name), [], local.Reading()
    path = _find(name, data_dir)
    text, notes = local.text(path, reading.encoding)
    return text, str(path), notes, reading


def _table(text, source, notes, reading, ticker):
    """The table in a text, cells without spaces at their ends; and the company that its header names."""
    company = None
    if reading.columns is None:
        text, company = one_header(text, source, ticker)
    table = tables.parse(text, source, KNOWN, reading, notes=notes)
    _require_rows(table, 1)
    if not table.cells.columns.is_unique:
        names = ", ".join(map(str, table.cells.columns[table.cells.columns.duplicated()]))
        raise ValueError(f"{source}: columns must have different names. Received twice: {local.shortened(names)}")
    cells = table.cells.apply(lambda texts: texts.astype(str).str.strip())
    if "Ticker" in cells and cells["Ticker"].nunique() > len(cells) / 2 and _is_numeric(cells["Ticker"]):
        cells = cells.rename(columns={"Ticker": table.names["Ticker"]})  # prices of a company called Stock
    table = _with(table, cells, *([f"of {company}"] if company else []))
    _require_dates(table)
    return table, company


def _with(table, cells, *notes):
    return dataclasses.replace(table, cells=cells, notes=[*table.notes, *notes])


def _paths(names, data_dir):
    """The paths that a name stands for: its own, those of a folder's files, or those that commas separate."""
    names, paths = str(names), []
    if names not in BUILT_IN:
        with contextlib.suppress(FileNotFoundError):
            names = str(_find(names, data_dir))
            paths = [names]
    for name in paths or [name.strip() for name in names.split(",") if name.strip()] or [names]:
        path = name if name in BUILT_IN else _find(name, data_dir)
        if name in BUILT_IN or not path.is_dir():
            yield path
            continue
        files = [file for file in sorted(path.iterdir()) if file.is_file() and not file.name.startswith((".", "_"))]
        if not files:
            raise ValueError(f"{path}: a folder of price files is needed. Received: a folder without files")
        yield from files


def _find(name, data_dir):
    path = pathlib.Path(name).expanduser()
    candidates = [path]
    if data_dir is not None and not path.is_absolute():
        candidates.append(pathlib.Path(data_dir).expanduser() / path)
    for candidate in candidates:
        if candidate.exists():
            return candidate.absolute() if str(candidate) in BUILT_IN else candidate  # ./nasdaq is not nasdaq
    raise FileNotFoundError(
        f"No prices at {' or '.join(map(str, candidates))}. "
        f'Pass "sp500", "nasdaq" or the path of a CSV file. Received: {str(name)!r}'
    )


# --------------------------------------------------------------------------------------------- which column, which rows


def _require_rows(table, number, which=""):
    if len(table.cells) < number:
        raise ValueError(f"{table.source}: at least {number} rows are needed. Received: {len(table.cells)} rows{which}")


def _require_dates(table):
    width = len(table.cells.columns)
    how = f"name all {width} columns with --columns, such as {EXAMPLES.get(width, EXAMPLES[7])}"
    table.require(
        ["Date"], f"call the column of dates Date, or {how}" if table.header else f"there is no header; {how}"
    )


def _companies(table):
    """The names of a table's series: those in its column Ticker, or of a column each; none where it has one series."""
    cells = table.cells
    if "Ticker" in cells:
        return sorted(cells["Ticker"].unique())
    if {"Close", "Adj Close", *PRICES} & {*cells}:
        return []
    numeric = _own_numbers(cells)
    return numeric if len(numeric) > 1 else []


def _own_numbers(cells):
    """The columns of numbers whose names are not known."""
    return [name for name in cells if name not in (*KNOWN, *ADDED) and _is_numeric(cells[name])]


def _chosen(table, column, ticker):
    """The table with the rows of one company, and the name of its column of prices."""
    cells = table.cells
    companies = _companies(table)
    if "Ticker" in cells:
        if ticker is None and len(companies) == 1:
            ticker = companies[0]
        if ticker not in companies:
            raise ValueError(several(table.source, companies, ticker))
        table = _with(table, cells[cells["Ticker"] == ticker], *([f"of {ticker}"] if len(companies) > 1 else []))
    elif ticker is not None and (name := _named(table, ticker)) is not None:
        return _with(table, cells, f"prices of {name}"), name
    elif ticker is not None:
        raise ValueError(
            f"{table.source}: there is no Ticker column and no column of that name; do not pass --ticker. "
            f"Received: {ticker!r}"
        )
    if column is not None:
        if (name := _named(table, column)) is None:
            _require_column(table, column)
    elif (name := next((n for n in ("Close", "Adj Close") if n in cells), None)) is None:
        if companies:
            raise ValueError(several(table.source, companies, ticker, "several companies, a column each"))
        numeric = _own_numbers(cells)
        if len(numeric) != 1:
            _require_column(table, "Close")
        (name,) = numeric
    return _with(table, table.cells, f"prices from {table.names.get(name, name)!r}"), name


def _require_column(table, name):
    own = dataclasses.replace(table, cells=table.cells.drop(columns=[*ADDED]))
    own.require([name], "name the column of prices with --column")


def _named(table, name):
    """The column of a name, as the file writes it, or else in upper or lower case; None if there is none."""
    ours = {own: canonical for canonical, own in table.names.items()}
    for names in (ours, {n: n for n in table.cells}):
        if name in names:
            return names[name]
    return next((ours.get(n, n) for n in (*ours, *table.cells) if str(n).casefold() == name.casefold()), None)


def _is_numeric(texts):
    recorded = [text for text in texts.unique()[:50].tolist() if text.casefold() not in decimals.NOT_RECORDED]
    return sum(bool(re.fullmatch(r"\W*\d[\d\W]*[kmbt]?", text, re.IGNORECASE)) for text in recorded) > len(recorded) / 2


def _with_prices(table, name):
    """The table without rows that hold no price at all, which are counted: holidays, dividends and splits."""
    cells = table.cells
    columns = cells[[n for n in dict.fromkeys((name, *(PRICES if name in KNOWN else ()))) if n in cells]]
    action = columns.apply(lambda texts: texts.str.contains(ACTION, case=False)).any(axis=1)
    price = columns.apply(lambda texts: decimals.is_recorded(texts) & ~texts.str.contains(ACTION, case=False))
    empty = ~price.any(axis=1)
    notes = [_counted(empty & ~action, "without a price"), _counted(empty & action, "of a dividend or split")]
    if empty.all():
        raise ValueError(
            f"{table.source}: no prices in the column {table.names.get(name, name)!r}; name another with --column. "
            f"Received: {local.shortened([*cells.iloc[0]])}"
        )
    return _with(table, cells[~empty], *filter(None, notes))


def _counted(rows, what):
    number = int(rows.sum())
    return f"{number:,} row{'s' * (number != 1)} {what} left out" if number else None


# ----------------------------------------------------------------------------------------------------------------- days


def _dated(table, form):
    """The table with the columns `when`, dates, and `time`, texts of the times of day; and how a date is written."""
    days, how = dates.read(table.cells["Date"], table.source, form)
    times = days["time"] + (" " + table.cells["Time"] if "Time" in table.cells else "")
    return _with(table, table.cells.assign(when=days["day"], time=times), how), how


def _in_order(table, by_day):
    """The table with its oldest row first, and with one row for each day unless rows are to be joined by day."""
    when = table.cells["when"]
    if len(when) and when.iloc[0] > when.iloc[-1]:
        table = _with(table, table.cells[::-1], "newest first: reversed")
        when = table.cells["when"]
    latest = when.cummax().shift()
    table = table.without(
        when < latest, "the date is out of order; sort the rows by date, with one row for each day", table.cells["Date"]
    )
    twice = table.cells["when"].duplicated()
    if not twice.any() or by_day:
        return table
    line = table.cells.index[twice][0]
    first = table.cells.index[table.cells["when"] == table.cells["when"][line]][0]
    one, other = table.cells.loc[first], table.cells.loc[line]
    if one["time"] != other["time"]:
        raise ValueError(
            f"{table.source}, line {line}: several rows a day, with different times; keep one row for each day, or "
            f"join those of a day with --by-day. Received: {local.shortened(other['Date'])!r} after line {first}"
        )
    return table.without(twice, _why_twice(one, other, first), table.cells["Date"])


def _why_twice(one, other, first):
    apart = [
        name
        for name in one.index.difference([*KNOWN, *ADDED])
        if one[name] != other[name] and re.search(r"[^\W\d_]", f"{one[name]}{other[name]}")
    ]
    if apart:
        return (
            f"the date occurs twice, with different {apart[0]!r} in line {first}: if these are several companies, call "
            "that column Ticker"
        )
    return f"the date occurs twice, as in line {first}; keep one row for each day"


def _between(table, start, end):
    when = table.cells["when"]
    selected = pd.Series(True, index=when.index)
    if start is not None:
        selected &= when >= _day("start", start)
    if end is not None:
        selected &= when <= _day("end", end)
    table, when = _with(table, table.cells[selected]), when[selected]
    _require_rows(table, 2, f" between start={start} and end={end}")
    _check_daily(when, table.source)
    return table


def _day(name, value):
    """The day of a date or of a text YYYY-MM-DD. Raises ValueError for anything else."""
    error = ValueError(f"`{name}` must be a date written YYYY-MM-DD. Received: {value!r}")
    is_iso_text = isinstance(value, str) and re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value)
    if not (is_iso_text or isinstance(value, datetime.date)):
        raise error
    try:
        day = pd.Timestamp(value)
    except ValueError:
        raise error from None
    if day is pd.NaT or day.tzinfo is not None:
        raise error
    return day.normalize()


def _check_daily(days, source):
    gap = days.diff().median() / pd.Timedelta(days=1)
    if gap > DAILY_GAP:
        raise ValueError(
            f"{source}: daily prices are needed; use a file with a row for each trading day. "
            f"Received: a median gap of {gap:g} days from {days.iloc[0]:%Y-%m-%d} to "
            f"{days.iloc[-1]:%Y-%m-%d}"
        )


# --------------------------------------------------------------------------------------------------------------- prices


def _frame(table, name, form, percent):
    """The prices, indexed by Date, as `read` returns them."""
    table, mark = _with_decimals(table, name, form.decimal, percent)
    table, columns, faults = _numbers(table, name, mark, percent)
    columns.index = pd.DatetimeIndex(table.cells["when"], name="Date")
    frame = columns
    if form.by_day:
        frame = columns.groupby(level="Date").agg({n: BY_DAY[n] for n in columns})
        table = _with(table, table.cells, f"joined to {len(frame):,} days")
    if form.skip_flat_days and {"High", "Low"} <= {*frame}:
        flat = frame["High"] == frame["Low"]
        frame = frame[~flat]
        table = _with(table, table.cells, f"{flat.sum():,} days whose High equals Low left out")
        _require_rows(dataclasses.replace(table, cells=frame), 2, " on other days")
    adjusted = None
    if "Adj Close" in table.cells and name != "Adj Close":
        adjusted = decimals.read(table.cells["Adj Close"], mark).set_axis(columns.index).groupby(level=0).last()
    frame.attrs.update(source=table.source, faults=faults, understood=())
    if table.source not in BUILT_IN:
        table = _with(table, table.cells, *_calendar(frame.index))
        frame.attrs["understood"] = (table.understood(), *_jumps(frame["Close"], adjusted, table.source))
    return frame


def _with_decimals(table, name, asked, percent):
    """The table with a note, and what stands before decimals in it."""
    prices = [*dict.fromkeys((name, *(n for n in PRICES if n in table.cells)))]
    volume = [n for n in ("Volume",) if n in table.cells]
    mark = asked or decimals.mark(table.cells[prices], table.cells[volume], table.source, percent)
    return _with(table, table.cells, *(["decimal commas"] if mark == "comma" else [])), mark


def _numbers(table, name, mark, percent):
    """The table without rows that cannot be used, its numbers by line, and its faults as `read` returns them."""
    closes = decimals.read(table.cells[name], mark, percent)
    why = f"{table.names.get(name, name)} {A_PRICE}"
    table = table.without(~closes.between(LOWEST, HIGHEST), why, table.cells[name])
    optional = {n: decimals.read(table.cells[n], mark) for n in OPTIONAL_COLUMNS if n in table.cells}
    faulty = {n: _faulty(table.cells[n], values) for n, values in optional.items()}
    bad = faulty.get("High", False) | faulty.get("Low", False)
    if table.skip_bad_rows and np.any(bad):  # otherwise only the volatility target minds
        table = table.without(bad, f"High and Low {A_PRICE}")
    _require_rows(table, 2, " without the bad ones")
    columns = pd.DataFrame({"Close": closes} | optional).loc[table.cells.index]
    faulty = {n: rows[table.cells.index] for n, rows in faulty.items()}
    lines = {n: rows.idxmax() for n, rows in faulty.items() if rows.any()}
    return (
        table,
        columns,
        {n: (int(line), table.cells["when"][line], table.cells[n][line]) for n, line in lines.items()},
    )


def _calendar(days):
    """A note where prices are recorded on other days than from Monday to Friday."""
    week = weekdays(days)
    if {5, 6}.isdisjoint(week):
        return []
    return ["traded every day" if len(week) == 7 else f"traded {' '.join(WEEK[day] for day in week)}"]


def _faulty(texts, values):
    """Which entries are present but cannot be a price, or a volume."""
    return ~((values <= 0) | values.between(LOWEST, HIGHEST)) & decimals.is_recorded(texts)


def _jumps(closes, adjusted, source):
    """Lines that point out days on which the price changed as by a split of shares that it is not adjusted for.

    Args:
        closes: the prices by date.
        adjusted: a Series of the adjusted prices, or None. Days on which these changed as much had no split.
    """
    days = _split_days(closes)
    if adjusted is not None:
        days = days[~days.index.isin(_split_days(adjusted).index)]
    if days.empty:
        return ()
    day, ratio = days.index[0], days.iloc[0]
    split = f"{1 / ratio:.0f}-for-1" if ratio < 1 else f"1-for-{ratio:.0f}"
    more = f" (and {len(days) - 1:,} more such days)" if len(days) > 1 else ""
    advice = "use adjusted prices" + ("" if adjusted is None else ', with --column "Adj Close"')
    return (
        f"warning: {source}: {100 * (ratio - 1):+,.0f} % on {day:%Y-%m-%d}{more}, like a {split} split of shares that "
        f"the prices are not adjusted for. If it was one, {advice}.",
    )


def _split_days(closes):
    """The ratios of prices to the day before, by date, where shares may have been split."""
    ratio = closes / closes.shift()
    times = np.maximum(ratio, 1 / ratio)
    return ratio[(times > 1 / (1 - SPLIT)) & (np.abs(np.log(times / times.round())) < 0.08)]
