"""Translation, encoder–decoder: one network reads a sentence, another writes it in a different language.

In:     the ids of a sentence's subwords, shape (batch, timesteps), padded on the right with 0 and masked; and those of
        the translation up to each step, shape (batch, steps).
Out:    the logits of the next subword at each step, shape (batch, steps, vocabulary size).
Shape:  encoder–decoder: sequence-to-vector, then vector-to-sequence; with attention the decoder sees all states of the
        encoder.

    h_j = [GRU(x_j, h_{j-1}); GRU(x_j, h_{j+1})]    the source, read in both directions; c where both readings end
    s_0 = tanh(W_0 c + b_0)                         the bridge to the decoder
    s_t = GRU([e_t; h̃_{t-1}], s_{t-1})              the translation so far; e_t is the embedding of its last subword
    α_t = softmax_j(v · tanh(W s_t + U h_j))        --attention additive, or multiplicative: s_t · W h_j / √units
    h̃_t = tanh(V [Σ_j α_tj h_j; s_t] + d)
    P(y_t) = softmax(E h̃_t + a)                     E is also the matrix of all embeddings

    --attention none: s_t = GRU([e_t; c], s_{t-1}) and h̃_t = tanh(V s_t + d)

Sources: Cho et al. (2014) for c at every step; Bahdanau, Cho & Bengio (2015) and Luong, Pham & Manning (2015) for
attention; Press & Wolf (2017) for the shared matrix.

In training e_t is the right subword (teacher forcing); in translation it is the network's own, found by beam search.
The built-in data is a generated grammar, English to French. For real sentences use --data multi30k, descriptions of
pictures in English and German.

Try next: --attention none, and look at the long sentences; --cell lstm; your own pairs with --data pairs.tsv.
"""

import itertools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import batches, cells, cli, runs, training, verification
from toolkit.decoding import Ensemble, FreeDecoding, Search, StepwiseDecoder, attention_weights, hypotheses, translate
from toolkit.export import bundle, sentences
from toolkit.losses import label_smoothed_cross_entropy
from toolkit.metrics.translation import bleu, by_length, scores
from toolkit.plots.attention import plot_attention, plot_by_length
from toolkit.text.subwords import END, START, Subwords

import keras
import numpy as np
import tensorflow as tf
from cyclopts import Parameter

from datasets import translation
from layers import Attention, AttentionDecoder, TiedEmbedding, VectorDecoder

RECIPE = "translation"
SCORES = {  # arguments of `layers.Attention`
    "additive": {"score": "additive"},
    "multiplicative": {"score": "general", "scaled": True},  # unscaled, it hardly beats no attention
}
AttentionName = Literal["none", "additive", "multiplicative"]
Reading = Literal["bidirectional", "forward", "reversed"]
LengthPenalty = Annotated[float, cli.at_least(0, 10)]
BEAM = 5
EXAMPLES = ["The cat sees a dog.", "Ein Hund läuft."]  # of an export, where the run's data is not on this machine
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings


