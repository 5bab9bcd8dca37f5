"""Tables are read as people have them, or refused in one line that names the line and the flag."""

import csv
import io
import re

import hypothesis
import pytest
from hypothesis import strategies as st

from datasets import tables
from datasets.tables import Reading

KNOWN = {"text": ("review", "sentence"), "label": ("sentiment",)}


def parse(text, **options):
    rest = options.pop("rest", False)
    return tables.parse(text, "file", KNOWN, Reading(**options), rest)


def rows(table):
    return [tuple(row) for row in table.cells.to_numpy()]


@pytest.mark.parametrize("separator, note", [(",", []), (";", ["semicolons"]), ("\t", ["tabs"]), ("|", ["pipes"])])
def test_separators_are_found_out(separator, note):
    table = parse(f"Review{separator}SENTIMENT\nfine{separator}1\nbad, bad{separator}0\n".replace("bad, ", "bad " * 2))
    assert [*table.cells] == ["text", "label"]
    assert rows(table) == [("fine", "1"), ("bad bad bad", "0")]
    assert [*table.cells.index] == [2, 3]
    assert table.notes == [f"separated by {name}" for name in note]


def test_a_separator_that_may_be_one_of_two_is_asked_for():
    text = "good; really,1\nbad; really,0\n"
    with pytest.raises(
        ValueError, match="a comma or a semicolon; say which with --separator. Received: good; really,1"
    ):
        parse(text)
    assert rows(parse(text, separator="comma")) == [("good; really", "1"), ("bad; really", "0")]


def test_names_are_matched_by_the_best_alias_whatever_their_case():
    assert tables.canonical(["<REVIEW>", "Text", "x"], KNOWN) == {"Text": "text"}
    assert tables.canonical(["Sentence", "review"], KNOWN) == {"review": "text"}
    table = parse("Text,text,label\na,b,1\n")
    assert sorted(table.cells) == ["label", "text", "text (other)"]


def test_without_a_header_columns_are_numbers_or_named_by_the_user():
    table = parse("fine,1\nbad,0\n")
    assert not table.header
    assert [*table.cells] == [0, 1]
    assert "no header" in table.notes
    named = parse("fine,1\nbad,0\n", columns=("Review", "sentiment"))
    assert [*named.cells] == ["text", "label"]
    assert len(named.cells) == 2


def test_blank_lines_and_empty_columns_at_the_end_pass():
    table = parse("text,label,,\n\nfine,1,,\n\n\n")
    assert rows(table)[0][:2] == ("fine", "1")
    assert [*table.cells.index] == [3]


def test_quoted_fields_may_hold_separators_lines_and_quotation_marks():
    table = parse('text,label\n"a, ""b""\nc, d",1\nfine,0\n')
    assert rows(table) == [('a, "b"\nc, d', "1"), ("fine", "0")]
    assert [*table.cells.index] == [2, 4]


def test_a_quotation_mark_swallows_no_rows():
    table = parse('label,text\n0,dull\n1,"fine\n0,bad\n1,"good\n0,poor\n')
    assert rows(table) == [("0", "dull"), ("1", '"fine'), ("0", "bad"), ("1", '"good'), ("0", "poor")]
    assert "quotation marks are read as text" in table.notes
    with pytest.raises(ValueError, match=r"file, line 4: a quotation mark joins rows.* Received: 1,\"fine"):
        parse('label,text\n0,dull\n1,good\n1,"fine\n0,bad, really\n1,good"\n0,poor\n')
    with pytest.raises(ValueError, match="file, line 3: a quotation mark is out of place"):
        parse('label,text\n0,"dull, really"\n1,"fine, really\n0,poor\n')


def test_rows_with_other_numbers_of_fields_are_refused_or_counted():
    text = "text,label\nfine,1\nbad, really,0\nworse, really,0\n"
    with pytest.raises(ValueError, match=r"file, line 3 \(and 1 more rows\): a row must have 2 fields .is a comma not"):
        parse(text)
    table = parse(text, skip_bad_rows=True)
    assert rows(table) == [("fine", "1")]
    assert table.understood() == "file: 2 rows left out (a row must have 2 fields (is a comma not quoted?)), 1 rows"


def test_the_last_column_may_take_what_is_not_quoted():
    assert rows(parse("label,text\n1,fine, really, fine\n", rest=True)) == [("1", "fine, really, fine")]


def test_json_in_lines_and_in_an_array():
    lines = parse('{"review": "fine", "sentiment": 1}\n\n{"review": "bad", "sentiment": null, "more": [1]}\n')
    assert rows(lines) == [("fine", "1", ""), ("bad", "", [1])]
    assert [*lines.cells.index] == [1, 3]
    array = parse('[{"text": "fine"},\n {"text": "bad"}]')
    assert rows(array) == [("fine",), ("bad",)]
    with pytest.raises(ValueError, match="file, line 2: not valid JSON"):
        parse('{"text": "fine"}\n{"text": "ba\n')
    with pytest.raises(ValueError, match="file, record 1: an object with values is needed. Received: 1"):
        parse("[1]")


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "a table is needed. Received: an empty file"),
        (" \n\n", "an empty file"),
        ("text,label\n", "a header alone"),
        ("text,label,text\n", "Received twice: text"),
        ("[]", "an empty array"),
    ],
)
def test_files_without_a_table_are_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)


def test_a_missing_column_is_named_with_those_that_are_there():
    with pytest.raises(ValueError, match="no column label; name it. Received: text, stars"):
        parse("text,stars\nfine,1\n").require(["text", "label"], "name it")


@hypothesis.settings(max_examples=200, deadline=None)
@hypothesis.given(st.lists(st.tuples(st.text(), st.sampled_from("01")), min_size=1), st.sampled_from(",;\t|"))
def test_what_the_csv_module_wrote_is_read_back(examples, separator):
    """Every text, whatever it holds, except where the inside of a quoted text looks like rows of the table."""
    hypothesis.assume(not any("\0" in text for text, _ in examples))
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator)
    writer.writerows([("text", "label"), *examples])
    try:
        table = parse(file.getvalue())
    except ValueError as error:
        assert re.search("joins rows|may be a", str(error))
        return
    assert rows(table) == [(re.sub("\r\n?", "\n", text), label) for text, label in examples]


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(st.text(st.sampled_from('ab01,;\t|"\n\r\0{}[]: ')) | st.text(), st.booleans(), st.booleans())
def test_any_text_is_read_or_refused_in_one_line(text, skip, rest):
    try:
        table = parse(text, skip_bad_rows=skip, rest=rest)
    except ValueError as error:
        assert str(error).startswith("file")
        assert len(str(error)) < 400
    else:
        assert len(table.cells.columns) >= 1
