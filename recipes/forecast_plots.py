"""Pictures of forecasts: the test part, the error by horizon, and the fan of simulated futures."""

import numpy as np
import pandas as pd
from matplotlib import pyplot as plt

from recipes import forecast_report as report

QUANTILES = {"5 %": 0.05, "median": 0.5, "95 %": 0.95}
HORIZON = 10
TRADING_DAYS = 252


def annual_volatility(log_range):
    """Per cent a year, from the daily log range."""
    return 100 * np.sqrt(TRADING_DAYS * report.parkinson_variance(log_range))


def report_figures(model, data, forecast, days=250):
    """The figures of the report by file name; `forecast` is the last step's, by the date forecast."""
    history = data.frame, data.features, data.arrays["test"][0].shape[1]
    return {
        "forecasts.png": _forecasts(data, forecast, days),
        "errors_by_horizon.png": _errors_by_horizon(model, data),
        "fan.png": fan(model, *history, surprises(model, data), 20, 500, np.random.default_rng(0))[1],
    }


def _forecasts(data, forecast, days):
    if data.target_column == "return":
        close = data.frame["Close"]
        actual, label = close[forecast.index], "price"
        forecast = close.shift(1)[forecast.index] * np.exp(forecast)
    else:
        actual, label = annual_volatility(data.features["log_range"][forecast.index]), "volatility, % a year"
        forecast = annual_volatility(forecast)
    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 6), sharex=True, height_ratios=(2, 1))
    above.plot(actual[-days:], color="0.6", marker=".", linewidth=0.8, label="actual")
    above.plot(forecast[-days:], color="C3", linewidth=1.2, label="forecast the day before")
    above.set_ylabel(label)
    above.legend()
    below.plot((actual - forecast)[-days:], color="0.4", linewidth=0.8)
    below.axhline(0, color="C3", linewidth=0.8)
    below.set_ylabel("error")
    figure.autofmt_xdate()
    figure.suptitle(f"One-day forecasts, the last {min(days, len(actual))} days of the test part")
    return figure


def _errors_by_horizon(model, data):
    """RMSE 1 to 10 days ahead on the test part, the network's own forecasts fed back, beside "as today"."""
    inputs = data.arrays["test"][0][: 1 - HORIZON]
    quiet = np.zeros((len(inputs), HORIZON, 2))
    path = continued(model, inputs, quiet)
    column = data.features.columns.get_loc(data.target_column)
    first = data.first_days["test"]
    values = data.features[data.target_column].to_numpy()
    actual = np.stack([values[first + h : first + h + len(inputs)] for h in range(HORIZON)], axis=1)
    forecast, unit = path[:, :, column], "log range"
    as_today = np.repeat(inputs[:, -1:, column], HORIZON, axis=1)
    if data.target_column == "return":
        actual, forecast, unit = actual.cumsum(axis=1), forecast.cumsum(axis=1), "log price"
        as_today = np.zeros_like(actual)
    figure, axis = plt.subplots(figsize=(6, 4))
    for name, values in {"network": forecast, '"as today"': as_today}.items():
        axis.plot(range(1, HORIZON + 1), np.sqrt(((values - actual) ** 2).mean(axis=0)), marker=".", label=name)
    axis.set(xlabel="days ahead", ylabel=f"RMSE of the {unit}", ylim=(0, None), title="Error by horizon, test part")
    axis.legend()
    return figure


def continued(model, windows, draws):
    """Let the model forecast day after day, each forecast and its draw becoming the next input.

    Args:
        windows: the last days' features, shape (paths, window, features): the log return, or log range and log return.
        draws: shape (paths, horizon, 2): what to add to each forecast, and the return in units of that day's range
            (without a range among the features, the draw's second part has no use).

    Returns:
        The features of the days to come, shape (paths, horizon, features).
    """
    days = []
    for noise, relative_return in np.moveaxis(draws, (1, 2), (0, 1)):
        day = model.predict_on_batch(windows)[:, -1] + noise[:, None]
        if windows.shape[2] == 2:
            day = np.concatenate([day, (np.exp(day[:, 0]) * relative_return)[:, None]], axis=1)
        windows = np.concatenate([windows[:, 1:], day[:, None]], axis=1).astype("float32")
        days.append(day)
    return np.stack(days, axis=1)


def surprises(model, data):
    """What each training day brought, shape (days, 2): the forecast's error, and the return in units of its range."""
    errors = data.arrays["train"][1][:, -1, 0] - model.predict(data.splits["train"], verbose=0)[:, -1, 0]
    train = data.features.loc[data.dates["train"]]
    relative = train["return"] / np.exp(train["log_range"]) if "log_range" in train else train["return"]
    return np.stack([errors, relative], axis=1)


def fan(model, frame, features, window, surprises, horizon, paths, rng):
    """Simulated futures after the last day, as a table of quantiles by weekday and a figure.

    Each day of a path draws the surprises of one day of the training part. With the range, which scales the return,
    this is a filtered historical simulation (Barone-Adesi, Giannopoulos & Vosper 1999); without, a historical one.

    Args:
        frame, features: the known days, as `datasets.prices.read` and `features` return them.
        window: how many of them the model sees.
        surprises: what `surprises` returns.
        horizon, paths: days in a future, and futures.
    """
    draws = surprises[rng.integers(len(surprises), size=(paths, horizon))]
    last = features.to_numpy("float32")[-window:]
    days = continued(model, np.repeat(last[None], paths, axis=0), draws)
    quantities = {"price": frame["Close"].iloc[-1] * np.exp(days[:, :, -1].cumsum(axis=1))}
    known = {"price": frame["Close"]}
    if "log_range" in features:
        quantities["volatility, % a year"] = annual_volatility(days[:, :, 0])
        known["volatility, % a year"] = annual_volatility(features["log_range"])
    dates = pd.bdate_range(features.index[-1] + pd.Timedelta(days=1), periods=horizon, name="Date")
    table = pd.concat({name: _quantiles(values, dates) for name, values in quantities.items()}, axis=1)
    return table, _draw_fan(table, known)


def _quantiles(values, dates):
    return pd.DataFrame({name: np.quantile(values, q, axis=0) for name, q in QUANTILES.items()}, dates)


def _draw_fan(table, known, past=60):
    figure, axes = plt.subplots(len(known), 1, figsize=(9, 3.2 * len(known)), sharex=True, squeeze=False)
    for axis, (name, values) in zip(axes[:, 0], known.items()):
        axis.plot(values[-past:], color="0.4", linewidth=1, label="known")
        axis.fill_between(table.index, table[name, "5 %"], table[name, "95 %"], color="C3", alpha=0.25, label="90 %")
        axis.plot(table[name, "median"], color="C3", label="median")
        axis.set_ylabel(name)
        axis.legend()
    figure.autofmt_xdate()
    figure.suptitle(f"{len(table)} days ahead: median and 90 % of the simulated futures")
    return figure