@dataclass(kw_only=True)
class Settings(cli.TableSettings):
    data: str = translation.GENERATED
    """grammar (built in), multi30k, spa-eng, a translation set of TFDS; or a file, folder or two files of pairs."""
    direction: str | None = None
    """Source and target language, such as de-en. [default: the data's own]"""
    split_seed: cli.Seed = 0
    """Seed of the division into splits, where the data has none."""
    attention: AttentionName = "additive"
    """Attention of the decoder to the encoder's states."""
    cell: cli.Cell = "gru"
    """Recurrent cell of encoder and decoder."""
    reading: Reading = "bidirectional"
    """How the source is read: in both directions, forward, or from the last word to the first."""
    lexical: cli.Switch = False
    """Attend to the embeddings of the source beside the encoder's states."""
    units: cli.Units = 256
    """Units of the recurrent layers; of the encoder, in each direction."""
    embedding: cli.Units = 256
    """Embedding size, and size of h̃."""
    vocabulary: Annotated[int, cli.at_least(300)] = 4000
    """Vocabulary size, at most: subwords of both languages together."""
    longest: Annotated[int, cli.at_least(5, 10_000)] = 100
    """Subwords of a sentence, at most; longer pairs are not trained on."""
    dropout: cli.Share = 0.3
    """Share of the embeddings, the encoder's states and h̃ that is dropped."""
    word_dropout: cli.Share = 0.0
    """Share of the subwords, in both languages, whose whole embedding is dropped."""
    label_smoothing: cli.Share = 0.1
    """Probability that the targets of the loss spread over the whole vocabulary."""
    length_penalty: LengthPenalty = 1.0
    """α of the beam search: the larger, the longer the translations."""
    epochs: cli.Count = 12
    """Passes over the training split, at most."""
    patience: cli.Count = 5
    """Epochs without a better BLEU on the validation split after which training ends."""
    batch_size: cli.Count = 64
    """Sentence pairs in one training step."""
    learning_rate: cli.LearningRate = 0.002
    """Highest learning rate; it is reached after a warm-up and then falls to 0 along a cosine."""

    @property
    def form(self):
        """The `Reading` of a user's own files; `reading` is that of the encoder here."""
        return super().reading


# ------------------------------------------------------------------------------------------------------------ data


def load_data(data=translation.GENERATED, direction=None, data_dir=None, split_seed=0, form=translation.Reading()):
    """Sentence pairs with splits "train", "validation" and "test", tables with the columns source and target."""
    with runs.user_errors():
        loaded = translation.load(data, direction, data_dir, split_seed, form)
    print(*loaded.understood, sep="\n", end="\n" * bool(loaded.understood))
    return loaded


def columns(subwords, table, longest=100):
    """Ids of sources and of targets, two lists of lists, of the pairs with no more than `longest` subwords a side.

    Raises Stop if no pair is left.
    """
    ids = [subwords.ids(table[side]) for side in ("source", "target")]
    short = [max(map(len, pair)) <= longest for pair in zip(*ids)]
    if not all(short):
        print(f"{short.count(False):,} of {len(short):,} pairs are longer than {longest} subwords and are left out")
    if not any(short):
        raise runs.Stop(f"No pair is left to train or validate on: try a larger --longest. Received: {longest}")
    return [list(itertools.compress(side, short)) for side in ids]


def teacher_forced(source, target):
    """The network's inputs, which are the source and the target one step later; and the target, which it predicts."""
    return (source, tf.pad(target[:, :-1], [[0, 0], [1, 0]], constant_values=START)), target


# --------------------------------------------------------------------------------------------------------- network


