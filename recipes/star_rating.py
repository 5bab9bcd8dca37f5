"""Star ratings of film reviews, sequence to vector: how many of ten stars did the writer give?

In:     the ids of a review's words, shape (batch, timesteps), padded on the right with 0 and masked.
Out:    for each rating but the highest, the probability that the review's rating is above it, (batch, ratings - 1).
Shape:  sequence-to-vector, with ordered classes: in IMDB 1, 2, 3, 4, 7, 8, 9 and 10 stars, else those of the data.

    e_t = E[w_t]                                     embedding of the t-th word, with dropout;
                                                     with --bigrams E[w_t] + B[w_{t-1}, w_t]
    h_t = [LSTM(e_t, h_{t-1}) ; LSTM(e_t, h_{t+1})]  reading in both directions, or another --cell
    x = [mean_t h_t ; max_t h_t]                     mean and maximum of all hidden states
    P(stars > k) = σ(w · x - θ_k)                    one weight vector w for all k, thresholds θ_1 < θ_2 < …
    stars = the smallest k with P(stars > k) <= 1/2  the median, which keeps the absolute error small

Source: the proportional odds model, McCullagh (1980), "Regression Models for Ordinal Data", eq. 2.3.

The built-in data is generated and needs no download. For real reviews use --data imdb, the Large Movie Review Dataset
(Maas et al. 2011).

Try next: --data imdb; --cell simple; your own reviews with a column of ratings.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import batches, cli, runs, training, verification
from toolkit.baselines.reviews import STAR_BASELINES
from toolkit.cells import recurrent
from toolkit.export import bundle, texts
from toolkit.plots import word_scores
from toolkit.review_settings import ReviewFlags
from toolkit.text.words import Vocabulary, columns

import keras
import numpy as np
from cyclopts import Parameter
from matplotlib import pyplot as plt
from sklearn import metrics as sklearn_metrics

from datasets import reviews
from layers import Embedding, MaskedMaxPooling1D, ProportionalOdds

RECIPE = "star_rating"
RATINGS = "ratings.json"  # in a run's folder, the ratings in ascending order
TAKEN_OVER = "cell", "vocabulary", "embedding", "units"  # settings that a pretrained run decides
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings(ReviewFlags, cli.Settings):
    data: str = reviews.GENERATED
    """phrases (built in), imdb, or a file or folder of reviews with ratings."""
    split_seed: cli.Seed = 0
    """Seed of the division into training and validation splits."""
    vocabulary: Annotated[int, cli.at_least(10)] = 20_000
    """Vocabulary size: the most frequent words of the training split."""
    words: Annotated[int, cli.at_least(5, 10_000)] = 400
    """Words to read of a review: its last ones."""
    cell: cli.Cell = "lstm"
    """Recurrent cell."""
    units: cli.Units = 64
    """Units of the recurrent layer, in each direction."""
    embedding: cli.Units = 64
    """Embedding size."""
    bigrams: cli.CountOrNone = 0
    """Ids for pairs of neighbouring words, whose embedding is added to the word's; 0 for none."""
    dropout: cli.Share = 0.4
    """Share of the embeddings and of the pooled states that is dropped."""
    pretrained: str | None = None
    """Run of review_language_model.py to start from; it decides cell, vocabulary, embedding and units."""
    epochs: cli.Count = 4
    """Passes over the training split."""
    batch_size: cli.Count = 32
    """Reviews in one training step."""
    learning_rate: cli.LearningRate = 0.003
    """Learning rate at the start; it falls to 0 along a cosine."""


# ------------------------------------------------------------------------------------------------------------ data


def load_data(data=reviews.GENERATED, data_dir=None, split_seed=0, reading=reviews.Reading()):
    """Reviews with splits "train", "validation" and "test", tables with the columns text and rating."""
    with runs.user_errors():
        loaded = reviews.load(data, data_dir, split_seed, reading, needs="rating")
    print(*loaded.understood, sep="\n", end="\n" * bool(loaded.understood))
    return loaded


def ratings_of(data):
    """The ratings of the training split in ascending order, an array of whole numbers, or with half stars of floats.

    Raises Stop if there are fewer than two, or others in the validation or test split.
    """
    ratings = np.unique(data.splits["train"]["rating"])
    unseen = {*data.splits["validation"]["rating"], *data.splits["test"]["rating"]} - {*ratings}
    if len(ratings) < 2 or unseen:
        raise runs.Stop(
            "The training split needs two ratings or more, and all that occur in the validation and test splits. "
            f"Received: {ratings.tolist()}, and only in the other splits {sorted(map(float, unseen))}"
        )
    return ratings


