"""The translation recipe from the command line, on the grammar that comes along and on a user's own pairs."""

import io
import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sacrebleu

from datasets import translation as pairs
from recipes import common, encoder_decoder, translation, translation_grid, translation_report, translation_text
from recipes.translation_text import END, START, Subwords

SMALL = ["--units", "8", "--embedding", "8", "--epochs", "1", "--vocabulary", "400"]


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(pairs, "SIZES", {"train": 300, "validation": 40, "test": 40})


def test_train_evaluate_predict(call, few, capsys, monkeypatch):
    more = ["--lexical", "--word-dropout", 0.2, "--length-penalty", 0, "--length-reward", 9]
    assert call("--run-dir", "mine", *more, *SMALL) == 0
    report = capsys.readouterr().out
    left = {path.name for path in Path("mine").iterdir()} - {"tensorboard", "learning_curves.png"}
    assert left == {
        *("config.json", "checkpoint.npz", "history.csv", "metrics.json", "model.keras", "subwords.model"),
        *("translations-test.tsv", "bleu_by_length-test.png"),
    }
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert {*metrics} == {"minutes", "bleu", "chrf", "bleu_lc_tok"}
    assert "nrefs:1|case:mixed" in report and "300 train, 40 validation, 40 test" in report
    table = pd.read_csv("mine/translations-test.tsv", sep="\t", keep_default_na=False)
    expected = sacrebleu.corpus_bleu(table["translation"].tolist(), [table["target"].tolist()]).score
    assert metrics["bleu"] == pytest.approx(expected)

    assert call("evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in report
    assert call("evaluate", "--run", "mine", "--length-reward", 0) == 0
    assert capsys.readouterr().out.strip() not in report
    assert call("evaluate", "--run", "mine", "--beam", 1, "--validation") == 0
    assert "The validation part, 40 sentences" in capsys.readouterr().out

    assert call("predict", "--run", "mine", "The cat sees a dog.", "--beam", 3, "--coverage-penalty", 0.2) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "1: The cat sees a dog." and said[4].strip() == f"drawn in {Path('mine/attention-1.png')}"
    beams = [float(line.split()[0]) for line in said[1:4]]
    assert beams == sorted(beams, reverse=True)
    assert Path("mine/attention-1.png").stat().st_size > 5000
    monkeypatch.setattr(sys, "stdin", io.StringIO("日本語です\n" + "the cat " * 400 + "\n\nnot read\n"))
    assert call("predict", "--run", "mine") == 0
    said = capsys.readouterr().out
    assert "1: 日本語です" in said and "2: the cat" in said and "3: " not in said


def test_without_attention_nothing_is_drawn(call, few, capsys):
    assert call("--run-dir", "mine", "--attention", "none", "--reading", "reversed", *SMALL) == 0
    capsys.readouterr()
    assert call("predict", "--run", "mine", "The cat sees a dog.") == 0
    assert "drawn" not in capsys.readouterr().out
    assert call("predict", "--run", "mine", "The cat sees a dog.", "--coverage-penalty", 0.2) == 2
    assert "needs a network with attention" in capsys.readouterr().err


def test_every_part_of_a_training_resumes(call, few, monkeypatch):
    options = ["--scheduled-sampling", 0.3, "--averaging", 0.9, "--epochs", 2, "--dropout", 0.2]
    options = [*SMALL[:4], "--vocabulary", 400, "--subword-dropout", 0.1, *options]
    assert call("--run-dir", "whole", *options) == 0

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(translation_text.FreeDecoding, "on_epoch_end", dying(translation_text.FreeDecoding, killed))
        with pytest.raises(KeyboardInterrupt):
            translation.train(**defaults(options, "stopped"))
    assert pd.read_csv("stopped/history.csv")["epoch"].tolist() == [1]
    assert call("--run-dir", "stopped", *options, "--resume") == 0
    assert Path("whole/history.csv").read_text() == Path("stopped/history.csv").read_text()
    models = [common.Run(name).model() for name in ("whole", "stopped")]
    for one, other in zip(*(model.get_weights() for model in models)):
        np.testing.assert_array_equal(one, other)


def dying(callback, killed):
    """The callback's own method in the first epoch, and death in the second."""
    before = callback.on_epoch_end
    return lambda self, epoch, logs: killed() if epoch else before(self, epoch, logs)


def defaults(options, run_dir):
    given = {name.removeprefix("--").replace("-", "_"): value for name, value in zip(options[::2], options[1::2])}
    given = {name: type(common.defaults(translation.train)[name])(value) for name, value in given.items()}
    return common.defaults(translation.train) | given | {"run_dir": run_dir}


def test_publish_once_a_seed_and_again(call, few, eagerly, capsys, monkeypatch):
    quick = {"units": 8, "embedding": 8, "epochs": 1, "vocabulary": 400, "longest": 40}
    monkeypatch.setitem(translation.VARIANTS, "de-en.none", quick | {"attention": "none"})
    for _ in range(2):
        assert call("publish", "--variant", "de-en.none", "--seeds", 2, "--output", ".") == 0
        result = json.loads(Path("translation.de-en.none.json").read_text())
        runs = [json.loads(Path(f"runs/translation/de-en.none-seed{seed}/metrics.json").read_text()) for seed in (0, 1)]
        for name in ("bleu", "chrf", "bleu_lc_tok"):
            assert result["metrics"][name]["values"] == pytest.approx([run[name] for run in runs], abs=1e-5)
        assert [row["value"] for row in result["published"]] == [13.8, 20.6]
        assert {name for name, metric in result["metrics"].items() if not metric["values"]} == {
            f"{name}_seeds_together" for name in ("bleu", "chrf", "bleu_lc_tok")
        }
    assert call("publish", "--variant", "de-en.none", "--seeds", 1, "--output", ".") == 0
    alone = json.loads(Path("translation.de-en.none.json").read_text())["metrics"]["bleu"]
    first = result["metrics"]["bleu"]["values"][0]
    assert alone == {"values": [first], "mean": first, "sd": None}  # a spread of one would be no number
    assert capsys.readouterr().out.count("If this is stopped") == 2  # but for the first time nothing is trained


def test_grid_in_parts(call, few, eagerly, capsys, monkeypatch):
    monkeypatch.setattr(encoder_decoder, "SCORES", {"none": None, "multiplicative": {"score": "general"}})

    def table(*options):
        options = ["--data", "grammar", "--direction", "fr-en", "--units", 8, "--output", ".", *options]
        monkeypatch.setattr(sys, "argv", ["translation_grid.py", *map(str, options)])
        with pytest.raises(SystemExit) as caught:
            common.main(translation_grid.app)
        assert not caught.value.code
        rows = json.loads(Path("translation.grid.json").read_text())["table"]
        return {(row.pop("cell"), row.pop("attention")): row for row in rows}

    first = table("--epochs", 1, "--embedding", 8, "--cells", "gru")
    both = table("--epochs", 1, "--embedding", 8, "--cells", "simple")
    assert [*both] == [(cell, kind) for cell in ("simple", "gru") for kind in ("none", "multiplicative")]
    for (cell, kind), row in both.items():
        metrics = json.loads(Path(f"runs/translation/grid-{cell}-{kind}-seed0/metrics.json").read_text())
        assert sum(band["sentences"] for band in row.pop("by_length").values()) == 40
        assert row == metrics and (cell == "simple" or first[cell, kind].items() > row.items())
    assert Path("runs/translation/bleu_by_length.png").stat().st_size > 5000
    monkeypatch.setattr(sys, "argv", "translation_grid.py --data grammar --direction fr-en --units 9".split())
    with pytest.raises(SystemExit):
        common.main(translation_grid.app)
    assert "other settings (epochs=1, now 6; units=8, now 9" in capsys.readouterr().err
    shutil.rmtree("runs")
    assert {cell for cell, _ in table("--epochs", 1, "--embedding", 6, "--cells", "simple")} == {"simple"}


def test_own_pairs_in_languages_the_code_has_never_seen(call, capsys):
    rows = [f"{'ab'[i % 2]} {i} ξένος\tκ{i} {'xy'[i % 2]} 語" for i in range(120)]
    Path("own.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    assert call("train", "--data", "own.tsv", "--direction", "qq-zz", "--run-dir", "mine", *SMALL) == 0
    assert "own.tsv, qq to zz: 96 train, 12 validation, 12 test" in capsys.readouterr().out


def test_more_characters_than_subwords(call, capsys):
    rows = [f"{chr(0x4E00 + 7 * i)}{chr(0x4E01 + 7 * i)}\tx {i}\n" for i in range(300)]
    Path("own.tsv").write_text("".join(rows), encoding="utf-8")
    assert call("train", "--data", "own.tsv", "--run-dir", "mine", *SMALL, "--vocabulary", 320) == 2
    error = capsys.readouterr().err
    least = int(re.search(r"needs a --vocabulary of (\d+) or more. Received: 320\n$", error)[1])
    assert call("train", "--data", "own.tsv", "--run-dir", "other", *SMALL, "--vocabulary", least) == 0


def test_what_is_not_utf8_is_one_line(call, few, eagerly, capsys, monkeypatch):
    assert call("train", "--run-dir", "mine", *SMALL) == 0
    Path("latin.txt").write_bytes("groß".encode("latin-1"))
    for arguments in (["gro\udcdf"], ["--file", "latin.txt"], []):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("ja\ngroß\n".encode("latin-1")), "utf-8"))
        assert call("predict", "--run", "mine", *arguments) == 2
        error = capsys.readouterr().err
        assert "utf-8" in error and "Traceback" not in error
    Path("marked.txt").write_bytes("\ufeffthe house\n".encode())
    assert call("predict", "--run", "mine", "--file", "marked.txt") == 0
    assert capsys.readouterr().out.startswith("1: the house\n")
    assert call("predict", "--run", "mine", "--length-penalty", 11, "ja") == 2


