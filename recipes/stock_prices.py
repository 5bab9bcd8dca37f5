"""Stock prices, sequence to sequence: from the last days, at every step, tomorrow.

In:     the features of N days, shape (batch, N, features): the log return, or the log range and the log return.
Out:    at every step t the target of day t + 1, shape (batch, N, 1), so each step predicts its tomorrow.
Shape:  sequence-to-sequence. The loss looks at all N steps, the report only at the last, which has seen all N days.

    x_t = (feature of day t - mean) / standard deviation        both from the training part, inside the model;
                                                                with the range, the return is divided by it instead
    h_t = GRU(x_t, h_{t-1})                                     or another --cell
    y_t = mean + standard deviation · (w · h_t + b)             the forecast for day t + 1

--target price: r_t = log(close_t / close_{t-1}), rebuilt to a price as close_t · exp(y_t), beside "tomorrow = today".
    Expect no gain: if there were one, it would be traded away.
--target volatility: log(log(high_t / low_t)), the daily range (Parkinson 1980), which can be predicted; beside
    persistence, the HAR regression (Corsi 2009), GARCH(1,1), and a linear regression on what the network sees.

Try next: --cell lstm and --cell simple; --window 20 and 120; your own CSV with --data; --units 4 and 64.
"""

import hashlib
import math
import sys
import time
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import common, forecast_plots, forecast_report as report, results, training, volatility_rivals  # isort: skip

import keras
import numpy as np
import pandas as pd
import typer

from datasets import prices

RECIPE = "stock_prices"
NAIVE = {"name": "tomorrow = today", "metric": "rmse_ratio_naive", "value": 1, "source": "by definition"}
PUBLISHED = {"price": [NAIVE], "volatility": []}
SURPRISES = "training_surprises.npy"
app = common.command_line(__doc__)

Data = Annotated[str, typer.Option(help="sp500 (comes along), or a CSV file, plain or gzipped, with Date and Close.")]
Target = Annotated[str, typer.Option(help="price or volatility.", callback=common.one_of([*prices.TARGETS]))]
Column = Annotated[str, typer.Option(help="The CSV's column of prices, such as 'Adj Close'.")]
Ticker = Annotated[str | None, typer.Option(help="Which series of a CSV with a Ticker column.")]
Start = Annotated[str | None, typer.Option(help="First day to use, YYYY-MM-DD.")]
End = Annotated[str | None, typer.Option(help="Last day to use, YYYY-MM-DD.")]
Window = Annotated[int, typer.Option(min=2, help="Days the network looks back.")]
Units = Annotated[int, typer.Option(min=1, help="Units of the recurrent layer.")]
LearningRate = Annotated[float, typer.Option(min=1e-8, max=1, help="At the start; it falls to 0 along a cosine.")]
Horizon = Annotated[int, typer.Option(min=1, max=250, help="Trading days to look ahead.")]


def load_data(settings):
    names = "data_dir", "target", "window", "column", "ticker", "start", "end"
    with common.user_errors():
        return prices.load(settings["data"], **{name: settings[name] for name in names})


def build_model(cell, units, data, seed=0):
    """A model from raw features to a forecast in the target's own unit: whoever has it needs no scaler.

    In training every window of ranges is moved up or down by a random level and its forecasts moved back, because the
    market of tomorrow may be calmer or wilder than any that the network has seen.
    """
    volatility = data.target_column == "log_range"
    target = data.features.columns.get_loc(data.target_column)
    inputs = keras.Input((None, data.features.shape[1]))
    x = keras.layers.Normalization(mean=data.mean, variance=data.variance)(inputs)
    if volatility:
        log_range, returns = inputs[..., :1], inputs[..., 1:]
        level = keras.layers.GaussianNoise(1.0, seed=seed)(keras.ops.zeros_like(x[:, :1, :1]))
        x = keras.layers.Concatenate()([x[..., :1] + level, returns / keras.ops.exp(log_range)])
    x = common.recurrent(cell, units, return_sequences=True)(x)
    x = keras.layers.Dense(1)(x)
    if volatility:
        x = x - level
    outputs = keras.layers.Rescaling(scale=math.sqrt(data.variance[target]), offset=data.mean[target])(x)
    return keras.Model(inputs, outputs)


def squared_error(data):
    """The squared error relative to the training part's variance: 1 for a forecast of the mean, in any unit."""
    variance = float(data.variance[data.features.columns.get_loc(data.target_column)])

    def loss(y, forecast):
        return keras.ops.square(y - forecast) / variance

    def last_step(y, forecast):
        return loss(y[:, -1], forecast[:, -1])

    return loss, last_step


