"""What every family of data does with files that are here, and with divisions that a seed decides."""

import gzip
import hashlib
import pathlib
import zlib

import pandas as pd


def looked_up(name, folder):
    """The path of a file or folder that a user names: in `folder`, where it is not found as it stands."""
    path = pathlib.Path(name)
    return folder / path if folder and not path.is_absolute() and not path.exists() else path


def content(path):
    """The bytes of a file, plain or gzipped. Raises ValueError where it is called .gz and is none, or is damaged."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            return file.read()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no gzip file, or a damaged one ({error})") from error


def whole(table):
    """The table that pandas read from a file; raises ValueError where it took the first fields of rows for an index."""
    if not isinstance(table.index, pd.RangeIndex):
        raise ValueError(f"more fields in a row than the {len(table.columns)} names of the header: a comma not quoted?")
    return table


def digest(seed, text):
    """A text to sort by, which puts texts into an order that the seed and they alone decide."""
    return hashlib.blake2b(f"{seed} {text}".encode(), digest_size=8).hexdigest()


def checksum(splits):
    """A text that changes when one of the tables does."""
    found = hashlib.sha256()
    for name in sorted(splits):
        found.update(pd.util.hash_pandas_object(splits[name]).to_numpy().tobytes())
    return found.hexdigest()
