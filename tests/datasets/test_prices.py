"""Features, splits and windows of prices."""

import pathlib
import re

import numpy as np
import pandas as pd
import pytest

from datasets import price_panels, prices

STOCKS = pathlib.Path(__file__).parents[3] / "shared" / "data" / "stocks"
needs_stocks = pytest.mark.skipif(not STOCKS.is_dir(), reason="the folder ../shared/data with real prices is missing")


def simulated(days=300, seed=0):
    random = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(random.normal(0, 0.01, days)))
    spread = np.exp(np.abs(random.normal(0, 0.01, days)) + 1e-3)
    return pd.DataFrame(
        {"Open": close, "High": close * spread, "Low": close / spread, "Close": close, "Volume": 1.0},
        index=pd.bdate_range("2010-01-04", periods=days, name="Date"),
    )


def saved(frame, folder, name="simulated.csv"):
    path = folder / name
    frame.to_csv(path)
    return path


def test_features_computed_by_hand(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("Date,High,Low,Close\n2020-01-02,12,9,11\n2020-01-03,13,10,12\n2020-01-06,12.5,11,11.5\n")
    frame = prices.read(path)
    returns = [np.log(12 / 11), np.log(11.5 / 12)]
    ranges = [np.log(np.log(13 / 10)), np.log(np.log(12.5 / 11))]
    price = prices.features(frame, "price")
    assert list(price.columns) == ["return"]
    np.testing.assert_allclose(price["return"], returns, rtol=1e-12)
    assert price.index.equals(frame.index[1:])
    volatility = prices.features(frame, "volatility")
    assert list(volatility.columns) == ["log_range", "return"]
    np.testing.assert_allclose(volatility["log_range"], ranges, rtol=1e-12)
    np.testing.assert_allclose(volatility["return"], returns, rtol=1e-12)


def test_a_flat_day_takes_the_smallest_range_so_far():
    frame = simulated(300)
    frame.loc[frame.index[150], ["High", "Low"]] = 5.0
    frame.loc[frame.index[200], ["High", "Low"]] = [100.0001, 100.0]
    log_range = prices.features(frame, "volatility")["log_range"]
    assert log_range.iloc[149] == log_range.iloc[:149].min()
    assert log_range.iloc[149] > log_range.min() == log_range.iloc[199]


@pytest.mark.parametrize(
    "rows, high, low, message",
    [
        (slice(0, 40), 0.0, 0.0, r"2010-01-04: .*High >= Low > 0; .* a `start` after 2010-02-26, the"),
        (slice(7, 8), 1.0, 2.0, r"2010-01-13: .*Received: High 1.0, Low 2.0"),
        (slice(7, 8), np.nan, 2.0, r"2010-01-13: .*Received: High nan"),
        (slice(7, 8), np.inf, 2.0, r"2010-01-13: .*Received: High inf"),
        (slice(7, 8), 1e101, 2.0, r"2010-01-13: .*from 1e-100 to 1e100.*Received: High 1e\+101"),
        (slice(7, 8), 1.0, 1e-101, r"2010-01-13: .*from 1e-100 to 1e100.*Received: .*Low 1e-101"),
        (
            slice(0, 40),
            1.0,
            1.0,
            r"2010-01-04: High equals Low, .*pass `start` 2010-03-01 or later, or "
            r"leave such days out with --skip-flat-days. Received: 40 such days of 300",
        ),
        (slice(0, 1), 1.0, 1.0, r"pass `start` 2010-01-05 or later"),
        (slice(100, 104), 1.0, 1.0, r"2010-05-24: High equals Low.*Received: 4 such days of 300"),
        (slice(0, 300), 1.0, 1.0, r"use prices with highs and lows. Received: 300 such days of 300"),
    ],
)
def test_days_without_a_range_are_named(rows, high, low, message):
    frame = simulated(300)
    frame.loc[frame.index[rows], ["High", "Low"]] = [high, low]
    with pytest.raises(ValueError, match=message):
        prices.features(frame, "volatility")
    assert np.isfinite(prices.features(frame, "price").to_numpy()).all()


def test_a_checksum_is_the_same_on_processors_whose_logarithms_differ_in_the_last_bit():
    table = prices.features(prices.read(start="2014-01-01"), "volatility")
    other = table * (1 + np.random.default_rng(0).choice([-1, 0, 1], table.shape) * np.finfo(float).eps)
    assert (other != table).any(axis=None)
    for checksum in (prices.checksum, lambda features: price_panels.checksum({"": features})):
        assert checksum(other) == checksum(table)
        other_price = table.copy()
        other_price.iloc[7, 0] += 0.0001
        assert checksum(other_price) != checksum(table)


def test_an_unknown_target_and_missing_columns():
    with pytest.raises(ValueError, match="must be one of .* Received: 'returns'"):
        prices.features(simulated(), "returns")
    with pytest.raises(ValueError, match="needs the columns High and Low. Received: Close$"):
        prices.features(simulated()[["Close"]], "volatility")


@pytest.mark.parametrize("target", ["price", "volatility"])
def test_windows_computed_by_hand(tmp_path, target):
    data = prices.load(saved(simulated(201), tmp_path), target=target, window=8)
    values = data.features.to_numpy("float32")
    column = data.features[data.target_column].to_numpy("float32")
    dates = data.features.index
    assert data.first_days == {"train": 8, "validation": 140, "test": 170}
    for name, first, end in (("train", 8, 140), ("validation", 140, 170), ("test", 170, 200)):
        inputs, targets = data.arrays[name]
        assert inputs.shape == (end - first, 8, values.shape[1])
        assert targets.shape == (end - first, 8, 1)
        for i, last in enumerate(range(first, end)):
            np.testing.assert_array_equal(inputs[i], values[last - 8 : last])
            np.testing.assert_array_equal(targets[i, :, 0], column[last - 7 : last + 1])
            assert data.dates[name][i] == dates[last]
    np.testing.assert_allclose(data.mean, data.features.iloc[:140].mean(), rtol=1e-12)
    np.testing.assert_allclose(data.variance, data.features.iloc[:140].var(ddof=0), rtol=1e-12)


def test_the_splits_of_the_index_are_consecutive():
    data = prices.load(target="volatility")
    assert data.dates["train"][-1] < data.dates["validation"][0]
    assert data.dates["validation"][-1] < data.dates["test"][0]
    joined = data.dates["train"].append([data.dates["validation"], data.dates["test"]])
    assert joined.equals(data.features.index[60:])
    assert data.dates["test"][-1] == pd.Timestamp("2018-12-31")
    last_step = data.arrays["test"][1][:, -1, 0]
    expected = data.features["log_range"].loc[data.dates["test"]].to_numpy("float32")
    np.testing.assert_array_equal(last_step, expected)


def test_the_datasets_contain_the_arrays_in_order(tmp_path):
    data = prices.load(saved(simulated(), tmp_path), window=10, batch_size=32)
    for name, (inputs, targets) in data.arrays.items():
        batches = list(data.splits[name].as_numpy_iterator())
        assert batches[0][0].shape == (min(32, len(inputs)), 10, 1)
        np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), inputs)
        np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), targets)


