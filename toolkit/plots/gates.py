"""Gates and states over time: heat maps of all units, and single units beside what they track."""

from toolkit import plots

import numpy as np
from matplotlib import pyplot as plt

TIMESTEPS, UNITS = 80, 40  # of a heat map, at most
VISIBLE = {"\n": "⏎", " ": "␣", "\t": "⇥"}


def plot_traces(traces, labels):
    """A heat map for each gate and state: units down, timesteps along.

    Args:
        traces: arrays (timesteps, units) by layer and name.
        labels: what was read at each timestep.
    """
    rows = -(-len(traces) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(18, 3.4 * rows), squeeze=False)
    for axis in axes.flat[len(traces) :]:
        axis.axis("off")
    for axis, (key, values) in zip(axes.flat, traces.items()):
        values = values[:TIMESTEPS, :UNITS].T
        signed = np.nanmin(values) < 0
        scale = {"cmap": "RdBu_r", "vmin": -1} if signed else {"vmin": 0}
        image = axis.imshow(values, aspect="auto", interpolation="nearest", vmax=1, **scale)
        axis.set(title=" ".join(key), ylabel="unit")
        axis.grid(False)
        _label_timesteps(axis, labels[:TIMESTEPS])
        figure.colorbar(image, ax=axis, pad=0.01)
    return figure


def plot_trackers(trackers, traces, labels, series):
    """A panel for each tracker: the unit (line) along the last timesteps, over the series that it tracks (grey)."""
    figure, axes = plt.subplots(len(trackers), 1, figsize=(18, 2.1 * len(trackers)), squeeze=False)
    last = slice(-2 * TIMESTEPS, None)
    for axis, row in zip(axes[:, 0], trackers):
        values = series[row["series"]]
        values = (values - values.min()) / np.ptp(values)
        unit = traces[row["layer"], row["gate"]][last, row["unit"]]
        axis.fill_between(range(len(unit)), values[last], color="0.85", step="mid")
        axis.plot(unit, color=plots.HIGHLIGHT, linewidth=1)
        found = f"{row['gate']} of unit {row['unit']} in {row['layer']}, correlation {row['second_half']:.2f}"
        axis.set_title(f"{row['series']}: {found}; all states: {row['all_states']:.2f}", fontsize=11)
        axis.set(xlim=(-0.5, len(unit) - 0.5))
        axis.grid(False)
        _label_timesteps(axis, labels[last])
    return figure


def _label_timesteps(axis, labels):
    shown = [VISIBLE.get(label, label) for label in labels]
    axis.set_xticks(range(len(shown)), shown, fontsize=7, rotation=0 if max(map(len, shown)) == 1 else 90)
