import numpy as np
import pandas as pd
import pytest

from recipes import forecast_report as report


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
    forecast = report.variance_forecast(np.full_like(log_range, -4.5), 0.4**2)
    assert forecast[0] == pytest.approx(report.parkinson_variance(log_range).mean(), rel=0.01)


def test_qlike_by_hand_and_least_at_the_mean():
    assert report.qlike_loss([2.0, 3.0], [2.0, 1.0]) == pytest.approx([0, 3 - np.log(3) - 1])
    assert report.qlike_loss([2.0, 3.0], [2.0, 1.0]).mean() == pytest.approx((2 - np.log(3)) / 2)
    proxy = np.random.default_rng(0).exponential(size=1000)
    losses = [report.qlike_loss(proxy, np.full(1000, scale * proxy.mean())).mean() for scale in (0.9, 1, 1.1)]
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
    variance = np.mean(centred**2) + 2 * sum(
        (1 - lag / (lags + 1)) * np.sum(centred[lag:] * centred[:-lag]) / 250 for lag in range(1, lags + 1)
    )
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


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: report.rmse([1, 2], [1]), r"of one shape.*\(2,\).*\(1,\)"),
        (lambda: report.mae([], []), "not empty"),
        (lambda: report.rmse([1, np.nan], [1, 2]), "`actual` must be finite.*Received: nan"),
        (lambda: report.mase([1], [1], [3]), r"at least 2 days.*\(1,\)"),
        (lambda: report.mase([1], [1], [3, 3]), "rival's error must not be 0"),
        (lambda: report.qlike_loss([1.0, 0.0], [1.0, 1.0]), "`proxy` must be positive.*Received: 0.0"),
        (lambda: report.qlike_loss([1.0], [-1.0]), "`forecast` must be positive.*Received: -1.0"),
        (lambda: report.diebold_mariano([1, 2, 3], [1, 1, 1], 3), "`horizon` .*Received: 3"),
    ],
)
def test_what_cannot_be_scored_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
