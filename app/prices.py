"""A table of daily prices: a forecast of the days to come, with the fan of simulated futures."""

import html
from pathlib import Path

from toolkit import runs

import gradio as gr
import numpy as np

from app import parts
from datasets.price_files import read

TITLE = "Prices"
FUTURES = 500  # simulated
ARCHIVES = b"\x1f\x8b", b"PK\3\4"  # the first bytes of small files that could unpack to more than the memory holds


def _open(stock_prices, path):
    run = runs.finished_run(stock_prices.RECIPE, path)
    return stock_prices, run.settings(stock_prices.Settings), run.model(), run.array(stock_prices.RESIDUALS, columns=2)


OPENERS = {"stock_prices": _open}


def continue_prices(models, path, series, horizon, label):
    """A forecast of the days after a table of prices: how it was read, the fan, and the quantiles, as HTML."""
    if parts.content(path, "table of prices").startswith(ARCHIVES):
        raise runs.Stop(f"{Path(path).name} is an archive or a workbook: save the table as CSV, or unpack it.")
    if "," in path:  # which would stand between two files
        raise runs.Stop(f"{Path(path).name} has a comma in its name: rename it.")
    stock_prices, trained, model, residuals = models[label]
    s = stock_prices.settings_for(trained, path, None, stock_prices.FileFlags(ticker=series.strip() or None))
    frame, features = _read(stock_prices, s, trained.in_panel)
    rng, horizon = np.random.default_rng(s.seed), int(horizon)
    days = stock_prices.simulation.simulate(model, features, s.window, residuals, horizon, FUTURES, rng)
    quantiles = stock_prices.simulation.quantiles(days, frame, features)
    figure = stock_prices.plot_future(quantiles, frame, features)
    understood = "".join(f"<p>{html.escape(_without_folder(line, path))}</p>" for line in frame.attrs["understood"])
    columns = [", ".join(column) for column in quantiles.columns]
    rows = [[f"{day:%Y-%m-%d}", *(f"{value:.4g}" for value in row)] for day, *row in quantiles.itertuples()]
    description = f"The last known days and {horizon} days ahead: median and 90 % of {FUTURES} simulated futures"
    table = f"<details><summary>All days as a table</summary>{parts.table(['date', *columns], rows)}</details>"
    return understood + parts.picture(figure, description) + table


def _read(stock_prices, s, in_panel):
    """The prices and features of a visitor's file, which messages call by its name alone."""
    try:
        return stock_prices.read_features(s, in_panel)
    except runs.Stop as error:
        raise runs.Stop(_without_folder(str(error), s.data)) from error


def _without_folder(line, path):
    return line.replace(path, Path(path).name)


def build(models):
    """The tab; `models` as in `app.reviews`."""
    found = gr.HTML(render=False)
    with gr.Row():
        with gr.Column():
            file = parts.uploads_alone(gr.File(label="Daily prices, a CSV file", height=140))
            series = gr.Textbox(label="Series, if the file has several", max_lines=1, max_length=100)
            horizon = gr.Slider(1, 60, 20, step=1, label="Days to forecast")
            model = parts.model_choice(models)
            button = gr.Button("Forecast", variant="primary")
            example = parts.example_file("sp500.csv", read().to_csv().encode())
            examples = [[example, "", 20, label] for label in models]
            parts.connect(button.click, continue_prices, models, [file, series, horizon, model], found, examples)
        with gr.Column():
            found.render()
