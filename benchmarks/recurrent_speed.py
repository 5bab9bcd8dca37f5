"""Speed of recurrent layers on this machine's CPU: layers.RNN beside the other layers a Keras user could take.

    python benchmarks/recurrent_speed.py                             everything, about two hours on two cores
    python benchmarks/recurrent_speed.py --cells lstm --sizes s20,m  a part of it
    python benchmarks/recurrent_speed.py --starts-only               first steps and memory again, about 30 minutes

training    one step: forward, mean squared error of the last output, backward, Adam, in one tf.function
fit         the same step in model.fit: train_on_batch of a compiled model, with jit_compile="auto"
inference   one forward call
first_step  the first training step, which includes tracing and, where everything is compiled at once, compiling
batch_sizes one training step with each batch size from 1 to 32, in one graph, tracing included
lengths     the same with each length from 1 to 100
memory      growth of the process's peak memory from before the layer is built to after three training steps
memory_end  the same until the end of all measurements

Each contender runs in a process of its own, and only one works at a time. They take turns, once a round; a ratio is the
median over the rounds of a contender's value to that of the built-in layer in the same round, so below 1 is faster.
Training, fit and inference are timed after they have run for 1.5 seconds, when layers.RNN has compiled its loop. The
first step and memory have three rounds, each in processes of their own; batch_sizes, lengths and memory_end are
measured once. The sizes a to d are not powers of two, and nothing was tuned on them. The limit is the time of
2 · batch · timesteps · (features + units) · gates · units operations, three times as many in training, at the best rate
of a 1024³ float32 tf.matmul in the same run.
"""

import contextlib
import functools
import importlib.metadata
import importlib.util
import itertools
import json
import math
import multiprocessing
import os
import re
import statistics
import sys
import time
import timeit
from collections import namedtuple
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
from cyclopts import Parameter
from cyclopts.validators import Number

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # the project's packages, before others of the same names

Size = namedtuple("Size", "batch timesteps features units masked", defaults=[False])
SIZES = {
    "s20": Size(32, 50, 1, 20),
    "s64": Size(32, 50, 1, 64),
    "stock": Size(64, 60, 2, 12),  # that of stock_prices.py
    "m": Size(64, 200, 128, 128),
    "text": Size(32, 400, 128, 128, masked=True),
    "x": Size(64, 20, 256, 256, masked=True),
    "l": Size(32, 200, 256, 512),
    "a": Size(24, 40, 2, 24),
    "b": Size(48, 180, 96, 144),
    "c": Size(48, 24, 224, 192, masked=True),
    "d": Size(24, 160, 256, 448),
}
CELLS = {"lstm": "LSTM", "gru": "GRU", "simple": "SimpleRNN"}
GATES = {"lstm": 4, "gru": 3, "simple": 1}
OURS, BASELINE = "layers.RNN", "keras.layers"
JITTED, UNROLLED, WRAPPED = "keras.layers, jit_compile", "keras.layers, unroll", "keras.layers.RNN(cell)"
JAX, TORCH = "keras.layers on JAX", "torch.nn, no mask"
COLORS = {OURS: "#D55E00", BASELINE: "0.7", JITTED: "#0072B2", UNROLLED: "#56B4E9", WRAPPED: "#CC79A7"}
COLORS |= {JAX: "#009E73", TORCH: "#000000"}  # Okabe & Ito (2008), as in toolkit.plots
UNITS = {"training": "ms", "fit": "ms", "inference": "ms", "first_step": "ms", "batch_sizes": "ms", "lengths": "ms"}
UNITS |= {"memory": "MiB", "memory_end": "MiB"}
TIMED = ["training", "fit", "inference"]
CHANGING = ["batch_sizes", "lengths"]
STARTING = ["first_step", "memory"]
SOME = [OURS, BASELINE]  # whose starts, and batch sizes and lengths that change, are measured
STARTS = 3  # processes of each, for their starts
SECONDS = 0.12  # of calls in one timing
WARM_UP = 1.5  # seconds of calls before the first timing
process = {}  # in a contender's process: its calls


