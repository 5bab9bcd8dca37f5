"""Captions of pictures, vector to sequence: a convolutional network sees a picture, a recurrent one describes it.

In:     a picture, shape (batch, size, size, 3), or its features by a pretrained network, (batch, positions, channels),
        and the subwords written so far, (batch, steps).
Out:    the logits of the next subword at each step, shape (batch, steps, vocabulary size).
Shape:  vector-to-sequence.

    v_j = relu(P CNN(picture)_j)                    the memory: a vector for each position j; c = mean_j v_j
    s_0 = tanh(W c + b)                             the decoder's first state
    s_t = LSTM([e_t; c], s_{t-1})                   --enters same-vector: c at every step
    s_t = LSTM(e_t, s_{t-1})                        --enters initial-state: only s_0 depends on the picture
    s_t = LSTM([e_t; h̃_{t-1}], s_{t-1})             --enters attention: h̃_t attends to v_1 … v_J (Xu et al. 2015)
    P(y_t) = softmax(E h̃_t + a)                     without attention h̃_t = tanh(V s_t + d)

e_t is the embedding of the caption's previous subword, a row of E. The built-in data are generated scenes of coloured
shapes, on which a small convolutional network is trained together with the decoder (--encoder cnn). For photographs use
--data flickr8k --encoder MobileNetV2 --size 160.

Try next: --enters same-vector; --cell gru; your own folder of pictures with --data FOLDER.
"""

import functools
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # the project's packages, before others of the same names

from toolkit import batches, cells, cli, decoding, losses, pictures, runs, self_critical, training, verification
from toolkit.export import bundle, sentences
from toolkit.metrics.captions import cider, normalized, scores
from toolkit.metrics.rewards import caption_reward
from toolkit.plots.captions import attention_sheet, sheet
from toolkit.text.subwords import START, Subwords

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from cyclopts import Parameter
from keras import ops

from datasets import captions
from datasets.local import Reading
from datasets.pictures import pictures_in
from layers import Attention, AttentionDecoder, TiedEmbedding, VectorDecoder

RECIPE = "image_captioning"
CNN = "cnn"
FEATURES = runs.RUNS / RECIPE / "features"  # cached
BEAM, LENGTH_PENALTY = 3, 1.0
TOO_LONG = 2  # times --longest
DRAWN = 24  # pictures
COMPARED = 64  # pictures, of an export
app = cli.app(RECIPE, __doc__)


# -------------------------------------------------------------------------------------------------------- settings

Enters = Literal["same-vector", "initial-state", "attention"]
Encoder = Annotated[Literal[CNN, *pictures.pretrained_names()], Parameter(show_choices=False)]
BeamWidth = Annotated[int, cli.at_least(1, 100), Parameter(help="Beam width; 1 is greedy search.")]
LengthPenalty = Annotated[
    float, cli.at_least(0, 10), Parameter(help="Length penalty α: above 0, longer captions are preferred.")
]


