"""Searches over a small network with random weights, beside a search through every sentence there is."""

from toolkit import decoding
from toolkit.decoding import END, START

import keras
import numpy as np
import pytest
from keras import ops

import layers

VOCABULARY, LONGEST, UNITS, BATCH = 5, 4, 6, 5  # 0 is padding, 1 unknown, 2 START, 3 END
rng = np.random.default_rng(0)
E = rng.normal(size=(VOCABULARY, UNITS)).astype("float32")
W = rng.normal(size=(UNITS, UNITS)).astype("float32") * 0.8
V = rng.normal(size=(UNITS, VOCABULARY)).astype("float32") * 1.5
STATES, MEMORY = rng.normal(size=(2, BATCH, UNITS)).astype("float32")
EVERY = 1 + 4 + 4**2 + 4**3 * 5  # sentences that end after 1, 2, 3 and 4 tokens, or are cut off


def step(tokens, states, memory):
    h = ops.tanh(ops.take(E, tokens, axis=0) + ops.matmul(states[0], W) + memory[0])
    return ops.matmul(h, V), [h], ops.softmax(3 * h[:, :3])


def numbers(x):
    return ops.convert_to_numpy(x)


def log_softmax(x):
    return x - np.log(np.exp(x).sum())


def beam_search(*arguments, **options):
    states, memory = [ops.convert_to_tensor(STATES)], [ops.convert_to_tensor(MEMORY)]
    return map(numbers, decoding.beam_search(step, states, memory, LONGEST, *arguments, **options))


def greedy():
    states, memory = [ops.convert_to_tensor(STATES)], [ops.convert_to_tensor(MEMORY)]
    return map(numbers, decoding.greedy(step, states, memory, LONGEST))


# ----------------------------------------------------------------------------------------------------- beam search


def every_sentence(i, length_penalty, coverage_penalty):
    """All (score, tokens) of the batch's i-th row, the best first, in NumPy."""
    found = []

    def extend(tokens, h, total, coverage):
        if tokens and tokens[-1] == END or len(tokens) == LONGEST:
            score = total / ((5 + len(tokens)) / 6) ** length_penalty
            found.append((score + coverage_penalty * np.log(np.minimum(coverage, 1)).sum(), tokens))
            return
        h = np.tanh(E[tokens[-1] if tokens else START] + h @ W + MEMORY[i])
        log_p, weights = log_softmax(h @ V), np.exp(log_softmax(3 * h[:3]))
        for token in range(VOCABULARY):
            extend([*tokens, token], h, total + log_p[token], coverage + weights)

    extend([], STATES[i], 0.0, np.zeros(3))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("penalties", [(0.0, 0.0), (1.0, 0.0), (0.7, 0.3)])
def test_a_beam_with_room_for_every_sentence_is_exhaustive(penalties):
    tokens, scores = beam_search(EVERY + 1, *penalties)
    for i in range(BATCH):
        expected = every_sentence(i, *penalties)
        assert len(expected) == EVERY
        np.testing.assert_allclose(scores[i][:EVERY], [score for score, _ in expected], rtol=1e-5)
        for (_, sentence), found in list(zip(expected, tokens[i]))[:40]:
            np.testing.assert_array_equal(found, sentence + [0] * (LONGEST - len(sentence)))
        assert np.isneginf(scores[i][EVERY:]).all()


def narrow_search(i, beam_width, length_penalty):
    """The score of the best sentence that a beam of a width finds in `LONGEST` steps, in NumPy."""
    unfinished, finished = [(0.0, [], STATES[i])], []
    for length in range(1, LONGEST + 1):
        extended = []
        for total, tokens, h in unfinished:
            h = np.tanh(E[tokens[-1] if tokens else START] + h @ W + MEMORY[i])
            extended += [(total + log_p, [*tokens, t], h) for t, log_p in enumerate(log_softmax(h @ V))]
        extended.sort(key=lambda row: -row[0])
        penalty = ((5 + length) / 6) ** length_penalty
        finished += [total / penalty for total, tokens, _ in extended[:beam_width] if tokens[-1] == END]
        unfinished = [row for row in extended if row[1][-1] != END][:beam_width]
    return max([*finished, *(total / ((5 + LONGEST) / 6) ** length_penalty for total, _, _ in unfinished)])


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("beam_width", [1, 2, 3])
def test_stopping_early_loses_nothing(beam_width, length_penalty):
    _, scores = beam_search(beam_width, length_penalty)
    expected = [narrow_search(i, beam_width, length_penalty) for i in range(BATCH)]
    np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-5)


