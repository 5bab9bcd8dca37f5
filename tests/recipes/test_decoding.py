"""Greedy and beam search over a small network with random weights, beside a search through every sentence there is."""

import numpy as np
import pytest
from keras import ops

from recipes import decoding

VOCABULARY, LONGEST, UNITS, BATCH = 4, 4, 6, 5
START, END = 1, 2
rng = np.random.default_rng(0)
E = rng.normal(size=(VOCABULARY, UNITS)).astype("float32")
W = rng.normal(size=(UNITS, UNITS)).astype("float32") * 0.8
O = rng.normal(size=(UNITS, VOCABULARY)).astype("float32") * 1.5
STATES, MEMORY = rng.normal(size=(2, BATCH, UNITS)).astype("float32")


def step(tokens, states, memory):
    h = ops.tanh(ops.take(E, tokens, axis=0) + ops.matmul(states[0], W) + memory[0])
    return ops.matmul(h, O), [h], ops.softmax(3 * h[:, :3])


def log_softmax(x):
    return x - np.log(np.exp(x).sum())


def every_sentence(i, length_penalty, coverage_penalty, length_reward):
    """All (score, tokens) of the batch's i-th row, the best first, in NumPy."""
    found = []

    def go_on(tokens, h, total, covered):
        if tokens and tokens[-1] == END or len(tokens) == LONGEST:
            score = total / ((5 + len(tokens)) / 6) ** length_penalty + length_reward * len(tokens)
            found.append((score + coverage_penalty * np.log(np.minimum(covered, 1)).sum(), tokens))
            return
        h = np.tanh(E[tokens[-1] if tokens else START] + h @ W + MEMORY[i])
        chances, weights = log_softmax(h @ O), np.exp(log_softmax(3 * h[:3]))
        for token in range(VOCABULARY):
            go_on([*tokens, token], h, total + chances[token], covered + weights)

    go_on([], STATES[i], 0.0, np.zeros(3))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("penalties", [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.7, 0.3, 0.0), (0.0, 0.0, 0.3)])
def test_with_room_for_every_sentence_beam_search_is_exhaustive(penalties):
    tokens, scores = decoding.beam_search(step, [STATES], [MEMORY], START, END, LONGEST, 122, *penalties)
    for i in range(BATCH):
        expected = every_sentence(i, *penalties)
        assert len(expected) == 121
        np.testing.assert_allclose(scores[i][:121], [score for score, _ in expected], rtol=1e-5)
        for (_, sentence), found in list(zip(expected, np.array(tokens[i])))[:40]:
            np.testing.assert_array_equal(found, sentence + [0] * (LONGEST - len(sentence)))
        assert np.isneginf(scores[i][121:]).all()


def narrow_search(i, width, length_penalty):
    """The score of the best sentence that a search with `width` beginnings finds in `LONGEST` steps."""
    alive, ended = [(0.0, [], STATES[i])], []
    for length in range(1, LONGEST + 1):
        grown = []
        for total, tokens, h in alive:
            h = np.tanh(E[tokens[-1] if tokens else START] + h @ W + MEMORY[i])
            grown += [(total + chance, [*tokens, t], h) for t, chance in enumerate(log_softmax(h @ O))]
        grown.sort(key=lambda row: -row[0])
        ended += [
            total / ((5 + length) / 6) ** length_penalty for total, tokens, _ in grown[:width] if tokens[-1] == END
        ]
        alive = [row for row in grown if row[1][-1] != END][:width]
    return max([*ended, *(total / ((5 + LONGEST) / 6) ** length_penalty for total, _, _ in alive)])


