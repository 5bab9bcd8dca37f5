"""The settings of recipes that read reviews."""

from dataclasses import asdict, dataclass
from typing import Annotated

from toolkit import cli

from cyclopts import Parameter

from datasets.review_columns import Reading

Text = Annotated[str | None, Parameter(group=cli.FILE)]


@dataclass(kw_only=True)
class ReviewFlags(cli.TableFlags):
    """How a user's own reviews are read: what is not given is found out from the file."""

    text_column: Text = None
    """Column of the texts. [default: text, review, sentence, …]"""
    label_column: Text = None
    """Column of the labels, negative or positive. [default: label, sentiment, polarity, …]"""
    rating_column: Text = None
    """Column of the stars. [default: rating, overall, stars, score, …]"""
    labels: Text = None
    """The labels of negative and of positive reviews, such as 1,2. [default: found out]"""
    scale: Text = None
    """The lowest and the highest rating that there can be, such as 1-5. [default: found out]"""

    @property
    def reading(self):
        own = {
            name: getattr(self, name) for name in ("text_column", "label_column", "rating_column", "labels", "scale")
        }
        return Reading(**asdict(super().reading), **own)
