"""`focal_loss(logits, target, gamma)`: cross-entropy in which a pixel counts the less, the better it is predicted."""

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.a04_losses.shared_mistakes import add_logarithm_mistakes
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_LOSSES

focal_loss = Exercise("focal_loss", forbids=(REFERENCE_LOSSES,))


def _focal(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    negative_log, p = _pixels(logits, target)
    return ((1 - p) ** gamma * negative_log).mean()


def _pixels(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy and the probability of the true class, at each pixel."""
    negative_log = F.cross_entropy(logits, target, reduction="none")
    return negative_log, torch.exp(-negative_log)


@focal_loss.check(points=0.5)
def worked_example(answer: Answer, draw: Draw) -> None:
    """Four pixels: the notebook's example, and another."""
    calls = batches.two_class_example(), batches.batch(draw, 3, (1, 1, 4))
    batches.expect_losses(answer, _focal, batches.SMOOTHED_LOG, *calls)


@focal_loss.check(points=0.5)
def any_shape(answer: Answer, draw: Draw) -> None:
    """Any batch, number of classes, size and gamma; gamma = 0 is cross-entropy."""
    calls = [(*batches.batch(draw), {"gamma": gamma}) for gamma in (2.0, 1.0, 0.0, 0.5, 3.5)]
    batches.expect_losses(answer, _focal, batches.SMOOTHED_LOG, batches.batch(draw), *calls)


batches.add_saturated_logarithms(focal_loss, "any_shape", _focal)
batches.add_good_manners(focal_loss, "any_shape", _focal)
add_logarithm_mistakes(focal_loss, _focal)


@focal_loss.mistake
def plain_cross_entropy(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """This is cross-entropy: the factor that makes easy pixels count less is missing."""
    return F.cross_entropy(logits, target)


@focal_loss.mistake
def easy_pixels_favoured(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """The pixels that are predicted best weigh most: look at the factor again, at p near 1."""
    negative_log, p = _pixels(logits, target)
    return (p**gamma * negative_log).mean()


@focal_loss.mistake
def gamma_ignored(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """The exponent is 2 whatever `gamma` says."""
    return _focal(logits, target, 2.0)


@focal_loss.mistake
def gamma_as_a_factor(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Gamma multiplies where it should stand as an exponent."""
    negative_log, p = _pixels(logits, target)
    return (gamma * (1 - p) * negative_log).mean()


@focal_loss.mistake
def power_of_the_whole(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """The power was taken of the cross-entropy; only 1 - p has the exponent."""
    negative_log, _ = _pixels(logits, target)
    return (negative_log**gamma).mean()


@focal_loss.mistake
def power_of_the_product(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """The exponent covers the logarithm too; only 1 - p has it. Mind the brackets."""
    negative_log, p = _pixels(logits, target)
    return (((1 - p) * negative_log) ** gamma).mean()


@focal_loss.mistake
def one_minus_the_power(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """The power was taken of p and then subtracted from 1; first the difference, then the power."""
    negative_log, p = _pixels(logits, target)
    return ((1 - p**gamma) * negative_log).mean()


@focal_loss.mistake
def logarithm_missing(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Only the factor (1 - p)^gamma was averaged; what does it multiply?"""
    _, p = _pixels(logits, target)
    return ((1 - p) ** gamma).mean()


@focal_loss.mistake
def sum_instead_of_mean(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """The loss grows with the size of the picture: the mean over the pixels is asked for."""
    return _focal(logits, target, gamma) * target.numel()


@focal_loss.mistake
def alpha_added(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Everything is a quarter of what it should be: there is no alpha in this exercise."""
    return 0.25 * _focal(logits, target, gamma)


@focal_loss.mistake
def divided_by_the_weights(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """The sum was divided by the sum of the factors; the mean is over the number of pixels."""
    negative_log, p = _pixels(logits, target)
    return ((1 - p) ** gamma * negative_log).sum() / ((1 - p) ** gamma).sum()


@focal_loss.mistake
def focal_factor_of_the_mean(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """One factor for the whole batch, from its mean cross-entropy; each pixel has a factor of its own."""
    mean = F.cross_entropy(logits, target)
    return (1 - torch.exp(-mean)) ** gamma * mean


@focal_loss.mistake
def sigmoid_form(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Each class has a sigmoid and two terms of its own; the form with one softmax is asked for."""
    g = batches.one_hot(target, logits.shape[1]).to(logits)
    negative_log = F.binary_cross_entropy_with_logits(logits, g, reduction="none")
    return ((1 - torch.exp(-negative_log)) ** gamma * negative_log).sum(dim=1).mean()


@focal_loss.mistake
def sigmoid_form_averaged(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """Each class has a sigmoid and two terms of its own, averaged; the form with one softmax is asked for."""
    return sigmoid_form(logits, target, gamma=gamma) / logits.shape[1]


@focal_loss.mistake
def all_classes_counted(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """The classes that are not true were added: in the formula their g is 0."""
    log_s = logits.log_softmax(dim=1)
    return -((1 - log_s.exp()) ** gamma * log_s).sum(dim=1).mean()


@focal_loss.mistake
def exponent_one_too_large(logits: Tensor, target: Tensor, gamma: float = 2.0) -> Tensor:
    """The factor 1 - p was multiplied in once too often; try gamma = 0, which should be cross-entropy."""
    return _focal(logits, target, gamma + 1)
