"""How fast recurrent layers are on this machine's CPU: layers.RNN beside what else a Keras user could take.

    python benchmarks/recurrent_speed.py                             everything, about an hour on two cores
    python benchmarks/recurrent_speed.py --cells lstm --sizes s20,m  a part of it

training    one step: forward, mean squared error of the last output, backward, Adam, in one tf.function
fit         the same as model.fit does it: train_on_batch of a compiled model, with jit_compile="auto"
inference   one forward call
first_step  the first training step, which traces and compiles, once
memory      growth of a process's peak memory from before the layer is built to after three training steps, once

Each contender has a process of its own, alone while it works. They are timed in turns, once a round; a ratio is the
median over the rounds of its time to that of the built-in layer in the same round, so below 1 is faster.

The limit is the time that a step's matrix products would take at the best rate of a 1024³ float32 tf.matmul in the same
run: 2 · batch · timesteps · (features + units) · gates · units operations forward, three times that in training.
"""

import contextlib
import functools
import importlib.metadata
import importlib.util
import itertools
import json
import math
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our layers/, whatever else of that name is installed

from recipes import results  # isort: skip

import numpy as np
import typer


class Size(NamedTuple):
    batch: int
    timesteps: int
    features: int
    units: int
    masked: bool = False


SIZES = {
    "s20": Size(32, 50, 1, 20),
    "s64": Size(32, 50, 1, 64),
    "stock": Size(64, 60, 2, 12),  # the recipe's
    "m": Size(64, 200, 128, 128),
    "text": Size(32, 400, 128, 128, masked=True),
    "x": Size(64, 20, 256, 256, masked=True),
    "l": Size(32, 200, 256, 512),
}
CELLS = {"lstm": "LSTM", "gru": "GRU", "simple": "SimpleRNN"}
GATES = {"lstm": 4, "gru": 3, "simple": 1}
OURS, BASELINE = "layers.RNN", "keras.layers"
JITTED, UNROLLED, WRAPPED = "keras.layers, jit_compile", "keras.layers, unroll", "keras.layers.RNN(cell)"
JAX, TORCH, PACKED = "keras.layers on JAX", "torch.nn, no mask", "torch.nn, packed"
COLORS = {OURS: "#d62728", JITTED: "#1f4e79", UNROLLED: "#5b9bd5", WRAPPED: "#bdd7ee"}
COLORS |= {JAX: "#70ad47", TORCH: "#404040", PACKED: "#a6a6a6"}
TIMED = ["training", "fit", "inference"]
UNITS = dict.fromkeys(TIMED, "ms") | {"first_step": "s", "memory": "MiB"}
SECONDS = 0.25  # of calls in one timing


def contenders(size):
    """Those that are installed and make sense at a size; a long loop takes minutes to unroll."""
    names = [OURS, BASELINE, JITTED, WRAPPED] + [UNROLLED] * (size.timesteps <= 60)
    names += [JAX] if importlib.util.find_spec("jax") else []
    return names + ([TORCH] + [PACKED] * size.masked if importlib.util.find_spec("torch") else [])


