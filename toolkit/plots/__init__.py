"""One look for all figures: the style sheet, and a colour for each cell that is the same everywhere."""

from pathlib import Path

from matplotlib import pyplot as plt

plt.style.use(Path(__file__).parent / "style.mplstyle")

# The eight colours of Okabe & Ito (2008), which people with any form of colour blindness can tell apart
CELL_COLORS = {
    "simple": "#E69F00",
    "gru": "#009E73",
    "lstm": "#0072B2",
    "peephole-lstm": "#56B4E9",
    "coupled-lstm": "#CC79A7",
    "norm-lstm": "#D55E00",
    "norm-simple": "#F0E442",
    "minimal": "#000000",
}
BASELINE = "0.6"  # grey: what a network is compared with
ACTUAL = "0.35"  # dark grey: data
HIGHLIGHT = "#D55E00"  # what the figure is about, where it is not a cell
