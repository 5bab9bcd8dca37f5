import numpy as np
import pandas as pd
import pytest
from arch import arch_model

from recipes import forecast_report as report

RIVALS = {
    "persistence": lambda features, days: report.persistence_forecast(features["log_range"]),
    "har": report.har_forecast,
    "har_leverage": lambda features, days: report.har_forecast(features, days, leverage=True),
    "garch": report.garch_forecast,
}


def simulated(days=600, seed=0):
    """A log range that follows its own past, and returns of the volatility it stands for."""
    random = np.random.default_rng(seed)
    log_range = np.full(days, -4.5)
    for day in range(1, days):
        log_range[day] = -4.5 + 0.8 * (log_range[day - 1] + 4.5) + random.normal(0, 0.3)
    returns = np.exp(log_range) * random.normal(0, 0.6, days)
    return pd.DataFrame({"log_range": log_range, "return": returns},
                        index=pd.bdate_range("2010-01-04", periods=days, name="Date"))


def test_errors_by_hand():
    actual, forecast, rival = [1, 2, 4], [1, 4, 3], [2, 2, 2]
    assert report.squared_loss(actual, forecast).tolist() == [0, 4, 1]
    assert report.rmse(actual, forecast) == pytest.approx(np.sqrt(5 / 3))
    assert report.mae(actual, forecast) == pytest.approx(1)
    assert report.error_ratio(actual, forecast, rival) == pytest.approx(1)
    assert report.error_ratio(actual, [1, 2, 3], rival) == pytest.approx(np.sqrt(1 / 5))
    assert report.loss_ratio([1, 2], [4, 8]) == pytest.approx(0.25)
    # Mean steps of the training series: |3 - 1|, |2 - 3| = 1.5 on average.
    assert report.mase(actual, forecast, [1, 3, 2]) == pytest.approx(1 / 1.5)
    assert report.residual_variance(actual, forecast) == pytest.approx(5 / 3)


def test_directions_by_hand():
    previous = [10, 10, 10, 10, 10]
    actual = [11, 9, 12, 10, 8]  # the fourth day does not move and does not count
    forecast = [12, 11, 10, 13, 9]  # right, wrong, no move, left out, right
    assert report.directional_accuracy(actual, forecast, previous) == 0.5
    with pytest.raises(ValueError, match="No day has a move"):
        report.directional_accuracy(previous, forecast, previous)


def test_variances_by_hand():
    log_range = np.log(0.02)
    variance = 0.0004 / (4 * np.log(2))
    assert report.parkinson_variance(log_range) == pytest.approx(variance)
    assert report.variance_forecast(log_range, 0.0) == pytest.approx(variance)
    assert report.variance_forecast(log_range, 0.1) == pytest.approx(variance * np.exp(0.2))


def test_parkinson_variance_of_a_random_walk():
    random = np.random.default_rng(0)
    paths = np.cumsum(random.normal(0, 0.01 / np.sqrt(4000), (2000, 4000)), axis=1)
    ranges = np.maximum(paths.max(1), 0) - np.minimum(paths.min(1), 0)
    assert report.parkinson_variance(np.log(ranges)).mean() == pytest.approx(1e-4, rel=0.05)


def test_variance_forecasts_of_log_normal_ranges_are_unbiased():
    random = np.random.default_rng(0)
    log_range = random.normal(-4.5, 0.4, 200_000)
    forecast = report.variance_forecast(np.full_like(log_range, -4.5), 0.4 ** 2)
    assert forecast[0] == pytest.approx(report.parkinson_variance(log_range).mean(), rel=0.01)


def test_qlike_by_hand_and_least_at_the_mean():
    assert report.qlike_loss([2.0, 3.0], [2.0, 1.0]) == pytest.approx([0, 3 - np.log(3) - 1])
    assert report.qlike([2.0, 3.0], [2.0, 1.0]) == pytest.approx((2 - np.log(3)) / 2)
    proxy = np.random.default_rng(0).exponential(size=1000)
    losses = [report.qlike(proxy, np.full(1000, scale * proxy.mean())) for scale in (0.9, 1, 1.1)]
    assert np.argmin(losses) == 1


