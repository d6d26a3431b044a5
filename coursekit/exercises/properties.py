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
    learned: tuple[int, ...] = (0,),
) -> None:
    """Add the check for dtype, gradient and side effects, and the four mistakes that belong to it.

    Args:
        reference: a right answer; differentiable in the arguments `learned`.
        arguments: draws what the answer is called with; options by keyword stand as a dict at the end.
        learned: the positions of the arguments that gradients should reach.
    """

    @exercise.check(points=points, needs=needs)
    def good_manners(answer: Answer, draw: Draw) -> None:
        """Keeps float64, lets gradients through, leaves its input alone."""
        case = arguments(draw)
        leaves_alone(answer, *case)
        keeps_dtype(answer, *case)
        for position in learned:
            lets_gradients_through(answer, reference, *case, position=position)

    def always_float32(*args: Any, **options: Any) -> Any:
        """A float64 input comes back as float32: make new tensors with the dtype of the input."""
        return _map_first(reference(*args, **options), Tensor.float)

    def cut_from_the_graph(*args: Any, **options: Any) -> Any:
        """The values are right, but autograd cannot follow: NumPy, `.data`, `.detach()`, `.item()` cut the graph."""
        return _map_first(reference(*args, **options), Tensor.detach)

    def changes_its_input(x: Tensor, *args: Any, **options: Any) -> Any:
        """An input is not the same after the call: an operation ending in `_` or an assignment wrote into it."""
        result = _map_first(reference(x, *args, **options), Tensor.clone)
        with torch.no_grad():
            x.zero_()
        return result

    for mistake in (always_float32, in_float32_by(reference), cut_from_the_graph, changes_its_input):
        exercise.mistake(mistake, right_values=True)


def in_float32_by(reference: Callable[..., Any]) -> Callable[..., Any]:
    """The mistake of a right answer that takes its first argument through float32."""

    def computed_in_float32(x: Tensor, *args: Any, **options: Any) -> Any:
        """A float64 input passes through float32: no `.float()`, and new tensors with the dtype of the input."""
        result = reference(x.float().to(x.dtype), *args, **options)
        return _map_first(result, lambda values: values.float().to(values.dtype))

    return computed_in_float32


def keeps_dtype(answer: Answer, *case: Any, position: int = 0) -> None:
    """float64 in, float64 out, and to its precision: all floating arguments are given in double precision.

    The one at `position` twice, different by so little that in float32 it would be the same.
    """
    args, options = expect.split(_doubled(case))
    given = args[position].float().double()
    first, second = (
        _first(answer(*args[:position], x, *args[position + 1 :], **options)) for x in (given, given * (1 - 1e-10))
    )
    expect.dtype(first, torch.float64, "the result for a float64 input", "always_float32")
    expect.that(
        not torch.equal(first, second),
        "the result for a float64 input stays the same when the input becomes smaller by 1e-10 of itself: "
        "somewhere it passes through float32",
        "computed_in_float32",
    )


def lets_gradients_through(answer: Answer, reference: Callable[..., Any], *case: Any, position: int = 0) -> None:
    """The gradient with respect to an argument is the reference's; all are given in double precision."""
    args, options = expect.split(_doubled(case))
    what = "the input" if position == 0 else f"argument {position + 1}"

    def gradient(function: Callable[..., Any]) -> Tensor:
        leaf = args[position].detach().clone().requires_grad_()
        result = expect.a_tensor(_first(function(*args[:position], leaf, *args[position + 1 :], **options)))
        weights = torch.linspace(-1, 1, result.numel(), dtype=torch.float64).reshape(result.shape)
        found = None
        if result.requires_grad:
            try:
                (found,) = torch.autograd.grad((result * weights).sum(), leaf, allow_unused=True)
            except RuntimeError as error:  # autograd's, about a tensor that was changed after it had been used
                raise expect.CheckFailed(f"there is no gradient: {error}", mistake="changes_its_input") from None
        if found is None:
            raise expect.CheckFailed(f"no gradient reaches {what}", mistake="cut_from_the_graph")
        return found

    expect.close(gradient(answer), gradient(reference), f"the gradient with respect to {what}")


def leaves_alone(answer: Answer, *case: Any) -> None:
    """No tensor among the arguments is changed by the call, in single precision or in double.

    In double precision too: a conversion that has nothing to convert gives the argument itself.
    """
    for given in (case, _doubled(case)):
        args, options = expect.split(given)
        named = {**{f"argument {i}": arg for i, arg in enumerate(args, start=1)}, **options}
        before = {name: arg.clone() for name, arg in named.items() if isinstance(arg, Tensor)}
        answer.run(answer.function, *args, **options)
        for name, old in before.items():
            if not torch.equal(named[name], old):
                raise expect.CheckFailed(f"{name} was changed by the call", named[name], old, "changes_its_input")


def _doubled(case: tuple[Any, ...]) -> tuple[Any, ...]:
    """A copy of a case in double precision."""

    def doubled(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: doubled(item) for name, item in value.items()}
        if isinstance(value, Tensor):
            return value.double().clone() if value.is_floating_point() else value.clone()
        return value

    return tuple(doubled(value) for value in case)


def _first(result: Any) -> Any:
    return result[0] if isinstance(result, tuple | list) and result else result


def _map_first(result: Any, change: Callable[[Tensor], Tensor]) -> Any:
    return (change(result[0]), *result[1:]) if isinstance(result, tuple) else change(result)