@dataclass(kw_only=True)
class Settings(cli.TableSettings):
    data: str = captions.GENERATED
    """scenes (built in), flickr8k, coco, or a file of captions or a folder that holds one, with the pictures beside."""
    split_seed: cli.Seed = 0
    """Seed of the division into splits, where the data has none."""
    odd: Literal["refuse", "skip"] = "refuse"
    """refuse or skip damaged pictures, pictures without captions, and captions without a picture."""
    enters: Enters = "attention"
    """How the picture enters the decoder: as the same vector at every step, as the initial state, or by attention."""
    encoder: Encoder = CNN
    """cnn, a small network trained here, or a network of keras.applications, such as MobileNetV2."""
    weights: str = "imagenet"
    """Weights of that network: a .weights.h5 file, or imagenet to download them."""
    size: Annotated[int, cli.at_least(32, 2048)] = 48
    """Width and height in pixels to which pictures are resized."""
    mirrored: cli.Switch = False
    """Train on mirrored pictures too; not where left and right matter."""
    crops: Annotated[int, cli.at_least(0, 100)] = 0
    """Train on so many random crops of each picture too; not where the edges matter."""
    test_augmentation: cli.Switch = False
    """Caption a picture together with its central crop and, with --mirrored, both of them mirrored."""
    cell: cli.Cell = "lstm"
    """Recurrent cell."""
    units: cli.Units = 192
    """Units of the recurrent layer."""
    embedding: cli.Units = 192
    """Embedding size."""
    vocabulary: Annotated[int, cli.at_least(300)] = 2500
    """Vocabulary size in subwords, at most."""
    longest: Annotated[int, cli.at_least(5, 10_000)] = 40
    """Subwords in a caption, at most; captions of more than twice as many are not trained on."""
    dropout: cli.Share = 0.2
    """Share of the features, of the embeddings and of the decoder's outputs that is dropped."""
    label_smoothing: cli.Share = 0.1
    """Probability that the target spreads evenly over the vocabulary."""
    epochs: cli.Count = 6
    """Passes over the training split with cross-entropy."""
    patience: cli.Count = 5
    """Epochs without improvement on the validation split after which training ends."""
    batch_size: cli.Count = 64
    """Captions in one training step."""
    learning_rate: cli.LearningRate = 0.002
    """Highest learning rate; it warms up and falls to 0 along a cosine."""
    self_critical: cli.CountOrNone = 0
    """Further epochs in which the network learns from captions of its own, rewarded by CIDEr (TensorFlow)."""
    bleu_weight: cli.Positive = 0.0
    """Weight of the mean of BLEU-1 to BLEU-4 in that reward; the weight of CIDEr is 1."""


# ------------------------------------------------------------------------------------------------------------ data


class Examples(NamedTuple):
    """A split, as the network takes it."""

    views: tf.Tensor  # (views, pictures, ...); the pictures themselves are the first view
    names: list  # of the pictures
    captions: list  # for each picture a list of texts


def load_data(data=captions.GENERATED, data_dir=None, split_seed=0, odd="refuse", reading=Reading()):
    """Splits "train", "validation" and "test", tables with the columns name and captions; and their pictures."""
    with runs.user_errors():
        loaded = captions.load(data, data_dir, split_seed, odd, reading)
    for line in (*loaded.understood, *(f"skipped: {message}" for message in loaded.skipped)):
        print(line)
    return loaded


def picture_inputs(source, names, augment=None, encoder=CNN, weights="imagenet", size=48, odd="refuse", network=None):
    """The network's input for each picture: the picture, or its features by a pretrained network.

    Args:
        source: a `datasets.pictures.Pictures` with pictures of these names.
        augment: a function from an array of pictures to a list of views of them. By default the pictures alone.
        network: the pretrained network of `encoder` and `weights`. By default it is built, and the features are cached.

    Returns the views, (views, pictures, ...), and the names of the pictures that could be read.
    """
    with runs.user_errors():
        arrays, messages = pictures.read(source, list(names), size, odd)
        for message in messages:
            print(f"skipped: {message}")
        if not arrays:
            raise ValueError(f"None of the pictures can be read. Received: {len(names):,} that may be pictures")
        views = np.stack([*arrays.values()])
        views = augment(views) if augment else [views]
        if network is not None:
            views = [pictures.feature_maps(network, view) for view in views]
        elif encoder != CNN:
            weights = weights if weights == "imagenet" else Path(weights)
            views = pictures.features(views, encoder, size, weights, FEATURES)
        return tf.stack(views), [*arrays]


def pretrained_network(s):
    """The pretrained network that the settings name, from pictures to feature maps; None where there is none."""
    if s.encoder == CNN:
        return None
    with runs.user_errors():
        return pictures.pretrained_network(s.encoder, s.size, s.weights)


def load_examples(s, data, split, augment=None):
    """A split as the settings `s` ask for it; `augment` as in `picture_inputs`."""
    table = data.splits[split]
    views, names = picture_inputs(data.pictures, table["name"], augment, s.encoder, s.weights, s.size, s.odd)
    texts = dict(zip(table["name"], table["captions"]))
    return Examples(views, names, [texts[name] for name in names])