def fit(settings, run, data):
    """Train from the settings in the run's folder; returns the model of the best epoch."""
    with common.prepare(settings["seed"], settings["strategy"]):
        model = build_model(settings["cell"], settings["units"], data, settings["seed"])
        batches = training.shuffled_batches(data.arrays["train"], settings["batch_size"], settings["seed"])
        rate = keras.optimizers.schedules.CosineDecay(settings["learning_rate"], settings["epochs"] * batches[1])
        loss, last_step = squared_error(data)
        model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss, metrics=[last_step])
    training.fit(model, run, batches, settings["epochs"], data.splits["validation"], monitor="val_last_step")
    return model


def forecasts(model, data, split):
    """The last step's forecast for each day of a split, a Series by the date forecast."""
    values = model.predict(data.splits[split], verbose=0)[:, -1, 0]
    return pd.Series(values.astype("float64"), data.dates[split])


def assess(model, data):
    """Score the test part: metrics, by ratio the daily losses of model and rival, and what makes it of theirs."""
    return (assess_price if data.target_column == "return" else assess_volatility)(model, data)


def assess_price(model, data):
    days = data.dates["test"]
    close = data.frame["Close"]
    today, tomorrow = close.shift(1)[days], close[days]
    forecast = today * np.exp(forecasts(model, data, "test"))
    losses = {"rmse_ratio_naive": (report.squared_loss(tomorrow, forecast), report.squared_loss(tomorrow, today))}
    metrics = {
        "rmse_ratio_naive": report.error_ratio(tomorrow, forecast, today),
        "mae_ratio_naive": report.mae(tomorrow, forecast) / report.mae(tomorrow, today),
        "mase": report.mase(tomorrow, forecast, close[: data.dates["train"][-1]]),
        "directional_accuracy": report.directional_accuracy(tomorrow, forecast, today),
        "directional_accuracy_always_up": report.directional_accuracy(tomorrow, 2 * today, today),
    }
    return metrics, losses, math.sqrt


def assess_volatility(model, data):
    actual = data.features["log_range"]
    fitted = {"network": pd.concat([forecasts(model, data, split) for split in ("validation", "test")])}
    fitted |= volatility_rivals.rivals(data.features, data.first_days["validation"])
    squared, qlike = {}, {}
    for name, forecast in fitted.items():
        error = report.residual_variance(actual[data.dates["validation"]], forecast[data.dates["validation"]])
        test = forecast[data.dates["test"]]
        squared[name] = report.squared_loss(actual[test.index], test)
        proxy = report.parkinson_variance(actual[test.index])
        qlike[name] = report.qlike_loss(proxy, report.variance_forecast(test, error))
    rivals = [name for name in fitted if name != "network"]
    losses = {f"mse_ratio_{name}": (squared["network"], squared[name]) for name in rivals}
    losses |= {f"qlike_ratio_{name}": (qlike["network"], qlike[name]) for name in rivals}
    return {name: report.loss_ratio(*pair) for name, pair in losses.items()}, losses, float


def evaluate_model(model, data, run):
    """Print the report on the test part and draw its plots; returns the metrics, and what `assess` returns."""
    metrics, losses, shape = assess(model, data)
    compared = dict(metrics)
    for name, (ours, rival) in losses.items():
        compared[f"{name}_low"], compared[f"{name}_high"] = map(shape, report.bootstrap_interval(ours, rival))
        compared[f"{name}_p"] = report.diebold_mariano(ours, rival)[1]
    print(report.summary(compared, losses))
    for name, figure in forecast_plots.report_figures(model, data, forecasts(model, data, "test")).items():
        run.save_figure(figure, name)
    return compared, metrics, losses, shape


def complete(run, data):
    """Train from a run's settings, report, and leave its folder finished; returns what `assess` returns."""
    model = fit(run.settings, run, data)
    with common.replacing(run / SURPRISES) as file:
        np.save(file, forecast_plots.surprises(model, data))
    compared, *assessed = evaluate_model(model, data, run)
    run.write_json("metrics.json", compared)
    return assessed


def begin(settings, run_dir=None, resume=False):
    """The run's folder and its data, read first, so that what the user typed wrong leaves no folder behind."""
    data = load_data(settings)
    checksum = hashlib.sha256(data.features.to_csv().encode()).hexdigest()
    return common.Run.begin(RECIPE, settings, checksum, run_dir, resume), data


