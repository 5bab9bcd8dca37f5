"""Reviews: generated, IMDB from its archive or its extracted folder, and files of the user's own."""

import gzip
import io
import json
import pathlib
import socket
import tarfile
import time
import zipfile

import hypothesis
import pandas as pd
import pytest
import tensorflow_datasets as tfds
from hypothesis import strategies as st

from datasets import generated_reviews, imdb_builder, review_folders, reviews
from datasets.reviews import Reading

SHARED = pathlib.Path(__file__).resolve().parents[2].parent / "shared"
IMDB = SHARED / "data" / "imdb"
CASES = SHARED / "cases"
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
    with tarfile.open(tmp_path / review_folders.ARCHIVE, "w:gz") as file:
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
    assert reviews.load(place).checksum() == reviews.load("imdb", place).checksum() == data.checksum()
    named = place / (review_folders.ARCHIVE if source == "archive" else review_folders.FOLDER)
    assert reviews.load(named).checksum() == data.checksum()
    assert reviews.load("imdb", named if source == "folder" else place).checksum() == data.checksum()
    assert {path.name for path in place.iterdir()} <= {review_folders.ARCHIVE, review_folders.FOLDER}  # nothing written


def test_a_local_copy_has_the_order_of_the_one_that_tfds_downloads(archive, monkeypatch):
    path = archive / review_folders.ARCHIVE
    monkeypatch.setattr(imdb_builder, "_checked", lambda _: path)
    monkeypatch.setattr(tfds.download.DownloadManager, "download", lambda self, url: url)
    monkeypatch.setattr(reviews.network, "require", lambda *arguments: None)
    downloaded = reviews.load("imdb", archive / "elsewhere")
    assert downloaded.checksum() == reviews.load("imdb", archive).checksum()
    assert list(downloaded.splits["unlabelled"]) == ["text"]


def test_a_changed_folder_is_read_anew(folder):
    before = reviews.load("imdb", folder)
    (folder / "aclImdb/test/pos/0_7.txt").write_text("another text")
    after = reviews.load("imdb", folder)
    assert "another text" in set(after.splits["test"]["text"]) and before.checksum() != after.checksum()


def test_half_a_set_a_cut_archive_and_a_page_are_one_line_and_leave_nothing_behind(archive, tmp_path):
    path = archive / review_folders.ARCHIVE
    whole = path.read_bytes()
    for content, message in [
        (whole[: len(whole) // 2], "cut short or damaged"),
        (b"<html>403</html>\n", "no archive but a page.*Received: begins with '<html>403</html>"),
        (b"", "cut short or damaged"),
    ]:
        path.write_bytes(content)
        for name in ("imdb", review_folders.ARCHIVE):
            with pytest.raises(ValueError, match=f"(?s)aclImdb_v1.tar.gz .*{message}"):
                reviews.load(name, archive)
        assert [p.name for p in archive.iterdir()] == [review_folders.ARCHIVE]
    path.unlink()
    for name, text in members():
        if "/test/" not in name:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text, encoding="utf-8")
    for name in ("imdb", "aclImdb", tmp_path):
        with pytest.raises(ValueError, match="half a set.* name .*/aclImdb/train as --data.*Received: train alone"):
            reviews.load(name, tmp_path)
    assert len(reviews.load(tmp_path / "aclImdb" / "train").splits["train"]) == 48


def test_a_damaged_copy_of_tfds_is_one_line(folder, archive, monkeypatch):
    prepared = archive / "elsewhere" / "imdb_stars" / "1.0.0"
    prepared.mkdir(parents=True)
    with pytest.raises(ValueError, match="IMDB could not be read from .*1.0.0; remove that folder"):
        reviews.load("imdb", archive / "elsewhere")


def test_imdb_of_tfds_has_no_stars(tmp_path, monkeypatch):
    rows = {"text": [b"good", b"bad"] * 20, "label": [1, 0] * 20}
    texts = [f"{text.decode()} {i}".encode() for i, text in enumerate(rows["text"])]

    class Builder:
        data_path = tmp_path

        def as_dataset(self, split, batch_size):
            return {"text": Tensor(texts), "label": Tensor(rows["label"])}

    class Tensor(list):
        def numpy(self):
            return pd.Series(self).to_numpy()

    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: {"imdb_reviews": Builder()}[name])
    data = reviews.load("imdb_reviews", tmp_path)
    assert list(data.splits["test"]) == ["text", "label"] and len(data.splits["test"]) == 40
    with pytest.raises(ValueError, match="the reviews have no ratings"):
        reviews.load("imdb_reviews", tmp_path, needs="rating")


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
def test_one_file_is_split_and_identical_texts_are_in_the_same_split(tmp_path, tmp_path_factory, monkeypatch, name):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))  # a file of this name where tests run is found first
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


