"""What came of the checks, as data, as plain text and as an HTML table."""

from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

import torch
from torch import Tensor

_WINDOW = 5  # rows and columns of an array that a report shows


@dataclass(frozen=True)
class CheckResult:
    """One check. `message` says what was seen; `mistake` is the recognised mistake's name, `hint` the way on.

    `endless` tells that the time ran out, so that the other checks of the exercise need not try.
    """

    name: str
    points: float
    passed: bool
    message: str = ""
    mistake: str | None = None
    hint: str = ""
    picture: str = ""
    endless: bool = False


@dataclass(repr=False)
class ExerciseReport:
    """The checks of one exercise; a `verdict` is what stands above them all, such as a forbidden call."""

    name: str
    checks: list[CheckResult] = field(default_factory=list)
    verdict: str = ""

    @property
    def score(self) -> float:
        return float(sum(check.points for check in self.checks if check.passed))

    @property
    def max_score(self) -> float:
        return float(sum(check.points for check in self.checks))

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "score": self.score, "max_score": self.max_score}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "ExerciseReport":
        return cls(data["name"], [CheckResult(**check) for check in data["checks"]], data["verdict"])

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.score:g} of {self.max_score:g} points"]
        if self.verdict:
            lines.append(f"  {self.verdict}")
        for check in self.checks:
            lines.append(f"  {'passed' if check.passed else 'FAILED'}  {check.name} ({check.points:g})")
            if not check.passed and check.message != self.verdict:
                lines += [f"          {line}" for line in check.message.splitlines()]
            if check.mistake:
                lines.append(f"          This looks like: {check.mistake}. {check.hint}")
            lines += [f"            {line}" for line in check.picture.splitlines()]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(_row(check, self.verdict) for check in self.checks)
        verdict = f"<p><strong>{escape(self.verdict)}</strong></p>" if self.verdict else ""
        return (
            # An answer's own words stand in it, which MathJax would read as TeX.
            "<div class='tex2jax_ignore mathjax_ignore'>"
            f"<table><caption style='text-align:left'><strong>{escape(self.name)}</strong>: "
            f"{self.score:g} of {self.max_score:g} points</caption>"
            "<thead><tr><th scope='col'></th><th scope='col' style='text-align:left'>check</th>"
            "<th scope='col' style='text-align:left'>what was seen</th><th scope='col'>points</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>{verdict}</div>"
        )


@dataclass(repr=False)
class Report:
    """An assignment's exercises, in order. `str(report)` is for a terminal; a notebook shows tables."""

    assignment: str
    seed: int
    exercises: dict[str, ExerciseReport] = field(default_factory=dict)

    @property
    def score(self) -> float:
        return float(sum(exercise.score for exercise in self.exercises.values()))

    @property
    def max_score(self) -> float:
        return float(sum(exercise.max_score for exercise in self.exercises.values()))

    @property
    def passed(self) -> bool:
        return all(exercise.passed for exercise in self.exercises.values())

    def to_dict(self) -> dict[str, Any]:
        return {
            "assignment": self.assignment,
            "seed": self.seed,
            "score": self.score,
            "max_score": self.max_score,
            "exercises": {name: exercise.to_dict() for name, exercise in self.exercises.items()},
        }

    def __str__(self) -> str:
        exercises = "\n".join(str(exercise) for exercise in self.exercises.values())
        return f"{exercises}\n{self.assignment}: {self.score:g} of {self.max_score:g} points"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        tables = "".join(exercise._repr_html_() for exercise in self.exercises.values())
        return f"{tables}<p><strong>{self.score:g} of {self.max_score:g} points</strong></p>"


def _row(check: CheckResult, verdict: str) -> str:
    sign = "✓ passed" if check.passed else "✗ failed"
    colour = "#1b7837" if check.passed else "#b2182b"
    seen = "" if check.message == verdict else escape(check.message)
    if check.mistake:
        seen += f"<br>This looks like: <strong>{escape(check.mistake)}</strong>. {escape(check.hint)}"
    if check.picture:
        seen += f"<pre style='margin:.4em 0;white-space:pre;overflow-x:auto'>{escape(check.picture)}</pre>"
    left = "style='text-align:left;vertical-align:top'"
    return (
        f"<tr><td {left}><span style='color:{colour};white-space:nowrap'>{sign}</span></td>"
        f"<td {left}>{escape(check.name)}</td><td {left}>{seen}</td><td>{check.points:g}</td></tr>"
    )


def side_by_side(got: Tensor, expected: Tensor) -> str:
    """The first plane in which two arrays differ, cut to a window around the first difference, as aligned text.

    Values that differ carry a star, so that the difference is not a matter of colour.
    """
    if got.shape != expected.shape or got.numel() == 0:
        return ""
    left, right = got.detach().double().cpu(), expected.detach().double().cpu()
    if left.ndim < 2:
        left, right = left.reshape(1, -1), right.reshape(1, -1)
    wrong = ~torch.isclose(left, right, rtol=1e-5, atol=1e-5, equal_nan=True)
    if not wrong.any():
        return ""
    first = wrong.nonzero()[0].tolist()
    plane, (row, column) = tuple(first[:-2]), first[-2:]
    top, start = (max(0, min(at - _WINDOW // 2, size - _WINDOW)) for at, size in zip(first[-2:], left.shape[-2:]))
    rows, columns = slice(top, top + _WINDOW), slice(start, start + _WINDOW)
    yours = _grid(left[plane][rows, columns], wrong[plane][rows, columns])
    right_rows = _grid(right[plane][rows, columns], None)
    width = max(len(line) for line in yours)
    head = f"{'yours':<{width}}   expected"
    where = f"[{', '.join(map(str, [*plane, row, column]))}]"
    lines = [head, *(f"{a:<{width}}   {b}" for a, b in zip(yours, right_rows))]
    return "\n".join([*lines, f"first difference at {where}; * marks what differs"])


def _grid(values: Tensor, wrong: Tensor | None) -> list[str]:
    stars = wrong if wrong is not None else torch.zeros_like(values, dtype=torch.bool)
    cells = [
        [f"{value:.4g}{'*' if star else ' '}" for value, star in zip(row, marks)]
        for row, marks in zip(values.tolist(), stars.tolist())
    ]
    width = max(len(cell) for row in cells for cell in row)
    return [" ".join(cell.rjust(width) for cell in row) for row in cells]
