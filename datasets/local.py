"""Local files, seeded splits and checksums, for every family of data."""

import codecs
import contextlib
import dataclasses
import gzip
import hashlib
import lzma
import pathlib
import struct
import zipfile
import zlib

import charset_normalizer
import pandas as pd

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # of two that begin alike, the longer comes first
LARGEST = 4 << 30  # bytes; what a small archive may unpack to


@dataclasses.dataclass(frozen=True)
class Reading:
    """What the user says about a file; what is None is found out.

    Attributes:
        separator: a key of SEPARATORS.
        encoding: a Python codec, such as "cp1252".
        columns: the names of all columns, of a file without a header.
        skip_bad_rows: whether rows that cannot be used are left out and counted, instead of the file refused.
    """

    separator: str | None = None
    encoding: str | None = None
    columns: tuple | None = None
    skip_bad_rows: bool = False


def resolve(name, folder):
    """The path of a file or folder: `name` itself if it exists or is absolute or `folder` is None, else in `folder`."""
    path = pathlib.Path(name)
    return folder / path if folder and not path.is_absolute() and not path.exists() else path


def content(path, member=None):
    """The bytes of a file: plain, gzipped or in a zip archive, which its first bytes tell.

    Args:
        member: the name of the file in the archive; None where it must be alone.

    Raises ValueError if it is no regular file, if an archive is damaged or holds several files, or if it is too large.
    """
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "no regular file" if path.exists() else "nothing there"
        raise ValueError(f"A file is needed. Received: {path}, {kind}")
    with open(path, "rb") as file:
        start = file.read(4)
        file.seek(0)
        if start.startswith(b"\x1f\x8b"):
            with _unpacking(path):
                return _limited(gzip.GzipFile(fileobj=file), path)
        return _zipped(file, path, member) if start == b"PK\3\4" else file.read()


def members(path):
    """The names of the files in a zip archive, but for what systems and authors add; none of any other file."""
    with open(path, "rb") as file:
        if file.read(4) != b"PK\3\4":
            return []
        with _unpacking(path), zipfile.ZipFile(file) as archive:
            return [name for name in archive.namelist() if not _is_extra(name)]


@contextlib.contextmanager
def _unpacking(path):
    """Around what reads an archive: whatever a damaged one raises becomes a ValueError that names it."""
    kinds = OSError, EOFError, RuntimeError, OverflowError, UnicodeError, zipfile.BadZipFile
    try:
        yield
    except (*kinds, zlib.error, lzma.LZMAError, struct.error) as error:
        raise ValueError(f"{path} is damaged, or not the archive that it seems to be ({error})") from error


def _zipped(file, path, member):
    with _unpacking(path), zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if not _is_extra(name) and member in (None, name)]
        if len(names) != 1:
            raise ValueError(f"{path}: one file is needed in the archive; unpack it. Received: {shortened(names)}")
        with archive.open(names[0]) as unpacked:
            return _limited(unpacked, path)


def _is_extra(name):
    path = pathlib.PurePosixPath(name)
    return name.endswith("/") or path.name.startswith((".", "_")) or "__MACOSX" in path.parts


def _limited(file, path):
    data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise ValueError(f"{path}: a file of at most {LARGEST >> 30} GiB is needed. Received: more, once unpacked")
    return data


def text(path, encoding=None, member=None):
    """The text of a file, and notes on its encoding: `encoding`, or UTF-8 or what a byte-order mark tells.

    `member` is as in `content`.

    Raises ValueError if the file is in another encoding (the message names the flag that reads it) or is no text.
    """
    return decoded(content(path, member), path if member is None else f"{path}: {member}", encoding)


def decoded(data, source, encoding=None):
    """As `text`, from the bytes of a file that messages name as `source`."""
    marked = next((name for mark, name in MARKS.items() if data.startswith(mark)), None)
    try:
        text = data.decode(encoding or marked or "utf-8")
    except LookupError as error:
        raise ValueError(f"--encoding must be one that Python knows, such as cp1252. Received: {encoding}") from error
    except UnicodeError as error:
        line = data.count(b"\n", 0, getattr(error, "start", 0)) + 1
        if encoding or marked:
            raise ValueError(
                f"{source}, line {line}: not {encoding or marked}; name another --encoding ({error})"
            ) from error
        best = charset_normalizer.from_bytes(data[:100_000]).best()
        guesses = best.could_be_from_charset if best else []  # which give the same text
        guess = "cp1252" if "cp1252" in guesses else best and best.encoding  # the commonest
        hint = f", perhaps --encoding {guess}" if guess else ""
        raise ValueError(
            f"{source}, line {line}: not UTF-8. Name the file's encoding with --encoding{hint}, or save it as UTF-8. "
            f"Received: byte 0x{data[error.start]:02x}"
        ) from error
    if "\0" in text:
        raise ValueError(
            f"{source}, line {text[: text.index(chr(0))].count(chr(10)) + 1}: a text file is needed; if it is "
            "UTF-16, pass --encoding utf-16-le. Received: a zero byte"
        )
    notes = [encoding or marked] if (encoding or marked or "utf-8-sig") != "utf-8-sig" else []
    return text.removeprefix("\ufeff"), [f"in {note}" for note in notes]


def shortened(value, longest=60):
    """A value as a message shows what was received: on one line, and not longer than this."""
    value = value if isinstance(value, str) else str(value)
    value = " ".join(value[: 4 * longest].split())
    return value if len(value) <= longest else f"{value[:longest]}…"


def digest(seed, text):
    """A hexadecimal string to sort texts by: the order depends only on the seed and the texts."""
    return hashlib.blake2b(f"{seed} {text}".encode(), digest_size=8).hexdigest()


def checksum(splits):
    """A hexadecimal string that changes whenever one of the tables does."""
    hasher = hashlib.sha256()
    for name in sorted(splits):
        hasher.update(pd.util.hash_pandas_object(splits[name]).to_numpy().tobytes())
    return hasher.hexdigest()
