"""The submission doctor, with nbgrader as its oracle: what is said to cost points does, and does not once mended."""

import copy
import json
import logging
import os
import shutil
import subprocess
import sys
from contextlib import chdir
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from traitlets.config import Config

from coursekit.grading import doctor as clinic
from coursekit.grading.doctor import COSTS, LOOK, doctor, examine, mend
from coursekit.grading.source import habits, names

ROOT = Path(__file__).parents[2]
STUB = "def double(x):\n    # YOUR CODE HERE\n    raise NotImplementedError()"
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def marked(cell, grade=False, solution=False, points=None):
    mark = {"grade_id": cell.id, "grade": grade, "solution": solution, "locked": not solution, "task": False}
    cell.metadata.nbgrader = {**mark, "schema_version": 3} | ({"points": points} if points else {})
    return cell


def solution():
    answer = "def {0}(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"
    cells = [new_code_cell("import math\n\ndef check(name, f):\n    return 2.0 * (f(3) == 6)", id="imports")]
    for name in ("double", "twice"):
        cells.append(marked(new_code_cell(answer.format(name), id=f"{name}-answer"), solution=True))
        cells.append(marked(new_code_cell(f'check("{name}", {name})', id=f"{name}-check"), grade=True, points=2))
    cells.append(marked(new_markdown_cell("because", id="why"), grade=True, solution=True, points=4))
    return new_notebook(cells=cells, metadata={"kernelspec": KERNEL})


class Course:
    """A tiny course that nbgrader releases and grades."""

    def __init__(self, root):
        from nbgrader.apps.api import NbGraderAPI
        from nbgrader.coursedir import CourseDirectory

        self.root, config = root, Config()
        (root / "source" / "01_twos").mkdir(parents=True)
        nbformat.write(solution(), root / "source" / "01_twos" / "01_twos.ipynb")
        directories = {"release_directory": "assignments", "submitted_directory": "in", "autograded_directory": "out"}
        for key, value in {**directories, "root": str(root), "db_url": f"sqlite:///{root}/gradebook.db"}.items():
            config.CourseDirectory[key] = value
        config.Execute.extra_arguments = ["--HistoryManager.hist_file=:memory:", "--log-level=ERROR"]
        self.api = NbGraderAPI(CourseDirectory(config=config), config=config)
        self.api.log_level = logging.CRITICAL
        with chdir(root):
            assert self.api.generate_assignment("01_twos")["success"]
        self.released = root / "assignments" / "01_twos" / "01_twos.ipynb"

    def grade(self, student, file):
        """Points by grade id as nbgrader gives them; None when it refuses."""
        target = self.root / "in" / student / "01_twos"
        target.mkdir(parents=True)
        shutil.copy(file, target / "01_twos.ipynb")
        with chdir(self.root):
            if not self.api.autograde("01_twos", student)["success"]:
                return None
        with self.api.gradebook as gradebook:
            grades = gradebook.find_submission_notebook("01_twos", "01_twos", student).grades
            return {grade.name: grade.auto_score or 0.0 for grade in grades if grade.name != "why"}


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:  # nbgrader finds `alembic` through PATH
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield Course(tmp_path_factory.mktemp("course"))


@pytest.fixture
def submit(course, tmp_path):
    """Write a right submission with something done to it."""

    def write(change=lambda cells, notebook: None):
        notebook = nbformat.read(course.released, as_version=4)
        cells = {cell.id: cell for cell in notebook.cells}
        for name in ("double", "twice"):
            cells[f"{name}-answer"].source = f"def {name}(x):\n    return 2 * x"
        cells["why"].source = "Because."
        change(cells, notebook)
        file = tmp_path / "01_twos.ipynb"
        file.write_text(json.dumps(notebook))
        return file

    return write


def position(notebook, cell):
    return next(i for i, other in enumerate(notebook.cells) if other is cell)


def insert(notebook, before, cell):
    notebook.cells.insert(position(notebook, before), cell)


def copy_of(cell, source=None):
    other = copy.deepcopy(cell)
    return nbformat.from_dict({**other, "id": "another", "source": source or cell.source})


