"""`bed_of_nails(x, scale)`: each value in the top-left corner of its scale × scale cell, zeros elsewhere."""

import torch
from torch import Tensor

from coursekit import ops
from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import MAX_UNPOOLING, REFERENCE_OPS, TRANSPOSED_CONVOLUTION

bed_of_nails = Exercise("bed_of_nails", forbids=(TRANSPOSED_CONVOLUTION, MAX_UNPOOLING, REFERENCE_OPS))


@bed_of_nails.check(points=0.5)
def two_by_two(answer: Answer, draw: Draw) -> None:
    """A 2 × 2 map at scale 2: the lecture's, and another."""
    for values in ([1.0, 2.0, 3.0, 4.0], draw.distinct(4).tolist()):
        a, b, c, d = values
        x = torch.tensor([[[[a, b], [c, d]]]])
        expected = torch.tensor([[[[a, 0, b, 0], [0, 0, 0, 0], [c, 0, d, 0], [0, 0, 0, 0]]]])
        expect.close(answer(x, 2), expected)


@bed_of_nails.check(points=1)
def any_shape(answer: Answer, draw: Draw) -> None:
    """Any batch, channels, height, width and scale."""
    for scale in (1, 3, draw.integer(4, 5), 2):
        x = draw.distinct(draw.integer(2, 3), draw.integer(2, 4), draw.integer(3, 4), draw.integer(5, 7))
        expect.close(answer(x, scale), ops.bed_of_nails(x, scale), f"the result at scale {scale}")


properties.add_good_manners(
    bed_of_nails,
    0.5,
    needs="any_shape",
    reference=ops.bed_of_nails,
    arguments=lambda draw: (draw.normal(2, 3, 4, 5), 3),
)


def _nails_at(x: Tensor, scale: int, row: int, column: int) -> Tensor:
    """The nails driven in at another place of the cell."""
    result = x.new_zeros(*x.shape[:2], x.shape[2] * scale, x.shape[3] * scale)
    result[..., row::scale, column::scale] = x
    return result


@bed_of_nails.mistake
def nails_in_the_middle(x: Tensor, scale: int) -> Tensor:
    """Each value stands in the middle of its cell; the exercise wants the top-left corner."""
    return _nails_at(x, scale, scale // 2, scale // 2) if scale > 2 else ops.bed_of_nails(x, scale)


@bed_of_nails.mistake
def nails_at_bottom_right(x: Tensor, scale: int) -> Tensor:
    """Each value stands in the bottom-right corner of its cell; the exercise wants the top-left one."""
    return _nails_at(x, scale, scale - 1, scale - 1)


@bed_of_nails.mistake
def nails_at_top_right(x: Tensor, scale: int) -> Tensor:
    """Rows are right, columns begin one step late: where does the slice start?"""
    return _nails_at(x, scale, 0, scale - 1)


@bed_of_nails.mistake
def nails_at_bottom_left(x: Tensor, scale: int) -> Tensor:
    """Columns are right, rows begin one step late: where does the slice start?"""
    return _nails_at(x, scale, scale - 1, 0)


@bed_of_nails.mistake
def cells_filled(x: Tensor, scale: int) -> Tensor:
    """Every place of the cell is filled: this is nearest-neighbour unpooling, the exercise before."""
    return ops.nearest_unpool(x, scale)


@bed_of_nails.mistake
def crowded_into_the_corner(x: Tensor, scale: int) -> Tensor:
    """The map lies as a block in the corner of the big one; its values should stand `scale` steps apart."""
    return torch.nn.functional.pad(x, (0, x.shape[3] * (scale - 1), 0, x.shape[2] * (scale - 1)))


@bed_of_nails.mistake
def no_zeros_at_the_end(x: Tensor, scale: int) -> Tensor:
    """The zeros after the last value are missing: the result has H·scale rows and W·scale columns."""
    return ops.bed_of_nails(x, scale)[..., : (x.shape[2] - 1) * scale + 1, : (x.shape[3] - 1) * scale + 1]


@bed_of_nails.mistake
def always_doubled(x: Tensor, scale: int) -> Tensor:
    """The values stand two steps apart whatever the scale is. Where does your code use `scale`?"""
    return ops.bed_of_nails(x, 2)


@bed_of_nails.mistake
def only_rows_spread(x: Tensor, scale: int) -> Tensor:
    """Zeros were put between the rows only; there are two axes."""
    result = x.new_zeros(*x.shape[:2], x.shape[2] * scale, x.shape[3])
    result[..., ::scale, :] = x
    return result


@bed_of_nails.mistake
def height_and_width_swapped(x: Tensor, scale: int) -> Tensor:
    """Rows and columns have changed places: try it on a map that is not square."""
    return ops.bed_of_nails(x, scale).transpose(-1, -2)
