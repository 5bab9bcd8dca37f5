"""Pictures in folders and archives, read one by one; an unreadable picture is reported and does not stop the others."""

import collections
import functools
import io
import os
import pathlib
import struct
import tarfile
import warnings
import zipfile
import zlib

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from datasets import local

FORMATS = "JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"  # Pillow knows more, and runs an interpreter for some
SUFFIXES = ".jpg", ".jpeg", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif"
STARTS = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"II*\0", b"MM\0*"  # the first bytes of pictures' files
UNREAD = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"mif1": "HEIC", b"msf1": "HEIC", b"avif": "AVIF"}
PIXELS = 50_000_000  # in a picture; a file of a few kB can unpack to many more
BYTES = 256 << 20  # in a picture's file


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

    def renamed(self, old):
        """Those of these pictures that a dict from new names to their present ones has, by their new names."""
        new = {name: to for to, name in old.items()}
        return Pictures(old, lambda names: ((new[name], data) for name, data in self.read([old[to] for to in names])))


def _content(name, read):
    """The bytes of a picture's file. Raises ValueError if the file or the archive cannot be read."""
    try:
        return read()
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        raise ValueError(f"{name} cannot be read ({error})") from error


def decoded(name, data):
    """The picture in the bytes of a file, whose contents tell the format.

    Raises ValueError if they are damaged, cut short, too large, or not a picture in one of FORMATS.
    """
    if not data:
        raise ValueError(f"{name} is empty")
    if form := UNREAD.get(_brand(data)):
        raise ValueError(f"{name} is {form}, which is not read here: save it as JPEG or PNG")
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data), formats=FORMATS) as image:
            if image.width * image.height > PIXELS:
                raise Image.DecompressionBombError(f"{image.width} × {image.height}")
            return _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name} must have at most {PIXELS // 10**6} million pixels: reduce it ({error})") from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{name} is not a picture in a known format ({', '.join(FORMATS)})") from error
    except (OSError, SyntaxError, TypeError, ValueError, struct.error, zlib.error, MemoryError) as error:
        raise ValueError(f"{name} is damaged or not a picture ({local.shortened(error)})") from error


def _brand(start):
    return start[8:12] if start[4:8] == b"ftyp" else None


def _rgb(image):
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow would clip instead of scaling
        image = Image.fromarray((np.asarray(image, "float32") / 257).clip(0, 255).astype("uint8"))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.asarray(image.convert("RGB"))


# ---------------------------------------------------------------------------------------------- folders and archives


def pictures_in(place):
    """The pictures of a folder and its subfolders, or of a zip or tar archive, or one picture.

    A picture's name is its path in the folder or archive. Other files are ignored, and so is what systems leave:
    hidden files and folders and those of macOS's archives. What is a picture, the first bytes tell where the ending
    does not.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: a file is neither a picture nor an archive, or the archive is damaged.
    """
    if not place.exists():
        raise FileNotFoundError(
            f"No such file or folder: {place}. Pass a picture, or a folder, zip or tar archive of pictures."
        )
    if not place.is_dir() and not place.is_file():
        raise ValueError(f"A picture, or a folder or archive of pictures, is needed. Received: {place}, a device")
    try:
        members = _members(place)
        readers = {_printable(name): functools.partial(_bytes, *file) for name, *file in members}
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, RuntimeError) as error:
        raise ValueError(f"{place} is damaged, or neither a picture nor a zip or tar archive") from error
    return Pictures(readers, lambda names: ((name, readers[name]) for name in names))


def _members(place):
    """Of each picture its name, the size of its file, and a function that opens it."""
    if place.is_dir():
        files = [(path.relative_to(place).as_posix(), path.stat().st_size, path) for path in _walk(place)]
        files = [(name, size, functools.partial(open, path, "rb")) for name, size, path in files]
    elif place.suffix.lower() in SUFFIXES or _is_picture(place.name, functools.partial(open, place, "rb")):
        return [(place.name, place.stat().st_size, functools.partial(open, place, "rb"))]
    elif zipfile.is_zipfile(place) or place.suffix.lower() == ".zip":
        archive = zipfile.ZipFile(place)
        infos = [info for info in archive.infolist() if not info.is_dir()]
        files = [(info.filename, info.file_size, functools.partial(archive.open, info)) for info in infos]
    else:
        archive = tarfile.open(place)
        members = [member for member in archive if member.isfile()]
        files = [(member.name, member.size, functools.partial(archive.extractfile, member)) for member in members]
    return [(name, size, read) for name, size, read in files if not _is_hidden(name) and _is_picture(name, read)]


def _walk(folder):
    """The paths of all regular files; links are followed, but into each folder once."""
    seen = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (path for name in sorted(files) if (path := pathlib.Path(place, name)).is_file())


def _is_hidden(name):
    parts = (part for part in name.split("/") if part not in (".", ".."))
    return any(part.startswith(".") or part in ("__MACOSX", "@eaDir") for part in parts)


def _is_picture(name, read):
    """Whether the ending or, where there is none that is known, the first bytes are those of a picture."""
    if name.lower().endswith(SUFFIXES):
        return True
    try:
        with read() as file:
            start = file.read(12)
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error):
        return False
    bitmap = start[:2] == b"BM" and start[6:10] == b"\0\0\0\0"
    return start.startswith(STARTS) or bitmap or start[:4] + start[8:] == b"RIFFWEBP" or _brand(start) in UNREAD


def _bytes(size, read):
    if size > BYTES:
        raise OSError(f"more than {BYTES >> 20} MiB")
    with read() as file:
        return file.read(BYTES)


def _printable(name):
    """A file's name without characters that cannot be printed."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


# ------------------------------------------------------------------------------------------------------------- names


def matched(names, paths):
    """A dict from names, as tables have them, to the paths of the pictures that they name.

    A name may have more folders than the path or fewer, and another ending or none. The path that agrees best is
    taken, and each path once.

    Raises ValueError if two paths agree equally well with a name.
    """
    alike = collections.defaultdict(list)
    for path in paths:
        alike[_parts(path)[0]].append(path)
    best = {}  # by path
    for name in names:
        ranked = sorted(((_agreement(name, path), path) for path in alike[_parts(name)[0]]), reverse=True)
        if len(ranked) > 1 and ranked[0][0] == ranked[1][0]:
            raise ValueError(
                f"The picture {local.shortened(name)} may be {ranked[1][1]} or {ranked[0][1]}: write the path with its "
                "folder into the table, or leave one picture."
            )
        if ranked and (ranked[0][1] not in best or best[ranked[0][1]][0] < ranked[0][0]):
            best[ranked[0][1]] = ranked[0][0], name
    return {name: path for path, (_, name) in best.items()}


def without_ending(name):
    """A picture's name without its ending, if that is one of SUFFIXES."""
    return next((name[: -len(suffix)] for suffix in SUFFIXES if name.lower().endswith(suffix)), name)


def _parts(path):
    """The file's name and those of its folders, from the inside out, without ending and case."""
    return without_ending(path).casefold().split("/")[::-1]


def _agreement(name, path):
    """What is compared to tell which path agrees best with a name."""
    pairs = zip(_parts(name), _parts(path))
    equal = next((count for count, (a, b) in enumerate(pairs) if a != b), min(name.count("/"), path.count("/")) + 1)
    ends = [text.rpartition("/")[2] for text in (name, path)]
    return name == path, equal, ends[0] == ends[1], ends[0].casefold() == ends[1].casefold()
