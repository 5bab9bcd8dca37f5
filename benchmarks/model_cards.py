"""What is told of the published runs: a model card for each, README.md in its folder, and published/README.md."""

import textwrap

from toolkit import runs

from benchmarks import markdown, record
from benchmarks.rows import FOLDER, Row
from datasets import price_files

DATA = {
    "imdb": """
        The Large Movie Review Dataset: 25,000 reviews to train on and 25,000 to test (Maas et al. 2011, "Learning Word
        Vectors for Sentiment Analysis", ACL). It has no formal licence; its authors ask to cite the paper.
    """,
    "multi30k": """
        Multi30k, descriptions of pictures in English and German: 29,000 pairs to train on and 1,000 to test, the test
        set of 2016 (Elliott, Frank, Sima'an & Specia 2016, "Multi30K: Multilingual English-German Image Descriptions").
        It is derived from Flickr30k, and it is for non-commercial research and education. So are these weights.
    """,
    "flickr8k": """
        Flickr8k, photographs with five captions each: 6,000 to train on and 1,000 to test (Hodosh, Young & Hockenmaier
        2013, "Framing Image Description as a Ranking Task", JAIR 47). The photographs come from Flickr, and the data
        set is for non-commercial research and education. So are these weights.
    """,
    "sp500": "Daily prices of the S&P 500 from 1999 to 2018, which come with the package arch (NCSA licence).",
    "simulated": "Prices that datasets/simulated_prices.py simulates, as free as the project, under the MIT licence.",
    "talk": "Text that datasets/characters.py generates. It is as free as the project, under the MIT licence.",
}
CARD = """\
# {name}

{task} The code is in [{recipe}.py](../../recipes/{recipe}.py), the book's page is
[{recipe}.md](../../docs/{recipe}.md).

    python recipes/{recipe}.py {example}

{figures}

## Data

{data}

## Settings

{settings}; all settings are in config.json. The network has {weights:,} weights and was trained in {minutes}
minutes with TensorFlow {tensorflow} and Keras {keras}.

## How it was made

    {command}

at commit {commit}. The network has seed 0, which was decided before any was trained: it was not selected by its
figures. It was trained anew, and on another processor the same seed gives other bits; the last column is that of
[results/{name}.json](../../results/{name}.json). The weights were rounded to float16 after the training, and Keras
loads them as float32. The optimizer is left out.

## What it is bad at

{weaknesses}
"""
INDEX = """\
# Published runs

The runs behind some of the rows of [results/](../results), with what `predict` and `evaluate` need of them. A command
without `--run` takes your own newest run under `runs/`, and the first of these by name where you have none:

    python recipes/star_rating.py predict "Not bad at all."
    python recipes/image_captioning.py predict --run published/image_captioning.same-vector photograph.jpg

Nothing is written into this folder: pictures that `predict` draws are in `runs/RECIPE/published.VARIANT/`. To
`evaluate` a run, name the folder of its data as `--data-dir`. A run's README.md is its model card.

{table}

The measure is that of the test split, with these weights. The licence of a run is that of its data:

{data}

[MobileNetV2](MobileNetV2/README.md) reads the photographs for image_captioning, under the Apache License 2.0;
[pictures](pictures/README.md) has one to try.

Made by `python benchmarks/publish_runs.py`, whose `--help` says how.
{missing}"""


def cards():
    """The rows with a card, a dict by name."""
    every = (Row.read(path.stem) for path in sorted(FOLDER.glob("*.toml")))
    return {row.name: row for row in every if row.card}


def card(row, trained, run):
    """The model card of a published run.

    Args:
        row: its `benchmarks.rows.Row`.
        trained, run: the `runs.Run` as it was trained, and as it is published.
    """
    config, minutes = run.config, run.metrics()["minutes"]
    text = CARD.format(
        name=row.name,
        task=row.card["task"],
        recipe=row.recipe,
        example=row.card["example"],
        figures=figures(row, trained.metrics(), run.metrics()).strip(),
        data=wrapped(DATA[config["settings"]["data"]]),
        settings=", ".join(f"`--{name.replace('_', '-')} {config['settings'][name]}`" for name in row.settings),
        weights=run.model().count_params(),
        minutes=f"{minutes:.1f}" if minutes < 10 else round(minutes),
        tensorflow=config["versions"]["tensorflow"],
        keras=config["versions"]["keras"],
        command=command(row),
        commit=record.commit(),
        weaknesses="\n".join(wrapped(f"- {line}", "  ") for line in row.card["weaknesses"]),
    )
    return reflowed(text)


def command(row):
    """What makes the published run of a row."""
    flags = ["--data-dir FOLDER"] if row.settings.get("data") not in (None, *price_files.BUILT_IN) else []
    flags += ["--weights FILE.weights.h5"] if "weights" in row.settings else []
    return " ".join(["python benchmarks/publish_runs.py", row.name, *flags])


def figures(row, trained, rounded):
    """The table of the run's metrics on the test split, beside those of all seeds."""
    seeds = record.read(row.name)["metrics"]
    header = ["on the test split", "as trained", "here, in float16", "mean ± sd of all seeds"]
    lines = [
        [label, *(f"{m[name]:.4g}" for m in (trained, rounded)), mean(seeds[name])] for name, label in measures(row)
    ]
    return markdown.table(header, lines)


def measures(row):
    """Names of the metrics that a card shows, with what they are, the most important first."""
    return row.card["metrics"].items()


def mean(metric):
    return f"{metric['mean']:.4g}" + ("" if metric["sd"] is None else f" ± {metric['sd']:.2g}")


def index(rows):
    """published/README.md: the runs that are there, and how to make the others."""
    found = {name: runs.Run(runs.PUBLISHED / name) for name in rows}
    there = {name: run for name, run in found.items() if run.finished}
    missing = [f"    {command(row)}\n" for name, row in rows.items() if name not in there]
    names_by_data = {}
    for name, run in there.items():
        names_by_data.setdefault(run.config["settings"]["data"], []).append(name)
    data = [wrapped(f"- {', '.join(names)}: {DATA[data]}", "  ") for data, names in names_by_data.items()]
    header = ["run", "what it does", "measure", "this run", "mean ± sd of all seeds", "MB"]
    text = INDEX.format(
        table=markdown.table(header, [line(rows[name], run) for name, run in there.items()]).strip(),
        missing="\nNot here yet, and made by:\n\n" + "".join(missing) if missing else "",
        data="\n".join(data),
    )
    return reflowed(text)


def line(row, run):
    """The cells of a run in the list of all."""
    (metric, label), *_ = measures(row)
    size = sum(path.stat().st_size for path in run.path.iterdir()) / 1e6
    figures = f"{run.metrics()[metric]:.4g}", mean(record.read(row.name)["metrics"][metric])
    return [f"[{row.name}]({row.name}/README.md)", row.card["task"], label, *figures, f"{size:.1f}"]


def reflowed(text):
    """Markdown with its paragraphs filled up to 120 characters; lists, tables, headings and code stay as they are."""
    blocks = text.strip().split("\n\n")
    return "\n\n".join(b if b.startswith(("    ", "#", "-", "|")) else wrapped(b) for b in blocks) + "\n"


def wrapped(text, indent=""):
    return textwrap.fill(" ".join(text.split()), 120, subsequent_indent=indent, break_on_hyphens=False)
