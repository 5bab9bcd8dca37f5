"""The built-in Embedding's wrong update of repeated tokens, and its cure."""

import keras
import numpy as np
import pytest

from layers import Embedding, TiedEmbedding


def largest_step(layer, optimizer, tokens):
    """How far one training step moves an entry of the embedding, from zero."""
    layer_input = keras.Input((len(tokens[0]),), dtype="int32")
    model = keras.Model(layer_input, keras.ops.sum(layer(layer_input), axis=(1, 2)))
    model.compile(optimizer, loss=lambda y, p: keras.ops.mean(p), jit_compile=False)
    model.train_on_batch(np.array(tokens), np.zeros(len(tokens)))
    return np.abs(layer.get_weights()[0]).max()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the other backends' gradients are dense anyway")
def test_built_in_moves_a_repeated_token_too_far():
    """If this fails, Keras was mended, and layers/embedding.py can go."""
    step = largest_step(
        keras.layers.Embedding(3, 2, embeddings_initializer="zeros"), keras.optimizers.Adam(0.1), [[1, 1]]
    )
    assert step == pytest.approx(0.1414, abs=1e-4)


def test_adam_moves_a_repeated_token_as_any_other():
    step = largest_step(Embedding(3, 2, embeddings_initializer="zeros"), keras.optimizers.Adam(0.1), [[1, 1]])
    assert step == pytest.approx(0.1, abs=1e-4)


def test_clipping_counts_a_repeated_token_once():
    """The true gradient of a token that occurs four times is (4, 4), of norm 4√2; clipped to 1 it is 1/√2 an entry."""
    optimizer = keras.optimizers.SGD(1.0, clipnorm=1.0)
    step = largest_step(Embedding(3, 2, embeddings_initializer="zeros"), optimizer, [[1, 1, 1, 1]])
    assert step == pytest.approx(1 / np.sqrt(2), abs=1e-5)


def test_same_outputs_mask_and_config_as_built_in():
    tokens = np.array([[3, 1, 0], [2, 2, 0]])
    ours, twin = Embedding(5, 4, mask_zero=True), keras.layers.Embedding(5, 4, mask_zero=True)
    ours(tokens), twin(tokens)
    ours.set_weights(twin.get_weights())
    np.testing.assert_array_equal(ours(tokens), twin(tokens))
    np.testing.assert_array_equal(ours.compute_mask(tokens), twin.compute_mask(tokens))
    assert Embedding.from_config(twin.get_config()).get_config() == ours.get_config() | {"name": twin.name}


def test_mixed_precision_and_float_tokens():
    layer = Embedding(5, 4, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(layer(np.array([[1.0, 2.0]])).dtype) == "bfloat16"


def test_quantized_as_the_built_in_layer():
    tokens = np.arange(10).reshape(2, 5)
    model = keras.Sequential([keras.Input((5,), dtype="int32"), Embedding(20, 8)])
    before = model(tokens)
    model.quantize("int8")
    assert model.layers[0].dtype_policy.name.startswith("int8")
    np.testing.assert_allclose(model(tokens), before, atol=0.01)


# ---------------------------------------------------------------------------------------------------------- tied


def tied_network():
    """From tokens to the logits of the next ones, through one matrix."""
    tokens, layer = keras.Input((None,), dtype="int32"), TiedEmbedding(5, 4, name="tied")
    return keras.Model(tokens, layer(keras.ops.tanh(layer(tokens)), reverse=True))


def test_a_tied_embedding_uses_one_matrix_for_vectors_and_logits():
    rng, tokens = np.random.default_rng(0), np.array([[3, 1], [2, 0]])
    model = tied_network()
    matrix, bias = (rng.normal(size=w.shape).astype("float32") for w in model.get_weights())
    model.set_weights([matrix, bias])
    np.testing.assert_allclose(model.predict(tokens, verbose=0), np.tanh(matrix[tokens]) @ matrix.T + bias, rtol=1e-5)
    assert model.output_shape == (None, None, 5)


def test_a_tied_embedding_is_tied_after_loading_and_cloning(tmp_path):
    model, tokens = tied_network(), np.array([[3, 1], [2, 0]])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict(tokens, verbose=0), model.predict(tokens, verbose=0))
    for other in (loaded, keras.models.clone_model(model)):
        assert [tuple(w.shape) for w in other.weights] == [(5, 4), (5,)]


def test_adam_moves_a_repeated_token_of_a_tied_embedding_as_any_other():
    layer = TiedEmbedding(3, 2)
    layer.build()
    layer.set_weights([np.zeros((3, 2)), np.zeros(3)])
    assert largest_step(layer, keras.optimizers.Adam(0.1), [[1, 1]]) == pytest.approx(0.1, abs=1e-4)


def test_a_tied_embedding_in_mixed_precision():
    layer = TiedEmbedding(5, 4, dtype="mixed_bfloat16")
    logits = layer(layer(np.array([[1, 2]])), reverse=True)
    assert keras.backend.standardize_dtype(logits.dtype) == "bfloat16"
