"""Accuracy against the length of the sequence."""

from toolkit import plots

from matplotlib import pyplot as plt


def plot(table, titles, guessing):
    """A panel for each experiment, a curve for each cell: the mean over the seeds, with the range from worst to best.

    Args:
        table: a DataFrame with the columns experiment, cell, length and accuracy.
        titles: panel titles by experiment.
        guessing: the accuracy of guessing by experiment.
    """
    shown = [name for name in titles if name in set(table["experiment"])]
    figure, axes = plt.subplots(1, len(shown), figsize=(6 * len(shown), 4), sharey=True, squeeze=False)
    for axis, experiment in zip(axes[0], shown):
        rows = table[table["experiment"] == experiment]
        for cell, group in rows.groupby("cell", sort=False):
            accuracy = group.groupby("length")["accuracy"]
            mean = accuracy.mean()
            ranges = mean - accuracy.min(), accuracy.max() - mean
            axis.errorbar(mean.index, mean, yerr=ranges, marker="o", capsize=3, label=cell, **style(cell))
        axis.axhline(guessing[experiment], color=plots.BASELINE, linestyle=":", label="guessing")
        axis.set(xscale="log", xlabel="timesteps", title=titles[experiment], ylim=(0, 1.03))
        axis.set_xticks(sorted({*rows["length"]}), sorted({*rows["length"]}))
        axis.minorticks_off()
        axis.legend()
    axes[0, 0].set_ylabel("accuracy (mean, range of seeds)")
    return figure


def style(cell):
    """A cell's colour. The line of a variant, such as lstm-chrono, is dashed, that of a built-in cell dotted."""
    if cell.startswith("builtin-"):
        return {"color": plots.CELL_COLORS[cell.removeprefix("builtin-")], "linestyle": ":"}
    if cell in plots.CELL_COLORS:
        return {"color": plots.CELL_COLORS[cell]}
    return {"color": plots.CELL_COLORS[cell.rpartition("-")[0]], "linestyle": "--", "markerfacecolor": "white"}
