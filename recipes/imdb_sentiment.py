"""Sentiment of film reviews, sequence to vector: from the words of a review, whether its writer loved the film.

In:     the text; inside the model its words as numbers, shape (batch, timesteps), padded on the right and masked.
Out:    the probability that the review is positive, shape (batch, 1); as a score, 2 p - 1, from -1 (hate) to +1 (love).
Shape:  sequence-to-vector.

    e_t = E[w_t]                                    embedding of the t-th word, with dropout; with --bigrams,
                                                    E[w_t] + B[w_{t-1}, w_t]
    h_t = [LSTM(e_t, h_{t-1}); LSTM(e_t, h_{t+1})]  reading in both directions, or another --cell
    p = σ(w · [mean_t h_t; max_t h_t] + b)          logistic regression on the mean and maximum of all states

The data that comes along is generated and needs no download: phrases in which the order of the words decides. The real
one is --data imdb, the Large Movie Review Dataset (Maas et al. 2011), 25,000 reviews to train on and as many to test.

Try next: --cell simple, and see what a bag of words does to it; --units 128; your own reviews with --data reviews.csv.
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import common, results, review_classifier, review_rivals  # isort: skip

import keras
import numpy as np
import typer

from datasets import reviews

RECIPE = "imdb_sentiment"
PUBLISHED = [
    {"name": "Keras's example, 2 x BiLSTM-64", "metric": "test_accuracy", "value": 0.843, "source": "keras.io"},
    {"name": "NBSVM, bigrams", "metric": "test_accuracy", "value": 0.9122, "source": "Wang & Manning 2012"},
    {"name": "oh-2LSTMp", "metric": "test_accuracy", "value": 0.9186, "source": "Johnson & Zhang 2016"},
]
UNLABELLED = [
    {"name": "LM-LSTM", "metric": "test_accuracy", "value": 0.9236, "source": "Dai & Le 2015"},
    {"name": "SA-LSTM", "metric": "test_accuracy", "value": 0.9276, "source": "Dai & Le 2015"},
]
VARIANTS = {  # by name, what differs from the default flags, chosen on the validation part
    "quick": {},
    "best": {"bigrams": 200_000, "epochs": 1},
    "pretrained": {"dropout": 0.2, "learning_rate": 0.001, "epochs": 2},
}
app = common.command_line(__doc__)


def head():
    return keras.layers.Dense(1, activation="sigmoid")


def target(split):
    return split["label"].to_numpy()[:, None]


def score(probabilities):
    """From -1 (hate) to +1 (love), of outputs of shape (n, 1)."""
    return 2 * probabilities[:, 0] - 1


def says(probability):
    return f"score {2 * probability[0] - 1:+.2f}, probability of positive {probability[0]:.1%}"


def evaluate_model(model, data, rivals=True):
    """Score the test part, beside the rivals; prints and returns the metrics."""
    test = data.splits["test"]
    guesses = {"network": review_classifier.outputs(model, test["text"])[:, 0] > 0.5}
    for name, rival in review_rivals.RIVALS.items() if rivals else []:
        guesses[name] = rival(*(data.splits[split] for split in ("train", "validation", "test")))
    accuracy = {name: float(np.mean(guess == test["label"])) for name, guess in guesses.items()}
    print(f"\n{data.described()}")
    print(f"Accuracy on the test part, {len(test):,} reviews:")
    for name, value in accuracy.items():
        print(f"    {name:16}{value:8.2%}")
    best = max(accuracy, key=accuracy.get)
    if best != "network":
        print(f"The network loses to {best} here.")
    metrics = {"test_accuracy": accuracy.pop("network")}
    return metrics | {f"accuracy_{results.key(name)}": value for name, value in accuracy.items()}


def complete(run, data, rivals=True):
    """Train from a run's settings, report, and leave its folder finished."""
    compiled = {"loss": "binary_crossentropy", "metrics": ["accuracy"]}
    model, minutes = review_classifier.fit(run, data, head, target, **compiled)
    run.write_json("metrics.json", {"minutes": minutes} | evaluate_model(model, data, rivals))


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
    run, data = review_classifier.begin(RECIPE, settings, run_dir, resume)
    complete(run, data)
    print(f"\nThe run is in {run.path}. Next: python recipes/{RECIPE}.py predict --run {run.path} 'Not bad at all.'")


@app.command()
def evaluate(run: common.FinishedRun = None):
    """Report on the test part again."""
    run = common.Run.open(RECIPE, run)
    evaluate_model(run.model(), review_classifier.load_data(run.settings))


@app.command()
def predict(
    text: review_classifier.Text = None,
    run: common.FinishedRun = None,
    file: review_classifier.File = None,
):
    """Score reviews, and show how the score moves word by word."""
    run = common.Run.open(RECIPE, run)
    model = run.model()
    for number, review in common.typed("review", text, file):
        review_classifier.show(model, review, run, number, score, says)


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
    labels = lambda rng, count: rng.integers(0, 2, (count, 1)).astype("float32")
    review_classifier.verify(cell, units, embedding, words, head, "binary_crossentropy", labels)


@app.command()
def publish(
    variant: Annotated[str, typer.Option(help=f"{', '.join(VARIANTS)}.", callback=common.one_of(VARIANTS))] = "quick",
    data_dir: common.DataDir = None,
    pretrained: review_classifier.Pretrained = None,
    seeds: Annotated[int, typer.Option(min=2, help="Trainings, with the seeds 0, 1, ...")] = 3,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = results.ROOT / "results",
):
    """Train on IMDB once a seed, and write results/; the same command goes on after a stop."""
    if (variant == "pretrained") != (pretrained is not None):
        raise common.Stop(
            f"The variant pretrained, and no other, needs --pretrained. Received: {variant}, {pretrained}"
        )
    settings = common.defaults(train) | {"data": "imdb", "data_dir": data_dir, "pretrained": pretrained}
    settings |= VARIANTS[variant]
    runs = review_classifier.published(RECIPE, variant, settings, seeds, complete)
    test = review_classifier.load_data(settings).splits["test"]
    mean = np.mean([review_classifier.outputs(run.model(), test["text"])[:, 0] for run, _ in runs], axis=0)
    once = {"test_accuracy_seeds_averaged": np.mean((mean > 0.5) == test["label"])}
    once |= {name: value for name, value in runs[0][1].items() if name.startswith("accuracy_")}
    command = f"python recipes/{RECIPE}.py publish --variant {variant} --seeds {seeds}"
    command += f" --pretrained {pretrained}" if pretrained else ""
    rows = [(seed, m["minutes"], {"test_accuracy": m["test_accuracy"]}) for seed, (_, m) in enumerate(runs)]
    beside = UNLABELLED if pretrained else PUBLISHED
    print(results.publish(RECIPE, variant, command, common.versions(), rows, beside, output, once=once))


if __name__ == "__main__":
    common.main(app)
