"""Markdown for the tables of results and runs."""


def table(header, rows):
    """A Markdown table, ending in a newline."""
    lines = [f"| {' | '.join(map(str, row))} |" for row in [header, *rows]]
    return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]]) + "\n"
