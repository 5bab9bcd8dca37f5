"""Volatility of companies with few days of prices: networks of their own, and networks that start from published/.

    python benchmarks/short_series.py FILE.csv --start 2017-01-28

Each company of a file of many is trained on alone, in the two ways of `recipes/stock_prices.py train --target
volatility --data MINE.csv`: with `--start-from nothing`, and with `--start-from published`. results/short_series.json
gets the ratios of losses on the test split, as geometric means over the companies.
"""

import contextlib
import importlib
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import runs
from toolkit.metrics import forecasts as metrics

import keras
import pandas as pd
from cyclopts import Parameter

from benchmarks import record, script
from datasets import prices

RESULT = "short_series.json"
WAYS = {"alone": "nothing", "started": "published"}  # values of --start-from


def losses(frame, start_from):
    """For one company the daily losses of network and baseline on the test split, by ratio, two Series by date.

    Args:
        frame: its prices, as `datasets.prices.read_all` returns them.
    """
    stock_prices = importlib.import_module("recipes.stock_prices")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        frame.to_csv(Path(folder, "mine.csv"))
        settings = stock_prices.Settings(data=f"{folder}/mine.csv", target="volatility", start_from=start_from)
        settings, start = stock_prices.checked(settings)
        data = stock_prices.load_data_of(settings)
        model, _ = stock_prices.trained(settings, start, data, runs.Run(folder))
        (own,) = data.tested.values() if start else [data]
        _, daily = stock_prices.assess_volatility(model, own)
    keras.backend.clear_session()
    return {ratio: [pd.Series(loss, own.dates["test"]) for loss in pair] for ratio, pair in daily.items()}


def main(
    data: Annotated[str, Parameter(help="File of prices of many companies.")],
    /,
    *,
    start: Annotated[str | None, Parameter(help="First day to use, YYYY-MM-DD.")] = None,
    end: Annotated[str | None, Parameter(help="Last day to use, YYYY-MM-DD.")] = None,
):
    """Train on each company of a file alone, in both ways, and compare with the baselines."""
    with runs.user_errors():
        frames, unusable = prices.read_all(data, start=start, end=end)
    days = max(map(len, frames.values()), default=0)
    whole = {name: frame for name, frame in frames.items() if len(frame) == days}
    if not whole:
        raise runs.Stop(f"No company can be used: {'; '.join(map(str, unusable.values()))}")
    daily = {way: {} for way in WAYS}
    for name, frame in whole.items():
        for way, start_from in WAYS.items():
            daily[way][name] = losses(frame, start_from)
        print(
            name, *(f"{way} {metrics.loss_ratio(*daily[way][name]['mse_ratio_har']):.3f}" for way in WAYS), flush=True
        )
    scores = {way: metrics.panel_scores(metrics.on_shared_days(daily[way])) for way in WAYS}
    flags = [f"--{name} {day}" for name, day in {"start": start, "end": end}.items() if day]
    command = " ".join(["python benchmarks/short_series.py", Path(data).name, *flags])
    content = {"command": command, "companies": [*whole], "days": days, "scores": scores} | record.provenance()
    with runs.replacing(record.RESULTS / RESULT) as file:
        file.write(json.dumps(content, indent=2).encode() + b"\n")
    print(f"Written: results/{RESULT}. Next: python benchmarks/tables.py")


if __name__ == "__main__":
    script.main(main, __doc__)
