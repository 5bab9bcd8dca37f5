"""Captions as people have them: tables, JSON as in COCO, Karpathy's splits, Flickr8k's own files."""

import dataclasses
import json
import re

import pandas as pd

from datasets import local, tables

KNOWN = {
    "picture": (
        *("image", "image_name", "filename", "file_name", "file", "image_file", "image_path", "path", "filepath"),
        *("img", "photo", "name", "image_id", "id"),
    ),
    "caption": ("captions", "comment", "text", "sentence", "sentences", "description", "raw", "title"),
    "split": ("set", "subset", "partition"),
}
SPLITS = {
    "train": ("train", "training", "restval"),  # restval: pictures of COCO's validation set that Karpathy trains on
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "validation": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
FLICKR = "flickr8k.token.txt", "results_20130124.token", "results.csv"
NAMES = "captions.csv", "captions.tsv", "captions.txt", "captions.json", "captions.jsonl", *FLICKR
PATTERNS = r"captions_.+\.json", r"dataset_.+\.json", r"metadata\.(csv|jsonl)"
ANY = r"(?!readme|license).+\.(csv|tsv|json|jsonl|txt|token)"
TOKEN = re.compile(r"[^\t]+#\d+\t")  # the beginning of a line "NAME#NUMBER<tab>CAPTION"


def find(folder):
    """The files of captions in a folder, or else in one of its subfolders: one file, or COCO's for its sets.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it may be one of several.
    """
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] not in "._")
    files = {
        place: {
            re.sub(r"\.(gz|zip)$", "", path.name.lower()): path for path in sorted(place.iterdir()) if path.is_file()
        }
        for place in (folder, *subfolders)
    }
    for place, name in ((place, name) for place in files for name in NAMES):
        if name in files[place]:
            return [files[place][name]]
    for pattern, place in [*((pattern, place) for pattern in PATTERNS for place in files), (ANY, folder)]:
        found = [path for name, path in files[place].items() if re.fullmatch(pattern, name)]
        if len(found) > 1 and pattern != PATTERNS[0]:
            names = local.shortened(", ".join(path.name for path in found), 200)
            raise ValueError(f"Several files in {place} may hold the captions: name one as --data. Received: {names}")
        if found:
            return found
    raise FileNotFoundError(
        "A table of captions is missing: expected captions.csv, captions.txt, Flickr8k.token.txt, "
        f"annotations/captions_….json or the like in {folder}"
    )


def read(file, reading=tables.Reading()):
    """A file's captions: a `tables.Table` with the columns picture, caption and perhaps split, each caption in a row.

    Args:
        file: its path.
        reading: a `Reading`.

    Raises ValueError, which names the line or record, if the file cannot be read so.
    """
    text, notes = local.text(file, reading.encoding)
    table = _from_json(text, str(file), notes, reading) or _from_token(text, str(file), notes, reading)
    if table is None:
        table = _with_columns(tables.parse(text, str(file), KNOWN, reading, True, notes))
    return _checked(table)


def lists(folder):
    """A dict from the pictures of Flickr8k's three lists to their splits; empty if a folder has none of the lists.

    Raises FileNotFoundError if it has only some of them.
    """
    if not any((folder / name).exists() for name in LISTS.values()):
        return {}
    if missing := [name for name in LISTS.values() if not (folder / name).exists()]:
        raise FileNotFoundError(f"{folder} has only some of Flickr8k's lists: add {' and '.join(missing)}")
    return {name: split for split, file in LISTS.items() for name in local.text(folder / file)[0].split()}


# ------------------------------------------------------------------------------------------------------------- forms


def _table(rows, source, notes, reading):
    """A table from dicts."""
    cells = pd.DataFrame(rows, index=range(1, len(rows) + 1), dtype=object).fillna("")
    return tables.Table(cells, True, source, notes, reading.skip_bad_rows)


def _from_token(text, source, notes, reading):
    """Captions in lines "NAME#NUMBER<tab>CAPTION", in which quotation marks are text; None if the first is no such."""
    lines = [(number, line) for number, line in enumerate(re.split(r"\r\n?|\n", text), 1) if line.strip()]
    if not lines or not TOKEN.match(lines[0][1]):
        return None
    pairs = [line.partition("\t")[::2] for _, line in lines]
    cells = pd.DataFrame(pairs, [number for number, _ in lines], ["picture", "caption"], dtype=object)
    bad = pd.Series([not TOKEN.match(line) for _, line in lines], cells.index)
    table = tables.Table(cells, False, source, [*notes, "NAME#NUMBER and captions"], reading.skip_bad_rows)
    return table.without(bad, "NAME#NUMBER, a tab and a caption are needed")