def arrays(size):
    """Sequences, their lengths, and targets for the last output."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(size.batch, size.timesteps, size.features)).astype("float32")
    lengths = rng.integers(size.timesteps // 2, size.timesteps, size.batch, endpoint=True)
    return x, lengths, rng.normal(size=(size.batch, size.units)).astype("float32")


def keras_model(contender, cell, size):
    import keras

    import layers

    package = layers if contender == OURS else keras.layers
    if contender in (OURS, WRAPPED):
        layer = package.RNN(getattr(package, f"{CELLS[cell]}Cell")(size.units))
    else:
        layer = getattr(package, CELLS[cell])(size.units, unroll=contender == UNROLLED)
    if contender == JITTED:
        layer.supports_jit = True  # or else Keras does not jit it, whatever it is told
    inputs = [keras.Input((size.timesteps, size.features))]
    inputs += [keras.Input((size.timesteps,), dtype="bool")] if size.masked else []
    return keras.Model(inputs, layer(inputs[0], mask=inputs[1] if size.masked else None))


def keras_calls(contender, cell, size):
    """What is measured, by name, as functions without arguments."""
    from keras import ops, optimizers

    x, lengths, y = arrays(size)
    mask = np.arange(size.timesteps) < lengths[:, None]
    inputs, y = [ops.convert_to_tensor(a) for a in ([x, mask] if size.masked else [x])], ops.convert_to_tensor(y)
    model, optimizer = keras_model(contender, cell, size), optimizers.Adam()
    optimizer.build(model.trainable_variables)

    @functools.cache
    def compiled():
        other = keras_model(contender, cell, size)
        other.compile(optimizers.Adam(), "mse", jit_compile=True if contender == JITTED else "auto")
        return other

    train, infer = jax_calls(model, optimizer) if contender == JAX else tensorflow_calls(model, optimizer, contender)
    product = functools.cache(lambda: ops.ones((1024, 1024)))
    return {
        "training": lambda: train(inputs, y),
        "fit": lambda: compiled().train_on_batch(inputs, y),
        "inference": lambda: infer(inputs),
        "product": lambda: ops.matmul(product(), product()),
    }


def tensorflow_calls(model, optimizer, contender):
    import tensorflow as tf

    function = tf.function(jit_compile=True if contender == JITTED else None, autograph=False)

    @function
    def train(inputs, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(inputs, training=True) - y))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    infer = function(lambda inputs: model(inputs, training=False))
    return lambda inputs, y: train(inputs, y).numpy(), lambda inputs: infer(inputs).numpy()


def jax_calls(model, optimizer):
    import jax

    others = [v.value for v in model.non_trainable_variables]
    state = [[v.value for v in variables] for variables in (model.trainable_variables, optimizer.variables)]

    def output(weights, inputs, training):
        return model.stateless_call(weights, others, inputs, training=training)[0]

    @jax.jit
    def step(weights, slots, inputs, y):
        gradients = jax.grad(lambda weights: jax.numpy.mean((output(weights, inputs, True) - y) ** 2))(weights)
        return optimizer.stateless_apply(slots, gradients, weights)

    def train(inputs, y):
        state[:] = jax.block_until_ready(step(*state, inputs, y))

    infer = jax.jit(lambda weights, inputs: output(weights, inputs, False))
    return train, lambda inputs: infer(state[0], inputs).block_until_ready()


def torch_calls(contender, cell, size):
    import torch

    torch.set_num_threads(os.cpu_count())
    layer = getattr(torch.nn, "RNN" if cell == "simple" else CELLS[cell])(size.features, size.units, batch_first=True)
    optimizer = torch.optim.Adam(layer.parameters())
    x, lengths, y = (torch.from_numpy(array) for array in arrays(size))

    def last():
        if contender == TORCH:
            return layer(x)[0][:, -1]
        state = layer(torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))[1]
        return (state[0] if cell == "lstm" else state)[-1]

    def train():
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(last(), y).backward()
        optimizer.step()

    return {"training": train, "inference": torch.inference_mode()(last)}


def serve(contender, cell, size):
    """Say when ready, and then answer each measure named on standard input with a number on standard output."""
    replies, sys.stdout = sys.stdout, sys.stderr
    make = torch_calls if contender in (TORCH, PACKED) else keras_calls
    importlib.import_module("torch" if make is torch_calls else "layers")
    print("null", file=replies, flush=True)
    before = peak_memory()
    for measure in map(str.strip, sys.stdin):
        if measure == "first_step":
            calls = make(contender, cell, Size(*size))
            value = timed(calls["training"], 0, least=1)
        elif measure == "memory":
            timed(calls["training"], 0, least=2)
            value = (peak_memory() - before) / 2**20
        else:
            calls[measure]()  # untimed: it finds the others' data in the caches, and the first of all compiles
            value = timed(calls[measure], SECONDS, least=2)
        print(json.dumps(value), file=replies, flush=True)


def timed(call, seconds, least):
    """Mean time of a call, over `seconds` and at least so many calls."""
    calls, begin = 0, time.perf_counter()
    while calls < least or time.perf_counter() - begin < seconds:
        call()
        calls += 1
    return (time.perf_counter() - begin) / calls


def peak_memory():
    """In bytes, on Linux; ru_maxrss would not do: it starts at the parent's, which hides what a child takes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


