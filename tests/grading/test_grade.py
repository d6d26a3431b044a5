"""`coursekit grade`: every mark right, nothing lost, nothing stale, whatever happens on the way."""

import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import nbformat
import pytest
from bs4 import BeautifulSoup
from classes import ASSIGNMENT, KINDS, NEAREST, a_class, hand_in, points, results
from rich.console import Console

from coursekit.grading.grade import grade
from coursekit.grading.report import make_report, write_report

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the box needs Linux"),
    pytest.mark.usefixtures("warm"),
]
QUIET = Console(file=io.StringIO())


@pytest.fixture(autouse=True)
def share_the_warm_process(warm, monkeypatch):
    """Each run starts a warm process of its own; for a test it may as well be the one that is there."""
    from coursekit.grading import pool

    monkeypatch.setattr(pool, "Server", lambda boxed: type(warm)(boxed, warm.address))


def test_a_class_is_graded_once_and_again_in_no_time(course):
    deserves = a_class(course, 5)
    first = grade(ASSIGNMENT, course.root, QUIET)
    assert points(course) == deserves
    assert (first.marked, len(first.recorded), first.failed) == (5, 5, {})
    again = grade(ASSIGNMENT, course.root, QUIET)
    assert (again.marked, again.recorded, len(again.unchanged)) == (0, [], 5)
    assert points(course) == deserves


def test_a_resubmission_replaces_its_mark(course):
    hand_in(course, "ada", NEAREST)
    grade(ASSIGNMENT, course.root, QUIET)
    assert points(course) == {"ada": 2.0}
    hand_in(course, "ada", KINDS["crashing"][0])
    assert grade(ASSIGNMENT, course.root, QUIET).recorded == ["ada"]
    assert points(course) == {"ada": 0.0}


def test_what_is_no_notebook_gets_0_and_its_reason(course):
    file = hand_in(course, "ada", NEAREST)
    hand_in(course, "ben", NEAREST)
    grade(ASSIGNMENT, course.root, QUIET)
    file.write_text('{"cells": ')
    outcome = grade(ASSIGNMENT, course.root, QUIET)
    assert (outcome.recorded, outcome.failed) == (["ada"], {})
    assert points(course) == {"ada": 0.0, "ben": 2.0}
    graded = nbformat.read(course.root / "grading" / "autograded" / "ada" / ASSIGNMENT / file.name, as_version=4)
    assert "not JSON" in graded.cells[0].source


def manual(course, student):
    """The grade of the written question, in nbgrader's gradebook, and the gradebook's session."""
    with course.api.gradebook as gradebook:
        grade_of_it = gradebook.find_grade("question", ASSIGNMENT, ASSIGNMENT, student)
        return grade_of_it.manual_score, grade_of_it.needs_manual_grade


def mark_by_hand(course, student, points):
    with course.api.gradebook as gradebook:
        by_hand = gradebook.find_grade("question", ASSIGNMENT, ASSIGNMENT, student)
        by_hand.manual_score, by_hand.needs_manual_grade = points, False
        gradebook.db.commit()


def test_points_given_by_hand_outlive_a_regrading(course, monkeypatch):
    hand_in(course, "ada", NEAREST)
    grade(ASSIGNMENT, course.root, QUIET)
    mark_by_hand(course, "ada", 1.5)
    monkeypatch.setenv("COURSEKIT_SEED", "77")
    again = grade(ASSIGNMENT, course.root, QUIET)
    assert (again.marked, again.unchanged) == (1, ["ada"])
    hand_in(course, "ada", KINDS["wrong"][0])
    assert grade(ASSIGNMENT, course.root, QUIET).recorded == ["ada"]
    assert points(course) == {"ada": 0.0}
    assert manual(course, "ada")[0] == 1.5


def test_late_days_cost_what_the_instructor_s_plugin_says(course, monkeypatch):
    (course.root / "late_days.py").write_text(
        "from nbgrader.plugins import BasePlugin\n\n\n"
        "class TenPercentADay(BasePlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n"
        "        return min(score, 0.1 * -(-total_seconds_late // 86400) * score)\n"
    )
    monkeypatch.syspath_prepend(str(course.root))
    with (course.root / "nbgrader_config.py").open("a") as file:
        file.write('\nc.AssignLatePenalties.plugin_class = "late_days.TenPercentADay"\n')
    with course.api.gradebook as gradebook:
        gradebook.update_or_create_assignment(ASSIGNMENT, duedate="2026-12-01 18:00 UTC")
    for student, handed_in in (("ada", "2026-12-01 17:59 UTC"), ("ben", "2026-12-03 09:00 UTC")):
        hand_in(course, student, NEAREST, remark=student).with_name("timestamp.txt").write_text(handed_in)
    grade(ASSIGNMENT, course.root, QUIET)
    with course.api.gradebook as gradebook:
        found = {
            s.student.id: (s.score, s.late_submission_penalty) for s in gradebook.assignment_submissions(ASSIGNMENT)
        }
    assert found == {"ada": (2.0, 0.0), "ben": (2.0, pytest.approx(0.4))}


