"""What the chapters in recipes/ share: command line, run folders, training, texts, decoding, metrics, plots."""

import contextlib
import os
import signal
import sys
import threading

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reports a missing GPU as an error
os.environ.setdefault("MPLBACKEND", "Agg")  # plots go to files, on machines without a screen too


def _open_streams():
    """Stand-ins for streams with which the program was started closed: the next file would take their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, os.O_RDWR), mode))


@contextlib.contextmanager
def _interruptible():
    """Ctrl-C ends the program at once and without a traceback, as long as nothing has begun."""
    before, in_main = signal.getsignal(signal.SIGINT), threading.current_thread() is threading.main_thread()
    if before is not signal.default_int_handler or not in_main:
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def quiet():
    """Discards what TensorFlow's C++ code prints, which no setting suppresses. Exceptions still pass."""
    stderr = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


_open_streams()
with _interruptible(), quiet():
    import tensorflow  # noqa: F401
