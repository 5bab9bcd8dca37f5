"""Sentence pairs: generated, Multi30k, Tatoeba's, any translation set of TFDS, or a user's own. `load` gives tables."""

import dataclasses
import pathlib

import pandas as pd

from datasets import generated_translations, local, network

GENERATED = "grammar"
SIZES = {"train": 8000, "validation": 500, "test": 500}
MULTI30K = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
TATOEBA = "spa-eng"


@dataclasses.dataclass(frozen=True)
class Translations:
    """Splits of one set of sentence pairs.

    Attributes:
        splits: by name ("train", "validation", "test") a DataFrame with source and target.
        languages: names of source and target language.
        origin: where they come from.
        shared: the number of source sentences of the test split that are in the training split too.
    """

    splits: dict
    languages: tuple
    origin: str
    shared: int

    def described(self):
        """One line on where the pairs come from and how many there are."""
        sizes = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        way = " to ".join(self.languages)
        return f"{self.origin}, {way}: {sizes}; {self.shared} source sentences of the test split are in training too."

    def checksum(self):
        """A text that changes when the pairs do."""
        return local.checksum(self.splits)


def load(name_or_path=GENERATED, direction=None, data_dir=None, seed=0):
    """Load sentence pairs.

    Args:
        name_or_path: "grammar" for generated English and French; "multi30k" (English, German); "spa-eng" (English,
            Spanish, from Tatoeba); a translation set of TFDS such as "ted_hrlr_translate/pt_to_en"; a file of pairs
            separated by a tab; or two aligned files, their names separated by a comma, such as "all.en,all.de". Files
            are plain or gzipped, in UTF-8.
        direction: "en-de" and the like, source first; by default the set's own. A file's languages are called by it.
        data_dir: folder in which paths and files are looked up.
        seed: of the division of data without a validation or test split; copies of a source sentence stay together.

    Raises:
        FileNotFoundError: there is no such file, or the data set is not on this machine and cannot be downloaded.
        ValueError: a file cannot be used, or the direction is none of the set's; the message names the line.
    """
    folder = pathlib.Path(data_dir) if data_dir else None
    if name_or_path == GENERATED:
        parts, names, origin = generated_translations.generate(SIZES, seed), ("en", "fr"), "A generated grammar"
    elif name_or_path == "multi30k":
        parts, names, origin = _multi30k(folder), ("en", "de"), "Multi30k"
    elif name_or_path == TATOEBA:
        parts, names, origin = {"train": _pairs(_found(["spa.txt", "spa.txt.gz"], folder))}, ("en", "es"), "Tatoeba"
    elif (
        "/" in name_or_path
        and not name_or_path.endswith((".tsv", ".txt", ".gz"))
        and not local.looked_up(name_or_path.split(",")[0], folder).is_file()
        and "," not in name_or_path
    ):
        parts, names, origin = _tfds(name_or_path, folder)
    else:
        parts, names, origin = {"train": _own(name_or_path, folder)}, None, name_or_path
    splits, languages = _directed(parts, names, direction)
    splits = _divided(splits, seed) if {*SIZES} - {*splits} else splits
    shared = int(splits["test"]["source"].isin({*splits["train"]["source"]}).sum())
    return Translations(splits, languages, origin, shared)


def _directed(parts, names, direction):
    """Tables with source and target, and what the two languages are called."""
    if direction is not None and len(direction.split("-")) != 2:
        raise ValueError(f"A direction is two languages with a hyphen between, such as en-de. Received: {direction}")
    wanted = tuple(direction.split("-")) if direction else names or ("source", "target")
    if names and sorted(wanted) != sorted(names):
        both = " or ".join("-".join(pair) for pair in (names, names[::-1]))
        raise ValueError(f"The direction must be {both}. Received: {direction}")
    swapped = names and wanted != tuple(names)
    columns = ["target", "source"] if swapped else ["source", "target"]
    splits = {split: table.set_axis(columns, axis=1)[["source", "target"]] for split, table in parts.items()}
    return splits, wanted


