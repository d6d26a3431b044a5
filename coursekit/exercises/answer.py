"""A student's answer, as the checks see it: called, watched and written down."""

import contextlib
import io
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch._C import DisableTorchFunctionSubclass
from torch.nn import Parameter

from coursekit.exercises.limits import Interruption
from coursekit.exercises.watch import Watch


class AnswerRaised(Exception):
    """The answer raised an exception of its own."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True)
class Call:
    """One call of the answer: copies of what it was given, and what it gave or the kind of error it raised."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any = None
    raised: str | None = None


_SAYS_LITTLE = (RuntimeError, ValueError, TypeError, AttributeError, NameError)


def kind_of(error: BaseException) -> str:
    """What the errors of two answers share when they come of the same mistake.

    It is the type; but anything may raise a RuntimeError or a ValueError, so there the words belong to it too, without
    the numbers, which are those of one input.
    """
    name = type(error).__name__
    return f"{name}: {re.sub(r'[0-9]+', '', str(error))}" if isinstance(error, _SAYS_LITTLE) else name


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
        try:
            result = self.run(self.function, *copied(args, graph=True), **copied(kwargs, graph=True))
        except AnswerRaised as raised:
            self.calls.append(Call(args_given, kwargs_given, raised=kind_of(raised.error)))
            raise
        self.calls.append(Call(args_given, kwargs_given, result=copied(result)))
        return result

    def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        reported = getattr(function, "forbidden", None)  # an answer in another process is watched there
        try:
            with quiet(), self.watch if reported is None else contextlib.nullcontext():
                return _plain(function(*args, **kwargs))
        except (Interruption, KeyboardInterrupt):
            raise
        except BaseException as error:  # SystemExit, and what a student may derive from BaseException
            raise AnswerRaised(error) from error
        finally:
            self.watch.seen.update(reported or ())


@contextlib.contextmanager
def quiet():  # type: ignore[no-untyped-def]
    """Swallow prints and warnings: a right answer must not lose points, under nbgrader, for writing to stderr."""
    with contextlib.redirect_stdout(_Sink()), contextlib.redirect_stderr(_Sink()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Sink(io.TextIOBase):
    def write(self, text: str, /) -> int:
        return len(text)


def _plain(result: Any) -> Any:
    """Tensors of a class of its own become plain ones: what they do in a check must not be the student's code."""
    if isinstance(result, Tensor) and type(result) not in (Tensor, Parameter):
        with DisableTorchFunctionSubclass():
            return result.as_subclass(Tensor)
    if type(result) in (tuple, list):
        return type(result)(_plain(item) for item in result)
    return result


def copied(value: Any, graph: bool = False) -> Any:
    """A copy of arrays, also inside containers, that later changes do not reach; anything else is kept as it is.

    Args:
        graph: a tensor's copy stays in its graph, so that gradients reach the original.
    """
    if isinstance(value, Tensor):
        return value.clone() if graph else value.detach().clone()
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (tuple, list):
        return type(value)(copied(item, graph) for item in value)
    if type(value) is dict:
        return {key: copied(item, graph) for key, item in value.items()}
    return value


def same(left: Any, right: Any) -> bool:
    """Whether two results agree in shape and value; dtypes and the kinds of arrays and containers do not matter."""
    if isinstance(left, Tensor | np.ndarray) or isinstance(right, Tensor | np.ndarray):
        return _same_arrays(left, right)
    if isinstance(left, tuple | list) and isinstance(right, tuple | list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    try:
        a, b = float(left), float(right)
    except (TypeError, ValueError, RuntimeError):
        return False
    return a == b or abs(a - b) <= 1e-5 + 1e-4 * abs(b) or (math.isnan(a) and math.isnan(b))


def _same_arrays(left: Any, right: Any) -> bool:
    """Two results of which at least one is an array."""
    try:
        a, b = torch.as_tensor(left), torch.as_tensor(right)
    except (TypeError, ValueError, RuntimeError):  # one of them holds no numbers
        return False
    if a.shape != b.shape or a.is_complex() or b.is_complex():
        return False
    return torch.allclose(a.double(), b.double(), rtol=1e-4, atol=1e-5, equal_nan=True)