def augmentation(s):
    """The views of a picture that are captioned together."""
    return functools.partial(pictures.evaluation_views, mirrored=s.mirrored) if s.test_augmentation else None


def caption_columns(subwords, captions, most=np.inf):
    """For each caption of at most so many subwords its picture's number, (captions,), and a list of lists of ids."""
    numbers = [number for number, texts in enumerate(captions) for _ in texts]
    rows = subwords.ids([normalized(text) for texts in captions for text in texts])
    kept = [i for i, ids in enumerate(rows) if len(ids) <= most]
    return [np.array([numbers[i] for i in kept]), [rows[i] for i in kept]]


def report_too_long(subwords, captions, most, split):
    """Say how many captions `caption_columns` leaves out. Raises Stop if it leaves none."""
    kept, all_of_them = len(caption_columns(subwords, captions, most)[1]), sum(map(len, captions))
    if not kept:
        raise runs.Stop(f"All captions of the {split} split have more than {most} subwords: --longest must be larger.")
    if kept < all_of_them:
        print(f"{all_of_them - kept:,} captions of the {split} split, of more than {most} subwords, are left out.")


def teacher_forcing(views, seed=0):
    """A function from the epoch to one from pictures' numbers and captions to (picture, written) and the captions.

    `written` is what was written before each subword. For each caption one of its picture's views is chosen at random;
    the seed, the epoch and the first number of the batch decide which.
    """
    views = tf.convert_to_tensor(views)

    def example(epoch, numbers, target):
        seeds = [tf.cast(epoch, "int64") + 1000 * seed, tf.cast(numbers[0], "int64")]
        view = tf.random.stateless_uniform(tf.shape(numbers), seeds, 0, len(views), numbers.dtype)
        picture = tf.gather_nd(views, tf.stack([view, numbers], axis=1))
        return (picture, shifted(target)), target

    return lambda epoch: functools.partial(example, epoch)


def shifted(target):
    """What was written before each subword of the target."""
    return tf.pad(target[:, :-1], [[0, 0], [1, 0]], constant_values=START)


# --------------------------------------------------------------------------------------------------------- network


def build_model(vocabulary_size, shape, enters="attention", cell="lstm", units=192, embedding=192, dropout=0.2, seed=0):
    """A network from a picture and what was written before each step to the logits of the next subword.

    Args:
        shape: of a picture, (size, size, 3), or of its features by a pretrained network, (positions, channels).
        enters: how the picture enters the decoder, "same-vector", "initial-state" or "attention".

    Returns a model from [picture, written], (batch, ...) and (batch, steps), to (batch, steps, vocabulary size).
    """
    picture = x = keras.Input(shape, name="picture")
    written = keras.Input((None,), dtype="int32", name="written")
    if len(shape) == 3:
        x = keras.layers.Rescaling(1 / 127.5, offset=-1)(x)
        for filters in (24, 48, 96, 96):
            x = keras.layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
        x = keras.layers.Reshape((-1, 96))(x)  # (batch, positions, 96)
        x = keras.layers.Dropout(dropout, seed=seed + 2)(x)
    else:
        x = keras.layers.BatchNormalization(name="scale")(x)  # the two joined feature maps have different scales
        # Whole channels are dropped, because neighbouring positions have similar values. This was better on Flickr8k's
        # validation split, and worse on the scenes, whose network has few channels.
        x = keras.layers.SpatialDropout1D(dropout, seed=seed + 2)(x)
    memory = keras.layers.Dense(units, activation="relu", name="project")(x)  # (batch, positions, units)
    vector = keras.layers.GlobalAveragePooling1D(name="mean")(memory)  # (batch, units)

    if enters == "attention":
        decoder = AttentionDecoder(cells.cell(cell, units), Attention("additive"), units, embedding, name="decoder")
        conditions = [memory]
    else:
        recurrent = cells.recurrent(cell, units, return_sequences=True)
        decoder = VectorDecoder(recurrent, embedding, repeat_vector=enters == "same-vector", name="decoder")
        conditions = [vector] if enters == "same-vector" else []
    initial_state = keras.layers.Dense(decoder.state_features, activation="tanh", name="bridge")(vector)

    embed = TiedEmbedding(vocabulary_size, embedding, name="embedding")
    x = keras.layers.Dropout(dropout, seed=seed)(embed(written))  # (batch, steps, embedding)
    h = decoder(x, initial_state, *conditions)
    h = keras.layers.Dropout(dropout, seed=seed + 1, name="output_dropout")(h)  # (batch, steps, embedding)
    return keras.Model([picture, written], embed(h, reverse=True))


