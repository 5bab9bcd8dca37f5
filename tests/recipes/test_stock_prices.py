"""The stock price recipe from the command line, on short parts of the built-in S&P 500."""

import functools
import io
import json
import math
import sys
from pathlib import Path
from types import SimpleNamespace

from toolkit import runs, simulation, training
from toolkit.metrics import forecasts
from toolkit.runs import Run

import numpy as np
import pandas as pd
import pytest

from datasets import prices, tables
from recipes import gates, stock_prices

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "stocks"
SIZES = {"window": 10, "units": 3, "epochs": 2, "batch_size": 256}
SMALL = [part for name, value in SIZES.items() for part in (f"--{name.replace('_', '-')}", value)]


@pytest.fixture(scope="module", autouse=True)
def quick_intervals():
    """From fewer draws: a report has many intervals."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecasts, "bootstrap_interval", functools.partial(forecasts.bootstrap_interval, repeats=200))
        yield


@pytest.fixture(scope="module")
def trained(quick_intervals, tmp_path_factory):
    """A function from a target to its run, and what its training printed."""

    @functools.cache
    def train(target):
        run, printed = tmp_path_factory.mktemp(target) / "run", io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", printed)
            stock_prices.train(stock_prices.Settings(target=target, start="2014-01-01", **SIZES), run_dir=run)
        return run, printed.getvalue()

    return train


def write_csv(path, frame):
    frame.to_csv(path, date_format="%Y-%m-%d")
    return path


@pytest.mark.parametrize("target", ["price", pytest.param("volatility", marks=pytest.mark.slow)])
def test_train_evaluate_predict(trained, run_recipe, target, capsys):
    run, report = trained(target)
    left = {path.name for path in run.iterdir()} - {"tensorboard"}
    plots = {"learning_curves.png", "forecasts.png", "errors_by_horizon.png", "fan.png"}
    arrays = {"checkpoint.npz", "training_residuals.npy", "daily_losses.npz"}
    assert left == plots | arrays | {"config.json", "history.csv", "metrics.json", "model.keras"}
    metrics = json.loads((run / "metrics.json").read_text())
    assert all(math.isfinite(value) for value in metrics.values()) and metrics["minutes"] > 0
    name = {"price": "rmse_ratio_naive", "volatility": "mse_ratio_har"}[target]
    assert metrics[f"{name}_low"] < metrics[name] < metrics[f"{name}_high"]
    assert name in report and "The network" in report
    with np.load(run / "daily_losses.npz") as losses:
        assert {*losses} == {key.removesuffix("_p") for key in metrics if key.endswith("_p")}
        ratio = forecasts.loss_ratio(*losses[name]) ** (0.5 if target == "price" else 1)
        assert ratio == pytest.approx(metrics[name])
        assert forecasts.ratio_interval(name, *losses[name]) == [metrics[f"{name}_low"], metrics[f"{name}_high"]]

    assert run_recipe(stock_prices, "evaluate", "--run", run) == 0
    assert capsys.readouterr().out.strip() in report
    assert run_recipe(stock_prices, "predict", "--run", run, "--horizon", 4, "--paths", 50) == 0
    table = capsys.readouterr().out
    assert "2019-01-04" in table and ("volatility" in table) == (target == "volatility")
    assert (run / "future-sp500-2018-12-31.png").stat().st_size > 10_000

    short = write_csv(Path("short.csv"), prices.read(end="1999-02-01"))
    assert run_recipe(stock_prices, "predict", "--run", run, "--data", short, "--horizon", 2) == 0
    assert "1999-02-02" in capsys.readouterr().out
    assert (
        run_recipe(
            stock_prices,
            "predict",
            "--run",
            run,
            "--data",
            write_csv(Path("short.csv"), prices.read(end="1999-01-10")),
        )
        == 2
    )
    assert "The network looks 10 days back. Received: 4 days" in capsys.readouterr().err

    assert run_recipe(stock_prices, "train", "--target", target, "--run-dir", run) == 2
    assert "never overwritten" in capsys.readouterr().err


@pytest.mark.slow
def test_the_future_changes_no_training_and_no_earlier_forecast(tmp_path):
    frame = prices.read(start="2012-01-01")
    first_test_day = prices.load(start="2012-01-01", window=10).dates["test"][0]
    changed = frame.copy()
    changed[changed.index > first_test_day] *= np.linspace(1.5, 3, (changed.index > first_test_day).sum())[:, None]
    weights, forecast = [], []
    for name, version in {"a": frame, "b": changed}.items():
        settings = stock_prices.Settings(data=str(write_csv(tmp_path / f"{name}.csv", version)), **SIZES)
        data = stock_prices.load_data_of(settings)
        run = runs.open_run(stock_prices.RECIPE, settings, data.checksum(), tmp_path / name)
        stock_prices.trained(settings, None, data, run)
        model = run.model()
        weights.append(model.get_weights())
        forecast.append(stock_prices.last_step_forecasts(model, data, "test"))
    for ours, others in zip(*weights, strict=True):
        np.testing.assert_array_equal(ours, others)
    before, after = forecast
    np.testing.assert_array_equal(before[:2], after[:2])  # the second is made on the first test day
    assert (before[2:] != after[2:]).all()


def test_the_forecast_of_a_price_is_todays_close_moved_by_the_forecast_return():
    """A network whose forecast is always the return r scores as close · exp(r) does by hand."""
    data = prices.load(start="2014-01-01", window=10)
    model = stock_prices.build_model(data.mean, data.variance, "simple", units=2)
    model.layers[-2].set_weights([np.zeros((2, 1)), np.full(1, (0.01 - data.mean[0]) / math.sqrt(data.variance[0]))])
    metrics, _ = stock_prices.assess_price(model, data)
    close = data.frame["Close"]
    today, tomorrow = close.shift(1)[data.dates["test"]], close[data.dates["test"]]
    expected = np.abs(tomorrow - today * math.exp(0.01)).mean() / np.abs(tomorrow - today).mean()
    assert metrics["mae_ratio_naive"] == pytest.approx(expected, rel=1e-4)
    assert metrics["directional_accuracy"] == pytest.approx((tomorrow > today)[tomorrow != today].mean())


@pytest.mark.slow
def test_the_mirrored_strategy_trains(run_recipe):
    assert run_recipe(stock_prices, "--start", "2016-01-01", "--run-dir", "mine", "--strategy", "mirrored", *SMALL) == 0


@pytest.fixture
def stopped(run_recipe, monkeypatch):
    """In the folder mine a training that has stopped, on prices.csv."""

    def stop(*args, **kwargs):
        raise runs.Stop("the test")

    write_csv(Path("prices.csv"), prices.read(start="2014-01-01"))
    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", stop)
        assert run_recipe(stock_prices, "--data", "prices.csv", "--run-dir", "mine") == 2


def test_resume_refuses_other_data(run_recipe, stopped, capsys):
    write_csv(Path("prices.csv"), prices.read(start="2014-01-01").iloc[:-50])
    assert run_recipe(stock_prices, "train", "--run-dir", "mine", "--resume") == 2
    assert "not what mine was trained on" in capsys.readouterr().err


@pytest.mark.parametrize("name, content", [("checkpoint.npz", "half"), ("config.json", "{")])
def test_resume_refuses_damaged_files(stopped, name, content):
    Path("mine", name).write_text(content)
    with pytest.raises(runs.Stop, match=f"mine/{name} is .*damaged"):
        stock_prices.train(stock_prices.Settings(data="prices.csv"), run_dir=Path("mine"), resume=True)


@pytest.mark.slow
def test_a_resumed_training_ends_with_the_same_bits(trained, run_recipe, monkeypatch):
    options = ["--start", "2014-01-01", "--target", "volatility", *SMALL]
    whole, _ = trained("volatility")
    on_epoch_end = training.Checkpoint.on_epoch_end

    def dies(self, epoch, logs=None):
        on_epoch_end(self, epoch, logs)
        raise runs.Stop("killed")

    with monkeypatch.context() as patch:
        patch.setattr(training.Checkpoint, "on_epoch_end", dies)
        assert run_recipe(stock_prices, "--run-dir", "stopped", *options) == 2
    assert run_recipe(stock_prices, "--run-dir", "stopped", "--resume") == 0
    for a, b in zip(*(Run(name).model().get_weights() for name in (whole, "stopped")), strict=True):
        np.testing.assert_array_equal(a, b)
    with np.load(whole / "daily_losses.npz") as ours, np.load("stopped/daily_losses.npz") as others:
        assert all((ours[name] == others[name]).all() for name in ours)


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_verify_passes(run_recipe, verify_quickly, cell, capsys):
    assert run_recipe(stock_prices, "verify", "--cell", cell, "--units", 5, "--window", 5) == 0
    assert capsys.readouterr().out.count("pass") == 7


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "nowhere.csv"], "No prices at nowhere.csv"),
        (["--data", "prices.csv"], "prices.csv, line 3: the date is out of order"),
        (["--data", "prices.csv", "--date-format", "%Q"], "--date-format must be made of"),
        (["--data", "prices.csv", "--end", "9999-12-31", "--skip-bad-rows"], "Too few rows"),
        (["--ticker", "AAPL"], "there is no Ticker column"),
        (["--target", "gold"], 'Invalid value "gold" for --target'),
        (["--cell", "transformer"], 'Invalid value "transformer" for --cell'),
        (["--window", "9000"], "Too few rows"),
        (["predict"], "No finished run under runs/stock_prices: train one first"),
        (["train", "--resume"], "No unfinished run under runs/stock_prices"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing_behind(run_recipe, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr("toolkit.runs.PUBLISHED", Path("nowhere"))
    Path("prices.csv").write_text("Date,Close\n2020-01-02,1\n2020-01-01,2\n2020-01-03,3\n")
    assert run_recipe(stock_prices, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert [path.name for path in Path().iterdir()] == ["prices.csv"]


@pytest.mark.parametrize("command", ["evaluate", "predict"])
def test_other_data_than_a_run_was_trained_on_is_told(run_recipe, command, capsys):
    write_csv(Path("prices.csv"), prices.read(start="2014-01-01"))
    run = runs.open_run(stock_prices.RECIPE, stock_prices.Settings(data="prices.csv"), "other", "mine")
    run.finish({})
    assert run_recipe(stock_prices, command, "--run", "mine") == 2
    printed = capsys.readouterr()
    assert "The data is not what mine was trained on" in printed.err
    assert ("pass --data prices.csv" in printed.err) == (command == "predict")
    assert "prices.csv: dates as year-month-day, prices from 'Close', 1,258 rows" in printed.out


def test_a_coin_is_forecast_for_every_day_and_annualised_with_365(tmp_path):
    days = pd.date_range("2021-01-01", periods=60, name="Date")  # the last is a Monday
    frame = pd.DataFrame({"Close": np.linspace(1, 2, 60)}, days)
    features = pd.DataFrame({"log_range": -4.0, "return": 0.0}, days)
    simulated = np.full((50, 7, 2), [-4.0, 0.0])
    quantiles = simulation.quantiles(simulated, frame, features)
    assert quantiles.index.tolist() == [*pd.date_range("2021-03-02", periods=7)]
    daily = math.sqrt(forecasts.parkinson_variance(-4.0))
    volatility = quantiles[simulation.VOLATILITY, "median"].iloc[0]
    assert volatility == pytest.approx(100 * daily * math.sqrt(365))

    weekdays = features.index.day_of_week < 5
    quantiles = simulation.quantiles(simulated, frame[weekdays], features[weekdays])
    assert quantiles.index.tolist() == [*pd.bdate_range("2021-03-02", periods=7)]
    assert quantiles[simulation.VOLATILITY, "median"].iloc[0] == pytest.approx(100 * daily * math.sqrt(252))


def test_another_file_is_read_in_its_own_way(monkeypatch, run_recipe):
    """The run's words on its own file do not hold for another, but for the column of prices."""
    settings = stock_prices.Settings(data="a.csv", column="Adj Close", decimal="comma", ticker="A", start="2014-01-01")
    runs.open_run(stock_prices.RECIPE, settings, "other", "mine").finish({})
    seen = []

    def read_features(s, in_panel):
        seen.append(s)
        raise runs.Stop("seen")

    monkeypatch.setattr(stock_prices, "read_features", read_features)
    assert run_recipe(stock_prices, "predict", "--run", "mine", "--data", "b.csv", "--date-format", "%d/%m/%Y") == 2
    (s,) = seen
    assert (s.data, s.column, s.decimal, s.ticker, s.start) == ("b.csv", "Adj Close", None, None, None)
    assert s.form == prices.Form(date_format="%d/%m/%Y")


