"""Every recipe trains on JAX and PyTorch, and reads there what was trained on TensorFlow.

Run by `make test-backends`, where all three are installed: python -m pytest tests/recipes/on_each_backend.py
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from short_runs import RUNS

SCRIPT = Path(__file__).with_name("short_runs.py")
WITHOUT_NETWORK = {"unrolled", "feedforward_or_recurrent", "gradient_flow", "relatives", "sequence_length"}  # saved


def short_runs(backend, folder, *other):
    command = [sys.executable, str(SCRIPT), str(folder), *map(str, other)]
    done = subprocess.run(command, env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "outcome.json").read_text())


@pytest.fixture(scope="session")
def on_tensorflow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tensorflow")
    return folder, short_runs("tensorflow", folder)


@pytest.fixture(scope="session", params=["jax", "torch"])
def outcome(request, on_tensorflow, tmp_path_factory):
    return short_runs(request.param, tmp_path_factory.mktemp(request.param), on_tensorflow[0])


@pytest.mark.parametrize("recipe", RUNS)
def test_it_trains(outcome, recipe):
    assert outcome[recipe]["status"] == 0, outcome[recipe]["error"]


@pytest.mark.parametrize("recipe", sorted(RUNS.keys() - WITHOUT_NETWORK))
def test_it_reads_what_was_trained_on_tensorflow(outcome, on_tensorflow, recipe):
    assert on_tensorflow[1][recipe]["status"] == 0, on_tensorflow[1][recipe]["error"]
    assert outcome[recipe]["difference"] < 1e-4