def test_a_link_to_somebody_else_s_notebook_gets_0(course):
    right = hand_in(course, "ada", NEAREST)
    linked = hand_in(course, "ben", NEAREST)
    linked.unlink()
    linked.symlink_to(right)
    grade(ASSIGNMENT, course.root, QUIET)
    assert points(course) == {"ada": 2.0, "ben": 0.0}


@pytest.mark.parametrize("command", ["coursekit grade", "nbgrader autograde"])
def test_modules_handed_in_beside_the_notebook_are_not_run(course, tmp_path, command):
    """Python looks first where it runs: a submission may hold a torch or a coursekit of its own."""
    right, wrong = hand_in(course, "ada", NEAREST), hand_in(course, "ben", KINDS["wrong"][0])
    names = ("coursekit/__init__", "torch/__init__", "numpy", "json", "sitecustomize", "nbgrader_config", "conftest")
    for folder in (right.parent, wrong.parent):
        for name in names:
            module = folder / f"{name}.py"
            module.parent.mkdir(exist_ok=True)
            module.write_text(f"open({str(tmp_path / 'run')!r}, 'a').write({name!r})\nraise SystemExit\n")
        (folder / "ipython_config.py").write_text("c.InteractiveShellApp.exec_lines = ['raise SystemExit']\n")
    ran = subprocess.run([sys.executable, "-m", *command.split(), ASSIGNMENT], cwd=course.root, check=False)
    assert ran.returncode == 0
    assert points(course) == {"ada": 2.0, "ben": 0.0}
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "make",
    [os.mkfifo, os.mkdir, lambda file: file.symlink_to("nothing"), lambda file: file.with_stem("renamed").touch()],
    ids=["a pipe that nobody fills", "a folder", "a link to nothing", "another name"],
)
def test_a_notebook_that_is_missing_gets_0_in_place_of_an_earlier_mark(course, make):
    file = hand_in(course, "ada", NEAREST)
    hand_in(course, "ben", NEAREST)
    grade(ASSIGNMENT, course.root, QUIET)
    assert points(course) == {"ada": 2.0, "ben": 2.0}
    file.unlink()
    make(file)
    outcome = grade(ASSIGNMENT, course.root, QUIET)
    assert (outcome.recorded, outcome.failed) == (["ada"], {})
    assert points(course) == {"ada": 0.0, "ben": 2.0}


def test_a_changed_written_answer_reaches_the_marker(course):
    file = hand_in(course, "ada", NEAREST)
    grade(ASSIGNMENT, course.root, QUIET)
    file.write_text(file.read_text().replace("YOUR ANSWER HERE", "Indices are small."))
    assert grade(ASSIGNMENT, course.root, QUIET).recorded == ["ada"]
    graded = (course.root / "grading" / "autograded" / "ada" / ASSIGNMENT / file.name).read_text()
    assert "Indices are small." in graded


def test_marks_that_somebody_wrote_into_the_gradebook_do_not_stay(course):
    hand_in(course, "ada", KINDS["wrong"][0])
    grade(ASSIGNMENT, course.root, QUIET)
    with closing(sqlite3.connect(course.root / "grading" / "gradebook.db")) as base:
        base.execute("update grade set auto_score = 396")
        base.commit()
    assert points(course) == {"ada": 396}
    grade(ASSIGNMENT, course.root, QUIET)
    assert points(course) == {"ada": 0.0}


def test_a_locked_gradebook_is_waited_for(course):
    hand_in(course, "ada", NEAREST)
    held = sqlite3.connect(course.root / "grading" / "gradebook.db", check_same_thread=False, isolation_level=None)
    with closing(held):
        grade(ASSIGNMENT, course.root, QUIET)
        hand_in(course, "ben", NEAREST)
        held.execute("begin exclusive")
        release = threading.Timer(8, lambda: held.execute("commit"))
        release.start()
        try:
            outcome = grade(ASSIGNMENT, course.root, QUIET)
        finally:
            release.join()
    assert outcome.failed == {}
    assert points(course) == {"ada": 2.0, "ben": 2.0}


def test_a_damaged_gradebook_is_said_and_loses_no_result(course):
    hand_in(course, "ada", NEAREST)
    grade(ASSIGNMENT, course.root, QUIET)
    database = course.root / "grading" / "gradebook.db"
    whole = database.read_bytes()
    database.write_bytes(b"this is no database" * 1000)
    with pytest.raises(RuntimeError, match="gradebook"):
        grade(ASSIGNMENT, course.root, QUIET)
    assert results(course)
    database.write_bytes(whole)
    assert grade(ASSIGNMENT, course.root, QUIET).marked == 0
    assert points(course) == {"ada": 2.0}


def test_a_damaged_result_is_made_anew(course):
    hand_in(course, "ada", NEAREST)
    grade(ASSIGNMENT, course.root, QUIET)
    for file in results(course):
        file.write_text(file.read_text()[:50])
    assert grade(ASSIGNMENT, course.root, QUIET).marked == 1
    assert points(course) == {"ada": 2.0}


