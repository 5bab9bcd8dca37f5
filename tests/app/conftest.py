"""A page with an untrained run of every recipe that has a tab, served once for all tests."""

import os
import socket
from dataclasses import asdict

from toolkit.runs import Run

import numpy as np
import pytest
from matplotlib import pyplot as plt

pytest.importorskip("gradio", reason="gradio is not installed: pip install -e '.[app]'")

from toolkit.text.subwords import Subwords
from toolkit.text.words import Vocabulary

from app import models, page
from recipes import image_captioning, imdb_sentiment, next_character, star_rating, stock_prices, translation
from recipes.next_character import Alphabet
from tests.docs.conftest import browser, chromium  # noqa: F401

SENTENCES = ["a small girl does not eat an old orange", "the white cats see a strange horse"]
WORDS = "the plot is dull but cast was not bad at all".split()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def finished(folder, recipe, model, **settings):
    """A run in a folder, as if a training had just ended."""
    folder.mkdir()
    run = Run(folder)
    config = {"recipe": recipe.RECIPE, "settings": asdict(recipe.Settings(**settings)), "data": "", "versions": {}}
    run.write_json("config.json", config)
    run.save_model(model)
    run.finish({})
    return run


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A run of every recipe that has a tab, by label."""
    folder, small, vocabulary = tmp_path_factory.mktemp("runs"), {"units": 3, "embedding": 4}, Vocabulary(WORDS)
    subwords = Subwords.learn(SENTENCES, 300)
    model = imdb_sentiment.build_model(len(vocabulary), **small)
    vocabulary.save(finished(folder / "sentiment", imdb_sentiment, model))
    model = star_rating.build_model(len(vocabulary), np.array([1, 2, 3]), **small)
    run = finished(folder / "stars", star_rating, model)
    vocabulary.save(run)
    run.write_json(star_rating.RATINGS, [1, 2, 3])
    model = translation.build_model(len(subwords), **small)
    subwords.save(finished(folder / "translation", translation, model, longest=6))
    model = image_captioning.build_model(len(subwords), (32, 32, 3), **small)
    subwords.save(finished(folder / "scenes", image_captioning, model, size=32, longest=6))
    model = stock_prices.build_model(np.zeros(2), np.ones(2), units=3)
    run = finished(folder / "volatility", stock_prices, model, target="volatility", window=10)
    np.save(run / stock_prices.RESIDUALS, np.random.default_rng(0).normal(0, 0.1, (50, 2)))
    alphabet = Alphabet("abcdefghijklmnopqrstuvwxyz \n")
    alphabet.save(
        finished(folder / "characters", next_character, next_character.build_model(29, units=3, batch_size=1))
    )
    return models.finished_runs([], folder)


@pytest.fixture(scope="session")
def served(runs, tmp_path_factory):
    """The address of the page."""
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("uploads"))
    plt.rcParams["savefig.dpi"] = 40  # or drawing would take most of the time
    blocks = page.build(runs)
    page.launch(blocks, "127.0.0.1", free_port())
    yield blocks.local_url
    blocks.close(verbose=False)
