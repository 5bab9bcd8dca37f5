"""What the recipes that judge reviews share: their network, its training, and the command line's flags."""

from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import typer

from datasets import reviews
from recipes import batches, common, review_text, training, word_scores

LANGUAGE_MODEL = "review_language_model"
TAKEN_OVER = "cell", "vocabulary", "embedding", "units"  # settings that a language model decides

Data = Annotated[
    str,
    typer.Option(
        help="phrases (comes along), imdb, imdb_reviews (no stars), or a CSV or JSON-lines file or folder of two."
    ),
]
Vocabulary = Annotated[int, typer.Option(min=10, help="Words to know: the commonest of the training part.")]
Words = Annotated[int, typer.Option(min=5, help="Words to read of a review: its last ones.")]
Embedding = Annotated[int, typer.Option(min=1, help="Numbers that stand for a word.")]
Bigrams = Annotated[
    int,
    typer.Option(
        min=0, help="Numbers for pairs of neighbouring words, whose embedding is added to the word's; 0 for none."
    ),
]
Units = Annotated[int, typer.Option(min=1, help="Units of the recurrent layer, in each direction.")]
Dropout = Annotated[
    float, typer.Option(min=0, max=0.9, help="Share of the embeddings and of the pooled states dropped.")
]
LearningRate = Annotated[float, typer.Option(min=1e-8, max=1, help="At the start; it falls to 0 along a cosine.")]
SplitSeed = Annotated[int, typer.Option(min=0, help="Seed of the division into training and validation.")]
Pretrained = Annotated[
    Path | None,
    typer.Option(help=f"Run of {LANGUAGE_MODEL}.py to start from; it decides {', '.join(TAKEN_OVER)}."),
]
Text = Annotated[str | None, typer.Argument(help="A review. [default: typed, a line each]")]
File = Annotated[Path | None, typer.Option(help="A text file with a review on each line.")]


def load_data(settings):
    with common.user_errors():
        return reviews.load(settings["data"], settings["data_dir"], settings["split_seed"])


def begin(recipe, settings, run_dir=None, resume=False, check=lambda data: None):
    """The run's folder and its data, read and checked first, so that wrong input leaves no folder behind."""
    if settings["pretrained"]:
        before = common.Run.open(LANGUAGE_MODEL, settings["pretrained"]).settings
        settings = settings | {name: before[name] for name in TAKEN_OVER}
    data = load_data(settings)
    check(data)
    return common.Run.begin(recipe, settings, data.checksum(), run_dir, resume), data


def build_model(vocabulary, settings, head):
    """From word numbers, (batch, timesteps), to what the layer from `head()` makes of the encoder's vector."""
    ids, x = review_text.encoder(vocabulary, settings)
    return keras.Model(ids, head()(x), name="network")


def fit(run, data, head, target, **compiled):
    """Train from the settings in the run's folder.

    Args:
        head: a function that makes the last layer, called once everything is seeded.
        target: a function from a split's table to what the head should say, (reviews, outputs).
        compiled: what `compile` takes beside the optimizer.

    Returns the model of the best epoch, from raw text to the head's outputs, which the run's folder holds too, and the
    minutes of training.
    """
    settings = run.settings
    with common.prepare(settings["seed"], settings["strategy"]):
        train, validation = data.splits["train"], data.splits["validation"]
        start = common.Run.open(LANGUAGE_MODEL, settings["pretrained"]).model() if settings["pretrained"] else None
        layer = (
            start.get_layer("tokenizer").get_layer("vectorizer")
            if start
            else review_text.vectorizer(train["text"], settings["vocabulary"])
        )
        tokens = review_text.tokenizer(layer, settings["words"])
        rows = [review_text.numbers(tokens, part["text"]) for part in (train, validation)]
        examples = [[row, target(part).astype("float32")] for row, part in zip(rows, (train, validation))]
        stream = batches.bucketed(examples[0], settings["batch_size"], settings["seed"])
        held_out, _ = batches.ordered(examples[1], settings["batch_size"])
        network = build_model(layer.vocabulary_size(), settings, head)
        for name in ("embedding", "reader") if start else ():
            network.get_layer(name).set_weights(start.get_layer("network").get_layer(name).get_weights())
        rate = keras.optimizers.schedules.CosineDecay(settings["learning_rate"], settings["epochs"] * stream[1])
        network.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), **compiled)
        model = review_text.from_text(tokens, network)
    return model, training.fit(network, run, stream, settings["epochs"], held_out, saved=model)


def published(recipe, variant, settings, seeds, complete):
    """The finished runs of a result, one a seed, begun, gone on with, or left as they are; and their metrics."""

    def one(seed, folder):
        complete(*begin(recipe, settings | {"seed": seed}, folder, resume=True), rivals=seed == 0)

    return common.once_a_seed(recipe, variant, seeds, settings, one)


def outputs(model, texts):
    """What a model says of each text, (texts, outputs)."""
    rows = review_text.numbers(model.get_layer("tokenizer"), texts)
    return review_text.predictions(model.get_layer("network"), rows)


def show(model, text, run, number, score, says):
    """Print and draw one review.

    Args:
        score: a function from the head's outputs, (prefixes, outputs), to scores from -1 to +1.
        says: a function from the head's outputs for the whole text, (outputs,), to the verdict in words.
    """
    if not review_text.words([text]).numpy()[0].split():
        return print(f"{number}: no word in it, left out")
    ids = review_text.numbers(model.get_layer("tokenizer"), [text])[0]
    known = int(np.sum(ids > review_text.UNKNOWN))
    shown, judged = word_scores.reading(model, text)
    scores, verdict = score(judged), says(judged[-1])
    print(f"{number}: {verdict}")
    if len(shown) > len(ids):
        print(f"   of {len(shown):,} words the last {len(ids)} are read")
    if known < len(ids) / 2:
        print(f"   the network knows only {known} of {len(ids)} words: do not trust it here")
    print("   " + word_scores.coloured(shown, scores))
    run.save_figure(word_scores.plot(shown, scores, verdict), f"review-{number}.png")
    print(f"   drawn in {run / f'review-{number}.png'}")


def verify(cell, units, embedding, words, head, loss, target):
    """Compare the network of our cells with that of built-in layers, on random words.

    Args:
        head: a function that makes the last layer.
        target: a function from a generator of random numbers and a count to targets, (count, outputs).
    """
    rng = np.random.default_rng(0)
    lengths, vocabulary = rng.integers(words // 2, words, 320, endpoint=True), 500
    x = rng.integers(2, vocabulary, (320, words)) * (np.arange(words) < lengths[:, None])
    settings = {"units": units, "embedding": embedding, "dropout": 0.0, "seed": 0}
    build = lambda name: build_model(vocabulary, settings | {"cell": name}, head)
    training.verify(build, cell, x, target(rng, 320), loss)
