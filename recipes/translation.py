"""Translation, encoder–decoder: a network that reads a sentence, and one that writes it in another language.

In:     the sentence; in the model its subwords as numbers, shape (batch, timesteps), padded on the right and masked.
Out:    the logits of each next subword, shape (batch, steps, vocabulary), given those before it.
Shape:  encoder–decoder: sequence-to-vector, then vector-to-sequence; with attention all states of the encoder are seen.

    h_j = [GRU(x_j, h_{j-1}); GRU(x_j, h_{j+1})]    the source, read in both directions; c where both readings end
    s_t = GRU([e_t; h̃_{t-1}], s_{t-1})              the translation so far; e_t is its last subword's embedding
    α_t = softmax_j(v · tanh(W s_t + U h_j))        --attention additive, or multiplicative: s_t · W h_j / √units
    h̃_t = tanh(V [Σ_j α_tj h_j; s_t] + d)
    P(y_t) = softmax(E h̃_t + a)                     --attention none: h̃_t = tanh(V s_t + d), s_t sees [e_t; c]

In training e_t is the right subword (teacher forcing), in translating the network's own, by beam search. The data that
comes along is a generated grammar, English to French; the real one is --data multi30k, descriptions of pictures.

Try next: --attention none, and look at the long sentences; --cell lstm; your own pairs with --data pairs.tsv.
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import batches, common, encoder_decoder, results, training  # isort: skip
from recipes import translation_report, translation_text  # isort: skip
from recipes.translation_text import BEAM, LENGTH_PENALTY, Subwords, teacher_forced  # isort: skip

import keras
import numpy as np
import tensorflow as tf
import typer

from datasets import translation

RECIPE = "translation"
VARIANTS = {  # what differs from the default flags, chosen on the validation part
    "de-en.none": {"data": "multi30k", "direction": "de-en", "attention": "none"},
    "de-en.attention": {"data": "multi30k", "direction": "de-en"},
    "en-de.attention": {"data": "multi30k", "direction": "en-de", "vocabulary": 8000, "lexical": True}
    | {"dropout": 0.4, "word_dropout": 0.15, "batch_size": 32, "learning_rate": 0.0014, "epochs": 30, "patience": 30},
    "en-es.attention": {"data": "spa-eng", "direction": "en-es", "epochs": 5},  # of four times as many pairs
}
app = common.command_line(__doc__)

Attention = Annotated[
    str, typer.Option(help="none, additive or multiplicative.", callback=common.one_of(encoder_decoder.SCORES))
]
Units = Annotated[int, typer.Option(min=1, help="Units of each recurrent layer, and in each direction.")]
Embedding = Annotated[int, typer.Option(min=1, help="Numbers that stand for a subword.")]
Beam = Annotated[int, typer.Option(min=1, help="Beginnings kept of each sentence; 1 is greedy.")]
ALPHA = typer.Option(min=0, max=10, help="α: above 0, longer translations are preferred.")
GAMMA = typer.Option(min=0, help="γ: reward of every subword, in nats; best with α = 0.")
ALPHA_ASKED, GAMMA_ASKED = (
    typer.Option(min=0, max=o.max, help=f"{o.help} [default: the run's]") for o in (ALPHA, GAMMA)
)
CoveragePenalty = Annotated[
    float, typer.Option(min=0, help="β: above 0, words that were never attended to cost; needs attention.")
]


def load_data(settings):
    with common.user_errors():
        return translation.load(settings["data"], settings["direction"], settings["data_dir"], settings["split_seed"])


def build_model(vocabulary, settings):
    names = "cell", "units", "layers", "embedding", "attention", "dropout", "word_dropout", "seed"
    names += "reading", "lexical", "tied"
    chosen = {name: settings[name] for name in names}
    model = encoder_decoder.EncoderDecoder(vocabulary, sampling=settings["scheduled_sampling"], **chosen)
    model.build(((None, None), (None, None)))
    return model


def fit(run, data):
    """Train from the settings in the run's folder.

    Returns the model of the epoch with the best BLEU on the validation part, its subwords, and the minutes of training.
    """
    settings, train, validation = run.settings, data.splits["train"], data.splits["validation"]
    with common.prepare(settings["seed"], settings["strategy"]):
        subwords = Subwords.kept(run, [*train["source"], *train["target"]], settings["vocabulary"])
        longest, sampling = settings["longest"], (settings["subword_dropout"], settings["seed"])
        rows = translation_text.examples(subwords, train, longest, *sampling)
        stream, steps = batches.bucketed(rows, settings["batch_size"], settings["seed"])
        held_out, _ = batches.ordered(translation_text.examples(subwords, validation, longest), settings["batch_size"])
        model = build_model(len(subwords), settings)
        rate = training.warmed_up(settings["learning_rate"], settings["epochs"], steps)
        averaged = {"use_ema": True, "ema_momentum": settings["averaging"]} if settings["averaging"] else {}
        optimizer = keras.optimizers.Adam(rate, global_clipnorm=1.0, **averaged)
        model.compile(optimizer, encoder_decoder.cross_entropy(settings["label_smoothing"]))
    forced = lambda epoch: stream(epoch).map(teacher_forced)
    sources, order = batches.ordered([subwords.numbers(validation["source"])], 100)
    bleu = lambda texts: translation_report.bleu(texts, validation["target"].iloc[order], data.languages[1])
    scored = [translation_text.FreeDecoding("bleu", subwords, sources, bleu, settings["longest"])]
    kept = {"monitor": "-val_bleu", "patience": settings["patience"], "callbacks": scored}
    minutes = training.fit(model, run, (forced, steps), settings["epochs"], held_out.map(teacher_forced), **kept)
    return model, subwords, minutes


def search(model, run, **asked):
    """The search for translations with a run's settings, but for those that are asked for instead."""
    settings = {name: run.settings[name] for name in ("length_penalty", "length_reward", "longest")}
    return translation_text.search(model, **settings | {name: x for name, x in asked.items() if x is not None})


