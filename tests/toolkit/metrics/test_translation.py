"""Scores of translations, against sacrebleu's own functions."""

from toolkit.metrics import translation

import pytest
import sacrebleu

HYPOTHESES = ["A man-made lake, it's big.", "Two dogs run on the green grass.", "He plays."]
REFERENCES = ["a man-made lake, it's very big.", "Two dogs run over the green grass.", "He plays."]


@pytest.fixture(scope="module")
def scored():
    return translation.scores(HYPOTHESES, REFERENCES, "en")


def test_bleu_and_chrf_are_sacrebleus(scored):
    values, _ = scored
    assert values["bleu"] == pytest.approx(sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES]).score)
    assert values["chrf"] == pytest.approx(sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score)


def test_bleu_lc_tok_is_in_lower_case_and_cut_by_mosess_rules(scored):
    values, signatures = scored
    tokenized = [
        ["a man @-@ made lake , it 's big .", "two dogs run on the green grass .", "he plays ."],
        ["a man @-@ made lake , it 's very big .", "two dogs run over the green grass .", "he plays ."],
    ]
    expected = sacrebleu.corpus_bleu(tokenized[0], [tokenized[1]], tokenize="none", force=True).score
    assert values["bleu_lc_tok"] == pytest.approx(expected) and values["bleu_lc_tok"] != values["bleu"]
    assert "case:lc" in signatures["bleu_lc_tok"] and "tok:none" in signatures["bleu_lc_tok"]


def test_text_without_spaces_is_cut_into_characters():
    assert translation.bleu(["私は本を読む"], ["私は本を読んだ"], "ja") > 50
    assert translation.bleu(["私は本を読む"], ["私は本を読んだ"], "en") == 0


def test_where_no_reference_has_four_words_bleu_is_of_fewer():
    values, signatures = translation.scores(["898", "1126", "3"], ["898", "1125", "3"])
    assert values["bleu"] == values["bleu_lc_tok"] == pytest.approx(200 / 3)
    assert "eff:yes" in signatures["bleu"] and "eff:no" in translation.scores(HYPOTHESES, REFERENCES)[1]["bleu"]


def test_bleu_by_length_groups_sentences_by_the_words_of_the_source():
    sources = ["one two", "one two three", "a b c d e f g", "a b c d e f g h i j k l m n o p q r s t u"]
    texts = ["he sees the small dog", "we go home now again", "x y z w v", "one two three four five"]
    curve = translation.by_length(sources, [*texts[:3], "another sentence it is"], texts)
    assert curve["sentences"].to_dict() == {"0–5": 2, "6–8": 1, "20+": 1}
    assert curve["bleu"].iloc[:2].tolist() == pytest.approx([100, 100]) and curve["bleu"].iloc[2] < 20


def test_a_band_includes_its_lower_bound():
    assert translation.by_length(["a b c d e f"], ["a b c d e"], ["a b c d e"]).index.tolist() == ["6–8"]
