"""What all chapters have in common."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted(path for path in (ROOT / "recipes").glob("*.py") if path.name != "__init__.py")
COMPLETE = {"imdb_sentiment", "image_captioning", "next_character", "star_rating", "stock_prices", "translation"}
ORDER = ["settings", "data", "network", "train", "evaluate", "predict", "export", "verify"]


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_the_sections_of_a_chapter_are_in_the_same_order_everywhere(path):
    sections = re.findall(r"^# -+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    shared = [section for section in sections if section in ORDER]
    assert shared == [section for section in ORDER if section in shared]
    assert shared[0] == "settings"
    assert path.stem not in COMPLETE or shared == ORDER


def test_a_recipe_runs_beside_other_packages_of_the_same_names(tmp_path, quick_interpreter):
    """Such as Hugging Face's datasets, which an installation puts before ours on the path."""
    for name in ("datasets", "layers", "toolkit"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the other package')")
    recipe = str(ROOT / "recipes/stock_prices.py")
    code = f"import sys, runpy; sys.path.insert(0, {str(tmp_path)!r}); runpy.run_path({recipe!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
