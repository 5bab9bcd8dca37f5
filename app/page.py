"""The page: a tab for each task, one look, and nothing that is loaded from elsewhere."""

from pathlib import Path

from toolkit.runs import Stop

import gradio as gr
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware

from app import captions, characters, parts, prices, reviews, translations
from app.models import Models

TABS = reviews, translations, captions, prices, characters
FONTS = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}  # the visitor's own
WAITING = 32  # visitors
DELETED_AFTER = 600  # seconds, of visitors' files
POLICY = "default-src 'self' data: blob: 'unsafe-inline' 'unsafe-eval'"
INTRODUCTION = """
# RNN Recipes

Trained recurrent networks to try. They run on the computer that serves this page; what you enter is not kept.
"""
MISSING = """
No run is here for this tab. Train one in the project's folder, then start the page with it:

    {commands}
    python -m app --run FOLDER
"""


def check_recipes(runs):
    """Raises Stop if there is no tab for one of the runs."""
    known = [recipe for tab in TABS for recipe in tab.OPENERS]
    for run in runs:
        if (recipe := run.config["recipe"]) not in known:
            raise Stop(f"{run.path} holds a run of {recipe}, which has no tab. These have one: {', '.join(known)}")


def build(found):
    """The page as `gradio.Blocks`; `found` are finished runs by label, as `models.finished_runs` returns them."""
    with gr.Blocks(title="RNN Recipes", analytics_enabled=False, delete_cache=(60, DELETED_AFTER)) as page:
        gr.Markdown(INTRODUCTION)
        for tab in TABS:
            fitting = {label: run for label, run in found.items() if run.config["recipe"] in tab.OPENERS}
            with gr.Tab(tab.TITLE):
                if fitting:
                    tab.build(Models(fitting, tab.OPENERS))
                else:
                    commands = "\n    ".join(f"python recipes/{recipe}.py train" for recipe in tab.OPENERS)
                    gr.Markdown(MISSING.format(commands=commands))
    return page.queue(max_size=WAITING)


class Policy:
    """Tells browsers to load nothing from elsewhere, with every response of a web application."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        async def send_with_policy(message):
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            await send(message)

        await self.app(scope, receive, send_with_policy)


def launch(page, host, port):
    """Serve the page in the background, until `page.close()`."""
    look = {"theme": gr.themes.Default(**FONTS), "css_paths": Path(__file__).with_name("page.css"), "footer_links": []}
    page.launch(
        server_name=host,
        server_port=port,
        prevent_thread_lock=True,
        quiet=True,
        share=False,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        max_file_size=parts.FILE_BYTES,
        app_kwargs={"middleware": [Middleware(Policy)]},
        **look,
    )
