"""A newcomer's first hour in a real browser: the lecture runs, its figure steps, the first check turns green."""

import pytest

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


def test_a_first_answer_turns_the_check_green(open_notebook, keep):
    assignment = open_notebook("assignments/01_unpooling/01_unpooling.ipynb")
    page = assignment.page
    run = "() => window.jupyterapp.commands.execute('notebook:run-cell')"
    for cell in ("imports", "nearest-answer", "nearest-check"):
        assignment.cell(cell)
        page.evaluate(run)
    check = assignment.cell("nearest-check")
    check.get_by_text("0 of 2 points").wait_for(timeout=60_000)
    assert check.get_by_text("not written yet").count() >= 1

    assignment.write("nearest-answer", "def nearest_unpool(x, scale):\n    return x.repeat(1, 1, scale, scale)\n")
    for cell in ("nearest-answer", "nearest-check"):
        assignment.cell(cell)
        page.evaluate(run)
    check.get_by_text("whole map repeated").first.wait_for(timeout=30_000)
    keep(check, "check")

    right = "    return x.repeat_interleave(scale, 2).repeat_interleave(scale, 3)\n"
    assignment.write("nearest-answer", f"def nearest_unpool(x, scale):\n{right}")
    for cell in ("nearest-answer", "nearest-check"):
        assignment.cell(cell)
        page.evaluate(run)
    check.get_by_text("2 of 2 points").wait_for(timeout=30_000)
    assert check.get_by_text("✓ passed").count() == 3
