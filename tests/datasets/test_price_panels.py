"""Many series as one data set: how their files are read, their features, and splits at the same dates."""

import numpy as np
import pandas as pd
import pytest

from datasets import price_panels, prices

DAYS = pd.bdate_range("2015-01-05", periods=400, name="Date")


def simulated(seed, days=DAYS):
    random = np.random.default_rng(seed)
    close = 50 * np.exp(np.cumsum(random.normal(0, 0.02, len(days))))
    spread = np.exp(np.abs(random.normal(0, 0.01, len(days))) + 1e-3)
    volume = random.integers(1, 100, len(days)).astype(float)
    return pd.DataFrame({"High": close * spread, "Low": close / spread, "Close": close, "Volume": volume}, days)


def many(folder, **frames):
    """A file with a column Ticker."""
    path = folder / "many.csv"
    pd.concat([frame.assign(Ticker=name) for name, frame in frames.items()]).to_csv(path)
    return path


@pytest.fixture
def three(tmp_path):
    return many(tmp_path, A=simulated(0), B=simulated(1), C=simulated(2))


FORMS = {
    "column": "Date,Close,Ticker\n2021-01-04,1,A\n2021-01-04,2,B\n2021-01-05,1,A\n2021-01-05,2,B\n",
    "columns": "Date,A,B\n2021-01-04,1,2\n2021-01-05,1,2\n",
    "header lines": "Price,Close,Close\nTicker,A,B\nDate,,\n2021-01-04,1,2\n2021-01-05,1,2\n",
    "header lines by company": "Ticker,A,B\nPrice,Close,Close\nDate,,\n2021-01-04,1,2\n2021-01-05,1,2\n",
}


@pytest.mark.parametrize("text", FORMS.values(), ids=FORMS)
def test_every_series_of_a_file_is_read(tmp_path, text):
    path = tmp_path / "p.csv"
    path.write_text(text)
    frames, unusable = prices.read_all(path)
    assert {name: frame["Close"].tolist() for name, frame in frames.items()} == {"A": [1, 1], "B": [2, 2]}
    assert not unusable


def test_a_folder_and_several_paths_are_read(tmp_path, monkeypatch):
    folder = tmp_path / "prices"
    folder.mkdir()
    for name in ("A", "B"):
        simulated(0).to_csv(folder / f"{name}.csv.gz")
    (folder / ".hidden").write_text("x")
    assert [*prices.read_all("prices", tmp_path)[0]] == ["A", "B"]
    assert [*prices.read_all("prices/A.csv.gz, sp500", tmp_path)[0]] == ["A", "sp500"]
    (tmp_path / "nasdaq").mkdir()
    simulated(0).to_csv(tmp_path / "nasdaq" / "C.csv")
    monkeypatch.chdir(tmp_path)
    assert [*prices.read_all("nasdaq")[0]] == ["nasdaq"]  # the data set, as everywhere
    assert [*prices.read_all("./nasdaq")[0]] == [*prices.read_all("nasdaq/")[0]] == ["C"]
    with pytest.raises(ValueError, match="two series have one name.* Received: 'A' twice"):
        prices.read_all("prices,prices/A.csv.gz", tmp_path)
    with pytest.raises(FileNotFoundError, match="No prices at .*C.csv"):
        prices.read_all("prices,C.csv", tmp_path)


def test_a_series_that_cannot_be_read_does_not_stop_the_others(tmp_path):
    bad = simulated(1)
    bad.loc[DAYS[7], "Close"] = -1
    frames, unusable = prices.read_all(many(tmp_path, A=simulated(0), B=bad))
    assert [*frames] == ["A"]
    assert "line 409: Close must be a positive number" in str(unusable["B"])


def test_features_by_hand(three):
    panel = price_panels.load(three, window=5)
    frames = {name: simulated(seed) for seed, name in enumerate("ABC")}
    columns = panel.series["B"].features
    assert [*columns] == [*price_panels.FEATURES]
    ranges = {name: np.log(np.log(frame["High"] / frame["Low"]))[1:] for name, frame in frames.items()}
    day = 123
    assert columns["level"].iloc[day] == pytest.approx(ranges["B"].iloc[: day + 1].mean())
    logs = np.log(frames["B"]["Volume"])
    volume = logs.iloc[day + 1] - logs.iloc[day + 1 - 59 : day + 2].mean()
    assert columns["volume"].iloc[day] == pytest.approx(volume)
    deviations = [values.iloc[day] - values.iloc[: day + 1].mean() for values in ranges.values()]
    assert columns["market_range"].iloc[day] == pytest.approx(np.mean(deviations))
    returns = [
        np.log(f["Close"]).diff().iloc[day + 1] / np.log(f["High"] / f["Low"]).iloc[day + 1] for f in frames.values()
    ]
    assert columns["market_return"].iloc[day] == pytest.approx(np.mean(returns))