def contenders(size):
    """The contenders at a size, of those that are installed. Unrolling a long loop would take minutes."""
    names = [OURS, BASELINE, JITTED, WRAPPED] + [UNROLLED] * (size.timesteps <= 60)
    return names + [name for name, module in ((JAX, "jax"), (TORCH, "torch")) if importlib.util.find_spec(module)]


def arrays(size):
    """Sequences, their lengths, and targets for the last output."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(size.batch, size.timesteps, size.features)).astype("float32")
    lengths = rng.integers(size.timesteps // 2, size.timesteps, size.batch, endpoint=True)
    return x, lengths, rng.normal(size=(size.batch, size.units)).astype("float32")


def keras_calls(contender, cell, size):
    """The measured calls by name, functions without arguments."""
    import keras

    import layers

    package = layers if contender == OURS else keras.layers

    def make():
        if contender in (OURS, WRAPPED):
            return package.RNN(getattr(package, f"{CELLS[cell]}Cell")(size.units))
        return getattr(package, CELLS[cell])(size.units, unroll=contender == UNROLLED)

    layer = make()
    jit = contender == JITTED
    layer.supports_jit |= jit  # otherwise Keras ignores jit_compile
    x, lengths, y = arrays(size)
    mask = np.arange(size.timesteps) < lengths[:, None]
    *inputs, y = [keras.ops.convert_to_tensor(array) for array in ([x, mask, y] if size.masked else [x, y])]
    symbols = [keras.Input(tensor.shape[1:], dtype=tensor.dtype) for tensor in inputs]
    model = keras.Model(symbols, layer(symbols[0], mask=symbols[1] if size.masked else None))
    model.compile(keras.optimizers.Adam(), "mse", jit_compile=jit or "auto")
    optimizer = keras.optimizers.Adam()
    optimizer.build(model.trainable_variables)
    train, infer = jax_calls(model, optimizer) if contender == JAX else tensorflow_calls(model, optimizer, jit)
    factor = keras.ops.ones((1024, 1024) if contender == BASELINE else 0)
    return {
        "training": lambda: train(inputs, y),
        "fit": lambda: model.train_on_batch(inputs, y),
        "inference": lambda: infer(inputs),
        "product": lambda: keras.ops.matmul(factor, factor),
        "batch_sizes": lambda: each_once(make(), [(n, *size[1:3]) for n in range(1, 33)]),
        "lengths": lambda: each_once(make(), [(size.batch, n, size.features) for n in range(1, 101)]),
    }


def each_once(layer, shapes):
    """One step of back-propagation for each input shape, all in one TensorFlow graph."""
    import tensorflow as tf

    layer.build(shapes[0])

    @tf.function(autograph=False, input_signature=[tf.TensorSpec((None, None, shapes[0][-1]))])
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(layer(x, training=True)))
        return tape.gradient(loss, layer.trainable_variables)

    for shape in shapes:
        step(tf.ones(shape))


def tensorflow_calls(model, optimizer, jit):
    import tensorflow as tf

    function = tf.function(jit_compile=jit or None, autograph=False)

    @function
    def train(inputs, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(inputs, training=True) - y))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
        return loss

    return train, function(lambda inputs: model(inputs, training=False))


def jax_calls(model, optimizer):
    import jax

    others = [np.array(v) for v in model.non_trainable_variables]
    state = [[v.value for v in variables] for variables in (model.trainable_variables, optimizer.variables)]

    @functools.partial(jax.jit, static_argnames="training")
    def call(weights, inputs, training):
        return model.stateless_call(weights, others, inputs, training=training)[0]

    @jax.jit
    def step(weights, slots, inputs, y):
        gradients = jax.grad(lambda weights: jax.numpy.mean((call(weights, inputs, True) - y) ** 2))(weights)
        return optimizer.stateless_apply(slots, gradients, weights)

    def train(inputs, y):
        state[:] = jax.block_until_ready(step(*state, inputs, y))

    return train, lambda inputs: jax.block_until_ready(call(state[0], inputs, False))


def torch_calls(contender, cell, size):
    """The same calls in PyTorch, without the mask: packed sequences are slower."""
    import torch

    torch.set_num_threads(os.cpu_count())
    layer = getattr(torch.nn, CELLS[cell].replace("Simple", ""))(size.features, size.units, batch_first=True)
    optimizer = torch.optim.Adam(layer.parameters())
    x, _, y = map(torch.from_numpy, arrays(size))

    def train():
        optimizer.zero_grad()
        torch.nn.functional.mse_loss(layer(x)[0][:, -1], y).backward()
        optimizer.step()

    return {"training": train, "inference": torch.inference_mode()(lambda: layer(x)[0][:, -1])}


def start(contender, cell, size, warm_up):
    """In a contender's process: import the packages it needs, so that they do not count as its memory."""
    os.environ["KERAS_BACKEND"] = "jax" if contender == JAX else "tensorflow"
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}  # CPUs are compared, even where there is a GPU
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # TensorFlow's log; exceptions reach the parent
    make = torch_calls if contender == TORCH else keras_calls
    importlib.import_module("torch" if contender == TORCH else "layers")
    process.update(make=lambda: make(contender, cell, size), before=peak_memory(), warm=set(), warm_up=warm_up)


