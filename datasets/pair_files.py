"""Sentence pairs as people have them: tables, lines with tabs or |||, translation memories, aligned files, archives."""

import collections
import csv
import dataclasses
import itertools
import pathlib
import re
from xml.etree import ElementTree

import pandas as pd

from datasets import local, tables
from datasets.local import Reading

LANGUAGES = """
af afrikaans afr | am amharic amh | ar arabic ara | az azerbaijani aze | be belarusian bel | bg bulgarian bul
bn bengali ben | bs bosnian bos | ca catalan cat | cs czech ces cze | cy welsh cym | da danish dan
de german deu ger deutsch | el greek ell gre | en english eng englisch | eo esperanto epo | es spanish spa español
et estonian est | eu basque eus | fa persian fas pes | fi finnish fin | fil filipino tagalog tgl
fr french fra fre français francais | ga irish gle | gl galician glg | gu gujarati guj | ha hausa hau
he hebrew heb | hi hindi hin | hr croatian hrv | hu hungarian hun | hy armenian hye | id indonesian ind
ig igbo ibo | is icelandic isl | it italian ita italiano | ja japanese jpn | ka georgian kat | kab kabyle
kk kazakh kaz | km khmer khm | kn kannada kan | ko korean kor | la latin lat | lo lao | lt lithuanian lit
lv latvian lav | mk macedonian mkd | ml malayalam mal | mn mongolian mon | mr marathi mar | ms malay msa zsm
mt maltese mlt | my burmese mya | ne nepali nep | nl dutch nld dut | no norwegian nor nob | or odia ori
pa punjabi pan | pl polish pol | ps pashto pus | pt portuguese por português | ro romanian ron rum
ru russian rus | sa sanskrit san | si sinhala sin | sk slovak slk | sl slovenian slv | so somali som
sq albanian sqi | sr serbian srp | sv swedish swe | sw swahili swa | ta tamil tam | te telugu tel | th thai tha
tl | tr turkish tur | tt tatar tat | uk ukrainian ukr | ur urdu urd | uz uzbek uzb | vi vietnamese vie
xh xhosa xho | yi yiddish yid | yo yoruba yor | zh chinese zho chi cmn mandarin | zu zulu zul
"""
FORMS = (
    *("{}", "{} words/sentences", "{} word", "{} words", "{} sentence", "{} sentences", "{} text", "{} translation"),
    *("{}_sentence", "{}_sentences", "{}_text", "{}_sent", "sentence_{}", "text_{}", "translation.{}"),
)  # of a language's name, in a header
KNOWN = {
    names[0]: tuple(form.format(name) for name in names for form in FORMS)
    for names in (entry.split() for line in LANGUAGES.strip().split("\n") for entry in line.split("|"))
} | {
    "source": (
        *("src", "source_text", "source text", "source_sentence", "source sentence", "input", "input_text", "original"),
        *("sentence1", "from", "sentence", "text"),
    ),
    "target": (
        *("tgt", "trg", "target_text", "target text", "target_sentence", "target sentence", "output", "translation"),
        *("translated", "translated_text", "sentence2", "to", "reference"),
    ),
}
ROW_NUMBERS = {"id", "no"}  # as names of columns: Indonesian and Norwegian, or numbers
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test", "testing"),
}
ENDINGS = ".tsv", ".txt", ".csv", ".json", ".jsonl", ".tmx"
PACKED = r"\.(gz|zip)$"
NO_PAIRS = r"(readme|licen[sc]e|copying|changes|about)\b"
NUMBER = r"\s*[+-]?\d+([.,]\d+)*\s*"
ATTRIBUTION = r"CC[ -]|.*attribution|.*tatoeba"
SURROGATES = "[\ud800-\udfff]"  # halves of a character, which no file in UTF-8 can hold
XML_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
LOOKED_AT = 1000  # rows


@dataclasses.dataclass(frozen=True)
class Pairs:
    """The pairs of a file.

    Attributes:
        table: a DataFrame of texts with the columns source and target.
        languages: the names of the two languages, or None where the file does not tell.
        understood: one line on how the file was read.
    """

    table: pd.DataFrame
    languages: tuple | None
    understood: str


