"""Prices from CSV files, and the messages about files that cannot be used."""

import datetime
import gzip
import pathlib

import pandas as pd
import pytest

from datasets import prices

STOCKS = pathlib.Path(__file__).parents[3] / "shared" / "data" / "stocks"
needs_stocks = pytest.mark.skipif(not STOCKS.is_dir(), reason="the folder ../shared/data with real prices is missing")
HEADER = "Date,Open,High,Low,Close,Adj Close,Volume"
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
    with pytest.raises(ValueError, match="no Ticker column; do not pass `ticker`. Received: 'A'"):
        prices.read(write(tmp_path, [HEADER, *GOOD]), ticker="A")


@pytest.mark.parametrize(
    "row, message",
    [
        ("02/01/2020,1,1,1,1,1,1", r"line 5: a date must be written YYYY-MM-DD.*'02/01/2020'"),
        ("2020-13-01,1,1,1,1,1,1", r"line 5: a date must be written"),
        ("2020-01-07junk,1,1,1,1,1,1", r"line 5: a date must be written"),
        (",1,1,1,1,1,1", r"line 5: a date must be written.*Received: ''"),
        ("2020-01-07,1,1,1,abc,1,1", r"line 5: Close must be a positive number.*Received: 'abc'"),
        ("2020-01-07,1,1,1,,1,1", r"line 5: Close must be a positive number.*Received: ''"),
        ("2020-01-07,1,1,1,0,1,1", r"line 5: Close must be a positive number.*Received: '0'"),
        ("2020-01-07,1,1,1,-3,1,1", r"line 5: Close must be a positive number.*Received: '-3'"),
        ("2020-01-07,1,1,1,inf,1,1", r"line 5: Close must be a positive number.*Received: 'inf'"),
        ("2020-01-07,1,1,1,1e101,1,1", r"line 5: Close must be .* from 1e-100 to 1e100; .*: '1e101'"),
        ("2020-01-07,1,1,1,1e-101,1,1", r"line 5: Close must be .* from 1e-100 to 1e100; .*: '1e-101'"),
        ('2020-01-07,1,1,1,"4,983.28",1,1', r"line 5: Close .*, no thousands separators; .*'4,983.28'"),
        ("2020-01-07", r"line 5: Close must be a positive number.*Received: ''"),
        ("2020-01-05,1,1,1,1,1,1", r"line 5: the date is out of order.*Received: '2020-01-05'"),
        ("2020-01-06,1,1,1,1,1,1", r"line 5: the date occurs twice.*Received: '2020-01-06'"),
        ("2020-01-07,1,1,1,1,1,1,9", r"line 5: not a valid row of a CSV file.*Expected 7 fields"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, message):
    with pytest.raises(ValueError, match=message):
        prices.read(write(tmp_path, [HEADER, *GOOD, row]))


def test_blank_lines_count_as_lines(tmp_path):
    path = write(tmp_path, [HEADER, "", GOOD[0], "", "2020-01-03,1,1,1,x,1,1"])
    with pytest.raises(ValueError, match="line 5: Close"):
        prices.read(path)


@pytest.mark.parametrize(
    "lines, message",
    [
        (["Date,Open", "2020-01-02,1"], r"line 1: no column Close\. Received: the columns Date, Open"),
        (["2020-01-02,1", "2020-01-03,1"], r"line 1: no column Date, Close"),
        ([""], r"Received: an empty file"),
        ([HEADER], r"Received: a header with no rows"),
        ([HEADER, GOOD[0]], r"at least 2 rows are needed.*Received: 1 rows"),
        (["Date,Close", "2020-01-02,1,5", "2020-01-03,1,5"], r"line 2: a row has more fields .* Received: 2"),
        (["Date,Close, Close", "2020-01-02,1,5", "2020-01-03,1,5"], r"line 1: columns .* Received twice: Close"),
        (["Date,Close,Date", "2020-01-02,1,5", "2020-01-03,1,5"], r"line 1: columns .* Received twice: Date"),
        (
            ["Date;Close", "2020-01-02;1", "2020-01-03;1"],
            r"line 1: no column Date, Close; is the separator a comma\? Received: 'Date;Close'",
        ),
        (["Date;Close", "2020-01-02;1,5", "2020-01-03;1,5"], r"line 1: .*is the separator a comma\?"),
        (
            ["\ufeffDate\tClose", "2020-01-02\t1", "2020-01-03\t1"],
            r"line 1: .*is the separator a comma\? Received: 'Date\\tClose'",
        ),
        (
            ["Date,close", "2020-01-02,1"],
            r"no column Close; names are case-sensitive: found 'close'\. Received: the columns Date, close",
        ),
        (
            ["DATE,Open,close", "2020-01-02,1,1"],
            r"no column Date, Close; names are case-sensitive: found 'DATE', 'close'\. Received",
        ),
    ],
)
def test_a_bad_file_is_explained(tmp_path, lines, message):
    with pytest.raises(ValueError, match=message):
        prices.read(write(tmp_path, lines))


def test_a_missing_column_that_was_asked_for(tmp_path):
    with pytest.raises(ValueError, match="no column Settle. Received: the columns Date, Open"):
        prices.read(write(tmp_path, [HEADER, *GOOD]), column="Settle")


def test_files_that_are_not_text(tmp_path):
    path = tmp_path / "p.csv"
    path.write_bytes(b"Date,Close\n2020-01-02,1\n2020-01-03,\xe9\n")
    with pytest.raises(ValueError, match="line 3: not UTF-8 text; .*Received: byte 0xe9"):
        prices.read(path)
    path.write_bytes("Date,Close\n2020-01-02,1\n".encode("utf-16"))
    with pytest.raises(ValueError, match="line 1: not UTF-8 text"):
        prices.read(path)
    path.write_bytes(b"Date,Close\nPK\x03\x04\0\0")
    with pytest.raises(ValueError, match="line 2: a binary file"):
        prices.read(path)


def test_a_truncated_and_a_damaged_gzip_file(tmp_path):
    compressed = gzip.compress("\n".join([HEADER, *GOOD]).encode())
    path = tmp_path / "p.csv.gz"
    path.write_bytes(compressed[:-12])
    with pytest.raises(ValueError, match="gzip file is truncated or damaged; download it again"):
        prices.read(path)
    path.write_bytes(compressed[:20] + b"\xff\xff\xff" + compressed[23:])
    with pytest.raises(ValueError, match="gzip file is truncated or damaged; download it again"):
        prices.read(path)


def test_a_folder_and_a_missing_file(tmp_path):
    with pytest.raises(ValueError, match="one CSV file. Received: the folder"):
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
        ('"4,983.28"', "9", r"line 3: High must be .*, no thousands separators; .*: '4,983\.28'"),
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
def test_one_ticker_of_many():
    frame = prices.read("tickers_daily.csv.gz", STOCKS, ticker="AMD")
    assert len(frame) == 5555
    with pytest.raises(ValueError, match="AAPL, ADBE, .* Received: 'GME'"):
        prices.read("tickers_daily.csv.gz", STOCKS, ticker="GME")
