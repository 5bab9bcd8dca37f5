"""Sentence pairs: the generated grammar, files, and data sets that are downloaded."""

import gzip
import pathlib
import socket

import pandas as pd
import pytest
import tensorflow_datasets as tfds

from datasets import generated_translations, multi30k_builder, translation

DATA = pathlib.Path(__file__).parents[3] / "shared" / "data"


def test_generated_french_is_grammatical():
    """The sentences are checked against rules of French, independently of the code that generates them."""
    table = pd.concat(generated_translations.generate({"train": 6000, "test": 100}).values())
    pairs = dict(zip(table["english"].str.lower(), table["french"].str.lower()))
    assert len(pairs) == 6100
    french = pd.Series(pairs.values())
    vowel = r"(?:[aeiouéèê]|homme)"
    for wrong in [
        rf"\b(?:ne|le|la|de|ce|ma) {vowel}",
        rf"\b[nld]'(?!{vowel})",
        r"\b(?:vieux|beau) (?:homme|ami|arbre)\b",
    ]:
        assert not french.str.contains(wrong).any(), french[french.str.contains(wrong)].iloc[0]
    for english, right in [
        ("not", r"\bn(?:e |').* pas\b"),
        ("old man", "vieil homme"),
        ("green house", "maison verte"),
    ]:
        chosen = [fr for en, fr in pairs.items() if f"{english} " in en + " " or f"{english}." in en]
        assert chosen and all(pd.Series(chosen).str.contains(right)), english
    assert french.str.contains("pas d'|pas de ").any() and not french.str.contains(r"\bpas (?:un|une|des)\b").any()
    assert not pd.Series(list(pairs)).str.contains(r"\ba [aeiou]|\ban [^aeiou]").any()


def test_generated_splits_share_no_source_sentence():
    data = translation.load()
    assert {name: len(split) for name, split in data.splits.items()} == translation.SIZES
    assert data.duplicates == 0 and data.languages == ("en", "fr") and "0 source sentences" in data.described()
    back = translation.load(direction="fr-en")
    assert (back.splits["test"]["source"] == data.splits["test"]["target"]).all() and back.languages == ("fr", "en")
    assert translation.load().checksum() == data.checksum() != translation.load(seed=1).checksum()


def write(path, text):
    (gzip.open if path.suffix == ".gz" else open)(path, "wt", encoding="utf-8").write(text)
    return str(path)


@pytest.fixture
def rows():
    return [(f"source {i // 2}", f"ziel {i} ß") for i in range(400)]  # each source has two translations


@pytest.mark.parametrize("suffix", ["tsv", "tsv.gz"])
def test_a_file_of_pairs(tmp_path, rows, suffix):
    path = write(tmp_path / f"own.{suffix}", "".join(f"{a}\t{b}\tCC-BY\r\n" for a, b in rows))
    data = translation.load(path, "nl-de")
    assert data.languages == ("nl", "de") and data.duplicates == 0
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 320, "validation": 40, "test": 40}
    pairs = pd.concat(data.splits.values())
    assert sorted(zip(pairs["source"], pairs["target"])) == sorted(rows)
    assert data.splits["test"]["target"].tolist() == translation.load(path).splits["test"]["target"].tolist()
    assert translation.load(path, seed=1).splits["test"]["source"].tolist() != data.splits["test"]["source"].tolist()


def test_two_aligned_files(tmp_path, rows):
    names = [write(tmp_path / name, "\n".join(side)) for name, side in zip(("all.nl", "all.de.gz"), zip(*rows))]
    data = translation.load("all.nl,all.de.gz", data_dir=tmp_path)
    pairs = pd.concat(data.splits.values())
    assert sorted(zip(pairs["source"], pairs["target"])) == sorted(rows) and data.languages == ("nl", "de")
    assert translation.load(",".join(names)).checksum() == data.checksum()
    back = translation.load(",".join(names), "de-nl")
    assert back.languages == ("de", "nl") and (back.splits["test"]["target"].str.startswith("source")).all()


