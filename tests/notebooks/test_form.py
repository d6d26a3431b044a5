"""The form of the notebooks: size, order, alternative texts, no noise, and assignments in step with their solutions."""

import inspect
import re
from pathlib import Path

import nbformat
import pytest

from coursekit import exercises, figures
from coursekit.notebooks import Card, release
from coursekit.notebooks.card import minutes_to_read

ROOT = Path(__file__).parents[2]
LECTURES = sorted((ROOT / "lectures").glob("*.ipynb"))
INTERACTIVE = [
    name
    for name, made in inspect.getmembers(figures, inspect.isclass)
    if issubclass(made, figures.InteractiveFigure) and made is not figures.InteractiveFigure
]
SOLUTIONS = sorted((ROOT / "solutions").glob("*/*.ipynb"))
ASSIGNMENTS = sorted((ROOT / "assignments").glob("*/*.ipynb"))


def read(file):
    return nbformat.read(file, as_version=4)


def name(file):
    return str(file.relative_to(ROOT))


each_notebook = pytest.mark.parametrize("file", [*LECTURES, *SOLUTIONS, *ASSIGNMENTS], ids=name)
each_lecture = pytest.mark.parametrize("file", LECTURES, ids=name)


def test_there_are_notebooks():
    assert LECTURES
    assert [f.stem for f in SOLUTIONS] == [f.stem for f in ASSIGNMENTS]
    assert {f.stem for f in SOLUTIONS} <= set(exercises.ASSIGNMENTS)


@each_notebook
def test_cells_are_short(file):
    lines, words = (15, 80) if file in LECTURES else (18, 90)
    for cell in read(file).cells:
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= lines, cell.id
        elif not cell.metadata.get("nbgrader", {}).get("grade"):  # a rubric may be longer
            assert len(prose(cell).split()) <= words, cell.id


def prose(cell):
    """A text cell's words, without the addresses of its links."""
    return re.sub(r"\]\([^)]*\)", "]", cell.source)


@each_notebook
def test_files_are_quiet(file):
    notebook = read(file)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not {o.get("name") for o in cell.outputs} & {"stderr"}
            assert "error" not in {o.output_type for o in cell.outputs}
    assert file.stat().st_size < 1.5e6
    assert str(ROOT) not in file.read_text()


@pytest.mark.parametrize("file", [*SOLUTIONS, *ASSIGNMENTS], ids=name)
def test_solutions_and_assignments_carry_no_outputs(file):
    assert not any(cell.get("outputs") for cell in read(file).cells)


@each_lecture
def test_lectures_are_executed_and_every_picture_is_described(file):
    code = [cell for cell in read(file).cells if cell.cell_type == "code"]
    outputs = [output for cell in code for output in cell.outputs]
    pictures = [o for o in outputs if "image/png" in o.get("data", {})]
    assert pictures
    assert [c.execution_count for c in code] == list(range(1, len(code) + 1)), "not run from top to bottom"
    for output in pictures:
        assert len(output.metadata["image/png"]["alt"]) > 40


@each_lecture
def test_lectures_have_their_parts(file):
    notebook = read(file)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert 30 <= len(notebook.cells) <= 50
    for part in ("you can", "**Predict", "## Common mistakes", "## Take-away"):
        assert part in text
    checked = [cell for cell in notebook.cells if "nbval-check-output" in cell.metadata.get("tags", [])]
    assert len(checked) >= 5
    assert all(cell.outputs for cell in checked)


@each_lecture
def test_a_lecture_has_an_interactive_figure_and_its_picture(file):
    cells = [cell for cell in read(file).cells if re.search(rf"figures\.({'|'.join(INTERACTIVE)})\(", cell.source)]
    assert cells
    assert any("image/png" in output.get("data", {}) for cell in cells for output in cell.outputs)


@each_lecture
def test_a_lecture_can_be_presented(file):
    for cell in read(file).cells:
        slide = cell.metadata.get("slideshow", {}).get("slide_type")
        if cell.cell_type == "markdown" and cell.source.startswith(("# ", "## ")):
            assert slide in {"slide", "subslide"}, cell.id
        if cell.source.startswith(("import ", "from ")):
            assert slide == "skip", cell.id


@each_lecture
def test_the_quiz_has_three_questions_and_folded_answers(file):
    cells = {cell.id: cell.source for cell in read(file).cells}
    assert cells["quiz"].startswith("## Quiz")
    for part in ("quiz", "quiz-answers"):
        assert re.findall(r"^(\d)\. ", cells[part], re.MULTILINE) == ["1", "2", "3"]
    assert cells["quiz-answers"].startswith("<details><summary>")
    assert cells["quiz-answers"].endswith("</details>")
    assert cells["references"].startswith("## References")
    assert len(re.findall(r"\]\(https://", cells["references"])) >= 3


@each_lecture
def test_the_card_says_how_long_a_lecture_reads(file):
    notebook = read(file)
    card = Card.on(notebook)
    assert card, "no cell with the id `card`: add one with any text and run `coursekit notebooks run`"
    assert notebook.cells[1].id == "card"
    assert not card.is_off(Card(minutes_to_read(notebook), card.seconds, card.gigabytes))
    assert card.seconds <= 90


@pytest.mark.parametrize("file", SOLUTIONS, ids=name)
def test_points_are_those_of_the_checks(file):
    assignment = exercises.load(file.stem)
    graded = {}
    for cell in read(file).cells:
        call = re.fullmatch(r'check\("(\w+)", (\w+)\)', cell.source)
        if call:
            assert call[1] == call[2]
            assert cell.metadata.nbgrader.locked
            graded[call[1]] = cell.metadata.nbgrader.points
    assert graded == {exercise.name: exercise.points for exercise in assignment.exercises.values()}


@pytest.mark.parametrize("file", ASSIGNMENTS, ids=name)
def test_a_released_notebook_gives_nothing_away(file):
    text = file.read_text()
    for marker in ("BEGIN SOLUTION", "END SOLUTION", "HIDDEN TESTS", "MARK SCHEME", "1 point:"):
        assert marker not in text
    for cell in read(file).cells:
        kind = cell.metadata.get("nbgrader", {})
        if kind.get("solution") and cell.cell_type == "code":
            assert "raise NotImplementedError()" in cell.source
        if kind.get("solution") and cell.cell_type == "markdown":
            assert cell.source == "YOUR ANSWER HERE"


@pytest.mark.slow
def test_assignments_are_in_step_with_their_solutions(tmp_path):
    made = list(release(ROOT, tmp_path))
    assert [file.name for file in made] == [file.name for file in ASSIGNMENTS]
    for new, committed in zip(made, ASSIGNMENTS):
        assert new.read_text() == committed.read_text(), "run `coursekit notebooks release`"
