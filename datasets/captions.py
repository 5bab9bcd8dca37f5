"""Pictures with captions: generated scenes, Flickr8k, COCO, or a folder of the user's own.

`load` returns tables of picture names and captions, and a reader of the pictures. Nothing is unpacked to disk.
"""

import dataclasses
import io
import pathlib

import pandas as pd

from datasets import generated_scenes, local, network
from datasets.pictures import Pictures, pictures_in

GENERATED = "scenes"
SIZES = {"train": 4000, "validation": 300, "test": 300}
FLICKR_LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "validation": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
FLICKR_CAPTIONS = "Flickr8k.token.txt", "Flickr8k.token.txt.gz"
FLICKR_PICTURES = "Flicker8k_Dataset", "Images", "images", "Flickr8k_Dataset.zip", "images.zip", "images.tar"
OWN_CAPTIONS = "captions.csv", "captions.tsv", "captions.csv.gz", "captions.tsv.gz"
OWN_PICTURES = "images", "images.zip", "images.tar", "."


@dataclasses.dataclass(frozen=True)
class Captions:
    """Splits of one set of captioned pictures.

    Attributes:
        splits: a dict from the names "train", "validation" and "test" to DataFrames with the columns name (of the
            picture) and captions (a list of texts).
        pictures: a `Pictures` with every picture in `splits`.
        origin: where the pictures come from.
        skipped: a message for each captioned picture that is missing, and for each picture without a caption.
    """

    splits: dict
    pictures: object
    origin: str
    skipped: list

    def described(self):
        """One line on where the pictures come from and how many there are."""
        sizes = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        skipped = f"; {len(self.skipped):,} skipped, without a picture or without a caption" if self.skipped else ""
        return f"{self.origin}: pictures {sizes}{skipped}."

    def checksum(self):
        """A hexadecimal string that changes whenever a name or a caption does."""
        return local.checksum({name: split.astype(str) for name, split in self.splits.items()})


def load(name_or_path=GENERATED, data_dir=None, seed=0, odd="refuse"):
    """Load pictures with captions.

    Args:
        name_or_path: "scenes" for generated scenes of coloured shapes; "flickr8k" for Flickr8k, read from its official
            files in `data_dir`; "coco" for the TFDS data set coco_captions; or the path of a folder, or of a table of
            captions. A folder contains the table (captions.csv or captions.tsv), which has the columns picture and
            caption, one row for each caption, and optionally split. The pictures are in the same folder, in images/,
            in images.zip or in images.tar.
        data_dir: folder in which relative paths and the files of Flickr8k and TFDS are searched for.
        seed: seed of the generated scenes, and of the split of data without a split column.
        odd: what to do with captions without a picture and pictures without a caption: "refuse" or "skip".

    Raises:
        FileNotFoundError: a file or data set is missing; the message names it and explains what to do.
        ValueError: a file cannot be used, a split is empty, or captions and pictures do not match and `odd` is
            "refuse".
    """
    folder = pathlib.Path(data_dir) if data_dir else None
    if name_or_path == GENERATED:
        tables, arrays = generated_scenes.generate(SIZES, seed)
        pictures = Pictures(arrays, lambda names: ((name, arrays[name]) for name in names))
        return Captions(tables, pictures, "Generated scenes", [])
    if name_or_path == "flickr8k":
        rows, pictures, origin = _flickr8k(folder)
    elif name_or_path == "coco":
        rows, pictures, origin = _coco(folder)
    else:
        rows, pictures, origin = _own(name_or_path, folder, seed)
    skipped = _unmatched(rows, pictures, origin, odd)
    rows = rows[rows["name"].isin(pictures.names)]
    tables = {split: _table(rows[rows["split"] == split]) for split in SIZES}
    for split, table in tables.items():
        if not len(table):
            raise ValueError(
                f"{origin}: the {split} split has no picture with a caption. Received: {len(rows)} captions in all"
            )
    return Captions(tables, pictures, origin, skipped)


def _table(rows):
    return rows.groupby("name", sort=False)["caption"].agg(list).rename("captions").reset_index()


def _unmatched(rows, pictures, origin, odd):
    """A message for each caption without a picture and each picture without a caption.

    Raises ValueError if there are any and `odd` is "refuse".
    """
    missing = sorted({*rows["name"]} - pictures.names)
    without_caption = sorted(pictures.names - {*rows["name"]})
    messages = [f"{name}: the picture is missing" for name in missing]
    messages += [f"{name}: the picture has no caption" for name in without_caption]
    if messages and odd == "refuse":
        more = f" … and {len(messages) - 5:,} more" if len(messages) > 5 else ""
        raise ValueError(f"{origin}: {'; '.join(messages[:5])}{more}. Correct these, or skip them with --odd skip.")
    return messages


# ------------------------------------------------------------------------------------------------------------ files


def _first_existing(folder, names, what, hint=""):
    """The path of the first name that exists in a folder. Raises FileNotFoundError if none does."""
    path = next((folder / name for name in names if (folder / name).exists()), None)
    if path is None:
        raise FileNotFoundError(f"{what} is missing: expected {' or '.join(names)} in {folder}{hint}")
    return path