def loaded(tmp_path, name, content, needs="label", **options):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return reviews.load(name, tmp_path, reading=Reading(**options), needs=needs)


def everything(data):
    """All reviews of a data set, in the order of their texts."""
    splits = [data.splits[name] for name in ("train", "validation", "test")]
    return pd.concat(splits).sort_values("text", ignore_index=True)


GOOD, BAD = [f"good film {i}, really" for i in range(20)], [f"bad film {i}, really" for i in range(20)]


def lines(form, good="1", bad="0"):
    """A line for each review, good and bad in turn."""
    pairs = zip([*GOOD, *BAD], [good] * 20 + [bad] * 20)
    return "\n".join(form.format(text=text, label=label) for text, label in sorted(pairs, key=lambda p: p[0][-12:]))


@pytest.mark.parametrize(
    "name, content, understood",
    [
        ("imdb.csv", "review,sentiment\n" + lines('"{text}",{label}', "positive", "negative"), "texts from 'review'"),
        ("capital.csv", "Text,Label\n" + lines('"{text}",{label}', "Positive", "NEGATIVE"), "labels from 'Label'"),
        ("sst.tsv", "sentence\tlabel\n" + lines("{text}\t{label}"), "separated by tabs"),
        ("excel.csv", "\ufefftext;label\r\n" + lines("{text};{label}").replace("\n", "\r\n"), "by semicolons"),
        ("yelp.csv", lines('"{label}","{text}"', 2, 1), "no header, labels in column 1, 1 negative and 2 positive"),
        ("last.csv", lines('"{text}",{label}', 2, 1), "no header, labels in column 2, 1 negative and 2 positive"),
        ("train.ft.txt", lines("__label__{label} {text}", 2, 1), "fastText, 1 negative and 2 positive"),
        ("words.txt", lines("__label__{label} {text}", "pos", "neg"), "fastText"),
        ("signs.csv", "text,label\n" + lines('"{text}",{label}', "+1", "-1"), "-1 negative and 1 positive"),
        ("s140.csv", "polarity,text\n" + lines('{label},"{text}"', 4, 0), "0 negative and 4 positive"),
        (
            "bool.jsonl",
            lines('{{"content": "{text}", "label": {label}}}', "true", "false"),
            "JSON, texts from 'content'",
        ),
        ("array.json", "[" + lines('{{"text": "{text}", "label": {label}}}').replace("\n", ",") + "]", "JSON"),
        ("float.jsonl", lines('{{"text": "{text}", "label": {label}}}', 1.0, 0.0), "JSON"),
        (
            "stars.csv",
            "Score,Summary,Text\n" + lines('{label},x,"{text}"', 5, 2),
            "ratings 2 to 5 from 'Score', labels",
        ),
        ("of_ten.csv", "score,body\n" + lines('{label},"{text}"', 10, 2), "positive from above 5.5"),
    ],
)
def test_forms_of_files(tmp_path, name, content, understood):
    data = loaded(tmp_path, name, content)
    (line,) = data.understood
    assert understood in line and line.endswith("40 rows")
    table = everything(data)
    assert list(table["text"]) == sorted([*GOOD, *BAD])
    assert list(table["label"]) == [0] * 20 + [1] * 20
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress((tmp_path / name).read_bytes()))
    assert reviews.load(packed).checksum() == data.checksum()
    with zipfile.ZipFile(packed, "w") as file:
        file.write(tmp_path / name, "inside.txt")
    assert reviews.load(packed).checksum() == data.checksum()