def value_of(key):
    """In a contender's process: the value of a measure, in ms or MiB."""
    if key == "first_step":
        process.update(process["make"]())
        return 1000 * timeit.timeit(process["training"], number=1)
    if key in CHANGING:
        return 1000 * timeit.timeit(process[key], number=1)
    if key == "memory":
        timeit.timeit(process["training"], number=2)
    if key in ("memory", "memory_end"):
        return peak_memory() - process["before"]
    started = time.monotonic()
    while key not in process["warm"] and time.monotonic() < started + process["warm_up"]:
        process[key]()
    process["warm"].add(key)
    once = min(timeit.repeat(process[key], number=1, repeat=2))  # the first call may compile, or find cold caches
    number = max(1, round(SECONDS / once))
    return 1000 * timeit.timeit(process[key], number=number) / number


def peak_memory():
    """Peak memory in MiB, on Linux. ru_maxrss starts at the parent's peak, which would hide that of the child."""
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def measure(cell, name, size, rounds, warm_up=WARM_UP):
    """The values of all rounds by measure and contender, in ms or MiB, and the best time of the matrix product."""
    values, products = {key: {} for key in UNITS}, []
    values |= measure_starts(cell, name, size)

    def measure_one(key, contender):
        note(values, workers[contender], f"{cell} {name}", key, contender)

    with contextlib.ExitStack() as stack:
        workers = {c: stack.enter_context(new_process()) for c in contenders(size)}
        for started in [worker.submit(start, contender, cell, size, warm_up) for contender, worker in workers.items()]:
            started.result()  # no process is still importing while another is timed
        for worker in workers.values():
            worker.submit(value_of, "first_step").result()  # builds the layer; `measure_starts` has timed it
        for i in range(rounds):
            products.append(workers[BASELINE].submit(value_of, "product").result())
            for key, contender in itertools.product(TIMED, list(workers)[:: -1 if i % 2 else 1]):
                if key != "fit" or contender != TORCH:
                    measure_one(key, contender)
        for key, contender in itertools.product(["memory_end", *CHANGING], workers):
            if key == "memory_end" or contender in SOME:
                measure_one(key, contender)
    return values, min(products)


def measure_starts(cell, name, size):
    """The values of the first step and of memory by contender, in ms and MiB, each from a process that ends with it."""
    values = {key: {} for key in STARTING}
    for contender in SOME * STARTS:
        with new_process() as worker:
            worker.submit(start, contender, cell, size, warm_up=0).result()
            for key in STARTING:
                note(values, worker, f"{cell} {name}", key, contender)
    return values


def new_process():
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def note(values, worker, title, key, contender):
    """Have a contender's process measure once, add that to the values, and print it."""
    value = worker.submit(value_of, key).result()
    values[key].setdefault(contender, []).append(value)
    print(f"{title} {key} {len(values[key][contender])}: {contender} {value:.4g} {UNITS[key]}", flush=True)