@dataclasses.dataclass(frozen=True)
class File:
    """A file, or with `member` one in a zip archive."""

    path: pathlib.Path
    member: str | None = None

    def __str__(self):
        return str(self.path) if self.member is None else f"{self.path}: {self.member}"

    @property
    def name(self):
        """The name, in lower case, without what it is packed with."""
        return re.sub(
            PACKED, "", (self.path if self.member is None else pathlib.PurePosixPath(self.member)).name.lower()
        )

    def side(self):
        """The name without its language, and the language, source or target: of train.en, train and en."""
        parts = re.fullmatch(r"(?:(.*)[._-])?([a-z]{2,10})(\.txt)?", self.name)
        found = [*tables.canonical([parts[2]], KNOWN).values()] if parts else []
        return (parts[1] or "", found[0]) if found else (self.name, None)


def read(paths, direction=None, reading=Reading()):
    """The pairs in files of a user's own.

    Args:
        paths: a list of one path, of a file, a zip archive or a folder, or of two aligned files.
        direction: source and target language, such as "en-fr", which chooses where there are more than two.
        reading: a `Reading`.

    Returns a dict from names of splits, "train" among them, to `Pairs`.

    Raises ValueError, which names the line, if the pairs cannot be read so.
    """
    if len(paths) == 2:
        files = [File(path) for path in paths]
        return {"train": _aligned(files, tuple(file.side()[1] for file in files), reading)}
    (path,) = paths
    if path.is_dir():
        files = [File(file) for file in sorted(path.iterdir()) if file.is_file() and file.name[0] not in "._"]
    else:
        files = [File(path, member) for member in (local.members(path) if path.is_file() else [])]
    if path.is_dir() or len(files) > 1:
        return _collection(files, path, direction, reading)
    return {"train": _pairs(_table(File(path), reading), direction)}


# -------------------------------------------------------------------------------------------- folders and archives


def _collection(files, source, direction, reading):
    """The pairs in a folder or an archive, by split."""
    sides = collections.defaultdict(dict)
    for file in files:
        stem, side = file.side()
        if side:
            sides[stem].setdefault(side, file)
    aligned = {stem: both for stem, both in sides.items() if len(both) > 1}
    whole = {file.name.rpartition(".")[0]: file for file in files if file.name.endswith(ENDINGS)}
    whole = {name: file for name, file in whole.items() if not re.match(NO_PAIRS, name)}
    found = _by_split(aligned or whole, source, files)
    if not aligned:
        return {split: _pairs(_table(file, reading), direction) for split, file in found.items()}
    chosen = {split: _two(sorted(both), direction, source) for split, both in found.items()}
    return {split: _aligned([found[split][side] for side in both], both, reading) for split, both in chosen.items()}


def _by_split(found, source, files):
    """What was found, by split instead of by name; what is alone is for training."""
    if len(found) == 1:
        return {"train": next(iter(found.values()))}
    splits = {}
    for split, aliases in SPLITS.items():
        named = [n for n in found if n in aliases] or [n for n in found if re.split("[._-]", n)[0] in aliases]
        if len(named) > 1:
            raise ValueError(f"{source}: several files may be for {split}: leave one. Received: {', '.join(named)}")
        if named:
            splits[split] = found[named[0]]
    if "train" not in splits:
        names = local.shortened(", ".join(file.name for file in files), 200)
        raise ValueError(
            f"{source}: a file of pairs is needed, or two aligned files such as train.en and train.fr. Name one file, "
            f"or two with a comma between them, as --data. Received: {names or 'no files'}"
        )
    return splits


def _two(names, direction, source):
    """Of names of columns or files the two of the sentences, or None: languages, or else source and target."""
    languages = [name for name in names if name in KNOWN and name not in ("source", "target")]
    if len(languages) > 2:
        languages = [name for name in languages if name not in ROW_NUMBERS]
    if direction and {*direction.split("-")} <= {*names}:
        return tuple(direction.split("-"))
    if len(languages) > 2:
        raise ValueError(
            f"{source}: more than two languages; choose with --direction, such as {'-'.join(languages[:2])}. "
            f"Received: {local.shortened(', '.join(languages))}"
        )
    if len(languages) == 2:
        return tuple(languages)
    roles = [name for name in ("source", *languages, "target") if name in names]
    return tuple(roles[:1] + roles[-1:]) if len(roles) > 1 else tuple(names) if len(names) == 2 else None


