"""A picture: its captions, and where the network looked for each of their subwords."""

import functools
import io

from toolkit import decoding, pictures, runs

import gradio as gr
from PIL import Image

from app import parts
from datasets import generated_scenes
from datasets.pictures import Pictures, decoded

TITLE = "Picture"
PHOTOGRAPHS = runs.PUBLISHED / "pictures"
SCENES = 3  # generated pictures among the examples


def _open(image_captioning, path):
    _, s, subwords, model = image_captioning.open_finished(path)
    network = image_captioning.pretrained_network(s)
    search = functools.cache(lambda views: image_captioning.caption_search([model], views, longest=s.longest))
    return image_captioning, s, subwords, model, network, search


OPENERS = {"image_captioning": _open}


def describe_picture(models, path, label):
    """Captions of a picture with their probabilities, and a figure of what the network attended to, as HTML."""
    content = parts.content(path, "picture")
    image_captioning, s, subwords, model, network, search = models[label]
    with runs.user_errors():
        array = decoded("The picture", content)
    picture = Pictures(["picture"], lambda names: [("picture", array)])
    augment = image_captioning.augmentation(s)
    views, _ = image_captioning.picture_inputs(picture, picture.names, augment, size=s.size, network=network)
    (hypotheses,) = image_captioning.found_captions(search(len(views)), subwords, views)
    texts = [text for text, _ in hypotheses]
    shares = image_captioning.caption_probabilities(model, subwords, image_captioning.by_picture(views)[0], texts)
    found = parts.table(
        ["probability", "caption"], [[f"{100 * share:.2g} %", text] for share, text in zip(shares, texts)]
    )
    if s.enters != "attention":
        return found
    (preview,) = pictures.previews(picture, picture.names).values()
    decoder = decoding.StepwiseDecoder(model)
    figure = image_captioning.attention_figure(decoder, subwords, preview, views[0][0], texts[0])
    return found + parts.picture(figure, f"Where the network looked for each subword of “{texts[0]}”")


def build(models):
    """The tab; `models` as in `app.reviews`."""
    found = gr.HTML(render=False)
    with gr.Row():
        with gr.Column():
            sources = ["upload", "webcam", "clipboard"]
            picture = parts.uploads_alone(gr.Image(label="Picture", sources=sources, type="filepath", height=320))
            model = parts.model_choice(models)
            button = gr.Button("Describe it", variant="primary")
            examples = [[path, label] for label in models for path in _examples(models.setting(label, "data"))]
            parts.connect(button.click, describe_picture, models, [picture, model], found, examples)
        with gr.Column():
            found.render()


def _examples(data):
    """Paths of pictures like those that a run was trained on."""
    if data != "scenes":
        return sorted(map(str, PHOTOGRAPHS.glob("*.jpg")))
    _, scenes = generated_scenes.generate({"train": 0, "validation": 0, "test": SCENES})
    return [parts.example_file(name, _png(array)) for name, array in scenes.items()]


def _png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, format="PNG")
    return file.getvalue()
