"""The next character, sequence to sequence: four letters worked through gate by gate, and the same network on a text.

In:     the ids of characters, shape (batch, timesteps), one-hot inside the network: of h, e, l, p, h is [1 0 0 0].
Out:    the logits of each next character, shape (batch, timesteps, alphabet size).
Shape:  sequence-to-sequence, the same sequence one timestep ahead.

    x_t = one-hot of the t-th character
    h_t = LSTM(x_t, h_{t-1})                        or another --cell
    P(next | all before) = softmax(V h_t + b)       after h, e, l comes p

A long text is cut into --batch-size strands that are read in parallel, a window of --window characters in each training
step. The hidden states are carried over from window to window, the gradients are not (truncated back-propagation
through time). The measure is bits per character, the mean of -log₂ P, on text that the network was not trained on.

The built-in text is generated talk. Try next: --data book.txt --units 256; sample --temperature 0.5; type
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli, runs, training, verification
from toolkit.baselines.characters import BASELINES
from toolkit.cells import recurrent
from toolkit.export import bundle, steps
from toolkit.plots import letters
from toolkit.text.characters import FILE, Alphabet, check_length, windows

import click
import keras
import numpy as np
import tensorflow as tf
from cyclopts import Parameter
from keras import ops

from datasets import characters
from layers.trace import trace

RECIPE = "next_character"
WORD, CONTEXT = "help", "hel"
EXPECTED = 5  # next characters that `type` shows
VISIBLE = {"\n": "⏎", " ": "␣", "\t": "⇥"}
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings(cli.Settings):
    data: str = characters.GENERATED
    """talk (built in), a text file, or a folder of text files."""
    encoding: cli.Encoding = None
    """Encoding of the text, such as cp1252. [default: UTF-8, or what its byte-order mark tells]"""
    cell: cli.Cell = "lstm"
    """Recurrent cell."""
    units: cli.Units = 128
    """Units of each recurrent layer."""
    layers: Annotated[int, cli.at_least(1, 100)] = 1
    """Recurrent layers."""
    window: Annotated[int, cli.at_least(2)] = 64
    """Characters in one training step, the farthest that a gradient goes back."""
    dropout: cli.Share = 0.0
    """Share of each recurrent layer's outputs that is dropped."""
    epochs: cli.Count = 5
    """Passes over the training split."""
    batch_size: cli.Count = 32
    """Strands of the text that are read in parallel."""
    learning_rate: cli.LearningRate = 0.01
    """Learning rate at the start; it falls to 0 along a cosine."""


# ------------------------------------------------------------------------------------------------------------ data


def load_data(data=characters.GENERATED, data_dir=None, encoding=None):
    """A text in the parts "train", "validation" and "test", and the alphabet of the first."""
    with runs.user_errors():
        loaded = characters.load(data, data_dir, encoding=encoding)
    print(*loaded.understood, sep="\n", end="\n" * bool(loaded.understood))
    return loaded


# --------------------------------------------------------------------------------------------------------- network


def build_model(alphabet_size, cell="lstm", units=128, layers=1, dropout=0.0, seed=0, batch_size=None):
    """A network from character ids, (batch, timesteps), to logits, (batch, timesteps, alphabet_size).

    With a `batch_size` the network is stateful: each call continues from the states at the end of the last one.
    """
    ids = keras.Input(batch_shape=(batch_size, None), dtype="int32")
    x = keras.layers.Embedding(alphabet_size, alphabet_size, "identity", trainable=False, name="one_hot")(ids)
    for i in range(layers):
        stateful = batch_size is not None
        memory = recurrent(cell, units, return_sequences=True, stateful=stateful, name=f"memory_{i + 1}")
        x = keras.layers.Dropout(dropout, seed=seed + i)(memory(x))
    return keras.Model(ids, keras.layers.Dense(alphabet_size)(x))


# ----------------------------------------------------------------------------------------------------------- train


def fit(model, train, validation, run, epochs=5, learning_rate=0.01):
    """Compile and train a stateful model; it ends with the weights of the epoch with the smallest validation loss.

    Args:
        train, validation: inputs and targets, as `toolkit.text.characters.windows` returns them.
        run: a `toolkit.runs.Run`.

    Returns the minutes of training.
    """
    steps = len(train[0])
    stream = lambda epoch: tf.data.Dataset.from_tensor_slices(train)  # in order, because states are carried over
    with training.scope(model):
        optimizer = keras.optimizers.Adam(training.cosine_decay(learning_rate, epochs, steps), global_clipnorm=1.0)
        model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    held_out = tf.data.Dataset.from_tensor_slices(validation)
    return training.fit(model, run, (stream, steps), epochs, held_out, callbacks=[training.ResetStates()])


