"""The next character: four letters worked through gate by gate, and the same network on a whole text.

In:     characters as numbers, shape (batch, timesteps), one-hot inside the network: of h, e, l, p, h is [1 0 0 0].
Out:    the logits of each next character, shape (batch, timesteps, alphabet).
Shape:  sequence-to-sequence, the same sequence one step ahead.

    x_t = one-hot of the t-th character
    h_t = LSTM(x_t, h_{t-1})                        or another --cell
    P(next | all before) = softmax(V h_t + b)       h e l → p: only the memory tells it from e → l

A long text is cut into --batch-size strands that are read side by side, a window of --window characters a step. Their
states go on from window to window, the gradients do not (truncated back-propagation). What counts is bits per
character, the mean of -log₂ P, on text that was not trained on.

The text that comes along is generated talk. Try next: --data book.txt --units 256; sample --temperature 0.5; type
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import character_tools, common, training  # isort: skip

import keras
import numpy as np
import tensorflow as tf
import typer

from datasets import characters

RECIPE = "next_character"
WORD, CONTEXT = "help", "hel"
app = common.command_line(__doc__)

Units = Annotated[int, typer.Option(min=1, help="Units of each recurrent layer.")]
Temperature = Annotated[float, typer.Option(min=0.01, help="Below 1 likely characters get likelier; above, less so.")]
TopK = Annotated[int | None, typer.Option(min=1, help="Draw from the likeliest k only. [default: from all]")]


def load_data(settings):
    with common.user_errors():
        return characters.load(settings["data"], settings["data_dir"])


def build_model(alphabet, settings, batch=None):
    """From numbers, (batch, timesteps), to logits; with a fixed batch size the states go on from call to call."""
    size = alphabet + 1  # and one for characters that are in no training text
    ids = keras.Input(batch_shape=(batch, None), dtype="int32")
    x = keras.layers.Embedding(size, size, "identity", trainable=False, name="one_hot")(ids)
    for i in range(settings["layers"]):
        kept = {"return_sequences": True, "stateful": batch is not None, "name": f"memory_{i + 1}"}
        x = common.recurrent(settings["cell"], settings["units"], **kept)(x)
        x = keras.layers.Dropout(settings["dropout"], seed=settings["seed"] + i)(x)
    return keras.Model(ids, keras.layers.Dense(size)(x))


def example(cell="lstm", steps=300):
    """The network of four letters, trained to say p after hel, and its alphabet."""
    settings = {"cell": cell, "units": 4, "layers": 1, "dropout": 0.0, "seed": 1}
    keras.utils.set_random_seed(1)
    model = build_model(len(WORD), settings)
    ids = characters.numbers(WORD, WORD)[None]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.05), loss)
    repeated = np.repeat(ids, steps, axis=0)
    model.fit(repeated[:, :-1], repeated[:, 1:], batch_size=1, shuffle=False, verbose=0)
    return model


def fit(run, text):
    """Train from the settings in the run's folder; returns the model for one strand, and the minutes of training."""
    settings = run.settings
    with common.prepare(settings["seed"], settings["strategy"]):
        batch, alphabet = settings["batch_size"], len(text.alphabet)
        windows = {
            name: character_tools.windows(text.numbers(text.parts[name]), batch, settings["window"])
            for name in ("train", "validation")
        }
        stream = character_tools.in_order(windows["train"])
        model = build_model(alphabet, settings, batch)
        rate = keras.optimizers.schedules.CosineDecay(settings["learning_rate"], settings["epochs"] * stream[1])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), loss)
    held_out = tf.data.Dataset.from_tensor_slices(windows["validation"])
    callbacks = [character_tools.FreshStates()]
    minutes = training.fit(model, run, stream, settings["epochs"], held_out, callbacks=callbacks)
    alone = build_model(alphabet, settings, 1)
    for variable, trained in zip(alone.trainable_variables, model.trainable_variables, strict=True):
        variable.assign(trained)
    alone.save(run / "model.keras")
    return alone, minutes


def complete(run, text):
    """Train from a run's settings, report, and leave its folder finished."""
    run.write_json("alphabet.json", text.alphabet)
    model, minutes = fit(run, text)
    metrics = evaluate_model(model, text)
    print("\nIt writes:\n" + character_tools.sampled(model, text.alphabet, text.parts["test"][:1], 300, 0.8, None, 0))
    run.write_json("metrics.json", {"minutes": minutes} | metrics)


