"""Pictures and captions from every supported source, messages about those that do not match, and generated scenes."""

import gzip
import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from datasets import captions, generated_scenes, pictures

REAL = Path(__file__).resolve().parents[2] / "../shared/data/flickr8k"
rng = np.random.default_rng(0)


def jpeg(mode="RGB", size=(12, 8), kind="JPEG", **options):
    data = io.BytesIO()
    shade = rng.integers(0, 256, (size[1], size[0], len(Image.new(mode, (1, 1)).getbands())), dtype="uint8")
    Image.fromarray(shade.squeeze(), mode).save(data, kind, **options)
    return data.getvalue()


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


@pytest.mark.parametrize("name", ["missing.jpg", "missing.zip", "missing"])
def test_missing_pictures_are_an_error(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"No such file or folder: .*{name}. Pass a picture"):
        pictures.pictures_in(tmp_path / name)


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


@pytest.mark.parametrize(
    "mode, kind", [("L", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("LA", "PNG"), ("RGB", "GIF"), ("RGB", "WEBP")]
)
def test_every_mode_and_format_becomes_rgb(mode, kind):
    assert pictures.decoded("x", jpeg(mode, kind=kind)).shape == (8, 12, 3)


def test_transparency_16_bit_grey_and_orientation():
    data = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(data, "PNG")
    assert (pictures.decoded("x", data.getvalue()) == 255).all()
    data = io.BytesIO()
    Image.new("P", (4, 4), 0).save(data, "PNG", transparency=0)
    assert (pictures.decoded("x", data.getvalue()) == 255).all()
    data = io.BytesIO()
    Image.fromarray(np.full((4, 4), 257 * 100, "uint16")).save(data, "PNG")
    assert (pictures.decoded("x", data.getvalue()) == 100).all()
    turned = Image.new("RGB", (12, 8))
    exif = turned.getexif()
    exif[0x0112] = 6
    data = io.BytesIO()
    turned.save(data, "JPEG", exif=exif)
    assert pictures.decoded("x", data.getvalue()).shape == (12, 8, 3)


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
        (lambda p: (p / "captions.csv").unlink(), "A table of captions is missing: expected captions.csv or"),
        (lambda p: (p / "captions.csv").write_text("image,caption\n1.jpg,x"), "lacks the columns .'picture'."),
        (
            lambda p: (p / "captions.csv").write_text("picture,caption\n1.jpg,x\n2.jpg, "),
            "line 3: the caption is empty",
        ),
        (lambda p: (p / "captions.csv").write_bytes(b"\xff\xfe\x00"), "is not UTF-8 text"),
        (lambda p: (p / "captions.csv").write_text("picture,caption,split\n1.jpg,x,dev"), "Received: .'dev'."),
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


def test_a_damaged_member_of_an_archive_is_an_error_and_the_others_are_read(own):
    picture = jpeg()
    with zipfile.ZipFile(own / "pictures.zip", "w") as archive:
        archive.writestr("0.jpg", picture), archive.writestr("1.jpg", jpeg())
    data = (own / "pictures.zip").read_bytes()
    (own / "pictures.zip").write_bytes(data.replace(picture, picture[:-9] + b"?" * 9))
    arrays = dict(pictures.pictures_in(own / "pictures.zip").arrays(["0.jpg", "1.jpg"]))
    assert isinstance(arrays["0.jpg"], ValueError) and "0.jpg cannot be read" in str(arrays["0.jpg"])
    assert arrays["1.jpg"].shape == (8, 12, 3)


def test_invalid_exif_data_is_an_error():
    """Orientation 6, and a text as the width."""
    entries = [struct.pack("<HHI", 0x0100, 2, 4) + b"abc\0", struct.pack("<HHI", 0x0112, 3, 1) + b"\6\0\0\0"]
    exif = b"Exif\0\0II*\0\x08\0\0\0\2\0" + b"".join(entries) + b"\0" * 4
    with pytest.raises(ValueError, match="x is damaged"):
        pictures.decoded("x", jpeg(exif=exif))


def test_metadata_files_of_macos_in_an_archive_are_ignored(own):
    (own / "images").rename(own / "hidden")
    with zipfile.ZipFile(own / "images.zip", "w") as archive:
        for file in (own / "hidden").iterdir():
            archive.write(file, f"images/{file.name}")
            archive.writestr(f"__MACOSX/images/._{file.name}", b"Mac OS X")
    assert captions.load(str(own)).skipped == []


def test_two_pictures_with_the_same_name_in_an_archive_are_refused(own):
    (own / "images").rename(own / "hidden")
    with zipfile.ZipFile(own / "images.zip", "w") as archive:
        for file in (own / "hidden").iterdir():
            archive.write(file, f"images/{file.name}")
        archive.writestr("others/3.jpg", jpeg())
    with pytest.raises(ValueError, match="different file names.*3.jpg"):
        captions.load(str(own))


def test_a_picture_in_two_splits_is_refused(own):
    rows = [f"{i}.jpg,cat {i},{('train', 'validation', 'test')[i % 3]}" for i in range(10)]
    (own / "captions.csv").write_text("\n".join(["picture,caption,split", *rows, "3.jpg,a cat,test"]))
    with pytest.raises(ValueError, match="one split only.*3.jpg"):
        captions.load(str(own))


@pytest.mark.parametrize(
    "text, match",
    [
        ("", "captions.csv is not a valid table"),
        ("picture,caption\n1.jpg,a cat, asleep\n", "captions.csv is not a valid table.*unquoted comma"),
    ],
)
def test_an_invalid_table_of_captions_is_named(own, text, match):
    (own / "captions.csv").write_text(text)
    with pytest.raises(ValueError, match=match):
        captions.load(str(own))


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
