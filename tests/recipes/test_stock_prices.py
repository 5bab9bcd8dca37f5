"""The stock price recipe from the command line, on small pieces of the S&P 500 that comes along."""

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest

from datasets import prices
from recipes import common, stock_prices

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "stocks"
SMALL = ["--window", "10", "--units", "3", "--epochs", "2", "--batch-size", "256"]


def write_csv(path, frame):
    frame.to_csv(path, date_format="%Y-%m-%d")
    return path


@pytest.mark.parametrize("target", ["price", "volatility"])
def test_train_evaluate_predict(call, target, capsys):
    assert call("--target", target, "--start", "2014-01-01", "--run-dir", "mine", *SMALL) == 0
    report = capsys.readouterr().out
    left = {path.name for path in Path("mine").iterdir()} - {"tensorboard", stock_prices.SURPRISES}
    plots = {"learning_curves.png", "forecasts.png", "errors_by_horizon.png", "fan.png"}
    assert left == plots | {"config.json", "checkpoint.npz", "history.csv", "metrics.json", "model.keras"}
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert all(math.isfinite(value) for value in metrics.values())
    name = {"price": "rmse_ratio_naive", "volatility": "mse_ratio_har"}[target]
    assert metrics[f"{name}_low"] < metrics[name] < metrics[f"{name}_high"]
    assert name in report and "The network" in report

    assert call("evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in report
    assert call("predict", "--run", "mine", "--horizon", 4, "--paths", 50) == 0
    table = capsys.readouterr().out
    assert "2019-01-04" in table and ("volatility" in table) == (target == "volatility")
    assert Path("mine/future-sp500-2018-12-31.png").stat().st_size > 10_000

    short = write_csv(Path("short.csv"), prices.read(end="1999-02-01"))
    assert call("predict", "--run", "mine", "--data", short, "--horizon", 2) == 0
    assert "1999-02-02" in capsys.readouterr().out
    assert call("predict", "--run", "mine", "--data", write_csv(Path("short.csv"), prices.read(end="1999-01-10"))) == 2
    assert "The network looks 10 days back. Received: 4 days" in capsys.readouterr().err

    assert call("train", "--target", target, "--run-dir", "mine") == 2
    assert "never overwritten" in capsys.readouterr().err


def test_the_future_changes_no_training_and_no_earlier_forecast(call):
    frame = prices.read(start="2012-01-01")
    first_test_day = prices.load(start="2012-01-01", window=10).dates["test"][0]
    changed = frame.copy()
    changed[changed.index > first_test_day] *= np.linspace(1.5, 3, (changed.index > first_test_day).sum())[:, None]
    for name, version in {"a": frame, "b": changed}.items():
        assert call("--data", write_csv(Path(f"{name}.csv"), version), "--run-dir", name, *SMALL) == 0
    a, b = ({"run": common.Run(name), "data": prices.load(f"{name}.csv", window=10)} for name in "ab")
    for ours, others in zip(a["run"].model().get_weights(), b["run"].model().get_weights(), strict=True):
        np.testing.assert_array_equal(ours, others)
    before, after = (stock_prices.forecasts(x["run"].model(), x["data"], "test") for x in (a, b))
    np.testing.assert_array_equal(before[:2], after[:2])  # the second is made on the first test day
    assert (before[2:] != after[2:]).all()


def test_forecast_of_a_price_is_todays_close_moved_by_the_forecast_return(call, capsys):
    """A network whose forecast is always the return r scores as close · exp(r) does by hand."""
    data = prices.load(start="2014-01-01", window=10)
    model = stock_prices.build_model("simple", 2, data)
    model.layers[-2].set_weights([np.zeros((2, 1)), np.full(1, (0.01 - data.mean[0]) / math.sqrt(data.variance[0]))])
    metrics, _, _ = stock_prices.assess_price(model, data)
    close = data.frame["Close"]
    today, tomorrow = close.shift(1)[data.dates["test"]], close[data.dates["test"]]
    expected = np.abs(tomorrow - today * math.exp(0.01)).mean() / np.abs(tomorrow - today).mean()
    assert metrics["mae_ratio_naive"] == pytest.approx(expected, rel=1e-4)
    assert metrics["directional_accuracy"] == pytest.approx((tomorrow > today)[tomorrow != today].mean())


def test_publish_once_a_seed_and_again(call, eagerly, monkeypatch):
    small = {"start": "2014-01-01", "window": 10, "units": 2, "epochs": 1, "batch_size": 256}
    settings = common.defaults(stock_prices.train) | small
    monkeypatch.setattr(common, "defaults", lambda train: settings)
    for _ in range(2):
        assert call("publish", "--target", "price", "--seeds", 2, "--output", "out") == 0
        time.sleep(1.1)  # a folder's name has seconds
    result = json.loads(Path("out/stock_prices.price.json").read_text())
    ratio = result["metrics"]["rmse_ratio_naive"]
    assert len(set(ratio["values"])) == 2 and ratio["interval"][0] < ratio["mean"] < ratio["interval"][1]
    assert call("predict", "--horizon", 2) == 0


def test_mirrored_strategy(call):
    assert call("--start", "2016-01-01", "--run-dir", "mine", "--strategy", "mirrored", *SMALL) == 0


def test_resume_refuses_other_data_and_damaged_files(call, capsys):
    frame = prices.read(start="2014-01-01")
    write_csv(Path("prices.csv"), frame)
    run, _ = stock_prices.begin(common.defaults(stock_prices.train) | {"data": "prices.csv"}, "mine")
    write_csv(Path("prices.csv"), frame.iloc[:-50])
    assert call("train", "--data", "prices.csv", "--run-dir", "mine", "--resume") == 2
    assert "mine was begun on other data" in capsys.readouterr().err
    write_csv(Path("prices.csv"), frame)
    for name, content, message in [
        ("checkpoint.npz", "half", "is damaged"),
        ("config.json", "{", "is missing or damaged"),
    ]:
        (run / name).write_text(content)
        assert call("train", "--data", "prices.csv", "--run-dir", "mine", "--resume") == 2
        assert f"mine/{name} {message}" in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
def test_verify(call, cell, capsys):
    assert call("verify", "--cell", cell, "--units", 5, "--window", 12) == 0
    assert capsys.readouterr().out.count("pass") == 7


def test_wrong_input_is_one_line_and_leaves_nothing_behind(call, capsys):
    Path("prices.csv").write_text("Date,Close\n2020-01-02,1\n2020-01-01,2\n")
    for arguments, message in [
        (["--data", "nowhere.csv"], "No prices at nowhere.csv"),
        (["--data", "prices.csv"], "prices.csv, line 3: the date is out of order"),
        (["--ticker", "AAPL"], "there is no Ticker column"),
        (["--target", "gold"], "choose one of price, volatility. Received: gold"),
        (["--cell", "transformer"], "choose one of simple, lstm, gru, peephole-lstm"),
        (["--window", "9000"], "Too few rows"),
        (["predict"], "No finished run under runs/stock_prices: train one first"),
        (["train", "--resume"], "No unfinished run under runs/stock_prices"),
    ]:
        assert call(*arguments) == 2, arguments
        error = " ".join(capsys.readouterr().err.replace("│", " ").split())
        assert message in error and "Traceback" not in error, (arguments, error)
    assert [path.name for path in Path().iterdir()] == ["prices.csv"]


@pytest.mark.skipif(not SHARED.exists(), reason="the folder ../shared/data with the real tickers is not here")
def test_a_real_file_of_many_tickers(call, capsys):
    arguments = ["--data", "tickers_daily.csv.gz", "--data-dir", SHARED, "--ticker", "AAPL", "--start", "2012-01-01"]
    assert call(*arguments, "--target", "volatility", "--run-dir", "apple", *SMALL) == 0
    assert call("predict", "--run", "apple", "--horizon", 3) == 0
    assert "2022-01-31" in capsys.readouterr().out
