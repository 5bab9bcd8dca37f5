"""Reviews with a sentiment, and some with stars: generated, IMDB's, or a user's own."""

import dataclasses
import gzip
import pathlib
import zlib

import pandas as pd

from datasets import generated_reviews, local, network

GENERATED = "phrases"
IMDB = "imdb", "imdb_reviews"
SIZES = {"train": 8000, "validation": 1000, "test": 1000}
LABELS = {"0": 0, "1": 1, "neg": 0, "pos": 1, "negative": 0, "positive": 1}
SUFFIXES = ".csv", ".csv.gz", ".jsonl", ".jsonl.gz"
HOST = "ai.stanford.edu"


@dataclasses.dataclass(frozen=True)
class Reviews:
    """Splits of one set of reviews.

    Attributes:
        splits: a dict from the names "train", "validation" and "test" to DataFrames with text, label (0 negative, 1
            positive) and, if the data set has them, rating (1 to 10 stars). If the data set has unlabelled reviews,
            "unlabelled" is a DataFrame with text only.
        source: where the reviews come from.
        duplicates: the number of reviews of the test split that are identical to one in training or validation.
    """

    splits: dict
    source: str
    duplicates: int

    def described(self):
        """One line on where the reviews come from, how many there are, and how many test reviews are duplicates."""
        sizes = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        return f"Reviews of {self.source}: {sizes}; {self.duplicates} of the test split are in the other splits too."

    def checksum(self):
        """A hexadecimal string that changes whenever the reviews do."""
        return local.checksum(self.splits)


def load(name_or_path=GENERATED, data_dir=None, seed=0):
    """Load reviews.

    Args:
        name_or_path: "phrases" for generated reviews, whose sentiment depends on word order; "imdb" for the Large Movie
            Review Dataset with star ratings; "imdb_reviews" for the version of TFDS, without star ratings; the path of
            a CSV or JSON-lines file, plain or gzipped, in UTF-8, with text, label (0 or 1, neg or pos) and optionally
            rating (stars); or the path of a folder with two such files, train and test, and optionally a third, unsup,
            whose reviews have no labels.
        data_dir: folder in which a relative path is searched for, and IMDB: its archive, its extracted folder, or
            train.jsonl.gz and test.jsonl.gz. Otherwise TFDS provides IMDB, and downloads it if necessary.
        seed: seed of the generated reviews and of the split.

    Returns:
        `Reviews`. The validation split is a tenth of the training reviews of each label, chosen by a hash of the text,
        so that identical texts are in the same split. The test split of a single file is another tenth.

    Raises:
        FileNotFoundError: there is no such file, or IMDB is not on this machine and cannot be downloaded.
        ValueError: a file cannot be used; the message names the review or the column.
    """
    if name_or_path == GENERATED:
        splits = {name: generated_reviews.generate(name, count, seed) for name, count in SIZES.items()}
        return Reviews(splits, "generated phrases", _duplicates(splits))
    folder = pathlib.Path(data_dir) if data_dir else None
    if name_or_path in IMDB:
        tables, source = _imdb(name_or_path, folder)
    else:
        tables, source = _files(name_or_path, folder)
    return Reviews(splits := _divided(tables, seed), source, _duplicates(splits))


def _divided(tables, seed):
    """All splits, from a table "train" and optionally "test" and "unsup"."""
    train, single = tables["train"], "test" not in tables
    rank = _relative_rank(train, seed)
    splits = {"train": train[rank > (0.2 if single else 0.1)], "validation": train[rank <= 0.1]}
    splits["test"] = train[(rank > 0.1) & (rank <= 0.2)] if single else tables["test"]
    splits |= {"unlabelled": tables["unsup"]} if "unsup" in tables else {}
    for name in ("train", "validation", "test"):
        if splits[name]["label"].nunique() < 2:
            sizes = {name: len(split) for name, split in splits.items()}
            raise ValueError(f"The {name} split needs both negative and positive reviews. Received: {sizes}")
    return {name: split.reset_index(drop=True) for name, split in splits.items()}


def _relative_rank(table, seed):
    """The rank of each review among those of its label, in (0, 1], by a hash of the seed and its text."""
    texts = table.drop_duplicates("text").set_index("text")["label"]
    digests = [local.digest(seed, text) for text in texts.index]
    ranks = pd.Series(digests, texts.index).groupby(texts).rank(pct=True, method="first")
    return table["text"].map(ranks)


def _duplicates(splits):
    others = {*splits["train"]["text"], *splits["validation"]["text"]}
    return int(splits["test"]["text"].isin(others).sum())


# ---------------------------------------------------------------------------------------------------------- files


def _files(name_or_path, folder):
    path = local.resolve(name_or_path, folder)
    if path.is_dir():
        return _folder(path), str(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no such file, and no data set of this name: use {GENERATED} (generated), {' or '.join(IMDB)}. "
            f"Received: {name_or_path}"
        )
    return {"train": read(path)}, str(path)


