"""Rewards of single captions, beside pycocoevalcap's CIDEr and sacrebleu's BLEU."""

from toolkit.metrics import rewards

import numpy as np
import pytest
import sacrebleu
from pycocoevalcap.cider.cider import Cider

rng = np.random.default_rng(0)
WORDS = [f"w{i}" for i in range(25)]


def text(longest=12):
    return " ".join(rng.choice(WORDS, rng.integers(2, longest)))


@pytest.mark.parametrize("end", ["", " ."])
def test_the_cider_reward_equals_cider_of_pycocoevalcap(end):
    references = [[text() for _ in range(rng.integers(1, 6))] for _ in range(40)]
    captions = [row[0] + " " + text(4) if i % 2 else text() for i, row in enumerate(references)]
    known = {i: [line + end for line in row] for i, row in enumerate(references)}
    _, expected = Cider().compute_score(known, {i: [line + end] for i, line in enumerate(captions)})
    reward = rewards.CiderReward(references, end)
    np.testing.assert_allclose(reward(range(40), captions), expected, rtol=1e-5)
    few = [31, 3, 3]  # a few at a time score the same, because the document frequencies are fixed
    np.testing.assert_allclose(reward(few, [captions[i] for i in few]), expected[few], rtol=1e-5)
    assert expected.min() < 0.5 and expected.max() > 2


def test_the_cider_reward_of_a_text_without_known_words_is_0():
    assert rewards.CiderReward([["a dog", "the dog"], ["one cat"]], "")([0, 1], ["", "dog"]).tolist() == [0, 0]


def test_the_bleu_reward_is_the_mean_of_smoothed_bleu_1_to_4():
    lengths = rng.integers(4, 12, 40)  # all references of a picture have one length, so that its quartile is that
    references = [[" ".join(rng.choice(WORDS[:9], n)) for _ in range(5)] for n in lengths]
    captions = [" ".join([*rng.choice(WORDS[:9], rng.integers(1, 9)), *row[0].split()[:3]]) for row in references]
    options = {"tokenize": "none", "smooth_method": "add-k", "smooth_value": 1, "effective_order": False}
    metrics = [sacrebleu.BLEU(max_ngram_order=n, **options) for n in (1, 2, 3, 4)]
    scores = [[m.sentence_score(text, row).score / 100 for m in metrics] for text, row in zip(captions, references)]
    expected = np.mean(scores, axis=1)
    found = rewards.BleuReward(references)(range(40), captions)
    assert found.dtype == "float32" and min(expected) < 0.35 and max(expected) > 0.6
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def mean_bleu(*precisions):
    return np.mean([np.prod(precisions[:n]) ** (1 / n) for n in (1, 2, 3, 4)])


def test_the_brevity_penalty_compares_with_the_lower_quartile_of_lengths():
    reward = rewards.BleuReward([["a b c d", "a b c d e f"], ["a"]])
    assert reward([0], ["a b c d"]) == pytest.approx(np.exp(1 - 4.5 / 4))
    assert reward([0], ["a b c d e"]) == 1


def test_the_bleu_reward_of_hard_cases():
    reward = rewards.BleuReward([["a b c d", "a b c d e f"], ["a"]])
    one_word = mean_bleu(1, 1, 1, 1) * np.exp(1 - 4.5)  # no longer n-gram: only the smoothing counts
    assert reward([1, 0, 0], ["", "x", "d"]).tolist() == pytest.approx([0, 0, one_word])
    assert reward([0], ["a a a a"]) == pytest.approx(mean_bleu(1 / 4, 1 / 4, 1 / 3, 1 / 2) * np.exp(1 - 4.5 / 4))


@pytest.mark.parametrize("weight", [0, 1.5])
def test_the_caption_reward_is_cider_plus_weighted_bleu(weight):
    references = [["a b c d", "a b c d e f"], ["a d", "c a"]]
    captions = [0, 1, 1], ["a b c d", "a d", "c e"]
    cider, bleu = rewards.CiderReward(references)(*captions), rewards.BleuReward(references)(*captions)
    assert (cider > 0).sum() >= 2 and bleu.min() > 0
    found = rewards.caption_reward(references, weight)(*captions)
    assert found.dtype == "float32"
    np.testing.assert_allclose(found, cider + weight * bleu, rtol=1e-6)
