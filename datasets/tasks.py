"""Artificial tasks on random sequences: what a network has to remember, and over how many timesteps, is known exactly.

Three questions about symbols, to be answered at every timestep, whether the answer is yes:

    recall    Was the symbol three timesteps ago an "a"?
    parity    Is the number of "a" so far odd?
    order     Of the first "a" and the first "b" so far, did the "a" come first?

and two tasks with one answer at the end of a sequence: the adding problem, and the recall of the first symbol.
"""

import numpy as np

QUESTIONS = "recall", "parity", "order"
SYMBOLS = 4  # of the questions: 0 is "a", 1 is "b"
DISTANCE = 3  # timesteps back in the question of recall
FIRST_SYMBOLS = 8  # from which the first symbol is drawn
ADDING_BASELINE = 1 / 6  # mean squared error of the answer 1, the mean of the sum of two numbers between 0 and 1


def answers(question, symbols):
    """The answers at every timestep of symbols, (batch, timesteps): booleans of the same shape."""
    a, b = symbols == 0, symbols == 1
    if question == "recall":
        return np.pad(a, [(0, 0), (DISTANCE, 0)])[:, :-DISTANCE]
    if question == "parity":
        return np.cumsum(a, axis=1) % 2 == 1
    first_a, first_b = (np.where(x.any(axis=1), x.argmax(axis=1), x.shape[1])[:, None] for x in (a, b))
    return (first_a < first_b) & (np.arange(symbols.shape[1]) >= first_a)


def about_the_past(question, timesteps, count, rng):
    """One-hot symbols, (count, timesteps, 4), and the answers to a question, (count, timesteps, 1), both float32.

    For the question of order "a" and "b" are rare: otherwise it would be settled within a few timesteps.
    """
    probabilities = [0.05, 0.05, 0.45, 0.45] if question == "order" else [1 / SYMBOLS] * SYMBOLS
    symbols = rng.choice(SYMBOLS, (count, timesteps), p=probabilities)
    return np.eye(SYMBOLS, dtype="float32")[symbols], answers(question, symbols)[..., None].astype("float32")


def adding(timesteps, count, seed):
    """The adding problem: numbers with marks, (count, timesteps, 2), and the sum of the two marked ones, (count, 1).

    The numbers lie between 0 and 1. One mark is in the first tenth of the sequence, one in its second half.
    Source: Hochreiter & Schmidhuber (1997), "Long Short-Term Memory", section 5.4; here without their third value.
    """
    rng = np.random.default_rng([timesteps, seed])
    x = np.zeros((count, timesteps, 2), "float32")
    x[:, :, 0] = rng.random((count, timesteps))
    rows = np.arange(count)
    marked = rng.integers(0, max(timesteps // 10, 1), count), rng.integers(timesteps // 2, timesteps, count)
    for positions in marked:
        x[rows, positions, 1] = 1
    return x, sum(x[rows, positions, 0] for positions in marked)[:, None]


def first_symbol(timesteps, count, seed):
    """Random symbols from 0 to 7, int32, (count, timesteps), and the first one of each sequence, (count,)."""
    rng = np.random.default_rng([timesteps, seed])
    symbols = rng.integers(FIRST_SYMBOLS, size=(count, timesteps), dtype="int32")
    return symbols, symbols[:, 0]
