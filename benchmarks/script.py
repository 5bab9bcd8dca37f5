"""The command line of a benchmark, in the manner of the chapters."""

import sys
from pathlib import Path

from toolkit import cli

import cyclopts


def app_of(command, doc):
    """The command line of a script whose only command this is; `doc` is the text of --help."""
    app = cyclopts.App(name=Path(sys.argv[0]).name, help=doc, **cli.PLAIN)
    app.default(command)
    return app


def main(command, doc):
    """Run a script's only command. Errors are one line and status 2."""
    with cli.exit_status(), cli.lasting_output():
        app_of(command, doc)(sys.argv[1:], exit_on_error=False, print_error=False)
