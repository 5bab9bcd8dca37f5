"""What the units of a trained network do: every gate and state over time, and units that track something.

In:     what a run of next_character.py, imdb_sentiment.py, star_rating.py, translation.py (its encoder) or
        stock_prices.py reads as it was trained to: a text, or the days of the test part.
Out:    gates and states, by layer and name, each (timesteps, units); heat maps; and for each of these the unit that
        goes with it best: whether the text is inside quotation marks, inside brackets, behind a "not" in its sentence,
        how far into its line it is, and whether a word ends; of days what they brought.
Shape:  whatever the run's network is.

Karpathy, Johnson & Li (2015, "Visualizing and Understanding Recurrent Networks") found units that count a line's
characters or remember an open quotation mark. With hundreds of units some go with anything by chance; so each is chosen
by its correlation on one half of the text, and what is reported is its correlation on the other half. Beside it stands
how well all states together tell the same, weighted by a ridge regression on the first half: what the network knows
need not sit in one unit.

The default trains next_character.py first, if there is no run of it. Try next: next_character.py train --cell
coupled-lstm --window 200 --batch-size 16 --epochs 12, whose network has a unit for open quotation marks.
"""

import contextlib
import re
import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import character_tools, common, next_character, review_text  # isort: skip
from recipes import stock_prices, translation, translation_text  # isort: skip

import numpy as np
import typer
from matplotlib import pyplot as plt

from datasets import characters
from layers.trace import trace

RECIPE = "gates"
DRAWN, ROWS = 80, 40  # timesteps and units of a heat map
RIDGE = 0.1  # of the states' mean square
app = common.command_line(__doc__)


def tracked(text):
    """What a unit might track, by name: at every character of a text a number, (characters,)."""
    found = {name: np.zeros(len(text)) for name in ("inside quotation marks", "inside brackets", "behind a not")}
    quotes, depth = np.cumsum([c == '"' for c in text]), np.cumsum([(c == "(") - (c == ")") for c in text])
    found["inside quotation marks"] = (quotes % 2).astype(float)
    found["inside brackets"] = (depth > 0).astype(float)
    for match in re.finditer(r"\b(?:not|never|no|\w+n't)\b([^.!?\n]*)", text):
        found["behind a not"][match.start(1) : match.end(1)] = 1
    starts = np.maximum.accumulate([i if i == 0 or text[i - 1] == "\n" else 0 for i in range(len(text))])
    found["place in the line"] = np.arange(len(text)) - starts.astype(float)
    found["end of a word"] = np.array([not c.isalnum() for c in text], float)
    return {name: values for name, values in found.items() if values.std() > 0}


def at_ends(labels):
    """`tracked` of a text in pieces, at the last character of each: (pieces,)."""
    ends = np.cumsum([len(label) for label in labels]) - 1
    return {name: values[ends] for name, values in tracked("".join(labels)).items()}


def read_characters(run, text, timesteps):
    model = run.model()
    character_tools.forget(model)
    text = text or next_character.load_data(run.settings).parts["test"][:timesteps]
    ids = characters.numbers(text, character_tools.alphabet(run))
    return model, ids[None], [*text], tracked(text)


def read_review(run, text, timesteps):
    model, text = run.model(), needed(text)
    ids = review_text.numbers(model.get_layer("tokenizer"), [text])[0]
    words = review_text.words([text]).numpy()[0].decode().split()[-len(ids) :]
    return model.get_layer("network"), ids[None], words, at_ends([f" {word}" for word in words])


def read_sentence(run, text, timesteps):
    _, model, subwords = translation_text.opened(translation.RECIPE, run.path)
    ids = subwords.numbers([needed(text)])[0]
    pieces = [piece.replace("▁", " ") for piece in subwords.pieces(ids)]
    return model, (np.array([ids]), np.array([[translation_text.START]])), pieces, at_ends(pieces)


