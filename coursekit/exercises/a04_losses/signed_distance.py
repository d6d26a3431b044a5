"""`signed_distance(mask)`: how far each pixel is from the object's edge, positive outside and not positive inside."""

import torch
from scipy import ndimage
from torch import Tensor

from coursekit.exercises import expect
from coursekit.exercises.a04_losses.shapes import distance_to, random_mask
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_LOSSES

signed_distance = Exercise("signed_distance", forbids=(REFERENCE_LOSSES,))


def _signed(mask: Tensor) -> Tensor:
    if not mask.any() or mask.all():
        return torch.zeros(mask.shape, dtype=torch.float64)
    outside = distance_to(mask)
    return torch.where(mask, 1 - distance_to(~mask), outside)


def _expect_distances(answer: Answer, *masks: Tensor) -> None:
    """Any floating type will do, half precision too."""
    for got, mask in [(answer(mask), mask) for mask in masks]:  # all calls first: a mistake shows in all it does
        expect.close(got, _signed(mask), "the map of distances", tolerance=2e-3)


@signed_distance.check(points=0.5)
def values(answer: Answer, draw: Draw) -> None:
    """The notebook's row, and objects of any shape and number, at the border too."""
    row = torch.tensor([[False, False, True, True, True, False]])
    sizes = (7, 10), (9, 6), (1, 12), (11, 8)
    masks = [random_mask(draw, height, width) for height, width in sizes]
    _expect_distances(answer, row, *masks, ~random_mask(draw, 6, 9))


@signed_distance.check(points=0.5, needs="values")
def empty_or_full(answer: Answer, draw: Draw) -> None:
    """A mask without any object, or without any background, gives zeros."""
    sizes = (5, 7), (draw.integer(2, 4), draw.integer(5, 8))
    _expect_distances(answer, *(torch.full(size, full) for size in sizes for full in (False, True)))


@signed_distance.check(points=0.5, needs="values")
def leaves_the_mask_alone(answer: Answer, draw: Draw) -> None:
    """The mask is the same after the call."""
    mask = random_mask(draw, 6, 9)
    before = mask.clone()
    answer.run(answer.function, mask)
    expect.that(torch.equal(mask, before), "the mask was changed by the call", "changes_its_input")


def _parts(mask: Tensor) -> tuple[Tensor, Tensor]:
    """The distances outside the object and inside it, each 0 in the other's place; zeros where nothing is defined."""
    if not mask.any() or mask.all():
        return torch.zeros(mask.shape), torch.zeros(mask.shape)
    return distance_to(mask), distance_to(~mask)


@signed_distance.mistake
def sign_turned(mask: Tensor) -> Tensor:
    """Positive inside and negative outside: the boundary loss would reward what lies far from the object."""
    return -_signed(mask)


@signed_distance.mistake
def no_sign(mask: Tensor) -> Tensor:
    """All distances are positive: inside the object they are to count as negative."""
    return _signed(mask).abs()


@signed_distance.mistake
def one_not_subtracted(mask: Tensor) -> Tensor:
    """The innermost pixels are too far in by one step: the object's own border pixels have the distance 0."""
    outside, inside = _parts(mask)
    return outside - inside


@signed_distance.mistake
def no_sign_and_no_one(mask: Tensor) -> Tensor:
    """All distances are positive, and those inside are too large by one step as well."""
    outside, inside = _parts(mask)
    return outside + inside


@signed_distance.mistake
def one_subtracted_everywhere(mask: Tensor) -> Tensor:
    """The step was taken off outside as well; it belongs to the inside only."""
    outside, inside = _parts(mask)
    return (outside - 1).clamp(min=0) - (inside - 1).clamp(min=0)


@signed_distance.mistake
def one_on_the_wrong_side(mask: Tensor) -> Tensor:
    """The step was taken off outside; it belongs to the inside."""
    outside, inside = _parts(mask)
    return (outside - 1).clamp(min=0) - inside


