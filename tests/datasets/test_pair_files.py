"""Sentence pairs are read as people have them, or refused in one line that names the line and the flag."""

import gzip
import json
import tempfile
import zipfile
from pathlib import Path

import hypothesis
import pytest
from hypothesis import strategies as st

from datasets import local, pair_files, translation
from datasets.local import Reading

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"
ROWS = [(f'He said "{i}", twice.', f"Il a dit « {i} », deux fois.") for i in range(30)]
EN, FR = zip(*ROWS)
TABS = [f"{en}\t{fr}" for en, fr in ROWS]


def joined(lines, newline="\n"):
    return newline.join(lines) + newline


def tmx(units, header='<header srclang="en"/>', before='<?xml version="1.0"?>'):
    return f'{before}\n<tmx version="1.4">{header}<body>\n{joined(units)}</body></tmx>'


def unit(**segments):
    variants = [f'<tuv xml:lang="{name}"><seg>{text}</seg></tuv>' for name, text in segments.items()]
    return f"<tu>{''.join(variants)}</tu>"


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


def read(folder, name, content, direction=None, **reading):
    """The `Pairs` in a file with this content, text or bytes."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return pair_files.read([path], direction, Reading(**reading))["train"]


def rows(pairs):
    return [tuple(row) for row in pairs.table.to_numpy()]


FORMS = {
    "tabs": ("a.tsv", joined(TABS), None, "separated by tabs"),
    "windows": ("a.txt", "\ufeff" + joined(TABS, "\r\n"), None, "separated by tabs"),
    "old macs": ("a.txt", joined(TABS, "\r"), None, "separated by tabs"),
    "blank lines": ("a.tsv", joined([*TABS[:5], "", *TABS[5:], "", " \t "]), None, "separated by tabs"),
    "attributions": ("fra.txt", joined([f"{t}\tCC-BY 2.0 (France) #1 & #2" for t in TABS]), None, "a third column"),
    "ids": ("a.tsv", joined([f"{i}\t{en}\t9{i}\t{fr}" for i, (en, fr) in enumerate(ROWS)]), None, "numbers beside"),
    "header": ("a.tsv", joined(["English\tFrench", *TABS]), ("en", "fr"), "from English and French"),
    "roles": ("a.tsv", joined(["source\ttarget", *TABS]), None, "from source and target"),
    "ids in a header": (
        *("a.tsv", joined(["id\ten\tfr", *(f"{i}\t{t}" for i, t in enumerate(TABS))]), ("en", "fr")),
        "from en and fr",
    ),
    "pipes": ("a.txt", joined([f"{en} ||| {fr}" for en, fr in ROWS]), None, "separated by |||"),
    "csv": (
        *(
            "a.csv",
            joined(["English words/sentences,French words/sentences", *(",".join(map(quoted, r)) for r in ROWS)]),
        ),
        *(("en", "fr"), "from English words/sentences and French words/sentences"),
    ),
    "csv without a header": ("a.csv", joined([",".join(map(quoted, row)) for row in ROWS]), None, "no header"),
    "columns between": (
        *(
            "a.csv",
            joined(["source,hindi_sentence,english_sentence", *(f"ted,{quoted(f)},{quoted(e)}" for e, f in ROWS)]),
        ),
        *(("hi", "en"), "from hindi_sentence and english_sentence"),
    ),
    "translation": (
        *("a.jsonl", joined([json.dumps({"id": 1, "translation": {"en": e, "fr": f}}) for e, f in ROWS])),
        *(("en", "fr"), "JSON"),
    ),
    "json": ("a.json", json.dumps([{"en_XX": e, "gsw": f} for e, f in ROWS], indent=1), ("en_XX", "gsw"), "JSON"),
    "tmx": ("a.tmx", tmx([unit(fr=fr, en=en) for en, fr in ROWS]), ("en", "fr"), "TMX"),
    "tmx, UTF-16": (
        *(
            "a.tmx",
            tmx([unit(**{"en-US": e, "fr-FR": f}) for e, f in ROWS]).encode("utf-16"),
            ("en", "fr"),
            "in utf-16",
        ),
    ),
    "tmx, latin": (
        "a.tmx",
        tmx([unit(en=e, fr=f) for e, f in ROWS], before='<?xml version="1.0" encoding="ISO-8859-1"?>').encode(
            "latin-1"
        ),
        *(("en", "fr"), "in ISO-8859-1"),
    ),
    "gzip": ("a.tsv", gzip.compress(joined(TABS).encode()), None, "30 pairs"),
}


@pytest.mark.parametrize("name, content, languages, note", FORMS.values(), ids=FORMS)
def test_forms_that_are_read(tmp_path, name, content, languages, note):
    pairs = read(tmp_path, name, content)
    expected = [row[::-1] for row in ROWS] if languages == ("hi", "en") else ROWS
    assert rows(pairs) == expected and pairs.languages == languages
    assert note in pairs.understood and pairs.understood.startswith(str(tmp_path)) and "30 pairs" in pairs.understood


def test_tags_of_a_format_are_no_text(tmp_path):
    segments = unit(en="a<bpt i='1'>{b}</bpt> <hi>bold</hi> word", fr="un\n mot")
    assert rows(read(tmp_path, "a.tmx", tmx([segments]))) == [("a bold word", "un mot")]


def test_the_first_variant_in_a_language_counts(tmp_path):
    again = unit(en="a", fr="un").replace("</tu>", '<tuv xml:lang="en-GB"><seg>b</seg></tuv></tu>')
    assert rows(read(tmp_path, "a.tmx", tmx([again]))) == [("a", "un")]


def test_what_may_be_numbers_or_names_beside_the_sentences_is_asked_for(tmp_path):
    for line in ("{}\tHi {}.\tSalut {}.", "cmn\tHi {}.\tSalut {}.", "Hi {}.\tsubtitles\tSalut {}."):
        text = joined([line.format(*[i] * 3) for i in range(30)])
        with pytest.raises(ValueError, match="name all columns with --columns"):
            read(tmp_path, "a.tsv", text)
        columns = [word.format("") for word in ("source", "what", "target")]
        columns = columns if "subtitles" in line else ["what", "source", "target"]
        assert rows(read(tmp_path, "a.tsv", text, columns=tuple(columns)))[3] == ("Hi 3.", "Salut 3.")
    with pytest.raises(ValueError, match="--columns must name all 3 columns. Received: source, target"):
        read(tmp_path, "a.tsv", text, columns=("source", "target"))


def test_numbers_are_sentences_where_there_is_nothing_else(tmp_path):
    assert rows(read(tmp_path, "a.tsv", "1 + 2\t3\n4\t5\n")) == [("1 + 2", "3"), ("4", "5")]


def test_of_more_than_two_languages_the_direction_chooses(tmp_path):
    text = joined(["en\tfr\tde", *(f"{t}\tde {i}" for i, t in enumerate(TABS))])
    with pytest.raises(ValueError, match="choose with --direction, such as en-fr. Received: en, fr, de"):
        read(tmp_path, "a.tsv", text)
    pairs = read(tmp_path, "a.tsv", text, "de-en")
    assert rows(pairs)[0] == ("de 0", EN[0]) and pairs.languages == ("de", "en")


@pytest.mark.parametrize(
    "name, content, missing",
    [
        ("a.tsv", joined([*TABS, "alone", "left\t", "\tright"]), 3),
        ("a.jsonl", joined([*(json.dumps({"en": e, "fr": f}) for e, f in ROWS), '{"en": "a", "fr": null}']), 1),
        (
            "a.jsonl",
            joined([*(json.dumps({"t": {"en": e, "fr": f}}) for e, f in ROWS), '{"t": {"en": "a", "fr": "\\ud800"}}']),
            1,
        ),
        ("a.tmx", tmx([*(unit(en=e, fr=f) for e, f in ROWS), unit(en="a")]), 1),
    ],
)
def test_pairs_without_a_sentence_are_refused_or_left_out_and_counted(tmp_path, name, content, missing):
    line = {"a.tsv": 31, "a.jsonl": 31, "a.tmx": 33}[name]
    with pytest.raises(ValueError, match=rf"{name}, line {line}.*--skip-bad-rows. Received: "):
        read(tmp_path, name, content)
    pairs = read(tmp_path, name, content, skip_bad_rows=True)
    assert rows(pairs) == ROWS and pairs.table.index.tolist() == [*range(30)]
    assert sum(int(part.split()[0]) for part in pairs.understood.split(", ") if "left out" in part) == missing


@pytest.mark.parametrize(
    "name, content, message",
    [
        (
            "a.txt",
            joined([f"{en}    {fr}" for en, fr in ROWS]),
            "line 1: two sentences separated by a tab.*of the spaces",
        ),
        ("a.en", joined(["", *EN]), "line 2: .*two aligned files with a comma between them. Received: He said"),
        ("a.txt", "Well, yes.\nNo, no.\n", "line 1: two sentences separated by a tab"),
        ("a.txt", "a\rb\nc\n", "line 1: two sentences separated by a tab"),
        ("a.csv", "english,french\nno, never,jamais\n", "line 2: a row must have 2 fields"),
        ("a.tsv", b"a\tb\ngr\xfc\xdfe\tc\n", "line 2: not UTF-8. Name the file's encoding with --encoding"),
        ("a.tsv", "", "an empty file"),
        ("a.tsv", "en\tfr\n", "a header alone"),
        ("a.json", '{"text": "a", "other": "b", "third": "c"}', "rename two of them source and target"),
        ("a.jsonl", '{"en": "a", "fr": "b"}\n{"en": \n', "line 2: not valid JSON"),
        ("a.tmx", tmx([unit(en="a", fr="b")])[:-20], "line .*not valid XML"),
        ("a.tmx", '<!DOCTYPE tmx [<!ENTITY a "b">]><tmx/>', "must not define entities"),
        ("a.tmx", "<?xml version='1.0'?><html/>", "a translation memory is needed.*<html>"),
        ("a.zip", b"PK\3\4 cut short", "a.zip is damaged"),
    ],
)
def test_forms_that_are_refused(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        read(tmp_path, name, content)


def write(folder, files):
    folder.mkdir(exist_ok=True)
    for name, lines in files.items():
        (folder / name).write_text(joined(lines), encoding="utf-8")
    return folder


def zipped(folder, files):
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for name, lines in files.items():
            archive.writestr(f"corpus/{name}", joined(lines))
    return folder.with_suffix(".zip")


@pytest.mark.parametrize("place", [write, zipped])
def test_a_folder_or_an_archive_holds_aligned_files(tmp_path, place):
    files = {"README": ["?"], "train.en": EN, "train.fr": FR, "val.en": EN[:3], "val.fr": FR[:3], "train.de": EN}
    with pytest.raises(ValueError, match="--direction, such as de-en. Received: de, en, fr"):
        pair_files.read([place(tmp_path / "all", files)])
    del files["train.de"]
    path = place(tmp_path / "some", files)
    found = pair_files.read([path])
    assert [*found] == ["train", "validation"] and found["train"].languages == ("en", "fr")
    assert rows(found["train"]) == ROWS and rows(found["validation"]) == ROWS[:3]
    data = translation.load(str(path), "fr-en")
    assert data.languages == ("fr", "en") and data.splits["validation"]["source"].tolist() == [*FR[:3]]
    assert len(data.splits["test"]) == 3 and len(data.understood) == 2


@pytest.mark.parametrize("place", [write, zipped])
def test_a_folder_or_an_archive_holds_tables(tmp_path, place):
    found = pair_files.read([place(tmp_path / "one", {"fra.txt": TABS, "_about.txt": ["?"], "LICENSE.txt": ["?"]})])
    assert [*found] == ["train"] and rows(found["train"]) == ROWS
    found = pair_files.read([place(tmp_path / "splits", {"train.tsv": TABS, "test.tsv": TABS[:2]})])
    assert [*found] == ["train", "test"] and rows(found["test"]) == ROWS[:2]
    for files in ({"a.tsv": TABS, "b.tsv": TABS}, {"a.pdf": ["?"], "b.pdf": ["?"]}):
        with pytest.raises(ValueError, match=f"Name one file, or two with a comma.*{[*files][0]}"):
            pair_files.read([place(tmp_path / [*files][0][2:], files)])
    with pytest.raises(ValueError, match="several files may be for test"):
        pair_files.read([place(tmp_path / "tests", {f"{n}.tsv": TABS for n in ("train", "test_a", "test_b")})])


def test_aligned_files_may_end_in_blank_lines_but_not_differ_in_length(tmp_path):
    folder = write(
        tmp_path, {"a.en": [*EN, "", ""], "a.fr": FR, "b.fr": FR[:-1], "c.fr": [*FR[:4], "", *FR[5:]], "t": TABS}
    )
    pair = lambda second: [folder / "a.en", folder / second]
    assert rows(pair_files.read(pair("a.fr"))["train"]) == ROWS
    with pytest.raises(ValueError, match="a.en: 30 lines, .*b.fr: 29"):
        pair_files.read(pair("b.fr"))
    with pytest.raises(ValueError, match="c.fr, line 5: .*--skip-bad-rows"):
        pair_files.read(pair("c.fr"))
    assert rows(pair_files.read(pair("c.fr"), None, Reading(skip_bad_rows=True))["train"]) == [*ROWS[:4], *ROWS[5:]]
    with pytest.raises(ValueError, match="one file of pairs. Received: .*with tabs"):
        pair_files.read([folder / "t", folder / "t"])


@pytest.mark.skipif(not CASES.exists(), reason="the folder ../shared/cases is missing")
@pytest.mark.parametrize(
    "name, outcome",
    [
        ("pairs-header-and-spaces/header.tsv", 260),
        ("pairs-header-and-spaces/spaces.txt", "spaces.txt, line 1"),
        ("pairs-blank-and-empty/blank.tsv", 260),
        ("pairs-blank-and-empty/blank_end.tsv", 260),
        ("pairs-blank-and-empty/empty_side.tsv", "line 51: .*--skip-bad-rows"),
        ("pairs-tmx/memory.tmx", 260),
        ("pairs-csv-and-json/eng_-french.csv", 260),
        ("pairs-csv-and-json/hf.jsonl", 260),
        ("pairs-pipes/pipes.txt", 260),
        ("pairs-zip/fra-eng.zip", 260),
        ("pairs-ids/Sentence pairs in English-French.tsv", 260),
        ("pairs-folder/corpus", 260),
        ("pairs-numbers/sums.tsv", 260),
        ("pairs-numbers/dates.tsv", 260),
    ],
)
def test_files_as_people_have_them(name, outcome):
    if isinstance(outcome, str):
        with pytest.raises(ValueError, match=outcome):
            translation.load(str(CASES / name))
        return
    data = translation.load(str(CASES / name))
    assert sum(map(len, data.splits.values())) == outcome and len(data.understood) == 1
    if "numbers" not in name:
        assert data.splits["train"]["source"].str.startswith("The ").all()
        assert data.splits["train"]["target"].str.startswith("Le ").all()


LINES = st.one_of(
    st.text(max_size=12),
    st.sampled_from([*TABS[:2], "a ||| b", "en\tfr", "1\ta\t2\tb", "a,b", '"a,b",c', "source;target", '{"en":1}', ""]),
    st.sampled_from(['{"translation":{"en":"a","fr":"b"}}', '[{"a":"b","c":"\\ud800"}]', "<tmx>", "</tmx>"]),
    st.sampled_from([unit(en="a", fr="b"), tmx([unit(en="a", fr="b")])]),
)
CONTENTS = st.one_of(
    st.lists(LINES, max_size=12).map(lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")),
    st.binary(max_size=200).flatmap(lambda data: st.sampled_from([data, gzip.compress(data), b"PK\3\4" + data])),
)
READINGS = st.builds(
    Reading,
    st.sampled_from([None, *local.SEPARATORS]),
    st.sampled_from([None, "utf-16", "cp1252", "hex", "utf-7", "nonsense"]),
    st.sampled_from([None, ("source", "target"), ("id", "source", "target"), ("a",)]),
    st.booleans(),
)


@hypothesis.settings(max_examples=250, deadline=None)
@hypothesis.given(CONTENTS, st.sampled_from(["a.tsv", "a.csv", "a.zip"]), READINGS, st.sampled_from([None, "en-fr"]))
def test_whatever_a_file_holds_it_is_read_or_refused(content, name, reading, direction):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            pairs = pair_files.read([path], direction, reading)["train"]
        except ValueError as error:
            assert type(error) is ValueError  # and not one of its kinds, which Python raises
            return
    assert all(isinstance(text, str) and text.strip() for row in rows(pairs) for text in row)
