"""Pictures and captions from every supported source, messages about those that do not match, and generated scenes."""

import gzip
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from picture_files import jpeg

from datasets import captions, generated_scenes
from datasets.local import Reading

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"
REAL = Path(__file__).resolve().parents[2] / "../shared/data/flickr8k"


@pytest.fixture
def own(tmp_path):
    """A folder with ten pictures, two captions each."""
    (tmp_path / "images").mkdir()
    rows = ["picture,caption"]
    for i in range(10):
        (tmp_path / "images" / f"{i}.jpg").write_bytes(jpeg())
        rows += [f'{i}.jpg,"a cat, number {i}"', f"{i}.jpg,cat {i}"]
    (tmp_path / "captions.csv").write_text("\n".join(rows))
    return tmp_path


def test_a_folder_is_split_and_read(own):
    data = captions.load(str(own))
    assert {split: len(table) for split, table in data.splits.items()} == {"train": 8, "validation": 1, "test": 1}
    names = [name for table in data.splits.values() for name in table["name"]]
    assert sorted(names) == [f"{i}.jpg" for i in range(10)]
    first = data.splits["train"].iloc[0]
    number = first["name"].removesuffix(".jpg")
    assert first["captions"] == [f"a cat, number {number}", f"cat {number}"]
    arrays = dict(data.pictures.arrays(names))
    assert all(array.shape == (8, 12, 3) and array.dtype == "uint8" for array in arrays.values())
    other = captions.load("captions.csv", data_dir=own, seed=1)
    assert other.splits["test"]["name"].tolist() != data.splits["test"]["name"].tolist()
    assert other.checksum() != data.checksum() == captions.load(str(own)).checksum()


def test_a_table_with_tabs_and_a_split_column(own):
    rows = ["picture\tcaption\tsplit"]
    rows += [f"{i}.jpg\tcat {i}\t{('train', 'validation', 'test')[i % 3]}" for i in range(10)]
    (own / "captions.csv").unlink()
    with gzip.open(own / "captions.tsv.gz", "wt") as file:
        file.write("\n".join(rows))
    data = captions.load(str(own))
    assert data.splits["validation"]["name"].tolist() == ["1.jpg", "4.jpg", "7.jpg"]


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_pictures_in_archives_are_read_without_unpacking(own, kind):
    expected = dict(captions.load(str(own)).pictures.arrays(["3.jpg"]))["3.jpg"]
    path = own / f"images.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in (own / "images").iterdir():
                archive.write(file, f"../../deep/{file.name}")
    else:
        with tarfile.open(path, "w") as archive:
            archive.add(own / "images", "/root/pictures")
    (own / "images").rename(own / "hidden")
    data = captions.load(str(own))
    np.testing.assert_array_equal(dict(data.pictures.arrays(["3.jpg"]))["3.jpg"], expected)
    assert sorted(path.name for path in own.iterdir()) == ["captions.csv", "hidden", f"images.{kind}"]


def test_captions_and_pictures_that_do_not_match_are_named(own):
    (own / "images" / "3.jpg").unlink()
    (own / "images" / "new.png").write_bytes(jpeg(kind="PNG"))
    (own / "images" / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match="3.jpg: the picture is missing; new.png: the picture has no caption.*skip"):
        captions.load(str(own))
    data = captions.load(str(own), odd="skip")
    assert data.skipped == ["3.jpg: the picture is missing", "new.png: the picture has no caption"]
    assert "2 skipped" in data.described()
    assert sum(map(len, data.splits.values())) == 9


def test_captions_without_a_picture_are_skipped_in_a_given_split(own):
    rows = [f"{i}.jpg,cat {i},{('train', 'validation', 'test')[i % 3]}" for i in range(11)]
    (own / "captions.csv").write_text("\n".join(["picture,caption,split", *rows]))
    data = captions.load(str(own), odd="skip")
    assert data.skipped == ["10.jpg: the picture is missing"]
    assert data.splits["validation"]["name"].tolist() == ["1.jpg", "4.jpg", "7.jpg"]


