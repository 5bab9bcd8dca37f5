"""Comparisons: many short trainings, each a row of the run's runs.csv."""

from toolkit.cli import comma_separated
from toolkit.runs import replacing

import pandas as pd

FILE = "runs.csv"
LONGEST = 100_000  # timesteps


def some_of(names):
    """The type of a setting that lists some of these names, on the command line with commas between."""

    def known(parts):
        if unknown := [part for part in parts if part not in names]:
            raise ValueError(f"choose from {', '.join(names)}. Received: {', '.join(unknown)}")
        return list(dict.fromkeys(parts))

    return comma_separated(str, known)


def _ascending(parts):
    parts = [part for part in parts if part]
    if not all(part.isdecimal() and 2 <= int(part[:9]) <= LONGEST for part in parts):
        received = ", ".join(parts)
        raise ValueError(
            f"lengths are whole numbers from 2 on, up to {LONGEST}, with commas between: 10,20,50. Received: {received}"
        )
    return sorted({int(part) for part in parts})


# A setting that lists lengths of sequences, sorted; on the command line with commas between
Lengths = comma_separated(int, _ascending)


def table(run, **columns):
    """The rows of a run's trainings so far, a DataFrame. Raises Stop where the file is missing or damaged.

    Args:
        columns: what columns hold besides cell, seed and minutes: str, int or float, by name.
    """
    return run.table(FILE, {"cell": str, "seed": int, "minutes": float} | columns)


def train_each(run, keys, train):
    """Train once for each key, and write the row into the run's folder at once.

    Keys whose row is there already are skipped, so that a run that was interrupted continues where it stopped.

    Args:
        run: a `toolkit.runs.Run`.
        keys: dicts of str and int that tell the trainings apart, such as {"cell": "gru", "seed": 0}.
        train: a function from a key's items, as keyword arguments, to a dict of results, with "minutes" among them.

    Returns a DataFrame with the columns of the keys, then those of the results.
    """
    print(f"To continue this run after an interruption: --resume --run-dir {run.path}")
    columns = {name: type(value) for name, value in keys[0].items()}
    rows = table(run, **columns).to_dict("records") if (run / FILE).exists() else []
    for number, key in enumerate(keys, 1):
        if any(key.items() <= row.items() for row in rows):
            continue
        rows.append(key | train(**key))
        with replacing(run / FILE) as file:
            pd.DataFrame(rows).to_csv(file, index=False)
        values = ", ".join(f"{name} {value}" for name, value in key.items())
        print(f"{number:4} of {len(keys)}: {values}: {rows[-1]['minutes']:.1f} minutes", flush=True)
    return pd.DataFrame(rows)