@pytest.mark.skipif(not CASES.exists(), reason="the folder ../shared/cases is not here")
@pytest.mark.parametrize(
    "name, flag",
    [
        ("prices-hourly/hourly.csv", "--by-day"),
        ("prices-metatrader/EURUSD1440.csv", "--columns, such as Date,Time,Open,High,Low,Close,Volume"),
        ("prices-semicolon/kurse.csv", "--encoding"),
        ("prices-many-companies/wide.csv", "--ticker must be one of ABCD, EFGH, IJKL"),
    ],
)
def test_what_is_asked_is_one_line_and_leaves_nothing_behind(run_recipe, capsys, name, flag):
    assert run_recipe(stock_prices, "--data", CASES / name) == 2
    error = capsys.readouterr().err
    assert flag in error and error.count("\n") == 1
    assert not [*Path().iterdir()]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.exists(), reason="the folder ../shared/data with the real tickers is not here")
def test_a_real_file_of_many_tickers(run_recipe, monkeypatch, capsys):
    parse, parsed = tables.parse, {}  # the file is large: each command reads it, but its rows are parsed once

    def parse_once(text, *arguments, **options):
        if text not in parsed:
            parsed[text] = parse(text, *arguments, **options)
        return parsed[text]

    monkeypatch.setattr(tables, "parse", parse_once)
    arguments = ["--data", "tickers_daily.csv.gz", "--data-dir", SHARED, "--ticker", "AAPL", "--start", "2012-01-01"]
    assert run_recipe(stock_prices, *arguments, "--target", "volatility", "--run-dir", "apple", *SMALL) == 0
    assert run_recipe(stock_prices, "predict", "--run", "apple", "--horizon", 3) == 0
    assert "2022-01-31" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------- many series


