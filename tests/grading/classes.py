"""Small classes for the tests of the grader: submissions of assignment 1 whose marks are known."""

import json
from pathlib import Path

from attacks.bank import HONEST, to_bytes, with_answers

ASSIGNMENT = "01_unpooling"
NEAREST = HONEST["nearest-answer"]
# Answers of the first exercise, and the points that each deserves.
KINDS = {
    "right": (NEAREST, 2.0),
    "wrong": ("def nearest_unpool(x, scale):\n    return x.repeat(1, 1, scale, scale)", 0.0),
    "empty": ("", 0.0),
    "crashing": ("def nearest_unpool(x, scale):\n    import os\n    os._exit(1)", 0.0),
    "forging": (
        "import coursekit.exercises as e\ne.check = lambda *a: 2.0\ndef nearest_unpool(x, scale):\n    return x",
        0.0,
    ),
}


def hand_in(course, student, source, remark=""):
    """A submission whose only answer is the first one; the remark makes it one of its own."""
    released = json.loads((course.root / "assignments" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_text())
    folder = course.root / "grading" / "submitted" / student / ASSIGNMENT
    folder.mkdir(parents=True, exist_ok=True)
    text = f"{source}\n# {remark}" if remark else source
    (folder / f"{ASSIGNMENT}.ipynb").write_bytes(to_bytes(with_answers(released, {"nearest-answer": text})))
    return folder / f"{ASSIGNMENT}.ipynb"


def a_class(course, size):
    """`size` students, each of one kind; what each deserves."""
    deserves = {}
    for number in range(size):
        kind = list(KINDS)[number % len(KINDS)]
        source, points = KINDS[kind]
        hand_in(course, f"{kind}{number:04}", source, remark=f"student {number}")
        deserves[f"{kind}{number:04}"] = points
    return deserves


def points(course):
    """Student → points of the first check, from nbgrader's gradebook."""
    with course.api.gradebook as gradebook:
        found = {}
        for submission in gradebook.assignment_submissions(ASSIGNMENT):
            for notebook in submission.notebooks:
                found[submission.student.id] = next(g.auto_score for g in notebook.grades if g.name == "nearest-check")
        return found


def results(course):
    return sorted(Path(course.root, "grading", "results").rglob("*.json"))
