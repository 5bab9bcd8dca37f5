"""The captioning recipe from the command line, on drawn scenes and on a user's own pictures."""

import io
import itertools
import json
import shutil
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from PIL import Image

from datasets import captions
from recipes import caption_inputs, caption_report, captioner, common, decoding, image_captioning_grid, picture_features
from recipes import image_captioning as recipe

SMALL = ["--units", "8", "--embedding", "8", "--epochs", "1", "--vocabulary", "350"]
rng = np.random.default_rng(0)


which = shutil.which


@pytest.fixture(autouse=True)
def no_java(monkeypatch):
    """METEOR, which needs it, takes seconds for each report."""
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(captions, "SIZES", {"train": 60, "validation": 20, "test": 20})


@pytest.fixture
def weights(tmp_path):
    """A file of random weights of MobileNetV2 for 32 pixels."""
    path = tmp_path / "seen.weights.h5"
    keras.utils.set_random_seed(1)
    random_network().save_weights(path)
    return ["--encoder", "MobileNetV2", "--size", 32, "--weights", path]


def random_network():
    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    for weight in network.weights:
        if weight.path.endswith("gamma"):  # at 1, untrained features are too small to tell pictures apart
            weight.assign(rng.uniform(1, 5, weight.shape))
    return network


def test_train_evaluate_predict(call, few, capsys):
    assert call("--run-dir", "mine", *SMALL) == 0
    report = capsys.readouterr().out
    left = {path.name for path in Path("mine").iterdir()} - {"tensorboard", "learning_curves.png"}
    assert left == {
        *("config.json", "checkpoint.npz", "history.csv", "metrics.json", "model.keras", "subwords.model"),
        *("captions-test.tsv", "captions-test.png"),
    }
    metrics = json.loads(Path("mine/metrics.json").read_text())
    assert {*metrics} == {"minutes", "bleu1", "bleu2", "bleu3", "bleu4", "rouge_l", "cider", "exact"}
    table = pd.read_csv("mine/captions-test.tsv", sep="\t", keep_default_na=False)
    assert len(table) == 20 and table["references"].str.count(r"\|").eq(4).all()
    expected = caption_report.scores(table["caption"], table["references"].str.split(" \\| "))
    assert metrics["cider"] == pytest.approx(expected["cider"]) and metrics["bleu1"] == expected["bleu1"]
    assert "60 train, 20 validation, 20 test" in report

    assert call("evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip().splitlines()[-9:] == report.strip().splitlines()[-11:-2]
    assert call("evaluate", "--run", "mine", "--beam", 1, "--validation") == 0
    assert "The validation part, 20 pictures" in capsys.readouterr().out

    odd_folder()
    assert call("predict", "odd", "--run", "mine", "--beam", 2) == 0
    said = capsys.readouterr().out
    assert "left out: cut.jpg is damaged" in said and "left out: text.jpg is no picture" in said
    shown = [name for name in ("clear.png", "deep.png", "grey.png", "whole.jpg") if f"\n{name}\n" in f"\n{said}"]
    assert len(shown) == 4 and said.count("%") == 8
    for name in ("predicted", "attention-clear", "attention-deep", "attention-grey", "attention-whole"):
        assert Path(f"mine/{name}.png").stat().st_size > 5000
    assert call("predict", "odd/grey.png", "--run", "mine") == 0
    assert "whole.jpg" not in capsys.readouterr().out
    for wrong, message in {
        "odd/text.jpg": "None of the pictures can be read",
        "odd/notes.txt": "neither a picture nor",
        "nowhere": "No such file",
    }.items():
        assert call("predict", wrong, "--run", "mine") == 2
        error = capsys.readouterr().err
        assert message in error and "Traceback" not in error


def odd_folder():
    Path("odd").mkdir()
    shade = rng.integers(0, 256, (50, 70, 3), dtype="uint8")
    whole = io.BytesIO()
    Image.fromarray(shade).save(whole, "JPEG")
    Path("odd/whole.jpg").write_bytes(whole.getvalue())
    Path("odd/cut.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    Path("odd/text.jpg").write_text("no picture")
    Path("odd/notes.txt").write_text("no picture, and its name does not say so")
    Image.fromarray(shade[:, :, 0]).save("odd/grey.png")
    Image.fromarray(shade[:, :, 0].astype("uint16") * 257).save("odd/deep.png")
    Image.fromarray(np.dstack([shade, shade[:, :, :1]])).save("odd/clear.png")


def test_self_critical_training_resumes_to_the_same_bits(call, few, eagerly, monkeypatch):
    options = ["--self-critical", 2, "--longest", 6, *SMALL]
    assert call("--run-dir", "whole", *options) == 0
    right, asked = recipe.self_critical.Cider.__call__, []

    def killed(reward, numbers, texts):
        asked.append(texts)
        if len(asked) == 3:  # in its second epoch
            raise KeyboardInterrupt
        return right(reward, numbers, texts)

    with monkeypatch.context() as patch:
        patch.setattr(recipe.self_critical.Cider, "__call__", killed)
        assert call("--run-dir", "killed", *options) == 130
    assert not Path("killed/metrics.json").exists()
    assert call("--run-dir", "killed", "--resume", *options) == 0
    for name in ("checkpoint.npz", "self-critical-checkpoint.npz"):
        whole, resumed = (np.load(f"{run}/{name}") for run in ("whole", "killed"))
        for key in set(whole.files) - {"state"}:
            np.testing.assert_array_equal(whole[key], resumed[key])
    history = pd.read_csv("whole/self-critical-history.csv")
    assert list(history) == ["epoch", "loss", "reward", "val_cider"] and len(history) == 2
    before, after = (np.load(f"whole/{part}checkpoint.npz") for part in ("", "self-critical-"))
    left = keras.tree.flatten(common.Run("whole").model().get_weights())
    names = [f"best{i}" for i in range(len(left))]
    assert all(np.array_equal(w, after[name]) for w, name in zip(left, names))
    assert any(not np.array_equal(w, before[name]) for w, name in zip(left, names))


def test_self_critical_training_goes_on_from_the_lowest_loss(call, few, eagerly, monkeypatch):
    falling = itertools.count(10, -1)
    monkeypatch.setattr(caption_report, "cider", lambda *texts: float(next(falling)))  # the first epoch is the best
    options = ["--longest", 6, *SMALL, "--epochs", 2]
    assert call("--run-dir", "without", *options) == 0
    assert call("--run-dir", "with", "--self-critical", 1, *options) == 0
    assert pd.read_csv("with/history.csv")["val_loss"].argmin() == 1
    best = [json.loads(np.load(f"{run}/checkpoint.npz")["state"].item())["best_epoch"] for run in ("without", "with")]
    assert best == [1, 2]


def test_self_critical_training_in_a_strategy(call, few):
    """Which here has one device, so that the same numbers come out."""
    options = ["--self-critical", 1, "--longest", 6, *SMALL]
    assert call("--run-dir", "one", *options) == 0
    assert call("--run-dir", "mirrored", "--strategy", "mirrored", *options) == 0
    one, mirrored = (np.load(f"{run}/self-critical-checkpoint.npz") for run in ("one", "mirrored"))
    for key in set(one.files) - {"state"}:
        np.testing.assert_allclose(one[key], mirrored[key], rtol=1e-5, atol=1e-6)


def test_bleu_is_asked_where_it_has_a_weight(call, few, eagerly, monkeypatch):
    right, asked = recipe.self_critical.Bleu.__call__, []
    monkeypatch.setattr(recipe.self_critical.Bleu, "__call__", lambda *given: asked.append(given) or right(*given))
    options = ["--self-critical", 1, "--longest", 6, *SMALL]
    assert call("--run-dir", "without", *options) == 0 and not asked
    assert call("--run-dir", "with", "--bleu-weight", 2, *options) == 0 and asked


def test_a_trained_encoder_is_asked_once(call, few, weights, capsys):
    options = [*SMALL, *weights]
    assert call("--run-dir", "one", "--enters", "initial-state", *options) == 0
    assert capsys.readouterr().out.count(", once:") == 3  # a file each for training, validation and test
    assert call("evaluate", "--run", "one") == 0
    assert ", once:" not in capsys.readouterr().out
    assert call("predict", "one", "--run", "one") == 0  # the run's own plots are pictures too
    assert "attention" not in capsys.readouterr().out


@pytest.mark.parametrize("name, layer", {"MobileNetV2": "block_13_expand_relu", "VGG16": "block5_conv3"}.items())
def test_a_trained_network_shows_two_maps(name, layer):
    keras.utils.set_random_seed(3)
    body = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(96, 96, 3))
    keras.utils.set_random_seed(3)  # the same random weights
    both = picture_features.network(name, 96)
    picture = rng.integers(0, 256, (1, 96, 96, 3)).astype("float32")
    prepare = {"MobileNetV2": keras.applications.mobilenet_v2, "VGG16": keras.applications.vgg16}[name].preprocess_input
    outputs = keras.Model(body.input, [body.output, body.get_layer(layer).output])(prepare(picture.copy()))
    last, finer = (np.array(x)[0] for x in outputs)
    found = np.array(both(picture))[0]
    assert last.shape[0] == 3 and finer.shape[0] == 6 and last.std() > 0 and finer.std() > 0
    np.testing.assert_allclose(found[..., : last.shape[-1]], last, rtol=1e-4, atol=1e-4 * last.std())
    pooled = finer.reshape(3, 2, 3, 2, -1).mean(axis=(1, 3))  # not the same as resizing, but near
    assert np.corrcoef(found[..., last.shape[-1] :].ravel(), pooled.ravel())[0, 1] > 0.9


def test_networks_of_a_module_that_does_not_name_them():
    network = picture_features.network("MobileNetV3Small", 32)
    assert network.output_shape[-1] > 500 and np.isfinite(network(np.full((1, 32, 32, 3), 99.0))).all()


def test_kept_features_follow_pictures_weights_and_size(weights, tmp_path, capsys):
    arrays = rng.integers(0, 256, (3, 32, 32, 3), dtype="uint8")
    path = Path(weights[-1])
    folder = tmp_path / "kept"
    look = lambda arrays, size=32: picture_features.features([arrays], "MobileNetV2", size, path, folder)[0]
    first = look(arrays)
    network = picture_features.network("MobileNetV2", 32, path)
    np.testing.assert_allclose(
        first, network.predict(arrays, verbose=0).reshape(3, 1, 1280 + 576), rtol=1e-2, atol=1e-2
    )
    np.testing.assert_array_equal(look(arrays), first)
    assert len([*folder.iterdir()]) == 1
    changed = arrays.copy()
    changed[1, 3, 3] ^= 255
    assert not np.array_equal(look(changed), first)
    look(np.repeat(np.repeat(arrays, 2, 1), 2, 2), 64)
    random_network().save_weights(path)
    assert not np.array_equal(look(arrays), first)
    assert len([*folder.iterdir()]) == 4


def test_views_are_looked_at_by_one_network(weights, tmp_path, monkeypatch):
    views = [rng.integers(0, 256, (3, 32, 32, 3), dtype="uint8") for _ in range(3)]
    made, real = [], picture_features.network
    monkeypatch.setattr(picture_features, "network", lambda *settings: made.append(settings) or real(*settings))
    asked = "MobileNetV2", 32, Path(weights[-1]), tmp_path / "kept"
    found = picture_features.features(views, *asked)
    assert len(made) == 1
    for view, features in zip(views, found, strict=True):
        np.testing.assert_array_equal(picture_features.features([view], *asked)[0], features)
    assert len(made) == 1 and not np.array_equal(found[0], found[1])  # they are kept, each under its own name


def test_fine_tuning_begins_with_the_weights_and_moves_them(call, few, weights):
    assert call("--run-dir", "mine", "--fine-tune", *SMALL, *weights, "--learning-rate", 0.01) == 0
    tuned = common.Run("mine").model().backbone.get_weights()
    before = picture_features.network("MobileNetV2", 32, weights[-1]).get_weights()
    moved = [np.abs(a - b).max() for a, b in zip(tuned, before, strict=True)]
    assert max(moved) > 0 and max(moved) < 1


@pytest.mark.parametrize("enters", captioner.ENTERS)
@pytest.mark.parametrize("cell", ["lstm", "builtin-gru"])
def test_step_by_step_is_what_teacher_forcing_sees(enters, cell):
    settings = {"units": 5, "layers": 1, "embedding": 4, "dropout": 0.0, "seed": 0, "encoder": "cnn", "size": 32}
    model = captioner.Captioner(12, enters, cell, looks=True, **settings)
    model.build(((None, 32, 32, 3), (None, None)))
    for weight in model.decoder.trainable_variables + model.project.trainable_variables:
        weight.assign(rng.normal(scale=0.7, size=weight.shape))
    pictures, written = rng.integers(0, 256, (3, 32, 32, 3)), rng.integers(4, 12, (3, 5))
    whole = np.array(model((pictures, written)))
    states, memory = model.begin(pictures)
    for t in range(5):
        logits, states, _ = model.step(written[:, t], states, memory)
        np.testing.assert_allclose(logits, whole[:, t], atol=1e-5)
    assert np.abs(whole[0] - np.array(model((pictures[::-1], written)))[0]).max() > 0.001  # it has seen the picture


@pytest.mark.parametrize("encoder, whole", [("cnn", False), ("MobileNetV2", True)])
def test_whole_channels_of_a_trained_network_are_dropped(encoder, whole):
    settings = {"cell": "gru", "units": 8, "layers": 1, "embedding": 6, "dropout": 0.5, "seed": 0}
    model = captioner.Captioner(9, "attention", looks=False, encoder=encoder, size=32, **settings)
    dropped = np.array(model.drop(np.ones((3, 25, 40), "float32"), training=True)) == 0
    assert 0.4 < dropped.mean() < 0.6 and (dropped == dropped[:, :1]).all() == whole


@pytest.mark.parametrize("views", [1, 3])
def test_probabilities_are_those_of_the_beams(views):
    model = small_model()
    seen = rng.normal(size=(1, views, 4, 6)).astype("float32")
    together = decoding.Ensemble([captioner.View(model, number) for number in range(views)])
    tokens, scores = decoding.beam_search(together.step, *together.begin(seen), 2, 3, 6, width=3, length_penalty=0.0)
    rows = [row[: row.index(3) + 1] if 3 in row else row for row in np.array(tokens)[0].tolist()]
    np.testing.assert_allclose(caption_inputs.probabilities(model, seen[0], rows), np.exp(scores[0]), rtol=1e-4)


def small_model():
    settings = {"units": 5, "layers": 1, "embedding": 4, "dropout": 0.0, "seed": 0, "encoder": "cnn", "size": 32}
    model = captioner.Captioner(9, "attention", "gru", looks=False, **settings)
    model.build(((None, 4, 6), (None, None)))
    for weight in model.trainable_variables:
        weight.assign(rng.normal(size=weight.shape))
    return model


def test_views_are_captioned_together():
    model, seen = small_model(), rng.normal(size=(5, 2, 4, 6)).astype("float32")
    together = decoding.Ensemble([captioner.View(model, number) for number in (0, 1)])
    logits, *_ = together.step(np.full(5, 2), *together.begin(seen))
    each = [model.step(np.full(5, 2), *model.begin(seen[:, number]))[0] for number in (0, 1)]
    np.testing.assert_allclose(np.exp(logits), np.mean([keras.ops.softmax(x) for x in each], axis=0), rtol=1e-5)


def test_test_augmentation(call, few, capsys):
    arguments = ["--mirrored", "--test-augmentation", *SMALL]
    assert call("--run-dir", "mine", *arguments) == 0
    report = capsys.readouterr().out
    assert call("evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in report
    Path("pictures").mkdir()
    Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype="uint8")).save("pictures/one.png")
    assert call("predict", "--run", "mine", "pictures", "--beam", 2) == 0
    assert capsys.readouterr().out.count("%") == 2


