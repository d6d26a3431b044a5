"""A newcomer's first hour in a real browser: the lecture runs, its figure steps, the first check turns green."""

import shutil
import tempfile
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
RIGHT = "def nearest_unpool(x, scale):\n    return x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)\n"

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_the_lecture_runs_and_its_figure_steps(open_notebook, keep):
    lecture = open_notebook("lectures/04_upsampling.ipynb")
    lecture.run_all()
    assert lecture.errors() == []
    cell = lecture.cell("microscope")
    figure = cell.locator(".ck-tc")
    figure.wait_for(timeout=30_000)
    told = figure.locator("output")
    assert "Stamp 1 of 4" in told.inner_text()

    figure.get_by_label("next stamp").click()
    assert "Stamp 2 of 4: the input value 2 in row 0, column 1" in told.inner_text()
    figure.focus()
    figure.press("ArrowRight")
    assert "Stamp 3 of 4" in told.inner_text()
    figure.press("ArrowLeft")
    assert "Stamp 2 of 4" in told.inner_text()
    figure.get_by_label("stride").select_option("3")
    assert "added to the 6 × 6 output" in told.inner_text()
    assert "an even pattern" in told.inner_text()
    figure.get_by_label("stride").select_option("2")
    assert "a checkerboard" in told.inner_text()
    keep(figure, "microscope")


def test_stepping_needs_no_kernel(open_notebook):
    lecture = open_notebook("lectures/04_upsampling.ipynb")
    lecture.run_all()
    figure = lecture.cell("microscope").locator(".ck-tc")
    figure.wait_for(timeout=30_000)
    milliseconds = lecture.page.evaluate(
        """async () => {
            await window.jupyterapp.shell.currentWidget.sessionContext.shutdown();
            const root = document.querySelector('.ck-tc'), told = root.querySelector('output');
            const press = (key) => root.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
            const times = [];
            for (let i = 0; i < 40; i++) {
                const before = told.textContent, started = performance.now();
                press(i % 2 ? 'ArrowLeft' : 'ArrowRight');
                if (told.textContent === before) return null;
                times.push(performance.now() - started);
            }
            return times.sort((a, b) => a - b)[20];
        }"""
    )
    assert milliseconds is not None, "the figure did not step"
    print(f"a step takes {milliseconds:.1f} ms")


@pytest.fixture
def handed_out(course):
    """Assignment 1 as it is handed out, in a folder of this test's own."""
    folder = tempfile.mkdtemp(prefix="mine-", dir=course)
    return Path(shutil.copy(ROOT / "assignments/01_unpooling/01_unpooling.ipynb", folder))


@pytest.mark.parametrize(("front", "view"), [("lab", "lab/tree"), ("notebook_7", "notebooks")])
def test_a_first_answer_turns_the_check_green(front, view, open_notebook, handed_out, course, request, keep):
    at = f"{request.getfixturevalue(front)}/{view}"
    assignment = open_notebook(handed_out.relative_to(course), at)
    for cell in ("imports", "nearest-answer", "nearest-check"):
        assignment.run(cell)
    check = assignment.cell("nearest-check")
    check.get_by_text("0 of 2 points").wait_for(timeout=60_000)
    assert check.get_by_text("not written yet").count() >= 1

    assignment.type("nearest-answer", "def nearest_unpool(x, scale):\n    return x.repeat(1, 1, scale, scale)\n")
    for cell in ("nearest-answer", "nearest-check"):
        assignment.run(cell)
    check.get_by_text("whole map repeated").first.wait_for(timeout=30_000)
    keep(check, "check")

    assignment.type("nearest-answer", RIGHT)
    for cell in ("nearest-answer", "nearest-check"):
        assignment.run(cell)
    check.get_by_text("2 of 2 points").wait_for(timeout=30_000)
    assert check.get_by_text("✓ passed").count() == 3
    keep(check, "check-passed")


def test_validate_says_what_is_left(open_notebook, handed_out, course, keep):
    assignment = open_notebook(handed_out.relative_to(course))
    assignment.type("nearest-answer", RIGHT)
    said = assignment.validate()
    keep(said, "validate")
    assert 'check("bed_of_nails", bed_of_nails)' in said.inner_text()
    assert 'check("nearest_unpool", nearest_unpool)' not in said.inner_text()
    assert "return x.repeat_interleave" in handed_out.read_text("utf-8"), "what was typed is saved first"


def test_validate_says_that_all_is_well(open_notebook, handed_out, course):
    notebook = nbformat.read(handed_out, as_version=4)
    solution = nbformat.read(ROOT / "solutions/01_unpooling/01_unpooling.ipynb", as_version=4)
    right = {cell.id: cell.source for cell in solution.cells}
    for cell in notebook.cells:
        if cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = right[cell.id]
    nbformat.write(notebook, handed_out)
    said = open_notebook(handed_out.relative_to(course)).validate()
    assert "Success! Your notebook passes all the tests." in said.inner_text()
