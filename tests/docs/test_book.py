"""The book builds without a warning, from outputs of the present code, and its pages stand on their own."""

import fcntl
import importlib.util
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

for needed in ("sphinx", "myst_nb", "jupytext", "furo", "latex2mathml"):
    pytest.importorskip(needed, reason="the book's packages are not installed: make book installs them")

DOCS = Path(__file__).resolve().parents[2] / "docs"
specification = importlib.util.spec_from_file_location("book", DOCS / "book.py")
book = importlib.util.module_from_spec(specification)
specification.loader.exec_module(book)
PAGES = book.pages()
LISTED = re.findall(r"^\w+$", book.contents((DOCS / "README.md").read_text(encoding="utf-8")), re.M)


def test_the_outputs_are_those_of_the_present_code():
    assert book.stale() == []
    assert len(PAGES) >= 18


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
    assert {*LISTED} == {path.stem for path in DOCS.glob("*.md")} - {"README"}


def markdown(path):
    """The text of a page or a notebook, without code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n\n".join("".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "markdown")
    return re.sub(r"```.*?```|`[^`]*`|^    .*?$", "", text, flags=re.S | re.M)


def anchors(path):
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


READ_ON_GITHUB = [*DOCS.glob("*.md"), *book.NOTEBOOKS.glob("*.ipynb"), *DOCS.parent.glob("*.md")]


@pytest.mark.parametrize("path", READ_ON_GITHUB, ids=lambda path: path.name)
def test_links_between_files_lead_somewhere_and_have_words(path):
    for words, target in re.findall(r"\[([^][]*)\]\(([^)\s]+)\)", markdown(path)):
        assert words, f"a link to {target} without words, or a picture without an alternative text"
        file, _, anchor = target.partition("#")
        if file.startswith(("http:", "https:")):
            continue
        found = (path.parent / file).resolve() if file else path
        assert found.exists(), target
        assert not anchor or found.suffix != ".md" or anchor in anchors(found), target


# -------------------------------------------------------------------------------------------------------- the site


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id):
    """The built site; a warning ends the build with another status than 0. One of the test processes builds for all."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared if worker_id == "master" else shared.parent
    folder = shared / "book"
    with (shared / "book.lock").open("w") as lock, pytest.MonkeyPatch.context() as patch:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            patch.setattr(book, "SITE", folder)
            with pytest.raises(SystemExit) as ended:
                book.build()
            assert ended.value.code == 0
    return folder


@pytest.fixture(scope="session")
def loaded(site):
    """What each page of the site has, by its path."""
    return {path: Loaded(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


class Loaded(HTMLParser):
    """What a page loads, links to and can be linked to, its formulas, and images without an alternative text."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.links, self.ids, self.next, self.silent, self.formulas = [], [], {""}, None, [], 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.addresses += [given[a] for a in ("src", "data", "srcset") if given.get(a)]
        self.addresses += [given.get("href", "")] * (tag == "link")
        self.links += [given.get("href", "")] * (tag == "a")
        self.ids |= {given.get("id", ""), given.get("name", "")}
        self.next = given.get("href") if tag == "link" and given.get("rel") == "next" else self.next
        self.silent += [given.get("src")] * (tag == "img" and not given.get("alt"))
        self.formulas += tag == "math"


def test_no_page_loads_anything_from_elsewhere(site, loaded):
    assert len(loaded) > len(PAGES)
    for path, page in loaded.items():
        outside = [address for address in page.addresses if re.match(r"(https?:)?//", address)]
        assert outside == [], path.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_every_figure_has_an_alternative_text_and_every_formula_is_drawn(site, loaded):
    assert {path.name: page.silent for path, page in loaded.items() if page.silent} == {}
    assert sum(page.formulas for page in loaded.values()) > 10
    assert 'class="math notranslate' not in (site / "unrolled.html").read_text(encoding="utf-8")


def test_every_link_of_the_site_leads_somewhere(loaded):
    broken = []
    for path, page in loaded.items():
        for link in page.links:
            file, _, anchor = unquote(link).partition("#")
            found = (path.parent / file).resolve() if file else path
            outside = re.match(r"\w+:", link)
            if not outside and (not found.exists() or anchor not in loaded.get(found, page).ids):
                broken.append((path.name, link))
    assert broken == []


def test_the_pages_follow_each_other_in_the_order_of_the_first_page(site, loaded):
    path, order = site / "README.html", []
    while loaded[path].next:
        path = site / loaded[path].next
        order.append(path.stem)
    assert order == [*LISTED, "CONTRIBUTING"]


def test_pages_open_in_a_browser_without_an_error_and_fit_its_width(site, browser):
    for path in sorted(site.glob("*.html")):
        browser.get(path.as_uri())
        problems = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
        assert problems == [], path.name
        for width in (500, 1100, 1500):
            browser.set_window_size(width, 900)
            beyond = browser.execute_script("return document.documentElement.scrollWidth - window.innerWidth")
            assert beyond <= 0, f"{path.name}: {beyond} pixels beyond a width of {width}"


def test_the_search_works_without_a_server(site, browser):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get(f"{(site / 'search.html').as_uri()}?q=peephole")
    links = "[...document.querySelectorAll('#search-results li a')]"
    found = f"return {links}.some((link) => link.href.includes('relatives.html'))"
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(found))
