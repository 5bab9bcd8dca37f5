"""What a published result holds, from its finished runs: figures by seed, and those that belong to all seeds.

A summary is a dict with by_seed, once, intervals, table, … as `benchmarks.record.write` takes them.
"""

from toolkit import comparisons
from toolkit.metrics import forecasts
from toolkit.metrics.translation import by_length
from toolkit.plots.attention import plot_by_length

import numpy as np
import pandas as pd


def of(row, chapter, settings, runs):
    """The summary of a row's finished runs.

    Args:
        row: a `benchmarks.rows.Row`.
        chapter: its recipe's module.
        settings: its settings, an instance of the chapter's dataclass; they say where the data is now.
        runs: its finished runs, in the order of `benchmarks.rows.planned`.
    """
    if row.grid:
        return grid(row, chapter, settings, runs)
    return SUMMARIES.get(row.recipe, by_seed)(chapter, settings, runs)


def by_seed(chapter, settings, runs):
    """The metrics that all runs have, seed by seed, and those that only the first run has, once."""
    metrics = [run.metrics() for run in runs]
    shared = [name for name in metrics[0] if all(name in m for m in metrics)]
    return {
        "by_seed": [
            (seed, m["minutes"], {name: m[name] for name in shared if name != "minutes"})
            for seed, m in enumerate(metrics)
        ],
        "once": {name: value for name, value in metrics[0].items() if name not in shared},
    }


def imdb_sentiment(chapter, settings, runs):
    """Adds the accuracy of the mean of the networks' probabilities."""
    summary, s = by_seed(chapter, settings, runs), settings
    if len(runs) > 1:
        test = chapter.load_data(s.data, s.data_dir, s.split_seed).splits["test"]
        opened = [chapter.open_finished(run.path) for run in runs]
        texts = test["text"], s.words, s.bigrams
        mean = np.mean([chapter.probabilities(model, words, *texts) for _, _, words, model in opened], axis=0)
        accuracy = {"test_accuracy_seeds_averaged": np.mean((mean > 0.5) == test["label"])}
        summary["once"] = accuracy | summary["once"]
    return summary


def stock_prices(chapter, settings, runs):
    """Leaves out each run's own intervals and p-values; adds the intervals of the seeds' mean daily losses."""
    summary, intervals = by_seed(chapter, settings, runs), {}
    for _, _, metrics in summary["by_seed"]:
        for name in [name for name in metrics if name.endswith(("_low", "_high", "_p"))]:
            del metrics[name]
    losses = [run.arrays("daily_losses.npz") for run in runs]
    for name in losses[0]:
        network, baseline = np.mean([of_seed[name] for of_seed in losses], axis=0)
        intervals[name] = forecasts.ratio_interval(name, network, baseline)
    return summary | {"intervals": intervals}


def translation(chapter, settings, runs):
    s = settings
    return with_ensemble(chapter, s, runs, lambda: chapter.load_data(s.data, s.direction, s.data_dir, s.split_seed))


def image_captioning(chapter, settings, runs):
    s = settings
    return with_ensemble(chapter, s, runs, lambda: chapter.load_data(s.data, s.data_dir, s.split_seed, s.odd))


def with_ensemble(chapter, settings, runs, load_data):
    """Adds the scores of an ensemble of all seeds' networks."""
    summary = by_seed(chapter, settings, runs)
    if len(runs) > 1:
        scores = chapter.ensemble_scores(runs, load_data())
        summary["once"] |= {f"{name}_seeds_together": value for name, value in scores.items()}
    return summary


def sequence_length(chapter, settings, runs):
    """The table of all trainings; as metrics the accuracy at two delays and at the shortest and the longest length."""
    table = comparisons.table(runs[0], experiment=str, length=int, accuracy=float)
    ends, delays = [min(settings.lengths), max(settings.lengths)], [20, 100]
    shown = table[table["length"].isin(ends).where(table["experiment"] == "reviews", table["length"].isin(delays))]
    names = shown["experiment"] + "_" + shown["cell"] + "_" + shown["length"].astype(str)
    seeds = []
    for seed, rows in table.groupby("seed"):
        mine = shown["seed"] == seed
        seeds.append((int(seed), rows["minutes"].sum(), dict(zip(names[mine], shown["accuracy"][mine]))))
    return {"by_seed": seeds, "table": table.round(4).to_dict("records")}


def relatives(chapter, settings, runs):
    """The table of what each cell reached on each task."""
    table = pd.DataFrame(runs[0].metrics()["rows"])
    minutes = table.groupby("seed")["minutes"].sum()
    table = table.drop(columns=["units", "minutes"]).melt(["cell", "seed"], var_name="task", value_name="reached")
    return {"by_seed": [(int(seed), m, {}) for seed, m in minutes.items()], "table": table.to_dict("records")}


def grid(row, chapter, settings, runs):
    """The table of all combinations, with their metrics."""
    keys = [*row.grid, *(["seed"] if row.seeds > 1 else [])]
    table = [{key: run.config["settings"][key] for key in keys} | run.metrics() for run in runs]
    if row.recipe == "translation":
        s = settings
        language = chapter.load_data(s.data, s.direction, s.data_dir, s.split_seed).languages[1]
        for record, run in zip(table, runs):
            record["by_length"] = bleu_by_length(run, language)
    minutes = [sum(record["minutes"] for record in table[seed :: row.seeds]) for seed in range(row.seeds)]
    return {"by_seed": [(s, m, {}) for s, m in enumerate(minutes)], "settings": row.settings, "table": table}


def bleu_by_length(run, language):
    """BLEU of a run's translations of the test split, into `language`, by the length of the source sentence."""
    table = pd.read_csv(run / "translations-test.tsv", sep="\t", keep_default_na=False)
    bands = by_length(table["source"], table["translation"], table["target"], language)
    return bands.round(2).to_dict("index")


def plot_bleu_by_length(table):
    """BLEU by length, a panel for each cell with a curve for each kind of attention."""
    panels = {record["cell"]: {} for record in table}
    for record in table:
        panels[record["cell"]][record["attention"]] = pd.DataFrame.from_dict(record["by_length"], orient="index")
    return plot_by_length(panels)


SUMMARIES = {
    "imdb_sentiment": imdb_sentiment,
    "stock_prices": stock_prices,
    "translation": translation,
    "image_captioning": image_captioning,
    "sequence_length": sequence_length,
    "relatives": relatives,
}
