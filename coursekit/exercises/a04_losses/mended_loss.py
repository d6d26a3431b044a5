"""`mended_loss(logits, target)`: the autopsy. The loss given in the notebook takes a softmax too many.

`F.cross_entropy` expects logits. Given probabilities it can never fall below ln(1 + (C - 1)/e), 0.31 for two classes,
and its gradient fades where the network is sure and wrong.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_LOSSES

mended_loss = Exercise("mended_loss", forbids=(REFERENCE_LOSSES,))


def _mended(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, ignore_index=255)


@mended_loss.check(points=0.5)
def values(answer: Answer, draw: Draw) -> None:
    """The loss of any batch is what it should be."""
    calls = (batches.batch(draw, classes) for classes in (None, 2, 3))
    batches.expect_losses(answer, _mended, batches.SMOOTHED_LOG, *calls)


@mended_loss.check(points=0.5, needs="values")
def void(answer: Answer, draw: Draw) -> None:
    """Pixels of 255 are still left out, of the sum and of the number that divides it."""
    calls = [batches.batch(draw, pixels=(2, 4, 7)) for _ in range(3)]
    for _, target in calls:
        target[0, :3] = 255
        target[1, draw.integer(0, 3), draw.integer(0, 6)] = 255
    batches.expect_losses(answer, _mended, batches.SMOOTHED_LOG, *calls)


batches.add_saturated_logarithms(mended_loss, "values", _mended)
batches.add_good_manners(mended_loss, "values", _mended)


@mended_loss.mistake
def softmax_still_there(logits: Tensor, target: Tensor) -> Tensor:
    """The loss is what it was: two sure and right classes still cost 0.31. What does `F.cross_entropy` expect?"""
    return _mended(logits.softmax(dim=1), target)


@mended_loss.mistake
def sigmoid_in_its_place(logits: Tensor, target: Tensor) -> Tensor:
    """The softmax has become a sigmoid, which squashes the logits just as well."""
    return _mended(logits.sigmoid(), target)


@mended_loss.mistake
def floor_subtracted(logits: Tensor, target: Tensor) -> Tensor:
    """The curve reaches 0 now, and the network learns no better: the gradient is what it was."""
    return _mended(logits.softmax(dim=1), target) - math.log(1 + (logits.shape[1] - 1) / math.e)


@mended_loss.mistake
def probabilities_stretched(logits: Tensor, target: Tensor) -> Tensor:
    """The probabilities were multiplied until the loss looked right; they are still no logits."""
    return _mended(10 * logits.softmax(dim=1), target)


@mended_loss.mistake
def softmax_over_the_pixels(logits: Tensor, target: Tensor) -> Tensor:
    """The softmax has moved to another axis; it is not the axis that is wrong with it."""
    return _mended(logits.softmax(dim=-1), target)


@mended_loss.mistake
def nll_of_probabilities(logits: Tensor, target: Tensor) -> Tensor:
    """`nll_loss` expects logarithms of probabilities; the logarithm is missing."""
    return F.nll_loss(logits.softmax(dim=1), target, ignore_index=255)


@mended_loss.mistake
def nll_of_logits(logits: Tensor, target: Tensor) -> Tensor:
    """`nll_loss` expects logarithms of probabilities; it was given logits."""
    return F.nll_loss(logits, target, ignore_index=255)


@mended_loss.mistake
def squared_error(logits: Tensor, target: Tensor) -> Tensor:
    """This is another loss, the squared error of the probabilities; the cross-entropy was to be mended."""
    valid = target != 255
    g = batches.one_hot(torch.where(valid, target, 0), logits.shape[1])
    return ((logits.softmax(dim=1) - g) ** 2).sum(dim=1)[valid].mean()


@mended_loss.mistake
def void_divides_too(logits: Tensor, target: Tensor) -> Tensor:
    """The void pixels are gone from the sum and still counted in the number that divides it."""
    return F.cross_entropy(logits, target, ignore_index=255, reduction="sum") / target.numel()


@mended_loss.mistake
def void_as_class_zero(logits: Tensor, target: Tensor) -> Tensor:
    """The void pixels are taught as class 0; they should not be taught at all."""
    return F.cross_entropy(logits, torch.where(target == 255, 0, target))


@mended_loss.mistake
def void_as_the_last_class(logits: Tensor, target: Tensor) -> Tensor:
    """The void pixels are taught as the last class; they should not be taught at all."""
    return F.cross_entropy(logits, target.clamp(max=logits.shape[1] - 1))


@mended_loss.mistake
def void_by_picture(logits: Tensor, target: Tensor) -> Tensor:
    """Each picture was averaged by itself; one that is mostly void then weighs as much as a full one."""
    return torch.stack([_mended(x[None], y[None]) for x, y in zip(logits, target)]).mean()


@mended_loss.mistake
def void_forgotten(logits: Tensor, target: Tensor) -> Tensor:
    """The softmax is mended, and 255 is no class: which argument of the given loss was lost on the way?"""
    return F.cross_entropy(logits, target)


@mended_loss.mistake
def sum_instead_of_mean(logits: Tensor, target: Tensor) -> Tensor:
    """The losses of the pixels were added; the given loss was a mean."""
    return F.cross_entropy(logits, target, ignore_index=255, reduction="sum")


@mended_loss.mistake
def minus_forgotten(logits: Tensor, target: Tensor) -> Tensor:
    """A loss below zero: the logarithm of a probability is negative."""
    return -_mended(logits, target)
