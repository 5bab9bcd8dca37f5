"""Sphinx's settings for the book. docs/book.py calls Sphinx on the pages with their stored outputs."""

import sys
from pathlib import Path

from docutils import nodes
from latex2mathml.converter import convert

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "RNN Recipes"
root_doc = "README"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["notebooks"]
nb_execution_mode = "off"  # outputs are stored; docs/book.py executes
myst_enable_extensions = ["dollarmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
suppress_warnings = ["mystnb.unknown_mime_type", "misc.highlighting_failure"]

html_theme = "furo"
html_title = "RNN Recipes"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {"source_repository": ""}
autodoc_member_order = "bysource"
autodoc_typehints = "none"


def math(display):
    """Formulas become MathML while the book is built: a browser draws it without any script or font."""

    def visit(self, node):
        formula = convert(node.astext().replace("{aligned}", "{split}"), display=display)  # which it knows
        self.body.append(f'<div class="math">{formula}</div>' if display == "block" else formula)
        raise nodes.SkipNode

    return visit, None


def literal_blocks(app, what, name, obj, options, lines):
    """Indented lines of a docstring are equations or programs, which keep their line breaks."""
    for i in range(len(lines) - 1, 0, -1):
        begins = lines[i].startswith("    ") and not lines[i - 1].strip()
        before = next((line for line in lines[i - 1 :: -1] if line.strip()), "")
        if begins and not before.startswith("    ") and not before.startswith((":", "..")):
            lines[i:i] = ["::", ""]


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=math("inline"), block_renderers=math("block"))
    app.connect("autodoc-process-docstring", literal_blocks)


html_math_renderer = "mathml"
