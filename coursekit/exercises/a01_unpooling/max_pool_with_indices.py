"""`max_pool_with_indices(x, kernel_size)`: the maxima, and where in the plane of their channel they stood."""

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit import ops
from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import MAX_POOLING, REFERENCE_OPS

max_pool_with_indices = Exercise("max_pool_with_indices", forbids=(MAX_POOLING, REFERENCE_OPS))

LECTURE = [[1.0, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]


def _expect_pair(result: object, x: Tensor, kernel_size: int) -> None:
    values, indices = expect.a_pair(result, "the pooled map and the indices")
    expected_values, expected_indices = F.max_pool2d(x, kernel_size, return_indices=True)
    expect.close(values, expected_values, "the pooled map")
    expect.close(indices, expected_indices, "the indices")


@max_pool_with_indices.check(points=1)
def four_by_four(answer: Answer, draw: Draw) -> None:
    """A 4 × 4 map with 2 × 2 windows: the lecture's, and another."""
    for x in (torch.tensor(LECTURE)[None, None], draw.distinct(1, 1, 4, 4)):
        _expect_pair(answer(x, 2), x, 2)


@max_pool_with_indices.check(points=1.5)
def any_shape(answer: Answer, draw: Draw) -> None:
    """Any batch, channels, size and window."""
    for size in (1, 3, 2, draw.integer(4, 5)):
        rows, columns = draw.integer(2, 3), draw.integer(4, 5)
        x = draw.distinct(draw.integer(2, 3), draw.integer(2, 4), rows * size, columns * size)
        _expect_pair(answer(x, size), x, size)
    x = -1 - draw.uniform(2, 2, 4, 6)
    _expect_pair(answer(x, 2), x, 2)


@max_pool_with_indices.check(points=0.5, needs="any_shape")
def ties(answer: Answer, draw: Draw) -> None:
    """Of equal values the first in row order is taken."""
    x = draw.labels(2, 3, 6, 9, classes=2).float()
    _expect_pair(answer(x, 3), x, 3)


@max_pool_with_indices.check(points=0.5, needs="any_shape")
def index_type(answer: Answer, draw: Draw) -> None:
    """The indices are int64."""
    _, indices = expect.a_pair(answer(draw.distinct(2, 2, 4, 6), 2), "the pooled map and the indices")
    expect.dtype(indices, torch.int64, "the index", "indices_as_floats")


properties.add_good_manners(
    max_pool_with_indices,
    0.5,
    needs="any_shape",
    reference=ops.max_pool_with_indices,
    arguments=lambda draw: (draw.distinct(2, 3, 6, 9), 3),
)


def _windows(x: Tensor, k: int) -> Tensor:
    """(N, C, h, w, k·k): the values of each window, in row order."""
    n, c, h, w = x.shape
    cells = x.reshape(n, c, h // k, k, w // k, k).transpose(3, 4)
    return cells.reshape(n, c, h // k, w // k, k * k)


@max_pool_with_indices.mistake
def indices_local_to_the_window(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The indices count within each window; unpooling needs to know where in the whole plane the maximum stood."""
    values, indices = _windows(x, kernel_size).max(dim=-1)
    return values, indices


@max_pool_with_indices.mistake
def row_times_height(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The indices are right on square maps only: how many values lie in one *row*?"""
    values, indices = ops.max_pool_with_indices(x, kernel_size)
    height, width = x.shape[-2:]
    return values, indices // width * height + indices % width


@max_pool_with_indices.mistake
def column_major_indices(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The plane was counted down its columns; PyTorch counts along the rows."""
    values, indices = ops.max_pool_with_indices(x, kernel_size)
    height, width = x.shape[-2:]
    return values, indices % width * height + indices // width


@max_pool_with_indices.mistake
def index_of_the_pooled_map(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The indices count in the row length of the pooled map; they must point into the map before pooling."""
    values, indices = ops.max_pool_with_indices(x, kernel_size)
    width = x.shape[-1]
    return values, indices // width * (width // kernel_size) + indices % width


@max_pool_with_indices.mistake
def window_corner_indices(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The indices point at the top-left corner of each window, and not at its maximum."""
    values, indices = ops.max_pool_with_indices(x, kernel_size)
    width = x.shape[-1]
    row, column = indices // width, indices % width
    return values, row // kernel_size * kernel_size * width + column // kernel_size * kernel_size


@max_pool_with_indices.mistake
def indices_over_all_channels(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The count goes on from one channel to the next; it should begin anew in every plane."""
    values, indices = ops.max_pool_with_indices(x, kernel_size)
    n, c, h, w = x.shape
    planes = torch.arange(n * c).reshape(n, c, 1, 1)
    return values, indices + planes * h * w


@max_pool_with_indices.mistake
def mean_instead_of_maximum(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The pooled values are the means of the windows; the maxima are asked for."""
    return F.avg_pool2d(x, kernel_size), ops.max_pool_with_indices(x, kernel_size)[1]


@max_pool_with_indices.mistake
def minimum_instead_of_maximum(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The pooled values are the smallest of their windows."""
    values, indices = ops.max_pool_with_indices(-x, kernel_size)
    return -values, indices


@max_pool_with_indices.mistake
def largest_magnitude(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """A large negative value wins over a small positive one: the maximum is meant with its sign."""
    _, indices = ops.max_pool_with_indices(x.abs(), kernel_size)
    return x.flatten(2).gather(2, indices.flatten(2)).reshape(indices.shape), indices


@max_pool_with_indices.mistake
def never_below_zero(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """Windows of negative values give 0: the search for the maximum must not start from zero."""
    values, indices = ops.max_pool_with_indices(x, kernel_size)
    return values.clamp(min=0), indices


@max_pool_with_indices.mistake
def windows_overlap(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The windows move by one step; the stride should be the window's size."""
    values, indices = F.max_pool2d(x, kernel_size, stride=1, return_indices=True)
    return values, indices


@max_pool_with_indices.mistake
def always_two_by_two(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The windows are 2 × 2 whatever `kernel_size` says."""
    values, indices = F.max_pool2d(x, 2, return_indices=True)
    return values, indices


@max_pool_with_indices.mistake
def last_of_equals(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """Where a window holds its maximum twice, the last was taken; the exercise wants the first in row order."""
    values, indices = ops.max_pool_with_indices(x.flip(-1, -2), kernel_size)
    return values.flip(-1, -2), x.shape[-1] * x.shape[-2] - 1 - indices.flip(-1, -2)


@max_pool_with_indices.mistake
def indices_as_floats(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The indices are not whole numbers of type int64, so nothing can be looked up with them."""
    values, indices = ops.max_pool_with_indices(x, kernel_size)
    return values, indices.float()


@max_pool_with_indices.mistake
def results_swapped(x: Tensor, kernel_size: int) -> tuple[Tensor, Tensor]:
    """The indices come first and the values second; it should be the other way round."""
    values, indices = ops.max_pool_with_indices(x, kernel_size)
    return indices, values
