"""Scores of translations: BLEU and chrF of a whole split, and BLEU by the length of the source sentence."""

import numpy as np
import pandas as pd
import sacrebleu
from sacremoses import MosesTokenizer

UNSPACED = {"zh": "zh", "ja": "char", "th": "char"}  # sacrebleu's tokenizers for text without spaces, by language
BANDS = 0, 6, 9, 12, 15, 20, np.inf  # words of a source sentence; a band includes its lower bound


def scores(hypotheses, references, language="en"):
    """BLEU and chrF of a corpus against one reference for each sentence, from 0 to 100, and their signatures.

    `bleu` and `chrf` are sacrebleu's scores of the texts as they are. `bleu_lc_tok` is BLEU as papers on Multi30k
    report it: in lower case, tokenized by Moses's rules for the language, hyphens split off.

    Returns:
        A dict of numbers, and a dict of sacrebleu's signatures with the same names.
    """
    tokenizer = MosesTokenizer(lang=language)
    tokenized = [_tokenized(tokenizer, texts) for texts in (hypotheses, references)]
    metrics = {
        "bleu": (_bleu(references, tokenize=_tokenizer(language)), hypotheses, references),
        "chrf": (sacrebleu.CHRF(), hypotheses, references),
        "bleu_lc_tok": (_bleu(references, tokenize="none", lowercase=True, force=True), *tokenized),
    }
    values = {name: float(m.corpus_score(list(h), [list(r)]).score) for name, (m, h, r) in metrics.items()}
    return values, {name: str(m.get_signature()) for name, (m, _, _) in metrics.items()}


def bleu(hypotheses, references, language="en"):
    """BLEU of a corpus, from 0 to 100, as in `scores`."""
    metric = _bleu(references, tokenize=_tokenizer(language))
    return float(metric.corpus_score(list(hypotheses), [list(references)]).score)


def _bleu(references, **options):
    """BLEU, of as many words as there are where no reference has four of them, as with sums: it would always be 0."""
    spaced = options["tokenize"] not in UNSPACED.values()
    short = spaced and max((len(text.split()) for text in references), default=0) < 4
    return sacrebleu.BLEU(effective_order=short, **options)


def _tokenizer(language):
    return UNSPACED.get(language, "13a")


def _tokenized(tokenizer, texts):
    return [tokenizer.tokenize(t, aggressive_dash_splits=True, return_str=True, escape=False) for t in texts]


def by_length(sources, hypotheses, references, language="en"):
    """BLEU by the number of words of the source sentence: a table of sentences and bleu, indexed by band ("6–8")."""
    table = pd.DataFrame({"source": sources, "hypothesis": hypotheses, "reference": references})
    bands = pd.cut(table["source"].str.split().str.len(), BANDS, right=False)
    rows = {
        _label(band): (len(group), bleu(group["hypothesis"], group["reference"], language))
        for band, group in table.groupby(bands, observed=True)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["sentences", "bleu"])


def _label(band):
    return f"{band.left:.0f}–{band.right - 1:.0f}" if np.isfinite(band.right) else f"{band.left:.0f}+"
