"""Whole models: trained, compiled, of any length, regularized, constrained, saved and loaded."""

import json

import keras
import numpy as np
import pytest
from cell_cases import (
    ALL,
    ALL_WITH_TWIN,
    BATCH,
    CELLS,
    FEATURES,
    LENGTH,
    WITH_TWIN,
    close,
    masks,
    our_cell,
    ours,
    random_weights,
    reference_cell,
    reference_layer,
    reference_loop,
    sequences,
)

pytestmark = pytest.mark.usefixtures("container")


def model_of(layer, length=LENGTH, compile=None):
    """Masking, the layer, a number: padding and every gradient take part."""
    stack = [keras.Input((length, FEATURES)), keras.layers.Masking(0.0), layer, keras.layers.Dense(1)]
    model = random_weights(keras.Sequential(stack))
    model.compile(loss="mse", **({"optimizer": keras.optimizers.SGD(0.1)} | (compile or {})))
    return model


def padded(batch=BATCH, length=LENGTH, seed=1):
    x = sequences(batch, length, seed)
    x[~masks("right", batch, length)] = 0
    return x, x.sum((1, 2))[:, None]


@pytest.mark.parametrize("case", CELLS)
def test_train_on_batch_with_and_without_jit(case):
    """One train step in each mode leaves the weights that the reference layer has after it."""
    batch = padded()
    trained = {}
    modes = {"jit": {"jit_compile": True}, "graph": {"jit_compile": False}, "reference": {"run_eagerly": True}}
    for name, mode in modes.items():
        model = model_of((reference_layer if name == "reference" else ours)(case), compile=mode)
        loss = model.train_on_batch(*batch)
        trained[name] = [loss, *model.get_weights()]
    for i in range(len(trained["reference"])):
        close(trained["jit"][i], trained["reference"][i], 1e-5, f"weight {i}, jit")
        close(trained["graph"][i], trained["reference"][i], 1e-5, f"weight {i}, graph")


@pytest.mark.slow
@pytest.mark.parametrize("case", CELLS)
def test_four_epochs_have_the_loss_curve_of_the_reference_layer(case):
    x, y = padded(12)
    curves = {}
    for make in (ours, reference_layer):
        mode = {"jit_compile": False} if make is ours else {"run_eagerly": True}  # which takes less time
        model = model_of(make(case), compile=mode | {"optimizer": keras.optimizers.Adam(0.05)})
        curves[make] = model.fit(x, y, batch_size=4, epochs=4, shuffle=False, verbose=0).history["loss"]
    assert curves[ours][3] < curves[ours][0]
    close(curves[ours], curves[reference_layer], 1e-4, "loss curve")


@pytest.mark.parametrize("case", CELLS)
def test_any_batch_and_length(case):
    """One model, two batch sizes and two lengths, in a compiled graph."""
    models = [model_of(make(case, return_sequences=True), None) for make in (ours, reference_layer)]
    for batch, length in [(5, 3), (2, 6)]:
        x, _ = padded(batch, length)
        mine, theirs = (model.predict(x, verbose=0) for model in models)
        assert mine.shape == (batch, length, 1)
        close(mine, theirs, 1e-5, f"batch {batch}, length {length}")


@pytest.mark.parametrize("case", ALL)
def test_weight_files_move_both_ways(case, tmp_path):
    x, _ = padded()
    for source, target in [(reference_loop, ours), (ours, reference_loop)]:
        model, twin = model_of(source(case)), model_of(target(case))
        random_weights(twin, seed=9)
        model.save_weights(tmp_path / "model.weights.h5")
        twin.load_weights(tmp_path / "model.weights.h5")
        close(twin(x), model(x), 1e-5, f"from {source.__name__}")


RICH = {
    "kernel_initializer": keras.initializers.RandomUniform(-0.3, 0.2, seed=1),
    "recurrent_initializer": keras.initializers.Orthogonal(0.7, seed=2),
    "bias_initializer": keras.initializers.RandomNormal(0.1, 0.4, seed=3),
    "kernel_regularizer": keras.regularizers.L1L2(0.01, 0.02),
    "recurrent_regularizer": keras.regularizers.L2(0.03),
    "bias_regularizer": "l1",
    "kernel_constraint": keras.constraints.MaxNorm(0.5, axis=0),
    "recurrent_constraint": "unit_norm",
    "bias_constraint": keras.constraints.NonNeg(),
    "dropout": 0.25,
    "recurrent_dropout": 0.5,
    "seed": 7,
    "name": "cell",
}


