"""What the units of a trained network do: every gate and state over time, and units that track something.

In:     what a trained network reads: a text, or the days of its test split.
Out:    gates and states, by layer and name, each (timesteps, units), as heat maps; and for each of these series the
        unit that correlates with it best: whether the text is inside quotation marks, inside brackets, after a "not" in
        its sentence, how far into its line it is, and whether a word ends; for days the features themselves.
Shape:  of the network that is trained here, sequence-to-sequence, the same sequence one timestep ahead.

    x_t = one-hot of the t-th character
    h_t = coupled LSTM(x_t, h_{t-1})                or another --cell
    P(next | all before) = softmax(V h_t + b)

Karpathy, Johnson & Li (2015), "Visualizing and Understanding Recurrent Networks", found units that count the characters
of a line or remember an open quotation mark. Among hundreds of units, some correlate with anything by chance. Therefore
each unit is chosen by its correlation in the first half of what is read, and its correlation in the second half is
reported, beside that of a ridge regression from all states, fitted on the first half: what the network knows need not
be in one unit.

With --run the network of another run is read instead: of next_character, imdb_sentiment, star_rating, translation (its
encoder), stock_prices, or of this chapter.

Try next: --cell lstm, in which no unit tracks quotation marks; --run runs/imdb_sentiment/… --text 'Not bad, but …'
"""

import re
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import cli, runs, training
from toolkit.cells import CELLS, recurrent
from toolkit.plots import gates as figures
from toolkit.runs import Stop
from toolkit.text.characters import Alphabet, check_length, windows
from toolkit.text.subwords import START, Subwords
from toolkit.text.words import Vocabulary, columns, split_words

import keras
import numpy as np
import tensorflow as tf

from datasets import characters, prices
from layers.trace import trace

RECIPE = "gates"
RIDGE = 0.1  # of the regression, relative to the states' mean square
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings:
    run: str | None = None
    """Folder of a finished run to read; by default a network is trained on the built-in text first."""
    text: str | None = None
    """What the network reads; by default its own test split."""
    timesteps: Annotated[int, cli.at_least(2)] = 1500
    """Timesteps of the test split to read, at most."""
    cell: Literal[tuple(CELLS)] = "coupled-lstm"
    """Recurrent cell of the network that is trained."""
    units: cli.Units = 128
    """Units of its recurrent layer."""
    window: Annotated[int, cli.at_least(2)] = 200
    """Characters in one training step, the farthest that a gradient goes back."""
    epochs: cli.Count = 12
    """Passes over the training split."""
    batch_size: cli.Count = 16
    """Strands of the text that are read in parallel."""
    learning_rate: cli.LearningRate = 0.01
    """Learning rate at the start; it falls to 0 along a cosine."""
    seed: cli.Seed = 0
    """Seed of the weights."""


# --------------------------------------------------------------------------------------------------------- network


def build_model(alphabet_size, cell="coupled-lstm", units=128, batch_size=None):
    """A network from character ids, (batch, timesteps), to logits of the next, (batch, timesteps, alphabet_size).

    With a `batch_size` the network is stateful: each call continues from the states at the end of the last one.
    """
    ids = keras.Input(batch_shape=(batch_size, None), dtype="int32")
    x = keras.layers.Embedding(alphabet_size, alphabet_size, "identity", trainable=False, name="one_hot")(ids)
    h = recurrent(cell, units, return_sequences=True, stateful=batch_size is not None, name="memory")(x)
    return keras.Model(ids, keras.layers.Dense(alphabet_size)(h))


# ----------------------------------------------------------------------------------------------------------- train


def fit(model, train, validation, run, epochs=12, learning_rate=0.01):
    """Compile and train a stateful model; it ends with the weights of the epoch with the smallest validation loss.

    Gradients go back to the beginning of a window, states are carried over to the next one.

    Args:
        train, validation: inputs and targets, as `toolkit.text.characters.windows` returns them.
        run: a `toolkit.runs.Run`.

    Returns the minutes of training.
    """
    steps = len(train[0])
    stream = lambda epoch: tf.data.Dataset.from_tensor_slices(train)  # in order, because states are carried over
    optimizer = keras.optimizers.Adam(training.cosine_decay(learning_rate, epochs, steps), global_clipnorm=1.0)
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    held_out = tf.data.Dataset.from_tensor_slices(validation)
    return training.fit(model, run, (stream, steps), epochs, held_out, callbacks=[training.ResetStates()])


