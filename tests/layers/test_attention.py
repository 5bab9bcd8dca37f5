"""Attention against NumPy written from the papers, the cell that attends in a loop, and the decoders."""

import keras
import numpy as np
import pytest
from keras import ops

from layers.attention import Attention, AttentionCell, AttentionDecoder, VectorDecoder

SCORES = ["additive", "dot", "general", "concat", "scaled dot", "scaled general"]
BATCH, STEPS, TIMESTEPS, QUERY, MEMORY = 3, 4, 6, 5, 7
LENGTHS = np.array([6, 2, 4])
MASK = np.arange(TIMESTEPS) < LENGTHS[:, None]


def made(score, query=QUERY, memory=MEMORY, dtype=None):
    scaled, kind = score.startswith("scaled "), score.removeprefix("scaled ")
    layer = Attention(kind, units=None if kind == "general" else 8, scaled=scaled, dtype=dtype)
    layer.build((None, query), (None, None, memory))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def drawn(score, dtype=None):
    rng = np.random.default_rng(0)
    query = QUERY if "dot" not in score else MEMORY
    return made(score, query, dtype=dtype), *(
        rng.normal(size=shape).astype("float32") for shape in [(BATCH, STEPS, query), (BATCH, TIMESTEPS, MEMORY)]
    )


def by_hand(layer, s, h):
    """The score of one query and one state of memory."""
    if layer.score == "dot":
        return s @ h / (np.sqrt(MEMORY) if layer.scaled else 1)
    if layer.score == "general":
        return s @ layer.key_kernel.numpy().T @ h / (np.sqrt(QUERY) if layer.scaled else 1)
    w, u, v = (weight.numpy() for weight in (layer.query_kernel, layer.key_kernel, layer.scale))
    if layer.score == "concat":
        return v @ np.tanh(np.concatenate([w, u]).T @ np.concatenate([s, h]))
    return v @ np.tanh(w.T @ s + u.T @ h)


@pytest.mark.parametrize("score", SCORES)
def test_against_numpy(score):
    layer, query, memory = drawn(score)
    context, weights = (ops.convert_to_numpy(x) for x in layer(query, memory, memory_mask=MASK))
    for i, t in np.ndindex(BATCH, STEPS):
        scores = np.array([by_hand(layer, query[i, t], h) for h in memory[i, : LENGTHS[i]]])
        alpha = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
        np.testing.assert_allclose(weights[i, t, : LENGTHS[i]], alpha, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(context[i, t], alpha @ memory[i, : LENGTHS[i]], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("score", SCORES)
def test_one_query_is_a_sequence_of_one_and_keys_can_be_kept(score):
    layer, query, memory = drawn(score)
    whole = layer(query, memory, memory_mask=MASK)
    for t in range(STEPS):
        alone = layer(query[:, t], memory, layer.keys(memory), memory_mask=MASK)
        for one, many in zip(alone, whole):
            np.testing.assert_allclose(one, many[:, t], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_masked_positions_have_no_weight_and_no_influence(score):
    layer, query, memory = drawn(score)
    empty = MASK & (np.arange(BATCH) != 2)[:, None]  # the last memory is masked throughout
    context, weights = (ops.convert_to_numpy(x) for x in layer(query, memory, memory_mask=empty))
    assert (weights[~np.broadcast_to(empty[:, None], weights.shape)] == 0).all()
    np.testing.assert_allclose(weights.sum(-1)[:2], 1, rtol=1e-5)
    assert not context[2].any()
    other = np.where(MASK[:, :, None], memory, 1e6).astype("float32")
    np.testing.assert_array_equal(*(layer(query, m, memory_mask=MASK)[1] for m in (memory, other)))


def test_keras_mask_of_memory_is_taken():
    layer, query, _ = drawn("additive")
    ids = np.where(MASK, 3, 0)
    memory = keras.layers.Embedding(9, MEMORY, mask_zero=True)(ids)
    weights = ops.convert_to_numpy(layer(query, memory)[1])
    assert (weights[:, 0][~MASK] == 0).all() and (weights[:, 0][MASK] > 0).all()


@pytest.mark.parametrize("score", SCORES)
def test_gradients(score):
    """Each weight's, the query's and the memory's, against differences in float64."""
    import tensorflow as tf

    layer, query, memory = drawn(score, "float64")
    query, memory = (tf.Variable(x.astype("float64")) for x in (query, memory))
    variables = [query, memory, *(w.value for w in layer.weights)]
    rng = np.random.default_rng(2)
    share = rng.normal(size=(BATCH, STEPS, MEMORY))
    loss = lambda: tf.reduce_sum(share * layer(query * 1, memory * 1, memory_mask=MASK)[0])
    with tf.GradientTape() as tape:
        value = loss()
    for variable, gradient in zip(variables, tape.gradient(value, variables), strict=True):
        gradient, start = tf.convert_to_tensor(gradient).numpy(), variable.numpy()
        way = rng.normal(size=start.shape)
        ends = []
        for sign in (1, -1):
            variable.assign(start + sign * 1e-5 * way)
            ends.append(loss().numpy())
        variable.assign(start)
        assert (ends[0] - ends[1]) / 2e-5 == pytest.approx(np.sum(gradient * way), rel=1e-6, abs=1e-8)


def test_float16():
    layer, query, memory = drawn("additive", "mixed_float16")
    context, weights = (ops.convert_to_numpy(x) for x in layer(query, memory, memory_mask=MASK))
    assert weights.dtype == "float16" and np.isfinite(context).all() and (weights[:, 0][~MASK] == 0).all()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Attention("cosine"), "additive, dot, general, concat. Received: score='cosine'"),
        (lambda: Attention(units=0), "units must be"),
        (lambda: Attention("concat", scaled=True), '"dot" and "general" can be scaled. Received: .*concat'),
        (lambda: Attention("dot")(np.ones((2, 3, 4)), np.ones((2, 3, 5))), r"general.*\(2, 3, 4\).*\(2, 3, 5\)"),
    ],
)
def test_wrong_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---------------------------------------------------------------------------------------------------------- cell