def _divided(splits, seed):
    """A tenth of the training sentences, 1,000 at most, for each missing split; copies stay together."""
    whole, lacking = splits["train"], [name for name in ("test", "validation") if name not in splits]
    order = whole["source"].drop_duplicates().map(lambda text: local.digest(seed, text)).sort_values().index
    sentences, size = whole["source"].loc[order], min(1000, len(order) // 10)
    if size == 0:
        raise ValueError(
            f"Ten source sentences or more are needed for training, validation and test. Received: {len(order)}"
        )
    place = dict.fromkeys(sentences, "train")
    for number, name in enumerate(lacking):
        place |= dict.fromkeys(sentences[number * size : (number + 1) * size], name)
    part = whole["source"].map(place)
    splits = splits | {name: whole[part == name].reset_index(drop=True) for name in ("train", *lacking)}
    return {name: splits[name] for name in SIZES}


# ---------------------------------------------------------------------------------------------------------- files


def _found(names, folder):
    """The first of the files that is there."""
    paths = [local.looked_up(name, folder) for name in names]
    if not any(path.is_file() for path in paths):
        wanted = " or ".join(names)
        raise FileNotFoundError(
            f"There is no file {wanted}: name a folder that has one as --data-dir (Tatoeba's pairs are offered as "
            f"spa-eng.zip by the Keras tutorials and at manythings.org/anki). Received: --data-dir {folder}"
        )
    return next(path for path in paths if path.is_file())


def lines(path):
    """The lines of a text file, plain or gzipped."""
    texts = []
    for number, line in enumerate(local.content(path).removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        try:
            texts.append(line.decode("utf-8").rstrip("\r"))
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}, line {number}: this is not UTF-8 ({error}). Received: {line[:60]!r}") from error
    return texts[:-1] if texts and not texts[-1] else texts


def _pairs(path):
    """A file with a tab between the sides; what stands behind a second tab, such as Tatoeba's sources, is left out."""
    rows = [line.split("\t")[:2] for line in lines(path)]
    for number, row in enumerate(rows, 1):
        if len(row) < 2 or not all(side.strip() for side in row):
            raise ValueError(f"{path}, line {number}: expected two sentences and a tab between. Received: {row}")
    return pd.DataFrame(rows, columns=range(2))


def _aligned(first, second):
    """Two files whose lines belong together."""
    sides = [lines(path) for path in (first, second)]
    if len(sides[0]) != len(sides[1]):
        sizes = f"{first}: {len(sides[0]):,} lines, {second}: {len(sides[1]):,}"
        raise ValueError(f"The two files are not aligned: line must belong to line. Received: {sizes}")
    for path, side in zip((first, second), sides):
        for number, line in enumerate(side, 1):
            if not line.strip():
                raise ValueError(f"{path}, line {number}: the sentence is empty")
    return pd.DataFrame(dict(enumerate(sides)))


def _own(name, folder):
    paths = [local.looked_up(part, folder) for part in name.split(",")]
    if len(paths) > 2:
        raise ValueError(f"Name one file of pairs, or two aligned files with a comma between. Received: {name}")
    for path in paths:
        if not path.is_file():
            raise FileNotFoundError(
                f"There is no such file, and no set of this name: {GENERATED} (comes along), multi30k, {TATOEBA}, or a "
                f"translation set of TFDS such as ted_hrlr_translate/pt_to_en. Received: {path}"
            )
    return _pairs(*paths) if len(paths) == 1 else _aligned(*paths)


# ----------------------------------------------------------------------------------------------------------- TFDS


def _multi30k(folder):
    for place in [folder, folder / "multi30k"] if folder else []:
        names = {split: [f"{stem}.{language}" for language in ("en", "de")] for split, stem in MULTI30K.items()}
        paths = {split: [local.looked_up(name + ".gz", place) for name in both] for split, both in names.items()}
        if all(path.is_file() for both in paths.values() for path in both):
            return {split: _aligned(*both) for split, both in paths.items()}
    from datasets import multi30k_builder

    builder = multi30k_builder.Multi30k(data_dir=folder)
    url = multi30k_builder.URL
    ways = f"put its six files, train.en.gz and so on, from {url} into a folder, and name that as --data-dir"
    return _prepared(builder, ("en", "de"), multi30k_builder.HOST, ways, folder)


def _tfds(name, folder):
    import tensorflow_datasets as tfds

    ways = "or name a set that is here already, or a file of your own, as --data"
    if not (folder or pathlib.Path("~/tensorflow_datasets").expanduser()).joinpath(name).exists():
        network.require("storage.googleapis.com", f"The set {name} of TFDS", ways, f"--data-dir {folder}")
    builder = tfds.builder(name, data_dir=folder)
    languages = builder.info.supervised_keys
    if not languages or len(languages) != 2:
        raise ValueError(f"{name} is no translation set of TFDS. Received: features {list(builder.info.features)}")
    return _prepared(builder, languages, "storage.googleapis.com", ways, folder), tuple(languages), f"TFDS {name}"


def _prepared(builder, languages, host, ways, folder):
    """A TFDS set as tables by split, downloaded and prepared where it has to be."""
    if not builder.data_path.exists():
        network.require(host, f"The set {builder.name}", ways, f"--data-dir {folder}")
        builder.download_and_prepare()
    if "train" not in builder.info.splits:
        raise ValueError(f"The set {builder.name} has no training split. Received: {[*builder.info.splits]}")
    parts = {}
    for split in [name for name in SIZES if name in builder.info.splits]:
        columns = builder.as_dataset(split=split, batch_size=-1)
        parts[split] = pd.DataFrame({k: [t.decode("utf-8") for t in columns[k].numpy()] for k in languages})
    return parts
