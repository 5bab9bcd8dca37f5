"""How a verdict changes from word to word."""

import re

from toolkit.plots import word_scores
from toolkit.runs import Run

import numpy as np
import pytest


def judge(texts):
    """0.9 from the word "great" on, before that 0.5."""
    return np.array([[0.9 if "great" in text.split() else 0.5] for text in texts])


@pytest.mark.parametrize("length", [4, 1000])
def test_the_output_changes_at_the_word_that_changes_it(length):
    text = "plot " * (length // 2) + "great " + "music " * (length // 2)
    words, outputs = word_scores.after_each_word(judge, text)
    assert len(words) == len(outputs) == length + 1 and words[length // 2] == "great"
    near = 0 if length < word_scores.PREFIXES else 4  # of many prefixes only some are judged
    np.testing.assert_allclose(outputs[: length // 2 - near, 0], 0.5, atol=1e-6)
    np.testing.assert_allclose(outputs[length // 2 + near :, 0], 0.9, atol=1e-6)


def test_a_text_without_a_word_has_no_outputs():
    words, outputs = word_scores.after_each_word(judge, "<br /> ")
    assert words == [] and len(outputs) == 0


def shown(tmp_path, capsys, ids=(5, 6, 7)):
    word_scores.show(Run(tmp_path), 3, ["bad", "so", "great"], [-1.0, 0.0, 1.0], "score +1.00", np.array(ids))
    return capsys.readouterr().out


def test_words_stand_on_the_colour_of_their_score(tmp_path, capsys):
    said = shown(tmp_path, capsys)
    assert "bad so great" in re.sub(r"\x1b\[[0-9;]*m", "", said)
    red, white, green = (said.index(f"48;2;{colour}m") for colour in ("255;0;0", "255;255;255", "0;255;0"))
    assert red < white < green  # hate, neither, love, in the order of the words
    assert (tmp_path / "review-3.png").stat().st_size > 5000


def test_unread_and_unknown_words_are_pointed_out(tmp_path, capsys):
    assert "read the last" not in shown(tmp_path, capsys) and "knows only" not in shown(tmp_path, capsys)
    said = shown(tmp_path, capsys, ids=(1, 1))
    assert "read the last 2 of 3 words" in said and "knows only 0 of 2 words" in said


def test_a_plot_of_many_words_stays_readable():
    figure = word_scores.plot(["word"] * 2000, np.linspace(-1, 1, 2000), "title")
    assert figure.get_size_inches()[0] <= 24 and len(figure.axes[0].get_xticks()) <= 90
