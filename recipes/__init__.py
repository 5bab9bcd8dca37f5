"""One chapter a file, each run as a script: python recipes/stock_prices.py"""

import contextlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reports a missing GPU as an error
os.environ.setdefault("MPLBACKEND", "Agg")  # plots go to files, on machines without a screen too


@contextlib.contextmanager
def _silence():
    """TensorFlow greets with six lines from C++, which no setting keeps back; an exception is still raised."""
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


with _silence():
    import tensorflow  # noqa: F401