def summary(values, cell, size, rate):
    """By measure and contender: the median, its ratio with the range over the rounds, and the share of the limit."""
    operations = 2 * size.batch * size.timesteps * (size.features + size.units) * GATES[cell] * size.units
    report = {key: {} for key in values}
    for key, contender in [(key, contender) for key, by_contender in values.items() for contender in by_contender]:
        own = values[key][contender]
        ratios = [a / b for a, b in zip(own, values[key][BASELINE])]
        entry = {UNITS[key]: statistics.median(own), "ratio": statistics.median(ratios)}
        if key in TIMED:
            entry |= {"ratio_low": min(ratios), "ratio_high": max(ratios)}
            entry["share_of_limit"] = operations * (1 if key == "inference" else 3) / rate / entry["ms"]
        report[key][contender] = {label: float(f"{value:.4g}") for label, value in entry.items()}
    return report


def table(cell, key, reports):
    """Ratios of all contenders by size, with shares of the limit, below the values of the built-in layer."""
    own = [f"{report[key][BASELINE][UNITS[key]]:.3g}" for report in reports.values()]
    rows = [[f"{cell}, {key}", *reports], [f"{BASELINE}, {UNITS[key]}", *own]]
    for contender in [name for name in COLORS if any(name in report[key] for report in reports.values())]:
        entries = [report[key].get(contender) for report in reports.values()]
        shares = [f" ({e['share_of_limit']:.0%})" if e and key in TIMED else "" for e in entries]
        rows.append([contender, *(f"{e['ratio']:.2f}{share}" if e else "-" for e, share in zip(entries, shares))])
    return "\n".join(row[0].ljust(26) + "".join(text.rjust(12) for text in row[1:]) for row in rows)


def chart(metrics, path, top=2):
    """Bars of training and inference ratios by size; bars above `top` are cut and labelled with their height."""
    from toolkit import plots  # noqa: F401  (its style)

    from matplotlib import pyplot as plt

    figure, grid = plt.subplots(len(metrics), 2, figsize=(14, 4 * len(metrics)), squeeze=False, layout="constrained")
    for (cell, key), axes in zip(itertools.product(metrics, ["training", "inference"]), grid.flat):
        shown = [name for name in COLORS if any(name in report[key] for report in metrics[cell].values())]
        for i, contender in enumerate(shown):
            heights = [report[key].get(contender, {"ratio": math.nan})["ratio"] for report in metrics[cell].values()]
            at = np.arange(len(heights)) + 0.11 * (i - (len(shown) - 1) / 2)
            bars = axes.bar(at, np.minimum(heights, top), 0.1, color=COLORS[contender], label=contender)
            axes.bar_label(bars, [f"{h:.2g}" if contender == OURS or h > top else "" for h in heights], fontsize=9)
        axes.set(
            xticks=range(len(heights)),
            xticklabels=metrics[cell],
            ylim=(0, 1.1 * top),
            title=f"{cell}, {key}",
            ylabel="ratio",
        )
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=12)
    figure.suptitle(f"Time as a ratio to {BASELINE}: lower is faster", fontsize=14)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def run(cells, sizes, rounds, output, figure, warm_up=WARM_UP):
    """Measure, print and draw. The JSON of a cell is written after each size, because the whole takes long.

    What it has of other sizes stays there: each size has its own provenance.
    """
    from toolkit import runs  # imports Keras, which in the contenders' processes waits for its backend

    from benchmarks import record

    if figure.suffix not in (".png", ".svg", ".pdf"):
        raise runs.Stop(f"--figure must end in .png, .svg or .pdf. Received: {figure}")
    for folder in (output, figure.parent):
        runs.check_writable(folder)
    source = provenance()
    for cell in cells:
        path, raw = output / f"recurrent_speed.{cell}.json", {}
        content = record.read(path.stem, output) if path.exists() else empty(cell)
        for name, size in sizes.items():
            raw[name] = measure(cell, name, size, rounds, warm_up)
            rate = 2 * 1024**3 / min(product for _, product in raw.values())  # operations a millisecond
            metrics = {n: summary(values, cell, sizes[n], rate) for n, (values, _) in raw.items()}
            machine = source["machine"] | {"gflops": round(rate / 1e6, 1)}
            content["sizes"][name] = size._asdict()
            content["measured"] |= {n: source | {"machine": machine, "rounds": rounds} for n in metrics}
            content["starts"].pop(name, None)
            content["metrics"] |= metrics
            write(path, content)
        print(*("\n" + table(cell, key, metrics) for key in UNITS), sep="\n")
        print(f"\nRatios to {BASELINE} (share of the limit, {rate / 1e6:.0f} GFLOP/s)")
    measured = {c: output / f"recurrent_speed.{c}.json" for c in CELLS}
    chart({c: json.loads(p.read_text())["metrics"] for c, p in measured.items() if p.exists()}, figure)
    print(f"Written: {', '.join(str(measured[cell]) for cell in cells)}, {figure}")


