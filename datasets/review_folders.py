"""Reviews in folders pos and neg, one file a review or one line a review; and IMDB's archive, which holds such folders.

The Large Movie Review Dataset has aclImdb/train/pos/0_9.txt: positive training review 0, which gives nine stars.
"""

import hashlib
import re
import tarfile
import zlib

import pandas as pd

from datasets import local

ARCHIVE, FOLDER = "aclImdb_v1.tar.gz", "aclImdb"
KINDS = {"neg": 0, "negative": 0, "pos": 1, "positive": 1, "unsup": -1}
MEMBER = re.compile(r"(?:^|/)(?:(train|test)/)?(neg|negative|pos|positive|unsup)/([^/]+)\.txt$", re.IGNORECASE)
STARS = re.compile(r"\d+_(\d+)")
TABLES = {".csv", ".tsv", ".json", ".jsonl"}
LARGEST = 10 << 20  # bytes of a single review


def is_archive(path):
    """Whether the name of a file says that it is a tar archive."""
    return path.name.casefold().endswith((".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"))


def has_folders(folder):
    """Whether a folder holds the folders pos and neg, or train and test folders of them."""
    return any(
        folder.is_dir() and MEMBER.search(f"{path.relative_to(folder).as_posix()}/a.txt")
        for pattern in ("*/", "*/*/")
        for path in folder.glob(pattern)
    )


def read(place, encoding=None):
    """The reviews of a folder or an archive, and how they were understood.

    The archive is never unpacked to disk, so no file name in it can lead to a file outside the data folder.

    Args:
        place: path of the archive, or of a folder with the folders pos and neg, or with train and test folders of them.
        encoding: that of the files. By default UTF-8.

    Returns a dict from "train", and "test" and "unsup" if there are such folders, to DataFrames with text, label and,
    if all names of files tell them, rating; and a line. Their order is that in which TFDS would put them.
    Raises ValueError if the archive is damaged, or there is a training or a test split alone, or a file is not text.
    """
    rows = {}
    for name, data in members(place):
        split, kind, stem = MEMBER.search(name).groups()
        split, label = (split or "").lower(), KINDS[kind.lower()]
        text, _ = local.decoded(data, place / name, encoding)
        stars = STARS.fullmatch(stem)
        key = "unsupervised" if label < 0 else split, f"{kind}/{stem}"
        rows.setdefault("unsup" if label < 0 else split, []).append((key, text, label, int(stars[1]) if stars else 0))
    splits = {*rows} - {"unsup"}
    if not splits:
        raise ValueError(f"{place}: folders pos and neg with .txt files are needed. Received: no such file")
    if "" in splits and len(splits) > 1:
        raise ValueError(f"{place}: either folders pos and neg are needed, or train and test. Received: both")
    if len(splits) == 1 and "" not in splits:
        (found,) = splits
        what = (
            f"name {place / found} as --data" if place.is_dir() else f"extract it and name its folder {found} as --data"
        )
        raise ValueError(
            f"{place}: half a set, where train and test are needed. Download it again, or {what}, which is then "
            f"divided. Received: {found} alone"
        )
    tables = {name or "train": _table(found) for name, found in rows.items()}
    return tables, _understood(place, tables, sum(map(len, rows.values())) - sum(map(len, tables.values())))


def _table(rows):
    """Reviews in the order of TFDS, which is that of their names' digests; without the empty ones."""
    rows = sorted(rows, key=lambda row: hashlib.md5("".join(row[0]).encode(), usedforsecurity=False).digest())
    table = pd.DataFrame([row[1:] for row in rows], columns=["text", "label", "rating"]).astype({"text": "str"})
    if not table["rating"].between(1, 10).all():
        table = table.drop(columns="rating")
    table = table if (table["label"] >= 0).all() else table[["text"]]
    return table[table["text"].str.strip().astype(bool)].reset_index(drop=True)


def _understood(place, tables, empty):
    counts = ", ".join(f"{len(table):,} {name if 'test' in tables else 'reviews'}" for name, table in tables.items())
    rated = all("rating" in table for name, table in tables.items() if name != "unsup")
    stars = ", ratings from the files' names" if rated else ""
    return f"{place}: a file each{stars}, {counts}" + (f", {empty:,} empty files left out" if empty else "")


def members(place):
    """Yields the name of every review file and its bytes.

    Args:
        place: path of the folder or of the archive.

    Raises ValueError if the archive is damaged or is none.
    """
    if place.is_dir():
        for path in sorted(path for pattern in ("*/*.txt", "*/*/*.txt") for path in place.glob(pattern)):
            name = path.relative_to(place).as_posix()
            if MEMBER.search(name) and not path.name.startswith(".") and path.is_file():
                yield name, path.read_bytes()
        return
    try:
        with tarfile.open(place) as archive:
            for member in archive:
                if member.isfile() and MEMBER.search(member.name):
                    if member.size > LARGEST:
                        raise ValueError(f"{place}: a review of at most 10 MiB is needed. Received: {member.name}")
                    yield member.name, archive.extractfile(member).read()
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        with open(place, "rb") as file:
            start = file.read(30)
        what = f"begins with {start.decode()!r}" if start.isascii() else local.shortened(error)
        raise ValueError(
            f"{place} is cut short or damaged, or is no archive but a page on an error: download it again. "
            f"Received: {what}"
        ) from error


def files_by_kind(folder):
    """The files such as pos.txt and neg.txt or rt-polarity.pos, a dict from 0 and 1; None if these are not there."""
    found = {0: [], 1: []}
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        kinds = {KINDS[part] for part in re.split(r"[^a-z]+", path.name.casefold()) if part in KINDS}
        if len(kinds) == 1 and kinds <= {0, 1} and not TABLES & {*path.suffixes}:
            found[kinds.pop()].append(path)
    return {kind: paths[0] for kind, paths in found.items()} if all(len(p) == 1 for p in found.values()) else None


def read_lines(files, encoding=None):
    """A DataFrame of text and label from the files of `files_by_kind`, a review in each line; and a line on it."""
    rows = [
        (line.strip(), kind)
        for kind, path in files.items()
        for line in local.text(path, encoding)[0].split("\n")
        if line.strip()
    ]
    table = pd.DataFrame(rows, columns=["text", "label"]).astype({"text": "str"})
    counts = [int((table["label"] == kind).sum()) for kind in (0, 1)]
    return (
        table,
        f"{files[0]} and {files[1].name}: a review in each line, {counts[0]:,} negative, {counts[1]:,} positive",
    )


def local_imdb(folder):
    """The path of IMDB's folder or archive in `folder`, or `folder` if it is that folder; None if there is neither."""
    if any((folder / split / "pos").is_dir() for split in ("train", "test")):
        return folder
    return next((place for name in (FOLDER, ARCHIVE) if (place := folder / name).exists()), None)
