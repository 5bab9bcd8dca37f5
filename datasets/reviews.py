"""Reviews with a sentiment, and some with stars: generated, IMDB's, or a user's own."""

import dataclasses
import pathlib
import re

import pandas as pd

from datasets import generated_reviews, local, network, review_columns, review_folders, tables
from datasets.review_columns import COLUMNS, Reading

GENERATED = "phrases"
IMDB = "imdb", "imdb_reviews"
SIZES = {"train": 8000, "validation": 1000, "test": 1000}
SUFFIXES = ".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson"  # of tables in a folder; .gz or .zip may follow
HOST = "ai.stanford.edu"
TFDS_SPLITS = {"train": "train", "test": "test", "unsup": "unsupervised"}
LABELLED = re.compile(r"__label__(\S+)\s+(.*)")  # a line of a fastText file


@dataclasses.dataclass(frozen=True)
class Reviews:
    """Splits of one set of reviews.

    Attributes:
        splits: a dict from the names "train", "validation" and "test" to DataFrames with text and, if the data set has
            them, label (0 negative, 1 positive) and rating (stars). If the data set has unlabelled reviews,
            "unlabelled" is a DataFrame with text only.
        source: where the reviews come from.
        duplicates: the number of reviews of the test split that are identical to one in training or validation.
        understood: lines on how the files were understood, none of built-in data.
    """

    splits: dict
    source: str
    duplicates: int
    understood: tuple = ()

    def described(self):
        """One line on where the reviews come from, how many there are, and how many test reviews are duplicates."""
        sizes = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        return f"Reviews of {self.source}: {sizes}; {self.duplicates} of the test split are in the other splits too."

    def checksum(self):
        """A hexadecimal string that changes whenever the reviews do."""
        return local.checksum(self.splits)


def load(name_or_path=GENERATED, data_dir=None, seed=0, reading=Reading(), needs="label"):
    """Load reviews.

    Args:
        name_or_path: "phrases" for generated reviews, whose sentiment depends on word order; "imdb" for the Large Movie
            Review Dataset with star ratings; "imdb_reviews" for the version of TFDS, without star ratings; the path of
            a table, of a fastText file, or of a folder: with two such files, train and test, and optionally a third,
            unsup, whose reviews have no labels; with folders or files pos and neg; or with train and test folders of
            these.
        data_dir: folder in which a relative path is searched for, and IMDB: its archive, its extracted folder, or
            train.jsonl.gz and test.jsonl.gz. Otherwise TFDS provides IMDB, and downloads it if necessary.
        seed: seed of the generated reviews and of the split.
        reading: how files are read, where it is not to be found out.
        needs: what the reviews are needed for: "label", "rating" or "text". Where labels are needed and the files have
            ratings alone, the lower half of the scale is negative and the upper positive. What is not needed is left
            out if it cannot be understood.

    Returns:
        `Reviews`. The validation split is a tenth of the training reviews of each label, chosen by a hash of the text,
        so that identical texts are in the same split. The test split of a single file is another tenth; where ratings
        are needed, a tenth of each rating.

    Raises:
        FileNotFoundError: there is no such file, or IMDB is not on this machine and cannot be downloaded.
        ValueError: a file cannot be used; the message names the line and what to do.
    """
    if name_or_path == GENERATED:
        splits = {name: generated_reviews.generate(name, count, seed) for name, count in SIZES.items()}
        return Reviews(splits, "generated phrases", _duplicates(splits))
    folder = pathlib.Path(data_dir) if data_dir else None
    find = _imdb if name_or_path in IMDB else _files
    found, source, understood = find(name_or_path, folder, reading, needs)
    return Reviews(splits := _divided(found, seed, needs), source, _duplicates(splits), tuple(understood))


def _divided(found, seed, needs):
    """All splits, from a table "train" and optionally "test" and "unsup"."""
    train, single = found["train"], "test" not in found
    by = "rating" if needs == "rating" and single else "label" if "label" in train else None
    rank = _relative_rank(train, by, seed)
    splits = {"train": train[rank > (0.2 if single else 0.1)], "validation": train[rank <= 0.1]}
    splits["test"] = train[(rank > 0.1) & (rank <= 0.2)] if single else found["test"]
    splits |= {"unlabelled": found["unsup"]} if "unsup" in found else {}
    for name in ("train", "validation", "test"):
        sizes = {name: len(split) for name, split in splits.items()}
        if needs == "label" and splits[name]["label"].nunique() < 2:
            raise ValueError(f"The {name} split needs both negative and positive reviews. Received: {sizes}")
        if splits[name].empty:
            raise ValueError(f"The {name} split needs reviews: ten and more {_of_each(by)}. Received: {sizes}")
    return {name: split.reset_index(drop=True) for name, split in splits.items()}


