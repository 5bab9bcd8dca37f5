"""Pictures as a network's input: resizing, augmentation, and cached features of pretrained networks."""

from pathlib import Path

from toolkit import pictures

import keras
import numpy as np
import pytest

from datasets.pictures import Pictures

rng = np.random.default_rng(0)


def random_network():
    network = keras.applications.MobileNetV2(include_top=False, weights=None, input_shape=(32, 32, 3))
    for weight in network.weights:
        if weight.path.endswith("gamma"):  # with gamma = 1, untrained features are too small to tell pictures apart
            weight.assign(rng.uniform(1, 5, weight.shape))
    return network


@pytest.fixture
def weights(tmp_path):
    """A file of random weights of MobileNetV2 for 32 pixels."""
    path = tmp_path / "random.weights.h5"
    keras.utils.set_random_seed(1)
    random_network().save_weights(path)
    return path


# ------------------------------------------------------------------------------------------------ pretrained networks


@pytest.mark.parametrize("name, layer", {"MobileNetV2": "block_13_expand_relu", "VGG16": "block5_conv3"}.items())
def test_a_pretrained_network_joins_its_last_map_and_a_finer_one(name, layer):
    keras.utils.set_random_seed(3)
    body = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(96, 96, 3))
    keras.utils.set_random_seed(3)  # the same random weights
    joined = pictures.pretrained_network(name, 96)
    picture = rng.integers(0, 256, (1, 96, 96, 3)).astype("float32")
    prepare = {"MobileNetV2": keras.applications.mobilenet_v2, "VGG16": keras.applications.vgg16}[name].preprocess_input
    outputs = keras.Model(body.input, [body.output, body.get_layer(layer).output])(prepare(picture.copy()))
    last, finer = (np.array(x)[0] for x in outputs)
    found = np.array(joined(picture))[0]
    assert last.shape[0] == 3 and finer.shape[0] == 6 and last.std() > 0 and finer.std() > 0
    np.testing.assert_allclose(found[..., : last.shape[-1]], last, rtol=1e-4, atol=1e-4 * last.std())
    pooled = finer.reshape(3, 2, 3, 2, -1).mean(axis=(1, 3))  # not the same as resizing, but similar
    assert np.corrcoef(found[..., last.shape[-1] :].ravel(), pooled.ravel())[0, 1] > 0.9


def test_a_pretrained_network_whose_module_has_another_name_is_found():
    network = pictures.pretrained_network("MobileNetV3Small", 32)
    assert network.output_shape[-1] > 500 and np.isfinite(network(np.full((1, 32, 32, 3), 99.0))).all()


@pytest.mark.slow
def test_cached_features_are_those_of_the_network(weights, tmp_path):
    arrays = rng.integers(0, 256, (3, 32, 32, 3), dtype="uint8")
    cache = tmp_path / "cache"
    first = pictures.features([arrays], "MobileNetV2", 32, weights, cache)[0]
    expected = pictures.pretrained_network("MobileNetV2", 32, weights).predict(arrays, verbose=0)
    np.testing.assert_allclose(first, expected.reshape(3, 1, 1280 + 576), rtol=1e-2, atol=1e-2)
    np.testing.assert_array_equal(pictures.features([arrays], "MobileNetV2", 32, weights, cache)[0], first)
    assert len([*cache.iterdir()]) == 1


@pytest.mark.slow
def test_features_are_computed_again_for_other_pictures_sizes_or_weights(weights, tmp_path):
    arrays = rng.integers(0, 256, (3, 32, 32, 3), dtype="uint8")
    cache = tmp_path / "cache"
    compute = lambda arrays, size=32: pictures.features([arrays], "MobileNetV2", size, weights, cache)[0]
    first, changed = compute(arrays), arrays.copy()
    changed[1, 3, 3] ^= 255
    assert not np.array_equal(compute(changed), first)
    compute(np.repeat(np.repeat(arrays, 2, 1), 2, 2), 64)
    random_network().save_weights(weights)
    assert not np.array_equal(compute(arrays), first)
    assert len([*cache.iterdir()]) == 4


def test_one_network_computes_the_features_of_all_views(weights, tmp_path, monkeypatch):
    views = [rng.integers(0, 256, (3, 32, 32, 3), dtype="uint8") for _ in range(3)]
    built, build = [], pictures.pretrained_network
    monkeypatch.setattr(pictures, "pretrained_network", lambda *settings: built.append(settings) or build(*settings))
    options = "MobileNetV2", 32, Path(weights), tmp_path / "cache"
    found = pictures.features(views, *options)
    assert len(built) == 1
    for view, features in zip(views, found, strict=True):  # each is cached under its own name
        np.testing.assert_array_equal(pictures.features([view], *options)[0], features)
    assert len(built) == 1 and not np.array_equal(found[0], found[1])


