"""The floors of the house: who may import whom."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAY_IMPORT = {
    "layers": {"layers"},
    "datasets": {"datasets"},
    "toolkit": {"toolkit", "layers", "datasets"},
    "recipes": {"toolkit", "layers", "datasets"},  # and no other recipe
    "benchmarks": {"benchmarks", "recipes", "toolkit", "layers", "datasets"},
    "app": {"app", "recipes", "toolkit", "layers", "datasets"},
}
FILES = [path for room in MAY_IMPORT for path in sorted((ROOT / room).rglob("*.py"))]


def imports(source, when_loaded=False):
    """The project's modules that a source imports, dotted; perhaps only those that it imports when it is loaded."""
    tree = ast.parse(source)
    for node in tree.body if when_loaded else ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.split(".")[0] in MAY_IMPORT)


def forbidden(room, source):
    return [name for name in imports(source) if name.split(".")[0] not in MAY_IMPORT[room]]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_from_floors_below(path):
    room = path.relative_to(ROOT).parts[0]
    assert forbidden(room, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "room, planted",
    [
        ("recipes", "from recipes import translation"),
        ("recipes", "import recipes.gates"),
        ("toolkit", "from recipes.gates import run"),
        ("layers", "from toolkit import runs"),
        ("datasets", "from layers import RNN"),
        ("app", "from benchmarks import publish"),
        ("toolkit", "def f():\n    from benchmarks import publish"),
    ],
)
def test_a_planted_import_is_found(room, planted):
    assert len(forbidden(room, planted)) == 1


def test_there_are_at_most_five_floors():
    """A file stands one floor above the highest file that it imports; a package's __init__ is its files' front door."""
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in FILES}
    below = {}
    for name, path in modules.items():
        found = imports(path.read_text(encoding="utf-8"), when_loaded=True)
        files = {m for i in found for m in (i, i.rpartition(".")[0]) if m in modules}
        below[name] = files - {name}

    def floor(name):
        return 1 + max(map(floor, below[name]), default=0)

    floors = {name: floor(name) for name in modules if not name.endswith("__init__")}
    assert max(floors.values()) <= 5, sorted(floors.items(), key=lambda item: -item[1])[:5]


def test_recipes_holds_chapters_and_nothing_else():
    chapters = [path for path in (ROOT / "recipes").glob("*.py") if path.name != "__init__.py"]
    assert len(chapters) == 14
    for path in chapters:
        assert "cli.main(app)" in path.read_text(encoding="utf-8")