def test_wrong_input_is_one_line_and_leaves_nothing_behind(call, capsys):
    Path("one.tsv").write_text("only one side\n")
    Path("short.en").write_text("a\nb\n")
    Path("long.de").write_text("a\nb\nc\n")
    for arguments, said in {
        ("--data", "missing.tsv"): "There is no such file",
        ("--data", "one.tsv"): "line 1: expected two sentences and a tab between",
        ("--data", "short.en,long.de"): "not aligned",
        ("--direction", "en-xx"): "must be en-fr or fr-en",
        ("--attention", "some"): "choose one of none, additive, multiplicative",
        ("--data", "multi30k", "--data-dir", "."): "multi30k",
    }.items():
        assert call("train", *arguments) == 2
        error = capsys.readouterr().err
        assert said in error and "Traceback" not in error
    assert not Path("runs").exists()


def test_verify_passes_and_tells_a_wrong_cell(call, capsys, monkeypatch):
    assert call("verify", "--units", 6, "--embedding", 5) == 0
    assert "FAIL" not in capsys.readouterr().out
    right = common.CELLS["gru"].step

    def wrong(self, wx, uh, states):
        return tuple(1.01 * s for s in right(self, wx, uh, states))

    monkeypatch.setattr(common.CELLS["gru"], "step", wrong)
    assert call("verify", "--units", 6, "--embedding", 5) == 1
    assert "FAIL" in capsys.readouterr().out


