"""The translating network: step by step as at once, blind to padding, saved with its shared matrices."""

import warnings

import keras
import numpy as np
import pytest

from recipes import decoding, encoder_decoder

SETTINGS = {"units": 5, "layers": 1, "embedding": 4, "dropout": 0.0, "seed": 0, "tied": "three-way", "sampling": 0.0}
SETTINGS |= {"cell": "gru", "attention": "additive", "reading": "bidirectional", "word_dropout": 0.0, "lexical": False}
VARIANTS = [
    {},
    {"attention": "none"},
    {"attention": "multiplicative", "cell": "lstm", "layers": 2},
    {"attention": "none", "cell": "lstm", "layers": 2, "tied": "none"},
    {"cell": "builtin-lstm", "reading": "reversed", "tied": "two-way"},
    {"attention": "none", "cell": "simple", "reading": "forward"},
    {"attention": "none", "cell": "builtin-gru", "reading": "reversed"},
    {"lexical": True},
    {"lexical": True, "attention": "multiplicative", "reading": "reversed", "tied": "two-way"},
]
names = lambda variant: "-".join(map(str, variant.values())) or "default"


def built(**changed):
    keras.utils.set_random_seed(0)
    model = encoder_decoder.EncoderDecoder(20, **SETTINGS | changed)
    model.build(((None, None), (None, None)))
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.7, size=weight.shape))
    return model


def sentences(lengths, width, seed=1):
    ids = np.random.default_rng(seed).integers(4, 20, (len(lengths), width))
    return (ids * (np.arange(width) < np.array(lengths)[:, None])).astype("int32")


@pytest.mark.parametrize("variant", VARIANTS, ids=names)
def test_step_by_step_is_what_teacher_forcing_sees(variant):
    model, source, written = built(**variant), sentences([6, 3, 4], 6), sentences([5, 5, 5], 5, seed=2)
    whole = np.array(model((source, written)))
    states, memory = model.begin(source)
    for t in range(5):
        logits, states, weights = model.step(written[:, t], states, memory)
        np.testing.assert_allclose(logits, whole[:, t], atol=1e-5)
        if model.settings["attention"] == "none":
            assert weights is None
        else:
            np.testing.assert_allclose(np.sum(weights, axis=1), 1, rtol=1e-5)
            assert (np.array(weights)[source == 0] == 0).all()
    assert np.abs(whole[0] - whole[1]).max() > 0.01


@pytest.mark.parametrize("reading, states", [("bidirectional", 10), ("reversed", 5)])
def test_the_lexical_memory_holds_each_words_embedding(reading, states):
    plain, lexical = built(reading=reading), built(reading=reading, lexical=True)
    assert plain.encode(sentences([6, 3], 6))[1].shape == (2, 6, states)
    source = sentences([6, 3], 6)
    memory = np.array(lexical.encode(source)[1])
    assert memory.shape == (2, 6, states + 4)
    np.testing.assert_array_equal(memory[..., states:], np.array(lexical.embedding.embeddings)[source])


def test_word_dropout_drops_whole_words_of_both_sides():
    model = built(word_dropout=0.5, lexical=True)
    source = sentences([40] * 30, 40)
    words = np.array(model.encode(source, training=True)[1])[..., 10:] == 0
    assert 0.4 < words.mean() < 0.6 and (words == words[..., :1]).all()
    seen = np.array(model.decoder.drop_words(model.decoder.embedding(source), training=True)) == 0
    assert 0.4 < seen.mean() < 0.6 and (seen == seen[..., :1]).all() and (seen != words).any()
    encoded = model.encode(source)
    hidden = [np.array(model.decoder.hidden(source, *encoded, training=training)) for training in (True, False)]
    assert np.abs(hidden[0] - hidden[1]).max() > 0.01  # `hidden` drops them


@pytest.mark.parametrize("variant", VARIANTS, ids=names)
def test_padding_changes_nothing(variant):
    model, source, written = built(**variant), sentences([3, 3], 3), sentences([4, 4], 4, seed=2)
    padded = np.pad(source, [(0, 0), (0, 5)])
    np.testing.assert_allclose(model((source, written)), model((padded, written)), atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS, ids=names)
