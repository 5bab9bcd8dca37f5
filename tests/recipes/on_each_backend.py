"""Every recipe trains on JAX and PyTorch, and reads there what was trained on TensorFlow.

Run by `make test-backends`, where all three are installed: python -m pytest -n 0 tests/recipes/on_each_backend.py
"""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("short_runs.py")
RUNS = runpy.run_path(str(SCRIPT))["RUNS"]
WITHOUT_NETWORK = {"unrolled", "feedforward_or_recurrent", "gradient_flow", "relatives", "sequence_length"}  # saved

# A thread for each process: threads of several would spend their time waiting for each other.
ALONE = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}


def on_each(command, folders):
    """Run the script's command in each backend's folder, side by side."""
    quicker = os.environ | ALONE | {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # JAX spends most of its time on compiling
    started, logs = {}, {}
    for backend, folder in folders.items():
        logs[backend] = folder / f"{command}-{backend}.txt"
        with open(logs[backend], "w") as errors:
            arguments = [sys.executable, str(SCRIPT), command, str(folder)]
            started[backend] = subprocess.Popen(arguments, env=quicker | {"KERAS_BACKEND": backend}, stderr=errors)
    for backend, status in {backend: process.wait() for backend, process in started.items()}.items():
        assert status == 0, logs[backend].read_text()


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """By backend the folder of its runs."""
    folders = {backend: tmp_path_factory.mktemp(backend) for backend in ("jax", "tensorflow", "torch")}
    on_each("train", folders)
    return folders


@pytest.fixture(scope="session")
def outcomes(folders):
    return {backend: json.loads((folder / "outcome.json").read_text()) for backend, folder in folders.items()}


@pytest.fixture(scope="session")
def differences(folders):
    """By backend, how far the networks trained on TensorFlow are from themselves there."""
    trained = folders["tensorflow"]
    on_each("read", dict.fromkeys(["jax", "torch"], trained))
    return {backend: json.loads((trained / f"{backend}.json").read_text()) for backend in ("jax", "torch")}


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize("recipe", RUNS)
def test_it_trains(outcomes, recipe, backend):
    assert outcomes[backend][recipe]["status"] == 0, outcomes[backend][recipe]["error"]


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("recipe", sorted(RUNS.keys() - WITHOUT_NETWORK))
def test_it_reads_what_was_trained_on_tensorflow(differences, recipe, backend):
    assert differences[backend][recipe] < 1e-4