CELLS = [
    lambda: keras.layers.SimpleRNNCell(5),
    lambda: keras.layers.LSTMCell(5),
    lambda: keras.layers.GRUCell(5),
    lambda: keras.layers.StackedRNNCells([keras.layers.LSTMCell(4), keras.layers.GRUCell(5)]),
]


def decoder(cell, score="general", units=6):
    """From inputs, memory and its mask to h̃ at every step."""
    x, memory = keras.Input((None, 2)), keras.Input((None, MEMORY))
    mask, start = keras.Input((None,), dtype="bool"), keras.Input((5,))
    attending = AttentionCell(cell, Attention(score), MEMORY, units)
    states = [start[:, :size] for size in keras.tree.flatten(cell.state_size)]
    y = keras.layers.RNN(attending, return_sequences=True)(x, initial_state=attending.start(states, memory, mask))
    return keras.Model([x, memory, mask, start], y), attending


def inputs(seed=0):
    shapes = (BATCH, STEPS, 2), (BATCH, TIMESTEPS, MEMORY), (BATCH, 5)
    x, memory, start = (np.random.default_rng(seed).normal(size=s).astype("float32") for s in shapes)
    return [x, memory, MASK, start]


def randomised(model):
    rng = np.random.default_rng(4)
    model.set_weights([rng.normal(scale=0.5, size=w.shape) for w in model.get_weights()])
    return model


@pytest.mark.parametrize("cell", CELLS[:3])
@pytest.mark.parametrize("score", ["additive", "general"])
def test_the_loop_is_its_equations(cell, score):
    cell = cell()
    model, attending = decoder(cell, score)
    randomised(model)
    x, memory, mask, start = inputs()
    states = [start] * len(keras.tree.flatten(cell.state_size))
    fed, expected = np.zeros((BATCH, 6), "float32"), []
    for t in range(STEPS):
        s, states = cell(np.concatenate([x[:, t], fed], axis=1), states)
        context, _ = attending.attention(s, memory, memory_mask=mask)
        both = np.concatenate([context, s], axis=1)
        fed = np.tanh(both @ ops.convert_to_numpy(attending.kernel) + ops.convert_to_numpy(attending.bias))
        expected.append(fed)
    outputs = model.predict([x, memory, mask, start], verbose=0)
    np.testing.assert_allclose(outputs, np.stack(expected, axis=1), atol=1e-5)
    other = np.where(mask[:, :, None], memory, 7).astype("float32")
    np.testing.assert_array_equal(model.predict([x, other, mask, start], verbose=0), outputs)


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
def test_trains_saves_and_loads(cell, tmp_path):
    model, _ = decoder(cell())
    target = np.random.default_rng(9).normal(size=(BATCH, STEPS, 6)) / 3
    model.compile(keras.optimizers.Adam(0.03), "mse")
    first = model.evaluate(inputs(), target, verbose=0)
    before = model.get_weights()
    model.fit(inputs(), target, epochs=30, verbose=0)
    assert model.evaluate(inputs(), target, verbose=0) < 0.5 * first
    assert all((a != b).any() for a, b in zip(before, model.get_weights()))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(*(m.predict(inputs(1), verbose=0) for m in (model, again)), atol=1e-6)


def test_a_memory_of_another_size_is_refused():
    cell = AttentionCell(keras.layers.GRUCell(5), Attention(), MEMORY)
    with pytest.raises(ValueError, match=rf"must have {MEMORY} features. Received: shape .*{MEMORY + 1}"):
        cell.start([np.zeros((2, 5), "float32")], np.ones((2, 3, MEMORY + 1), "float32"))


def test_a_cell_without_its_memory_says_so():
    with pytest.raises(ValueError, match="cell.start"):
        keras.layers.RNN(AttentionCell(keras.layers.GRUCell(5), Attention(), MEMORY))(np.ones((2, 3, 4)))


# ------------------------------------------------------------------------------------------------------ decoders


def attending(cell=None):
    return AttentionDecoder(cell or keras.layers.GRUCell(5), Attention(), MEMORY, 6, name="decoder")


