"""What all tests share: graphs that are not optimized, and memory that is given back after each file."""

import ctypes
import gc

import keras
import pytest
import tensorflow as tf
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


@pytest.fixture(scope="module", autouse=True)
def give_memory_back():
    yield
    keras.backend.clear_session()
    gc.collect()
    if hasattr(ctypes.CDLL(None), "malloc_trim"):  # glibc keeps what is freed
        ctypes.CDLL(None).malloc_trim(0)


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
