"""Pictures by their contents, in folders and archives; what is damaged, too large or no picture is one message."""

import io
import os
import resource
import struct
import subprocess
import tarfile
import zipfile
import zlib
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from picture_files import jpeg
from PIL import Image

from datasets import pictures

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "cases"


@pytest.mark.parametrize("name", ["missing.jpg", "missing.zip", "missing"])
def test_missing_pictures_are_an_error(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"No such file or folder: .*{name}. Pass a picture"):
        pictures.pictures_in(tmp_path / name)


@pytest.mark.parametrize(
    "mode, kind", [("L", "PNG"), ("RGBA", "PNG"), ("CMYK", "JPEG"), ("LA", "PNG"), ("RGB", "GIF"), ("RGB", "WEBP")]
)
def test_every_mode_and_format_becomes_rgb(mode, kind):
    assert pictures.decoded("x", jpeg(mode, kind=kind)).shape == (8, 12, 3)


def test_transparency_16_bit_grey_and_orientation():
    data = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(data, "PNG")
    assert (pictures.decoded("x", data.getvalue()) == 255).all()
    data = io.BytesIO()
    Image.new("P", (4, 4), 0).save(data, "PNG", transparency=0)
    assert (pictures.decoded("x", data.getvalue()) == 255).all()
    data = io.BytesIO()
    Image.fromarray(np.full((4, 4), 257 * 100, "uint16")).save(data, "PNG")
    assert (pictures.decoded("x", data.getvalue()) == 100).all()
    turned = Image.new("RGB", (12, 8))
    exif = turned.getexif()
    exif[0x0112] = 6
    data = io.BytesIO()
    turned.save(data, "JPEG", exif=exif)
    assert pictures.decoded("x", data.getvalue()).shape == (12, 8, 3)


def test_a_damaged_member_of_an_archive_is_an_error_and_the_others_are_read(tmp_path):
    picture = jpeg()
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        archive.writestr("0.jpg", picture), archive.writestr("1.jpg", jpeg())
    data = (tmp_path / "pictures.zip").read_bytes()
    (tmp_path / "pictures.zip").write_bytes(data.replace(picture, picture[:-9] + b"?" * 9))
    arrays = dict(pictures.pictures_in(tmp_path / "pictures.zip").arrays(["0.jpg", "1.jpg"]))
    assert isinstance(arrays["0.jpg"], ValueError) and "0.jpg cannot be read" in str(arrays["0.jpg"])
    assert arrays["1.jpg"].shape == (8, 12, 3)


def test_invalid_exif_data_is_an_error():
    """Orientation 6, and a text as the width."""
    entries = [struct.pack("<HHI", 0x0100, 2, 4) + b"abc\0", struct.pack("<HHI", 0x0112, 3, 1) + b"\6\0\0\0"]
    exif = b"Exif\0\0II*\0\x08\0\0\0\2\0" + b"".join(entries) + b"\0" * 4
    with pytest.raises(ValueError, match="x is damaged"):
        pictures.decoded("x", jpeg(exif=exif))


# ----------------------------------------------------------------------------------------------------------- contents


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize("name", ["right", "A.JPG", "b.jfif", "c.eps", "d.txt", "e.avif.jpg", "f"])
def test_the_contents_decide_and_not_the_ending(tmp_path, kind, name):
    (tmp_path / name).write_bytes(jpeg(kind=kind))
    ((found, array),) = pictures.pictures_in(tmp_path).arrays([name])
    assert found == name and array.shape == (8, 12, 3)
    ((found, array),) = pictures.pictures_in(tmp_path / name).arrays([name])
    assert found == name and array.shape == (8, 12, 3)


@pytest.mark.parametrize("kind", ["EPS", "PPM", "ICO", "PCX", "TGA"])
def test_no_other_format_is_opened(kind, monkeypatch):
    monkeypatch.setattr(subprocess, "check_call", lambda *a, **k: pytest.fail("an interpreter was called"))
    with pytest.raises(ValueError, match="x.png is not a picture in a known format .JPEG, PNG"):
        pictures.decoded("x.png", jpeg(size=(16, 16), kind=kind))