def test_flags_override_what_is_found_out(tmp_path):
    content = "review,body,stars,mood,score\n" + lines('no text,"{text}",9,{label},{label}', "glad", "sad")
    chosen = {"text_column": "Body", "label_column": "mood", "labels": "sad,glad"}
    table = everything(loaded(tmp_path, "a.csv", content, **chosen))
    assert list(table["label"]) == [0] * 20 + [1] * 20 and list(table["text"]) == sorted([*GOOD, *BAD])
    named = loaded(tmp_path, "b.csv", lines('{label},x,y,"{text}"', 4, 0), columns=("target", "id", "user", "text"))
    assert list(everything(named)["label"]) == list(table["label"])
    rated = "label,text\n" + lines('{label},"{text}"', 5, 2)
    assert set(everything(loaded(tmp_path, "c.csv", rated, "rating", rating_column="label"))["rating"]) == {2, 5}
    latin = ("text,label\n" + lines('"{text} für",{label}')).encode("cp1252")
    assert everything(loaded(tmp_path, "d.csv", latin, encoding="cp1252"))["text"][0] == "bad film 0, really für"


def test_labels_from_the_ratings_of_both_halves_of_a_scale(tmp_path):
    content = "stars,text\n" + "".join(f"{1 + i % 5},film number {i}\n" for i in range(200))
    data = loaded(tmp_path, "a.csv", content)
    table = everything(data)
    assert len(table) == 160 and (table["label"] == (table["rating"] > 3)).all()
    assert "labels from ratings, positive from above 3, 40 rows of 3 left out" in data.understood[0]
    four = content.replace("5,", "4,")
    with pytest.raises(ValueError, match="the scale is needed: name it with --scale.*at most 4"):
        loaded(tmp_path, "b.csv", four)
    assert set(everything(loaded(tmp_path, "b.csv", four, scale="1-4")).query("label == 1")["rating"]) == {3, 4}


def rated(*ratings, form="{}"):
    return "text,rating\n" + "".join(f"film {i},{form.format(ratings[i % len(ratings)])}\n" for i in range(100))


@pytest.mark.parametrize(
    "ratings, form, options, numbers, understood",
    [
        ((1, 2, 5), "{}", {}, [1, 2, 5], "ratings 1 to 5,"),
        ((1.0, 2.0, 5.0), "{}", {}, [1, 2, 5], "ratings 1 to 5,"),
        ((0.5, 3, 4.5), "{}", {}, [0.5, 3, 4.5], "ratings 0.5 to 4.5, half stars too"),
        ((0, 1, 4), "{}", {"scale": "0-4"}, [0, 1, 4], "ratings 0 to 4"),
        ((20, 35, 95), "{}", {"scale": "0-100"}, [20, 35, 95], "ratings 20 to 95"),
        ((2, 3, 5), "{}/5", {"scale": "1-5"}, [2, 3, 5], "ratings 2 to 5"),
        ((2, 3, 5), "{} stars", {"scale": "1 - 5"}, [2, 3, 5], "ratings 2 to 5"),
        (("1,5", "3,0"), '"{}"', {}, [1.5, 3], "half stars"),
    ],
)
def test_forms_of_ratings(tmp_path, ratings, form, options, numbers, understood):
    data = loaded(tmp_path, "a.csv", rated(*ratings, form=form), "rating", **options)
    assert understood in data.understood[0] + ","
    for split in data.splits.values():
        assert sorted(set(split["rating"])) == numbers
        assert split["rating"].dtype == ("int64" if all(n == int(n) for n in numbers) else "float64")
    assert list(data.splits["train"]) == ["text", "rating"]  # no label is needed


