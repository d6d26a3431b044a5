"""Logits and targets for the checks of the losses, and the questions that several losses share.

A smoothing of 1e-5 is free, so no probability comes near it where a value is compared, and the tolerances leave it
room. The pictures of a batch differ in difficulty and the classes in size: averages over pictures, over classes and
over all pixels are then three different numbers.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise

Loss = Callable[..., Tensor]

SMOOTHED = 5e-5  # what a smoothing of 1e-5 may change in a ratio of sums
SMOOTHED_LOG = 5e-4  # and in a mean of logarithms

_TWO = [[0.1, 0.6, 0.7, 0.8], [0.9, 0.4, 0.3, 0.2]]
_THREE = [[0.8, 0.7, 0.6, 0.9], [0.1, 0.2, 0.3, 0.05], [0.1, 0.1, 0.1, 0.05]]


def two_class_example() -> tuple[Tensor, Tensor]:
    """The notebook's example: four pixels, whose class 1 has the probabilities 0.9, 0.4, 0.3, 0.2."""
    return torch.tensor(_TWO)[None, :, None].log(), torch.tensor([[[1, 1, 0, 0]]])


def three_class_example() -> tuple[Tensor, Tensor]:
    """The notebook's second example: four pixels of three classes, the last of which is absent."""
    return torch.tensor(_THREE)[None, :, None].log(), torch.tensor([[[0, 0, 1, 0]]])


