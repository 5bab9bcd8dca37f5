"""Figures of forecasts: forecasts beside what happened, errors by horizon, and simulated futures."""

from toolkit.plots import ACTUAL, BASELINE, HIGHLIGHT

from matplotlib import pyplot as plt


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
