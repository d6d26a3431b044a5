"""The glossary: every term in two languages, with an anchor, and the lectures' links lead to one."""

import re
from pathlib import Path

import nbformat
import pytest

from coursekit.notebooks import slides
from coursekit.notebooks.slides import ASSETS

ROOT = Path(__file__).parents[2]
LECTURES = sorted((ROOT / "lectures").glob("*.ipynb"))
ROW = re.compile(r"^\| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
TERMS = {
    anchor[1]: (row[0].removeprefix(anchor[0]), row[1])
    for row in ROW.findall((ROOT / "docs/glossary.md").read_text("utf-8"))
    if (anchor := re.match(r'<a id="([a-z0-9-]+)"></a>', row[0]))
}


def links(file):
    """Anchor and words of every link to the glossary, in order."""
    cells = [cell.source for cell in nbformat.read(file, as_version=4).cells if cell.cell_type == "markdown"]
    return re.findall(r"\[([^\]]+)\]\(\.\./docs/glossary\.md#([^)]+)\)", "\n".join(cells))


def test_every_row_has_an_anchor_of_its_own_and_both_languages():
    text = (ROOT / "docs/glossary.md").read_text("utf-8")
    rows = [row for row in ROW.findall(text) if row[0] not in {"English", "---"}]
    assert len(TERMS) == len(rows) > 50
    assert all(re.search("[a-z]", english) for english, _ in TERMS.values())
    assert all(re.search("[а-яё]", russian) for _, russian in TERMS.values() if russian != "RoI-пулинг, RoIAlign")


@pytest.mark.parametrize("file", LECTURES, ids=lambda file: file.stem)
def test_a_lecture_links_its_terms_once_each(file):
    anchors = [anchor for _, anchor in links(file)]
    assert len(anchors) >= 5
    assert not set(anchors) - set(TERMS)
    assert len(set(anchors)) == len(anchors)


@pytest.mark.parametrize("file", LECTURES, ids=lambda file: file.stem)
def test_a_link_is_about_the_term_that_it_names(file):
    for words, anchor in links(file):
        stem = re.sub(r"\W", "", words).lower()[:3]
        assert stem in re.sub(r"\W", "", "".join(TERMS[anchor])).lower(), (words, anchor)


def test_slides_lead_to_the_page_of_the_site(tmp_path):
    for name in ASSETS:
        (tmp_path / "assets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "assets" / name).touch()
    page = slides(LECTURES[0], tmp_path).read_text("utf-8")
    assert 'href="../docs/glossary.html#void"' in page
    assert "glossary.md" not in page