@pytest.mark.parametrize("autocorrelation", [0.0, 0.6])
def test_diebold_mariano_rejects_one_in_twenty_equal_forecasts(autocorrelation):
    random = np.random.default_rng(0)
    rejected = 0
    for _ in range(500):
        noise = random.normal(size=(400, 2))
        for day in range(1, 400):
            noise[day] += autocorrelation * noise[day - 1]
        rejected += report.diebold_mariano(noise[:, 0] + 5, noise[:, 1] + 5)[1] < 0.05
    # A Newey-West variance is somewhat small in short samples of an autocorrelated series.
    assert 0.02 < rejected / 500 < (0.08 if autocorrelation == 0 else 0.13)


def test_diebold_mariano_by_hand_and_its_sign():
    random = np.random.default_rng(1)
    loss = random.exponential(size=250)
    better = loss - random.normal(0.3, 1, 250)
    difference = better - loss
    centred = difference - difference.mean()
    lags = int(4 * 2.5 ** (2 / 9))
    variance = np.mean(centred ** 2) + 2 * sum(
        (1 - lag / (lags + 1)) * np.sum(centred[lag:] * centred[:-lag]) / 250
        for lag in range(1, lags + 1))
    expected = difference.mean() / np.sqrt(variance / 250) * np.sqrt((250 + 1 - 2) / 250)
    statistic, p_value = report.diebold_mariano(better, loss)
    assert statistic == pytest.approx(expected, rel=1e-9)
    assert statistic < 0 and p_value < 0.01
    other, same = report.diebold_mariano(loss, better)
    assert other == pytest.approx(-statistic) and same == pytest.approx(p_value)
    assert report.diebold_mariano(loss, loss) == (0.0, 1.0)


def test_bootstrap_interval_covers_and_repeats():
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(60):
        common = random.exponential(size=300)
        loss, rival = common * random.uniform(0.5, 1.1, 300), common * random.uniform(0.5, 1.5, 300)
        low, high = report.bootstrap_interval(loss, rival, seed=trial, repeats=300)
        assert low < report.loss_ratio(loss, rival) < high
        covered += low < 0.8 < high
    assert covered >= 51  # 57 of 60 expected
    again = report.bootstrap_interval(loss, rival, seed=59, repeats=300)
    assert again == (low, high) != report.bootstrap_interval(loss, rival, seed=1, repeats=300)


def test_bootstrap_interval_draws_the_same_days_for_both_losses():
    loss = np.random.default_rng(0).exponential(size=300)
    low, high = report.bootstrap_interval(0.5 * loss, loss, repeats=100)
    assert low == pytest.approx(0.5) and high == pytest.approx(0.5)


def test_bootstrap_interval_widens_with_dependence():
    random = np.random.default_rng(0)
    shocks = random.exponential(size=1000)
    slow = pd.Series(shocks).ewm(halflife=10).mean().to_numpy()
    rival = np.ones(1000) + 1e-3 * random.normal(size=1000)
    drawn = random.permutation(slow)
    low, high = report.bootstrap_interval(slow, rival, repeats=300)
    low_iid, high_iid = report.bootstrap_interval(drawn, rival, repeats=300)
    assert high - low > 2 * (high_iid - low_iid)


def test_persistence_is_the_day_before():
    series = simulated()["log_range"]
    forecast = report.persistence_forecast(series)
    assert np.isnan(forecast.iloc[0])
    np.testing.assert_array_equal(forecast.iloc[1:], series.iloc[:-1])
    assert forecast.index.equals(series.index)


@pytest.mark.parametrize("leverage", [False, True])
def test_har_by_hand(leverage):
    features = simulated()
    values, falls = features["log_range"].to_numpy(), np.minimum(features["return"].to_numpy(), 0)
    rows = []
    for day in range(22, 600):
        row = [1.0] + [values[day - lag:day].mean() for lag in (1, 5, 22)]
        row += [falls[day - lag:day].mean() for lag in (1, 5, 22)] if leverage else []
        rows.append(row)
    rows = np.array(rows)
    weights = np.linalg.lstsq(rows[:378], values[22:400], rcond=None)[0]
    forecast = report.har_forecast(features, 400, leverage)
    assert forecast.iloc[:22].isna().all()
    np.testing.assert_allclose(forecast.iloc[22:], rows @ weights, rtol=1e-9)