def three_series(path):
    """The index's days from 2016 on, and two other series of the same days."""
    frame = prices.read(start="2016-01-01")
    tables = []
    for name, power in {"INDEX": 1.0, "WILD": 2.0, "CALM": 0.5}.items():
        table = frame[["High", "Low", "Close"]] ** power
        noise = np.random.default_rng(len(tables)).uniform(0, 0.002 * power, len(frame))
        tables.append(table.assign(High=table["High"] * np.exp(noise), Volume=frame["Volume"], Ticker=name))
    pd.concat(tables).to_csv(path, date_format="%Y-%m-%d")
    return path


@pytest.mark.slow
def test_one_network_for_many_series(run_recipe, eagerly, capsys):
    three_series("many.csv")
    many = ["--target", "volatility", "--data", "many.csv", "--ticker", "all", *SMALL]
    assert run_recipe(stock_prices, *many, "--run-dir", "mine") == 0
    report = capsys.readouterr().out
    assert "won of 3 series" in report and "mse_ratio_har_pooled" in report and "On the validation split" in report
    metrics = Run("mine").metrics()
    assert 0 <= metrics["qlike_ratio_linear_won"] <= 3
    assert metrics["mse_ratio_har_low"] < metrics["mse_ratio_har"] < metrics["mse_ratio_har_high"]
    ratios = pd.read_csv("mine/series.csv", index_col="series")
    assert [*ratios.index] == ["CALM", "INDEX", "WILD"]
    assert np.exp(np.log(ratios["mse_ratio_garch"]).mean()) == pytest.approx(metrics["mse_ratio_garch"])
    assert {"ratios.png", "best.png", "worst.png"} <= {path.name for path in Path("mine").iterdir()}

    assert run_recipe(stock_prices, "predict", "--run", "mine", "--ticker", "WILD", "--horizon", 3, "--paths", 50) == 0
    assert "2019-01-03" in capsys.readouterr().out and Path("mine/future-WILD-2018-12-31.png").exists()
    assert run_recipe(stock_prices, "predict", "--run", "mine") == 2
    assert "--ticker must be one of CALM, INDEX, WILD" in capsys.readouterr().err
    assert run_recipe(stock_prices, "evaluate", "--run", "mine", "--ticker", "NONE") == 2
    assert "--ticker must be one of CALM, INDEX, WILD. Received: 'NONE'" in capsys.readouterr().err

    alone = write_csv(Path("never-seen.csv"), prices.read(start="2013-01-01")[["High", "Low", "Close"]])
    assert run_recipe(stock_prices, "evaluate", "--run", "mine", "--data", alone) == 0
    assert "mse_ratio_har " in capsys.readouterr().out and Path("mine/never-seen-forecasts.png").exists()
    assert run_recipe(stock_prices, "predict", "--run", "mine", "--data", alone, "--horizon", 2, "--paths", 50) == 0
    assert "2019-01-02" in capsys.readouterr().out

    assert run_recipe(stock_prices, "--data", alone, "--start-from", "mine", "--epochs", 1, "--run-dir", "further") == 0
    assert "of the network started from" in capsys.readouterr().out
    assert Run("further").settings(stock_prices.Settings).units == 3
    assert run_recipe(stock_prices, "predict", "--run", "further", "--horizon", 2, "--paths", 50) == 0


