"""What all tests share: graphs that are not optimized, memory that is given back, random numbers, interpreters."""

import ctypes
import gc
import importlib.util
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python import pywrap_tfe
from tensorflow.python.framework import ops  # nothing public forgets a gradient

from layers import recurrent_tensorflow

# Each graph here runs for a moment: to optimize it takes longer than it saves.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


@pytest.fixture(autouse=True)
def forget_gradients():
    """TensorFlow never forgets the function behind a `tf.custom_gradient` in a graph, nor with it the whole graph.

    Keras's optimizers have one in every training step that is traced: in a process they would add up to gigabytes.
    """
    yield
    registry = ops.gradient_registry._registry
    for name in [name for name in registry if name.startswith("CustomGradient-")]:
        del registry[name]


_states = {}  # of each generator of random numbers that stands in a file of tests, after its import


def pytest_collection_finish(session):
    """Notes where the random numbers of each file begin, and freezes what has been imported.

    It stays: collections of garbage need not go through its hundreds of thousands of objects.
    """
    for module in {item.module for item in session.items}:
        generators = [value for value in vars(module).values() if isinstance(value, np.random.Generator)]
        _states.update({generator: generator.bit_generator.state for generator in generators})
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def same_random_numbers():
    """A test draws the same numbers alone as after others.

    Seeding TensorFlow also drops its kernels, and small tests spent a fifth of their time on making them again. Only
    random operations that keep a state need that, and this project has none.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pywrap_tfe, "TFE_ContextClearCaches", lambda context: None)
        keras.utils.set_random_seed(0)
    for generator, state in _states.items():
        generator.bit_generator.state = state


_kept = [0]  # the memory after the last collection


@pytest.fixture(autouse=True)
def collect_garbage():
    """Collects once memory has grown by 100 MiB since the last collection here.

    Graphs are cycles, and hundreds of megabytes of them would wait for one of Python's own collections.
    """
    yield
    if _resident() > _kept[0] + 100 * 2**20:
        gc.collect()
        if hasattr(ctypes.CDLL(None), "malloc_trim"):  # glibc keeps what is freed
            ctypes.CDLL(None).malloc_trim(0)
        _kept[0] = _resident()


@pytest.fixture(scope="module", autouse=True)
def clear_session():
    """Each file makes its own layers, and compiles its own loops."""
    yield
    keras.backend.clear_session()
    recurrent_tensorflow._COMPILED.clear()


def _resident():
    """The memory of this process, in bytes; 0 where there is no Linux to ask."""
    pages = pathlib.Path("/proc/self/statm")
    return int(pages.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if pages.exists() else 0


@pytest.fixture
def untraced(monkeypatch):
    """layers.RNN takes its own path outside of graphs too, where it would be keras.layers.RNN, without tracing it."""
    each = recurrent_tensorflow._Loop._each

    def as_it_is(loop, function, parts, compiled, kinds, *options):
        if tf.executing_eagerly():
            return [function(*part, *options) for part in parts]
        return each(loop, function, parts, compiled, kinds, *options)

    monkeypatch.setattr(recurrent_tensorflow, "helps", lambda *arguments: True)
    monkeypatch.setattr(recurrent_tensorflow._Loop, "_each", as_it_is)


@pytest.fixture(scope="session")
def stand_in():
    """The path of a script that stands in for the interpreter; see tests/interpreters.py."""
    program = pathlib.Path(__file__).parent / "interpreters.py"
    spec = importlib.util.spec_from_file_location("interpreters", program)
    interpreters = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(interpreters)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:  # the path of a socket has to be short
        path, address = pathlib.Path(folder, "python"), pathlib.Path(folder, "socket")
        interpreters.write_stand_in(path, sys.executable, address)
        command, quiet = [sys.executable, "-P", program, address], {"stdout": subprocess.DEVNULL}
        server = subprocess.Popen(command, env=environment, cwd=folder, stderr=subprocess.STDOUT, **quiet)
        while not address.exists():
            assert server.poll() is None
            time.sleep(0.01)
        yield path
        server.kill()
        server.wait()


@pytest.fixture(scope="module")
def quick_interpreter(stand_in):
    """What the tests of a file start as `sys.executable` has imported Keras already, and nothing of this project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(stand_in))
        yield