# Damages: what they are called → (what is done, what the doctor says of it, its severity, whether mending heals it).
DAMAGES = {
    "check missing": (lambda c, n: n.cells.remove(c["double-check"]), "missing, and its 2 points", COSTS, True),
    "check copied": (
        lambda c, n: insert(n, c["double-check"], copy_of(c["double-check"])),
        "is there 2 times",
        COSTS,
        True,
    ),
    "check's id renamed": (
        lambda c, n: c["double-check"].metadata.nbgrader.update(grade_id="mine"),
        "has lost nbgrader's mark “double-check”",
        COSTS,
        True,
    ),
    "check's mark lost": (
        lambda c, n: c["double-check"].metadata.pop("nbgrader"),
        "has lost nbgrader's mark “double-check”",
        COSTS,
        True,
    ),
    "check's mark halved": (
        lambda c, n: c["double-check"].metadata.update(nbgrader={"grade_id": "double-check"}),
        "refuses the whole notebook",
        COSTS,
        True,
    ),
    "check's points raised": (
        lambda c, n: c["double-check"].metadata.nbgrader.update(points=99),
        "nbgrader sets it right",
        LOOK,
        True,
    ),
    "check changed": (
        lambda c, n: c["double-check"].update(source="2.0"),
        "nbgrader puts the old text back",
        LOOK,
        False,
    ),
    "answer split": (
        lambda c, n: insert(n, c["double-answer"], copy_of(c["double-answer"], "factor = 2")),
        "is there 2 times (also cell 2), split or copied",
        COSTS,
        True,
    ),
    "answer's id renamed": (
        lambda c, n: c["double-answer"].metadata.nbgrader.update(grade_id="mine"),
        "does not know: nbgrader refuses the whole notebook",
        COSTS,
        True,
    ),
    "answer's mark lost": (
        lambda c, n: c["double-answer"].metadata.pop("nbgrader"),
        "has lost nbgrader's mark “double-answer”",
        LOOK,
        True,
    ),
    "answer deleted": (
        lambda c, n: n.cells.remove(c["double-answer"]),
        "double is defined nowhere",
        COSTS,
        False,
    ),
    "answer in another cell": (
        lambda c, n: c.update(x=insert(n, c["double-check"], new_code_cell("def double(x): return x + x", id="mine"))),
        "this one is judged",
        LOOK,
        False,
    ),
    "answer below its check": (
        lambda c, n: n.cells.append(n.cells.pop(position(n, c["double-answer"]))),
        "double is defined only in cell 6, below its check",
        COSTS,
        False,
    ),
    "answer not written": (
        lambda c, n: c["double-answer"].update(source=STUB),
        "is as it was handed out: write double here",
        COSTS,
        False,
    ),
    "answer replaced by the stub below": (
        lambda c, n: (
            insert(n, c["double-answer"], new_code_cell("def double(x): return 2 * x", id="mine")),
            c["double-answer"].update(source=STUB),
        ),
        "it replaces double of cell 2",
        COSTS,
        False,
    ),
    "syntax error": (
        lambda c, n: c["double-answer"].update(source="def double(x):\n    return 2 *"),
        "is not Python, line 2",
        COSTS,
        False,
    ),
    "missing import": (
        lambda c, n: c["double-answer"].update(source="def double(x):\n    return np.multiply(2, x)"),
        "uses np, which no cell defines: is it misspelt",
        COSTS,
        False,
    ),
    "imports deleted": (
        lambda c, n: n.cells.remove(c["imports"]),
        "uses check, which no cell defines: put it back; the released notebook has it in “import math”",
        COSTS,
        False,
    ),
    "helper below": (
        lambda c, n: (
            c["double-answer"].update(source="def double(x):\n    return factor * x"),
            n.cells.append(new_code_cell("factor = 2", id="mine")),
        ),
        "uses factor, which is defined only below, in cell 7",
        COSTS,
        False,
    ),
    "asks for input": (
        lambda c, n: c["double-answer"].update(source="def double(x):\n    return int(input()) * x"),
        "asks for input()",
        COSTS,
        False,
    ),
    "cell of another assignment": (
        lambda c, n: n.cells.append(marked(new_code_cell("1", id="other"), solution=True)),
        "this assignment does not know: nbgrader refuses the whole notebook",
        COSTS,
        True,
    ),
    "two cells of one id": (lambda c, n: c["imports"].update(id="double-check"), "no id, or another's", LOOK, True),
    "another kernel": (lambda c, n: n.metadata.kernelspec.update(name="my-gpu"), "has the kernel my-gpu", LOOK, True),
    "no ids yet": (
        lambda c, n: (n.update(nbformat_minor=2), [cell.pop("id") for cell in n.cells]),
        "no id, or another's",
        LOOK,
        True,
    ),
}  # fmt: skip
each_damage = pytest.mark.parametrize("damage", DAMAGES)


