"""Speed of layers.RNN on Keras's JAX and PyTorch backends, on a GPU where they find one, else on the CPU.

    KERAS_BACKEND=torch python benchmarks/backend_speed.py
    KERAS_BACKEND=jax python benchmarks/backend_speed.py --cells lstm --sizes m,text

training   one step: forward, mean squared error of the last output, backward, Adam
inference  one forward call

On JAX both are compiled. In one process, layers.RNN, keras.layers and, on PyTorch, torch.nn take turns; a ratio is the
median over the rounds of a contender's time to that of keras.layers in the same round, so below 1 is faster. In
bfloat16 the layers have Keras's policy mixed_bfloat16; all of torch.nn is in bfloat16, because torch.autocast makes it
float16. torch.nn has no mask. TensorFlow is not needed.
"""

import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
import timeit
from pathlib import Path
from typing import Annotated

_backend = os.environ.get("KERAS_BACKEND", "tensorflow")
if not importlib.util.find_spec(_backend):  # Keras would end in a traceback
    sys.exit(f"error: The package of KERAS_BACKEND is not installed. Received: {_backend}")

import cyclopts
import keras
import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the project's packages, before others of the same names

import layers
from benchmarks import recurrent_speed
from benchmarks.recurrent_speed import BASELINE, CELLS, OURS, Size

SIZES = {name: recurrent_speed.SIZES[name] for name in ("s20", "m", "text", "l")}
SIZES["xl"] = Size(256, 512, 1024, 1024)
DTYPES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}
TORCH = "torch.nn"
KEYS = "training", "inference"
SECONDS = 0.05  # of calls in one timing, one call at least


def layer_of(contender, cell, size, policy):
    """A recurrent layer of Keras, which returns the last output."""
    if contender == OURS:
        return layers.RNN(getattr(layers, f"{CELLS[cell]}Cell")(size.units, dtype=policy), dtype=policy)
    return getattr(keras.layers, CELLS[cell])(size.units, dtype=policy)


def jax_calls(contender, cell, size, policy):
    """The measured calls by name. They return when the result is there."""
    x, lengths, y = recurrent_speed.arrays(size)
    mask = [np.arange(size.timesteps) < lengths[:, None]] * size.masked
    *inputs, y = [keras.ops.convert_to_tensor(array) for array in (x, *mask, y)]
    symbols = [keras.Input(tensor.shape[1:], dtype=tensor.dtype) for tensor in inputs]
    model = keras.Model(symbols, layer_of(contender, cell, size, policy)(symbols[0], mask=(symbols[1:] or [None])[0]))
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    train, infer = recurrent_speed.jax_calls(model, optimizer)
    return {"training": lambda: train(inputs, y), "inference": lambda: infer(inputs)}