def build_model(
    vocabulary_size,
    attention="additive",
    cell="gru",
    reading="bidirectional",
    lexical=False,
    units=256,
    embedding=256,
    dropout=0.3,
    word_dropout=0.0,
    seed=0,
):
    """A network from ids of the source, (batch, timesteps), and of the translation up to each step, (batch, steps), to
    the logits of the next subword, (batch, steps, vocabulary size).

    `lexical` follows Nguyen & Chiang (2018), "Improving Lexical Choice in Neural Machine Translation", who add a layer
    for it; `word_dropout` Gal & Ghahramani (2016) and Sennrich & Zhang (2019), who found that it matters most with few
    pairs; `reading="reversed"` Sutskever, Vinyals & Le (2014).
    """
    source, written = (keras.Input((None,), dtype="int32", name=name) for name in ("source", "written"))
    whole_words = {"rate": word_dropout, "noise_shape": (None, None, 1)}
    embed = TiedEmbedding(vocabulary_size, embedding, name="embedding")

    mask = keras.ops.not_equal(source, 0)
    x = keras.layers.Dropout(**whole_words, seed=seed + 1)(embed(source))
    x = keras.layers.Dropout(dropout, seed=seed + 2)(x)
    backwards = reading == "reversed"
    reader = cells.recurrent(cell, units, return_sequences=True, return_state=True, go_backwards=backwards)
    if reading == "bidirectional":
        reader = keras.layers.Bidirectional(reader)
    h, *states = reader(x, mask=mask)
    h = keras.ops.flip(h, axis=1) if backwards else h
    h = keras.layers.Dropout(dropout, seed=seed + 3)(h)  # (batch, timesteps, 2 * units), or units
    ends = states[:: len(states) // 2] if reading == "bidirectional" else states[:1]  # h of each direction, without c
    c = keras.ops.concatenate(ends, axis=-1)

    if attention == "none":
        recurrent = cells.recurrent(cell, units, return_sequences=True)
        decoder, seen = VectorDecoder(recurrent, embedding, name="decoder"), [c]
    else:
        memory = keras.ops.concatenate([h, x], axis=-1) if lexical else h
        scored = Attention(**SCORES[attention])
        decoder = AttentionDecoder(cells.cell(cell, units), scored, memory.shape[-1], embedding, name="decoder")
        seen = [memory, mask]
    s_0 = keras.layers.Dense(decoder.state_features, activation="tanh", name="bridge")(c)
    x = keras.layers.Dropout(**whole_words, seed=seed)(embed(written))
    x = keras.layers.Dropout(dropout, seed=seed)(x)
    h = decoder(x, s_0, *seen)  # h̃, (batch, steps, embedding)
    h = keras.layers.Dropout(dropout, seed=seed + 1, name="output_dropout")(h)
    return keras.Model([source, written], embed(h, reverse=True))


# ----------------------------------------------------------------------------------------------------------- train


def fit(
    model,
    subwords,
    train,
    held_out,
    validation,
    run,
    language="en",
    longest=100,
    label_smoothing=0.1,
    epochs=12,
    patience=5,
    batch_size=64,
    learning_rate=0.002,
    seed=0,
):
    """Compile and train a model; it ends with the weights of the epoch with the best BLEU on the validation split.

    Args:
        train, held_out: ids of the training and the validation split, as `columns` returns them.
        validation: the validation split, a table with the columns source and target, for BLEU.
        run: a `toolkit.runs.Run`.
        language: the target language, which decides how BLEU cuts a text into words.

    Returns the minutes of training.
    """
    stream, steps = batches.bucketed(train, batch_size, seed)
    held_out, _ = batches.by_length(held_out, batch_size)
    rate = training.warmed_up_cosine_decay(learning_rate, epochs, steps)
    with training.scope(model):
        model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), label_smoothed_cross_entropy(label_smoothing))
    sources, order = batches.by_length([subwords.ids(validation["source"])], 100)
    greedy = Search(StepwiseDecoder(model), beam_width=1, longest=longest)
    score = lambda texts: bleu(texts, validation["target"].iloc[order], language)
    free = [FreeDecoding("bleu", greedy, subwords, sources, score)]
    stream_of = lambda epoch: stream(epoch).map(teacher_forced)
    return training.fit(
        model, run, (stream_of, steps), epochs, held_out.map(teacher_forced), "-val_bleu", patience, free
    )


@app.command
def train(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None, resume: cli.Resume = False):
    """Train, translate the test split and score it; the default command."""
    s = settings
    data = load_data(s.data, s.direction, s.data_dir, s.split_seed, s.form)
    pairs, validation = data.splits["train"], data.splits["validation"]
    subwords = Subwords.learn([*pairs["source"], *pairs["target"]], s.vocabulary)
    ids = [columns(subwords, table, s.longest) for table in (pairs, validation)]
    run = runs.open_run(RECIPE, s, data.checksum(), run_dir, resume)
    subwords.save(run)
    with training.reproducible(s.seed, s.strategy):
        network = s.attention, s.cell, s.reading, s.lexical, s.units, s.embedding, s.dropout, s.word_dropout, s.seed
        model = build_model(len(subwords), *network)
    minutes = fit(
        model,
        subwords,
        *ids,
        validation,
        run,
        data.languages[1],
        s.longest,
        s.label_smoothing,
        s.epochs,
        s.patience,
        s.batch_size,
        s.learning_rate,
        s.seed,
    )
    run.finish({"minutes": minutes} | evaluate_model(search(model, s), subwords, data, run, s))
    print(f"\nThe run is in {run.path}. Next: python recipes/{RECIPE}.py predict --run {run.path}")