def test_results_that_cannot_be_written_stop_the_run_with_nothing_half_done(course):
    hand_in(course, "ada", NEAREST)
    (course.root / "grading" / "results").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="results"):
        grade(ASSIGNMENT, course.root, QUIET)
    (course.root / "grading" / "results").unlink()
    grade(ASSIGNMENT, course.root, QUIET)
    assert points(course) == {"ada": 2.0}


@pytest.mark.parametrize("moment", ["marks", "records"])
def test_killed_at_any_moment_it_goes_on(course, moment):
    deserves = a_class(course, 6)
    command = [sys.executable, "-m", "coursekit", "grade", ASSIGNMENT]
    running = subprocess.Popen(command, cwd=course.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    autograded = course.root / "grading" / "autograded"
    while time.monotonic() < deadline and running.poll() is None:
        if moment == "marks" and len(results(course)) >= 2:
            break
        if moment == "records" and any(autograded.rglob("*.ipynb")):
            break
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    kept = len(results(course))
    outcome = grade(ASSIGNMENT, course.root, QUIET)
    assert kept >= 1
    assert outcome.marked == 6 - kept
    assert points(course) == deserves
    assert not list((course.root / "grading").rglob("*.part"))


def test_the_marks_are_those_of_nbgrader_s_own_command(course):
    deserves = a_class(course, 3)
    for student in deserves:
        assert course.api.autograde(ASSIGNMENT, student)["success"]
    assert points(course) == deserves


def test_the_class_on_one_page(course, tmp_path):
    a_class(course, 5)
    hand_in(course, "<script>alert(1)", KINDS["forging"][0], remark="hostile name")
    grade(ASSIGNMENT, course.root, QUIET)
    page, table = write_report(make_report(ASSIGNMENT, course.root), tmp_path / "report")
    html = page.read_text()
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    assert "whole map repeated" in html
    assert html.count("aria-label") == 7
    lines = table.read_text().splitlines()
    assert len(lines) == 7
    assert lines[0].startswith("student,nearest-check")


def test_grades_for_platforms(course):
    from nbgrader.apps import ExportApp

    deserves = a_class(course, 3)
    grade(ASSIGNMENT, course.root, QUIET)
    for name, first in (("CanvasExport", "Student"), ("MoodleExport", "Username")):
        ExportApp.clear_instance()
        app = ExportApp.instance()
        target = course.root / f"{name}.csv"
        app.initialize([f"--exporter=coursekit.grading.exporters.{name}", f"--to={target}", "--log-level=ERROR"])
        app.start()
        ExportApp.clear_instance()
        lines = target.read_text().splitlines()
        assert lines[0].startswith(first)
        assert lines[0].endswith(ASSIGNMENT)
        got = {line.split(",")[3 if name == "CanvasExport" else 0]: float(line.split(",")[-1]) for line in lines[1:]}
        assert {student: got[student] for student in deserves} == deserves


HOSTILE = r"""My answer <script>alert('marker')</script> [click](javascript:alert(1)) [again][r] <javascript:alert(3)>
![seen](https://elsewhere.example/who.png) $\href{javascript:alert(4)}{x}$ &#36;\h&#114;ef{javascript:alert(5)}{x}&#36;
&#60;img src=x onerror=alert(6)&#62; &#91;entity&#93;&#40;javascript:alert(7)&#41; `a[i](b)`, 1 < 2 & 3 > 2

[r]: javascript:alert(2)
"""


def test_feedback_shows_the_checks_and_nothing_hostile(course):
    file = hand_in(course, "ada", "def nearest_unpool(x, scale):\n    raise ValueError(r'$\\href{javascript:0}{x}$')")
    notebook = json.loads(file.read_text())
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "question":
            cell["source"] = HOSTILE
    notebook["cells"].append(
        {"cell_type": "markdown", "id": "extra", "metadata": {}, "source": "<script>alert('extra')</script>"}
    )
    file.write_text(json.dumps(notebook))
    grade(ASSIGNMENT, course.root, QUIET)
    assert course.api.generate_feedback(ASSIGNMENT, "ada")["success"]
    page = next((course.root / "grading" / "feedback" / "ada").rglob("*.html")).read_text()
    assert "0 of 2 points" in page
    shown = BeautifulSoup(page, "html.parser")
    answer = [part for part in shown.find_all("div") if part.get_text().strip().startswith("My answer")][-1]
    assert {part.name for part in answer.find_all()} <= {"p", "code", "a"}
    assert all(link["href"].startswith("https://") for link in answer.find_all("a"))  # plain to see where it leads
    assert "1 < 2 & 3 > 2" in answer.get_text()
    assert not [script for script in shown.find_all("script") if "alert(" in script.get_text()]
    told = shown.find_all(string=re.compile(r"\\href"))
    assert told
    for text in told:  # where MathJax does not look
        assert text.find_parent("pre") or text.find_parent(class_="mathjax_ignore"), text