@pytest.mark.parametrize("brand, form", [(b"heic", "HEIC"), (b"mif1", "HEIC"), (b"avif", "AVIF")])
def test_what_is_not_read_is_named(tmp_path, brand, form):
    (tmp_path / "photo").write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0" * 50)
    ((name, error),) = pictures.pictures_in(tmp_path).arrays(["photo"])
    assert str(error) == f"photo is {form}, which is not read here: save it as JPEG or PNG"


def test_an_empty_file_is_named(tmp_path):
    (tmp_path / "d.png").touch()
    assert str(dict(pictures.pictures_in(tmp_path).arrays(["d.png"]))["d.png"]) == "d.png is empty"


def png_of_zeros(side):
    """A PNG file of a few kB that unpacks to side² grey pixels."""
    chunk = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = zlib.compressobj(1)
    data = b"".join(rows.compress(bytes(side + 1)) for _ in range(side)) + rows.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side, size", [(7_100, "7100 × 7100"), (10_000, "10000 × 10000"), (14_000, "196000000")])
def test_a_small_file_of_many_pixels_is_refused_by_its_header(side, size, recwarn):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=f"x must have at most 50 million pixels: reduce it.*{size}"):
        pictures.decoded("x", png_of_zeros(side))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000 and not recwarn.list  # kB


def test_a_picture_just_below_the_limit_is_read(monkeypatch):
    monkeypatch.setattr(pictures, "PIXELS", 10_000)
    assert pictures.decoded("x", png_of_zeros(100)).shape == (100, 100, 3)
    with pytest.raises(ValueError, match="101 × 101"):
        pictures.decoded("x", png_of_zeros(101))


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(pictures, "BYTES", 1 << 20)
    place, data = tmp_path / kind, jpeg() + bytes(1 << 20)
    if kind == "folder":
        place.mkdir()
        (place / "a.jpg").write_bytes(data)
    elif kind == "zip":
        with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.jpg", data)
    else:
        (tmp_path / "a.jpg").write_bytes(data)
        with tarfile.open(place, "w:gz") as archive:
            archive.add(tmp_path / "a.jpg", "a.jpg")
    assert str(dict(pictures.pictures_in(place).arrays(["a.jpg"]))["a.jpg"]) == "a.jpg cannot be read (more than 1 MiB)"


WHOLE = [jpeg(kind=kind) for kind in pictures.FORMATS] + [png_of_zeros(9)]


@hypothesis.settings(max_examples=150, deadline=None)
@hypothesis.given(st.data())
def test_any_bytes_are_a_picture_or_a_value_error(data):
    whole = data.draw(st.sampled_from(WHOLE))
    changed = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=5)):
        changed[place] = data.draw(st.integers(0, 255))
    content = data.draw(st.one_of(st.binary(max_size=99), st.just(bytes(changed[: data.draw(st.integers(0, 2000))]))))
    try:
        array = pictures.decoded("x", content)
    except ValueError as error:
        assert str(error).startswith("x ") and "\n" not in str(error)
    else:
        assert array.dtype == "uint8" and array.ndim == 3 and array.shape[2] == 3


# ---------------------------------------------------------------------------------------------- folders and archives


