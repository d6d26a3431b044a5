"""Good manners for functions with optional arguments, which the checks pass by keyword."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from inspect import signature
from typing import Any

from torch import Tensor

from coursekit.exercises import properties
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise


def add_good_manners(
    exercise: Exercise,
    points: float,
    needs: str,
    reference: Callable[..., Tensor],
    arguments: Callable[[Draw], tuple[Any, ...]],
) -> None:
    """As `properties.add_good_manners`, whose three mistakes take positional arguments only."""
    known = set(exercise.mistakes)
    properties.add_good_manners(exercise, points, needs, reference, arguments)
    for key in exercise.mistakes.keys() - known:
        mistake = exercise.mistakes[key]
        exercise.mistakes[key] = replace(mistake, answer=partial(_in_order, mistake.answer, reference))


def _in_order(function: Callable[..., Tensor], like: Callable[..., Tensor], *args: Any, **options: Any) -> Tensor:
    bound = signature(like).bind(*args, **options)
    bound.apply_defaults()
    return function(*bound.args)