# -------------------------------------------------------------------------------------------------- text and scores


def test_subwords_give_the_text_back():
    texts = ["Zwei junge Männer.", "a  b", "日本 <b> ٣", "", "x" * 50]
    subwords = Subwords.learned(["Zwei junge Männer im Freien.", "a b c d"] * 20, 400)
    rows = subwords.numbers(texts)
    assert all(row[-1] == END and END not in row[:-1] for row in rows)
    assert subwords.text(rows) == ["Zwei junge Männer.", "a b", "日本 <b> ٣", "", "x" * 50]
    again = Subwords(subwords.model)
    assert again.numbers(texts) == rows and len(again) == len(subwords) <= 400
    assert subwords.text([[START, *rows[0], 9, 9, 0]]) == [
        "Zwei junge Männer."
    ]  # what stands behind the end is not read


def test_long_pairs_are_left_out_and_told(capsys):
    subwords = Subwords.learned(["a b c d e f g"] * 20, 300)
    table = pd.DataFrame({"source": ["a b", "a b c d e f g", "c"], "target": ["c", "c", "a b c d e f g"]})
    source, target = translation_text.examples(subwords, table, 5)
    assert subwords.text(source) == ["a b"] and subwords.text(target) == ["c"]
    assert "2 of 3 pairs are longer than 5 subwords" in capsys.readouterr().out
    with pytest.raises(common.Stop, match="No pair is left.*Received: 1"):
        translation_text.examples(subwords, table, 1)