def evaluate_model(model, subwords, data, run, split="test", **asked):
    """Translate a part of the data freely and score it: prints, draws, writes a TSV; returns the scores."""
    table = data.splits[split]
    found = translation_text.translate(search(model, run, **asked), subwords, table["source"])
    table = table.assign(translation=[beams[0][0] for beams in found])
    metrics, signatures = translation_report.scores(table["translation"], table["target"], data.languages[1])
    print(f"\n{data.described()}\nThe {split} part, {len(table):,} sentences, free decoding:")
    for name, value in metrics.items():
        print(f"    {name:12}{value:6.2f}    {signatures[name]}")
    print("The first three:")
    for row in table[:3].itertuples():
        print(f"    {row.source}\n      = {row.translation}\n    ref {row.target}")
    with common.replacing(run / f"translations-{split}.tsv") as file:
        table.to_csv(file, sep="\t", index=False)
    panel = {run.settings["attention"]: translation_report.curve(run, data.languages[1], split)}
    run.save_figure(translation_report.plot_by_length({run.settings["cell"]: panel}), f"bleu_by_length-{split}.png")
    return metrics


def begin(settings, run_dir=None, resume=False):
    """The run's folder and its data, read first, so that wrong input leaves no folder behind."""
    data = load_data(settings)
    return common.Run.begin(RECIPE, settings, data.checksum(), run_dir, resume), data


