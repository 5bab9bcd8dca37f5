"""Artificial tasks: answers computed by hand, shapes, and seeds."""

import numpy as np
import pytest

from datasets import tasks

A, B, C = 0, 1, 2


@pytest.mark.parametrize("question, expected", [("recall", "...x.x.."), ("parity", "xx.....x"), ("order", "xxxxxxxx")])
def test_answers_are_those_computed_by_hand(question, expected):
    symbols = np.array([[A, C, A, B, C, C, B, A]])
    assert "".join(".x"[int(yes)] for yes in tasks.answers(question, symbols)[0]) == expected


def test_order_is_decided_by_the_first_a_and_the_first_b():
    rows = np.array([[C, B, A, A], [C, A, B, C], [C, C, C, C], [B, C, C, C], [C, C, A, C]])
    expected = [[0, 0, 0, 0], [0, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]
    np.testing.assert_array_equal(tasks.answers("order", rows), np.array(expected) == 1)


@pytest.mark.parametrize("question", tasks.QUESTIONS)
def test_examples_are_one_hot_symbols_with_their_answers(question):
    x, y = tasks.about_the_past(question, 20, 500, np.random.default_rng(0))
    assert x.shape == (500, 20, 4) and y.shape == (500, 20, 1) and x.dtype == y.dtype == np.float32
    assert ((x == 1).sum(-1) == 1).all() and (x.sum(-1) == 1).all()
    np.testing.assert_array_equal(y[..., 0] == 1, tasks.answers(question, x.argmax(-1)))


@pytest.mark.parametrize("question", tasks.QUESTIONS)
def test_neither_answer_is_rare(question):
    _, y = tasks.about_the_past(question, 20, 500, np.random.default_rng(0))
    assert 0.2 < y.mean() < 0.6


def test_the_marks_of_the_adding_problem_are_far_apart_and_their_numbers_are_summed():
    x, y = tasks.adding(50, 2000, 1)
    numbers, marks = x[:, :, 0], x[:, :, 1]
    assert (marks[:, :5].sum(1) == 1).all() and (marks[:, 25:].sum(1) == 1).all() and (marks.sum(1) == 2).all()
    np.testing.assert_allclose((numbers * marks).sum(1, keepdims=True), y, rtol=1e-6)


def test_the_baseline_of_the_adding_problem_is_the_error_of_answering_1():
    _, y = tasks.adding(50, 2000, 1)
    assert np.mean((y - 1) ** 2) == pytest.approx(tasks.ADDING_BASELINE, rel=0.1)


def test_the_answer_to_first_symbol_is_the_first_symbol():
    symbols, answers = tasks.first_symbol(7, 500, 3)
    assert symbols.shape == (500, 7) and (symbols[:, 0] == answers).all() and {*answers} == {*range(8)}


@pytest.mark.parametrize("task", [tasks.adding, tasks.first_symbol])
def test_sequences_follow_from_the_seed(task):
    again, same, other = (task(50, 20, seed)[0] for seed in (1, 1, 2))
    assert (again == same).all() and (again != other).any()
