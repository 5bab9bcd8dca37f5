"""Exports of networks from one array to another."""

import io

from toolkit.export.bundle import Contents
from toolkit.export.formats import Network

import numpy as np
import tensorflow as tf


def contents(model, taken, returned, arrays, thing, code):
    """The `Contents` of an export; the first of the `arrays` is in its folder as NAME.npy, for the code.

    Args:
        model: a network from one array to another.
        taken, returned: the names of these, each with what it is.
        arrays: what to compare on, float32 (examples, ...); one of them is called `thing`.
        code: the rest of the README's program, after the variable `outputs` has been made.
    """
    (name, meaning), (output, what) = taken, returned
    network = Network(
        lambda given: {output: model(given[name])}, [tf.TensorSpec(model.input_shape, tf.float32, name)], [model]
    )
    file = io.BytesIO()
    np.save(file, arrays[:1])
    return Contents(
        networks={"model": network},
        described={name: meaning, output: what},
        here=network.predict_on_batch,
        examples=[{name: arrays[:1]}, {name: arrays}],
        count=len(arrays),
        thing=thing,
        files={f"{name}.npy": file.getvalue()},
        install=("numpy",),
        code=f'{output} = load("model")({name}=np.load("{name}.npy"))["{output}"]\n{code}',
    )