@app.command()
def train(
    data: Annotated[
        str, typer.Option(help="grammar (comes along), multi30k, spa-eng, a set of TFDS, a TSV, or two aligned files.")
    ] = translation.GENERATED,
    direction: Annotated[str | None, typer.Option(help="Such as de-en. [default: the data's own]")] = None,
    data_dir: common.DataDir = None,
    attention: Attention = "additive",
    cell: common.Cell = "gru",
    reading: Annotated[
        str,
        typer.Option(
            help="How the source is read: bidirectional, forward, or reversed.",
            callback=common.one_of(encoder_decoder.READINGS),
        ),
    ] = "bidirectional",
    lexical: Annotated[
        bool, typer.Option("--lexical", help="Attend to the source's embeddings too, beside the encoder's states.")
    ] = False,
    units: Units = 256,
    layers: Annotated[int, typer.Option(min=1, help="Recurrent layers, in encoder and decoder each.")] = 1,
    embedding: Embedding = 256,
    tied: Annotated[
        str,
        typer.Option(
            help="Matrices that are one: none, two-way (the decoder's), three-way (all).",
            callback=common.one_of(encoder_decoder.TIES),
        ),
    ] = "three-way",
    vocabulary: Annotated[int, typer.Option(min=300, help="Subwords, of both languages together, at most.")] = 4000,
    subword_dropout: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of byte-pair merges left out in training, anew in each epoch.")
    ] = 0.0,
    longest: Annotated[int, typer.Option(min=5, help="Subwords in a sentence, at most.")] = 100,
    dropout: Annotated[float, typer.Option(min=0, max=0.9, help="Share of embeddings, states and h̃ dropped.")] = 0.3,
    word_dropout: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of subwords dropped whole, of both languages, in training.")
    ] = 0.0,
    label_smoothing: Annotated[float, typer.Option(min=0, max=0.9, help="Probability spread over all subwords.")] = 0.1,
    scheduled_sampling: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the decoder's inputs in training that are its own guesses.")
    ] = 0.0,
    length_penalty: Annotated[float, ALPHA] = LENGTH_PENALTY,
    length_reward: Annotated[float, GAMMA] = 0.0,
    averaging: Annotated[
        float, typer.Option(min=0, max=0.99999, help="Momentum of the weights' average; 0 for none.")
    ] = 0.0,
    epochs: common.Epochs = 12,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a better BLEU after which it ends.")] = 5,
    batch_size: common.BatchSize = 64,
    learning_rate: Annotated[
        float, typer.Option(min=1e-8, max=1, help="At its highest; it warms up and falls to 0 along a cosine.")
    ] = 0.002,
    seed: common.Seed = 0,
    split_seed: Annotated[int, typer.Option(min=0, help="Seed of the division, where the data has none.")] = 0,
    run_dir: common.RunDir = None,
    resume: common.Resume = False,
    strategy: common.Strategy = "none",
):
    """Train, translate the test part and score it; the default."""
    settings = {name: value for name, value in locals().items() if name not in common.NOT_SETTINGS}
    run, data = begin(settings, run_dir, resume)
    complete(run, data)
    print(f"\nThe run is in {run.path}. Next: python recipes/{RECIPE}.py predict --run {run.path}")


def complete(run, data):
    """Train from a run's settings, report, and leave its folder finished."""
    model, subwords, minutes = fit(run, data)
    run.write_json("metrics.json", {"minutes": minutes} | evaluate_model(model, subwords, data, run))


@app.command()
def evaluate(
    run: common.FinishedRun = None,
    beam: Beam = BEAM,
    length_penalty: Annotated[float | None, ALPHA_ASKED] = None,
    length_reward: Annotated[float | None, GAMMA_ASKED] = None,
    coverage_penalty: CoveragePenalty = 0.0,
    validation: Annotated[bool, typer.Option("--validation", help="Score the validation part instead.")] = False,
):
    """Report on the test part again."""
    run, model, subwords = translation_text.opened(RECIPE, run)
    data, split = load_data(run.settings), "validation" if validation else "test"
    asked = {"beam": beam, "length_penalty": length_penalty, "length_reward": length_reward}
    evaluate_model(model, subwords, data, run, split, coverage_penalty=coverage_penalty, **asked)


