"""Captions are read from tables, JSON and Flickr8k's files as people have them, or refused in one line."""

import gzip
import json
import zipfile

import hypothesis
import pytest
from hypothesis import strategies as st

from datasets import caption_files
from datasets.local import Reading

KARPATHY = {
    "dataset": "coco",
    "images": [
        {"filename": "1.jpg", "filepath": "val2014", "split": "restval", "sentences": [{"raw": "A cat"}, {"raw": "b"}]},
        {"filename": "2.jpg", "filepath": "val2014", "split": "val", "sentences": [{"raw": "A dog"}]},
    ],
}
COCO = {
    "images": [{"id": 7, "file_name": "1.jpg"}, {"id": 8, "file_name": "2.jpg"}],
    "annotations": [{"image_id": i, "caption": c} for i, c in [(7, "A cat"), (8, "A dog"), (7, "b")]],
}


def rows(path, **options):
    return [tuple(row) for row in caption_files.read(path, Reading(**options)).cells.to_numpy()]


def written(folder, content, name="file"):
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder / name


@pytest.mark.parametrize(
    "content",
    [
        "picture,caption\n1.jpg,A cat\n2.jpg,A dog\n",
        "\ufeffimage;caption\r\n1.jpg;A cat\r\n2.jpg;A dog\r\n\r\n",
        "image_name| comment_number| comment\n1.jpg| 0| A cat\n2.jpg| 0| A dog",
        ",Filename,Description\n0,1.jpg,A cat\n1,2.jpg,A dog\n",
        "caption\tfile_name\tid\nA cat\t1.jpg\t5\nA dog\t2.jpg\t6\n",
        "1.jpg#0\tA cat\n2.jpg#0\tA dog\n",
        "image,caption\n1.jpg#0,A cat\n2.jpg#0,A dog\n",
        "1.jpg\tA cat\n2.jpg\tA dog\n",
        '{"file_name": "1.jpg", "text": "A cat"}\n{"file_name": "2.jpg", "text": "A dog"}\n',
        '[{"image": "1.jpg", "caption": "A cat"}, {"image": "2.jpg", "caption": ["A dog"]}]',
        '{"1.jpg": ["A cat"], "2.jpg": "A dog"}',
        "image,caption\n1.jpg,A cat\n2.jpg,A dog\n".encode("utf-16"),
        gzip.compress(b"image,caption\n1.jpg,A cat\n2.jpg,A dog\n", mtime=0),  # the same id in every process
    ],
)
def test_every_form_gives_the_same_rows(tmp_path, content):
    assert rows(written(tmp_path, content)) == [("1.jpg", "A cat"), ("2.jpg", "A dog")]


def test_json_of_coco_and_of_karpathy(tmp_path):
    path = written(tmp_path, json.dumps(COCO))
    assert rows(path) == [("1.jpg", "A cat"), ("2.jpg", "A dog"), ("1.jpg", "b")]
    assert caption_files.read(path).understood() == f"{path}: JSON as COCO's, 3 rows"
    assert rows(written(tmp_path, json.dumps(KARPATHY))) == [
        ("val2014/1.jpg", "A cat", "train"),
        ("val2014/1.jpg", "b", "train"),
        ("val2014/2.jpg", "A dog", "validation"),
    ]


def test_captions_keep_their_commas_and_quotation_marks(tmp_path):
    text = 'image,caption\n1.jpg,A cat , black , asleep\n2.jpg,"A dog, awake"\n'
    assert rows(written(tmp_path, text)) == [("1.jpg", "A cat , black , asleep"), ("2.jpg", "A dog, awake")]
    begun = text.replace('"A dog, awake"', '"Rex" , a dog')
    assert rows(written(tmp_path, begun))[1] == ("2.jpg", '"Rex" , a dog')
    token = '1.jpg#0\t"A cat\n1.jpg#1\tB , "c"\n2.jpg#0\tA dog"\n'
    assert rows(written(tmp_path, token)) == [("1.jpg", '"A cat'), ("1.jpg", 'B , "c"'), ("2.jpg", 'A dog"')]


def test_a_user_can_say_how_to_read(tmp_path):
    text = "A café|1.jpg|x\nA dog|2.jpg|y\n".encode("cp1252")
    options = {"separator": "pipe", "encoding": "cp1252", "columns": ("caption", "picture", "number")}
    assert rows(written(tmp_path, text), **options) == [("1.jpg", "A café"), ("2.jpg", "A dog")]
    strange = "foto,image\n1.jpg,A cat\n"
    assert rows(written(tmp_path, strange), columns=("picture", "caption")) == [("1.jpg", "A cat")]