def test_subfolders_are_read_and_what_systems_leave_is_not(tmp_path):
    for name in (
        *("1.jpg", "a/1.jpg", "a/b/noending", "._1.jpg", ".DS_Store", ".thumbnails/1.jpg", "__MACOSX/1.jpg"),
        "@eaDir/1.jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(jpeg())
    (tmp_path / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    (tmp_path / "notes.txt").write_text("GIF is a format")
    found = pictures.pictures_in(tmp_path)
    assert found.names == {"1.jpg", "a/1.jpg", "a/b/noending"}
    assert len({array.tobytes() for _, array in found.arrays(found.names)}) == 3
    with zipfile.ZipFile(tmp_path / "all", "w") as archive:
        for path in sorted(tmp_path.rglob("*")):
            if path.name != "all":
                archive.write(path, path.relative_to(tmp_path))
    assert pictures.pictures_in(tmp_path / "all").names == found.names


@pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES} is missing")
def test_pictures_with_odd_endings_are_read_and_the_others_reported():
    found = pictures.pictures_in(CASES / "captions-odd-endings/ask")
    errors = {name for name, array in found.arrays(found.names) if isinstance(array, ValueError)}
    assert errors == {"c.jpg", "d.png", "f.heic"}
    assert found.names - errors == {"a.JPG", "b.jfif", "e.avif.jpg", "noending"}


def test_links_are_followed_and_loops_end(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1.jpg").write_bytes(jpeg())
    (tmp_path / "here").mkdir()
    (tmp_path / "here/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "here/loop").symlink_to(tmp_path / "here")
    (tmp_path / "here/nowhere.jpg").symlink_to(tmp_path / "missing.jpg")
    assert pictures.pictures_in(tmp_path / "here").names == {"linked/1.jpg"}


def test_pipes_and_devices_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "1.jpg").write_bytes(jpeg())
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    assert pictures.pictures_in(tmp_path).names == {"1.jpg"}
    for name in ("pipe.jpg", "zero.jpg"):
        with pytest.raises(ValueError, match="is needed. Received: .*a device"):
            pictures.pictures_in(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\3\4 cut short", b"\x1f\x8b\x08\0 cut"])
@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a"])
def test_a_damaged_archive_is_named(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} is damaged, or neither a picture nor a zip or tar archive"):
        pictures.pictures_in(tmp_path / name)


def test_names_can_be_printed(tmp_path):
    (tmp_path / "a\x1b[31m\n.jpg").write_bytes(jpeg())
    (tmp_path / os.fsdecode(b"\xff.jpg")).write_bytes(jpeg())
    found = pictures.pictures_in(tmp_path)
    assert found.names == {"a�[31m�.jpg", "�.jpg"}
    assert all(isinstance(array, np.ndarray) for _, array in found.arrays(found.names))


# -------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "name, path",
    [
        ("1.jpg", "1.jpg"),
        ("1", "1.jpg"),
        ("1.jpg", "1.JPG"),
        ("1.jpg", "1"),
        ("1.jpeg", "a/1.jpg"),
        ("photos/1.jpg", "1.jpg"),
        ("/kaggle/input/Images/1.jpg", "images/1.jpg"),
        ("a.b.1", "a.b.1.png"),
    ],
)
def test_a_picture_is_found_by_what_a_table_calls_it(name, path):
    assert pictures.matched([name], [path, "2.jpg", "a/11.jpg"]) == {name: path}


def test_the_picture_that_agrees_best_is_taken_and_each_once():
    paths = ["a/1.jpg", "b/1.jpg", "b/2.jpg", "3.jpg", "3.png", "c/3.jpg"]
    names = ["a/1.jpg", "b/1.jpg", "a/2.jpg", "b/2.jpg", "3.jpg", "3.png", "4.jpg"]
    found = {name: name for name in ("a/1.jpg", "b/1.jpg", "b/2.jpg", "3.jpg", "3.png")}
    assert pictures.matched(names, paths) == pictures.matched(names[::-1], paths[::-1]) == found
    with pytest.raises(ValueError, match="The picture 1.jpg may be a/1.jpg or b/1.jpg: write the path"):
        pictures.matched(["1.jpg"], paths)


@hypothesis.settings(max_examples=100, deadline=None)
@hypothesis.given(st.lists(st.text("ab/.jpg\\"), max_size=9), st.lists(st.text("ab/.jpg"), max_size=9))
def test_any_names_are_matched_to_different_paths_or_refused(names, paths):
    try:
        found = pictures.matched(names, {*paths})
    except ValueError as error:
        assert "may be" in str(error)
    else:
        assert {*found} <= {*names} and {*found.values()} <= {*paths} and len({*found.values()}) == len(found)


def test_renamed_pictures_are_those_of_their_old_names(tmp_path):
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / name).write_bytes(jpeg())
    found = pictures.pictures_in(tmp_path)
    plain, renamed = dict(found.arrays(found.names)), found.renamed({"x": "2.jpg"})
    assert renamed.names == {"x"}
    np.testing.assert_array_equal(dict(renamed.arrays(["x"]))["x"], plain["2.jpg"])
