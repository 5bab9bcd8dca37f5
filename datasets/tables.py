"""Tables as people have them, with a header or without: looks at a file first, then reads it.

Every value stays text. Which columns a table needs, and what may stand in them, each family of data knows.
"""

import collections
import csv
import dataclasses
import io
import itertools
import json
import re

import pandas as pd

from datasets import local
from datasets.local import SEPARATORS, Reading

LOOKED_AT = 200  # rows from which the separator is found out
csv.field_size_limit(2**31 - 1)


@dataclasses.dataclass
class Table:
    """A table read.

    Attributes:
        cells: a DataFrame of texts (from JSON also of lists and dicts), indexed by line number, or for a JSON array by
            the record's number. Columns have their canonical names, the others their own; without a header 0, 1, ….
        header: whether the file names its columns.
        source: the file, as messages name it.
        notes: how the file was understood, as parts of one sentence.
        skip_bad_rows: as in `Reading`.
        names: a dict from canonical names to those that the file has for them.
    """

    cells: pd.DataFrame
    header: bool
    source: str
    notes: list
    skip_bad_rows: bool = False
    names: dict = dataclasses.field(default_factory=dict)

    def without(self, bad, why, received=None):
        """The table without its bad rows, which are counted in the notes.

        Args:
            bad: a boolean Series, true for the rows that cannot be used.
            why: what is wrong with them, such as "the label must be 0 or 1".
            received: a Series of what to show of the first bad row. By default the row.

        Raises ValueError, which names the first line, if there are bad rows and they may not be skipped.
        """
        if not bad.any():
            return self
        line, shown = bad.index[bad][0], self.cells if received is None else received
        value = [*shown.loc[line]] if received is None else shown.loc[line]
        if not self.skip_bad_rows:
            more = f" (and {bad.sum() - 1:,} more rows)" if bad.sum() > 1 else ""
            raise ValueError(
                f"{self.source}, line {line}{more}: {why}. Correct it, or leave such rows out with --skip-bad-rows. "
                f"Received: {local.shortened(value)}"
            )
        notes = [*self.notes, f"{bad.sum():,} rows left out ({why})"]
        return dataclasses.replace(self, cells=self.cells[~bad], notes=notes)

    def require(self, names, how):
        """Raises ValueError if a column is missing; `how` says what the user can do about it."""
        if missing := [name for name in names if name not in self.cells]:
            columns = [self.names.get(name, name) for name in self.cells]
            columns = columns if self.header else ["no header, and first", *self.cells.head(1).to_numpy().ravel()]
            raise ValueError(
                f"{self.source}: no column {' and no column '.join(missing)}; {how}. "
                f"Received: {local.shortened(', '.join(map(str, columns)), 200)}"
            )

    def understood(self):
        """One line on how the file was read."""
        return f"{self.source}: " + ", ".join([*self.notes, f"{len(self.cells):,} rows"])


def parse(text, source, known, reading=Reading(), rest=False, notes=()):
    """The table in a file's text: CSV or with another separator, JSON lines, or a JSON array of objects.

    Args:
        text, notes: what `local.text` returns.
        source: the file, as messages name it.
        known: a dict from canonical names of columns to their aliases in lower case, the best first.
        reading: a `Reading`.
        rest: whether the last column may hold separators that are not quoted.

    Raises ValueError if the text cannot be read so; the message names the line and the flag that helps.
    """
    text = re.sub("\r\n?", "\n", text)
    if not text.strip():
        raise ValueError(f"{source}: a table is needed. Received: an empty file")
    if text.lstrip()[:1] in ("{", "[") and (records := _json_records(text, source)) is not None:
        table = Table(_frame(*records), True, source, [*notes, "JSON"], reading.skip_bad_rows)
        return _renamed(table, known)
    separator, how = _separator(text, source, known, reading)
    rows, quotes = _rows(text, separator, source, rest)
    if not rows:
        raise ValueError(f"{source}: a table is needed. Received: empty rows alone")
    first = [name.strip() for name in rows[0][1]]
    named = bool(canonical(first, known))  # a header stands there, which --columns replaces
    header = named and reading.columns is None
    names = first if header else [*(reading.columns or range(len(first)))]
    if header and (twice := [name for name, n in collections.Counter(first).items() if name and n > 1]):
        raise ValueError(
            f"{source}, line {rows[0][0]}: columns must have different names. Received twice: {', '.join(twice)}"
        )
    rows = [(line, _fitted(row, len(names), separator, rest)) for line, row in rows[int(named) :]]
    if not rows:
        raise ValueError(f"{source}: rows are needed. Received: a header alone")
    bad = pd.Series({line: len(row) != len(names) for line, row in rows})
    shown = pd.Series({line: separator.join(row) for line, row in rows})
    names = [f"column {i + 1}" if name == "" else name for i, name in enumerate(names)]
    cells = pd.DataFrame([(row + [""] * len(names))[: len(names)] for _, row in rows], bad.index, names, dtype=object)
    notes = [*notes, *how, *quotes, *([] if header else ["no header"])]
    table = Table(cells, header or reading.columns is not None, source, notes, reading.skip_bad_rows)
    table = table.without(bad, f"a row must have {len(names)} fields (is a {_name(separator)} not quoted?)", shown)
    return _renamed(table, known)


def canonical(names, known):
    """A dict from names of a header to canonical names: for each the best alias that is there, whatever its case."""
    plain = {str(name).strip().strip("<>").strip().casefold(): name for name in reversed(names)}
    found = {}
    for name, aliases in known.items():
        alias = next((a for a in (name.casefold(), *aliases) if a in plain and plain[a] not in found), None)
        if alias is not None:
            found[plain[alias]] = name
    return found


