"""The gate: every known mistake loses points and is named as itself; every right variant keeps them all."""

from dataclasses import replace

import pytest
from gate import right_variants

from coursekit import exercises
from coursekit.exercises.judge import judge

ALL = [(name, exercise) for name in exercises.ASSIGNMENTS for exercise in exercises.load(name).exercises.values()]


def all_mistakes():
    return [pytest.param(e, key, id=f"{e.name}-{key}") for _, e in ALL for key in e.mistakes]


def all_variants():
    return [
        pytest.param(e, answer, id=f"{e.name}-{style}")
        for name, e in ALL
        for style, answer in right_variants(name, e.name).items()
    ]


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


@pytest.mark.parametrize(("name", "exercise"), [pytest.param(name, e, id=e.name) for name, e in ALL])
def test_banks_are_large_enough(name, exercise):
    assert len(exercise.mistakes) >= 8
    assert len(right_variants(name, exercise.name)) >= 3
