"""Captions of pictures, vector to sequence: a convolutional network looks, a recurrent one says what it sees.

In:     a picture, shape (batch, size, size, 3), or what a trained network makes of it, (batch, positions, channels).
Out:    the logits of each next subword of the caption, shape (batch, steps, vocabulary), given those before it.
Shape:  vector-to-sequence.

    v_j = relu(P CNN(picture)_j)                    what is seen at position j; c = mean_j v_j, the one vector
    s_0 = tanh(W c + b)
    s_t = LSTM([e_t; c], s_{t-1})                   --enters same-vector: the same c at every step
    s_t = LSTM(e_t, s_{t-1})                        --enters initial-state: only s_0 has seen the picture
    s_t = LSTM([e_t; h̃_{t-1}], s_{t-1})             --enters attention: h̃_t looks v_1 … v_J up (Xu et al. 2015)
    P(y_t) = softmax(E h̃_t + a)                     without attention h̃_t = tanh(V s_t + d)

e_t is the embedding of the caption's last subword. The scenes that come along are drawn, and the network that looks at
them is trained too (--encoder cnn); the real data is --data flickr8k with --encoder MobileNetV2.

Try next: --enters same-vector; --cell gru; your own folder of pictures with --data FOLDER.
"""

import sys
from pathlib import Path
from typing import Annotated

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # our datasets/, whatever else of that name is installed

from recipes import batches, caption_inputs, caption_report, captioner, common, picture_features  # isort: skip
from recipes import results, self_critical, training, translation_text  # isort: skip
from recipes.captioner import BEAM, ENTERS, LENGTH_PENALTY, written  # isort: skip
from recipes.encoder_decoder import cross_entropy  # isort: skip

import numpy as np
import pandas as pd
import tensorflow as tf
import typer

from datasets import captions
from datasets.pictures import pictures_in

RECIPE = "image_captioning"
FLICKR = {"data": "flickr8k", "encoder": "MobileNetV2", "size": 160}
TUNED = FLICKR | {"units": 256, "embedding": 256, "dropout": 0.4, "mirrored": True, "self_critical": 5}
VARIANTS = {  # chosen on validation
    "same-vector": TUNED | {"enters": "same-vector"},
    "attention": TUNED
    | {"cell": "gru", "crops": 4, "test_augmentation": True, "epochs": 12, "self_critical": 4, "bleu_weight": 2.0},
}
app = common.command_line(__doc__)

Enters = Annotated[
    str, typer.Option(help=f"How the picture enters: {', '.join(ENTERS)}.", callback=common.one_of(ENTERS))
]
Units = Annotated[int, typer.Option(min=1, help="Units of each recurrent layer.")]
Embedding = Annotated[int, typer.Option(min=1, help="Numbers that stand for a subword.")]
Beam = Annotated[int, typer.Option(min=1, help="Beginnings kept of each caption; 1 is greedy.")]
LengthPenalty = Annotated[float, typer.Option(min=0, max=10, help="α: above 0, longer captions are preferred.")]
Encoder = Annotated[
    str,
    typer.Option(
        help="cnn, a small one trained here, or a network of keras.applications, such as MobileNetV2.",
        callback=common.one_of([picture_features.CNN, *picture_features.names()]),
    ),
]
Size = Annotated[int, typer.Option(min=32, help="Pixels, wide and high, at which pictures are looked at.")]
Weights = Annotated[str, typer.Option(help="Of the network that looks: a .weights.h5 file, or imagenet.")]
Odd = Annotated[
    str,
    typer.Option(
        help="refuse or skip damaged pictures, and pictures and captions without each other.",
        callback=common.one_of(["refuse", "skip"]),
    ),
]


def load_data(settings):
    with common.user_errors():
        return captions.load(settings["data"], settings["data_dir"], settings["split_seed"], settings["odd"])


