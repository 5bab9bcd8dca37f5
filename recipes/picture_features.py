"""What a convolutional network sees in pictures: a trained one's features, worked out once and kept on disk."""

import functools
import hashlib
import inspect
import json
import sys

import keras
import numpy as np
import tensorflow as tf

from recipes import common

CNN = "cnn"  # a small network that a recipe trains itself
BATCH = 64
LEAST = 0.6  # share of a picture's area that a crop shows, at least
MIDDLE = 0.85  # share of a picture's width and height that its middle has


def names():
    """The networks of keras.applications, as `--encoder` takes them."""
    return sorted(name for name, part in vars(keras.applications).items() if inspect.isfunction(part))


def network(name, size, weights=None):
    """A network of keras.applications without its last layers, from pictures of 0 to 255, (batch, size, size, 3).

    It gives its last map, and behind it the last finer one at the same positions: what things are, and of what parts.

    Args:
        weights: a `.weights.h5` file of that network without its top, "imagenet" to download them, None: random ones.

    Raises: ValueError: the file is none, or does not fit.
    """
    module = getattr(keras.applications, getattr(keras.applications, name).__module__.rpartition(".")[2])
    inputs = keras.Input((size, size, 3))
    try:
        body = getattr(keras.applications, name)(include_top=False, weights=weights, input_shape=(size, size, 3))
    except Exception as error:
        raise ValueError(f"{name} cannot be made for {size} pixels with the weights {weights} ({error})") from error
    side = body.output.shape[1]
    finer = keras.layers.Resizing(side, side, antialias=True)(finer_layer(body).output)
    body = keras.Model(body.input, keras.layers.Concatenate()([body.output, finer]))
    body.trainable = False
    return keras.Model(inputs, body(module.preprocess_input(inputs), training=False), name="backbone")


def finer_layer(body):
    """The last layer of a network whose map has more positions than its output, and no margin of zeros."""
    passed = keras.layers.ZeroPadding2D, keras.Model  # a model's output is not a part of the graph around it
    found = (layer for layer in reversed(body.layers) if not isinstance(layer, passed))
    return next(
        layer for layer in found if len(layer.output.shape) == 4 and layer.output.shape[1] > body.output.shape[1]
    )


def small_network(size, seed=0):
    """Four convolutions with stride 2, which a recipe trains: (batch, size, size, 3) to (batch, size / 16, …, 96)."""
    x = inputs = keras.Input((size, size, 3))
    x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
    for filters in (24, 48, 96, 96):
        x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
    return keras.Model(inputs, x, name="backbone")


def squared(array, size):
    """A picture at size × size, uint8; its aspect is not kept, so nothing is cut off."""
    if array.shape[:2] == (size, size):
        return array
    return tf.cast(tf.round(tf.image.resize(array, (size, size), antialias=True)), tf.uint8).numpy()


def cropped(arrays, seed, mirrored):
    """A random part of each picture, its aspect kept, as large as the picture; half of them mirrored, if at all.

    Args:
        arrays: uint8, (pictures, size, size, 3).
    """
    rng = np.random.default_rng(seed)
    sides = np.sqrt(rng.uniform(LEAST, 1, (len(arrays), 1)))
    corners = rng.uniform(0, 1 - sides, (len(arrays), 2))  # top and left
    boxes = np.concatenate([corners, corners + sides], axis=1)
    turned = mirrored & (rng.random(len(arrays)) < 0.5)
    boxes[turned] = boxes[turned][:, [0, 3, 2, 1]]  # from its right to its left
    return _cut(arrays, boxes)


def middle(arrays):
    """The middle of each picture, as large as the picture; arrays as `cropped` takes them."""
    margin = (1 - MIDDLE) / 2
    return _cut(arrays, np.tile([margin, margin, 1 - margin, 1 - margin], (len(arrays), 1)))


def _cut(arrays, boxes):
    batches = (slice(begin, begin + BATCH) for begin in range(0, len(arrays), BATCH))
    cut = lambda part, boxes: tf.image.crop_and_resize(part, boxes, range(len(part)), arrays.shape[1:3])
    return np.concatenate([tf.cast(tf.round(cut(arrays[b], boxes[b])), "uint8") for b in batches])


def read(pictures, names, size, damaged):
    """Pictures by name, squared: a dict of arrays; and the messages on those that cannot be read.

    Raises: ValueError: one cannot be read, and `damaged` is "refuse" instead of "skip".
    """
    found, messages = {}, []
    shown = sys.stdout.isatty() and len(names) > 1000
    bar = keras.utils.Progbar(len(names), verbose=int(shown), unit_name="picture")
    for name, array in pictures.arrays(names):
        if not isinstance(array, ValueError):
            found[name] = squared(array, size)
        elif damaged == "skip":
            messages.append(str(array))
        else:
            raise ValueError(f"{array}. Mend it, or leave such out with --odd skip.")
        bar.add(1)
    return found, messages


def features(views, encoder, size, weights, folder):
    """The encoder's features of pictures, float16, (pictures, positions, channels), from disk where they are.

    Args:
        views: arrays of pictures, uint8, (pictures, size, size, 3); the network is made once for all of them.
        folder: where they are kept, under a name that follows from the network, its weights, and the pictures.

    Returns: a list with the features of each view.
    """
    look = functools.cache(lambda: network(encoder, size, weights))
    key = hashlib.sha256(json.dumps([encoder, size, "two maps"]).encode())
    key.update(str(weights).encode() if weights in (None, "imagenet") else weights.read_bytes())
    return [_kept(look, view, key.copy(), folder) for view in views]


def _kept(look, arrays, key, folder):
    key.update(np.ascontiguousarray(arrays))
    path = folder / f"{key.hexdigest()[:32]}.npy"
    if not path.exists():
        print(f"Features of {len(arrays):,} pictures, once:", flush=True)
        maps = look().predict(arrays, batch_size=BATCH, verbose=1 if sys.stdout.isatty() else 2)
        folder.mkdir(parents=True, exist_ok=True)
        with common.replacing(path) as file:
            np.save(file, maps.reshape(len(maps), -1, maps.shape[-1]).astype("float16"))
    with common.user_errors():
        return np.load(path, mmap_mode="r")
