"""The book: runs its pages as notebooks, and builds the site from what they put out.

A page, docs/NAME.md, is a notebook in Jupytext's MyST format. `run` executes it and writes docs/notebooks/NAME.ipynb,
with its outputs and a digest of the code that they came from: the page's cells and the chapters they import. `build`
puts pages and stored outputs together for Sphinx, and stops where the code is no longer that of the outputs.
"""

import ast
import hashlib
import re
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Annotated

import cyclopts
import jupytext
import nbformat
from cyclopts import Parameter

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
NOTEBOOKS, SOURCE, SITE = DOCS / "notebooks", ROOT / ".book", ROOT / "build" / "book"
FIRST_CELL = """\
# Finds the project's folder. On a hosted notebook service the project is not there: write the address that you clone it
# from between the quotation marks, and this cell fetches and installs it, which takes some minutes.
REPOSITORY = ""

import subprocess, sys
from pathlib import Path

if REPOSITORY and not Path("rnn-recipes").exists():
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, "rnn-recipes"], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--editable", "rnn-recipes"], check=True)
places = [Path("rnn-recipes"), Path.cwd(), *Path.cwd().parents]
found = [place for place in places if (place / "recipes").is_dir()]
if not found:
    raise FileNotFoundError(f"The project is not in {Path.cwd()} or a folder above: write its address into REPOSITORY")
sys.path.insert(0, str(found[0].resolve()))
import toolkit  # before Keras: it keeps TensorFlow quiet
"""
app = cyclopts.App(name="book.py", help=__doc__, help_format="plaintext", version_flags=[])
Pages = Annotated[str, Parameter(help="Names of pages, such as gates; by default all.")]


def is_notebook(name):
    """Whether docs/NAME.md is a page in Jupytext's format."""
    path = DOCS / f"{name}.md"
    return path.is_file() and path.read_text(encoding="utf-8").startswith("---\njupytext")


def pages():
    """The names of the pages that are notebooks."""
    return sorted(path.stem for path in DOCS.glob("*.md") if is_notebook(path.stem))


def page(name):
    return jupytext.read(DOCS / f"{name}.md")


def code_of(notebook):
    return [cell.source for cell in code_cells(notebook)]


def digest(notebook):
    """A digest of a page's code cells and of the project's files that they import."""
    code = code_of(notebook)
    files = {path for source in code for node in ast.walk(ast.parse(source)) for path in imported(node)}
    texts = [*code, *(path.read_text(encoding="utf-8") for path in sorted(files) if path.is_file())]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def imported(node):
    """The files of the project that an import statement may name; of `import layers`, all of that folder."""
    if isinstance(node, ast.Import):
        return [path for alias in node.names if alias.name == "layers" for path in (ROOT / "layers").glob("*.py")]
    if isinstance(node, ast.ImportFrom):
        module = ROOT.joinpath(*node.module.split("."))
        return [module.with_suffix(".py"), *(module / f"{alias.name}.py" for alias in node.names)]
    return []


def notebook_of(name):
    """A page as a notebook to be read and run elsewhere, without outputs."""
    notebook = page(name)
    for cell in notebook.cells:
        cell.source = for_reading_elsewhere(cell.source) if cell.cell_type == "markdown" else cell.source
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FIRST_CELL))
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"  # not a random one, which would differ at every run
    return notebook


def stored(name):
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


@app.command
def run(*names: Pages):
    """Execute pages, and store them with their outputs in docs/notebooks/."""
    from nbclient import NotebookClient

    for name in names or pages():
        notebook, started = notebook_of(name), time.time()
        here = {"metadata": {"path": str(ROOT)}}
        NotebookClient(notebook, timeout=1800, coalesce_streams=True, resources=here).execute()
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # times
        notebook.metadata["rnn_recipes"] = {"digest": digest(page(name))}
        nbformat.write(notebook, NOTEBOOKS / f"{name}.ipynb")
        print(f"{name}: {time.time() - started:.0f} s")


@app.command
def text(*names: Pages):
    """Put the present text of pages into docs/notebooks/, beside the outputs that are stored there."""
    for name in names or pages():
        notebook, before = notebook_of(name), stored(name)
        with_outputs(notebook, code_cells(before))
        notebook.metadata = before.metadata
        nbformat.write(notebook, NOTEBOOKS / f"{name}.ipynb")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def with_outputs(notebook, executed):
    for cell, other in zip(code_cells(notebook), executed, strict=True):
        cell.outputs, cell.execution_count = other.outputs, other.execution_count


