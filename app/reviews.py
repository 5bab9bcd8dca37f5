"""A review: each word on the colour of the score after it, and the verdict."""

import functools
import html
import itertools

from toolkit.plots import word_scores
from toolkit.runs import Stop

import gradio as gr

from app import parts

TITLE = "Review"
LONGEST = 10_000  # characters
EXAMPLES = [
    "Not bad at all. The plot is thin, but the cast is superb and the last half hour is wonderful.",
    "I expected a great film. The music is good, and that is all: dull, far too long, and a waste of a fine cast.",
    "A film to see once. The pictures are beautiful, the story is not worth telling.",
]


def _sentiment(imdb_sentiment, path):
    _, s, vocabulary, model = imdb_sentiment.open_finished(path)
    return s, vocabulary, functools.partial(imdb_sentiment.judge, model, vocabulary)


def _stars(star_rating, path):
    _, s, ratings, vocabulary, model = star_rating.open_finished(path)
    return s, vocabulary, functools.partial(star_rating.judge, model, vocabulary, ratings)


OPENERS = {"imdb_sentiment": _sentiment, "star_rating": _stars}


def judge_review(models, review, label):
    """The verdict on a review, and its words in colour, as HTML."""
    review = parts.checked(review, "review", LONGEST)
    s, vocabulary, judge = models[label]
    words, scores, verdict = judge(review, s.words, s.bigrams)
    if not words:
        raise Stop("The review contains no word.")
    warnings = word_scores.warnings(words, vocabulary.ids(review, s.words))
    coloured = " ".join(
        f'<span style="background: {word_scores.color(score)}" title="{score:+.2f}">{html.escape(word)}</span>'
        for word, score in zip(words, scores)
    )
    notes = "".join(f"<p>Note: {html.escape(warning)}.</p>" for warning in warnings)
    legend = '<p class="legend"><span>−1</span> <span class="scale"></span> <span>+1</span></p>'
    return f'<p class="verdict">{html.escape(verdict)}</p>{notes}<p class="words">{coloured}</p>{legend}'


def build(models):
    """The tab; `models` are the `Models` of its recipes, which are the keys of OPENERS."""
    verdict = gr.HTML(render=False)
    with gr.Row():
        with gr.Column():
            review = gr.Textbox(label="Review, in English", lines=6, max_length=LONGEST)
            model = parts.model_choice(models)
            button = gr.Button("Judge it", variant="primary")
            examples = [[text, label] for text, label in zip(EXAMPLES, itertools.cycle(models))]
            parts.connect(button.click, judge_review, models, [review, model], verdict, examples)
        with gr.Column():
            verdict.render()
