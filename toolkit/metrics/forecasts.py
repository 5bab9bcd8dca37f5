"""Scores of one-day-ahead forecasts.

Losses are arrays with one value for each day, so that two forecasts can be compared day by day: the ratio of their mean
losses, its bootstrap interval, and the Diebold-Mariano test.
"""

import math

import numpy as np
import pandas as pd
import statsmodels.api as sm
from arch.bootstrap import StationaryBootstrap, optimal_block_length
from scipy import stats

PARKINSON = 4 * np.log(2)  # the expected squared range of a random walk by its variance (Parkinson 1980)


def squared_loss(actual, forecast):
    """The squared errors, of the shape of the arguments."""
    actual, forecast = _pair(actual=actual, forecast=forecast)
    return (actual - forecast) ** 2


def rmse(actual, forecast):
    """The root mean squared error, in the unit of the arguments."""
    return float(np.sqrt(squared_loss(actual, forecast).mean()))


def mae(actual, forecast):
    """The mean absolute error, in the unit of the arguments."""
    actual, forecast = _pair(actual=actual, forecast=forecast)
    return float(np.abs(actual - forecast).mean())


def error_ratio(actual, forecast, baseline):
    """The RMSE of `forecast` divided by that of `baseline`: below 1, the forecast is better."""
    return _ratio(rmse(actual, forecast), rmse(actual, baseline))


def loss_ratio(loss, baseline_loss):
    """The mean of `loss` divided by that of `baseline_loss`, such as the ratio of two MSEs.

    Of losses of several series, (days, series), it is the geometric mean of the series' ratios.
    """
    return float(np.exp(np.mean(np.log(ratios)))) if np.ndim(ratios := loss_ratios(loss, baseline_loss)) else ratios


def loss_ratios(loss, baseline_loss):
    """The ratio of each series, (series,), of losses (days, series); a number for those of one series, (days,)."""
    loss, baseline_loss = _pair(loss=loss, baseline_loss=baseline_loss)
    if loss.ndim == 1:
        return _ratio(float(loss.mean()), float(baseline_loss.mean()))
    return np.array([_ratio(*pair) for pair in zip(loss.mean(0), baseline_loss.mean(0))])


def mase(actual, forecast, training):
    """The mean absolute scaled error (Hyndman and Koehler 2006).

    The scale is the mean absolute error, on the `training` series, of the forecast that tomorrow will be as today.
    """
    training = np.asarray(training, "float64")
    if training.ndim != 1 or len(training) < 2:
        raise ValueError(
            f"`training` must be a series of at least 2 days. Received: an array of shape {training.shape}"
        )
    return _ratio(mae(actual, forecast), float(np.abs(np.diff(training)).mean()))


def directional_accuracy(actual, forecast, previous):
    """The share of days on which the forecast moved from `previous` in the same direction as the actual value.

    Days on which the actual value did not move are not counted. A forecast of no move is wrong.
    """
    actual, forecast, previous = _pair(actual=actual, forecast=forecast, previous=previous)
    moved = actual != previous
    if not moved.any():
        raise ValueError("No day has a move to forecast. Received: `actual` equal to `previous`")
    hits = np.sign(actual - previous) == np.sign(forecast - previous)
    return float(hits[moved].mean())


def parkinson_variance(log_range):
    """The daily variance that corresponds to a log range: range² / (4 log 2).

    Args:
        log_range: the natural logarithm of log(High / Low).
    """
    return np.exp(2 * log_range) / PARKINSON


def annual_volatility(log_range, days_a_year):
    """Volatility in per cent per year, from the daily log range."""
    return 100 * np.sqrt(days_a_year * parkinson_variance(log_range))


def variance_forecast(log_range_forecast, residual_variance):
    """The expected variance, given a forecast of the log range.

    Ranges are close to log-normal, so the mean of range² is exp(2 m + 2 s²) for a log range of mean m and variance s²;
    without s² every variance forecast would be too low.

    Args:
        log_range_forecast: the forecast m, (days,).
        residual_variance: the forecast's s², from `residual_variance` on days that it was not fitted to.
    """
    forecast = np.asarray(log_range_forecast, "float64")
    return parkinson_variance(forecast + residual_variance)


