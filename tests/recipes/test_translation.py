"""The translation recipe: its network, and the commands on the built-in grammar and on a user's own pairs."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from toolkit import cells, decoding, runs, verification
from toolkit.text.subwords import START, Subwords

import keras
import numpy as np
import pandas as pd
import pytest
import sacrebleu
import tensorflow as tf

from datasets import translation as pairs
from recipes import translation

TINY = {"units": 8, "embedding": 8, "epochs": 1, "vocabulary": 400, "longest": 20}
FLAGS = [part for name, value in TINY.items() for part in (f"--{name}", value)]


@pytest.fixture(scope="module")
def few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "SIZES", {"train": 300, "validation": 40, "test": 40})
        yield


@pytest.fixture(scope="module")
def trained(few, tmp_path_factory):
    """A run with attention, and what its training printed."""
    run, printed = tmp_path_factory.mktemp("trained") / "run", io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", printed)
        settings = translation.Settings(**TINY, lexical=True, word_dropout=0.2, length_penalty=0.0)
        translation.train(settings, run_dir=run)
    return run, printed.getvalue()


# -------------------------------------------------------------------------------------------------------- commands


def test_a_run_leaves_its_files_and_metrics(trained):
    run, report = trained
    left = {path.name for path in run.iterdir()} - {"tensorboard", "learning_curves.png"}
    assert left == {
        *("config.json", "checkpoint.npz", "history.csv", "metrics.json", "model.keras", "subwords.model"),
        *("translations-test.tsv", "bleu_by_length-test.png"),
    }
    metrics = json.loads((run / "metrics.json").read_text())
    assert {*metrics} == {"minutes", "bleu", "chrf", "bleu_lc_tok"} and metrics["minutes"] > 0
    assert "nrefs:1|case:mixed" in report and "300 train, 40 validation, 40 test" in report
    table = pd.read_csv(run / "translations-test.tsv", sep="\t", keep_default_na=False)
    expected = sacrebleu.corpus_bleu(table["translation"].tolist(), [table["target"].tolist()]).score
    assert metrics["bleu"] == pytest.approx(expected, abs=0.01)  # control characters may not survive the file


def test_evaluate_repeats_the_report(trained, run_recipe, capsys):
    run, report = trained
    assert run_recipe(translation, "evaluate", "--run", run) == 0
    assert capsys.readouterr().out.strip() in report


def test_evaluate_takes_another_search_and_split(trained, run_recipe, capsys):
    run, _ = trained
    assert run_recipe(translation, "evaluate", "--run", run, "--beam", 1, "--validation") == 0
    assert "The validation split, 40 sentences" in capsys.readouterr().out


def test_predict_prints_the_beam_and_draws_the_attention(trained, run_recipe, capsys):
    run, _ = trained
    options = ["--beam", 3, "--coverage-penalty", 0.2, "--length-penalty", 2]
    assert run_recipe(translation, "predict", "--run", run, "The cat sees a dog.", *options) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "1: The cat sees a dog." and printed[4].strip() == f"drawn in {run / 'attention-1.png'}"
    scores = [float(line.split()[0]) for line in printed[1:4]]
    assert scores == sorted(scores, reverse=True)
    assert (run / "attention-1.png").stat().st_size > 5000


@pytest.mark.slow
def test_predict_reads_lines_until_an_empty_one(trained, run_recipe, capsys, monkeypatch):
    run, _ = trained
    monkeypatch.setattr(sys, "stdin", io.StringIO("日本語です\n" + "the cat " * 40 + "\n\nnot read\n"))
    assert run_recipe(translation, "predict", "--run", run) == 0
    printed = capsys.readouterr().out
    assert "1: 日本語です" in printed and "2: the cat" in printed and "3: " not in printed


@pytest.mark.parametrize("arguments", [["gro\udcdf"], ["--file", "latin.txt"], []])
def test_text_that_is_not_utf8_is_reported_in_one_line(trained, run_recipe, capsys, monkeypatch, arguments):
    run, _ = trained
    Path("latin.txt").write_bytes("groß".encode("latin-1"))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("ja\ngroß\n".encode("latin-1")), "utf-8"))
    assert run_recipe(translation, "predict", "--run", run, *arguments) == 2
    error = capsys.readouterr().err
    assert "utf-8" in error.lower() and error.count("\n") == 1 and "Traceback" not in error


def test_a_byte_order_mark_is_not_translated(trained, run_recipe, capsys):
    run, _ = trained
    Path("marked.txt").write_bytes("\ufeffthe house\n".encode())
    assert run_recipe(translation, "predict", "--run", run, "--file", "marked.txt") == 0
    assert capsys.readouterr().out.startswith("1: the house\n")


def test_a_length_penalty_out_of_bounds_is_refused(trained, run_recipe, capsys):
    run, _ = trained
    assert run_recipe(translation, "predict", "--run", run, "--length-penalty", 11, "ja") == 2
    assert "length-penalty" in capsys.readouterr().err


@pytest.mark.slow
def test_an_ensemble_of_one_run_has_its_scores_and_of_two_runs_others(tmp_path, eagerly, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pairs, "SIZES", {"train": 128, "validation": 16, "test": 16})
    for seed in (0, 1):
        translation.train(translation.Settings(**TINY, seed=seed), run_dir=Path(f"{seed}"))
    finished, data = [runs.Run("0"), runs.Run("1")], translation.load_data()
    alone = [translation.ensemble_scores([run], data) for run in finished]
    for run, scores in zip(finished, alone):
        metrics = run.metrics()
        metrics.pop("minutes")
        assert scores == pytest.approx(metrics)
    assert translation.ensemble_scores(finished, data)["chrf"] not in [scores["chrf"] for scores in alone]


@pytest.mark.slow
def test_own_pairs_in_unknown_languages_and_without_attention_nothing_is_drawn(run_recipe, eagerly, capsys):
    rows = [f"{'ab'[i % 2]} {i} ξένος\tκ{i} {'xy'[i % 2]} 語" for i in range(120)]
    Path("own.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    options = ["--data", "own.tsv", "--direction", "qq-zz", "--attention", "none", "--reading", "reversed"]
    assert run_recipe(translation, "--run-dir", "mine", *options, *FLAGS) == 0
    assert "own.tsv, qq to zz: 96 train, 12 validation, 12 test" in capsys.readouterr().out
    assert run_recipe(translation, "predict", "--run", "mine", "The cat sees a dog.") == 0
    assert "drawn" not in capsys.readouterr().out
    penalty = ["--coverage-penalty", 0.2]
    assert run_recipe(translation, "predict", "--run", "mine", "The cat sees a dog.", *penalty) == 2
    assert "needs a network with attention" in capsys.readouterr().err


def test_a_vocabulary_too_small_for_the_text_is_one_line_with_the_least_that_is_enough(run_recipe, capsys):
    rows = [f"{chr(0x4E00 + 7 * i)}{chr(0x4E01 + 7 * i)}\tx {i}\n" for i in range(300)]
    Path("own.tsv").write_text("".join(rows), encoding="utf-8")
    assert run_recipe(translation, "train", "--data", "own.tsv", "--vocabulary", 320) == 2
    assert re.search(r"needs a --vocabulary of \d+ or more. Received: 320\n$", capsys.readouterr().err)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "missing.tsv"], "There is no such file"),
        (["--data", "one.tsv"], "one.tsv, line 1: two sentences separated by a tab are needed"),
        (["--data", "three.tsv"], "name all columns with --columns"),
        (["--data", "empty.tsv"], "line 4: two sentences are needed, and one is missing"),
        (["--data", "numbers.tsv", "--longest", 5, "--vocabulary", 300], "No pair is left"),
        (["--data", "short.en,long.de"], "not aligned"),
        (["--direction", "en-xx"], "must be en-fr or fr-en"),
        (["--attention", "some"], 'Choose from: "none", "additive", "multiplicative"'),
        (["--data", "multi30k", "--data-dir", "."], "multi30k"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing_behind(run_recipe, capsys, arguments, message):
    Path("one.tsv").write_text("only one side\n")
    Path("three.tsv").write_text("".join(f"{i}\tHi {i}\tSalut {i}\n" for i in range(30)))
    Path("empty.tsv").write_text("one\tun\ntwo\tdeux\n\nthree\t\n")
    Path("numbers.tsv").write_text("".join(f"{i} + 1234567 + 7654321\t{i}\n" for i in range(30)))
    Path("short.en").write_text("a\nb\n")
    Path("long.de").write_text("a\nb\nc\n")
    assert run_recipe(translation, "train", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not Path("runs").exists()


SUMS = "".join(f"{a} + {b}\t{a + b}\n" for a in range(8) for b in range(8))
KILLED = """
import os, signal, sys
from toolkit import cli, decoding
import tensorflow as tf
from recipes import translation
tf.config.run_functions_eagerly(True)
on_epoch_end = decoding.FreeDecoding.on_epoch_end
def dies(self, epoch, logs=None):
    os.kill(os.getpid(), signal.SIGKILL) if epoch else on_epoch_end(self, epoch, logs)
