"""What the captioning network is given: pictures or their features, the captions' subwords, and batches of both."""

import functools
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras import ops

from recipes import caption_report, common, picture_features, translation_text

FEATURES = common.RUNS / "image_captioning" / "features"


def looks(settings):
    """Whether the network that looks is trained, so that the model is given pictures."""
    return settings["fine_tune"] or settings["encoder"] == picture_features.CNN


def seen(settings, pictures, names, training=False):
    """What the model is given of each picture, an array of (pictures, ...), and the names of those that can be read.

    All pictures as they are come first. Behind them come further views of all of them, as the settings say: mirrored
    ones, and in training random crops, else their middles, as they are and mirrored.
    """
    with common.user_errors():
        found, messages = picture_features.read(pictures, list(names), settings["size"], settings["odd"])
        for message in messages:
            print(f"left out: {message}")
        if not found:
            raise ValueError("None of the pictures can be read.")
        arrays, mirrored = np.stack(list(found.values())), settings["mirrored"]
        views, mirror = [arrays], lambda array: [np.ascontiguousarray(array[:, :, ::-1])] if mirrored else []
        if training:
            views += mirror(arrays)
            views += [picture_features.cropped(arrays, seed, mirrored) for seed in range(settings["crops"])]
        elif settings["test_augmentation"]:
            middle = picture_features.middle(arrays)
            views += [*mirror(arrays), middle, *mirror(middle)]
        if not looks(settings):
            weights = settings["weights"] if settings["weights"] == "imagenet" else Path(settings["weights"])
            views = picture_features.features(views, settings["encoder"], settings["size"], weights, FEATURES)
        return tf.concat(views, axis=0) if len(views) > 1 else views[0], [*found]


def examples(subwords, names, texts):
    """A row number and subwords for each caption."""
    rows = [(row, caption_report.plain(text)) for row, name in enumerate(names) for text in texts[name]]
    return [np.array([row for row, _ in rows]), subwords.numbers([text for _, text in rows])]


def part(settings, data, split):
    """A split's arrays, names and captions by name; in the training part perhaps several arrays a name, see `seen`."""
    table = data.splits[split]
    arrays, names = seen(settings, data.pictures, table["name"], training=split == "train")
    return arrays, names, dict(zip(table["name"], table["captions"]))


def forced(arrays, names, seed):
    """A function from the epoch to one from row numbers and captions to what the network sees, and what it should say.

    Where there are several views of each picture, one is drawn, decided by seed, epoch and first row.
    """
    table, views = tf.convert_to_tensor(arrays), len(arrays) // len(names)

    def pairs(epoch, rows, target):
        seeds = [tf.cast(epoch, "int64") + 1000 * seed, tf.cast(rows[0], "int64")]
        view = tf.random.stateless_uniform(tf.shape(rows), seeds, 0, views, rows.dtype)
        return translation_text.teacher_forced(tf.gather(table, rows + view * len(names)), target)

    return lambda epoch: functools.partial(pairs, epoch)


def by_picture(arrays, pictures):
    """The views of each of so many pictures, (pictures, views, ...), of what `seen` returns."""
    return np.swapaxes(np.reshape(arrays, (-1, pictures, *arrays.shape[1:])), 0, 1)


def probabilities(model, views, rows):
    """How likely the model thinks each caption of one picture, from its views and each caption's numbers."""
    found = []
    for row in rows:
        target = tf.constant([row] * len(views))
        inputs, _ = translation_text.teacher_forced(tf.convert_to_tensor(views), target)
        chances = ops.take_along_axis(ops.softmax(model(inputs)), target[..., None], axis=-1)
        found.append(float(ops.prod(ops.mean(chances, axis=0))))
    return found
