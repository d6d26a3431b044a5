"""An instructor's day in one command: release, collect, autograde, feedback, grades, for a class of five.

Everything is done by nbgrader itself, in this process, in a copy of the course. The submissions are the released
notebook with answers typed into it; what each deserves is known, and stands in the table beside what it got.
"""

import os
import shutil
import warnings
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table

from coursekit.grading.course import CONFIG, course_config

ASSIGNMENT = "01_unpooling"
NOTEBOOK = f"{ASSIGNMENT}.ipynb"

# The answers that a student of the demonstration types in place of the right one, by grade id.
REPEATS_THE_MAP = "def nearest_unpool(x, scale):\n    return x.repeat(1, 1, scale, scale)"
FILLS_THE_CELLS = "def bed_of_nails(x, scale):\n    return nearest_unpool(x, scale)"
LOCAL_INDICES = """\
def max_pool_with_indices(x, kernel_size):
    k = kernel_size
    n, c, h, w = x.shape
    windows = x.reshape(n, c, h // k, k, w // k, k).transpose(3, 4).flatten(4)
    return tuple(windows.max(dim=-1))"""
IGNORES_INDICES = """\
def max_unpool(x, indices, output_size):
    return nearest_unpool(x, output_size[0] // x.shape[2])"""
ENDS_PYTHON = """\
def max_unpool(x, indices, output_size):
    import os
    os._exit(1)"""
FORGETS_THE_POOLING = """\
class TinySegNet(nn.Module):
    def __init__(self, in_channels, num_classes, width=16):
        super().__init__()
        self.layers = nn.Sequential(block(in_channels, width), nn.Conv2d(width, num_classes, 3, padding=1))

    def forward(self, x):
        return self.layers(x)"""


@dataclass(frozen=True)
class Student:
    """A member of the class: the answers taken from the solution, the other ones, and what they deserve."""

    name: str
    kind: str
    right: tuple[str, ...]
    other: dict[str, str]
    deserves: dict[str, float]


EXERCISES = ("nearest", "nails", "pool", "unpool", "segnet", "autopsy")


def the_class() -> list[Student]:
    none = dict.fromkeys(EXERCISES, 0.0)
    full = {"nearest": 2.0, "nails": 2.0, "pool": 4.0, "unpool": 4.0, "segnet": 8.0, "autopsy": 2.0}
    return [
        Student("ada", "right", EXERCISES, {}, full),
        Student(
            "ben",
            "half-right",
            ("nearest", "nails", "pool", "autopsy"),
            {"unpool": IGNORES_INDICES, "segnet": FORGETS_THE_POOLING},
            {**full, "unpool": 0.0, "segnet": 3.0, "autopsy": 0.0},
        ),
        Student(
            "cai",
            "wrong",
            (),
            {"nearest": REPEATS_THE_MAP, "nails": FILLS_THE_CELLS, "pool": LOCAL_INDICES, "unpool": IGNORES_INDICES},
            none,
        ),
        Student("dee", "empty", (), {}, none),
        Student(
            "eli",
            "crashing",
            ("nearest", "nails", "pool", "segnet", "autopsy"),
            {"unpool": ENDS_PYTHON},
            {**full, "unpool": 0.0, "segnet": 0.0, "autopsy": 0.0},
        ),
    ]


def run_demo(folder: Path, console: Console) -> dict[str, dict[str, float]]:
    """Grade the class in a copy of the course and print the table.

    Args:
        folder: the copy, made anew; it stays, so that feedback and grades can be looked at.
        console: where the table goes.

    Returns:
        student → exercise → points.

    Raises:
        FileNotFoundError: this folder is not a course.
        RuntimeError: a step of nbgrader failed, or a mark is not what the submission deserves.
    """
    course = Path.cwd()
    course_config(course)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(course / "solutions", folder / "solutions")
    shutil.copy(course / CONFIG, folder / CONFIG)
    folder = folder.resolve()
    students = the_class()
    with chdir(folder), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy's, about nbgrader's own queries
        grades = _grade(folder, students, console)
    _print(students, grades, folder, console)
    wrong = [s.name for s in students if grades[s.name] != s.deserves]
    if wrong:
        raise RuntimeError(f"these marks are not what the submissions deserve: {', '.join(wrong)}")
    return grades


def _grade(folder: Path, students: list[Student], console: Console) -> dict[str, dict[str, float]]:
    from nbgrader.apps import ExportApp, ZipCollectApp
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    config = course_config(folder)
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    api.log_level = "ERROR"
    _must(api.generate_assignment(ASSIGNMENT), "release")
    console.print(f"released {ASSIGNMENT}")
    for student in students:
        _write_submission(folder, student)
    _start(ZipCollectApp, [ASSIGNMENT, "--force"])
    console.print(f"collected {len(students)} submissions")
    for student in track(students, "autograding", console=console):
        _must(api.autograde(ASSIGNMENT, student.name), f"autograding {student.name}")
        _must(api.generate_feedback(ASSIGNMENT, student.name), f"feedback for {student.name}")
    _start(ExportApp, [f"--to={folder / 'grading' / 'grades.csv'}"])
    with api.gradebook as gradebook:
        return {student.name: _points(gradebook, student.name) for student in students}


def _must(result: dict[str, object], step: str) -> None:
    if not result["success"]:
        raise RuntimeError(f"{step} failed:\n{result.get('error') or result.get('log')}")


def _start(app_class: Any, arguments: list[str]) -> None:
    """Run one of nbgrader's commands in this process."""
    app_class.clear_instance()
    app = app_class.instance()
    app.initialize([*arguments, "--log-level=ERROR"])
    app.start()
    app_class.clear_instance()


def _write_submission(folder: Path, student: Student) -> None:
    """The released notebook with the student's answers, as it would come out of a learning platform's zip file."""
    released = nbformat.read(folder / "assignments" / ASSIGNMENT / NOTEBOOK, as_version=4)
    solution = nbformat.read(folder / "solutions" / ASSIGNMENT / NOTEBOOK, as_version=4)
    right = {cell.metadata.nbgrader.grade_id: cell.source for cell in solution.cells if "nbgrader" in cell.metadata}
    answers = {f"{name}-answer": right[f"{name}-answer"] for name in student.right}
    answers |= {f"{name}-answer": source for name, source in student.other.items()}
    for cell in released.cells:
        cell.source = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"), cell.source)
    target = folder / "grading" / "downloaded" / ASSIGNMENT / "archive" / student.name
    target.mkdir(parents=True)
    nbformat.write(released, target / NOTEBOOK)


def _points(gradebook: Any, student: str) -> dict[str, float]:
    notebook = gradebook.find_submission_notebook(ASSIGNMENT, ASSIGNMENT, student)
    by_cell = {grade.name: grade.auto_score or 0.0 for grade in notebook.grades}
    return {name: by_cell[f"{name}-check"] for name in EXERCISES}


def _print(students: list[Student], grades: dict[str, dict[str, float]], folder: Path, console: Console) -> None:
    columns = [Column(name, no_wrap=True) for name in ("student", "submission", *EXERCISES, "sum", "deserves")]
    table = Table(*columns, title=ASSIGNMENT, box=box.SIMPLE)
    for student in students:
        points = grades[student.name]
        cells = [f"{points[name]:g}" for name in EXERCISES]
        table.add_row(
            student.name, student.kind, *cells, f"{sum(points.values()):g}", f"{sum(student.deserves.values()):g}"
        )
    console.print(table)
    shown = os.path.relpath(folder)
    console.print(f"grades: {shown}/grading/grades.csv\nfeedback: {shown}/grading/feedback/STUDENT/{ASSIGNMENT}/")
