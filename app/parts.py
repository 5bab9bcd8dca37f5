"""What the tabs share: calls of networks, limits, visitors' files, and figures and tables as HTML."""

import base64
import html
import io
import os
import threading
from pathlib import Path

from toolkit import runs

import gradio as gr
from matplotlib import pyplot as plt

FILE_BYTES = 10 << 20
ONE_AT_A_TIME = threading.Lock()  # characters' networks carry states over from call to call, pyplot is not thread-safe


def answer(function, models):
    """`function(models, *inputs)` for many visitors at once: one call at a time, a recipe's error shown as it is."""

    def call(*inputs):
        try:
            with ONE_AT_A_TIME:
                return function(models, *inputs)
        except runs.Stop as error:
            raise gr.Error(html.escape(runs.one_line(error)), print_exception=False) from None

    return call


def connect(triggers, function, models, inputs, outputs, examples=()):
    """Call `function(models, *inputs)` when a trigger fires or an example is clicked.

    Args:
        examples: a value for each input in each; the first is shown.
    """
    call = answer(function, models)
    gr.on(triggers, call, inputs, outputs, api_name=function.__name__)
    if examples:
        how = {"run_on_click": True, "cache_examples": False, "visible_columns": [0], "api_visibility": "private"}
        gr.Examples(examples, inputs, outputs, call, **how)


def model_choice(models):
    """A list of the runs that a tab can use."""
    named = [(f"{label}, trained on {Path(models.setting(label, 'data')).name}", label) for label in models]
    return gr.Dropdown(named, value=named[0][1], label="Model", interactive=True)


def checked(text, what, longest):
    """A visitor's text without spaces at its ends. Raises Stop if nothing is left or it is too long."""
    text = (text or "").strip()
    if not text:
        raise runs.Stop(f"Type a {what} first.")
    if len(text) > longest:
        raise runs.Stop(f"A {what} may have {longest:,} characters. Received: {len(text):,}")
    return text


# ----------------------------------------------------------------------------------------------------------- files


def uploads_alone(component):
    """Make a component give the path of what a visitor uploaded, as it is; it opens no other file and no address."""
    move = component.async_move_resource_to_block_cache

    async def refuse_others(path):
        if not Path(path).resolve().is_relative_to(Path(os.environ["GRADIO_TEMP_DIR"]).resolve()):
            raise gr.Error("Upload the file: no other is opened.", print_exception=False)
        return await move(path)

    component.async_move_resource_to_block_cache = refuse_others
    component.preprocess = lambda uploaded: uploaded and uploaded.path
    return component


def content(path, what):
    """The bytes of a visitor's file. Raises Stop if there is none or it is too large."""
    if path is None:
        raise runs.Stop(f"Choose a {what} first.")
    if (size := Path(path).stat().st_size) > FILE_BYTES:
        raise runs.Stop(f"A file may have {FILE_BYTES >> 20} MB. Received: {size / 2**20:.0f} MB")
    return Path(path).read_bytes()


def example_file(name, content):
    """The path of a new file with this content, in the folder where visitors' files are too, which is temporary."""
    path = Path(os.environ["GRADIO_TEMP_DIR"]) / "examples" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return str(path)


# ------------------------------------------------------------------------------------------------------------ HTML


def picture(figure, description):
    """A figure, with its description for those who do not see it."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    plt.close(figure)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img class="figure" alt="{html.escape(description)}" src="data:image/png;base64,{data}">'


def table(heads, rows):
    """A table of texts."""
    row = lambda tag, cells: "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"
    return (
        f'<div class="wide"><table class="found">{row("th", heads)}{"".join(row("td", r) for r in rows)}</table></div>'
    )
