"""Baselines of volatility: the formulas by hand, and nothing known of the future."""

from toolkit.baselines import volatility
from toolkit.metrics import forecasts as metrics

import numpy as np
import pandas as pd
import pytest
from arch import arch_model


def simulated(days=600, seed=0):
    """A log range that follows its own past, and returns of the volatility it stands for."""
    random = np.random.default_rng(seed)
    log_range = np.full(days, -4.5)
    for day in range(1, days):
        log_range[day] = -4.5 + 0.8 * (log_range[day - 1] + 4.5) + random.normal(0, 0.3)
    returns = np.exp(log_range) * random.normal(0, 0.6, days)
    return pd.DataFrame(
        {"log_range": log_range, "return": returns}, index=pd.bdate_range("2010-01-04", periods=days, name="Date")
    )


def test_persistence_is_the_day_before():
    series = simulated()["log_range"]
    forecast = volatility.persistence_forecast(series)
    assert np.isnan(forecast.iloc[0])
    np.testing.assert_array_equal(forecast.iloc[1:], series.iloc[:-1])
    assert forecast.index.equals(series.index)


@pytest.mark.parametrize("leverage", [False, True])
def test_har_by_hand(leverage):
    features = simulated()
    values, falls = features["log_range"].to_numpy(), np.minimum(features["return"].to_numpy(), 0)
    rows = []
    for day in range(22, 600):
        row = [1.0] + [values[day - lag : day].mean() for lag in (1, 5, 22)]
        row += [falls[day - lag : day].mean() for lag in (1, 5, 22)] if leverage else []
        rows.append(row)
    rows = np.array(rows)
    weights = np.linalg.lstsq(rows[:378], values[22:400], rcond=None)[0]
    forecast = volatility.har_forecast(features, 400, leverage)
    assert forecast.iloc[:22].isna().all()
    np.testing.assert_allclose(forecast.iloc[22:], rows @ weights, rtol=1e-9)


def test_har_finds_the_weights_of_its_own_process():
    random = np.random.default_rng(0)
    values = np.zeros(20_000)
    for day in range(22, len(values)):
        values[day] = (
            0.3 * values[day - 1]
            + 0.3 * values[day - 5 : day].mean()
            + 0.3 * values[day - 22 : day].mean()
            + random.normal(0, 0.1)
        )
    features = pd.DataFrame({"log_range": values}, index=pd.date_range("1950-01-01", periods=len(values)))
    forecast = volatility.har_forecast(features, 15_000)
    assert metrics.rmse(values[15_000:], forecast.iloc[15_000:]) == pytest.approx(0.1, rel=0.02)


def test_linear_by_hand():
    features = simulated()
    values = features["log_range"].to_numpy()
    relative = features["return"].to_numpy() / np.exp(values)
    rows = []
    for day in range(22, 600):
        row = [1.0] + [values[day - lag : day].mean() for lag in (1, 5, 22)]
        ages = np.arange(day)[::-1]  # yesterday's is 0
        row += [np.average(relative[:day], weights=0.5 ** (ages / half_life)) for half_life in (0.5, 2, 5, 15)]
        rows.append(row)
    rows = np.array(rows)
    weights = np.linalg.lstsq(rows[:378], values[22:400], rcond=None)[0]
    forecast = volatility.linear_forecast(features, 400)
    assert forecast.iloc[:22].isna().all()
    np.testing.assert_allclose(forecast.iloc[22:], rows @ weights, rtol=1e-9)


def panel(names="ABC", days=600):
    """Features of several series, as `datasets.price_panels` has them."""
    tables = {}
    for seed, name in enumerate(names):
        table = simulated(days, seed)
        table["log_range"] += seed
        random = np.random.default_rng(seed + 100)
        extra = {extra: random.normal(size=days) for extra in ("volume", "market_range", "market_return")}
        tables[name] = table.assign(level=table["log_range"].expanding().mean(), **extra)
    return tables


def test_the_pooled_regression_by_hand():
    tables, rows, target = panel("AB"), [], []
    for table in tables.values():
        values, level = table["log_range"].to_numpy(), table["level"].to_numpy()
        rows.append([[1.0] + [values[t - n : t].mean() - level[t - 1] for n in (1, 5, 22)] for t in range(22, 600)])
        target.append(values[22:] - level[21:-1])
    train = np.concatenate([r[:378] for r in rows]), np.concatenate([y[:378] for y in target])
    weights = np.linalg.lstsq(*train, rcond=None)[0]
    forecasts = volatility.pooled_forecasts(tables, {"A": 400, "B": 400}, ["A", "B"])
    for name, own in zip("AB", rows):
        expected = np.array(own) @ weights + tables[name]["level"].to_numpy()[21:-1]
        np.testing.assert_allclose(forecasts[name]["har_pooled"].iloc[22:], expected, rtol=1e-9)


