"""A class in the browser: login page, assignment list and formgrader, from release to feedback."""

import pytest

pytestmark = [pytest.mark.classroom, pytest.mark.slow]

ASSIGNMENT = "02_transposed_convolution"
PATIENCE = 180_000  # milliseconds; what is waited for is done by the machine, however busy


@pytest.fixture
def log_in(classroom, browser):
    """Log in by the hub's page; gives JupyterLab, in a browser of one's own."""
    contexts = []

    def log_in_as(person):
        contexts.append(browser.new_context(viewport={"width": 1400, "height": 900}))
        page = contexts[-1].new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(classroom.url)
        page.get_by_label("Username").fill(person.name)
        page.get_by_label("Password").fill(person.password)
        page.get_by_role("button", name="Sign in").click()
        page.locator(".jp-DirListing").first.wait_for()
        return page

    yield log_in_as
    for context in contexts:
        context.close()


def choose(page, item):
    """An item of JupyterLab's menu Nbgrader."""
    page.locator(".lm-MenuBar-item", has_text="Nbgrader").click()
    page.get_by_role("menuitem", name=item, exact=True).click()


def listed(page, part, button):
    """A button of the assignment, in a part of the assignment list."""
    rows = page.locator(f"#{part}_assignments_list .list_item", has_text=ASSIGNMENT)
    return rows.get_by_role("button", name=button, exact=True).first


def compute(page, expression):
    """What a cell of a new notebook shows."""
    page.locator(".jp-LauncherCard", has_text="Python 3").first.click()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # before, the cell would be dropped
    page.locator(".jp-Notebook .cm-content").first.click()
    page.keyboard.type(expression)
    page.keyboard.press("Shift+Enter")
    return page.locator(".jp-OutputArea-output").first.inner_text()


def press(page, button, told):
    """A button of formgrader's tables, until its dialog says this."""
    button.click()
    dialog = page.locator(".modal-dialog:visible")
    dialog.wait_for()
    assert told in dialog.inner_text()
    dialog.get_by_role("button", name="OK").click()
    page.locator(".modal-backdrop").wait_for(state="detached")


def test_a_cell_is_run_in_a_warm_kernel(classroom, log_in):
    page = log_in(classroom.ben)
    assert compute(page, "import os; 'COURSEKIT_IMPORTED' in os.environ").strip() == "True"


def test_from_release_to_feedback(classroom, graded, log_in, keep):
    ada = log_in(classroom.ada)
    teacher = log_in(classroom.teacher)
    choose(teacher, "Formgrader")
    formgrader = teacher.frame_locator("iframe").first
    row = formgrader.locator("#main-table tr", has_text=ASSIGNMENT)
    press(formgrader, row.locator("td.assign a"), "Successfully created the student version")
    press(formgrader, row.locator("td.release a"), "Successfully released")

    choose(ada, "Assignment List")
    listed(ada, "released", "Fetch").click()
    listed(ada, "fetched", "Submit").wait_for()
    classroom.ada.answer(ASSIGNMENT, classroom.right_answers(ASSIGNMENT))
    press_validate = listed(ada, "fetched", "Validate")
    ada.locator("#fetched_assignments_list").get_by_text(ASSIGNMENT).first.click()
    press_validate.click()
    ada.get_by_text("Success! Your notebook passes all the tests.").wait_for()
    ada.keyboard.press("Escape")
    keep(ada, "hub-assignment-list")
    listed(ada, "fetched", "Submit").click()
    ada.locator("#submitted_assignments_list").get_by_text(ASSIGNMENT).wait_for()

    press(formgrader, row.locator("td.collect a"), "Successfully collected")
    keep(teacher, "hub-formgrader")
    row.locator("td.num-submissions a").click()
    student = formgrader.locator("#main-table tr", has_text=classroom.ada.name)
    press(formgrader, student.locator("td.autograde a"), "Successfully autograded")
    press(formgrader, student.locator("td.generate-feedback a"), "Successfully generated feedback")
    formgrader.get_by_role("link", name="Manage Assignments").click()
    press(formgrader, row.locator("td.release-feedback a"), "Successfully released feedback")

    ada.locator("#refresh_assignments_list").click()
    listed(ada, "submitted", "Fetch Feedback").click()
    ada.locator(f"#nbgrader-segmentation-{ASSIGNMENT}-submissions").get_by_text("(view feedback)").wait_for()
    (page,) = (classroom.ada.home / ASSIGNMENT / "feedback").glob(f"*/{ASSIGNMENT}.html")
    points = sum(classroom.automatic_points(ASSIGNMENT).values())
    assert f"(Score: {points:.1f} /" in page.read_text()