@pytest.mark.parametrize("mirrored", [True, False])
def test_the_views_that_are_captioned_together(few, mirrored):
    settings = common.defaults(recipe.train) | {"mirrored": mirrored, "test_augmentation": True, "crops": 1}
    data = recipe.load_data(settings)
    plain, names, _ = caption_inputs.part(settings | {"test_augmentation": False}, data, "test")
    views = caption_inputs.by_picture(caption_inputs.part(settings, data, "test")[0], len(names))
    assert views.shape == (20, 4 if mirrored else 2, *plain.shape[1:])
    np.testing.assert_array_equal(views[:, 0], plain)
    middle = views[:, 2 if mirrored else 1]
    np.testing.assert_array_equal(middle, picture_features.middle(plain))
    if mirrored:
        np.testing.assert_array_equal(views[:, 1::2], views[:, ::2, :, ::-1])
    train = [caption_inputs.part(settings | {"test_augmentation": how}, data, "train")[0] for how in (True, False)]
    np.testing.assert_array_equal(*train)  # they are not trained on


def test_the_middle_of_a_picture():
    down, across = np.mgrid[:200, :200].astype("uint8")
    middle = picture_features.middle(np.stack([np.dstack([down, across, across])] * 70)).astype(float)
    assert middle.shape == (70, 200, 200, 3) and (middle == middle[:1]).all()
    np.testing.assert_allclose(middle[0, [0, -1], 0, 0], [15, 184], atol=1)  # .85 of 199, from 7.5 % on
    np.testing.assert_allclose(middle[0, 0, [0, -1], 1], [15, 184], atol=1)


