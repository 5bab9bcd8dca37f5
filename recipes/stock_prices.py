"""Stock prices, sequence to sequence: from the last days, at every timestep, tomorrow.

In:     the features of N days, shape (batch, N, features): the log return, or the log range and the log return.
Out:    at every timestep t the target of day t + 1, shape (batch, N, 1).
Shape:  sequence-to-sequence. The loss is over all N timesteps; all reports are on the last one, which has seen N days.

    x_t = (feature of day t - mean) / standard deviation        both of the training split, inside the model; with the
                                                                range, the return is divided by the range instead
    h_t = GRU(x_t, h_{t-1})                                     or another --cell
    y_t = mean + standard deviation · (w · h_t + b)             the forecast for day t + 1

--target price: r_t = log(close_t / close_{t-1}), turned into a price as close_t · exp(y_t), beside "tomorrow = today".
    Expect no gain: if there were one, it would be traded away.
--target volatility: log(log(high_t / low_t)), the daily range (Parkinson 1980), which can be forecast; beside
    persistence, the HAR regression (Corsi 2009), GARCH(1,1), and a linear regression on the network's features.

Try next: --cell lstm and --cell simple; --window 20 and 120; your own CSV with --data; --units 4 and 64.
"""

import math
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import batches, cli, runs, training, verification
from toolkit.baselines import volatility
from toolkit.cells import recurrent
from toolkit.metrics import forecasts as metrics
from toolkit.plots import forecasts as figures

import keras
import numpy as np
import pandas as pd
from cyclopts import Parameter
from keras import ops

from datasets import decimals, prices

RECIPE = "stock_prices"
RESIDUALS = "training_residuals.npy"  # in a run's folder, what `training_residuals` returns
LOSSES = "daily_losses.npz"  # likewise, by the name of each ratio: daily losses of network and baseline, (2, days)
HORIZON = 10  # days ahead in errors_by_horizon.png
TRADING_DAYS = 252  # in a year of weekdays with its holidays
QUANTILES = {"5 %": 0.05, "median": 0.5, "95 %": 0.95}
PRICE, VOLATILITY = "price", "volatility, % per year"  # quantities and units, as tables and figures name them
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings

T = TypeVar("T")
InFile = Annotated[T, Parameter(group=cli.FILE)]
Target = Literal[tuple(prices.TARGETS)]
Window = Annotated[int, cli.at_least(2)]


@dataclass(kw_only=True)
class FileFlags(cli.TableFlags):
    """How a file of prices is read: what is not given is found out from the file."""

    column: InFile[str | None] = None
    """The column of prices, such as 'Adj Close'. [default: Close, or what else it is called]"""
    ticker: InFile[str | None] = None
    """Which series of a file with a column Ticker, or with a column for each company."""
    date_format: InFile[str | None] = None
    """How dates are written, as for strptime: %d/%m/%Y. [default: found out]"""
    decimal: InFile[Literal[tuple(decimals.MARKS)] | None] = None
    """What stands before decimals. [default: found out]"""
    by_day: InFile[cli.Switch] = False
    """Make one row of several of a day: the last Close, the highest High, the lowest Low."""

    @property
    def form(self):
        return prices.Form(self.reading, self.date_format, self.decimal, self.by_day)


@dataclass(kw_only=True)
class Settings(FileFlags, cli.TableSettings):
    data: str = "sp500"
    """sp500 (built in), or a table of dates and prices, such as a CSV file."""
    target: Target = "price"
    """What to forecast."""
    start: str | None = None
    """First day to use, YYYY-MM-DD."""
    end: str | None = None
    """Last day to use, YYYY-MM-DD."""
    window: Window = 60
    """Days that the network looks back."""
    cell: cli.Cell = "gru"
    """Recurrent cell."""
    units: cli.Units = 12
    """Units of the recurrent layer."""
    epochs: cli.Count = 20
    """Passes over the training split."""
    batch_size: cli.Count = 64
    """Windows in one training step."""
    learning_rate: cli.LearningRate = 0.004
    """Learning rate at the start; it falls to 0 along a cosine."""


# ------------------------------------------------------------------------------------------------------------ data


