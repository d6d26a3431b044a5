"""The site: every link leads somewhere, nothing comes from another machine, every picture is described."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
LECTURES = sorted((ROOT / "lectures").glob("*.ipynb"))
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """What a page links to, what it loads, its anchors, and its pictures without a description."""

    def __init__(self, file):
        super().__init__()
        self.links, self.loads, self.anchors, self.undescribed = [], [], set(), []
        self.feed(file.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        self.anchors.update(value for name, value in attributes if name in ("id", "name") and value)
        if tag == "a" and of.get("href"):
            self.links.append(of["href"])
        if tag in LOADS and of.get(LOADS[tag]):
            self.loads.append(of[LOADS[tag]])
        if tag == "img" and not (of.get("alt") or "").strip():
            self.undescribed.append(of.get("src"))


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site without slides, which have tests of their own, and what Sphinx complained of."""
    folder = tmp_path_factory.mktemp("site")
    slides = folder / "slides"
    (slides / "assets/mathjax").mkdir(parents=True)
    for name in ["assets/mathjax/tex-svg.js", *(f"{file.stem}.html" for file in LECTURES)]:
        (slides / name).touch()
    command = [sys.executable, "-m", "sphinx", "-q", "-c", "docs", ".", str(folder)]
    ran = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    pages = {file: Page(file) for file in folder.rglob("*.html") if slides not in file.parents}
    return folder, pages, ran.stderr


def test_sphinx_has_nothing_to_complain_of(built):
    assert built[2] == ""


def test_every_lecture_assignment_guide_and_room_has_its_page(built):
    folder, pages, _ = built
    sources = [*LECTURES, *(ROOT / "assignments").glob("*/*.ipynb"), *(ROOT / "docs").rglob("*.md")]
    wanted = {folder / file.relative_to(ROOT).with_suffix(".html") for file in sources}
    assert not wanted - set(pages)


def test_every_link_within_the_site_leads_to_a_place(built):
    folder, pages, _ = built
    broken = set()
    for file, page in pages.items():
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            found = target.is_file() and folder.resolve() in target.resolve().parents
            if found and parts.fragment and target in pages:
                found = unquote(parts.fragment) in pages[target].anchors
            if not found:
                broken.add((str(file.relative_to(folder)), link))
    assert not broken


def test_nothing_is_loaded_from_another_machine(built):
    loaded = {address for page in built[1].values() for address in page.loads}
    assert any("tex-svg.js" in address for address in loaded)
    assert not {address for address in loaded if urlsplit(address).netloc}
    styles = [file.read_text("utf-8") for file in built[0].rglob("*.css")]
    assert styles
    assert not any("url(http" in style or "url(//" in style or "@import" in style for style in styles)


def test_every_picture_is_described(built):
    assert not {(file.name, source) for file, page in built[1].items() for source in page.undescribed}