def batch(draw: Draw, classes: int | None = None, pixels: tuple[int, int, int] | None = None) -> tuple[Tensor, Tensor]:
    """Logits (N, C, H, W) from -1.8 to 1.5, and targets in which class 0 is the most frequent.

    The last picture holds all classes; the first lacks one, where it is not the last as well.
    """
    c = classes or draw.integer(3, 5)
    n, h, w = pixels or (draw.integer(2, 3), draw.integer(3, 5), draw.integer(6, 8))
    target = draw.labels(n, h, w, classes=c) * draw.labels(n, h, w, classes=2)
    target[0, target[0] == c - 1] = 0
    places = torch.randperm(h * w, generator=draw.generator)[:c]
    target[-1, places // w, places % w] = torch.arange(c)
    logits = draw.uniform(n, c, h, w, low=-0.9, high=0.9)
    skill = torch.linspace(-0.6, 0.6, n).reshape(n, 1, 1, 1)  # the first picture is predicted worst, the last best
    bias = 0.3 * F.one_hot(torch.zeros((), dtype=torch.int64), c).reshape(1, c, 1, 1)
    return logits + skill * one_hot(target, c) - bias, target


def one_hot(target: Tensor, classes: int) -> Tensor:
    """(N, H, W) class ids → (N, C, H, W) of 0 and 1."""
    return F.one_hot(target, classes).movedim(-1, 1)


def softmax_and_one_hot(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The s and g of the formulas."""
    return logits.softmax(dim=1), one_hot(target, logits.shape[1]).to(logits)


def gentle(draw: Draw) -> tuple[Tensor, Tensor]:
    """Logits within ±0.5, for comparing gradients: smoothing changes a gradient by 1e-5 / p of itself."""
    return draw.uniform(2, 3, 4, 5, low=-0.5, high=0.5), batch(draw, 3, (2, 4, 5))[1]


def saturated(draw: Draw, share_wrong: float) -> tuple[Tensor, Tensor]:
    """Logits 2000 apart, high up at some pixels and far down at others, with a share of confidently wrong pixels."""
    n, c, h, w = 2, 3, 4, 6
    target = (torch.arange(n * h * w) % c)[torch.randperm(n * h * w, generator=draw.generator)]
    wrong = torch.zeros(n * h * w, dtype=torch.bool)
    wrong[: round(share_wrong * n * h * w)] = True
    predicted = torch.where(wrong, (target + 1) % c, target).reshape(n, h, w)
    height = draw.choice([-1, 1]) * 1000.0 * (2 * (torch.arange(w) % 2) - 1)
    return 2000.0 * one_hot(predicted, c) + height, target.reshape(n, h, w)


def expect_losses(answer: Answer, reference: Loss, tolerance: float, *calls: Any) -> None:
    """The answer agrees with the reference in all these calls, given as (first, second) or (first, second, options).

    All are made before any is compared, so that a mistake is recognised by everything that it does.
    """
    results = []
    for first, second, *rest in calls:
        options = rest[0] if rest else {}
        with_options = "".join(f" with {name} = {value:g}" for name, value in options.items())
        expected = float(reference(first, second, **options))
        results.append((answer(first, second, **options), expected, f"the loss{with_options}"))
    for got, expected, what in results:
        expect.number_close(got, expected, what, tolerance)


def add_good_manners(
    exercise: Exercise, needs: str, reference: Loss, arguments: Callable[[Draw], tuple[Tensor, Tensor]] = gentle
) -> None:
    """The check of the engine for dtype, gradient and side effects, with mistakes that take a loss's options too."""

    @exercise.check(points=0.5, needs=needs)
    def good_manners(answer: Answer, draw: Draw) -> None:
        """Keeps float64, lets gradients through, leaves its inputs alone."""
        args = arguments(draw)
        properties.leaves_alone(answer, *args)
        properties.keeps_dtype(answer, *args)
        properties.lets_gradients_through(answer, reference, *args)

    def always_float32(*args: Tensor, **options: float) -> Tensor:
        """A float64 input comes back as float32: make new tensors with the dtype of the input."""
        return reference(*args, **options).float()

    def cut_from_the_graph(*args: Tensor, **options: float) -> Tensor:
        """The values are right, but autograd cannot follow: NumPy, `.data`, `.detach()`, `.item()` cut the graph."""
        return reference(*args, **options).detach()

    def changes_its_input(first: Tensor, *args: Tensor, **options: float) -> Tensor:
        """An input is not the same after the call: an operation ending in `_` or an assignment wrote into it."""
        result = reference(first, *args, **options).clone()
        with torch.no_grad():
            first.zero_()
        return result

    for mistake in (always_float32, properties.in_float32_by(reference), cut_from_the_graph, changes_its_input):
        exercise.mistake(mistake, right_values=True)


def add_saturated_logarithms(exercise: Exercise, needs: str, reference: Loss) -> None:
    """Add the check of a loss made of logarithms: finite, with a finite gradient, and never indifferent.

    A confidently wrong pixel costs 2000, or -ln(1e-5) with the largest smoothing that is free.
    """

    @exercise.check(points=0.5, needs=needs)
    def finite_for_saturated_logits(answer: Answer, draw: Draw) -> None:
        """Logits of ±1000: the loss and its gradient stay finite."""
        for share_wrong in (0.25, 1.0, 0.0):
            logits, target = saturated(draw, share_wrong)
            value = expect.a_number(answer(logits, target), "the loss")
            expect.that(abs(value) < float("inf"), f"the loss is {value} for logits of ±1000")
            most = float(reference(logits, target))
            least = most * 11.4 / 2000
            expect.that(
                least - 1e-3 <= value <= most * 1.01 + 1e-3,
                f"the loss is {value:.4g} where {share_wrong:.0%} of the pixels are confidently wrong; "
                f"{most:.4g} is expected, at least {least:.4g} with smoothing",
            )
            _gradient_is_finite(answer, logits, target)


def _gradient_is_finite(answer: Answer, logits: Tensor, target: Tensor) -> None:
    """For a loss that is part of a graph; whether it is, the check of good manners asks."""
    logits = logits.clone().requires_grad_()
    loss = answer.run(answer.function, logits, target)
    if isinstance(loss, Tensor) and loss.requires_grad:
        (gradient,) = torch.autograd.grad(loss.sum(), logits, allow_unused=True)
        expect.that(gradient is None or gradient.isfinite().all(), "the gradient holds NaN for logits of ±1000")


def add_saturated_regions(exercise: Exercise, needs: str, reference: Loss) -> None:
    """Add the check of a loss made of overlaps: probabilities of exactly 0 and 1 are ordinary numbers."""

    @exercise.check(points=0.5, needs=needs)
    def finite_for_saturated_logits(answer: Answer, draw: Draw) -> None:
        """Logits of ±1000: 0 when all is right, 1 when all is wrong, and right in between."""
        expect_losses(answer, reference, 1e-3, *(saturated(draw, share_wrong) for share_wrong in (0.25, 1.0, 0.0)))
