"""A sentence: its translations, and what each of their subwords attended to."""

from toolkit.decoding import translate

import gradio as gr

from app import parts

TITLE = "Translation"
LONGEST = 500  # characters
EXAMPLES = {  # by the direction of a run, or the name of its data where that is the default
    "de-en": ["Ein kleiner Hund läuft durch den Schnee.", "Zwei Männer spielen Gitarre vor einem großen Publikum."],
    "en-de": ["A small dog runs through the snow.", "Two men play the guitar in front of a large audience."],
    "grammar": ["a small girl does not eat an old orange", "the white cats see a strange horse"],
}


def _open(translation, path):
    _, s, subwords, model = translation.open_finished(path)
    return translation, translation.search(model, s), subwords, s.attention != "none"


OPENERS = {"translation": _open}


def translate_sentence(models, sentence, label):
    """The translations of a sentence by beam search, and a picture of the attention weights, as HTML."""
    sentence = " ".join(parts.checked(sentence, "sentence", LONGEST).split())
    translation, search, subwords, attends = models[label]
    (hypotheses,) = translate(search, subwords, [sentence])
    found = parts.table(["score", "translation"], [[f"{score:.2f}", text] for text, score in hypotheses])
    if not attends:
        return found
    best = hypotheses[0][0]
    figure = translation.attention_figure(search.decoder, subwords, sentence, best)
    return found + parts.picture(figure, f"Attention weights between the subwords of “{sentence}” and of “{best}”")


def build(models):
    """The tab; `models` as in `app.reviews`."""
    found = gr.HTML(render=False)
    languages = {label: models.setting(label, "direction") or models.setting(label, "data") for label in models}
    examples = [[text, label] for label in models for text in EXAMPLES.get(languages[label], ())]
    with gr.Row():
        with gr.Column():
            sentence = gr.Textbox(label="Sentence", lines=1, max_lines=4, max_length=LONGEST)
            model = parts.model_choice(models)
            button = gr.Button("Translate", variant="primary")
            triggers = [button.click, sentence.submit]
            parts.connect(triggers, translate_sentence, models, [sentence, model], found, examples)
        with gr.Column():
            found.render()