def train_network(run, text, s):
    """Train on a text and leave model.keras and alphabet.json in the run's folder; returns the minutes of training."""
    alphabet = Alphabet(text.alphabet)
    alphabet.save(run)
    training.reproducible(s.seed)
    model = build_model(len(alphabet), s.cell, s.units, s.batch_size)
    examples = [windows(alphabet.ids(text.splits[name]), s.batch_size, s.window) for name in ("train", "validation")]
    minutes = fit(model, *examples, run, s.epochs, s.learning_rate)
    reader = build_model(len(alphabet), s.cell, s.units)  # of any number of texts; this is the model that is saved
    reader.set_weights(model.get_weights())
    run.save_model(reader)
    return minutes


# -------------------------------------------------------------------------------------------- what a network reads


def text_series(text):
    """Series that a unit might track: by name a number at every character of a text, (characters,)."""
    after_not = np.zeros(len(text))
    for match in re.finditer(r"\b(?:not|never|no|\w+n't)\b([^.!?\n]*)", text):
        after_not[match.start(1) : match.end(1)] = 1
    quotation_marks = np.cumsum([c == '"' for c in text])
    open_brackets = np.cumsum([(c == "(") - (c == ")") for c in text])
    line_starts = np.maximum.accumulate([i if i == 0 or text[i - 1] == "\n" else 0 for i in range(len(text))])
    series = {
        "inside quotation marks": quotation_marks % 2,
        "inside brackets": open_brackets > 0,
        "after a not": after_not,
        "position in the line": np.arange(len(text)) - line_starts,
        "end of a word": [not c.isalnum() for c in text],
    }
    return {name: np.array(values, float) for name, values in series.items()}


def series_at_ends(pieces):
    """`text_series` of a text in pieces, at the last character of each piece, (pieces,)."""
    ends = np.cumsum([len(piece) for piece in pieces]) - 1
    return {name: values[ends] for name, values in text_series("".join(pieces)).items()}


def read_characters(run, s, text, timesteps):
    if not text:
        loaded = characters.load(s.data, s.data_dir, encoding=s.encoding)
        run.check_data(loaded.checksum())
        text = loaded.splits["test"][:timesteps]
    return Alphabet.load(run).ids(text)[None], [*text], text_series(text)


def read_own_characters(run, s, text, timesteps):
    return read_characters(
        run, SimpleNamespace(data=characters.GENERATED, data_dir=None, encoding=None), text, timesteps
    )


def read_review(run, s, text, timesteps):
    inputs = [rows[0][None] for rows in columns(Vocabulary.load(run), [needed(text)], s.words, s.bigrams)]
    words = split_words(text)[-inputs[0].shape[1] :]
    return inputs, words, series_at_ends([f" {word}" for word in words])


def read_sentence(run, s, text, timesteps):
    subwords = Subwords.load(run)
    (ids,) = subwords.ids([needed(text)])
    pieces = [piece.replace("▁", " ") for piece in subwords.pieces(ids)]
    return [np.array([ids]), np.array([[START]])], pieces, series_at_ends(pieces)


def read_days(run, s, text, timesteps):
    if text is not None:
        raise Stop(f"A run of stock_prices reads the days of its test split; it takes no --text. Received: {text!r}")
    reading = cli.TableFlags(**{field.name: getattr(s, field.name) for field in fields(cli.TableFlags)}).reading
    if s.ticker == "all" or getattr(s, "start_from", None) not in (None, "nothing"):
        raise Stop(f"A run of stock_prices on one series is needed. Received: a network for many, {run.path}")
    flat = getattr(s, "skip_flat_days", False)  # which older runs do not have
    form = prices.Form(reading, s.date_format, s.decimal, s.by_day, flat)
    data = prices.load(s.data, s.data_dir, s.target, s.window, s.column, s.ticker, start=s.start, end=s.end, form=form)
    run.check_data(data.checksum())
    target = data.target_column
    series = data.features.assign(**{f"mean {target} of 20 days": data.features[target].rolling(20).mean()})
    days = series[data.first_days["test"] :][:timesteps]
    inputs = days[data.features.columns].to_numpy("float32")
    return inputs[None], [f"{day:%Y-%m-%d}" for day in days.index], dict(days.items())


# From a run, its settings, a text and a number of timesteps to inputs, a label for each timestep, and series
READERS = {
    "gates": read_own_characters,
    "next_character": read_characters,
    "imdb_sentiment": read_review,
    "star_rating": read_review,
    "translation": read_sentence,
    "stock_prices": read_days,
}


def needed(text):
    if not (text or "").strip():
        raise Stop("This network needs a text: --text 'The plot was not bad, but …'")
    return text


