"""Pictures as a network's input: resizing, augmentation, and features of pretrained networks, cached on disk."""

import functools
import hashlib
import inspect
import json
import re
import sys

from toolkit.runs import read_file, replacing

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from datasets.pictures import without_ending

BATCH = 64
PREVIEW = 600  # pixels
CROP_AREA = 0.6  # smallest share of a picture's area in a random crop
CENTER_SIDE = 0.85  # share of a picture's width and height in its central crop

# --------------------------------------------------------------------------------------------------------- reading


def read(pictures, names, size, damaged="refuse"):
    """Read pictures and resize them.

    Args:
        pictures: a `datasets.pictures.Pictures`.
        names: of those to read.
        size: width and height in pixels of the result.
        damaged: "refuse" or "skip" pictures that cannot be read.

    Returns:
        A dict from names to uint8 arrays, (size, size, 3), and a list with a message for each damaged picture.

    Raises:
        ValueError: a picture is damaged and `damaged` is "refuse".
    """
    arrays, messages = {}, []
    progress = keras.utils.Progbar(len(names), verbose=int(sys.stdout.isatty() and len(names) > 1000))
    for name, array in pictures.arrays(names):
        if not isinstance(array, ValueError):
            arrays[name] = resized(array, size)
        elif damaged == "skip":
            messages.append(str(array))
        else:
            raise ValueError(f"{array}. Repair it, or skip damaged pictures with --odd skip.")
        progress.add(1)
    return arrays, messages


def previews(pictures, names):
    """A dict from names to pictures as drawings need them, at most PREVIEW pixels wide and high."""
    previews = {}
    for name, array in pictures.arrays(names):
        image = Image.fromarray(array)
        image.thumbnail((PREVIEW, PREVIEW))
        previews[name] = np.asarray(image)
    return previews


def distinct_stems(names):
    """For each picture's name the beginning of a file's name, different from the others' even where case is ignored."""
    stems = {}
    for name in names:
        plain = stem = re.sub(r"[^\w.-]+", "-", without_ending(name)).strip("-.")[-50:] or "picture"
        number = 1
        while stem.casefold() in stems:
            number += 1
            stem = f"{plain}-{number}"
        stems[stem.casefold()] = stem
    return [*stems.values()]


def resized(array, size):
    """A picture of size × size pixels, uint8; it is stretched rather than cropped."""
    if array.shape[:2] == (size, size):
        return array
    return tf.cast(tf.round(tf.image.resize(array, (size, size), antialias=True)), tf.uint8).numpy()


# ---------------------------------------------------------------------------------------------------- augmentation


def training_views(arrays, mirrored=False, crops=0):
    """Pictures and what is made of them for training: a list of arrays, uint8, (pictures, size, size, 3).

    Args:
        arrays: the pictures; they are the first view.
        mirrored: whether the mirrored pictures are a view, and half of the crops are mirrored.
        crops: number of views that are random crops.
    """
    views = [arrays, flipped(arrays)] if mirrored else [arrays]
    return views + [random_crops(arrays, seed, mirrored) for seed in range(crops)]


def evaluation_views(arrays, mirrored=False):
    """Pictures and their central crops; with `mirrored` each of them also mirrored, directly behind it."""
    views = arrays, central_crops(arrays)
    return [view for plain in views for view in ([plain, flipped(plain)] if mirrored else [plain])]


def flipped(arrays):
    return np.ascontiguousarray(arrays[:, :, ::-1])


def random_crops(arrays, seed, mirrored=False):
    """A random crop of each picture, resized to the picture's size; its aspect ratio is that of the picture.

    Args:
        arrays: uint8, (pictures, size, size, 3).
        mirrored: whether half of the crops are mirrored.
    """
    rng = np.random.default_rng(seed)
    sides = np.sqrt(rng.uniform(CROP_AREA, 1, (len(arrays), 1)))
    corners = rng.uniform(0, 1 - sides, (len(arrays), 2))  # top and left
    boxes = np.concatenate([corners, corners + sides], axis=1)
    flips = mirrored & (rng.random(len(arrays)) < 0.5)
    boxes[flips] = boxes[flips][:, [0, 3, 2, 1]]  # from right to left
    return _cropped(arrays, boxes)


