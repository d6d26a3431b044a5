"""`tversky_loss(logits, target, alpha, beta)`: false positives and false negatives weighed apart, class by class."""

from typing import Any

from torch import Tensor

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.a04_losses.class_overlaps import Counts, add_class_mistakes, with_absent_classes
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_LOSSES

tversky_loss = Exercise("tversky_loss", forbids=(REFERENCE_LOSSES,))


def _tversky(logits: Tensor, target: Tensor, alpha: float = 0.3, beta: float = 0.7) -> Tensor:
    return Counts.of_logits(logits, target).mean(alpha, beta)


def _weights(alpha: float = 0.3, beta: float = 0.7) -> tuple[float, float]:
    """On false positives and on false negatives."""
    return alpha, beta


@tversky_loss.check(points=0.5)
def values(answer: Answer, draw: Draw) -> None:
    """The notebook's example, and any batch, number of classes and size, with all classes present."""
    calls: list[Any] = [batches.two_class_example(), batches.batch(draw, 3, (1, 1, 4))]
    calls += [batches.batch(draw, classes) for classes in (2, None)]
    calls += [
        (*batches.batch(draw), {"alpha": alpha, "beta": beta})
        for alpha, beta in ((0.8, 0.1), (0.5, 0.5), (1.0, 1.0), (0.2, 1.7), (0.0, 0.6))
    ]
    batches.expect_losses(answer, _tversky, batches.SMOOTHED, *calls)


@tversky_loss.check(points=0.5, needs="values")
def absent_classes(answer: Answer, draw: Draw) -> None:
    """Classes that the target does not hold are left out of the mean."""
    batches.expect_losses(answer, _tversky, batches.SMOOTHED, *with_absent_classes(draw))


batches.add_saturated_regions(tversky_loss, "values", _tversky)
batches.add_good_manners(tversky_loss, "values", _tversky)
add_class_mistakes(tversky_loss, _weights)


@tversky_loss.mistake
def alpha_and_beta_swapped(logits: Tensor, target: Tensor, alpha: float = 0.3, beta: float = 0.7) -> Tensor:
    """The two weights have changed places: alpha belongs to what is predicted and not there. Papers differ in this."""
    return _tversky(logits, target, beta, alpha)


@tversky_loss.mistake
def weights_fixed(logits: Tensor, target: Tensor, alpha: float = 0.3, beta: float = 0.7) -> Tensor:
    """The weights are 0.3 and 0.7 whatever `alpha` and `beta` say."""
    return _tversky(logits, target)


@tversky_loss.mistake
def beta_taken_from_alpha(logits: Tensor, target: Tensor, alpha: float = 0.3, beta: float = 0.7) -> Tensor:
    """`beta` is not used: the two weights need not add up to 1."""
    return _tversky(logits, target, alpha, 1 - alpha)