def _text(path):
    try:
        return local.content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text ({error})") from error


# ------------------------------------------------------------------------------------------------------------- sets


def _flickr8k(folder):
    """Flickr8k in its official split (Hodosh et al. 2013), without the pictures that none of the three lists has."""
    hint = ". Pass the folder that contains Flickr8k's captions, its three lists and its pictures as --data-dir."
    places = [place for place in ([folder, folder / "flickr8k"] if folder else []) if place.is_dir()]
    place = next((p for p in places if any((p / name).exists() for name in FLICKR_CAPTIONS)), None)
    if place is None:
        raise FileNotFoundError(f"Flickr8k was not found{hint} Received: --data-dir {folder}")
    captions = flickr8k_captions(
        _text(_first_existing(place, FLICKR_CAPTIONS, "The file of Flickr8k's captions", hint))
    )
    lists = {
        split: _text(_first_existing(place, [name], f"Flickr8k's list of the {split} split", hint)).split()
        for split, name in FLICKR_LISTS.items()
    }
    split_of = {name: split for split, names in lists.items() for name in names}
    captions["split"] = captions["name"].map(split_of)
    captions = captions.dropna()
    pictures = pictures_in(
        _first_existing(place, FLICKR_PICTURES, "The folder or archive of Flickr8k's pictures", hint)
    )
    return captions, Pictures(pictures.names & {*split_of}, pictures.read), "Flickr8k"


def flickr8k_captions(text):
    """A DataFrame with name and caption, from lines of the form "NAME#NUMBER<tab>CAPTION"."""
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or "#" not in row[0]:
            raise ValueError(
                f"Flickr8k's captions, line {number}: expected NAME#NUMBER, a tab and a caption. Received: {row}"
            )
    return pd.DataFrame([(key.rsplit("#", 1)[0], caption) for key, caption in rows], columns=["name", "caption"])


def _coco(folder):
    import tensorflow_datasets as tfds  # here, because the import takes seconds

    builder = tfds.builder("coco_captions", data_dir=folder)
    if not builder.data_path.exists():
        alternatives = (
            "pass a folder in which TFDS has prepared COCO as --data-dir, or use flickr8k or your own pictures"
        )
        network.require("images.cocodataset.org", "COCO", alternatives, f"--data-dir {folder}")
        builder.download_and_prepare()
    raw = {"image": tfds.decode.SkipDecoding()}
    names = {"train": "train", "validation": "val", "test": "test"}  # TFDS names the validation split val
    names = {split: name for split, name in names.items() if name in builder.info.splits}
    examples = lambda: (
        (split, example) for split, name in names.items() for example in builder.as_dataset(name, decoders=raw)
    )
    rows = [
        (example["image/filename"].numpy().decode(), text.numpy().decode(), split)
        for split, example in examples()
        for text in example["captions"]["text"]
    ]
    table = pd.DataFrame(rows, columns=["name", "caption", "split"])

    def read(names):
        wanted = {*names}
        for _, example in examples():
            if (name := example["image/filename"].numpy().decode()) in wanted:
                yield name, example["image"].numpy

    return table, Pictures(table["name"], read), "COCO, TFDS coco_captions"


def _own(name, folder, seed):
    path = local.resolve(name, folder)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no such file or folder, and no data set of this name: use {GENERATED} (generated), flickr8k, "
            f"coco, or a folder with captions.csv (columns picture and caption) and pictures. Received: {path}"
        )
    file = _first_existing(path, OWN_CAPTIONS, "A table of captions") if path.is_dir() else path
    rows = _own_captions(file)
    pictures = pictures_in(_first_existing(file.parent, OWN_PICTURES, "A folder or archive of pictures"))
    if "split" not in rows:
        order = sorted({*rows["name"]} & pictures.names, key=lambda picture: local.digest(seed, picture))
        tenth = max(len(order) // 10, 1)
        split_of = dict.fromkeys(order, "train") | dict.fromkeys(order[:tenth], "test")
        split_of |= dict.fromkeys(order[tenth : 2 * tenth], "validation")
        rows["split"] = rows["name"].map(split_of)
    return rows, pictures, str(path)


def _own_captions(file):
    text, separator = _text(file), "\t" if ".tsv" in file.suffixes else ","
    try:
        rows = local.checked_fields(pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False))
    except ValueError as error:
        raise ValueError(f"{file} is not a valid table ({error})") from error
    if missing := [column for column in ("picture", "caption") if column not in rows]:
        raise ValueError(f"{file} lacks the columns {missing}. Received: the columns {list(rows)}")
    for number, caption in enumerate(rows["caption"], 2):
        if not caption.strip():
            raise ValueError(f"{file}, line {number}: the caption is empty")
    if "split" in rows and (unknown := {*rows["split"]} - {*SIZES}):
        raise ValueError(f"{file}: split must be train, validation or test. Received: {sorted(unknown)}")
    counts = rows.groupby("picture")["split"].nunique() if "split" in rows else pd.Series(dtype=int)
    if repeated := [*counts.index[counts > 1]]:
        raise ValueError(f"{file}: each picture must be in one split only. Received in several: {repeated[:5]}")
    return rows.rename(columns={"picture": "name"})
