"""How a verdict moves while a network reads on: coloured words for the terminal, and a plot."""

import numpy as np
import typer
from matplotlib import pyplot as plt

from recipes import review_text

PREFIXES = 300


def reading(model, text):
    """The words of a text as the model reads them, and what it says after each, (words, outputs).

    A network that reads in both directions has no verdict after a word: so it is asked about every beginning of the
    text, or, where that is longer than PREFIXES words, about every few, and what lies between is interpolated.
    """
    shown = review_text.words([text]).numpy()[0].decode().split()
    ends = np.unique(np.linspace(1, len(shown), min(len(shown), PREFIXES)).round().astype(int))
    rows = review_text.numbers(model.get_layer("tokenizer"), [" ".join(shown[:end]) for end in ends])
    outputs = review_text.predictions(model.get_layer("network"), rows)
    return shown, np.stack([np.interp(np.arange(1, len(shown) + 1), ends, column) for column in outputs.T], axis=1)


def coloured(shown, scores):
    """The words on red for hate, on green for love, the stronger the deeper."""
    colours = [(int(255 * min(1, 1 - s)), int(255 * min(1, 1 + s)), int(255 * (1 - abs(s)))) for s in scores]
    return " ".join(typer.style(word, fg=(0, 0, 0), bg=colour) for word, colour in zip(shown, colours))


def plot(shown, scores, title):
    figure, axis = plt.subplots(figsize=(max(5, min(24, 0.28 * len(shown))), 4))
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.plot(range(len(shown)), scores, color="black", linewidth=0.8)
    axis.scatter(range(len(shown)), scores, c=scores, cmap="RdYlGn", vmin=-1, vmax=1, edgecolor="grey", zorder=3)
    step = -(-len(shown) // 90)
    axis.set_xticks(range(0, len(shown), step), shown[::step], rotation=90, fontsize=8)
    axis.set(ylim=(-1.05, 1.05), ylabel="score after this word\n−1 hate … +1 love", title=title)
    return figure
