"""Daily prices as windows for one-day-ahead forecasts, at every step of the window.

The S&P 500 that ships inside the `arch` package needs no download; any CSV with a Date and a
Close column works as well. Two targets are on offer: the next day's return ("price"), and the
next day's log range ("volatility"), the quantity of the two that can be forecast.
"""

import dataclasses

import numpy as np
import pandas as pd
import tensorflow as tf

from datasets.price_files import HIGHEST, LOWEST, not_a_price, read

__all__ = ["PriceData", "features", "load", "read"]

TARGETS = {"price": "return", "volatility": "log_range"}
# A market closed to trading now and then leaves a flat day; more of them than this share means
# that highs and lows were not recorded at all.
FLAT_DAYS_ALLOWED = 0.01
# Fewer days than these say nothing about a forecast, or are too few to fit the rivals of volatility.
ASSESSED_DAYS, RIVALS_DAYS = 20, 100
# A standard deviation below this share of the mean is rounding.
ROUNDING = 1e-9
ORIGINS = {"return": "the return of Close", "log_range": "the log range of High and Low"}


@dataclasses.dataclass(frozen=True)
class PriceData:
    """Splits of one price series, with what is needed to undo and to date its forecasts.

    Attributes:
        frame: the prices by Date, as `read` returns them; `frame.attrs["source"]` names the file.
        features: the model inputs by Date, `(days, features)`, as `features` returns them.
        target_column: the column of `features` that is forecast.
        first_days: by split name, the row of `features` that is its first window's last target.
            Rows before `first_days["validation"]` are the training part.
        arrays: by split name, `(inputs, targets)` as float32 arrays of shapes
            `(windows, window, features)` and `(windows, window, 1)`, in order of date.
            `targets[:, t]` is the target column one day after `inputs[:, t]`. Only the last step
            of a validation or test window is sure to lie in that split.
        dates: by split name, the date of each window's last target, `(windows,)`.
        mean, variance: of each feature over the training days, `(features,)`.
        splits: by split name, a `tf.data.Dataset` of batches `(inputs, targets)` over
            `arrays`, in order of date; whoever trains shuffles the arrays.
    """

    frame: pd.DataFrame
    features: pd.DataFrame
    target_column: str
    first_days: dict
    arrays: dict
    dates: dict
    mean: np.ndarray
    variance: np.ndarray
    splits: dict


def load(
    name_or_path="sp500",
    data_dir=None,
    target="price",
    window=60,
    column="Close",
    ticker=None,
    batch_size=64,
    start=None,
    end=None,
    train=0.70,
    validation=0.15,
):
    """Reads prices and cuts them into windows, split by date.

    A window is `window` consecutive days of features; its targets are the target column of the
    following days. Each day of the validation and the test part is the last target of exactly
    one window, whose inputs may reach back into earlier parts: at that time they are history.
    No target of a training window lies outside the training part, and the mean and variance
    are those of the training part.

    Args:
        name_or_path, data_dir, column, ticker, start, end: as for `read`.
        target: "price" for the return, "volatility" for the log range.
        window, batch_size: timesteps in a window, windows in a batch.
        train, validation: shares of the days; the rest is the test part.

    Returns a `PriceData`.

    Raises:
        FileNotFoundError, ValueError: as for `read` and `features`, and where there are too few
            days, a part does not change, or an argument makes no sense.
    """
    _check_counts(window=window, batch_size=batch_size)
    frame = read(name_or_path, data_dir, column, ticker, start, end)
    columns = features(frame, target)
    first_days = _first_days(len(columns), window, train, validation, target)
    _check_changes(frame, columns, first_days)
    ends = {"train": first_days["validation"], "validation": first_days["test"], "test": len(columns)}
    position = columns.columns.get_loc(TARGETS[target])
    arrays = {
        name: _windows(columns.to_numpy("float32"), position, window, first, ends[name])
        for name, first in first_days.items()
    }
    training = columns.to_numpy()[: ends["train"]]
    return PriceData(
        frame=frame,
        features=columns,
        target_column=TARGETS[target],
        first_days=first_days,
        arrays=arrays,
        mean=training.mean(0),
        variance=training.var(0),
        dates={name: columns.index[first : ends[name]] for name, first in first_days.items()},
        splits={name: _batches(*pair, batch_size) for name, pair in arrays.items()},
    )


def features(frame, target):
    """Turns prices into the inputs of a model.

    For "price": `return`, the log return from close to close. For "volatility": `log_range`,
    the natural logarithm of log(High / Low) (the range of Parkinson 1980), then `return`, whose
    sign matters since markets are more volatile after falls (the leverage effect).
    The first day has no return and is left out. A day whose High equals its Low has no
    log range; it takes the smallest positive range seen until then, which no later day changes.

    Args:
        frame: prices by Date, as `read` returns them.
        target: "price" or "volatility".

    Returns:
        A DataFrame by Date, `(days - 1, features)`.

    Raises:
        ValueError: where `target` is unknown, or High or Low is missing, no price, in the wrong
            order, or equal on more than 1 % of the days.
    """
    if target not in TARGETS:
        raise ValueError(f"`target` must be one of {sorted(TARGETS)}. Received: {target!r}")
    columns = {}
    if target == "volatility":
        columns["log_range"] = np.log(_ranges(frame))
    columns["return"] = np.log(frame["Close"]).diff()
    return pd.DataFrame(columns, index=frame.index).iloc[1:]


