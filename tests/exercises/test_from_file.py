"""`coursekit check`: a file of answers, judged in a process that may crash, hang or exit."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coursekit.exercises import from_file
from coursekit.exercises.from_file import assess_file

RIGHT = Path(__file__).parent / "variants" / "v01_unpooling.py"
FULL = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("variants", {str(RIGHT)!r})
variants = importlib.util.module_from_spec(spec)
spec.loader.exec_module(variants)
nearest_unpool = variants.nearest_unpool.index
bed_of_nails = variants.bed_of_nails.slices
max_pool_with_indices = variants.max_pool_with_indices.unfold
max_unpool = variants.max_unpool.scatter
TinySegNet = variants.TinySegNet.Plain
mended_restore = variants.mended_restore.mask
"""


@pytest.fixture
def answers(tmp_path):
    def write(text):
        file = tmp_path / "answers.py"
        file.write_text(text)
        return file

    return write


def test_a_perfect_file_gets_every_point(answers):
    report = assess_file("01_unpooling", answers(FULL))
    assert report.score == report.max_score == 22


def test_each_broken_exercise_fails_alone(answers, monkeypatch):
    monkeypatch.setattr(from_file, "_GRACE_SECONDS", 0.5)
    quick = {"bed_of_nails", "max_unpool"}
    for exercise in from_file.load("01_unpooling").exercises.values():
        if exercise.name in quick:
            monkeypatch.setattr(
                exercise, "checks", [type(c)(c.name, c.points, c.run, c.needs, 0.5) for c in exercise.checks]
            )
    text = (
        FULL
        + """
import os
def bed_of_nails(x, scale):
    while True:
        try:
            while True: pass
        except BaseException: pass
def max_pool_with_indices(x, kernel_size):
    print("forged"); os._exit(7)
del max_unpool
"""
    )
    report = assess_file("01_unpooling", answers(text))
    scores = {name: e.score for name, e in report.exercises.items()}
    assert scores == {
        "nearest_unpool": 2,
        "bed_of_nails": 0,
        "max_pool_with_indices": 0,
        "max_unpool": 0,
        "TinySegNet": 8,
        "mended_restore": 2,
    }
    assert "does a loop never end" in report.exercises["bed_of_nails"].verdict
    assert "exit code 7" in report.exercises["max_pool_with_indices"].verdict
    assert report.exercises["max_unpool"].verdict == "max_unpool is not defined"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import torch\nx = 1 / 0\n", "ZeroDivisionError: division by zero, line 2"),
        ("def f(:\n", "SyntaxError"),
        ("import no_such_module\n", "ModuleNotFoundError"),
        ("import sys\nsys.exit(3)\n", "SystemExit"),
        ("import os\nos._exit(3)\n", "ended the Python process while it was imported"),
    ],
)
def test_a_file_that_does_not_import_says_why(answers, text, told):
    report = assess_file("01_unpooling", answers(text))
    assert report.score == 0
    assert len(report.exercises) == 6
    assert all(told in exercise.verdict for exercise in report.exercises.values())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.py"):
        assess_file("01_unpooling", tmp_path / "nowhere.py")


def coursekit(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "coursekit", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_command_prints_json_and_its_exit_code_tells(answers):
    done = coursekit("check", "01_unpooling", answers("nearest_unpool = lambda x, scale: x\n"), "--json", "--seed", 3)
    data = json.loads(done.stdout)
    assert done.returncode == 1
    assert data["score"] == 0
    assert data["seed"] == 3
    assert data["exercises"]["bed_of_nails"]["checks"][0]["message"] == "bed_of_nails is not defined"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("check", "99_nothing", __file__), "no assignment '99_nothing'; there are: 01_unpooling"),
        (("check", "01_unpooling", "nowhere.py"), "no file of answers at nowhere.py"),
        (("data", "get", "nonsense"), "nonsense"),
    ],
)
def test_what_the_user_can_mend_is_one_line(arguments, told):
    done = coursekit(*arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
