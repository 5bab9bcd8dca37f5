"""Stars of film reviews, sequence to vector: how many of ten stars the writer gave.

In:     the text; inside the model its words as numbers, shape (batch, timesteps), padded on the right and masked.
Out:    for each step between two ratings the probability that the review is above it, shape (batch, ratings - 1).
Shape:  sequence-to-vector, with ordered classes: in IMDB 1, 2, 3, 4, 7, 8, 9 and 10 stars, else what the data has.

    x = encoder(words)                   as in imdb_sentiment.py
    P(stars > k) = σ(w · x - θ_k)        one direction for all steps; thresholds θ_1 < θ_2 < …
    stars = the highest rating whose lower step has P > 1/2, the median, which keeps the absolute error small

Source: the proportional odds model, McCullagh (1980), "Regression Models for Ordinal Data", eq. 2.3.

Try next: --data imdb; --cell simple; your own reviews with a column rating.
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import common, results, review_classifier, review_rivals  # isort: skip

import keras
import numpy as np
import typer
from keras import ops
from matplotlib import pyplot as plt
from sklearn import metrics as sklearn_metrics

from datasets import reviews

RECIPE = "star_rating"
MEASURES = "mae_stars", "accuracy", "qwk"
app = common.command_line(__doc__)


@keras.saving.register_keras_serializable("rnn_recipes")
class Ordered(keras.layers.Layer):
    """P(y > k) for each step between the ordered classes: (batch, features) to (batch, classes - 1), falling."""

    def __init__(self, classes, **kwargs):
        super().__init__(**kwargs)
        self.classes = [int(k) for k in classes]

    def build(self, shape):
        self.kernel = self.add_weight(name="kernel", shape=(shape[-1], 1))
        self.first = self.add_weight(name="first", shape=(1,), initializer=keras.initializers.Constant(-2.0))
        # softplus keeps the gaps between thresholds above 0, so that the probabilities fall from step to step
        self.gaps = self.add_weight(name="gaps", shape=(len(self.classes) - 2,), initializer="zeros")

    def call(self, x):
        thresholds = ops.cumsum(ops.concatenate([self.first, ops.softplus(self.gaps)]))
        return ops.sigmoid(ops.matmul(x, self.kernel) - thresholds)

    def get_config(self):
        return super().get_config() | {"classes": self.classes}


def target(classes):
    """What the head should say of a split: 1 for every step that the rating is above."""
    return lambda split: (split["rating"].to_numpy()[:, None] > classes[:-1]).astype("float32")


def median(outputs, classes):
    """Stars from the head's outputs, (reviews, classes - 1)."""
    return classes[np.sum(outputs > 0.5, axis=-1)]


def expected(outputs, classes):
    """Mean stars: the lowest rating and each step's height times its probability."""
    return classes[0] + np.asarray(outputs) @ np.diff(classes)


def says(output, classes):
    shares = -np.diff(np.concatenate([[1], output, [0]]))
    likely = ", ".join(f"{stars}: {share:.0%}" for stars, share in zip(classes, shares) if share >= 0.05)
    return f"{median(output, classes)} stars, {expected(output, classes):.1f} in the mean ({likely})"


def measures(stars, truth, classes):
    """The mean absolute error in stars, the share of exact ratings, and Cohen's kappa with quadratic weights."""
    ranks = [np.searchsorted(classes, values) for values in (truth, stars)]
    kappa = sklearn_metrics.cohen_kappa_score(*ranks, labels=range(len(classes)), weights="quadratic")
    values = np.mean(np.abs(stars - truth)), np.mean(stars == truth), kappa
    return {name: float(value) for name, value in zip(MEASURES, values)}


def evaluate_model(model, data, run, rivals=True):
    """Score the test part, beside the rivals; prints, draws and returns the metrics."""
    test = data.splits["test"]
    truth = test["rating"].to_numpy()
    classes = rated(data)
    guesses = {"network": median(review_classifier.outputs(model, test["text"]), classes)}
    for name, rival in review_rivals.STAR_RIVALS.items() if rivals else []:
        guesses[name] = rival(*(data.splits[split] for split in ("train", "validation", "test")), classes)
    measured = {name: measures(stars, truth, classes) for name, stars in guesses.items()}
    print(f"\n{data.described()}")
    print(f"On the test part, {len(test):,} reviews:")
    print(f"    {'':24}{'MAE in stars':>14}{'exact':>10}{'quadratic weighted kappa':>27}")
    for name, values in measured.items():
        print("    {:24}{mae_stars:14.3f}{accuracy:10.2%}{qwk:27.3f}".format(name, **values))
    best = min(measured, key=lambda name: measured[name]["mae_stars"])
    if best != "network":
        print(f"The network loses to {best} here.")
    run.save_figure(confusion(guesses["network"], truth, classes), "confusion.png")
    print(f"Drawn in {run / 'confusion.png'}")
    network = measured.pop("network")
    return network | {f"{key}_{results.key(name)}": v for name, m in measured.items() for key, v in m.items()}