def test_damaged_pictures_are_errors_with_their_name(own):
    (own / "images" / "0.jpg").write_bytes(jpeg(size=(60, 60))[:700])
    (own / "images" / "1.jpg").write_text("no picture at all")
    (own / "images" / "2.jpg").write_bytes(b"")
    arrays = dict(captions.load(str(own)).pictures.arrays(["0.jpg", "1.jpg", "2.jpg", "3.jpg"]))
    for name in ("0.jpg", "1.jpg", "2.jpg"):
        assert isinstance(arrays[name], ValueError) and f"{name} is" in str(arrays[name])
    assert arrays["3.jpg"].shape == (8, 12, 3)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda p: (p / "captions.csv").unlink(), "A table of captions is missing: expected captions.csv"),
        (
            lambda p: (p / "captions.csv").write_text("photograph,caption\n1.jpg,x"),
            "captions.csv: no column picture; name them so in a header.*Received: photograph, caption",
        ),
        (
            lambda p: (p / "captions.csv").write_text("picture,caption\n1.jpg,x\n2.jpg, "),
            "captions.csv, line 3: the caption has no word.*--skip-bad-rows",
        ),
        (lambda p: (p / "captions.csv").write_bytes(b"image,caption\n1.jpg,caf\xe9"), "line 2: not UTF-8.*--encoding"),
        (
            lambda p: (p / "captions.csv").write_text("picture,caption,split\n1.jpg,x,fold 2"),
            "line 2: split must be train, validation or test.*'fold 2'",
        ),
        (
            lambda p: (p / "captions.csv").write_text("picture,caption\nx.jpg,x"),
            "The pictures are missing: expected x.jpg",
        ),
        (
            lambda p: (p / "Flickr_8k.devImages.txt").write_text("1.jpg"),
            "only some of Flickr8k's lists: add Flickr_8k.trainImages.txt and Flickr_8k.testImages.txt",
        ),
        (lambda p: (p / "images").rename(p / "images.zip") and None, "images.zip"),
    ],
)
def test_files_that_cannot_be_used_are_named(own, change, message):
    change(own)
    if (own / "images.zip").is_dir():
        for path in (own / "images.zip").iterdir():
            path.unlink()
        (own / "images.zip").rmdir()
        (own / "images.zip").write_text("no archive")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        captions.load(str(own))


def test_missing_data_sets_are_an_error_with_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="use scenes .generated., flickr8k, coco, or a folder"):
        captions.load("nowhere", tmp_path)
    with pytest.raises(FileNotFoundError, match="Pass the folder that contains Flickr8k's captions"):
        captions.load("flickr8k", tmp_path)


@pytest.fixture
def flickr(tmp_path):
    (tmp_path / "Images").mkdir()
    lines = []
    for i in range(6):
        (tmp_path / "Images" / f"{i}.jpg").write_bytes(jpeg())
        lines += [f"{i}.jpg#{k}\tA dog {k} ." for k in range(5)]
    (tmp_path / "Flickr8k.token.txt").write_text("\n".join([*lines, "lost.jpg.1#0\tNo picture ."]) + "\n")
    for split, numbers in {"train": (0, 1, 2), "dev": (3,), "test": (4,)}.items():
        (tmp_path / f"Flickr_8k.{split}Images.txt").write_text("".join(f"{i}.jpg\n" for i in numbers))
    return tmp_path


def test_flickr8k_from_its_official_files(flickr):
    data = captions.load("flickr8k", flickr)
    assert {split: table["name"].tolist() for split, table in data.splits.items()} == {
        "train": ["0.jpg", "1.jpg", "2.jpg"],
        "validation": ["3.jpg"],
        "test": ["4.jpg"],
    }
    assert data.splits["test"]["captions"][0] == [f"A dog {k} ." for k in range(5)]
    assert data.skipped == [] and data.pictures.names == {f"{i}.jpg" for i in range(5)}
    (flickr / "Images" / "1.jpg").unlink()
    with pytest.raises(ValueError, match="1.jpg: the picture is missing"):
        captions.load("flickr8k", flickr)


