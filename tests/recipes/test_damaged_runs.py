"""Run folders that a disk, a copy or a hand has damaged: one line with the file's name, never a traceback."""

import functools
import json
import shutil
from pathlib import Path

from toolkit import comparisons, runs
from toolkit.runs import Run, Stop
from toolkit.text.characters import Alphabet
from toolkit.text.subwords import Subwords
from toolkit.text.words import Vocabulary

import keras
import numpy as np
import pytest

from datasets import generated_translations
from recipes import imdb_sentiment, next_character, sequence_length, star_rating, stock_prices, translation

PAIRS = generated_translations.generate({"train": 100})["train"]
TEXTS = [*PAIRS["english"], *PAIRS["french"]]
RATINGS = [1, 2, 3, 4]
TRAININGS = [{"experiment": "recall", "cell": "gru", "length": 5, "seed": seed} for seed in (0, 1)]


def build_words(recipe, run, **sizes):
    vocabulary = Vocabulary.learn(TEXTS, 30)
    vocabulary.save(run)
    arguments = [np.array(RATINGS)] if recipe is star_rating else []
    run.save_model(recipe.build_model(len(vocabulary), *arguments, **sizes))


def build_stars(run, **sizes):
    run.write_json(star_rating.RATINGS, RATINGS)
    build_words(star_rating, run, **sizes)


def build_pairs(run, **sizes):
    subwords = Subwords.learn(TEXTS, 320)
    subwords.save(run)
    run.save_model(translation.build_model(len(subwords), **sizes))


def build_text(run, units):
    alphabet = Alphabet("abc \n")
    alphabet.save(run)
    run.save_model(next_character.build_model(len(alphabet), units=units, batch_size=1))


def build_days(run, units):
    run.save_model(stock_prices.build_model([0.0], [1.0], units=units))
    with runs.replacing(run / stock_prices.RESIDUALS) as file:
        np.save(file, np.zeros((9, 2)))


def build_table(run):
    comparisons.train_each(run, TRAININGS, lambda **_: {"accuracy": 0.5, "minutes": 0.1})


def open_pairs(path):
    subwords = translation.open_finished(path)[2]
    return subwords.texts(subwords.ids(["the cat"])), subwords.pieces([1, 2, 3])


def open_text(path):
    return next_character.open_finished(path)[2].ids("abc")


def open_words(path):
    return imdb_sentiment.open_finished(path)[2].ids("not bad", 5)


def open_stars(path):
    ratings = star_rating.open_finished(path)[2]
    return star_rating.expectation(np.zeros(len(RATINGS) - 1), ratings)


def open_days(path):
    run = runs.finished_run(stock_prices.RECIPE, path)
    return run.settings(stock_prices.Settings), run.model(), run.array(stock_prices.RESIDUALS, columns=2)


