"""Every run in every format that it can be exported to, and an exported network behind a server: results/exports.json.

    python benchmarks/exports.py RUN … --data-dir FOLDER

A RUN is the folder of a finished run, whose row replaces that of its recipe. Exporting compares each network with Keras
and times both, as `python recipes/NAME.py export` does. The ONNX export of imdb_sentiment is put behind the server of
docs/export.md on this machine, which gets REQUESTS requests, one after the other.
"""

import contextlib
import importlib
import importlib.metadata
import json
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli, runs
from toolkit.export import formats

import numpy as np
from cyclopts import Parameter

from benchmarks import record, script

RESULT = "exports.json"
REQUESTS = 200
REVIEW = "I expected a dull film. The plot is thin, but the cast is wonderful, and I laughed until the end."
PAGE = record.ROOT / "docs" / "export.md"
RUNTIMES = "onnxruntime", "tf2onnx", "openvino", "ai-edge-litert", "fastapi"


def exported(run, format, out, **options):
    """Export a run; returns what its `Outcome` says, or why it cannot be exported, as a dict."""
    recipe = importlib.import_module(f"recipes.{run.config['recipe']}")
    try:
        outcome = recipe.export(out, run=run.path, format=format, **options)
    except runs.Stop as error:
        return {"format": format, "refused": runs.one_line(error, 300)}
    return outcome._asdict() | {"difference": float(outcome.difference)}


@contextlib.contextmanager
def server(folder):
    """The server of docs/export.md for the export in a folder: its address, as long as the context lasts."""
    (code,) = re.findall(r"```python\n(# server\.py.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (folder / "server.py").write_text(code, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "server:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command, cwd=folder)
    try:
        while process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def post(address, text):
    """The server's answer for a review, a dict."""
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request(f"{address}/score", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def request_times(folder, requests=REQUESTS):
    """The median and the 95th percentile of the time of a request, in milliseconds, a dict."""
    with server(folder) as address:
        post(address, REVIEW)
        seconds = []
        for _ in range(requests):
            started = time.perf_counter()
            post(address, REVIEW)
            seconds.append(time.perf_counter() - started)
    p50, p95 = 1e3 * np.quantile(seconds, [0.5, 0.95])
    return {"requests": requests, "p50": p50, "p95": p95}


def main(
    *folders: Annotated[Path, Parameter(name="RUN", help="Folders of finished runs.")], data_dir: cli.DataDir = None
):
    """Export runs in every format, and put their rows into results/exports.json; those of other recipes stay."""
    options = {} if data_dir is None else {"data_dir": data_dir}
    for path in folders:
        run, content = runs.finished_run(None, path), {}
        if (record.RESULTS / RESULT).exists():
            content = json.loads((record.RESULTS / RESULT).read_text())
        with tempfile.TemporaryDirectory() as folder:
            cells = [exported(run, format, Path(folder, format), **options) for format in formats.FORMATS]
            row = {"run": path.name, "formats": cells}
            if run.config["recipe"] == "imdb_sentiment":
                row["server"] = request_times(Path(folder, "onnx"))
        row |= record.provenance() | {"runtimes": {name: importlib.metadata.version(name) for name in RUNTIMES}}
        with runs.replacing(record.RESULTS / RESULT) as file:
            file.write(json.dumps(content | {run.config["recipe"]: row}, indent=2).encode() + b"\n")
    print(f"Written: results/{RESULT}. Next: python benchmarks/tables.py")


if __name__ == "__main__":
    script.main(main, __doc__)