def test_a_finished_sentence_does_not_stop_one_that_may_score_better_when_longer():
    first, then = np.log([0.04, 0.005, 0.005, 0.5, 0.45]), np.log([1e-9, 1e-9, 1e-9, 1e-9, 1.0])  # 4 follows 4, surely

    def surely(tokens, states, memory):
        return ops.cast(ops.where(tokens[:, None] == START, first, then), "float32"), states, None

    start = [ops.zeros((1, 1))]
    tokens, scores = map(numbers, decoding.beam_search(surely, start, [], LONGEST, 1, 3.0))
    np.testing.assert_array_equal(tokens[0, 0], [4, 4, 4, 4])
    np.testing.assert_allclose(scores[0, 0], np.log(0.45) / (9 / 6) ** 3, rtol=1e-5)


def test_a_beam_of_1_is_greedy_search():
    expected, log_p = greedy()
    tokens, scores = beam_search(1, 0.0)
    np.testing.assert_array_equal(tokens[:, 0], expected)
    np.testing.assert_allclose(scores[:, 0], log_p, rtol=1e-5)
    assert END in expected and (expected[:, -1] != 0).any()  # some are finished early, some are cut off


def test_a_wider_beam_finds_no_worse_sentence():
    narrow, wide, whole = (list(beam_search(beam_width, 0.0))[1][:, 0] for beam_width in (1, 3, EVERY))
    assert (wide >= narrow - 1e-6).all() and (whole >= wide - 1e-6).all() and (whole > narrow).any()


def test_the_decoder_runs_once_a_step():
    calls = []

    def counted(tokens, states, memory):
        calls.append(tuple(tokens.shape))
        return step(tokens, states, memory)

    states, memory = [ops.convert_to_tensor(STATES)], [ops.convert_to_tensor(MEMORY)]
    decoding.beam_search(counted, states, memory, LONGEST, 3, 0.0)
    assert 1 <= len(calls) <= LONGEST and {*calls} == {(3 * BATCH,)}


# -------------------------------------------------------------------------------------------- greedy and sampling


def test_greedy_search_takes_the_most_probable_token_of_each_step():
    tokens, log_p = greedy()
    for i in range(BATCH):
        h, token, expected, sentence = STATES[i], START, 0.0, []
        while len(sentence) < LONGEST and token != END:
            h = np.tanh(E[token] + h @ W + MEMORY[i])
            token = int(np.argmax(h @ V))
            expected += log_softmax(h @ V)[token]
            sentence.append(token)
        np.testing.assert_array_equal(tokens[i], sentence + [0] * (LONGEST - len(sentence)))
        np.testing.assert_allclose(log_p[i], expected, rtol=1e-5)


def test_samples_have_the_distribution_of_the_decoder():
    size = 150  # three blocks
    log_p = np.random.default_rng(1).normal(0, 2, size).astype("float32")
    uniform = (np.arange(20_000, dtype="float32")[:, None] + 0.5) / 20_000

    def independent(tokens, states, memory):
        return ops.broadcast_to(log_p, (len(uniform), size)), states, None

    states = [ops.zeros((len(uniform), 1))]
    tokens, total = map(numbers, decoding.sample(independent, states, [], ops.convert_to_tensor(uniform)))
    p = np.exp(log_softmax(log_p))
    np.testing.assert_allclose(np.bincount(tokens[:, 0], minlength=size) / len(uniform), p, atol=2 / len(uniform))
    np.testing.assert_allclose(total, np.log(p)[tokens[:, 0]], rtol=1e-4)


# -------------------------------------------------------------------------------------------------------- decoders


class Scaled:
    """The network above with its logits scaled, and a counter for a second state."""

    models = ()

    def __init__(self, scale):
        self.scale = scale

    def start(self, inputs):
        return [inputs, inputs[:, :1]], [ops.convert_to_tensor(MEMORY)]

    def step(self, tokens, states, memory):
        logits, (h,), weights = step(tokens, states[:1], memory)
        return self.scale * logits + states[1], [h, states[1] + 1], weights


def test_an_ensemble_has_the_mean_of_the_probabilities():
    decoders = [Scaled(1.0), Scaled(-0.5), Scaled(3.0)]
    inputs = ops.convert_to_tensor(STATES)
    ensemble = decoding.Ensemble(decoders)
    states, memory = ensemble.start(inputs)
    assert (len(states), len(memory)) == (6, 3)
    alone = [decoder.start(inputs) for decoder in decoders]
    for tokens in (np.full(BATCH, START), np.arange(BATCH) % VOCABULARY):
        log_p, states, _ = ensemble.step(tokens, states, memory)
        stepped = [decoder.step(tokens, *own) for decoder, own in zip(decoders, alone)]
        alone = [(after, own[1]) for (_, after, _), own in zip(stepped, alone)]
        expected = np.mean([numbers(ops.softmax(logits)) for logits, _, _ in stepped], axis=0)
        np.testing.assert_allclose(np.exp(numbers(log_p)), expected, rtol=1e-4)


