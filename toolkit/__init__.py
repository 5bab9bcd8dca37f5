"""What the chapters in recipes/ share: command line, run folders, training, texts, decoding, metrics, plots."""

import contextlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reports a missing GPU as an error
os.environ.setdefault("MPLBACKEND", "Agg")  # plots go to files, on machines without a screen too


@contextlib.contextmanager
def _quiet():
    """Discards what TensorFlow's C++ code prints on import, which no setting suppresses. Exceptions still pass."""
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


with _quiet():
    import tensorflow  # noqa: F401