def load_data(
    data="sp500",
    data_dir=None,
    target="price",
    window=60,
    column=None,
    ticker=None,
    start=None,
    end=None,
    form=prices.Form(),
):
    """Windows of daily prices, split by date: a `datasets.prices.PriceData`. The target is the first feature."""
    with runs.user_errors():
        loaded = prices.load(data, data_dir, target, window, column, ticker, start=start, end=end, form=form)
    print(*loaded.understood, sep="\n", end="\n" * bool(loaded.understood))
    return loaded


def load_data_of(s):
    """The data that settings name."""
    return load_data(s.data, s.data_dir, s.target, s.window, s.column, s.ticker, s.start, s.end, s.form)


# --------------------------------------------------------------------------------------------------------- network


def build_model(mean, variance, cell="gru", units=12, seed=0):
    """A network from raw features, (batch, timesteps, features), to forecasts of the first, (batch, timesteps, 1).

    With the two features of volatility, log range and return, a random level is added to the ranges of every window in
    training and subtracted from its forecasts, because markets may become calmer or wilder than the network has seen.

    Args:
        mean, variance: of each feature on the training split, (features,).
    """
    inputs = keras.Input((None, len(mean)))
    x = keras.layers.Normalization(mean=mean, variance=variance)(inputs)
    if len(mean) == 2:
        log_range, returns = inputs[..., :1], inputs[..., 1:]
        level = keras.layers.GaussianNoise(1.0, seed=seed)(ops.zeros_like(x[:, :1, :1]))
        x = keras.layers.Concatenate()([x[..., :1] + level, returns / ops.exp(log_range)])
    x = recurrent(cell, units, return_sequences=True)(x)  # (batch, timesteps, units)
    x = keras.layers.Dense(1)(x)
    if len(mean) == 2:
        x = x - level
    return keras.Model(inputs, keras.layers.Rescaling(scale=math.sqrt(variance[0]), offset=mean[0])(x))


def relative_squared_error(variance):
    """The squared error divided by the target's variance, so that a constant forecast of the mean has a loss of 1.

    Returns a loss over all timesteps, and a metric on the last one.
    """
    variance = float(variance)

    def loss(y, forecast):
        return ops.square(y - forecast) / variance

    def last_step(y, forecast):
        return loss(y[:, -1], forecast[:, -1])

    return loss, last_step


# ----------------------------------------------------------------------------------------------------------- train


def fit(model, data, run, epochs=20, batch_size=64, learning_rate=0.004, seed=0):
    """Compile and train a model; it ends with the weights of the epoch that forecasts the validation split best.

    Args:
        data: a `datasets.prices.PriceData`.
        run: a `toolkit.runs.Run`.

    Returns the minutes of training.
    """
    stream, steps = batches.shuffled(data.arrays["train"], batch_size, seed)
    loss, last_step = relative_squared_error(data.variance[0])
    with training.scope(model):
        optimizer = keras.optimizers.Adam(training.cosine_decay(learning_rate, epochs, steps), global_clipnorm=1.0)
        model.compile(optimizer, loss, metrics=[last_step])
    return training.fit(model, run, (stream, steps), epochs, data.splits["validation"], monitor="val_last_step")


@app.command
def train(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None, resume: cli.Resume = False):
    """Train, report and draw; the default command."""
    s = settings
    data = load_data_of(s)
    run = runs.open_run(RECIPE, s, data.checksum(), run_dir, resume)
    with training.reproducible(s.seed, s.strategy):
        model = build_model(data.mean, data.variance, s.cell, s.units, s.seed)
    minutes = fit(model, data, run, s.epochs, s.batch_size, s.learning_rate, s.seed)
    with runs.replacing(run / RESIDUALS) as file:
        np.save(file, training_residuals(model, data))
    scores, losses = evaluate_model(model, data, run)
    with runs.replacing(run / LOSSES) as file:
        np.savez(file, **{name: np.stack(pair) for name, pair in losses.items()})
    run.finish({"minutes": minutes} | scores)
    print(f"\nThe run with its plots is in {run.path}. Next: python recipes/{RECIPE}.py predict --run {run.path}")


