"""Reviews: generated, IMDB from its archive or its extracted folder, and files of the user's own."""

import gzip
import io
import json
import pathlib
import socket
import tarfile
import time

import pandas as pd
import pytest
import tensorflow_datasets as tfds

from datasets import generated_reviews, imdb_builder, reviews

IMDB = pathlib.Path(__file__).parents[3] / "shared" / "data" / "imdb"
ROWS = [(f"film number {i} was {'good' if i % 2 else 'bad'}", i % 2, 9 if i % 2 else 2) for i in range(60)]


def frame():
    return pd.DataFrame(ROWS, columns=["text", "label", "rating"])


# ------------------------------------------------------------------------------------------------------ generated


def test_generated_splits_share_no_subject_and_no_neutral_sentence():
    data = reviews.load()
    assert {name: len(split) for name, split in data.splits.items()} == reviews.SIZES
    assert data.duplicates == 0
    for name, split in data.splits.items():
        assert split["text"].is_unique and split["label"].mean() == 0.5
        assert ((split["rating"] > 5) == (split["label"] == 1)).all()
        assert set(split["rating"]) == {1, 2, 3, 4, 7, 8, 9, 10}
        for other in {*data.splits} - {name}:
            foreign = [*generated_reviews.SUBJECTS[other], *generated_reviews.CHATTER[other]]
            assert not any(split["text"].str.contains(rf"\b{phrase}", regex=True).any() for phrase in foreign)


def test_generated_reviews_follow_from_the_seed():
    first, again, other = (generated_reviews.generate("train", 50, seed) for seed in (0, 0, 1))
    assert first.equals(again) and not first.equals(other)


def test_contrasts_of_either_sentiment_contain_the_same_words():
    """A bag of words cannot distinguish them."""
    for template in generated_reviews.CONTRASTS:
        x, y = (template.format(a="plot", b="cast", x=x, y=y) for x, y in (("great", "dull"), ("dull", "great")))
        assert sorted(x.split()) == sorted(y.split()) or sorted(x.strip(".")) == sorted(y.strip("."))


# ----------------------------------------------------------------------------------------------------------- IMDB


def members():
    """Names and texts of a small archive."""
    for split in ("train", "test"):
        for i in range(30):
            for kind, stars in (("pos", 7 + i % 4), ("neg", 1 + i % 4)):
                yield f"aclImdb/{split}/{kind}/{i}_{stars}.txt", f"{split} {kind} {i}: não está má<br />"
    yield "aclImdb/train/unsup/0_0.txt", "nobody knows"
    yield "aclImdb/README", "no review"


@pytest.fixture
def archive(tmp_path):
    with tarfile.open(tmp_path / imdb_builder.ARCHIVE, "w:gz") as file:
        for name, text in [*members(), ("../../aclImdb/train/pos/99_9.txt", "a name that leads out of the folder")]:
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            file.addfile(info, io.BytesIO(text.encode()))
    return tmp_path


@pytest.fixture
def folder(tmp_path):
    for name, text in members():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("source", ["archive", "folder"])
def test_imdb_with_stars_and_unlabelled_reviews(source, request):
    place = request.getfixturevalue(source)
    data = reviews.load("imdb", place)
    assert not (place.parent.parent / "aclImdb").exists() and not (place.parent / "aclImdb").exists()
    extra = source == "archive"  # the name that leads out of the folder: read, but never written
    assert len(data.splits["train"]) + len(data.splits["validation"]) == 60 + extra and len(data.splits["test"]) == 60
    assert list(data.splits["unlabelled"]["text"]) == ["nobody knows"]
    test = data.splits["test"].sort_values("text", ignore_index=True)
    assert test["text"][0] == "test neg 0: não está má<br />"
    assert (test["label"] == test["text"].str.contains("pos")).all()
    assert (test["rating"] == [1 + int(t.split()[2][:-1]) % 4 + 6 * ("pos" in t) for t in test["text"]]).all()
    assert reviews.load("imdb", place).splits["test"].equals(data.splits["test"])  # as TFDS prepared it


def test_imdb_of_tfds_has_no_stars(folder, monkeypatch):
    reviews.load("imdb", folder)
    builder = imdb_builder.ImdbStars(data_dir=folder)
    with_stars = builder.as_dataset
    drop = lambda columns: {name: columns[name] for name in ("text", "label")}
    monkeypatch.setattr(builder, "as_dataset", lambda **options: drop(with_stars(**options)))
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: {"imdb_reviews": builder}[name])
    data = reviews.load("imdb_reviews", folder)
    assert list(data.splits["test"]) == ["text", "label"] and len(data.splits["test"]) == 60


