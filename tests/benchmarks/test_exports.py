"""The server of docs/export.md, and the times of its requests."""

import importlib.util
import urllib.error

from toolkit.export import bundle, texts
from toolkit.runs import Run
from toolkit.text.words import Vocabulary

import pytest

from benchmarks import exports
from recipes import imdb_sentiment

NEEDED = "onnxruntime", "tf2onnx", "fastapi", "uvicorn"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An export of an untrained network for reviews."""
    if missing := [module for module in NEEDED if not importlib.util.find_spec(module)]:
        pytest.skip(f"{missing[0]} is not installed")
    run, out = Run(tmp_path_factory.mktemp("run")), tmp_path_factory.mktemp("export") / "out"
    vocabulary = Vocabulary(["good", "bad"])
    vocabulary.save(run)
    run.write_json("config.json", {"recipe": "imdb_sentiment", "settings": {}, "data": ""})
    model = imdb_sentiment.build_model(len(vocabulary), cell="simple", units=2, embedding=2)
    contents = texts.contents(run, model, ("probability", "that it is positive"), vocabulary, texts.EXAMPLES)
    bundle.Folder(out, "onnx").write(run, contents)
    return out


@pytest.mark.slow
def test_the_server_of_the_page_answers_and_refuses_what_is_too_long(folder):
    with exports.server(folder) as address:
        assert 0 < exports.post(address, "good")["probability"] < 1
        assert exports.post(address, "good") != exports.post(address, "bad")
        assert exports.post(address, "")["probability"] > 0
        with pytest.raises(urllib.error.HTTPError, match="422"):
            exports.post(address, "good " * 5000)


@pytest.mark.slow
def test_times_are_measured(folder):
    times = exports.request_times(folder, requests=5)
    assert times["requests"] == 5 and 0 < times["p50"] <= times["p95"]