class Worker:
    """The process of one contender."""

    def __init__(self, contender, cell, size):
        # CPUs are compared, also where there is a GPU; Keras takes its backend from the environment.
        settings = {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
        settings["KERAS_BACKEND"] = "jax" if contender == JAX else "tensorflow"
        command = [sys.executable, __file__, "--worker", json.dumps([contender, cell, size])]
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stderr=self.errors, env=os.environ | settings, **pipes)

    def ask(self, measure):
        print(measure, file=self.process.stdin)
        return self.answer()

    def answer(self):
        reply = self.process.stdout.readline()
        if not reply:
            self.errors.seek(0)
            raise SystemExit(f"{self.errors.read()[-2000:]}\nerror: {self.process.args[-1]} died, see above.")
        return json.loads(reply)


def measure(cell, name, size, rounds):
    """By contender and measure the values of all rounds, in seconds or MiB, and the product's best time."""
    values, products = {}, []
    with contextlib.ExitStack() as stack:
        workers = {contender: Worker(contender, cell, size) for contender in contenders(size)}
        for worker in workers.values():
            stack.enter_context(worker.process)
        for worker in workers.values():
            worker.answer()  # none is still importing while another is timed
        for contender, worker in workers.items():
            values[contender] = {key: [worker.ask(key)] for key in ("first_step", "memory")}
            print(f"{cell} {name}: {contender}, first_step {values[contender]['first_step'][0]:.2f} s", flush=True)
        for i in range(rounds):
            products.append(workers[BASELINE].ask("product"))
            for key, contender in itertools.product(TIMED, list(workers)[:: -1 if i % 2 else 1]):
                if key != "fit" or contender not in (TORCH, PACKED):
                    values[contender].setdefault(key, []).append(workers[contender].ask(key))
    return values, min(products)


def summary(values, cell, size, rate):
    """By contender and measure the median, its ratio with the range over rounds, and the share of the limit."""
    flops = 2 * size.batch * size.timesteps * (size.features + size.units) * GATES[cell] * size.units
    report = {contender: {} for contender in values}
    for contender, key in ((contender, key) for contender in values for key in values[contender]):
        own = values[contender][key]
        ratios = [a / b for a, b in zip(own, values[BASELINE][key])]
        median = statistics.median(own)
        entry = {UNITS[key]: median * (1000 if key in TIMED else 1), "ratio": statistics.median(ratios)}
        if key in TIMED:
            entry |= {"ratio_low": min(ratios), "ratio_high": max(ratios)}
            entry["share_of_limit"] = flops * (1 if key == "inference" else 3) / rate / median
        report[contender][key] = {label: float(f"{value:.4g}") for label, value in entry.items()}
    return report


def tables(metrics):
    """One a cell and measure: the built-in layer's own value, everybody's ratio to it, and shares of the limit."""
    lines = []
    for cell, (key, unit) in itertools.product(metrics, UNITS.items()):
        sizes = metrics[cell]
        rows = [["", *sizes], [f"{BASELINE}, {unit}", *(f"{sizes[name][BASELINE][key][unit]:.3g}" for name in sizes)]]
        for contender in [BASELINE, *COLORS]:
            rows.append([contender, *(table_cell(report.get(contender, {}).get(key)) for report in sizes.values())])
        lines += ["", f"{cell}, {key}: ratio to {BASELINE}" + " (share of the limit)" * (key in TIMED)]
        lines += [row[0].ljust(26) + "".join(text.rjust(12) for text in row[1:]) for row in rows if set(row[1:]) != {"-"}]
    return "\n".join(lines)


def table_cell(entry):
    share = f" ({entry['share_of_limit']:.0%})" if entry and "share_of_limit" in entry else ""
    return f"{entry['ratio']:.2f}{share}" if entry else "-"


