"""Which numbers can be prices."""

from datasets import local

# Far beyond any price, but close enough to 1 that no ratio or square of prices overflows.
LOWEST, HIGHEST = 1e-100, 1e100
A_PRICE = "must be a positive number from 1e-100 to 1e100"


def not_a_price(source, line, column, text):
    """The error for an entry that is not a price."""
    return ValueError(
        f"{source}, line {line}: {column} {A_PRICE}; correct it, delete the row, exclude it with `start` or `end`, or "
        f"leave such rows out with --skip-bad-rows. Received: {local.shortened(text)!r}"
    )