# ----------------------------------------------------------------------------------------------------------- train


def fit(
    model,
    subwords,
    train,
    validation,
    run,
    epochs=6,
    patience=5,
    batch_size=64,
    learning_rate=0.002,
    label_smoothing=0.1,
    longest=40,
    self_critical_epochs=0,
    bleu_weight=0.0,
    seed=0,
):
    """Compile and train a model; it ends with the weights of the epoch with the highest CIDEr on the validation split.

    Self-critical training starts from the epoch with the smallest validation loss, which depends less on chance.

    Args:
        train, validation: `Examples`.
        run: a `toolkit.runs.Run`.

    Returns the minutes of training.
    """
    most = TOO_LONG * longest
    stream, steps = batches.bucketed(caption_columns(subwords, train.captions, most), batch_size, seed)
    held_out, _ = batches.by_length(caption_columns(subwords, validation.captions, most), batch_size)
    example = teacher_forcing(train.views, seed)
    rate = training.warmed_up_cosine_decay(learning_rate, epochs, steps)
    with training.scope(model):
        optimizer = keras.optimizers.Adam(rate, global_clipnorm=1.0)
        model.compile(optimizer, losses.label_smoothed_cross_entropy(label_smoothing))
        search = decoding.Search(decoding.StepwiseDecoder(model), beam_width=1, longest=longest)
    score = lambda texts: cider(texts, validation.captions)
    plain = tf.data.Dataset.from_tensor_slices(validation.views[0]).batch(100)
    callbacks = [decoding.FreeDecoding("cider", search, subwords, plain, score)]
    minutes = training.fit(
        model,
        run,
        (lambda epoch: stream(epoch).map(example(epoch)), steps),
        epochs,
        held_out.map(teacher_forcing(validation.views, seed)(0)),
        monitor="val_loss" if self_critical_epochs else "-val_cider",
        patience=patience,
        callbacks=callbacks,
    )
    if self_critical_epochs:
        options = {"monitor": "-val_cider", "patience": patience, "callbacks": callbacks}
        minutes += fit_self_critical(
            model, subwords, train, run, self_critical_epochs, bleu_weight, longest, seed, options
        )
    return minutes


def fit_self_critical(model, subwords, train, run, epochs, bleu_weight, longest, seed, options):
    """Continue with self-critical training; `options` are those of `training.fit`. Returns its minutes."""
    texts = [[normalized(text) for text in row] for row in train.captions]
    lengths = [len(ids) for ids in subwords.ids([text for row in texts for text in row])]
    longest = min(int(np.quantile(lengths, 0.9)), longest)  # few captions are as long as the longest reference
    inputs = tf.reshape(train.views, (-1, *train.views.shape[2:]))
    numbers = np.arange(len(inputs)) % len(texts)  # all views of a picture have the same references
    reward = caption_reward(texts, bleu_weight)
    return self_critical.fit(model, run, inputs, numbers, subwords, reward, longest, epochs, seed, **options)


