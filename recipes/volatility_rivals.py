"""The forecasts of tomorrow's log range that a volatility network has to beat.

Each is a Series by the date it forecasts, fitted on the first `train_days` rows and then run over all days with fixed
parameters, seeing only earlier days.
"""

import numpy as np
import pandas as pd
import statsmodels.api as sm
from arch import arch_model


def rivals(features, train_days):
    """Every rival's forecasts by its name in the report; `features` as `datasets.prices.features` returns them."""
    return {
        "persistence": persistence_forecast(features["log_range"]),
        "har": har_forecast(features, train_days),
        "har_leverage": har_forecast(features, train_days, leverage=True),
        "linear": linear_forecast(features, train_days),
        "garch": garch_forecast(features, train_days),
    }


def persistence_forecast(series):
    """Returns the forecast that each day will be as the day before, by the day forecast."""
    return series.shift(1)


def har_forecast(features, train_days, leverage=False):
    """Returns heterogeneous autoregressive forecasts of `log_range` (Corsi 2009).

    Least squares on the last day and on the averages of the last 5 and 22 days; with `leverage`,
    also on the same averages of the negative returns (Corsi and Reno 2012).

    Args:
        features: `log_range` and, for `leverage`, `return`, by Date.
        train_days: rows to fit on.

    Returns:
        A Series by the date forecast; the first 22 days are NaN.
    """
    columns = [features["log_range"].rolling(days).mean() for days in (1, 5, 22)]
    if leverage:
        falls = features["return"].clip(upper=0)
        columns += [falls.rolling(days).mean() for days in (1, 5, 22)]
    return _regression(features["log_range"], columns, train_days, lag=1)


def linear_forecast(features, train_days):
    """Returns forecasts of `log_range` from what the network sees, by least squares: how much of its gain is its own.

    To the averages of HAR it adds exponentially weighted means of each day's return in units of its range, with
    half-lives of 0.5, 2, 5 and 15 days.
    """
    relative_return = features["return"] / np.exp(features["log_range"])
    columns = [features["log_range"].rolling(days).mean() for days in (1, 5, 22)]
    columns += [relative_return.ewm(halflife=days).mean() for days in (0.5, 2, 5, 15)]
    return _regression(features["log_range"], columns, train_days, lag=1)


def garch_volatility(returns, train_days):
    """Returns GARCH(1,1) volatilities (Bollerslev 1986), in the unit of `returns`.

    Args:
        returns: daily returns, by Date.
        train_days: rows to fit on, with their own mean taken off and normal errors.

    Returns:
        A Series by Date: the standard deviation of that day's return, given the days before.
    """
    _check_days(returns, train_days)
    # The mean is taken off beforehand: with a mean of its own, `fix` starts the recursion from
    # the mean of all days, later ones included. The optimiser needs numbers near 1.
    percent = 100 * (returns - returns.iloc[:train_days].mean())
    fitted = _garch(percent.iloc[:train_days]).fit(disp="off")
    return _garch(percent).fix(fitted.params).conditional_volatility / 100


def _garch(percent):
    return arch_model(percent, mean="Zero", vol="GARCH", p=1, q=1, rescale=False)


def garch_forecast(features, train_days):
    """Returns GARCH(1,1) forecasts of `log_range`, by the date forecast.

    A least-squares line on the log of `garch_volatility`, fitted on the training part, turns
    volatilities into log ranges, so that GARCH is not marked down for measuring another thing.
    """
    volatility = np.log(garch_volatility(features["return"], train_days))
    return _regression(features["log_range"], [volatility], train_days, lag=0)


def _regression(target, columns, train_days, lag):
    """Regresses `target` on a constant and on `columns` of `lag` days before."""
    _check_days(target, train_days)
    table = sm.add_constant(pd.concat(columns, axis=1).shift(lag).to_numpy(), has_constant="add")
    fitted = sm.OLS(target.to_numpy()[:train_days], table[:train_days], missing="drop").fit()
    return pd.Series(table @ fitted.params, index=target.index)


def _check_days(series, train_days):
    if not 100 <= train_days <= len(series):
        raise ValueError(
            f"`train_days` must be at least 100 and at most the {len(series)} days there are. Received: {train_days}"
        )
    if not np.isfinite(series.to_numpy()).all():
        raise ValueError(
            f"Every day needs a finite number; fill or drop the others. Received: "
            f"{series[~np.isfinite(series)].iloc[0]} on {series.index[~np.isfinite(series)][0]}"
        )