@pytest.mark.parametrize("target", ["price", "volatility"])
@pytest.mark.parametrize("trial", range(8))
def test_later_prices_do_not_change_earlier_features(tmp_path, target, trial):
    random = np.random.default_rng(trial)
    frame = simulated(200, seed=trial)
    flat = frame.index[[150, 190]]
    frame.loc[flat, ["High", "Low"]] = 50.0
    day = int(random.integers(145, 199))  # not before the last day of the training split
    changed = frame.copy()
    changed.iloc[day + 1 :] = simulated(200, seed=trial + 100).iloc[day + 1 :] * 3
    before = prices.load(saved(frame, tmp_path), target=target, window=12)
    after = prices.load(saved(changed, tmp_path, "changed.csv"), target=target, window=12)
    np.testing.assert_array_equal(before.features.iloc[:day], after.features.iloc[:day])
    assert not np.array_equal(before.features.iloc[day:], after.features.iloc[day:])
    np.testing.assert_array_equal(before.mean, after.mean)
    np.testing.assert_array_equal(before.variance, after.variance)
    for name in before.arrays:
        earlier = before.dates[name] <= frame.index[day]
        for one, other in zip(before.arrays[name], after.arrays[name]):
            np.testing.assert_array_equal(one[earlier], other[earlier])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"window": 120}, r"windows of 120 days: about (\d+) .* a smaller `window` or a longer file\."),
        ({}, r"windows of 60 days: about (\d+) .* validation split of 20 days; pass a longer file\."),
        ({"train": 0.6, "validation": 0.3}, r"about (\d+) .* test split of 20 days; pass a longer file\."),
        ({"target": "volatility"}, r"about (\d+) .* fit the baselines on 100 training days; pass a longer"),
    ],
)
def test_too_few_rows(tmp_path, arguments, message):
    path = saved(simulated(80), tmp_path)
    with pytest.raises(ValueError, match=message + ".* Received: 80 rows") as error:
        prices.load(path, **arguments)
    needed = int(re.search(message, str(error.value))[1])
    data = prices.load(saved(simulated(needed), tmp_path), **arguments)
    assert len(data.dates["validation"]) >= 20 and len(data.dates["test"]) >= 20
    assert data.first_days["validation"] >= (100 if "target" in arguments else 61)
    with pytest.raises(ValueError, match=f"Too few rows .* Received: {needed - 12} rows"):
        prices.load(saved(simulated(needed - 12), tmp_path), **arguments)