def test_teacher_forcing_shifts_by_one():
    (source, written), target = translation_text.teacher_forced(np.array([[7, 3]]), np.array([[5, 6, 3], [8, 3, 0]]))
    np.testing.assert_array_equal(written, [[START, 5, 6], [START, 8, 3]])
    np.testing.assert_array_equal(target, [[5, 6, 3], [8, 3, 0]])


def test_scores_are_taken_as_they_say():
    hypotheses = ["A man-made lake, it's big.", "Two dogs run on the green grass.", "He plays."]
    references = ["a man-made lake, it's very big.", "Two dogs run over the green grass.", "He plays."]
    found, signatures = translation_report.scores(hypotheses, references, "en")
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(hypotheses, [references]).score)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(hypotheses, [references]).score)
    words = [
        ["a man @-@ made lake , it 's big .", "two dogs run on the green grass .", "he plays ."],
        ["a man @-@ made lake , it 's very big .", "two dogs run over the green grass .", "he plays ."],
    ]
    expected = sacrebleu.corpus_bleu(words[0], [words[1]], tokenize="none", force=True).score
    assert found["bleu_lc_tok"] == pytest.approx(expected) and found["bleu_lc_tok"] != found["bleu"]
    assert "case:lc" in signatures["bleu_lc_tok"] and "tok:none" in signatures["bleu_lc_tok"]


def test_scores_by_length():
    sources = ["one two", "one two three", "a b c d e f g", "a b c d e f g h i j k l m n o p q r s t u"]
    texts = ["he sees the small dog", "we go home now again", "x y z w v", "one two three four five"]
    curve = translation_report.by_length(sources, [*texts[:3], "another sentence it is"], texts)
    assert curve["sentences"].to_dict() == {"0–5": 2, "6–8": 1, "20+": 1}
    assert curve["bleu"].iloc[:2].tolist() == pytest.approx([100, 100]) and curve["bleu"].iloc[2] < 20
    assert translation_report.by_length(["a b c d e f"], texts[:1], texts[:1]).index.tolist() == ["6–8"]


def test_every_panel_shows_its_whole_curves():
    curves = [pd.DataFrame({"bleu": values}, index=["0–5", "6–8"]) for values in ([3.0, 9.0], [20.0, 36.0])]
    figure = translation_report.plot_by_length({"simple": {"none": curves[0]}, "lstm": {"none": curves[1]}})
    for axis in figure.axes:
        assert axis.get_ylim()[0] == 0 and axis.get_ylim()[1] > 36


def test_subword_dropout_cuts_the_same_text_in_other_ways():
    sentences = ["Zwei junge Männer im Freien.", "Ein Mann und zwei Hunde."] * 20
    subwords = Subwords.learned(sentences, 400)
    plain, first, again, other = (subwords.numbers(sentences, *how) for how in [(), (0.3, 5), (0.3, 5), (0.3, 6)])
    assert first == again and plain != first != other and subwords.numbers(sentences) == plain
    assert len({tuple(row) for row in first[::2]}) > 3 and sum(map(len, first)) > 1.2 * sum(map(len, plain))
    assert subwords.text(first) == subwords.text(other) == sentences
    table = pd.DataFrame({"source": sentences[:4], "target": [*sentences[4:7], "x" * 90]})
    drawn = translation_text.examples(subwords, table, 40, 0.3, seed=1)
    assert drawn(0) == drawn(0) != drawn(1)
    assert [subwords.text(side) for side in drawn(1)] == [sentences[:3], sentences[4:7]]
