"""Put an exercise's checks to an answer, and tell which known mistake a wrong one is."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from coursekit.exercises import expect
from coursekit.exercises.answer import Answer, AnswerRaised, Call, copied, kind_of, quiet, same
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Check, Exercise, Mistake
from coursekit.exercises.limits import TimeLimit, time_limit
from coursekit.exercises.report import CheckResult, ExerciseReport, side_by_side
from coursekit.exercises.watch import Watch

_OWN = str(Path(__file__).parent)


def judge(
    exercise: Exercise, function: Any, seed: int = 0, began: Callable[[Check], None] | None = None
) -> ExerciseReport:
    """All checks of an exercise, each with inputs of its own drawn from the seed.

    Args:
        began: is told of each check before it begins.
    """
    if not callable(function):
        return failed(
            exercise, f"{exercise.name} should be a function or a class; yours is {expect.describe(function)}"
        )
    watch = Watch(exercise.forbids)
    results: list[CheckResult] = []
    wrong: list[_Wrong] = []
    for check in exercise.checks:
        awaited = next((r for r in results if not r.passed and (r.name == check.needs or r.endless)), None)
        if awaited:
            results.append(CheckResult(check.name, check.points, False, f"waits for “{awaited.name}”"))
            continue
        if began:
            began(check)
        answer = Answer(function, watch)
        result = _run(check, answer, _draw(exercise, check, seed), exercise.mistakes)
        results.append(result)
        if not result.passed and not result.mistake:
            wrong.append(_Wrong(exercise, check, seed, answer.calls))
    if watch.seen:
        called = " and ".join(sorted(watch.seen))
        return failed(exercise, f"This exercise asks you to write it yourself; your code calls {called}.")
    return ExerciseReport(exercise.name, _with_mistakes(results, wrong, exercise.mistakes))


def keeps_every_point(exercise: Exercise, function: Callable[..., Any], seed: int = 0) -> bool:
    """Whether an answer passes all checks and calls nothing that is forbidden; stops at the first that it fails."""
    watch = Watch(exercise.forbids)
    results = (
        _run(check, Answer(function, watch), _draw(exercise, check, seed), exercise.mistakes)
        for check in exercise.checks
    )
    return all(result.passed and not watch.seen for result in results)


def _draw(exercise: Exercise, check: Check, seed: int) -> Draw:
    return Draw(seed, exercise.name, check.run.__name__)


def failed(exercise: Exercise, message: str) -> ExerciseReport:
    """A report in which nothing passed, for one reason."""
    results = [CheckResult(check.name, check.points, False, message) for check in exercise.checks]
    return ExerciseReport(exercise.name, results, verdict=message)


def _run(check: Check, answer: Answer, draw: Draw, mistakes: dict[str, Mistake]) -> CheckResult:
    def wrong(message: str, mistake: str | None = None, picture: str = "") -> CheckResult:
        known = mistakes[mistake] if mistake else None
        name, hint = (known.name, known.hint) if known else (None, "")
        return CheckResult(check.name, check.points, False, message, name, hint, picture)

    try:
        with torch.random.fork_rng(devices=[]), _one_thread(), time_limit(check.seconds):
            torch.manual_seed(draw.seed)
            check.run(answer, draw)
    except expect.CheckFailed as verdict:
        return wrong(verdict.message, verdict.mistake, _picture(verdict.got, verdict.expected))
    except TimeLimit:
        return replace(wrong(f"no result after {check.seconds:g} s: does a loop never end?"), endless=True)
    except AnswerRaised as raised:
        return wrong(_explain(raised.error))
    except Exception as error:  # an odd result that the check itself stumbled over
        return wrong(f"the result could not be judged: {type(error).__name__}: {_short(error)}")
    return CheckResult(check.name, check.points, True)


@contextmanager
def _one_thread() -> Iterator[None]:
    """The tensors of a check are small: more threads only wait for each other, for long on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _picture(got: Tensor | None, expected: Tensor | None) -> str:
    return side_by_side(got, expected) if got is not None and expected is not None else ""


def _explain(error: BaseException) -> str:
    """The error, and the line of the student's code that it left from."""
    if isinstance(error, NotImplementedError):
        return "not written yet"
    place = getattr(error, "place", "")  # of an error that was raised in another process
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if "site-packages" not in frame.filename and not frame.filename.startswith(_OWN)
    ]
    if not place and frames and frames[-1].line:
        place = f"line {frames[-1].lineno} of {frames[-1].name}: {frames[-1].line}"
    place = place and f", at {place}"
    return f"your code raised {type(error).__name__}: {_short(error)}{place}"


def _short(error: BaseException, length: int = 300) -> str:
    text = str(error).strip()
    return text if len(text) <= length else text[:length] + " …"


@dataclass(frozen=True)
class _Wrong:
    """A check that an answer failed for a reason still unknown, and the calls that it made."""

    exercise: Exercise
    check: Check
    seed: int
    calls: list[Call]

    def is_explained_by(self, mistake: Mistake) -> bool:
        """The mistake gives the same results in all calls, and fails the check too."""
        if mistake.right_values or not self.calls or not all(_repeats(mistake.answer, call) for call in self.calls):
            return False
        answer = Answer(mistake.answer, Watch(()))
        draw = _draw(self.exercise, self.check, self.seed)
        return not _run(self.check, answer, draw, self.exercise.mistakes).passed


def _with_mistakes(results: list[CheckResult], wrong: list[_Wrong], mistakes: dict[str, Mistake]) -> list[CheckResult]:
    """Name the mistake where the wrong results are just what a known mistake would give.

    First one mistake is sought that explains every wrong check; where there is none, one for each check.
    """
    found: dict[str, Mistake | None] = {}
    common = _explanation(wrong, mistakes)
    for one in wrong:
        found[one.check.name] = common or _explanation([one], mistakes)
    return [
        replace(result, mistake=known.name, hint=known.hint) if (known := found.get(result.name)) else result
        for result in results
    ]


def _explanation(wrong: list[_Wrong], mistakes: dict[str, Mistake]) -> Mistake | None:
    """The first mistake that explains them all."""
    return next((m for m in mistakes.values() if wrong and all(one.is_explained_by(m) for one in wrong)), None)


def _repeats(function: Callable[..., Any], call: Call) -> bool:
    args, kwargs = copied((call.args, call.kwargs))
    try:
        with torch.random.fork_rng(devices=[]), quiet(), time_limit(2.0):
            result = function(*args, **kwargs)
    except (Exception, TimeLimit) as error:
        return call.raised == kind_of(error) and not isinstance(error, NotImplementedError)
    return call.raised is None and same(result, call.result)