def central_crops(arrays):
    """The centre of each picture, resized to the picture's size; `arrays` as in `random_crops`."""
    margin = (1 - CENTER_SIDE) / 2
    return _cropped(arrays, np.tile([margin, margin, 1 - margin, 1 - margin], (len(arrays), 1)))


def _cropped(arrays, boxes):
    slices = (slice(start, start + BATCH) for start in range(0, len(arrays), BATCH))
    crop = lambda batch, boxes: tf.image.crop_and_resize(batch, boxes, range(len(batch)), arrays.shape[1:3])
    return np.concatenate([tf.cast(tf.round(crop(arrays[s], boxes[s])), "uint8") for s in slices])


# ------------------------------------------------------------------------------------------------------- features


def pretrained_names():
    """The networks of keras.applications."""
    return sorted(name for name, member in vars(keras.applications).items() if inspect.isfunction(member))


def pretrained_network(name, size, weights=None):
    """A frozen network of keras.applications without its top, from pictures, (batch, size, size, 3), of 0 to 255.

    Its output joins two feature maps at the positions of the last one: the last map, and the last one with a higher
    resolution, resized. The first tells what things are, the second what they are made of.

    Args:
        weights: a `.weights.h5` file of the network without its top, "imagenet" to download them, or None for random
            weights.

    Raises:
        ValueError: the weights cannot be read or do not fit.
    """
    module = getattr(keras.applications, getattr(keras.applications, name).__module__.rpartition(".")[2])
    inputs = keras.Input((size, size, 3))
    try:
        body = getattr(keras.applications, name)(include_top=False, weights=weights, input_shape=(size, size, 3))
    except Exception as error:
        raise ValueError(f"{name} cannot be built for {size} pixels with the weights {weights} ({error})") from error
    side = body.output.shape[1]
    finer = keras.layers.Resizing(side, side, antialias=True)(_finer_layer(body).output)
    body = keras.Model(body.input, keras.layers.Concatenate()([body.output, finer]))
    body.trainable = False
    return keras.Model(inputs, body(module.preprocess_input(inputs), training=False))


def _finer_layer(body):
    """The last layer whose feature map has a higher resolution than the network's output and is not zero-padded."""
    skipped = keras.layers.ZeroPadding2D, keras.Model  # the output of a nested model is not part of the outer graph
    layers = (layer for layer in reversed(body.layers) if not isinstance(layer, skipped))
    return next(
        layer for layer in layers if len(layer.output.shape) == 4 and layer.output.shape[1] > body.output.shape[1]
    )


def features(views, encoder, size, weights, folder):
    """Features of pictures, computed by a pretrained network and cached on disk.

    Args:
        views: a list of arrays of pictures, uint8, (pictures, size, size, 3).
        encoder, size, weights: as `pretrained_network` takes them.
        folder: the cache; a file's name follows from the network, its weights and the pictures.

    Returns:
        The features of each view: a list of arrays, float16, (pictures, positions, channels).
    """
    network = functools.cache(lambda: pretrained_network(encoder, size, weights))  # built at most once, if needed
    key = hashlib.sha256(json.dumps([encoder, size, "two maps"]).encode())
    key.update(str(weights).encode() if weights in (None, "imagenet") else weights.read_bytes())
    return [_cached_features(network, view, key.copy(), folder) for view in views]


def feature_maps(network, arrays, verbose=0):
    """Features of pictures, uint8, (pictures, size, size, 3), by a `pretrained_network`: as `features`, not cached."""
    maps = network.predict(arrays, batch_size=BATCH, verbose=verbose)
    return maps.reshape(len(maps), -1, maps.shape[-1]).astype("float16")


def _cached_features(network, arrays, key, folder):
    key.update(np.ascontiguousarray(arrays))
    path = folder / f"{key.hexdigest()[:32]}.npy"
    if not path.exists():
        of = "one picture" if len(arrays) == 1 else f"{len(arrays):,} pictures"
        print(f"Computing the features of {of}; they are cached:", flush=True)
        maps = feature_maps(network(), arrays, verbose=1 if sys.stdout.isatty() else 2)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.save(file, maps)

    def parse(path):
        maps = np.load(path, mmap_mode="r")
        if maps.dtype != "float16" or maps.ndim != 3 or len(maps) != len(arrays):
            raise ValueError(f"features of {len(arrays)} pictures are needed. Received: {maps.dtype} {maps.shape}")
        return maps

    return read_file(path, parse, "delete it, and it is computed again")