@pytest.mark.parametrize("kind", ["har_pooled", "linear_pooled"])
def test_pooled_regressions_are_fitted_on_the_training_days_of_the_series_named(kind):
    tables, days = panel(), dict.fromkeys("ABC", 400)
    before = volatility.pooled_forecasts(tables, days, ["A", "B"])["A"][kind]
    tables["C"] = panel("CDE")["E"]
    tables["B"].loc[tables["B"].index[400:], "log_range"] += 5
    after = volatility.pooled_forecasts(tables, days, ["A", "B"])["A"][kind]
    np.testing.assert_array_equal(before, after)
    assert (volatility.pooled_forecasts(tables, days, ["A", "C"])["A"][kind] != before)[22:].all()


def test_the_linear_regression_uses_volume_and_market_where_there_are_any():
    table = panel("A")["A"]
    assert len(volatility._linear_columns(table)) == len(volatility._linear_columns(table.iloc[:, :2])) + 10
    changed = table.assign(market_return=table["market_return"].iloc[::-1].to_numpy())
    assert (volatility.linear_forecast(table, 400) != volatility.linear_forecast(changed, 400))[22:].all()


def test_garch_volatility_is_the_recursion_with_training_parameters():
    features = simulated()
    percent = 100 * features["return"].to_numpy()
    percent -= percent[:400].mean()
    fitted = arch_model(percent[:400], mean="Zero", p=1, q=1, rescale=False).fit(disp="off")
    omega, alpha, beta = fitted.params.to_numpy()
    found = volatility.garch_volatility(features["return"], 400).to_numpy() * 100
    variance = found[0] ** 2
    for day in range(1, 600):
        variance = omega + alpha * percent[day - 1] ** 2 + beta * variance
        assert found[day] == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_garch_finds_a_simulated_volatility():
    random = np.random.default_rng(0)
    deviation, returns = np.full(6000, 0.01), np.zeros(6000)
    for day in range(1, 6000):
        deviation[day] = np.sqrt(2e-6 + 0.1 * returns[day - 1] ** 2 + 0.88 * deviation[day - 1] ** 2)
        returns[day] = deviation[day] * random.normal()
    series = pd.Series(returns, pd.date_range("2000-01-01", periods=6000))
    found = volatility.garch_volatility(series, 5000).to_numpy()
    np.testing.assert_allclose(found[5000:], deviation[5000:], rtol=0.1)


def test_garch_forecasts_are_calibrated_on_the_training_split():
    features = simulated()
    features["log_range"] += 7.0
    forecast = volatility.garch_forecast(features, 400)
    errors = (features["log_range"] - forecast).iloc[:400]
    logs = np.log(volatility.garch_volatility(features["return"], 400)).iloc[:400]
    assert errors.mean() == pytest.approx(0, abs=1e-9)
    assert np.corrcoef(errors, logs)[0, 1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("baseline", ["persistence", "har", "har_leverage", "linear", "garch"])
@pytest.mark.parametrize("last_known", [399, 450, 598])
def test_the_future_changes_no_earlier_forecast(baseline, last_known):
    features, changed = simulated(), simulated()
    changed.iloc[last_known + 1 :] = simulated(seed=9).iloc[last_known + 1 :] * [0.3, 5.0]
    before, after = (volatility.forecasts(table, 400)[baseline] for table in (features, changed))
    known = last_known + 2  # the day after the last known one is forecast too
    np.testing.assert_array_equal(before.iloc[:known], after.iloc[:known])
    if known < 600:
        assert not np.array_equal(before.iloc[known:], after.iloc[known:])


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: volatility.har_forecast(simulated(), 50), "`train_days` .* 600 days.*Received: 50"),
        (lambda: volatility.garch_forecast(simulated(), 601), "`train_days` .*Received: 601"),
        (
            lambda: volatility.har_forecast(simulated().replace(-4.5, np.nan), 300),
            "finite value.*Received: nan on 2010-01-04",
        ),
    ],
)
def test_wrong_input_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
