"""Metrics of captions against several references for each picture."""

import re
import shutil

import numpy as np
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge


def normalized(caption):
    """Lower case, without punctuation, one space between words: the form in which captions are learned and scored."""
    return " ".join(re.sub(r"[^\w\s'-]", " ", caption.lower()).split())


def scores(captions, references):
    """BLEU-1 to 4, ROUGE-L and CIDEr by pycocoevalcap, and METEOR where Java is installed, on normalized texts.

    Args:
        captions: one text for each picture.
        references: a list of texts for each picture.

    Returns:
        A dict of scores: all are between 0 and 1 except CIDEr, which has no upper bound of 1. `exact` is the share of
        captions that equal one of their references.
    """
    known, found = _by_number(captions, references)
    bleu, _ = Bleu(4).compute_score(known, found, verbose=0)
    metrics = {f"bleu{n}": value for n, value in enumerate(bleu, 1)}
    metrics |= {"rouge_l": Rouge().compute_score(known, found)[0], "cider": Cider().compute_score(known, found)[0]}
    if shutil.which("java"):
        metrics["meteor"] = Meteor().compute_score(known, found)[0]
    metrics["exact"] = np.mean([found[i][0] in known[i] for i in found])
    return {name: float(value) for name, value in metrics.items()}


def cider(captions, references):
    """CIDEr alone (Vedantam et al. 2015); arguments as in `scores`."""
    return float(Cider().compute_score(*_by_number(captions, references))[0])


def _by_number(captions, references):
    found = {i: [normalized(caption)] for i, caption in enumerate(captions)}
    return {i: [normalized(text) for text in texts] for i, texts in enumerate(references)}, found
