"""Conversion of models: from built-in recurrent layers to layers.RNN, which is faster, and back."""

import contextlib
import functools
import inspect
import re
import warnings

import keras

from layers.embedding import Embedding
from layers.gru_cell import GRUCell
from layers.lstm_cell import LSTMCell
from layers.recurrent import RNN, cells_of, has_parts
from layers.simple_rnn_cell import SimpleRNNCell

_OURS = {
    keras.layers.SimpleRNNCell: SimpleRNNCell,
    keras.layers.LSTMCell: LSTMCell,
    keras.layers.GRUCell: GRUCell,
}
_BUILT_IN = {ours: theirs for theirs, ours in _OURS.items()}
_BUILT_IN_LAYER = {SimpleRNNCell: keras.layers.SimpleRNN, LSTMCell: keras.layers.LSTM, GRUCell: keras.layers.GRU}
_EXCHANGED = (*_BUILT_IN_LAYER.values(), keras.layers.RNN, RNN, Embedding)


def accelerate(model):
    """Copy a model, with `layers.RNN` in place of the built-in recurrent layers, which is faster.

    `keras.layers.SimpleRNN`, `LSTM`, `GRU` and `RNN` become `layers.RNN` around the cell of the same name, wherever
    they are: in nested models, in `Bidirectional`, `TimeDistributed` and other wrappers, in stacked cells, and in
    classes of your own that create them. Outputs and gradients stay the same. Names, weights, states, trainable flags
    and compile settings, with the optimizer's variables, are those of `model`, which is not changed. The dropout masks
    differ: a built-in cell draws one for each gate, `layers.LSTMCell` and `layers.GRUCell` one for all gates.

    A layer stays as it is, and a warning names it, if it is unrolled, an instance of a subclass, or around a cell
    without the three methods that `layers.RNN` needs. On a GPU, see docs/speed.md first.

    Files: load old weights, also those of Keras 2 (`.h5`, `.weights.h5` or a whole model's file, through
    `model.load_weights`), into the model of built-in layers, and then accelerate it.

    Args:
        model: a Keras model, functional, Sequential or of a class of your own that has `get_config`; or a layer.

    Returns:
        The new model.

    Raises:
        ValueError: Keras cannot copy the model.
    """
    return _exchange("accelerate", model, _accelerated, _why_not_accelerated)


def to_builtin(model):
    """Copy a model, with only keras.layers in it: to export it, or for somebody who does not have these files.

    The opposite of `accelerate`, with the same arguments, result and errors, which copies the same things:
    `layers.RNN` and `keras.layers.RNN` around one of our cells become `keras.layers.SimpleRNN`, `LSTM` or `GRU` if
    Keras has the cell, else `keras.layers.RNN`; `layers.Embedding` becomes `keras.layers.Embedding`. Training differs
    in its dropout masks, inference not at all.

    Cells and layers without a built-in counterpart, such as `layers.PeepholeLSTMCell`, stay, and a warning names them.
    """
    return _exchange("to_builtin", model, _built_in, _why_not_built_in)


def _accelerated(layer):
    """layers.RNN for a recurrent layer; None where it has to stay."""
    if isinstance(layer, Embedding) or layer.unroll:
        return None
    cell = _with_cells(layer.cell, _OURS)
    return RNN(cell, **_options(layer)) if all(map(has_parts, cells_of(cell))) else None


def _why_not_accelerated(layer):
    if not isinstance(layer, keras.layers.RNN):
        return None
    whole = [type(cell).__name__ for cell in cells_of(layer.cell) if not has_parts(cell)]
    if type(layer) is RNN and not whole:
        return None
    if type(layer) not in _EXCHANGED:
        return f"there is no faster form of {type(layer).__name__}"
    if layer.unroll:
        return "it is unrolled"
    if whole and type(layer) in (keras.layers.RNN, RNN):
        return f"its cell {whole[0]} does not have the methods project_input, project_state and step"
    return "the class that holds it does not create it anew in a copy"


def _built_in(layer):
    """A layer of keras.layers for one of ours; None for one of keras.layers."""
    if isinstance(layer, Embedding):
        return keras.layers.Embedding.from_config(layer.get_config())
    if type(layer) not in (keras.layers.RNN, RNN):
        return None
    cell, options = layer.cell, _options(layer)
    if type(cell) in _BUILT_IN_LAYER and cell.dtype_policy == layer.dtype_policy:  # those layers have one for both
        made = _BUILT_IN_LAYER[type(cell)](**cell.get_config() | options)
        if layer.activity_regularizer is None or made.activity_regularizer is not None:  # SimpleRNN drops its own
            return made
    return keras.layers.RNN(_with_cells(cell, _BUILT_IN), **options)