def _renamed(table, known):
    """The table with the canonical names of its columns."""
    new = canonical([name for name in table.cells if isinstance(name, str)], known)
    taken = {*new.values()}  # another column of that very name makes way
    cells = table.cells.rename(columns=lambda name: new.get(name, f"{name} (other)" if name in taken else name))
    return dataclasses.replace(table, cells=cells, names={name: own for own, name in new.items()})


def _name(separator):
    return next(name for name, character in SEPARATORS.items() if character == separator)


def _separator(text, source, known, reading):
    """The separator, and how it was found, as notes."""
    if reading.separator:
        return SEPARATORS[reading.separator], []
    lines = list(itertools.islice((line for line in io.StringIO(text) if line.strip()), LOOKED_AT))
    scores = {}
    for name, character in SEPARATORS.items():
        counts = [len(row) for row in csv.reader(lines, delimiter=character) if row]
        width, rows = collections.Counter(counts).most_common(1)[0]
        first = next(csv.reader(lines[:1], delimiter=character))
        if max(width, len(first)) > 1:
            scores[name] = len(canonical(first, known)) if len(first) > 1 else 0, rows / len(counts) if width > 1 else 0
    if not scores:
        return ",", []
    best = max(scores.values())
    names = [name for name, score in scores.items() if score == best]
    if len(names) > 1:
        raise ValueError(
            f"{source}: the separator may be a {' or a '.join(names)}; say which with --separator. "
            f"Received: {local.shortened(lines[0].strip())}"
        )
    return SEPARATORS[names[0]], [] if names[0] == "comma" else [f"separated by {names[0]}s"]


def _rows(text, separator, source, rest):
    """Pairs of a line's number and its fields, without empty rows, and notes on quotes.

    Fields may be quoted. But a quotation mark that belongs to a text can begin a field that nobody ends, which then
    holds all rows to the next one. So where quoted fields do not parse, or hold what looks like rows, and the lines as
    they are make a table, quotation marks are read as a part of the text.
    """
    try:
        quoted = _parsed(text, separator, csv.QUOTE_MINIMAL)
        line = _swallowed(quoted, separator)
        problem = "a quotation mark joins rows: write it twice within a text that is quoted"
    except csv.Error as error:
        line, problem = int(error.args[1]), f"a quotation mark is out of place ({error.args[0]})"
    if line is None:
        return quoted, []
    plain = _parsed(text, separator, csv.QUOTE_NONE)
    widths = {len(row) for _, row in plain}
    if len(plain[0][1]) > 1 and (widths == {len(plain[0][1])} or rest and min(widths) == len(plain[0][1])):
        return plain, ["quotation marks are read as text"]
    shown = text.split("\n")[line - 1]
    raise ValueError(f"{source}, line {line}: {problem}. Received: {local.shortened(shown)}")


def _parsed(text, separator, quoting):
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=True)
    rows, line = [], 1
    try:
        for row in reader:
            if "".join(row).strip():
                rows.append((line, row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise csv.Error(str(error), line) from error
    return rows


def _swallowed(rows, separator):
    """The line of the first field that seems to hold rows: it has a line like the others, with a value they have."""
    joined = [(line, row) for line, row in rows if any("\n" in field for field in row)]
    if not joined:
        return None
    whole = [row for _, row in rows if not any("\n" in field for field in row)]
    width = collections.Counter(map(len, whole or [row for _, row in rows])).most_common(1)[0][0]
    values = [{row[i].strip() for row in whole[1:] if i < len(row)} - {""} for i in range(width)]
    for line, row in joined:
        inner = [part for field in row for part in field.split("\n")[1:]]
        for fields in csv.reader(inner, delimiter=separator, quoting=csv.QUOTE_NONE):
            if width > 1 and len(fields) == width and any(f.strip() in known for f, known in zip(fields, values)):
                return line
    return None


def _fitted(row, width, separator, rest):
    """A row with the surplus in its last field, if that may hold separators; and with what is missing at its end."""
    if rest and len(row) > width > 1:
        row = [*row[: width - 1], separator.join(row[width - 1 :])]
    if len(row) > width and not any(field.strip() for field in row[width:]):
        row = row[:width]
    return row + [""] * (width - len(row)) if 1 < len(row) < width else row


def _json_records(text, source):
    """Numbers and dicts of a JSON array or of JSON lines; None if it is no JSON."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        whole = None
    if isinstance(whole, list):
        records = [*enumerate(whole, 1)]
    elif whole is not None:
        records = [(1, whole)]
    else:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        records = []
        for number, line in lines:
            try:
                records.append((number, json.loads(line)))
            except (ValueError, RecursionError) as error:
                if not records and not line.lstrip().startswith("{"):
                    return None
                raise ValueError(
                    f"{source}, line {number}: not valid JSON ({error}). Received: {local.shortened(line)}"
                ) from error
    for number, record in records:
        if not isinstance(record, dict) or not record:
            shown = local.shortened(record)
            raise ValueError(f"{source}, record {number}: an object with values is needed. Received: {shown}")
    if not records:
        raise ValueError(f"{source}: rows are needed. Received: an empty array")
    return [number for number, _ in records], [record for _, record in records]


def _frame(numbers, records):
    whole = lambda value: str(value).encode("utf-8", "replace").decode()  # "\\ud83d" alone is half a character
    text = lambda value: value if isinstance(value, (list, dict)) else "" if value is None else whole(value)
    records = [{whole(key): text(value) for key, value in record.items()} for record in records]
    return pd.DataFrame(records, numbers, dtype=object).fillna("")
