"""Characters of a text as ids, and the alphabet of a run."""

import json

from toolkit.runs import user_errors

from datasets import characters

FILE = "alphabet.json"  # in a run's folder, the characters as one string


class Alphabet:
    """The characters of a training split, numbered from 1; id 0 stands for every other character.

    Attributes:
        characters: a string, the character with id 1 first.
    """

    def __init__(self, characters):
        self.characters = characters

    @classmethod
    def load(cls, run):
        """That of a run. Raises Stop where its file cannot be read."""
        with user_errors():
            return cls(json.loads((run / FILE).read_text(encoding="utf-8")))

    def save(self, run):
        run.write_json(FILE, self.characters)

    def __len__(self):
        """The number of ids, 0 included."""
        return 1 + len(self.characters)

    def __contains__(self, character):
        return character in self.characters

    def ids(self, text):
        """The ids of a text's characters, int32, (characters,)."""
        return characters.ids(text, self.characters)

    def text(self, ids):
        """The text of ids from 1 on."""
        return "".join(self.characters[i - 1] for i in ids)
