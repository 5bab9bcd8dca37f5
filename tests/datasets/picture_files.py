"""Files of pictures, for the tests of pictures and of captions."""

import io

import numpy as np
from PIL import Image

rng = np.random.default_rng(0)


def jpeg(mode="RGB", size=(12, 8), kind="JPEG", **options):
    """The bytes of a file with a picture of noise."""
    data = io.BytesIO()
    shade = rng.integers(0, 256, (size[1], size[0], len(Image.new(mode, (1, 1)).getbands())), dtype="uint8")
    Image.fromarray(shade.squeeze(), mode).save(data, kind, **options)
    return data.getvalue()
