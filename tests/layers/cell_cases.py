"""The one list of cells that every check runs on, and the built-in layers that they are compared with."""

import keras
import numpy as np
import tensorflow as tf

import layers

UNITS, FEATURES, BATCH, LENGTH = 3, 4, 5, 4

# What the built-in layer of the same arguments is called.
BUILT_IN_LAYER = {"SimpleRNNCell": "SimpleRNN", "LSTMCell": "LSTM", "GRUCell": "GRU"}

# One of each kind, for the checks that cost seconds.
MAIN = {
    "simple": ("SimpleRNNCell", {}),
    "lstm": ("LSTMCell", {}),
    "lstm-forget-0": ("LSTMCell", {"unit_forget_bias": False}),
    "gru": ("GRUCell", {}),
    "gru-reset-before": ("GRUCell", {"reset_after": False}),
}
ALL = MAIN | {
    "simple-no-bias": ("SimpleRNNCell", {"use_bias": False}),
    "simple-relu": ("SimpleRNNCell", {"activation": "relu"}),
    "simple-linear": ("SimpleRNNCell", {"activation": None}),
    "lstm-no-bias": ("LSTMCell", {"use_bias": False}),
    "lstm-elu-hard": ("LSTMCell", {"activation": "elu", "recurrent_activation": "hard_sigmoid"}),
    "lstm-linear-relu": ("LSTMCell", {"activation": None, "recurrent_activation": "relu"}),
    "gru-no-bias": ("GRUCell", {"use_bias": False}),
    "gru-reset-before-no-bias": ("GRUCell", {"reset_after": False, "use_bias": False}),
    "gru-elu-hard": ("GRUCell", {"activation": "elu", "recurrent_activation": "hard_sigmoid"}),
    "gru-reset-before-linear-tanh": (
        "GRUCell",
        {"reset_after": False, "activation": None, "recurrent_activation": "tanh"},
    ),
}


# The layers that our cells are tried in; the fixture `container` chooses one for each test.
CONTAINERS = {"keras.layers.RNN": keras.layers.RNN, "layers.RNN": layers.RNN}
chosen = [keras.layers.RNN]


def container(cell, **options):
    return chosen[0](cell, **options)


def our_cell(case, units=UNITS, **more):
    name, arguments = ALL[case]
    return getattr(layers, name)(units, **arguments, **more)


def built_in_cell(case, units=UNITS, **more):
    name, arguments = ALL[case]
    return getattr(keras.layers, name)(units, **arguments, **more)


def ours(case, units=UNITS, cell=None, **options):
    return container(our_cell(case, units, **(cell or {})), **options)


def built_in_loop(case, units=UNITS, cell=None, **options):
    return keras.layers.RNN(built_in_cell(case, units, **(cell or {})), **options)


def built_in_layer(case, units=UNITS, cell=None, **options):
    name, arguments = ALL[case]
    return getattr(keras.layers, BUILT_IN_LAYER[name])(units, **arguments, **(cell or {}), **options)


def references():
    """What the cells are compared with, by name; in Keras's own loop with the built-in cells in that loop too."""
    loop = {"RNN(built-in cell)": built_in_loop} if chosen[0] is keras.layers.RNN else {}
    return loop | {"built-in layer": built_in_layer}


def random_weights(layer, seed=0):
    """Draws that differ in every gate and unit: with equal ones, swapped gates go unseen."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.weights])
    return layer


def sequences(batch=BATCH, length=LENGTH, seed=1):
    return np.random.default_rng(seed).normal(size=(batch, length, FEATURES)).astype("float32")


def states(case, batch=BATCH, units=UNITS, seed=2):
    count = 2 if ALL[case][0] == "LSTMCell" else 1
    return [a.astype("float32") for a in np.random.default_rng(seed).normal(size=(count, batch, units))]


def masks(kind, batch=BATCH, length=LENGTH):
    """Every row has another pattern, so that rows cannot stand in for one another."""
    steps, rows = np.arange(length), np.arange(batch)[:, None]
    if kind == "right":
        return steps < length - rows % length
    if kind == "left":
        return steps >= rows % length
    mask = np.random.default_rng(3).random((batch, length)) < 0.6
    if kind == "a full row":
        mask[1] = False
    return mask


def outputs_and_gradients(layer, x, initial=(), mask=None):
    """All outputs, and the gradients of a random mix of them for the inputs, each state and every weight."""
    x, initial = tf.constant(x), [tf.constant(s) for s in initial]
    arguments = {"initial_state": initial} if initial else {}
    with tf.GradientTape() as tape:
        tape.watch([x, *initial])
        outputs = tf.nest.flatten(layer(x, mask=None if mask is None else tf.constant(mask), **arguments))
        rng = np.random.default_rng(4)
        loss = sum(tf.reduce_sum(tf.cast(y, "float32") * rng.normal(size=y.shape).astype("float32")) for y in outputs)
    names = ["inputs", *(f"state {i}" for i in range(len(initial))), *(w.path for w in layer.trainable_weights)]
    watched = [x, *initial, *(w.value for w in layer.trainable_weights)]
    return outputs, dict(zip(names, tape.gradient(loss, watched, unconnected_gradients="zero")))


def assert_same(ours, reference, where, outputs=1e-5, gradients=1e-4):
    """Compares two results of `outputs_and_gradients`; the gradients' names differ by the layer's name only."""
    assert len(ours[0]) == len(reference[0])
    for i, (a, b) in enumerate(zip(ours[0], reference[0])):
        assert a.dtype == b.dtype, f"output {i} against {where}"
        close(a, b, outputs, f"output {i} against {where}")
    assert len(ours[1]) == len(reference[1])
    for (name, a), b in zip(ours[1].items(), reference[1].values()):
        close(a, b, gradients, f"gradient of {name} against {where}")


def close(a, b, tolerance, what):
    a, b = (np.asarray(keras.ops.cast(v, "float64")) for v in (a, b))
    assert np.isfinite(b).all(), what
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, err_msg=what)