@pytest.mark.parametrize(
    "content, options, message",
    [
        (
            rated(20, 35, 95),
            {},
            "line 2: from which to which rating does the scale go.*--scale 1-5 or 0-100. Received: 20",
        ),
        (rated(0, 1, 4), {}, "line 2: from which to which.*Received: 0"),
        (rated(2, 3, form="{}/5"), {}, "--scale.*Received: 2/5"),
        (rated(2, 3, form="{} stars"), {}, "--scale.*Received: 2 stars"),
        (rated(3.7, 4), {}, "--scale.*Received: 3.7"),
        (rated(4, "good"), {}, "line 3 .and 49 more rows.: a rating must be a number.*--skip-bad-rows. Received: good"),
        (rated(2, 3, form="{}/5"), {"scale": "1-10"}, "a rating must be from 1 to 10.*Received: 2/5"),
        (rated(2, 7), {"scale": "1-5"}, "line 3 .*a rating must be from 1 to 5.*Received: 7"),
        (rated(2, 7), {"scale": "5"}, "--scale needs the lowest and the highest rating, such as 1-5. Received: 5"),
        ("text,label\ngood,1\nbad,0\n", {}, "no column rating; name it with --rating-column. Received: text, label"),
    ],
)
def test_ratings_that_are_asked_for_or_refused(tmp_path, content, options, message):
    with pytest.raises(ValueError, match=f"a.csv.*{message}|{message}"):
        loaded(tmp_path, "a.csv", content, "rating", **options)


def test_what_is_not_needed_is_left_out_if_it_is_not_understood(tmp_path):
    content = "label,rating,text\n" + lines('{label},3/5,"{text}"')
    data = loaded(tmp_path, "a.csv", content)
    assert list(data.splits["train"]) == ["text", "label"] and "ratings not used" in data.understood[0]
    content = "label,rating,text\n" + lines('{text},{label},"{text}"', 5, 1).replace(", really,", ",")
    data = loaded(tmp_path, "b.csv", content, "rating")
    assert list(data.splits["train"]) == ["text", "rating"]
    assert list(loaded(tmp_path, "c.csv", "text\n" + lines('"{text}"'), "text").splits["train"]) == ["text"]
    content = "label,rating,text\n" + lines('neutral,{label},"{text}"', 5, 1) + "\npositive,2,so so\n"
    assert len(everything(loaded(tmp_path, "d.csv", content, "rating", skip_bad_rows=True))) == 41
    content = "label,rating,text\n" + lines('{label},,"{text}"') + "\n1,2,so so\n"
    assert len(everything(loaded(tmp_path, "e.csv", content, skip_bad_rows=True))) == 41


def test_rows_without_a_text_are_counted_and_others_are_left_out_with_a_flag(tmp_path):
    rows = [{"reviewText": text, "overall": 5.0} for text in GOOD] + [
        {"reviewText": text, "overall": 1} for text in BAD
    ]
    data = loaded(tmp_path, "a.json", jsonl({"overall": 5.0}, {"reviewText": None, "overall": 1}, *rows), "rating")
    assert len(everything(data)) == 40
    assert (
        "texts from 'reviewText', 2 rows without a text left out, ratings 1 to 5 from 'overall', 40 rows"
        in (data.understood[0])
    )
    content = "text,label\n" + lines('"{text}",{label}') + "\nso so,neutral\nwell,\n"
    with pytest.raises(
        ValueError, match="line 42 .and 1 more rows.: a label must be.*--skip-bad-rows. Received: neutral"
    ):
        loaded(tmp_path, "b.csv", content)
    data = loaded(tmp_path, "b.csv", content, skip_bad_rows=True)
    assert len(everything(data)) == 40 and "2 rows left out (a label must be negative or positive" in data.understood[0]
    three = "text,label\n" + lines('"{text}",{label}', 4, 0) + "\nso so,2\n"
    assert len(everything(loaded(tmp_path, "c.csv", three, skip_bad_rows=True))) == 40
    named = "text,label\n" + lines('"{text}",{label}', 2, 0) + "\nso so,1\n"
    assert len(everything(loaded(tmp_path, "d.csv", named, skip_bad_rows=True, labels="0,2"))) == 40


def test_sets_of_files_have_one_meaning_of_labels(tmp_path):
    (tmp_path / "train.csv").write_text("label,text\n" + lines('{label},"{text}"', 2, 1))
    (tmp_path / "test.tsv").write_text("label\ttext\n1\tbad\n2\tgood\n1\tworse\n")
    data = reviews.load(tmp_path)
    assert list(data.splits["test"]["label"]) == [0, 1, 0] and len(data.understood) == 2