@pytest.mark.slow
def test_few_days_start_from_the_published_network(run_recipe, capsys):
    path = write_csv(Path("mine.csv"), prices.read(start="2016-01-01")[["High", "Low", "Close"]])
    arguments = ["--data", path, "--target", "volatility", "--epochs", 1, "--run-dir", "started"]
    assert run_recipe(stock_prices, *arguments) == 0
    assert (
        "days of training are few: the network starts from stock_prices.volatility-simulated" in capsys.readouterr().out
    )
    assert Run("started").settings(stock_prices.Settings).start_from == "published"
    assert run_recipe(stock_prices, "predict", "--run", "started", "--horizon", 2, "--paths", 50) == 0
    assert Run("started").model().input_shape[-1] == 6


def test_gates_reads_a_run_that_started_from_nothing(tmp_path):
    settings = stock_prices.Settings(target="volatility", start_from="nothing")
    run = runs.open_run(stock_prices.RECIPE, settings, prices.load(target="volatility").checksum(), tmp_path / "mine")
    inputs, days, _ = gates.read_days(run, settings, None, 5)
    assert inputs.shape == (1, 5, 2) and len(days) == 5


@pytest.mark.parametrize(
    "settings, days, expected",
    [
        ({}, 1_499, True),
        ({}, 1_500, False),
        ({"target": "price"}, 900, False),
        ({"cell": "lstm"}, 900, False),
        ({"window": 20}, 900, False),
        ({"ticker": "all"}, 900, False),
        ({"start_from": "nothing"}, 900, False),
    ],
)
def test_what_starts_from_the_published_network(settings, days, expected):
    s = stock_prices.Settings(**{"target": "volatility"} | settings)
    assert stock_prices.needs_start(s, SimpleNamespace(dates={"train": range(days)})) == expected


