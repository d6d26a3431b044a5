"""Mistakes that can be made in every loss of a family, written once for all of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises.a04_losses.batches import Loss, one_hot, softmax_and_one_hot
from coursekit.exercises.exercise import Exercise


def add_logit_mistakes(exercise: Exercise, reference: Loss) -> None:
    """What can go wrong before any formula begins.

    Args:
        reference: (logits, target, **options) → the right loss.
    """

    def naive_softmax(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """Right for small logits; for large ones `exp` overflows, and the loss is NaN. Which function avoids that?"""
        exponentials = logits.exp()
        return reference((exponentials / exponentials.sum(dim=1, keepdim=True)).log(), target, **options)

    def softmax_twice(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """The probabilities were taken for logits, and a second softmax has flattened them."""
        return reference(logits.softmax(dim=1), target, **options)

    def classes_and_pixels_mixed(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """Values of different pixels and classes have been mixed: `reshape` and `view` do not move an axis."""
        n, c, h, w = logits.shape
        return reference(logits.reshape(n, h, w, c).movedim(-1, 1), target, **options)

    for mistake in (naive_softmax, softmax_twice, classes_and_pixels_mixed):
        exercise.mistake(mistake)


def add_logarithm_mistakes(exercise: Exercise, reference: Loss) -> None:
    """What can go wrong with a mean of logarithms."""

    def minus_forgotten(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """A loss below zero: the logarithm of a probability is negative."""
        return -reference(logits, target, **options)

    def divided_by_classes_too(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """Too small by a factor that is the number of classes: `mean()` of a tensor with a class axis."""
        return reference(logits, target, **options) / logits.shape[1]

    add_logit_mistakes(exercise, reference)
    for mistake in (minus_forgotten, divided_by_classes_too):
        exercise.mistake(mistake)


def add_region_mistakes(exercise: Exercise, loss_of: Callable[..., Tensor]) -> None:
    """What can go wrong around a ratio of sums.

    Args:
        loss_of: (s, g, **options) → the loss, from probabilities and one-hot targets.
    """

    def hard_prediction(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """The prediction was rounded to whole classes, through which no gradient passes: use the probabilities."""
        s, g = softmax_and_one_hot(logits, target)
        return loss_of(one_hot(s.argmax(dim=1), s.shape[1]).to(s), g, **options)

    def softmax_forgotten(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """The logits went in as they are; s in the formula are probabilities."""
        _, g = softmax_and_one_hot(logits, target)
        return loss_of(logits, g, **options)

    def a_sigmoid_for_each_class(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """Each class was squashed by itself, with a sigmoid; the classes of a pixel share one softmax."""
        _, g = softmax_and_one_hot(logits, target)
        return loss_of(logits.sigmoid(), g, **options)

    def softmax_over_the_columns(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """The softmax runs along the last axis: in (N, C, H, W) the classes are not the last."""
        _, g = softmax_and_one_hot(logits, target)
        return loss_of(logits.softmax(dim=-1), g, **options)

    def classes_left_at_the_end(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """`one_hot` puts the classes last, and a reshape does not move them to the front: the values have wandered."""
        s = logits.softmax(dim=1)
        return loss_of(s, F.one_hot(target, s.shape[1]).reshape(s.shape).to(s), **options)

    def quality_and_not_its_loss(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """This is the measure itself, which grows with the quality; a loss must fall."""
        return 1 - loss_of(*softmax_and_one_hot(logits, target), **options)

    def minus_the_quality(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """Some libraries return minus the measure; here a perfect prediction costs 0."""
        return loss_of(*softmax_and_one_hot(logits, target), **options) - 1

    def background_left_out(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """Class 0 takes no part here; it is a class like the others."""
        s, g = softmax_and_one_hot(logits, target)
        return loss_of(s[:, 1:], g[:, 1:], **options)

    def mean_over_the_pictures(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        """Each picture has a ratio of its own here; the sums run over the whole batch first."""
        s, g = softmax_and_one_hot(logits, target)
        return torch.stack([loss_of(s[i : i + 1], g[i : i + 1], **options) for i in range(len(s))]).mean()

    def loss_of_logits(logits: Tensor, target: Tensor, **options: Any) -> Tensor:
        return loss_of(*softmax_and_one_hot(logits, target), **options)

    add_logit_mistakes(exercise, loss_of_logits)
    for mistake in (
        hard_prediction,
        softmax_forgotten,
        a_sigmoid_for_each_class,
        softmax_over_the_columns,
        classes_left_at_the_end,
        quality_and_not_its_loss,
        minus_the_quality,
        background_left_out,
        mean_over_the_pictures,
    ):
        exercise.mistake(mistake)