def residual_variance(actual, forecast):
    """The mean squared error; for `variance_forecast`, that on the validation split."""
    return float(squared_loss(actual, forecast).mean())


def qlike_loss(proxy, forecast):
    """The QLIKE loss of each day, p/f - log(p/f) - 1 (Patton 2011), which is 0 where forecast and proxy agree.

    Args:
        proxy: a measure p of each day's variance, such as `parkinson_variance`.
        forecast: the forecast variances f.

    Raises:
        ValueError: a variance is not positive.
    """
    proxy, forecast = _pair(proxy=proxy, forecast=forecast)
    for name, variances in (("proxy", proxy), ("forecast", forecast)):
        if not (variances > 0).all():
            raise ValueError(f"`{name}` must be positive variances. Received: {variances.min()}")
    ratio = proxy / forecast
    return ratio - np.log(ratio) - 1


def diebold_mariano(loss_a, loss_b, horizon=1):
    """Test whether two forecasts have the same expected loss (Diebold and Mariano 1995).

    The mean of the daily difference is tested with a Newey-West variance over the larger of `horizon` - 1 and
    4 (days / 100)^(2/9) lags, because the difference is autocorrelated where a model is imperfect, and with the
    small-sample correction of Harvey, Leybourne and Newbold (1997).

    Returns:
        The statistic, negative where `loss_a` is smaller, and the two-sided p-value.
    """
    loss_a, loss_b = _pair(loss_a=loss_a, loss_b=loss_b)
    difference, days = loss_a - loss_b, len(loss_a)
    if not 1 <= horizon < days:
        raise ValueError(f"`horizon` must lie between 1 and the {days} days less one. Received: {horizon}")
    if not difference.any():
        return 0.0, 1.0
    lags = max(horizon - 1, int(4 * (days / 100) ** (2 / 9)))
    mean = sm.OLS(difference, np.ones(days)).fit(cov_type="HAC", cov_kwds={"maxlags": lags})
    correction = (days + 1 - 2 * horizon + horizon * (horizon - 1) / days) / days
    statistic = float(mean.tvalues[0] * np.sqrt(correction))
    return statistic, float(2 * stats.t.sf(abs(statistic), days - 1))


def bootstrap_interval(loss, baseline_loss, seed=0, repeats=2000, level=0.95):
    """The lower and upper end of a bootstrap interval of `loss_ratio`.

    Blocks of days are drawn with the stationary bootstrap (Politis and Romano 1994), the same days for both losses,
    with the longer of the two block lengths of Politis and White (2004). Of losses of several series, (days, series),
    they are the same days for all series, which move together, and the lengths are those of the series' mean losses.
    """
    pair = _pair(loss=loss, baseline_loss=baseline_loss)
    means = np.column_stack([losses.reshape(len(losses), -1).mean(1) for losses in pair])
    length = max(1.0, float(optimal_block_length(means)["stationary"].max()))
    bootstrap = StationaryBootstrap(length, *pair, seed=seed)
    low, high = bootstrap.conf_int(loss_ratio, repeats, method="percentile", size=level)[:, 0]
    return float(low), float(high)


def ratio_interval(name, loss, baseline_loss):
    """A 95 % bootstrap interval of a ratio by its name, such as "rmse_ratio_naive" or "mse_ratio_har".

    Losses of an RMSE ratio are squared errors as well: the ends of its interval are square roots.
    """
    return [_of_rmse(name)(end) for end in bootstrap_interval(loss, baseline_loss)]


def _of_rmse(name):
    """What turns a ratio of squared errors into the ratio of this name."""
    return math.sqrt if name.startswith("rmse_") else float


