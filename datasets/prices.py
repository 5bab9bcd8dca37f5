"""Daily prices as windows for one-day-ahead forecasts at every timestep of the window.

The S&P 500 in the `arch` package needs no download; any table of dates and prices works as well. There are two targets:
the next day's return ("price"), and the next day's log range ("volatility"), which unlike returns can be forecast.
"""

import numpy as np

from datasets.price_files import Form, days_a_year, read, read_all, weekdays
from datasets.price_windows import BASELINE_DAYS, EVALUATION_DAYS, TARGETS, PriceData, checksum, features, split

__all__ = [
    "TARGETS",
    "Form",
    "PriceData",
    "checksum",
    "days_a_year",
    "features",
    "load",
    "read",
    "read_all",
    "weekdays",
]


def load(
    name_or_path="sp500",
    data_dir=None,
    target="price",
    window=60,
    column=None,
    ticker=None,
    batch_size=64,
    start=None,
    end=None,
    train=0.70,
    validation=0.15,
    form=Form(),
):
    """Reads prices and cuts them into windows, split by date.

    A window is `window` consecutive days of features; its targets are the target column of the following days. Each
    day of the validation and the test split is the last target of exactly one window. The inputs of that window may
    reach back into an earlier split, because they are known at the time of the forecast. All targets of training
    windows lie in the training split, and the mean and variance are those of the training split.

    Args:
        name_or_path, data_dir, column, ticker, start, end, form: as for `read`.
        target: "price" for the return, "volatility" for the log range.
        window: timesteps of a window.
        batch_size: windows in a batch.
        train, validation: shares of the days; the remaining days are the test split.

    Returns:
        A `PriceData`.

    Raises:
        FileNotFoundError: as for `read`.
        ValueError: as for `read` and `features`; or there are too few days, prices are constant over a split, or an
            argument is out of its range.
    """
    _check_counts(window=window, batch_size=batch_size)
    frame = read(name_or_path, data_dir, column, ticker, start, end, form)
    columns = features(frame, target)
    first_days = _first_days(len(columns), window, train, validation, target)
    return split(frame, columns, target, window, first_days, batch_size)


def _check_counts(**counts):
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"`{name}` must be a positive integer. Received: {value!r}")


def _first_days(days, window, train, validation, target):
    if not (train > 0 and validation > 0 and train + validation < 1):
        raise ValueError(
            "`train` and `validation` must be positive and their sum below 1, which leaves a test split. "
            f"Received: train={train}, validation={validation}"
        )
    first, second = int(train * days), int((train + validation) * days)
    baseline_days = BASELINE_DAYS if target == "volatility" else 0
    if first < max(window + 1, baseline_days) or min(second - first, days - second) < EVALUATION_DAYS:
        # The training split needs one window and the day after it.
        needed, purpose = max(
            ((window + 1) / train, "for one training window; pass a smaller `window` or"),
            (baseline_days / train, f"to fit the baselines on {baseline_days} training days; pass"),
            (EVALUATION_DAYS / validation, f"for a validation split of {EVALUATION_DAYS} days; pass"),
            (EVALUATION_DAYS / (1 - train - validation), f"for a test split of {EVALUATION_DAYS} days; pass"),
        )
        raise ValueError(
            f"Too few rows for windows of {window} days: about {int(np.ceil(needed)) + 2} are needed "
            f"{purpose} a longer file. Received: {days + 1} rows"
        )
    return {"train": window, "validation": first, "test": second}