def test_later_prices_of_any_series_change_no_earlier_feature(tmp_path, three):
    before = price_panels.load(three, window=5).series["A"].features
    changed = {name: simulated(seed) for seed, name in enumerate("ABC")}
    for frame in changed.values():
        frame.iloc[300:] *= np.linspace(1.5, 3, 100)[:, None]
        frame.loc[DAYS[300:], "High"] *= 1.1
    after = price_panels.load(many(tmp_path, **changed), window=5).series["A"].features
    pd.testing.assert_frame_equal(before.iloc[:299], after.iloc[:299])
    assert (before.iloc[299:] != after.iloc[299:]).any(axis=0).all()


def test_a_single_series_is_its_own_market_and_needs_no_volume(tmp_path):
    simulated(0).drop(columns="Volume").to_csv(tmp_path / "mine.csv")
    frame, columns = price_panels.read(tmp_path / "mine.csv")
    assert len(frame) == len(columns) + 1 and (columns["volume"] == 0).all()
    np.testing.assert_allclose(columns["market_range"], columns["log_range"] - columns["level"])


def test_splits_are_at_the_same_dates_and_short_series_are_left_out(tmp_path):
    path = many(tmp_path, A=simulated(0), LATE=simulated(1, DAYS[40:]), SHORT=simulated(2, DAYS[300:]))
    panel = price_panels.load(path, window=5)
    for split in ("validation", "test"):
        first = {data.dates[split][0] for data in panel.series.values()}
        assert len(panel.series) == 2 and len(first) == 1
    assert any("not used, SHORT: " in line and "too few days" in line for line in panel.understood)
    with pytest.raises(ValueError, match="too few days; at least 150 are needed before"):
        price_panels.load(path, window=149, train=0.2, validation=0.4)


def test_training_windows_are_days_apart_and_end_with_the_newest(three):
    data = price_panels.load(three, window=5).series["A"]
    rows = data.features.index.get_indexer(data.dates["train"])
    assert {*np.diff(rows)} == {price_panels.STEP} and rows[-1] == data.first_days["validation"] - 1
    inputs, targets = data.arrays["train"]
    np.testing.assert_array_equal(inputs[-1], data.features.to_numpy("float32")[rows[-1] - 5 : rows[-1]])
    assert targets[-1, -1, 0] == np.float32(data.features["log_range"].iloc[rows[-1]])


def test_no_training_sees_the_series_that_are_left_out(tmp_path, three):
    panel = price_panels.load(three, window=5, leave_out=0.4)
    (name,) = panel.left_out
    assert [*panel.tested] == [name] and {*panel.trained} == {*"ABC"} - {name}
    kept = {other: simulated("ABC".index(other)) for other in "ABC" if other != name}
    changed = price_panels.load(many(tmp_path, **kept, **{name: simulated(9)}), window=5, leave_out=0.4)
    assert changed.left_out == (name,)
    for split in ("train", "validation"):
        for one, other in zip(panel.arrays[split], changed.arrays[split]):
            np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(panel.variance, changed.variance)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"leave_out": 0.9}, "`leave_out` must leave series on both sides. Received: 0.9 of 3 series"),
        ({"ticker": "D"}, r"3 series; --ticker must be one of A, B, C. Received: 'D'"),
        ({"ticker": None}, r"3 series; --ticker must be one of A, B, C. Received: None"),
        ({"window": 300}, "too few days; at least 301 are needed before"),
    ],
)
def test_wrong_arguments_are_explained(three, arguments, message):
    with pytest.raises(ValueError, match=message):
        price_panels.load(three, **{"window": 5} | arguments)


def test_days_without_a_range_can_be_left_out(tmp_path):
    frame = simulated(0)
    frame.loc[DAYS[10:400:10], ["High", "Low"]] = 50.0
    frame.to_csv(tmp_path / "illiquid.csv")
    with pytest.raises(ValueError, match="or leave such days out with --skip-flat-days. Received: 39 such days of 400"):
        prices.load(tmp_path / "illiquid.csv", target="volatility", window=10)
    form = prices.Form(skip_flat_days=True)
    data = prices.load(tmp_path / "illiquid.csv", target="volatility", window=10, form=form)
    assert len(data.frame) == 361 and "39 days whose High equals Low left out" in data.understood[0]
