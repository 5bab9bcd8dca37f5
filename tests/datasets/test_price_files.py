"""Prices from CSV files, and the messages about files that cannot be used."""

import datetime
import gzip
import pathlib
import re
import tempfile

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import prices, tables
from datasets.local import Reading

STOCKS = pathlib.Path(__file__).parents[3] / "shared" / "data" / "stocks"
CASES = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "cases"
needs_stocks = pytest.mark.skipif(not STOCKS.is_dir(), reason="the folder ../shared/data with real prices is missing")
HEADER = "Date,Open,High,Low,Close,Adj Close,Volume"
SKIP = prices.Form(reading=Reading(skip_bad_rows=True))
GOOD = ["2020-01-02,10,12,9,11,5.5,100", "2020-01-03,11,13,10,12,6,200", "2020-01-06,12,12.5,11,11.5,5.75,300"]


def write(folder, lines, name="prices.csv"):
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_the_built_in_index():
    frame = prices.read()
    assert len(frame) == 5031
    assert list(frame.columns) == ["Close", "Open", "High", "Low", "Volume"]
    assert set(frame.dtypes.astype(str)) == {"float64"}
    assert frame.index.name == "Date"
    assert frame.index[0] == pd.Timestamp("1999-01-04")
    assert frame.index[-1] == pd.Timestamp("2018-12-31")
    assert frame.loc["2018-12-31", "Close"] == pytest.approx(2506.85, abs=0.005)


def test_a_csv_file(tmp_path):
    frame = prices.read(write(tmp_path, [HEADER, *GOOD]))
    assert frame["Close"].tolist() == [11, 12, 11.5]
    assert frame["High"].tolist() == [12, 13, 12.5]
    assert frame["Volume"].tolist() == [100, 200, 300]
    assert frame.attrs["source"] == str(tmp_path / "prices.csv")


def test_gzip_data_dir_blank_lines_byte_order_mark_and_dates_with_times(tmp_path):
    lines = ["\ufeffDate,Close", "2020-03-06 00:00:00-05:00,1", "", "2020-03-09T00:00:00-04:00,2", "", ""]
    with gzip.open(tmp_path / "p.csv.gz", "wt", encoding="utf-8") as file:
        file.write("\r\n".join(lines))
    frame = prices.read("p.csv.gz", data_dir=tmp_path)
    assert list(frame.columns) == ["Close"]
    assert frame.index.tolist() == [pd.Timestamp("2020-03-06"), pd.Timestamp("2020-03-09")]


def test_another_column(tmp_path):
    frame = prices.read(write(tmp_path, [HEADER, *GOOD]), column="Adj Close")
    assert frame["Close"].tolist() == [5.5, 6, 5.75]


def test_start_and_end_are_included_and_invalid_prices_outside_are_ignored(tmp_path):
    path = write(tmp_path, [HEADER, "2020-01-01,0,0,0,null,0,0", *GOOD, "2020-01-07,0,0,0,0,0,0"])
    frame = prices.read(path, start="2020-01-02", end="2020-01-06")
    assert frame["Close"].tolist() == [11, 12, 11.5]


def test_a_file_of_several_tickers(tmp_path):
    rows = [f"B,{row}" for row in GOOD] + [f"A,{row}" for row in GOOD[:2]]
    path = write(tmp_path, ["Ticker," + HEADER, *rows])
    assert len(prices.read(path, ticker="B")) == 3
    assert len(prices.read(path, ticker="A")) == 2
    for ticker in (None, "C"):
        with pytest.raises(ValueError, match=rf"must be one of A, B\. Received: {ticker!r}"):
            prices.read(path, ticker=ticker)
    rows[4] = "A,2020-01-02,1,1,1,1,1,1"
    path = write(tmp_path, ["Ticker," + HEADER, *rows])
    with pytest.raises(ValueError, match="line 6: the date occurs twice"):
        prices.read(path, ticker="A")
    assert len(prices.read(path, ticker="B")) == 3