def lines(diagnosis, severity):
    return [str(finding) for finding in diagnosis.findings if finding.severity == severity]


def code_of(file, released):
    """The student's own text: every cell that is not one of the released."""
    given = {cell.source for cell in nbformat.read(released, as_version=4).cells}
    texts = ["".join(cell["source"]) for cell in json.loads(file.read_text())["cells"]]
    return [text for text in texts if text not in given]


@each_damage
def test_each_damage_is_told(submit, course, damage):
    change, told, severity, _ = DAMAGES[damage]
    diagnosis = examine(submit(change), course.released, run=False)
    assert any(told in line for line in lines(diagnosis, severity)), str(diagnosis)
    assert diagnosis.healthy == (severity == LOOK)


@each_damage
def test_mending_heals_what_it_may_and_keeps_the_students_text(submit, course, damage):
    change, told, _, heals = DAMAGES[damage]
    file = submit(change)
    before = file.read_bytes(), code_of(file, course.released)
    deeds = mend(file, course.released)
    diagnosis = examine(file, course.released, run=False)
    assert code_of(file, course.released) == before[1]
    assert any(told in str(finding) for finding in diagnosis.findings) != heals
    assert not any(finding.mendable for finding in diagnosis.findings)
    kept = file.with_suffix(".before.ipynb")
    assert kept.exists() == bool(deeds)
    assert (kept if deeds else file).read_bytes() == before[0]
    assert mend(file, course.released) == []
    if deeds:
        nbformat.validate(nbformat.read(file, as_version=4))


@pytest.mark.slow
@each_damage
def test_nbgrader_agrees(submit, course, damage):
    """Refused, or fewer than all points, exactly where the doctor says so; and the same after mending."""
    file = submit(DAMAGES[damage][0])
    for when in ("before", "after"):
        diagnosis = examine(file, course.released)
        points = course.grade(f"{damage} {when}".replace(" ", "-"), file)
        refused = any("refuses the whole" in line for line in lines(diagnosis, COSTS))
        assert (points is None) == refused, str(diagnosis)
        assert diagnosis.healthy == (points == {"double-check": 2, "twice-check": 2}), str(diagnosis)
        if points:
            assert {name: score for name, (score, _) in diagnosis.scores.items()} == points
        if not mend(file, course.released):
            break


def test_a_name_missing_in_an_answer_costs_points_though_another_cell_misses_it_first(submit, course):
    def change(cells, notebook):
        insert(notebook, cells["double-answer"], new_code_cell("np.pi", id="mine"))
        cells["double-answer"].source = "def double(x):\n    return np.multiply(2, x)"

    assert "double-answer: uses np" in " ".join(lines(examine(submit(change), course.released, run=False), COSTS))


def test_a_right_submission_is_healthy(submit, course):
    diagnosis = examine(submit(), course.released)
    assert diagnosis.findings == []
    assert diagnosis.scores == {"double-check": (2, 2), "twice-check": (2, 2)}
    assert str(diagnosis).splitlines() == [
        "01_twos.ipynb",
        "  2 of 2 points  double-check",
        "  2 of 2 points  twice-check",
        "  4 of 4 points from the checks; why, 4 points, is marked by hand",
        "It would be graded as it is.",
    ]
    assert json.loads(json.dumps(diagnosis.to_dict()))["healthy"] is True