def _from_json(text, source, notes, reading):
    """Captions from COCO's JSON, from Karpathy's, or from an object with captions by picture; None if it is neither."""
    try:
        content = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return None  # perhaps JSON lines
    if not isinstance(content, dict) or {"picture", "caption"} <= {*tables.canonical([*content], KNOWN).values()}:
        return None
    if "annotations" in content:
        return _table(_coco(content, source), source, [*notes, "JSON as COCO's"], reading)
    if "images" in content:
        return _table(_karpathy(content, source), source, [*notes, "JSON as Karpathy's"], reading)
    if content and all(isinstance(value, (str, list)) for value in content.values()):
        rows = [{"picture": name, "caption": texts} for name, texts in content.items()]
        return _table(rows, source, [*notes, "JSON, captions by picture"], reading)
    raise ValueError(
        f"{source}: JSON as COCO's, with images and annotations, as Karpathy's, or an object with captions by picture "
        f"is needed. Received: {local.shortened(text)}"
    )


def _records(content, key, needed, source):
    """The objects of a list, each with the keys that it needs."""
    records = content[key]
    if not isinstance(records, list) or not records:
        raise ValueError(f"{source}: {key} must be a list of objects. Received: {local.shortened(records)}")
    for number, record in enumerate(records, 1):
        if not isinstance(record, dict) or not {*needed} <= {*record}:
            raise ValueError(
                f"{source}, {key}, record {number}: an object with {' and '.join(needed)} is needed. "
                f"Received: {local.shortened(record)}"
            )
    return records


def _coco(content, source):
    annotations = _records(content, "annotations", ("image_id", "caption"), source)
    images = _records(content, "images", ("id", "file_name"), source) if "images" in content else []
    names = {str(image["id"]): image["file_name"] for image in images}
    for number, annotation in enumerate(annotations, 1):
        if str(annotation["image_id"]) not in names:
            raise ValueError(
                f"{source}, annotations, record {number}: its image_id is not among the images. "
                f"Received: {local.shortened(annotation)}"
            )
    return [{"picture": names[str(a["image_id"])], "caption": a["caption"]} for a in annotations]


def _karpathy(content, source):
    rows = []
    for image in _records(content, "images", ("filename", "sentences"), source):
        sentences = image["sentences"] if isinstance(image["sentences"], list) else []
        raw = [sentence.get("raw") if isinstance(sentence, dict) else sentence for sentence in sentences]
        folder = f"{image['filepath']}/" if isinstance(image.get("filepath"), str) else ""
        row = {"picture": f"{folder}{image['filename']}", "caption": raw}
        rows.append(row | {"split": image["split"]} if "split" in image else row)
    return rows


def _with_columns(table):
    """A table with the columns picture and caption; without a header, the first of two columns may show that it is."""
    cells = table.cells
    if not table.header and list(cells) == [0, 1] and cells[0].str.contains(r"\.\w{3,4}$").all():
        table.cells = cells.set_axis(["picture", "caption"], axis=1)
    table.require(["picture", "caption"], "name them so in a header, or give the names of all columns with --columns")
    return table


# ----------------------------------------------------------------------------------------------------------- contents


def _checked(table):
    """A table of which each row is a picture's name, one caption and perhaps a split."""
    split_of = {alias: split for split, aliases in SPLITS.items() for alias in aliases}
    cells = table.cells.assign(
        caption=[value if isinstance(value, list) else [value] for value in table.cells["caption"]],
        picture=_names(table.cells["picture"]),
    )
    table = table.without(cells["picture"] == "", "the picture's name is missing")
    table = table.without(~cells["caption"].map(_are_captions)[table.cells.index], "the caption has no word")
    if "split" in cells:
        cells["split"] = [split_of.get(str(value).strip().casefold()) for value in cells["split"]]
        table = table.without(cells["split"].isna()[table.cells.index], "split must be train, validation or test")
    cells = cells.loc[table.cells.index, [name for name in KNOWN if name in cells]].explode("caption")
    if not len(cells):
        raise ValueError(f"{table.source}: captions are needed. Received: none in any row")
    own = [f"{column} from '{table.names[column]}'" for column in cells if column in table.names]
    cells = cells.assign(caption=cells["caption"].str.strip())
    return dataclasses.replace(table, cells=cells, notes=[*own, *table.notes])


def _names(names):
    """Names of pictures with slashes, and without the number of the caption where all have one."""
    names = names.map(lambda name: name.strip().replace("\\", "/") if _is_text(name) else "")
    return names.str.replace(r"#\d+$", "", regex=True) if names.str.contains(r"#\d+$").all() else names


def _are_captions(texts):
    return bool(texts) and all(_is_text(text) and re.search(r"\w", text) for text in texts)


def _is_text(value):
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)  # halves of characters, as JSON can hold