def read(run, text=None, timesteps=1500):
    """Let a run's network read.

    Of a translation's network the encoder is traced: all layers with as many timesteps as the input.

    Returns traces, arrays (timesteps, units) by layer and name; the timesteps' labels; and the series, (timesteps,) by
    name, that are not constant. Raises Stop where the run or the text cannot be read.
    """
    recipe, settings = run.config["recipe"], SimpleNamespace(**run.config["settings"])
    if recipe not in READERS:
        raise Stop(f"Only runs of {', '.join(READERS)} can be read. Received: a run of {recipe}")
    with runs.user_errors():
        try:
            inputs, labels, series = READERS[recipe](run, settings, text, timesteps)
        except (AttributeError, TypeError) as error:  # a setting that is missing, or is no number
            raise Stop(f"{run / 'config.json'} is damaged or of another version ({error}): train again.") from error
        if len(labels) < 2:
            raise Stop(f"The text must have two timesteps or more. Received: {text!r}")
        traced = trace(run.model(), inputs)
    traces = {
        (layer, name): values[0]
        for layer, by_name in traced.items()
        for name, values in by_name.items()
        if values.shape[1] == len(labels)
    }
    return traces, labels, {name: np.asarray(values, float) for name, values in series.items() if np.ptp(values)}


# -------------------------------------------------------------------------------------- units that track something


def correlations(values, series):
    """Pearson's correlation of each unit, (timesteps, units), with a series, (timesteps,); 0 if either is constant."""
    values, series = values - values.mean(0), series - series.mean()
    size = np.linalg.norm(values, axis=0) * np.linalg.norm(series)
    return np.divide(series @ values, size, out=np.zeros_like(size), where=size > 0)


def correlation_of_all_states(traces, series):
    """The correlation of the second half of a series with a ridge regression from all states, fitted on the first."""
    states = np.concatenate([values for (_, name), values in traces.items() if name in ("h", "c")], axis=1)
    states, half = states - states.mean(0), len(series) // 2
    squares = states[:half].T @ states[:half]
    ridge = RIDGE * np.trace(squares) / len(squares) * np.eye(len(squares))
    weights = np.linalg.solve(squares + ridge, states[:half].T @ (series[:half] - series[:half].mean()))
    return float(correlations(states[half:] @ weights[:, None], series[half:])[0])


def find_trackers(traces, series):
    """For each series the unit that correlates with it best in the first half, and its correlation in the second."""
    trackers = []
    for name, values in series.items():
        half = len(values) // 2
        first = {key: correlations(units[:half], values[:half]) for key, units in traces.items()}
        key = max(first, key=lambda key: np.abs(first[key]).max())
        unit = int(np.abs(first[key]).argmax())
        second = correlations(traces[key][half:, unit : unit + 1], values[half:])[0]
        row = {"series": name, "layer": key[0], "gate": key[1], "unit": unit}
        row |= {"first_half": float(first[key][unit]), "second_half": float(second)}
        trackers.append(row | {"all_states": correlation_of_all_states(traces, values)})
    return trackers


def report(traces, labels, trackers):
    units = sum(values.shape[1] for values in traces.values())
    print(f"\n{len(labels)} timesteps, {units} gates and states of units. Best correlation with each series:")
    print(f"    {'':28}{'unit':32}{'first half':>12}{'second half':>13}{'all states':>12}")
    for row in trackers:
        unit = "{gate} of unit {unit}, {layer}".format(**row)
        print(
            f"    {row['series']:28}{unit:32}" + "{first_half:12.2f}{second_half:13.2f}{all_states:12.2f}".format(**row)
        )


# ------------------------------------------------------------------------------------------------------------- run


@app.command
def run(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None, resume: cli.Resume = False):
    """Let a trained network read, draw its gates and states, and find units that track something; the default command.

    Without --run, it first trains a network of its own, which it keeps in the run's folder.
    """
    s, metrics = settings, {}
    if s.run is None:
        if s.text is not None and len(s.text) < 2:
            raise Stop(f"The text must have two timesteps or more. Received: {s.text!r}")
        text = characters.load()
        check_length(text, s.batch_size, s.window)
        folder = trained = runs.open_run(RECIPE, s, text.checksum(), run_dir, resume)
        metrics["minutes"] = train_network(folder, text, s)
        traces, labels, series = read(trained, s.text, s.timesteps)
    else:
        trained = runs.finished_run(None, s.run)
        traces, labels, series = read(trained, s.text, s.timesteps)  # wrong input leaves no folder behind
        folder = runs.open_run(RECIPE, s, "that of the run", run_dir, resume)
    with runs.replacing(folder / "trace.npz") as file:
        np.savez(file, labels=np.array(labels), **{" ".join(key): values for key, values in traces.items()})
    trackers = find_trackers(traces, series)
    report(traces, labels, trackers)
    folder.save_figure(figures.plot_traces(traces, labels), "gates.png")
    if trackers:
        folder.save_figure(figures.plot_trackers(trackers, traces, labels, series), "trackers.png")
    folder.finish(metrics | {"trackers": trackers})
    print(f"\nTraces and figures are in {folder.path}. Next: python recipes/{RECIPE}.py --run {trained.path} --text …")


if __name__ == "__main__":
    cli.main(app)