def test_publish_and_grid(call, few, eagerly, capsys, monkeypatch):
    quick = {"units": 8, "embedding": 8, "epochs": 1, "vocabulary": 350, "longest": 8}
    monkeypatch.setitem(recipe.VARIANTS, "same-vector", quick | {"enters": "same-vector"})
    for _ in range(2):
        assert call("publish", "--variant", "same-vector", "--seeds", 2, "--output", ".") == 0
        result = json.loads(Path("image_captioning.same-vector.json").read_text())
        runs = [Path(f"runs/image_captioning/same-vector-seed{seed}/metrics.json") for seed in (0, 1)]
        cider = [json.loads(run.read_text())["cider"] for run in runs]
        assert result["metrics"]["cider"]["values"] == pytest.approx(cider, abs=1e-5)
        assert [row["value"] for row in result["published"]] == [0.608, 0.198, 0.478]
    assert capsys.readouterr().out.count("If this is stopped") == 2  # the second time nothing is trained

    monkeypatch.setattr(captioner, "ENTERS", {"initial-state": captioner.ENTERS["initial-state"]})
    options = ["--data", "scenes", "--encoder", "cnn", "--size", 48, "--epochs", 1, "--units", 8, "--embedding", 8]
    monkeypatch.setattr(sys, "argv", ["image_captioning_grid.py", *map(str, options), "--output", ".", "--cells", "gru"])
    with pytest.raises(SystemExit) as caught:
        common.main(image_captioning_grid.app)
    assert not caught.value.code
    result = json.loads(Path("image_captioning.grid.json").read_text())
    for row, enters in zip(result["table"], captioner.ENTERS, strict=True):
        metrics = json.loads(Path(f"runs/image_captioning/grid-gru-{enters}-seed0/metrics.json").read_text())
        assert row == {"cell": "gru", "enters": enters} | metrics
    monkeypatch.setattr(sys, "argv", "image_captioning_grid.py --data scenes --encoder cnn --size 48 --cells gru".split())
    with pytest.raises(SystemExit) as caught:
        common.main(image_captioning_grid.app)
    assert caught.value.code == 2 and "units=8, now 256" in capsys.readouterr().err


