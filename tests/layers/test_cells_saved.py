"""Models with every cell, saved here and loaded by a fresh process, compute the same there."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
from cell_cases import CELLS, FEATURES, LENGTH, masks, our_cell, random_weights, sequences

import layers

HERE = pathlib.Path(__file__).parent
SCRIPT = """
import glob, keras, cell_cases, numpy as np  # all classes of cells
x = np.load("x.npy")
np.savez("after.npz", **{path[:-6]: keras.models.load_model(path)(x) for path in glob.glob("*.keras")})
"""


def model_of(case):
    """A cell in our layer and in Keras's, masked, in both directions, and stacked."""
    stack = [
        keras.Input((LENGTH, FEATURES)),
        keras.layers.Masking(),
        layers.RNN(our_cell(case), return_sequences=True),
        keras.layers.Bidirectional(keras.layers.RNN(our_cell(case), return_sequences=True)),
        layers.RNN([our_cell(case, 3), our_cell(case, 2)]),
    ]
    return random_weights(keras.Sequential(stack))


@pytest.mark.slow
def test_a_fresh_process_computes_the_same(tmp_path):
    x, before = sequences(), {}
    x[~masks("right")] = 0
    for case in CELLS:
        model = model_of(case)
        before[case] = model(x)
        model.save(tmp_path / f"{case}.keras")
    np.save(tmp_path / "x.npy", x)
    path = os.pathsep.join(map(str, (HERE.parents[1], HERE)))
    subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, env=os.environ | {"PYTHONPATH": path}, check=True)
    with np.load(tmp_path / "after.npz") as after:
        assert {*after} == {*CELLS}
        for case in CELLS:
            np.testing.assert_array_equal(after[case], before[case], err_msg=case)
