"""`max_unpool(x, indices, output_size)`: each value back to where its index says, zeros elsewhere."""

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit import ops
from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import MAX_UNPOOLING, REFERENCE_OPS

max_unpool = Exercise("max_unpool", forbids=(MAX_UNPOOLING, REFERENCE_OPS))

LECTURE_INDICES = [[5, 2], [12, 15]]


def _pooled(draw: Draw, shape: tuple[int, int, int, int], kernel_size: int) -> tuple[Tensor, Tensor]:
    """New values at the places of some maxima, as a decoder meets them."""
    _, indices = F.max_pool2d(draw.distinct(*shape), kernel_size, return_indices=True)
    return draw.distinct(*indices.shape), indices


@max_unpool.check(points=1)
def four_by_four(answer: Answer, draw: Draw) -> None:
    """A 2 × 2 map back to 4 × 4: the lecture's, and another."""
    x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    for indices in (torch.tensor(LECTURE_INDICES)[None, None], _pooled(draw, (1, 1, 4, 4), 2)[1]):
        expect.close(answer(x, indices, (4, 4)), ops.max_unpool(x, indices, (4, 4)))


@max_unpool.check(points=1.5)
def any_shape(answer: Answer, draw: Draw) -> None:
    """Any batch, channels, size and window."""
    for size in (3, 2, draw.integer(4, 5)):
        height, width = draw.integer(2, 3) * size, draw.integer(4, 5) * size
        x, indices = _pooled(draw, (draw.integer(2, 3), draw.integer(2, 4), height, width), size)
        expect.close(answer(x, indices, (height, width)), ops.max_unpool(x, indices, (height, width)))


@max_unpool.check(points=1)
def odd_sizes(answer: Answer, draw: Draw) -> None:
    """A size that the window does not divide, such as 5 × 7."""
    for height, width in ((5, 5), (5, 7), (2 * draw.integer(3, 5) + 1, 2 * draw.integer(6, 8))):
        x, indices = _pooled(draw, (2, 3, height, width), 2)
        expect.close(answer(x, indices, (height, width)), ops.max_unpool(x, indices, (height, width)))


properties.add_good_manners(
    max_unpool,
    0.5,
    needs="any_shape",
    reference=ops.max_unpool,
    arguments=lambda draw: (*_pooled(draw, (2, 3, 6, 9), 3), (6, 9)),
)


@max_unpool.mistake
def indices_ignored(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """The values stand in the corners of their cells, wherever their maxima had been: what are the indices for?"""
    return ops.bed_of_nails(x, (output_size[0] // x.shape[2], output_size[1] // x.shape[3]))


@max_unpool.mistake
def cells_filled(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Every place of a cell holds the value; only the place of the maximum should."""
    return ops.nearest_unpool(x, (output_size[0] // x.shape[2], output_size[1] // x.shape[3]))


@max_unpool.mistake
def row_times_height(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """An index was taken apart with the height of the map; one row holds *width* values."""
    height, width = output_size
    moved = (indices // height).clamp(max=height - 1) * width + (indices % height).clamp(max=width - 1)
    return _scattered(x, moved, output_size)


@max_unpool.mistake
def height_and_width_swapped(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """The result has the shape (W, H): in `output_size` the height comes first."""
    height, width = output_size
    return ops.max_unpool(x, indices, output_size).reshape(*x.shape[:2], width, height)


@max_unpool.mistake
def transposed(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Rows and columns have changed places."""
    return ops.max_unpool(x, indices, output_size).transpose(-1, -2)


@max_unpool.mistake
def size_always_doubled(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """The result is twice the input's size; `output_size` says how large it should be."""
    return _scattered(x, indices, (2 * x.shape[2], 2 * x.shape[3]))


@max_unpool.mistake
def size_from_the_largest_index(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Indices are read in a row length other than that of `output_size`, so the values wander from row to row."""
    width = output_size[1] // x.shape[3] * x.shape[3]
    kept = _scattered(x, indices, (output_size[0], max(width, 1)))
    return F.pad(kept, (0, output_size[1] - kept.shape[-1]))


@max_unpool.mistake
def one_plane_for_all(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Every channel and picture uses the first plane's indices; each plane has its own."""
    return ops.max_unpool(x, indices[:1, :1].expand_as(indices), output_size)


@max_unpool.mistake
def first_picture_for_all(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """All pictures of the batch use the first one's indices."""
    return ops.max_unpool(x, indices[:1].expand_as(indices), output_size)


@max_unpool.mistake
def index_written_instead_of_value(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """The indices themselves stand in the result; they say *where*, the input says *what*."""
    return ops.max_unpool(indices.to(x.dtype), indices, output_size)


@max_unpool.mistake
def ones_instead_of_values(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """The places are right, but they hold 1 in place of the values of the input."""
    return ops.max_unpool(torch.ones_like(x), indices, output_size)


@max_unpool.mistake
def off_by_one(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """Every value stands one place too far to the left: the indices count from 0."""
    return ops.max_unpool(x, (indices - 1).clamp(min=0), output_size)


@max_unpool.mistake
def filled_with_the_smallest(x: Tensor, indices: Tensor, output_size: tuple[int, int]) -> Tensor:
    """The empty places hold the smallest value and not 0."""
    hit = ops.max_unpool(torch.ones_like(x), indices, output_size).bool()
    return torch.where(hit, ops.max_unpool(x, indices, output_size), x.min())


def _scattered(x: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Unpooling that keeps silent about indices outside the plane, as careless code does."""
    flat = x.new_zeros(*x.shape[:2], size[0] * size[1])
    places = indices.flatten(2).clamp(max=flat.shape[-1] - 1)
    return flat.scatter(2, places, x.flatten(2)).reshape(*x.shape[:2], *size)
