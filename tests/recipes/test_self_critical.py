"""Self-critical training: the reward beside pycocoevalcap's CIDEr, the loss beside NumPy, and that it learns."""

import keras
import numpy as np
import pytest
import sacrebleu
from keras import ops
from pycocoevalcap.cider.cider import Cider

from recipes import decoding, self_critical
from recipes.captioner import Captioner
from recipes.translation_text import END, START

rng = np.random.default_rng(0)
WORDS = [f"w{i}" for i in range(25)]


def text(longest=12):
    return " ".join(rng.choice(WORDS, rng.integers(2, longest)))


@pytest.mark.parametrize("end", ["", " ."])
def test_the_reward_is_cider(end):
    references = [[text() for _ in range(rng.integers(1, 6))] for _ in range(40)]
    said = [row[0] + " " + text(4) if i % 2 else text() for i, row in enumerate(references)]
    known = {i: [line + end for line in row] for i, row in enumerate(references)}
    _, expected = Cider().compute_score(known, {i: [line + end] for i, line in enumerate(said)})
    reward = self_critical.Cider(references, end)
    np.testing.assert_allclose(reward(range(40), said), expected, rtol=1e-5)
    some = [31, 3, 3]  # fixed document frequencies: a few at a time score the same
    np.testing.assert_allclose(reward(some, [said[i] for i in some]), expected[some], rtol=1e-5)
    assert expected.min() < 0.5 and expected.max() > 2


def test_the_other_reward_is_the_mean_of_smoothed_bleu_1_to_4():
    lengths = rng.integers(4, 12, 40)  # one length for all references, whichever of them is asked for
    references = [[" ".join(rng.choice(WORDS[:9], n)) for _ in range(5)] for n in lengths]
    said = [" ".join([*rng.choice(WORDS[:9], rng.integers(1, 9)), *row[0].split()[:3]]) for row in references]
    options = {"tokenize": "none", "smooth_method": "add-k", "smooth_value": 1, "effective_order": False}
    measures = [sacrebleu.BLEU(max_ngram_order=n, **options) for n in (1, 2, 3, 4)]
    scores = [[m.sentence_score(text, row).score / 100 for m in measures] for text, row in zip(said, references)]
    expected = np.mean(scores, axis=1)
    found = self_critical.Bleu(references)(range(40), said)
    assert found.dtype == "float32" and min(expected) < 0.35 and max(expected) > 0.6
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_bleu_asks_for_the_lower_quartile_of_lengths():
    reward = self_critical.Bleu([["a b c d", "a b c d e f"], ["a"]])
    assert reward([0], ["a b c d"]) == pytest.approx(np.exp(1 - 4.5 / 4)) and reward([0], ["a b c d e"]) == 1
    up_to_4 = lambda *precisions: np.mean([np.prod(precisions[:n]) ** (1 / n) for n in (1, 2, 3, 4)])
    nothing_longer = up_to_4(1, 1, 1, 1) * np.exp(1 - 4.5)
    assert reward([1, 0, 0], ["", "x", "d"]).tolist() == pytest.approx([0, 0, nothing_longer])
    assert reward([0], ["a a a a"]) == pytest.approx(up_to_4(1 / 4, 1 / 4, 1 / 3, 1 / 2) * np.exp(1 - 4.5 / 4))


def test_the_judge_weighs_bleu_beside_cider():
    references = [["a b c d", "a b c d e f"], ["a d", "c a"]]
    said = [0, 1, 1], ["a b c d", "a d", "c e"]
    cider, bleu = self_critical.Cider(references)(*said), self_critical.Bleu(references)(*said)
    assert (cider > 0).sum() >= 2 and bleu.min() > 0
    for weight in (0, 1.5):
        found = self_critical.judge(references, weight)(*said)
        assert found.dtype == "float32"
        np.testing.assert_allclose(found, cider + weight * bleu, rtol=1e-6)


def test_a_text_without_words_scores_nothing():
    assert self_critical.Cider([["a dog", "the dog"], ["one cat"]], "")([0, 1], ["", "dog"]).tolist() == [0, 0]


def network():
    settings = {"units": 8, "layers": 1, "embedding": 6, "dropout": 0.0, "seed": 0, "encoder": "cnn", "size": 32}
    model = Captioner(9, "attention", "gru", looks=False, **settings)
    model.build(((None, 4, 5), (None, None)))
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.5, size=weight.shape))
    return model


