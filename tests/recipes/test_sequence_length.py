"""The comparison of memories from the command line, and its parts."""

import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from datasets import reviews
from recipes import common, sequence_length, sequence_length_report

ONE = {"accuracy": 0.75, "minutes": 0.1, "weights": 300}
SMALL = "--lengths 5,12 --delays 2,3 --parameters 300 --epochs 1 --recall-epochs 1 --batch-size 256".split()


def test_stopped_and_resumed(call, capsys, monkeypatch):
    """What is done is not done again; a training depends on its own seed alone, so the rest comes out the same."""
    one, done = sequence_length.one, []

    def stop_after_two(key, *rest):
        if len(done) == 2:
            raise common.Stop("the test")
        done.append(key)
        return one(key, *rest)

    monkeypatch.setattr(sequence_length, "one", stop_after_two)
    arguments = ["--run-dir", "mine", "--cells", "simple,lstm-chrono", *SMALL]
    assert call(*arguments) == 2 and not Path("mine/metrics.json").exists()
    monkeypatch.setattr(sequence_length, "one", one)
    assert call(*arguments, "--resume") == 0
    said = capsys.readouterr().out
    table = pd.read_csv("mine/runs.csv")
    assert len(table) == 6 and not table.duplicated(sequence_length.KEYS).any()
    assert set(table[table["cell"] == "lstm-chrono"]["experiment"]) == {"recall"}
    assert table["accuracy"].between(0, 1).all() and table["weights"].between(280, 320).all()
    assert "Share of first symbols recalled" in said and Path("mine/sequence_length.png").stat().st_size > 10000
    again = one(("recall", "simple", 3, 0), common.Run("mine").settings, None, None)
    assert again["accuracy"] == table.query("cell == 'simple' and length == 3")["accuracy"].item()
    assert call("evaluate", "--run", "mine") == 0
    assert capsys.readouterr().out.strip() in said


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--lengths", "10,many"], "whole numbers with commas"),
        (["--lengths", "1,5"], "2 or more"),
        (["--lengths", ""], "whole numbers with commas"),
        (["--cells", "simple,elman"], "Received: elman"),
        (["--lengths", "5,500"], "Only 0 reviews of the train part have 500 words"),
    ],
)
def test_wrong_input(call, capsys, flags, message):
    assert call(*flags) == 2
    assert message in capsys.readouterr().err
    assert not Path("runs").exists()


def test_weights_are_shared_out_fairly():
    for cell in ("simple", "gru", "lstm"):
        units = sequence_length.units_for(cell, 25000)
        layer = common.recurrent(cell, units)
        layer.build((None, None, sequence_length.WIDTH))
        assert layer.count_params() == pytest.approx(25000, rel=0.02)


def test_reviews_are_cut_to_their_last_words():
    texts = [f"{i} b c d e f" for i in range(30)] + ["too short"] * 5
    split = pd.DataFrame({"text": texts, "label": [i % 2 for i in range(35)]})
    data = type("Data", (), {"splits": dict.fromkeys(("train", "validation", "test"), split)})
    parts, _ = sequence_length.long_reviews(data, 6, 100)
    assert parts[0][0].shape == (30, 6) and (parts[2][1] == np.arange(30) % 2).all()
    assert (parts[0][0][:, 1:] == parts[0][0][0, 1:]).all() and len(set(parts[0][0][:, 0])) == 30


def test_the_answer_is_the_first_symbol():
    symbols, answers = sequence_length.recall_data(7, 500, 3)
    assert (symbols[:, 0] == answers).all() and set(answers) == set(range(8))
    assert (symbols != sequence_length.recall_data(7, 500, 4)[0]).any()


def test_chrono_gates_forget_over_the_length():
    keras.utils.set_random_seed(0)
    layer = sequence_length.recurrent(sequence_length.CHRONO, 100, 25000)
    layer.build((None, None, sequence_length.WIDTH))
    i, f, c, o = np.split(layer.get_weights()[2], 4)
    steps = 1 + np.exp(f)  # over which σ(f) forgets
    assert steps.min() >= 2 and 80 < steps.max() <= 100 and 35 < steps.mean() < 65
    assert (i == -f).all() and not c.any() and not o.any()


def test_reach_ends_where_recall_first_fails():
    reached = lambda *values: sequence_length_report.reached(pd.Series(values, index=[5, 10, 20, 40]))
    assert reached(1, 0.9, 0.5, 0.95) == 10
    assert reached(0.2, 1, 1, 1) == 0
    assert reached(1, 1, 1, 1) == 40


def test_published_without_recall(call, monkeypatch, capsys):
    small = dict(zip(("lengths", "delays", "parameters", "epochs"), ("5,9,12", "", 300, 1)))
    monkeypatch.setattr(
        sequence_length, "VARIANTS", {"imdb": small | {"data": reviews.GENERATED, "cells": "simple,lstm"}}
    )
    monkeypatch.setattr(sequence_length, "one", lambda key, *_: dict(zip(sequence_length.KEYS, key)) | ONE)
    assert call("publish", "--output", "elsewhere") == 0
    monkeypatch.setattr(sequence_length, "one", None)  # all is done
    assert call("publish", "--output", ".") == 0
    found = json.loads(Path("sequence_length.imdb.json").read_text())
    assert set(found["metrics"]) == {f"reviews_{cell}_{n}" for cell in ("simple", "lstm") for n in (5, 12)}
    assert found["metrics"]["reviews_lstm_12"]["values"] == [0.75] * 3 and len(found["table"]) == 18
    assert "recalls" not in capsys.readouterr().out
    monkeypatch.setitem(sequence_length.VARIANTS, "imdb", sequence_length.VARIANTS["imdb"] | {"parameters": 400})
    assert call("publish", "--output", ".") == 2 and "parameters=300, now 400" in capsys.readouterr().err


def test_verify(call, capsys):
    assert call("verify", "--cell", "gru", "--parameters", 200, "--words", 9) == 0
    assert "FAIL" not in capsys.readouterr().out
