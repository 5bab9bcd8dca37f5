"""Put the tables of published results into README.md and docs/, from the files in results/.

    python benchmarks/tables.py

A table stands between two lines, its marks, in any Markdown file; what is between them is replaced:

    <!-- headlines: made by benchmarks/tables.py -->
    <!-- end of headlines -->
"""

import itertools
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit.export.formats import FORMATS
from toolkit.runs import Stop

import numpy as np
import pandas as pd

from benchmarks import markdown, record, script

BEGIN = re.compile(r"^<!-- (\S+): made by benchmarks/tables\.py -->$", re.MULTILINE)
BETWEEN = re.compile(
    r"^(<!-- (\S+): made by benchmarks/tables\.py -->\n).*?^(<!-- end of \2 -->$)", re.MULTILINE | re.S
)
PANELS = {"trained on": "stock_prices.many", "left out": "stock_prices.many-left-out"}  # results by their companies
MEASURES = {"mse": "squared error", "qlike": "QLIKE"}
SPEED_CELLS = ["lstm", "gru", "simple"]


class Matrix(NamedTuple):
    """How a result's table of records is shown: the columns of a record that become rows, columns and values."""

    rows: list
    columns: str
    values: str


MATRICES = {
    "sequence_length.imdb": Matrix(["experiment", "cell"], "length", "accuracy"),
    "sequence_length.imdb-200-words": Matrix(["cell"], "length", "accuracy"),
    "relatives.tasks": Matrix(["cell"], "task", "reached"),
    "translation.grid": Matrix(["cell"], "attention", "bleu_lc_tok"),
    "image_captioning.grid": Matrix(["cell"], "enters", "cider"),
}


class Headline(NamedTuple):
    """The figure that stands for a recipe, and one of others to compare it with.

    A metric is a name in the result's metrics, or for a result in MATRICES a pair of row and column.
    """

    task: str
    result: str
    measure: str
    metric: str | tuple
    style: str
    published: str | None = None  # name of a published figure of the same metric
    baseline: tuple | None = None  # label and metric of another figure in the same result


HEADLINES = [
    Headline(
        "forecasts tomorrow's volatility",
        "stock_prices.volatility",
        "squared error divided by that of the HAR regression [95 % interval]",
        "mse_ratio_har",
        ".3f",
    ),
    Headline(
        "and that of companies that training left out",
        "stock_prices.many-left-out",
        "the same, geometric mean over 23 companies [95 % interval]",
        "mse_ratio_har",
        ".3f",
    ),
    Headline(
        "judges film reviews",
        "imdb_sentiment.best",
        "accuracy on IMDB",
        "test_accuracy",
        ".1%",
        published="oh-2LSTMp",
    ),
    Headline(
        "rates films in stars",
        "star_rating.imdb",
        "mean absolute error in stars on IMDB",
        "mae_stars",
        ".3f",
        baseline=("ridge regression on pairs of words", "mae_stars_ridge_bigrams"),
    ),
    Headline(
        "translates German to English",
        "translation.de-en.attention",
        "BLEU on Multi30k, lower case",
        "bleu_lc_tok",
        ".1f",
        published="Transformer",
    ),
    Headline(
        "describes photographs",
        "image_captioning.attention",
        "CIDEr on Flickr8k",
        "cider",
        ".3f",
        published="frozen VGG16, adaptive attention, beam 3",
    ),
    Headline(
        "measures each cell's memory",
        "sequence_length.imdb-200-words",
        "accuracy of an LSTM on the last 200 words of IMDB's reviews",
        "reviews_lstm_200",
        ".1%",
        baseline=("a simple cell", "reviews_simple_200"),
    ),
    Headline(
        "compares all the cells",
        "relatives.tasks",
        "squared error of a GRU on the adding problem, 100 steps",
        ("gru", "adding 100"),
        ".5f",
        baseline=("an LSTM", ("lstm", "adding 100")),
    ),
]


def results(folder=record.RESULTS):
    """The table of all metrics of the published results that neither MATRICES nor PANELS show."""
    rows = []
    for path in sorted(Path(folder).glob("*.*.json")):
        result = json.loads(path.read_text())
        if path.stem in (*MATRICES, *PANELS.values()) or result["recipe"].endswith("_speed"):
            continue
        run = len(result["seeds"]), f"{np.mean(result['minutes']):.1f}", _machine(**result["machine"])
        for name, metric in result["metrics"].items():
            others = [f"{p['value']} ({p['name']}; {p['source']})" for p in result["published"] if p["metric"] == name]
            value = f"{metric['mean']:.4g}" + _spread(metric)
            rows.append([result["recipe"], result["variant"], name, value, "<br>".join(others) or "–", *run])
    header = ["recipe", "variant", "metric", "mean ± sd", "published", "seeds", "minutes each", "machine"]
    return markdown.table(header, rows)


