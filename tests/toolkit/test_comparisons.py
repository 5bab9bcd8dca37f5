"""Many short trainings in one run's folder."""

from toolkit import comparisons
from toolkit.runs import Run, Stop

import pandas as pd
import pytest

KEYS = [{"cell": cell, "seed": seed} for cell in ("gru", "lstm") for seed in (0, 1)]


def pretend_to_train(cell, seed):
    return {"accuracy": len(cell) / 7 + seed, "minutes": 0.5}


def test_every_key_gets_a_row_with_its_results(tmp_path):
    table = comparisons.train_each(Run(tmp_path), KEYS, pretend_to_train)
    assert table.to_dict("records") == [key | pretend_to_train(**key) for key in KEYS]
    pd.testing.assert_frame_equal(comparisons.table(Run(tmp_path)), table, check_exact=True)


def test_an_interrupted_comparison_continues_where_it_stopped(tmp_path):
    trained = []

    def interrupted(cell, seed):
        if len(trained) == 3:
            raise Stop("the test")
        trained.append((cell, seed))
        return pretend_to_train(cell, seed)

    with pytest.raises(Stop):
        comparisons.train_each(Run(tmp_path), KEYS, interrupted)
    assert trained == [("gru", 0), ("gru", 1), ("lstm", 0)]
    trained = trained[1:]  # room for the training that is missing
    table = comparisons.train_each(Run(tmp_path), KEYS, interrupted)
    assert trained == [("gru", 1), ("lstm", 0), ("lstm", 1)]
    assert table.to_dict("records") == [key | pretend_to_train(**key) for key in KEYS]


def test_a_missing_table_is_reported_in_one_line(tmp_path):
    with pytest.raises(Stop, match="runs.csv"):
        comparisons.table(Run(tmp_path))
