"""Scores of translations, and what is drawn of them."""

import numpy as np
import pandas as pd
import sacrebleu
from matplotlib import pyplot as plt
from sacremoses import MosesTokenizer

UNSPACED = {"zh": "zh", "ja": "char", "th": "char"}  # sacrebleu's tokenizers for text without spaces, by language
BANDS = 0, 6, 9, 12, 15, 20, np.inf  # of the source's length in words, each up to and without the next
PUBLISHED = {  # on Multi30k, by variant: name, `bleu_lc_tok` and source
    "de-en.none": [
        ("LSTM without attention", 13.8, "bentrevett's tutorial"),
        ("GRU, c at every step", 20.6, "bentrevett's tutorial"),
    ],
    "de-en.attention": [
        ("GRU, additive attention", 28.3, "bentrevett's tutorial"),
        ("Transformer", 36.5, "bentrevett's tutorial"),
    ],
    "en-de.attention": [
        ("text-only baseline", 35.5, "Elliott & Kádár 2017, not verified"),
        ("text-only GRU, on the validation part", 37.75, "VAG-NMT's repository"),
        ("text-only baseline", 38, "Caglayan et al. 2017, about, not verified"),
    ],
}


def published(variant):
    """The figures of others that a variant stands beside, as `results.publish` takes them."""
    return [dict(zip(("name", "value", "source"), row), metric="bleu_lc_tok") for row in PUBLISHED.get(variant, [])]


def scores(hypotheses, references, language="en"):
    """BLEU and chrF of whole sentences against one reference each, from 0 to 100, and how they were taken.

    `bleu` and `chrf` are those of the texts as they stand, by sacrebleu. `bleu_lc_tok` is BLEU as papers on Multi30k
    give it: lower-cased and cut into words by Moses's rules for the language, hyphens included.

    Returns:
        A dict of numbers, and a dict of sacrebleu's signatures under the same names.
    """
    moses = MosesTokenizer(lang=language)
    words = [_moses(moses, texts) for texts in (hypotheses, references)]
    measures = {
        "bleu": (_sacrebleu(language), hypotheses, references),
        "chrf": (sacrebleu.CHRF(), hypotheses, references),
        "bleu_lc_tok": (sacrebleu.BLEU(tokenize="none", lowercase=True, force=True), *words),
    }
    found = {name: float(m.corpus_score(list(h), [list(r)]).score) for name, (m, h, r) in measures.items()}
    return found, {name: str(m.get_signature()) for name, (m, _, _) in measures.items()}


def _sacrebleu(language):
    return sacrebleu.BLEU(tokenize=UNSPACED.get(language, "13a"))


def _moses(tokenizer, texts):
    cut = lambda text: tokenizer.tokenize(text, aggressive_dash_splits=True, return_str=True, escape=False)
    return [cut(text) for text in texts]


def bleu(hypotheses, references, language="en"):
    return float(_sacrebleu(language).corpus_score(list(hypotheses), [list(references)]).score)


def by_length(sources, hypotheses, references, language="en"):
    """BLEU of the sentences whose source has so many words: a DataFrame with sentences and bleu, by band."""
    table = pd.DataFrame({"source": sources, "hypothesis": hypotheses, "reference": references})
    bands = pd.cut(table["source"].str.split().str.len(), BANDS, right=False)
    rows = {
        band: (len(part), bleu(part["hypothesis"], part["reference"], language))
        for band, part in table.groupby(bands, observed=True)
    }
    index = [
        f"{band.left:.0f}–{band.right - 1:.0f}" if np.isfinite(band.right) else f"{band.left:.0f}+" for band in rows
    ]
    return pd.DataFrame(list(rows.values()), index=index, columns=["sentences", "bleu"])


def curve(run, language, split="test"):
    """BLEU by the length of the source, of the translations in a run's folder."""
    table = pd.read_csv(run / f"translations-{split}.tsv", sep="\t", keep_default_na=False)
    return by_length(table["source"], table["translation"], table["target"], language)


def plot_by_length(panels):
    """BLEU against the length of the source, beside each other for every title.

    Args:
        panels: by title a dict of what `by_length` returns, by name.
    """
    size = (1.5 + 4.2 * len(panels), 3.8)
    figure, axes = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axis, (title, curves) in zip(axes[0], panels.items()):
        for name, curve in curves.items():
            axis.plot(curve.index, curve["bleu"], marker="o", label=name)
        axis.set(title=title, xlabel="words in the source sentence")
        axis.grid(alpha=0.3)
    axes[0, 0].set_ylabel("BLEU")
    axes[0, 0].set_ylim(0, 1.05 * axes[0, 0].get_ylim()[1])  # after all curves are drawn: above the highest of them
    axes[0, 0].legend(title="attention")
    return figure


def plot_attention(weights, source, target):
    """The weights, (steps, timesteps), between the pieces of a translation and those of its source."""
    shown = [[piece.replace("▁", " ").strip() or "␣" for piece in pieces] for pieces in (source, target)]
    figure, axis = plt.subplots(figsize=(2 + 0.4 * len(source), 1.5 + 0.35 * len(target)))
    image = axis.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axis.set_xticks(range(len(source)), shown[0], rotation=60, ha="left")
    axis.set_yticks(range(len(target)), shown[1])
    axis.xaxis.tick_top()
    figure.colorbar(image, ax=axis, label="weight")
    return figure