# -------------------------------------------------------------------------------------------------------- evaluate


def last_step_forecasts(model, data, split):
    """The last timestep's forecast for each day of a split, a Series by the date forecast."""
    values = model.predict(data.splits[split], verbose=0)[:, -1, 0]
    return pd.Series(values.astype("float64"), data.dates[split])


def assess_price(model, data):
    """Scores of price forecasts on the test split by name, and by ratio the daily losses of network and baseline."""
    days = data.dates["test"]
    close = data.frame["Close"]
    today, tomorrow = close.shift(1)[days], close[days]
    forecast = today * np.exp(last_step_forecasts(model, data, "test"))
    losses = {"rmse_ratio_naive": (metrics.squared_loss(tomorrow, forecast), metrics.squared_loss(tomorrow, today))}
    scores = {
        "rmse_ratio_naive": metrics.error_ratio(tomorrow, forecast, today),
        "mae_ratio_naive": metrics.mae(tomorrow, forecast) / metrics.mae(tomorrow, today),
        "mase": metrics.mase(tomorrow, forecast, close[: data.dates["train"][-1]]),
        "directional_accuracy": metrics.directional_accuracy(tomorrow, forecast, today),
        "directional_accuracy_always_up": metrics.directional_accuracy(tomorrow, 2 * today, today),
    }
    return scores, losses


def assess_volatility(model, data):
    """The same of volatility forecasts: ratios of squared errors of the log range, and of QLIKE of the variance."""
    actual = data.features["log_range"]
    forecasts = {"network": pd.concat([last_step_forecasts(model, data, split) for split in ("validation", "test")])}
    forecasts |= volatility.forecasts(data.features, data.first_days["validation"])
    squared, qlike = {}, {}
    for name, forecast in forecasts.items():
        validation, test = (forecast[data.dates[split]] for split in ("validation", "test"))
        error = metrics.residual_variance(actual[validation.index], validation)
        squared[name] = metrics.squared_loss(actual[test.index], test)
        proxy = metrics.parkinson_variance(actual[test.index])
        qlike[name] = metrics.qlike_loss(proxy, metrics.variance_forecast(test, error))
    losses = {}
    for measure, daily in {"mse": squared, "qlike": qlike}.items():
        baselines = [name for name in daily if name != "network"]
        losses |= {f"{measure}_ratio_{name}": (daily["network"], daily[name]) for name in baselines}
    return {name: metrics.loss_ratio(*pair) for name, pair in losses.items()}, losses


def evaluate_model(model, data, run):
    """Print the report on the test split and draw its figures; returns the scores, and the daily losses by ratio.

    The run's folder must hold the training residuals already.
    """
    scores, losses = (assess_price if data.target_column == "return" else assess_volatility)(model, data)
    for name, pair in losses.items():
        scores[f"{name}_low"], scores[f"{name}_high"] = metrics.ratio_interval(name, *pair)
        scores[f"{name}_p"] = metrics.diebold_mariano(*pair)[1]
    print(metrics.summary(scores, losses))
    run.save_figure(plot_forecasts(model, data), "forecasts.png")
    run.save_figure(figures.errors_by_horizon(errors_by_horizon(model, data)), "errors_by_horizon.png")
    window, rng = data.arrays["test"][0].shape[1], np.random.default_rng(0)
    days = simulate(model, data.features, window, run.array(RESIDUALS, columns=2), 20, 500, rng)
    run.save_figure(
        plot_future(future_quantiles(days, data.frame, data.features), data.frame, data.features), "fan.png"
    )
    return scores, losses


def days_a_year(days):
    """On how many days of a year prices are recorded, from a DatetimeIndex: 252, or 365 where it is every day."""
    week = len(prices.weekdays(days))
    return 365 if week == 7 else TRADING_DAYS * week / 5


def annual_volatility(log_range, days_a_year):
    """Volatility in per cent per year, from the daily log range."""
    return 100 * np.sqrt(days_a_year * metrics.parkinson_variance(log_range))


