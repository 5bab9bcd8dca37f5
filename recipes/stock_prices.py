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
--ticker all: one network for all series of a file, each seen as its difference from its own past. The volatility of a
    short series starts from such a network, which comes along: published/stock_prices.volatility-simulated.

Try next: --cell lstm and --cell simple; --window 20 and 120; your own CSV with --data; --units 4 and 64.
"""

import math
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, TypeVar

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import batches, cli, runs, simulation, training, verification
from toolkit.baselines import volatility
from toolkit.cells import recurrent
from toolkit.export import arrays, bundle
from toolkit.metrics import forecasts as metrics
from toolkit.plots import forecasts as figures

import keras
import numpy as np
import pandas as pd
from cyclopts import Parameter
from keras import ops

from datasets import decimals, price_panels, prices

RECIPE = "stock_prices"
RESIDUALS = "training_residuals.npy"  # in a run's folder, what `simulation.residuals` returns
LOSSES = "daily_losses.npz"  # likewise, by the name of each ratio: daily losses of network and baseline, (2, days)
HORIZON = 10  # days ahead in errors_by_horizon.png
FEATURE_NAMES = "log range and log return, level, volume, and the market's range and return"  # of many series
TAKEN_OVER = "target", "window", "cell", "units"  # settings that the run to start from decides
NOTHING, PUBLISHED = "nothing", "published"  # of --start-from, besides folders
PUBLISHED_START = f"{RECIPE}.volatility-simulated"  # the run in published/ to start from
FEW_DAYS = 1_500  # of training, below which a network starts from that one
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings

T = TypeVar("T")
OtherData = Annotated[str | None, Parameter(help="Another file. [default: the run's data]")]
InFile = Annotated[T, Parameter(group=cli.FILE)]
Target = Literal[tuple(prices.TARGETS)]
Loss = Literal["squared", "qlike"]
Window = Annotated[int, cli.at_least(2)]


@dataclass(kw_only=True)
class FileFlags(cli.TableFlags):
    """How a file of prices is read: what is not given is found out from the file."""

    column: InFile[str | None] = None
    """The column of prices, such as 'Adj Close'. [default: Close, or what else it is called]"""
    ticker: InFile[str | None] = None
    """Which series of a file of several, or all: one network for all of them."""
    date_format: InFile[str | None] = None
    """How dates are written, as for strptime: %d/%m/%Y. [default: found out]"""
    decimal: InFile[Literal[tuple(decimals.MARKS)] | None] = None
    """What stands before decimals. [default: found out]"""
    by_day: InFile[cli.Switch] = False
    """Make one row of several of a day: the last Close, the highest High, the lowest Low."""
    skip_flat_days: InFile[cli.Switch] = False
    """Leave out days whose High equals Low, such as those on which nothing was traded."""

    @property
    def form(self):
        return prices.Form(self.reading, self.date_format, self.decimal, self.by_day, self.skip_flat_days)


@dataclass(kw_only=True)
class Settings(FileFlags, cli.TableSettings):
    data: str = "sp500"
    """sp500 or nasdaq (built in), or a table of dates and prices, such as a CSV file; with --ticker all also simulated
    (built in, 40 companies), a folder of tables, or several, separated by commas."""
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
    loss: Loss = "squared"
    """Of the volatility target: the squared error of the log range, or QLIKE, an error of the variance."""
    leave_out: cli.Share = 0.0
    """With --ticker all: share of the series that take no part in training; the report is on these alone."""
    start_from: str | None = None
    """A network that is trained further, and decides target, window, cell and units: the folder of a run on many series
    (--ticker all); published, the one in published/; or nothing. [default: published, for volatility with fewer than
    1,500 days of training]"""

    @property
    def has_start(self):
        """Whether a network to start from is named."""
        return self.start_from not in (None, NOTHING)

    @property
    def in_panel(self):
        """Whether series are seen as `datasets.price_panels` has them."""
        return self.ticker == price_panels.ALL or self.has_start


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
    in_panel=False,
    leave_out=0.0,
):
    """Windows of daily prices, split by date: a `datasets.prices.PriceData`. The target is the first feature.

    With the ticker "all", or `in_panel`, it is a `datasets.price_panels.Panel`, of which the share `leave_out` of the
    series takes no part in training.
    """
    how = {"column": column, "ticker": ticker, "start": start, "end": end, "form": form}
    with runs.user_errors():
        if in_panel or ticker == price_panels.ALL:
            loaded = price_panels.load(data, data_dir, target, window, leave_out=leave_out, **how)
        else:
            loaded = prices.load(data, data_dir, target, window, **how)
    print(*loaded.understood, sep="\n", end="\n" * bool(loaded.understood))
    return loaded


def load_data_of(s, in_panel=None):
    """The data that settings name; `in_panel` as in `load_data`, by default that of the settings."""
    file = s.data, s.data_dir, s.target, s.window, s.column, s.ticker, s.start, s.end, s.form
    return load_data(*file, s.in_panel if in_panel is None else in_panel, s.leave_out)


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


def build_panel_model(variance, cell="gru", units=12, seed=0):
    """A network from the features of `datasets.price_panels` to forecasts of the log range, (batch, timesteps, 1).

    It sees the log range as its difference from the series' own level, which it adds to its forecast. In training it
    sees half of the windows without volume, and with the series itself as the market, so that it can read a file that
    has neither.

    Args:
        variance: of the log range's difference from its level on the training split.
    """
    scale = math.sqrt(variance)
    inputs = keras.Input((None, len(price_panels.FEATURES)))
    log_range, returns, level, volume, market_range, market_return = ops.split(inputs, inputs.shape[-1], axis=-1)
    own_range, own_return = (log_range - level) / scale, returns / ops.exp(log_range)
    is_seen = ops.minimum(keras.layers.Dropout(0.5, seed=seed)(ops.ones_like(inputs[:, :1, :1])), 1.0)  # 0 or 1
    market = [is_seen * market_range / scale + (1 - is_seen) * own_range]
    market += [is_seen * market_return + (1 - is_seen) * own_return]
    x = keras.layers.Concatenate()([own_range, own_return, is_seen * volume, *market])
    x = recurrent(cell, units, return_sequences=True)(x)  # (batch, timesteps, units)
    return keras.Model(inputs, level + scale * keras.layers.Dense(1)(x))


def build_model_for(data, cell="gru", units=12, seed=0):
    """The network for a `PriceData` or a `Panel`, with random weights."""
    if len(data.mean) == len(price_panels.FEATURES):
        return build_panel_model(data.variance[0], cell, units, seed)
    return build_model(data.mean, data.variance, cell, units, seed)


def relative_squared_error(variance):
    """The squared error divided by the target's variance, so that a constant forecast of the mean has a loss of 1.

    Returns a loss over all timesteps, and a metric on the last one.
    """
    variance = float(variance)

    def loss(y, forecast):
        return ops.square(y - forecast) / variance

    return loss, at_last_step(loss)


def qlike():
    """QLIKE (Patton 2011) of the variances that log ranges correspond to, as `relative_squared_error` returns it."""

    def loss(y, forecast):
        error = y - forecast  # half of the log ratio of the variances
        return ops.exp(2 * error) - 2 * error - 1

    return loss, at_last_step(loss)


def at_last_step(loss):
    def last_step(y, forecast):
        return loss(y[:, -1], forecast[:, -1])

    return last_step


# ----------------------------------------------------------------------------------------------------------- train


def fit(model, data, run, epochs=20, batch_size=64, learning_rate=0.004, seed=0, loss="squared"):
    """Compile and train a model; it ends with the weights of the epoch that forecasts the validation split best.

    Args:
        data: a `datasets.prices.PriceData`, or a `datasets.price_panels.Panel`: its batches mix the series.
        run: a `toolkit.runs.Run`.
        loss: "squared" or "qlike".

    Returns the minutes of training.
    """
    stream, steps = batches.shuffled(data.arrays["train"], batch_size, seed)
    loss, last_step = qlike() if loss == "qlike" else relative_squared_error(data.variance[0])
    with training.scope(model):
        optimizer = keras.optimizers.Adam(training.cosine_decay(learning_rate, epochs, steps), global_clipnorm=1.0)
        model.compile(optimizer, loss, metrics=[last_step])
    return training.fit(model, run, (stream, steps), epochs, data.splits["validation"], monitor="val_last_step")


@app.command
def train(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None, resume: cli.Resume = False):
    """Train, report and draw; the default command."""
    s, start = checked(settings)
    data = load_data_of(s)
    if needs_start(s, data):
        days = len(data.dates["train"])
        print(f"{days:,} days of training are few: the network starts from {PUBLISHED_START}.")
        print(f"Without that: --start-from {NOTHING}")
        s, start = checked(replace(s, start_from=PUBLISHED))
        data = load_data_of(s)
    run = runs.open_run(RECIPE, s, data.checksum(), run_dir, resume)
    model, minutes = trained(s, start, data, run)
    with runs.replacing(run / RESIDUALS) as file:
        np.save(file, simulation.residuals(model, data))
    scores, losses = evaluate_model(model, data, run, s.loss)
    with runs.replacing(run / LOSSES) as file:
        np.savez(file, **{name: np.stack(pair) for name, pair in losses.items()})
    run.finish({"minutes": minutes} | scores)
    print(f"\nThe run with its plots is in {run.path}. Next: python recipes/{RECIPE}.py predict --run {run.path}")


def trained(s, start, data, run):
    """The network that settings ask for, trained, and the minutes of it; `start` is the run to start from, or None."""
    with training.reproducible(s.seed, s.strategy):
        model = start.model() if start else build_model_for(data, s.cell, s.units, s.seed)
    before = model.get_weights()
    minutes = fit(model, data, run, s.epochs, s.batch_size, s.learning_rate, s.seed, s.loss)
    if start:
        keep_better(model, before, data, run)
    return model, minutes


def checked(s):
    """Settings that fit together, with what the run to start from decides; and that run, or None."""
    if s.leave_out and s.ticker != price_panels.ALL:
        raise runs.Stop(f"--leave-out is a share of many series: pass --ticker all too. Received: {s.leave_out}")
    if s.loss == "qlike" and s.target == "price" and not s.has_start:
        raise runs.Stop("--loss qlike is an error of the variance: pass --target volatility too.")
    if not s.has_start:
        return s, None
    start = runs.finished_run(RECIPE, runs.PUBLISHED / PUBLISHED_START if s.start_from == PUBLISHED else s.start_from)
    if not start.settings(Settings).in_panel:
        raise runs.Stop(f"--start-from needs a run on many series, of train --ticker all. Received: {start.path}")
    return start.decide(s, TAKEN_OVER), start


def needs_start(s, data):
    """Whether, with nothing said of it, a network for one series is to start from the published one for many."""
    if s.start_from is not None or s.in_panel or len(data.dates["train"]) >= FEW_DAYS:
        return False
    start = runs.Run(runs.PUBLISHED / PUBLISHED_START)
    return start.finished and start.some_settings(Settings, TAKEN_OVER).items() <= asdict(s).items()


def keep_better(model, before, data, run):
    """Save the weights `before` training if they forecast the validation split better than those after it."""
    after = model.get_weights()
    inputs, targets = data.arrays["validation"]
    errors = []
    for weights in (before, after):
        model.set_weights(weights)
        errors.append(metrics.rmse(targets[:, -1], model.predict(inputs, 256, verbose=0)[:, -1]) ** 2)
    helped = errors[1] < errors[0]
    print(
        f"\nSquared error on the validation split: {errors[0]:.4f} of the network started from, {errors[1]:.4f} after "
        f"training on this data. It is used {'as trained' if helped else 'as it was'}."
    )
    if not helped:
        model.set_weights(before)
        run.save_model(model)


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


def volatility_forecasts(model, data, loss="squared"):
    """Forecasts of the log range by network and baselines, on validation and test split: a dict of Series by date.

    A network trained for QLIKE forecasts the variance, which lies above the typical log range; so its mean error on the
    validation split is subtracted.
    """
    network = pd.concat([last_step_forecasts(model, data, split) for split in ("validation", "test")])
    if loss == "qlike":
        network += (data.features["log_range"] - network)[data.dates["validation"]].mean()
    return {"network": network} | volatility.forecasts(data.features, data.first_days["validation"])


def assess_volatility(model, data, forecasts=None):
    """The same of volatility forecasts: ratios of squared errors of the log range, and of QLIKE of the variance.

    Args:
        forecasts: what `volatility_forecasts` returns, with other forecasts to compare with. [default: that alone]
    """
    actual, forecasts = data.features["log_range"], forecasts or volatility_forecasts(model, data)
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


def evaluate_model(model, data, run, loss="squared", prefix=""):
    """Print the report on the test split and draw its figures; returns the scores, and the daily losses by ratio.

    The run's folder must hold the training residuals already.

    Args:
        data: a `PriceData`, or a `Panel`.
        loss: what the network was trained for.
        prefix: of the figures' names.
    """
    if hasattr(data, "series"):
        if len(data.tested) > 1:
            return evaluate_panel(model, data, run, loss, prefix)
        (data,) = data.tested.values()
    if data.target_column == "return":
        scores, losses = assess_price(model, data)
    else:
        forecasts = volatility_forecasts(model, data, loss)
        scores, losses = assess_volatility(model, data, forecasts)
        print(metrics.best_on_validation(validation_errors(data, forecasts)), end="\n\n")
    for name, pair in losses.items():
        scores[f"{name}_low"], scores[f"{name}_high"] = metrics.ratio_interval(name, *pair)
        scores[f"{name}_p"] = metrics.diebold_mariano(*pair)[1]
    print(metrics.summary(scores, losses))
    run.save_figure(plot_forecasts(model, data), f"{prefix}forecasts.png")
    run.save_figure(figures.errors_by_horizon(errors_by_horizon(model, data)), f"{prefix}errors_by_horizon.png")
    window, rng = data.arrays["test"][0].shape[1], np.random.default_rng(0)
    days = simulation.simulate(model, data.features, window, run.array(RESIDUALS, columns=2), 20, 500, rng)
    run.save_figure(
        plot_future(simulation.quantiles(days, data.frame, data.features), data.frame, data.features),
        f"{prefix}fan.png",
    )
    return scores, losses


def validation_errors(data, forecasts):
    """The squared errors of forecasts by name on the validation split, each (days,)."""
    days = data.dates["validation"]
    return {name: metrics.squared_loss(data.features["log_range"][days], f[days]) for name, f in forecasts.items()}


def panel_forecasts(model, panel, loss="squared"):
    """For each series to be tested what `volatility_forecasts` returns, and forecasts of pooled regressions."""
    tables = {name: data.features for name, data in panel.series.items()}
    train_days = {name: data.first_days["validation"] for name, data in panel.series.items()}
    pooled = volatility.pooled_forecasts(tables, train_days, [*panel.trained])
    return {name: volatility_forecasts(model, data, loss) | pooled[name] for name, data in panel.tested.items()}


def assess_panel(model, panel, forecasts=None):
    """By ratio the losses of network and baseline on the test days that all series have, DataFrames (days, series).

    Args:
        forecasts: of volatility, what `panel_forecasts` returns. [default: that of the squared error]
    """
    daily = {}
    if panel.target_column == "log_range":
        forecasts = forecasts or panel_forecasts(model, panel)
    for name, data in panel.tested.items():
        if forecasts is None:
            _, losses = assess_price(model, data)
        else:
            _, losses = assess_volatility(model, data, forecasts[name])
        daily[name] = {ratio: [pd.Series(x, data.dates["test"]) for x in pair] for ratio, pair in losses.items()}
    return metrics.on_shared_days(daily)


def evaluate_panel(model, panel, run, loss="squared", prefix=""):
    """As `evaluate_model`, of many series; losses are DataFrames (days, series)."""
    forecasts = None
    if panel.target_column == "log_range":
        forecasts = panel_forecasts(model, panel, loss)
        errors = [pd.DataFrame(validation_errors(data, forecasts[name])) for name, data in panel.tested.items()]
        print(metrics.best_on_validation(pd.concat(errors)), end="\n\n")
    losses = assess_panel(model, panel, forecasts)
    scores = metrics.panel_scores(losses)
    print(metrics.panel_summary(scores, len(panel.tested)))
    ratios = pd.DataFrame({name: metrics.loss_ratios(*pair) for name, pair in losses.items()}, [*panel.tested])
    with runs.replacing(run.report_path(f"{prefix}series.csv")) as file:
        ratios.rename_axis("series").to_csv(file)
    by = "mse_ratio_har" if "mse_ratio_har" in ratios else [*ratios][0]
    run.save_figure(figures.ratios_by_series(ratios), f"{prefix}ratios.png")
    for what, name in (("best", ratios[by].idxmin()), ("worst", ratios[by].idxmax())):
        figure = plot_forecasts(model, panel.series[name])
        figure.suptitle(f"{name}, {what} of {len(ratios)} series: {by} {ratios[by][name]:.3f}")
        run.save_figure(figure, f"{prefix}{what}.png")
    return scores, losses


def plot_forecasts(model, data):
    """One-day forecasts beside what happened, on the last days of the test split."""
    forecast = last_step_forecasts(model, data, "test")
    if data.target_column == "return":
        close = data.frame["Close"]
        return figures.forecasts(
            close[forecast.index], close.shift(1)[forecast.index] * np.exp(forecast), simulation.PRICE
        )
    actual, year = data.features["log_range"][forecast.index], prices.days_a_year(data.features.index)
    return figures.forecasts(
        metrics.annual_volatility(actual, year), metrics.annual_volatility(forecast, year), simulation.VOLATILITY
    )


def errors_by_horizon(model, data):
    """RMSE 1 to 10 days ahead on the test split, a DataFrame by days ahead.

    The network's own forecasts are its next inputs. The baseline forecasts that all will be as today.
    """
    inputs = data.arrays["test"][0][: 1 - HORIZON]
    first, values = data.first_days["test"], data.features[data.target_column].to_numpy()
    actual = np.stack([values[first + h : first + h + len(inputs)] for h in range(HORIZON)], axis=1)
    forecast = simulation.continued(model, inputs, np.zeros((len(inputs), HORIZON, 2)))[:, :, 0]
    as_today, quantity = np.repeat(inputs[:, -1:, 0], HORIZON, axis=1), "log range"
    if data.target_column == "return":
        actual, forecast, as_today = actual.cumsum(axis=1), forecast.cumsum(axis=1), np.zeros_like(actual)
        quantity = "log price"
    rmse = lambda values: np.sqrt(((values - actual) ** 2).mean(axis=0))
    errors = pd.DataFrame({"network": rmse(forecast), "as today": rmse(as_today)}, range(1, HORIZON + 1))
    return errors.rename_axis("days ahead").rename_axis(f"RMSE of the {quantity}", axis=1)


@app.command
def evaluate(
    *,
    run: cli.FinishedRun = None,
    data: OtherData = None,
    data_dir: cli.DataDir = None,
    file: cli.Flags[FileFlags] = FileFlags(),
):
    """Report on the test split again, or on the test split of another series."""
    run = runs.finished_run(RECIPE, run)
    s = run.settings(Settings)
    if data:
        other = settings_for(s, data, data_dir, file)
        loaded, name = load_data_of(replace(other, leave_out=0.0), s.in_panel), series_name(other)
    else:
        loaded, name = load_data_of(replace(s, data_dir=data_dir or s.data_dir)), file.ticker
        run.check_data(loaded.checksum())
    if not data and name:
        loaded = one_of(loaded, name)
    return evaluate_model(run.model(), loaded, run, s.loss, prefix=f"{name}-" if name else "")[0]


def one_of(panel, name):
    """One series of a run's data. Raises Stop if there is none of that name."""
    series = getattr(panel, "series", {})
    if name not in series:
        named = f"--ticker must be one of {', '.join(series)}" if series else "this run is on one series: no --ticker"
        raise runs.Stop(f"{named}. Received: {name!r}")
    return series[name]