def test_saved_and_loaded(variant, tmp_path):
    model, inputs = built(**variant), (sentences([6, 3], 6), sentences([5, 4], 5, seed=2))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(model(inputs), loaded(inputs))
    assert len(loaded.weights) == len(model.weights)
    assert (loaded.embedding is loaded.decoder.embedding) == (model.settings["tied"] == "three-way")


def test_what_comes_later_changes_nothing_before():
    model, source, written = built(), sentences([6], 6), sentences([5], 5, seed=2)
    other = written.copy()
    other[0, 3:] = 7
    before, after = np.array(model((source, written))), np.array(model((source, other)))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert np.abs(before[:, 3:] - after[:, 3:]).max() > 1e-3


def test_reversed_reading_is_a_forward_reading_of_the_reversed_sentence():
    forward, reverse = built(reading="forward", attention="none"), built(reading="reversed", attention="none")
    source, written = sentences([6, 6], 6), sentences([5, 5], 5, seed=2)
    np.testing.assert_allclose(reverse((source, written)), forward((source[:, ::-1], written)), atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm", "builtin-lstm"])
def test_the_vector_is_where_both_readings_end(cell):
    vector, memory, _ = built(cell=cell).encode(sentences([6, 3], 6))
    vector, memory = np.array(vector), np.array(memory)
    np.testing.assert_allclose(vector[:, :5], [memory[0, 5, :5], memory[1, 2, :5]], rtol=1e-5)
    np.testing.assert_allclose(vector[:, 5:], memory[:, 0, 5:], rtol=1e-5)


def test_scheduled_sampling_gives_the_network_its_own_guesses():
    model, source, written = built(sampling=1.0), sentences([6, 3], 6), sentences([5, 4], 5, seed=2)
    logits = model((source, written))
    mixed = model._mixed(written, logits)
    np.testing.assert_array_equal(mixed[:, 0], written[:, 0])
    guesses = np.argmax(logits, axis=-1)[:, :-1]
    np.testing.assert_array_equal(mixed[:, 1:], np.where(written[:, 1:], guesses, 0))
    assert np.abs(model((source, written), training=True) - logits).max() > 1e-3
    never = built(sampling=0.0)
    np.testing.assert_allclose(never((source, written), training=True), never((source, written)), atol=1e-6)


def test_dropout_in_training_only():
    model, inputs = built(dropout=0.5), (sentences([6, 3], 6), sentences([5, 4], 5, seed=2))
    assert np.abs(model(inputs, training=True) - model(inputs)).max() > 0.01
    np.testing.assert_array_equal(model(inputs), model(inputs))


@pytest.mark.parametrize("vocabulary", [6, 2500])  # the loss of the second is compiled
def test_loss_by_hand(vocabulary):
    logits = np.random.default_rng(0).normal(size=(2, 3, vocabulary)).astype("float32")
    tokens = np.array([[4, 2, vocabulary - 3], [vocabulary - 1, 3, 0]])
    p = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = []
    for row, column in zip(*np.nonzero(tokens)):
        wanted = np.full(vocabulary, 0.2 / vocabulary)
        wanted[tokens[row, column]] += 0.8
        expected.append(-(wanted * np.log(p[row, column])).sum())
    np.testing.assert_allclose(encoder_decoder.cross_entropy(0.2)(tokens, logits), np.mean(expected), rtol=1e-5)


def test_a_model_with_the_loss_is_saved_without_a_warning(tmp_path):
    model = built()
    model.compile("adam", encoder_decoder.cross_entropy(0.1))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.save(tmp_path / "model.keras")


@pytest.mark.parametrize("variant", VARIANTS[:3], ids=names)
def test_a_sentence_is_translated_alone_as_in_a_batch(variant):
    model = built(**variant)
    together = sentences([6, 2, 4], 6)
    kind = lambda *arguments: decoding.beam_search(*arguments, 3, 2, 8, width=3, length_penalty=1.0)
    tokens, scores = decoding.Search(model, kind).predict(together, verbose=0)
    for i, length in enumerate((6, 2, 4)):
        alone = decoding.Search(model, kind).predict(together[i : i + 1, :length], verbose=0)
        np.testing.assert_allclose(alone[1][0], scores[i], rtol=1e-4)
        np.testing.assert_array_equal(alone[0][0], tokens[i])