def test_folders_and_files_named_pos_and_neg(tmp_path):
    for kind, texts in {"pos": GOOD, "neg": BAD}.items():
        (tmp_path / "a" / kind).mkdir(parents=True)
        for i, text in enumerate([*texts, " "]):
            (tmp_path / "a" / kind / f"cv{i}.txt").write_text(text)
    data = reviews.load("a", tmp_path)
    assert list(everything(data)["label"]) == [0] * 20 + [1] * 20
    assert list(data.splits["train"]) == ["text", "label"]
    assert data.understood[0].endswith("a file each, 40 reviews, 2 empty files left out")
    with pytest.raises(ValueError, match="no ratings"):
        reviews.load("a", tmp_path, needs="rating")
    (tmp_path / "b").mkdir()
    for kind, texts in {"pos": GOOD, "neg": BAD}.items():
        (tmp_path / "b" / f"rt-polarity.{kind}").write_bytes("\n".join([*texts, "", "\xe9"]).encode("cp1252"))
    with pytest.raises(ValueError, match="rt-polarity.neg, line 22: not UTF-8.*--encoding"):
        reviews.load("b", tmp_path)
    data = reviews.load("b", tmp_path, reading=Reading(encoding="cp1252"))
    assert data.understood[0].endswith("rt-polarity.pos: a review in each line, 21 negative, 21 positive")


def test_a_folder_that_holds_one_thing_is_that_thing(tmp_path):
    (tmp_path / "inner" / "deeper").mkdir(parents=True)
    (tmp_path / "inner" / "deeper" / "IMDB Dataset.csv").write_text("review,sentiment\n" + lines('"{text}",{label}'))
    assert len(everything(reviews.load(tmp_path))) == 40
    (tmp_path / "inner" / "deeper" / "other.csv").write_text("")
    with pytest.raises(FileNotFoundError, match="train and test .*are needed.*Received: IMDB Dataset.csv, other.csv"):
        reviews.load(tmp_path)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.csv", b"text,stars\ngood,9\n", "the scale is needed: name it with --scale"),
        ("a.csv", b"text,views\ngood,9\n", "no column label; name it with --label-column, or.*Received: text, views"),
        ("a.csv", b"words,label\ngood,1\n", "no column text; name it with --text-column. Received: words, label"),
        ("a.csv", b"text,label\n ,1\n,0\n", "texts are needed. Received: 2 rows without a text"),
        ("a.csv", b"text,label\ngood,1\nbad,maybe\n", "line 3: a label must be negative or positive.*Received: maybe"),
        ("a.csv", b"text,label\na,0\nb,1\nc,2\n", "which label is negative.*--labels.*--rating-column.*: 0, 1, 2"),
        ("a.csv", b"text,label\na,ham\nb,spam\n", "--labels NEGATIVE,POSITIVE.*Received: ham, spam"),
        (
            "a.csv",
            b"a,b\ngood,1\nbad,0\n",
            "no column has a name that is known here.*--columns label,text. Received: a, b",
        ),
        ("a.csv", b"0,1,x,good\n4,2,x,bad\n", "name all 4 columns with --columns"),
        ("a.csv", "text,label\ngroß,1\n".encode("latin-1"), "line 2: not UTF-8. Name.*--encoding"),
        ("a.csv", b"", "an empty file"),
        ("a.csv.gz", gzip.compress(b"text,label\ngood,1\n" * 99, mtime=0)[:-9], "damaged"),
        ("a.jsonl", b'{"text": "good", "label": 1}\nbroken\n', "line 2: not valid JSON"),
        (
            "a.csv",
            b"text,label\nI loved it, all of it,1\nI hated it, all of it,0\n",
            "line 2 .*a row must have 2 fields",
        ),
        ("a.jsonl", jsonl({"text": "good", "label": 1}, {"text": "bad"}), "line 2: a label must be"),
        ("a.csv", b"text,label\n" + b"good,1\n" * 50, "train split needs both negative and positive"),
        ("a.txt", b"__label__1 good\n__label__2 __label__3 bad\n", "line 2: a line must have one __label__ and a text"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"(?s)a[.].*{message}|{message}"):
        reviews.load(name, tmp_path)


