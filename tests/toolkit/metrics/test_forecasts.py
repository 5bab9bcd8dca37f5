"""Scores of forecasts, by hand and by their statistical properties."""

import math

from toolkit.metrics import forecasts as metrics

import numpy as np
import pandas as pd
import pytest


def test_errors_by_hand():
    actual, forecast, baseline = [1, 2, 4], [1, 4, 3], [2, 2, 2]
    assert metrics.squared_loss(actual, forecast).tolist() == [0, 4, 1]
    assert metrics.rmse(actual, forecast) == pytest.approx(np.sqrt(5 / 3))
    assert metrics.mae(actual, forecast) == pytest.approx(1)
    assert metrics.error_ratio(actual, forecast, baseline) == pytest.approx(1)
    assert metrics.error_ratio(actual, [1, 2, 3], baseline) == pytest.approx(np.sqrt(1 / 5))
    assert metrics.loss_ratio([1, 2], [4, 8]) == pytest.approx(0.25)
    # Mean steps of the training series: |3 - 1|, |2 - 3| = 1.5 on average.
    assert metrics.mase(actual, forecast, [1, 3, 2]) == pytest.approx(1 / 1.5)
    assert metrics.residual_variance(actual, forecast) == pytest.approx(5 / 3)


def test_directions_by_hand():
    previous = [10, 10, 10, 10, 10]
    actual = [11, 9, 12, 10, 8]  # the fourth day does not move and does not count
    forecast = [12, 11, 10, 13, 9]  # right, wrong, no move, not counted, right
    assert metrics.directional_accuracy(actual, forecast, previous) == 0.5
    with pytest.raises(ValueError, match="No day has a move"):
        metrics.directional_accuracy(previous, forecast, previous)


def test_variances_by_hand():
    log_range = np.log(0.02)
    variance = 0.0004 / (4 * np.log(2))
    assert metrics.parkinson_variance(log_range) == pytest.approx(variance)
    assert metrics.variance_forecast(log_range, 0.0) == pytest.approx(variance)
    assert metrics.variance_forecast(log_range, 0.1) == pytest.approx(variance * np.exp(0.2))


def test_parkinson_variance_of_a_random_walk():
    random = np.random.default_rng(0)
    paths = np.cumsum(random.normal(0, 0.01 / np.sqrt(4000), (2000, 4000)), axis=1)
    ranges = np.maximum(paths.max(1), 0) - np.minimum(paths.min(1), 0)
    assert metrics.parkinson_variance(np.log(ranges)).mean() == pytest.approx(1e-4, rel=0.05)


def test_variance_forecasts_of_log_normal_ranges_are_unbiased():
    random = np.random.default_rng(0)
    log_range = random.normal(-4.5, 0.4, 200_000)
    forecast = metrics.variance_forecast(np.full_like(log_range, -4.5), 0.4**2)
    assert forecast[0] == pytest.approx(metrics.parkinson_variance(log_range).mean(), rel=0.01)


def test_qlike_by_hand_and_least_at_the_mean():
    assert metrics.qlike_loss([2.0, 3.0], [2.0, 1.0]) == pytest.approx([0, 3 - np.log(3) - 1])
    assert metrics.qlike_loss([2.0, 3.0], [2.0, 1.0]).mean() == pytest.approx((2 - np.log(3)) / 2)
    proxy = np.random.default_rng(0).exponential(size=1000)
    losses = [metrics.qlike_loss(proxy, np.full(1000, scale * proxy.mean())).mean() for scale in (0.9, 1, 1.1)]
    assert np.argmin(losses) == 1