def test_own_pictures_with_a_damaged_one(call, capsys):
    Path("images").mkdir()
    rows = ["picture,caption"]
    for i in range(30):
        Image.fromarray(rng.integers(0, 256, (40, 30, 3), dtype="uint8")).save(f"images/{i}.png")
        rows += [f"{i}.png,der {i}. Hund läuft", f"{i}.png,ein Hund"]
    Path("images/3.png").write_bytes(Path("images/3.png").read_bytes()[:600])
    Path("captions.csv").write_text("\n".join(rows), encoding="utf-8")
    assert call("--data", ".", "--run-dir", "one", *SMALL) == 2
    assert "3.png is damaged" in capsys.readouterr().err and not Path("one").exists()
    assert call("--data", ".", "--run-dir", "two", "--odd", "skip", *SMALL) == 0
    assert "left out: 3.png is damaged" in capsys.readouterr().out


def test_wrong_input_is_one_line_and_leaves_nothing_behind(call, capsys):
    for arguments, said in {
        ("--data", "missing"): "There is no such file or folder",
        ("--data", "flickr8k", "--data-dir", "."): "Flickr8k is not here",
        ("--enters", "later"): "choose one of same-vector, initial-state, attention",
        ("--encoder", "Net"): "choose one of cnn",
    }.items():
        assert call("train", *arguments) == 2
        error = capsys.readouterr().err
        assert said in error and "Traceback" not in error
    assert not Path("runs").exists()


