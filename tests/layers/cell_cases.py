"""The one list of cells that every test of cells runs on, and what they are compared with."""

import re
import textwrap

import keras
import numpy as np

import layers
from layers import cell as cell_module

UNITS, FEATURES, BATCH, LENGTH = 3, 4, 5, 4


def own_cell():
    """The class in the docstring of layers/cell.py, from the text that is there."""
    text = re.search(r"^    import keras\n.*?(?=^\S)", cell_module.__doc__, re.MULTILINE | re.DOTALL)[0]
    names = {"__name__": "own_cell"}
    exec(textwrap.dedent(text), names)
    return names["UpdateGateCell"]


# A line here runs all tests on a cell: the class, and its arguments where they are not the defaults.
CELLS = {
    "simple": (layers.SimpleRNNCell, {}),
    "lstm": (layers.LSTMCell, {}),
    "gru": (layers.GRUCell, {}),
    "gru-reset-before": (layers.GRUCell, {"reset_after": False}),
    "peephole": (layers.PeepholeLSTMCell, {}),
    "coupled": (layers.CoupledLSTMCell, {}),
    "minimal": (layers.MinimalGatedCell, {}),
    "norm-simple": (layers.LayerNormRNNCell, {}),
    "norm-lstm": (layers.LayerNormLSTMCell, {}),
    "own": (own_cell(), {}),
}

# Other activations and biases, which only the fast tests run on.
ALL = CELLS | {
    "simple-no-bias": (layers.SimpleRNNCell, {"use_bias": False}),
    "simple-relu": (layers.SimpleRNNCell, {"activation": "relu"}),
    "simple-linear": (layers.SimpleRNNCell, {"activation": None}),
    "lstm-forget-0": (layers.LSTMCell, {"unit_forget_bias": False}),
    "lstm-no-bias": (layers.LSTMCell, {"use_bias": False}),
    "lstm-elu-hard": (layers.LSTMCell, {"activation": "elu", "recurrent_activation": "hard_sigmoid"}),
    "lstm-linear-relu": (layers.LSTMCell, {"activation": None, "recurrent_activation": "relu"}),
    "gru-no-bias": (layers.GRUCell, {"use_bias": False}),
    "gru-reset-before-no-bias": (layers.GRUCell, {"reset_after": False, "use_bias": False}),
    "gru-elu-hard": (layers.GRUCell, {"activation": "elu", "recurrent_activation": "hard_sigmoid"}),
    "gru-reset-before-linear-tanh": (
        layers.GRUCell,
        {"reset_after": False, "activation": None, "recurrent_activation": "tanh"},
    ),
}

# Cells with a built-in twin, and its layer. All others are compared with themselves in keras.layers.RNN.
TWINS = {
    layers.SimpleRNNCell: (keras.layers.SimpleRNNCell, keras.layers.SimpleRNN),
    layers.LSTMCell: (keras.layers.LSTMCell, keras.layers.LSTM),
    layers.GRUCell: (keras.layers.GRUCell, keras.layers.GRU),
}
WITH_TWIN = [case for case in CELLS if CELLS[case][0] in TWINS]
ALL_WITH_TWIN = [case for case in ALL if ALL[case][0] in TWINS]


# The layers that our cells are tried in; the fixture `container` chooses one for each test.
CONTAINERS = {"keras.layers.RNN": keras.layers.RNN, "layers.RNN": layers.RNN}
chosen = [keras.layers.RNN]


def container(cell, **options):
    return chosen[0](cell, **options)


def our_cell(case, units=UNITS, **more):
    cls, arguments = ALL[case]
    return cls(units, **arguments, **more)


def reference_cell(case, units=UNITS, **more):
    cls, arguments = ALL[case]
    twin, _ = TWINS.get(cls, (cls, None))
    return twin(units, **arguments, **more)


def ours(case, units=UNITS, cell=None, **options):
    return container(our_cell(case, units, **(cell or {})), **options)


def reference_loop(case, units=UNITS, cell=None, **options):
    return keras.layers.RNN(reference_cell(case, units, **(cell or {})), **options)


def reference_layer(case, units=UNITS, cell=None, **options):
    cls, arguments = ALL[case]
    if cls not in TWINS:
        return reference_loop(case, units, cell, **options)
    return TWINS[cls][1](units, **arguments, **(cell or {}), **options)


def references():
    """What the cells are compared with, by name; in Keras's own loop with the built-in cells in that loop too."""
    loop = {"RNN(reference cell)": reference_loop} if chosen[0] is keras.layers.RNN else {}
    return loop | {"reference layer": reference_layer}


def random_weights(layer, seed=0):
    """Draws that differ in every gate and unit: with equal ones, swapped gates go unseen."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.weights])
    return layer


def sequences(batch=BATCH, length=LENGTH, seed=1):
    return np.random.default_rng(seed).normal(size=(batch, length, FEATURES)).astype("float32")


def states(case, batch=BATCH, units=UNITS, seed=2):
    count = ALL[case][0].states
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
    import tensorflow as tf  # here, because the tests of the other backends read this file too

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
