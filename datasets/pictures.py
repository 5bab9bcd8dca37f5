"""Pictures in folders and archives, read one by one: one that cannot be read is told, and never ends the reading."""

import collections
import functools
import io
import pathlib
import struct
import tarfile
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

SUFFIXES = ".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff"


class Pictures:
    """Pictures by name.

    Args:
        names: of all of them.
        read: a function from names to pairs of a name and a picture: an array, or a function that gives a file's bytes.

    Attributes:
        names: a set of all names.
    """

    def __init__(self, names, read):
        self.names, self._read = set(names), read

    def arrays(self, names):
        """Yields each name with its picture, or with the ValueError that says why there is none.

        A picture is uint8 of shape (height, width, 3): turned as its camera says, on white where it is transparent.
        """
        for name, data in self._read(names):
            try:
                yield name, data if isinstance(data, np.ndarray) else decoded(name, _content(name, data))
            except ValueError as error:
                yield name, error


def _content(name, read):
    """The bytes of a picture; raises ValueError where its file or archive does not give them."""
    try:
        return read()
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        raise ValueError(f"{name} cannot be read ({error})") from error


def decoded(name, data):
    """The picture in the bytes of a file; raises ValueError where there is none, or only a part of one."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):  # 16-bit grey, which Pillow would cut instead of scaling
                image = Image.fromarray((np.asarray(image, "float32") / 257).clip(0, 255).astype("uint8"))
            if "A" in image.getbands() or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is no picture, whatever its name says") from error
    except (OSError, SyntaxError, TypeError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"{name} is damaged or no picture ({error})") from error


def pictures_in(place):
    """The pictures in a folder or a zip or tar archive, by file name, or the one picture; other files are left alone.

    Raises FileNotFoundError where there is nothing, ValueError where there is no picture.
    """
    if not place.exists():
        raise FileNotFoundError(
            f"No such file or folder: {place}. Name a picture, or a folder, zip or tar of pictures."
        )
    try:
        found = _by_name(place, _members(place))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise ValueError(f"{place} is neither a picture nor a zip or tar archive, or it is damaged") from error
    return Pictures(found, lambda names: ((name, found[name]) for name in names))


def _members(place):
    """Pairs of a path and a function that gives the bytes there."""
    if place.is_dir() or place.suffix.lower() in SUFFIXES:
        return [(path, path.read_bytes) for path in (sorted(place.iterdir()) if place.is_dir() else [place])]
    if place.suffix.lower() == ".zip":
        archive = zipfile.ZipFile(place)
        return [(name, functools.partial(archive.read, name)) for name in archive.namelist()]
    archive = tarfile.open(place)
    read = lambda member: archive.extractfile(member).read()
    return [(member.name, functools.partial(read, member)) for member in archive if member.isfile()]


def _by_name(place, members):
    """What reads each picture, by file name; without what a Mac adds to each. Raises where two have one name."""
    pairs = [(pathlib.PurePath(path), read) for path, read in members]
    pairs = [(path.name, read) for path, read in pairs if path.suffix.lower() in SUFFIXES and path.name[:2] != "._"]
    counts = collections.Counter(name for name, _ in pairs)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise ValueError(f"{place}: file names must differ, whatever the folder. Received twice or more: {twice[:5]}")
    return dict(pairs)
