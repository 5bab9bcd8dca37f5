"""Figures of translation."""

from toolkit.plots import attention

import numpy as np
import pandas as pd


def test_every_panel_shows_its_whole_curves():
    curves = [pd.DataFrame({"bleu": values}, index=["0–5", "6–8"]) for values in ([3.0, 9.0], [20.0, 36.0])]
    figure = attention.plot_by_length({"simple": {"none": curves[0]}, "lstm": {"none": curves[1]}})
    assert [axis.get_title() for axis in figure.axes] == ["simple", "lstm"]
    for axis in figure.axes:
        assert axis.get_ylim()[0] == 0 and axis.get_ylim()[1] > 36


def test_a_heat_map_has_a_row_for_each_step_and_a_column_for_each_source_subword():
    weights = np.array([[0.9, 0.1, 0.0], [0.2, 0.3, 0.5]])
    figure = attention.plot_attention(weights, ["▁the", "▁", "cat"], ["▁le", "▁chat"])
    axis = figure.axes[0]
    np.testing.assert_array_equal(axis.images[0].get_array(), weights)
    assert [label.get_text() for label in axis.get_xticklabels()] == ["the", "␣", "cat"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["le", "chat"]


def test_dollars_are_no_formulas(tmp_path):
    figure = attention.plot_attention(np.ones((1, 1)), ["▁$$"], ["$^$"])
    figure.savefig(tmp_path / "drawn.png")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["$$"]
