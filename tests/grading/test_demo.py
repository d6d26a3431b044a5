"""An instructor's whole day through nbgrader: a class of five gets what it deserves."""

import csv
import io
import os
from contextlib import chdir
from pathlib import Path

import pytest
from rich.console import Console

from coursekit.grading.course import course_config
from coursekit.grading.demo import ASSIGNMENT, run_demo, the_class

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def day(tmp_path_factory):
    folder = tmp_path_factory.mktemp("class") / "demo"
    printed = io.StringIO()
    environment = dict(os.environ)
    os.environ["PATH"] = os.defpath  # as when the command is run by its full path from a bare shell
    try:
        with chdir(ROOT):
            grades = run_demo(folder, Console(file=printed, width=120))
    finally:
        os.environ.clear()
        os.environ.update(environment)
    return folder, grades, printed.getvalue()


@pytest.mark.slow
def test_marks_are_what_each_submission_deserves(day):
    _, grades, _ = day
    assert {name: sum(points.values()) for name, points in grades.items()} == {
        "ada": 22,
        "ben": 11,
        "cai": 0,
        "dee": 0,
        "eli": 8,
    }
    assert grades["eli"] == {"nearest": 2, "nails": 2, "pool": 4, "unpool": 0, "segnet": 0, "autopsy": 0}


@pytest.mark.slow
def test_the_table_shows_the_class(day):
    _, _, printed = day
    for student in the_class():
        assert student.name in printed
        assert student.kind in printed


@pytest.mark.slow
def test_grades_and_feedback_are_written(day):
    folder, _, _ = day
    rows = list(csv.DictReader((folder / "grading" / "grades.csv").open()))
    assert {row["student_id"]: float(row["score"]) for row in rows} == {
        "ada": 22,
        "ben": 11,
        "cai": 0,
        "dee": 0,
        "eli": 8,
    }
    for student in the_class():
        page = (folder / "grading" / "feedback" / student.name / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text()
        assert "MARK SCHEME" not in page
    wrong = (folder / "grading" / "feedback" / "cai" / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text()
    assert "whole map repeated" in wrong
    empty = (folder / "grading" / "feedback" / "dee" / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text()
    assert "not written yet" in empty
    crashed = (folder / "grading" / "feedback" / "eli" / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text()
    assert "your code ended the Python process" in crashed


def test_a_folder_that_is_no_course_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"is not a course: it has no nbgrader_config\.py"):
        course_config(tmp_path)
