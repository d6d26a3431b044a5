"""The site and the slides, opened from the disk: nothing comes from elsewhere; maths and pictures are there."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coursekit.notebooks import slides

ROOT = Path(__file__).parents[2]
LECTURES = sorted((ROOT / "lectures").glob("*.ipynb"))

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """What `make site` makes, in a folder of its own."""
    if shutil.which("npm") is None:
        pytest.skip("no npm, which fetches MathJax and reveal.js (Debian: apt install npm)")
    folder = tmp_path_factory.mktemp("site")
    fetched = folder / "slides/assets/.fetched"
    ran = subprocess.run(
        ["make", f"SLIDES={folder / 'slides'}", fetched], cwd=ROOT, check=False, capture_output=True, text=True
    )
    if ran.returncode:
        pytest.skip(f"MathJax and reveal.js could not be fetched: {ran.stderr.strip()[-200:]}")
    for file in LECTURES:
        slides(file, folder / "slides")
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-c", "docs", ".", folder], cwd=ROOT, check=True)
    return folder


@pytest.fixture
def open_file(browser):
    """Open a page from the disk, wait for its maths, and say what it asked for and what it could not show."""
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.route("http*://**", lambda route: route.abort())

    def open_it(file):
        asked.clear()
        page.goto(file.as_uri())
        page.evaluate("() => window.MathJax?.startup?.promise")
        outside = {url for url in asked if not url.startswith(("file:", "data:", "blob:"))}
        unseen = page.evaluate(
            """async () => {
                const pictures = [...document.images];
                pictures.forEach(picture => { picture.loading = 'eager'; });
                await Promise.allSettled(pictures.map(picture => picture.decode()));
                return pictures.filter(picture => !picture.naturalWidth).map(picture => picture.src.slice(0, 200));
            }"""
        )
        return page, outside, unseen

    yield open_it
    page.close()


def test_no_page_asks_for_anything_from_elsewhere(site, open_file):
    leads_on = site / "index.html"  # to docs/index.html, at once
    pages = sorted(file for file in site.rglob("*.html") if "_static" not in file.parts and file != leads_on)
    assert len(pages) > 40
    for file in pages:
        _, outside, unseen = open_file(file)
        assert not outside, file
        assert not unseen, file


@pytest.mark.parametrize("place", ["lectures", "slides"])
def test_maths_is_drawn(place, site, open_file):
    page, _, _ = open_file(site / place / "04_upsampling.html")
    formulas = page.locator("mjx-container svg")
    assert formulas.count() > 5
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0


def test_the_class_report_stands_in_its_page(site, open_file):
    page, _, _ = open_file(site / "docs/report.html")
    report = page.frame_locator("iframe.page")
    assert report.get_by_text("5 submissions marked").count() == 1
    assert report.get_by_text("whole map repeated").count() >= 1
