"""What carries a network to other programs: formats, the folder, words and beam search outside of this project."""

import importlib.util
import itertools
import re

from toolkit import decoding
from toolkit.export import arrays, bundle, formats
from toolkit.export.beam_search import beam_search
from toolkit.export.sentences import portable
from toolkit.export.texts import WordIds
from toolkit.runs import Run, Stop
from toolkit.text import word_ids, words
from toolkit.text.subwords import END

import keras
import numpy as np
import pytest
import tensorflow as tf

RNG = np.random.default_rng(0)


# ----------------------------------------------------------------------------------------------------- beam search


def random_steps(vocabulary_size=9, units=5, timesteps=4):
    """A random decoder, as `toolkit.decoding` takes it and as NumPy's search does: its arguments for both."""
    rng = np.random.default_rng(1)
    embedding, kernel, output = (rng.normal(size=(n, units)) for n in (vocabulary_size, units, vocabulary_size))
    state, memory = rng.normal(size=(1, units)), rng.normal(size=(1, timesteps, units))

    def alone(token, state_0, memory_0):
        new = np.tanh(embedding[token] + state_0 @ kernel)
        weights = np.exp((memory_0 * new[:, None]).sum(-1))
        weights = weights / weights.sum(-1, keepdims=True)
        return {"logits": (new @ output.T).astype("float32"), "new_state_0": new, "weights": weights.astype("float32")}

    def step(tokens, states, memory):
        outputs = alone(np.asarray(tokens), np.asarray(states[0]), np.asarray(memory[0]))
        return outputs["logits"], [outputs["new_state_0"]], outputs["weights"]

    return (step, [state], [memory]), (lambda: {"state_0": state, "memory_0": memory}, alone, {})


@pytest.mark.parametrize(
    "options",
    [
        {"longest": 12},
        {"longest": 12, "beam_width": 1},
        {"longest": 3, "beam_width": 4},  # cut off
        {"longest": 12, "beam_width": 3, "length_penalty": 0.0, "coverage_penalty": 0.5},
    ],
    ids=str,
)
def test_beam_search_in_numpy_finds_what_that_in_keras_finds(options):
    in_keras, in_numpy = random_steps()
    tokens, scores = (np.asarray(x)[0] for x in decoding.beam_search(*in_keras, **options))
    expected = [[*itertools.takewhile(lambda token: token != END, row)] for row in tokens.tolist()]
    found = beam_search(*in_numpy, **options)
    assert [row for row, _ in found] == expected
    np.testing.assert_allclose([score for _, score in found], scores, rtol=1e-5)


# ----------------------------------------------------------------------------------------------------------- words


def odd_texts(count):
    """Texts of letters with and without case, accents, marks, spaces and control characters of many scripts."""
    parts = [*"aAçÉßẞİıΣςÅŉǅﬃ'’-_!…1²½٣中😀ªⅷⒶ𝐀𐐀 \u0301\u00a0\u2028\u200b\x00\x1c\x85\t\n\ufeff"]
    parts += ["ΑΣ", "<br />", "<br/>", "isn't", " ", " "]
    return ["".join(RNG.choice(parts, RNG.integers(0, 25))) for _ in range(count)]


def test_a_graph_reads_texts_as_python_does():
    texts = [*odd_texts(1000), "", " "]
    vocabulary = words.Vocabulary.learn(texts[::2], 500)
    in_graph = [rows.numpy() for rows in WordIds(vocabulary, last=10, bigrams=50)(tf.constant(texts))]
    for rows, expected in zip(in_graph, words.columns(vocabulary, texts, words=10, bigrams=50), strict=True):
        for row, ids in zip(rows, expected, strict=True):
            np.testing.assert_array_equal(row, np.pad(ids, (0, len(row) - len(ids))))


@pytest.mark.parametrize("count", [7, 100_000])
def test_pairs_have_the_same_ids_with_and_without_tensorflow(count):
    ids = np.concatenate([RNG.integers(1, 30, 100), RNG.integers(1, 2**20, 100), [1, 2**20 - 1]])
    np.testing.assert_array_equal(word_ids.pair_ids(ids, count), words.pair_ids(ids, count))


# ---------------------------------------------------------------------------------------------------------- folder


