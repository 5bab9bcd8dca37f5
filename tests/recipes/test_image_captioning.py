"""The captioning recipe from the command line, on generated scenes and on a user's own pictures."""

import gc
import io
import itertools
import json
import re
import shutil
from pathlib import Path

from toolkit import decoding, pictures, runs
from toolkit.cells import CELLS
from toolkit.metrics import rewards
from toolkit.metrics.captions import scores
from toolkit.text.subwords import END

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from datasets import captions
from recipes import image_captioning as recipe

SMALL = ["--units", "8", "--embedding", "8", "--epochs", "1", "--vocabulary", "350"]
WAYS = ["same-vector", "initial-state", "attention"]
rng = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def no_java(monkeypatch):
    """METEOR, which needs it, takes seconds for each report."""
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(captions, "SIZES", {"train": 40, "validation": 12, "test": 12})


@pytest.fixture
def pretrained(tmp_path):
    """Options for a pretrained encoder: MobileNetV2 with random weights, for 32 pixels."""
    path = tmp_path / "random.weights.h5"
    keras.utils.set_random_seed(1)
    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    network.save_weights(path)
    return ["--encoder", "MobileNetV2", "--size", 32, "--weights", path]


# ------------------------------------------------------------------------------------------------- the command line


def test_train_evaluate_predict(run_recipe, few, capsys):
    assert run_recipe(recipe, "--run-dir", "mine", *SMALL) == 0
    said = capsys.readouterr().out
    left = {path.name for path in Path("mine").iterdir()} - {"tensorboard", "learning_curves.png"}
    assert left == {
        *("config.json", "checkpoint.npz", "history.csv", "metrics.json", "model.keras", "subwords.model"),
        *("captions-test.tsv", "captions-test.png"),
    }
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert {*metrics} == {"minutes", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "cider", "exact"}
    table = pd.read_csv("mine/captions-test.tsv", sep="\t", keep_default_na=False)
    assert len(table) == 12 and table["references"].str.count(r"\|").eq(4).all()
    expected = scores(table["caption"], table["references"].str.split(" \\| "))
    assert metrics["cider"] == pytest.approx(expected["cider"]) and metrics["bleu1"] == expected["bleu1"]
    assert "40 train, 12 validation, 12 test" in said

    assert run_recipe(recipe, "evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip().splitlines()[-9:] == said.strip().splitlines()[-11:-2]
    assert run_recipe(recipe, "evaluate", "--run", "mine", "--beam", 1, "--validation") == 0
    assert "the validation split, 12 pictures" in capsys.readouterr().out

    folder_of_hard_pictures()
    assert run_recipe(recipe, "predict", "hard", "--run", "mine", "--beam", 2) == 0
    said = capsys.readouterr().out
    assert "skipped: cut.jpg is damaged" in said and "skipped: text.jpg is not a picture" in said
    names = "clear.png", "deep.png", "grey.png", "whole.jpg"
    assert all(f"\n{name}\n" in f"\n{said}" for name in names) and said.count("%") == 8
    for name in ("predicted", *(f"attention-{Path(name).stem}" for name in names)):
        assert Path(f"mine/{name}.png").stat().st_size > 5000
    assert run_recipe(recipe, "predict", "hard/grey.png", "--run", "mine") == 0
    assert "whole.jpg" not in capsys.readouterr().out
    for wrong, message in {
        "hard/text.jpg": "None of the pictures can be read",
        "hard/notes.txt": "neither a picture nor",
        "nowhere": "No such file",
    }.items():
        assert run_recipe(recipe, "predict", wrong, "--run", "mine") == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1


def folder_of_hard_pictures():
    Path("hard").mkdir()
    shade = rng.integers(0, 256, (50, 70, 3), dtype="uint8")
    whole = io.BytesIO()
    Image.fromarray(shade).save(whole, "JPEG")
    Path("hard/whole.jpg").write_bytes(whole.getvalue())
    Path("hard/cut.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    Path("hard/text.jpg").write_text("no picture")
    Path("hard/notes.txt").write_text("no picture, and its name does not claim to be one")
    Image.fromarray(shade[:, :, 0]).save("hard/grey.png")
    Image.fromarray(shade[:, :, 0].astype("uint16") * 257).save("hard/deep.png")
    Image.fromarray(np.dstack([shade, shade[:, :, :1]])).save("hard/clear.png")


@pytest.mark.slow
def test_a_pretrained_encoder_computes_the_features_of_each_split_once(run_recipe, few, eagerly, pretrained, capsys):
    options = ["--enters", "initial-state", "--longest", 6, *SMALL, *pretrained]
    assert run_recipe(recipe, "--run-dir", "one", *options) == 0
    assert capsys.readouterr().out.count("Computing the features") == 3
    assert run_recipe(recipe, "evaluate", "--run", "one") == 0
    assert "Computing" not in capsys.readouterr().out
    assert run_recipe(recipe, "predict", "one", "--run", "one") == 0  # the run's own plots are pictures too
    assert "attention" not in capsys.readouterr().out


@pytest.mark.slow
def test_test_augmentation_is_used_by_train_evaluate_predict_and_ensembles(
    run_recipe, few, eagerly, capsys, monkeypatch
):
    write, numbers_of_views = recipe.write_captions, []

    def watched(models, subwords, views, *more, **options):
        numbers_of_views.append(len(views))
        return write(models, subwords, views, *more, **options)

    monkeypatch.setattr(recipe, "write_captions", watched)
    options = ["--mirrored", "--test-augmentation", "--longest", 6, *SMALL]
    assert run_recipe(recipe, "--run-dir", "mine", *options) == 0
    said = capsys.readouterr().out
    assert run_recipe(recipe, "evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in said
    Path("pictures").mkdir()
    Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype="uint8")).save("pictures/one.png")
    assert run_recipe(recipe, "predict", "--run", "mine", "pictures", "--beam", 2) == 0
    assert capsys.readouterr().out.count("%") == 2
    run = runs.Run("mine")
    twice = recipe.ensemble_scores([run, run], recipe.load_data())
    assert twice == pytest.approx({name: value for name, value in run.metrics().items() if name != "minutes"})
    assert numbers_of_views == [4] * 4  # so small a network may write the same for one view


@pytest.fixture
def own(tmp_path):
    """Thirty pictures in subfolders, of which one is damaged, and captions, of which some are far too long."""
    rows = ["image,caption"]
    for i in range(30):
        path = tmp_path / f"Images/{i % 2}/{i}.PNG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype="uint8")).save(path)
        rows += [f"{i}.png,Hund {i}, weiß", f"{i}.png,ein Hund", f"{i}.png,{'Hund ' * 50 * (i > 9)}Hund"]
    (tmp_path / "Images/1/3.PNG").write_bytes((tmp_path / "Images/1/3.PNG").read_bytes()[:600])
    (tmp_path / "captions.txt").write_text("\n".join(rows), encoding="utf-8")


@pytest.mark.slow
def test_pictures_and_captions_of_ones_own(run_recipe, own, capsys):
    assert run_recipe(recipe, "--data", ".", "--run-dir", "one", *SMALL) == 2
    assert "3.png is damaged" in capsys.readouterr().err and not Path("one").exists()
    assert run_recipe(recipe, "--data", ".", "--run-dir", "two", "--odd", "skip", "--longest", 6, *SMALL) == 0
    said = capsys.readouterr().out
    assert "captions.txt: picture from 'image', caption from 'caption', 90 rows\npictures in Images, test and" in said
    assert "skipped: 3.png is damaged" in said
    assert re.search(r"\n1\d captions of the train split, of more than 12 subwords, are left out.\n", said)

    odd_files()
    assert run_recipe(recipe, "predict", "--run", "two", "ask", "--beam", 1) == 0
    said = capsys.readouterr().out
    for line in ("c.jpg is damaged", "d.png is empty", "f.heic is HEIC, which is not read here"):
        assert f"skipped: {line}" in said
    names = "0/a.JPG", "1/a.JPG", "1/a.png", "b.jfif", "e.avif.jpg", "noending"
    assert all(f"\n{name}\n" in said for name in names) and said.count("%") == 6 and "._a.JPG" not in said
    drawn = {path.name for path in Path("two").glob("attention-*")}
    assert drawn == {f"attention-{stem}.png" for stem in ("0-a", "1-a", "1-a-2", "b", "e.avif", "noending")}

    with open("captions.txt", "a", encoding="utf-8") as file:
        file.write("\n5.png,noch ein Hund")
    assert run_recipe(recipe, "evaluate", "--run", "two") == 2
    error = capsys.readouterr().err
    assert "The data is not what two was trained on" in error and error.count("\n") == 1


def odd_files():
    """A folder of pictures with odd endings, two of one name, and files that cannot be read."""
    Path("ask/0").mkdir(parents=True)
    Path("ask/1").mkdir()
    for name in ("0/a.JPG", "1/a.JPG", "1/a.png", "b.jfif", "e.avif.jpg", "noending", "._a.JPG"):
        shutil.copy("Images/0/2.PNG", f"ask/{name}")
    shutil.copy("Images/1/3.PNG", "ask/c.jpg")
    Path("ask/d.png").touch()
    Path("ask/f.heic").write_bytes(b"\0\0\0\x18ftypheic")


def test_captions_that_are_all_too_long_leave_nothing_behind(run_recipe, own, capsys):
    rows = [f"{i}.png,{'Hund und Katze und Maus, ' * 9}" for i in range(30)]
    Path("captions.txt").write_text("\n".join(["image,caption", *rows]))
    assert run_recipe(recipe, "--data", ".", "--run-dir", "one", "--odd", "skip", "--longest", 5, *SMALL) == 2
    error = capsys.readouterr().err
    assert "All captions of the train split have more than 10 subwords" in error and not Path("one").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--data", "missing"], "There is no such file or folder"),
        (["--data", "flickr8k", "--data-dir", "."], "Flickr8k was not found"),
        (["--enters", "later"], "same-vector"),
        (["--encoder", "Net"], "cnn"),
        (["--encoder", "MobileNetV2", "--weights", "none.h5", *SMALL], "none.h5"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing_behind(run_recipe, few, capsys, arguments, message):
    assert run_recipe(recipe, "train", *arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not Path("runs").exists()


@pytest.mark.parametrize("enters", WAYS)
def test_the_network_agrees_with_built_in_layers(run_recipe, verify_quickly, capsys, enters):
    assert run_recipe(recipe, "verify", "--units", 6, "--embedding", 5, "--enters", enters) == 0
    assert "FAIL" not in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("enters", ["attention", "same-vector"])
def test_verify_reports_a_wrong_cell(run_recipe, verify_quickly, capsys, monkeypatch, enters):
    step = CELLS["lstm"].step
    wrong = lambda self, *arguments: [1.01 * s for s in step(self, *arguments)]
    monkeypatch.setattr(CELLS["lstm"], "step", wrong)
    assert run_recipe(recipe, "verify", "--units", 6, "--embedding", 5, "--enters", enters) == 1
    assert "FAIL" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------- self-critical training


@pytest.fixture
def bleu_calls(monkeypatch):
    score, calls = rewards.BleuReward.__call__, []
    monkeypatch.setattr(rewards.BleuReward, "__call__", lambda *given: calls.append(given) or score(*given))
    return calls


@pytest.mark.slow
def test_self_critical_training_resumes_to_the_same_weights(run_recipe, few, eagerly, bleu_calls, monkeypatch):
    options = ["--self-critical", 2, "--longest", 6, *SMALL]
    assert run_recipe(recipe, "--run-dir", "whole", *options) == 0
    assert not bleu_calls  # BLEU has no weight here
    score, calls = rewards.CiderReward.__call__, []

    def stop_in_the_second_epoch(reward, numbers, texts):
        calls.append(texts)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(reward, numbers, texts)

    with monkeypatch.context() as patch:
        patch.setattr(rewards.CiderReward, "__call__", stop_in_the_second_epoch)
        assert run_recipe(recipe, "--run-dir", "killed", *options) == 130
    assert not Path("killed/metrics.json").exists()
    assert run_recipe(recipe, "--run-dir", "killed", "--resume") == 0
    for name in ("checkpoint.npz", "self-critical-checkpoint.npz"):
        whole, resumed = (np.load(f"{run}/{name}") for run in ("whole", "killed"))
        for key in set(whole.files) - {"state"}:
            np.testing.assert_array_equal(whole[key], resumed[key])
    history = pd.read_csv("whole/self-critical-history.csv")
    assert list(history) == ["epoch", "loss", "reward", "val_cider"] and len(history) == 2
    before, after = (np.load(f"whole/{phase}checkpoint.npz") for phase in ("", "self-critical-"))
    saved = runs.Run("whole").model().get_weights()
    best = {name: after[name] for name in after.files if name.startswith("best")}
    assert all(any(np.array_equal(w, b) for b in best.values()) for w in saved)
    assert any(not np.array_equal(before[name], best[name]) for name in best if name in before)


@pytest.mark.slow
def test_self_critical_training_starts_from_the_epoch_of_the_lowest_loss(run_recipe, few, eagerly, monkeypatch):
    falling = itertools.count(10, -1)
    monkeypatch.setattr(recipe, "cider", lambda *texts: float(next(falling)))  # the first epoch has the highest CIDEr
    options = ["--enters", "same-vector", "--longest", 6, *SMALL, "--epochs", 2]
    assert run_recipe(recipe, "--run-dir", "without", *options) == 0
    assert run_recipe(recipe, "--run-dir", "with", "--self-critical", 1, *options) == 0
    assert pd.read_csv("with/history.csv")["val_loss"].argmin() == 1
    best = [json.loads(np.load(f"{run}/checkpoint.npz")["state"].item())["best_epoch"] for run in ("without", "with")]
    assert best == [1, 2]


@pytest.mark.slow
def test_self_critical_training_is_the_same_in_a_strategy_with_one_device(run_recipe, few):
    options = ["--enters", "same-vector", "--self-critical", 1, "--longest", 6, *SMALL]
    assert run_recipe(recipe, "--run-dir", "one", *options) == 0
    gc.collect()  # its graphs take hundreds of megabytes
    assert run_recipe(recipe, "--run-dir", "mirrored", "--strategy", "mirrored", *options) == 0
    one, mirrored = (np.load(f"{run}/self-critical-checkpoint.npz") for run in ("one", "mirrored"))
    for key in set(one.files) - {"state"}:
        np.testing.assert_allclose(one[key], mirrored[key], rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_bleu_is_part_of_the_reward_where_it_has_a_weight(run_recipe, few, eagerly, bleu_calls):
    options = ["--enters", "same-vector", "--self-critical", 1, "--longest", 6, *SMALL]
    assert run_recipe(recipe, "--run-dir", "with", "--bleu-weight", 2, *options) == 0 and bleu_calls


def test_self_critical_training_is_refused_before_training_on_another_backend(run_recipe, few, capsys, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    assert run_recipe(recipe, "--self-critical", 1, *SMALL) == 2
    assert "needs the TensorFlow backend" in capsys.readouterr().err and not Path("runs").exists()


# ------------------------------------------------------------------------------------------------------ the network


def network(shape=(4, 6), enters="attention", cell="gru", **options):
    """A small network with random weights, which writes short sentences."""
    model = recipe.build_model(12, shape, enters, cell, units=5, embedding=4, dropout=0.0, **options)
    for weight in model.trainable_variables:
        if "conv" not in weight.path:
            weight.assign(rng.normal(scale=0.7, size=weight.shape))
    bias = model.get_layer("embedding").bias
    bias.assign(bias + 2 * np.eye(12)[END])
    return model


@pytest.mark.parametrize("enters", WAYS)
@pytest.mark.parametrize("cell", ["lstm", "builtin-gru"])
def test_one_step_after_another_gives_the_logits_of_teacher_forcing(enters, cell):
    model = network((32, 32, 3), enters, cell)
    inputs, written = rng.integers(0, 256, (3, 32, 32, 3)), rng.integers(4, 12, (3, 5))
    whole = np.array(model([inputs, written]))
    decoder = decoding.StepwiseDecoder(model)
    states, memory = decoder.start(inputs)
    for t in range(5):
        logits, states, _ = decoder.step(written[:, t], states, memory)
        np.testing.assert_allclose(logits, whole[:, t], atol=1e-5)
    others = np.array(model([inputs[::-1], written]))
    assert np.abs(whole[0] - others[0]).max() > 0.001  # they depend on the picture


@pytest.mark.parametrize("shape, whole_channels", [((32, 32, 3), False), ((25, 40), True)])
def test_whole_channels_of_a_pretrained_networks_features_are_dropped(shape, whole_channels):
    model = recipe.build_model(12, shape, units=5, embedding=4, dropout=0.5)
    inputs = model.get_layer("project").input
    features = keras.Model(model.inputs[0], inputs)(rng.integers(1, 256, (9, *shape)), training=True)
    dropped = np.array(features) == 0
    if whole_channels:
        np.testing.assert_array_equal(dropped, np.broadcast_to(dropped[:, :1], dropped.shape))
        assert 0.4 < dropped.mean() < 0.6
    else:
        assert (dropped != dropped[:, :1]).any()


@pytest.mark.parametrize("views", [1, 3])
def test_the_probability_of_a_caption_is_that_of_the_search(views, monkeypatch):
    model, inputs = network(), rng.normal(size=(views, 1, 4, 6)).astype("float32")

    class Digits:
        """Subwords that are numbers, so that texts are their own ids."""

        ids = staticmethod(lambda texts: [[*map(int, text.split()), END] for text in texts])

        @staticmethod
        def texts(rows):
            rows = [row.tolist() for row in rows]
            return [" ".join(map(str, row[: row.index(END)] if END in row else row)) for row in rows]

    (found,) = recipe.write_captions([model], Digits, inputs, beam=3, length_penalty=0.0, longest=6)
    finished = [(text, score) for text, score in found if len(text.split()) < 6]
    assert finished
    probabilities = recipe.caption_probabilities(model, Digits, inputs[:, 0], [text for text, _ in finished])
    np.testing.assert_allclose(probabilities, np.exp([score for _, score in finished]), rtol=1e-4)


def test_the_probability_of_a_subword_is_the_mean_over_views():
    model, inputs = network(), rng.normal(size=(5, 2, 4, 6)).astype("float32")
    decoders = [recipe.ViewDecoder(model, number) for number in (0, 1)]
    ensemble, plain = decoding.Ensemble(decoders), decoding.StepwiseDecoder(model)
    logits, *_ = ensemble.step(np.full(5, 2), *ensemble.start(inputs))
    each = [plain.step(np.full(5, 2), *plain.start(inputs[:, number]))[0] for number in (0, 1)]
    np.testing.assert_allclose(np.exp(logits), np.mean([keras.ops.softmax(x) for x in each], axis=0), rtol=1e-5)


def test_an_ensemble_differs_from_its_members():
    models, inputs = [network(), network()], rng.normal(size=(1, 6, 4, 6)).astype("float32")

    class Raw:
        texts = staticmethod(lambda rows: [str(row.tolist()) for row in rows])

    write = lambda models: recipe.write_captions(models, Raw, inputs, beam=2, longest=5)
    both, *each = write(models), write(models[:1]), write(models[1:])
    assert all(both != one for one in each)


# ---------------------------------------------------------------------------------------------------------- batches


def test_each_caption_has_its_picture_and_what_was_written_before():
    arrays = rng.normal(size=(1, 3, 2, 4))
    example = recipe.teacher_forcing(arrays, seed=0)(epoch=0)
    (picture, written), target = example(tf.constant([2, 0]), tf.constant([[5, 3], [6, 3]]))
    np.testing.assert_array_equal(picture, arrays[0, [2, 0]])
    np.testing.assert_array_equal(written, [[2, 5], [2, 6]])
    np.testing.assert_array_equal(target, [[5, 3], [6, 3]])


def test_each_epoch_draws_other_views_and_repeats_them_when_it_is_repeated():
    views = np.stack([np.arange(200), 1000 + np.arange(200)])
    numbers, target = tf.range(200), tf.fill((200, 2), 3)
    epochs = [recipe.teacher_forcing(views, 0)(epoch)(numbers, target)[0][0].numpy() for epoch in (0, 1, 1)]
    for chosen in epochs:
        np.testing.assert_array_equal(chosen % 1000, numbers)
        assert 70 < np.sum(chosen >= 1000) < 130
    assert (epochs[0] != epochs[1]).any() and (epochs[1] == epochs[2]).all()


def test_training_views_are_not_validated_on(run_recipe, few, monkeypatch):
    loaded, load = {}, recipe.load_examples
    monkeypatch.setattr(recipe, "load_examples", lambda *a: loaded.setdefault(a[2], load(*a)))
    Path("taken").write_text("not a folder")  # so that it stops when all pictures are loaded
    assert run_recipe(recipe, "--run-dir", "taken", "--mirrored", "--crops", 2, "--test-augmentation") == 2
    assert {split: examples.views.shape[:2] for split, examples in loaded.items()} == {
        "train": (4, 40),
        "validation": (1, 12),
        "test": (4, 12),
    }
    plain = np.asarray(loaded["test"].views)[0]
    np.testing.assert_array_equal(loaded["test"].views, pictures.evaluation_views(plain, mirrored=True))
    plain = np.asarray(loaded["train"].views)[0]
    np.testing.assert_array_equal(loaded["train"].views, pictures.training_views(plain, mirrored=True, crops=2))