@app.command
def train(settings: cli.Flags[Settings] = Settings(), *, run_dir: cli.RunDir = None, resume: cli.Resume = False):
    """Train, caption the test split and report the metrics; the default command."""
    s = settings
    if s.self_critical:
        self_critical.require_tensorflow()
    data = load_data(s.data, s.data_dir, s.split_seed, s.odd, s.reading)
    # All that can be refused is read before the run's folder is created, so that no folder is left behind.
    training_views = functools.partial(pictures.training_views, mirrored=s.mirrored, crops=s.crops)
    examples = load_examples(s, data, "train", training_views), load_examples(s, data, "validation")
    test = load_examples(s, data, "test", augmentation(s))
    subwords = Subwords.learn([normalized(text) for row in examples[0].captions for text in row], s.vocabulary)
    for split, part in zip(("train", "validation"), examples):
        report_too_long(subwords, part.captions, TOO_LONG * s.longest, split)
    run = runs.open_run(RECIPE, s, data.checksum(), run_dir, resume)
    with training.reproducible(s.seed, s.strategy):
        subwords.save(run)
        shape = examples[0].views.shape[2:]
        model = build_model(len(subwords), shape, s.enters, s.cell, s.units, s.embedding, s.dropout, s.seed)
    minutes = fit(
        model,
        subwords,
        *examples,
        run,
        epochs=s.epochs,
        patience=s.patience,
        batch_size=s.batch_size,
        learning_rate=s.learning_rate,
        label_smoothing=s.label_smoothing,
        longest=s.longest,
        self_critical_epochs=s.self_critical,
        bleu_weight=s.bleu_weight,
        seed=s.seed,
    )
    found = write_captions([model], subwords, test.views, longest=s.longest)
    run.finish({"minutes": minutes} | report(found, data, test, run))
    print(f"\nThe run is in {run.path}. Next: python recipes/{RECIPE}.py predict --run {run.path} PICTURE")


# -------------------------------------------------------------------------------------------------------- evaluate


class ViewDecoder(decoding.StepwiseDecoder):
    """A network's decoder for one of several views of each picture; its inputs have the shape (batch, views, ...)."""

    def __init__(self, model, number):
        super().__init__(model)
        self.number = number

    def start(self, inputs):
        return super().start(inputs[:, self.number])


def write_captions(models, subwords, views, beam=BEAM, length_penalty=LENGTH_PENALTY, longest=40):
    """Captions of pictures by beam search: for each picture pairs of text and score, the best first.

    Args:
        models: one or several networks with the same subwords.
        views: (views, pictures, ...). A subword's probability is its mean over all models and all views of a picture.
    """
    return found_captions(caption_search(models, len(views), beam, length_penalty, longest), subwords, views)


def caption_search(models, views, beam=BEAM, length_penalty=LENGTH_PENALTY, longest=40):
    """The search for captions of pictures of which there are so many `views`."""
    ensemble = decoding.Ensemble([ViewDecoder(model, number) for model in models for number in range(views)])
    return decoding.Search(ensemble, beam, length_penalty, longest=longest)


def found_captions(search, subwords, views):
    """What `write_captions` returns, by a `caption_search` that can be used again."""
    return decoding.hypotheses(search, subwords, tf.data.Dataset.from_tensor_slices(by_picture(views)).batch(100))


def by_picture(views):
    """(views, pictures, ...) to (pictures, views, ...)."""
    return np.swapaxes(np.asarray(views), 0, 1)


def report(found, data, examples, run, split="test"):
    """Score captions against all their references: prints the scores, draws a sheet, writes a TSV file.

    Args:
        found: what `write_captions` returns for the pictures of `examples`.

    Returns the metrics.
    """
    texts = [beams[0][0] for beams in found]
    metrics = scores(texts, examples.captions)
    print(f"\n{data.described()}")
    print(f"Captions of the {split} split, {len(texts):,} pictures, against all references:")
    for name, value in metrics.items():
        print(f"    {name:8}{value:7.3f}")
    few = np.linspace(0, len(texts) - 1, min(12, len(texts))).astype(int)
    shown = pictures.previews(data.pictures, [examples.names[i] for i in few])
    figure = sheet([shown[examples.names[i]] for i in few], [texts[i] for i in few])
    run.save_figure(figure, f"captions-{split}.png")
    references = [" | ".join(row) for row in examples.captions]
    table = pd.DataFrame({"name": examples.names, "caption": texts, "references": references})
    with runs.replacing(run.report_path(f"captions-{split}.tsv")) as file:
        table.to_csv(file, sep="\t", index=False)
    return metrics


