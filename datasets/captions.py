"""Pictures with captions: drawn scenes, Flickr8k, COCO, or a user's own folder.

`load` gives tables of names and captions, and a reader of the pictures; nothing is unpacked to disk.
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
    """Splits of one set of pictures.

    Attributes:
        splits: by name ("train", "validation", "test") a DataFrame with name and captions, a list of texts.
        pictures: a `Pictures` that has each of these names.
        origin: where they are from.
        left_out: a line on each picture or caption that has no partner and was skipped.
    """

    splits: dict
    pictures: object
    origin: str
    left_out: list

    def described(self):
        """One line on where the pictures are from and how many there are."""
        sizes = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        out = f"; {len(self.left_out):,} left out, without a picture or without a caption" if self.left_out else ""
        return f"{self.origin}: pictures {sizes}{out}."

    def checksum(self):
        """A text that changes when names or captions do."""
        return local.checksum({name: split.astype(str) for name, split in self.splits.items()})


def load(name_or_path=GENERATED, data_dir=None, seed=0, odd="refuse"):
    """Load pictures with captions.

    Args:
        name_or_path: "scenes" for drawn shapes; "flickr8k" from its official files in `data_dir`; "coco", the set
            coco_captions of TFDS; or a folder, or a table of captions in it (captions.csv or .tsv with the columns
            picture and caption, a row each caption, and perhaps split), with the pictures beside it, in images/, or in
            images.zip or images.tar.
        data_dir: folder in which paths and files are looked up.
        seed: of the division of a set that has none.
        odd: "refuse" or "skip" a caption without a picture and a picture without a caption.

    Raises:
        FileNotFoundError: something is not there; the message says what, and what to do.
        ValueError: a file cannot be used, or there is something odd and it is refused.
    """
    folder = pathlib.Path(data_dir) if data_dir else None
    if name_or_path == GENERATED:
        tables, arrays = generated_scenes.generate(SIZES, seed)
        pictures = Pictures(arrays, lambda names: ((name, arrays[name]) for name in names))
        return Captions(tables, pictures, "Drawn scenes", [])
    if name_or_path == "flickr8k":
        rows, pictures, origin = _flickr8k(folder)
    elif name_or_path == "coco":
        rows, pictures, origin = _coco(folder)
    else:
        rows, pictures, origin = _own(name_or_path, folder, seed)
    left_out = _unmatched(rows, pictures, origin, odd)
    rows = rows[rows["name"].isin(pictures.names)]
    tables = {split: _table(rows[rows["split"] == split]) for split in SIZES}
    for split, table in tables.items():
        if not len(table):
            raise ValueError(
                f"{origin}: no picture is left for the {split} part. Received: {len(rows)} captions in all"
            )
    return Captions(tables, pictures, origin, left_out)


def _table(rows):
    return rows.groupby("name", sort=False)["caption"].agg(list).rename("captions").reset_index()


def _unmatched(rows, pictures, origin, odd):
    """A line on each caption without a picture and each picture without a caption; raises where these are refused."""
    missing = sorted({*rows["name"]} - pictures.names)
    mute = sorted(pictures.names - {*rows["name"]})
    lines = [f"{name}: captions, and no picture" for name in missing] + [
        f"{name}: a picture, and no caption" for name in mute
    ]
    if lines and odd == "refuse":
        more = f" … and {len(lines) - 5:,} more" if len(lines) > 5 else ""
        raise ValueError(f"{origin}: {'; '.join(lines[:5])}{more}. Mend this, or leave such out with --odd skip.")
    return lines


# ------------------------------------------------------------------------------------------------------------ files


def _first(folder, names, what, ways=""):
    places = [folder / name for name in names]
    found = next((place for place in places if place.exists()), None)
    if found is None:
        raise FileNotFoundError(f"{what} is missing: expected {' or '.join(names)} in {folder}{ways}")
    return found


def _text(path):
    try:
        return local.content(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text in UTF-8 ({error})") from error


# ------------------------------------------------------------------------------------------------------------- sets


def _flickr8k(folder):
    """The official split; the pictures and captions in none of its lists are not used (Hodosh et al. 2013)."""
    ways = ". Name the folder that holds Flickr8k's captions, its three lists and its pictures as --data-dir."
    places = [place for place in ([folder, folder / "flickr8k"] if folder else []) if place.is_dir()]
    place = next((p for p in places if any((p / name).exists() for name in FLICKR_CAPTIONS)), None)
    if place is None:
        raise FileNotFoundError(f"Flickr8k is not here{ways} Received: --data-dir {folder}")
    captions = flickr8k_captions(_text(_first(place, FLICKR_CAPTIONS, "Flickr8k's captions", ways)))
    lists = {split: _text(_first(place, [name], "A list", ways)).split() for split, name in FLICKR_LISTS.items()}
    split = {name: part for part, names in lists.items() for name in names}
    captions["split"] = captions["name"].map(split)
    captions = captions.dropna()
    every = pictures_in(_first(place, FLICKR_PICTURES, "Flickr8k's folder of pictures", ways))
    return captions, Pictures(every.names & {*split}, every._read), "Flickr8k"


def flickr8k_captions(text):
    """The lines "NAME#NUMBER<tab>CAPTION" as a table of name and caption."""
    rows = [line.split("\t") for line in text.splitlines() if line.strip()]
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or "#" not in row[0]:
            raise ValueError(
                f"Flickr8k's captions, line {number}: expected NAME#NUMBER, a tab, a caption. Received: {row}"
            )
    return pd.DataFrame([(key.rsplit("#", 1)[0], caption) for key, caption in rows], columns=["name", "caption"])


def _coco(folder):
    import tensorflow_datasets as tfds  # takes seconds

    builder = tfds.builder("coco_captions", data_dir=folder)
    if not builder.data_path.exists():
        ways = "name a folder in which TFDS has prepared it as --data-dir; or take flickr8k, or pictures of your own"
        network.require("images.cocodataset.org", "COCO", ways, f"--data-dir {folder}")
        builder.download_and_prepare()
    raw = {"image": tfds.decode.SkipDecoding()}
    parts = {"train": "train", "validation": "val", "test": "test"}
    parts = {part: split for part, split in parts.items() if split in builder.info.splits}
    stream = lambda: (
        (part, example) for part, split in parts.items() for example in builder.as_dataset(split, decoders=raw)
    )
    rows = [
        (example["image/filename"].numpy().decode(), text.numpy().decode(), part)
        for part, example in stream()
        for text in example["captions"]["text"]
    ]
    table = pd.DataFrame(rows, columns=["name", "caption", "split"])

    def read(names):
        wanted = {*names}
        for _, example in stream():
            if (name := example["image/filename"].numpy().decode()) in wanted:
                yield name, example["image"].numpy

    return table, Pictures(table["name"], read), "COCO, TFDS coco_captions"


def _own(name, folder, seed):
    path = local.looked_up(name, folder)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no such file or folder, and no set of this name: {GENERATED} (comes along), flickr8k, coco, or "
            f"a folder with captions.csv (columns picture and caption) and pictures. Received: {path}"
        )
    file = _first(path, OWN_CAPTIONS, "A table of captions") if path.is_dir() else path
    rows = _own_captions(file)
    pictures = pictures_in(_first(file.parent, OWN_PICTURES, "A folder or archive of pictures"))
    if "split" not in rows:
        order = sorted({*rows["name"]} & pictures.names, key=lambda picture: local.digest(seed, picture))
        tenth = max(len(order) // 10, 1)
        place = dict.fromkeys(order, "train") | dict.fromkeys(order[:tenth], "test")
        place |= dict.fromkeys(order[tenth : 2 * tenth], "validation")
        rows["split"] = rows["name"].map(place)
    return rows, pictures, str(path)


def _own_captions(file):
    text, tabs = _text(file), "\t" if ".tsv" in file.suffixes else ","
    try:
        rows = local.whole(pd.read_csv(io.StringIO(text), sep=tabs, dtype=str, keep_default_na=False))
    except ValueError as error:
        raise ValueError(f"{file} is no table ({error})") from error
    if missing := [column for column in ("picture", "caption") if column not in rows]:
        raise ValueError(f"{file} lacks the columns {missing}. Received: the columns {list(rows)}")
    for number, caption in enumerate(rows["caption"], 2):
        if not caption.strip():
            raise ValueError(f"{file}, line {number}: the caption is empty")
    if "split" in rows and (unknown := {*rows["split"]} - {*SIZES}):
        raise ValueError(f"{file}: split must be train, validation or test. Received: {sorted(unknown)}")
    parts = rows.groupby("picture")["split"].nunique() if "split" in rows else pd.Series(dtype=int)
    if torn := [*parts.index[parts > 1]]:
        raise ValueError(f"{file}: a picture must stand in one part only. Received in several: {torn[:5]}")
    return rows.rename(columns={"picture": "name"})
