"""`mended_restore(x)`: the autopsy. Pooled twice and unpooled twice, every 4 × 4 block keeps its maximum in its place.

The given function takes the indices of the outer pooling for both unpoolings, and nothing complains.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit import ops
from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import MAX_UNPOOLING, REFERENCE_OPS

mended_restore = Exercise("mended_restore", forbids=(MAX_UNPOOLING, REFERENCE_OPS))


def reference(x: Tensor) -> Tensor:
    once, outer, twice, inner = _levels(x)
    half = ops.max_unpool(twice, inner, (once.shape[2], once.shape[3]))
    return ops.max_unpool(half, outer, (x.shape[2], x.shape[3]))


@mended_restore.check(points=1.5)
def maxima_in_their_places(answer: Answer, draw: Draw) -> None:
    """Every 4 × 4 block gives back its maximum in its place, zeros elsewhere."""
    sizes = [(draw.integer(1, 3), draw.integer(1, 4), 4 * draw.integer(2, 3), 4 * draw.integer(4, 5)) for _ in range(3)]
    below_zero = draw.distinct(2, 2, 8, 12) - 20
    expect.as_reference(answer, reference, *((draw.distinct(*size),) for size in sizes), (below_zero,))


properties.add_good_manners(
    mended_restore,
    0.5,
    needs="maxima_in_their_places",
    reference=reference,
    arguments=lambda draw: (draw.distinct(2, 3, 8, 12),),
)


def _levels(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    once, outer = F.max_pool2d(x, 2, return_indices=True)
    twice, inner = F.max_pool2d(once, 2, return_indices=True)
    return once, outer, twice, inner


def _scatter(values: Tensor, places: Tensor, like: Tensor) -> Tensor:
    plane = like.new_zeros(*like.shape[:2], like.shape[2] * like.shape[3])
    return plane.scatter(2, places.flatten(2) % plane.shape[-1], values.flatten(2)).reshape(like.shape)


@mended_restore.mistake
def still_the_outer_indices(x: Tensor) -> Tensor:
    """The first unpooling still uses the indices of the first pooling. Which pooling does it undo?"""
    once, outer, twice, _ = _levels(x)
    return ops.max_unpool(_scatter(twice, outer[..., ::2, ::2], once), outer, (x.shape[2], x.shape[3]))


@mended_restore.mistake
def levels_swapped(x: Tensor) -> Tensor:
    """Each unpooling uses the indices of the other level: the pooling that came last is undone first."""
    once, outer, twice, inner = _levels(x)
    half = _scatter(twice, outer[..., ::2, ::2], once)
    return _scatter(half, ops.nearest_unpool(inner, 2), x)


@mended_restore.mistake
def inner_indices_twice(x: Tensor) -> Tensor:
    """Now both unpoolings use the indices of the second pooling; the last one undoes the first."""
    once, _, twice, inner = _levels(x)
    half = ops.max_unpool(twice, inner, (once.shape[2], once.shape[3]))
    return _scatter(half, ops.nearest_unpool(inner, 2), x)


@mended_restore.mistake
def one_level_only(x: Tensor) -> Tensor:
    """Each 2 × 2 block keeps its maximum: one of the two levels is gone."""
    once, outer, _, _ = _levels(x)
    return ops.max_unpool(once, outer, (x.shape[2], x.shape[3]))


@mended_restore.mistake
def left_at_half_size(x: Tensor) -> Tensor:
    """The result has half the height and width: the second unpooling is missing."""
    once, _, twice, inner = _levels(x)
    return ops.max_unpool(twice, inner, (once.shape[2], once.shape[3]))


@mended_restore.mistake
def corners_of_the_blocks(x: Tensor) -> Tensor:
    """The maxima stand in the corners of their blocks: no index was used."""
    return ops.bed_of_nails(F.max_pool2d(x, 4), 4)


@mended_restore.mistake
def repeated(x: Tensor) -> Tensor:
    """Each block is filled with its maximum; it should stand in one place, with zeros around it."""
    return ops.nearest_unpool(F.max_pool2d(x, 4), 4)


@mended_restore.mistake
def input_given_back(x: Tensor) -> Tensor:
    """The result is the input itself: nothing was pooled."""
    return x.clone()


@mended_restore.mistake
def magnitudes(x: Tensor) -> Tensor:
    """Signs are lost, or the largest magnitude has won in place of the largest value."""
    return reference(x.abs())


@mended_restore.mistake
def ones_in_the_places(x: Tensor) -> Tensor:
    """The places are right, but they hold 1 in place of the maxima."""
    once, outer, twice, inner = _levels(x)
    half = ops.max_unpool(torch.ones_like(twice), inner, (once.shape[2], once.shape[3]))
    return ops.max_unpool(half, outer, (x.shape[2], x.shape[3]))


@mended_restore.mistake
def nothing_below_zero(x: Tensor) -> Tensor:
    """A block whose values are all negative has a maximum as well, and it is not 0."""
    return reference(x).clamp(min=0)