def build(attends):
    """A network from vectors and tokens to logits."""
    inputs, written = keras.Input((3, 4)), keras.Input((None,), dtype="int32")
    embed, cell = layers.TiedEmbedding(9, 4, name="embedding"), keras.layers.GRUCell(5)
    if attends:
        decoder, seen = layers.AttentionDecoder(cell, layers.Attention(), 4, 4, name="decoder"), inputs
    else:
        recurrent = keras.layers.RNN(cell, return_sequences=True)
        decoder, seen = layers.VectorDecoder(recurrent, 4, name="decoder"), inputs[:, 1]
    s_0 = keras.layers.Dense(decoder.state_features)(inputs[:, 0])
    h = keras.layers.Dropout(0.5, name="output_dropout")(decoder(embed(written), s_0, seen))
    model = keras.Model([inputs, written], embed(h, reverse=True))
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.7, size=weight.shape))
    return model


INPUTS = np.random.default_rng(5).normal(size=(6, 3, 4)).astype("float32")


@pytest.mark.parametrize("attends", [True, False])
def test_stepwise_decoding_gives_the_logits_of_the_model(attends):
    model, written = build(attends), np.random.default_rng(1).integers(4, 9, (6, 5))
    expected, decoder = numbers(model([INPUTS, written])), decoding.StepwiseDecoder(model)
    states, memory = decoder.start(INPUTS)
    for t in range(5):
        logits, states, weights = decoder.step(written[:, t], states, memory)
        np.testing.assert_allclose(numbers(logits), expected[:, t], atol=1e-5)
        assert (weights is not None) == attends


def test_the_teacher_forced_part_gives_the_logits_of_the_model_and_drops_in_training():
    model, written = build(True), np.random.default_rng(1).integers(4, 9, (6, 5))
    decoder = decoding.StepwiseDecoder(model)
    encoded = decoder.encoder(INPUTS)
    logits = decoder.logits(decoder.teacher_forced([written, *encoded]))
    np.testing.assert_allclose(numbers(logits), numbers(model([INPUTS, written])), atol=1e-5)
    dropped = numbers(decoder.teacher_forced([written, *encoded], training=True)) == 0
    assert 0.3 < dropped.mean() < 0.7


@pytest.mark.parametrize("beam_width", [1, 3])
def test_a_search_sees_weights_that_change_after_it_was_compiled(beam_width):
    model = build(True)
    search = decoding.Search(decoding.StepwiseDecoder(model), beam_width, longest=6)
    tokens, scores = search.predict(INPUTS, verbose=0)
    assert tokens.shape == (6, beam_width, 6) and scores.shape == (6, beam_width)
    for weight in model.trainable_variables:
        weight.assign(-0.5 * weight)
    again = decoding.Search(decoding.StepwiseDecoder(model), beam_width, longest=6).predict(INPUTS, verbose=0)
    np.testing.assert_allclose(search.predict(INPUTS, verbose=0)[1], again[1], rtol=1e-5)
    assert np.abs(scores - again[1]).max() > 0.01


def test_attention_weights_are_those_of_each_step():
    model = build(True)
    weights = decoding.attention_weights(decoding.StepwiseDecoder(model), INPUTS[0], [5, 7, END])
    assert weights.shape == (3, 3)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-5)
    assert np.abs(weights[0] - weights[1]).max() > 1e-3


class Letters:
    """Subwords that are digits."""

    def ids(self, texts):
        return [[int(letter) for letter in text] for text in texts]

    def texts(self, rows):
        return ["".join(map(str, row)).split("3")[0] for row in rows]


class Repeat:
    """A decoder that repeats the first token of its input, as often as the input is long."""

    models = ()

    def start(self, inputs):
        length = ops.sum(ops.cast(inputs != 0, "int32"), axis=1)
        return [length], [inputs[:, 0]]

    def step(self, tokens, states, memory):
        following = ops.where(states[0] > 0, memory[0], END)
        return 9.0 * ops.one_hot(following, 9), [states[0] - 1], None


def test_translations_come_in_the_order_of_the_sentences():
    search = decoding.Search(Repeat(), beam_width=2, longest=7)
    found = decoding.translate(search, Letters(), ["45", "6777", "8"], batch_size=2)
    assert [hypotheses[0][0] for hypotheses in found] == ["44", "6666", "8"]
    assert all(first >= second for (_, first), (_, second) in found)


def test_free_decoding_adds_the_score_of_what_is_written_to_the_logs():
    search = decoding.Search(Repeat(), beam_width=1, longest=7)
    score = lambda texts: float(texts == ["44", "8"])
    callback = decoding.FreeDecoding("right", search, Letters(), np.array([[4, 5], [8, 0]]), score)
    logs = {"loss": 1.0}
    callback.on_epoch_end(0, logs)
    assert logs == {"loss": 1.0, "val_right": 1.0}