def test_a_ticker_for_a_file_without_tickers(tmp_path):
    with pytest.raises(ValueError, match="no Ticker column .*do not pass --ticker. Received: 'A'"):
        prices.read(write(tmp_path, [HEADER, *GOOD]), ticker="A")


@pytest.mark.parametrize(
    "row, message",
    [
        ("02/01/2020,1,1,1,1,1,1", r"a date from 1700 to 2200 is needed \(dates as year-month-day\).*: 02/01/2020"),
        ("2020-13-01,1,1,1,1,1,1", r"a date .* is needed .*Received: 2020-13-01"),
        ("9999-12-31,1,1,1,1,1,1", r"a date from 1700 to 2200 is needed .*Received: 9999-12-31"),
        ("2020-01-07junk,1,1,1,1,1,1", r"a date .* is needed .*Received: 2020-01-07junk"),
        (",1,1,1,1,1,1", r"a date .* is needed .*Received: "),
        ("2020-01-07,1,1,1,abc,1,1", r"Close must be a positive number.*Received: abc"),
        ("2020-01-07,1,1,1,,1,1", r"Close must be a positive number.*Received: "),
        ("2020-01-07,1,1,1,0,1,1", r"Close must be a positive number.*Received: 0"),
        ("2020-01-07,1,1,1,-3,1,1", r"Close must be a positive number.*Received: -3"),
        ("2020-01-07,1,1,1,inf,1,1", r"Close must be a positive number.*Received: inf"),
        ("2020-01-07,1,1,1,1e101,1,1", r"Close must be .* from 1e-100 to 1e100.*: 1e101"),
        ("2020-01-07,1,1,1,1e-101,1,1", r"Close must be .* from 1e-100 to 1e100.*: 1e-101"),
        ("2020-01-07,1,1,1,5 %,1,1", r"Close must be a positive number.*Received: 5 %"),
        ('2020-01-07,1,1,1,"4,98",1,1', r"Close must be a positive number.*Received: 4,98"),
        ("2020-01-07", r"a row must have 7 fields.*Received: 2020-01-07"),
        ("2020-01-03,1,1,1,1,1,1", r"the date is out of order.*Received: 2020-01-03"),
        ("2020-01-06,1,1,1,1,1,1", r"the date occurs twice, as in line 4; keep one row .*Received: 2020-01-06"),
        ("2020-01-07,1,1,1,1,1,1,9", r"a row must have 7 fields"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, message):
    path = write(tmp_path, [HEADER, *GOOD, row])
    with pytest.raises(ValueError, match=f"prices.csv, line 5: {message}"):
        prices.read(path)
    frame = prices.read(path, form=SKIP)
    assert frame["Close"].tolist() == [11, 12, 11.5]
    assert "1 rows left out" in frame.attrs["understood"][0]


def test_blank_lines_count_as_lines(tmp_path):
    path = write(tmp_path, [HEADER, "", GOOD[0], "", "2020-01-03,1,1,1,x,1,1"])
    with pytest.raises(ValueError, match="line 5: Close"):
        prices.read(path)


@pytest.mark.parametrize(
    "lines, message",
    [
        (["Date,Open", "2020-01-02,1"], r"no column Close; name .* with --column\. Received: Date, Open"),
        (["2020-01-02,1", "2020-01-03,1"], r"no column Date; there is no header; .* --columns, such as Date,Close\."),
        (["Open,Close", "1,1", "2,2"], r"no column Date; call the column of dates Date"),
        ([""], r"Received: an empty file"),
        ([HEADER], r"Received: a header alone"),
        ([HEADER, GOOD[0]], r"at least 2 rows are needed.*Received: 1 rows"),
        (["Date,Close", "2020-01-02,1,5", "2020-01-03,1,5"], r"line 2 .* a row must have 2 fields"),
        (["Date,Close, Close", "2020-01-02,1,5", "2020-01-03,1,5"], r"line 1: columns .* Received twice: Close"),
        (["Date,Close,Date", "2020-01-02,1,5", "2020-01-03,1,5"], r"line 1: columns .* Received twice: Date"),
        (["Date,Close", "2020-01-02,", "2020-01-03,null"], r"no prices in the column 'Close'; name another"),
    ],
)
def test_a_bad_file_is_explained(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        prices.read(write(tmp_path, lines))


def test_a_missing_column_that_was_asked_for(tmp_path):
    with pytest.raises(ValueError, match="no column Settle; name .* Received: Date, Open"):
        prices.read(write(tmp_path, [HEADER, *GOOD]), column="Settle")


def test_files_that_are_not_text(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(b"Date,Close\n2020-01-02,1\n2020-01-03,\xe9\n")
    with pytest.raises(ValueError, match="line 3: not UTF-8. Name .* --encoding.*Received: byte 0xe9"):
        prices.read(path)
    path.write_bytes(b"Date,Close\nPK\x03\x04\0\0")
    with pytest.raises(ValueError, match="line 2: a text file is needed"):
        prices.read(path)


def test_a_truncated_and_a_damaged_gzip_file(tmp_path):
    compressed = gzip.compress("\n".join([HEADER, *GOOD]).encode())
    path = tmp_path / "p.csv.gz"
    path.write_bytes(compressed[:-12])
    with pytest.raises(ValueError, match="p.csv.gz is damaged"):
        prices.read(path)
    path.write_bytes(compressed[:20] + b"\xff\xff\xff" + compressed[23:])
    with pytest.raises(ValueError, match="p.csv.gz is damaged"):
        prices.read(path)


def test_a_folder_and_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="A file is needed. Received: .* a folder"):
        prices.read(tmp_path)
    with pytest.raises(FileNotFoundError, match="No prices at .*none.csv or .*none.csv. Pass"):
        prices.read("none.csv", data_dir=tmp_path)


@pytest.mark.parametrize(
    "value",
    [
        "soon",
        "",
        "today",
        "2015",
        "20150601",
        "2015-06-01T00:00Z",
        "2015-06-01 ",
        "2015-02-30",
        2015,
        pd.NaT,
        pd.Timestamp("2015-06-01", tz="UTC"),
    ],
)
def test_a_start_and_an_end_that_are_not_dates(tmp_path, value):
    path = write(tmp_path, [HEADER, *GOOD])
    for name in ("start", "end"):
        with pytest.raises(ValueError, match=f"`{name}` must be a date written YYYY-MM-DD") as error:
            prices.read(path, **{name: value})
        assert str(error.value).endswith(f"Received: {value!r}")


@pytest.mark.parametrize(
    "day", ["2020-01-03", datetime.date(2020, 1, 3), pd.Timestamp("2020-01-03"), datetime.datetime(2020, 1, 3, 16)]
)
def test_a_start_and_an_end_in_every_form(tmp_path, day):
    path = write(tmp_path, [HEADER, *GOOD])
    assert prices.read(path, start=day)["Close"].tolist() == [12, 11.5]
    assert prices.read(path, end=day)["Close"].tolist() == [11, 12]


def test_prices_that_are_not_daily(tmp_path):
    days = pd.date_range("2020-01-03", periods=30, freq="7D")
    path = write(tmp_path, ["Date,Close", *(f"{day:%Y-%m-%d},1" for day in days)])
    with pytest.raises(
        ValueError, match="daily prices are needed; .* Received: a median gap of 7 days from 2020-01-03 to 2020-07-24"
    ):
        prices.read(path)
    days = pd.date_range("2020-01-03", periods=30, freq="4D")
    path = write(tmp_path, ["Date,Close", *(f"{day:%Y-%m-%d},1" for day in days)])
    assert len(prices.read(path)) == 30


@pytest.mark.parametrize(
    "high, low, message",
    [
        ('"4,98x"', "9", r"line 3: High must be .*: '4,98x'"),
        ("12", "9x", r"line 3: Low must be a positive number from 1e-100 to 1e100; .*Received: '9x'"),
        ("x", "y", r"line 3: High must be .*Received: 'x'"),
        ("1e101", "9", r"line 3: High must be .* from 1e-100 to 1e100; .*Received: '1e101'"),
        ("12", "1e-101", r"line 3: Low must be .*Received: '1e-101'"),
        ("1e400", "9", r"line 3: High must be .*Received: '1e400'"),
        ("", "9", r"2020-01-03: .*needs .* High >= Low > 0; .*Received: High nan, Low 9.0"),
        ("null", "NaN", r"2020-01-03: .*needs .* High >= Low > 0; .*Received: High nan, Low nan"),
        ("12", "0", r"2020-01-03: .*needs .* High >= Low > 0; .*Received: High 12.0, Low 0.0"),
    ],
)
def test_a_high_or_low_that_is_not_a_price_is_an_error_for_volatility_only(tmp_path, high, low, message):
    rows = [GOOD[0], f"2020-01-03,,{high},{low},12,,", "2020-01-06,x,z,11,11.5,,y"]
    path = write(tmp_path, [HEADER, *rows])
    assert len(prices.features(prices.read(path), "price")) == 2
    frame = prices.read(path, end="2020-01-03")
    with pytest.raises(ValueError, match=message):
        prices.features(frame, "volatility")
    frame.loc["2020-01-03", ["High", "Low"]] = [13, 10]  # corrected entries are no longer reported
    assert len(prices.features(frame, "volatility")) == 1


@needs_stocks
def test_one_ticker_of_many(monkeypatch):
    parse, parsed = tables.parse, {}  # the file is large: it is read twice, but its rows are parsed once

    def parse_once(text, *arguments, **options):
        if text not in parsed:
            parsed[text] = parse(text, *arguments, **options)
        return parsed[text]

    monkeypatch.setattr(tables, "parse", parse_once)
    frame = prices.read("tickers_daily.csv.gz", STOCKS, ticker="AMD")
    assert len(frame) == 5555
    with pytest.raises(ValueError, match="AAPL, ADBE, .* Received: 'GME'"):
        prices.read("tickers_daily.csv.gz", STOCKS, ticker="GME")


# ------------------------------------------------------------------------------------------------ files as they come

DAYS = pd.bdate_range("2021-01-04", periods=30)
CLOSES = [100 + i / 4 for i in range(30)]


def rows(line, newest_first=False):
    """A text with a row for each day: `line(day, price)`."""
    lines = [line(day, price) for day, price in zip(DAYS, CLOSES)]
    return "\n".join(lines[::-1] if newest_first else lines) + "\n"


def plain(day, price):
    return f"{day:%Y-%m-%d},{price},{price},{price},{price},1"


def euros(price):
    return f"{1000 * price:,.2f}".translate(str.maketrans(",.", ".,"))


OHLCV = "Open,High,Low,Close,Volume\n"
FORMS = {
    "three header lines": (
        "Price,Close,High\nTicker,AAPL,AAPL\nDate,,\n" + rows(lambda d, p: f"{d:%Y-%m-%d},{p},1"),
        "of AAPL",
    ),
    "two header lines": ("Date,Close,High\n,AAPL,AAPL\n" + rows(lambda d, p: f"{d:%Y-%m-%d},{p},1"), "of AAPL"),
    "pairs": (
        """Date,"('Close', 'AAPL')","('Open', 'AAPL')"\n""" + rows(lambda d, p: f"{d:%Y-%m-%d},{p},1"),
        "of AAPL",
    ),
    "time zone": ("Date," + OHLCV + rows(lambda d, p: f"{d:%Y-%m-%d} 00:00:00-05:00,1,1,1,{p},1"), "year-month-day"),
    "investing": (
        '"Date","Price","Open","Vol.","Change %"\n'
        + rows(lambda d, p: f'"{d:%m/%d/%Y}","{p:,}","1.00","7.64M","-0.1%"', newest_first=True),
        "dates as month/day/year, prices from 'Price', newest first: reversed, 30 rows",
    ),
    "stooq": (
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<CLOSE>\n" + rows(lambda d, p: f"X,D,{d:%Y%m%d},000000,1,{p}"),
        "yearmonthday",
    ),
    "alpha vantage": ("timestamp,open,close\n" + rows(lambda d, p: f"{d:%Y-%m-%d},1,{p}", True), "newest first"),
    "FRED": (
        "observation_date,SP500\n2021-01-01,.\n" + rows(lambda d, p: f"{d:%Y-%m-%d},{p}"),
        "prices from 'SP500', 1 row without a price left out",
    ),
    "MetaTrader": ("<DATE>\t<OPEN>\t<CLOSE>\n" + rows(lambda d, p: f"{d:%Y.%m.%d}\t1\t{p}"), "tabs"),
    "seconds": ("time,open,close\n" + rows(lambda d, p: f"{d.timestamp():.0f},1,{p}"), "seconds since 1970"),
    "milliseconds": ("unix,close\n" + rows(lambda d, p: f"{d.timestamp() * 1000:.0f},{p}"), "milliseconds since"),
    "exchange": (
        "https://www.example.com\nunix,date,symbol,close\n"
        + rows(lambda d, p: f"{d.timestamp():.0f},{d:%Y-%m-%d} 00:00:00,BTC/USD,{p}", newest_first=True),
        "newest first",
    ),
    "unnamed index": ("," + OHLCV + rows(plain).replace(",1\n", ",2\n"), "prices from 'Close'"),
    "numbered rows": (",Date,Close\n" + rows(lambda d, p: f"{p:.0f},{d:%Y-%m-%d},{p}"), "prices from 'Close'"),
    "spreadsheet": (
        "Datum;Schlusskurs\n" + rows(lambda d, p: f"{d:%d.%m.%Y};{euros(p / 1000)}"),
        "separated by semicolons, dates as day/month/year, prices from 'Schlusskurs', decimal commas, 30 rows",
    ),
    "currency": ("Date,Close/Last\n" + rows(lambda d, p: f"{d:%m/%d/%Y},${p}"), "prices from 'Close/Last'"),
    "named months": ("Date,Close*\n" + rows(lambda d, p: f'"{d:%b %d, %Y}",{p}'), "dates as month day, year"),
    "holidays": (
        "Date," + OHLCV + rows(plain).replace("\n", "\n2021-01-05,,,,,\n", 1),
        "1 row without a price left out",
    ),
    "dividends": (
        "Date,Open,Close\n2021-01-01,0.22 Dividend,\n2021-01-02,4:1 Stock Splits,\n"
        + rows(lambda d, p: f"{d:%Y-%m-%d},1,{p}"),
        "2 rows of a dividend or split left out",
    ),
    "adjusted alone": ("Date,Open,Adj Close\n" + rows(lambda d, p: f"{d:%Y-%m-%d},1,{p}"), "prices from 'Adj Close'"),
    "JSON lines": (
        rows(lambda d, p: f'{{"date": "{d:%Y-%m-%d}", "close": {p}}}'),
        "JSON, dates as year-month-day, prices from 'close'",
    ),
    "a company called Stock": ("Date,Stock\n" + rows(lambda d, p: f"{d:%Y-%m-%d},{p}"), "prices from 'Stock'"),
}


@pytest.mark.parametrize("text, note", FORMS.values(), ids=FORMS)
def test_a_form_is_read_and_said(tmp_path, text, note):
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    frame = prices.read(path)
    assert frame["Close"].tolist() == CLOSES
    assert frame.index.equals(DAYS.rename("Date"))
    (line,) = frame.attrs["understood"]
    assert line.startswith(f"{path}: ") and note in line


def test_two_columns_without_a_header_and_metatraders_seven(tmp_path):
    for line, columns in {
        lambda d, p: f"{d:%Y-%m-%d},{p}": "Date,Close",
        lambda d, p: f"{d:%Y.%m.%d},00:00,1,1,1,{p},5": "Date,Time,Open,High,Low,Close,Volume",
    }.items():
        path = tmp_path / "p.csv"
        path.write_text(rows(line))
        with pytest.raises(ValueError, match=f"no column Date; there is no header; .* --columns, such as {columns}. "):
            prices.read(path)
        frame = prices.read(path, form=prices.Form(Reading(columns=(*columns.split(","),))))
        assert frame["Close"].tolist() == CLOSES


COMPANIES = {
    "Symbol": "Date,Close,Symbol\n" + rows(lambda d, p: f"{d:%Y-%m-%d},{p},A\n{d:%Y-%m-%d},{2 * p},B"),
    "tic": "date,close,tic\n" + rows(lambda d, p: f"{d:%Y-%m-%d},{p},A\n{d:%Y-%m-%d},{2 * p},B"),
    "Name": "date,close,Name\n"
    + rows(lambda d, p: f"{d:%Y-%m-%d},{p},A")
    + rows(lambda d, p: f"{d:%Y-%m-%d},{2 * p},B"),
    "columns": "Date,A,B\n" + rows(lambda d, p: f"{d:%Y-%m-%d},{p},{2 * p}"),
    "unnamed index": ",A,B\n" + rows(lambda d, p: f"{d:%Y-%m-%d},{p},{2 * p}"),
    "header lines": "Price,Close,Close\nTicker,A,B\nDate,,\n" + rows(lambda d, p: f"{d:%Y-%m-%d},{p},{2 * p}"),
}


@pytest.mark.parametrize("text", COMPANIES.values(), ids=COMPANIES)
def test_several_companies_are_asked_for(tmp_path, text):
    path = tmp_path / "p.csv"
    path.write_text(text)
    for ticker in (None, "C"):
        with pytest.raises(ValueError, match=r"--ticker|must be one of A, B\. Received|do not pass") as error:
            prices.read(path, ticker=ticker)
        assert str(error.value).startswith(str(path))
    frame = prices.read(path, ticker="B")
    assert frame["Close"].tolist() == [2 * price for price in CLOSES]
    assert "of B" in frame.attrs["understood"][0]


def test_of_many_companies_some_are_listed(tmp_path):
    names = ",".join(f"T{i}" for i in range(500))
    path = write(tmp_path, ["Date," + names, *(f"2021-01-{day},{','.join(['1'] * 500)}" for day in (14, 15))])
    with pytest.raises(ValueError, match=r"T0, .*, T9, … \(500 in all\)\. Received: None") as error:
        prices.read(path)
    assert "T10" not in str(error.value)


@pytest.mark.parametrize(
    "lines, message",
    [
        (["Date,Close", "2021-01-04 00:00,1", "2021-01-04 01:00,2"], "line 3: several rows a day, .* --by-day"),
        (["Date,Time,Close", "2021-01-04,0:00,1", "2021-01-04,1:00,2"], "line 3: several rows a day, .* --by-day"),
        (["time,Close", "1609718400,1", "1609722000,2"], "line 3: several rows a day, .* --by-day"),
        (["Date,Close,Market", "2021-01-04,1,X", "2021-01-04,2,Y"], "line 3: .* twice, with different 'Market'"),
        (["Date,Close", "2021-01-04,1", "2021-01-04,2"], "line 3: .* twice, as in line 2; keep one row for each day"),
    ],
)
def test_why_a_date_is_there_twice(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        prices.read(write(tmp_path, lines))


@pytest.mark.parametrize("newest_first", [False, True])
def test_rows_of_a_day_joined(tmp_path, newest_first):
    lines = ["2021-01-04 09:00,3,5,2,4,10", "2021-01-04 10:00,4,6,1,3,10", "2021-01-05 09:00,9,9,9,9,1"]
    path = write(tmp_path, ["Date,Open,High,Low,Close,Volume", *(lines[::-1] if newest_first else lines)])
    frame = prices.read(path, form=prices.Form(by_day=True))
    assert frame.iloc[0].to_dict() == {"Open": 3, "High": 6, "Low": 1, "Close": 3, "Volume": 20}
    assert len(frame) == 2 and "joined to 2 days" in frame.attrs["understood"][0]


def test_dates_that_are_ambiguous_throughout(tmp_path):
    days = [day for day in pd.date_range("2020-01-01", "2020-06-30") if day.day <= 12]
    path = write(tmp_path, ["Date,Close", *(f"{day:%d/%m/%Y},{1 + i / 100}" for i, day in enumerate(days))])
    with pytest.raises(ValueError, match="--date-format %d/%m/%Y or %m/%d/%Y"):
        prices.read(path)
    frame = prices.read(path, form=prices.Form(date_format="%d/%m/%Y"))
    assert frame.index.tolist() == days


def test_commas_that_are_ambiguous_throughout(tmp_path):
    path = write(tmp_path, ["Date;Close", "2021-01-04;61,000", "2021-01-05;62,000"])
    with pytest.raises(ValueError, match="line 2: .* --decimal comma or --decimal point"):
        prices.read(path)
    for mark, value in {"comma": 61, "point": 61000}.items():
        assert prices.read(path, form=prices.Form(decimal=mark))["Close"].iloc[0] == value


def test_a_column_of_per_cent_is_read_where_it_is_asked_for(tmp_path):
    path = write(tmp_path, ["Date,Yield", "2021-01-04,4.25%", "2021-01-05,4.5%"])
    assert prices.read(path, column="Yield")["Close"].tolist() == [4.25, 4.5]
    with pytest.raises(ValueError, match="Yield must be a positive number"):
        prices.read(path)


@pytest.mark.parametrize(
    "ratio, split",
    [(1 / 7, "-86 % .* 7-for-1"), (0.52, "2-for-1"), (10, r"\+900 % .* 1-for-10"), (0.65, ""), (1.4, "")],
)
def test_a_day_like_a_split_is_pointed_out(tmp_path, ratio, split):
    closes = [1.0] * 7 + [ratio] * 23
    lines = [f"{day:%Y-%m-%d},{close},1" for day, close in zip(DAYS, closes)]
    frame = prices.read(write(tmp_path, ["Date,Close,Adj Close", *lines]))
    warnings = frame.attrs["understood"][1:]
    assert len(warnings) == bool(split)
    if split:
        pattern = f"warning: .*{split} .*" if "%" in split else f"warning: .* {split} "
        assert re.match(pattern, warnings[0]) and f"on {DAYS[7]:%Y-%m-%d}" in warnings[0]
        assert '--column "Adj Close"' in warnings[0]
    both = [f"{day:%Y-%m-%d},{close},{close}" for day, close in zip(DAYS, closes)]
    assert len(prices.read(write(tmp_path, ["Date,Close,Adj Close", *both])).attrs["understood"]) == 1


@pytest.mark.parametrize(
    "traded, week, note",
    [
        ((0, 1, 2, 3, 4), (0, 1, 2, 3, 4), ""),
        ((0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4, 5, 6), "traded every day"),
        ((6, 0, 1, 2, 3), (0, 1, 2, 3, 6), "traded Mon Tue Wed Thu Sun"),
    ],
)
def test_the_calendar_comes_from_the_data(tmp_path, traded, week, note):
    days = pd.date_range("2021-01-04", periods=100)
    days = days[days.day_of_week.isin(traded)]
    frame = prices.read(
        write(tmp_path, ["Date,Close", *(f"{day:%Y-%m-%d},{1 + i / 1000}" for i, day in enumerate(days))])
    )
    assert prices.weekdays(frame.index) == week
    assert note in frame.attrs["understood"][0] and (note or "traded" not in frame.attrs["understood"][0])
    assert prices.weekdays(days[:8]) == ((*range(7),) if {5, 6} & {*traded} else (*range(5),))


def test_saturdays_of_long_ago_or_now_and_then_are_no_part_of_the_week():
    days = pd.date_range("1940-01-01", "1952-01-01")
    days = days[days.day_of_week < 6].append(pd.bdate_range("1952-01-02", "1960-01-01"))
    days = days.append(pd.DatetimeIndex(["1960-01-02"]))
    assert prices.weekdays(days) == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("folder", sorted(path.name for path in CASES.glob("prices-*")) or [None])
def test_the_files_of_the_cases(folder):
    if folder is None:
        pytest.skip("the folder ../shared/cases is missing")
    asks = {"hourly.csv": "--by-day", "EURUSD1440.csv": "--columns", "kurse.csv": "--encoding"}
    for path in sorted((CASES / folder).iterdir()):
        ask = "--ticker" if folder == "prices-many-companies" else asks.get(path.name)
        if ask:
            with pytest.raises(ValueError, match=f"{path}.*{ask}"):
                prices.read(path)
        else:
            frame = prices.read(path)
            assert len(frame) == (413 if folder == "prices-empty-rows" else 420)
            assert frame.attrs["understood"] and len(prices.load(path, window=10).dates["test"]) > 20


# ------------------------------------------------------------------------------------------------- whatever is a file


def only_our_errors(text, **arguments):
    """Prices, or a ValueError on one line, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "p.csv"
        path.write_bytes(text)
        try:
            frame = prices.read(path, **arguments)
        except ValueError as error:
            assert "Received" in str(error) or "--" in str(error) or "damaged" in str(error), error
        else:
            assert frame.index.is_monotonic_increasing and frame["Close"].between(1e-100, 1e100).all()


quickly = settings(max_examples=60, deadline=None)
CELL = st.sampled_from(
    [
        *("Date", "Close", "Ticker", "Symbol", "Open", "High", "Volume", "<TIME>", "", "Price", "A", "('Close', 'A')"),
        *("2020-01-02", "2020-01-03 10:00", "03/04/2020", "13/04/2020", "9999-12-31", "1600000000", "20200102", "Aug"),
        *("1", "1,234", "1.234,5", "1e400", "inf", "-1", "nan", "0.22 Dividend", "5%", "$3", "\u0663", '"', "'", "\r"),
    ]
)


@quickly
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_prices_or_an_error(data):
    only_our_errors(data)
    only_our_errors(b"Date,Close\n2020-01-02,1\n" + data)


@quickly
@given(
    st.lists(st.lists(CELL, min_size=1, max_size=4), min_size=1, max_size=5),
    st.sampled_from(",;\t|"),
    st.sampled_from([{}, {"ticker": "A"}, {"column": "Close"}, {"form": SKIP}, {"form": prices.Form(by_day=True)}]),
)
def test_any_table_is_prices_or_an_error(table, separator, arguments):
    text = "\n".join(separator.join(row) for row in table)
    only_our_errors(text.encode(), **arguments)
    only_our_errors(f"Date{separator}Close\n{text}".encode(), **arguments)


@quickly
@given(st.text("%dmYyHMSbBzZjUWsfpxXcG:-/ x", max_size=8))
def test_any_date_format_reads_or_is_an_error(form):
    only_our_errors(b"Date,Close\n2020-01-02,1\n2020-01-03,2\n", form=prices.Form(date_format=form))