@app.command()
def train(
    data: Data = "sp500",
    data_dir: common.DataDir = None,
    target: Target = "price",
    column: Column = "Close",
    ticker: Ticker = None,
    start: Start = None,
    end: End = None,
    window: Window = 60,
    cell: common.Cell = "gru",
    units: Units = 12,
    epochs: common.Epochs = 20,
    batch_size: common.BatchSize = 64,
    learning_rate: LearningRate = 0.004,
    seed: common.Seed = 0,
    run_dir: common.RunDir = None,
    resume: common.Resume = False,
    strategy: common.Strategy = "none",
):
    """Train, report and draw; the default."""
    settings = {name: value for name, value in locals().items() if name not in common.NOT_SETTINGS}
    run, data = begin(settings, run_dir, resume)
    complete(run, data)
    print(f"\nThe run with its plots is in {run.path}. Next: python recipes/stock_prices.py predict --run {run.path}")


@app.command()
def evaluate(run: common.FinishedRun = None):
    """Report on the test part again."""
    run = common.Run.open(RECIPE, run)
    evaluate_model(run.model(), load_data(run.settings), run)


@app.command()
def predict(
    run: common.FinishedRun = None,
    data: Annotated[str | None, typer.Option(help="Another CSV to go on from. [default: the run's data]")] = None,
    data_dir: common.DataDir = None,
    column: Annotated[str | None, typer.Option(help="Its column of prices. [default: the run's]")] = None,
    ticker: Ticker = None,
    horizon: Horizon = 20,
    paths: Annotated[int, typer.Option(min=20, help="Simulated futures.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation.")] = 0,
):
    """Forecast the days after the last one known."""
    run = common.Run.open(RECIPE, run)
    settings = run.settings
    if data or ticker:  # the run's dates are about its own series
        settings |= {"start": None, "end": None} | ({"ticker": None} if data else {})
    given = {"data": data, "data_dir": data_dir, "column": column, "ticker": ticker}
    settings |= {name: value for name, value in given.items() if value}
    names = "data_dir", "column", "ticker", "start", "end"
    with common.user_errors():
        frame = prices.read(settings["data"], **{name: settings[name] for name in names})
        features = prices.features(frame, settings["target"])
        if len(features) < (window := settings["window"]):
            raise ValueError(f"The network looks {window} days back. Received: {len(features)} days")
    known = frame, features, window, run.array(SURPRISES)
    table, figure = forecast_plots.fan(run.model(), *known, horizon, paths, np.random.default_rng(seed))
    series = settings["ticker"] or Path(settings["data"]).name.split(".")[0]
    picture = f"future-{series.replace('/', '-')}-{features.index[-1]:%Y-%m-%d}.png"
    run.save_figure(figure, picture)
    print(f"The {horizon} weekdays after {features.index[-1]:%Y-%m-%d}, from {paths} simulated futures of {run.path}:")
    print(table.to_string(float_format="{:.4g}".format))
    print(f"\nDrawn in {run / picture}")


@app.command()
def verify(target: Target = "volatility", cell: common.Cell = "gru", units: Units = 12, window: Window = 60):
    """Compare with built-in layers.

    The same network from both, with the same weights: outputs, every gradient, the loss over a short training. Exits
    with 1 where they differ.
    """
    names = dict.fromkeys(("data_dir", "ticker", "start", "end"))
    data = load_data(names | {"data": "sp500", "target": target, "column": "Close", "window": window})
    x, y = (array[:640] for array in data.arrays["train"])
    training.verify(lambda name: build_model(name, units, data), cell, x, y, squared_error(data)[0])


@app.command()
def publish(
    target: Target = "price",
    seeds: Annotated[int, typer.Option(min=2, help="Trainings, with the seeds 0, 1, ...")] = 5,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = results.ROOT / "results",
):
    """Train once a seed and write results/."""
    runs, daily = [], []
    now = time.strftime("%Y%m%d-%H%M%S")
    for seed in range(seeds):
        started = time.time()
        folder = common.RUNS / RECIPE / f"{now}-{target}-seed{seed}"
        metrics, losses, shape = complete(*begin(common.defaults(train) | {"target": target, "seed": seed}, folder))
        runs.append((seed, (time.time() - started) / 60, metrics))
        daily.append(losses)
    intervals = {}
    for name in daily[0]:
        ours, rival = (np.mean([losses[name][i] for losses in daily], axis=0) for i in (0, 1))
        intervals[name] = [shape(end) for end in report.bootstrap_interval(ours, rival)]
    command, published = f"python recipes/{RECIPE}.py publish --target {target} --seeds {seeds}", PUBLISHED[target]
    print(results.publish(RECIPE, target, command, common.versions(), runs, published, output, intervals))


if __name__ == "__main__":
    common.main(app)
