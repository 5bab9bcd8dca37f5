"""A page in the browser to try trained networks.

    python -m app                                the runs that come along, at http://127.0.0.1:7860
    python -m app --run runs/translation/mine    a run of your own too; its recipe decides the tab

The page loads nothing from elsewhere and sends nothing there. What visitors upload lies in a temporary folder, and is
deleted after ten minutes and when the page ends.
"""

import os
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated

from toolkit import cli, runs

import cyclopts
from cyclopts import Parameter

from app.models import finished_runs


def serve(
    *,
    run: Annotated[list[Path] | None, Parameter(negative=(), help="Folder of a finished run; can be repeated.")] = None,
    host: Annotated[str, Parameter(help="Address to listen at; 0.0.0.0 lets other computers in.")] = "127.0.0.1",
    port: Annotated[int, cli.at_least(1, 65535), Parameter(help="Port to listen at.")] = 7860,
):
    """Serve the page until Ctrl-C."""
    found = finished_runs(run or ())
    check_address(host, port)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # or the temporary folder would stay
    with tempfile.TemporaryDirectory(prefix="rnn-recipes-") as folder:
        os.environ |= {"GRADIO_TEMP_DIR": folder, "NO_PROXY": "*"}  # Gradio asks itself whether it has started
        try:
            from app import page
        except ModuleNotFoundError as error:
            raise runs.Stop(f"The page needs {error.name}: pip install -e '.[app]'") from error
        page.check_recipes(found[str(path)] for path in run or ())
        served = page.build(found)
        page.launch(served, host, port)
        print(f"The page is at http://{'localhost' if host == '0.0.0.0' else host}:{port}; Ctrl-C ends it.", flush=True)
        try:
            threading.Event().wait()
        finally:
            served.close(verbose=False)


def check_address(host, port):
    """Raises Stop if nothing can listen there."""
    try:
        socket.create_server((host, port)).close()
    except OSError as error:
        reason = error.strerror or error
        raise runs.Stop(f"Nothing can listen at {host}, port {port} ({reason}): try another --port.") from error


if __name__ == "__main__":
    app = cyclopts.App(name="python -m app", help=__doc__, default_command=serve, **cli.PLAIN)
    with cli.exit_status():
        app(sys.argv[1:], exit_on_error=False, print_error=False)