def test_flickr8k_through_tfds(flickr, tmp_path):
    import tensorflow_datasets as tfds

    from datasets import flickr8k_builder

    builder = flickr8k_builder.Flickr8k(data_dir=tmp_path / "prepared")
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=flickr))
    examples = list(tfds.as_numpy(builder.as_dataset(split="train")))
    expected = dict(captions.load("flickr8k", flickr).pictures.arrays(["0.jpg", "1.jpg", "2.jpg"]))
    assert sorted(e["name"].decode() for e in examples) == sorted(expected)
    for example in examples:
        np.testing.assert_array_equal(example["image"], expected[example["name"].decode()])
        assert len(example["captions"]) == 5


@pytest.mark.skipif(not REAL.is_dir(), reason=f"{REAL} is missing")
def test_flickr8k_itself():
    data = captions.load("flickr8k", REAL)
    assert {split: len(table) for split, table in data.splits.items()} == {
        "train": 6000,
        "validation": 1000,
        "test": 1000,
    }
    assert all((table["captions"].map(len) == 5).all() for table in data.splits.values())
    shapes = {array.shape for _, array in data.pictures.arrays(data.splits["test"]["name"][:50])}
    assert shapes == {(160, 160, 3)}


# --------------------------------------------------------------------------------------------------------- scenes


def test_scenes_are_seeded_and_complete():
    sizes = {"train": 300, "validation": 30, "test": 30}
    tables, pictures = generated_scenes.generate(sizes)
    again = generated_scenes.generate(sizes)
    assert {name: len(table) for name, table in tables.items()} == sizes
    assert all((table["captions"].map(len) == 5).all() for table in tables.values())
    assert all(pictures[name].shape == (48, 48, 3) for table in tables.values() for name in table["name"])
    assert tables["test"].equals(again[0]["test"])
    assert all((pictures[name] == again[1][name]).all() for name in pictures)
    assert not tables["test"].equals(generated_scenes.generate(sizes, seed=1)[0]["test"])


def test_no_caption_of_the_test_split_is_in_training_but_all_its_words_are():
    tables, _ = generated_scenes.generate(captions.SIZES)
    texts = {name: {text for row in table["captions"] for text in row} for name, table in tables.items()}
    assert not texts["test"] & texts["train"] and not texts["validation"] & texts["train"]
    words = {name: {word for text in split for word in text.split()} for name, split in texts.items()}
    assert words["test"] <= words["train"]


def test_scenes_show_what_their_captions_describe():
    tables, pictures = generated_scenes.generate({"train": 400, "validation": 1, "test": 1})
    checked = 0
    for name, texts in zip(tables["train"]["name"], tables["train"]["captions"]):
        words = texts[0].split()
        if words[-4:-3] == ["left"] or "left of" in texts[0]:
            colours = [word for word in words if word in generated_scenes.COLOURS]
            if len({*colours}) == 2:
                positions = [
                    np.nonzero((pictures[name] == generated_scenes.COLOURS[colour]).all(-1))[1].mean()
                    for colour in colours
                ]
                assert positions[0] < positions[1] - 10
                checked += 1
    assert checked > 20


def test_metadata_files_of_macos_in_an_archive_are_ignored(own):
    (own / "images").rename(own / "hidden")
    with zipfile.ZipFile(own / "images.zip", "w") as archive:
        for file in (own / "hidden").iterdir():
            archive.write(file, f"images/{file.name}")
            archive.writestr(f"__MACOSX/images/._{file.name}", b"Mac OS X")
    assert captions.load(str(own)).skipped == []


@pytest.fixture
def two_of_one_name(own):
    """The ten pictures in an archive, and there another 3.jpg."""
    (own / "images").rename(own / "hidden")
    with zipfile.ZipFile(own / "images.zip", "w") as archive:
        for file in (own / "hidden").iterdir():
            archive.write(file, f"images/{file.name}")
        archive.writestr("others/3.jpg", jpeg(size=(9, 9)))
    return own


def test_a_name_of_two_pictures_is_asked_for(two_of_one_name):
    with pytest.raises(ValueError, match="3.jpg may be images/3.jpg or others/3.jpg: write the path"):
        captions.load(str(two_of_one_name))


