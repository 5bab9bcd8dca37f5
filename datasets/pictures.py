"""Pictures in folders and archives, read one by one; an unreadable picture is reported and does not stop the others."""

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
        names: the names of all pictures.
        read: a function that takes names and yields a pair for each: the name, and either an array or a function that
            returns the bytes of the picture's file.

    Attributes:
        names: the set of all names.
        read: the argument.
    """

    def __init__(self, names, read):
        self.names, self.read = set(names), read

    def arrays(self, names):
        """Yields each name with its picture, or with a ValueError if the picture cannot be read.

        Pictures are uint8 of shape (height, width, 3), rotated as their EXIF orientation demands; transparent pixels
        are blended with white.
        """
        for name, data in self.read(names):
            try:
                yield name, data if isinstance(data, np.ndarray) else decoded(name, _content(name, data))
            except ValueError as error:
                yield name, error


def _content(name, read):
    """The bytes of a picture's file. Raises ValueError if the file or the archive cannot be read."""
    try:
        return read()
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        raise ValueError(f"{name} cannot be read ({error})") from error


def decoded(name, data):
    """The picture in the bytes of a file. Raises ValueError if they are damaged, cut short, or not a picture."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            image = ImageOps.exif_transpose(image)
            if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip instead of scaling
                image = Image.fromarray((np.asarray(image, "float32") / 257).clip(0, 255).astype("uint8"))
            if "A" in image.getbands() or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            return np.asarray(image.convert("RGB"))
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not a picture in a known format") from error
    except (OSError, SyntaxError, TypeError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise ValueError(f"{name} is damaged or not a picture ({error})") from error


def pictures_in(place):
    """The pictures of a folder, or of a zip or tar archive, or one picture, by file name. Other files are ignored.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: a file is neither a picture nor an archive, or two pictures have the same file name.
    """
    if not place.exists():
        raise FileNotFoundError(
            f"No such file or folder: {place}. Pass a picture, or a folder, zip or tar archive of pictures."
        )
    try:
        readers = _by_name(place, _members(place))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise ValueError(f"{place} is damaged, or neither a picture nor a zip or tar archive") from error
    return Pictures(readers, lambda names: ((name, readers[name]) for name in names))


def _members(place):
    """Pairs of a path and a function that returns the bytes of the file there."""
    if place.is_dir() or place.suffix.lower() in SUFFIXES:
        return [(path, path.read_bytes) for path in (sorted(place.iterdir()) if place.is_dir() else [place])]
    if place.suffix.lower() == ".zip":
        archive = zipfile.ZipFile(place)
        return [(name, functools.partial(archive.read, name)) for name in archive.namelist()]
    archive = tarfile.open(place)
    read = lambda member: archive.extractfile(member).read()
    return [(member.name, functools.partial(read, member)) for member in archive if member.isfile()]


def _by_name(place, members):
    """A dict from the file names of pictures to the functions that read them. Raises ValueError if a name repeats."""
    pairs = [(pathlib.PurePath(path), read) for path, read in members]
    is_picture = lambda path: path.suffix.lower() in SUFFIXES and not path.name.startswith("._")  # macOS metadata
    pairs = [(path.name, read) for path, read in pairs if is_picture(path)]
    counts = collections.Counter(name for name, _ in pairs)
    if repeated := [name for name, count in counts.items() if count > 1]:
        raise ValueError(
            f"{place}: pictures must have different file names, even in different folders. "
            f"Received more than once: {repeated[:5]}"
        )
    return dict(pairs)
