"""Tversky's index in parts, shared by the two losses that weigh false positives and false negatives apart."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.a04_losses.shared_mistakes import add_region_mistakes
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise


@dataclass(frozen=True)
class Counts:
    """Soft true positives, false positives and false negatives, each (C,) or summed over some other axes."""

    tp: Tensor
    fp: Tensor
    fn: Tensor
    present: Tensor

    @classmethod
    def of(cls, s: Tensor, g: Tensor, axes: tuple[int, ...] = (0, 2, 3)) -> "Counts":
        return cls((g * s).sum(axes), ((1 - g) * s).sum(axes), (g * (1 - s)).sum(axes), g.sum(axes) > 0)

    @classmethod
    def of_logits(cls, logits: Tensor, target: Tensor, axes: tuple[int, ...] = (0, 2, 3)) -> "Counts":
        return cls.of(*batches.softmax_and_one_hot(logits, target), axes)

    def loss(self, on_fp: float, on_fn: float, smoothing: float = 0.0) -> Tensor:
        """1 - tp / (tp + weighted errors), for each class."""
        return 1 - (self.tp + smoothing) / (self.tp + on_fp * self.fp + on_fn * self.fn + smoothing)

    def mean(self, on_fp: float, on_fn: float) -> Tensor:
        """The mean of the losses of the classes that are present."""
        return self.loss(on_fp, on_fn)[self.present].mean()


def with_absent_classes(draw: Draw) -> list[tuple[Tensor, Tensor]]:
    """The example with an absent class, a batch with one class only, and one that lacks one class altogether and
    another in all pictures but one."""
    logits, target = batches.batch(draw, 5, (3, 4, 6))
    absent, rare, other = torch.randperm(5, generator=draw.generator)[:3]
    target[target == absent] = other
    target[:2][target[:2] == rare] = other
    target[2, 1, draw.integer(0, 4)] = rare
    one_class = torch.full((2, 3, 5), draw.integer(1, 3))
    return [
        batches.three_class_example(),
        (batches.batch(draw, 4, (2, 3, 5))[0], one_class),
        (logits, target),
    ]


def add_class_mistakes(exercise: Exercise, weights: Callable[..., tuple[float, float]]) -> None:
    """What can go wrong from the counts of each class to one number.

    Args:
        weights: the exercise's options → the weights on false positives and on false negatives.
    """

    def pooled_over_the_classes(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        """All classes were added up before the division. What one class wins another loses, so the weights no longer
        matter: try others."""
        return Counts.of_logits(logits, target, (0, 1, 2, 3)).loss(*weights(**options))

    def absent_class_counts_as_lost(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        """A class that the target does not hold has cost 1, and nothing can be done about it: leave it out."""
        return Counts.of_logits(logits, target).loss(*weights(**options)).mean()

    def absent_class_counts_as_perfect(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        """A class that the target does not hold has cost 0 and made the mean smaller: leave it out of the mean."""
        counts = Counts.of_logits(logits, target)
        return counts.loss(*weights(**options))[counts.present].sum() / logits.shape[1]

    def mean_over_pictures_and_classes(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        """There is a ratio for each picture and class; the sums of a class run over the whole batch."""
        return Counts.of_logits(logits, target, (2, 3)).mean(*weights(**options))

    def sum_over_the_classes(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        """The losses of the classes were added; their mean is asked for."""
        counts = Counts.of_logits(logits, target)
        return counts.loss(*weights(**options))[counts.present].sum()

    def smoothed_with_one(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        """A 1 was added above and below: for small classes that changes the loss. At most 1e-5 is free here."""
        counts = Counts.of_logits(logits, target)
        return counts.loss(*weights(**options), smoothing=1.0)[counts.present].mean()

    def mean_weighted_by_size(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        """A large class weighs more than a small one; the mean of the classes gives all of them the same weight."""
        counts = Counts.of_logits(logits, target)
        size = counts.tp + counts.fn
        return (size * counts.loss(*weights(**options))).sum() / size.sum()

    def true_positives_missing_below(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        """Below the line stand only the errors: where are the true positives?"""
        counts = Counts.of_logits(logits, target)
        (on_fp, on_fn), present = weights(**options), counts.present
        return (1 - counts.tp / (on_fp * counts.fp + on_fn * counts.fn))[present].mean()

    def true_positives_doubled(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        """The true positives carry a factor 2, as in the Dice loss; here the factors stand on the errors alone."""
        on_fp, on_fn = weights(**options)
        return Counts.of_logits(logits, target).mean(on_fp / 2, on_fn / 2)

    def whole_regions_weighed(logits: Tensor, target: Tensor, **options: float) -> Tensor:
        """The weights stand on all that is predicted and all that is true; only what is *wrong* with each counts."""
        counts = Counts.of_logits(logits, target)
        on_fp, on_fn = weights(**options)
        below = counts.tp + on_fp * (counts.tp + counts.fp) + on_fn * (counts.tp + counts.fn)
        return (1 - counts.tp / below)[counts.present].mean()

    add_region_mistakes(exercise, lambda s, g, **options: Counts.of(s, g).mean(*weights(**options)))
    for mistake in (
        pooled_over_the_classes,
        absent_class_counts_as_lost,
        absent_class_counts_as_perfect,
        mean_over_pictures_and_classes,
        sum_over_the_classes,
        smoothed_with_one,
        mean_weighted_by_size,
        true_positives_missing_below,
        true_positives_doubled,
        whole_regions_weighed,
    ):
        exercise.mistake(mistake)