@pytest.fixture
def contents():
    """The contents of an export of a tiny network, and a run."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Normalization(mean=1.0, variance=4.0)])
    model.add(keras.layers.Dense(2))
    x = RNG.normal(size=(5, 3)).astype("float32")
    return arrays.contents(model, ("x", "numbers"), ("y", "others"), x, "row", "print(y)")


@pytest.fixture
def run(tmp_path):
    run = Run(tmp_path / "run")
    run.path.mkdir()
    run.write_json("config.json", {"recipe": "any", "settings": {}, "data": ""})
    return run


@pytest.mark.parametrize("format", formats.FORMATS)
def test_every_format_holds_a_network(contents, run, format, tmp_path, monkeypatch, capsys):
    if not all(map(importlib.util.find_spec, formats.FORMATS[format].needs)):
        pytest.skip(f"{formats.FORMATS[format].needs} is not installed")
    outcome = bundle.Folder(tmp_path / "out", format).write(run, contents)
    assert outcome.difference < 1e-5 and outcome.count == 5 and min(outcome.seconds, outcome.keras_seconds) > 0
    assert "differ by at most" in capsys.readouterr().out
    readme = (tmp_path / "out" / "README.md").read_text()
    assert "| model | in: x | float32 (any, 3) | numbers |" in readme
    monkeypatch.chdir(tmp_path / "out")
    variables = {}
    exec(re.search("```python\n(.*)```", readme, re.DOTALL)[1], variables)
    np.testing.assert_allclose(variables["y"], contents.here(contents.examples[0])["y"], atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]


def test_an_empty_folder_is_filled_and_a_full_one_is_not(contents, run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    bundle.Folder(out, "saved-model").write(run, contents)
    before = sorted(out.iterdir())
    with pytest.raises(Stop, match="is not empty"):
        bundle.Folder(out, "saved-model")
    assert sorted(out.iterdir()) == before


def test_a_network_that_differs_leaves_nothing(contents, run, tmp_path, capsys):
    exact = contents.here
    contents.here = lambda example: {"y": exact(example)["y"] + 2e-4}
    with pytest.raises(SystemExit) as end:
        bundle.Folder(tmp_path / "out", "saved-model").write(run, contents)
    assert end.value.code == 1 and "FAIL: saved-model and Keras differ by 2.0e-04" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_no_format_holds_is_one_line(contents, run, tmp_path):
    contents.networks["model"].function = lambda given: {"y": tf.py_function(np.sin, [given["x"]], tf.float32)}
    with pytest.raises(Stop, match="--format litert cannot hold this network"):
        bundle.Folder(tmp_path / "out", "litert").write(run, contents)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_network_that_cannot_be_loaded_is_one_line_and_leaves_nothing(contents, run, tmp_path, monkeypatch):
    def write(network, name, format, folder):
        (folder / name).touch()

    monkeypatch.setattr(formats, "write", write)
    with pytest.raises(Stop, match="--format saved-model cannot hold this network"):
        bundle.Folder(tmp_path / "out", "saved-model").write(run, contents)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_resizing_by_matrices_is_resizing():
    model = keras.Sequential([keras.Input((10, 8, 2)), keras.layers.Resizing(5, 3, antialias=True)])
    x = RNG.normal(size=(2, 10, 8, 2)).astype("float32")
    np.testing.assert_allclose(portable(model)(x), model(x), atol=1e-6)


def test_a_missing_package_is_named_before_anything_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Stop, match=r"--format onnx needs onnxruntime and tf2onnx: pip install -e '.\[export\]'"):
        bundle.Folder(tmp_path / "out", "onnx")


def test_another_backend_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(Stop, match="KERAS_BACKEND=tensorflow. Received: jax"):
        bundle.Folder(tmp_path / "out", "onnx")


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").touch()
    for out in ("file", "file/out"):
        with pytest.raises(Stop, match="file"):
            bundle.Folder(tmp_path / out, "saved-model")


@pytest.mark.parametrize(
    "there, difference",
    [
        ([1.0, 2.5], 0.5),
        ([1.0, np.nan], np.nan),
        ([1.0, 2.0, 3.0], np.inf),
    ],
)
def test_the_largest_difference_of_numbers(there, difference):
    found = bundle.largest_difference({"y": np.array(there)}, {"y": np.array([1.0, 2.0])})
    np.testing.assert_equal(found, difference)


def test_texts_and_infinite_numbers_may_only_be_equal():
    here = {"texts": np.array(["a", "b"]), "scores": np.array([1.0, -np.inf])}
    assert bundle.largest_difference(here, here) == 0
    assert bundle.largest_difference(here | {"texts": np.array(["a", "c"])}, here) == np.inf
