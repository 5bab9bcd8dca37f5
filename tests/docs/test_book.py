"""The book builds without a warning, from outputs of the present code, and its pages stand on their own."""

import importlib.util
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest

for needed in ("sphinx", "myst_nb", "jupytext", "furo", "latex2mathml"):
    pytest.importorskip(needed, reason="the book's packages are not installed: make book installs them")

DOCS = Path(__file__).resolve().parents[2] / "docs"
specification = importlib.util.spec_from_file_location("book", DOCS / "book.py")
book = importlib.util.module_from_spec(specification)
specification.loader.exec_module(book)
PAGES = book.pages()


def test_the_outputs_are_those_of_the_present_code():
    assert book.stale() == []
    assert len(PAGES) >= 4


@pytest.mark.parametrize("change", ["page", "chapter"])
def test_changed_code_is_noticed(tmp_path, monkeypatch, change):
    """In a page's cells, and in the chapter that they call."""
    for folder in ("docs", "recipes", "layers", "datasets", "toolkit"):
        shutil.copytree(DOCS.parent / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, folder in {"DOCS": "docs", "NOTEBOOKS": "docs/notebooks", "ROOT": "."}.items():
        monkeypatch.setattr(book, name, tmp_path / folder)
    assert not [message for message in book.stale() if "unrolled" in message]
    file = tmp_path / {"page": "docs/unrolled.md", "chapter": "recipes/unrolled.py"}[change]
    file.write_text(file.read_text(encoding="utf-8").replace("import numpy as np", "import numpy as np, math"), "utf-8")
    assert [message for message in book.stale() if "docs/unrolled.md: its code has changed" in message]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_ran_to_its_end_and_its_figures_have_alternative_texts(name):
    cells = json.loads((book.NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["execution_count"] for cell in code)
    for cell in code:
        for output in cell["outputs"]:
            assert output["output_type"] != "error"
            assert output.get("name") != "stderr", output["text"]
            if "image/png" in output.get("data", {}):
                assert len(cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "")) > 20, cell["source"]
    assert sum("hide-cell" in cell["metadata"].get("tags", []) for cell in code) >= 3, "three solutions"
    assert not re.search(r"\{literalinclude\}|\]\(\w+\.md\)", "".join("".join(cell["source"]) for cell in cells))


def test_the_first_page_leads_to_every_page():
    listed = book.contents((DOCS / "README.md").read_text(encoding="utf-8")).split()
    assert {*listed} >= {path.stem for path in DOCS.glob("*.md")} - {"README"}


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site; a warning ends the build with another status than 0."""
    folder = tmp_path_factory.mktemp("book")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(book, "SITE", folder)
        with pytest.raises(SystemExit) as ended:
            book.build()
    assert ended.value.code == 0
    return folder


class Loaded(HTMLParser):
    """What a page loads, the formulas, and images without an alternative text."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.silent, self.formulas = [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.addresses += [given[a] for a in ("src", "data", "srcset") if given.get(a)]
        self.addresses += [given.get("href", "")] * (tag == "link")
        self.silent += [given.get("src")] * (tag == "img" and not given.get("alt"))
        self.formulas += tag == "math"


def test_no_page_loads_anything_from_elsewhere(site):
    pages = [*site.rglob("*.html")]
    assert len(pages) > len(PAGES)
    formulas = 0
    for path in pages:
        loaded = Loaded(path.read_text(encoding="utf-8"))
        outside = [address for address in loaded.addresses if re.match(r"(https?:)?//", address)]
        assert outside == [], path.name
        assert loaded.silent == [], path.name
        formulas += loaded.formulas
    assert formulas > 10
    assert 'class="math notranslate' not in (site / "unrolled.html").read_text(encoding="utf-8")
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_pages_open_in_a_browser_without_an_error_and_fit_its_width(site, browser):
    for path in sorted(site.glob("*.html")):
        browser.get(path.as_uri())
        problems = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert problems == [], path.name
        for width in (500, 1100, 1500):
            browser.set_window_size(width, 900)
            beyond = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
            assert beyond <= 0, f"{path.name}: {beyond} pixels beyond a width of {width}"
