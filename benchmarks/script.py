"""The command line of a benchmark, in the manner of the chapters."""

import sys
from pathlib import Path

from toolkit import cli

import cyclopts


def main(command, doc):
    """Run a script's only command; `doc` is the text of --help. Errors are one line and status 2."""
    app = cyclopts.App(name=Path(sys.argv[0]).name, help=doc, **cli.PLAIN)
    app.default(command)
    with cli.exit_status():
        app(sys.argv[1:], exit_on_error=False, print_error=False)
