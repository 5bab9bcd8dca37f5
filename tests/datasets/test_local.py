"""Files of a user's own: archives and encodings are told by content, and what is no text is refused in one line."""

import gzip
import io
import os
import zipfile

import pytest

from datasets import local


def zipped(**members):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return archive.getvalue()


@pytest.fixture
def written(tmp_path):
    def write(data, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize(
    "data",
    [b"a,b\n", gzip.compress(b"a,b\n"), zipped(**{"a.csv": b"a,b\n", "__MACOSX/._a.csv": b"x", "_about.txt": b"y"})],
    ids=["plain", "gzip", "zip"],
)
def test_archives_are_told_by_their_content(written, data):
    assert local.content(written(data)) == b"a,b\n"


@pytest.mark.parametrize(
    "data, message",
    [
        (gzip.compress(bytes(range(256)) * 9)[:-20], "is damaged"),
        (gzip.compress(b"abc")[:10] + b"\xff" * 9, "is damaged"),
        (zipped(a=b"x", b=b"y"), r"one file is needed in the archive; unpack it. Received: \['a', 'b'\]"),
        (b"PK\3\4 and nothing else", "is damaged"),
    ],
    ids=["cut short", "damaged", "several files", "no archive"],
)
def test_other_archives_are_refused(written, data, message):
    with pytest.raises(ValueError, match=message):
        local.content(written(data))


def test_a_small_archive_cannot_fill_the_memory(written, monkeypatch):
    monkeypatch.setattr(local, "LARGEST", 1000)
    for data in (gzip.compress(bytes(1001)), zipped(a=bytes(1001))):
        with pytest.raises(ValueError, match="at most"):
            local.content(written(data))
    assert len(local.content(written(gzip.compress(bytes(1000))))) == 1000


def test_pipes_and_folders_are_refused_without_opening_them(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe, no regular file"):
        local.content(tmp_path / "pipe")
    with pytest.raises(ValueError, match="a folder"):
        local.content(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_marks_tell_the_encoding(written, encoding):
    text, notes = local.text(written("naïve – 한국\r\n".encode(encoding)))
    assert text == "naïve – 한국\r\n"
    assert notes == ([f"in {encoding}"] if encoding in ("utf-16", "utf-32") else [])


def test_other_encodings_need_the_flag_that_the_message_names(written):
    path = written("ok\nDie Größe und die Übermaße der Bücher\n".encode("cp1252"))
    with pytest.raises(ValueError, match=r"line 2: not UTF-8. .* --encoding, perhaps --encoding cp125") as error:
        local.text(path)
    assert "\n" not in str(error.value)
    assert local.text(path, "cp1252") == ("ok\nDie Größe und die Übermaße der Bücher\n", ["in cp1252"])
    with pytest.raises(ValueError, match="line 2: not ascii"):
        local.text(path, "ascii")
    with pytest.raises(ValueError, match="Received: nonsense"):
        local.text(path, "nonsense")


def test_binary_files_are_no_text(written):
    with pytest.raises(ValueError, match="line 2: a text file is needed.* zero byte"):
        local.text(written(b"a\n\0b"))


def test_what_is_received_is_shown_in_one_short_line():
    assert local.shortened("a\n  b") == "a b"
    assert len(local.shortened("x" * 10**6)) == 61
    assert local.shortened(["a", 1]) == "['a', 1]"