def confusion(stars, truth, classes):
    """Which ratings are taken for which: a row for each true one, in shares of the row."""
    counts = sklearn_metrics.confusion_matrix(truth, stars, labels=classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axis = plt.subplots(figsize=(5.5, 5))
    axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(shares.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, f"{shares[row, column]:.0%}", ha="center", va="center", color=colour, fontsize=8)
    axis.set_xticks(range(len(classes)), classes)
    axis.set_yticks(range(len(classes)), classes)
    axis.set(xlabel="stars the network says", ylabel="stars the writer gave", title="Share of each row")
    return figure


def rated(data):
    """The ratings that there are, ascending."""
    for name in ("train", "validation", "test"):
        if "rating" not in data.splits[name]:
            raise common.Stop(f"The reviews of {data.source} have no column rating, which star_rating needs.")
    classes = np.unique(data.splits["train"]["rating"])
    unseen = {*data.splits["validation"]["rating"], *data.splits["test"]["rating"]} - {*classes}
    if len(classes) < 3 or unseen:
        raise common.Stop(
            "The training part needs three ratings or more, and every one that validation and test have. Received: "
            f"{classes.tolist()} and beside them {sorted(map(int, unseen))}"
        )
    return classes


def complete(run, data, rivals=True):
    """Train from a run's settings, report, and leave its folder finished."""
    classes = rated(data)
    head = lambda: Ordered(classes)
    model, minutes = review_classifier.fit(run, data, head, target(classes), loss="binary_crossentropy")
    run.write_json("metrics.json", {"minutes": minutes} | evaluate_model(model, data, run, rivals))


@app.command()
def train(
    data: review_classifier.Data = reviews.GENERATED,
    data_dir: common.DataDir = None,
    cell: common.Cell = "lstm",
    vocabulary: review_classifier.Vocabulary = 20000,
    words: review_classifier.Words = 400,
    embedding: review_classifier.Embedding = 64,
    bigrams: review_classifier.Bigrams = 0,
    units: review_classifier.Units = 64,
    dropout: review_classifier.Dropout = 0.4,
    pretrained: review_classifier.Pretrained = None,
    epochs: common.Epochs = 4,
    batch_size: common.BatchSize = 32,
    learning_rate: review_classifier.LearningRate = 0.003,
    seed: common.Seed = 0,
    split_seed: review_classifier.SplitSeed = 0,
    run_dir: common.RunDir = None,
    resume: common.Resume = False,
    strategy: common.Strategy = "none",
):
    """Train and report; the default."""
    settings = {name: value for name, value in locals().items() if name not in common.NOT_SETTINGS}
    run, data = review_classifier.begin(RECIPE, settings, run_dir, resume, check=rated)
    complete(run, data)
    print(f"\nThe run is in {run.path}. Next: python recipes/{RECIPE}.py predict --run {run.path} 'Not bad at all.'")


@app.command()
def evaluate(run: common.FinishedRun = None):
    """Report on the test part again."""
    run = common.Run.open(RECIPE, run)
    evaluate_model(run.model(), review_classifier.load_data(run.settings), run)


@app.command()
def predict(
    text: review_classifier.Text = None,
    run: common.FinishedRun = None,
    file: review_classifier.File = None,
):
    """Rate reviews, and show how the rating moves word by word."""
    run = common.Run.open(RECIPE, run)
    model = run.model()
    classes = np.array(model.get_layer("network").layers[-1].classes)
    middle, half = (classes[-1] + classes[0]) / 2, (classes[-1] - classes[0]) / 2
    score = lambda outputs: (expected(outputs, classes) - middle) / half
    for number, review in common.typed("review", text, file):
        review_classifier.show(model, review, run, number, score, lambda output: says(output, classes))


@app.command()
def verify(
    cell: common.Cell = "lstm",
    units: review_classifier.Units = 64,
    embedding: review_classifier.Embedding = 64,
    words: review_classifier.Words = 60,
):
    """Compare with built-in layers.

    The same network from both, with the same weights: outputs, every gradient, the loss over a short training. Exits
    with 1 where they differ.
    """
    classes = np.array([1, 2, 3, 4, 7, 8, 9, 10])
    targets = lambda rng, count: (rng.choice(classes, (count, 1)) > classes[:-1]).astype("float32")
    review_classifier.verify(cell, units, embedding, words, lambda: Ordered(classes), "binary_crossentropy", targets)


@app.command()
def publish(
    data_dir: common.DataDir = None,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings, with the seeds 0, 1, ...")] = 3,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = results.ROOT / "results",
):
    """Train on IMDB once a seed, with the default flags, and write results/; the same command goes on after a stop."""
    settings = common.defaults(train) | {"data": "imdb", "data_dir": data_dir}
    runs = review_classifier.published(RECIPE, "imdb", settings, seeds, complete)
    command = f"python recipes/{RECIPE}.py publish --seeds {seeds}"
    once = {name: value for name, value in runs[0][1].items() if name not in ("minutes", *MEASURES)}
    rows = [(seed, m["minutes"], {name: m[name] for name in MEASURES}) for seed, (_, m) in enumerate(runs)]
    print(results.publish(RECIPE, "imdb", command, common.versions(), rows, [], output, once=once))


if __name__ == "__main__":
    common.main(app)