# --------------------------------------------------------------------------------------------------------- predict


def plot_future(quantiles, frame, features):
    known = {simulation.PRICE: frame["Close"]}
    if "log_range" in features:
        known[simulation.VOLATILITY] = metrics.annual_volatility(
            features["log_range"], prices.days_a_year(features.index)
        )
    return figures.fan(quantiles, known)


def read_features(s, in_panel):
    """The prices that settings name, and their features, which must fill a window; `in_panel` as in `load_data`."""
    with runs.user_errors():
        if in_panel:
            ticker = None if s.ticker == price_panels.ALL else s.ticker
            frame, features = price_panels.read(s.data, s.data_dir, s.target, s.column, ticker, s.start, s.end, s.form)
        else:
            frame = prices.read(s.data, s.data_dir, s.column, s.ticker, s.start, s.end, s.form)
            features = prices.features(frame, s.target)
        if len(features) < s.window:
            raise ValueError(f"The network looks {s.window} days back. Received: {len(features)} days")
    print(*frame.attrs["understood"], sep="\n", end="\n" * bool(frame.attrs["understood"]))
    return frame, features


def check_own_data(run, s, features):
    """Raises Stop if the data is not what the run was trained on: with newer prices it must be named."""
    try:
        run.check_data(price_panels.checksum({"": features}) if s.in_panel else prices.checksum(features))
    except runs.Stop as error:
        raise runs.Stop(f"{error} To continue these prices nevertheless, pass --data {s.data}.") from error