def _ranges(frame):
    """Returns log(High / Low), positive on every day."""
    source = frame.attrs.get("source", "the prices")
    missing = [name for name in ("High", "Low") if name not in frame]
    if missing:
        raise ValueError(
            f"{source}: the volatility target needs the columns High and Low. Received: {', '.join(frame.columns)}"
        )
    _check_highs_and_lows(frame, source)
    ranges = np.log(frame["High"] / frame["Low"])
    flat = ranges == 0
    if flat.iloc[0] or flat.mean() > FLAT_DAYS_ALLOWED:
        raise ValueError(
            f"{source}, {flat.idxmax():%Y-%m-%d}: High equals Low, so there is no range to "
            f"forecast; {_start_after_flat_days(flat)}. "
            f"Received: {flat.sum()} such days of {len(flat)}"
        )
    return ranges.mask(flat, ranges.mask(flat).cummin().ffill())


def _check_highs_and_lows(frame, source):
    bad = frame.index[~((frame["Low"] >= LOWEST) & (frame["High"] >= frame["Low"]) & (frame["High"] <= HIGHEST))]
    faults = [
        (line, name, text)
        for name, (line, day, text) in frame.attrs.get("faults", {}).items()
        if name in ("High", "Low") and day in bad
    ]
    if faults:
        raise not_a_price(source, *min(faults))
    if len(bad):
        row = frame.loc[bad[0]]
        raise ValueError(
            f"{source}, {bad[0]:%Y-%m-%d}: the volatility target needs prices from 1e-100 to "
            "1e100 with High >= Low > 0; correct the file, or pass a `start` after "
            f"{bad[-1]:%Y-%m-%d}, the last such day. Received: High {row['High']}, Low {row['Low']}"
        )


def _start_after_flat_days(flat):
    """Says which start date leaves few enough flat days."""
    backwards = flat[::-1]
    share = (backwards.cumsum() / np.arange(1, len(flat) + 1))[::-1]
    usable = flat.index[~flat & (share <= FLAT_DAYS_ALLOWED)]
    if len(usable) == 0:
        return "use prices with highs and lows"
    return f"pass `start` {usable[0]:%Y-%m-%d} or later"


def _check_counts(**counts):
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"`{name}` must be a whole number above 0. Received: {value!r}")


def _first_days(days, window, train, validation, target):
    if not (train > 0 and validation > 0 and train + validation < 1):
        raise ValueError(
            "`train` and `validation` must be positive shares that leave room for the test part. "
            f"Received: train={train}, validation={validation}"
        )
    first, second = int(train * days), int((train + validation) * days)
    rivals_days = RIVALS_DAYS if target == "volatility" else 0
    if first < max(window + 1, rivals_days) or min(second - first, days - second) < ASSESSED_DAYS:
        # The training part needs one window and the day after it.
        needed, purpose = max(
            ((window + 1) / train, "for a window to train on; pass a smaller `window` or"),
            (rivals_days / train, f"to fit rivals on {rivals_days} training days; pass"),
            (ASSESSED_DAYS / validation, f"to leave {ASSESSED_DAYS} days to validate; pass"),
            (ASSESSED_DAYS / (1 - train - validation), f"to leave {ASSESSED_DAYS} days to test; pass"),
        )
        raise ValueError(
            f"Too few rows for windows of {window} days: about {int(np.ceil(needed)) + 2} are needed "
            f"{purpose} a longer file. Received: {days + 1} rows"
        )
    return {"train": window, "validation": first, "test": second}


def _check_changes(frame, columns, first_days):
    """Raises where nothing changes: there is nothing to learn, or tomorrow = today makes no error."""
    first, second = first_days["validation"], first_days["test"]
    levels = columns.drop(columns="return").assign(Close=frame["Close"])
    for part, table in (
        ("training", columns.iloc[:first]),
        ("validation", levels.iloc[first:second]),
        ("test", levels.iloc[second:]),
    ):
        for name, values in table.items():
            if values.std(ddof=0) <= ROUNDING * abs(values.mean()):
                raise ValueError(
                    f"{frame.attrs['source']}: {ORIGINS.get(name, name)} does not change in the "
                    f"{part} part (variance 0); correct the file, or choose other dates with `start` "
                    f"and `end`. Received: {values.iloc[0]:g} on all {len(values)} days from "
                    f"{table.index[0]:%Y-%m-%d} to {table.index[-1]:%Y-%m-%d}"
                )


def _windows(values, position, window, first, end):
    """Returns the windows whose last targets are the days `first` to `end - 1`."""
    days = values[first - window : end]
    views = np.lib.stride_tricks.sliding_window_view(days, window, axis=0)
    inputs = np.ascontiguousarray(views[:-1].transpose(0, 2, 1))
    targets = np.ascontiguousarray(views[1:, position, :, None])
    return inputs, targets


def _batches(inputs, targets, batch_size):
    dataset = tf.data.Dataset.from_tensor_slices((inputs, targets))
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)