def test_two_pictures_of_one_name_are_told_apart_by_their_folders(two_of_one_name):
    table = (two_of_one_name / "captions.csv").read_text().replace("3.jpg", "images/3.jpg") + "\nothers/3.jpg,a dog"
    (two_of_one_name / "captions.csv").write_text(table)
    arrays = captions.load(str(two_of_one_name)).pictures.arrays(["images/3.jpg", "others/3.jpg"])
    assert [array.shape[0] for _, array in arrays] == [8, 9]


def test_a_picture_in_two_splits_is_refused(own):
    rows = [f"{i}.jpg,cat {i},{('train', 'validation', 'test')[i % 3]}" for i in range(10)]
    (own / "captions.csv").write_text("\n".join(["picture,caption,split", *rows, "3.jpg,a cat,test"]))
    with pytest.raises(ValueError, match="one split only.*3.jpg"):
        captions.load(str(own))


@pytest.mark.parametrize("place", ["images", "Images", "photos", "val2014/deep", "Flicker8k_Dataset", "."])
@pytest.mark.parametrize("table", ["captions.csv", "annotations/captions.csv"])
def test_pictures_are_found_in_any_folder(own, place, table):
    expected = dict(captions.load(str(own)).pictures.arrays(["3.jpg"]))["3.jpg"]
    (own / "new" / place).mkdir(parents=True)
    (own / "new" / table).parent.mkdir(exist_ok=True)
    (own / "captions.csv").rename(own / "new" / table)
    for path in (own / "images").iterdir():
        path.rename(own / "new" / place / path.name)
    (own / "new/logo").mkdir()
    (own / "new/logo/logo.png").write_bytes(jpeg(kind="PNG"))
    for given in (own / "new", own / "new" / table):
        data = captions.load(str(given))
        assert len(data.pictures.names) == 10 and data.skipped == []
        np.testing.assert_array_equal(dict(data.pictures.arrays(["3.jpg"]))["3.jpg"], expected)
        assert f"pictures in {own / 'new'}" in data.understood[-1]


@pytest.mark.parametrize(
    "splits, expected, note",
    [
        ("train", (8, 1, 1), "test and validation: a tenth each of train"),
        ("train test", (4, 1, 5), "validation: a tenth each of train"),
        ("train val", (5, 3, 2), "test: half of validation"),
        ("Training dev TEST restval", (5, 3, 2), None),
    ],
)
def test_splits_that_are_missing_are_split_off(own, splits, expected, note):
    words = splits.split()
    rows = [f"{i}.jpg,cat {i},{words[i % len(words)]}" for i in range(10)]
    (own / "captions.csv").write_text("\n".join(["picture,caption,split", *rows]))
    data = captions.load(str(own))
    assert tuple(len(data.splits[split]) for split in ("train", "validation", "test")) == expected
    names = [name for table in data.splits.values() for name in table["name"]]
    assert len({*names}) == 10
    assert note is None or data.understood[-1].endswith(note)


def test_the_sets_of_coco_are_splits(own):
    (own / "annotations").mkdir()
    (own / "captions.csv").unlink()
    for name, numbers in {"train2017": range(6), "val2017": range(6, 10)}.items():
        (own / name).mkdir()
        for i in numbers:
            (own / f"images/{i}.jpg").rename(own / name / f"{i}.jpg")
        images = [{"id": 100 + i, "file_name": f"{i}.jpg"} for i in numbers]
        annotations = [{"image_id": 100 + i, "id": i, "caption": f"a cat, number {i}"} for i in numbers]
        content = json.dumps({"info": {}, "images": images, "annotations": annotations})
        (own / f"annotations/captions_{name}.json").write_text(content)
        (own / f"annotations/instances_{name}.json").write_text("{}")
    data = captions.load(str(own))
    assert {*data.splits["train"]["name"]} == {f"{i}.jpg" for i in range(6)}
    assert len(data.splits["validation"]) == len(data.splits["test"]) == 2
    alone = captions.load(str(own / "annotations/captions_train2017.json"))
    assert sum(map(len, alone.splits.values())) == 6 and alone.skipped == []  # val2017 is not of this set