if sys.argv.pop(1) == "dies":
    decoding.FreeDecoding.on_epoch_end = dies
cli.main(translation.app)
"""


@pytest.mark.slow
def test_sums_are_learned_scored_and_resumed_by_another_process_with_the_same_bits(run_recipe, eagerly, capsys):
    """Other processes have other hash seeds and other random states of every library."""
    Path("sums.tsv").write_text("question\tanswer\n" + SUMS)
    options = ["--data", "sums.tsv", "--columns", "source,target", *FLAGS, "--longest", "8", "--epochs", "2"]
    options += ["--word-dropout", "0.2"]

    def process(fate, *arguments):
        command = [sys.executable, "-c", KILLED, fate, "train", *map(str, arguments)]
        path = str(Path(translation.__file__).parents[1])
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path})

    assert process("dies", "--run-dir", "killed", *options).returncode == -signal.SIGKILL
    assert not Path("killed/model.keras").exists()
    resumed = process("lives", "--run-dir", "killed", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert run_recipe(translation, "train", "--run-dir", "whole", *options) == 0
    assert Path("whole/history.csv").read_text() == Path("killed/history.csv").read_text()
    for one, other in zip(*(runs.Run(name).model().get_weights() for name in ("whole", "killed")), strict=True):
        np.testing.assert_array_equal(one, other)
    capsys.readouterr()
    assert run_recipe(translation, "evaluate", "--run", "killed") == 0
    assert "eff:yes" in capsys.readouterr().out
    assert run_recipe(translation, "predict", "--run", "killed", "1 + 2") == 0
    Path("sums.tsv").write_text(SUMS.replace("3", "4"))
    assert run_recipe(translation, "evaluate", "--run", "killed") == 2
    assert "The data is not what killed was trained on" in capsys.readouterr().err


@pytest.fixture
def short_sentences(monkeypatch):
    """`verify` on sentences of up to four subwords instead of fourteen."""
    draw = verification.random_sequences
    shorter = lambda rng, count, _, *ids, **first: draw(rng, count, 4, *ids, **first)
    monkeypatch.setattr(verification, "random_sequences", shorter)


def test_verify_passes(run_recipe, verify_quickly, short_sentences, capsys):
    assert run_recipe(translation, "verify", "--attention", "none", "--units", 6, "--embedding", 5) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_verify_passes_with_attention(run_recipe, verify_quickly, short_sentences, capsys):
    assert run_recipe(translation, "verify", "--units", 6, "--embedding", 5) == 0
    assert "FAIL" not in capsys.readouterr().out


@pytest.mark.slow
def test_verify_finds_a_wrong_cell(run_recipe, verify_quickly, short_sentences, capsys, monkeypatch):
    right = cells.CELLS["gru"].step
    wrong = lambda self, wx, uh, states: [1.01 * s for s in right(self, wx, uh, states)]
    monkeypatch.setattr(cells.CELLS["gru"], "step", wrong)
    assert run_recipe(translation, "verify", "--units", 6, "--embedding", 5) == 1
    assert "FAIL" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------------ data


def test_long_pairs_are_reported_and_left_out(capsys):
    subwords = Subwords.learn(["a b c d e f g"] * 20, 300)
    table = pd.DataFrame({"source": ["a b", "a b c d e f g", "c"], "target": ["c", "c", "a b c d e f g"]})
    source, target = translation.columns(subwords, table, 5)
    assert subwords.texts(source) == ["a b"] and subwords.texts(target) == ["c"]
    assert "2 of 3 pairs are longer than 5 subwords" in capsys.readouterr().out
    with pytest.raises(runs.Stop, match="No pair is left.*Received: 1"):
        translation.columns(subwords, table, 1)


def test_teacher_forcing_shows_the_target_one_step_later():
    (source, written), target = translation.teacher_forced(np.array([[7, 3]]), np.array([[5, 6, 3], [8, 3, 0]]))
    np.testing.assert_array_equal(source, [[7, 3]])
    np.testing.assert_array_equal(written, [[START, 5, 6], [START, 8, 3]])
    np.testing.assert_array_equal(target, [[5, 6, 3], [8, 3, 0]])


# --------------------------------------------------------------------------------------------------------- network

VARIANTS = [
    {},
    {"attention": "none"},
    {"attention": "multiplicative", "cell": "lstm"},
    {"attention": "none", "cell": "lstm"},
    {"cell": "builtin-lstm", "reading": "reversed"},
    {"attention": "none", "cell": "simple", "reading": "forward"},
    {"attention": "none", "cell": "builtin-gru", "reading": "reversed"},
    {"lexical": True},
    {"lexical": True, "attention": "multiplicative", "reading": "reversed"},
]
names = lambda variant: "-".join(map(str, variant.values())) or "default"


def built(**options):
    model = translation.build_model(20, **{"units": 5, "embedding": 4, "dropout": 0.0} | options)
    rng = np.random.default_rng(0)
    for weight in model.trainable_variables:
        weight.assign(rng.normal(scale=0.7, size=weight.shape))
    return model


def sentences(lengths, width, seed=1):
    ids = np.random.default_rng(seed).integers(4, 20, (len(lengths), width))
    return (ids * (np.arange(width) < np.array(lengths)[:, None])).astype("int32")


def encoded(model, source, training=False):
    """The arrays that the decoder is called with: the initial state, and a vector or a memory with its mask."""
    outputs = decoding.StepwiseDecoder(model).encoder(source, training=training)
    return [keras.ops.convert_to_numpy(x) for x in outputs]


@pytest.mark.parametrize("variant", VARIANTS, ids=names)
def test_step_by_step_the_logits_are_those_of_teacher_forcing(variant):
    model, source, written = built(**variant), sentences([6, 3, 4], 6), sentences([5, 5, 5], 5, seed=2)
    decoder, expected = decoding.StepwiseDecoder(model), np.array(model([source, written]))
    states, memory = decoder.start(source)
    for t in range(5):
        logits, states, weights = decoder.step(written[:, t], states, memory)
        np.testing.assert_allclose(logits, expected[:, t], atol=1e-5)
        if weights is not None:
            assert (np.array(weights)[source == 0] == 0).all()
    assert (weights is None) == (variant.get("attention") == "none")
    assert np.abs(expected[0] - expected[1]).max() > 0.01


@pytest.mark.parametrize("variant", VARIANTS, ids=names)
def test_padding_changes_nothing(variant):
    model, source, written = built(**variant), sentences([3, 3], 3), sentences([4, 4], 4, seed=2)
    padded = np.pad(source, [(0, 0), (0, 5)])
    np.testing.assert_allclose(model([source, written]), model([padded, written]), atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS, ids=names)
def test_a_loaded_network_gives_the_same_logits(variant, tmp_path):
    model, inputs = built(**variant), [sentences([6, 3], 6), sentences([5, 4], 5, seed=2)]
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(model(inputs), loaded(inputs))
    assert len(loaded.weights) == len(model.weights)


def test_later_subwords_change_no_earlier_logits():
    model, source, written = built(), sentences([6], 6), sentences([5], 5, seed=2)
    other = written.copy()
    other[0, 3:] = 7
    before, after = np.array(model([source, written])), np.array(model([source, other]))
    np.testing.assert_array_equal(before[:, :3], after[:, :3])
    assert np.abs(before[:, 3:] - after[:, 3:]).max() > 1e-3


def test_reading_in_reverse_is_reading_the_reversed_sentence_forward():
    forward, backwards = (built(reading=reading, attention="none") for reading in ("forward", "reversed"))
    source, written = sentences([6, 6], 6), sentences([5, 5], 5, seed=2)
    np.testing.assert_allclose(backwards([source, written]), forward([source[:, ::-1], written]), atol=1e-5)


@pytest.mark.parametrize("cell", ["gru", "lstm", "builtin-lstm"])
def test_the_vector_is_where_both_readings_end(cell):
    source = sentences([6, 3], 6)
    _, vector = encoded(built(cell=cell, attention="none"), source)
    model = built(cell=cell)
    _, memory, mask = encoded(model, source)
    np.testing.assert_array_equal(mask, source != 0)
    assert vector.shape == (2, 10) and memory.shape == (2, 6, 10)
    kernel, bias = model.get_layer("bridge").get_weights()
    ends = np.concatenate([[memory[0, 5, :5], memory[1, 2, :5]], memory[:, 0, 5:]], axis=1)
    np.testing.assert_allclose(encoded(model, source)[0], np.tanh(ends @ kernel + bias), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("reading, states", [("bidirectional", 10), ("reversed", 5)])
def test_the_lexical_memory_holds_the_embedding_of_each_word(reading, states):
    model, source = built(reading=reading, lexical=True), sentences([6, 3], 6)
    memory = encoded(model, source)[1]
    assert memory.shape == (2, 6, states + 4)
    np.testing.assert_array_equal(memory[..., states:], model.get_layer("embedding").get_weights()[0][source])


def test_word_dropout_drops_whole_words_of_both_sides_independently():
    model, ids = built(word_dropout=0.5, lexical=True), sentences([40] * 30, 40)
    inputs_of_decoder = keras.Model(model.inputs, model.get_layer("decoder").input[0])
    read = encoded(model, ids, training=True)[1][..., 10:] == 0
    written = np.array(inputs_of_decoder([ids, ids], training=True)) == 0
    for dropped in (read, written):
        assert 0.4 < dropped.mean() < 0.6 and (dropped == dropped[..., :1]).all()
    assert (read != written).any()


def test_dropout_is_for_training_only():
    model, inputs = built(dropout=0.5), [sentences([6, 3], 6), sentences([5, 4], 5, seed=2)]
    assert np.abs(model(inputs, training=True) - model(inputs)).max() > 0.01
    np.testing.assert_array_equal(model(inputs), model(inputs))


@pytest.mark.parametrize("variant", VARIANTS[:3], ids=names)
def test_a_sentence_is_translated_alone_as_in_a_batch(variant, eagerly):
    batch = sentences([6, 2, 4], 6)
    search = decoding.Search(decoding.StepwiseDecoder(built(**variant)), beam_width=3, longest=8)
    tokens, scores = search.predict(batch, verbose=0)
    for i, length in enumerate((6, 2, 4)):
        alone = search.predict(batch[i : i + 1, :length], verbose=0)
        np.testing.assert_allclose(alone[1][0], scores[i], rtol=1e-4)
        np.testing.assert_array_equal(alone[0][0], tokens[i])


def test_the_optimizer_counts_a_repeated_token_once(eagerly):
    """The embedding's gradient is dense: see layers/embedding.py."""
    model = built()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model([sentences([6], 6), sentences([5], 5)]))
    assert not any(isinstance(g, tf.IndexedSlices) for g in tape.gradient(loss, model.trainable_variables))
