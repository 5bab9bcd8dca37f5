"""Pictures with captions: generated scenes, Flickr8k, COCO, or a user's own.

`load` returns tables of picture names and captions, and a reader of the pictures. Nothing is unpacked to disk.
"""

import dataclasses
import pathlib
import re

import pandas as pd

from datasets import caption_files, generated_scenes, local, network
from datasets.local import Reading
from datasets.pictures import Pictures, matched, pictures_in

GENERATED = "scenes"
SIZES = {"train": 4000, "validation": 300, "test": 300}
FLICKR_CAPTIONS = "Flickr8k.token.txt", "Flickr8k.token.txt.gz", "captions.txt"
FOLDERS = "images", "flicker8k_dataset", "flickr8k_dataset", "flickr30k-images", "flickr30k_images"
ARCHIVES = "images.zip", "images.tar", "images.tar.gz", "flickr8k_dataset.zip"
BESIDE = (
    "annotations",
    "captions",
    "flickr8k_text",
    "text",
)  # folders of captions, whose pictures are in a folder beside


@dataclasses.dataclass(frozen=True)
class Captions:
    """Splits of one set of captioned pictures.

    Attributes:
        splits: a dict from the names "train", "validation" and "test" to DataFrames with the columns name (of the
            picture) and captions (a list of texts).
        pictures: a `Pictures` with every picture in `splits`.
        origin: where the pictures come from.
        skipped: a message for each captioned picture that is missing, and for each picture without a caption.
        understood: lines on how a user's own files were understood.
    """

    splits: dict
    pictures: object
    origin: str
    skipped: list
    understood: tuple = ()

    def described(self):
        """One line on where the pictures come from and how many there are."""
        sizes = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        skipped = f"; {len(self.skipped):,} skipped, without a picture or without a caption" if self.skipped else ""
        return f"{self.origin}: pictures {sizes}{skipped}."

    def checksum(self):
        """A hexadecimal string that changes whenever a name or a caption does."""
        return local.checksum({name: split.astype(str) for name, split in self.splits.items()})


def load(name_or_path=GENERATED, data_dir=None, seed=0, odd="refuse", reading=Reading()):
    """Load pictures with captions.

    Args:
        name_or_path: "scenes" for generated scenes of coloured shapes; "flickr8k" for Flickr8k, read from its own files
            in `data_dir`; "coco" for the TFDS data set coco_captions; or the path of a file of captions or of a folder
            that holds one, as `caption_files` reads them. The pictures are in images/ or in images.zip or images.tar
            beside it, or in any other folder or archive there.
        data_dir: folder in which relative paths and the files of Flickr8k and TFDS are searched for.
        seed: seed of the generated scenes, and of the splits that the data does not have.
        odd: what to do with captions without a picture and pictures without a caption: "refuse" or "skip".
        reading: a `Reading`, of a user's own file.

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
    if name_or_path == "coco":
        rows, pictures = _coco(folder)
        unmatched, origin, understood = [], "COCO, TFDS coco_captions", ()
    else:
        file, origin = _flickr8k(folder) if name_or_path == "flickr8k" else _own(name_or_path, folder)
        rows, pictures, unmatched, understood = _from_files(file, seed, reading)
    if unmatched and odd == "refuse":
        more = f" … and {len(unmatched) - 5:,} more" if len(unmatched) > 5 else ""
        raise ValueError(f"{origin}: {'; '.join(unmatched[:5])}{more}. Correct these, or skip them with --odd skip.")
    rows = rows[rows["name"].isin(pictures.names)]
    tables = {split: _table(rows[rows["split"] == split]) for split in SIZES}
    for split, table in tables.items():
        if not len(table):
            raise ValueError(
                f"{origin}: the {split} split has no picture with a caption. "
                f"Received: {len(rows):,} captions of {rows['name'].nunique():,} pictures"
            )
    return Captions(tables, pictures, origin, unmatched, understood)


def _table(rows):
    return rows.groupby("name", sort=False)["caption"].agg(list).rename("captions").reset_index()


def _unmatched(rows, found, pictures):
    """A message for each caption without a picture and each picture without a caption.

    Args:
        found: the names whose pictures were found.
        pictures: the pictures that ought to have a caption.
    """
    missing, without_caption = {*rows["name"]} - {*found}, {*pictures} - {*rows["name"]}
    messages = [f"{local.shortened(name)}: the picture is missing" for name in sorted(missing)]
    return messages + [f"{local.shortened(name)}: the picture has no caption" for name in sorted(without_caption)]


# ------------------------------------------------------------------------------------------------------------- sets


def _flickr8k(folder):
    """Flickr8k's file of captions, and the name of the set."""
    places = [folder / name for name in ("", "flickr8k", "Flickr8k_text")] if folder else []
    files = [place / name for place in places for name in FLICKR_CAPTIONS if (place / name).is_file()]
    if not files:
        raise FileNotFoundError(
            "Flickr8k was not found. Pass the folder that contains Flickr8k's captions "
            f"({' or '.join(FLICKR_CAPTIONS)}), its three lists and its pictures as --data-dir. Received: {folder}"
        )
    return files[0], "Flickr8k"


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

    return table, Pictures(table["name"], read)


