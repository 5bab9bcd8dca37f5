"""Keras's own tests of recurrent layers, which its package brings along, pass with our cells in place."""

import os
import pathlib
import re
import subprocess
import sys

import keras
import pytest

HERE = pathlib.Path(__file__).parent
TESTS = pathlib.Path(keras.__file__).parent / "src" / "layers" / "rnn"
FILES = [f"{name}_test.py" for name in ("simple_rnn", "lstm", "gru", "stacked_rnn_cells", "rnn", "bidirectional")]

# About something that is not the cell.
DESELECTED = {
    "keeps_use_cudnn": "an argument of keras.layers.LSTM and GRU, for their fused kernels",
    "fused_lstm_eligibility": "when keras.layers.LSTM calls its fused kernel",
    "fused_gru_eligibility": "when keras.layers.GRU calls its fused kernel",
    "fused_lstm_matches_unfused": "use_cudnn again",
    "fused_gru_matches_unfused": "use_cudnn again",
    "torch_cudnn_dispatch_fires": "when keras.layers.GRU calls its fused kernel",
    "torch_cudnn_bidirectional_gru_dispatch_fires": "when keras.layers.GRU calls its fused kernel",
}


@pytest.mark.slow
@pytest.mark.skipif(not all((TESTS / file).is_file() for file in FILES), reason="this Keras ships without its tests")
def test_keras_own_tests(tmp_path):
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-c", tmp_path / "pytest.ini", "--rootdir", TESTS.parents[3]]
    command += ["-p", "no:cacheprovider", "-p", "keras_own_plugin", "--import-mode=importlib"]
    command += ["-k", " and ".join(f"not {name}" for name in DESELECTED), *(TESTS / file for file in FILES)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])}
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8")
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]
    assert int(re.search(r"(\d+) passed", ran.stdout)[1]) >= 40, ran.stdout[-2000:]
    assert int(re.search(r"(\d+) layers were made of our cells", ran.stdout)[1]) >= 100, ran.stdout[-2000:]
    assert "skipped" not in ran.stdout, ran.stdout[-2000:]
