"""Daily prices as windows for one-day-ahead forecasts at every timestep of the window.

The S&P 500 in the `arch` package needs no download; any table of dates and prices works as well. There are two targets:
the next day's return ("price"), and the next day's log range ("volatility"), which unlike returns can be forecast.
"""

import dataclasses
import hashlib

import numpy as np
import pandas as pd
import tensorflow as tf

from datasets.price_files import HIGHEST, LOWEST, Form, not_a_price, read, weekdays

__all__ = ["Form", "PriceData", "checksum", "features", "load", "read", "weekdays"]

TARGETS = {"price": "return", "volatility": "log_range"}
# Trading halts leave a few days with equal high and low. A larger share of such days means that highs and lows were not
# recorded.
FLAT_DAYS_ALLOWED = 0.01
EVALUATION_DAYS = 20  # fewer days in the validation or test split are too few to evaluate a forecast
BASELINE_DAYS = 100  # fewer days in the training split are too few to fit the volatility baselines
ROUNDING = 1e-9  # a smaller ratio of standard deviation to mean is rounding error
DESCRIPTIONS = {"return": "the return of Close", "log_range": "the log range of High and Low"}


@dataclasses.dataclass(frozen=True)
class PriceData:
    """Splits of one price series, with the prices and dates that turn forecasts of its features into dated prices.

    Attributes:
        frame: the prices, indexed by Date, as `read` returns them; `frame.attrs["source"]` names the file.
        features: the model inputs, indexed by Date, `(days, features)`, as the function `features` returns them.
        target_column: the column of `features` that is forecast.
        first_days: a dict from split names to the row of `features` that is the last target of the split's first
            window. The rows before `first_days["validation"]` are the training split.
        arrays: a dict from split names to `(inputs, targets)`, float32 arrays of shapes `(windows, window, features)`
            and `(windows, window, 1)`, in order of date. `targets[:, t]` is the target column one day after
            `inputs[:, t]`. Only the last target of each validation or test window is guaranteed to lie in that split.
        dates: a dict from split names to the dates of the windows' last targets, `(windows,)`.
        mean, variance: of each feature over the training days, `(features,)`.
        splits: a dict from split names to `tf.data.Dataset`s of batches `(inputs, targets)` of `arrays`, in order of
            date and not shuffled.
        understood: lines on how the file was understood, a tuple; empty for the built-in data.
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
    understood: tuple = ()

    def checksum(self):
        """A text that changes when the features do."""
        return checksum(self.features)


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
        understood=frame.attrs["understood"],
    )


def checksum(features):
    """A hexadecimal text that changes when the features do, which `features` returns."""
    return hashlib.sha256(features.to_csv().encode()).hexdigest()


def features(frame, target):
    """Turns prices into the inputs of a model.

    For "price" the only feature is `return`, the log return from close to close. For "volatility" the features are
    `log_range`, the natural logarithm of log(High / Low) (the range of Parkinson 1980), and `return`, whose sign
    matters because markets are more volatile after falls (the leverage effect). The first day has no return and is
    dropped. The log range of a day with equal High and Low is undefined; the smallest positive range up to that day is
    used instead, so that no feature depends on later days.

    Args:
        frame: prices, indexed by Date, as `read` returns them.
        target: "price" or "volatility".

    Returns:
        A DataFrame, indexed by Date, `(days - 1, features)`.

    Raises:
        ValueError: `target` is unknown; or the target is "volatility" and High or Low is missing, is not a price, High
            is below Low, or the two are equal on more than 1 % of the days.
    """
    if target not in TARGETS:
        raise ValueError(f"`target` must be one of {sorted(TARGETS)}. Received: {target!r}")
    columns = {}
    if target == "volatility":
        columns["log_range"] = np.log(_ranges(frame))
    columns["return"] = np.log(frame["Close"]).diff()
    return pd.DataFrame(columns, index=frame.index).iloc[1:]


def _ranges(frame):
    """log(High / Low), positive on every day."""
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
    """What to do about days with equal High and Low: the first start date that leaves few enough of them, if any."""
    backwards = flat[::-1]
    share = (backwards.cumsum() / np.arange(1, len(flat) + 1))[::-1]
    usable = flat.index[~flat & (share <= FLAT_DAYS_ALLOWED)]
    if len(usable) == 0:
        return "use prices with highs and lows"
    return f"pass `start` {usable[0]:%Y-%m-%d} or later"


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


def _check_changes(frame, columns, first_days):
    """Raises ValueError if values are constant over a split: nothing to learn, or no error of the naive forecast."""
    first, second = first_days["validation"], first_days["test"]
    levels = columns.drop(columns="return").assign(Close=frame["Close"])
    for split, table in (
        ("training", columns.iloc[:first]),
        ("validation", levels.iloc[first:second]),
        ("test", levels.iloc[second:]),
    ):
        for name, values in table.items():
            if values.std(ddof=0) <= ROUNDING * abs(values.mean()):
                raise ValueError(
                    f"{frame.attrs['source']}: {DESCRIPTIONS.get(name, name)} is constant over the "
                    f"{split} split (variance 0); correct the file, or choose other dates with `start` "
                    f"and `end`. Received: {values.iloc[0]:g} on all {len(values)} days from "
                    f"{table.index[0]:%Y-%m-%d} to {table.index[-1]:%Y-%m-%d}"
                )


def _windows(values, position, window, first, end):
    """Inputs and targets of the windows whose last targets are the days `first` to `end - 1`."""
    days = values[first - window : end]
    views = np.lib.stride_tricks.sliding_window_view(days, window, axis=0)
    inputs = np.ascontiguousarray(views[:-1].transpose(0, 2, 1))
    targets = np.ascontiguousarray(views[1:, position, :, None])
    return inputs, targets


def _batches(inputs, targets, batch_size):
    dataset = tf.data.Dataset.from_tensor_slices((inputs, targets))
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)