# -------------------------------------------------------------------------------------------------------- evaluate


def search(model, s, beam=BEAM, length_penalty=None, coverage_penalty=0.0):
    """The search for translations by a model, with the length penalty of its settings unless another is given."""
    if coverage_penalty and s.attention == "none":
        raise runs.Stop("--coverage-penalty needs a network with attention, and this run has none.")
    length_penalty = s.length_penalty if length_penalty is None else length_penalty
    return Search(StepwiseDecoder(model), beam, length_penalty, coverage_penalty, s.longest)


def best_translations(searching, subwords, sentences):
    """The best translation of each sentence, a list of texts."""
    return [hypotheses[0][0] for hypotheses in translate(searching, subwords, sentences)]


def evaluate_model(searching, subwords, data, run, s, split="test"):
    """Translate a split and score it: prints a report, writes translations and a figure; returns the metrics."""
    table, language = data.splits[split], data.languages[1]
    table = table.assign(translation=best_translations(searching, subwords, table["source"]))
    metrics, signatures = scores(table["translation"], table["target"], language)
    print(f"\n{data.described()}\nThe {split} split, {len(table):,} sentences, free decoding:")
    for name, value in metrics.items():
        print(f"    {name:12}{value:6.2f}    {signatures[name]}")
    print("The first three:")
    for row in table[:3].itertuples():
        print(f"    {row.source}\n      = {row.translation}\n    ref {row.target}")
    with runs.replacing(run.report_path(f"translations-{split}.tsv")) as file:
        table.to_csv(file, sep="\t", index=False)
    curve = by_length(table["source"], table["translation"], table["target"], language)
    run.save_figure(plot_by_length({s.cell: {s.attention: curve}}), f"bleu_by_length-{split}.png")
    return metrics


def ensemble_scores(finished, data):
    """Scores of the test split, translated with the mean of the probabilities of several runs' networks.

    Args:
        finished: a list of finished `toolkit.runs.Run` whose settings differ in the seed alone.
        data: their data, as `load_data` returns it.
    """
    s, subwords = finished[0].settings(Settings), Subwords.load(finished[0])
    ensemble = Ensemble([StepwiseDecoder(run.model()) for run in finished])
    searching = Search(ensemble, BEAM, s.length_penalty, longest=s.longest)
    table = data.splits["test"]
    return scores(best_translations(searching, subwords, table["source"]), table["target"], data.languages[1])[0]


def open_finished(run):
    """A finished run, its settings, subwords and model."""
    run = runs.finished_run(RECIPE, run)
    subwords = Subwords.load(run)
    return run, run.settings(Settings), subwords, run.model(subwords)


Beam = Annotated[int, cli.at_least(1, 100), Parameter(help="Beam width; 1 is greedy search.")]
OtherLengthPenalty = Annotated[LengthPenalty | None, Parameter(help="α; by default the run's.")]
CoveragePenalty = Annotated[
    cli.Positive, Parameter(help="β: the larger, the more it costs to leave words unattended; needs attention.")
]


@app.command
def evaluate(
    *,
    run: cli.FinishedRun = None,
    data_dir: cli.DataDir = None,
    beam: Beam = BEAM,
    length_penalty: OtherLengthPenalty = None,
    coverage_penalty: CoveragePenalty = 0.0,
    validation: Annotated[cli.Switch, Parameter(help="Score the validation split instead.")] = False,
):
    """Report on the test split again."""
    run, s, subwords, model = open_finished(run)
    searching = search(model, s, beam, length_penalty, coverage_penalty)
    data = load_data(s.data, s.direction, data_dir or s.data_dir, s.split_seed, s.form)
    run.check_data(data.checksum())
    return evaluate_model(searching, subwords, data, run, s, "validation" if validation else "test")