def ensemble_scores(finished, data):
    """Metrics on the test split of captions that the networks of several runs write as one.

    Args:
        finished: a list of finished `toolkit.runs.Run`s that differ in their seeds alone.
        data: what `load_data` returns.
    """
    s, subwords = finished[0].settings(Settings), Subwords.load(finished[0])
    test = load_examples(s, data, "test", augmentation(s))
    found = write_captions([run.model() for run in finished], subwords, test.views, longest=s.longest)
    return scores([beams[0][0] for beams in found], test.captions)


def open_finished(run):
    """A finished run, its settings, subwords and model."""
    run = runs.finished_run(RECIPE, run)
    subwords, s = Subwords.load(run), run.settings(Settings)
    if (run / s.weights).is_file():  # a published run names them from its own folder
        s = replace(s, weights=str(run / s.weights))
    return run, s, subwords, run.model(subwords)


@app.command
def evaluate(
    *,
    run: cli.FinishedRun = None,
    data_dir: cli.DataDir = None,
    beam: BeamWidth = BEAM,
    length_penalty: LengthPenalty = LENGTH_PENALTY,
    validation: Annotated[cli.Switch, Parameter(help="Report on the validation split instead.")] = False,
):
    """Report on the test split again."""
    run, s, subwords, model = open_finished(run)
    data = load_data(s.data, data_dir or s.data_dir, s.split_seed, s.odd, s.reading)
    split = "validation" if validation else "test"
    run.check_data(data.checksum())
    examples = load_examples(s, data, split, augmentation(s))
    found = write_captions([model], subwords, examples.views, beam, length_penalty, s.longest)
    return report(found, data, examples, run, split)


# --------------------------------------------------------------------------------------------------------- predict


def caption_probabilities(model, subwords, picture, texts):
    """The probability of each text as the caption of one picture, given by its views, (views, ...)."""
    probabilities = []
    for ids in subwords.ids(texts):
        target = np.array([ids] * len(picture))
        logits = model([picture, shifted(target).numpy()])
        chosen = ops.take_along_axis(ops.softmax(logits), target[..., None], axis=-1)  # (views, steps, 1)
        probabilities.append(float(ops.convert_to_numpy(ops.prod(ops.mean(chosen, axis=0)))))
    return probabilities


@app.command
def predict(
    picture: Annotated[Path, Parameter(help="A picture, or a folder, zip or tar of pictures.")],
    /,
    *,
    run: cli.FinishedRun = None,
    beam: BeamWidth = BEAM,
    length_penalty: LengthPenalty = LENGTH_PENALTY,
):
    """Caption pictures, and draw them with their captions. Damaged pictures are reported and skipped."""
    run, s, subwords, model = open_finished(run)
    with runs.user_errors():
        source = pictures_in(picture)
    views, names = picture_inputs(source, sorted(source.names), augmentation(s), s.encoder, s.weights, s.size, "skip")
    found = write_captions([model], subwords, views, beam, length_penalty, s.longest)
    for name, picture_views, beams in zip(names, by_picture(views), found):
        print(name)
        texts = [text for text, _ in beams]
        for text, probability in zip(texts, caption_probabilities(model, subwords, picture_views, texts)):
            print(f"    {probability:9.4%}  {text}")
    shown = pictures.previews(source, names[:DRAWN])
    best = [beams[0][0] for beams in found]
    path = run.save_figure(sheet([*shown.values()], best), "predicted.png")
    print(f"Drawn in {path}{f', the first {DRAWN}' if len(names) > DRAWN else ''}")
    if s.enters == "attention":
        draw_attention(model, subwords, shown, views[0], best, run)


def attention_figure(decoder, subwords, picture, inputs, text):
    """What each subword of a caption attended to; `picture` is drawn, `inputs` is what the network gets of it."""
    target = subwords.ids([text])[0]
    weights = decoding.attention_weights(decoder, inputs, target)
    return attention_sheet(picture, subwords.pieces(target[:-1]), weights)