def exceeds(stars, ratings):
    """The network's targets, float32 (reviews, ratings - 1): 1 for every rating below a review's stars, else 0."""
    return (np.asarray(stars)[:, None] > ratings[:-1]).astype("float32")


# --------------------------------------------------------------------------------------------------------- network


def build_model(vocabulary_size, ratings, cell="lstm", units=64, embedding=64, bigrams=0, dropout=0.4, seed=0):
    """A network from word ids, (batch, timesteps), to the probabilities of more than each rating but the highest."""
    inputs = [keras.Input((None,), dtype="int32", name="words")]
    x = Embedding(vocabulary_size, embedding, mask_zero=True, name="embedding")(inputs[0])
    if bigrams:  # initially zero: the embedding of a pair is the sum of its words' until it has been learned
        inputs.append(keras.Input((None,), dtype="int32", name="pairs"))
        pairs = Embedding(bigrams + 1, embedding, "zeros", mask_zero=True, name="bigram_embedding")(inputs[1])
        x = keras.layers.Add()([x, pairs])
    x = keras.layers.SpatialDropout1D(dropout, seed=seed)(x)
    reader = keras.layers.Bidirectional(recurrent(cell, units, return_sequences=True), name="reader")
    states = reader(x)  # (batch, timesteps, 2 * units)
    x = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling1D()(states), MaskedMaxPooling1D()(states)])
    x = keras.layers.Dropout(dropout, seed=seed + 1)(x)  # (batch, 4 * units)
    return keras.Model(inputs, ProportionalOdds(ratings)(x))


# ----------------------------------------------------------------------------------------------------------- train


def fit(model, train, validation, run, epochs=4, batch_size=32, learning_rate=0.003, seed=0):
    """Compile and train a model; it ends with the weights of the epoch with the smallest validation loss.

    Args:
        train, validation: columns of inputs with the targets, (reviews, ratings - 1), behind them.
        run: a `toolkit.runs.Run`.

    Returns the minutes of training.
    """
    as_pair = lambda *batch: (batch[:-1], batch[-1])
    stream, steps = batches.bucketed(train, batch_size, seed)
    held_out, _ = batches.by_length(validation, batch_size)
    with training.scope(model):
        optimizer = keras.optimizers.Adam(training.cosine_decay(learning_rate, epochs, steps), global_clipnorm=1.0)
        model.compile(optimizer, "binary_crossentropy")
    stream_of = lambda epoch: stream(epoch).map(as_pair)
    return training.fit(model, run, (stream_of, steps), epochs, held_out.map(as_pair))


@app.command
def train(
    settings: cli.Flags[Settings] = Settings(),
    *,
    run_dir: cli.RunDir = None,
    resume: cli.Resume = False,
    baselines: Annotated[bool, Parameter(parse=False)] = True,
):
    """Train and report; the default command."""
    s = settings
    start = runs.finished_run("review_language_model", s.pretrained) if s.pretrained else None
    if start:
        s = start.decide(s, TAKEN_OVER)
    data = load_data(s.data, s.data_dir, s.split_seed, s.reading)
    ratings = ratings_of(data)
    run = runs.open_run(RECIPE, s, data.checksum(), run_dir, resume)
    run.write_json(RATINGS, ratings.tolist())
    with training.reproducible(s.seed, s.strategy):
        vocabulary = Vocabulary.load(start) if start else Vocabulary.learn(data.splits["train"]["text"], s.vocabulary)
        vocabulary.save(run)
        language_model = start.model() if start else None
        model = build_model(len(vocabulary), ratings, s.cell, s.units, s.embedding, s.bigrams, s.dropout, s.seed)
        for name in ("embedding", "reader") if start else ():
            model.get_layer(name).set_weights(language_model.get_layer(name).get_weights())
    examples = [
        [*columns(vocabulary, split["text"], s.words, s.bigrams), exceeds(split["rating"], ratings)]
        for split in (data.splits["train"], data.splits["validation"])
    ]
    minutes = fit(model, *examples, run, s.epochs, s.batch_size, s.learning_rate, s.seed)
    baselines = STAR_BASELINES if baselines else {}
    metrics = evaluate_model(model, vocabulary, ratings, data, run, s.words, s.bigrams, baselines)
    run.finish({"minutes": minutes} | metrics)
    print(f"\nThe run is in {run.path}. Next: python recipes/{RECIPE}.py predict --run {run.path} 'Not bad at all.'")