def test_har_finds_the_weights_of_its_own_process():
    random = np.random.default_rng(0)
    values = np.zeros(20_000)
    for day in range(22, len(values)):
        values[day] = (0.3 * values[day - 1] + 0.3 * values[day - 5:day].mean()
                       + 0.3 * values[day - 22:day].mean() + random.normal(0, 0.1))
    features = pd.DataFrame({"log_range": values},
                            index=pd.date_range("1950-01-01", periods=len(values)))
    forecast = report.har_forecast(features, 15_000)
    assert report.rmse(values[15_000:], forecast.iloc[15_000:]) == pytest.approx(0.1, rel=0.02)


def test_garch_volatility_is_the_recursion_with_training_parameters():
    features = simulated()
    percent = 100 * features["return"].to_numpy()
    percent -= percent[:400].mean()
    fitted = arch_model(percent[:400], mean="Zero", p=1, q=1, rescale=False).fit(disp="off")
    omega, alpha, beta = fitted.params.to_numpy()
    volatility = report.garch_volatility(features["return"], 400).to_numpy() * 100
    variance = volatility[0] ** 2
    for day in range(1, 600):
        variance = omega + alpha * percent[day - 1] ** 2 + beta * variance
        assert volatility[day] == pytest.approx(np.sqrt(variance), rel=1e-6)


def test_garch_finds_a_simulated_volatility():
    random = np.random.default_rng(0)
    volatility, returns = np.full(6000, 0.01), np.zeros(6000)
    for day in range(1, 6000):
        volatility[day] = np.sqrt(
            2e-6 + 0.1 * returns[day - 1] ** 2 + 0.88 * volatility[day - 1] ** 2)
        returns[day] = volatility[day] * random.normal()
    series = pd.Series(returns, pd.date_range("2000-01-01", periods=6000))
    found = report.garch_volatility(series, 5000).to_numpy()
    np.testing.assert_allclose(found[5000:], volatility[5000:], rtol=0.1)


def test_garch_forecasts_are_calibrated_on_the_training_part():
    features = simulated()
    features["log_range"] += 7.0
    forecast = report.garch_forecast(features, 400)
    errors = (features["log_range"] - forecast).iloc[:400]
    logs = np.log(report.garch_volatility(features["return"], 400)).iloc[:400]
    assert errors.mean() == pytest.approx(0, abs=1e-9)
    assert np.corrcoef(errors, logs)[0, 1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("rival", sorted(RIVALS))
@pytest.mark.parametrize("last_known", [399, 450, 598])
def test_the_future_changes_no_earlier_forecast(rival, last_known):
    features, changed = simulated(), simulated()
    changed.iloc[last_known + 1:] = simulated(seed=9).iloc[last_known + 1:] * [0.3, 5.0]
    before, after = (RIVALS[rival](table, 400) for table in (features, changed))
    known = last_known + 2  # the day after the last known one is forecast too
    np.testing.assert_array_equal(before.iloc[:known], after.iloc[:known])
    if known < 600:
        assert not np.array_equal(before.iloc[known:], after.iloc[known:])


@pytest.mark.parametrize("call, message", [
    (lambda: report.rmse([1, 2], [1]), r"of one shape.*\(2,\).*\(1,\)"),
    (lambda: report.mae([], []), "not empty"),
    (lambda: report.rmse([1, np.nan], [1, 2]), "`actual` must be finite.*Received: nan"),
    (lambda: report.mase([1], [1], [3]), r"at least 2 days.*\(1,\)"),
    (lambda: report.mase([1], [1], [3, 3]), "rival's error must not be 0"),
    (lambda: report.qlike([1.0, 0.0], [1.0, 1.0]), "`proxy` must be positive.*Received: 0.0"),
    (lambda: report.qlike([1.0], [-1.0]), "`forecast` must be positive.*Received: -1.0"),
    (lambda: report.diebold_mariano([1, 2, 3], [1, 1, 1], 3), "`horizon` .*Received: 3"),
    (lambda: report.har_forecast(simulated(), 50), "`train_days` .* 600 days.*Received: 50"),
    (lambda: report.garch_forecast(simulated(), 601), "`train_days` .*Received: 601"),
    (lambda: report.har_forecast(simulated().replace(-4.5, np.nan), 300),
     "finite number.*Received: nan on 2010-01-04"),
])
def test_what_cannot_be_scored_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