def torch_calls(contender, cell, size, policy):
    """The measured calls by name. They return when the result is there."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    x, lengths, y = (torch.from_numpy(array).to(device) for array in recurrent_speed.arrays(size))
    mask = torch.arange(size.timesteps, device=device) < lengths[:, None] if size.masked else None
    if contender == TORCH:
        module = getattr(torch.nn, CELLS[cell].replace("Simple", ""))(size.features, size.units, batch_first=True)
        x = x.to(torch.float32 if policy == "float32" else torch.bfloat16)
        module.to(x)
        forward = lambda training: module(x)[0][:, -1]
        parameters = list(module.parameters())
    else:
        layer = layer_of(contender, cell, size, policy)
        layer.build(x.shape)
        forward = lambda training: layer(x, mask=mask, training=training)
        parameters = [variable.value for variable in layer.trainable_variables]
    optimizer = torch.optim.Adam(parameters)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None

    def train():
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(forward(True).float(), y)
        loss.backward()
        optimizer.step()
        wait()

    def infer():
        with torch.no_grad():
            forward(False)
        wait()

    return {"training": train, "inference": infer}


def measure(cell, size, dtype, rounds):
    """By measure and contender: the median in ms, and the median ratio with its range over the rounds.

    A contender that raises is left out, with a line that says so; without keras.layers there are no ratios.
    """
    contenders = {"jax": (jax_calls, [OURS, BASELINE]), "torch": (torch_calls, [OURS, BASELINE, TORCH])}
    make, names = contenders[keras.backend.backend()]
    calls = {}
    for name in names:
        try:
            calls[name] = make(name, cell, size, DTYPES[dtype])
            for key in KEYS:
                calls[name][key]()  # which may compile
        except Exception as error:
            calls.pop(name, None)
            print(f"{name} raises {type(error).__name__}: {str(error).splitlines()[0]}")
    report = {}
    for key in KEYS:
        once = {name: min(timeit.repeat(by_key[key], number=1, repeat=2)) for name, by_key in calls.items()}
        numbers = {name: max(1, round(SECONDS / seconds)) for name, seconds in once.items()}
        times = {name: [] for name in calls}
        for i in range(rounds):
            for name in list(calls)[:: -1 if i % 2 else 1]:
                times[name].append(1000 * timeit.timeit(calls[name][key], number=numbers[name]) / numbers[name])
        report[key] = {name: summary(own, times.get(BASELINE)) for name, own in times.items()}
    return report


def summary(own, baseline):
    values = {"ms": statistics.median(own)}
    if baseline:
        ratios = [a / b for a, b in zip(own, baseline)]
        values |= {"ratio": statistics.median(ratios), "ratio_low": min(ratios), "ratio_high": max(ratios)}
    return {name: float(f"{value:.4g}") for name, value in values.items()}


def device():
    """The name of the GPU that the backend computes on; None where it has none."""
    module = importlib.import_module(keras.backend.backend())
    if keras.backend.backend() == "jax":
        found = module.devices()[0]
        return None if found.platform == "cpu" else found.device_kind
    return module.cuda.get_device_name() if module.cuda.is_available() else None


def provenance():
    """Versions and machine. Unlike `record.provenance` it needs no TensorFlow."""
    names = "keras", keras.backend.backend(), "numpy"
    git = subprocess.run(["git", "-C", ROOT, "rev-parse", "HEAD"], capture_output=True, text=True)
    return {
        "commit": git.stdout.strip() or None,
        "date": time.strftime("%Y-%m-%d"),
        "versions": {"python": platform.python_version()} | {n: importlib.metadata.version(n) for n in names},
        "machine": {"device": device() or "CPU", "cores": len(os.sched_getaffinity(0))},
    }


def ratios_of(entry):
    return f" ({entry['ratio']:.3g} [{entry['ratio_low']:.3g}, {entry['ratio_high']:.3g}])" if "ratio" in entry else ""


def line(cell, name, dtype, key, entries):
    """Median times, and ratios with their range."""
    texts = [f"{contender} {e['ms']:.3g} ms" + ratios_of(e) for contender, e in entries.items()]
    return f"{cell} {name} {dtype} {key}: {', '.join(texts)}"


def main(
    *,
    cells: Annotated[str, Parameter(help="Cells to measure, with commas between.")] = ",".join(CELLS),
    sizes: Annotated[str, Parameter(help="Sizes to measure, with commas between.")] = ",".join(SIZES),
    dtypes: Annotated[str, Parameter(help="Numbers to compute with, with commas between.")] = ",".join(DTYPES),
    rounds: Annotated[int, Parameter(validator=Number(gte=1, lte=1000), help="Timings of each contender.")] = 7,
    output: Annotated[Path, Parameter(help="Folder of the JSON file.")] = ROOT / "results",
):
    """Measure, print, and write backend_speed.BACKEND-DEVICE.json, which is complete up to the size measured last."""
    backend = keras.backend.backend()
    if backend not in ("jax", "torch"):
        sys.exit(f"error: KERAS_BACKEND must be jax or torch; TensorFlow's is recurrent_speed.py. Received: {backend}")
    for text, known in ((cells, CELLS), (sizes, SIZES), (dtypes, DTYPES)):
        if unknown := [name for name in text.split(",") if name not in known]:
            sys.exit(f"error: Choose from {', '.join(known)}. Received: {', '.join(unknown)}")
    command = " ".join([f"KERAS_BACKEND={backend} python benchmarks/backend_speed.py", *sys.argv[1:]])
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"backend_speed.{backend}-{'gpu' if device() else 'cpu'}.json"
    content = {"recipe": "backend_speed", "variant": path.stem.partition(".")[2], "command": command}
    content |= provenance() | {"metrics": {}}
    for cell in cells.split(","):
        for dtype in dtypes.split(","):
            for name in sizes.split(","):
                keras.utils.clear_session()
                report = measure(cell, SIZES[name], dtype, rounds)
                content["metrics"].setdefault(cell, {}).setdefault(dtype, {})[name] = report
                path.write_text(json.dumps(content, indent=1) + "\n")
                print(*(line(cell, name, dtype, key, report[key]) for key in KEYS), sep="\n", flush=True)


if __name__ == "__main__":
    cyclopts.App(help=__doc__, help_format="plaintext", version_flags=[], default_command=main)()
