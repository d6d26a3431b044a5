"""Mark a sheet: each exercise in a box of its own, judged from outside."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from coursekit import exercises
from coursekit.exercises import limits
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.judge import failed, judge
from coursekit.exercises.report import ExerciseReport
from coursekit.grading.box.remote import BoxEnded, Server, ServerGone, remote_error
from coursekit.grading.sheet import Item, Sheet
from coursekit.grading.suspicion import suspicious

OUTSIDE, IN_PROCESS = "outside", "in-process"
DEFINE_SECONDS = 60.0
MOST_TRIES = 3  # of what dies while it is marked; what students' code can do ends in its box, so that is rare


@dataclass
class Mark:
    """What one graded cell earns.

    Args:
        points: of `of` points.
        how: "outside", or "in-process" for a test of the instructor's own, which runs beside the student's code.
        report: the checks of an exercise, as `ExerciseReport.to_dict()`.
        message: what a test raised.
        suspicious: what a human should look at.
    """

    grade_id: str
    points: float
    of: float
    how: str
    seconds: float = 0.0
    report: dict[str, Any] | None = None
    message: str = ""
    forbidden: list[str] = field(default_factory=list)
    suspicious: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Mark":
        return cls(**data)


def mark_sheet(sheet: Sheet, server: Server) -> list[Mark]:
    """The marks of all items, in order. Nothing that one answer does reaches another item's mark.

    Raises:
        ServerGone: the warm process is gone, and was not started here or is lost again and again.
    """
    return [_mark(item, sheet.seed, server) for item in sheet.items]


def _mark(item: Item, seed: int, server: Server) -> Mark:
    started = time.perf_counter()
    marked = _again_when_lost(lambda: _mark_exercise(item, seed, server) if item.exercise else _mark_test(item, server))
    marked.seconds = round(time.perf_counter() - started, 3)
    marked.suspicious = suspicious(item.cells)
    return marked


def _again_when_lost(marked: Callable[[], Mark]) -> Mark:
    """What was under way when the warm process was lost is done again: a new box has it started anew."""
    for _ in range(MOST_TRIES - 1):
        with contextlib.suppress(ServerGone):
            return marked()
    return marked()


def _mark_exercise(item: Item, seed: int, server: Server) -> Mark:
    assert item.exercise
    exercise = exercises.find(item.exercise)
    with server.box() as box:
        counting = limits.elsewhere.set(box.seconds)
        try:
            report = _judge(item, exercise, seed, box)
        finally:
            limits.elsewhere.reset(counting)
        marked = Mark(item.grade_id, min(report.score, item.points), item.points, OUTSIDE, report=report.to_dict())
        marked.forbidden = sorted(box.forbidden)
    return marked


def _judge(item: Item, exercise: Exercise, seed: int, box: Any) -> ExerciseReport:
    try:
        with limits.time_limit(DEFINE_SECONDS):
            said = box.define(list(item.cells), [exercise.name], [ban.title for ban in exercise.forbids])
    except limits.TimeLimit:
        return failed(exercise, f"the cells are still running after {DEFINE_SECONDS:g} s: does a loop never end?")
    except BoxEnded as error:
        return failed(exercise, f"{error} while its cells were run")
    answer = said.get("answers", {}).get(exercise.name, {})
    if answer.get("kind") == "function" and isinstance(answer.get("number"), int):
        return judge(exercise, box.function(answer["number"]), seed)
    if answer.get("kind") == "value":
        return failed(exercise, f"{exercise.name} should be a function or a class; it is {answer.get('type')!s:.80}")
    return failed(exercise, f"{exercise.name} is not defined{_why(said)}")


def _why(said: dict[str, Any]) -> str:
    problems = said.get("problems")
    if not isinstance(problems, list) or not problems:
        return ""
    error = remote_error(problems[-1])
    place = getattr(error, "place", "")
    return f": its cell raised {type(error).__name__}: {str(error)[:300]}" + (f", at {place}" if place else "")


def _mark_test(item: Item, server: Server) -> Mark:
    """A test of the instructor's own: an error is 0; stderr counts for nothing; a number is partial credit."""
    with server.box() as box:
        try:
            with limits.time_limit(DEFINE_SECONDS):
                box.define(list(item.cells), [], [])
            with limits.time_limit(DEFINE_SECONDS):
                passed, number, problem = box.run(item.source)
        except limits.TimeLimit:
            passed, number, problem = False, None, f"no result after {DEFINE_SECONDS:g} s: does a loop never end?"
        except BoxEnded as error:
            passed, number, problem = False, None, str(error)
    points = 0.0
    if passed:
        points = item.points if number is None else min(max(0.0, number), item.points)  # of NaN: 0
    return Mark(item.grade_id, points, item.points, IN_PROCESS, message=problem)