# --------------------------------------------------------------------------------------------------------- tables


def _table(file, reading):
    """The `Table` in a file, of whatever kind; its columns have the names of `KNOWN`, or their own, or numbers."""
    data = local.content(file.path, file.member)
    declared = re.match(rb"\s*<\?xml[^>]*encoding=[\"'](?!(?i:utf-8))([\w-]+)", data)
    text, notes = local.decoded(data, str(file), reading.encoding or (declared and declared[1].decode()))
    text = _with_newlines(text)
    if not text.strip():
        raise ValueError(f"{file}: sentence pairs are needed. Received: an empty file")
    if re.match(r"\s*<(\?xml|!DOCTYPE tmx|tmx)\b", text):
        table = _memory(text, str(file), reading)
    elif re.match(r'\s*(\[\s*)?\{\s*"', text):
        table = _taken_apart(tables.parse(text, str(file), KNOWN, reading))
    elif separator := _separator(text, reading):
        table = _lines(text, separator, str(file), reading)
    else:
        table = _quoted(text, file, reading)
    return dataclasses.replace(table, notes=[*notes, *table.notes])


def _with_newlines(text):
    """A text whose lines end in a newline alone, as those of Windows and of old Macs do not."""
    return re.sub("\r+\n", "\n", text) if "\n" in text else text.replace("\r", "\n")


def _numbered(text):
    """Numbers and texts of the lines that are not blank."""
    return ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())


def _share(text, separator):
    """The share of the first lines that have a separator."""
    lines = [line for _, line in itertools.islice(_numbered(text), LOOKED_AT)]
    return sum(separator in line for line in lines) / max(len(lines), 1)


def _separator(text, reading):
    """A tab or |||, between which quotation marks are text; None where the separator may be another."""
    if reading.separator in (None, "pipe") and _share(text, "|||") > 0.9:
        return "|||"
    return "\t" if reading.separator == "tab" or (reading.separator is None and _share(text, "\t") >= 0.5) else None


def _is_header(names):
    """Whether these are names of both sides; a single one may be a word."""
    return len(tables.canonical(names, KNOWN)) > 1


def _named(table):
    """The table with the names of `KNOWN` instead of its own, which its notes give."""
    found = tables.canonical([name for name in table.cells if isinstance(name, str)], KNOWN)
    own = {name: table.names.get(column, column) for column, name in found.items()}
    return dataclasses.replace(table, cells=table.cells.rename(columns=found), names=own)


def _lines(text, separator, source, reading):
    """A `Table` of lines whose fields a tab or ||| separates."""
    rows = [(number, line.split(separator)) for number, line in _numbered(text)]
    if separator == "|||":
        rows = [(number, [field.strip() for field in row]) for number, row in rows]
    first, header = rows[0][1], _is_header(rows[0][1])
    rows = rows[int(header) :]
    if not rows:
        raise ValueError(f"{source}: sentence pairs are needed. Received: a header alone")
    width = collections.Counter(len(row) for _, row in rows).most_common(1)[0][0]
    if reading.columns and len(reading.columns) != width:
        raise ValueError(
            f"{source}: --columns must name all {width} columns. Received: {', '.join(map(str, reading.columns))}"
        )
    width = max(width, 2)
    names = [*(reading.columns or (first if header else range(width)))]
    names = [*names, *range(len(names), width)]
    fields = [(row + [""] * len(names))[: len(names)] for _, row in rows]
    numbers = [number for number, _ in rows]
    how = "separated by tabs" if separator == "\t" else "separated by |||"
    table = tables.Table(pd.DataFrame(fields, numbers, names, dtype=object), header, source, [how])
    table = dataclasses.replace(table, skip_bad_rows=reading.skip_bad_rows)
    short = pd.Series([len(row) < 2 for _, row in rows], numbers)
    return _named(table.without(short, f"two sentences {how.replace('tabs', 'a tab')} are needed"))


