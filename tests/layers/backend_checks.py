"""Checks that hold on every backend, run as a script because a process has one backend.

`KERAS_BACKEND=jax python backend_checks.py` prints one JSON object: the backend, and of every check the error that it
ended in, "" for none.
"""

import importlib
import itertools
import json
import traceback

import keras
import numpy as np

import layers

CASES = {
    "simple": (layers.SimpleRNNCell, keras.layers.SimpleRNN, {}),
    "lstm": (layers.LSTMCell, keras.layers.LSTM, {}),
    "gru": (layers.GRUCell, keras.layers.GRU, {}),
    "gru-reset-before": (layers.GRUCell, keras.layers.GRU, {"reset_after": False}),
}
CONTAINERS = {"keras.layers.RNN": keras.layers.RNN, "layers.RNN": layers.RNN}
chosen = []  # one of them
SHAPE = (5, 6, 4)


def pair(case, **options):
    cell, layer, arguments = CASES[case]
    return chosen[0](cell(3, **arguments), **options), layer(3, **arguments, **options)


def compiled(function):
    """As fit does it; layers.RNN has a way of its own there."""
    backend = keras.backend.backend()
    if backend == "torch":
        return function
    return getattr(importlib.import_module(backend), "jit" if backend == "jax" else "function")(function)


def randomize(layer, seed=0):
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.weights])
    return layer


def sequences(seed=1):
    return np.random.default_rng(seed).normal(size=SHAPE).astype("float32")


def arrays(results):
    return [keras.ops.convert_to_numpy(r) for r in (results if isinstance(results, (list, tuple)) else [results])]


def assert_close(mine, theirs, tolerance=1e-5):
    for a, b in zip(arrays(mine), arrays(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def check_outputs_and_states(case, mask=None, wrap=lambda layer: layer):
    results = []
    for layer in pair(case, return_sequences=True, return_state=True):
        layer = wrap(layer)
        layer.build(SHAPE)
        randomize(layer)
        results += [layer(sequences(), mask=mask), compiled(lambda: layer(sequences(), mask=mask))()]
    for result in results[1:]:
        assert_close(result, results[0])


def check_masked(case):
    mask = np.random.default_rng(2).random(SHAPE[:2]) < 0.6
    mask[1] = False
    check_outputs_and_states(case, keras.ops.convert_to_tensor(mask))


def check_bidirectional(case):
    check_outputs_and_states(case, wrap=keras.layers.Bidirectional)


def check_stateful(case):
    results = []
    for layer in pair(case, stateful=True):
        layer.build(SHAPE)
        randomize(layer)
        calls = [layer(sequences(1)), layer(sequences(2))]
        layer.reset_state()
        results.append([*calls, layer(sequences(1))])
    assert_close(*results)


def check_gradients(case):
    """Equal weights after a step of plain gradient descent, on padded sequences, mean equal gradients."""
    x = sequences()
    x[2, 3:] = 0
    results = []
    for layer in pair(case):
        stack = [keras.Input(SHAPE[1:]), keras.layers.Masking(), layer, keras.layers.Dense(1)]
        model = randomize(keras.Sequential(stack))
        model.compile(keras.optimizers.SGD(0.5), "mse")
        before = model.get_weights()
        loss = model.train_on_batch(x, x.sum((1, 2))[:, None])
        assert all((a != b).any() for a, b in zip(before, model.get_weights()))
        results.append([loss, *model.get_weights()])
    assert_close(*results)


def check_fit_with_dropout(case, stateful=False):
    """Values traced in a train step must not stay behind in the cell: it works outside of it, before and after."""
    cell, _, arguments = CASES[case]
    layer = chosen[0](cell(3, dropout=0.3, recurrent_dropout=0.3, **arguments), stateful=stateful)
    model = keras.Sequential([keras.Input(batch_shape=SHAPE), layer, keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = sequences(), np.ones((5, 1), "float32")
    for _ in range(2):
        history = model.fit(x, y, batch_size=5, epochs=2, verbose=0)
        assert np.isfinite(history.history["loss"]).all()
        if stateful:
            layer.reset_state()
        first, second = (arrays(layer(x, training=True))[0] for _ in range(2))
        assert np.abs(first - second).max() > 1e-3
        model.evaluate(x, y, verbose=0)
    if not stateful:
        np.testing.assert_allclose(model.predict(x, verbose=0), model.predict(x, verbose=0))


def check_stateful_fit_with_dropout(case):
    check_fit_with_dropout(case, stateful=True)


def check_one_mask_a_sequence(case):
    """Where an input is dropped once it is dropped at every timestep: with no kernel, h stays at that of no input."""
    cell, _, arguments = CASES[case]
    layer = chosen[0](cell(3, dropout=0.5, bias_initializer="ones", **arguments), return_sequences=True)
    layer.build((64, 6, 1))
    randomize(layer)
    x = np.ones((64, 6, 1), "float32")
    kept, dropped = arrays(layer(2 * x)) + arrays(layer(0 * x))
    drawn = arrays(layer(x, training=True))[0]
    is_kept, is_dropped = (np.abs(drawn - h).max((1, 2)) < 1e-5 for h in (kept, dropped))
    assert (is_kept | is_dropped).all()
    assert is_kept.any() and is_dropped.any()


def main():
    checks = [(name[6:], check) for name, check in globals().items() if name.startswith("check_")]
    errors = {}
    for (name, check), case, container in itertools.product(checks, CASES, CONTAINERS):
        chosen[:] = [CONTAINERS[container]]
        try:
            check(case)
            errors[f"{name} {case} {container}"] = ""
        except Exception:
            errors[f"{name} {case} {container}"] = traceback.format_exc()
    print("\n" + json.dumps({"backend": keras.backend.backend(), "errors": errors}))


if __name__ == "__main__":
    main()
