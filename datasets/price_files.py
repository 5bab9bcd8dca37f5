"""Reads daily prices from CSV files; error messages name the line at fault."""

import datetime
import gzip
import io
import pathlib
import re
import zlib

import pandas as pd
from arch.data import sp500

OPTIONAL_COLUMNS = ("Open", "High", "Low", "Volume")
NOT_RECORDED = ("", "-", "n/a", "na", "nan", "none", "null")
# Far beyond any price, but close enough to 1 that no ratio or square of prices overflows.
LOWEST, HIGHEST = 1e-100, 1e100
DAILY_GAP = 4  # days; the median gap between trading days, holidays included, is shorter in every market


def read(name_or_path="sp500", data_dir=None, column="Close", ticker=None, start=None, end=None):
    """Reads daily prices.

    Args:
        name_or_path: "sp500" for the S&P 500 from 1999 to 2018, which is part of the `arch` package, or the path of a
            CSV file, plain or gzipped, in UTF-8, with the columns of Yahoo Finance: Date (YYYY-MM-DD, ascending) and
            Close, and optionally Open, High, Low and Volume.
        data_dir: folder in which a relative path is searched for.
        column: the column to use as the close, for example "Adj Close".
        ticker: the series to read from a file with a Ticker column.
        start, end: first and last date to read, as text (YYYY-MM-DD) or as a date without a time zone. Prices before
            and after them are not checked.

    Returns:
        A float64 DataFrame, indexed by Date, with Close and those of Open, High, Low and Volume that the file has;
        entries of these four that are not numbers are NaN. `attrs["source"]` names the file or data set.
        `attrs["faults"]` is a dict from names of these four columns to the line, date and text of the first entry
        that is present but cannot be a price.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file cannot be used; the message names the line at fault.
    """
    source, text = _open(name_or_path, data_dir)
    _check_separator(text, ["Date", column], source)
    table = _parse(text, source)
    _require(table, ["Date", column], source)
    table = _one_ticker(table, ticker, source)
    table = _between(_dated(table, source), start, end)
    if len(table) < 2:
        raise ValueError(
            f"{source}: at least 2 rows are needed for a return. "
            f"Received: {len(table)} rows between start={start} and end={end}"
        )
    _check_daily(table["when"], source)
    return _frame(table, column, source)


def not_a_price(source, line, column, text):
    """The error for an entry that is not a price."""
    hint = ", no thousands separators" if "," in text else ""
    return ValueError(
        f"{source}, line {line}: {column} must be a positive number from 1e-100 to 1e100"
        f"{hint}; correct it, delete the row, or exclude it with `start` or `end`. "
        f"Received: {text!r}"
    )


def _frame(table, column, source):
    """The prices, indexed by Date, as `read` returns them."""
    frame, faults = pd.DataFrame({"Close": _closes(table, column, source)}), {}
    for name in OPTIONAL_COLUMNS:
        if name not in table:
            continue
        frame[name] = values = pd.to_numeric(table[name], errors="coerce").astype("float64")
        usable = (values <= 0) | values.between(LOWEST, HIGHEST)
        bad = table.index[~usable & ~table[name].str.casefold().isin(NOT_RECORDED)]
        if len(bad):
            faults[name] = int(bad[0]), table["when"][bad[0]], table[name][bad[0]]
    frame.index = pd.DatetimeIndex(table["when"], name="Date")
    frame.attrs.update(source=source, faults=faults)
    return frame


def _open(name, data_dir):
    """The name and the text of the data set or file."""
    if str(name) == "sp500":
        # As text, so that this data set passes through the same checks as a file.
        return "sp500", sp500.load().to_csv()
    path = _find(name, data_dir)
    return str(path), _text(path)


def _find(name, data_dir):
    path = pathlib.Path(name).expanduser()
    candidates = [path]
    if data_dir is not None and not path.is_absolute():
        candidates.append(pathlib.Path(data_dir).expanduser() / path)
    for candidate in candidates:
        if candidate.is_dir():
            raise ValueError(f"Prices are read from one CSV file. Received: the folder {candidate}")
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(
        f"No prices at {' or '.join(map(str, candidates))}. "
        f'Pass "sp500" or the path of a CSV file. Received: {str(name)!r}'
    )