@pytest.mark.parametrize(
    "content, message",
    [
        ("image,caption\n1.jpg,A cat\n2.jpg,\n", "line 3: the caption has no word"),
        ("image,caption\n1.jpg,A cat\n2.jpg,...\n", "line 3: the caption has no word"),
        ("image,caption\n1.jpg,A cat\n ,A dog\n", "line 3: the picture's name is missing"),
        ("image| n| comment\n1.jpg| 0| A cat\n2.jpg| 4   A dog\n", "line 3: the caption has no word.*4 A dog"),
        ("image,caption,split\n1.jpg,A cat,train\n2.jpg,A dog,fold\n", "line 3: split must be train.*fold"),
        ("1.jpg#0\tA cat\n2.jpg A dog\n", "line 2: NAME#NUMBER, a tab and a caption are needed.*2.jpg A dog"),
        ('{"image": "1.jpg", "caption": "a"}\n{"image": "1.jpg", "caption": ["a", 3]}\n', "line 2: the caption has no"),
    ],
)
def test_bad_rows_are_refused_or_counted(tmp_path, content, message):
    path = written(tmp_path, content)
    with pytest.raises(ValueError, match=f"{message}.*") as caught:
        caption_files.read(path)
    assert "--skip-bad-rows" in str(caught.value) and "\n" not in str(caught.value)
    table = caption_files.read(path, Reading(skip_bad_rows=True))
    assert len(table.cells) == 1 and "1 rows left out" in table.understood()


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "a table is needed. Received: an empty file"),
        ("<html>\n<body>404</body>", "no column picture and no column caption.*--columns.*<html>"),
        ("foto,beschreibung\n1.jpg,x\n", "no column picture.*Received: no header, and first, foto, beschreibung"),
        ("title,caption\n1.jpg,x\n", "no column picture.*Received: title, caption"),
        ('{"images": 3}', "images must be a list of objects. Received: 3"),
        ('{"images": [{"filename": "1.jpg"}]}', "images, record 1: an object with filename and sentences"),
        ('{"annotations": [{"image_id": 1}], "images": []}', "annotations, record 1: an object with image_id and"),
        (json.dumps(COCO | {"images": COCO["images"][:1]}), "annotations, record 2: its image_id is not among"),
        ('{"a": 1}', "JSON as COCO's.*is needed. Received: {"),
        ("{}", "JSON as COCO's"),
        ('{"a": "\\ud800"}', "the caption has no word"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as caught:
        caption_files.read(written(tmp_path, content))
    assert "\n" not in str(caught.value) and str(tmp_path / "file") in str(caught.value)


NAMED = ["image", "caption", "split", "1.jpg", "#0", "\t", ",", "\n", '"', "{", "}", "[", "]", ":", " ", "a", "|", ";"]
VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["images", "annotations", "id", "file_name", "filename", "image_id", "sentences", "raw", "split"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@hypothesis.settings(
    max_examples=250, deadline=None, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(
    content=st.binary(max_size=60)
    | st.lists(st.sampled_from(NAMED), max_size=30).map("".join)
    | st.lists(st.lists(st.sampled_from(NAMED), max_size=6).map("".join)).map(
        lambda lines: "a#0\tb\n" + "\n".join(lines)
    )
    | VALUES.map(json.dumps),
    skip=st.booleans(),
)
def test_any_file_gives_captions_or_a_value_error(tmp_path, content, skip):
    try:
        table = caption_files.read(written(tmp_path, content), Reading(skip_bad_rows=skip))
    except ValueError as error:
        assert str(tmp_path) in str(error)
    else:
        assert len(table.cells) and table.cells.map(lambda value: isinstance(value, str) and value != "").all(axis=None)


# ------------------------------------------------------------------------------------------------------------ finding


@pytest.mark.parametrize(
    "names, found",
    [
        ("captions.txt readme.txt", "captions.txt"),
        ("Captions.CSV other.csv", "Captions.CSV"),
        ("captions.tsv.gz captions_old.txt", "captions.tsv.gz"),
        ("results.csv captions.csv", "captions.csv"),
        ("notes.txt annotations/captions_val2014.json annotations/instances_val2014.json", "captions_val2014.json"),
        ("dataset_flickr30k.json licence.txt", "dataset_flickr30k.json"),
        ("train/metadata.jsonl", "metadata.jsonl"),
        ("my-captions.csv README.txt picture.jpg", "my-captions.csv"),
        ("Flickr8k_text/Flickr8k.token.txt Flickr8k_text/Flickr_8k.trainImages.txt", "Flickr8k.token.txt"),
    ],
)
def test_the_file_of_captions_is_found(tmp_path, names, found):
    for name in names.split():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in caption_files.find(tmp_path)] == [found]


def test_a_file_alone_in_an_archive_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "captions.csv.zip", "w") as archive:
        archive.writestr("captions.csv", "image,caption\n1.jpg,A cat\n")
    assert rows(*caption_files.find(tmp_path)) == [("1.jpg", "A cat")]


@pytest.mark.parametrize("names", ["a.csv b.csv", "dataset_coco.json dataset_flickr8k.json"])
def test_one_of_several_files_is_asked_for(tmp_path, names):
    for name in names.split():
        (tmp_path / name).touch()
    with pytest.raises(ValueError, match=f"name one as --data. Received: {names.replace(' ', ', ')}"):
        caption_files.find(tmp_path)