@pytest.mark.parametrize("arguments", [{}, RICH], ids=["default", "rich"])
@pytest.mark.parametrize("case", ALL)
def test_configs_move_both_ways(case, arguments):
    mine, theirs = our_cell(case, **arguments), reference_cell(case, **arguments)
    config, their_config = json.loads(json.dumps(mine.get_config())), json.loads(json.dumps(theirs.get_config()))
    for made in (type(mine).from_config(config), type(mine).from_config(theirs.get_config())):
        assert json.loads(json.dumps(made.get_config())) == config | {"name": made.name}
    assert type(theirs).from_config(mine.get_config()).get_config() == theirs.get_config() | {"name": mine.name}
    assert config.keys() == their_config.keys() - {"implementation"}


@pytest.mark.parametrize("case", ALL)
def test_initial_weights_losses_and_constraints_are_those_of_the_reference(case):
    """The same initializers draw the same weights; after two steps losses and constrained weights are the same too."""
    arguments = RICH | {"dropout": 0, "recurrent_dropout": 0}
    results = []
    for make in (ours, reference_loop):
        keras.utils.set_random_seed(1)  # for the initializers of single cells, which RICH does not name
        model = keras.Sequential([keras.Input((LENGTH, FEATURES)), make(case, cell=arguments)])
        model.compile(keras.optimizers.SGD(0.5), "mse", run_eagerly=True)
        initial = model.get_weights()
        losses = [float(loss) for loss in model.losses]
        steps = [model.train_on_batch(sequences(), np.ones((BATCH, 3), "float32")) for _ in range(2)]
        results.append((initial, losses, steps, model.get_weights()))
    mine, theirs = results
    assert [w.shape for w in mine[0]] == [w.shape for w in theirs[0]]
    for part, what in enumerate(["initial weight", "regularization loss", "train loss", "trained weight"]):
        for i, (a, b) in enumerate(zip(mine[part], theirs[part], strict=True)):
            close(a, b, 1e-5, f"{what} {i}")
    np.testing.assert_allclose(np.square(mine[3][1]).sum(0), 1, rtol=1e-5)
    assert (np.square(mine[3][0]).sum(0) < 0.2501).all()


@pytest.mark.parametrize("case", ALL_WITH_TWIN)
def test_weight_names_and_first_bias_are_the_built_in_ones(case):
    mine, theirs = our_cell(case), reference_cell(case)
    for cell in (mine, theirs):
        cell.build((None, FEATURES))
    assert [(w.name, w.shape, w.dtype) for w in mine.weights] == [(w.name, w.shape, w.dtype) for w in theirs.weights]
    for a, b in zip(mine.get_weights()[2:], theirs.get_weights()[2:]):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", WITH_TWIN)
def test_seeds_that_are_not_given_are_drawn_in_the_order_of_the_built_in_cell(case):
    made = []
    for make in (our_cell, reference_cell):
        keras.utils.set_random_seed(3)
        cell = make(case)
        cell.build((None, FEATURES))
        made.append([*cell.get_weights(), keras.ops.convert_to_numpy(cell.seed_generator.state)])
    for mine, theirs in zip(*made, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("case", CELLS)
def test_trained_in_mixed_precision_with_dropout(case):
    keras.config.set_dtype_policy("mixed_bfloat16")
    layer = ours(case, 8, cell={"dropout": 0.2, "recurrent_dropout": 0.2})
    model = keras.Sequential([keras.Input((None, FEATURES)), layer, keras.layers.Dense(1, dtype="float32")])
    model.compile(keras.optimizers.Adam(0.03), "mse", run_eagerly=True)
    x = sequences(64)
    losses = model.fit(x, x.mean((1, 2))[:, None], batch_size=64, epochs=8, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
