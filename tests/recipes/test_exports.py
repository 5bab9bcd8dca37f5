"""`export` of every recipe with a network: what it writes runs without this project."""

import re
import subprocess
import sys

from toolkit import runs
from toolkit.text.characters import Alphabet
from toolkit.text.subwords import Subwords
from toolkit.text.words import Vocabulary

import keras
import numpy as np
import pytest

from datasets import captions, generated_translations, reviews
from datasets import translation as pairs
from recipes import (
    image_captioning,
    imdb_sentiment,
    next_character,
    review_language_model,
    star_rating,
    stock_prices,
    translation,
    video_direction,
)

PAIRS = generated_translations.generate({"train": 60})["train"]
TEXTS = [*PAIRS["english"], *PAIRS["french"]]
SMALL = {"units": 3, "embedding": 4, "cell": "simple"}  # whose graph is the smallest
WRITERS = SMALL | {"vocabulary": 320, "longest": 6}


def build_words(run, recipe, *arguments, units, embedding, cell, bigrams=0):
    vocabulary = Vocabulary.learn(TEXTS, 30)
    vocabulary.save(run)
    more = {"bigrams": bigrams} if bigrams else {}
    return recipe.build_model(len(vocabulary), *arguments, cell=cell, units=units, embedding=embedding, **more)


def build_stars(run, **sizes):
    run.write_json(star_rating.RATINGS, [1, 2, 3, 4])
    return build_words(run, star_rating, np.arange(1, 5), **sizes)


def build_states(run, data, **sizes):
    model = build_words(run, review_language_model, **sizes)
    return keras.Model(model.input, model.get_layer("reader").output)


def build_writer(run, recipe, *arguments, units, embedding, cell, vocabulary, longest):
    subwords = Subwords.learn(TEXTS, vocabulary)
    subwords.save(run)
    return recipe.build_model(len(subwords), *arguments, cell=cell, units=units, embedding=embedding)


def build_characters(run, units, layers):
    alphabet = Alphabet("abc \n")
    alphabet.save(run)
    return next_character.build_model(len(alphabet), units=units, layers=layers, batch_size=1)


CASES = {  # for each recipe a format, settings, and a function from a run and these to an untrained network
    imdb_sentiment: ("onnx", SMALL | {"bigrams": 9}, lambda run, **s: build_words(run, imdb_sentiment, **s)),
    star_rating: ("onnx", SMALL, build_stars),
    review_language_model: ("litert", SMALL | {"data": "phrases"}, build_states),
    translation: ("onnx", WRITERS, lambda run, **s: build_writer(run, translation, **s)),
    image_captioning: ("onnx", WRITERS, lambda run, **s: build_writer(run, image_captioning, (48, 48, 3), **s)),
    next_character: ("litert", {"units": 3, "layers": 2}, build_characters),
    stock_prices: ("onnx", {"units": 3}, lambda run, units: stock_prices.build_model([0.0], [1.0], units=units)),
    video_direction: (
        "litert",
        {"frames": 3},
        lambda run, frames: video_direction.build_model("conv-lstm", frames, video_direction.build_cnn()),
    ),
}


@pytest.fixture
def few(monkeypatch):
    for module in (reviews, pairs, captions):
        monkeypatch.setattr(module, "SIZES", {"train": 60, "validation": 20, "test": 8})


@pytest.fixture
def exported(few, run_recipe, tmp_path):
    """A function from a recipe to the folder of its export."""

    def exported(recipe):
        format, settings, build = CASES[recipe]
        pytest.importorskip({"onnx": "onnxruntime", "litert": "ai_edge_litert"}[format])
        run = runs.open_run(recipe.RECIPE, recipe.Settings(**settings), "test", tmp_path / "run")
        run.save_model(build(run, **settings))
        run.finish({"minutes": 1.0})
        assert run_recipe(recipe, "export", "--run", run.path, "--format", format, "out") == 0
        return tmp_path / "out"

    return exported


def program_of(folder):
    """The program in an export's README."""
    (program,) = re.findall("```python\n(.*?)```", (folder / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    return program


def run_alone(folder):
    """What the program of an export's README prints; fails if it imports anything of this project."""
    ours = "import sys; assert not {'layers', 'toolkit', 'recipes', 'datasets'} & {*sys.modules}, 'imports of ours'"
    done = subprocess.run(
        [sys.executable, "-c", f"{program_of(folder)}\n{ours}"], capture_output=True, text=True, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("recipe", CASES, ids=lambda recipe: recipe.RECIPE)
def test_an_export_runs_without_this_project(recipe, exported, capsys):
    folder = exported(recipe)
    assert re.search(r"differ by at most \d\.\de[-+]\d\d on [\d,]+ [a-z]+s\.", capsys.readouterr().out)
    assert run_alone(folder).strip()


def test_a_saved_model_takes_texts_and_is_compared_on_examples_without_the_runs_data(
    run_recipe, tmp_path, capsys, monkeypatch
):
    settings = SMALL | {"data": "gone.csv", "bigrams": 9}
    run = runs.open_run("imdb_sentiment", imdb_sentiment.Settings(**settings), "test", tmp_path / "run")
    run.save_model(build_words(run, imdb_sentiment, **SMALL, bigrams=9))
    run.finish({"minutes": 1.0})
    assert run_recipe(imdb_sentiment, "export", "--run", run.path, "--format", "saved-model", "out") == 0
    said = capsys.readouterr().out
    assert "Compared on examples" in said and "gone.csv" in said and " on 4 texts." in said
    monkeypatch.chdir("out")
    exec(program_of(tmp_path / "out"), {})
    assert re.fullmatch(r"\[\[0\.\d+\]\]\n", capsys.readouterr().out)


def test_a_folder_that_holds_something_is_refused(run_recipe, tmp_path, capsys):
    (tmp_path / "note.txt").touch()
    assert run_recipe(imdb_sentiment, "export", "--format", "saved-model", tmp_path) == 2
    assert "is not empty" in capsys.readouterr().err and [path.name for path in tmp_path.iterdir()] == ["note.txt"]