def chart(metrics, path, top=2):
    """Bars of training and inference ratios by size; those above `top` are cut and say their height."""
    from recipes.common import plt

    figure, grid = plt.subplots(len(metrics), 2, figsize=(14, 3.4 * len(metrics) + 1), squeeze=False, sharey=True)
    for (cell, key), axes in zip(itertools.product(metrics, ["training", "inference"]), grid.flat):
        for at, report in enumerate(metrics[cell].values()):
            shown = [contender for contender in COLORS if contender in report]
            for i, contender in enumerate(shown):
                ratio, x = report[contender][key]["ratio"], at + (i - (len(shown) - 1) / 2) * 0.12
                axes.bar(x, min(ratio, top), 0.11, color=COLORS[contender], label=contender)
                if contender == OURS or ratio > top:
                    axes.text(x, min(ratio, top), f"{ratio:.2g}", ha="center", va="bottom", fontsize=9)
        axes.axhline(1, color="black", linewidth=1)
        axes.set(title=f"{CELLS[cell]}, {key}", ylim=(0, top * 1.1))
        labels = [f"{name}\n{report[BASELINE][key]['ms']:.3g} ms" for name, report in metrics[cell].items()]
        axes.set_xticks(range(len(labels)), labels)
    bars = {label: bar for axes in grid.flat for bar, label in zip(*axes.get_legend_handles_labels())}
    figure.suptitle(f"Time as a ratio to {BASELINE} = 1, whose time stands below: lower is faster", fontsize=14)
    figure.legend(bars.values(), bars, loc="outside lower center", ncols=4, fontsize=12)
    figure.set_layout_engine("constrained")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def run(cells, sizes, rounds, output, figure):
    """Measure, print, and write the JSON, again after each size: the whole takes long."""
    from recipes import common

    versions = common.versions()
    versions |= {name: importlib.metadata.version(name) for name in ("jax", "torch") if importlib.util.find_spec(name)}
    content = {"recipe": "recurrent_speed", "command": shlex.join(["python", "benchmarks/recurrent_speed.py", *sys.argv[1:]])}
    content |= {"commit": results.commit(), "date": time.strftime("%Y-%m-%d"), "versions": versions}
    content |= {"machine": results.machine(), "rounds": rounds, "sizes": {k: v._asdict() for k, v in sizes.items()}}
    raw, best = {}, math.inf
    for cell, name in itertools.product(cells, sizes):
        raw[cell, name], product_time = measure(cell, name, sizes[name], rounds)
        best = min(best, product_time)
        rate, metrics = 2 * 1024**3 / best, {}
        for (c, n), values in raw.items():
            metrics.setdefault(c, {})[n] = summary(values, c, sizes[n], rate)
        for contender, report in metrics[cell][name].items():
            times = [f"{key} {report[key]['ms']:.3g} ms = {report[key]['ratio']:.2f}" for key in TIMED if key in report]
            print(f"{cell} {name}: {contender}, {', '.join(times)}", flush=True)
        content |= {"gflops_limit": round(rate / 1e9, 1), "metrics": metrics}
        output.write_text(json.dumps(content, indent=2) + "\n")
    print(tables(metrics))
    chart(metrics, figure)
    print(f"\nThe limit is {rate / 1e9:.0f} GFLOP/s. Written to {output}, drawn in {figure}")


def chosen(text, known):
    """The names in a comma-separated option."""
    names = text.split(",")
    if set(names) <= set(known):
        return names
    raise typer.BadParameter(f"choose from {', '.join(known)}. Received: {text}")


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command(help="\n\n".join(f"\b\n{paragraph}" for paragraph in __doc__.split("\n\n")))
def main(
    cells: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(CELLS),
    sizes: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(SIZES),
    rounds: Annotated[int, typer.Option(min=1, help="Timings of each contender.")] = 7,
    output: Annotated[Path, typer.Option(help="The JSON file.")] = results.ROOT / "results/recurrent_speed.json",
    figure: Annotated[Path, typer.Option(help="The bar chart.")] = results.ROOT / "docs/recurrent_speed.png",
    worker: Annotated[str | None, typer.Option(hidden=True)] = None,
):
    if worker:
        return serve(*json.loads(worker))
    cells, sizes = chosen(cells, CELLS), chosen(sizes, SIZES)
    run(cells, {name: SIZES[name] for name in sizes}, rounds, output, figure)


if __name__ == "__main__":
    app()
