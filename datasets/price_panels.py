"""Daily prices of many series as one data set (econometrics calls it a panel), split at the same dates for all.

The features of a series are scaled by its own past alone, so that one network reads calm and wild series, and series
that it has never seen.
"""

import dataclasses

import numpy as np
import pandas as pd

from datasets import local, price_files, price_names, price_windows

ALL = "all"  # as a ticker: every series
# Features of the volatility target, in this order
FEATURES = ("log_range", "return", "level", "volume", "market_range", "market_return")
STEP = 10  # days from one training window to the next: a network learns at every timestep, and windows overlap
COVERED = 0.8  # of the days of validation and test split, which a series must have
VOLUME_DAYS = 60  # a day's volume is compared with their mean
NAMED = 3  # series that are left out, or warnings, which are printed in full


@dataclasses.dataclass(frozen=True)
class Panel:
    """Splits of several series, at the same dates.

    Attributes:
        series: a dict from names to `datasets.prices.PriceData`, with the features that `features` returns.
        left_out: names of the series that take no part in training.
        target_column: the feature that is forecast, the first one.
        arrays: a dict with the windows of "train" and "validation" of all series but those left out, as in a
            `PriceData`.
        mean, variance: of each feature over the training days of these series, (features,); for the log range those of
            its difference from its level.
        splits: a dict with "validation", the same windows as a `tf.data.Dataset`.
        understood: lines on how the files were understood, a tuple.
    """

    series: dict
    left_out: tuple
    target_column: str
    arrays: dict
    mean: np.ndarray
    variance: np.ndarray
    splits: dict
    understood: tuple = ()

    @property
    def tested(self):
        """The series on which a network is to be tested: those left out of training or, without any, all."""
        return {name: self.series[name] for name in self.left_out or self.series}

    @property
    def trained(self):
        """The series that take part in training."""
        return {name: data for name, data in self.series.items() if name not in self.left_out}

    def checksum(self):
        """A text that changes when the features do."""
        return checksum({name: data.features for name, data in self.series.items()})


def checksum(tables):
    """A hexadecimal text that changes when the features of one of the series do, a dict by name."""
    return local.checksum({name: price_windows.rounded(table) for name, table in tables.items()})


def load(
    name_or_path,
    data_dir=None,
    target="volatility",
    window=60,
    column=None,
    ticker=ALL,
    start=None,
    end=None,
    form=price_files.Form(),
    leave_out=0.0,
    train=0.70,
    validation=0.15,
):
    """Reads all series and cuts them into windows, split at the same dates.

    The splits' shares are those of the days on which any series has a price. A series that cannot be used, or is too
    short in one of the splits, is left out, and a line says why.

    Args:
        name_or_path, data_dir, column, start, end, form: as for `datasets.prices.read_all`.
        target, window, train, validation: as for `datasets.prices.load`.
        ticker: "all", or the only series to use.
        leave_out: the share of the series that take no part in training; their names' hashes decide which.

    Returns:
        A `Panel`.

    Raises:
        FileNotFoundError, ValueError: as for `datasets.prices.read_all`; or no series can be used.
    """
    frames, tables, unusable = _read(name_or_path, data_dir, target, column, start, end, form)
    names = [*tables] if ticker == ALL else [_chosen(ticker, tables, unusable, name_or_path)]
    days = pd.DatetimeIndex(np.unique(np.concatenate([tables[name].index for name in names])))
    boundaries = days[int(train * len(days))], days[int((train + validation) * len(days))]
    first_days = {}
    for name in names:
        try:
            first_days[name] = _first_days(tables[name].index, days, boundaries, window, frames[name].attrs["source"])
        except ValueError as error:
            unusable[name] = error
    if not first_days:
        raise next(iter(unusable.values()))
    left_out = _left_out(first_days, leave_out)
    seen = [name for name in first_days if name not in left_out] if ticker == ALL else [*tables]
    tables = _with_market(tables, seen) if target == "volatility" else tables
    series = {}
    for name, first in first_days.items():
        try:
            series[name] = price_windows.split(
                frames[name], tables[name], target, window, first, batch_size=256, step=STEP
            )
        except ValueError as error:
            unusable[name] = error
    if not any(name not in left_out for name in series):
        raise next(iter(unusable.values()))
    understood = _understood(series, unusable, left_out, days, boundaries)
    return _panel(series, tuple(name for name in left_out if name in series), target, understood)


def read(
    name_or_path,
    data_dir=None,
    target="volatility",
    column=None,
    ticker=None,
    start=None,
    end=None,
    form=price_files.Form(),
):
    """The prices of one series, and its features beside the market of all series of the same files.

    Args:
        ticker: the series' name; not needed where there is only one.
        name_or_path, data_dir, target, column, start, end, form: as for `load`.

    Returns:
        A frame as `datasets.prices.read` returns it, and a DataFrame with `FEATURES`, or for prices with the return.

    Raises:
        FileNotFoundError, ValueError: as for `load`, or there are several series and `ticker` is none of them.
    """
    frames, tables, unusable = _read(name_or_path, data_dir, target, column, start, end, form)
    name = _chosen(ticker, tables, unusable, name_or_path)
    tables = _with_market(tables, [*tables]) if target == "volatility" else tables
    return frames[name], tables[name]


