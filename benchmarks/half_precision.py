"""Weights in float16: half the size on disk. Keras casts them back when it loads them."""

import io
import json
import tempfile
import zipfile
from pathlib import Path

from toolkit import runs

import h5py

WEIGHTS, METADATA = "model.weights.h5", "metadata.json"  # members of a .keras file


def save_model(model, path):
    """Write a model as a .keras file with float16 weights. The same model and Keras give the same bytes."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(whole := Path(folder) / "model.keras")
        with zipfile.ZipFile(whole) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    members[WEIGHTS] = rounded(members[WEIGHTS])
    members[METADATA] = json.dumps(json.loads(members[METADATA]) | {"date_saved": None}).encode()
    with runs.replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            member = zipfile.ZipInfo(name)  # of no date
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)


def rounded(content):
    """The bytes of a weights file of Keras, HDF5, with its float32 arrays as float16."""
    target = io.BytesIO()
    with h5py.File(io.BytesIO(content)) as whole, h5py.File(target, "w") as half:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                half[name] = item[()].astype("float16") if item.dtype == "float32" else item[()]
            else:
                half.require_group(name)
            half[name].attrs.update(item.attrs)

        whole.visititems(copy)
        half.attrs.update(whole.attrs)
    return target.getvalue()
