"""Figures of translation: what was attended to, and BLEU by the length of the source sentence."""

from toolkit import plots  # noqa: F401  (its style)

from matplotlib import pyplot as plt


def plot_attention(weights, source, target):
    """Attention weights, (steps, timesteps), between the subwords of a translation and those of its source."""
    labels = [[piece.replace("▁", " ").strip() or "␣" for piece in pieces] for pieces in (source, target)]
    figure, axis = plt.subplots(figsize=(2 + 0.4 * len(source), 1.5 + 0.35 * len(target)))
    image = axis.imshow(weights, vmin=0, vmax=1, aspect="auto")
    axis.grid(False)
    axis.set_xticks(range(len(source)), labels[0], rotation=60, ha="left", parse_math=False)
    axis.set_yticks(range(len(target)), labels[1], parse_math=False)
    axis.xaxis.tick_top()
    figure.colorbar(image, ax=axis, label="attention weight")
    return figure


def plot_by_length(panels):
    """BLEU against the length of the source sentence, a panel for each title.

    Args:
        panels: by title a dict from labels to tables as `toolkit.metrics.translation.by_length` returns them.
    """
    size = (1.5 + 4.2 * len(panels), 3.8)
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for axis, (title, curves) in zip(axes[0], panels.items()):
        for label, curve in curves.items():
            axis.plot(curve.index, curve["bleu"], marker="o", label=label)
        axis.set(title=title, xlabel="length of the source sentence (words)")
    axes[0, 0].set_ylabel("BLEU")
    axes[0, 0].set_ylim(0, 1.05 * axes[0, 0].get_ylim()[1])  # after all curves are drawn: above the highest of them
    axes[0, 0].legend(title="attention")
    return figure
