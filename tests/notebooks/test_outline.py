"""Someone who has only the slides finds every item of them in a lecture."""

import re
import tomllib
from functools import cache
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
ITEMS = tomllib.loads(Path(__file__).with_name("outline.toml").read_text())["item"]


@cache
def text(lecture):
    """What a reader of a lecture sees: its text, its code, what it printed, and what its pictures are said to show."""
    (file,) = (ROOT / "lectures").glob(f"{lecture:02}_*.ipynb")
    parts = []
    for cell in nbformat.read(file, as_version=4).cells:
        parts.append(cell.source)
        for output in cell.get("outputs", []):
            parts.append(output.get("text") or output.get("data", {}).get("text/plain", ""))
    return "\n".join(parts)


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: f"{item['lecture']:02}-{item['slide']}-{item['what']}"[:60])
def test_an_item_of_the_slides_stands_in_its_lecture(item):
    assert re.search(item["says"], text(item["lecture"])), f"lecture {item['lecture']:02} does not show: {item['what']}"


def test_every_lecture_has_items():
    assert {item["lecture"] for item in ITEMS} == set(range(1, 13))
