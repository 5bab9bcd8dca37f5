"""Subwords of a text, the file of a run that holds them, and their ids."""

import io
import re

from toolkit.runs import read_file, replacing, user_errors

import sentencepiece

PADDING, UNKNOWN, START, END = 0, 1, 2, 3
FILE = "subwords.model"  # in a run's folder


class Subwords:
    """Byte-pair encoding of text, by sentencepiece.

    Source: Sennrich, Haddow & Birch (2016), "Neural Machine Translation of Rare Words with Subword Units", ACL.

    Attributes:
        model: the bytes of a sentencepiece model.
    """

    def __init__(self, model):
        self.model = model
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)

    @classmethod
    def learn(cls, texts, vocabulary_size):
        """From texts; of fewer ids than `vocabulary_size` where the texts have fewer subwords.

        Characters that the texts do not have are encoded as bytes. Raises Stop if `vocabulary_size` is too small for
        the characters of the texts and the 256 bytes.
        """
        model = io.BytesIO()
        with user_errors():
            try:
                sentencepiece.SentencePieceTrainer.train(
                    sentence_iterator=iter(texts),
                    model_writer=model,
                    model_type="bpe",
                    vocab_size=vocabulary_size,
                    hard_vocab_limit=False,
                    character_coverage=1.0,
                    byte_fallback=True,
                    pad_id=PADDING,
                    unk_id=UNKNOWN,
                    bos_id=START,
                    eos_id=END,
                    minloglevel=2,
                )
            except RuntimeError as error:
                required = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
                if not required:
                    raise ValueError(f"Subwords cannot be learned from these texts ({error})") from error
                raise ValueError(
                    f"This text needs a --vocabulary of {required[1]} or more. Received: {vocabulary_size}"
                ) from error
        return cls(model.getvalue())

    @classmethod
    def load(cls, run):
        """Those of a run. Raises Stop where its file cannot be read."""

        def parse(path):
            subwords = cls(path.read_bytes())
            subwords.ids([""])  # raises where there is no model, which the constructor takes for none given
            return subwords

        return read_file(run / FILE, parse)

    def save(self, run):
        with replacing(run / FILE) as file:
            file.write(self.model)

    def __len__(self):
        """The vocabulary size."""
        return self._pieces.get_piece_size()

    def ids(self, texts):
        """A list of ids for each text, with END behind them."""
        return [row + [END] for row in self._pieces.encode(list(texts))]

    def texts(self, rows):
        """The texts of rows of ids, each up to its END."""
        rows = ([int(i) for i in row] for row in rows)
        return [self._pieces.decode([i for i in _until_end(row) if i > END]) for row in rows]

    def pieces(self, row):
        """The subword behind each id, for labels; "▁" stands for a space."""
        return [self._pieces.id_to_piece(int(i)) for i in row]


def _until_end(row):
    return row[: row.index(END)] if END in row else row