def _quoted(text, file, reading):
    """A `Table` with another separator, in which texts that hold it are quoted."""
    number, line = next(_numbered(text))
    plain = [line.replace("\r", " ")]
    header = any(_is_header(next(csv.reader(plain, delimiter=mark))) for mark in tables.SEPARATORS.values())
    table = None
    if header or file.name.endswith(".csv") or reading.separator or reading.columns:
        table = _named(tables.parse(text, str(file), KNOWN if header else {}, reading))
    if table is None or len(table.cells.columns) < 2:
        spaces = "put a tab in place of the spaces; " if re.search(r"\S {2,}\S", line) else ""
        raise ValueError(
            f"{file}, line {number}: two sentences separated by a tab are needed; {spaces}name another separator with "
            f"--separator, or two aligned files with a comma between them. Received: {local.shortened(line)}"
        )
    return table


def _taken_apart(table):
    """A `Table` whose column of dicts, if it has one, is taken apart, as in {"translation": {"en": …, "fr": …}}."""
    for name in table.cells:
        column = table.cells[name]
        if column.map(lambda value: isinstance(value, dict)).any():
            rows = [value if isinstance(value, dict) else {} for value in column]
            cells = pd.DataFrame(rows, column.index, dtype=object).fillna("")
            return _named(dataclasses.replace(table, cells=cells.rename(columns=_language_of(cells.columns))))
    return table


def _language_of(tags):
    """A dict from tags to languages: en_XX and en-US are en, unless that would make one language of two tags."""
    plain = {tag: re.split("[-_]", tag)[0].lower() for tag in tags}
    return plain if len({*plain.values()}) == len(plain) else {}


def _memory(text, source, reading):
    """A `Table` of a translation memory (TMX), a row for each unit and a column for each language."""
    if "<!ENTITY" in text:
        raise ValueError(f"{source}: a translation memory must not define entities. Received: <!ENTITY")
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, ValueError) as error:
        line = f", line {error.position[0]}" if isinstance(error, ElementTree.ParseError) else ""
        raise ValueError(f"{source}{line}: not valid XML ({error})") from error
    units = [*root.iter("tu")]
    if root.tag != "tmx" or not units:
        raise ValueError(
            f"{source}: a translation memory is needed, <tmx> with <tu>. Received: <{local.shortened(root.tag)}>"
        )
    variants = [[(v.get(XML_LANGUAGE) or v.get("lang") or "", _segment(v.find("seg"))) for v in u] for u in units]
    tags = [*dict.fromkeys(tag for unit in variants for tag, _ in unit if tag)]
    plain = {tag: re.split("[-_]", tag)[0].lower() for tag in tags}
    plain = plain if len({*plain.values()}) > 1 else {tag: tag for tag in tags}
    header = root.find("header")
    first = re.split("[-_]", header.get("srclang", "") if header is not None else "")[0].lower()
    names = sorted(dict.fromkeys(plain.values()), key=lambda name: name.lower() != first)
    rows = [
        {plain[tag]: segment for tag, segment in reversed(unit) if tag} for unit in variants
    ]  # the first one counts
    starts = [number for number, line in _numbered(text) for _ in re.findall(r"<tu[\s>]", line)]
    starts = starts if len({*starts}) == len(units) else range(1, len(units) + 1)
    cells = pd.DataFrame(rows, starts, names, dtype=object).fillna("")
    return _named(tables.Table(cells, True, source, ["TMX"], reading.skip_bad_rows))


def _segment(element):
    """The text of an element, without the codes of formats that it may hold."""
    if element is None:
        return ""
    parts = [(_segment(part) if part.tag in ("hi", "g", "mrk") else "") + (part.tail or "") for part in element]
    return " ".join("".join([element.text or "", *parts]).split())


# ---------------------------------------------------------------------------------------------------------- pairs


