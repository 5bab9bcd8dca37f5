"""Subwords: from text to ids and back, and a run's file."""

from toolkit import runs
from toolkit.text.subwords import END, START, Subwords

import pytest

TEXTS = ["Zwei junge Männer.", "a  b", "日本 <b> ٣", "", "x" * 50]


@pytest.fixture(scope="module")
def subwords():
    return Subwords.learn(["Zwei junge Männer im Freien.", "a b c d"] * 20, 400)


def test_ids_give_the_text_back(subwords):
    assert subwords.texts(subwords.ids(TEXTS)) == ["Zwei junge Männer.", "a b", "日本 <b> ٣", "", "x" * 50]


def test_every_row_of_ids_ends_with_the_only_end(subwords):
    assert all(row[-1] == END and END not in row[:-1] for row in subwords.ids(TEXTS))


def test_nothing_after_the_end_is_read(subwords):
    (row,) = subwords.ids(TEXTS[:1])
    assert subwords.texts([[START, *row, 9, 9, 0]]) == TEXTS[:1]


def test_pieces_are_the_text_of_each_id(subwords):
    (row,) = subwords.ids(TEXTS[:1])
    assert "".join(subwords.pieces(row[:-1])) == "▁Zwei▁junge▁Männer."


def test_a_runs_file_holds_all_of_them(subwords, tmp_path):
    run = runs.Run(tmp_path)
    subwords.save(run)
    again = Subwords.load(run)
    assert again.ids(TEXTS) == subwords.ids(TEXTS) and len(again) == len(subwords) <= 400


def test_a_missing_or_damaged_file_is_reported(tmp_path):
    with pytest.raises(runs.Stop, match="subwords.model"):
        Subwords.load(runs.Run(tmp_path))
    (tmp_path / "subwords.model").write_bytes(b"damaged")
    with pytest.raises(runs.Stop, match="subwords.model is damaged"):
        Subwords.load(runs.Run(tmp_path))


def test_a_vocabulary_smaller_than_the_characters_is_refused_with_the_size_that_is_needed():
    texts = [f"{chr(0x4E00 + 7 * i)}{chr(0x4E01 + 7 * i)}" for i in range(300)]
    with pytest.raises(runs.Stop, match=r"needs a --vocabulary of (\d+) or more. Received: 320") as caught:
        Subwords.learn(texts, 320)
    least = int(str(caught.value).split(" of ")[1].split()[0])
    assert len(Subwords.learn(texts, least)) == least
