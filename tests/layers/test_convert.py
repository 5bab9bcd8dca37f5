"""layers.accelerate and layers.to_builtin give the same model made of other layers, and say what they leave."""

import inspect
import warnings

import cell_cases
import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.layers import GRU, LSTM, Bidirectional, Dense, Embedding, SimpleRNN, TimeDistributed

import layers
from layers import convert

RNG = np.random.default_rng(1)
X = RNG.normal(size=(6, 5, 4)).astype("float32")
TOKENS = np.where(np.arange(5) < RNG.integers(1, 6, (6, 1)), RNG.integers(1, 7, (6, 5)), 0)


class Residual(keras.layers.Wrapper):
    """Somebody's wrapper, not registered."""

    def call(self, x):
        return x + self.layer(x)


class Tagger(keras.Model):
    """Somebody's model, whose layers no config shows."""

    def __init__(self, units=3, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.reader = Bidirectional(LSTM(units, return_sequences=True))
        self.rest = [keras.layers.RNN(keras.layers.GRUCell(units)), Dense(2)]

    def call(self, x):
        x = self.reader(x)
        for layer in self.rest:
            x = layer(x)
        return x

    def get_config(self):
        return super().get_config() | {"units": self.units}


class Forecaster(keras.Model):
    """A functional model with a constructor of its own."""

    def __init__(self, units, **kwargs):
        x = keras.Input((5, 4))
        super().__init__(x, Dense(1)(LSTM(units)(x)), **kwargs)
        self.units = units

    def get_config(self):
        return {"units": self.units, "name": self.name}


class Chain(keras.Sequential):
    pass


def sequential():
    kernels = {"kernel_regularizer": "l2", "recurrent_constraint": "unit_norm", "recurrent_initializer": "he_normal"}
    biases = {"bias_regularizer": "l1", "bias_constraint": "non_neg", "unit_forget_bias": False}
    outputs = {"activity_regularizer": keras.regularizers.L1(0.1), "zero_output_for_mask": True}
    stack = [
        keras.Input((5,)),
        Embedding(7, 4, mask_zero=True),
        LSTM(3, activation="elu", recurrent_activation="hard_sigmoid", return_sequences=True, **biases, **outputs),
        GRU(3, reset_after=False, use_bias=False, recurrent_dropout=0.2, seed=3, return_sequences=True, name="middle"),
        SimpleRNN(2, go_backwards=True, **kernels),
    ]
    return keras.Sequential(stack), TOKENS


def functional():
    """Two inputs and outputs, states passed on, a nested model and a layer each used twice, a Lambda with a global."""
    tokens, x = keras.Input((None,), name="tokens"), keras.Input((5, 4), name="x")
    reader = keras.Sequential([keras.Input((5, 4)), LSTM(4, return_sequences=True)], name="reader")
    shared = GRU(3, name="shared")
    h, *states = LSTM(3, return_sequences=True, return_state=True)(Embedding(7, 4, mask_zero=True)(tokens))
    backwards = SimpleRNN(2, go_backwards=True, return_sequences=True)
    h = Bidirectional(SimpleRNN(2, return_sequences=True, activation="relu"), backward_layer=backwards)(h)
    y = LSTM(3)(reader(reader(x)), initial_state=states)
    z = keras.layers.Lambda(lambda a: keras.ops.tanh(a * len(X)))(shared(h) - shared(reader(x)))
    model = keras.Model({"tokens": tokens, "x": x}, {"y": Dense(1, name="y")(y), "z": z})
    return model, {"tokens": TOKENS, "x": X}


def wrapped():
    cells = [keras.layers.LSTMCell(3), keras.layers.GRUCell(4, dropout=0.1)]
    stack = [
        keras.Input((2, 5, 4)),
        TimeDistributed(keras.Sequential([LSTM(5, return_sequences=True), Residual(GRU(5, return_sequences=True))])),
        TimeDistributed(keras.layers.RNN(cells)),
        keras.layers.RNN([keras.layers.SimpleRNNCell(2)], zero_output_for_mask=True, return_sequences=True),
    ]
    return keras.Sequential(stack), np.stack([X, -X], 1)


def subclassed():
    model = Tagger(4, name="tagger")
    model(X)
    return model, X


MODELS = {
    "sequential": sequential,
    "functional": functional,
    "wrapped": wrapped,
    "subclassed": subclassed,
    "functional with a constructor": lambda: (Forecaster(3), X),
    "subclass of Sequential": lambda: (Chain([keras.Input((5, 4)), LSTM(3)]), X),
}


def made(name):
    model, inputs = MODELS[name]()
    return cell_cases.random_weights(model), inputs


def recurrent(model):
    return [layer for layer in convert._all_layers(model) if isinstance(layer, keras.layers.RNN)]


def configs(model):
    return [layer.get_config() for layer in convert._all_layers(model) if not isinstance(layer, keras.Model)]


def results(model, inputs):
    inputs = keras.tree.map_structure(tf.constant, inputs)
    with tf.GradientTape() as tape:
        outputs = keras.tree.flatten(model(inputs))
        loss = sum(tf.reduce_sum(y * np.random.default_rng(2).normal(size=y.shape)) for y in outputs) + sum(
            model.losses
        )
    return [*outputs, loss, *map(tf.convert_to_tensor, tape.gradient(loss, model.trainable_variables))]


def assert_same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b):
        cell_cases.close(x, y, 1e-5, "")


