"""Text as characters: ids, consecutive splits, the generated text, and files that cannot be used."""

import gzip

import numpy as np
import pytest

from datasets import characters

REAL = "Whan that Aprille with his shoures soote, the droghte of March hath perced to the roote.\r\n" * 40


def test_a_file_is_cut_into_consecutive_splits(tmp_path):
    (tmp_path / "own.txt").write_bytes(b"\xef\xbb\xbf" + REAL.encode())
    text = characters.load("own.txt", data_dir=tmp_path)
    assert "".join(text.splits.values()) == REAL.replace("\r\n", "\n")
    sizes = [len(split) for split in text.splits.values()]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == round(0.9 * sum(sizes))
    assert "\r" not in text.alphabet and [*text.alphabet] == sorted({*text.splits["train"]})
    with gzip.open(tmp_path / "own.txt.gz", "wb") as file:
        file.write(REAL.encode())
    again = characters.load(str(tmp_path / "own.txt.gz"))
    assert again.splits == text.splits and again.checksum() == text.checksum()
    assert characters.load(seed=1).checksum() != text.checksum()


def test_ids_start_from_one_and_unknown_characters_are_zero():
    np.testing.assert_array_equal(characters.ids("cab?a", "abc"), [3, 1, 2, 0, 1])
    assert characters.ids("", "abc").shape == (0,)


def test_the_generated_text_follows_from_the_seed_and_closes_quotation_marks_and_brackets():
    text = characters.talk(20_000, 0)
    assert len(text) == 20_000 and text == characters.talk(20_000, 0) != characters.talk(20_000, 1)
    for line in text.splitlines()[:-1]:
        assert line.count('"') % 2 == 0 and line.count("(") == line.count(")")
    assert min(text.count('"'), text.count("("), text.count("\n")) > 50


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "no such text file; use talk for a generated text. Received"),
        (b"short", "too short to learn from.*Received: 5"),
        (
            b"fine\nfine " * 300 + b"\xff" + b"x" * 2000,
            "own.txt, line 301: this is not UTF-8 text. Received: byte 0xff",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, message):
    if content is not None:
        (tmp_path / "own.txt").write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        characters.load(str(tmp_path / "own.txt"))