def test_quotation_marks_swallow_no_rows(tmp_path):
    rows = [f"{i % 2},{chr(34) if i in (4, 9) else ''}the film in part {i}" for i in range(60)]
    assert len(everything(loaded(tmp_path, "a.csv", "\n".join(["label,text", *rows])))) == 60


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="phrases.*imdb or imdb_reviews. Received: imbd"):
        reviews.load("imbd", tmp_path)
    frame().to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(FileNotFoundError, match="lacks test .*name a single file as --data.*train.csv alone"):
        reviews.load(tmp_path)
    (tmp_path / "train.jsonl").write_text("{}")
    with pytest.raises(ValueError, match="two files may be the train split.*Received: train.csv, train.jsonl"):
        reviews.load(tmp_path)
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError, match="an empty folder"):
        reviews.load(tmp_path / "none")


def test_a_half_character_of_json_is_replaced(tmp_path):
    content = "\n".join(f'{{"text": "\\ud83d {i}", "label": {i % 2}}}' for i in range(40))
    assert everything(loaded(tmp_path, "a.jsonl", content))["text"][0] == "? 0"


# ------------------------------------------------------------------------------------------------- other people's


READ, REFUSED = "read", "refused"
BEHAVIOUR = {  # of a file for a need, its flags, and a part of the line that is printed
    ("reviews-review-sentiment/IMDB-like.csv", "label"): (READ, {}, "labels from 'sentiment', 240 rows"),
    ("reviews-amazon/reviews_5.json", "rating"): (READ, {}, "2 rows without a text left out, ratings 1 to 5"),
    ("reviews-amazon/renamed.jsonl", "rating"): (READ, {}, "ratings 1 to 5"),
    ("reviews-amazon/renamed.jsonl", "label"): (READ, {}, "labels from ratings"),
    ("reviews-amazon/renamed_missing.jsonl", "label"): (READ, {}, "2 rows without a text left out"),
    ("reviews-no-header/train.csv", "label"): (READ, {}, "no header, labels in column 1"),
    ("reviews-no-header/with_header.csv", "label"): (READ, {}, "1 negative and 2 positive"),
    ("reviews-tsv/train.tsv", "label"): (READ, {}, "separated by tabs"),
    ("reviews-tsv/text_label.tsv", "label"): (READ, {}, "separated by tabs"),
    ("reviews-excel/excel.csv", "label"): (REFUSED, {}, "line 2: not UTF-8. Name the file's encoding with --encoding"),
    ("reviews-excel/excel.csv", "text"): (READ, {"encoding": "cp1252"}, "in cp1252, separated by semicolons"),
    ("reviews-excel/excel_utf8.csv", "label"): (READ, {}, "separated by semicolons"),
    ("reviews-unquoted/unquoted.csv", "label"): (REFUSED, {}, "line 2 .*a row must have 2 fields"),
    ("reviews-unquoted/unquoted_last_label.csv", "label"): (REFUSED, {}, "line 5 .*a row must have 2 fields"),
    ("reviews-fasttext/train.ft.txt", "label"): (READ, {}, "fastText"),
    ("reviews-odd-ratings/half.csv", "rating"): (READ, {}, "ratings 1.5 to 5, half stars too"),
    ("reviews-odd-ratings/hundred.csv", "rating"): (REFUSED, {}, "--scale"),
    ("reviews-odd-ratings/of5.csv", "rating"): (REFUSED, {}, "--scale"),
    ("reviews-odd-ratings/words.csv", "rating"): (REFUSED, {}, "--scale"),
    ("reviews-odd-ratings/zero_based.csv", "rating"): (REFUSED, {}, "--scale"),
    ("reviews-capital-names/capital.csv", "label"): (READ, {}, "texts from 'Text', labels from 'Label'"),
    ("reviews-capital-names/Reviews.csv", "rating"): (READ, {}, "ratings 1 to 5 from 'Score'"),
    ("reviews-capital-names/Reviews.csv", "label"): (READ, {}, "ratings 1 to 5 from 'Score'"),
    ("reviews-broken-archives/cut", "label"): (REFUSED, {}, "cut short"),
    ("reviews-broken-archives/html", "label"): (REFUSED, {}, "no archive but a page"),
    ("reviews-broken-archives/trainonly", "label"): (REFUSED, {}, "half a set"),
    ("reviews-quotes-join-rows/label_text.csv", "label"): (READ, {}, "120 rows"),
}


