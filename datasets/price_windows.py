"""Features of daily prices, and windows of them with one-day-ahead targets at every timestep."""

import dataclasses
import hashlib

import numpy as np
import pandas as pd
import tensorflow as tf

from datasets.price_values import HIGHEST, LOWEST, not_a_price

TARGETS = {"price": "return", "volatility": "log_range"}
# Trading halts leave a few days with equal high and low. A larger share of such days means that highs and lows were not
# recorded.
FLAT_DAYS_ALLOWED = 0.01
ROUNDING = 1e-9  # a smaller ratio of standard deviation to mean is rounding error
DESCRIPTIONS = {"return": "the return of Close", "log_range": "the log range of High and Low"}
EVALUATION_DAYS = 20  # fewer days in the validation or test split are too few to evaluate a forecast
BASELINE_DAYS = 100  # fewer days in the training split are too few to fit the volatility baselines


@dataclasses.dataclass(frozen=True)
class PriceData:
    """Splits of one price series, with the prices and dates that turn forecasts of its features into dated prices.

    Attributes:
        frame: the prices, indexed by Date, as `datasets.prices.read` returns them; `frame.attrs["source"]` names the
            file.
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


def split(frame, columns, target, window, first_days, batch_size=64, step=1):
    """The `PriceData` of one series.

    Args:
        frame: prices as `datasets.prices.read` returns them.
        columns: the features of these days.
        target, window, batch_size: as for `datasets.prices.load`.
        first_days: as in a `PriceData`.
        step: the days from one training window to the next.

    Raises ValueError if prices are constant over a split.
    """
    _check_changes(frame, columns, first_days)
    ends = {"train": first_days["validation"], "validation": first_days["test"], "test": len(columns)}
    rows = {name: np.arange(first, ends[name]) for name, first in first_days.items()}
    rows["train"] = rows["train"][::-step][::-1]  # with the newest day
    position, values = columns.columns.get_loc(TARGETS[target]), columns.to_numpy("float32")
    arrays = {name: _windows(values, position, window, targets) for name, targets in rows.items()}
    training = columns.to_numpy()[: ends["train"]]
    return PriceData(
        frame=frame,
        features=columns,
        target_column=TARGETS[target],
        first_days=first_days,
        arrays=arrays,
        mean=training.mean(0),
        variance=training.var(0),
        dates={name: columns.index[targets] for name, targets in rows.items()},
        splits={name: batched(*pair, batch_size) for name, pair in arrays.items()},
        understood=frame.attrs["understood"],
    )


def checksum(features):
    """A hexadecimal text that changes when the features do, which `features` returns."""
    return hashlib.sha256(rounded(features).to_csv().encode()).hexdigest()


def rounded(features):
    """Features to a millionth: the last bits of a logarithm depend on the processor."""
    return features.round(6)


def features(frame, target):
    """Turns prices into the inputs of a model.

    For "price" the only feature is `return`, the log return from close to close. For "volatility" the features are
    `log_range`, the natural logarithm of log(High / Low) (the range of Parkinson 1980), and `return`, whose sign
    matters because markets are more volatile after falls (the leverage effect). The first day has no return and is
    dropped. The log range of a day with equal High and Low is undefined; the smallest positive range up to that day is
    used instead, so that no feature depends on later days.

    Args:
        frame: prices, indexed by Date, as `datasets.prices.read` returns them.
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
            f"forecast; {_without_flat_days(flat)}. "
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


def _without_flat_days(flat):
    """What to do about days with equal High and Low, such as the first start date that leaves few enough of them."""
    if flat.all():
        return "use prices with highs and lows"
    skip = "leave such days out with --skip-flat-days"
    backwards = flat[::-1]
    share = (backwards.cumsum() / np.arange(1, len(flat) + 1))[::-1]
    usable = flat.index[~flat & (share <= FLAT_DAYS_ALLOWED)]
    return f"pass `start` {usable[0]:%Y-%m-%d} or later, or {skip}" if len(usable) else skip


def _check_changes(frame, columns, first_days):
    """Raises ValueError if values are constant over a split: nothing to learn, or no error of the naive forecast."""
    first, second = first_days["validation"], first_days["test"]
    columns = columns.drop(columns="volume", errors="ignore")  # which many files do not have
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


def _windows(values, position, window, rows):
    """Inputs and targets of the windows whose last targets are the days of these rows."""
    views = np.lib.stride_tricks.sliding_window_view(values, window, axis=0)
    inputs = np.ascontiguousarray(views[rows - window].transpose(0, 2, 1))
    targets = np.ascontiguousarray(views[rows - window + 1, position, :, None])
    return inputs, targets


def batched(inputs, targets, batch_size):
    """A `tf.data.Dataset` of batches in the order of the windows."""
    dataset = tf.data.Dataset.from_tensor_slices((inputs, targets))
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)