# -------------------------------------------------------------------------------------------------------- evaluate


def probabilities(model, vocabulary, texts, words=400, bigrams=0):
    """The probabilities that each text's rating is above each rating but the highest, (texts, ratings - 1)."""
    return batches.predict(model, columns(vocabulary, texts, words, bigrams))


def median(probabilities, ratings):
    """The median rating, from probabilities of shape (..., ratings - 1)."""
    return ratings[np.sum(probabilities > 0.5, axis=-1)]


def expectation(probabilities, ratings):
    """The expected number of stars: the lowest rating, and each step to the next times its probability."""
    return ratings[0] + np.asarray(probabilities) @ np.diff(ratings)


def measure(stars, truth, ratings):
    """The mean absolute error in stars, the share of exact ratings, and Cohen's kappa with quadratic weights."""
    ranks = [np.searchsorted(ratings, values) for values in (truth, stars)]
    kappa = sklearn_metrics.cohen_kappa_score(*ranks, labels=range(len(ratings)), weights="quadratic")
    error, accuracy = np.mean(np.abs(stars - truth)), np.mean(stars == truth)
    kappa = float(kappa) if np.isfinite(kappa) else 0.0  # undefined where all reviews have one and the same rating
    return {"mae_stars": float(error), "accuracy": float(accuracy), "qwk": kappa}


def evaluate_model(model, vocabulary, ratings, data, run, words=400, bigrams=0, baselines=STAR_BASELINES):
    """Score the test split, beside the baselines; prints a table, draws the confusions, returns the metrics."""
    test = data.splits["test"]
    stars = {"network": median(probabilities(model, vocabulary, test["text"], words, bigrams), ratings)}
    for name, baseline in baselines.items():
        stars[name] = baseline(*(data.splits[split] for split in ("train", "validation", "test")), ratings)
    truth = test["rating"].to_numpy()
    measured = {name: measure(values, truth, ratings) for name, values in stars.items()}
    print(f"\n{data.described()}")
    print(f"On the test split, {len(test):,} reviews:")
    print(f"    {'':24}{'MAE in stars':>14}{'exact':>10}{'quadratic weighted kappa':>27}")
    for name, values in measured.items():
        print("    {:24}{mae_stars:14.3f}{accuracy:10.2%}{qwk:27.3f}".format(name, **values))
    best = min(measured, key=lambda name: measured[name]["mae_stars"])
    if best != "network":
        print(f"On these reviews {best} has a smaller error than the network.")
    path = run.save_figure(plot_confusion(stars["network"], truth, ratings), "confusion.png")
    print(f"The ratings that are mistaken for each other are drawn in {path}")
    metrics = measured.pop("network")
    return metrics | {f"{key}_{runs.key(name)}": v for name, values in measured.items() for key, v in values.items()}


