"""Every assignment through nbgrader itself: the perfect solution gets full marks, the empty one nothing."""

import json
import shutil
import sys
from contextlib import chdir
from pathlib import Path

import nbformat
import pytest

from coursekit import exercises
from coursekit.grading.grade import Course

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the box needs Linux"),
]


@pytest.fixture(scope="module")
def course(tmp_path_factory, warm):
    from coursekit.grading import plugins

    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(ROOT / "solutions", folder / "solutions")
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with pytest.MonkeyPatch.context() as patch, chdir(folder):
        patch.setattr(plugins, "warm_server", lambda boxed: warm)
        yield Course(folder)


@pytest.mark.parametrize("assignment", exercises.ASSIGNMENTS)
def test_perfect_and_empty(course, assignment):
    assert course.api.generate_assignment(assignment)["success"]
    name = f"{assignment}.ipynb"
    sources = {"perfect": course.root / "solutions", "empty": course.root / "assignments"}
    for student, source in sources.items():
        target = course.root / "grading" / "submitted" / student / assignment
        target.mkdir(parents=True)
        shutil.copy(source / assignment / name, target / name)
        result = course.api.autograde(assignment, student)
        assert result["success"], result
    every = exercises.load(assignment).exercises.values()
    with course.api.gradebook as gradebook:
        for student, of in (("perfect", sum(e.points for e in every)), ("empty", 0.0)):
            grades = gradebook.find_submission_notebook(assignment, assignment, student).grades
            automatic = [grade for grade in grades if grade.cell.cell_type == "code"]
            assert sum(grade.auto_score for grade in automatic) == of, [(g.name, g.auto_score) for g in automatic]
    empty = course.root / "grading" / "autograded" / "empty" / assignment / name
    told = json.dumps([cell.get("outputs", []) for cell in nbformat.read(empty, as_version=4).cells])
    for exercise in every:
        assert f"{exercise.name}: 0 of" in told
    assert "not written yet" in told
