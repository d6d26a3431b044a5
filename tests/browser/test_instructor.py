"""An instructor's first class in formgrader: generate, autograde in the box, mark the written question, feedback."""

import nbformat
import pytest

from coursekit.grading.demo import REPEATS_THE_MAP
from coursekit.new_course import new_course

ASSIGNMENT = "01_unpooling"
COMMENT = "Memory is right. What is lost when only indices travel?"

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def own_course(tmp_path):
    return new_course(tmp_path / "segmentation")


@pytest.fixture
def formgrader(browser, serve, own_course):
    """Formgrader of that course, in a page that reaches no other machine."""
    url = serve(own_course)
    page = browser.new_page(viewport={"width": 1200, "height": 700})
    page.route("**/*", lambda route: route.continue_() if route.request.url.startswith(url) else route.abort())
    page.goto(f"{url}/formgrader?token=test")
    yield page
    page.close()


def hand_in(course, student, **answers):
    """The released notebook with the solution's answers, but for these."""
    place = f"{ASSIGNMENT}/{ASSIGNMENT}.ipynb"
    notebook = nbformat.read(course / "assignments" / place, as_version=4)
    solution = nbformat.read(course / "solutions" / place, as_version=4)
    right = {cell.id: cell.source for cell in solution.cells}
    for cell in notebook.cells:
        kind = cell.metadata.get("nbgrader", {})
        if kind.get("solution"):
            cell.source = answers.get(kind["grade_id"].removesuffix("-answer"), right[cell.id])
    folder = course / "grading/submitted" / student / ASSIGNMENT
    folder.mkdir(parents=True)
    nbformat.write(notebook, folder / f"{ASSIGNMENT}.ipynb")


def press(page, button, told):
    """A button of formgrader's tables, until its dialog says this."""
    button.click()
    dialog = page.locator(".modal-dialog:visible")
    dialog.wait_for(timeout=180_000)
    assert told in dialog.inner_text()
    dialog.get_by_role("button", name="OK").click()
    page.locator(".modal-backdrop").wait_for(state="detached")


def row(page, name):
    return page.locator("#main-table tr", has_text=name)


def test_a_class_is_released_graded_and_gets_its_feedback(formgrader, own_course, keep):
    page = formgrader
    press(page, row(page, ASSIGNMENT).locator("td.assign a"), "Successfully created the student version")
    assert row(page, ASSIGNMENT).locator("td.preview a").count() == 1

    hand_in(own_course, "ada", question="Indices: one number for each window. Feature maps: four.")
    escaped = own_course / "escaped"
    leaves_a_file = f"""{REPEATS_THE_MAP}
try:
    open({str(escaped)!r}, "w").close()
except OSError:
    pass
"""
    hand_in(own_course, "ben", nearest=leaves_a_file, question="Both keep everything.")
    page.reload()
    row(page, ASSIGNMENT).locator("td.num-submissions a", has_text="2").wait_for()
    keep(page.locator("table"), "formgrader")
    page.locator("td.num-submissions a").first.click()

    for student, score in [("ada", "22 / 26"), ("ben", "20 / 26")]:
        press(page, row(page, student).locator("td.autograde a"), f"Successfully autograded '{ASSIGNMENT}'")
        row(page, student).get_by_text("needs manual grading").wait_for()
        assert row(page, student).locator("td.score").inner_text() == score
    assert not escaped.exists(), "the answers were not shut in"
    keep(page.locator("table"), "submissions")

    page.get_by_role("link", name="Manual Grading").click()
    for where in (f"**/gradebook/{ASSIGNMENT}", f"**/gradebook/{ASSIGNMENT}/{ASSIGNMENT}"):
        page.locator("#main-table").get_by_role("link", name=ASSIGNMENT).click()
        page.wait_for_url(where)
    page.get_by_role("link", name="Submission #1").wait_for()
    page.get_by_role("button", name="Show All Names").click()
    page.get_by_role("link", name="ada", exact=True).click()
    page.locator("#question-comment[placeholder]").wait_for()  # until the gradebook has answered, nothing is saved
    with page.expect_response("**/api/grade/*"):
        page.locator("input#question").fill("3")
        page.keyboard.press("Tab")
    with page.expect_response("**/api/comment/*"):
        page.locator("#question-comment").fill(COMMENT)
        page.keyboard.press("Tab")
    keep(page.locator(".nbgrader_cell", has=page.locator("input#question")), "manual-grading")

    page.goto(page.url.split("/formgrader/")[0] + f"/formgrader/manage_submissions/{ASSIGNMENT}")
    row(page, "ada").get_by_text("graded", exact=True).wait_for()
    assert row(page, "ada").locator("td.score").inner_text() == "25 / 26"
    press(page, row(page, "ada").locator("td.generate-feedback a"), "Successfully generated feedback")

    feedback = own_course / "grading/feedback/ada" / ASSIGNMENT / f"{ASSIGNMENT}.html"
    page.unroute_all()
    page.route("http*://**", lambda route: route.abort())
    page.goto(feedback.as_uri())
    answer = page.locator(".nbgrader_cell", has_text=COMMENT)
    assert "Score: 3.0 / 4.0" in answer.inner_text()
    assert page.get_by_text(f"{ASSIGNMENT} (Score: 25.0 / 26.0)").count() == 1
    keep(answer, "feedback")
