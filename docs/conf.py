"""Sphinx's settings for the book. docs/book.py calls Sphinx on the pages with their stored outputs."""

import re
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
nitpicky = True  # a reference that leads nowhere is a warning, and the build allows none
nitpick_ignore_regex = [
    ("py:class", r"pandas\..*"),  # not in this book
    ("py:class", r"[^.]*|.* .*"),  # prose of docstrings, where Sphinx expects a type
]
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
autodoc_inherit_docstrings = False
KERAS_OWN = "build, call, get_config, from_config, compute_mask, compute_output_shape"
autodoc_default_options = {"exclude-members": KERAS_OWN}


def math(display):
    """Formulas become MathML while the book is built: a browser draws it without any script or font."""

    def visit(self, node):
        formula = convert(node.astext().replace("{aligned}", "{split}"), display=display)  # which it knows
        self.body.append(f'<div class="math">{formula}</div>' if display == "block" else formula)
        raise nodes.SkipNode

    return visit, None


def as_restructured_text(app, what, name, obj, options, lines):
    """Docstrings as Sphinx needs them: indented lines, which are equations and programs, keep their line breaks."""
    found, block, field = [], False, False
    for line in lines:
        indented = line.startswith("   ") or not line.strip()
        field = line.startswith((":", "..")) or (field and indented)  # arguments, as napoleon writes them
        if line.strip() and indented and not field and not block:
            if found and found[-1].strip():
                found[-1] = f"{found[-1].removesuffix(':')}::"
            else:
                found.append("::")
            found.append("")
        was_block, block = block, indented and not field and (block or bool(line.strip()))
        if was_block and not block:
            found.append("")
        if not block:
            line = re.sub(r"(?<!`)`([^`]+)`(?!`)", r"``\1``", line)
            line = re.sub(r"(``.*?``)|\*(?=[\w.])", lambda match: match[1] or r"\*", line)
        elif not line.strip() and not found[-1]:
            continue
        found.append(line)
    lines[:] = found


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=math("inline"), block_renderers=math("block"))
    app.connect("autodoc-process-docstring", as_restructured_text, priority=900)  # after napoleon


html_math_renderer = "mathml"
