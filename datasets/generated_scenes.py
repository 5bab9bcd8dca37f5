"""Generated pictures of coloured shapes with captions: one shape and its place, two and their relation, or several."""

import hashlib
import random

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

WIDTH = 48
COLOURS = {
    "red": (214, 39, 40),
    "green": (44, 160, 44),
    "blue": (31, 119, 180),
    "yellow": (240, 200, 30),
    "purple": (148, 103, 189),
    "black": (30, 30, 30),
}
SHAPES = "circle", "square", "triangle", "cross"
SIZES = {"small": 5, "big": 9}  # half the width, in pixels
PLACES = {
    "top left": (12, 12),
    "top right": (36, 12),
    "bottom left": (12, 36),
    "bottom right": (36, 36),
    "centre": (24, 24),
}
RELATIONS = {"left of": "right of", "above": "below"}  # each relation with its inverse
NUMBERS = {2: "two", 3: "three", 4: "four"}


def _draw_shape(draw, shape, colour, x, y, r):
    fill = COLOURS[colour]
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill)
    elif shape == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill)
    elif shape == "triangle":
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill)
    else:
        third = max(r // 3, 1)
        draw.rectangle((x - third, y - r, x + third, y + r), fill)
        draw.rectangle((x - r, y - third, x + r, y + third), fill)


def _one(rng):
    """One shape at a place: captions, the combination that they describe, and the shapes to draw."""
    size, colour, shape, place = map(rng.choice, ([*SIZES], [*COLOURS], SHAPES, [*PLACES]))
    thing, there = f"{size} {colour} {shape}", f"{'in' if place == 'centre' else 'at'} the {place}"
    texts = [
        f"a {thing} {there}",
        f"there is a {thing} {there}",
        f"{there} is a {thing}",
        f"{there} there is a {thing}",
        f"one {thing} {there}",
    ]
    return texts, (size, colour, shape, place), [(shape, colour, *PLACES[place], SIZES[size])]


def _two(rng):
    """Two shapes, one left of the other or above it; results as of `_one`."""
    first, second = ((rng.choice([*COLOURS]), rng.choice(SHAPES)) for _ in range(2))
    relation = rng.choice([*RELATIONS])
    a, b, inverse = " ".join(first), " ".join(second), RELATIONS[relation]
    texts = [
        f"a {a} {relation} a {b}",
        f"a {b} {inverse} a {a}",
        f"there is a {a} {relation} a {b}",
        f"there is a {b} {inverse} a {a}",
        f"one {a} {relation} one {b}",
    ]
    centres = [(12, 24), (36, 24)] if relation == "left of" else [(24, 12), (24, 36)]
    shapes = [
        (shape, colour, *centre, rng.choice([*SIZES.values()]))
        for (colour, shape), centre in zip((first, second), centres)
    ]
    return texts, (*first, relation, *second), shapes


def _several(rng):
    """Two to four equal shapes; results as of `_one`."""
    number, colour, shape = rng.choice([*NUMBERS]), rng.choice([*COLOURS]), rng.choice(SHAPES)
    things = f"{NUMBERS[number]} {colour} {shape}{'es' if shape == 'cross' else 's'}"
    texts = [things, f"there are {things}", f"you see {things}", f"{things} in the picture", f"a picture of {things}"]
    corners = rng.sample([centre for place, centre in PLACES.items() if place != "centre"], number)
    return texts, (number, colour, shape), [(shape, colour, *centre, SIZES["small"] + 2) for centre in corners]


def _split(combination):
    """The split of a combination, chosen by a hash, so that no combination is in two splits."""
    digit = hashlib.blake2b(repr(combination).encode(), digest_size=8).digest()[0] % 8
    return {0: "validation", 1: "test"}.get(digit, "train")


def generate(sizes, seed=0):
    """Scenes with five captions each. No combination of shapes, colours and places is in two splits.

    Args:
        sizes: a dict from the names "train", "validation" and "test" to numbers of scenes.
        seed: seed of the random numbers.

    Returns:
        A dict from split names to DataFrames with name and captions, and a dict from picture names to pictures, uint8
        of shape (48, 48, 3).
    """
    rng, tables, pictures = random.Random(seed), {name: [] for name in sizes}, {}
    while any(len(rows) < sizes[name] for name, rows in tables.items()):
        texts, combination, shapes = rng.choices((_one, _two, _several), (3, 5, 2))[0](rng)
        rows = tables[_split(combination)]
        if len(rows) < sizes[_split(combination)]:
            name = f"scene-{len(pictures):05}.png"
            rows.append({"name": name, "captions": texts})
            pictures[name] = _picture(rng, shapes)
    return {name: pd.DataFrame(rows) for name, rows in tables.items()}, pictures


def _picture(rng, shapes):
    background = tuple(rng.randint(215, 250) for _ in range(3))
    image = Image.new("RGB", (WIDTH, WIDTH), background)
    draw = ImageDraw.Draw(image)
    for shape, colour, x, y, r in shapes:
        _draw_shape(draw, shape, colour, x + rng.randint(-2, 2), y + rng.randint(-2, 2), r)
    return np.asarray(image)
