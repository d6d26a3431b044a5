"""The assertions that checks are written with. Each says what was seen, what was expected and where to look."""

import contextlib
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


class CheckFailed(Exception):
    """A check's verdict: the answer is wrong.

    Args:
        message: what was seen and what was expected.
        got, expected: arrays to show beside each other.
        mistake: the function name of the mistake in the exercise's bank, where the check can tell it.
    """

    def __init__(
        self, message: str, got: Tensor | None = None, expected: Tensor | None = None, mistake: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.got, self.expected, self.mistake = message, got, expected, mistake


def that(condition: object, message: str, mistake: str | None = None) -> None:
    if not condition:
        raise CheckFailed(message, mistake=mistake)


def a_tensor(got: Any, shape: tuple[int, ...] | torch.Size | None = None, what: str = "the result") -> Tensor:
    """`got` itself, when it is a plain tensor (of that shape); a NumPy array as a tensor of the same values.

    Where a result has to stay in PyTorch, a check asks for its gradient, which an array has not.
    """
    if isinstance(got, np.ndarray):
        with contextlib.suppress(TypeError):  # an array of objects or of text
            got = torch.from_numpy(np.ascontiguousarray(got).reshape(got.shape))
    if not isinstance(got, Tensor):
        found = "nothing (None): is a return missing?" if got is None else f"{type(got).__name__}"
        raise CheckFailed(f"{what} should be a tensor; yours is {found}")
    if shape is not None and tuple(got.shape) != tuple(shape):
        raise CheckFailed(f"{what} should have the shape {tuple(shape)}; yours has {tuple(got.shape)}")
    return got


def an_array(got: Any, what: str = "the result") -> Tensor:
    """A tensor, from anything that is an array of real numbers: a tensor, an array of NumPy, a list."""
    if isinstance(got, Tensor):
        return got
    try:
        return torch.from_numpy(np.array(got, dtype=np.float64))
    except (TypeError, ValueError):
        raise CheckFailed(f"{what} should be an array of numbers; yours is {describe(got)}") from None


def a_number(got: Any, what: str = "the result") -> float:
    """A float, from anything that is one number: a float, an int, a tensor or array of one element."""
    try:
        if isinstance(got, int | float | Tensor | np.ndarray | np.generic):
            return float(got)
    except (TypeError, ValueError, RuntimeError):
        pass
    raise CheckFailed(f"{what} should be one number; yours is {describe(got)}")


def a_pair(got: Any, what: str) -> tuple[Any, Any]:
    """Two results, returned as `return a, b`."""
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise CheckFailed(f"two results are expected, {what}; yours is {describe(got)}")
    return got[0], got[1]


def close(
    got: Any, expected: Tensor, what: str = "the result", tolerance: float = 1e-5, mistake: str | None = None
) -> None:
    """Shape and values agree; the dtype is left open (where it matters a check of its own asks for it)."""
    seen = a_tensor(got, expected.shape, what).detach().to(device="cpu")
    if seen.is_complex() or seen.layout != torch.strided:
        raise CheckFailed(f"{what} should be an ordinary real tensor; yours is {describe(got)}")
    left, right = seen.to(torch.float64), expected.detach().to("cpu", torch.float64)
    unknown = torch.isnan(left) & ~torch.isnan(right)
    if unknown.any():
        raise CheckFailed(f"{what} holds {int(unknown.sum())} NaN", seen, expected, mistake)
    wrong = ~torch.isclose(left, right, rtol=tolerance, atol=tolerance, equal_nan=True)
    if wrong.any():
        count, total = int(wrong.sum()), wrong.numel()
        message = f"{what} differs from what is expected in {count} of {total} value{'s' if total != 1 else ''}"
        raise CheckFailed(message, seen, expected, mistake)


def number_close(
    got: Any, expected: float, what: str = "the result", tolerance: float = 1e-4, mistake: str | None = None
) -> None:
    """One number that agrees within the tolerance (relative above 1, absolute below)."""
    value = a_number(got, what)
    if math.isnan(value) and not math.isnan(expected):
        raise CheckFailed(f"{what} is NaN; {expected:.6g} is expected", mistake=mistake)
    if value == expected or (math.isnan(value) and math.isnan(expected)):
        return
    if not abs(value - expected) <= tolerance * max(1.0, abs(expected)):
        raise CheckFailed(f"{what} is {value:.6g}; {expected:.6g} is expected", mistake=mistake)


def as_reference(
    answer: Callable[..., Any],
    reference: Callable[..., Tensor],
    *cases: tuple[Any, ...],
    what: str = "the result",
    tolerance: float = 1e-5,
    any_array: bool = False,
) -> None:
    """The answer gives what the reference gives.

    All calls are made before the first is judged: so a mistake is recognised by all that it does.

    Args:
        cases: what both are called with; options by keyword stand as a dict at the end of a case.
        any_array: a list or an array of NumPy is as good as a tensor.
    """
    results = []
    for case in cases:
        args, options = split(case)
        results.append((answer(*args, **options), reference(*args, **options), f"{what}{_settings(args, options)}"))
    for got, expected, told in results:
        close(an_array(got, told) if any_array else got, expected, told, tolerance)


def split(case: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a case: those by position, and those by keyword, which stand as a dict at its end."""
    return (case[:-1], case[-1]) if case and isinstance(case[-1], dict) else (case, {})


def _settings(args: tuple[Any, ...], options: dict[str, Any]) -> str:
    """The numbers of a case in words, such as " with 3, stride 2"."""
    plain = [f"{arg:g}" for arg in args if isinstance(arg, int | float)]
    named = [f"{name.replace('_', ' ')} {value:g}" for name, value in options.items() if isinstance(value, int | float)]
    return f" with {', '.join([*plain, *named])}" if plain or named else ""


def dtype(got: Any, expected: torch.dtype, what: str = "the result", mistake: str | None = None) -> None:
    seen = a_tensor(got, what=what).dtype
    that(seen == expected, f"{what} should be {expected}; yours is {seen}", mistake)


def describe(value: Any) -> str:
    """A value in a few words; never its repr, which the answer could make as long as it likes."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)} and type {value.dtype}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if value is None or isinstance(value, bool | int | float):
        return str(value)
    return f"of type {type(value).__name__}"