@app.command()
def predict(
    text: Annotated[str | None, typer.Argument(help="A sentence. [default: typed, a line each]")] = None,
    run: common.FinishedRun = None,
    file: Annotated[Path | None, typer.Option(help="A text file with a sentence on each line.")] = None,
    beam: Beam = BEAM,
    length_penalty: Annotated[float | None, ALPHA_ASKED] = None,
    length_reward: Annotated[float | None, GAMMA_ASKED] = None,
    coverage_penalty: CoveragePenalty = 0.0,
):
    """Translate sentences, and draw what was attended to."""
    run, model, subwords = translation_text.opened(RECIPE, run)
    asked = {"beam": beam, "length_penalty": length_penalty, "length_reward": length_reward}
    searching = search(model, run, coverage_penalty=coverage_penalty, **asked)
    for number, sentence in common.typed("sentence", text, file):
        beams = translation_text.translate(searching, subwords, [sentence])[0]
        print(f"{number}: {sentence}")
        for words, score in beams:
            print(f"    {score:7.2f}  {words}")
        if run.settings["attention"] != "none":
            source, target = (subwords.numbers([side])[0] for side in (sentence, beams[0][0]))
            weights = translation_text.attention_weights(model, source, target)
            figure = translation_report.plot_attention(weights, *map(subwords.pieces, (source, target)))
            run.save_figure(figure, f"attention-{number}.png")
            print(f"    drawn in {run / f'attention-{number}.png'}")


def together(runs, data):
    """The scores of the test part's translations by the networks of several runs as one."""
    model, subwords = translation_text.together(runs)
    table = data.splits["test"]
    found = translation_text.translate(search(model, runs[0]), subwords, table["source"])
    scores, _ = translation_report.scores([beams[0][0] for beams in found], table["target"], data.languages[1])
    return {f"{name}_seeds_together": score for name, score in scores.items()}


@app.command()
def verify(cell: common.Cell = "gru", attention: Attention = "additive", units: Units = 32, embedding: Embedding = 24):
    """Compare with built-in layers.

    The same encoder and decoder from both, with the same weights: outputs, every gradient, the loss over a short
    training. Exits with 1 where they differ.
    """
    rng, vocabulary = np.random.default_rng(0), 60
    settings = {"units": units, "layers": 1, "embedding": embedding, "attention": attention, "dropout": 0.0}
    settings |= {"word_dropout": 0.0, "seed": 0, "reading": "bidirectional", "lexical": True, "tied": "two-way"}
    settings |= {"scheduled_sampling": 0.0}
    build = lambda name: build_model(vocabulary, settings | {"cell": name})
    source, target = (
        rng.integers(4, vocabulary, (320, 14)) * (np.arange(14) < rng.integers(5, 14, (320, 1), endpoint=True))
        for _ in range(2)
    )
    x, y = teacher_forced(source, tf.constant(target))
    loss = lambda *pair: 100 * encoder_decoder.cross_entropy(0.1)(*pair)  # or gradients are small beside the weights
    training.verify(build, cell, (x[0], x[1].numpy()), y.numpy(), loss)


@app.command()
def publish(
    variant: Annotated[
        str, typer.Option(help=f"{', '.join(VARIANTS)}.", callback=common.one_of(VARIANTS))
    ] = "de-en.attention",
    data_dir: common.DataDir = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings, with the seeds 0, 1, ...")] = 3,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = results.ROOT / "results",
):
    """Train once a seed, and write results/; the same command goes on after a stop."""
    settings = common.defaults(train) | VARIANTS[variant] | {"data_dir": data_dir}
    one = lambda seed, folder: complete(*begin(settings | {"seed": seed}, folder, resume=True))
    runs = common.once_a_seed(RECIPE, variant, seeds, settings, one)
    once = together([run for run, _ in runs], load_data(settings)) if seeds > 1 else {}
    rows = [(seed, m.pop("minutes"), m) for seed, (_, m) in enumerate(runs)]
    command = f"python recipes/{RECIPE}.py publish --variant {variant} --seeds {seeds}"
    beside = translation_report.published(variant)
    print(results.publish(RECIPE, variant, command, common.versions(), rows, beside, output, once=once))


if __name__ == "__main__":
    common.main(app)