def read_days(run, text, timesteps):
    if text is not None:
        raise common.Stop(f"A run of stock_prices reads the days of its own test part, and no text. Received: {text!r}")
    data = stock_prices.load_data(run.settings)
    target, first = data.target_column, data.first_days["test"]
    series = data.features.assign(**{f"mean {target} of 20 days": data.features[target].rolling(20).mean()})
    days = series[first:][:timesteps]
    inputs = days[data.features.columns].to_numpy("float32")
    return run.model(), inputs[None], [f"{day:%Y-%m-%d}" for day in days.index], dict(days.items())


READERS = {"next_character": read_characters, "imdb_sentiment": read_review, "star_rating": read_review}
READERS |= {"translation": read_sentence, "stock_prices": read_days}


def needed(text):
    if not (text or "").strip():
        raise common.Stop("Give this network something to read: --text 'The plot was not bad, but …'")
    return text


def read(run, text, timesteps):
    """A network reads: traces by layer and name, (timesteps, units), the timesteps' labels, and what might be tracked.

    Of a translation's network it is the encoder that is traced: all layers that see as many timesteps as there are.
    """
    if (recipe := run.config["recipe"]) not in READERS:
        raise common.Stop(f"Runs of {', '.join(READERS)} can be read. Received: {recipe}")
    model, inputs, labels, wanted = READERS[recipe](run, text, timesteps)
    if len(labels) < 2:
        raise common.Stop(f"A text of two timesteps or more is needed. Received: {text!r}")
    with common.user_errors():
        traces = {
            (layer, name): values[0]
            for layer, parts in trace(model, inputs).items()
            for name, values in parts.items()
            if values.shape[1] == len(labels)
        }
    return traces, labels, {name: np.asarray(values, float) for name, values in wanted.items() if np.ptp(values)}


def correlations(values, wanted):
    """Pearson's, of each unit, (timesteps, units), with a series, (timesteps,); 0 where either stands still."""
    values, wanted = values - values.mean(0), wanted - wanted.mean()
    size = np.linalg.norm(values, axis=0) * np.linalg.norm(wanted)
    return np.divide(wanted @ values, size, out=np.zeros_like(size), where=size > 0)


def together(traces, series):
    """The correlation in the second half of a series with all states, weighted by a ridge regression on the first."""
    states = np.concatenate([values for (_, name), values in traces.items() if name in ("h", "c")], axis=1)
    states, half = states - states.mean(0), len(series) // 2
    squares = states[:half].T @ states[:half]
    ridge = RIDGE * np.trace(squares) / len(squares) * np.eye(len(squares))
    weights = np.linalg.solve(squares + ridge, states[:half].T @ (series[:half] - series[:half].mean()))
    return float(correlations(states[half:] @ weights[:, None], series[half:])[0])


def trackers(traces, wanted):
    """For each series the unit that goes with it best in the first half, and its correlation in the second."""
    found = []
    for name, series in wanted.items():
        half = len(series) // 2
        best = {key: correlations(values[:half], series[:half]) for key, values in traces.items()}
        key = max(best, key=lambda key: np.abs(best[key]).max())
        unit = int(np.abs(best[key]).argmax())
        there = correlations(traces[key][half:, unit : unit + 1], series[half:])[0]
        found.append({"tracks": name, "layer": key[0], "of": key[1], "unit": unit})
        found[-1] |= {"first_half": float(best[key][unit]), "second_half": float(there)}
        found[-1]["together"] = together(traces, series)
    return found


def plot_gates(traces, labels):
    """A heat map for each gate and state: units down, timesteps along."""
    names = [*traces]
    rows = -(-len(names) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(18, 3.4 * rows), squeeze=False, layout="constrained")
    for axis in axes.flat[len(names) :]:
        axis.axis("off")
    shown = [character_tools.VISIBLE.get(label, label) for label in labels[:DRAWN]]
    for axis, key in zip(axes.flat, names):
        values = traces[key][:DRAWN, :ROWS].T
        least = -1 if np.nanmin(values) < 0 else 0
        image = axis.imshow(values, aspect="auto", cmap="RdBu_r" if least else "Greens", vmin=least, vmax=1)
        axis.set(title=" ".join(key), ylabel="unit", xticks=range(len(shown)))
        axis.set_xticklabels(shown, rotation=0 if max(map(len, shown)) == 1 else 90, fontsize=7)
        figure.colorbar(image, ax=axis, pad=0.01)
    return figure