def test_missing_weights_are_told(call, few, capsys):
    assert call("--encoder", "MobileNetV2", "--weights", "none.h5", "--run-dir", "mine", *SMALL) == 2
    assert "none.h5" in capsys.readouterr().err


@pytest.mark.parametrize("enters", ["attention", "same-vector"])
def test_verify_passes_and_tells_a_wrong_cell(call, capsys, monkeypatch, enters):
    assert call("verify", "--units", 6, "--embedding", 5, "--enters", enters) == 0
    assert "FAIL" not in capsys.readouterr().out
    right = common.CELLS["lstm"].step
    wrong = lambda self, *arguments: tuple(1.01 * s for s in right(self, *arguments))
    monkeypatch.setattr(common.CELLS["lstm"], "step", wrong)
    assert call("verify", "--units", 6, "--embedding", 5, "--enters", enters) == 1
    assert "FAIL" in capsys.readouterr().out


# ----------------------------------------------------------------------------------------------------------- scores


def test_scores_by_hand(monkeypatch):
    references = [["a dog runs on grass", "the dog runs"], ["two cats sleep", "cats asleep"]]
    perfect = caption_report.scores(["The dog runs.", "two cats sleep"], references)
    assert perfect["exact"] == 1 and perfect["bleu1"] == pytest.approx(1) and perfect["rouge_l"] == pytest.approx(1)
    found = caption_report.scores(["a dog runs", "one bird"], references)
    assert found["exact"] == 0
    assert found["bleu1"] == pytest.approx(3 / 5)  # three of five words; no shorter than the nearest references
    assert found["cider"] == pytest.approx(caption_report.cider(["a dog runs", "one bird"], references))
    assert 0 < found["cider"] < perfect["cider"]