def _machine(cores, cpu, **_):
    return f"{cores} {'core' if cores == 1 else 'cores'}, {cpu}"


def _spread(metric):
    sd = "" if metric["sd"] is None else f" ± {metric['sd']:.2g}"
    return sd + _interval(metric)


def _interval(metric):
    return " [{:.3f}, {:.3f}]".format(*metric["interval"]) if "interval" in metric else ""


def matrix(name, folder=record.RESULTS):
    """The table of a result in MATRICES: means over the seeds, with standard deviations if there are several."""
    means, sds = _pivoted(name, folder)
    rows = [
        [row if isinstance(row, str) else ", ".join(row), *map(_cell, values, sds.loc[row])]
        for row, values in means.iterrows()
    ]
    return markdown.table([", ".join(MATRICES[name].rows), *means], rows)


def _pivoted(name, folder):
    rows, columns, values = MATRICES[name]
    groups = pd.DataFrame(record.read(name, folder)["table"]).groupby([*rows, columns], sort=False)[values]
    return [getattr(groups, kind)().unstack(sort=False) for kind in ("mean", "std")]


def _cell(mean, sd):
    if np.isnan(mean):
        return "–"
    return f"{mean:.3g}" + ("" if np.isnan(sd) else f" ± {sd:.2g}")


def panels(folder=record.RESULTS):
    """The table of ratios on many series by baseline, each with how many of the series it is below 1 on."""
    metrics = {of: record.read(name, folder)["metrics"] for of, name in PANELS.items()}
    rows = []
    for baseline in _baselines(metrics["left out"]):
        cells = []
        for measure in MEASURES:
            for found in metrics.values():
                ratio, won = (found[f"{measure}_ratio_{baseline}{end}"] for end in ("", "_won"))
                cells.append(f"{ratio['mean']:.3f}{_interval(ratio)}, {won['mean']:.0f}")
        rows.append([baseline.replace("_", " "), *cells])
    header = [f"{measure}, {of}" for measure in MEASURES.values() for of in PANELS]
    return markdown.table(["baseline", *header], rows)


def _baselines(metrics):
    """The baselines of which metrics tell on how many series they are beaten, by ratios such as mse_ratio_har."""
    won = [name.removesuffix("_won") for name in metrics if name.endswith("_won")]
    return [*dict.fromkeys(name.partition("_ratio_")[2] for name in won)]


def short_series(folder=record.RESULTS):
    """The table of ratios on companies of few days by baseline, with a network of their own and with a start."""
    scores = record.read("short_series", folder)["scores"]
    rows = []
    for baseline in _baselines(scores["alone"]):
        cells = []
        for measure, found in itertools.product(MEASURES, scores.values()):
            value, low, high, won = (found[f"{measure}_ratio_{baseline}{end}"] for end in ("", "_low", "_high", "_won"))
            cells.append(f"{value:.3f} [{low:.3f}, {high:.3f}], {won}")
        rows.append([baseline.replace("_", " "), *cells])
    return markdown.table(["baseline", *(f"{measure}, {way}" for measure in MEASURES.values() for way in scores)], rows)


def speed(folder=record.RESULTS):
    """The table of layers.RNN's times as ratios to those of the built-in layer, by cell, measure and size."""
    measured = {cell: record.read(f"recurrent_speed.{cell}", folder) for cell in SPEED_CELLS}
    sizes = measured[SPEED_CELLS[0]]["sizes"]
    rows = []
    for cell, result in measured.items():
        for measure in next(iter(result["metrics"].values())):
            entries = [result["metrics"].get(size, {}).get(measure) for size in sizes]
            ratios = [f"{entry['layers.RNN']['ratio']:.2f}" if entry else "–" for entry in entries]
            rows.append([f"{cell}, {measure.replace('_', ' ')}", *ratios])
    return markdown.table(["layers.RNN / keras.layers", *sizes], rows)


def backend_speed(folder=record.RESULTS):
    """The table of times on a GPU as ratios to those of keras.layers on the same backend; "–" where that raises."""
    rows, sizes = [], []
    for backend, peers in (("torch", ["layers.RNN", "torch.nn"]), ("jax", ["layers.RNN"])):
        for cell, by_dtype in record.read(f"backend_speed.{backend}-gpu", folder)["metrics"].items():
            for dtype, by_size in by_dtype.items():
                sizes = list(by_size)
                for measure in next(iter(by_size.values())):
                    cells = [[by_size[size][measure][peer].get("ratio") for peer in peers] for size in sizes]
                    texts = [" / ".join("–" if r is None else f"{r:.2g}" for r in ratios) for ratios in cells]
                    rows.append([f"{backend}, {cell}, {dtype}, {measure}", *texts])
    return markdown.table(["layers.RNN, on PyTorch also torch.nn", *sizes], rows)