def plot_confusion(stars, truth, ratings):
    """The confusion matrix: a row for each true rating, in shares of the row."""
    ranks = [np.searchsorted(ratings, values) for values in (truth, stars)]  # scikit-learn takes no half stars
    counts = sklearn_metrics.confusion_matrix(*ranks, labels=range(len(ratings)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axis = plt.subplots(figsize=(6, 5.5))
    axis.imshow(shares, vmin=0, vmax=1)
    axis.grid(False)
    for row, column in np.ndindex(shares.shape):
        color = "white" if shares[row, column] > 0.5 else "black"
        axis.text(column, row, f"{shares[row, column]:.0%}", ha="center", va="center", color=color, fontsize=10)
    axis.set_xticks(range(len(ratings)), ratings)
    axis.set_yticks(range(len(ratings)), ratings)
    axis.set(xlabel="stars forecast by the network", ylabel="stars given by the writer", title="Share of each row")
    return figure


def open_finished(run):
    """A finished run, its settings, ratings, vocabulary and model."""
    run = runs.finished_run(RECIPE, run)
    ratings, vocabulary = run.json(RATINGS, list), Vocabulary.load(run)
    model = run.model(vocabulary)
    numbers = all(type(rating) in (int, float) for rating in ratings)
    if not numbers or not (np.diff(ratings) > 0).all() or len(ratings) != model.output_shape[-1] + 1:
        raise runs.Stop(f"{run / RATINGS} is damaged: it must hold the network's ratings, ascending; train again.")
    return run, run.settings(Settings), np.array(ratings), vocabulary, model


@app.command
def evaluate(
    *,
    run: cli.FinishedRun = None,
    data_dir: cli.DataDir = None,
    baselines: Annotated[bool, Parameter(parse=False)] = True,
):
    """Report on the test split again."""
    run, s, ratings, vocabulary, model = open_finished(run)
    data = load_data(s.data, data_dir or s.data_dir, s.split_seed, s.reading)
    run.check_data(data.checksum())
    return evaluate_model(
        model, vocabulary, ratings, data, run, s.words, s.bigrams, STAR_BASELINES if baselines else {}
    )


# --------------------------------------------------------------------------------------------------------- predict


def verdict(probabilities, ratings):
    """What the network outputs for one text, (ratings - 1,), in words."""
    shares = -np.diff(np.concatenate([[1], probabilities, [0]]))
    likely = ", ".join(f"{rating:g}: {share:.0%}" for rating, share in zip(ratings, shares) if share >= 0.05)
    return f"{median(probabilities, ratings):g} stars, expectation {expectation(probabilities, ratings):.1f} ({likely})"


def judge(model, vocabulary, ratings, review, words=400, bigrams=0):
    """The words of a review, the score after each of them, (words,), and the verdict; all empty if there is no word.

    The score is the expected rating, as -1 for the lowest and +1 for the highest.
    """
    above = lambda texts: probabilities(model, vocabulary, texts, words, bigrams)
    read, outputs = word_scores.after_each_word(above, review)
    if not read:
        return [], np.array([]), ""
    middle, half_range = (ratings[-1] + ratings[0]) / 2, (ratings[-1] - ratings[0]) / 2
    return read, (expectation(outputs, ratings) - middle) / half_range, verdict(outputs[-1], ratings)


@app.command
def predict(
    text: Annotated[str | None, Parameter(help="A review. [default: typed, one on each line]")] = None,
    /,
    *,
    run: cli.FinishedRun = None,
    file: cli.TextFile = None,
):
    """Rate reviews, and show how the expected rating changes word by word."""
    run, s, ratings, vocabulary, model = open_finished(run)
    for number, review in cli.read_examples("review", text, file):
        words, scores, summary = judge(model, vocabulary, ratings, review, s.words, s.bigrams)
        if not words:
            print(f"{number}: contains no word, skipped")
            continue
        word_scores.show(run, number, words, scores, summary, vocabulary.ids(review, s.words))


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
    run, s, ratings, vocabulary, model = open_finished(run)
    load = lambda: load_data(s.data, data_dir or s.data_dir, s.split_seed, s.reading).splits["validation"]["text"]
    chosen = bundle.examples(load, texts.EXAMPLES)
    output = "above", f"the probabilities of more stars than {', '.join(f'{rating:g}' for rating in ratings[:-1])}"
    contents = texts.contents(run, model, output, vocabulary, chosen, folder.takes_text, s.words, s.bigrams)
    return folder.write(run, contents)


# ---------------------------------------------------------------------------------------------------------- verify


@app.command
def verify(
    *,
    cell: Annotated[cli.Cell, Parameter(help="Recurrent cell.")] = "lstm",
    units: Annotated[cli.Units, Parameter(help="Units of the recurrent layer, in each direction.")] = 64,
    embedding: Annotated[cli.Units, Parameter(help="Embedding size.")] = 64,
    words: Annotated[int, cli.at_least(5, 10_000), Parameter(help="Words of the longest review.")] = 60,
):
    """Compare with built-in layers.

    The same network is built from both, with the same weights: outputs, every gradient, and the loss over a short
    training are compared. The exit status is 1 if they differ.
    """
    rng = np.random.default_rng(0)
    ratings = np.array([1, 2, 3, 4, 7, 8, 9, 10])
    ids = verification.random_sequences(rng, 320, words, 500)
    targets = exceeds(rng.choice(ratings, 320), ratings)
    build = lambda name: build_model(500, ratings, name, units, embedding, dropout=0.0)
    verification.verify(build, cell, (ids,), targets, "binary_crossentropy")


if __name__ == "__main__":
    cli.main(app)