def fit(run, parts):
    """Train from the settings in the run's folder, on the parts that `begin` returns.

    Returns the model of the epoch with the best CIDEr on the validation part, its subwords, and the training's minutes.
    """
    settings = run.settings
    with common.prepare(settings["seed"], settings["strategy"]):
        texts = [caption_report.plain(text) for row in parts["train"][2].values() for text in row]
        subwords = translation_text.Subwords.kept(run, texts, settings["vocabulary"])
        rows = {split: caption_inputs.examples(subwords, *parts[split][1:]) for split in ("train", "validation")}
        stream, steps = batches.bucketed(rows["train"], settings["batch_size"], settings["seed"])
        held_out, _ = batches.ordered(rows["validation"], settings["batch_size"])
        model = captioner.compiled(len(subwords), settings, parts["train"][0].shape[1:], steps)
    arrays, names, references = parts["validation"]
    cider = lambda found: caption_report.cider(found, [references[name] for name in names])
    inputs = tf.data.Dataset.from_tensor_slices(np.asarray(arrays)).batch(100)
    scored = [translation_text.FreeDecoding("cider", subwords, inputs, cider, settings["longest"])]
    kept = {"monitor": "-val_cider", "patience": settings["patience"], "callbacks": scored}
    first = kept | {"monitor": "val_loss"} if settings["self_critical"] else kept  # CIDEr is more a matter of chance
    forced = caption_inputs.forced(*parts["train"][:2], settings["seed"])
    pairs = lambda epoch: stream(epoch).map(forced(epoch))
    held_out = held_out.map(caption_inputs.forced(arrays, names, settings["seed"])(0))
    minutes = training.fit(model, run, (pairs, steps), settings["epochs"], held_out, **first)
    if settings["self_critical"]:
        minutes += fit_further(model, run, subwords, parts["train"], kept)
    return model, subwords, minutes


def fit_further(model, run, subwords, part, kept):
    """Self-critical training on the training part's pictures; returns its minutes."""
    (arrays, names, references), settings = part, run.settings
    texts = [[caption_report.plain(text) for text in references[name]] for name in names]
    lengths = [len(row) for row in subwords.numbers([text for row in texts for text in row])]
    most = min(int(np.quantile(lengths, 0.9)), settings["longest"])
    reward = self_critical.judge(texts, settings["bleu_weight"])
    numbers = np.arange(len(arrays)) % len(names)  # all views of a picture have the same captions
    return self_critical.fit(model, run, arrays, numbers, subwords, reward, most, settings["self_critical"], **kept)


def evaluate_model(model, subwords, data, part, run, split="test", **searching):
    """Caption a part of the data and score it: prints, draws a sheet, writes a TSV; returns the scores."""
    arrays, names, texts = part
    views = caption_inputs.by_picture(arrays, len(names))
    found = [beams[0][0] for beams in written(model, subwords, run.settings, views, **searching)]
    metrics = caption_report.scores(found, [texts[name] for name in names])
    print(f"\n{data.described()}\nThe {split} part, {len(names):,} pictures, free decoding, against all references:")
    print("\n".join(f"    {name:8}{value:7.3f}" for name, value in metrics.items()))
    few = np.linspace(0, len(names) - 1, min(12, len(names))).astype(int)
    pictures = dict(data.pictures.arrays([names[i] for i in few]))
    figure = caption_report.sheet([pictures[names[i]] for i in few], [found[i] for i in few])
    run.save_figure(figure, f"captions-{split}.png")
    table = pd.DataFrame({"name": names, "caption": found, "references": [" | ".join(texts[name]) for name in names]})
    with common.replacing(run / f"captions-{split}.tsv") as file:
        table.to_csv(file, sep="\t", index=False)
    return metrics


def begin(settings, run_dir=None, resume=False):
    """The run's folder, its data, and each part's inputs, read first, so that wrong input leaves no folder behind."""
    data = load_data(settings)
    once = {"validation": settings | {"test_augmentation": False}}  # training validates on pictures as they are
    parts = {split: caption_inputs.part(once.get(split, settings), data, split) for split in data.splits}
    return common.Run.begin(RECIPE, settings, data.checksum(), run_dir, resume), data, parts


def complete(run, data, parts):
    """Train from a run's settings, report, and leave its folder finished."""
    model, subwords, minutes = fit(run, parts)
    run.write_json("metrics.json", {"minutes": minutes} | evaluate_model(model, subwords, data, parts["test"], run))


