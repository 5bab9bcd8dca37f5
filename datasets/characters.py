"""Text as characters: small talk out of a grammar, or a user's own file."""

import dataclasses
import pathlib
import random

import numpy as np
import pandas as pd

from datasets import generated_translations, local

GENERATED = "talk"
SIZE = 400_000  # characters of the text that comes along
SHARES = {"train": 0.9, "validation": 0.05, "test": 0.05}
SAYING = "says", "asks", "thinks", "answers", "writes"


@dataclasses.dataclass(frozen=True)
class Text:
    """One text, cut into three parts that follow each other.

    Attributes:
        parts: by name ("train", "validation", "test") a string.
        alphabet: a string of the characters of the training part, in order; number 0 is of all others.
        origin: where it is from.
    """

    parts: dict
    alphabet: str
    origin: str

    def numbers(self, text):
        return numbers(text, self.alphabet)

    def described(self):
        """One line on where the text is from and how long it is."""
        sizes = ", ".join(f"{len(part):,} {name}" for name, part in self.parts.items())
        return f"{self.origin}: characters {sizes}; {len(self.alphabet)} different ones."

    def checksum(self):
        """A text that changes when this one does."""
        return local.checksum({name: pd.DataFrame({"text": [part]}) for name, part in self.parts.items()})


def numbers(text, alphabet):
    """Each character's place in the alphabet, from 1 on, 0 for what is not in it: int32, (characters,)."""
    places = {character: place for place, character in enumerate(alphabet, 1)}
    return np.array([places.get(character, 0) for character in text], "int32")


def load(name_or_path=GENERATED, data_dir=None, seed=0):
    """Load a text.

    Args:
        name_or_path: "talk" for a text out of a grammar, with quotation marks and brackets; or a text file in UTF-8,
            plain or gzipped.
        data_dir: folder in which a path is looked up.
        seed: of the text that comes along.

    Raises:
        FileNotFoundError, ValueError: there is no such file, or it cannot be used; the message says what to do.
    """
    if name_or_path == GENERATED:
        return _divided(talk(SIZE, seed), "Generated talk")
    path = local.looked_up(name_or_path, pathlib.Path(data_dir) if data_dir else None)
    if not path.is_file():
        raise FileNotFoundError(f"There is no such text file; {GENERATED} comes along. Received: {path}")
    data = local.content(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"{path} is no text in UTF-8: byte {data[error.start]:#x} in line {line}") from error
    if len(text) < 1000:
        raise ValueError(f"{path} is too short to learn from: expected 1,000 characters. Received: {len(text)}")
    return _divided(text.replace("\r\n", "\n"), str(path))


def _divided(text, origin):
    ends = (np.cumsum([0, *SHARES.values()]) * len(text)).round().astype(int)
    parts = {name: text[start:end] for name, start, end in zip(SHARES, ends, ends[1:])}
    return Text(parts, "".join(sorted({*parts["train"]})), origin)


def talk(size, seed=0):
    """A text of `size` characters: sentences, some of them said by somebody, some in brackets, in lines of some."""
    rng, lines, length = random.Random(seed), [], 0
    sentences = iter(generated_translations.generate({"all": size // 25}, seed)["all"]["english"])
    while length < size:
        line = " ".join(_said(rng, next(sentences)) for _ in range(rng.randint(1, 4)))
        lines.append(line)
        length += len(line) + 1
    return ("\n".join(lines) + "\n")[:size]


def _said(rng, sentence):
    kind = rng.random()
    if kind < 0.55:
        return sentence
    if kind < 0.7:
        return f"({sentence})"
    who = f"the {rng.choice(generated_translations.NOUNS[:10])[0]} {rng.choice(SAYING)}"
    if kind < 0.85:
        return f'"{sentence[:-1]}," {who}.'
    return f'{who[0].upper()}{who[1:]}: "{sentence}"'