@app.command
def train(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None, resume: cli.Resume = False):
    """Train on a text, report and write a sample; the default command."""
    s = settings
    text = load_data(s.data, s.data_dir, s.encoding)
    check_length(text, s.batch_size, s.window)
    run = runs.open_run(RECIPE, s, text.checksum(), run_dir, resume)
    alphabet = Alphabet(text.alphabet)
    alphabet.save(run)
    network = {"cell": s.cell, "units": s.units, "layers": s.layers, "dropout": s.dropout, "seed": s.seed}
    with training.reproducible(s.seed, s.strategy):
        model = build_model(len(alphabet), **network, batch_size=s.batch_size)
    examples = [windows(alphabet.ids(text.splits[name]), s.batch_size, s.window) for name in ("train", "validation")]
    minutes = fit(model, *examples, run, s.epochs, s.learning_rate)
    reader = build_model(len(alphabet), **network, batch_size=1)  # of one text; this is the model that is saved
    for variable, trained in zip(reader.trainable_variables, model.trainable_variables, strict=True):
        variable.assign(trained)
    run.save_model(reader)
    metrics = evaluate_model(reader, alphabet, text)
    print("\nA sample:\n" + continuation(reader, alphabet, text.splits["test"][:1], 300, temperature=0.8))
    run.finish({"minutes": minutes} | metrics)
    print(f"\nThe run is in {run.path}. Next: python recipes/{RECIPE}.py type --run {run.path}")