def _why_not_built_in(layer):
    if type(layer) in _BUILT_IN:
        return "it is a part of a cell that stays"
    names = [keras.saving.get_registered_name(part) for part in type(layer).__mro__]
    ours = any(name.startswith("rnn_recipes>") for name in names)
    return f"{type(layer).__name__} has no built-in counterpart" if ours else None


def _options(layer):
    """All arguments of a recurrent layer but its cell, also where it is an LSTM."""
    config = keras.layers.RNN.get_config(layer)
    return {name: value for name, value in config.items() if name != "cell"}


def _with_cells(cell, classes):
    """The cell, or the stack of them, with each class exchanged; cells of other classes stay."""
    if type(cell) is keras.layers.StackedRNNCells:
        config = cell.get_config() | {"cells": [_with_cells(part, classes) for part in cell.cells]}
        return keras.layers.StackedRNNCells(**config)
    return classes[type(cell)].from_config(cell.get_config()) if type(cell) in classes else cell


def _exchange(name, model, convert, why_not):
    if not isinstance(model, keras.layers.Layer):
        raise ValueError(f"`model` must be a Keras model. Received: {model!r}")
    with keras.saving.custom_object_scope(_own_objects(model)):
        try:
            with _constructing(convert), _not_compiled(model):
                new = _Copies()(model)
                if model.built and not new.built:
                    new.build_from_config(model.get_build_config())
                    new.built = True
        except Exception as error:  # whatever the constructors of the user's classes raise
            raise ValueError(
                f"Keras cannot copy the model. Received: {model.name}, a {type(model).__name__} ({_one_line(error)}). "
                "Its classes need a get_config() that returns their constructors' arguments, and functions of your own "
                "keras.saving.register_keras_serializable()"
            ) from error
        _move_state(model, new)
        left = [f"{layer.name} ({why})" for layer in _all_layers(new) if (why := why_not(layer))]
        left += _compile_like(model, new)
    if left:
        warnings.warn(f"layers.{name} left as it is: {'; '.join(left)}", stacklevel=3)
    return new


def _one_line(error):
    return " ".join(str(error).split())[:300]


def _own_objects(model):
    """The user's classes and functions by name, which Keras otherwise finds only where they are registered."""
    things = keras.tree.flatten([getattr(model, name, None) for name in ("loss", "optimizer", "metrics")])
    things += keras.tree.flatten([list(vars(thing).values()) for thing in things if hasattr(thing, "__dict__")])
    things += [type(thing) for thing in [*_all_layers(model), *things]]
    named = [thing for thing in things if callable(thing) and hasattr(thing, "__name__")]
    return {thing.__name__: thing for thing in named if not str(thing.__module__).startswith(("keras.", "builtins"))}


@contextlib.contextmanager
def _not_compiled(model):
    """Keras copies compiled models with their settings, and not at all where it cannot copy a metric."""
    compiled = [layer for layer in _all_layers(model) if getattr(layer, "compiled", False)]
    try:
        for layer in compiled:
            layer.compiled = False
        yield
    finally:
        for layer in compiled:
            layer.compiled = True


@contextlib.contextmanager
def _constructing(convert):
    """While this lasts, calling a recurrent class returns what `convert` makes of the layer, unless that is None.

    Constructors are the one place that all layers of a copy pass: also those that Keras takes from a wrapper's config,
    and those that a class of the user's creates from its own arguments, which no config shows.
    """
    probing, finished = [], []

    def new(cls, *args, **kwargs):
        if cls in _EXCHANGED and not probing:
            probing.append(cls)
            try:
                converted = convert(cls(*args, **kwargs))
            finally:
                probing.clear()
            if converted is not None:
                finished.append(converted)
                return converted
        return keras.layers.Layer.__new__(cls, *args, **kwargs)

    def once(init):
        @functools.wraps(init)
        def __init__(self, *args, **kwargs):  # Python calls it on what `new` returns, if that is of the class called
            if not any(self is layer for layer in finished):
                init(self, *args, **kwargs)

        __init__.__signature__ = inspect.signature(init)  # Keras reads it
        return __init__

    names = "__new__", "__init__"
    before = [(cls, name, vars(cls).get(name)) for cls in _EXCHANGED for name in names]
    try:
        for cls, init in [(cls, cls.__init__) for cls in _EXCHANGED]:
            cls.__new__, cls.__init__ = new, once(init)
        yield
    finally:
        for cls, name, value in before:
            if value is None:
                delattr(cls, name)
            else:
                setattr(cls, name, value)