@app.command()
def train(
    data: Annotated[
        str, typer.Option(help="scenes (comes along), flickr8k, coco, or a folder with captions.csv and pictures.")
    ] = captions.GENERATED,
    data_dir: common.DataDir = None,
    enters: Enters = "attention",
    encoder: Encoder = picture_features.CNN,
    weights: Weights = "imagenet",
    fine_tune: Annotated[bool, typer.Option("--fine-tune", help="Train that network too; slow.")] = False,
    size: Size = 48,
    mirrored: Annotated[
        bool, typer.Option("--mirrored", help="Train on mirrored pictures too; not where left and right matter.")
    ] = False,
    crops: Annotated[
        int, typer.Option(min=0, help="Train on as many random parts of each picture too; not where edges matter.")
    ] = 0,
    test_augmentation: Annotated[
        bool, typer.Option("--test-augmentation", help="Caption a picture and its middle together; as --mirrored says.")
    ] = False,
    odd: Odd = "refuse",
    cell: common.Cell = "lstm",
    units: Units = 192,
    layers: Annotated[int, typer.Option(min=1, help="Recurrent layers.")] = 1,
    embedding: Embedding = 192,
    vocabulary: Annotated[int, typer.Option(min=300, help="Subwords, at most.")] = 2500,
    longest: Annotated[int, typer.Option(min=5, help="Subwords in a caption, at most.")] = 40,
    dropout: Annotated[float, typer.Option(min=0, max=0.9, help="Share of features, embeddings and h̃ dropped.")] = 0.2,
    label_smoothing: Annotated[float, typer.Option(min=0, max=0.9, help="Probability spread over all subwords.")] = 0.1,
    epochs: common.Epochs = 6,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a gain in validation after which it ends.")] = 5,
    batch_size: common.BatchSize = 64,
    learning_rate: Annotated[
        float, typer.Option(min=1e-8, max=1, help="At its highest; it warms up and falls to 0 along a cosine.")
    ] = 0.002,
    self_critical: Annotated[
        int, typer.Option(min=0, help="Epochs after these in which it learns from its own captions, judged by CIDEr.")
    ] = 0,
    bleu_weight: Annotated[
        float, typer.Option(min=0, help="Weight of the mean of BLEU-1 to 4 in that judgement; CIDEr's is 1.")
    ] = 0.0,
    seed: common.Seed = 0,
    split_seed: Annotated[int, typer.Option(min=0, help="Seed of the division, where the data has none.")] = 0,
    run_dir: common.RunDir = None,
    resume: common.Resume = False,
    strategy: common.Strategy = "none",
):
    """Train, caption the test part and score it; the default."""
    settings = {name: value for name, value in locals().items() if name not in common.NOT_SETTINGS}
    run, data, parts = begin(settings, run_dir, resume)
    complete(run, data, parts)
    print(f"\nThe run is in {run.path}. Next: python recipes/{RECIPE}.py predict --run {run.path} PICTURE")


@app.command()
def evaluate(
    run: common.FinishedRun = None,
    beam: Beam = BEAM,
    length_penalty: LengthPenalty = LENGTH_PENALTY,
    validation: Annotated[bool, typer.Option("--validation", help="Score the validation part instead.")] = False,
):
    """Report on the test part again."""
    run, model, subwords = translation_text.opened(RECIPE, run)
    split = "validation" if validation else "test"
    searching = {"beam": beam, "length_penalty": length_penalty}
    data = load_data(run.settings)
    evaluate_model(model, subwords, data, caption_inputs.part(run.settings, data, split), run, split, **searching)