def test_what_is_left_out_is_said(own):
    (own / "images" / "3.jpg").unlink()
    (own / "images" / "new.png").write_bytes(jpeg(kind="PNG"))
    (own / "captions.csv").write_text((own / "captions.csv").read_text() + "\n4.jpg,")
    data = captions.load(str(own), odd="skip", reading=Reading(skip_bad_rows=True))
    table, pictures = data.understood
    assert table == (
        f"{own}/captions.csv: picture from 'picture', caption from 'caption', "
        "1 rows left out (the caption has no word), 20 rows"
    )
    assert pictures == (
        f"pictures in {own}/images, test and validation: a tenth each of train, "
        "1 names without a picture, 1 pictures without a caption"
    )


@pytest.mark.parametrize("file", ["Flickr8k.token.txt", "captions.txt"])
def test_flickr8k_without_its_lists_is_split(flickr, file):
    for path in flickr.glob("Flickr_8k.*"):
        path.unlink()
    if file == "captions.txt":
        (flickr / "Flickr8k.token.txt").unlink()
        rows = ["image,caption", *(f"{i}.jpg,A dog {k} , asleep ." for i in range(6) for k in range(5))]
        (flickr / file).write_text("\n".join(rows))
    data = captions.load("flickr8k", flickr, odd="skip")
    assert [len(table) for table in data.splits.values()] == [4, 1, 1]
    assert data.splits["train"]["captions"].map(len).eq(5).all()
    assert captions.load(str(flickr), odd="skip").checksum() == data.checksum()


def test_a_folder_with_the_lists_is_split_as_they_say(flickr):
    assert captions.load(str(flickr)).checksum() == captions.load("flickr8k", flickr).checksum()
    (flickr / "Flickr8k_text").mkdir()
    for path in [*flickr.glob("*.txt")]:
        path.rename(flickr / "Flickr8k_text" / path.name)
    data = captions.load("flickr8k", flickr)
    assert [len(table) for table in data.splits.values()] == [3, 1, 1] and data.skipped == []


FORMS = "asked flickr8k unquoted coco excel quotes-join-rows subfolder token-file tsv-quotes".split()


@pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES} is missing")
@pytest.mark.parametrize("form", FORMS)
def test_every_form_in_which_people_have_captions_is_read(form):
    data = captions.load(str(CASES / (f"captions-kaggle/{form}" if form in FORMS[:3] else f"captions-{form}")))
    texts = [row for table in data.splits.values() for row in table["captions"]]
    assert len(texts) in (20, 40) and all(len(row) == 3 for row in texts) and data.skipped == []
    assert all(len(text) < 60 and text[0] in '"ATO' for row in texts for text in row)  # none holds other rows
    arrays = [array for _, array in data.pictures.arrays(data.pictures.names)]
    assert len(arrays) == len(texts) and all(array.shape == (64, 64, 3) for array in arrays)


def test_coco_is_read_as_tfds_prepared_it(tmp_path, monkeypatch):
    class Coco(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            texts = tfds.features.Sequence({"text": tfds.features.Text()})
            features = {"image": tfds.features.Image(), "image/filename": tfds.features.Text(), "captions": texts}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager):
            return {split: self._generate_examples(split) for split in ("train", "val", "test")}

        def _generate_examples(self, split):
            for i in range(3):
                texts = [{"text": f"{split} {i}"}, {"text": "a picture"}]
                picture = np.full((4, 6, 3), 10 * i, "uint8")
                yield i, {"image": picture, "image/filename": f"{split}{i}.png", "captions": texts}

    Coco(data_dir=tmp_path).download_and_prepare()
    monkeypatch.setattr(tfds, "builder", lambda name, data_dir: Coco(data_dir=data_dir))
    data = captions.load("coco", tmp_path)
    assert {split: len(table) for split, table in data.splits.items()} == dict.fromkeys(captions.SIZES, 3)
    validation = data.splits["validation"].set_index("name")["captions"]
    assert sorted(validation["val2.png"]) == ["a picture", "val 2"]
    arrays = dict(data.pictures.arrays(["val2.png", "test1.png"]))
    assert arrays["val2.png"].shape == arrays["test1.png"].shape == (4, 6, 3)
    assert (arrays["val2.png"] == 20).all() and (arrays["test1.png"] == 10).all()
