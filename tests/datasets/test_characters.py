"""Text as characters: ids, consecutive splits, the generated text, and files that cannot be used."""

import gzip
import io
import tempfile
import zipfile
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from datasets import characters

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"
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
            "own.txt, line 301: not UTF-8. Name the file's encoding with --encoding.*Received: byte 0xff",
        ),
    ],
)
def test_files_that_cannot_be_used(tmp_path, content, message):
    if content is not None:
        (tmp_path / "own.txt").write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        characters.load(str(tmp_path / "own.txt"))


def test_a_folder_or_an_archive_of_texts_is_joined_in_the_order_of_its_names(tmp_path):
    texts = {"b.txt": REAL, "a/2.TXT": "second\n" + REAL, "a/1.txt": "first", "._b.txt": "no", "notes.md": "no"}
    for name, text in texts.items():
        (tmp_path / "plays" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "plays" / name).write_bytes(text.encode())
    with zipfile.ZipFile(tmp_path / "plays.zip", "w") as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    for name in ("plays", "plays.zip"):
        text = characters.load(name, tmp_path)
        assert "".join(text.splits.values()).startswith("first\nsecond\nWhan that")
        assert "3 files joined (a/1.txt to b.txt)" in text.understood[0]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="files whose names end in .txt"):
        characters.load("empty", tmp_path)


def test_a_byte_order_mark_or_the_user_tells_the_encoding(tmp_path):
    text = "\u0410\u0431\u0432\r" * 400  # lines as old Macs end them
    (tmp_path / "marked.txt").write_bytes(text.encode("utf-16"))
    (tmp_path / "old.txt").write_bytes(text.encode("cp1251"))
    marked = characters.load("marked.txt", tmp_path)
    assert marked.alphabet == "\n\u0410\u0431\u0432" and "in utf-16, 1,600 characters" in marked.understood[0]
    with pytest.raises(ValueError, match="old.txt, line 1: not UTF-8.*--encoding"):
        characters.load("old.txt", tmp_path)
    assert characters.load("old.txt", tmp_path, encoding="cp1251").splits == marked.splits
    assert characters.load().understood == ()


def test_halves_of_characters_are_refused(tmp_path):
    (tmp_path / "seven.txt").write_bytes(b"+2AA-" * 1000)  # which UTF-7 makes surrogates of
    with pytest.raises(ValueError, match="halves of characters"):
        characters.load("seven.txt", tmp_path, encoding="utf-7")


@pytest.mark.skipif(not CASES.exists(), reason="the folder ../shared/cases is missing")
def test_texts_as_people_have_them():
    assert "5 files joined" in characters.load(str(CASES / "text-folder" / "plays")).understood[0]
    assert "in utf-16" in characters.load(str(CASES / "text-encodings" / "utf16.txt")).understood[0]
    korean = str(CASES / "text-encodings" / "korean_cp949.txt")
    with pytest.raises(ValueError, match="line 1: not UTF-8.*perhaps --encoding cp949"):
        characters.load(korean)
    assert characters.load(korean, encoding="cp949").splits["train"].startswith("\ub098\ub294")


def zipped(data):
    with zipfile.ZipFile(file := io.BytesIO(), "w") as archive:
        archive.writestr("a.txt", data)
    return file.getvalue()


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(
    st.one_of(st.text(), st.binary()),
    st.sampled_from([bytes, gzip.compress, zipped]),
    st.sampled_from([None, "utf-16", "utf-7", "cp1252", "hex", "nonsense"]),
)
def test_whatever_a_file_holds_it_is_read_or_refused(content, packed, encoding):
    content = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "own.txt"
        path.write_bytes(packed(content * 300))
        try:
            text = characters.load(str(path), encoding=encoding)
        except ValueError as error:
            assert type(error) is ValueError
            return
    assert "".join(text.splits.values()).encode("utf-8")
