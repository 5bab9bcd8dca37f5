"""Characters as ids, and the alphabet in a run's folder."""

from toolkit.runs import Run, Stop
from toolkit.text.characters import Alphabet, windows

import numpy as np
import pytest


def test_ids_start_from_one_and_unknown_characters_are_zero():
    alphabet = Alphabet("abc")
    assert alphabet.ids("cab?a").tolist() == [3, 1, 2, 0, 1] and alphabet.ids("a").dtype == "int32"
    assert alphabet.text([3, 1, 2]) == "cab"
    assert len(alphabet) == 4
    assert "a" in alphabet and "?" not in alphabet


def test_a_run_stores_any_characters(tmp_path):
    characters = '\n\r"\\ aä語\u2028😀'
    Alphabet(characters).save(Run(tmp_path))
    assert Alphabet.load(Run(tmp_path)).characters == characters


@pytest.mark.parametrize("content", [None, "{"])
def test_a_missing_or_damaged_file_is_one_line(tmp_path, content):
    if content:
        (tmp_path / "alphabet.json").write_text(content)
    with pytest.raises(Stop):
        Alphabet.load(Run(tmp_path))


def test_windows_continue_each_other():
    inputs, targets = windows(np.arange(1, 50), 3, 4)
    assert inputs.shape == targets.shape == (4, 3, 4)
    np.testing.assert_array_equal(targets, inputs + 1)
    np.testing.assert_array_equal(inputs[1:, :, 0], inputs[:-1, :, -1] + 1)  # each strand continues where it stopped
    assert len({*inputs.ravel()}) == 48
