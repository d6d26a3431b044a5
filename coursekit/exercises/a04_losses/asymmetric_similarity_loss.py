"""`asymmetric_similarity_loss(logits, target, beta)`: one minus the soft F-beta score, class by class."""

from typing import Any

from torch import Tensor

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.a04_losses.class_overlaps import Counts, add_class_mistakes, with_absent_classes
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_LOSSES

asymmetric_similarity_loss = Exercise("asymmetric_similarity_loss", forbids=(REFERENCE_LOSSES,))


def _weights(beta: float = 1.5) -> tuple[float, float]:
    """On false positives and on false negatives."""
    return 1 / (1 + beta**2), beta**2 / (1 + beta**2)


def _asymmetric(logits: Tensor, target: Tensor, beta: float = 1.5) -> Tensor:
    return Counts.of_logits(logits, target).mean(*_weights(beta))


@asymmetric_similarity_loss.check(points=0.5)
def values(answer: Answer, draw: Draw) -> None:
    """The notebook's example, and any batch, number of classes and size, with all classes present."""
    calls: list[Any] = [batches.two_class_example(), batches.batch(draw, 3, (1, 1, 4))]
    calls += [batches.batch(draw, classes) for classes in (2, None)]
    calls += [(*batches.batch(draw), {"beta": beta}) for beta in (2.0, 1.0, 0.5, 3.0)]
    batches.expect_losses(answer, _asymmetric, batches.SMOOTHED, *calls)


@asymmetric_similarity_loss.check(points=0.5, needs="values")
def absent_classes(answer: Answer, draw: Draw) -> None:
    """Classes that the target does not hold are left out of the mean."""
    batches.expect_losses(answer, _asymmetric, batches.SMOOTHED, *with_absent_classes(draw))


batches.add_saturated_regions(asymmetric_similarity_loss, "values", _asymmetric)
batches.add_good_manners(asymmetric_similarity_loss, "values", _asymmetric)
add_class_mistakes(asymmetric_similarity_loss, _weights)


@asymmetric_similarity_loss.mistake
def weights_swapped(logits: Tensor, target: Tensor, beta: float = 1.5) -> Tensor:
    """The two weights have changed places: a beta above 1 punishes what was *missed*."""
    on_fp, on_fn = _weights(beta)
    return Counts.of_logits(logits, target).mean(on_fn, on_fp)


@asymmetric_similarity_loss.mistake
def beta_not_squared(logits: Tensor, target: Tensor, beta: float = 1.5) -> Tensor:
    """The weights hold beta where the formula has its square; at beta = 1 you see no difference."""
    return Counts.of_logits(logits, target).mean(1 / (1 + beta), beta / (1 + beta))


@asymmetric_similarity_loss.mistake
def squared_above_only(logits: Tensor, target: Tensor, beta: float = 1.5) -> Tensor:
    """Beta was squared above the line and not below it: the two weights should add up to 1."""
    return Counts.of_logits(logits, target).mean(1 / (1 + beta), beta**2 / (1 + beta))


@asymmetric_similarity_loss.mistake
def false_positives_at_full_weight(logits: Tensor, target: Tensor, beta: float = 1.5) -> Tensor:
    """The false positives carry no weight of beta: the two weights should add up to 1."""
    return Counts.of_logits(logits, target).mean(1, beta**2)


@asymmetric_similarity_loss.mistake
def not_divided_below(logits: Tensor, target: Tensor, beta: float = 1.5) -> Tensor:
    """Mind the brackets: β²/1 + β² is not β²/(1 + β²)."""
    return Counts.of_logits(logits, target).mean(1 / 1 + beta**2, beta**2 / 1 + beta**2)


@asymmetric_similarity_loss.mistake
def beta_ignored(logits: Tensor, target: Tensor, beta: float = 1.5) -> Tensor:
    """Beta is 1.5 whatever `beta` says."""
    return _asymmetric(logits, target)


@asymmetric_similarity_loss.mistake
def dice_whatever_beta(logits: Tensor, target: Tensor, beta: float = 1.5) -> Tensor:
    """Both errors weigh the same: this is the Dice loss of each class, beta = 1."""
    return _asymmetric(logits, target, 1.0)


@asymmetric_similarity_loss.mistake
def beta_as_tverskys(logits: Tensor, target: Tensor, beta: float = 1.5) -> Tensor:
    """Beta was handed on as the weight itself; the weights are made of β² first."""
    return Counts.of_logits(logits, target).mean(1 - beta, beta)
