"""A student's answer, as the checks see it: called, watched and written down."""

import contextlib
import io
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coursekit.exercises.limits import TimeLimit
from coursekit.exercises.watch import Watch


class AnswerRaised(Exception):
    """The answer raised an exception of its own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class Call:
    """One call of the answer: copies of what it was given, and what it gave or the type of what it raised."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any = None
    raised: type[BaseException] | None = None


class Answer:
    """The function or class under judgement.

    Calling it calls the student's code on copies, with its output and warnings swallowed, under the watch for forbidden
    calls; what it was given and what came of it stays in `calls`. `run` does the same for anything of the student's, a
    module for example, with the arguments themselves and without writing it down.
    """

    def __init__(self, function: Callable[..., Any], watch: Watch) -> None:
        self.function = function
        self.watch = watch
        self.calls: list[Call] = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args_given, kwargs_given = copied(args), copied(kwargs)
        handed = [arg.clone() if isinstance(arg, Tensor) else arg for arg in args]
        try:
            result = self.run(self.function, *handed, **kwargs)
        except AnswerRaised as raised:
            self.calls.append(Call(args_given, kwargs_given, raised=type(raised.error)))
            raise
        self.calls.append(Call(args_given, kwargs_given, result=copied(result)))
        return result

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            with quiet(), self.watch:
                return function(*args, **kwargs)
        except TimeLimit:
            raise
        except (Exception, SystemExit) as error:
            raise AnswerRaised(error) from error


@contextlib.contextmanager
def quiet():  # type: ignore[no-untyped-def]
    """Swallow prints and warnings: a right answer must not lose points, under nbgrader, for writing to stderr."""
    with contextlib.redirect_stdout(_Sink()), contextlib.redirect_stderr(_Sink()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Sink(io.TextIOBase):
    def write(self, text: str, /) -> int:
        return len(text)


def copied(value: Any) -> Any:
    """A copy of tensors, also inside containers, that later changes do not reach; anything else is kept as it is."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if type(value) in (tuple, list):
        return type(value)(copied(item) for item in value)
    if type(value) is dict:
        return {key: copied(item) for key, item in value.items()}
    return value


def same(left: Any, right: Any) -> bool:
    """Whether two results agree in shape and value; dtypes and the kinds of containers do not matter."""
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if left.shape != right.shape or left.is_complex() or right.is_complex():
            return False
        return torch.allclose(left.double(), right.double(), rtol=1e-4, atol=1e-5, equal_nan=True)
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    try:
        a, b = float(left), float(right)
    except (TypeError, ValueError, RuntimeError):
        return False
    return a == b or abs(a - b) <= 1e-5 + 1e-4 * abs(b) or (math.isnan(a) and math.isnan(b))