def _text(path):
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        try:
            data = gzip.decompress(data)
        except (EOFError, OSError, zlib.error) as error:
            raise ValueError(
                f"{path}: the gzip file is truncated or damaged; download it again. Received: {error}"
            ) from error
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}, line {data.count(10, 0, error.start) + 1}: not UTF-8 text; save the table "
            f"as a CSV file in UTF-8. Received: byte 0x{data[error.start]:02x}"
        ) from error
    if "\0" in text:
        raise ValueError(
            f"{path}, line {text[: text.index(chr(0))].count(chr(10)) + 1}: a binary file; save the "
            "table as a CSV file. Received: a zero byte"
        )
    return text


def _check_separator(text, names, source):
    header = text.lstrip("\ufeff").partition("\n")[0].strip("\r")
    if "," not in header and (";" in header or "\t" in header):
        raise ValueError(
            f"{source}, line 1: no column {', '.join(names)}; is the separator a comma? Received: {header!r}"
        )


def _parse(text, source):
    """All fields as text, indexed by the line number in the file."""
    if not text.strip():
        raise ValueError(f"{source}: prices are needed. Received: an empty file")
    try:
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, skip_blank_lines=False)
    except pd.errors.ParserError as error:
        found = re.search(r"line (\d+)", str(error))
        place = f", line {found[1]}" if found else ""
        raise ValueError(f"{source}{place}: not a valid row of a CSV file. Received: {error}") from error
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes surplus fields for an index
        raise ValueError(
            f"{source}, line 2: a row has more fields than the header has names. Received: {len(table.columns)} names"
        )
    table.columns = table.columns.str.strip()
    names = pd.read_csv(io.StringIO(text), header=None, nrows=1, dtype=str).iloc[0].dropna().str.strip()
    if repeated := [*names[names.duplicated()]]:  # `table` hides them: pandas appends a number to the second name
        raise ValueError(f"{source}, line 1: columns must have different names. Received twice: {', '.join(repeated)}")
    table.index += 2  # the header is line 1
    table = table.fillna("").apply(lambda fields: fields.str.strip())
    return table[(table != "").any(axis=1)]


def _require(table, names, source):
    missing = [name for name in names if name not in table]
    if missing:
        wanted = [name.casefold() for name in missing]
        similar = [repr(name) for name in table if name.casefold() in wanted]
        hint = f"; names are case-sensitive: found {', '.join(similar)}" if similar else ""
        raise ValueError(
            f"{source}, line 1: no column {', '.join(missing)}{hint}. Received: the columns {', '.join(table.columns)}"
        )
    if table.empty:
        raise ValueError(f"{source}: prices are needed. Received: a header with no rows")


def _one_ticker(table, ticker, source):
    if "Ticker" not in table:
        if ticker is not None:
            raise ValueError(f"{source}: there is no Ticker column; do not pass `ticker`. Received: {ticker!r}")
        return table
    tickers = sorted(table["Ticker"].unique())
    if ticker not in tickers:
        raise ValueError(f"{source}: `ticker` must be one of {', '.join(tickers)}. Received: {ticker!r}")
    return table[table["Ticker"] == ticker]


def _dated(table, source):
    """The table with the column `when`, the dates. Raises ValueError if they are not strictly increasing."""
    # Some exports add a time and a UTC offset, which changes with daylight saving time; only the day is used.
    days = table["Date"].str.extract(r"^(\d{4}-\d{2}-\d{2})(?:[T ][\d:.+\- Z]+)?$")[0]
    table = table.assign(when=pd.to_datetime(days, format="%Y-%m-%d", errors="coerce"))
    bad = table.index[table["when"].isna()]
    if len(bad):
        raise ValueError(
            f"{source}, line {bad[0]}: a date must be written YYYY-MM-DD. Received: {table['Date'][bad[0]]!r}"
        )
    steps = table["when"].diff()
    bad = table.index[steps <= pd.Timedelta(0)]
    if len(bad):
        fault = "occurs twice" if steps[bad[0]] == pd.Timedelta(0) else "is out of order"
        raise ValueError(
            f"{source}, line {bad[0]}: the date {fault}; sort the rows by date, with one row "
            f"for each day. Received: {table['Date'][bad[0]]!r}"
        )
    return table


def _between(table, start, end):
    selected = pd.Series(True, index=table.index)
    if start is not None:
        selected &= table["when"] >= _day("start", start)
    if end is not None:
        selected &= table["when"] <= _day("end", end)
    return table[selected]


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


def _closes(table, column, source):
    closes = pd.to_numeric(table[column], errors="coerce").astype("float64")
    bad = table.index[~closes.between(LOWEST, HIGHEST)]
    if len(bad):
        raise not_a_price(source, bad[0], column, table[column][bad[0]])
    return closes
