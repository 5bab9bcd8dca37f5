"""Sentence pairs: generated, Multi30k, Tatoeba, any translation data set of TFDS, or files of the user's own."""

import dataclasses
import pathlib
import re

import pandas as pd

from datasets import generated_translations, local, network, pair_files
from datasets.local import Reading

GENERATED = "grammar"
SIZES = {"train": 8000, "validation": 500, "test": 500}
MULTI30K = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
TATOEBA = "spa-eng"
TFDS = r"(?!.*\.[a-z]+$)[a-z]\w*(/[\w.+:-]+)+"  # a data set and its config, not the path of a file


@dataclasses.dataclass(frozen=True)
class Translations:
    """Splits of one set of sentence pairs.

    Attributes:
        splits: a dict from the names "train", "validation" and "test" to DataFrames with source and target.
        languages: names of source and target language.
        origin: where the pairs come from.
        duplicates: the number of source sentences of the test split that are in the training split too.
        understood: lines on how a user's own files were read.
    """

    splits: dict
    languages: tuple
    origin: str
    duplicates: int
    understood: tuple = ()

    def described(self):
        """One line on where the pairs come from and how many there are."""
        sizes = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items())
        direction = " to ".join(self.languages)
        duplicates = f"{self.duplicates} source sentences of the test split are in training too"
        return f"{self.origin}, {direction}: {sizes}; {duplicates}."

    def checksum(self):
        """A hexadecimal string that changes whenever the pairs do."""
        return local.checksum(self.splits)


def load(name_or_path=GENERATED, direction=None, data_dir=None, seed=0, reading=Reading()):
    """Load sentence pairs.

    Args:
        name_or_path: "grammar" for generated English and French; "multi30k" (English, German); "spa-eng" (English,
            Spanish, from Tatoeba); a translation data set of TFDS such as "ted_hrlr_translate/pt_to_en"; the path of a
            file, a zip archive or a folder of pairs; or the paths of two aligned files, separated by a comma, such as
            "all.en,all.de". docs/translation.md lists the forms that are read.
        direction: source and target language, such as "en-de"; by default that of the data set. For files that do not
            tell their languages it only names them.
        data_dir: folder in which relative paths and the files of a data set are searched for.
        seed: seed of the generated pairs, and of the split of data without a validation or test split, in which pairs
            with the same source sentence are in the same split.
        reading: a `Reading` of a user's own files.

    Raises:
        FileNotFoundError: there is no such file, or the data set is not on this machine and cannot be downloaded.
        ValueError: a file cannot be used (the message names the line), or the data set has no such direction.
    """
    if direction is not None and not re.fullmatch("[^-]+-[^-]+", direction):
        raise ValueError(f"A direction is two languages separated by a hyphen, such as en-de. Received: {direction}")
    folder, understood = pathlib.Path(data_dir) if data_dir else None, ()
    if name_or_path == GENERATED:
        tables, names, origin = generated_translations.generate(SIZES, seed), ("en", "fr"), "A generated grammar"
    elif name_or_path == "multi30k":
        tables, names, origin = _multi30k(folder), ("en", "de"), "Multi30k"
    elif name_or_path == TATOEBA:
        (pairs,) = pair_files.read([_first_existing(["spa.txt", "spa.txt.gz"], folder)]).values()
        tables, names, origin = {"train": pairs.table}, ("en", "es"), "Tatoeba"
    elif _is_tfds(name_or_path, folder):
        tables, names, origin = _tfds(name_or_path, folder)
    else:
        found, origin = _own(name_or_path, folder, direction, reading), name_or_path
        tables, names = {split: pairs.table for split, pairs in found.items()}, found["train"].languages
        understood = tuple(pairs.understood for pairs in found.values())
    splits, languages = _directed(tables, names, direction)
    splits = _divided(splits, seed) if {*SIZES} - {*splits} else splits
    duplicates = int(splits["test"]["source"].isin({*splits["train"]["source"]}).sum())
    return Translations(splits, languages, origin, duplicates, understood)


def _directed(tables, names, direction):
    """Tables with the columns source and target, and the names of the two languages."""
    languages = tuple(direction.split("-")) if direction else names or ("source", "target")
    if names and sorted(languages) != sorted(names):
        both = " or ".join("-".join(pair) for pair in (names, names[::-1]))
        raise ValueError(f"The direction must be {both}. Received: {direction}")
    swapped = names and languages != tuple(names)
    columns = ["target", "source"] if swapped else ["source", "target"]
    splits = {split: table.set_axis(columns, axis=1)[["source", "target"]] for split, table in tables.items()}
    return splits, languages