def _of_each(by):
    return f"of each {by}" if by else "in the file"


def _relative_rank(table, by, seed):
    """The rank of each review among those of its label or rating, in (0, 1], by a hash of the seed and its text."""
    texts = table.drop_duplicates("text").set_index("text")
    groups = texts[by] if by else pd.Series(0, texts.index)
    digests = [local.digest(seed, text) for text in texts.index]
    ranks = pd.Series(digests, texts.index).groupby(groups).rank(pct=True, method="first")
    return table["text"].map(ranks)


def _duplicates(splits):
    others = {*splits["train"]["text"], *splits["validation"]["text"]}
    return int(splits["test"]["text"].isin(others).sum())


# ---------------------------------------------------------------------------------------------------------- files


def _files(name_or_path, folder, reading, needs):
    """DataFrames by split, the source's name, and lines on how it was understood."""
    path = local.resolve(name_or_path, folder)
    if path.is_dir():
        return _folder(path, reading, needs)
    if not path.exists():
        raise FileNotFoundError(
            f"There is no such file, and no data set of this name: use {GENERATED} (generated), {' or '.join(IMDB)}. "
            f"Received: {name_or_path}"
        )
    if path.is_file() and review_folders.is_archive(path):
        return _text_files(path, reading, needs)
    return _tables({"train": path}, reading, needs)


def _folder(folder, reading, needs):
    if named := _named_tables(folder):
        if missing := {"train", "test"} - {*named}:
            (found,) = {"train", "test"} - missing or {"unsup"}
            raise FileNotFoundError(
                f"The folder lacks {' and '.join(sorted(missing))} (.csv, .tsv, .jsonl, …); or name a single file as "
                f"--data, which is then divided. Received: {named[found]} alone"
            )
        found, _, understood = _tables(named, reading, needs)
        return found, str(folder), understood
    if review_folders.has_folders(folder):
        return _text_files(folder, reading, needs)
    if files := review_folders.files_by_kind(folder):
        table, line = review_folders.read_lines(files, reading.encoding)
        return _labelled({"train": table}, needs, folder), str(folder), [line]
    inner = [path for path in sorted(folder.iterdir()) if not path.name.startswith((".", "_"))]
    imdb = review_folders.local_imdb(folder)
    if len(inner) == 1 and inner[0].is_dir() or imdb:
        return _files(imdb or inner[0], None, reading, needs)
    if len(files := [path for path in inner if _is_table(path)]) == 1:
        return _tables({"train": files[0]}, reading, needs)
    raise FileNotFoundError(
        f"{folder}: train and test (.csv, .tsv, .jsonl, …) are needed, or one such file, or folders pos and neg. "
        f"Received: {local.shortened(', '.join(path.name for path in inner) or 'an empty folder')}"
    )


def _named_tables(folder):
    """The files train, test and unsup of a folder, a dict by these names."""
    named = {}
    for path in sorted(path for path in folder.iterdir() if _is_table(path)):
        name = path.name.split(".")[0].casefold()
        if name in ("train", "test", "unsup"):
            if name in named:
                raise ValueError(
                    f"{folder}: two files may be the {name} split; name a single file as --data, or remove one. "
                    f"Received: {named[name].name}, {path.name}"
                )
            named[name] = path
    return named


def _is_table(path):
    suffixes = [suffix.casefold() for suffix in path.suffixes if suffix.casefold() not in (".gz", ".zip")]
    is_table = bool(suffixes) and suffixes[-1] in SUFFIXES and not path.name.casefold().startswith((".", "readme"))
    return is_table and path.is_file()


def _text_files(place, reading, needs):
    found, line = review_folders.read(place, reading.encoding)
    return _labelled(found, needs, place), str(place), [line]


def _labelled(found, needs, place):
    """The DataFrames. Raises ValueError if they lack the ratings that are needed."""
    if needs == "rating" and not all("rating" in table for name, table in found.items() if name != "unsup"):
        raise ValueError(
            f"{place}: the reviews have no ratings; they must be in the files' names, as in IMDB's 0_9.txt, or in a "
            "column of a table"
        )
    return found


