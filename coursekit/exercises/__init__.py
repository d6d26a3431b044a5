"""The graded exercises: what each asks, how an answer is checked, which mistakes are recognised by name.

`check` is the line below an exercise in a notebook; `assess` judges a whole assignment at once. A folder `aNN_topic`
holds one assignment, a file an exercise: its checks and its bank of mistakes. The other files are what these are
written with.
"""

import os
from collections.abc import Iterable, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from IPython.display import display

from coursekit.exercises.exercise import Assignment, Exercise
from coursekit.exercises.judge import failed, judge
from coursekit.exercises.progress import Progress
from coursekit.exercises.report import CheckResult, ExerciseReport, Report

ASSIGNMENTS = tuple(sorted(folder.name[1:] for folder in iter_modules(__path__) if folder.ispkg))

__all__ = ["ASSIGNMENTS", "CheckResult", "ExerciseReport", "Report", "assess", "check", "find", "load"]


def load(name: str) -> Assignment:
    """An assignment by its name.

    Raises:
        KeyError: there is none of that name; the message lists those there are.
    """
    if name not in ASSIGNMENTS:
        raise KeyError(f"no assignment {name!r}; there are: {', '.join(ASSIGNMENTS)}")
    found: Assignment = import_module(f"coursekit.exercises.a{name}").ASSIGNMENT
    return found


def find(exercise: str) -> Exercise:
    """An exercise by its name, whichever assignment it belongs to.

    Raises:
        KeyError: there is none of that name; the message lists those there are.
    """
    known: list[str] = []
    for name in ASSIGNMENTS:
        exercises = load(name).exercises
        if exercise in exercises:
            return exercises[exercise]
        known += exercises
    raise KeyError(f"no exercise {exercise!r}; there are: {', '.join(known)}")


def check(exercise: str, answer: Any, seed: int | None = None) -> float:
    """Judge one answer, show what came of it, and return the score.

    The score is the value of a notebook's cell, which nbgrader takes as partial credit. An instructor who grades sets
    the environment variable COURSEKIT_SEED, so that hard-coded answers fail.

    Args:
        exercise: its name, such as "nearest_unpool".
        answer: the function or class.
        seed: of the random inputs; by default COURSEKIT_SEED, else 0.

    Raises:
        KeyError: no exercise has that name.
    """
    asked = find(exercise)
    with Progress(asked) as progress:
        report = judge(asked, answer, _seed(seed), began=progress.at)
    display(report)
    return report.score


def assess(
    assignment: str, namespace: Mapping[str, Any], seed: int | None = None, only: Iterable[str] | None = None
) -> Report:
    """Judge a whole assignment.

    Args:
        assignment: its name, such as "01_unpooling".
        namespace: the answers by name, such as `globals()` of a notebook; a missing one costs its own points.
        seed: of the random inputs; by default COURSEKIT_SEED, else 0.
        only: judge just these exercises.

    Raises:
        KeyError: no assignment, or none of its exercises, has that name.
    """
    exercises = load(assignment).exercises
    chosen = list(exercises) if only is None else list(only)
    unknown = [name for name in chosen if name not in exercises]
    if unknown:
        raise KeyError(f"{assignment} has no exercise {unknown[0]!r}; it has: {', '.join(exercises)}")
    report = Report(assignment, _seed(seed))
    for name in chosen:
        exercise = exercises[name]
        present = name in namespace
        report.exercises[name] = (
            judge(exercise, namespace[name], report.seed) if present else failed(exercise, f"{name} is not defined")
        )
    return report


def _seed(seed: int | None) -> int:
    return int(os.environ.get("COURSEKIT_SEED", "0")) if seed is None else seed
