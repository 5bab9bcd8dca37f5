"""What the page answers to programs: to eight at once what it answers to one, and errors in one line."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from app import parts
from datasets import prices

CLIENTS = 8
FOUND = {"_type": "gradio.FileData"}  # what marks a file in a request


@pytest.fixture(scope="session")
def clients(served):
    return [Client(served, verbose=False, analytics_enabled=False) for _ in range(CLIENTS)]


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Pictures and tables of prices, one for each client, and files that are neither."""
    folder, frame, rng = tmp_path_factory.mktemp("files"), prices.read(), np.random.default_rng(0)
    for i in range(CLIENTS):
        Image.fromarray(rng.integers(0, 256, (20, 30, 3), dtype="uint8")).save(folder / f"{i}.png")
        frame.iloc[-200 + i :].to_csv(folder / f"{i}.csv")
    frame.iloc[-5:].to_csv(folder / "few.csv")
    (folder / "text.csv").write_text("no prices\nat all\n")
    (folder / "text.png").write_text("no picture")
    (folder / "workbook.csv").write_bytes(b"PK\3\4 and more")
    return folder


QUESTIONS = {  # by what is asked, the inputs of the i-th visitor, for the runs in conftest.py
    "/judge_review": lambda files, i: (f"the plot is dull{' but not bad' * i}", ("sentiment", "stars")[i % 2]),
    "/translate_sentence": lambda files, i: (f"the cats see {i} horses", "translation"),
    "/describe_picture": lambda files, i: (handle_file(files / f"{i}.png"), "scenes"),
    "/continue_prices": lambda files, i: (handle_file(files / f"{i}.csv"), "", 3 + i, "volatility"),
    "/expect": lambda files, i: ("hello all"[i:], "characters"),
    "/write_on": lambda files, i: ("hello all"[i:], "characters", 1.0),
}


@pytest.mark.slow
def test_eight_visitors_at_once_are_answered_as_one_alone(clients, files):
    """Each asks two things, so that all networks are asked at once, and each network by several visitors."""
    names = [*QUESTIONS, *QUESTIONS]
    asked = [[(name, QUESTIONS[name](files, i)) for name in names[i % 6 : i % 6 + 2]] for i in range(CLIENTS)]
    ask = lambda client, questions: [client.predict(*inputs, api_name=name) for name, inputs in questions]
    alone = [ask(clients[0], questions) for questions in asked]
    with ThreadPoolExecutor(CLIENTS) as pool:
        assert [*pool.map(ask, clients, asked)] == alone
    assert len({*map(str, alone)}) == CLIENTS  # or answers to the wrong visitor could go unnoticed


@pytest.mark.parametrize(
    "name, inputs, message",
    [
        ("/judge_review", (" ", "stars"), "Type a review first."),
        ("/judge_review", ("<br />", "stars"), "contains no word"),
        ("/judge_review", ("dull " * 2001, "stars"), "10,00"),
        ("/translate_sentence", ("the " * 126, "translation"), "500"),
        ("/describe_picture", (None, "scenes"), "Choose a picture first."),
        ("/describe_picture", ("text.png", "scenes"), "The picture is not a picture in a known format"),
        ("/continue_prices", ("text.csv", "", 5, "volatility"), "text.csv"),
        ("/continue_prices", ("few.csv", "", 5, "volatility"), "looks 10 days back"),
        ("/continue_prices", ("workbook.csv", "", 5, "volatility"), "workbook.csv is an archive or a workbook"),
        ("/expect", ("a" * 1001, "characters"), "1,00"),
        ("/expect", ("a", "/etc"), "/etc"),
    ],
)
def test_wrong_input_is_explained_in_one_line(clients, files, name, inputs, message):
    inputs = [handle_file(files / x) if str(x).endswith(("png", "csv")) else x for x in inputs]
    with pytest.raises(AppError) as caught:
        clients[0].predict(*inputs, api_name=name)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert os.environ["GRADIO_TEMP_DIR"] not in str(caught.value)


@pytest.mark.parametrize("path", ["/etc/passwd", "app/page.py", "http://127.0.0.1:9/prices.csv", "data:text/csv,1"])
@pytest.mark.parametrize("name, rest", [("/describe_picture", ["scenes"]), ("/continue_prices", ["", 5, "volatility"])])
def test_a_visitor_cannot_name_a_file_that_was_not_uploaded(served, name, rest, path):
    """In a request of their own making: Gradio's client would upload a file of this machine."""
    inputs = {"data": [{"path": path, "url": path, "meta": FOUND}, *rest]}
    address = f"{served}gradio_api/call{name}"
    number = httpx.post(address, json=inputs).json()["event_id"]
    answer = httpx.get(f"{address}/{number}", timeout=60).text
    assert answer.startswith("event: error") and "not a picture" not in answer and "line" not in answer, answer


def test_a_large_file_is_refused(served):
    files = {"files": ("large.csv", b"0" * (parts.FILE_BYTES + 1))}
    assert httpx.post(f"{served}gradio_api/upload", files=files).status_code == 413


def test_what_visitors_upload_lies_in_the_temporary_folder_alone(clients, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("/describe_picture", "/continue_prices"):
        clients[0].predict(*QUESTIONS[name](files, 0), api_name=name)
    assert [*tmp_path.iterdir()] == []
    assert [*Path(os.environ["GRADIO_TEMP_DIR"]).rglob("0.csv")]