# ---------------------------------------------------------------------------------------------------------- tables


def _tables(paths, reading, needs):
    """DataFrames by split from the files of the splits, the source's name, and a line on how each was understood."""
    found = {name: _read(path, reading, "text" if name == "unsup" else needs) for name, path in paths.items()}
    labelled = {name: table for name, table in found.items() if name != "unsup"}
    if needs == "label" and not any(_all_have(column, labelled) for column in ("label", "rating")):
        for table in labelled.values():
            table.require(["label"], "name it with --label-column, or a column of ratings with --rating-column")
    labelled = _with_ratings(_with_labels(labelled, reading, needs), reading, needs)
    if needs == "label" and not _all_have("label", labelled):
        labelled = _with_derived_labels(labelled, reading)
    found |= labelled
    frames = {name: _frame(table, ["text"] if name == "unsup" else [*COLUMNS]) for name, table in found.items()}
    return frames, str(paths["train"]), [table.understood() for table in found.values()]


def _all_have(column, found):
    return all(column in table.cells for table in found.values())


def _frame(table, columns):
    kept = [column for column in columns if column in table.cells]
    return table.cells[kept].astype({"text": "str"}).reset_index(drop=True)


def _read(path, reading, needs):
    """A table with the column text and perhaps label and rating, all as texts; rows without a text are left out."""
    text, notes = local.text(path, reading.encoding)
    if LABELLED.match(text.lstrip()):
        table = _fasttext(text, str(path), reading, notes)
    else:
        chosen = {own: () for name in COLUMNS if (own := reading.column(name))}
        known = chosen | {name: aliases for name, aliases in COLUMNS.items() if not reading.column(name)}
        table = tables.parse(text, str(path), known, reading, notes=notes)
        table = _named(table, reading, needs) if table.header else _without_header(table, needs)
    if needs == "rating":
        table.require(["rating"], "name it with --rating-column")
    missing = ~table.cells["text"].map(lambda text: isinstance(text, str) and bool(text.strip()))
    if missing.all():
        raise ValueError(f"{path}: texts are needed. Received: {missing.sum():,} rows without a text")
    left_out = [f"{missing.sum():,} rows without a text left out"] if missing.any() else []
    return dataclasses.replace(table, cells=table.cells[~missing], notes=[*table.notes, *left_out])


def _named(table, reading, needs):
    """The table with the columns text, label and rating alone: those that the user chose, or those of such a name."""
    chosen = {name: own for name in COLUMNS if (own := reading.column(name))}
    if needs == "text":  # of unlabelled reviews, too
        chosen = {name: own for name, own in chosen.items() if name == "text" or own in table.cells}
    for name, own in chosen.items():
        table.require([own], f"name another --{name}-column")
    picked = {name: name for name in COLUMNS if name in table.cells and name not in chosen.values()} | chosen
    cells = pd.DataFrame({name: table.cells[picked[name]] for name in COLUMNS if name in picked})
    names = {name: table.names.get(own, own) for name, own in picked.items()}
    for name in ("text", "rating") if needs == "rating" else ("text",):
        if name not in picked:
            table.require([name], f"name it with --{name}-column")
    if needs == "label" and not {"label", "rating"} & {*picked}:
        table.require(["label"], "name it with --label-column, or a column of ratings with --rating-column")
    notes = [f"texts from {names['text']!r}"] if names["text"] != "text" else []
    return dataclasses.replace(table, cells=cells, names=names, notes=[*table.notes, *notes])


def _from(name, found):
    """Where the labels or ratings come from, where it is not a column of that very name."""
    own = next(iter(found.values())).names.get(name, name)
    return "" if own == name else f" from {own!r}"


def _without_header(table, needs):
    """The table of two columns, one of which has few values: labels."""
    columns, cells = [*table.cells], table.cells
    if needs == "text" and len(columns) == 1:
        return dataclasses.replace(table, cells=cells.set_axis(["text"], axis=1))
    labels = [column for column in columns if review_columns.are_labels({*map(review_columns.plain, cells[column])})]
    kind = "label"
    if needs == "rating":
        are_ratings = lambda cells: cells.nunique() <= 21 and cells.map(review_columns.number).notna().all()
        labels, kind = [column for column in columns if are_ratings(cells[column])], "rating"
    if len(columns) != 2 or len(labels) != 1:
        raise ValueError(
            f"{table.source}: no column has a name that is known here, and which is which is not clear. If the first "
            f"line is a header, name its columns with --text-column and --label-column or --rating-column; else name "
            f"all {len(columns)} columns with --columns, such as --columns label,text. "
            f"Received: {local.shortened(', '.join(map(str, cells.iloc[0])), 120)}"
        )
    names = [kind if column == labels[0] else "text" for column in columns]
    notes = [*table.notes, f"{kind}s in column {1 + columns.index(labels[0])}"]
    return dataclasses.replace(table, cells=cells.set_axis(names, axis=1), notes=notes)