@pytest.mark.parametrize("length_penalty", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_stopping_early_loses_nothing(width, length_penalty):
    _, scores = decoding.beam_search(step, [STATES], [MEMORY], START, END, LONGEST, width, length_penalty)
    expected = [narrow_search(i, width, length_penalty) for i in range(BATCH)]
    np.testing.assert_allclose(scores[:, 0], expected, rtol=1e-5)


def test_a_sentence_that_ended_does_not_stop_one_that_may_score_better_when_longer():
    first, then = np.log([0.05, 1e-9, 0.5, 0.45]), np.log([1e-9, 1e-9, 1e-9, 1.0])  # 3 follows 3, surely

    def surely(tokens, states, memory):
        return ops.cast(ops.where(tokens[:, None] == START, first, then), "float32"), states, None

    start = [np.zeros((1, 1), "float32")]
    tokens, scores = decoding.beam_search(surely, start, [], START, END, LONGEST, 1, 3.0)
    np.testing.assert_array_equal(tokens[0, 0], [3, 3, 3, 3])
    np.testing.assert_allclose(scores[0, 0], np.log(0.45) / (9 / 6) ** 3, rtol=1e-5)


@pytest.mark.parametrize("reward, written", [(0.5, [END, 0, 0, 0]), (0.8, [3, 3, 3, END])])
def test_a_length_reward_buys_words_that_cost_less(reward, written):
    first, then = np.log([1e-9, 1e-9, 0.6, 0.4]), np.log([1e-9, 1e-9, 0.5, 0.5])  # 3 costs .69 nats or more

    def step(tokens, states, memory):
        end = states[0][:, :1] >= 3  # then END follows, surely
        chances = ops.where(end, np.log([1e-9, 1e-9, 1.0, 1e-9]), ops.where(tokens[:, None] == START, first, then))
        return ops.cast(chances, "float32"), [states[0] + 1], None

    start = [np.zeros((1, 1), "float32")]
    tokens, _ = decoding.beam_search(step, start, [], START, END, LONGEST, 3, 0.0, 0.0, reward)
    np.testing.assert_array_equal(tokens[0, 0], written)


def test_with_a_length_reward_it_ends_where_no_beginning_passes_what_ended():
    steps = []

    def surely(tokens, states, memory):  # END, or else 4.6 nats
        steps.append(1)
        chances = np.log([0.01, 0.01, 0.97, 0.01])
        return ops.cast(ops.broadcast_to(chances, (len(tokens), 4)), "float32"), states, None

    decoding.beam_search(surely, [np.zeros((1, 1), "float32")], [], START, END, 50, 1, 0.0, 0.0, 0.8)
    assert len(steps) == 1


def test_with_a_length_reward_no_sentence_depends_on_its_batch():
    rng = np.random.default_rng(0)
    tables = rng.normal(0, 2, (12, 8, 8)).astype("float32")  # log P of each token behind each, of each sentence
    tables[:, :, END] += 0.5
    tables[:, :, :END] -= 9

    def step(tokens, states, memory):
        return ops.take_along_axis(memory[0], ops.cast(tokens, "int32")[:, None, None], axis=1)[:, 0], states, None

    def best(tables):
        states = [np.zeros((len(tables), 1), "float32")]
        tokens, scores = decoding.beam_search(step, states, [tables], START, END, 20, 2, 0.0, 0.0, 0.5)
        return np.array(tokens)[:, 0], np.array(scores)[:, 0]

    tokens, scores = best(tables)
    alone = [best(tables[i : i + 1]) for i in range(12)]
    np.testing.assert_array_equal(tokens, np.concatenate([row for row, _ in alone]))
    np.testing.assert_allclose(scores, np.concatenate([score for _, score in alone]), rtol=1e-5)


def test_width_1_is_greedy():
    greedy, total = decoding.greedy(step, [STATES], [MEMORY], START, END, LONGEST)
    tokens, scores = decoding.beam_search(step, [STATES], [MEMORY], START, END, LONGEST, 1, 0.0)
    np.testing.assert_array_equal(tokens[:, 0], greedy)
    np.testing.assert_allclose(scores[:, 0], total, rtol=1e-5)
    assert END in np.array(greedy) and (np.array(greedy)[:, -1] != 0).any()  # some end early, some are cut


def test_greedy_takes_the_likeliest_token_of_each_step():
    greedy, total = map(np.array, decoding.greedy(step, [STATES], [MEMORY], START, END, LONGEST))
    for i in range(BATCH):
        h, token, expected, sentence = STATES[i], START, 0.0, []
        while len(sentence) < LONGEST and token != END:
            h = np.tanh(E[token] + h @ W + MEMORY[i])
            token = int(np.argmax(h @ O))
            expected += log_softmax(h @ O)[token]
            sentence.append(token)
        np.testing.assert_array_equal(greedy[i], sentence + [0] * (LONGEST - len(sentence)))
        np.testing.assert_allclose(total[i], expected, rtol=1e-5)


def test_a_wider_beam_finds_no_worse_a_sentence():
    best = [
        np.array(decoding.beam_search(step, [STATES], [MEMORY], START, END, LONGEST, width, 0.0)[1])[:, 0]
        for width in (1, 3, 122)
    ]
    assert (best[1] >= best[0] - 1e-6).all() and (best[2] >= best[1] - 1e-6).all() and (best[2] > best[0]).any()


def test_each_step_costs_one_step():
    calls = []

    def counted(tokens, states, memory):
        calls.append(tokens.shape)
        return step(tokens, states, memory)

    decoding.beam_search(counted, [STATES], [MEMORY], START, END, LONGEST, 3, 0.0)
    assert 1 <= len(calls) <= LONGEST and set(calls) == {(3 * BATCH,)}


class Member:
    """The network above with its output scaled."""

    settings = {}

    def __init__(self, scale):
        self.scale = scale

    def begin(self, start):
        return [start, start[:, :1]], [ops.convert_to_tensor(MEMORY)]

    def step(self, tokens, states, memory):
        logits, (h,), weights = step(tokens, states[:1], memory)
        return self.scale * logits + states[1], [h, states[1] + 1], weights


def test_an_ensemble_writes_with_the_mean_of_the_probabilities():
    members = [Member(1.0), Member(-0.5), Member(3.0)]
    states, memory = decoding.Ensemble(members[:1]).begin(STATES)
    assert (len(states), len(memory)) == (2, 1)
    together = decoding.Ensemble(members)
    states, memory = together.begin(STATES)
    assert (len(states), len(memory)) == (6, 3)
    alone = [member.begin(STATES) for member in members]
    for tokens in (np.full(BATCH, START), np.arange(BATCH) % VOCABULARY):
        found, states, _ = together.step(tokens, states, memory)
        stepped = [member.step(tokens, *own) for member, own in zip(members, alone)]
        alone = [(after, own[1]) for (_, after, _), own in zip(stepped, alone)]
        expected = np.mean([ops.softmax(logits) for logits, _, _ in stepped], axis=0)
        np.testing.assert_allclose(ops.exp(found), expected, rtol=1e-4)