def test_arguments_out_of_range(tmp_path):
    path = saved(simulated(), tmp_path)
    for arguments, message in (
        ({"window": 0}, "`window` must be a positive integer. Received: 0"),
        ({"window": 5.5}, "`window` must be a positive integer. Received: 5.5"),
        ({"batch_size": -1}, "`batch_size` must be a positive integer. Received: -1"),
        ({"train": 0.9, "validation": 0.2}, "Received: train=0.9, validation=0.2"),
        ({"target": "volume"}, "Received: 'volume'"),
    ):
        with pytest.raises(ValueError, match=message):
            prices.load(path, **arguments)


def constant(rows, names):
    """Simulated prices, with a constant Close or a constant ratio of High to Low over some rows."""
    frame = simulated(300)
    if "Close" in names:
        frame.loc[frame.index[rows], "Close"] = 100.1
    if "High" in names:
        frame.loc[frame.index[rows], "High"] = 1.02 * frame["Low"]
    return frame


@pytest.mark.parametrize(
    "rows, names, targets, message",
    [
        (
            slice(0, 210),
            ["Close"],
            ["price", "volatility"],
            r"the return of Close is constant over the training split \(variance 0\).* Received: 0 on all "
            r"209 days from 2010-01-05 to 2010-10-22",
        ),
        (
            slice(0, 210),
            ["High"],
            ["volatility"],
            r"the log range of High and Low is constant over the training split \(variance 0\)",
        ),
        (
            slice(210, 255),
            ["Close"],
            ["price", "volatility"],
            r"Close is constant over the validation split.* Received: 100.1 on all 45 days",
        ),
        (slice(255, 300), ["Close"], ["price", "volatility"], r"Close is constant over the test split"),
        (slice(255, 300), ["High"], ["volatility"], r"the log range of High and Low is constant over the test split"),
    ],
)
def test_constant_prices_over_a_split(tmp_path, rows, names, targets, message):
    path = saved(constant(rows, names), tmp_path)
    for target in targets:
        with pytest.raises(ValueError, match=message):
            prices.load(path, target=target)
    shorter = slice(rows.start, rows.stop - 2)
    for target in targets:
        prices.load(saved(constant(shorter, names), tmp_path), target=target)


def test_constant_growth(tmp_path):
    frame = simulated(300)
    frame["Close"] = 100 * 1.001 ** np.arange(300)
    with pytest.raises(ValueError, match="the return of Close is constant over the training split"):
        prices.load(saved(frame, tmp_path))


@needs_stocks
def test_the_long_index_needs_a_start_for_ranges_only():
    assert len(prices.load("GSPC.csv.gz", STOCKS).features) == 24113
    with pytest.raises(ValueError, match="1927-12-30: High equals Low.* `start` 1962-01-02 or"):
        prices.load("GSPC.csv.gz", STOCKS, target="volatility")
    data = prices.load("GSPC.csv.gz", STOCKS, target="volatility", start="1962-01-02")
    assert np.isfinite(data.features.to_numpy()).all()
