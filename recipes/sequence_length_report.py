"""The report on how long a memory each cell has: tables, the delay up to which it recalls, and the picture."""

from matplotlib import pyplot as plt

KEYS = ["experiment", "cell", "length", "seed"]  # of a row in the table of all trainings
SYMBOLS = 8  # of the recall experiment


def report(run, table):
    """Print and draw the accuracies; returns them as metrics."""
    mean = table.groupby(KEYS[:3], sort=False)["accuracy"].mean().unstack("length").sort_index(axis=1)
    for experiment in mean.index.unique("experiment"):
        title = "Share of first symbols recalled" if experiment == "recall" else "Share of reviews judged rightly"
        print(f"\n{title}, by length (mean over seeds):")
        print(mean.loc[experiment].dropna(axis=1).map("{:.1%}".format).to_string())
    recall = mean.loc["recall"] if "recall" in mean.index else mean[:0]
    reach = {cell: reached(row.dropna()) for cell, row in recall.iterrows()}
    for cell, steps in reach.items():
        print(f"The {cell} cell recalls nine of ten symbols over {steps} steps, the longest such delay of those tried.")
    run.save_figure(plot(table), "sequence_length.png")
    print(f"Drawn in {run / 'sequence_length.png'}")
    return {f"recall_steps_{cell}": steps for cell, steps in reach.items()}


def reached(accuracies):
    """The longest delay up to which every mean accuracy is 0.9 or more; 0 for none."""
    good = (accuracies.sort_index() >= 0.9).cummin()
    return int(max(good[good].index, default=0))


def plot(table):
    titles = {"recall": "The first of so many random symbols", "reviews": "Reviews cut to their last so many words"}
    titles = {name: title for name, title in titles.items() if name in set(table["experiment"])}
    figure, axes = plt.subplots(1, len(titles), figsize=(5.5 * len(titles), 4), sharey=True, squeeze=False)
    for axis, (experiment, title) in zip(axes[0], titles.items()):
        rows = table[table["experiment"] == experiment]
        for cell, group in rows.groupby("cell", sort=False):
            by_length = group.groupby("length")["accuracy"]
            low, high = by_length.mean() - by_length.min(), by_length.max() - by_length.mean()
            axis.errorbar(low.index, by_length.mean(), yerr=[low, high], marker="o", capsize=3, label=cell)
        axis.axhline(1 / SYMBOLS if experiment == "recall" else 1 / 2, color="grey", linestyle=":", label="guessing")
        axis.set(xscale="log", xlabel="length", title=title, ylim=(0, 1.03))
        axis.set_xticks(sorted({*rows["length"]}), sorted({*rows["length"]}))
        axis.minorticks_off()
        axis.legend()
    axes[0, 0].set_ylabel("accuracy: mean, least and greatest")
    return figure