@pytest.mark.parametrize("name", reviews.IMDB)
def test_offline_without_imdb_fails_in_seconds_with_what_to_do(name, tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("no network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    started = time.monotonic()
    with pytest.raises(
        FileNotFoundError, match="(?s)Connect to the network.*aclImdb_v1.tar.gz.*train.jsonl.gz.*Received"
    ):
        reviews.load(name, tmp_path)
    assert time.monotonic() - started < 10


def test_a_download_with_another_checksum_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"<html>")
    with pytest.raises(ValueError, match="checksum"):
        imdb_builder._checked(tmp_path / "file")


@pytest.mark.skipif(not IMDB.is_dir(), reason="the folder ../shared/data with the real reviews is missing")
def test_imdb_itself():
    data = reviews.load("imdb", IMDB)
    assert {name: len(split) for name, split in data.splits.items() if name in ("test", "unlabelled")} == {
        "test": 25000,
        "unlabelled": 50000,
    }
    assert 2200 < len(data.splits["validation"]) < 2800
    assert len(data.splits["train"]) + len(data.splits["validation"]) == 25000
    assert len({*data.splits["train"]["text"]} & {*data.splits["validation"]["text"]}) == 0
    assert data.splits["test"].loc[data.splits["test"]["text"].isin({*data.splits["train"]["text"]})].shape[0] > 0
    both = {*data.splits["train"]["text"], *data.splits["validation"]["text"]} & {*data.splits["test"]["text"]}
    assert len(both) == 123 and data.duplicates >= 123


# ------------------------------------------------------------------------------------------------- a user's files


@pytest.mark.parametrize("name", ["mine.csv", "mine.csv.gz", "mine.jsonl", "mine.jsonl.gz"])
def test_one_file_is_split_and_identical_texts_are_in_the_same_split(tmp_path, name):
    table = pd.concat([frame(), frame()])
    if "csv" in name:
        table.to_csv(tmp_path / name, index=False)
    else:
        table.to_json(tmp_path / name, orient="records", lines=True)
    splits = reviews.load(name, tmp_path).splits
    assert sum(map(len, splits.values())) == 120 and min(map(len, splits.values())) > 0
    texts = [{*split["text"]} for split in splits.values()]
    assert not (texts[0] & texts[1] or texts[0] & texts[2] or texts[1] & texts[2])
    everything = pd.concat(splits.values()).drop_duplicates().sort_values("text", ignore_index=True)
    pd.testing.assert_frame_equal(everything, frame().sort_values("text", ignore_index=True))


def test_a_folder_of_files_has_its_own_test_split_and_duplicates_are_counted(tmp_path):
    frame().to_csv(tmp_path / "train.csv", index=False)
    test = pd.DataFrame({"text": ["new", "film number 3 was good", "newer"], "label": ["pos", "negative", 0]})
    test.to_csv(tmp_path / "test.csv", index=False)
    data = reviews.load(tmp_path)
    assert list(data.splits["test"]["label"]) == [1, 0, 0] and data.duplicates == 1


def jsonl(*rows):
    return "\n".join(json.dumps(row) for row in rows).encode()


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.csv", b"text,stars\ngood,9\n", "no column label. Received: text, stars"),
        (
            "a.csv",
            b"text,label\ngood,1\n ,0\n",
            r"text must not be empty; wrong in 1 of 2 reviews, the first are \[2\]",
        ),
        ("a.csv", b"text,label\ngood,1\nbad,maybe\n", r"label must be one of.*the first are \[2\].*'maybe'"),
        ("a.csv", b"text,label,rating\ngood,1,11\n", "rating must be an integer.*'11'"),
        ("a.csv", "text,label\ngroß,1\n".encode("latin-1"), "not a valid CSV or JSON-lines file in UTF-8"),
        ("a.csv", b"", "not a valid CSV or JSON-lines file"),
        ("a.csv.gz", b"text,label\ngood,1\n", "not a valid CSV or JSON-lines file"),
        ("a.csv.gz", gzip.compress(b"text,label\ngood,1\n" * 99, mtime=0)[:-9], "not a valid CSV or JSON-lines file"),
        ("a.jsonl", b'{"text": "good", "label": 1}\nbroken\n', "not a valid CSV or JSON-lines file"),
        ("a.csv", b"text,label\nI loved it, all of it,1\nI hated it, all of it,0\n", "a.csv.*more fields"),
        ("a.csv", b"text,label\ngood,1,\nbad,0,\n", "a.csv.*more fields"),
        ("a.csv.gz", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 40, "a.csv.gz.*not a valid CSV or JSON-lines file"),
        ("a.jsonl", jsonl({"text": "good", "label": 1}, {"text": "bad"}), r"label.*in 1 of 2 reviews.*\[2\]"),
        ("a.jsonl", jsonl({"text": "good", "label": 1}, {"label": 0}), "text must not be empty; wrong in 1 of 2"),
        ("a.csv", b"text,label\n" + b"good,1\n" * 50, "train split needs both negative and positive"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        reviews.load(name, tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="phrases.*imdb or imdb_reviews. Received: imbd"):
        reviews.load("imbd", tmp_path)
    frame().to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(FileNotFoundError, match="lacks test.csv"):
        reviews.load(tmp_path)


def test_json_lines_may_begin_with_a_byte_order_mark(tmp_path):
    rows = jsonl({"text": "good", "label": 1}, {"text": "bad", "label": 0})
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + rows)
    assert list(reviews.read(tmp_path / "a.jsonl")["label"]) == [1, 0]


def test_validation_and_test_are_a_tenth_of_each_label(tmp_path):
    table = pd.DataFrame({"text": [f"review {i}" for i in range(400)], "label": [int(i % 20 == 0) for i in range(400)]})
    table.to_csv(tmp_path / "a.csv", index=False)
    splits = reviews.load("a.csv", tmp_path).splits
    assert [split["label"].sum() for split in splits.values()] == [16, 2, 2]
