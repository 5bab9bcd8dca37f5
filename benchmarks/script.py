"""The command line of a benchmark, in the manner of the chapters."""

import sys
from pathlib import Path

from toolkit.runs import Stop

import cyclopts


def main(command, doc):
    """Run a script's only command; `doc` is the text of --help. Errors are one line and status 2."""
    plain = {"help_format": "plaintext", "help_formatter": "plain", "version_flags": []}
    app = cyclopts.App(name=Path(sys.argv[0]).name, help=doc, **plain)
    app.default(command)
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False)
    except (cyclopts.CycloptsError, Stop) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)
