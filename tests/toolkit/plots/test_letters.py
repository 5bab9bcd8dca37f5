"""The figure and the print-out of a word read letter by letter."""

from toolkit.plots import letters

import numpy as np
import pytest

PROBABILITIES = np.array([[0.1, 0.7, 0.2], [0.0, 0.0, 1.0]])
GATES = {"f": np.full((2, 4), 0.25), "h": np.full((2, 4), -0.9), "new": np.zeros((2, 4))}


def test_every_timestep_is_printed_with_its_gates(capsys):
    letters.show("abc", "ab", np.eye(3, dtype=int), PROBABILITIES, GATES)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "t = 1: a = [1 0 0]" and lines[5] == "t = 2: b = [0 1 0]"
    assert lines[1].split() == ["f", "[0.25", "0.25", "0.25", "0.25]"]
    assert lines[9] == "    next: a 0.000, b 0.000, c 1.000"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_there_is_a_table_for_each_gate_and_one_for_the_next_letter(count):
    gates = dict([*GATES.items()][:count])
    figure = letters.plot("abc", "ab", PROBABILITIES, gates)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == ["f: forget gate", "h: hidden state, output", "new"][:count] + ["probability of the next"]
    assert [text.get_text() for text in figure.axes[count].texts] == ["0.10", "0.70", "0.20", "0.00", "0.00", "1.00"]