def plot_trackers(found, traces, labels, wanted):
    """Each tracking unit along the text's last timesteps, over what it tracks."""
    figure, axes = plt.subplots(len(found), 1, figsize=(18, 2.1 * len(found)), squeeze=False, layout="constrained")
    shown = [character_tools.VISIBLE.get(label, label) for label in labels[-2 * DRAWN :]]
    for axis, row in zip(axes[:, 0], found):
        series = wanted[row["tracks"]]
        series = (series[-2 * DRAWN :] - series.min()) / np.ptp(series)
        axis.fill_between(range(len(shown)), series, color="0.85", step="mid")
        axis.plot(traces[row["layer"], row["of"]][-2 * DRAWN :, row["unit"]], "C3", linewidth=1)
        what = f"{row['tracks']}: {row['of']} of unit {row['unit']} in {row['layer']}"
        axis.set_title(f"{what}, correlation {row['second_half']:.2f}; all: {row['together']:.2f}", fontsize=10)
        axis.set(xticks=range(len(shown)), xlim=(-0.5, len(shown) - 0.5))
        axis.set_xticklabels(shown, fontsize=7, rotation=0 if max(map(len, shown)) == 1 else 90)
    return figure


def opened(path):
    """A finished run's folder; without a path the newest of next_character.py, which is trained where there is none."""
    with contextlib.suppress(common.Stop):
        path = path or common.newest(next_character.RECIPE, finished=True)
    if path is not None:
        return common.Run.open(common.Run(path).config["recipe"], path)
    print("There is no run of next_character.py: training one first.")
    settings = common.defaults(next_character.train)
    text = next_character.load_data(settings)
    run = common.Run.begin(next_character.RECIPE, settings, text.checksum())
    next_character.complete(run, text)
    return run


@app.command()
def run(
    run: Annotated[
        Path | None, typer.Option(help="Folder of a finished run. [default: next_character's newest]")
    ] = None,
    text: Annotated[str | None, typer.Option(help="What it is to read. [default: of its own test part]")] = None,
    timesteps: Annotated[int, typer.Option(min=2, help="Of the test part, at most.")] = 1500,
    run_dir: common.RunDir = None,
):
    """Let a trained network read, draw its gates and states, and find units that track something; the default."""
    trained = opened(run)
    traces, labels, wanted = read(trained, text, timesteps)
    settings = {"run": str(trained.path), "text": text, "timesteps": timesteps}
    folder = common.Run.begin(RECIPE, settings, "drawn", run_dir)
    with common.replacing(folder / "trace.npz") as file:
        np.savez(file, labels=np.array(labels), **{" ".join(key): values for key, values in traces.items()})
    folder.save_figure(plot_gates(traces, labels), "gates.png")
    found = trackers(traces, wanted)
    print(f"\n{len(labels)} timesteps, {sum(v.shape[1] for v in traces.values())} gates and states of units")
    for row in found:
        where = f"{row['of']} of unit {row['unit']}, {row['layer']}"
        judged = "{first_half:6.2f} where chosen, {second_half:.2f} later; all states {together:.2f}".format(**row)
        print(f"    {row['tracks']:28}{where:32}{judged}")
    if found:
        folder.save_figure(plot_trackers(found, traces, labels, wanted), "trackers.png")
    folder.write_json("metrics.json", found)
    print(f"Arrays, heat maps and trackers are in {folder.path}")


if __name__ == "__main__":
    common.main(app)
