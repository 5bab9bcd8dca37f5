"""What the captioning network is given: pictures or their features, the captions' subwords, and batches of both."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from keras import ops

from recipes import caption_report, common, picture_features, translation_text

FEATURES = common.RUNS / "image_captioning" / "features"


def looks(settings):
    """Whether the network that looks is trained, so that the model is given pictures."""
    return settings["fine_tune"] or settings["encoder"] == picture_features.CNN


def seen(settings, pictures, names):
    """What the model is given of each picture, an array of (pictures, ...), and the names of those that can be read."""
    with common.user_errors():
        found, messages = picture_features.read(pictures, list(names), settings["size"], settings["odd"])
        for message in messages:
            print(f"left out: {message}")
        if not found:
            raise ValueError("None of the pictures can be read.")
        arrays = np.stack(list(found.values()))
        if not looks(settings):
            weights = settings["weights"] if settings["weights"] == "imagenet" else Path(settings["weights"])
            arrays = picture_features.features(arrays, settings["encoder"], settings["size"], weights, FEATURES)
        return arrays, [*found]


def examples(subwords, names, texts):
    """A row number and subwords for each caption."""
    rows = [(row, caption_report.plain(text)) for row, name in enumerate(names) for text in texts[name]]
    return [np.array([row for row, _ in rows]), subwords.numbers([text for _, text in rows])]


def part(settings, data, split):
    """A split's arrays, names and captions by name."""
    table = data.splits[split]
    arrays, names = seen(settings, data.pictures, table["name"])
    return arrays, names, dict(zip(table["name"], table["captions"]))


def forced(arrays):
    """A function from row numbers and captions to what the network sees, and what it should say."""
    table = tf.constant(np.asarray(arrays))
    return lambda rows, target: translation_text.teacher_forced(tf.gather(table, rows), target)


def probabilities(model, seen, rows):
    """How likely the model thinks each caption of one picture, from its inputs and each caption's numbers."""
    found = []
    for row in rows:
        inputs, target = translation_text.teacher_forced(tf.constant(np.asarray(seen)[None]), tf.constant([row]))
        chances = ops.take_along_axis(ops.log_softmax(model(inputs)), target[..., None], axis=-1)
        found.append(float(ops.exp(ops.sum(chances))))
    return found