def empty(cell):
    """The JSON of a cell before anything is measured: where each size comes from, and starts that came later."""
    return {"recipe": "recurrent_speed", "variant": cell, "sizes": {}, "measured": {}, "starts": {}, "metrics": {}}


def provenance():
    """As of every result, with the command and the versions of JAX and PyTorch where they are installed."""
    from benchmarks import record  # imports Keras; see `run`

    source = {"command": " ".join(["python", "benchmarks/recurrent_speed.py", *sys.argv[1:]]), **record.provenance()}
    source["versions"] |= {m: importlib.metadata.version(m) for m in ("jax", "torch") if importlib.util.find_spec(m)}
    return source


def run_starts(cells, sizes, output):
    """Measure first steps and memory again, print them, and put them into the JSON of each cell once it is through.

    Raises Stop if there is no such file, or not each of these sizes in it.
    """
    from toolkit import runs  # imports Keras; see `run`

    from benchmarks import record

    for path in [output / f"recurrent_speed.{cell}.json" for cell in cells]:
        known = json.loads(path.read_text())["sizes"] if path.exists() else []
        if missing := [name for name in sizes if name not in known]:
            received = f"Received: {', '.join(missing)}, not in {path}"
            raise runs.Stop(f"--starts-only measures sizes again that were measured before. {received}")
    source = provenance()
    for cell in cells:
        path = output / f"recurrent_speed.{cell}.json"
        content = record.read(path.stem, output)
        for name, size in sizes.items():
            content["starts"][name] = source
            content["metrics"][name] |= summary(measure_starts(cell, name, size), cell, size, rate=math.nan)
        write(path, content)
        print(*("\n" + table(cell, key, content["metrics"]) for key in STARTING), f"\nWritten: {path}", sep="\n")


def write(path, content):
    """Write a JSON file, whole or not at all."""
    from toolkit import runs  # imports Keras; see `run`

    with runs.replacing(path) as file:
        file.write(json.dumps(content, indent=1).encode() + b"\n")


def choose(text, names):
    """The names in a text with commas between them. Raises Stop if one is not among `names`."""
    from toolkit.runs import Stop  # imports Keras; see `run`

    chosen = [name.strip() for name in text.split(",")]
    if unknown := [name for name in chosen if name not in names]:
        raise Stop(f"Choose from {', '.join(names)}. Received: {', '.join(unknown)}")
    return chosen


def main(
    *,
    cells: Annotated[str, Parameter(help="Cells to measure, with commas between.")] = ",".join(CELLS),
    sizes: Annotated[str, Parameter(help="Sizes to measure, with commas between.")] = ",".join(SIZES),
    rounds: Annotated[int, Parameter(validator=Number(gte=1, lte=1000), help="Timings of each contender.")] = 7,
    starts_only: Annotated[
        bool, Parameter(negative=(), help="Measure only first steps and memory, again: without rounds and a figure.")
    ] = False,
    output: Annotated[Path, Parameter(help="Folder of the JSON files, one for each cell.")] = ROOT / "results",
    figure: Annotated[Path, Parameter(help="File of the bar chart.")] = ROOT / "docs/recurrent_speed.png",
):
    """Measure, print, draw, and write results/recurrent_speed.CELL.json, where other sizes stay as they are."""
    chosen = choose(cells, CELLS), {name: SIZES[name] for name in choose(sizes, SIZES)}
    if starts_only:
        run_starts(*chosen, output)
    else:
        run(*chosen, rounds, output, figure)


if __name__ == "__main__":
    from benchmarks import script  # imports Keras; see `run`

    script.main(main, __doc__)