def test_a_caption_as_it_is_scored():
    assert caption_report.plain("A Dog's ball, red-and-blue ; two  .") == "a dog's ball red-and-blue two"


@pytest.mark.skipif(not which("java"), reason="METEOR needs Java")
def test_meteor_where_java_is_installed(monkeypatch):
    said, known = ["a dog runs", "two cats"], [["a dog runs", "the dog is running"], ["one bird"]]
    assert "meteor" not in caption_report.scores(said, known)
    monkeypatch.setattr(shutil, "which", which)
    assert 0.2 < caption_report.scores(said, known)["meteor"] < 1


def test_pictures_are_squared():
    wide = np.zeros((10, 20, 3), "uint8")
    wide[:, 10:] = 200
    square = picture_features.squared(wide, 10)
    assert square.shape == (10, 10, 3) and square.dtype == "uint8"
    assert (square[:, :4] == 0).all() and (square[:, 6:] == 200).all()


def test_batches_hold_a_picture_for_each_caption():
    arrays = rng.normal(size=(3, 2, 4))
    pairs = caption_inputs.forced(arrays, ["a", "b", "c"], seed=0)(epoch=0)
    seen, target = pairs(tf.constant([2, 0]), tf.constant([[5, 3], [6, 3]]))
    np.testing.assert_array_equal(seen[0], arrays[[2, 0]])
    np.testing.assert_array_equal(seen[1], [[2, 5], [2, 6]])
    np.testing.assert_array_equal(target, [[5, 3], [6, 3]])


