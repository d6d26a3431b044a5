"""What every right answer does beside giving the right values."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from coursekit.exercises import expect
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise


def add_good_manners(
    exercise: Exercise,
    points: float,
    needs: str,
    reference: Callable[..., Any],
    arguments: Callable[[Draw], tuple[Any, ...]],
) -> None:
    """Add the check for dtype, gradient and side effects, and the three mistakes that belong to it.

    Args:
        reference: a right answer; differentiable in its first argument.
        arguments: draws what the answer is called with; the first is a tensor.
    """

    @exercise.check(points=points, needs=needs)
    def good_manners(answer: Answer, draw: Draw) -> None:
        """Keeps float64, lets gradients through, leaves its input alone."""
        args = arguments(draw)
        leaves_alone(answer, *args)
        keeps_dtype(answer, *args)
        lets_gradients_through(answer, reference, *args)

    def always_float32(*args: Any) -> Any:
        """A float64 input comes back as float32: make new tensors with the dtype of the input."""
        return _map_first(reference(*args), Tensor.float)

    def cut_from_the_graph(*args: Any) -> Any:
        """The values are right, but autograd cannot follow: NumPy, `.data`, `.detach()`, `.item()` cut the graph."""
        return _map_first(reference(*args), Tensor.detach)

    def changes_its_input(x: Tensor, *args: Any) -> Any:
        """The input is not the same after the call: an operation ending in `_` or an assignment wrote into it."""
        result = _map_first(reference(x, *args), Tensor.clone)
        with torch.no_grad():
            x.zero_()
        return result

    for mistake in (always_float32, cut_from_the_graph, changes_its_input):
        exercise.mistake(mistake, right_values=True)


def keeps_dtype(answer: Answer, *args: Any) -> None:
    """float64 in, float64 out: floating arguments are given in double precision."""
    doubled = [arg.double() if isinstance(arg, Tensor) and arg.is_floating_point() else arg for arg in args]
    expect.dtype(_first(answer(*doubled)), torch.float64, "the result for a float64 input", "always_float32")


def lets_gradients_through(answer: Answer, reference: Callable[..., Any], *args: Any) -> None:
    """The gradient with respect to the first argument is the reference's."""

    def gradient(function: Callable[..., Any]) -> Tensor:
        x = args[0].detach().double().requires_grad_()
        result = expect.a_tensor(_first(function(x, *args[1:])))
        weights = torch.linspace(-1, 1, result.numel(), dtype=torch.float64).reshape(result.shape)
        found = None
        if result.requires_grad:
            (found,) = torch.autograd.grad((result * weights).sum(), x, allow_unused=True)
        if found is None:
            raise expect.CheckFailed("no gradient reaches the input", mistake="cut_from_the_graph")
        return found

    expect.close(gradient(answer), gradient(reference), "the gradient with respect to the input")


def leaves_alone(answer: Answer, *args: Any) -> None:
    """No tensor among the arguments is changed by the call."""
    before = [arg.clone() if isinstance(arg, Tensor) else arg for arg in args]
    answer.run(answer.function, *args)
    for position, (arg, old) in enumerate(zip(args, before), start=1):
        if isinstance(arg, Tensor) and not torch.equal(arg, old):
            raise expect.CheckFailed(f"argument {position} was changed by the call", arg, old, "changes_its_input")


def _first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple | list) and result else result


def _map_first(result: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return (change(result[0]), *result[1:]) if isinstance(result, tuple) else change(result)
