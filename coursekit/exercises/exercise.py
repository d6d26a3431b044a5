"""What an exercise is: its checks, the calls it forbids, and the mistakes it knows by name."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from inspect import getdoc
from typing import Any

from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.watch import Ban

CheckFunction = Callable[[Answer, Draw], None]


@dataclass(frozen=True)
class Check:
    """One question put to an answer; it passes when its function returns without raising."""

    name: str
    points: float
    run: CheckFunction
    needs: str | None
    seconds: float


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that students really give.

    Its docstring is the hint: it leads to the flaw and does not give the answer away. One with `right_values` (a lost
    dtype, a cut graph) cannot be told by comparing results: the check that finds it names it.
    """

    name: str
    hint: str
    answer: Callable[..., Any]
    right_values: bool


@dataclass
class Exercise:
    """One graded function or class. Its file adds the checks and the mistakes with the two decorators.

    Args:
        name: what the student defines, and what the namespace of an answer is asked for.
        forbids: calls that the exercise asks the student to write; using one loses all its points.
    """

    name: str
    forbids: tuple[Ban, ...] = ()
    checks: list[Check] = field(default_factory=list)
    mistakes: dict[str, Mistake] = field(default_factory=dict)

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)

    def check(
        self, points: float, needs: str | None = None, seconds: float = 10.0
    ) -> Callable[[CheckFunction], CheckFunction]:
        """Add a check; the decorated function's docstring is its title.

        Args:
            points: what passing it is worth.
            needs: function name of a check that must have passed, so that no points are given for, say,
                keeping the dtype of a wrong result.
            seconds: the time limit.
        """

        def add(run: CheckFunction) -> CheckFunction:
            title = (getdoc(run) or run.__name__).splitlines()[0].rstrip(".")
            required = next((c.name for c in self.checks if c.run.__name__ == needs), None)
            if needs and not required:
                raise ValueError(f"{self.name}: the check {run.__name__!r} needs {needs!r}, which is not above it")
            self.checks.append(Check(title, points, run, required, seconds))
            return run

        return add

    def mistake(self, answer: Callable[..., Any], right_values: bool = False) -> Callable[..., Any]:
        """Add a named mistake; its name is the function's or class's, its hint the docstring."""
        name, hint = answer.__name__, getdoc(answer)
        if not hint:
            raise ValueError(f"{self.name}: the mistake {name!r} has no docstring, and so no hint")
        words = re.sub(r"_|(?<=[a-z0-9])(?=[A-Z])", " ", name).lower()
        self.mistakes[name] = Mistake(words, " ".join(hint.split()), answer, right_values)
        return answer


@dataclass(frozen=True)
class Assignment:
    """The exercises of one notebook, in its order."""

    name: str
    exercises: Mapping[str, Exercise]

    @classmethod
    def of(cls, name: str, *exercises: Exercise) -> "Assignment":
        return cls(name, {exercise.name: exercise for exercise in exercises})

    @property
    def points(self) -> float:
        return sum(exercise.points for exercise in self.exercises.values())