def test_the_run_tells_errors_scores_and_endless_loops(submit, course):
    def change(cells, notebook):
        cells["double-answer"].source = "def double(x):\n    while True: pass"
        cells["twice-answer"].source = "def twice(x):\n    return 2 * y\ny = [][0]"
        notebook.cells.append(new_code_cell("1 / 0", id="mine"))

    diagnosis = examine(submit(change), course.released, seconds=3)
    costs = " ".join(lines(diagnosis, COSTS))
    assert "cell 3, double-check: did not end in time" in costs
    assert "cell 4, twice-answer: fails in a fresh kernel: IndexError" in costs
    assert "cell 5, twice-check: fails in a fresh kernel: NameError: name 'y'" in costs
    assert lines(diagnosis, LOOK) == ["cell 7, “1 / 0”: fails in a fresh kernel: ZeroDivisionError: division by zero"]
    assert diagnosis.scores == {"double-check": (0, 2), "twice-check": (0, 2)}


def test_copies_of_a_written_answer_stay_with_the_student(submit, course):
    file = submit(lambda c, n: insert(n, c["why"], copy_of(c["why"], "First half.")))
    mend(file, course.released)
    told = lines(examine(file, course.released, run=False), COSTS)
    assert len(told) == 1
    assert "split or copied" in told[0]
    assert "--mend" not in told[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{not json", "is not JSON"),
        ('{"a": 1}', "is JSON, but not a notebook"),
        ("[]", "is JSON, but not a notebook"),
        ('{"nbformat": 5, "nbformat_minor": 0, "cells": []}', "has the notebook format 5"),
        ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{}]}', "cells without their parts"),
    ],
)
def test_what_is_no_notebook(tmp_path, course, text, told):
    file = tmp_path / "01_twos.ipynb"
    file.write_text(text)
    diagnosis = examine(file, course.released)
    assert told in str(diagnosis)
    assert not diagnosis.healthy
    with pytest.raises(ValueError, match=told):
        mend(file, course.released)
    assert file.read_text() == text


def test_an_old_notebook_becomes_a_new_one(submit, course):
    file = submit()
    old = nbformat.convert(nbformat.read(file, as_version=4), 3)
    file.write_text(nbformat.writes(old, version=nbformat.NO_CONVERT))
    assert "old notebook format 3" in " ".join(lines(examine(file, course.released, run=False), LOOK))
    mend(file, course.released)
    assert examine(file, course.released, run=False).findings == []
    assert json.loads(file.read_text())["nbformat"] == 4


@pytest.mark.parametrize(
    ("source", "defines", "now", "later"),
    [
        ("import os.path as p, sys", {"p", "sys"}, set(), set()),
        ("def f(a=d):\n    b = a\n    return b + c", {"f"}, {"d"}, {"c"}),
        ("x = [y for z in q for y in z if w]", {"x"}, {"q", "w"}, set()),
        ("class K(Base):\n    u = v\n    def m(self): return K, s", {"K"}, {"Base", "v"}, {"s"}),
        ("try:\n    pass\nexcept E as e:\n    print(e)", {"e"}, {"E"}, set()),
        ("def f():\n    global g\n    g = 1", {"f", "g"}, set(), set()),
        ("%%time\nx = y", {"x"}, {"y"}, set()),
        ("files = !ls\n%matplotlib inline\nhelp?", {"files"}, set(), set()),
        ("key = lambda a: a + b", {"key"}, set(), {"b"}),
        ("(n := 3); a.b = c[0] = 1; await f()", {"n"}, {"a", "c", "f"}, set()),
        ("print(_, In, __name__, display(get_ipython()))", set(), set(), set()),
    ],
)
def test_names(source, defines, now, later):
    found = names(source)
    assert (found.defines, found.now - found.defines, found.later - found.defines) == (defines, now, later)
    assert not found.opaque