@pytest.mark.skipif(not CASES.is_dir(), reason="the folder ../shared/cases with files of other people is missing")
@pytest.mark.parametrize(("name", "needs"), BEHAVIOUR)
def test_files_of_other_people(name, needs):
    should, options, line = BEHAVIOUR[name, needs]
    load = lambda: reviews.load(CASES / name, reading=Reading(**options), needs=needs)
    if should == REFUSED:
        with pytest.raises(ValueError, match=line):
            load()
    else:
        data = load()
        assert line in data.understood[0]
        assert all(len(split) > 9 for split in data.splits.values())


# ---------------------------------------------------------------------------------------------------- any content


CELLS = st.one_of(
    st.sampled_from(
        ["text", "label", "rating", "0", "1", "2", "-1", "4.5", "positive", "neg", "3/5", "", '"', "good, bad"]
    ),
    st.text(max_size=8),
)
TEXTS = st.builds(
    lambda rows, separator: "\n".join(separator.join(row) for row in rows),
    st.lists(st.lists(CELLS, min_size=1, max_size=3), max_size=12),
    st.sampled_from([",", ";", "\t"]),
)
RECORDS = st.lists(
    st.dictionaries(
        st.sampled_from(["text", "label", "stars"]),
        st.one_of(st.none(), st.booleans(), st.integers(-2, 6), st.floats(), st.text(max_size=5), st.lists(st.none())),
    ),
    max_size=12,
)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    content=st.one_of(
        st.binary(max_size=60),
        TEXTS.map(str.encode),
        st.builds(lambda body: f"text,label,rating\n{body}".encode(), TEXTS),
        RECORDS.map(lambda records: json.dumps(records).encode()),
        st.builds(lambda body: b"__label__" + body, st.binary(max_size=30)),
    ),
    needs=st.sampled_from(["label", "rating", "text"]),
    options=st.fixed_dictionaries(
        {},
        optional={
            "skip_bad_rows": st.booleans(),
            "scale": st.just("1-5"),
            "labels": st.sampled_from(["0,1", "x"]),
            "encoding": st.just("utf-16"),
        },
    ),
)
def test_any_content_is_read_or_refused_in_the_projects_own_words(content, needs, options, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    try:
        data = loaded(folder, "any", content, needs, **options)
    except ValueError as error:
        assert type(error) is ValueError and not str(error).startswith("Received")
        assert any(word in str(error) for word in ("any", "split needs", "--labels", "--scale"))
    else:
        assert needs in data.splits["train"] and len(data.splits["train"])


def test_validation_and_test_are_a_tenth_of_each_label(tmp_path):
    table = pd.DataFrame({"text": [f"review {i}" for i in range(400)], "label": [int(i % 20 == 0) for i in range(400)]})
    table.to_csv(tmp_path / "a.csv", index=False)
    splits = reviews.load("a.csv", tmp_path).splits
    assert [split["label"].sum() for split in splits.values()] == [16, 2, 2]


def test_where_ratings_are_needed_a_tenth_of_each_is_held_out_and_rare_ones_stay_in_training(tmp_path):
    ratings = [1] * 200 + [2] * 20 + [3] * 4
    rows = [f"film {i},1,{rating}" for i, rating in enumerate(ratings)]
    splits = loaded(tmp_path, "a.csv", "\n".join(["text,label,rating", *rows]), "rating").splits
    counts = {name: split["rating"].value_counts().to_dict() for name, split in splits.items()}
    assert counts == {"train": {1: 160, 2: 16, 3: 4}, "validation": {1: 20, 2: 2}, "test": {1: 20, 2: 2}}