@pytest.mark.parametrize("autocorrelation", [0.0, 0.6])
def test_diebold_mariano_rejects_one_in_twenty_equal_forecasts(autocorrelation):
    random = np.random.default_rng(0)
    rejected = 0
    for _ in range(500):
        noise = random.normal(size=(400, 2))
        for day in range(1, 400):
            noise[day] += autocorrelation * noise[day - 1]
        rejected += metrics.diebold_mariano(noise[:, 0] + 5, noise[:, 1] + 5)[1] < 0.05
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
    statistic, p_value = metrics.diebold_mariano(better, loss)
    assert statistic == pytest.approx(expected, rel=1e-9)
    assert statistic < 0 and p_value < 0.01
    other, same = metrics.diebold_mariano(loss, better)
    assert other == pytest.approx(-statistic) and same == pytest.approx(p_value)
    assert metrics.diebold_mariano(loss, loss) == (0.0, 1.0)


def test_bootstrap_interval_covers_and_repeats():
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(60):
        common = random.exponential(size=300)
        loss, baseline = common * random.uniform(0.5, 1.1, 300), common * random.uniform(0.5, 1.5, 300)
        low, high = metrics.bootstrap_interval(loss, baseline, seed=trial, repeats=300)
        assert low < metrics.loss_ratio(loss, baseline) < high
        covered += low < 0.8 < high
    assert covered >= 51  # 57 of 60 expected
    again = metrics.bootstrap_interval(loss, baseline, seed=59, repeats=300)
    assert again == (low, high) != metrics.bootstrap_interval(loss, baseline, seed=1, repeats=300)


def test_bootstrap_interval_draws_the_same_days_for_both_losses():
    loss = np.random.default_rng(0).exponential(size=300)
    low, high = metrics.bootstrap_interval(0.5 * loss, loss, repeats=100)
    assert low == pytest.approx(0.5) and high == pytest.approx(0.5)


def test_bootstrap_interval_widens_with_dependence():
    random = np.random.default_rng(0)
    shocks = random.exponential(size=1000)
    slow = pd.Series(shocks).ewm(halflife=10).mean().to_numpy()
    baseline = np.ones(1000) + 1e-3 * random.normal(size=1000)
    shuffled = random.permutation(slow)
    low, high = metrics.bootstrap_interval(slow, baseline, repeats=300)
    low_iid, high_iid = metrics.bootstrap_interval(shuffled, baseline, repeats=300)
    assert high - low > 2 * (high_iid - low_iid)


def test_the_interval_of_an_rmse_ratio_is_the_root_of_that_of_the_mse_ratio():
    random = np.random.default_rng(0)
    loss, baseline = random.exponential(size=(2, 200))
    interval = metrics.bootstrap_interval(loss, baseline)
    assert metrics.ratio_interval("mse_ratio_har", loss, baseline) == [*interval]
    assert metrics.ratio_interval("rmse_ratio_naive", loss, baseline) == pytest.approx(np.sqrt(interval))


def test_of_several_series_the_ratio_is_the_geometric_mean():
    loss, baseline = np.array([[1.0, 4.0], [3.0, 4.0]]), np.array([[1.0, 1.0], [1.0, 1.0]])
    np.testing.assert_array_equal(metrics.loss_ratios(loss, baseline), [2, 4])
    assert metrics.loss_ratio(loss, baseline) == pytest.approx(math.sqrt(8))
    assert metrics.loss_ratio(loss[:, 0], baseline[:, 0]) == 2


def test_the_interval_of_several_series_draws_the_same_days_for_all():
    """Series that move together do not make each other's ratio more certain; independent ones do."""
    random = np.random.default_rng(0)
    loss, baseline = random.exponential(size=(2, 300, 1))
    one = metrics.bootstrap_interval(loss[:, 0], baseline[:, 0], repeats=200)
    together = metrics.bootstrap_interval(np.repeat(loss, 20, 1), np.repeat(baseline, 20, 1), repeats=200)
    assert together == pytest.approx(one)
    low, high = metrics.bootstrap_interval(*random.exponential(size=(2, 300, 20)), repeats=200)
    assert high - low < (one[1] - one[0]) / 2