def plot_forecasts(model, data):
    """One-day forecasts beside what happened, on the last days of the test split."""
    forecast = last_step_forecasts(model, data, "test")
    if data.target_column == "return":
        close = data.frame["Close"]
        return figures.forecasts(close[forecast.index], close.shift(1)[forecast.index] * np.exp(forecast), PRICE)
    actual, year = data.features["log_range"][forecast.index], days_a_year(data.features.index)
    return figures.forecasts(annual_volatility(actual, year), annual_volatility(forecast, year), VOLATILITY)


def errors_by_horizon(model, data):
    """RMSE 1 to 10 days ahead on the test split, a DataFrame by days ahead.

    The network's own forecasts are its next inputs. The baseline forecasts that all will be as today.
    """
    inputs = data.arrays["test"][0][: 1 - HORIZON]
    first, values = data.first_days["test"], data.features[data.target_column].to_numpy()
    actual = np.stack([values[first + h : first + h + len(inputs)] for h in range(HORIZON)], axis=1)
    forecast = continued(model, inputs, np.zeros((len(inputs), HORIZON, 2)))[:, :, 0]
    as_today, quantity = np.repeat(inputs[:, -1:, 0], HORIZON, axis=1), "log range"
    if data.target_column == "return":
        actual, forecast, as_today = actual.cumsum(axis=1), forecast.cumsum(axis=1), np.zeros_like(actual)
        quantity = "log price"
    rmse = lambda values: np.sqrt(((values - actual) ** 2).mean(axis=0))
    errors = pd.DataFrame({"network": rmse(forecast), "as today": rmse(as_today)}, range(1, HORIZON + 1))
    return errors.rename_axis("days ahead").rename_axis(f"RMSE of the {quantity}", axis=1)


@app.command
def evaluate(*, run: cli.FinishedRun = None):
    """Report on the test split again."""
    run = runs.finished_run(RECIPE, run)
    data = load_data_of(run.settings(Settings))
    run.check_data(data.checksum())
    evaluate_model(run.model(), data, run)


# --------------------------------------------------------------------------------------------------------- predict


