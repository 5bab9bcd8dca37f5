"""Text as characters: numbers and back, parts that follow each other, and files that cannot be used."""

import gzip

import numpy as np
import pytest

from datasets import characters

REAL = "Whan that Aprille with his shoures soote, the droghte of March hath perced to the roote.\r\n" * 40


def test_own_file_is_divided_in_order(tmp_path):
    (tmp_path / "own.txt").write_bytes(b"\xef\xbb\xbf" + REAL.encode())
    text = characters.load("own.txt", data_dir=tmp_path)
    assert "".join(text.parts.values()) == REAL.replace("\r\n", "\n")
    sizes = [len(part) for part in text.parts.values()]
    assert sizes == sorted(sizes, reverse=True) and sizes[0] == round(0.9 * sum(sizes))
    assert "\r" not in text.alphabet and [*text.alphabet] == sorted({*text.parts["train"]})
    with gzip.open(tmp_path / "own.txt.gz", "wb") as file:
        file.write(REAL.encode())
    again = characters.load(str(tmp_path / "own.txt.gz"))
    assert again.parts == text.parts and again.checksum() == text.checksum()
    assert characters.load(seed=1).checksum() != text.checksum()


def test_numbers():
    np.testing.assert_array_equal(characters.numbers("cab?a", "abc"), [3, 1, 2, 0, 1])
    assert characters.numbers("", "abc").shape == (0,)


def test_the_talk_that_comes_along():
    text = characters.talk(20_000, 0)
    assert len(text) == 20_000 and text == characters.talk(20_000, 0) != characters.talk(20_000, 1)
    for line in text.splitlines()[:-1]:
        assert line.count('"') % 2 == 0 and line.count("(") == line.count(")")
    assert min(text.count('"'), text.count("("), text.count("\n")) > 50


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "no such text file; talk comes along. Received"),
        (b"short", "too short to learn from.*Received: 5"),
        (b"fine\nfine " * 300 + b"\xff" + b"x" * 2000, "no text in UTF-8: byte 0xff in line 301"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, message):
    if content is not None:
        (tmp_path / "own.txt").write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        characters.load(str(tmp_path / "own.txt"))
