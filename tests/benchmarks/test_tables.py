"""The tables of published results."""

import json
import re

from toolkit.runs import Stop

import pytest

from benchmarks import record, tables

RUNS = [(0, 1.0, {"rmse": 2.0}), (1, 3.0, {"rmse": 4.0})]
PUBLISHED = [{"name": "Naive", "metric": "rmse", "value": 3, "source": "by hand"}]
BEGIN, END = "<!-- {}: made by benchmarks/tables.py -->\n", "<!-- end of {} -->\n"


@pytest.mark.parametrize("path", tables.documents(), ids=lambda path: path.name)
def test_a_document_shows_the_results_as_they_are(path):
    text = path.read_text(encoding="utf-8")
    assert text == tables.with_tables(text), "run: python benchmarks/tables.py"


@pytest.mark.parametrize("table", tables.TABLES)
def test_a_table_is_where_readers_look_for_it(table):
    elsewhere = {"headlines": "README.md", "exports": "docs/export.md", "server": "docs/export.md"}
    elsewhere |= {"backend_speed": "docs/speed.md"}
    elsewhere |= {"panels": "docs/stock_prices.md", "short_series": "docs/stock_prices.md"}
    path = record.ROOT / elsewhere.get(table, "docs/results.md")
    assert BEGIN.format(table) in path.read_text(encoding="utf-8")


def test_every_metric_has_a_row_beside_its_published_figures(tmp_path):
    record.write("prices", "daily", "", RUNS, PUBLISHED, tmp_path, {"naive": 5}, {"rmse": (1.5, 4.5)})
    rows = tables.results(tmp_path).splitlines()[2:]
    assert rows[0].startswith("| prices | daily | rmse | 3 ± 1.4 [1.500, 4.500] | 3 (Naive; by hand) | 2 | 2.0 | ")
    assert rows[1].startswith("| prices | daily | naive | 5 | – | 2 | 2.0 | ")


def test_a_matrix_shows_means_over_the_seeds(tmp_path, monkeypatch):
    monkeypatch.setitem(tables.MATRICES, "lengths.all", tables.Matrix(["task", "cell"], "length", "accuracy"))
    values = [("recall", "lstm", 20, 0.5), ("recall", "lstm", 20, 0.7), ("recall", "gru", 5, 1.0)]
    table = [dict(zip(("task", "cell", "length", "accuracy"), row)) for row in values]
    record.write("lengths", "all", "", RUNS, folder=tmp_path, table=table)
    assert tables.matrix("lengths.all", tmp_path).splitlines() == [
        "| task, cell | 20 | 5 |",
        "|---|---|---|",
        "| recall, lstm | 0.6 ± 0.14 | – |",
        "| recall, gru | – | 1 |",
    ]
    assert "lengths" not in tables.results(tmp_path)


def test_a_panel_shows_ratios_with_their_intervals_and_how_many_are_won(tmp_path):
    metrics = {"mse_ratio_har": 0.9, "mse_ratio_har_won": 2, "qlike_ratio_har": 1.1, "qlike_ratio_har_won": 0}
    interval = {"mse_ratio_har": (0.8, 0.95)}
    for variant in ("many", "many-left-out"):
        record.write("stock_prices", variant, "", [(0, 1.0, metrics)], folder=tmp_path, intervals=interval)
    assert tables.panels(tmp_path).splitlines()[2] == (
        "| har | 0.900 [0.800, 0.950], 2 | 0.900 [0.800, 0.950], 2 | 1.100, 0 | 1.100, 0 |"
    )
    assert "stock_prices" not in tables.results(tmp_path)


