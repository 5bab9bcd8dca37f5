"""Weights for the page with a cell in the browser: train four small networks and write docs/_static/cells/.

    python benchmarks/browser_weights.py                    all four: about ten minutes on two cores
    python benchmarks/browser_weights.py lstm gru

Each network is one of next_character.py on its built-in text, in a run of its own, runs/next_character/browser-CELL. A
stopped command continues where it was. A file holds the run's settings and metrics, the weights as float16, the units
that track a property of the text, and the weights of the four letters, h-e-l-p. It is a script that sets a variable,
because a page that is opened as a file may not read any other file.
"""

import base64
import json
import sys
from pathlib import Path
from typing import Annotated, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit.runs import RUNS, Run
from toolkit.text.characters import Alphabet

import numpy as np
from cyclopts import Parameter

from benchmarks import record, script
from datasets import characters
from layers.trace import trace
from recipes import next_character

FOLDER = record.ROOT / "docs" / "_static" / "cells"
CELLS = "simple", "gru", "lstm", "coupled-lstm"
SETTINGS = {"units": 64, "window": 100, "batch_size": 8, "epochs": 25}
TRACKED = 4000  # characters of the test split in which units are searched that track something


def rounded(model):
    """The same model with its weights rounded to float16."""
    for variable in model.trainable_variables:
        variable.assign(np.asarray(variable).astype("float16").astype("float32"))
    return model


def packed(model, alphabet):
    """A model as the page reads it: kernel, recurrent kernel, bias, then kernel and bias of the output."""
    weights = [np.asarray(variable).astype("<f2") for variable in model.trainable_variables]
    values = b"".join(weight.tobytes() for weight in weights)
    return {"alphabet": alphabet, "units": weights[-2].shape[0], "weights": base64.b64encode(values).decode()}


def unpacked(content, cell):
    """The Keras model of what `packed` returns."""
    model = next_character.build_model(1 + len(content["alphabet"]), cell, content["units"])
    values = np.frombuffer(base64.b64decode(content["weights"]), "<f2").astype("float32")
    ends = np.cumsum([np.prod(variable.shape) for variable in model.trainable_variables])
    for variable, part in zip(model.trainable_variables, np.split(values, ends[:-1]), strict=True):
        variable.assign(part.reshape(variable.shape))
    return model


def trained(cell):
    """The finished run of a cell."""
    run = Run(RUNS / "next_character" / f"browser-{cell}")
    settings = next_character.Settings(cell=cell, **SETTINGS)
    if run.finished:
        run.check_settings(settings)
    else:
        next_character.train(settings, run_dir=run.path, resume=True)
    return run


def trackers(model, alphabet, text):
    """For each property of a text the unit that tracks it best, and its correlation where it was not searched."""
    from recipes import gates  # a chapter of the highest floor

    (traced,) = trace(model, alphabet.ids(text)[None]).values()
    traces = {("memory", name): values[0] for name, values in traced.items() if name != "φ(c)"}
    found = gates.find_trackers(traces, gates.text_series(text))
    return [{k: row[k] for k in ("series", "gate", "unit")} | {"correlation": row["second_half"]} for row in found]


def content(cell, run):
    """All that the page has to know of a cell."""
    alphabet, text = Alphabet.load(run), characters.load().splits["test"]
    model = rounded(run.model())
    bits = next_character.bits_per_character(model, alphabet.ids(text))
    weights = packed(model, alphabet.characters)
    return {
        "cell": cell,
        "command": f"python benchmarks/browser_weights.py {cell}",
        **record.provenance(),
        "settings": run.config["settings"],
        "metrics": run.metrics() | {"bits_per_character_float16": bits},
        "trackers": trackers(unpacked(weights, cell), alphabet, text[:TRACKED]),
        "text": weights,
        "word": packed(rounded(next_character.learn_word(cell)), next_character.WORD),
    }


def write(cell, content, folder=FOLDER):
    """Write the file of a cell and return its path."""
    path = Path(folder) / f"{cell}.js"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"(window.cells ??= {{}})[{json.dumps(cell)}] =\n{json.dumps(content, indent=2)};\n", encoding="utf-8"
    )
    return path


def read(cell, folder=FOLDER):
    """The content of the file of a cell."""
    text = (Path(folder) / f"{cell}.js").read_text(encoding="utf-8")
    return json.loads(text[text.index("\n") :].rstrip().removesuffix(";"))


def main(
    *cells: Annotated[Literal[CELLS], Parameter(help="Cells. [default: all]")],
    output: Annotated[Path, Parameter(help="Folder of the files.")] = FOLDER,
):
    """Train and write."""
    for cell in cells or CELLS:
        print(write(cell, content(cell, trained(cell)), output))


if __name__ == "__main__":
    script.main(main, __doc__)