@app.command()
def predict(
    picture: Annotated[Path, typer.Argument(help="A picture, or a folder, zip or tar of pictures.")],
    run: common.FinishedRun = None,
    beam: Beam = BEAM,
    length_penalty: LengthPenalty = LENGTH_PENALTY,
):
    """Caption pictures, and draw them with their captions; what cannot be read is told and left out."""
    run, model, subwords = translation_text.opened(RECIPE, run)
    with common.user_errors():
        pictures = pictures_in(picture)
    arrays, names = caption_inputs.seen(run.settings | {"odd": "skip"}, pictures, sorted(pictures.names))
    views = caption_inputs.by_picture(arrays, len(names))
    found = written(model, subwords, run.settings, views, beam, length_penalty)
    for seen, name, beams in zip(views, names, found):
        print(name)
        texts = [text for text, _ in beams]
        for text, probability in zip(texts, caption_inputs.probabilities(model, seen, subwords.numbers(texts))):
            print(f"    {probability:9.4%}  {text}")
    shown = dict(pictures.arrays(names[:24]))
    run.save_figure(caption_report.sheet([*shown.values()], [beams[0][0] for beams in found]), "predicted.png")
    print(f"Drawn in {run / 'predicted.png'}")
    if run.settings["enters"] == "attention":
        for array, name, beams in list(zip(arrays, names, found))[:24]:
            target = subwords.numbers([beams[0][0]])[0]
            weights = translation_text.attention_weights(model, array, target)
            figure = caption_report.attention_sheet(shown[name], subwords.pieces(target[:-1]), weights)
            run.save_figure(figure, f"attention-{Path(name).stem}.png")
        print(f"What each word looked at is drawn in {run / 'attention-….png'}")


@app.command()
def verify(cell: common.Cell = "lstm", enters: Enters = "attention", units: Units = 32, embedding: Embedding = 24):
    """Compare with built-in layers.

    The same network from both, with the same weights: outputs, every gradient, the loss over a short training. Exits
    with 1 where they differ.
    """
    rng, vocabulary = np.random.default_rng(0), 60
    settings = {"units": units, "layers": 1, "embedding": embedding, "dropout": 0.0, "seed": 0, "enters": enters}
    settings |= {"encoder": picture_features.CNN, "size": 32}

    def build(name):
        model = captioner.build(vocabulary, settings | {"cell": name}, looks=False)
        model.build(((None, 9, 20), (None, None)))
        return model

    target = rng.integers(4, vocabulary, (320, 14)) * (np.arange(14) < rng.integers(5, 14, (320, 1), endpoint=True))
    x, y = translation_text.teacher_forced(rng.normal(size=(320, 9, 20)).astype("float32"), tf.constant(target))
    loss = lambda *pair: 100 * cross_entropy(0.1)(*pair)  # or gradients are small beside the weights
    training.verify(build, cell, (x[0], x[1].numpy()), y.numpy(), loss)


@app.command()
def publish(
    variant: Annotated[
        str, typer.Option(help=f"{' or '.join(VARIANTS)}.", callback=common.one_of(VARIANTS))
    ] = "attention",
    data_dir: common.DataDir = None,
    weights: Weights = "imagenet",
    seeds: Annotated[int, typer.Option(min=2, help="Trainings, with the seeds 0, 1, ...")] = 3,
    output: Annotated[Path, typer.Option(help="Folder of the results.")] = results.ROOT / "results",
):
    """Train on Flickr8k once a seed, and write results/; the same command goes on after a stop."""
    settings = common.defaults(train) | VARIANTS[variant] | {"data_dir": data_dir, "weights": weights}
    one = lambda seed, folder: complete(*begin(settings | {"seed": seed}, folder, resume=True))
    runs = common.once_a_seed(RECIPE, variant, seeds, settings, one)
    model, subwords = translation_text.together([run for run, _ in runs])
    arrays, names, texts = caption_inputs.part(settings, load_data(settings), "test")
    found = written(model, subwords, settings, caption_inputs.by_picture(arrays, len(names)))
    scores = caption_report.scores([beams[0][0] for beams in found], [texts[name] for name in names])
    once = {f"{name}_seeds_together": score for name, score in scores.items()}
    rows = [(seed, m.pop("minutes"), m) for seed, (_, m) in enumerate(runs)]
    command = f"python recipes/{RECIPE}.py publish --variant {variant} --seeds {seeds}"
    beside = caption_report.published(variant)
    print(results.publish(RECIPE, variant, command, common.versions(), rows, beside, output, once=once))


if __name__ == "__main__":
    common.main(app)
