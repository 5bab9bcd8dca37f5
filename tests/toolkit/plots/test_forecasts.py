"""Figures of forecasts."""

from toolkit.plots import forecasts

import numpy as np
import pandas as pd

DAYS = pd.bdate_range("2020-01-01", periods=300)
ACTUAL, FORECAST = pd.Series(np.arange(300.0), DAYS), pd.Series(np.arange(300.0) + 1, DAYS)


def test_forecasts_shows_the_last_days_and_their_errors():
    above, below = forecasts.forecasts(ACTUAL, FORECAST, "price").axes
    assert [len(line.get_ydata()) for line in above.lines] == [250, 250]
    assert (below.lines[0].get_ydata() == -1).all()
    assert above.get_ylabel() == "price" and below.get_xlabel() == "date"


def test_errors_by_horizon_shows_network_and_baseline():
    errors = pd.DataFrame({"network": [1.0, 2.0], "as today": [2.0, 4.0]}, [1, 2]).rename_axis("RMSE", axis=1)
    (axis,) = forecasts.errors_by_horizon(errors).axes
    assert [line.get_ydata().tolist() for line in axis.lines] == [[1, 2], [2, 4]]
    assert axis.get_ylabel() == "RMSE" and axis.get_xlabel() == "days ahead"


def test_a_fan_continues_what_is_known():
    future = pd.bdate_range(DAYS[-1] + pd.Timedelta(days=1), periods=5)
    bands = {("price", name): pd.Series(value, future) for name, value in {"5 %": 1, "median": 2, "95 %": 3}.items()}
    (axis,) = forecasts.fan(pd.DataFrame(bands), {"price": ACTUAL}).axes
    known, middle = axis.lines
    assert len(known.get_ydata()) == 60 and (middle.get_ydata() == 2).all()
    assert axis.get_ylabel() == "price" and len(axis.collections) == 1


def test_ratios_by_series_has_a_dot_a_series_and_a_mark_at_the_geometric_mean():
    ratios = pd.DataFrame(
        {"mse_ratio_har": [0.5, 2.0, 1.0], "mse_ratio_garch": [0.9] * 3, "qlike_ratio_har": [1.0] * 3}
    )
    squared, qlike = forecasts.ratios_by_series(ratios).axes
    assert [label.get_text() for label in squared.get_yticklabels()] == ["garch", "har"]
    dots, mark = squared.lines[2:4]
    assert dots.get_xdata().tolist() == [0.5, 2.0, 1.0] and mark.get_xdata() == [1.0]
    assert qlike.get_xlabel().startswith("QLIKE")
