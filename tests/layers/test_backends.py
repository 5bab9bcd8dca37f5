"""The same files on Keras's other backends, each in a process of its own; all other tests run on TensorFlow."""

import importlib.util
import itertools
import json
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
CASES = ["simple", "lstm", "gru", "gru-reset-before"]
CONTAINERS = ["keras.layers.RNN", "layers.RNN"]
CHECKS = [
    "outputs_and_states",
    "masked",
    "bidirectional",
    "stateful",
    "gradients",
    "fit_with_dropout",
    "stateful_fit_with_dropout",
    "one_mask_a_sequence",
]


@pytest.fixture(scope="module", params=["jax", "torch"])
def errors(request):
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"{request.param} is not installed")
    environment = os.environ | {"KERAS_BACKEND": request.param, "PYTHONPATH": str(HERE.parents[1])}
    command = [sys.executable, HERE / "backend_checks.py"]
    ran = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8")
    assert ran.returncode == 0, ran.stderr[-4000:]
    result = json.loads(ran.stdout.splitlines()[-1])
    assert result["backend"] == request.param
    assert result["errors"].keys() == {" ".join(names) for names in itertools.product(CHECKS, CASES, CONTAINERS)}
    return result["errors"]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("layer", CONTAINERS)
def test_backend(errors, check, case, layer):
    assert not errors[f"{check} {case} {layer}"], errors[f"{check} {case} {layer}"]
