"""From sentences to the numbers of subwords, to batches, and from what a network says back to sentences."""

import functools
import io
import itertools
import re

import keras
import numpy as np
import sentencepiece
import tensorflow as tf

from recipes import batches, common, decoding

BEAM, LENGTH_PENALTY = 5, 1.0
PADDING, UNKNOWN, START, END = 0, 1, 2, 3
FILE = "subwords.model"  # in a run's folder


class Subwords:
    """Byte-pair encoding (Sennrich, Haddow & Birch 2016) by sentencepiece: text to numbers and back.

    Attributes:
        model: the bytes of a sentencepiece model.
    """

    def __init__(self, model):
        self.model = model
        self._pieces = sentencepiece.SentencePieceProcessor(model_proto=model)

    @classmethod
    def learned(cls, sentences, vocabulary):
        """From sentences; `vocabulary` numbers at most, fewer where the text has fewer pieces.

        What the sentences hold no letter of is spelled in bytes.
        """
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocabulary,
            hard_vocab_limit=False,
            character_coverage=1.0,
            byte_fallback=True,
            pad_id=PADDING,
            unk_id=UNKNOWN,
            bos_id=START,
            eos_id=END,
            minloglevel=2,
        )
        return cls(model.getvalue())

    @classmethod
    def kept(cls, run, sentences, vocabulary):
        """Learned from sentences, and written into the run's folder, where `opened` finds them."""
        with common.user_errors():
            try:
                subwords = cls.learned(sentences, vocabulary)
            except RuntimeError as error:  # each character needs a number, and each of 256 bytes
                numbers = re.search(r"required_chars\. \d+ vs (\d+)", str(error))
                least = f" of {numbers[1]} or more" if numbers else ""
                raise ValueError(f"This text needs a --vocabulary{least}. Received: {vocabulary}") from error
        with common.replacing(run / FILE) as file:
            file.write(subwords.model)
        return subwords

    def __len__(self):
        return self._pieces.get_piece_size()

    def numbers(self, sentences, dropout=0.0, seed=0):
        """A list of numbers a sentence, with END behind.

        Args:
            dropout: share of the merges of pieces that are left out, each time anew, so that a word is cut in many ways
                (Provilkov et al. 2020, "BPE-Dropout"); `seed` decides which.
        """
        sampling = {}
        if dropout:
            sentencepiece.set_random_generator_seed(seed)  # of the thread that `encode` starts for a list
            sampling = {"enable_sampling": True, "alpha": dropout, "nbest_size": -1, "num_threads": 1}
        return [row + [END] for row in self._pieces.encode(list(sentences), **sampling)]

    def text(self, rows):
        """The sentences of rows of numbers, each up to its END."""
        rows = ([int(n) for n in row] for row in rows)
        return [self._pieces.decode([n for n in _until_end(row) if n > END]) for row in rows]

    def pieces(self, row):
        """The piece behind each number, for labels: "▁" stands for a space."""
        return [self._pieces.id_to_piece(int(n)) for n in row]


def _until_end(row):
    return row[: row.index(END)] if END in row else row


def opened(recipe, run):
    """A recipe's finished run, its model and its subwords."""
    run = common.Run.open(recipe, run)
    with common.user_errors():
        return run, run.model(), Subwords((run / FILE).read_bytes())


def together(runs):
    """The networks of several runs as one, and their subwords, which are the same because the training part is."""
    return decoding.Ensemble([run.model() for run in runs]), Subwords((runs[0] / FILE).read_bytes())


def examples(subwords, table, longest, dropout=0.0, seed=0):
    """Source and target numbers of the pairs of which neither side is longer; says how many are left out.

    With `dropout`, as `Subwords.numbers` takes it, a function from the epoch to these.
    """
    sides = table["source"], table["target"]
    numbers = [subwords.numbers(side) for side in sides]
    short = [max(map(len, pair)) <= longest for pair in zip(*numbers)]
    if not all(short):
        print(f"{short.count(False):,} of {len(short):,} pairs are longer than {longest} subwords and left out")
    if not any(short):
        raise common.Stop(f"No pair is left to train or validate on: try a larger --longest. Received: {longest}")
    if not dropout:
        return [list(itertools.compress(side, short)) for side in numbers]
    sides = [list(itertools.compress(side, short)) for side in sides]

    def drawn(epoch):
        seeds = map(int, np.random.SeedSequence([seed, epoch]).generate_state(2))
        return [subwords.numbers(side, dropout, seed) for side, seed in zip(sides, seeds)]

    return drawn


def teacher_forced(source, target):
    """What the network sees, and what it should say: the target, and the target one step later."""
    return (source, tf.pad(target[:, :-1], [[0, 0], [1, 0]], constant_values=START)), target


class FreeDecoding(keras.callbacks.Callback):
    """Adds `val_NAME` to every epoch's values: a score of what the network writes by itself, greedily.

    Args:
        inputs: batches of what `model.begin` takes.
        score: a function from a list of texts, one for each example, to a number.
    """

    def __init__(self, name, subwords, inputs, score, longest):
        super().__init__()
        self.name, self.subwords, self.inputs, self.score, self.longest = name, subwords, inputs, score, longest
        self.search = None

    def on_epoch_end(self, epoch, logs):
        self.search = self.search or search(self.model, 1, longest=self.longest)
        logs[f"val_{self.name}"] = self.score(
            [beams[0][0] for beams in written(self.search, self.subwords, self.inputs)]
        )


def search(model, beam=BEAM, length_penalty=LENGTH_PENALTY, coverage_penalty=0.0, length_reward=0.0, longest=100):
    """The model's search as a model, compiled once for many calls of `translate`."""
    if coverage_penalty and model.settings["attention"] == "none":
        raise common.Stop("--coverage-penalty needs a network with attention, and this run has none.")
    kind = functools.partial(decoding.beam_search, width=beam, length_penalty=length_penalty)
    more = {"coverage_penalty": coverage_penalty, "length_reward": length_reward}
    kind = functools.partial(kind, **more) if beam > 1 else _greedy
    return decoding.Search(model, functools.partial(kind, start=START, end=END, longest=longest))


def _greedy(*arguments, **options):
    tokens, scores = decoding.greedy(*arguments, **options)
    return tokens[:, None], scores[:, None]


def translate(search, subwords, sentences, batch_size=100):
    """For each sentence its beams, the best first: pairs of text and score; fewer where there are no more sentences."""
    sources, order = batches.ordered([subwords.numbers(sentences)], batch_size)
    found = written(search, subwords, sources)
    return [found[i] for i in np.argsort(order)]


def written(search, subwords, inputs):
    """For each example of batches of inputs what `translate` returns for each sentence."""
    tokens, scores = search.predict(inputs, verbose=0)
    real = [(beams[np.isfinite(worth)], worth[np.isfinite(worth)]) for beams, worth in zip(tokens, scores)]
    return [list(zip(subwords.text(beams), map(float, worth))) for beams, worth in real]


def attention_weights(model, source, target):
    """What each step that wrote `target`, numbers, attended to in `source`, numbers: (steps, timesteps)."""
    states, memory = model.begin(np.array([source]))
    rows = []
    for token in [START, *target[:-1]]:
        _, states, weights = model.step(np.array([token]), states, memory)
        rows.append(keras.ops.convert_to_numpy(weights)[0])
    return np.array(rows)
