"""Companies with few days of prices, each trained on alone, in two ways."""

import json

from toolkit.runs import Stop

import numpy as np
import pandas as pd
import pytest

from benchmarks import record, short_series
from datasets import simulated_prices
from recipes import stock_prices


@pytest.fixture
def few(tmp_path):
    """A file of three companies, one of which lacks the last days."""
    frame = simulated_prices.load(companies=3, days=700)
    late = (frame["Ticker"] == "S02") & (frame.index > frame.index[650])
    path = tmp_path / "few.csv"
    frame[~late].to_csv(path)
    return path


@pytest.mark.parametrize("way", short_series.WAYS)
def test_losses_are_those_of_the_test_split(way, few, monkeypatch):
    monkeypatch.setattr(stock_prices, "fit", lambda *arguments, **options: 0.0)
    frames, _ = stock_prices.prices.read_all(few)
    losses = short_series.losses(frames["S00"], short_series.WAYS[way])
    network, har = losses["mse_ratio_har"]
    assert abs(len(network) - 0.15 * 700) <= 2
    assert network.index[-1] == frames["S00"].index[-1] and (network.index == har.index).all()
    assert {"qlike_ratio_linear", "mse_ratio_garch"} < {*losses}


def test_ratios_of_all_companies_are_written(few, monkeypatch, tmp_path, capsys):
    """0.5 alone and 0.25 from the published network, on the two companies that have all days."""
    days = pd.bdate_range("2020-01-01", periods=80)
    noise = np.random.default_rng(0).uniform(0.9, 1.1, 80)

    def losses(frame, start_from):
        share = {"nothing": 0.5, "published": 0.25}[start_from]
        return {"mse_ratio_har": [pd.Series(share * noise, days), pd.Series(noise, days)]}

    monkeypatch.setattr(short_series, "losses", losses)
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    short_series.main(str(few), start="1999-02-01")
    content = json.loads((tmp_path / short_series.RESULT).read_text())
    assert content["companies"] == ["S00", "S01"]
    assert content["command"] == "python benchmarks/short_series.py few.csv --start 1999-02-01"
    found = {way: scores["mse_ratio_har"] for way, scores in content["scores"].items()}
    assert found == {"alone": pytest.approx(0.5), "started": pytest.approx(0.25)}
    assert content["scores"]["alone"]["mse_ratio_har_won"] == 2
    assert "S01 alone 0.500 started 0.250" in capsys.readouterr().out


def test_without_a_company_it_stops(tmp_path):
    path = tmp_path / "none.csv"
    path.write_text("Date,Ticker,Close\n2020-01-01,A,x\n2020-01-02,A,y\n")
    with pytest.raises(Stop, match="No company can be used"):
        short_series.main(str(path))
