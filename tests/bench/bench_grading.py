"""Grading: nbgrader as it comes against this course's grader.

The same class on the same core, in turns, with equal marks: submissions of two notebooks, assignments 1 and 5, every
answer written. nbgrader runs each notebook in a kernel of its own, which costs the same for every submission, so few of
them tell its price. Processor time is that of all processes; it leaves out what either waits for.
"""

import io
import json
import os
import resource
import shutil
import statistics
import sys
import time
from contextlib import chdir
from multiprocessing import forkserver
from pathlib import Path

import pytest
from rich.console import Console

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "grading"))

from attacks.bank import to_bytes, with_answers  # noqa: E402
from classes import ASSIGNMENT, NEAREST, hand_in  # noqa: E402
from crowd import most_memory  # noqa: E402

from coursekit.grading.course import course_config  # noqa: E402
from coursekit.grading.grade import Course, grade  # noqa: E402

NOTEBOOKS = ("01_unpooling", "05_metrics")
TURNS = 3  # of nbgrader with one submission, and of ours with CLASS / TURNS of them
CLASS = 30
QUIET = Console(file=io.StringIO())

pytestmark = [pytest.mark.timeout(2 * 3600), pytest.mark.skipif(sys.platform != "linux", reason="the box needs Linux")]


def a_course(folder, notebooks, assignment):
    """A course with these notebooks as one assignment, released."""
    for name in notebooks:
        (folder / "solutions" / assignment).mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "solutions" / name / f"{name}.ipynb", folder / "solutions" / assignment)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with chdir(folder):
        course = Course(folder)
        assert course.api.generate_assignment(assignment)["success"]
    return course


def hand_in_everything(course, assignment, students):
    """Submissions with every answer of the solution, and a remark that makes each one of its own."""
    for student in students:
        folder = course.root / "grading" / "submitted" / student / assignment
        folder.mkdir(parents=True)
        for file in sorted((course.root / "solutions" / assignment).glob("*.ipynb")):
            solved = {
                cell["metadata"]["nbgrader"]["grade_id"]: "".join(cell["source"]) + f"\n# {student}"
                for cell in json.loads(file.read_text())["cells"]
                if cell["cell_type"] == "code" and cell["metadata"].get("nbgrader", {}).get("solution")
            }
            released = json.loads((course.root / "assignments" / assignment / file.name).read_text())
            (folder / file.name).write_bytes(to_bytes(with_answers(released, solved)))


def marks_of(course, assignment):
    with course.api.gradebook as gradebook:
        return {
            submission.student.id: sorted((g.name, g.auto_score) for n in submission.notebooks for g in n.grades)
            for submission in gradebook.assignment_submissions(assignment)
        }


def clocks():
    """Seconds on the wall, and of processor time of this process and those that it has waited for."""
    own, below = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return time.perf_counter(), own.ru_utime + own.ru_stime + below.ru_utime + below.ru_stime


def timed(function):
    before = clocks()
    function()
    return tuple(b - a for a, b in zip(before, clocks()))


@pytest.fixture
def one_core():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    yield
    os.sched_setaffinity(0, allowed)


def test_a_class_with_two_notebooks_each(measured, state, one_core, tmp_path):
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory

    ours, stock = (a_course(tmp_path / name, NOTEBOOKS, "week") for name in ("ours", "stock"))
    config = course_config(stock.root)
    config.pop("Autograde")  # what is left is nbgrader's own
    stock.api = NbGraderAPI(CourseDirectory(config=config), config=config)
    hand_in_everything(stock, "week", [f"s{n:02}" for n in range(TURNS)])

    def in_stock(student):
        with chdir(stock.root):
            assert stock.api.autograde("week", student)["success"]

    ours_times, stock_times = [], []
    for turn in range(TURNS):
        first = turn * CLASS // TURNS
        hand_in_everything(ours, "week", [f"s{n:02}" for n in range(first, first + CLASS // TURNS)])
        stock_times.append(timed(lambda turn=turn: in_stock(f"s{turn:02}")))
        ours_times.append(timed(lambda: grade("week", ours.root, QUIET)))
    expected = marks_of(stock, "week")
    got = marks_of(ours, "week")
    assert len(got) == CLASS
    assert all(sum(points or 0 for _, points in marks) == 42 for marks in got.values())
    assert {student: got[student] for student in expected} == expected
    (per_submission, computing), (theirs, their_computing) = (
        [statistics.mean(column) / count for column in zip(*times)]
        for times, count in ((ours_times, CLASS / TURNS), (stock_times, 1))
    )
    topic = "a submission of two notebooks"
    measured(topic, f"class of {CLASS}", lambda: per_submission, lambda: theirs, "nbgrader as it comes")
    figure = f"{computing:.2f} s, nbgrader as it comes {their_computing:.2f} s: {their_computing / computing:.1f} times"
    state("processor time of a submission of two notebooks", f"class of {CLASS}", figure)


@pytest.mark.parametrize("size", [CLASS, 100])
def test_two_workers(measured, tmp_path, size):
    """One worker on one core against two on two, each with a class of its own; their start counts."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        pytest.skip("one core")
    times = {}
    course = a_course(tmp_path, NOTEBOOKS, "week")
    for workers in (1, 2):
        hand_in_everything(course, "week", [f"s{workers}{n:02}" for n in range(size)])
        forkserver._forkserver._stop()  # of the class before
        os.sched_setaffinity(0, cores[:workers])
        try:
            times[workers] = timed(lambda workers=workers: grade("week", course.root, QUIET, workers=workers))[0]
        finally:
            os.sched_setaffinity(0, cores)
    measured("two workers", f"class of {size}", lambda: times[2], lambda: times[1], "one worker on one core")


def test_cost_does_not_grow_with_the_class(state, benchmark, tmp_path):
    """One exercise answered in each submission; the start of the warm process counts."""
    sizes = (10, 30, 100, 300)

    def run():
        for size in sizes:
            folder = tmp_path / str(size)
            course = a_course(folder, (ASSIGNMENT,), ASSIGNMENT)
            for number in range(size):
                hand_in(course, f"s{number:03}", NEAREST, remark=str(number))
            with most_memory() as memory:
                wall, computing = timed(lambda course=course: grade(ASSIGNMENT, course.root, QUIET))
            figure = (
                f"{wall / size:.2f} s on the wall, {computing / size:.2f} s of processor; {memory[0]:,.0f} MB at most"
            )
            state("a submission with one answer, all in", f"class of {size}", figure)

    benchmark.pedantic(run, rounds=1)