KINDS = {  # the recipe, sizes of its network, how to write its files, and what reads them all
    "words": (imdb_sentiment, {"units": 2, "embedding": 2}, functools.partial(build_words, imdb_sentiment), open_words),
    "stars": (star_rating, {"units": 2, "embedding": 2}, build_stars, open_stars),
    "pairs": (translation, {"units": 2, "embedding": 2}, build_pairs, open_pairs),
    "text": (next_character, {"units": 2}, build_text, open_text),
    "days": (stock_prices, {"units": 2}, build_days, open_days),
    "table": (sequence_length, {}, build_table, lambda path: sequence_length.evaluate(run=path)),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished run of each kind, not trained: its folder by name."""
    folder = tmp_path_factory.mktemp("runs")
    for name, (recipe, sizes, build, _) in KINDS.items():
        run = runs.open_run(recipe.RECIPE, recipe.Settings(**sizes), "test", folder / name)
        build(run, **sizes)
        run.finish({"minutes": 1.0})
    return folder


@pytest.fixture
def damaged(whole, tmp_path):
    """A function that copies a run, replaces one of its files by these bytes, and reads it."""

    def damaged(kind, name, content):
        run = tmp_path / "run"
        shutil.copytree(whole / kind, run)
        (run / name).unlink()
        if content == "folder":
            (run / name).mkdir()
        elif content is not None:
            (run / name).write_bytes(content)
        return KINDS[kind][-1](run)

    return damaged


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_run_is_read(whole, kind):
    KINDS[kind][-1](whole / kind)


FILES = {
    "words": ["config.json", "vocabulary.txt", "model.keras"],
    "stars": ["ratings.json"],
    "pairs": ["subwords.model"],
    "text": ["alphabet.json"],
    "days": ["training_residuals.npy"],
    "table": ["runs.csv"],
}


@pytest.mark.parametrize("damage", ["missing", "empty", "folder", "half", "noise"])
@pytest.mark.parametrize("kind, name", [(kind, name) for kind, names in FILES.items() for name in names])
def test_what_cannot_be_right_is_refused(whole, damaged, kind, name, damage):
    content = (whole / kind / name).read_bytes()
    noise = np.random.default_rng(0).bytes(200)
    changed = {"missing": None, "empty": b"", "folder": "folder", "half": content[: len(content) // 2], "noise": noise}
    try:
        damaged(kind, name, changed[damage])
    except Stop as error:
        assert name in str(error) or (damage, name) == ("half", "vocabulary.txt")
        assert len(str(error)) < 1000
    else:
        assert (damage, name) == ("half", "runs.csv")  # it may end with a whole row


@pytest.mark.parametrize("kind, name", [(kind, name) for kind, names in FILES.items() for name in names])
def test_a_flipped_bit_does_no_harm_or_is_one_line(whole, damaged, kind, name, tmp_path):
    content, rng = (whole / kind / name).read_bytes(), np.random.default_rng(1)
    for _ in range(6):
        flipped = bytearray(content)
        flipped[rng.integers(len(content))] ^= 1 << rng.integers(8)
        try:
            damaged(kind, name, bytes(flipped))
        except Stop as error:
            assert "\n" not in str(error)
        shutil.rmtree(tmp_path / "run")


def array(values, save=np.save, **named):
    path = Path("array")
    with path.open("wb") as file:
        save(file, *([values] if values is not None else []), **named)
    return path.read_bytes()


@pytest.mark.parametrize(
    "kind, name, content",
    [
        ("words", "config.json", b"[1]"),
        ("words", "config.json", b"null"),
        ("words", "config.json", b"[" * 100_000),
        ("words", "config.json", b'{"recipe": "imdb_sentiment", "settings": [], "data": "x"}'),
        ("words", "config.json", b'{"recipe": ["imdb_sentiment"], "settings": {}, "data": "x"}'),
        ("words", "vocabulary.txt", b"a\nb\nc\n"),
        ("words", "vocabulary.txt", b"a\n" * 28),
        ("words", "vocabulary.txt", "\n".join(map(str, range(99))).encode()),
        ("stars", "ratings.json", b'{"a": 1}'),
        ("stars", "ratings.json", b'"1234"'),
        ("stars", "ratings.json", b"[1, 2, 2]"),
        ("stars", "ratings.json", b'[1, 2, "3"]'),
        ("stars", "ratings.json", b"[[1], [2], [3]]"),
        ("stars", "ratings.json", b"[1, 2, NaN]"),
        ("text", "alphabet.json", b"[1]"),
        ("text", "alphabet.json", b'"aaaaa"'),
        ("text", "alphabet.json", b'"ab"'),
        ("table", "runs.csv", b"experiment,cell,length,seed,accuracy,minutes\n"),
        ("table", "runs.csv", b"cell,seed\ngru,1\n"),
        ("table", "runs.csv", b"experiment,cell,length,seed,accuracy,minutes\nrecall,gru,5,0,high,1\n"),
        ("table", "runs.csv", b"experiment,cell,length,seed,accuracy,minutes\nrecall,gru,5,0,,1\n"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_contents_are_refused(damaged, kind, name, content):
    with pytest.raises(Stop) as error:
        damaged(kind, name, content)
    assert name in str(error.value) or "model.keras" in str(error.value)  # the network has other ids


@pytest.mark.parametrize(
    "values", [np.full((9, 2), np.nan), np.full((9, 2), np.inf), np.zeros((0, 2)), np.zeros((9, 3)), np.zeros(9)]
)
def test_residuals_of_other_shapes_or_without_numbers_are_refused(damaged, tmp_path, monkeypatch, values):
    monkeypatch.chdir(tmp_path)
    for content in (array(values), array(values.astype(str)), array(values.astype(object)), array(values, np.savez)):
        with pytest.raises(Stop, match="training_residuals.npy is damaged"):
            damaged("days", "training_residuals.npy", content)
        shutil.rmtree("run")


@pytest.mark.parametrize(
    "settings",
    [{"units": "64"}, {"units": 0}, {"units": 2.5}, {"units": True}, {"units": None}, {"cell": "lsmt"}, {"dropout": 2}]
    + [{"dropout": float("nan")}, {"data": 3}, {"data_dir": 3}, {"pretrained": []}, {"unitz": 3}, {"seed": -1}],
    ids=str,
)
def test_settings_that_the_command_line_would_refuse_are_refused(damaged, settings):
    content = {"recipe": "imdb_sentiment", "settings": settings, "data": "x"}
    with pytest.raises(Stop, match=r"config\.json is damaged or of another version"):
        damaged("words", "config.json", json.dumps(content).encode())


def test_a_checkpoint_of_another_network_is_refused(whole, tmp_path):
    from toolkit import training

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    checkpoint = training.Checkpoint(Run(tmp_path), "loss", None)
    checkpoint.set_model(model)
    checkpoint.on_epoch_begin(0)
    checkpoint.on_epoch_end(0, {"loss": 1.0})
    path = tmp_path / "checkpoint.npz"
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    flips = [bytearray(content) for _ in range(12)]
    for flip in flips:
        flip[rng.integers(len(content))] ^= 1 << rng.integers(8)
    with np.load(path) as saved:
        arrays = dict(saved)
    others = [arrays | {"state": np.array(text)} for text in ("[]", "{}", "3", '{"epochs": "1"}')]
    others += [arrays | {"variable0": np.zeros((3, 1), "float32")}, {"state": arrays["state"]}, {}]
    for number, other in enumerate(others):
        np.savez(tmp_path / f"{number}.npz", **other)
    refused = [content[:99], b"", b"noise"] + [(tmp_path / f"{n}.npz").read_bytes() for n in range(len(others))]
    for damaged in refused + [bytes(flip) for flip in flips]:
        path.write_bytes(damaged)
        again = training.Checkpoint(Run(tmp_path), "loss", None)
        if damaged in refused:
            with pytest.raises(Stop, match="checkpoint.npz is damaged"):
                again.restore(model)
        else:
            try:
                assert again.restore(model) == 1
            except Stop as error:
                assert "checkpoint.npz" in str(error)