def _pairs(table, direction):
    """The pairs in a table."""
    names = [*table.cells.columns]
    texts = [name for name in names if isinstance(name, str)]
    two, notes = _two(texts, direction, table.source), []
    if two is None and not texts:
        two, notes = _unnamed(table)
    if two is None:
        how = "rename two of them source and target"
        if "JSON" not in table.notes:
            how = "name all columns with --columns, such as id,source,target"
        raise ValueError(
            f"{table.source}: which two columns hold the sentences is not clear; {how}. "
            f"Received: {local.shortened(', '.join(map(str, names)))}"
        )
    own = [table.names.get(name, name) for name in two]
    notes = notes if not texts else [f"from {own[0]} and {own[1]}"]
    cells = table.cells.iloc[:, [names.index(name) for name in two]]
    languages = two if texts and not {"source", "target"} & {*two} else None
    return _checked(dataclasses.replace(table, cells=cells, notes=[*table.notes, *notes]), languages)


def _unnamed(table):
    """Of a table without names the columns of the two sentences, and notes on the others; None where it is not clear.

    They are the first two, unless these look like numbers or names of languages or sets beside the sentences.
    """
    columns = [[*table.cells.iloc[:LOOKED_AT, i]] for i in range(len(table.cells.columns))]
    if len(table.cells.columns) == 2:
        return (0, 1), []
    numbers = [all(re.fullmatch(NUMBER, text) for text in column) for column in columns]
    if numbers[:4] == [True, False, True, False]:
        return (1, 3), ["the numbers beside the sentences left out"]
    others = ["a third column left out" if len(columns) == 3 else f"columns 3 to {len(columns)} left out"]
    if sum(not text or bool(re.match(ATTRIBUTION, text, re.I)) for text in columns[2]) > 0.9 * len(columns[2]):
        return (0, 1), others
    labels = [len(column) > 10 * len({*column}) for column in columns]
    return (None, []) if any(numbers[:2] + labels[:2]) else ((0, 1), others)


def _checked(table, languages):
    """The pairs in a table of two columns, without those that miss a sentence if these may be left out."""
    texts = [[value if isinstance(value, str) else "" for value in row] for row in table.cells.to_numpy().tolist()]
    table = dataclasses.replace(table, cells=pd.DataFrame(texts, table.cells.index, ["source", "target"], dtype=object))
    for wrong, why in (
        (lambda text: not text.strip(), "two sentences are needed, and one is missing"),
        (re.compile(SURROGATES).search, "half of a character, an unpaired surrogate, cannot be read"),
    ):
        bad = [any(map(wrong, row)) for row in table.cells.to_numpy().tolist()]
        table = table.without(pd.Series(bad, table.cells.index, dtype=bool), why)
    pairs = pd.DataFrame(table.cells.to_numpy().tolist(), columns=["source", "target"])
    how = ", ".join([*table.notes, f"{len(pairs):,} pairs"])
    return Pairs(pairs, languages, f"{table.source}: {how}")


def _aligned(files, sides, reading):
    """The pairs in two aligned files: line by line, one sentence and its translation."""
    texts = [local.text(file.path, reading.encoding, file.member) for file in files]
    contents = [_with_newlines(text).removesuffix("\n") for text, _ in texts]
    if all(_share(text, "\t") > 0.9 for text in contents):
        raise ValueError(
            "Two aligned files with a sentence in each line are needed, or one file of pairs. "
            f"Received: {files[0]} and {files[1]}, with tabs in their lines"
        )
    lines = [text.split("\n") for text in contents]
    if len(lines[0]) != len(lines[1]):
        lines = [text.rstrip().split("\n") for text in contents]
    if len(lines[0]) != len(lines[1]):
        sizes = f"{files[0]}: {len(lines[0]):,} lines, {files[1]}: {len(lines[1]):,}"
        raise ValueError(f"The two files are not aligned: they must have the same number of lines. Received: {sizes}")
    rows = {number: pair for number, pair in enumerate(zip(*lines), 1) if any(text.strip() for text in pair)}
    cells = pd.DataFrame([*rows.values()], [*rows], ["source", "target"], dtype=object)
    notes = [*dict.fromkeys(note for _, notes in texts for note in notes), "line by line"]
    source = " and ".join(map(str, files))
    known = None not in sides and sides[0] != sides[1] and not {"source", "target"} & {*sides}
    return _checked(tables.Table(cells, False, source, notes, reading.skip_bad_rows), tuple(sides) if known else None)