def features(frame, target):
    """Turns the prices of one series into features, but for those of the market.

    For "price" the only feature is `return`, as of `datasets.prices.features`. For "volatility" they are its
    `log_range` and `return`; the `level`, which is the mean of the log range from the first day to this one; and the
    `volume`, the log of the day's volume less its mean over the last 60 days, and 0 where no volume is recorded.

    Args:
        frame: prices as `datasets.prices.read` returns them.
        target: "price" or "volatility".

    Raises ValueError as `datasets.prices.features` does.
    """
    columns = price_windows.features(frame, target)
    if target == "price":
        return columns
    volume = frame["Volume"] if "Volume" in frame else pd.Series(np.nan, frame.index)
    logs = np.log(volume.where(volume > 0))
    volume = (logs - logs.rolling(VOLUME_DAYS, min_periods=1).mean()).fillna(0.0)
    return columns.assign(level=columns["log_range"].expanding().mean(), volume=volume)


def _with_market(tables, seen):
    """The tables with two more features, the means over the series `seen` of each day.

    They are those of the log range less its level, and of the return divided by the range. On days on which none of
    these series has a price, a series is its own market.
    """
    own = {
        name: pd.DataFrame(
            {
                "market_range": table["log_range"] - table["level"],
                "market_return": table["return"] / np.exp(table["log_range"]),
            }
        )
        for name, table in tables.items()
    }
    market = pd.concat([own[name] for name in seen]).groupby(level=0).mean()
    return {
        name: pd.concat([table, market.reindex(table.index).fillna(own[name])], axis=1)[[*FEATURES]]
        for name, table in tables.items()
    }


def _read(name_or_path, data_dir, target, column, start, end, form):
    """Frames, and features without the market, of all series; and the errors of those that cannot be used."""
    frames, unusable = price_files.read_all(name_or_path, data_dir, column, start, end, form)
    tables = {}
    for name, frame in frames.items():
        try:
            tables[name] = features(frame, target)
        except ValueError as error:
            unusable[name] = error
    if not tables:
        raise next(iter(unusable.values()))
    return frames, tables, unusable


def _chosen(ticker, tables, unusable, source):
    """The series of this name, or the only one. Raises ValueError if there is none, or it cannot be used."""
    if ticker is None and len(tables) == 1 and not unusable:
        (ticker,) = tables
    if ticker in unusable:
        raise unusable[ticker]
    if ticker not in tables:
        raise ValueError(price_names.several(source, [*tables], ticker, f"{len(tables):,} series"))
    return ticker


def _first_days(own, days, boundaries, window, source):
    """The `first_days` of a series with the days `own`. Raises ValueError if a split has too few of them."""
    validation, test = boundaries
    rows = [0, *map(int, own.searchsorted(boundaries)), len(own)]
    every = [0, *map(int, days.searchsorted(boundaries)), len(days)]
    received = np.diff(rows)
    needed = [max(window + 1, price_windows.BASELINE_DAYS)]
    needed += [max(price_windows.EVALUATION_DAYS, int(COVERED * count)) for count in np.diff(every)[1:]]
    if (received < needed).any():
        raise ValueError(
            f"{source}: too few days; at least {needed[0]:,} are needed before {validation:%Y-%m-%d}, {needed[1]:,} "
            f"from then on, and {needed[2]:,} from {test:%Y-%m-%d} on. Received: {', '.join(map(str, received))}"
        )
    return {"train": window, "validation": rows[1], "test": rows[2]}


def _left_out(names, share):
    count = round(share * len(names))
    if share and not 0 < count < len(names):
        raise ValueError(f"`leave_out` must leave series on both sides. Received: {share} of {len(names)} series")
    return sorted(sorted(names, key=lambda name: local.digest(0, name))[:count])


def _panel(series, left_out, target, understood):
    trained = [data for name, data in series.items() if name not in left_out]
    days = pd.concat([data.features.iloc[: data.first_days["validation"]] for data in trained])
    if target == "volatility":
        days = days.assign(log_range=days["log_range"] - days["level"])
    windows = {
        split: tuple(np.concatenate(arrays) for arrays in zip(*(data.arrays[split] for data in trained)))
        for split in ("train", "validation")
    }
    return Panel(
        series=series,
        left_out=left_out,
        target_column=price_windows.TARGETS[target],
        arrays=windows,
        mean=days.mean().to_numpy(),
        variance=days.var(ddof=0).to_numpy(),
        splits={"validation": price_windows.batched(*windows["validation"], 256)},
        understood=understood,
    )


def _understood(series, unusable, left_out, days, boundaries):
    first, *_ = series.values()
    validation, test = boundaries
    lines = [
        *first.understood[:1],
        f"{len(series):,} series, {days[0]:%Y-%m-%d} to {days[-1]:%Y-%m-%d}; validation from {validation:%Y-%m-%d}, "
        f"test from {test:%Y-%m-%d}" + (f"; {len(left_out):,} take no part in training" if left_out else ""),
        *_some([f"not used, {name}: {error}" for name, error in unusable.items()]),
        *_some([f"{name}: {line}" for name, data in series.items() for line in data.understood[1:]]),
    ]
    return tuple(lines)


def _some(lines):
    """The first lines, and how many more there are."""
    return [*lines[:NAMED], *([f"… and {len(lines) - NAMED:,} more"] if len(lines) > NAMED else [])]