# --------------------------------------------------------------------------------------------------------- predict


def attention_figure(decoder, subwords, sentence, translated):
    """A figure of the attention weights between the subwords of a sentence and those of its translation.

    Args:
        decoder: the `StepwiseDecoder` of a network with attention.
    """
    source, target = subwords.ids([sentence, translated])
    weights = attention_weights(decoder, source, target)
    return plot_attention(weights, subwords.pieces(source), subwords.pieces(target))


@app.command
def predict(
    text: Annotated[str | None, Parameter(help="A sentence. [default: typed, one on each line]")] = None,
    /,
    *,
    run: cli.FinishedRun = None,
    file: cli.TextFile = None,
    beam: Beam = BEAM,
    length_penalty: OtherLengthPenalty = None,
    coverage_penalty: CoveragePenalty = 0.0,
):
    """Translate sentences, and draw the attention weights."""
    run, s, subwords, model = open_finished(run)
    searching = search(model, s, beam, length_penalty, coverage_penalty)
    for number, sentence in cli.read_examples("sentence", text, file):
        (hypotheses,) = translate(searching, subwords, [sentence])
        print(f"{number}: {sentence}")
        for translation_, score in hypotheses:
            print(f"    {score:7.2f}  {translation_}")
        if s.attention != "none":
            figure = attention_figure(searching.decoder, subwords, sentence, hypotheses[0][0])
            print(f"    drawn in {run.save_figure(figure, f'attention-{number}.png')}")


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
    run, s, subwords, model = open_finished(run)
    load = lambda: load_data(s.data, s.direction, data_dir or s.data_dir, s.split_seed, s.form).splits["test"]["source"]
    chosen = bundle.examples(load, EXAMPLES, most=200)
    options = {"longest": s.longest, "beam_width": BEAM, "length_penalty": s.length_penalty}
    searching = search(model, s)
    contents = sentences.contents(
        run,
        StepwiseDecoder(model),
        lambda source: hypotheses(searching, subwords, source)[0],
        tf.TensorSpec((None, None), tf.int32, "source"),
        f"ids of a sentence's subwords, with {END} behind them",
        [np.array([ids], "int32") for ids in subwords.ids(chosen)],
        "sentence",
        subwords,
        options,
        f'source = np.array([subwords.encode({chosen[0]!r}) + [{END}]], "int32")',
    )
    return folder.write(run, contents)


# ---------------------------------------------------------------------------------------------------------- verify


@app.command
def verify(
    *,
    cell: Annotated[cli.Cell, Parameter(help="Recurrent cell of encoder and decoder.")] = "gru",
    attention: Annotated[AttentionName, Parameter(help="Attention of the decoder.")] = "additive",
    units: Annotated[cli.Units, Parameter(help="Units of the recurrent layers.")] = 32,
    embedding: Annotated[cli.Units, Parameter(help="Embedding size.")] = 24,
):
    """Compare with built-in layers.

    The same network is built from both, with the same weights: outputs, every gradient, and the loss over a short
    training are compared. The exit status is 1 if they differ.
    """
    rng, vocabulary_size = np.random.default_rng(0), 60
    source, target = (verification.random_sequences(rng, 320, 14, vocabulary_size, first=4) for _ in range(2))
    x, y = teacher_forced(source, tf.constant(target))
    build = lambda name: build_model(
        vocabulary_size, attention, name, lexical=True, units=units, embedding=embedding, dropout=0.0
    )
    loss = lambda *pair: 100 * label_smoothed_cross_entropy(0.1)(*pair)  # or gradients are small beside the weights
    verification.verify(build, cell, (x[0], x[1].numpy()), y.numpy(), loss)


if __name__ == "__main__":
    cli.main(app)
