"""How a network's verdict on a review changes from word to word: coloured words for the terminal, and a figure."""

from toolkit.text.words import UNKNOWN, split_words

import numpy as np
from matplotlib import pyplot as plt
from rich.console import Console
from rich.text import Text

PREFIXES = 300


def after_each_word(judge, text):
    """The words of a text, and the network's outputs after each of them, (words, outputs).

    A network that reads in both directions has no output for a word. So it judges every prefix of the text; where that
    is longer than PREFIXES words, it judges evenly spaced prefixes, and the outputs between them are interpolated.

    Args:
        judge: a function from a list of texts to outputs, (texts, outputs).
    """
    words = split_words(text)
    if not words:
        return [], np.empty((0, 1))
    ends = np.unique(np.linspace(1, len(words), min(len(words), PREFIXES)).round().astype(int))
    outputs = judge([" ".join(words[:end]) for end in ends])
    return words, np.stack([np.interp(np.arange(1, len(words) + 1), ends, column) for column in outputs.T], axis=1)


def show(run, number, words, scores, verdict, ids):
    """Print a review, each word on its score's colour, and draw the scores into the run's folder.

    Args:
        scores: (words,), from -1 (hate) to +1 (love).
        verdict: the network's verdict on the whole text, in words.
        ids: (words that were read,), those of the last words.
    """
    print(f"{number}: {verdict}")
    for warning in warnings(words, ids):
        print(f"   {warning}")
    text = Text(" ".join(words))
    ends = np.cumsum([len(word) + 1 for word in words])
    for start, end, score in zip([0, *ends], ends, scores):
        text.stylize(f"black on {color(score)}", start, end - 1)
    Console(force_terminal=True, color_system="truecolor", soft_wrap=True).print(text)
    path = run.save_figure(plot(words, scores, verdict), f"review-{number}.png")
    print(f"   drawn in {path}")


def warnings(words, ids):
    """What to know before a verdict is trusted, a list of lines; arguments as in `show`."""
    lines = []
    if len(words) > len(ids):
        lines.append(f"the network read the last {len(ids)} of {len(words):,} words")
    known = np.count_nonzero(ids != UNKNOWN)
    if known < len(ids) / 2:
        lines.append(f"the network knows only {known} of {len(ids)} words: do not trust it here")
    return lines


def color(score):
    """From red for a score of -1 over white to green for +1, as rgb(red,green,blue)."""
    return "rgb({},{},{})".format(*(int(255 * min(1, x)) for x in (1 - score, 1 + score, 1 - abs(score))))


def plot(words, scores, title):
    """The score after each word, along the text."""
    figure, axis = plt.subplots(figsize=(max(5, min(24, 0.28 * len(words))), 4))
    axis.axhline(0, color="grey", linewidth=0.8)
    axis.plot(range(len(words)), scores, color="black", linewidth=0.8)
    axis.scatter(range(len(words)), scores, c=scores, cmap="RdYlGn", vmin=-1, vmax=1, edgecolor="grey", zorder=3)
    step = -(-len(words) // 90)
    axis.set_xticks(range(0, len(words), step), words[::step], rotation=90, fontsize=8)
    axis.set(ylim=(-1.05, 1.05), ylabel="score after this word\n−1 hate … +1 love", title=title)
    return figure