def test_half_of_the_pictures_are_mirrored_others_in_each_epoch():
    arrays = np.concatenate([np.arange(200), 1000 + np.arange(200)])
    rows, target = tf.range(200), tf.fill((200, 2), 3)
    epochs = [caption_inputs.forced(arrays, range(200), 0)(epoch)(rows, target)[0][0].numpy() for epoch in (0, 1, 1)]
    for seen in epochs:
        np.testing.assert_array_equal(seen % 1000, rows)
        assert 70 < np.sum(seen >= 1000) < 130
    assert (epochs[0] != epochs[1]).any() and (epochs[1] == epochs[2]).all()


def test_mirrored_pictures_stand_behind_those_of_the_training_part(few):
    settings = common.defaults(recipe.train) | {"mirrored": True}
    data = recipe.load_data(settings)
    plain = {split: caption_inputs.part(settings | {"mirrored": False}, data, split)[0] for split in data.splits}
    found = {split: caption_inputs.part(settings, data, split) for split in data.splits}
    np.testing.assert_array_equal(found["train"][0][:60], plain["train"])
    np.testing.assert_array_equal(found["train"][0][60:], plain["train"][:, :, ::-1])
    assert len(found["train"][1]) == 60 and (found["validation"][0] == plain["validation"]).all()
    for mirrored in (True, False):
        asked = settings | {"mirrored": mirrored, "crops": 2}
        cut = {split: caption_inputs.part(asked, data, split) for split in data.splits}
        arrays, begin = cut["train"][0].numpy(), 60 * (1 + mirrored)
        assert len(arrays) == begin + 120 and arrays.dtype == "uint8" and len(cut["train"][1]) == 60
        np.testing.assert_array_equal(arrays[:begin], found["train"][0][:begin])
        assert (cut["validation"][0] == plain["validation"]).all()
        for other in (found["train"][0].numpy()[60:], arrays[begin + 60 :]):
            assert (arrays[begin : begin + 60] != other).any(axis=(1, 2, 3)).sum() > 50


@pytest.mark.parametrize("mirrored", [True, False])
def test_a_crop_is_a_part_of_its_picture(mirrored):
    down, across = np.mgrid[:200, :200].astype("uint8")
    arrays = np.stack([np.dstack([down, across, across])] * 60)
    crops = picture_features.cropped(arrays, 0, mirrored).astype(float)
    high, wide = crops[:, -1, 0, 0] - crops[:, 0, 0, 0], crops[:, 0, -1, 1] - crops[:, 0, 0, 1]
    assert np.abs(np.abs(wide) - high).max() <= 2  # its aspect is kept
    area = (high / 199) ** 2
    assert area.min() > picture_features.LEAST - 0.02 and area.max() > 0.95 and area.min() < 0.65
    assert 15 < (wide < 0).sum() < 45 if mirrored else (wide > 0).all()
    assert len(np.unique(crops[:, 0, 0, 0])) > 20 and (crops == picture_features.cropped(arrays, 0, mirrored)).all()
    assert crops[:, :, 0, 0].std(axis=1).min() > 30  # from top to bottom, not one line
