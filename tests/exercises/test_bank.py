"""The gate: every known mistake loses points and is named as itself; every right variant keeps them all."""

import importlib.util
import inspect
from dataclasses import replace
from pathlib import Path

import pytest

from coursekit import exercises
from coursekit.exercises.judge import judge

VARIANTS = Path(__file__).parent / "variants"


def load_variants(assignment):
    spec = importlib.util.spec_from_file_location(f"variants_{assignment}", VARIANTS / f"v{assignment}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def all_exercises():
    return [(name, e) for name in exercises.ASSIGNMENTS for e in exercises.load(name).exercises.values()]


def all_mistakes():
    return [
        pytest.param(exercise, key, id=f"{exercise.name}-{key}")
        for _, exercise in all_exercises()
        for key in exercise.mistakes
    ]


def all_variants():
    found = []
    for assignment, exercise in all_exercises():
        styles = vars(getattr(load_variants(assignment), exercise.name))
        found += [
            pytest.param(exercise, answer, id=f"{exercise.name}-{style}")
            for style, answer in styles.items()
            if not style.startswith("_") and (inspect.isfunction(answer) or inspect.isclass(answer))
        ]
    return found


@pytest.mark.parametrize(("exercise", "key"), all_mistakes())
@pytest.mark.parametrize("seed", [0, 1])
def test_a_mistake_loses_points_and_is_named(exercise, key, seed):
    mistake = exercise.mistakes[key]
    report = judge(replace(exercise, forbids=()), mistake.answer, seed)
    assert report.score < exercise.points
    named = {check.mistake for check in report.checks if not check.passed and check.mistake}
    assert named == {mistake.name}, str(report)


@pytest.mark.parametrize(("exercise", "answer"), all_variants())
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_right_variant_keeps_every_point(exercise, answer, seed):
    report = judge(exercise, answer, seed)
    assert report.score == exercise.points, str(report)


@pytest.mark.parametrize("exercise", [pytest.param(e, id=e.name) for _, e in all_exercises()])
def test_banks_are_large_enough(exercise):
    assert len(exercise.mistakes) >= 8
    assert sum(param.values[0] is exercise for param in all_variants()) >= 3
