"""A class of 1,000, hostile submissions among them, graded in one run while workers are killed.

Two workers mark submissions of assignment 1. Every fifth comes from the attack bank; the others are right, wrong,
empty, crashing or forging answers to one exercise. A worker, chosen by chance, is killed every minute. Memory is
the proportional set size of the grader and all processes below it, boxes included.
"""

import io
import os
import shutil
import sys
import time
from contextlib import chdir
from pathlib import Path

import pytest
from rich.console import Console

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "grading"))

from classes import ASSIGNMENT  # noqa: E402
from crowd import a_crowd, all_points, most_memory, somebody_who_kills  # noqa: E402

from coursekit.grading.grade import Course, grade  # noqa: E402

SIZE = int(os.environ.get("COURSEKIT_CLASS_SIZE", "1000"))


@pytest.mark.timeout(3 * 3600)
def test_a_class_of_1000(benchmark, state, tmp_path):
    shutil.copytree(ROOT / "solutions" / ASSIGNMENT, tmp_path / "solutions" / ASSIGNMENT)
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    with chdir(tmp_path):
        course = Course(tmp_path)
        assert course.api.generate_assignment(ASSIGNMENT)["success"]
    deserves = a_crowd(course, SIZE)
    started = time.monotonic()
    with somebody_who_kills(lambda: int((time.monotonic() - started) / 60)) as victims, most_memory() as memory:
        run = benchmark.pedantic(grade, (ASSIGNMENT, tmp_path, Console(file=io.StringIO())), {"workers": 2}, rounds=1)
    seconds = time.monotonic() - started
    got = all_points(course)
    wrong = [student for student in deserves if got.get(student) != deserves[student]]
    size = f"{SIZE} submissions"
    state("students with every mark right", size, f"{len(deserves) - len(wrong)} of {len(deserves)}")
    state("submissions that could not be recorded", size, f"{len(run.failed)}")
    state("workers killed", size, f"{len(victims)}")
    state("time", size, f"{seconds / 60:.1f} min; {seconds / SIZE:.2f} s a submission")
    state("most memory", size, f"{memory[0]:,.0f} MB")
    assert not wrong
