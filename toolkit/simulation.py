"""Simulated futures of a series of prices: forecasts that are the next inputs, with errors that the past had."""

from toolkit.metrics import forecasts as metrics

import numpy as np
import pandas as pd

from datasets import price_files

QUANTILES = {"5 %": 0.05, "median": 0.5, "95 %": 0.95}
PRICE, VOLATILITY = "price", "volatility, % per year"  # quantities and units, as tables and figures name them


def continued(model, windows, draws):
    """Forecast day after day: each forecast, with what is drawn added to it, becomes the next input.

    Args:
        windows: the features of the last known days, shape (paths, window, features).
        draws: shape (paths, horizon, 2): what to add to each forecast, and, where a log range is forecast, the return
            divided by that day's range.

    Returns:
        The log range and the return, or the return, of the days to come, shape (paths, horizon, 2) or (…, 1).
    """
    days = []
    for noise, relative_return in np.moveaxis(draws, (1, 2), (0, 1)):
        day = model.predict_on_batch(windows)[:, -1] + noise[:, None]
        if windows.shape[2] >= 2:
            day = np.concatenate([day, (np.exp(day[:, 0]) * relative_return)[:, None]], axis=1)
        days.append(day)
        if windows.shape[2] > 2:  # with the market
            day = with_market(day, windows[:, -1], relative_return)
        windows = np.concatenate([windows[:, 1:], day[:, None]], axis=1).astype("float32")
    return np.stack(days, axis=1)


def with_market(day, before, relative_return):
    """The features of `datasets.price_panels`, (paths, 6), of a simulated day whose log range and return are known.

    The level and the volume are as usual, and the market moves as the series does.

    Args:
        day: (paths, 2).
        before: the features of the day before, (paths, 6).
        relative_return: of the series, in units of its range, (paths,) or one for all.
    """
    level, market_range = before[:, 2], before[:, 4] + day[:, 0] - before[:, 0]
    usual = np.zeros_like(level)
    return np.column_stack([day, level, usual, market_range, usual + relative_return])


def residuals(model, data):
    """Of each day of the training split, (days, 2): the forecast's error, and the return divided by the day's range."""
    if hasattr(data, "series"):
        return np.concatenate([residuals(model, own) for own in data.trained.values()])
    errors = data.arrays["train"][1][:, -1, 0] - model.predict(data.splits["train"], verbose=0)[:, -1, 0]
    train = data.features.loc[data.dates["train"]]
    relative = train["return"] / np.exp(train["log_range"]) if "log_range" in train else train["return"]
    return np.stack([errors, relative], axis=1, dtype="float32")


def simulate(model, features, window, residuals, horizon, paths, rng):
    """Simulated features of the days after the last one, shape (paths, horizon, features).

    Each day of a path gets the residuals of one day of the training split. With the range, which scales the return,
    this is a filtered historical simulation (Barone-Adesi, Giannopoulos & Vosper 1999); without, a historical one.
    """
    draws = residuals[rng.integers(len(residuals), size=(paths, horizon))]
    last = features.to_numpy("float32")[-window:]
    return continued(model, np.repeat(last[None], paths, axis=0), draws)


def quantiles(days, frame, features):
    """Quantiles of price and volatility over simulated `days`, a DataFrame by date after the last known one.

    The dates are those of the weekdays on which prices were recorded until then.
    """
    week = [day in price_files.weekdays(features.index) for day in range(7)]
    every = pd.offsets.CustomBusinessDay(weekmask=week)
    dates = pd.date_range(features.index[-1] + every, periods=days.shape[1], freq=every, name="Date")
    quantities = {PRICE: frame["Close"].iloc[-1] * np.exp(days[:, :, -1].cumsum(axis=1))}
    if "log_range" in features:
        quantities[VOLATILITY] = metrics.annual_volatility(days[:, :, 0], price_files.days_a_year(features.index))
    tables = {
        name: pd.DataFrame({label: np.quantile(values, q, axis=0) for label, q in QUANTILES.items()}, dates)
        for name, values in quantities.items()
    }
    return pd.concat(tables, axis=1)