def _fasttext(text, source, reading, notes):
    """The table of a fastText file: __label__ and a name before each text."""
    lines = [(number, line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    rows = [match.groups() if (match := LABELLED.fullmatch(line)) else ("", "") for _, line in lines]
    cells = pd.DataFrame(rows, [number for number, _ in lines], ["label", "text"], dtype=object)
    table = tables.Table(cells, True, source, [*notes, "fastText"], reading.skip_bad_rows)
    bad = (cells["label"] == "") | cells["text"].str.startswith("__label__")
    shown = pd.Series([line for _, line in lines], cells.index)
    return table.without(bad, "a line must have one __label__ and a text", shown)


# ---------------------------------------------------------------------------------------------- labels and ratings


def _with_labels(found, reading, needs):
    """The tables with their labels as 0 and 1; without labels where they are neither needed nor understood."""
    if not _all_have("label", found):
        return _dropped(found, "label")
    plain = {name: table.cells["label"].map(review_columns.plain) for name, table in found.items()}
    values = set().union(*plain.values())
    meanings = review_columns.meanings_of(values, reading.labels)
    if needs != "label" and not values <= {*meanings}:
        return _dropped(found, "label")
    if not values & {*meanings}:
        shown = ", ".join(sorted(values)[:5]) + (", …" if len(values) > 5 else "")
        raise ValueError(
            f"{next(iter(found.values())).source}: which label is negative and which is positive? Name the two as "
            "--labels NEGATIVE,POSITIVE (rows with others are left out with --skip-bad-rows), or, if these are "
            f"ratings, name their column as --rating-column. Received: {local.shortened(shown)}"
        )
    why = "a label must be negative or positive (other words or numbers for these are named with --labels)"
    found = {name: t.without(~plain[name].isin(meanings), why, t.cells["label"]) for name, t in found.items()}
    numeric = [value for value in meanings if value in values and value not in review_columns.WORDS]
    sides = [f"{value} {('negative', 'positive')[meanings[value]]}" for value in numeric if numeric != ["0", "1"]]
    origin = _from("label", found)
    note = [" and ".join(sides) + origin] if sides else [f"labels{origin}"] if origin else []
    as_numbers = lambda cells: cells["label"].map(lambda value: meanings[review_columns.plain(value)]).astype("int64")
    return {
        name: dataclasses.replace(t, cells=t.cells.assign(label=as_numbers(t.cells)), notes=[*t.notes, *note])
        for name, t in found.items()
    }


def _dropped(found, column):
    return {
        name: dataclasses.replace(table, cells=table.cells.drop(columns=column, errors="ignore"))
        for name, table in found.items()
    }


def _with_ratings(found, reading, needs):
    """The tables with their ratings as numbers; without ratings where they are neither needed nor understood."""
    if not _all_have("rating", found):
        return _dropped(found, "rating")
    needed = needs == "rating" or (needs == "label" and not _all_have("label", found))
    bounds = review_columns.bounds(reading.scale) if reading.scale else None
    try:
        found = {name: _rated(table, bounds, needed and table.skip_bad_rows) for name, table in found.items()}
    except ValueError:
        if needed:
            raise
        return {
            name: dataclasses.replace(table, notes=[*table.notes, "ratings not used, because they are not understood"])
            for name, table in _dropped(found, "rating").items()
        }
    whole = pd.concat([table.cells["rating"] for table in found.values()])
    kind = "int64" if (whole == whole.round()).all() else "float64"
    note = f"ratings {whole.min():g} to {whole.max():g}{_from('rating', found)}"
    note += ", half stars too" if kind == "float64" and not reading.scale else ""
    return {
        name: dataclasses.replace(t, cells=t.cells.astype({"rating": kind}), notes=[*t.notes, note])
        for name, t in found.items()
    }


def _rated(table, bounds, skip_bad_rows):
    """The table with its ratings as floats. Raises ValueError if they are no numbers, or no scale is clear."""
    cells, table = table.cells["rating"], dataclasses.replace(table, skip_bad_rows=skip_bad_rows)
    if bounds:
        low, high = bounds
        numbers = cells.map(lambda value: review_columns.on_scale(value, low, high)).astype("float64")
        table = table.without(numbers.isna(), f"a rating must be from {low:g} to {high:g}, as --scale says", cells)
        return dataclasses.replace(table, cells=table.cells.assign(rating=numbers.dropna()))
    numbers = cells.map(review_columns.number).astype("float64")
    unclear = numbers.isna() & cells.map(lambda value: bool(review_columns.STARS.fullmatch(str(value).strip())))
    unclear |= (numbers < 0.5) | (numbers > 10) | (2 * numbers != (2 * numbers).round()) & numbers.notna()
    if unclear.any():
        line = unclear.index[unclear][0]
        raise ValueError(
            f"{table.source}, line {line}: from which to which rating does the scale go? Name it with --scale, such as "
            f"--scale 1-5 or 0-100. Received: {local.shortened(cells.loc[line])}"
        )
    table = table.without(numbers.isna(), "a rating must be a number, such as 4 or 4.5", cells)
    return dataclasses.replace(table, cells=table.cells.assign(rating=numbers.dropna()))


def _with_derived_labels(found, reading):
    """The tables with labels from their ratings: the lower half of the scale is negative; its middle is left out."""
    highest = max(table.cells["rating"].max() for table in found.values())
    if not reading.scale and highest not in (5, 10):
        raise ValueError(
            f"{next(iter(found.values())).source}: there are no labels, and to know which ratings are positive, the "
            f"scale is needed: name it with --scale, such as --scale 1-5. Received: ratings of at most {highest:g}"
        )
    low, high = review_columns.bounds(reading.scale) if reading.scale else (1, highest)
    middle = (low + high) / 2

    def labelled(table):
        cells = table.cells[table.cells["rating"] != middle]
        left_out = len(table.cells) - len(cells)
        note = f"labels from ratings, positive from above {middle:g}"
        note += f", {left_out:,} rows of {middle:g} left out" if left_out else ""
        cells = cells.assign(label=(cells["rating"] > middle).astype("int64"))
        return dataclasses.replace(table, cells=cells, notes=[*table.notes, note])

    return {name: labelled(table) for name, table in found.items()}


# ----------------------------------------------------------------------------------------------------------- IMDB


def _imdb(name, folder, reading, needs):
    """As `_files`, from local files or the network; `imdb_reviews` is the data set of TFDS, without stars."""
    for place in [folder, folder / "imdb"] if folder else []:
        if place.is_dir() and (named := _named_tables(place)) and "train" in named:
            return _folder(place, reading, needs)
        if place.is_dir() and name == "imdb" and (found := review_folders.local_imdb(place)):
            return _text_files(found, reading, needs)
    import tensorflow_datasets as tfds  # here, because the import takes seconds and other data sets do not need it

    from datasets import imdb_builder

    builder = imdb_builder.ImdbStars(data_dir=folder) if name == "imdb" else tfds.builder(name, data_dir=folder)
    prepared = builder.data_path.exists()
    if not prepared:
        alternatives = (
            f"pass as --data-dir a folder that contains {review_folders.ARCHIVE} from {imdb_builder.URL} or its "
            f"extracted folder {review_folders.FOLDER}, or train.jsonl.gz and test.jsonl.gz (text, label, rating)"
        )
        network.require(HOST, "IMDB", alternatives, f"--data-dir {folder}")
    try:
        if not prepared:
            builder.download_and_prepare()
        found = {table: _prepared(builder, split) for table, split in TFDS_SPLITS.items()}
    except Exception as error:  # what TFDS and TensorFlow raise on a damaged copy is not known beforehand
        raise ValueError(
            f"IMDB could not be {'read from' if prepared else 'downloaded to'} {builder.data_path}; remove that "
            f"folder, if it is there, and try again ({local.shortened(error, 200)})"
        ) from error
    found["unsup"] = found["unsup"][["text"]]
    return _labelled(found, needs, builder.data_path), str(builder.data_path), []


def _prepared(builder, split):
    columns = {key: tensor.numpy() for key, tensor in builder.as_dataset(split=split, batch_size=-1).items()}
    columns["text"] = [text.decode("utf-8") for text in columns["text"]]
    return pd.DataFrame({key: columns[key] for key in COLUMNS if key in columns})