def settings_for(s, data, data_dir, file):
    """The settings of a run for another series: of `data` or of the run's own file, as the `FileFlags` say."""
    if file.ticker == price_panels.ALL and not s.in_panel:
        raise runs.Stop("--ticker all needs a run on many series, and this one is on a single series.")
    if data or file.ticker:  # the run's dates refer to its own series
        s = replace(s, start=None, end=None)
    if data:  # and what it says about its file, but the column of prices
        in_panel = {"ticker": price_panels.ALL} if s.in_panel else {}
        s = replace(s, **asdict(FileFlags(column=s.column)) | in_panel)
    given = {"data": data, "data_dir": data_dir} | asdict(file)
    return replace(s, **{name: value for name, value in given.items() if value})


def series_name(s):
    """What files call the series that settings name."""
    name = s.ticker if s.ticker not in (None, price_panels.ALL) else Path(s.data).name.split(".")[0]
    return name.replace("/", "-")


@app.command
def predict(
    *,
    run: cli.FinishedRun = None,
    data: OtherData = None,
    data_dir: Annotated[str | None, Parameter(help="Folder in which --data is looked up.")] = None,
    file: cli.Flags[FileFlags] = FileFlags(),
    horizon: Annotated[int, cli.at_least(1, 250), Parameter(help="Days of trading to look ahead.")] = 20,
    paths: Annotated[int, cli.at_least(20, 100_000), Parameter(help="Simulated futures.")] = 500,
    seed: Annotated[cli.Seed, Parameter(help="Seed of the simulation.")] = 0,
):
    """Forecast the days after the last known one."""
    run = runs.finished_run(RECIPE, run)
    trained = run.settings(Settings)
    s = settings_for(trained, data, data_dir, file)
    frame, features = read_features(s, trained.in_panel)
    if not (data or file.ticker or file.column):
        check_own_data(run, s, features)
    rng = np.random.default_rng(seed)
    days = simulation.simulate(run.model(), features, s.window, run.array(RESIDUALS, columns=2), horizon, paths, rng)
    quantiles = simulation.quantiles(days, frame, features)
    picture = f"future-{series_name(s)}-{features.index[-1]:%Y-%m-%d}.png"
    path = run.save_figure(plot_future(quantiles, frame, features), picture)
    days = "weekdays" if prices.weekdays(features.index) == (*range(5),) else "days"
    print(f"The {horizon} {days} after {features.index[-1]:%Y-%m-%d}, from {paths} simulated futures of {run.path}:")
    print(quantiles.to_string(float_format="{:.4g}".format))
    print(f"\nDrawn in {path}")


# ---------------------------------------------------------------------------------------------------------- export


@app.command
def export(
    out: bundle.Out,
    /,
    *,
    run: cli.FinishedRun = None,
    format: bundle.Format = "onnx",
    data_dir: cli.DataDir = None,
):
    """Write the network for other programs, with what they need around it, and compare it with Keras."""
    folder = bundle.Folder(out, format)
    run = runs.finished_run(RECIPE, run)
    s, model = run.settings(Settings), run.model()
    load = lambda: load_data_of(replace(s, data_dir=data_dir or s.data_dir)).arrays["validation"][0]
    example = np.zeros((s.window, model.input_shape[-1]), "float32")
    windows = np.array(bundle.examples(load, [example]))
    names = {1: "log return", 2: "log range and log return"}.get(model.input_shape[-1], FEATURE_NAMES)
    taken = "days", f"of the last {s.window} days {names}; docs/stock_prices.md defines them"
    returned = "forecast", f"after each of these days the {names.split(' and ')[0]} of the day after it"
    return folder.write(run, arrays.contents(model, taken, returned, windows, "window", "print(forecast[0, -1, 0])"))


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
