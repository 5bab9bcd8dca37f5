"""Local files, seeded splits and checksums, for every family of data."""

import gzip
import hashlib
import pathlib
import zlib

import pandas as pd


def resolve(name, folder):
    """The path of a file or folder: `name` itself if it exists or is absolute or `folder` is None, else in `folder`."""
    path = pathlib.Path(name)
    return folder / path if folder and not path.is_absolute() and not path.exists() else path


def content(path):
    """The bytes of a file, plain or gzipped (.gz). Raises ValueError if a .gz file is damaged or not gzipped."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            return file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged or not a gzip file ({error})") from error


def checked_fields(table):
    """A table as pandas read it from a CSV file. Raises ValueError if the rows have more fields than the header."""
    if not isinstance(table.index, pd.RangeIndex):  # pandas takes surplus fields for an index
        raise ValueError(f"a row has more fields than the {len(table.columns)} names of the header: an unquoted comma?")
    return table


def digest(seed, text):
    """A hexadecimal string to sort texts by: the order depends only on the seed and the texts."""
    return hashlib.blake2b(f"{seed} {text}".encode(), digest_size=8).hexdigest()


def checksum(splits):
    """A hexadecimal string that changes whenever one of the tables does."""
    hasher = hashlib.sha256()
    for name in sorted(splits):
        hasher.update(pd.util.hash_pandas_object(splits[name]).to_numpy().tobytes())
    return hasher.hexdigest()