# ------------------------------------------------------------------------------------------------------------ files


def _own(name, folder):
    """The file or folder of captions that a user named, and what messages call it."""
    path = local.resolve(name, folder)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no such file or folder, and no data set of this name: use {GENERATED} (generated), flickr8k, "
            f"coco, or a folder with captions.csv (columns picture and caption) and pictures. Received: {path}"
        )
    return path, str(path)


def _from_files(path, seed, reading):
    """Captions and pictures from files.

    Args:
        path: a file of captions, or a folder that holds it.

    Returns a DataFrame with name, caption and split, the named `Pictures`, messages as of `_unmatched`, and lines on
    how the files were understood.
    """
    files = caption_files.find(path) if path.is_dir() else [path]
    tables = [caption_files.read(file, reading) for file in files]
    parts = [table.cells.rename(columns={"picture": "name"}) for table in tables]
    if len(files) > 1:  # COCO's, one for each set
        parts = [rows.assign(split=_set_of(file)) for file, rows in zip(files, parts)]
    rows, listed = pd.concat(parts, ignore_index=True), caption_files.lists(files[0].parent)
    place, pictures, paths = _find_pictures(files[0], path, [*dict.fromkeys([*rows["name"], *listed])])
    notes = [f"pictures in {place}"]
    if listed:
        outside = rows["name"].nunique() - rows.loc[rows["name"].isin(listed.keys()), "name"].nunique()
        rows = rows.assign(split=rows["name"].map(listed)).dropna()
        paths = {name: to for name, to in paths.items() if name in listed}
        notes += ["splits from the three lists", *([f"{outside:,} pictures in none of them"] if outside else [])]
        unmatched = _unmatched(rows, paths, paths)
    else:
        rows, how = _with_splits(rows, {*paths}, seed, str(path))
        notes += how
        others = _places(pictures.names - {*paths.values()}, paths.values())
        unmatched = _unmatched(rows, paths, {*paths} | others)
    if unmatched:
        missing = len({*rows["name"]} - {*paths})
        notes.append(f"{missing:,} names without a picture, {len(unmatched) - missing:,} pictures without a caption")
    return rows, pictures.renamed(paths), unmatched, (*(t.understood() for t in tables), ", ".join(notes))


def _set_of(file):
    """The split in the name of a file of COCO."""
    words = re.split("[^a-z]+", file.name.lower())
    found = next((split for split, aliases in caption_files.SPLITS.items() if {*aliases} & {*words}), None)
    if found is None:
        raise ValueError(f"{file}: its name must tell train, val or test, or name one file as --data.")
    return found


def _find_pictures(file, path, names):
    """The place of the pictures with these names, its `Pictures`, and a dict from the names to theirs.

    The place is a folder or archive beside the file of captions, or beside the file's folder where that is one of
    captions alone.
    """
    beside = file.parent.absolute().name.casefold() in BESIDE or file.parent != path and path.is_dir()
    for folder in (file.parent, file.parent.absolute().parent)[: 1 + beside]:
        inside = {entry.name.casefold(): entry for entry in sorted(folder.iterdir())}
        archives = [entry for name, entry in inside.items() if name.endswith((".zip", ".tar", ".tar.gz", ".tgz"))]
        known = [inside[name] for name in (*FOLDERS, *ARCHIVES) if name in inside]
        for place in dict.fromkeys([*known, folder, *archives]):
            pictures = pictures_in(place)
            if paths := matched(names, pictures.names):
                return place, pictures, paths
    raise FileNotFoundError(
        f"The pictures are missing: expected {local.shortened(names[0])} and others in {file.parent / 'images'}, in "
        "images.zip or images.tar, or in another folder there"
    )


def _places(others, used):
    """Those of the other pictures that are in a folder, of the first level, with some that are used."""
    folder = lambda path: path.rpartition("/")[0].partition("/")[0]
    folders = {folder(path) for path in used}
    return {path for path in others if folder(path) in folders}


def _with_splits(rows, pictures, seed, source):
    """The captions with a complete column split, and notes: what is missing is split off, by a hash of the name."""
    rows = rows if "split" in rows else rows.assign(split="train")
    counts = rows.groupby("name")["split"].nunique()
    if repeated := [*counts.index[counts > 1]]:
        raise ValueError(f"{source}: each picture must be in one split only. Received in several: {repeated[:5]}")
    split_of = {name: split for name, split in zip(rows["name"], rows["split"]) if name in pictures}
    lacking = [split for split in ("test", "validation") if split not in split_of.values()]
    giver, share, words = ("validation", 2, "half") if lacking == ["test"] else ("train", 10, "a tenth each")
    order = [name for name, split in split_of.items() if split == giver]
    order = sorted(order, key=lambda name: local.digest(seed, name))
    part = max(len(order) // share, 1)
    for number, split in enumerate(lacking):
        split_of |= dict.fromkeys(order[number * part : (number + 1) * part], split)
    notes = [f"{' and '.join(lacking)}: {words} of {giver}"] if lacking else []
    return rows.assign(split=rows["name"].map(split_of)), notes