def _divided(splits, seed):
    """Moves a tenth of the training sentences, at most 1,000, to each missing split.

    Pairs with the same source sentence are in the same split.
    """
    pairs, missing = splits["train"], [name for name in ("test", "validation") if name not in splits]
    order = pairs["source"].drop_duplicates().map(lambda text: local.digest(seed, text)).sort_values().index
    sentences, size = pairs["source"].loc[order], min(1000, len(order) // 10)
    if size == 0:
        raise ValueError(
            f"At least ten source sentences are needed for training, validation and test. Received: {len(order)}"
        )
    split_of = dict.fromkeys(sentences, "train")
    for number, name in enumerate(missing):
        split_of |= dict.fromkeys(sentences[number * size : (number + 1) * size], name)
    chosen = pairs["source"].map(split_of)
    splits = splits | {name: pairs[chosen == name].reset_index(drop=True) for name in ("train", *missing)}
    return {name: splits[name] for name in SIZES}


# ---------------------------------------------------------------------------------------------------------- files


def _first_existing(names, folder):
    """The path of the first name that is a file. Raises FileNotFoundError if none is."""
    paths = [local.resolve(name, folder) for name in names]
    if not any(path.is_file() for path in paths):
        raise FileNotFoundError(
            f"There is no file {' or '.join(names)}: pass a folder that contains one as --data-dir. The Keras "
            f"tutorials and manythings.org/anki offer Tatoeba's pairs as spa-eng.zip. Received: --data-dir {folder}"
        )
    return next(path for path in paths if path.is_file())


def _own(name, folder, direction, reading):
    path = local.resolve(name, folder)
    paths = [path] if path.exists() else [local.resolve(part.strip(), folder) for part in name.split(",")]
    if len(paths) > 2:
        raise ValueError(f"Pass one file of pairs, or two aligned files separated by a comma. Received: {name}")
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(
                f"There is no such file, and no data set of this name: use {GENERATED} (generated), multi30k, "
                f"{TATOEBA} or a translation data set of TFDS such as ted_hrlr_translate/pt_to_en. Received: {path}"
            )
    return pair_files.read(paths, direction, reading)


# ----------------------------------------------------------------------------------------------------------- TFDS


def _multi30k(folder):
    for place in [folder, folder / "multi30k"] if folder else []:
        names = {split: [f"{stem}.{language}" for language in ("en", "de")] for split, stem in MULTI30K.items()}
        paths = {split: [local.resolve(name + ".gz", place) for name in both] for split, both in names.items()}
        if all(path.is_file() for both in paths.values() for path in both):
            return {split: pair_files.read(both)["train"].table for split, both in paths.items()}
    from datasets import multi30k_builder

    builder = multi30k_builder.Multi30k(data_dir=folder)
    url = multi30k_builder.URL
    alternatives = f"pass as --data-dir a folder that contains its six files, train.en.gz and so on, from {url}"
    return _prepared(builder, ("en", "de"), multi30k_builder.HOST, alternatives, folder)


def _is_tfds(name, folder):
    """Whether a name is that of a data set and a config, and not of a folder other than where TFDS has prepared it."""
    path = local.resolve(name, folder)
    return re.fullmatch(TFDS, name) and (not path.exists() or any(path.glob("*/dataset_info.json")))


def _tfds(name, folder):
    import tensorflow_datasets as tfds

    alternatives = "pass a data set that is on this machine, or your own file, as --data"
    if not (folder or pathlib.Path("~/tensorflow_datasets").expanduser()).joinpath(name).exists():
        network.require("storage.googleapis.com", f"The TFDS data set {name}", alternatives, f"--data-dir {folder}")
    builder = tfds.builder(name, data_dir=folder)
    languages = builder.info.supervised_keys
    if not languages or len(languages) != 2:
        raise ValueError(
            f"The TFDS data set {name} is not for translation. Received: features {list(builder.info.features)}"
        )
    tables = _prepared(builder, languages, "storage.googleapis.com", alternatives, folder)
    return tables, tuple(languages), f"TFDS {name}"


def _prepared(builder, languages, host, alternatives, folder):
    """The tables of a TFDS data set, a dict by split; downloads and prepares the data set if necessary."""
    if not builder.data_path.exists():
        network.require(host, f"The data set {builder.name}", alternatives, f"--data-dir {folder}")
        builder.download_and_prepare()
    if "train" not in builder.info.splits:
        raise ValueError(f"The data set {builder.name} has no training split. Received: {[*builder.info.splits]}")
    tables = {}
    for split in [name for name in SIZES if name in builder.info.splits]:
        columns = builder.as_dataset(split=split, batch_size=-1)
        tables[split] = pd.DataFrame({k: [t.decode("utf-8") for t in columns[k].numpy()] for k in languages})
    return tables
