"""What a volatility network is compared with: forecasts of tomorrow's log range that need no network.

Each is a Series by the date forecast. It is fitted on the first `train_days` rows and then computed for all days with
fixed parameters, from earlier days only.
"""

import numpy as np
import pandas as pd
from arch import arch_model

HAR_DAYS = 1, 5, 22  # over which HAR averages
HALF_LIVES = 0.5, 2, 5, 15  # days, of the means of returns


def forecasts(features, train_days):
    """Forecasts by the baseline's name in reports; `features` as `datasets.prices.features` returns them."""
    return {
        "persistence": persistence_forecast(features["log_range"]),
        "har": har_forecast(features, train_days),
        "har_leverage": har_forecast(features, train_days, leverage=True),
        "linear": linear_forecast(features, train_days),
        "garch": garch_forecast(features, train_days),
    }


def persistence_forecast(series):
    """The forecast that each day will be as the day before."""
    return series.shift(1)


def har_forecast(features, train_days, leverage=False):
    """Heterogeneous autoregressive forecasts (HAR, Corsi 2009); NaN on the first 22 days.

    Least squares on the last day and on the averages of the last 5 and 22 days; with `leverage`, also on the same
    averages of the negative returns (Corsi and Reno 2012).
    """
    columns = _averages(features["log_range"])
    if leverage:
        columns += _averages(features["return"].clip(upper=0))
    return _regression(features["log_range"], columns, train_days, lag=1)


def linear_forecast(features, train_days):
    """Linear forecasts from the same features as the network's, by least squares.

    To the averages of HAR it adds exponentially weighted means of each day's return, divided by the day's range, with
    half-lives of 0.5, 2, 5 and 15 days; for features of `datasets.price_panels`, also averages of the volume and of
    the market's range, and such means of the market's return. What the network gains over this is due to its
    nonlinearity.
    """
    return _regression(features["log_range"], _linear_columns(features), train_days, lag=1)


def _averages(series):
    return [series.rolling(days).mean() for days in HAR_DAYS]


def _linear_columns(features):
    """What `linear_forecast` is a regression on, a list of Series; the first ones are HAR's averages."""
    relative_return = features["return"] / np.exp(features["log_range"])
    columns = _averages(features["log_range"]) + [relative_return.ewm(halflife=days).mean() for days in HALF_LIVES]
    if "market_range" in features:
        columns += _averages(features["volume"]) + _averages(features["market_range"])
        columns += [features["market_return"].ewm(halflife=days).mean() for days in HALF_LIVES]
    return columns


def pooled_forecasts(tables, train_days, trained):
    """Forecasts of several series by one regression for all, which is fitted on the training days of them together.

    Each series counts as its difference from its own level, as for a network that reads many series.

    Args:
        tables: a dict from names of series to features, as `datasets.price_panels` has them.
        train_days: a dict from names to the number of rows to fit on.
        trained: the names of the series to fit on.

    Returns:
        A dict from names of series to a dict of forecasts by the baseline's name: "har_pooled", "linear_pooled".
    """
    kinds = {"har_pooled": lambda features: _averages(features["log_range"]), "linear_pooled": _linear_columns}
    forecasts = {name: {} for name in tables}
    for kind, columns_of in kinds.items():
        designs = {name: _from_level(features, columns_of(features)) for name, features in tables.items()}
        rows = [np.column_stack(designs[name])[: train_days[name]] for name in trained]
        target, *columns = np.concatenate(rows).T
        parameters = _least_squares(np.stack(columns, axis=1), target)
        for name, (_, table) in designs.items():
            level = tables[name]["level"].shift(1)
            forecasts[name][kind] = level + table @ parameters
    return forecasts


def _from_level(features, columns):
    """The target of a pooled regression, (days,), and its columns with a constant, of the day before."""
    level = features["level"]
    columns = [column - level for column in columns[: len(HAR_DAYS)]] + columns[len(HAR_DAYS) :]
    return (features["log_range"] - level.shift(1)).to_numpy(), _with_constant(columns, lag=1)


def garch_volatility(returns, train_days):
    """The standard deviation of each day's return given the days before, by GARCH(1,1) (Bollerslev 1986).

    Args:
        returns: daily returns by Date, a Series; its unit is that of the result.
        train_days: rows to fit on, with normal errors; their mean is subtracted.
    """
    _check_days(returns, train_days)
    # The mean is subtracted beforehand: with a mean of its own, `fix` would start the recursion from the mean of all
    # days, later ones included. The optimizer needs values near 1.
    percent = 100 * (returns - returns.iloc[:train_days].mean())
    fitted = _garch(percent.iloc[:train_days]).fit(disp="off")
    return _garch(percent).fix(fitted.params).conditional_volatility / 100


def _garch(percent):
    return arch_model(percent, mean="Zero", vol="GARCH", p=1, q=1, rescale=False)


def garch_forecast(features, train_days):
    """GARCH(1,1) forecasts of the log range.

    A regression on the log of `garch_volatility` turns volatilities into log ranges, so that GARCH is not penalized for
    forecasting another quantity.
    """
    volatility = np.log(garch_volatility(features["return"], train_days))
    return _regression(features["log_range"], [volatility], train_days, lag=0)


def _regression(target, columns, train_days, lag):
    """Forecasts of `target` by least squares on a constant and on `columns` of `lag` days before."""
    _check_days(target, train_days)
    table = _with_constant(columns, lag)
    return pd.Series(table @ _least_squares(table[:train_days], target[:train_days]), index=target.index)


def _with_constant(columns, lag):
    """A constant and the columns of `lag` days before, (days, 1 + columns)."""
    return np.column_stack([np.ones(len(columns[0])), *(column.shift(lag) for column in columns)])


def _least_squares(table, target):
    """The parameters of a regression on the rows without gaps.

    Columns may repeat others, as the market of a series that is alone does: then they share a parameter.
    """
    known = np.isfinite(table).all(axis=1)
    return np.linalg.lstsq(table[known], target[known], rcond=None)[0]


def _check_days(series, train_days):
    if not 100 <= train_days <= len(series):
        raise ValueError(
            f"`train_days` must be at least 100 and at most the {len(series)} days there are. Received: {train_days}"
        )
    if not np.isfinite(series.to_numpy()).all():
        raise ValueError(
            f"Every day needs a finite value; fill or drop the others. Received: "
            f"{series[~np.isfinite(series)].iloc[0]} on {series.index[~np.isfinite(series)][0]}"
        )
