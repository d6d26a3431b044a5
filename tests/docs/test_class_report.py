"""The class report that the site shows is the one that the demonstration's class gets today."""

import io
import re
from contextlib import chdir
from pathlib import Path

import pytest
from rich.console import Console

from coursekit.grading.demo import ASSIGNMENT, run_demo
from coursekit.grading.report import make_report

ROOT = Path(__file__).parents[2]


def without_times(page):
    return re.sub(r"<h2>Slowest</h2>.*?</table>", "", page, flags=re.DOTALL)


@pytest.mark.slow
def test_the_report_shown_is_that_of_the_demonstration(tmp_path):
    with chdir(ROOT):
        run_demo(tmp_path / "demo", Console(file=io.StringIO()))
    page = make_report(ASSIGNMENT, tmp_path / "demo").to_html()
    assert "<h2>Slowest</h2>" in page
    shown = (ROOT / "docs/_static/class-report.html").read_text("utf-8")
    renew = "`make demo`, then in grading/demo `coursekit report 01_unpooling`, and copy the page to docs/_static"
    assert without_times(shown) == without_times(page), renew