def draw_attention(model, subwords, shown, inputs, texts, run):
    """Draw the attention weights of each subword of each text, the captions of the pictures `shown`, by name."""
    decoder = decoding.StepwiseDecoder(model)
    for stem, picture, given, text in zip(pictures.distinct_stems(shown), shown.values(), inputs, texts):
        run.save_figure(attention_figure(decoder, subwords, picture, given, text), f"attention-{stem}.png")
    print(f"The attention weights of each subword are drawn in {run.report_path('attention-….png')}")


# ---------------------------------------------------------------------------------------------------------- export


def raw_pictures(s, data_dir=None):
    """Pictures of the test split, as many as an export is compared on, uint8 (pictures, size, size, 3)."""
    data = load_data(s.data, data_dir or s.data_dir, s.split_seed, s.odd, s.reading)
    return picture_inputs(data.pictures, data.splits["test"]["name"][:COMPARED], size=s.size, odd=s.odd)[0][0].numpy()


def feature_network(s):
    """The pretrained network from pictures to features, (batch, positions, channels); None where there is none."""
    if (maps := pretrained_network(s)) is None:
        return None
    maps = sentences.portable(maps)
    return keras.Model(maps.input, keras.layers.Reshape((-1, maps.output.shape[-1]))(maps.output))


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
    if s.test_augmentation:
        print("The run captions a picture together with crops of it; the export captions the picture alone.")
    searching = decoding.Search(decoding.StepwiseDecoder(model), BEAM, LENGTH_PENALTY, longest=s.longest)
    chosen = bundle.examples(lambda: raw_pictures(s, data_dir), [np.full((s.size, s.size, 3), 128, "uint8")])
    contents = sentences.contents(
        run,
        decoding.StepwiseDecoder(model),
        lambda x: decoding.hypotheses(searching, subwords, x)[0],
        tf.TensorSpec((None, s.size, s.size, 3), tf.float32, "picture"),
        "pixels from 0 to 255, red, green and blue",
        [picture[None].astype("float32") for picture in chosen],
        "picture",
        subwords,
        {"longest": s.longest, "beam_width": BEAM, "length_penalty": LENGTH_PENALTY},
        f'picture = Image.open("picture.png").convert("RGB").resize(({s.size}, {s.size}), Image.Resampling.BILINEAR)\n'
        'picture = np.asarray(picture, "float32")[None]',
        features=feature_network(s),
        files={"picture.png": tf.io.encode_png(tf.cast(chosen[0], "uint8")).numpy()},
        install=("pillow",),
        imports=("from PIL import Image",),
    )
    return folder.write(run, contents)


# ---------------------------------------------------------------------------------------------------------- verify


@app.command
def verify(
    *,
    cell: Annotated[cli.Cell, Parameter(help="Recurrent cell.")] = "lstm",
    enters: Annotated[Enters, Parameter(help="How the picture enters the decoder.")] = "attention",
    units: Annotated[cli.Units, Parameter(help="Units of the recurrent layer.")] = 32,
    embedding: Annotated[cli.Units, Parameter(help="Embedding size.")] = 24,
):
    """Compare with built-in layers.

    The same network is built from both, with the same weights: outputs, every gradient, and the loss over a short
    training are compared. The exit status is 1 if they differ.
    """
    rng, vocabulary_size = np.random.default_rng(0), 60
    build = lambda name: build_model(vocabulary_size, (9, 20), enters, name, units, embedding, dropout=0.0)
    features = rng.normal(size=(320, 9, 20)).astype("float32")
    target = verification.random_sequences(rng, 320, 14, vocabulary_size, first=4)
    # A larger loss, or gradients would be small beside the weights
    loss = lambda *pair: 100 * losses.label_smoothed_cross_entropy(0.1)(*pair)
    verification.verify(build, cell, (features, shifted(target).numpy()), target, loss)


if __name__ == "__main__":
    cli.main(app)
