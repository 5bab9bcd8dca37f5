"""What goes on inside recurrent layers: every gate and state at every timestep, of any model."""

import contextlib
import functools

import keras
from keras import ops

# By cell: what its step computes with its activations, in the order of their calls, and its states.
NAMES = {
    "SimpleRNNCell": (["h"], ["h"]),
    "LayerNormRNNCell": (["h"], ["h"]),
    "GRUCell": (["z", "r", "h̃"], ["h"]),
    "MinimalGatedCell": (["f", "h̃"], ["h"]),
    "LSTMCell": (["i", "f", "c̃", "o", "φ(c)"], ["h", "c"]),
    "PeepholeLSTMCell": (["i", "f", "c̃", "o", "φ(c)"], ["h", "c"]),
    "LayerNormLSTMCell": (["i", "f", "c̃", "o", "φ(c)"], ["h", "c"]),
    "CoupledLSTMCell": (["f", "c̃", "o", "φ(c)"], ["h", "c"]),
}


def trace(model, inputs):
    """Gates and states of all recurrent layers of a model while it sees a batch.

    Args:
        model: a Keras model or layer, in which `keras.layers.RNN`, `layers.RNN` or `Bidirectional` around them hold the
            cells of this project; other layers are left alone, built-in recurrent ones too, and so are stacked cells.
        inputs: what the model takes, as arrays.

    Returns:
        By the name of each layer ("reader/forward" and "reader/backward" in a bidirectional one) a dict from the name
        of each gate and state, as in the cell's equations, to an array (batch, timesteps, units), in the order of the
        inputs. Where a mask leaves a timestep out, gates are NaN and states stand still.

    Raises:
        ValueError: there is no such layer in the model.
    """
    layers = dict(_recurrent(model))
    if not layers:
        known = ", ".join(NAMES)
        raise ValueError(f"There is no recurrent layer to trace, around one of {known}. Received: {model.name}")
    found = {}
    stateful = [s for layer in layers.values() if layer.stateful for s in keras.tree.flatten(layer.states)]
    before = [ops.convert_to_numpy(state) for state in stateful]
    with contextlib.ExitStack() as stack:
        for name, layer in layers.items():
            stack.enter_context(_watched(layer, functools.partial(_record, layer, found.setdefault(name, {}))))
        model(keras.tree.map_structure(ops.convert_to_tensor, inputs))
    for state, value in zip(stateful, before):
        state.assign(value)
    return found


def _recurrent(model):
    """Names and layers, the parts of bidirectional ones with their side."""
    if isinstance(model, keras.layers.Bidirectional):
        sides = ("forward", model.forward_layer), ("backward", model.backward_layer)
        return [(f"{model.name}/{side}", layer) for side, layer in sides if _traceable(layer)]
    if _traceable(model):
        return [(model.name, model)]
    return [pair for layer in getattr(model, "_layers", []) for pair in _recurrent(layer)]


def _traceable(layer):
    return isinstance(layer, keras.layers.RNN) and type(layer.cell).__name__ in NAMES and hasattr(layer.cell, "step")


@contextlib.contextmanager
def _watched(layer, record):
    """While this lasts, the layer hands what goes into its loop to `record`, and then does what it always does."""
    original = layer.inner_loop

    def inner_loop(sequences, initial_state, mask, training=False):
        record(sequences, initial_state, mask)
        return original(sequences, initial_state, mask, training)

    object.__setattr__(layer, "inner_loop", inner_loop)
    try:
        yield
    finally:
        object.__delattr__(layer, "inner_loop")


def _record(layer, found, sequences, initial_state, mask):
    cell, (gates, states_) = layer.cell, NAMES[type(layer.cell).__name__]
    states = list(keras.tree.flatten(initial_state))
    mask = None if mask is None else ops.cast(keras.tree.flatten(mask)[0], "bool")
    steps = range(sequences.shape[1])
    rows = {name: [] for name in dict.fromkeys([*gates, *states_])}
    for t in reversed(steps) if layer.go_backwards else steps:
        with _activations(cell) as computed:
            new = cell.step(cell.project_input(sequences[:, t]), cell.project_state(states[0]), states)
        computed = dict(zip(gates, computed, strict=True))
        if mask is not None:
            valid = ops.expand_dims(mask[:, t], -1)
            new = [ops.where(valid, a, b) for a, b in zip(new, states)]
            computed = {name: ops.where(valid, value, float("nan")) for name, value in computed.items()}
        states = new
        for name, value in (computed | dict(zip(states_, states))).items():
            rows[name].append(value)
    for name, values in rows.items():
        found[name] = ops.convert_to_numpy(ops.stack(values[::-1] if layer.go_backwards else values, axis=1))


@contextlib.contextmanager
def _activations(cell):
    """The results of the cell's activations, in the order of their calls."""
    results, originals = [], {}
    for name in ("activation", "recurrent_activation"):
        if hasattr(cell, name):
            originals[name] = getattr(cell, name)
            kept = lambda a, function=originals[name]: (results.append(function(a)), results[-1])[1]
            object.__setattr__(cell, name, kept)
    try:
        yield results
    finally:
        for name, original in originals.items():
            object.__setattr__(cell, name, original)
