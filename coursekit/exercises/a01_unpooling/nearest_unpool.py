"""`nearest_unpool(x, scale)`: (N, C, H, W) → (N, C, H·scale, W·scale), each value repeated in a square."""

import torch
from torch import Tensor

from coursekit import ops
from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import INTERPOLATION, REFERENCE_OPS, TRANSPOSED_CONVOLUTION

nearest_unpool = Exercise("nearest_unpool", forbids=(INTERPOLATION, TRANSPOSED_CONVOLUTION, REFERENCE_OPS))


@nearest_unpool.check(points=0.5)
def two_by_two(answer: Answer, draw: Draw) -> None:
    """A 2 × 2 map at scale 2: the lecture's, and another."""
    for values in ([1.0, 2.0, 3.0, 4.0], draw.distinct(4).tolist()):
        a, b, c, d = values
        x = torch.tensor([[[[a, b], [c, d]]]])
        expected = torch.tensor([[[[a, a, b, b], [a, a, b, b], [c, c, d, d], [c, c, d, d]]]])
        expect.close(answer(x, 2), expected)


@nearest_unpool.check(points=1)
def any_shape(answer: Answer, draw: Draw) -> None:
    """Any batch, channels, height, width and scale."""
    for scale in (1, 3, draw.integer(4, 5), 2):
        x = draw.distinct(draw.integer(2, 3), draw.integer(2, 4), draw.integer(3, 4), draw.integer(5, 7))
        expect.close(answer(x, scale), ops.nearest_unpool(x, scale), f"the result at scale {scale}")


properties.add_good_manners(
    nearest_unpool,
    0.5,
    needs="any_shape",
    reference=ops.nearest_unpool,
    arguments=lambda draw: (draw.normal(2, 3, 4, 5), 3),
)


@nearest_unpool.mistake
def whole_map_repeated(x: Tensor, scale: int) -> Tensor:
    """The map as a whole is laid out again and again; it is each single value that should stand beside itself."""
    return x.repeat(1, 1, scale, scale)


@nearest_unpool.mistake
def only_rows_repeated(x: Tensor, scale: int) -> Tensor:
    """The map has grown along one axis only; there are two."""
    return x.repeat_interleave(scale, dim=-2)


@nearest_unpool.mistake
def only_columns_repeated(x: Tensor, scale: int) -> Tensor:
    """The map has grown along one axis only; there are two."""
    return x.repeat_interleave(scale, dim=-1)


@nearest_unpool.mistake
def always_doubled(x: Tensor, scale: int) -> Tensor:
    """The result is twice the size whatever the scale is. Where does your code use `scale`?"""
    return ops.nearest_unpool(x, 2)


@nearest_unpool.mistake
def one_step_too_few(x: Tensor, scale: int) -> Tensor:
    """Each value should stand `scale` times beside itself in all: count the one that was there already."""
    return ops.nearest_unpool(x, max(scale - 1, 1))


@nearest_unpool.mistake
def one_step_too_many(x: Tensor, scale: int) -> Tensor:
    """Each value should stand `scale` times beside itself in all, the one that was there already included."""
    return ops.nearest_unpool(x, scale + 1)


@nearest_unpool.mistake
def nails(x: Tensor, scale: int) -> Tensor:
    """Only one place of each square is filled: this is the bed of nails, the next exercise."""
    return ops.bed_of_nails(x, scale)


@nearest_unpool.mistake
def values_spread_thin(x: Tensor, scale: int) -> Tensor:
    """Each value was divided among the places of its square; nearest-neighbour unpooling copies it."""
    return ops.nearest_unpool(x, scale) / scale**2


@nearest_unpool.mistake
def height_and_width_swapped(x: Tensor, scale: int) -> Tensor:
    """Rows and columns have changed places: try it on a map that is not square."""
    return ops.nearest_unpool(x, scale).transpose(-1, -2)


@nearest_unpool.mistake
def reshaped_in_the_wrong_order(x: Tensor, scale: int) -> Tensor:
    """The shape is right and the values have wandered: after a reshape the copies must lie next to their original."""
    n, c, h, w = x.shape
    return x[..., None].expand(n, c, h, w, scale * scale).reshape(n, c, h * scale, w * scale)


@nearest_unpool.mistake
def smoothed(x: Tensor, scale: int) -> Tensor:
    """Neighbours have been mixed, as in bilinear interpolation; here no new value may appear."""
    return torch.nn.functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