@pytest.mark.parametrize("source", ["from numpy import *", "%run helpers.py", "exec('x = 1')", "globals()['x'] = 1"])
def test_names_that_cannot_be_read_off_raise_no_alarm(submit, course, source):
    assert names(source).opaque

    def change(cells, notebook):
        cells["imports"].source += f"\n{source}"
        cells["double-answer"].source = "def double(x):\n    return x * factor"

    assert examine(submit(change), course.released, run=False).findings == []


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("model.cuda()", "needs a GPU"),
        ("def f(x):\n    return x.to('cuda:0')", "needs a GPU"),
        ("device = torch.device('cuda')", "needs a GPU"),
        ("torch.load('/home/me/model.pt')", "“/home/me/model.pt”, a path of your own machine"),
        (r"open('C:\\Users\\me\\x.txt')", "a path of your own machine"),
        ("!pip install x", "runs the shell command “pip install x”"),
        ("%pip install x", "runs the shell command “pip install x”"),
        ("n = input('How many?')", "asks for input()"),
    ],
)
def test_habits_are_told(source, told):
    assert [told in sentence for sentence, _ in habits(source)] == [True]


@pytest.mark.parametrize(
    "source",
    [
        "device = 'cuda' if torch.cuda.is_available() else 'cpu'",
        "device = ['cpu', 'cuda'][torch.cuda.is_available()]",
        "if use_gpu:\n    model.cuda()",
        "try:\n    x = x.cuda()\nexcept AssertionError:\n    pass",
        "gpu = x.device.type == 'cuda'",
        "y = x / home / 'x'; ratio = '/'; url = 'https://a.b/home/c'",
        "torch.cuda.is_available()",
    ],
)
def test_habits_raise_no_false_alarm(source):
    assert list(habits(source)) == []


@pytest.mark.parametrize("file", sorted((ROOT / "assignments").glob("*/*.ipynb")), ids=lambda file: file.stem)
def test_the_courses_own_solutions_raise_no_alarm(file, tmp_path):
    notebook = nbformat.read(file, as_version=4)
    solved = nbformat.read(ROOT / "solutions" / file.parent.name / file.name, as_version=4)
    right = {cell.id: cell.source for cell in solved.cells}
    for cell in notebook.cells:
        cell.source = right[cell.id]
    nbformat.write(notebook, tmp_path / file.name)
    assert examine(tmp_path / file.name, file, run=False).findings == []
    untouched = examine(file, file, run=False)
    answers = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("solution")]
    assert len(untouched.findings) == len(answers)
    assert all("as it was handed out" in finding.message for finding in untouched.findings)


@pytest.fixture
def not_run(monkeypatch):
    monkeypatch.setattr(clinic, "_execute", lambda notebook, folder, seconds: notebook)


def test_the_released_notebook_is_found_by_name(submit, course, not_run, monkeypatch):
    file = submit()
    downloaded = file.with_name("01_twos (1).ipynb")
    shutil.copy(file, downloaded)
    (course.root / "deeper").mkdir(exist_ok=True)
    monkeypatch.chdir(course.root / "deeper")
    assert "refuses" not in str(doctor(file))
    assert "nbgrader looks for 01_twos.ipynb" in str(doctor(downloaded))


def test_mending_comes_first(submit, course, not_run, monkeypatch):
    monkeypatch.chdir(course.root)
    diagnosis = doctor(submit(DAMAGES["check missing"][0]), mend=True)
    assert diagnosis.mended == ["double-check is back"]
    assert "missing" not in str(diagnosis.findings)


def test_errors_name_the_file_and_the_way_out(submit, course, tmp_path, monkeypatch):
    file = submit()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no notebook at nowhere\.ipynb"):
        doctor(Path("nowhere.ipynb"))
    with pytest.raises(FileNotFoundError, match=r"for 01_twos\.ipynb in this folder or above: go to the course's"):
        doctor(file)
    with pytest.raises(FileNotFoundError, match=r"no released notebook at lost\.ipynb"):
        doctor(file, Path("lost.ipynb"))
    with pytest.raises(FileNotFoundError, match="is the released notebook itself"):
        doctor(file, file)


def test_answers_written_into_the_released_file_are_compared_with_its_commit(submit, course, not_run, tmp_path):
    folder = tmp_path / "clone"
    folder.mkdir()
    file = folder / "01_twos.ipynb"
    shutil.copy(course.released, file)
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "handed out"]):
        subprocess.run([*git, *arguments], check=True)
    shutil.copy(submit(DAMAGES["check missing"][0]), file)
    assert "its 2 points with it" in str(doctor(file, file))
