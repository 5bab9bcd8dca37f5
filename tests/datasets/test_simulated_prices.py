"""Simulated prices have what is known of real ones, and are read as a file of many series."""

import numpy as np
import pytest

from datasets import price_files, prices, simulated_prices


@pytest.fixture(scope="module")
def simulated():
    return simulated_prices.load(companies=6, days=3_000)


def log_range(frame):
    return np.log(np.log(frame["High"] / frame["Low"]))


def test_prices_of_a_day_fit_together(simulated):
    assert [*simulated] == ["Ticker", "Open", "High", "Low", "Close", "Volume"]
    assert (simulated.groupby("Ticker").size() == 3_000).all() and simulated["Ticker"].nunique() == 6
    ends = simulated[["Open", "Close"]]
    assert (simulated["Low"] <= ends.min(axis=1)).all() and (ends.max(axis=1) <= simulated["High"]).all()
    assert (simulated["Low"] > 0).all() and (simulated["Low"] < simulated["High"]).all()
    assert (simulated["Volume"] > 0).all()


def test_volatility_lasts_and_returns_do_not(simulated):
    for _, frame in simulated.groupby("Ticker"):
        ranges = log_range(frame)
        assert 0.4 < ranges.autocorr(1) < 0.9 and 0.1 < ranges.autocorr(22) < ranges.autocorr(1)
        assert abs(np.log(frame["Close"]).diff().autocorr(1)) < 0.1


def test_volatility_rises_after_a_fall(simulated):
    """And not on its day: what a day brings does not tell how much it moves."""
    same, next_day = [], []
    for _, frame in simulated.groupby("Ticker"):
        ranges, change = log_range(frame), np.log(frame["Close"]).diff()
        relative = change / np.exp(ranges)
        same.append(relative.corr(ranges))
        next_day.append(relative.shift(1).corr(ranges))
    assert np.mean(next_day) < -0.05 < np.mean(same)


def test_companies_move_together_and_differ(simulated):
    table = simulated.assign(log_range=log_range(simulated)).pivot(columns="Ticker", values="log_range")
    assert table.corr().to_numpy()[np.triu_indices(6, 1)].min() > 0.1
    assert table.mean().std() > 0.25


def test_a_log_range_is_the_log_volatility_with_an_error_of_about_three_tenths():
    """Alizadeh, Brandt & Diebold 2002: a standard deviation of 0.29, of a walk without steps."""
    rng = np.random.default_rng(0)
    gap, high, low, close = simulated_prices._walks(rng, 40_000)
    assert (gap + close).std() == pytest.approx(1, abs=0.02)
    assert np.log(high - low).std() == pytest.approx(0.29, abs=0.03)


def test_a_seed_repeats_the_prices():
    first, again, other = (simulated_prices.load(companies=2, days=50, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again) and not first["Close"].equals(other["Close"])


def test_an_autoregression_has_its_half_life():
    impulse = np.zeros(20)
    impulse[0] = 1
    values = simulated_prices._autoregression(impulse, 5)
    assert values[5] == pytest.approx(values[0] / 2) and values[10] == pytest.approx(values[0] / 4)
    assert simulated_prices._autoregression(np.random.default_rng(0).normal(size=100_000), 5).std() == pytest.approx(
        1, abs=0.05
    )


def test_it_is_read_as_a_file_of_many_series(monkeypatch, simulated):
    monkeypatch.setitem(price_files.BUILT_IN, "simulated", lambda: simulated)
    frames, unusable = prices.read_all("simulated,sp500")
    assert [*frames] == [*simulated["Ticker"].unique(), "sp500"] and not unusable
    first = simulated[simulated["Ticker"] == "S00"]
    np.testing.assert_allclose(frames["S00"]["Close"], first["Close"])