@signed_distance.mistake
def one_with_the_wrong_sign(mask: Tensor) -> Tensor:
    """Inside, -(d - 1) is asked for, and not -d - 1. Mind the brackets."""
    outside, inside = _parts(mask)
    return outside - inside - (inside > 0).to(inside)


@signed_distance.mistake
def outside_only(mask: Tensor) -> Tensor:
    """Inside the object all is 0: the distance to the background is missing."""
    return _parts(mask)[0]


@signed_distance.mistake
def inside_only(mask: Tensor) -> Tensor:
    """Outside the object all is 0: the distance to the object is missing."""
    return -(_parts(mask)[1] - 1).clamp(min=0)


@signed_distance.mistake
def object_and_background_swapped(mask: Tensor) -> Tensor:
    """Object and background have changed places: SciPy measures the distance of what is *true* to what is false."""
    return _signed(~mask)


@signed_distance.mistake
def whole_numbers(mask: Tensor) -> Tensor:
    """The distances were cut to whole numbers: the diagonal neighbour is √2 away."""
    return _signed(mask).to(torch.int64)


@signed_distance.mistake
def rounded_distances(mask: Tensor) -> Tensor:
    """The distances were rounded to whole numbers: the diagonal neighbour is √2 away."""
    return _signed(mask).round()


def _with_metric(mask: Tensor, metric: str) -> Tensor:
    if not mask.any() or mask.all():
        return torch.zeros(mask.shape)
    outside, inside = (
        torch.from_numpy(ndimage.distance_transform_cdt(m.numpy(), metric)).double() for m in (~mask, mask)
    )
    return outside - (inside - 1).clamp(min=0)


@signed_distance.mistake
def steps_along_the_axes(mask: Tensor) -> Tensor:
    """The diagonal neighbour is 2 away: steps were counted along rows and columns. The straight line is meant."""
    return _with_metric(mask, "taxicab")


@signed_distance.mistake
def steps_of_a_king(mask: Tensor) -> Tensor:
    """The diagonal neighbour is 1 away: steps were counted as a king goes in chess. The straight line is meant."""
    return _with_metric(mask, "chessboard")


@signed_distance.mistake
def squared_distances(mask: Tensor) -> Tensor:
    """The distances were left squared: where is the root?"""
    outside, inside = _parts(mask)
    return outside**2 - (inside**2 - 1).clamp(min=0)


@signed_distance.mistake
def distance_along_the_rows(mask: Tensor) -> Tensor:
    """Every row was measured by itself; the nearest pixel may lie in another row."""
    return torch.stack([_signed(row[None])[0] for row in mask])


@signed_distance.mistake
def scaled_to_one(mask: Tensor) -> Tensor:
    """The map was divided by its maximum; distances are asked for in pixels."""
    signed = _signed(mask)
    return signed / signed.abs().max().clamp(min=1e-9)


@signed_distance.mistake
def empty_or_full_not_handled(mask: Tensor) -> Tensor:
    """Without an object, or without a background, there is nothing to measure the distance to, and SciPy's numbers
    mean nothing: such masks need a line of their own."""
    outside, inside = (torch.from_numpy(ndimage.distance_transform_edt(m.numpy())) for m in (~mask, mask))
    return outside - (inside - 1).clamp(min=0)


@signed_distance.mistake
def full_not_handled(mask: Tensor) -> Tensor:
    """A mask without any background has nothing to measure the inner distance to; SciPy's numbers mean nothing."""
    return _signed(mask) if not mask.all() else empty_or_full_not_handled(mask)


@signed_distance.mistake
def empty_not_handled(mask: Tensor) -> Tensor:
    """A mask without any object has nothing to measure the outer distance to; SciPy's numbers mean nothing."""
    return _signed(mask) if mask.any() else empty_or_full_not_handled(mask)


def changes_its_input(mask: Tensor) -> Tensor:
    """The mask is not the same after the call: an operation ending in `_` or an assignment wrote into it."""
    result = _signed(mask)
    mask.logical_not_()
    return result


signed_distance.mistake(changes_its_input, right_values=True)