def compiled(reward, rate):
    writer = self_critical.Writer(network(), reward, longest=6, seed=0)
    writer.compile(keras.optimizers.SGD(rate), jit_compile=False)
    return writer


def test_one_step_is_the_gradient_of_the_loss():
    seen, numbers = rng.normal(size=(3, 4, 5)).astype("float32"), np.array([7, 8, 9])
    asked = []

    def reward(numbers, tokens):
        asked.append((numbers, tokens))
        return (numbers + np.sin(tokens.sum(axis=1))).astype("float32")

    writer = compiled(reward, 1.0)
    model, before = writer.network, [w.numpy() for w in writer.trainable_variables]
    writer.train_on_batch(seen, numbers)
    (found_numbers, tokens), moved = asked[0], [w.numpy() for w in writer.trainable_variables]
    np.testing.assert_array_equal(found_numbers, np.repeat(numbers, self_critical.SENTENCES))
    assert tokens.shape == (3 * self_critical.SENTENCES, 6) and len(np.unique(tokens, axis=0)) > 8

    rewards = reward(found_numbers, tokens).reshape(3, -1)
    advantage = np.array([[r - np.delete(row, k).mean() for k, r in enumerate(row)] for row in rewards]).reshape(-1)

    def loss():
        written = np.concatenate([np.full((len(tokens), 1), START), tokens[:, :-1]], axis=1)
        logits = np.array(model((np.repeat(seen, self_critical.SENTENCES, axis=0), written)))
        logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        right = np.take_along_axis(logs, tokens[..., None], axis=-1)[..., 0] * (tokens != 0)
        return -(advantage[:, None] * right).sum() / (tokens != 0).sum()

    for place, weight in enumerate(writer.trainable_variables):
        gradient = before[place] - moved[place]
        direction = rng.normal(size=weight.shape)
        values = []
        for sign in (1, -1):
            for w, value in zip(writer.trainable_variables, before):
                w.assign(value)
            weight.assign(before[place] + sign * 0.01 * direction)
            values.append(loss())
        assert (values[0] - values[1]) / 0.02 == pytest.approx((gradient * direction).sum(), abs=2e-3), weight.path


def test_it_learns_what_is_rewarded():
    seen, numbers = np.tile(2 * rng.normal(size=(2, 4, 5)), (8, 1, 1)).astype("float32"), np.arange(16)
    wanted = 4 + numbers % 2 * 3  # which token is good depends on the input
    writer = compiled(lambda numbers, tokens: (tokens == wanted[numbers][:, None]).sum(axis=1).astype("float32"), 1.0)
    writer.compile(keras.optimizers.Adam(0.02), jit_compile=False)
    rewards = [writer.train_on_batch(seen, numbers, return_dict=True)["reward"] for _ in range(150)]
    assert np.mean(rewards[:5]) < 1.5 and np.mean(rewards[-5:]) > 5
    tokens, _ = decoding.greedy(writer.step, *writer.begin(seen), START, END, 6)
    assert (np.array(tokens) == wanted[:, None]).mean() > 0.95


@pytest.mark.parametrize("block", [2, 4, 64])
def test_draws_follow_the_probabilities_and_the_seed(block, monkeypatch):
    monkeypatch.setattr(decoding, "BLOCK", block)
    model = network()
    seen = np.repeat(rng.normal(size=(1, 4, 5)), 4000, axis=0).astype("float32")
    chances = rng.uniform(size=(4000, 3)).astype("float32")
    tokens, total = (np.array(x) for x in decoding.sampled(model.step, *model.begin(seen), START, END, chances))
    logits, *_ = model.step(np.array([START]), *model.begin(seen[:1]))
    expected = np.array(ops.softmax(logits))[0]
    shares = np.bincount(tokens[:, 0], minlength=9) / 4000
    np.testing.assert_allclose(shares, expected, atol=4 * np.sqrt(expected.max() / 4000))
    one = tokens[:, 0] == 5
    assert total[tokens[:, 0] == END] == pytest.approx(np.log(expected[END]), abs=1e-4)
    assert one.any() and (total[one] < np.log(expected[5])).all()
    assert (tokens[tokens[:, 0] == END][:, 1:] == 0).all()
    again, _ = decoding.sampled(model.step, *model.begin(seen), START, END, chances)
    np.testing.assert_array_equal(again, tokens)
    ends = decoding.sampled(model.step, *model.begin(seen[:2]), START, END, np.array([[0.0] * 3, [1.0] * 3], "float32"))
    assert np.array(ends[0])[:, 0].tolist() == [0, 8]