def test_an_export_is_shown_with_its_difference_and_its_time(tmp_path):
    works = {"format": "onnx", "difference": 2e-7, "thing": "text", "seconds": 0.001, "keras_seconds": 0.004}
    cells = [works, {"format": "saved-model", "refused": "no such operation"}, works, works]
    (tmp_path / "exports.json").write_text(json.dumps({"reviews": {"run": "quick", "formats": cells}}))
    assert tables.exports(tmp_path).splitlines() == [
        "| recipe | run | in Keras | ONNX | SavedModel | LiteRT | OpenVINO |",
        "|---|---|---|---|---|---|---|",
        "| [reviews](reviews.md) | quick | 4 ms for one text | 2e-07, ×0.25 | no | 2e-07, ×0.25 | 2e-07, ×0.25 |",
    ]


def test_the_times_of_a_server_are_shown(tmp_path):
    times = {"server": {"requests": 200, "p50": 1.26, "p95": 3.0}}
    (tmp_path / "exports.json").write_text(json.dumps({"imdb_sentiment": times}))
    assert tables.server(tmp_path).splitlines()[2] == "| 200 | 1.3 ms | 3.0 ms |"


def test_a_headline_stands_beside_the_published_figure(tmp_path, monkeypatch):
    record.write("prices", "daily", "", RUNS, PUBLISHED, tmp_path, {"naive": 0.5})
    line = tables.Headline("forecasts prices", "prices.daily", "error", "rmse", ".1f", published="Naive")
    baseline = line._replace(style=".0%", published=None, baseline=("the naive one", "naive"))
    monkeypatch.setattr(tables, "HEADLINES", [line, baseline])
    links = "[prices](recipes/prices.py) | [forecasts prices](docs/prices.md)"
    assert tables.headlines(tmp_path).splitlines()[2:] == [
        f"| {links} | error | 3.0 ± 1.4 | 3.0 (Naive; by hand) |",
        f"| {links} | error | 300 ± 141 % | 50 % (the naive one, here) |",
    ]


@pytest.mark.parametrize("line", tables.HEADLINES, ids=lambda line: line.result)
def test_a_headline_names_a_figure_to_compare_with_where_there_is_one(line):
    result = record.read(line.result)
    published = {p["name"] for p in result["published"] if p["metric"] == line.metric}
    assert line.published in published or (not published and line.published is None)


def test_headlines_link_to_pages_that_exist():
    for link in re.findall(r"\]\((.*?)\)", tables.headlines()):
        assert (record.ROOT / link).is_file(), link


def test_text_around_a_table_is_kept(monkeypatch):
    monkeypatch.setitem(tables.TABLES, "one", lambda folder: "| 1 |\n")
    text = "before\n" + BEGIN.format("one") + "| 0 |\n" + END.format("one") + "after\n"
    assert tables.with_tables(text) == text.replace("| 0 |", "| 1 |")
    assert tables.with_tables(text.replace("| 0 |\n", "")) == text.replace("| 0 |", "| 1 |")


@pytest.mark.parametrize(
    "text, message",
    [
        (BEGIN.format("none") + END.format("none"), "There is no table none. Choose one of headlines, "),
        (BEGIN.format("speed") + "| 0 |\n", "A mark has no end"),
        (BEGIN.format("speed") + END.format("results"), "A mark has no end"),
    ],
)
def test_a_wrong_mark_is_an_error(text, message):
    with pytest.raises(Stop, match=message):
        tables.with_tables(text)


def test_short_series_are_shown_in_both_ways(tmp_path):
    def scores(ratio, won):
        ends = {"": ratio, "_low": ratio - 0.1, "_high": ratio + 0.1, "_won": won}
        return {f"{measure}_ratio_har{end}": value for measure in ("mse", "qlike") for end, value in ends.items()}

    content = {"scores": {"alone": scores(1.05, 3), "started": scores(0.95, 7)}}
    (tmp_path / "short_series.json").write_text(json.dumps(content))
    header, _, row = tables.short_series(tmp_path).splitlines()
    assert header == "| baseline | squared error, alone | squared error, started | QLIKE, alone | QLIKE, started |"
    assert row == "| har " + 2 * "| 1.050 [0.950, 1.150], 3 | 0.950 [0.850, 1.050], 7 " + "|"