def learn_word(cell="lstm", repetitions=300):
    """A network of four units that has learned to spell WORD, one training step for each repetition."""
    keras.utils.set_random_seed(1)
    model = build_model(1 + len(WORD), cell, units=4, seed=1)
    model.compile(keras.optimizers.Adam(0.05), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    ids = np.repeat(Alphabet(WORD).ids(WORD)[None], repetitions, axis=0)
    model.fit(ids[:, :-1], ids[:, 1:], batch_size=1, shuffle=False, verbose=0)
    return model


@app.command
def example(*, cell: Annotated[cli.Cell, Parameter(help="Recurrent cell.")] = "lstm", run_dir: cli.RunDir = None):
    """Learn the four letters of help, until p is certain after hel; print and draw every gate."""
    run = runs.open_run(f"{RECIPE}_example", {"cell": cell}, WORD, run_dir)  # another recipe: it has no text to sample
    model, ids = learn_word(cell), Alphabet(WORD).ids(CONTEXT)[None]
    probabilities = ops.convert_to_numpy(ops.softmax(model(ids)))[0, :, 1:]  # of the letters; id 0 is none of them
    (traced,) = trace(model, ids).values()
    gates = {name: values[0] for name, values in traced.items()}
    letters.show(WORD, CONTEXT, np.eye(len(WORD), dtype=int)[ids[0] - 1], probabilities, gates)
    run.save_figure(letters.plot(WORD, CONTEXT, probabilities, gates), "example.png")
    run.finish({f"P(p | {CONTEXT})": float(probabilities[-1, -1])})
    print(f"P(p | {CONTEXT}) = {probabilities[-1, -1]:.4f}. The gates are drawn in {run / 'example.png'}")


# -------------------------------------------------------------------------------------------------------- evaluate


def read(model, ids):
    """The logits after each character, (characters, alphabet size); `ids` continue what was read since a reset.

    `predict_on_batch`, which compiles the network once, is much faster than a call, above all on JAX.
    """
    return model.predict_on_batch(ids[None])[0]


def bits_per_character(model, ids, window=500):
    """The mean of -log₂ P of every character but the first, each given all before it.

    Args:
        model: a stateful network with batch size 1.
        ids: (characters,).
        window: characters in one call; it does not change the result.
    """
    training.reset_states(model)
    cross_entropy = 0.0
    for start in range(0, len(ids) - 1, window):
        targets = ids[start + 1 : start + 1 + window]
        inputs = ids[start : start + len(targets)]
        log_probabilities = ops.log_softmax(read(model, inputs))
        cross_entropy -= float(ops.sum(ops.take_along_axis(log_probabilities, targets[:, None], axis=-1)))
    return cross_entropy / (len(ids) - 1) / np.log(2)


def evaluate_model(model, alphabet, text):
    """Bits per character on the test split, beside the baselines; prints a table and returns the metrics."""
    train, test = text.splits["train"], text.splits["test"]
    bits = {"network": bits_per_character(model, alphabet.ids(test))}
    bits |= {name: baseline(train, test) for name, baseline in BASELINES.items()}
    print(f"\n{text.described()}\nBits per character on the test split:")
    for name, value in bits.items():
        print(f"    {name:16}{value:6.3f}")
    metrics = {"bits_per_character": bits.pop("network")}
    return metrics | {f"bits_per_character_{runs.key(name)}": value for name, value in bits.items()}


def open_finished(run):
    """A finished run, its settings, alphabet and model."""
    run = runs.finished_run(RECIPE, run)
    alphabet = Alphabet.load(run)
    return run, run.settings(Settings), alphabet, run.model(alphabet)


@app.command
def evaluate(*, run: cli.FinishedRun = None, data_dir: cli.DataDir = None):
    """Report on the test split again."""
    run, s, alphabet, model = open_finished(run)
    text = load_data(s.data, data_dir or s.data_dir, s.encoding)
    run.check_data(text.checksum())
    return evaluate_model(model, alphabet, text)


# --------------------------------------------------------------------------------------------------------- predict


def next_probabilities(model, ids):
    """The probability of each character after these, (alphabet size,); they continue what was read since a reset."""
    return ops.convert_to_numpy(ops.softmax(read(model, np.asarray(ids, "int32"))[-1])).astype("float64")


def draw(probabilities, rng, temperature=1.0, top_k=None):
    """An id drawn from P^(1 / temperature) among the `top_k` likeliest; never 0, which is no character."""
    logits = np.log(np.maximum(probabilities, 1e-300)) / temperature
    logits[0] = -np.inf
    if top_k is not None and top_k < len(logits):
        logits[np.argsort(logits)[:-top_k]] = -np.inf
    weights = np.exp(logits - logits.max())
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def continuation(model, alphabet, start, length, temperature=1.0, top_k=None, seed=0):
    """`start`, and so many characters that the network draws after it."""
    training.reset_states(model)
    rng, ids = np.random.default_rng(seed), []
    probabilities = next_probabilities(model, alphabet.ids(start or "\n"))
    for _ in range(length):
        ids.append(draw(probabilities, rng, temperature, top_k))
        probabilities = next_probabilities(model, ids[-1:])
    return start + alphabet.text(ids)


@app.command
def sample(
    start: Annotated[str, Parameter(help="What the text begins with.")] = "\n",
    /,
    *,
    run: cli.FinishedRun = None,
    length: Annotated[cli.Count, Parameter(help="Characters to write.")] = 400,
    temperature: Annotated[
        float,
        cli.at_least(0.01, 100),
        Parameter(help="Below 1, likely characters become likelier; above 1, less likely."),
    ] = 1.0,
    top_k: Annotated[
        cli.Count | None, Parameter(help="Draw only from the k likeliest characters. [default: from all]")
    ] = None,
    seed: Annotated[cli.Seed, Parameter(help="Seed of the drawing.")] = 0,
):
    """Write a text, character after character."""
    _, _, alphabet, model = open_finished(run)
    print(continuation(model, alphabet, start, length, temperature, top_k, seed))


def keys():
    """Keys as they are pressed, until Ctrl-D or Ctrl-C; or the characters of standard input if it is no terminal."""
    while sys.stdin.isatty():
        try:
            key = click.getchar()
        except (EOFError, KeyboardInterrupt):
            return
        yield "\n" if key == "\r" else key
    yield from sys.stdin.read()


@app.command(name="type")
def type_along(*, run: cli.FinishedRun = None):
    """Show, after every key that you press, which characters the network expects next. Ctrl-D or Ctrl-C ends."""
    _, _, alphabet, model = open_finished(run)
    training.reset_states(model)
    visible = lambda character: VISIBLE.get(character, character)
    for key in keys():
        probabilities = next_probabilities(model, alphabet.ids(key))[1:]
        best = np.argsort(probabilities)[::-1][:EXPECTED]
        bars = [f"{probabilities[i]:5.1%} {'█' * round(10 * probabilities[i])}" for i in best]
        unknown = "" if key in alphabet else " (not in the training split)"
        expected = "   ".join(f"{visible(alphabet.text([i + 1]))} {bar}" for i, bar in zip(best, bars))
        print(f"{visible(key)}{unknown}  →  {expected}", flush=True)


# ---------------------------------------------------------------------------------------------------------- export


@app.command
def export(
    out: bundle.Out,
    /,
    *,
    run: cli.FinishedRun = None,
    format: bundle.Format = "onnx",
    data_dir: cli.DataDir = None,
):
    """Write the network for other programs, with what they need around it, and compare it with Keras."""
    folder = bundle.Folder(out, format)
    run, s, alphabet, model = open_finished(run)
    load = lambda: load_data(s.data, data_dir or s.data_dir, s.encoding).splits["validation"]
    text = bundle.examples(load, "It is a truth universally acknowledged. ", most=600)

    def read_anew(ids):
        training.reset_states(model)
        return read(model, ids)

    return folder.write(run, steps.contents(run / FILE, model, read_anew, alphabet.ids("".join(text))))


# ---------------------------------------------------------------------------------------------------------- verify


@app.command
def verify(
    *,
    cell: Annotated[cli.Cell, Parameter(help="Recurrent cell.")] = "lstm",
    units: Annotated[cli.Units, Parameter(help="Units of each of the two recurrent layers.")] = 32,
):
    """Compare with built-in layers.

    The same network is built from both, with the same weights: outputs, every gradient, and the loss over a short
    training are compared. The exit status is 1 if they differ.
    """
    ids = np.random.default_rng(0).integers(0, 30, (320, 25))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    verification.verify(lambda name: build_model(30, name, units, layers=2), cell, ids[:, :-1], ids[:, 1:], loss)


if __name__ == "__main__":
    cli.main(app)
