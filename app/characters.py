"""A text: after each character that is typed, which character the network expects next."""

from toolkit import runs, training

import gradio as gr
import numpy as np

from app import parts

TITLE = "Text"
LONGEST = 1_000  # characters
EXPECTED = 8  # characters that are shown
WRITTEN = 200  # characters of a continuation
EXAMPLES = ["My dog says: ", 'My dog says: "The cats do not like', "She has 2 big apples (and "]


def _open(next_character, path):
    _, _, alphabet, model = next_character.open_finished(path)
    return next_character, alphabet, model


OPENERS = {"next_character": _open}


def expect(models, text, label):
    """The likeliest next characters with their probabilities, a dict, and a note on characters never seen."""
    next_character, alphabet, model = models[label]
    training.reset_states(model)
    probabilities = next_character.next_probabilities(model, alphabet.ids(_checked(text) or "\n"))[1:]
    best = np.argsort(probabilities)[::-1][:EXPECTED]
    characters = [alphabet.text([i + 1]) for i in best]
    unknown = " ".join(sorted({character for character in text if character not in alphabet}))
    note = f"Not in the text that the network was trained on: `{unknown}`" if unknown else ""
    visible = next_character.VISIBLE
    return {visible.get(c, c): float(probabilities[i]) for c, i in zip(characters, best)}, note


def write_on(models, text, label, temperature):
    """The text and what the network draws after it."""
    next_character, alphabet, model = models[label]
    length = min(WRITTEN, LONGEST - len(_checked(text)))
    return next_character.continuation(model, alphabet, text, length, temperature, seed=len(text))


def _checked(text):
    if len(text) > LONGEST:
        raise runs.Stop(f"The text may have {LONGEST:,} characters. Received: {len(text):,}")
    return text


def build(models):
    """The tab; `models` as in `app.reviews`."""
    with gr.Row():
        with gr.Column():
            text = gr.Textbox(label="Text", lines=6, max_length=LONGEST)
            model = parts.model_choice(models)
            temperature = gr.Slider(
                0.1, 2, 0.8, step=0.1, label="Temperature: below 1, likely characters become likelier"
            )
            button = gr.Button(f"Write {WRITTEN} characters", variant="primary")
            gr.Examples([[example] for example in EXAMPLES], [text])
        with gr.Column():
            expected, note = gr.Label(label="Expected next"), gr.Markdown()
    parts.connect(button.click, write_on, models, [text, model, temperature], text)
    parts.connect([text.change, model.change], expect, models, [text, model], [expected, note])