def test_without_the_published_network_nothing_starts_from_it(monkeypatch):
    monkeypatch.setattr("toolkit.runs.PUBLISHED", Path("nowhere"))
    s = stock_prices.Settings(target="volatility")
    assert not stock_prices.needs_start(s, SimpleNamespace(dates={"train": range(900)}))


def test_a_network_for_many_series_sees_differences_from_their_level_alone(tmp_path):
    """Ranges twice as wide on all days, at a level that is as much higher, give the same forecast above the level."""
    model = stock_prices.build_panel_model(0.3, units=3)
    window = np.random.default_rng(0).normal(size=(4, 10, 6)).astype("float32")
    wider = window + np.float32([math.log(2), 0, math.log(2), 0, 0, 0])
    wider[..., 1] *= 2  # returns
    np.testing.assert_allclose(model(wider), np.asarray(model(window)) + math.log(2), atol=1e-5)


@pytest.mark.slow
def test_prices_of_many_series(run_recipe, eagerly, capsys):
    three_series("many.csv")
    arguments = ["--data", "many.csv", "--ticker", "all", "--leave-out", 0.3, "--run-dir", "mine", *SMALL]
    assert run_recipe(stock_prices, *arguments) == 0
    report = capsys.readouterr().out
    assert "1 take no part in training" in report and "rmse_ratio_naive" in report