@pytest.fixture(autouse=True)
def no_warnings():
    """Nothing is left as it is, unless a test says so."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "layers.")
        yield


@pytest.mark.parametrize("name", MODELS)
def test_both_ways(name):
    model, inputs = made(name)
    expected, weights = results(model, inputs), model.get_weights()
    fast = layers.accelerate(model)
    assert {type(layer) for layer in recurrent(fast)} == {layers.RNN}
    assert {type(cell) for layer in recurrent(fast) for cell in convert.cells_of(layer.cell)} <= set(convert._BUILT_IN)
    back = layers.to_builtin(fast)
    for copy in fast, back:
        assert type(copy) is type(model)
        assert [layer.name for layer in convert._all_layers(copy)] == [
            layer.name for layer in convert._all_layers(model)
        ]
        assert_same(results(copy, inputs), expected)
        assert not {id(v) for v in copy.variables} & {id(v) for v in model.variables}
        copy.set_weights([w + 1 for w in weights])
    assert_same(model.get_weights(), weights)
    if name != "subclassed":  # where keras.layers.RNN around a cell has become the layer of its name
        assert configs(back) == configs(model)


def test_keras_makes_its_own_layers_again():
    made("subclassed")
    layers.accelerate(Tagger())
    with pytest.raises(ValueError, match="cannot copy"):
        layers.accelerate(NoConfig(LSTM(2)))
    for theirs in (LSTM, GRU, SimpleRNN):
        assert type(theirs(2)) is theirs
        assert type(theirs.from_config(theirs(2).get_config())) is theirs
        assert "__new__" not in vars(theirs)
        assert theirs.__init__.__code__.co_filename == inspect.getsourcefile(theirs)
    assert type(keras.layers.RNN(keras.layers.LSTMCell(2))) is keras.layers.RNN
    assert type(layers.RNN(layers.LSTMCell(2))) is layers.RNN
    assert type(layers.Embedding(2, 2)) is layers.Embedding


def test_what_is_ours_becomes_keras_own():
    stack = [
        keras.Input((5,)),
        layers.Embedding(7, 4, mask_zero=True, name="table"),
        layers.RNN(layers.LSTMCell(3, dropout=0.1, seed=2), return_sequences=True, name="lstm"),
        keras.layers.RNN(layers.GRUCell(3, reset_after=False), return_sequences=True, name="gru"),
        keras.layers.RNN([layers.GRUCell(3), keras.layers.LSTMCell(2)], return_sequences=True, name="stack"),
        Bidirectional(layers.RNN(layers.SimpleRNNCell(2), unroll=True), name="both"),
    ]
    model = cell_cases.random_weights(keras.Sequential(stack))
    theirs = layers.to_builtin(model)
    parts = [*theirs.layers[:4], theirs.layers[4].forward_layer, theirs.layers[4].backward_layer]
    assert [type(part) for part in parts] == [Embedding, LSTM, GRU, keras.layers.RNN, SimpleRNN, SimpleRNN]
    assert [type(cell) for cell in theirs.layers[3].cell.cells] == [keras.layers.GRUCell, keras.layers.LSTMCell]
    assert theirs.layers[1].dropout == 0.1 and theirs.layers[1].cell.seed == 2 and not theirs.layers[2].cell.reset_after
    assert parts[-1].unroll and parts[-1].go_backwards
    assert "rnn_recipes" not in theirs.to_json()
    assert_same(results(theirs, TOKENS), results(model, TOKENS))


def test_what_the_built_in_layer_cannot_say_stays_around_the_cell():
    """SimpleRNN drops its activity regularizer, and none of the three has a cell of another precision."""
    stack = [
        keras.Input((5, 4)),
        layers.RNN(layers.SimpleRNNCell(3), activity_regularizer="l1", return_sequences=True),
        layers.RNN(layers.GRUCell(3, dtype="float64")),
    ]
    model = cell_cases.random_weights(keras.Sequential(stack))
    theirs = layers.to_builtin(model)
    assert [type(layer) for layer in theirs.layers] == [keras.layers.RNN] * 2
    assert [type(layer.cell) for layer in theirs.layers] == [keras.layers.SimpleRNNCell, keras.layers.GRUCell]
    assert_same(results(theirs, X), results(model, X))


def left(convert, model):
    with pytest.warns(UserWarning, match="layers.") as caught:
        new = convert(model)
    (message,) = [text for warning in caught if (text := str(warning.message)).startswith("layers.")]
    return new, message


class Given(keras.layers.Layer):
    """An input that may be missing."""

    def call(self, x, more=None):
        return x if more is None else x + more


class Doubling(keras.layers.Layer):
    state_size = 4

    def call(self, inputs, states):
        return inputs + 2 * states[0], [inputs]


class MyLSTM(LSTM):
    """It may compute anything."""


def test_what_cannot_be_faster_stays_and_is_named():
    films = keras.Input((5, 3, 3, 1))
    x = keras.layers.Reshape((5, 4))(keras.layers.ConvLSTM2D(4, 3, return_sequences=True, name="films")(films))
    for name, layer in {
        "rolled_out": LSTM(4, unroll=True, return_sequences=True, name="rolled_out"),
        "own_cell": keras.layers.RNN(Doubling(), return_sequences=True, name="own_cell"),
        "own_class": MyLSTM(4, return_sequences=True, name="own_class"),
        "mine": LSTM(4, name="mine"),
    }.items():
        x = layer(x)
        assert layer.name == name
    model = cell_cases.random_weights(keras.Model(films, x))
    new, message = left(layers.accelerate, model)
    assert message == (
        "layers.accelerate left as it is: films (there is no faster form of ConvLSTM2D); rolled_out (it is unrolled); "
        "own_cell (its cell Doubling does not have the methods project_input, project_state and step); own_class "
        "(there is no faster form of MyLSTM)"
    )
    classes = [keras.layers.ConvLSTM2D, LSTM, keras.layers.RNN, MyLSTM, layers.RNN]
    assert [type(layer) for layer in recurrent(new)] == classes
    inputs = RNG.normal(size=(2, 5, 3, 3, 1)).astype("float32")
    assert_same(results(new, inputs), results(model, inputs))


def test_cells_without_a_counterpart_are_named():
    cells = [layers.PeepholeLSTMCell(3, name="peepholes"), layers.LSTMCell(3)]
    stack = [keras.Input((5, 4)), layers.RNN(cells, return_sequences=True), layers.RNN(layers.GRUCell(2))]
    model = cell_cases.random_weights(keras.Sequential(stack))
    new, message = left(layers.to_builtin, model)
    assert message == "layers.to_builtin left as it is: peepholes (PeepholeLSTMCell has no built-in counterpart)"
    assert [type(layer) for layer in recurrent(new)] == [keras.layers.RNN, GRU]
    assert [type(cell) for cell in recurrent(new)[0].cell.cells] == [layers.PeepholeLSTMCell, keras.layers.LSTMCell]
    assert_same(results(new, X), results(model, X))


def test_cells_in_cells_are_named():
    cell = layers.AttentionCell(layers.GRUCell(3, name="inner"), layers.Attention(name="look"), 4, name="outer")
    new, message = left(layers.to_builtin, layers.RNN(cell))
    assert type(new) is keras.layers.RNN and new.cell.cell.name == "inner"
    assert (
        "outer (AttentionCell has no built-in counterpart); inner (it is a part of a cell that stays); look" in message
    )


def half_squared(y, prediction):
    return keras.ops.mean((y - prediction) ** 2 / 2, -1)


@pytest.mark.slow
def test_training_goes_on_as_if_nothing_had_happened():
    """In graphs, where layers.RNN has a path of its own: losses and weights are those of the built-in layers."""

    def bias(y, prediction):
        return keras.ops.mean(prediction - y, -1)

    model = cell_cases.random_weights(keras.Sequential([keras.Input((5, 4)), LSTM(3), Dense(1)]))
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    model.compile(keras.optimizers.Adam(schedule, clipnorm=1.0), half_squared, metrics=["mae", bias])
    y = X.sum((1, 2))[:, None]
    model.fit(X, y, batch_size=6, epochs=3, verbose=0)
    fast = layers.accelerate(model)
    back = layers.to_builtin(fast)
    assert fast.loss is half_squared and int(fast.optimizer.iterations) == 3
    expected = model.fit(X, y, batch_size=6, epochs=2, shuffle=False, verbose=0).history
    for copy in fast, back:
        history = copy.fit(X, y, batch_size=6, epochs=2, shuffle=False, verbose=0).history
        assert history.keys() == expected.keys()
        assert_same(list(history.values()), list(expected.values()))
        assert_same([v.value for v in copy.optimizer.variables], [v.value for v in model.optimizer.variables])
        assert_same(copy.get_weights(), model.get_weights())


@pytest.mark.parametrize("name", ["subclassed", "functional with a constructor"])
def test_compile_settings_of_own_classes(name):
    model, inputs = made(name)
    model.compile("rmsprop", "mse", run_eagerly=True, loss_weights=[2.0])
    model.train_on_batch(inputs, np.ones(model(inputs).shape))
    fast = layers.accelerate(model)
    assert fast.run_eagerly
    assert_same([v.value for v in fast.optimizer.variables], [v.value for v in model.optimizer.variables])


def test_settings_that_keras_cannot_copy_are_named():
    model = keras.Sequential([keras.Input((5, 4)), LSTM(3)], name="forecast")
    model.compile("sgd", "mse", metrics=[lambda y, prediction: keras.ops.mean(y)])
    fast, message = left(layers.accelerate, model)
    assert message.startswith("layers.accelerate left as it is: forecast, which you have to compile (Requested the")
    assert model.compiled and not fast.compiled
    assert type(fast.layers[0]) is layers.RNN


def test_no_compilation_of_what_compiles_itself():
    model = keras.Sequential([keras.Input((5, 4)), SimpleRNN(3)])
    model.compile("sgd", "mse", jit_compile=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not layers.accelerate(model).jit_compile


def test_optional_inputs():
    x, states = keras.Input((5, 4)), keras.Input((3,), optional=True)
    model = cell_cases.random_weights(keras.Model([x, states], Given()(GRU(3)(x), states)))
    assert_same([layers.accelerate(model)([X, None])], [model([X, None])])


def test_flags_say_what_is_trained():
    inner = keras.Sequential([keras.Input((5, 4)), LSTM(3, return_sequences=True), GRU(3)], name="inner")
    x = keras.Input((5, 4))
    model = keras.Model(x, Dense(1, name="head")(inner(x)))
    inner.layers[0].trainable = False
    inner.layers[1].cell.trainable = False
    inner.layers[1].cell.kernel.trainable = True
    model.compile("adam", "mse")
    model.train_on_batch(X, np.ones((6, 1)))
    for frozen in False, True:
        inner.trainable = inner.trainable and not frozen
        fast = layers.accelerate(model)
        flags = [[layer.trainable for layer in convert._all_layers(m)] for m in (model, fast)]
        assert flags[0] == flags[1]
        assert [v.trainable for v in fast.variables] == [v.trainable for v in model.variables]
        names = [[w.name for w in m.trainable_weights] for m in (model, fast)]
        assert names[0] == names[1]
        model.compile("adam", "mse")


def test_states_of_stateful_layers_move():
    cells = [keras.layers.LSTMCell(2), keras.layers.GRUCell(3)]
    rnn = keras.layers.RNN(cells, stateful=True, return_sequences=True)
    stack = [keras.Input(batch_shape=(6, 5, 4)), LSTM(3, stateful=True, return_sequences=True), rnn]
    model = cell_cases.random_weights(keras.Sequential(stack))
    model(X)
    fast = layers.accelerate(model)
    back = layers.to_builtin(fast)
    expected = model(-X)
    assert_same([fast(-X), back(-X)], [expected, expected])
    assert np.abs(fast(-X) - expected).max() > 1e-3


def test_what_two_models_share_stays_shared():
    reader = keras.Sequential([keras.Input((5, 4)), LSTM(3)], name="reader")
    x = keras.Input((5, 4))
    models = [keras.Model(x, Dense(n)(reader(x)), name=f"head{n}") for n in (1, 2)]
    both = keras.Model(x, [model(x) for model in models])
    fast = layers.accelerate(cell_cases.random_weights(both))
    first, second = (fast.get_layer(f"head{n}").get_layer("reader") for n in (1, 2))
    assert first is second and type(first.layers[0]) is layers.RNN
    assert len(fast.weights) == len(both.weights)
    assert_same(results(fast, X), results(both, X))


def test_precision():
    stack = [keras.Input((5, 4)), LSTM(3, dtype="mixed_bfloat16", return_sequences=True), GRU(2, dtype="float64")]
    model = cell_cases.random_weights(keras.Sequential(stack))
    fast = layers.accelerate(model)
    assert [layer.dtype_policy.name for layer in fast.layers] == ["mixed_bfloat16", "float64"]
    assert [layer.cell.dtype_policy.name for layer in fast.layers] == ["mixed_bfloat16", "float64"]
    assert [type(layer) for layer in layers.to_builtin(fast).layers] == [LSTM, GRU]


def test_a_model_without_weights_yet():
    model = keras.Sequential([LSTM(3), Dense(1)])
    fast = layers.accelerate(model)
    assert type(fast.layers[0]) is layers.RNN and not fast.built


def test_a_layer_alone():
    layer = Bidirectional(LSTM(3))
    layer.build((None, 5, 4))
    fast = layers.accelerate(cell_cases.random_weights(layer))
    assert type(fast.backward_layer) is layers.RNN
    assert_same([fast(X)], [layer(X)])


class NoConfig(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer = layer

    def call(self, x):
        return self.layer(x)


def test_a_model_that_keras_cannot_copy():
    model = NoConfig(LSTM(3))
    model(X)
    with pytest.raises(
        ValueError, match=r"Received: no_config\w*, a NoConfig \(.*\)\. Its classes need a get_config"
    ) as e:
        layers.accelerate(model)
    assert "\n" not in str(e.value)


def test_a_model_whose_copy_has_other_weights():
    layer = LSTM(4, return_sequences=True)
    stack = [keras.Input((5, 4)), Residual(layer), Residual(layer)]
    with pytest.raises(ValueError, match="with 5 layers and 4 variables, its copy with 7 and 8.*two wrappers"):
        layers.accelerate(keras.Sequential(stack))


def test_no_model():
    with pytest.raises(ValueError, match="must be a Keras model. Received: 'lstm.keras'"):
        layers.to_builtin("lstm.keras")


def test_a_file_of_built_in_layers_says_what_to_do(tmp_path):
    def model(layer):
        return cell_cases.random_weights(keras.Sequential([keras.Input((5, 4)), layer, Dense(1)]))

    saved = model(LSTM(3))
    saved.save_weights(tmp_path / "lstm.weights.h5")
    with pytest.raises(ValueError, match=r"LSTMCell. Received: none at .* layers.accelerate\(model\)"):
        model(layers.RNN(layers.LSTMCell(3))).load_weights(tmp_path / "lstm.weights.h5")
    fresh = model(LSTM(3))
    fresh.set_weights([0 * w for w in fresh.get_weights()])
    fresh.load_weights(tmp_path / "lstm.weights.h5")
    assert_same([layers.accelerate(fresh)(X)], [saved(X)])


@pytest.mark.parametrize("cls", {cls: None for cls, _ in cell_cases.CELLS.values()}, ids=lambda cls: cls.__name__)
def test_every_cell_says_so(cls):
    cell = cls(3)
    cell.load_own_variables({})  # not built: it has no weights to miss
    cell.build((None, 4))
    with pytest.raises(ValueError, match=f"weights for a {cls.__name__}. Received: none at the place of '{cell.name}'"):
        cell.load_own_variables({})
    weights = {str(i): np.full(w.shape, i + 1.0) for i, w in enumerate(cell.weights)}
    cell.load_own_variables(weights)
    assert_same(cell.get_weights(), list(weights.values()))


@pytest.mark.parametrize("make", [LSTM, GRU, SimpleRNN])
def test_files_of_keras_2(tmp_path, make):
    """As tf.keras 2 wrote them: a group a layer, and in its attributes the names of its weights."""
    h5py = pytest.importorskip("h5py")
    model = cell_cases.random_weights(keras.Sequential([keras.Input((5, 4)), Bidirectional(make(3)), Dense(1)]))
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs.update(
            {"layer_names": ["bidirectional", "dense"], "backend": "tensorflow", "keras_version": "2.15.0"}
        )
        for name, layer in zip(file.attrs["layer_names"], model.layers):
            names = [f"{name}/{i}/{w.name}:0" for i, w in enumerate(layer.weights)]
            group = file.create_group(name)
            group.attrs["weight_names"] = names
            for weight_name, weight in zip(names, layer.get_weights()):
                group[weight_name] = weight
    fresh = keras.Sequential([keras.Input((5, 4)), Bidirectional(make(3)), Dense(1)])
    fresh.load_weights(tmp_path / "model.h5")
    assert_same([layers.accelerate(fresh)(X)], [model(X)])