# ------------------------------------------------------------------------------------------- resizing, augmentation


def test_a_picture_is_stretched_to_a_square():
    wide = np.zeros((10, 20, 3), "uint8")
    wide[:, 10:] = 200
    square = pictures.resized(wide, 10)
    assert square.shape == (10, 10, 3) and square.dtype == "uint8"
    assert (square[:, :4] == 0).all() and (square[:, 6:] == 200).all()


def test_previews_are_small_and_keep_their_aspect_ratio():
    arrays = {"a": rng.integers(0, 256, (1500, 3000, 3), dtype="uint8"), "b": rng.integers(0, 256, (9, 7, 3), "uint8")}
    source = Pictures(arrays, lambda names: ((name, arrays[name]) for name in names))
    found = pictures.previews(source, ["b", "a"])
    assert [*found] == ["b", "a"] and found["a"].shape == (300, 600, 3)
    np.testing.assert_array_equal(found["b"], arrays["b"])


def test_names_of_drawings_are_different_and_short_enough():
    names = ["a/1.jpg", "a/1.PNG", "A/1.gif", "a-1", "a-1-2", "../..", "\N{GRINNING FACE}.jpg", "é" * 300, "x.y.tiff"]
    stems = pictures.distinct_stems(names)
    assert stems[:5] == ["a-1", "a-1-2", "A-1-3", "a-1-4", "a-1-2-2"] and stems[5:7] == ["picture", "picture-2"]
    assert stems[8] == "x.y" and all(len(stem.encode()) < 230 and "/" not in stem for stem in stems)


def gradients(count):
    """Pictures whose values are the row, the column and the column."""
    down, across = np.mgrid[:200, :200].astype("uint8")
    return np.stack([np.dstack([down, across, across])] * count)


def test_a_central_crop_leaves_out_an_equal_margin_on_all_sides():
    crops = pictures.central_crops(gradients(70)).astype(float)
    assert crops.shape == (70, 200, 200, 3) and (crops == crops[:1]).all()
    np.testing.assert_allclose(crops[0, [0, -1], 0, 0], [15, 184], atol=1)  # .85 of 199, from 7.5 % on
    np.testing.assert_allclose(crops[0, 0, [0, -1], 1], [15, 184], atol=1)


@pytest.mark.parametrize("mirrored", [True, False])
def test_a_random_crop_is_a_part_of_its_picture(mirrored):
    arrays = gradients(60)
    crops = pictures.random_crops(arrays, 0, mirrored).astype(float)
    height, width = crops[:, -1, 0, 0] - crops[:, 0, 0, 0], crops[:, 0, -1, 1] - crops[:, 0, 0, 1]
    assert np.abs(np.abs(width) - height).max() <= 2  # the aspect ratio is that of the picture
    area = (height / 199) ** 2
    assert area.min() > pictures.CROP_AREA - 0.02 and area.max() > 0.95 and area.min() < 0.65
    assert 15 < (width < 0).sum() < 45 if mirrored else (width > 0).all()
    assert len(np.unique(crops[:, 0, 0, 0])) > 20
    np.testing.assert_array_equal(crops, pictures.random_crops(arrays, 0, mirrored))
    assert crops[:, :, 0, 0].std(axis=1).min() > 30  # from top to bottom, not one line


@pytest.mark.parametrize("mirrored", [True, False])
def test_training_views_are_the_pictures_then_mirrored_ones_then_different_crops(mirrored):
    arrays = rng.integers(0, 256, (30, 16, 16, 3), dtype="uint8")
    views = pictures.training_views(arrays, mirrored, crops=2)
    assert len(views) == 3 + mirrored and all(view.dtype == "uint8" and view.shape == arrays.shape for view in views)
    np.testing.assert_array_equal(views[0], arrays)
    if mirrored:
        np.testing.assert_array_equal(views[1], arrays[:, :, ::-1])
    for other in (arrays, views[-1]):
        assert (views[-2] != other).any(axis=(1, 2, 3)).sum() > 25


@pytest.mark.parametrize("mirrored", [True, False])
def test_evaluation_views_are_pictures_and_central_crops_each_followed_by_its_mirror_image(mirrored):
    arrays = rng.integers(0, 256, (3, 16, 16, 3), dtype="uint8")
    views = pictures.evaluation_views(arrays, mirrored)
    plain = views[::2] if mirrored else views
    np.testing.assert_array_equal(np.stack(plain), [arrays, pictures.central_crops(arrays)])
    if mirrored:
        np.testing.assert_array_equal(np.stack(views[1::2]), np.stack(plain)[:, :, :, ::-1])
