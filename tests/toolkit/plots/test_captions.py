"""Sheets of pictures with captions and attention weights."""

from toolkit.plots import captions

import numpy as np
from matplotlib import pyplot as plt

picture = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype="uint8")


def drawn(figure):
    """The axes with something on them."""
    plt.close(figure)
    return [axis for axis in figure.axes if axis.images]


def test_a_sheet_has_each_picture_with_its_caption():
    axes = drawn(captions.sheet([picture] * 5, [f"caption {i}" for i in range(5)]))
    assert [axis.get_title() for axis in axes] == [f"caption {i}" for i in range(5)]
    np.testing.assert_array_equal(axes[4].images[0].get_array(), picture)


def test_few_pictures_leave_no_places_empty():
    figure = captions.sheet([picture], ["a caption"])
    assert drawn(figure) == figure.axes and figure.get_figwidth() < 4


def test_an_attention_sheet_shows_the_weights_of_each_subword_where_they_belong():
    weights = np.arange(12.0).reshape(3, 4) / 12
    first, *axes = drawn(captions.attention_sheet(picture, ["▁a", "▁do", "g"], weights))
    assert len(first.images) == 1 and [axis.get_title() for axis in axes] == ["a", "do", "g"]
    for axis, row in zip(axes, weights, strict=True):
        overlay = axis.images[1]
        np.testing.assert_array_equal(overlay.get_array(), row.reshape(2, 2))
        assert [*overlay.get_extent()] == [0, 30, 20, 0]  # over the whole picture, the first row at the top
