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
        splits: by name ("train", "validation", "test", and where there are any "unlabelled") a DataFrame with text,
            label (0 negative, 1 positive) and, if the set has them, rating (stars, 1 to 10); unlabelled: text alone.
        source: where they are from.
        duplicates: how many reviews of the test split stand word for word in training or validation too.
    """

    splits: dict
    source: str
    duplicates: int

    def described(self):
        """One line on where the reviews are from, how many there are, and how many are in two places."""
        sizes = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        return f"Reviews of {self.source}: {sizes}; {self.duplicates} of the test part stand in the others too."

    def checksum(self):
        """A text that changes when the reviews do."""
        return local.checksum(self.splits)


def load(name_or_path=GENERATED, data_dir=None, seed=0):
    """Load reviews.

    Args:
        name_or_path: "phrases" for generated reviews in which word order decides; "imdb" for the Large Movie Review
            Dataset with stars; "imdb_reviews" for it as TFDS has it, without; or a CSV or JSON-lines file, plain or
            gzipped, in UTF-8 with text, label (0 or 1, neg or pos) and if you like rating (stars), or a folder with two
            such files, train and test, and perhaps unsup.
        data_dir: folder in which a path is looked up, and IMDB: its archive, its extracted folder, or train.jsonl.gz
            and test.jsonl.gz. Without it IMDB comes through TFDS, and is downloaded where it has to be.
        seed: of the division of a single file.

    Returns:
        Reviews. A tenth of the training part, of each label, is kept for validation, chosen by a hash of the text, so
        that equal texts stay together; of a single file another tenth is for the test.

    Raises:
        FileNotFoundError: there is no such file, or IMDB is neither here nor to be had.
        ValueError: a file cannot be used; the message names the line or the column.
    """
    if name_or_path == GENERATED:
        splits = {name: generated_reviews.generate(name, count, seed) for name, count in SIZES.items()}
        return Reviews(splits, "generated phrases", _shared(splits))
    folder = pathlib.Path(data_dir) if data_dir else None
    if name_or_path in IMDB:
        parts, source = _imdb(name_or_path, folder)
    else:
        parts, source = _files(name_or_path, folder)
    return Reviews(splits := _divided(parts, seed), source, _shared(splits))


def _divided(parts, seed):
    """Train and test, or one file alone, into all splits."""
    train, alone = parts["train"], "test" not in parts
    place = _place(train, seed)
    splits = {"train": train[place > (0.2 if alone else 0.1)], "validation": train[place <= 0.1]}
    splits["test"] = train[(place > 0.1) & (place <= 0.2)] if alone else parts["test"]
    splits |= {"unlabelled": parts["unsup"]} if "unsup" in parts else {}
    for name in ("train", "validation", "test"):
        if splits[name]["label"].nunique() < 2:
            sizes = {name: len(split) for name, split in splits.items()}
            raise ValueError(f"Each part needs negative and positive reviews, and {name} has not. Received: {sizes}")
    return {name: split.reset_index(drop=True) for name, split in splits.items()}


def _place(table, seed):
    """Where each review stands among those of its label, above 0 to 1, in an order that its text alone decides."""
    texts = table.drop_duplicates("text").set_index("text")["label"]
    digests = [local.digest(seed, text) for text in texts.index]
    ranks = pd.Series(digests, texts.index).groupby(texts).rank(pct=True, method="first")
    return table["text"].map(ranks)


def _shared(splits):
    known = {*splits["train"]["text"], *splits["validation"]["text"]}
    return int(splits["test"]["text"].isin(known).sum())


# ---------------------------------------------------------------------------------------------------------- files


def _files(name_or_path, folder):
    path = local.looked_up(name_or_path, folder)
    if path.is_dir():
        return _folder(path), str(path)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no such file, and no set of this name: {GENERATED} (comes along), {', '.join(IMDB)}. "
            f"Received: {name_or_path}"
        )
    return {"train": read(path)}, str(path)


def _folder(folder):
    """The parts in a folder of files, by name."""
    found = {
        part: [folder / (part + s) for s in SUFFIXES if (folder / (part + s)).exists()] for part in ("train", "test")
    }
    if missing := [part for part, paths in found.items() if not paths]:
        wanted = " and ".join(f"{part}.csv or {part}.jsonl" for part in missing)
        raise FileNotFoundError(f"The folder lacks {wanted} (.gz allowed). Received: {folder}")
    parts = {part: read(paths[0]) for part, paths in found.items()}
    unlabelled = [folder / f"unsup{s}" for s in SUFFIXES if (folder / f"unsup{s}").exists()]
    return parts | ({"unsup": read(unlabelled[0], labelled=False)} if unlabelled else {})


def read(path, labelled=True):
    """One file of reviews as a DataFrame with text, label and, where the file has it, rating."""
    try:
        table = _parsed(path)
    except (UnicodeDecodeError, ValueError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is no CSV or JSON-lines file in UTF-8 ({error})") from error
    wanted = ["text", "label"] if labelled else ["text"]
    if missing := [name for name in wanted if name not in table]:
        columns = ", ".join(map(str, table.columns))
        raise ValueError(f"{path}: there is no column {' and no column '.join(missing)}. Received: {columns}")
    table = table[[name for name in ("text", "label", "rating") if name in table and (labelled or name == "text")]]
    _refuse(path, table["text"].map(lambda text: not isinstance(text, str) or not text.strip()), "text is empty", table)
    if labelled:
        labels = table["label"].map(lambda label: LABELS.get(str(label).strip().lower().removesuffix(".0")))
        _refuse(path, labels.isna(), f"label must be one of {', '.join(LABELS)}", table["label"])
        table = table.assign(label=labels.astype(int))
    if "rating" in table:
        stars = pd.to_numeric(table["rating"], errors="coerce")
        _refuse(path, ~stars.isin(range(1, 11)), "rating must be a whole number from 1 to 10", table["rating"])
        table = table.assign(rating=stars.astype(int))
    return table


def _parsed(path):
    name = path.name.removesuffix(".gz")
    if name.endswith((".jsonl", ".json")):
        return pd.read_json(path, lines=True, dtype=False, convert_dates=False, encoding="utf-8-sig")
    return local.whole(pd.read_csv(path, dtype=str, keep_default_na=False))


def _refuse(path, wrong, why, received):
    """Raises for the first rows that are wrong, counted from 1 without the header."""
    if wrong.any():
        rows = [int(i) + 1 for i in wrong[wrong].index[:5]]
        shown = "" if isinstance(received, pd.DataFrame) else f" Received: {received[wrong].iloc[0]!r}"
        raise ValueError(f"{path}: {why} in {int(wrong.sum())} of {len(wrong)} reviews, first in number {rows}.{shown}")


# ----------------------------------------------------------------------------------------------------------- IMDB


def _imdb(name, folder):
    """The parts of IMDB from what is here, or from the network; `imdb_reviews` is TFDS's own set, without stars."""
    import tensorflow_datasets as tfds  # takes seconds, which the generated phrases need not wait

    from datasets import imdb_builder

    for place in [folder, folder / "imdb"] if folder else []:
        if any((place / f"train{suffix}").exists() for suffix in SUFFIXES):
            return _folder(place), str(place)
    ours = name == "imdb"
    builder = imdb_builder.ImdbStars(data_dir=folder) if ours else tfds.builder(name, data_dir=folder)
    if not builder.data_path.exists():
        builder.place = imdb_builder.local_copy(folder) if ours and folder else None
        if builder.place is None:
            ways = (
                f"put {imdb_builder.ARCHIVE} from {imdb_builder.URL} or the folder {imdb_builder.FOLDER} that it "
                "holds into a folder and name that as --data-dir; or name a folder with train.jsonl.gz and "
                "test.jsonl.gz (text, label, rating) as --data-dir"
            )
            network.require(HOST, "IMDB", ways, f"--data-dir {folder}")
        builder.download_and_prepare()
    parts = {}
    for part, split in {"train": "train", "test": "test", "unsup": "unsupervised"}.items():
        columns = {key: tensor.numpy() for key, tensor in builder.as_dataset(split=split, batch_size=-1).items()}
        columns["text"] = [text.decode("utf-8") for text in columns["text"]]
        parts[part] = pd.DataFrame({key: columns[key] for key in ("text", "label", "rating") if key in columns})
    return parts, str(builder.data_path)