def test_losses_of_many_series_are_those_of_the_days_that_all_have():
    days = pd.bdate_range("2020-01-01", periods=4)
    losses = {
        "A": {"mse_ratio_har": (pd.Series([1.0, 2, 3], days[:3]), pd.Series([4.0, 5, 6], days[:3]))},
        "B": {"mse_ratio_har": (pd.Series([7.0, 8, 9], days[1:]), pd.Series([1.0, 2, 3], days[1:]))},
    }
    network, baseline = metrics.on_shared_days(losses)["mse_ratio_har"]
    assert network.to_dict("list") == {"A": [2, 3], "B": [7, 8]} and [*network.index] == [*days[1:3]]
    assert baseline.to_dict("list") == {"A": [5, 6], "B": [1, 2]}


def test_panel_scores_count_the_series_that_are_won():
    random = np.random.default_rng(0)
    baseline = random.uniform(1, 2, (100, 3))
    pair = baseline * [0.5, 0.9, 1.2], baseline
    scores = metrics.panel_scores({"mse_ratio_har": pair, "rmse_ratio_naive": pair})
    mean = (0.5 * 0.9 * 1.2) ** (1 / 3)
    assert scores["mse_ratio_har"] == pytest.approx(mean) and scores["rmse_ratio_naive"] == pytest.approx(mean**0.5)
    assert scores["mse_ratio_har_won"] == 2 and scores["mse_ratio_har_low"] <= scores["mse_ratio_har"]
    header, line, *_ = metrics.panel_summary(scores, 3).splitlines()
    assert header.endswith("won of 3 series") and line.split()[0] == "mse_ratio_har" and line.split()[-1] == "2"


def test_the_forecast_to_use_is_the_best_on_the_validation_split():
    sentence = metrics.best_on_validation({"network": [2.0, 4.0], "har": [1.0, 2.0], "garch": [9.0, 9.0]})
    assert "har has a smaller squared error than the network (ratio 0.500): use har" in sentence
    assert "the network has the smallest" in metrics.best_on_validation({"network": [1.0], "har": [2.0]})


@pytest.mark.parametrize(
    "interval, verdict",
    [((0.8, 0.9), "is better than har in MSE"), ((1.1, 1.2), "is worse than har"), ((0.9, 1.1), "is neither better")],
)
def test_the_summary_concludes_from_the_interval(interval, verdict):
    scores = {"mase": 1.5, "mse_ratio_har": 1.0, "mse_ratio_har_p": 0.25}
    scores |= dict(zip(("mse_ratio_har_low", "mse_ratio_har_high"), interval))
    lines = metrics.summary(scores, ["mse_ratio_har"]).splitlines()
    assert [line.split() for line in lines[1:3]] == [
        ["mase", "1.5000"],
        ["mse_ratio_har", "1.0000", f"[{interval[0]:.4f},", f"{interval[1]:.4f}]", "0.250"],
    ]
    assert len(lines) == 5 and f"The network {verdict}" in lines[4]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: metrics.rmse([1, 2], [1]), r"must have one shape.*\(2,\).*\(1,\)"),
        (lambda: metrics.mae([], []), "not be empty"),
        (lambda: metrics.rmse([1, np.nan], [1, 2]), "`actual` must be finite.*Received: nan"),
        (lambda: metrics.mase([1], [1], [3]), r"at least 2 days.*\(1,\)"),
        (lambda: metrics.mase([1], [1], [3, 3]), "baseline's error must not be 0"),
        (lambda: metrics.qlike_loss([1.0, 0.0], [1.0, 1.0]), "`proxy` must be positive.*Received: 0.0"),
        (lambda: metrics.qlike_loss([1.0], [-1.0]), "`forecast` must be positive.*Received: -1.0"),
        (lambda: metrics.diebold_mariano([1, 2, 3], [1, 1, 1], 3), "`horizon` .*Received: 3"),
    ],
)
def test_wrong_input_is_explained(call, message):
    with pytest.raises(ValueError, match=message):
        call()
