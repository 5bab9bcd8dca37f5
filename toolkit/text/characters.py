"""Characters of a text as ids, the alphabet of a run, and windows of a text for stateful networks."""

from toolkit.runs import Stop

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
        characters = run.json(FILE, str)
        if not characters or len({*characters}) < len(characters):
            raise Stop(f"{run / FILE} is damaged: it must hold characters, each of them once; train again.")
        return cls(characters)

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


def check_length(text, batch_size, window):
    """Raises Stop if the training or validation split has less than one window for every strand."""
    needed = batch_size * window + 1
    for name in ("train", "validation"):
        if len(text.splits[name]) < needed:
            raise Stop(
                f"{batch_size} strands of {window} characters need {needed:,}: choose a smaller --batch-size or "
                f"--window. Received: a {name} split of {len(text.splits[name]):,} characters"
            )


def windows(ids, batch_size, window):
    """Inputs and targets, two arrays of shape (windows, batch_size, window); targets are one character ahead.

    Row b of a window continues row b of the window before it.
    """
    count = (len(ids) - 1) // (batch_size * window)
    strands = [part[: batch_size * count * window].reshape(batch_size, count, window) for part in (ids[:-1], ids[1:])]
    return tuple(part.transpose(1, 0, 2) for part in strands)
