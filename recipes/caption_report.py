"""Scores of captions against all their references, and sheets of pictures."""

import re
import shutil
import textwrap

import numpy as np
from matplotlib import pyplot as plt
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge

COLUMNS = 4
PUBLISHED = {  # on Flickr8k: name, metric and value
    "same-vector": [
        ("frozen VGG16 and an LSTM, beam 3", "bleu1", 0.608),
        ("frozen VGG16 and an LSTM, beam 3", "bleu4", 0.198),
        ("frozen VGG16 and an LSTM, beam 3", "cider", 0.478),
    ],
    "attention": [
        ("Xu et al. 2015, soft", "bleu1", 0.67),
        ("Xu et al. 2015, soft", "bleu4", 0.195),
        ("Xu et al. 2015, hard", "bleu1", 0.67),
        ("Xu et al. 2015, hard", "bleu4", 0.213),
        ("frozen VGG16, adaptive attention, beam 3", "bleu1", 0.624),
        ("frozen VGG16, adaptive attention, beam 3", "bleu4", 0.205),
        ("frozen VGG16, adaptive attention, beam 3", "cider", 0.524),
    ],
}


def published(variant):
    """The figures of others that a variant stands beside, as `results.publish` takes them."""
    return [dict(zip(("name", "metric", "value"), row), source="Flickr8k") for row in PUBLISHED[variant]]


def plain(caption):
    """Lower case, without punctuation, one space between words: as captions are learned and scored."""
    return " ".join(re.sub(r"[^\w\s'-]", " ", caption.lower()).split())


def scores(captions, references):
    """BLEU-1 to 4, ROUGE-L and CIDEr by pycocoevalcap, and METEOR where Java is installed; all on `plain` texts.

    Args:
        captions: one text a picture.
        references: a list of texts for each picture.

    Returns: a dict of fractions, CIDEr's among them, which has no upper end of 1, and `exact`, the share of captions
        that are one of their references.
    """
    known, said = _numbered(captions, references)
    bleu, _ = Bleu(4).compute_score(known, said, verbose=0)
    found = {f"bleu{n}": value for n, value in enumerate(bleu, 1)}
    found |= {"rouge_l": Rouge().compute_score(known, said)[0], "cider": Cider().compute_score(known, said)[0]}
    if shutil.which("java"):
        found["meteor"] = Meteor().compute_score(known, said)[0]
    found["exact"] = np.mean([said[i][0] in known[i] for i in said])
    return {name: float(value) for name, value in found.items()}


def cider(captions, references):
    """CIDEr alone (Vedantam et al. 2015)."""
    return float(Cider().compute_score(*_numbered(captions, references))[0])


def _numbered(captions, references):
    said = {i: [plain(caption)] for i, caption in enumerate(captions)}
    return {i: [plain(text) for text in texts] for i, texts in enumerate(references)}, said


def sheet(pictures, captions):
    """The pictures, arrays, in rows of four with their captions underneath."""
    rows = -(-len(pictures) // COLUMNS)
    figure, axes = plt.subplots(rows, COLUMNS, figsize=(3.2 * COLUMNS, 3.7 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, picture, caption in zip(axes.flat, pictures, captions):
        axis.imshow(picture)
        axis.set_title("\n".join(textwrap.wrap(caption, 30)), y=-0.03, pad=0, va="top", fontsize=10)
    return figure


def attention_sheet(picture, pieces, weights):
    """One small picture a subword, light where the network looked when it wrote it.

    Args:
        weights: (steps, positions), the positions of a square map in rows.
    """
    side = int(np.sqrt(weights.shape[1]))
    count = len(pieces) + 1
    rows = -(-count // 6)
    figure, axes = plt.subplots(rows, 6, figsize=(12, 2.2 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    axes.flat[0].imshow(picture)
    high, wide = picture.shape[:2]
    for axis, piece, row in zip(axes.flat[1:], pieces, weights):
        axis.imshow(picture)
        kept = {"extent": (0, wide, high, 0), "interpolation": "bicubic", "cmap": "gray", "alpha": 0.65}
        axis.imshow(row.reshape(side, side), vmin=0, vmax=max(row.max(), 2 / row.size), **kept)
        axis.set_title(piece.replace("▁", " ").strip(), fontsize=10)
    return figure