def exports(folder=record.RESULTS):
    """The table of exports: for each recipe and format the largest difference from Keras, and the ratio of times."""
    rows = []
    for recipe, row in record.read("exports", folder).items():
        works = [cell for cell in row["formats"] if "refused" not in cell]
        here = f"{1e3 * np.median([cell['keras_seconds'] for cell in works]):.3g} ms for one {works[0]['thing']}"
        rows.append([f"[{recipe}]({recipe}.md)", row["run"], here, *map(_export, row["formats"])])
    return markdown.table(["recipe", "run", "in Keras", *(kind.title for kind in FORMATS.values())], rows)


def server(folder=record.RESULTS):
    """The table of the times of requests to an exported network behind a server."""
    times = record.read("exports", folder)["imdb_sentiment"]["server"]
    row = [times["requests"], *(f"{times[name]:.1f} ms" for name in ("p50", "p95"))]
    return markdown.table(["requests, one after the other", "median", "95th percentile"], [row])


def _export(cell):
    if "refused" in cell:
        return "no"
    difference = f"{cell['difference']:.0e}" if cell["difference"] else "0"
    return f"{difference}, ×{cell['seconds'] / cell['keras_seconds']:.2g}"


def headlines(folder=record.RESULTS):
    """The table of one figure for each recipe, beside a published one or that of a baseline."""
    rows = []
    for line in HEADLINES:
        result = record.read(line.result, folder)
        name = result["recipe"]
        links = f"[{name}](recipes/{name}.py)", f"[{line.task}](docs/{name}.md)"
        here = _as_text(*_figure(result, line.metric, folder), line.style)
        interval = _interval(result["metrics"].get(line.metric, {}))
        rows.append([*links, line.measure, here + interval, _beside(line, result, folder)])
    header = ["recipe", "what it does", "measure", "here: mean ± sd", "published, or a baseline here"]
    return markdown.table(header, rows)


def _figure(result, metric, folder):
    """Mean and standard deviation of a metric of a `Headline`."""
    if isinstance(metric, tuple):
        return [table.loc[metric] for table in _pivoted(f"{result['recipe']}.{result['variant']}", folder)]
    return [result["metrics"][metric][kind] for kind in ("mean", "sd")]


def _as_text(mean, sd, style):
    mean, sd = (value if value is None else f"{value:{style}}".removesuffix("%") for value in (mean, sd))
    return mean + ("" if sd is None else f" ± {sd}") + (" %" if style.endswith("%") else "")


def _beside(line, result, folder):
    if line.baseline:
        label, metric = line.baseline
        return f"{_as_text(*_figure(result, metric, folder), line.style)} ({label}, here)"
    for other in result["published"]:
        if (other["name"], other["metric"]) == (line.published, line.metric):
            return f"{_as_text(other['value'], None, line.style)} ({other['name']}; {other['source']})"
    return "–"


TABLES = {
    "headlines": headlines,
    "panels": panels,
    "short_series": short_series,
    "results": results,
    "speed": speed,
    "backend_speed": backend_speed,
    "exports": exports,
    "server": server,
}
TABLES |= {name: lambda folder=record.RESULTS, name=name: matrix(name, folder) for name in MATRICES}


def with_tables(text, folder=record.RESULTS):
    """A document's text with every table between its marks as the results have it.

    Raises Stop for a mark of an unknown table, and for one without its end.
    """

    def replaced(match):
        begin, name, end = match.groups()
        if name not in TABLES:
            raise Stop(f"There is no table {name}. Choose one of {', '.join(TABLES)}.")
        return begin + TABLES[name](folder) + end

    text, count = BETWEEN.subn(replaced, text)
    if count != len(names := BEGIN.findall(text)):
        raise Stop(f"A mark has no end, <!-- end of NAME -->. Received the marks of: {', '.join(names)}")
    return text


def documents(root=record.ROOT):
    """README.md and all Markdown files in docs/."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def main():
    """Put the tables into README.md and docs/."""
    for path in documents():
        before = path.read_text(encoding="utf-8")
        after = with_tables(before)
        if after != before:
            path.write_text(after, encoding="utf-8")
            print(f"Written: {path.relative_to(record.ROOT)}")


if __name__ == "__main__":
    script.main(main, __doc__)
