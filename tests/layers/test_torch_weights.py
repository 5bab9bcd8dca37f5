"""layers.from_torch: the layers compute what the module does, by PyTorch's documented equations and by PyTorch."""

import keras
import numpy as np
import pytest
from keras.layers import GRU, LSTM, Bidirectional, SimpleRNN

import layers

FEATURES, UNITS, BATCH, LENGTH = 4, 3, 2, 5
X = np.random.default_rng(0).normal(size=(BATCH, LENGTH, FEATURES)).astype("float32")
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
BUILT_IN = {"RNN": SimpleRNN, "LSTM": LSTM, "GRU": GRU}
CELLS = {"RNN": layers.SimpleRNNCell, "LSTM": layers.LSTMCell, "GRU": layers.GRUCell}


def state(kind, n=1, both=False, bias=True):
    """What `state_dict()` of such a module returns, as arrays."""
    rng, arrays, rows = np.random.default_rng(1), {}, GATES[kind] * UNITS
    for i in range(n):
        features = FEATURES if i == 0 else UNITS * (1 + both)
        for end in ["", "_reverse"][: 1 + both]:
            shapes = {"weight_ih": (rows, features), "weight_hh": (rows, UNITS)}
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
            arrays |= {f"{name}_l{i}{end}": rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    return arrays


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(kind, gi, gh, h, c):
    """The equations in the documentation of torch.nn.RNN, LSTM and GRU, from both products and biases."""
    if kind == "RNN":
        return np.tanh(gi + gh), c
    if kind == "LSTM":
        i, f, g, o = np.split(gi + gh, 4, axis=-1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c
    (i_r, i_z, i_n), (h_r, h_z, h_n) = np.split(gi, 3, axis=-1), np.split(gh, 3, axis=-1)
    r, z = sigmoid(i_r + h_r), sigmoid(i_z + h_z)
    n = np.tanh(i_n + r * h_n)
    return (1 - z) * n + z * h, c


def expected(kind, arrays, n=1, both=False):
    x = X.astype("float64")
    for i in range(n):
        sides = []
        for end in ["", "_reverse"][: 1 + both]:
            w_ih, w_hh = arrays[f"weight_ih_l{i}{end}"], arrays[f"weight_hh_l{i}{end}"]
            b_ih, b_hh = (arrays.get(f"{name}_l{i}{end}", 0) for name in ("bias_ih", "bias_hh"))
            h = c = np.zeros((BATCH, UNITS))
            outputs = []
            for t in range(LENGTH)[:: -1 if end else 1]:
                h, c = step(kind, x[:, t] @ w_ih.T + b_ih, h @ w_hh.T + b_hh, h, c)
                outputs.append(h)
            sides.append(np.stack(outputs[:: -1 if end else 1], 1))
        x = np.concatenate(sides, -1)
    return x


def chain(kind, n=1, both=False, ours=True, **arguments):
    """Layers of Keras as many and as directed."""
    made = []
    for _ in range(n):
        layer = layers.RNN(CELLS[kind](UNITS, **arguments), return_sequences=True)
        layer = layer if ours else BUILT_IN[kind](UNITS, return_sequences=True, **arguments)
        made.append(Bidirectional(layer) if both else layer)
    return made


def outputs(chain):
    x = keras.ops.convert_to_tensor(X)
    for layer in chain:
        x = layer(x)
    return keras.ops.convert_to_numpy(x)


def close(a, b):
    np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ours", [True, False], ids=["layers.RNN", "built-in"])
@pytest.mark.parametrize(("n", "both"), [(1, False), (2, True)])
@pytest.mark.parametrize("kind", GATES)
def test_equations(kind, n, both, ours):
    arrays, made = state(kind, n, both), chain(kind, n, both, ours)
    layers.from_torch(arrays, made if n > 1 else made[0])
    close(outputs(made), expected(kind, arrays, n, both))


@pytest.mark.parametrize("kind", GATES)
def test_no_bias(kind):
    arrays, made = state(kind, bias=False), chain(kind, use_bias=False)
    layers.from_torch(arrays, made)
    close(outputs(made), expected(kind, arrays))


def test_one_layer_around_cells_and_a_part_of_a_larger_module():
    arrays = state("GRU", 2)
    layer = layers.RNN([layers.GRUCell(UNITS), keras.layers.GRUCell(UNITS)], return_sequences=True)
    layer.build((None, None, FEATURES))
    larger = {f"encoder.{name}": array for name, array in arrays.items()} | {
        "encoder.scale": np.ones(3),
        "head": np.ones(2),
    }
    layers.from_torch(larger, layer, prefix="encoder.")
    close(outputs([layer]), expected("GRU", arrays, 2))


class Tensor:
    """What is needed of a tensor that NumPy cannot read as it is."""

    def __init__(self, array):
        self.array = array

    def detach(self):
        return self

    cpu = double = detach

    def __array__(self, dtype=None, copy=None):
        return np.array(self.array, dtype)


class Module:
    def __init__(self, arrays, **settings):
        self.arrays = arrays
        vars(self).update(settings)

    def state_dict(self):
        return {name: Tensor(array) for name, array in self.arrays.items()}


def test_a_module_with_tensors():
    arrays, made = state("RNN"), chain("RNN")
    layers.from_torch(Module(arrays, nonlinearity="tanh"), made)
    close(outputs(made), expected("RNN", arrays))


WRONG = {
    "too few layers": (state("LSTM", 2), chain("LSTM"), {}, "layers for l0; weights of l0, l1"),
    "too many layers": (state("LSTM"), chain("LSTM", 2), {}, "layers for l0, l1; weights of l0"),
    "one direction": (state("LSTM", 1, True), chain("LSTM"), {}, "layers for l0; weights of l0, l0_reverse"),
    "another kind": (state("LSTM"), chain("GRU"), {}, r"A GRUCell of 3 units does not fit .* l0 of shapes \(12, 4\)"),
    "another size": (
        state("LSTM"),
        layers.RNN(layers.LSTMCell(4)),
        {},
        "A LSTMCell of 4 units does not fit the module",
    ),
    "no bias here": (state("LSTM"), chain("LSTM", use_bias=False), {}, "`use_bias` is PyTorch's `bias`"),
    "no bias there": (state("GRU", bias=False), chain("GRU"), {}, "`use_bias` is PyTorch's `bias`"),
    "reset before": (state("GRU"), chain("GRU", reset_after=False), {}, "with reset_after=False"),
    "activation": (state("LSTM"), chain("LSTM", activation="relu"), {}, "`activation` must be 'tanh'"),
    "gates": (state("GRU"), chain("GRU", recurrent_activation="relu"), {}, "`recurrent_activation` must be 'sigmoid'"),
    "nonlinearity": (Module(state("RNN"), nonlinearity="relu"), chain("RNN"), {}, "must be 'relu' as in PyTorch"),
    "another cell": (state("LSTM"), layers.RNN(layers.PeepholeLSTMCell(3)), {}, "Received: PeepholeLSTMCell"),
    "no recurrent layer": (state("LSTM"), keras.layers.Dense(3), {}, "must be a recurrent layer"),
    "prefix": (state("LSTM"), chain("LSTM"), {"prefix": "lstm."}, "prefix='lstm.', and the names 'weight_ih_l0'"),
    "projections": (state("LSTM") | {"weight_hr_l0": np.ones((2, 3))}, chain("LSTM"), {}, "proj_size > 0"),
    "both ways around a stack": (
        state("GRU", 2, True),
        Bidirectional(layers.RNN([layers.GRUCell(3), layers.GRUCell(3)])),
        {},
        "a Bidirectional around 2 cells",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit(case):
    module, layer, arguments, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        layers.from_torch(module, layer, **arguments)


def test_an_error_changes_nothing():
    made = chain("GRU", 2)
    for layer, features in zip(made, [FEATURES, UNITS]):
        layer.build((None, None, features))
    before, arrays = made[0].get_weights(), state("GRU", 2)
    with pytest.raises(ValueError, match="weights l1 must have the shapes"):
        layers.from_torch(arrays | {"weight_ih_l1": np.ones((9, 7))}, made)
    for a, b in zip(made[0].get_weights(), before):
        close(a, b)


@pytest.mark.parametrize("ours", [True, False], ids=["layers.RNN", "built-in"])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("LSTM", {}),
        ("LSTM", {"num_layers": 2, "bidirectional": True}),
        ("GRU", {"num_layers": 2}),
        ("GRU", {"bidirectional": True, "bias": False}),
        ("RNN", {"nonlinearity": "relu", "num_layers": 2, "bidirectional": True}),
    ],
)
def test_pytorch_itself(kind, settings, ours):
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    module = getattr(torch.nn, kind)(FEATURES, UNITS, batch_first=True, **settings)
    arguments = {"use_bias": settings.get("bias", True)}
    arguments |= {"activation": "relu"} if "nonlinearity" in settings else {}
    made = chain(kind, settings.get("num_layers", 1), settings.get("bidirectional", False), ours, **arguments)
    layers.from_torch(module, made)
    with torch.no_grad():
        close(outputs(made), module(torch.tensor(X))[0].numpy())