def with_vector(cell=None, repeat_vector=True):
    recurrent = keras.layers.RNN(cell or keras.layers.GRUCell(5), return_sequences=True)
    return VectorDecoder(recurrent, 6, repeat_vector, name="decoder")


DECODERS = [
    attending,
    lambda: attending(keras.layers.LSTMCell(5)),
    with_vector,
    lambda: with_vector(keras.layers.LSTMCell(5)),
    lambda: VectorDecoder(keras.layers.GRU(5, return_sequences=True), 6, name="decoder"),
    lambda: with_vector(repeat_vector=False),
    lambda: with_vector(keras.layers.StackedRNNCells([keras.layers.LSTMCell(4), keras.layers.GRUCell(5)])),
]


def decoding_network(decoder):
    """A functional model from all that a decoder is called with to h̃, and arrays for it."""
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(BATCH, *s)).astype("float32") for s in [(STEPS, 2), (decoder.state_features,)]]
    if isinstance(decoder, AttentionDecoder):
        arrays += [rng.normal(size=(BATCH, TIMESTEPS, MEMORY)).astype("float32"), MASK]
    elif decoder.repeat_vector:
        arrays.append(rng.normal(size=(BATCH, 3)).astype("float32"))
    inputs = [keras.Input((None,) * (x.ndim - 2) + x.shape[-1:], dtype=x.dtype.name) for x in arrays[:3]]
    inputs += [keras.Input((None,), dtype="bool")] if len(arrays) == 4 else []
    return randomised(keras.Model(inputs, decoder(*inputs))), arrays


@pytest.mark.parametrize("make", DECODERS)
def test_a_decoder_gives_step_by_step_what_it_gives_at_once(make):
    model, (x, *arrays) = decoding_network(make())
    decoder, expected = model.get_layer("decoder"), model.predict([x, *arrays], verbose=0)
    assert expected.shape == (BATCH, STEPS, 6) and np.abs(expected[:, 0] - expected[:, 1]).max() > 0.01
    states, memory = decoder.start(*map(ops.convert_to_tensor, arrays))
    for t in range(STEPS):
        h, states, weights = decoder.step(ops.convert_to_tensor(x[:, t]), states, memory)
        np.testing.assert_allclose(ops.convert_to_numpy(h), expected[:, t], atol=1e-5)
        if isinstance(decoder, VectorDecoder):
            assert weights is None
        else:
            weights = ops.convert_to_numpy(weights)
            np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
            assert (weights[~MASK] == 0).all()


def test_an_attention_decoder_is_its_cell_in_a_loop():
    model, arrays = decoding_network(attending())
    twin, _ = decoder(keras.layers.GRUCell(5), "additive")
    twin.set_weights(model.get_weights())
    x, state, memory, mask = arrays
    expected = twin.predict([x, memory, mask, state], verbose=0)
    np.testing.assert_allclose(model.predict(arrays, verbose=0), expected, atol=1e-6)


@pytest.mark.parametrize("repeat_vector", [True, False])
def test_a_vector_decoder_is_its_equations(repeat_vector):
    model, arrays = decoding_network(with_vector(repeat_vector=repeat_vector))
    x, state, *vector = arrays
    layer, expected = model.get_layer("decoder"), []
    kernel, bias = layer.dense.get_weights()
    for t in range(STEPS):
        s, (state,) = layer.recurrent.cell(np.concatenate([x[:, t], *vector], axis=1), [state])
        expected.append(np.tanh(ops.convert_to_numpy(s) @ kernel + bias))
    np.testing.assert_allclose(model.predict(arrays, verbose=0), np.stack(expected, axis=1), atol=1e-5)


@pytest.mark.parametrize("make", DECODERS)
def test_a_decoder_is_saved_and_loaded_within_a_model(make, tmp_path):
    model, arrays = decoding_network(make())
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(*(m.predict(arrays, verbose=0) for m in (model, loaded)))
    assert len(loaded.weights) == len(model.weights)


def test_all_weights_of_a_decoder_are_trained():
    for make in (attending, with_vector):
        model, arrays = decoding_network(make())
        before = model.get_weights()
        model.compile("sgd", "mse")
        model.train_on_batch(arrays, np.zeros((BATCH, STEPS, 6)))
        assert all((a != b).any() for a, b in zip(before, model.get_weights()))


def test_the_mask_of_an_embedded_memory_is_taken():
    model, (x, state, _, mask) = decoding_network(attending())
    memory = keras.layers.Embedding(9, MEMORY, mask_zero=True)(np.where(mask, 3, 0))
    layer = model.get_layer("decoder")
    expected = layer(x, state, ops.convert_to_tensor(ops.convert_to_numpy(memory)), mask)
    np.testing.assert_allclose(layer(x, state, memory), expected, atol=1e-6)


@pytest.mark.parametrize("repeat_vector, vector", [(True, []), (False, [np.ones((2, 3), "float32")])])
def test_a_vector_that_does_not_go_with_repeat_vector_is_refused(repeat_vector, vector):
    with pytest.raises(ValueError, match=f"Received: repeat_vector={repeat_vector}, vector of shape"):
        with_vector(repeat_vector=repeat_vector)(np.ones((2, 4, 3)), np.ones((2, 5)), *vector)
