"""Metrics of captions, beside values worked out by hand."""

import shutil

from toolkit.metrics import captions

import pytest

java = shutil.which("java")


@pytest.fixture(autouse=True)
def no_java(monkeypatch):
    """METEOR, which needs it, takes seconds for each report."""
    monkeypatch.setattr(shutil, "which", lambda name: None)


REFERENCES = [["a dog runs on grass", "the dog runs"], ["two cats sleep", "cats asleep"]]


def test_captions_that_equal_a_reference_have_perfect_scores():
    perfect = captions.scores(["The dog runs.", "two cats sleep"], REFERENCES)
    assert perfect["exact"] == 1 and perfect["bleu1"] == pytest.approx(1) and perfect["rouge_l"] == pytest.approx(1)


def test_bleu1_is_the_share_of_correct_words():
    found = captions.scores(["a dog runs", "one bird"], REFERENCES)
    assert found["bleu1"] == pytest.approx(3 / 5)  # no shorter than the closest references
    assert found["exact"] == 0


def test_cider_alone_equals_cider_among_the_scores():
    texts = ["a dog runs", "one bird"]
    assert captions.cider(texts, REFERENCES) == pytest.approx(captions.scores(texts, REFERENCES)["cider"])
    assert 0 < captions.cider(texts, REFERENCES) < captions.cider(["The dog runs.", "two cats sleep"], REFERENCES)


def test_a_caption_is_scored_in_lower_case_without_punctuation():
    assert captions.normalized("A Dog's ball, red-and-blue ; two  .") == "a dog's ball red-and-blue two"


@pytest.mark.slow
@pytest.mark.skipif(not java, reason="METEOR needs Java")
def test_meteor_is_reported_where_java_is_installed(monkeypatch):
    texts, references = ["a dog runs", "two cats"], [["a dog runs", "the dog is running"], ["one bird"]]
    assert "meteor" not in captions.scores(texts, references)
    monkeypatch.setattr(shutil, "which", lambda name: java)
    assert 0.2 < captions.scores(texts, references)["meteor"] < 1
