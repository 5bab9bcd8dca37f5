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


def start(backend, folder, *other):
    """Start the short runs on a backend; its standard error goes to a file."""
    command = [sys.executable, str(SCRIPT), str(folder), *map(str, other)]
    quicker = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1"}  # JAX spends most of its time on compiling
    with open(folder / "errors.txt", "w") as errors:
        return subprocess.Popen(command, env=os.environ | quicker | {"KERAS_BACKEND": backend}, stderr=errors)


def outcome_of(process, folder):
    assert process.wait() == 0, (folder / "errors.txt").read_text()
    return json.loads((folder / "outcome.json").read_text())


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory):
    """By backend the outcome of its runs. JAX and PyTorch also read what was trained on TensorFlow."""
    folders = {backend: tmp_path_factory.mktemp(backend) for backend in ("tensorflow", "jax", "torch")}
    first = folders["tensorflow"]
    found = {"tensorflow": outcome_of(start("tensorflow", first), first)}
    started = {backend: start(backend, folders[backend], first) for backend in ("jax", "torch")}
    return found | {backend: outcome_of(process, folders[backend]) for backend, process in started.items()}


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize("recipe", RUNS)
def test_it_trains(outcomes, recipe, backend):
    assert outcomes[backend][recipe]["status"] == 0, outcomes[backend][recipe]["error"]


@pytest.mark.parametrize("backend", ["jax", "torch"])
@pytest.mark.parametrize("recipe", sorted(RUNS.keys() - WITHOUT_NETWORK))
def test_it_reads_what_was_trained_on_tensorflow(outcomes, recipe, backend):
    assert outcomes[backend][recipe]["difference"] < 1e-4