def continued(model, windows, draws):
    """Forecast day after day: each forecast, with what is drawn added to it, becomes the next input.

    Args:
        windows: the features of the last known days, shape (paths, window, features).
        draws: shape (paths, horizon, 2): what to add to each forecast, and, where a log range is forecast, the return
            divided by that day's range.

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


def training_residuals(model, data):
    """Of each day of the training split, (days, 2): the forecast's error, and the return divided by the day's range."""
    errors = data.arrays["train"][1][:, -1, 0] - model.predict(data.splits["train"], verbose=0)[:, -1, 0]
    train = data.features.loc[data.dates["train"]]
    relative = train["return"] / np.exp(train["log_range"]) if "log_range" in train else train["return"]
    return np.stack([errors, relative], axis=1)


def simulate(model, features, window, residuals, horizon, paths, rng):
    """Simulated features of the days after the last one, shape (paths, horizon, features).

    Each day of a path gets the residuals of one day of the training split. With the range, which scales the return,
    this is a filtered historical simulation (Barone-Adesi, Giannopoulos & Vosper 1999); without, a historical one.
    """
    draws = residuals[rng.integers(len(residuals), size=(paths, horizon))]
    last = features.to_numpy("float32")[-window:]
    return continued(model, np.repeat(last[None], paths, axis=0), draws)


def future_quantiles(days, frame, features):
    """Quantiles of price and volatility over simulated `days`, a DataFrame by date after the last known one.

    The dates are those of the weekdays on which prices were recorded until then.
    """
    week = [day in prices.weekdays(features.index) for day in range(7)]
    every = pd.offsets.CustomBusinessDay(weekmask=week)
    dates = pd.date_range(features.index[-1] + every, periods=days.shape[1], freq=every, name="Date")
    quantities = {PRICE: frame["Close"].iloc[-1] * np.exp(days[:, :, -1].cumsum(axis=1))}
    if "log_range" in features:
        quantities[VOLATILITY] = annual_volatility(days[:, :, 0], days_a_year(features.index))
    tables = {
        name: pd.DataFrame({label: np.quantile(values, q, axis=0) for label, q in QUANTILES.items()}, dates)
        for name, values in quantities.items()
    }
    return pd.concat(tables, axis=1)


def plot_future(quantiles, frame, features):
    known = {PRICE: frame["Close"]}
    if "log_range" in features:
        known[VOLATILITY] = annual_volatility(features["log_range"], days_a_year(features.index))
    return figures.fan(quantiles, known)


def read_features(s):
    """The prices that settings name, and their features, which must fill a window."""
    with runs.user_errors():
        frame = prices.read(s.data, s.data_dir, s.column, s.ticker, s.start, s.end, s.form)
        features = prices.features(frame, s.target)
        if len(features) < s.window:
            raise ValueError(f"The network looks {s.window} days back. Received: {len(features)} days")
    print(*frame.attrs["understood"], sep="\n", end="\n" * bool(frame.attrs["understood"]))
    return frame, features


def check_own_data(run, s, features):
    """Raises Stop if the data is not what the run was trained on: with newer prices it must be named."""
    try:
        run.check_data(prices.checksum(features))
    except runs.Stop as error:
        raise runs.Stop(f"{error} To continue these prices nevertheless, pass --data {s.data}.") from error


@app.command
def predict(
    *,
    run: cli.FinishedRun = None,
    data: Annotated[str | None, Parameter(help="Another file to continue. [default: the run's data]")] = None,
    data_dir: Annotated[str | None, Parameter(help="Folder in which --data is looked up.")] = None,
    file: cli.Flags[FileFlags] = FileFlags(),
    horizon: Annotated[int, cli.at_least(1, 250), Parameter(help="Days of trading to look ahead.")] = 20,
    paths: Annotated[int, cli.at_least(20, 100_000), Parameter(help="Simulated futures.")] = 500,
    seed: Annotated[cli.Seed, Parameter(help="Seed of the simulation.")] = 0,
):
    """Forecast the days after the last known one."""
    run = runs.finished_run(RECIPE, run)
    s = run.settings(Settings)
    if data or file.ticker:  # the run's dates refer to its own series
        s = replace(s, start=None, end=None)
    if data:  # and what it says about its file, but the column of prices
        s = replace(s, **asdict(FileFlags(column=s.column)))
    given = {"data": data, "data_dir": data_dir} | asdict(file)
    s = replace(s, **{name: value for name, value in given.items() if value})
    frame, features = read_features(s)
    if not (data or file.ticker or file.column):
        check_own_data(run, s, features)
    rng = np.random.default_rng(seed)
    days = simulate(run.model(), features, s.window, run.array(RESIDUALS, columns=2), horizon, paths, rng)
    quantiles = future_quantiles(days, frame, features)
    series = s.ticker or Path(s.data).name.split(".")[0]
    picture = f"future-{series.replace('/', '-')}-{features.index[-1]:%Y-%m-%d}.png"
    run.save_figure(plot_future(quantiles, frame, features), picture)
    days = "weekdays" if prices.weekdays(features.index) == (*range(5),) else "days"
    print(f"The {horizon} {days} after {features.index[-1]:%Y-%m-%d}, from {paths} simulated futures of {run.path}:")
    print(quantiles.to_string(float_format="{:.4g}".format))
    print(f"\nDrawn in {run / picture}")


# ---------------------------------------------------------------------------------------------------------- verify


@app.command
def verify(
    *,
    target: Annotated[Target, Parameter(help="What to forecast.")] = "volatility",
    cell: Annotated[cli.Cell, Parameter(help="Recurrent cell.")] = "gru",
    units: Annotated[cli.Units, Parameter(help="Units of the recurrent layer.")] = 12,
    window: Annotated[Window, Parameter(help="Days that the network looks back.")] = 60,
):
    """Compare with built-in layers.

    The same network is built from both, with the same weights: outputs, every gradient, and the loss over a short
    training are compared. The exit status is 1 if they differ.
    """
    data = load_data(target=target, window=window)
    x, y = (array[:640] for array in data.arrays["train"])
    build = lambda name: build_model(data.mean, data.variance, name, units)
    verification.verify(build, cell, x, y, relative_squared_error(data.variance[0])[0])


if __name__ == "__main__":
    cli.main(app)
