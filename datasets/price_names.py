"""What the columns of price files are called, and headers of several lines."""

import csv
import io
import re

from datasets import local

# Canonical names of columns and, in lower case, what programs and exchanges call them, the best first
KNOWN = {
    "Date": (
        *("datetime", "observation_date", "trade date", "trade_date", "day", "datum", "fecha", "data", "tarih", "дата"),
        *("snapped_at", "timestamp", "time", "open time", "open_time", "opentime", "unix", "unixtime", "index"),
        *("unnamed: 0", "column 1", ""),  # an index without a name
    ),
    "Time": ("hour", "uhrzeit"),
    "Ticker": ("symbol", "tic", "act_symbol", "code", "stock", "name", "instrument", "company", "security"),
    "Close": (
        *("close*", "close price", "close/last", "close_price", "closing price", "price", "last", "last price"),
        *("4. close", "schlusskurs", "schluss", "zuletzt", "dernier", "clôture", "cierre", "último", "ultimo"),
        *("chiusura", "fechamento", "zamkniecie", "zamknięcie", "цена"),
    ),
    "Adj Close": ("adj close**", "adj. close", "adj_close", "adjclose", "adjusted close", "adjusted_close"),
    "Open": (
        *("open price", "open_price", "1. open", "erster", "eröffnung", "eröffn.", "ouv.", "ouverture"),
        *("apertura", "abertura", "otwarcie"),
    ),
    "High": (
        *("high price", "high_price", "2. high", "hoch", "höchst", "plus haut", "máximo", "máxima", "massimo"),
        *("najwyzszy", "najwyższy"),
    ),
    "Low": (
        *("low price", "low_price", "3. low", "tief", "tiefst", "plus bas", "mínimo", "mínima", "minimo"),
        *("najnizszy", "najniższy"),
    ),
    "Volume": ("vol", "vol.", "5. volume", "tickvol", "volumen", "wolumen", "stücke"),
}
CANONICAL = {alias: name for name, aliases in KNOWN.items() for alias in (*reversed(aliases), name.casefold())}
HEADER = 40  # the header stands in the first lines
PAIR = r"\('(.*)', '(.*)'\)"  # a column ('Close', 'AAPL') of pandas


def one_header(text, source, ticker=None):
    """The text of a table with one line of names where the header has several, or stands below other lines.

    Lines keep their numbers. Of a header that has a line of companies, columns of others than the one chosen get both
    names.

    Args:
        text, source: the file's.
        ticker: the company to choose, in a header that names several.

    Returns the text, and the company that was chosen or None.

    Raises ValueError if there are several companies, and `ticker` is none of them.
    """
    start, rest, rows = _start(text)
    levels = _levels(rows)
    if levels:
        number = max(levels)
        names, company = _joined([rows[i] for i in sorted(levels)], f"{source}, line {number + 1}", ticker)
        header = io.StringIO()
        csv.writer(header, delimiter=_separator(start[number]), lineterminator="").writerow(names)
        return "\n".join([""] * number + [header.getvalue()] + start[number + 1 :] + rest), company
    number = next((i for i, row in enumerate(rows) if _is_header(row)), 0)
    if any(len(row) >= len(rows[number]) for row in rows[:number]):
        return text, None  # no lines of another kind, but a table's
    return "\n".join([""] * number + start[number:] + rest), None


def header_companies(text):
    """The companies that a header of several lines names, in its order; none where it is of another kind."""
    _, _, rows = _start(text)
    levels = _levels(rows)
    return _companies(*_roles([rows[i] for i in sorted(levels)])) if levels else []


def _start(text):
    """The first lines of a text, the remaining ones, and the fields of the first."""
    lines = text.split("\n", HEADER)
    return lines[:HEADER], lines[HEADER:], [_fields(line) for line in lines[:HEADER]]


def _fields(line):
    try:
        return [field.strip() for field in next(csv.reader([line.strip("\r\ufeff")], delimiter=_separator(line)), [])]
    except csv.Error:
        return []


def _separator(line):
    return max(local.SEPARATORS.values(), key=line.count)


def _known(name):
    return CANONICAL.get(name.strip("<> ").casefold()) if name else None


def _is_header(row):
    return len(row) > 1 and any(_known(name) == "Date" for name in row) and not any(map(_is_number, row))


def _is_number(text):
    return re.fullmatch(r"[\d.,:/ -]*\d[\d.,:/ -]*", text) is not None


def _levels(rows):
    """The numbers of the lines that make up a header of several lines, or of pandas' pairs; else none."""
    block = {}
    for number, row in enumerate(rows[:8]):
        if not any(row):
            continue
        if len(row) < 2 or any(map(_is_number, row)) or re.search(r"\d", row[0]):
            break
        block[number] = row
    widths = {len(row) for row in block.values()}
    has_date = any(_known(name) == "Date" for row in block.values() for name in row[:2])
    if len(widths) != 1 or not has_date:
        return {}
    has_pairs = any(re.fullmatch(PAIR, name) for row in block.values() for name in row)
    return block if len(block) > 1 or has_pairs else {}


def _weight(row):
    """How many names of a row are those of prices."""
    return sum(_known(name) not in (None, "Date", "Time", "Ticker") for name in row)


def _roles(rows):
    """Of a header's lines, by column: the names of prices, the companies, and whether it holds dates."""
    pairs = [re.fullmatch(PAIR, name) for name in rows[0]]
    if any(pairs):
        rows = [[pair[i] if pair else name * (i == 1) for pair, name in zip(pairs, rows[0])] for i in (1, 2)]
    fields = max(rows, key=_weight)
    dates = [any(_known(row[i]) == "Date" for row in rows) for i in range(len(fields))]
    owners = next((row for row in rows if row is not fields and any(row[1:])), [""] * len(fields))
    return fields, owners, dates


def _companies(fields, owners, dates):
    return [*dict.fromkeys(owner for owner, is_date in zip(owners, dates) if owner and not is_date)]


def _joined(rows, place, ticker):
    """One name for each column from the lines of a header, and the company chosen or None."""
    fields, owners, dates = _roles(rows)
    companies = _companies(fields, owners, dates)
    if ticker is None and len(companies) == 1:
        (ticker,) = companies
    if companies and ticker not in companies:
        raise ValueError(several(place, companies, ticker))
    names = [
        "Date" if is_date else field if owner in ("", ticker) else f"{field} {owner}"
        for field, owner, is_date in zip(fields, owners, dates)
    ]
    return names, ticker if companies else None


def several(place, companies, ticker, what="several companies", most=10):
    """The message that asks which of several companies to read."""
    more = f", … ({len(companies):,} in all)" if len(companies) > most else ""
    listed = ", ".join(map(local.shortened, companies[:most]))
    return f"{place}: {what}; --ticker must be one of {listed}{more}. Received: {ticker!r}"