def for_reading_elsewhere(text):
    """A page's text where Sphinx does not read it: included sources become code, links lead on from docs/notebooks/."""

    def moved(link):
        name = link[1].removesuffix(".md")
        return f"]({name}.ipynb" if is_notebook(name) else f"](../{link[1]}"

    def included(match):
        name = re.search(r":pyobject: (\S+)", match[2])
        source = (DOCS / match[1]).read_text(encoding="utf-8")
        return f"```python\n{definition(source, name[1]) if name else source}\n```"

    text = re.sub(r"\]\((?!https?:|#)([^)#\s]+)", moved, text)
    return re.sub(r"```\{literalinclude\} (\S+)\n(.*?)```", included, text, flags=re.S)


def definition(source, name):
    """The source of a function, class or method of a module, named as Sphinx names it."""
    node = ast.parse(source)
    for part in name.split("."):
        node = next(child for child in node.body if getattr(child, "name", None) == part)
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return textwrap.dedent("\n".join(source.splitlines()[first - 1 : node.end_lineno]))


def stale():
    """Messages on pages whose stored notebooks are not of their present code or text."""
    messages = []
    for name in pages():
        before = stored(name) if (NOTEBOOKS / f"{name}.ipynb").exists() else nbformat.v4.new_notebook()
        if before.metadata.get("rnn_recipes", {}).get("digest") != digest(page(name)):
            messages.append(
                f"docs/{name}.md: its code has changed since its outputs were made: docs/book.py run {name}"
            )
        elif [cell.source for cell in before.cells] != [cell.source for cell in notebook_of(name).cells]:
            messages.append(f"docs/{name}.md: its text is not that of its notebook: docs/book.py text {name}")
    return messages


def assemble():
    """The pages with their stored outputs, in a folder for Sphinx beside recipes/, which they include."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(DOCS, SOURCE, ignore=shutil.ignore_patterns("book.py", "__pycache__"))
    for name in pages():
        notebook = page(name)
        with_outputs(notebook, code_cells(stored(name))[1:])
        download = f"{{download}}`This page as a notebook <notebooks/{name}.ipynb>`"
        notebook.cells.append(nbformat.v4.new_markdown_cell(download))
        (SOURCE / f"{name}.md").unlink()
        nbformat.write(notebook, SOURCE / f"{name}.ipynb")
    shutil.copy(ROOT / "CONTRIBUTING.md", SOURCE)
    for path in [*SOURCE.glob("*.md"), *SOURCE.glob("*.ipynb")]:
        text = re.sub(r"\[([^][]*)\]\(([^)#]*)(#[^)]*)?\)", within_the_book, path.read_text(encoding="utf-8"))
        path.write_text(text + contents(text) * (path.stem == "README"), encoding="utf-8")


def within_the_book(link):
    """A link as Sphinx has it: pages are notebooks, and of what is not in the book only programs can be linked to."""
    text, target, heading = link.groups()
    name, heading, path = target.removesuffix(".md"), heading or "", target.removeprefix("../")
    if is_notebook(name):
        return f"[{text}]({name}.ipynb{heading})"
    if target.startswith(("http", "#")) or not target or (DOCS / target).is_file() and not target.startswith("../"):
        return link[0]
    if path == "CONTRIBUTING.md":
        return f"[{text}]({path}{heading})"
    return f"[{text}](../{path})" if path.endswith(".py") else text


def contents(text):
    """The tables of contents for Sphinx, from the links of the first page: a part of the book for each heading."""
    parts = re.split(r"^## (.*)$", text, flags=re.M)
    tables = ""
    for heading, part in zip(parts[1::2], parts[2::2]):
        listed = re.findall(r"^(?:\| |- )\[[^]]*\]\((\w+)\.(?:md|ipynb)\)", part, re.M)
        if listed:
            tables += "\n".join(["", "```{toctree}", ":hidden:", f":caption: {heading}", "", *listed, "```", ""])
    return tables


@app.command
def build():
    """Build the site in build/book/ from the stored outputs; nothing is executed."""
    if messages := stale():
        sys.exit("\n".join(messages))
    assemble()
    command = ["-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-j", "auto", SOURCE, SITE]
    sys.exit(subprocess.run([sys.executable, *map(str, command)]).returncode)


if __name__ == "__main__":
    app()