class _Copies:
    """Copies of layers, each made once, so that what several models share stays shared."""

    def __init__(self):
        self.made = {}

    def __call__(self, layer):
        if id(layer) not in self.made:
            self.made[id(layer)] = self.copy(layer)
        return self.made[id(layer)]

    def copy(self, layer):
        # Operations and Lambda layers have no weights, and Keras rebuilds a Lambda's function without its globals.
        if not isinstance(layer, keras.layers.Layer) or type(layer) is keras.layers.Lambda:
            return layer
        if isinstance(layer, (keras.Sequential, keras.Function)):
            new = keras.models.clone_model(layer, clone_function=self)
            if type(new) is type(layer):  # of some classes of the user's Keras makes a plain model
                return new
        new = type(layer).from_config(layer.get_config())
        for old, inner in zip(_all_layers(layer), _all_layers(new)):
            inner.name = old.name  # Keras numbers the layers that a class of the user's creates
        return new


def _all_layers(layer, seen=None):
    """The layer and all in it, each once, from the outside in; without those of inputs, which models share freely."""
    seen = {} if seen is None else seen
    if id(layer) in seen or isinstance(layer, keras.layers.InputLayer):
        return
    seen[id(layer)] = layer
    yield layer
    parts = layer.layers if isinstance(layer, keras.Model) else vars(layer).values()
    for part in parts:
        for inner in part if isinstance(part, list) else [part]:
            if isinstance(inner, keras.layers.Layer):
                yield from _all_layers(inner, seen)


def _move_state(model, new):
    """Flags, variables, states and compile settings, from a model to its copy."""
    layers, copies = list(_all_layers(model)), list(_all_layers(new))
    old, variables = model.variables, new.variables
    if len(layers) != len(copies) or list(map(_kind, old)) != list(map(_kind, variables)):
        raise ValueError(
            "A copy of the model has other layers or weights. Received: "
            f"{model.name}, a {type(model).__name__}, with {len(layers)} layers and {len(old)} variables, its copy "
            f"with {len(copies)} and {len(variables)}. Its classes need a get_config() that returns their "
            "constructors' arguments; a layer that two wrappers or classes share cannot be copied: use layers.RNN there"
        )
    for layer, copy in zip(layers, copies):
        if copy.trainable != layer.trainable:
            copy.trainable = layer.trainable
        if isinstance(layer, keras.Function):  # Keras forgets which inputs are optional
            for part, copied in zip(layer.layers, copy.layers):
                if isinstance(part, keras.layers.InputLayer):
                    copied.optional = part.optional
        if isinstance(layer, keras.layers.RNN) and layer.states is not None:
            _assign(keras.tree.flatten(copy.states), keras.tree.flatten(layer.states))
    _assign(variables, old)
    for variable, value in zip(variables, old):
        variable.trainable = value.trainable


def _compile_like(model, new):
    """Compile settings and optimizers of all models in a model; returns what could not be moved, and why."""
    problems = []
    for layer, copy in zip(_all_layers(model), _all_layers(new)):
        if not getattr(layer, "compiled", False):
            continue
        config = layer.get_compile_config()
        if config.get("jit_compile") and not all(part.supports_jit for part in _all_layers(copy)):
            config["jit_compile"] = False  # as Keras would do, with a warning
        try:
            copy.compile_from_config(config)
        except (TypeError, ValueError) as error:
            problems.append(f"{layer.name}, which you have to compile ({_one_line(error)})")
            continue
        if copy.compiled and layer.optimizer is not None and layer.optimizer.built:
            _assign(copy.optimizer.variables, layer.optimizer.variables)
    return problems


def _kind(variable):
    return re.sub(r"_\d+$", "", variable.name), tuple(variable.shape)  # without the number of a name that Keras gave


def _assign(variables, values):
    for variable, value in zip(variables, values, strict=True):
        variable.assign(keras.ops.copy(value.value))  # JAX gives the arrays of a model away while it trains
