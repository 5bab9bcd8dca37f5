"""Short trainings of every recipe on one backend, and what its networks make of random inputs.

    KERAS_BACKEND=jax python tests/recipes/short_runs.py train FOLDER

writes runs, outputs.npz for each network, and outcome.json: by recipe its exit status and last line of errors.

    KERAS_BACKEND=jax python tests/recipes/short_runs.py read FOLDER

writes jax.json: by recipe the greatest difference between the outputs of the networks in FOLDER there and here.
"""

import importlib
import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from toolkit import cli
from toolkit.runs import Run

import keras
import numpy as np

from datasets import captions, characters, reviews, translation
from recipes import gradient_flow, relatives, video_direction

SMALL = "--epochs 1 --batch-size 32"
RUNS = {
    "unrolled": "run --timesteps 6",
    "feedforward_or_recurrent": "run --cells gru --steps 5 --timesteps 6 --weights 60",
    "gradient_flow": "run --timesteps 8 --lags 4 --steps 20",
    "relatives": "run --weights 60 --lags 4 --steps 20",
    "sequence_length": "train --cells gru --lengths 4,6 --delays 3 --epochs 1 --recall-epochs 1 --parameters 200",
    "video_direction": "run --frames 3 --films 20 --epochs 1",
    "stock_prices": f"train {SMALL} --units 3 --window 10 --target volatility --start 2014-01-01",
    "gates": "run --epochs 1 --units 4 --window 32 --batch-size 16 --timesteps 40",
    "next_character": "train --epochs 1 --batch-size 16 --units 8 --window 32",
    "imdb_sentiment": f"train {SMALL} --units 3 --embedding 4 --bigrams 30",
    "star_rating": f"train {SMALL} --units 3 --embedding 4",
    "review_language_model": f"train --data phrases {SMALL} --units 3 --embedding 4 --sampled 9",
    "translation": f"train {SMALL} --units 4 --embedding 4 --vocabulary 320",
    "image_captioning": f"train {SMALL} --units 4 --embedding 4 --vocabulary 320 --size 32",
}


def make_short():
    """Fewer examples, cells and curves than a user can ask for: compiling takes most of the time."""
    reviews.SIZES = {"train": 96, "validation": 60, "test": 60}
    translation.SIZES = {"train": 96, "validation": 32, "test": 32}
    captions.SIZES = {"train": 48, "validation": 12, "test": 12}
    characters.SIZE = 20_000
    gradient_flow.RADII = gradient_flow.RADII[:2]
    relatives.CELLS = {"minimal": relatives.CELLS["minimal"]}
    video_direction.PICTURES = 64


def train(recipe, arguments, folder):
    """Run a recipe's command; its exit status and last line of errors."""
    module, errors = importlib.import_module(f"recipes.{recipe}"), io.StringIO()
    sys.argv = [f"{recipe}.py", *arguments.split(), "--run-dir", str(folder / recipe)]
    try:
        with redirect_stderr(errors), redirect_stdout(io.StringIO()):
            cli.main(module.app)
    except SystemExit as end:
        return {"status": end.code or 0, "error": errors.getvalue().strip().rpartition("\n")[2]}
    except Exception as error:  # a traceback is one of the outcomes
        return {"status": 1, "error": repr(error)[:500]}


def outputs(run):
    """What a run's network makes of random inputs of its own shapes: a list of arrays."""
    model, rng = run.model(), np.random.default_rng(0)
    vocabulary = min([layer.input_dim for layer in model.layers if hasattr(layer, "input_dim")], default=50)
    inputs = []
    for tensor in keras.tree.flatten(model.input):
        shape = [2 if i == 0 and size is None else size or 6 for i, size in enumerate(tensor.shape)]
        integers = "int" in keras.backend.standardize_dtype(tensor.dtype)
        inputs.append(rng.integers(1, vocabulary, shape) if integers else rng.random(shape, "float32"))
    inputs = keras.tree.pack_sequence_as(model.input, inputs)
    return [keras.ops.convert_to_numpy(x) for x in keras.tree.flatten(model(inputs))]


def train_all(folder):
    make_short()
    os.chdir(folder)
    outcome = {}
    for recipe, arguments in RUNS.items():
        outcome[recipe] = train(recipe, arguments, folder)
        if (folder / recipe / "model.keras").exists():
            np.savez(folder / recipe / "outputs.npz", *outputs(Run(folder / recipe)))
        print(recipe, outcome[recipe], flush=True)
    (folder / "outcome.json").write_text(json.dumps(outcome, indent=1))


def read_all(folder):
    differences = {}
    for path in folder.glob("*/outputs.npz"):
        with np.load(path) as saved:
            pairs = zip(saved.values(), outputs(Run(path.parent)), strict=True)
            differences[path.parent.name] = max(float(np.abs(a - b).max()) for a, b in pairs)
    (folder / f"{keras.backend.backend()}.json").write_text(json.dumps(differences, indent=1))


if __name__ == "__main__":
    {"train": train_all, "read": read_all}[sys.argv[1]](Path(sys.argv[2]))