def _pair(**arrays):
    """The arrays as float64. Raises ValueError unless they have one shape, are finite and not empty."""
    arrays = {name: np.asarray(array, "float64") for name, array in arrays.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    if len(set(shapes.values())) > 1 or 0 in next(iter(shapes.values())):
        raise ValueError(f"The arrays must have one shape and not be empty. Received: {shapes}")
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ValueError(
                f"`{name}` must be finite; omit the days before the first forecast. "
                f"Received: {array[~np.isfinite(array)][0]}"
            )
    return tuple(arrays.values())


def _ratio(value, scale):
    if scale == 0:
        raise ValueError("The baseline's error must not be 0. Received: a baseline without any error")
    return value / scale


def on_shared_days(losses):
    """Losses of many series on the days that all have.

    Args:
        losses: a dict by series of dicts by the ratio's name: the losses of network and baseline, two Series by date.

    Returns:
        A dict by the ratio's name: two DataFrames (days, series).
    """
    table = lambda ratio, i: pd.DataFrame({name: own[ratio][i] for name, own in losses.items()}).dropna()
    return {ratio: (table(ratio, 0), table(ratio, 1)) for ratio in next(iter(losses.values()))}


def panel_scores(losses):
    """Scores of a network on several series, a dict.

    Args:
        losses: by the name of each ratio, such as "mse_ratio_har", the losses of network and baseline, each (days,
            series), on the same days.

    Returns:
        For each ratio its geometric mean over the series; with _low and _high behind its name the ends of its 95 %
        interval, and with _won how many series have a ratio below 1.
    """
    scores = {}
    for name, pair in losses.items():
        transform = _of_rmse(name)
        scores[name] = transform(loss_ratio(*pair))
        scores[f"{name}_low"], scores[f"{name}_high"] = ratio_interval(name, *pair)
        scores[f"{name}_won"] = int((loss_ratios(*pair) < 1).sum())
    return scores


def panel_summary(scores, series):
    """A report as text on so many series, of what `panel_scores` returns."""
    lines = [f"{'geometric mean of the ratio':32}{'value':>9}   95 % interval     won of {series:,} series"]
    for name in [name for name in scores if f"{name}_won" in scores]:
        low, high, won = (scores[f"{name}_{what}"] for what in ("low", "high", "won"))
        lines.append(f"{name:32}{scores[name]:9.4f}   [{low:.4f}, {high:.4f}]{won:12,}")
    return "\n".join([*lines, "", *(_verdict(name, scores) for name in scores if f"{name}_won" in scores)])


def best_on_validation(errors, network="network"):
    """A sentence on which forecast to use, given squared errors on the validation split by name, each (days,)."""
    means = {name: float(np.mean(values)) for name, values in errors.items()}
    best = min(means, key=means.get)
    if best == network:
        return "On the validation split the network has the smallest squared error: use it."
    return (
        f"On the validation split {best} has a smaller squared error than the network (ratio "
        f"{means[best] / means[network]:.3f}): use {best}."
    )


def summary(metrics, comparisons):
    """A report as text: each metric, with interval and p-value where there are any, and a verdict on each comparison.

    Args:
        metrics: values by name; for each name in `comparisons` also name_low, name_high and name_p.
        comparisons: the names of ratios of the network's loss to a baseline's.
    """
    lines = [f"{'':32}{'value':>9}   95 % interval     Diebold-Mariano p"]
    for name in [n for n in metrics if not n.endswith(("_low", "_high", "_p"))]:
        line = f"{name:32}{metrics[name]:9.4f}"
        if name in comparisons:
            line += "   [{:.4f}, {:.4f}]{:12.3f}".format(*(metrics[f"{name}_{end}"] for end in ("low", "high", "p")))
        lines.append(line)
    return "\n".join([*lines, "", *(_verdict(name, metrics) for name in comparisons)])


def _verdict(name, metrics):
    loss, _, baseline = name.partition("_ratio_")
    comparison = f"than {baseline} in {loss.upper()}: the whole interval of the ratio is"
    if metrics[f"{name}_high"] < 1:
        return f"The network is better {comparison} below 1."
    if metrics[f"{name}_low"] > 1:
        return f"The network is worse {comparison} above 1."
    return f"The network is neither better nor worse than {baseline} in {loss.upper()}: the interval contains 1."
