"""Sheets of pictures with their captions, and of what a caption's words attended to."""

import textwrap

from toolkit import plots  # noqa: F401  (its style)

import numpy as np
from matplotlib import pyplot as plt

COLUMNS = 4
ATTENTION_COLUMNS = 6


def sheet(pictures, captions):
    """Pictures, arrays of (height, width, 3), in rows of up to four, each with its caption below."""
    columns = min(len(pictures), COLUMNS)
    rows = -(-len(pictures) // columns)
    figure, axes = _grid(rows, columns, (3.2 * columns, 3.7 * rows))
    for axis, picture, caption in zip(axes, pictures, captions):
        axis.imshow(picture)
        axis.set_title("\n".join(textwrap.wrap(caption, 30)), y=-0.03, pad=0, va="top", fontsize=12, parse_math=False)
    return figure


def attention_sheet(picture, pieces, weights):
    """The picture once for each subword of its caption, bright where the attention weights are large.

    Args:
        pieces: the subwords, as `Subwords.pieces` returns them.
        weights: (steps, positions); the positions are those of a square feature map, row by row.
    """
    side = int(np.sqrt(weights.shape[1]))
    rows = -(-(len(pieces) + 1) // ATTENTION_COLUMNS)
    figure, axes = _grid(rows, ATTENTION_COLUMNS, (12, 2.2 * rows))
    axes[0].imshow(picture)
    height, width = picture.shape[:2]
    for axis, piece, row in zip(axes[1:], pieces, weights):
        axis.imshow(picture)
        overlay = {"extent": (0, width, height, 0), "interpolation": "bicubic", "cmap": "gray", "alpha": 0.65}
        axis.imshow(row.reshape(side, side), vmin=0, vmax=max(row.max(), 2 / row.size), **overlay)
        axis.set_title(piece.replace("▁", " ").strip(), fontsize=12, parse_math=False)
    return figure


def _grid(rows, columns, size):
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    return figure, axes.flat