def test_the_least_qlike_loss_is_that_of_the_mean_variance():
    """Of constant forecasts the best one is half the log of the mean of exp(2 y), up to the range's constant."""
    y = np.random.default_rng(0).normal(size=(500, 1, 1)).astype("float32")
    loss, last_step = stock_prices.qlike()
    candidates = np.linspace(0, 2, 201)
    means = [float(np.mean(loss(y, np.full_like(y, value)))) for value in candidates]
    assert candidates[np.argmin(means)] == pytest.approx(np.log(np.exp(2 * y).mean()) / 2, abs=0.01)
    assert float(np.mean(last_step(y, y))) == 0


def test_a_network_trained_for_qlike_is_corrected_by_its_mean_error_on_the_validation_split():
    data = prices.load(start="2014-01-01", target="volatility", window=10)
    model = stock_prices.build_model(data.mean, data.variance, "simple", units=2)
    days = data.dates["validation"]
    forecast = stock_prices.volatility_forecasts(model, data, "qlike")["network"]
    assert (data.features["log_range"][days] - forecast[days]).mean() == pytest.approx(0, abs=1e-6)
    plain = stock_prices.volatility_forecasts(model, data)["network"]
    assert np.ptp(forecast - plain) == pytest.approx(0, abs=1e-6) and (forecast != plain).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--leave-out", "0.5"], "--leave-out is a share of many series: pass --ticker all too. Received: 0.5"),
        (
            ["--start-from", "single"],
            "--start-from needs a run on many series, of train --ticker all. Received: single",
        ),
        (["--start-from", "nowhere"], "nowhere holds no run"),
        (["--loss", "qlike"], "--loss qlike is an error of the variance: pass --target volatility too."),
        (["--data", "empty", "--ticker", "all"], "empty: a folder of price files is needed"),
        (["predict", "--run", "single", "--ticker", "all"], "--ticker all needs a run on many series"),
    ],
)
def test_wrong_input_for_many_series_is_one_line(run_recipe, capsys, arguments, message):
    Path("empty").mkdir()
    runs.open_run(stock_prices.RECIPE, stock_prices.Settings(), "data", "single").finish({})
    assert run_recipe(stock_prices, *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
