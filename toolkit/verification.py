"""The same network from our cells and from built-in layers: outputs, every gradient, losses of a short training."""

import sys

from toolkit.cells import BUILT_IN

import keras
import numpy as np


def verify(build, cell, x, y, loss="mse", steps=20, batch_size=32):
    """Compare the network of our cells with its twin of built-in layers; prints a table.

    Both get the same random weights, trainable biases included, and the same batches. A gradient is read off one step
    of plain gradient descent at learning rate 1, which works on every backend.

    Args:
        build: a function from a `--cell` name to a model, without dropout; other noise must be seeded.
        x, y: arrays of at least `batch_size` examples; x may be a tuple of them.
        loss: what `compile` takes.
        steps: Adam steps over which the two losses must stay together.

    Raises:
        SystemExit: with status 1, when a difference is larger than allowed.
    """
    cell = cell.removeprefix("builtin-")
    models = build(cell), build(f"builtin-{cell}")
    rng = np.random.default_rng(0)
    start = [w.numpy() + rng.normal(scale=0.1, size=w.shape) for w in models[0].trainable_variables]
    outputs, gradients, losses = zip(*(_measure(m, start, x, y, loss, steps, batch_size) for m in models))
    names = [f"gradient of {w.path}" for w in models[0].trainable_variables]
    rows = [("outputs", *outputs, 1e-5)]
    rows += [(name, ours, twin, 1e-4) for name, ours, twin in zip(names, *gradients)]
    rows += [(f"loss over {steps} steps of training", *losses, 1e-4)]
    table = [(n, np.abs(b).max(), np.abs(a - b).max() / np.abs(b).max(), allowed) for n, a, b, allowed in rows]
    twin = "the built-in layer" if cell in BUILT_IN else "keras.layers.RNN, for there is no built-in layer"
    print(f"{cell} cell in layers.RNN beside {twin}: same weights, same batches")
    width = max(len(name) for name, *_ in table) + 2
    print(f"{'':{width}}{'largest value':>15}{'difference':>13}{'allowed':>10}   (relative)")
    for name, value, difference, allowed in table:
        verdict = "pass" if difference <= allowed else "FAIL"
        print(f"{name:{width}}{value:15.6f}{difference:13.1e}{allowed:10.0e}  {verdict}")
    if not all(difference <= allowed for _, _, difference, allowed in table):
        sys.exit(1)


def _measure(model, start, x, y, loss, steps, batch_size):
    """Outputs, gradients and training losses of a model from the given trainable weights."""
    variables = model.trainable_variables
    for variable, value in zip(variables, start):
        variable.assign(value)
    slices = [slice(i, i + batch_size) for i in range(0, len(y) - batch_size + 1, batch_size)]
    batches = [(keras.tree.map_structure(lambda array: array[part], x), y[part]) for part in slices]
    outputs = model.predict_on_batch(batches[0][0])
    model.compile(keras.optimizers.SGD(1.0), loss)
    model.train_on_batch(*batches[0])
    gradients = [value - variable.numpy() for variable, value in zip(variables, start)]
    for variable, value in zip(variables, start):
        variable.assign(value)
    model.compile("adam", loss)
    losses = np.array([model.train_on_batch(*batches[i % len(batches)]) for i in range(steps)])
    return outputs, gradients, losses


def random_sequences(rng, count, longest, vocabulary_size, first=2):
    """Random ids from `first` on, int64, (count, longest), padded on the right with 0 to lengths from half of that."""
    lengths = rng.integers(longest // 2, longest, count, endpoint=True)
    return rng.integers(first, vocabulary_size, (count, longest)) * (np.arange(longest) < lengths[:, None])
