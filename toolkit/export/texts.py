"""Exports of networks that read the words of a text: as ids, or in a SavedModel as text."""

from dataclasses import replace
from pathlib import Path

from toolkit import batches
from toolkit.export.bundle import Contents
from toolkit.export.formats import Network
from toolkit.text import word_ids
from toolkit.text.words import FILE, columns, hashed_pairs

import keras
import tensorflow as tf

EXAMPLES = ["The cast was great, but the plot was dull.", "Not bad at all.", "Two hours of nothing: so boring!", ""]
NO_WORD = "\x01"  # a word that no vocabulary has, because control characters separate words
CODE = """
with open("{file}", encoding="utf-8") as file:
    ids = numbered(file.read().splitlines())
words = word_ids("Not bad at all.", ids, last={last})
print(load("model")({given})["{output}"])"""
DESCRIBED = {
    "text": "texts in UTF-8, of which the last {last} words are read",
    "words": "ids of each text's last {last} words, padded on the right with 0",
    "pairs": "ids of the pairs of neighbouring words, padded likewise",
}


def contents(run, model, output, vocabulary, texts, as_text=False, last=400, bigrams=0):
    """The `Contents` of an export.

    Args:
        run: the `toolkit.runs.Run` of the vocabulary.
        model: a network from word ids, and with `bigrams` from ids of pairs of words too.
        output: the name of its output, and what that is.
        texts: a list of texts to compare on.
        as_text: whether the exported network takes texts instead of ids.
        last, bigrams: as `words` and `bigrams` of `toolkit.text.words.columns`.
    """
    names, (output, meaning) = ["words", "pairs"] if bigrams else ["words"], output
    specs = [tf.TensorSpec((None, None), tf.int32, name) for name in names]
    packed = lambda tensors: keras.tree.pack_sequence_as(model.input, tensors)  # a list only where there are two
    network = Network(lambda ids: {output: model(packed([ids[name] for name in names]))}, specs, [model])

    def ids(chosen):
        (padded,), order = batches.by_length(columns(vocabulary, chosen, last, bigrams), len(chosen))
        return {name: array.numpy()[order.argsort()] for name, array in zip(names, padded)}

    given = ["words=words[None]", f"pairs=pair_ids(words, {bigrams})[None]"][: len(names)]
    by_ids = Contents(
        networks={"model": network},
        described={name: text.format(last=last) for name, text in DESCRIBED.items()} | {output: meaning},
        here=lambda chosen: network.predict_on_batch(ids(chosen)),
        there=lambda networks, chosen: networks["model"](**ids(chosen)),
        examples=[texts[:1], texts],
        count=len(texts),
        thing="text",
        files={FILE: run / FILE, "word_ids.py": Path(word_ids.__file__)},
        install=("numpy", "regex"),
        imports="from word_ids import numbered, pair_ids, word_ids",
        code=CODE.format(file=FILE, last=last, given=", ".join(given), output=output),
    )
    return by_text(by_ids, WordIds(vocabulary, last, bigrams), output) if as_text else by_ids


def by_text(contents, word_ids, output):
    """The contents with a network that takes texts, of which `word_ids` makes what the network in them takes."""
    network = contents.networks["model"]
    whole = Network(
        lambda given: network(dict(zip(network.signature, word_ids(given["text"])))),
        [tf.TensorSpec((None,), tf.string, "text")],
        [network, word_ids],
    )
    return replace(
        contents,
        networks={"model": whole},
        there=lambda networks, chosen: networks["model"](text=chosen),
        files={},
        install=(),
        imports="",
        code=f'print(load("model")(text=["Not bad at all."])["{output}"])',
    )


class WordIds(tf.Module):
    """`toolkit.text.words.columns` as a part of a graph: from texts, (batch,), to the network's inputs, a list."""

    def __init__(self, vocabulary, last, bigrams):
        super().__init__()
        numbers = tf.constant([*vocabulary.numbers.values()], tf.int64)
        initializer = tf.lookup.KeyValueTensorInitializer(tf.constant([*vocabulary.numbers]), numbers)
        self.table = tf.lookup.StaticHashTable(initializer, word_ids.UNKNOWN)
        self.last, self.bigrams = last, bigrams

    def __call__(self, texts):
        texts = tf.strings.regex_replace(tf.strings.lower(texts, "utf-8"), word_ids.BREAKS, " ")
        texts = tf.strings.strip(tf.strings.regex_replace(texts, word_ids.MARKS, r" \1 "))
        split = tf.strings.split(tf.where(texts == "", NO_WORD, texts))
        ids = self.table.lookup(split[:, -self.last :]).to_tensor(batches.PADDING)
        if not self.bigrams:
            return [tf.cast(ids, tf.int32)]
        pairs = tf.where(ids == batches.PADDING, ids, hashed_pairs(ids, self.bigrams))
        return [tf.cast(x, tf.int32) for x in (ids, pairs)]
