"""The columns of reviews: their names in files, and what labels and ratings mean."""

import dataclasses
import re

import numpy as np

from datasets import local

COLUMNS = {
    "text": (
        *("review", "reviews", "sentence", "reviewtext", "review_text", "review text", "review_body", "review_content"),
        *("review/text", "reviews.text", "content", "comment", "comments", "body", "tweet", "phrase", "document"),
    ),
    "label": ("labels", "sentiment", "polarity", "class", "target", "sentiment_label", "airline_sentiment"),
    "rating": (
        *("ratings", "overall", "stars", "star", "score", "star_rating", "review_rating", "review_score", "rate"),
        *("review/score", "reviews.rating", "user_rating", "overall_rating"),
    ),
}
WORDS = {
    **dict.fromkeys(("neg", "negative", "bad", "false", "no", "n", "f", "-"), 0),
    **dict.fromkeys(("pos", "positive", "good", "true", "yes", "p", "y", "t", "+"), 1),
}
PAIRS = ("0", "1"), ("-1", "1"), ("0", "4"), ("1", "2")  # negative and positive, the commonest first
MIDDLES = {("-1", "1"): "0", ("0", "4"): "2"}  # neither negative nor positive
STARS = re.compile(r"(\d{1,9}(?:[.,]\d+)?)\s*(?:(?:/|out of)\s*(\d+)|stars?)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Reading(local.Reading):
    """What the user says about a file of reviews; what is None is found out.

    Attributes:
        text_column, label_column, rating_column: the file's names of these columns.
        labels: the label of negative and that of positive reviews, as in "1,2".
        scale: the lowest and the highest rating that there can be, as in "1-5".
    """

    text_column: str | None = None
    label_column: str | None = None
    rating_column: str | None = None
    labels: str | None = None
    scale: str | None = None

    def column(self, name):
        """The file's name of the column text, label or rating, None where it is to be found out."""
        return {"text": self.text_column, "label": self.label_column, "rating": self.rating_column}[name]


def plain(value):
    """A label without what makes no difference: case, spaces, fastText's __label__, and the .0 of a whole number."""
    value = str(value).strip().casefold().removeprefix("__label__")
    return value.removesuffix(".0").removeprefix("+") if len(value) > 1 else value


def are_labels(values):
    """Whether the values of a column, as `plain` returns them, are certainly labels."""
    return 2 <= len(values) <= 4 and values <= {*meanings_of(values)}


def meanings_of(values, labels=None):
    """A dict from labels, as `plain` returns them, to 0 and 1; empty where numbers have no known meaning.

    Args:
        values: the set of labels of a file.
        labels: the negative and the positive one, where the user says so.
    """
    if labels:
        sides = [plain(part) for part in labels.split(",")]
        if len({*sides}) != 2 or len(sides) != 2:
            raise ValueError(
                f"--labels needs two labels, the negative and the positive one, as 1,2. Received: {labels}"
            )
        return dict(zip(sides, (0, 1)))
    numbers = {value for value in values if re.fullmatch(r"-?\d+(\.\d+)?", value)}
    pairs = [pair for pair in PAIRS if numbers <= {*pair}]
    pairs += [pair for pair, middle in MIDDLES.items() if numbers <= {*pair, middle}]
    return WORDS | dict(zip(pairs[0], (0, 1))) if pairs else {}


def number(value):
    """A rating as a number, NaN if it is none."""
    value = str(value).strip().replace(",", ".")
    return float(value) if re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", value) else np.nan


def bounds(scale):
    """The lowest and the highest rating of a --scale."""
    match = re.fullmatch(r"\s*(-?\d{1,9}(?:\.\d+)?)\s*-\s*(\d{1,9}(?:\.\d+)?)\s*", scale)
    if not match or float(match[1]) >= float(match[2]):
        raise ValueError(f"--scale needs the lowest and the highest rating, such as 1-5. Received: {scale}")
    return float(match[1]), float(match[2])


def on_scale(value, low, high):
    """A rating such as 4, 4/5 or 4 stars as a number on a scale, NaN if it is none."""
    match = STARS.fullmatch(str(value).strip())
    rating = number(match[1] if match and match[2] in (None, f"{high:g}") else value)
    return rating if low <= rating <= high else np.nan
