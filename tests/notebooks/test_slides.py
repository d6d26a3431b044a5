"""Slides load nothing from another machine."""

import re
from html import unescape
from pathlib import Path

import nbformat
import pytest

from coursekit.notebooks import slides
from coursekit.notebooks.slides import ASSETS

ROOT = Path(__file__).parents[2]
LECTURES = sorted((ROOT / "lectures").glob("*.ipynb"))
ELEMENTS = re.compile(r"""<(?:script|img|link|iframe|source)\b[^>]*?\b(?:src|href)=["']([^"']+)""")
IMPORTS = re.compile(r"""@import\s|\burl\(\s*["']?(?:https?:)?//|\bimport\s+\w+\s+from""")


@pytest.fixture
def folder(tmp_path):
    for name in ASSETS:
        (tmp_path / "assets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "assets" / name).touch()
    return tmp_path


@pytest.mark.parametrize("file", LECTURES, ids=lambda file: file.stem)
def test_slides_load_only_what_lies_beside_them(file, folder):
    page = slides(file, folder).read_text()
    beside = {address for address in ELEMENTS.findall(page) if not address.startswith("data:")}
    assert beside == {f"assets/{name}" for name in ASSETS}
    assert not IMPORTS.search(page)


@pytest.mark.parametrize("file", LECTURES, ids=lambda file: file.stem)
def test_every_picture_of_a_lecture_is_on_its_slides_with_its_description(file, folder):
    page = slides(file, folder).read_text()
    cells = [cell for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "code"]
    said = [
        output.metadata["image/png"]["alt"]
        for cell in cells
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    shown = [unescape(alt) for alt in re.findall(r'<img[^>]*?\balt="([^"]*)"', page)]
    assert sorted(shown) == sorted(said)


def test_without_its_assets_there_are_no_slides(tmp_path):
    with pytest.raises(FileNotFoundError, match="make slides"):
        slides(LECTURES[0], tmp_path)
    assert list(tmp_path.iterdir()) == []