def evaluate_model(model, text):
    """Bits per character of the test part, beside those of who knows no context, and of a compressor."""
    metrics = {"bits_per_character": character_tools.bits(model, text.numbers(text.parts["test"]))}
    metrics |= character_tools.rivals(text.parts)
    print(f"\n{text.described()}\nBits per character of the test part:")
    for name, value in metrics.items():
        print(f"    {name:36}{value:6.3f}")
    return metrics


def opened(run):
    run = common.Run.open(RECIPE, run)
    with common.user_errors():
        return run, run.model(), character_tools.alphabet(run)


@app.command()
def train(
    data: Annotated[str, typer.Option(help="talk (comes along), or a text file in UTF-8.")] = characters.GENERATED,
    data_dir: common.DataDir = None,
    cell: common.Cell = "lstm",
    units: Units = 128,
    layers: Annotated[int, typer.Option(min=1, help="Recurrent layers.")] = 1,
    window: Annotated[int, typer.Option(min=2, help="Characters that a gradient goes back at most.")] = 64,
    dropout: Annotated[float, typer.Option(min=0, max=0.9, help="Share of each layer's outputs dropped.")] = 0.0,
    epochs: common.Epochs = 5,
    batch_size: common.BatchSize = 32,
    learning_rate: Annotated[
        float, typer.Option(min=1e-8, max=1, help="At the start; it falls to 0 along a cosine.")
    ] = 0.01,
    seed: common.Seed = 0,
    run_dir: common.RunDir = None,
    resume: common.Resume = False,
    strategy: common.Strategy = "none",
):
    """Train on a text, report and write a little; the default."""
    settings = {name: value for name, value in locals().items() if name not in common.NOT_SETTINGS}
    text = load_data(settings)
    character_tools.check(text, settings)
    run = common.Run.begin(RECIPE, settings, text.checksum(), run_dir, resume)
    complete(run, text)
    print(f"\nThe run is in {run.path}. Next: python recipes/{RECIPE}.py type --run {run.path}")


@app.command("example")
def example_(cell: common.Cell = "lstm", run_dir: common.RunDir = None):
    """The four letters: train until p follows hel for certain, and print and draw every gate."""
    run = common.Run.begin(f"{RECIPE}_example", {"cell": cell}, WORD, run_dir)  # has no text to go on with
    model = example(cell)
    chances, gates = character_tools.worked(model, WORD, CONTEXT)
    run.save_figure(character_tools.plot_worked(WORD, CONTEXT, chances, gates), "example.png")
    run.write_json("metrics.json", {f"P(p | {CONTEXT})": float(chances[-1][len(WORD)])})
    print(f"P(p | hel) = {chances[-1][len(WORD)]:.4f}. Drawn in {run / 'example.png'}")


@app.command()
def evaluate(run: common.FinishedRun = None):
    """Report on the test part again."""
    run, model, _ = opened(run)
    evaluate_model(model, load_data(run.settings))


@app.command()
def sample(
    start: Annotated[str, typer.Argument(help="What the text begins with.")] = "\n",
    run: common.FinishedRun = None,
    length: Annotated[int, typer.Option(min=1, help="Characters to write.")] = 400,
    temperature: Temperature = 1.0,
    top_k: TopK = None,
    seed: common.Seed = 0,
):
    """Write a text, character after character."""
    _, model, alphabet = opened(run)
    print(character_tools.sampled(model, alphabet, start, length, temperature, top_k, seed))


@app.command("type")
def type_(run: common.FinishedRun = None):
    """Type along: after every key, what the network expects next. Ctrl-D or Ctrl-C ends."""
    _, model, alphabet = opened(run)
    character_tools.type_along(model, alphabet)


@app.command()
def verify(cell: common.Cell = "lstm", units: Units = 32):
    """Compare with built-in layers.

    The same network from both, with the same weights: outputs, every gradient, the loss over a short training. Exits
    with 1 where they differ.
    """
    ids = np.random.default_rng(0).integers(0, 30, (320, 25))
    settings = {"units": units, "layers": 2, "dropout": 0.0, "seed": 0}
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    training.verify(lambda name: build_model(29, settings | {"cell": name}), cell, ids[:, :-1], ids[:, 1:], loss)


if __name__ == "__main__":
    common.main(app)
