"""Figures of forecasts: forecasts beside what happened, errors by horizon, and simulated futures."""

from toolkit.plots import ACTUAL, BASELINE, HIGHLIGHT

import numpy as np
from matplotlib import pyplot as plt
from matplotlib import ticker


def forecasts(actual, forecast, label, days=250):
    """One-day forecasts of the last days, and their errors.

    Args:
        actual, forecast: Series by date.
        label: what is forecast, with its unit.
        days: how many days to draw, at most.
    """
    figure, (above, below) = plt.subplots(2, 1, figsize=(10, 6.5), sharex=True, height_ratios=(2, 1))
    above.plot(actual[-days:], color=ACTUAL, marker=".", markersize=4, linewidth=0.8, label="actual")
    above.plot(forecast[-days:], color=HIGHLIGHT, linewidth=1.2, label="forecast of the day before")
    above.set_ylabel(label)
    above.legend()
    below.plot((actual - forecast)[-days:], color=ACTUAL, linewidth=0.8)
    below.axhline(0, color=HIGHLIGHT, linewidth=0.8)
    below.set(xlabel="date", ylabel=f"error of the\n{label}")
    figure.autofmt_xdate()
    figure.suptitle(f"One-day forecasts, the last {min(days, len(actual))} days of the test split")
    return figure


def ratios_by_series(ratios):
    """How the ratios of many series to each baseline are distributed: a dot a series, and the geometric mean.

    Args:
        ratios: a DataFrame by series, with a column for each ratio, such as mse_ratio_har.
    """
    measures = [*dict.fromkeys(name.partition("_ratio_")[0] for name in ratios)]
    figure, axes = plt.subplots(1, len(measures), figsize=(6 * len(measures), 4.5), squeeze=False)
    for axis, measure in zip(axes[0], measures):
        columns = ratios[[name for name in ratios if name.startswith(f"{measure}_ratio_")]]
        for height, values in enumerate(reversed([columns[name] for name in columns])):
            spread = np.linspace(-0.25, 0.25, len(values))  # so that dots do not hide each other
            axis.plot(values, height + spread, ".", color=ACTUAL, markersize=4)
            axis.plot(np.exp(np.log(values).mean()), height, "D", color=HIGHLIGHT)
        labels = [name.partition("_ratio_")[2].replace("_", " ") for name in reversed([*columns])]
        axis.set_yticks(range(len(labels)), labels)
        axis.axvline(1, color=BASELINE, linestyle=":")
        axis.set(xlabel=f"{measure.upper()} of the network / of the baseline", xscale="log")
        axis.xaxis.set_major_formatter(ticker.FormatStrFormatter("%.2g"))
        axis.xaxis.set_minor_formatter(ticker.FormatStrFormatter("%.2g"))
    figure.suptitle(f"{len(ratios)} series, each a dot; the diamond is their geometric mean")
    return figure


def errors_by_horizon(errors):
    """The error of forecasts 1, 2, … days ahead, beside that of "as today".

    Args:
        errors: a DataFrame by days ahead; its columns "network" and "as today" are drawn, its columns' name (with its
            unit) is the label of the y-axis.
    """
    figure, axis = plt.subplots(figsize=(6.5, 4.5))
    axis.plot(errors["network"], color=HIGHLIGHT, marker=".", label="network")
    axis.plot(errors["as today"], color=BASELINE, marker=".", label='baseline "as today"')
    axis.set(xlabel="days ahead", ylabel=errors.columns.name, ylim=(0, None), title="Errors on the test split")
    axis.legend()
    return figure


def fan(quantiles, known, past=60):
    """Quantiles of simulated futures, continuing what is known.

    Args:
        quantiles: a DataFrame by date, with a column (quantity, quantile) for the quantiles "5 %", "median", "95 %".
        known: Series by date, by the quantity's name.
        past: known days to draw.
    """
    figure, axes = plt.subplots(len(known), 1, figsize=(10, 3.5 * len(known)), sharex=True, squeeze=False)
    for axis, (name, values) in zip(axes[:, 0], known.items()):
        low, middle, high = (quantiles[name, quantile] for quantile in ("5 %", "median", "95 %"))
        axis.plot(values[-past:], color=ACTUAL, linewidth=1, label="known")
        axis.fill_between(quantiles.index, low, high, color=HIGHLIGHT, alpha=0.25, label="90 % of the futures")
        axis.plot(middle, color=HIGHLIGHT, label="median")
        axis.set_ylabel(name)
        axis.legend()
    axes[-1, 0].set_xlabel("date")
    figure.autofmt_xdate()
    figure.suptitle(f"{len(quantiles)} days ahead: simulated futures")
    return figure