def _folder(folder):
    """The tables of a folder: a dict with "train" and "test", and "unsup" if there is such a file."""
    paths = {
        name: [path for suffix in SUFFIXES if (path := folder / (name + suffix)).exists()]
        for name in ("train", "test", "unsup")
    }
    if missing := [name for name in ("train", "test") if not paths[name]]:
        expected = " and ".join(f"{name}.csv or {name}.jsonl" for name in missing)
        raise FileNotFoundError(f"The folder lacks {expected} (.gz allowed). Received: {folder}")
    return {name: read(found[0], labelled=name != "unsup") for name, found in paths.items() if found}


def read(path, labelled=True):
    """One file of reviews as a DataFrame with text, label and, if the file has it, rating.

    Args:
        path: a CSV or JSON-lines file, plain or gzipped.
        labelled: if False, only text is read.

    Raises:
        ValueError: the file cannot be used; the message names the column and the first reviews at fault.
    """
    try:
        table = _parsed(path)
    except (UnicodeDecodeError, ValueError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is not a valid CSV or JSON-lines file in UTF-8 ({error})") from error
    required = ["text", "label"] if labelled else ["text"]
    if missing := [name for name in required if name not in table]:
        columns = ", ".join(map(str, table.columns))
        raise ValueError(f"{path}: there is no column {' and no column '.join(missing)}. Received: {columns}")
    table = table[[name for name in ("text", "label", "rating") if name in table and (labelled or name == "text")]]
    _refuse(
        path,
        table["text"].map(lambda text: not isinstance(text, str) or not text.strip()),
        "text must not be empty",
        table,
    )
    if labelled:
        labels = table["label"].map(lambda label: LABELS.get(str(label).strip().lower().removesuffix(".0")))
        _refuse(path, labels.isna(), f"label must be one of {', '.join(LABELS)}", table["label"])
        table = table.assign(label=labels.astype(int))
    if "rating" in table:
        stars = pd.to_numeric(table["rating"], errors="coerce")
        _refuse(path, ~stars.isin(range(1, 11)), "rating must be an integer from 1 to 10", table["rating"])
        table = table.assign(rating=stars.astype(int))
    return table


def _parsed(path):
    name = path.name.removesuffix(".gz")
    if name.endswith((".jsonl", ".json")):
        return pd.read_json(path, lines=True, dtype=False, convert_dates=False, encoding="utf-8-sig")
    return local.checked_fields(pd.read_csv(path, dtype=str, keep_default_na=False))


def _refuse(path, wrong, why, received):
    """Raises ValueError if any review is wrong; the message numbers reviews from 1, without the header."""
    if wrong.any():
        numbers = [int(i) + 1 for i in wrong[wrong].index[:5]]
        value = "" if isinstance(received, pd.DataFrame) else f" Received: {received[wrong].iloc[0]!r}"
        raise ValueError(
            f"{path}: {why}; wrong in {int(wrong.sum())} of {len(wrong)} reviews, the first are {numbers}.{value}"
        )


# ----------------------------------------------------------------------------------------------------------- IMDB


def _imdb(name, folder):
    """The tables of IMDB, from local files or the network; `imdb_reviews` is the data set of TFDS, without stars."""
    import tensorflow_datasets as tfds  # here, because the import takes seconds and other data sets do not need it

    from datasets import imdb_builder

    for place in [folder, folder / "imdb"] if folder else []:
        if any((place / f"train{suffix}").exists() for suffix in SUFFIXES):
            return _folder(place), str(place)
    with_stars = name == "imdb"
    builder = imdb_builder.ImdbStars(data_dir=folder) if with_stars else tfds.builder(name, data_dir=folder)
    if not builder.data_path.exists():
        builder.place = imdb_builder.local_copy(folder) if with_stars and folder else None
        if builder.place is None:
            alternatives = (
                f"pass as --data-dir a folder that contains {imdb_builder.ARCHIVE} from {imdb_builder.URL} or its "
                f"extracted folder {imdb_builder.FOLDER}, or train.jsonl.gz and test.jsonl.gz (text, label, rating)"
            )
            network.require(HOST, "IMDB", alternatives, f"--data-dir {folder}")
        builder.download_and_prepare()
    tables = {}
    for table, split in {"train": "train", "test": "test", "unsup": "unsupervised"}.items():
        columns = {key: tensor.numpy() for key, tensor in builder.as_dataset(split=split, batch_size=-1).items()}
        columns["text"] = [text.decode("utf-8") for text in columns["text"]]
        tables[table] = pd.DataFrame({key: columns[key] for key in ("text", "label", "rating") if key in columns})
    return tables, str(builder.data_path)
