"""python -m app: what it says, and what it leaves behind."""

import os
import runpy
import signal
import socket
import sys
import tempfile
import threading

import httpx
import pytest

from tests.app.conftest import free_port


def started(monkeypatch, capsys, *arguments):
    """The exit status of a command that ends at once, and what it said of its error."""
    monkeypatch.setattr(sys, "argv", ["app", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("app", run_name="__main__")
    return caught.value.code, capsys.readouterr().err


def test_a_port_in_use_is_named(monkeypatch, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        status, error = started(monkeypatch, capsys, "--port", taken.getsockname()[1])
    assert status == 2 and "try another --port" in error


@pytest.mark.parametrize(
    "arguments, message", [(["--run", "nowhere"], "holds no run"), (["--port", "0"], "port"), (["runs"], "runs")]
)
def test_wrong_arguments_end_in_one_line(monkeypatch, capsys, arguments, message):
    status, error = started(monkeypatch, capsys, *arguments)
    assert status == 2 and error.count("\n") == 1 and message in error


def test_a_page_that_is_stopped_leaves_nothing_behind(runs, tmp_path, monkeypatch):
    (uploads := tmp_path / "temporary").mkdir()
    (folder := tmp_path / "working").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(uploads))
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.chdir(folder)
    port, uploaded = free_port(), []
    monkeypatch.setattr(sys, "argv", ["app", "--run", str(runs["stars"].path), "--port", str(port)])

    def upload_and_stop():
        address = f"http://127.0.0.1:{port}/gradio_api/upload"
        try:
            transport = httpx.HTTPTransport(retries=9)  # each waits twice as long as the one before, from half a second
            client = httpx.Client(transport=transport, timeout=120)
            client.post(address, files={"files": ("mine.csv", b"Date,Close")})
            uploaded.extend(uploads.rglob("mine.csv"))
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    def unhandled(*_):
        raise AssertionError("SIGTERM would have killed the page")

    visitor, handler = threading.Thread(target=upload_and_stop), signal.signal(signal.SIGTERM, unhandled)
    try:
        visitor.start()
        with pytest.raises(SystemExit):
            runpy.run_module("app", run_name="__main__")
    finally:
        visitor.join()
        signal.signal(signal.SIGTERM, handler)
    assert len(uploaded) == 1
    assert [*uploads.iterdir()] == [] and [*folder.iterdir()] == []