@pytest.mark.parametrize(
    "files, message",
    [
        ({"a.tsv": b"one\ttwo\n"}, "At least ten source sentences.*Received: 1"),
        ({"a.tsv.gz": b"\x1f\x8b no gzip"}, "a.tsv.gz is damaged"),
        ({"a.en": b"one\ntwo\n", "a.de": b"eins\n"}, "not aligned.*a.en: 2 lines.*a.de: 1"),
        ({"a.en": b"one\n", "a.de": b"eins\n", "a.fr": b"un\n"}, "two aligned files"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, files, message):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        translation.load(",".join(files), data_dir=tmp_path)


def test_wrong_names_and_directions(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file.*Received: .*a.b.tsv"):
        translation.load("a/b.tsv", data_dir=tmp_path)
    with pytest.raises(FileNotFoundError, match="grammar .*multi30k, spa-eng.*Received: multi40k"):
        translation.load("multi40k")
    with pytest.raises(ValueError, match="must be en-fr or fr-en. Received: en-de"):
        translation.load(direction="en-de")
    with pytest.raises(ValueError, match="hyphen.*Received: english"):
        translation.load(direction="english")
    with pytest.raises(FileNotFoundError, match="spa.txt or spa.txt.gz.*Received"):
        translation.load("spa-eng", data_dir=tmp_path)


@pytest.mark.parametrize("name", ["multi30k", "ted_hrlr_translate/pt_to_en"])
def test_offline_fails_in_seconds_with_what_to_do(name, tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    with pytest.raises(FileNotFoundError, match="(?s)cannot be reached.*Connect to the network.*Received"):
        translation.load(name, data_dir=tmp_path)


def test_multi30k_from_a_folder(tmp_path):
    for split, stem in translation.MULTI30K.items():
        for language in ("en", "de"):
            write(tmp_path / f"{stem}.{language}.gz", f"{split} {language} 1\n{split} {language} 2\n")
    data = translation.load("multi30k", "de-en", tmp_path)
    assert data.splits["validation"].to_dict("list") == {
        "source": ["validation de 1", "validation de 2"],
        "target": ["validation en 1", "validation en 2"],
    }


def test_a_file_with_a_wrong_checksum_is_refused(tmp_path):
    with pytest.raises(ValueError, match="train.en must have the SHA-256 checksum"):
        multi30k_builder.checked("train.en", write(tmp_path / "train.en.gz", "another text"))


@pytest.mark.skipif(not DATA.exists(), reason="the folder ../shared/data with the real sentences is missing")
def test_multi30k_and_tatoeba_themselves():
    data = translation.load("multi30k", "en-de", DATA)
    assert [len(split) for split in data.splits.values()] == [29000, 1014, 1000]
    for name in multi30k_builder.SHA256:
        assert multi30k_builder.checked(name, DATA / "multi30k" / f"{name}.gz")
    tatoeba = translation.load("spa-eng", None, DATA / "translation-extra")
    assert sum(map(len, tatoeba.splits.values())) == 118964 and tatoeba.duplicates == 0


class Pairs(tfds.core.GeneratorBasedBuilder):
    """A translation data set of TFDS that lacks some of the three splits, like para_crawl and wmt19_translate."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in ("de_en", "with_validation", "test_alone")]

    def _info(self):
        features = tfds.features.Translation(("de", "en"))
        return tfds.core.DatasetInfo(builder=self, features=features, supervised_keys=("de", "en"))

    def _split_generators(self, dl_manager):
        if self.builder_config.name == "test_alone":
            return {"test": self._generate_examples(9)}
        more = {"validation": self._generate_examples(9)} if self.builder_config.name == "with_validation" else {}
        return {"train": self._generate_examples(60)} | more

    def _generate_examples(self, count):
        return ((i, {"de": f"Satz {i}", "en": f"sentence {i}"}) for i in range(count))


@pytest.mark.parametrize("config, sizes", [("de_en", (48, 6, 6)), ("with_validation", (54, 9, 6))])
def test_missing_splits_of_a_tfds_data_set_are_taken_from_training(tmp_path, config, sizes):
    Pairs(data_dir=tmp_path, config=config).download_and_prepare()
    data = translation.load(f"pairs/{config}", "en-de", tmp_path)
    assert [*zip(data.splits, map(len, data.splits.values()))] == [*zip(translation.SIZES, sizes)]
    assert data.splits["test"]["source"][0].startswith("sentence")
    repeated = data.splits["validation"]["source"].isin(data.splits["train"]["source"]).sum()
    # the validation split of this data set repeats training sentences
    assert data.duplicates == 0 and repeated == (9 if config == "with_validation" else 0)


def test_a_tfds_data_set_without_a_training_split_is_refused(tmp_path):
    Pairs(data_dir=tmp_path, config="test_alone").download_and_prepare()
    with pytest.raises(ValueError, match="pairs has no training split. Received: .'test'.$"):
        translation.load("pairs/test_alone", "en-de", tmp_path)


def test_at_most_a_thousand_sentences_are_moved_to_each_missing_split(tmp_path):
    path = write(tmp_path / "own.tsv", "".join(f"a {i}\tb {i}\n" for i in range(12_000)))
    assert [len(split) for split in translation.load(path).splits.values()] == [10_000, 1000, 1000]
