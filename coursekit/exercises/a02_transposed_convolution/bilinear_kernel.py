"""`bilinear_kernel(channels, kernel_size)`: the weight that makes a transposed convolution interpolate."""

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit import ops
from coursekit.exercises import expect
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_OPS

bilinear_kernel = Exercise("bilinear_kernel", forbids=(REFERENCE_OPS,))


@bilinear_kernel.check(points=0.5)
def even_sizes(answer: Answer, draw: Draw) -> None:
    """One channel, even sizes: 4, as in FCN, 2 and others."""
    for kernel_size in (4, 2, 2 * draw.integer(3, 5), 16):
        expected = ops.bilinear_kernel(1, kernel_size)
        expect.close(answer(1, kernel_size), expected, f"the kernel of size {kernel_size}")


@bilinear_kernel.check(points=1)
def odd_sizes(answer: Answer, draw: Draw) -> None:
    """One channel, odd sizes: 3, 5 and others, down to 1."""
    for kernel_size in (3, 5, 2 * draw.integer(3, 5) + 1, 1):
        expected = ops.bilinear_kernel(1, kernel_size)
        expect.close(answer(1, kernel_size), expected, f"the kernel of size {kernel_size}")


@bilinear_kernel.check(points=1)
def several_channels(answer: Answer, draw: Draw) -> None:
    """Several channels: the kernel on their diagonal, zeros between them."""
    for channels, kernel_size in ((2, 4), (3, 3), (draw.integer(4, 6), draw.integer(6, 8))):
        expected = ops.bilinear_kernel(channels, kernel_size)
        what = f"the weight for {channels} channels, size {kernel_size}"
        expect.close(answer(channels, kernel_size), expected, what)


@bilinear_kernel.check(points=0.5)
def interpolates(answer: Answer, draw: Draw) -> None:
    """A transposed convolution with it is bilinear interpolation, away from the border."""
    for factor in (2, draw.integer(3, 5)):
        size, padding = 2 * factor - factor % 2, (factor - factor % 2) // 2
        weight = expect.a_tensor(answer(3, size), (3, 3, size, size), "the weight").detach().double()
        x = draw.normal(2, 3, 5, 7, dtype=torch.float64)
        enlarged = F.conv_transpose2d(x, weight, stride=factor, padding=padding)
        expected = F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
        inside = (..., slice(factor, -factor), slice(factor, -factor))
        expect.close(enlarged[inside], expected[inside], f"a map enlarged {factor} times with your weight")


def _diagonal(channels: int, plane: Tensor) -> Tensor:
    return torch.eye(channels)[:, :, None, None] * plane


def _distance(kernel_size: int) -> Tensor:
    """From the middle of the kernel."""
    return (torch.arange(kernel_size) - (kernel_size - 1) / 2).abs()


def _sides(kernel_size: int) -> Tensor:
    """The triangle along one axis."""
    return 1 - _distance(kernel_size) / ((kernel_size + 1) // 2)


def _plane(kernel_size: int) -> Tensor:
    return torch.outer(_sides(kernel_size), _sides(kernel_size))


@bilinear_kernel.mistake
def every_pair_of_channels(channels: int, kernel_size: int) -> Tensor:
    """Each output channel would be the sum of all the inputs: which pairs of channels should be connected?"""
    return ops.bilinear_kernel(1, kernel_size).repeat(channels, channels, 1, 1)


@bilinear_kernel.mistake
def first_channel_only(channels: int, kernel_size: int) -> Tensor:
    """Only the first channel is passed on; the others come out as zeros."""
    first = torch.zeros(channels, channels)
    first[0, 0] = 1
    return first[:, :, None, None] * _plane(kernel_size)


@bilinear_kernel.mistake
def depthwise_layout(channels: int, kernel_size: int) -> Tensor:
    """The shape (C, 1, k, k) belongs to a convolution in groups; here the weight is (C, C, k, k)."""
    return ops.bilinear_kernel(1, kernel_size).repeat(channels, 1, 1, 1)


@bilinear_kernel.mistake
def divided_by_channels(channels: int, kernel_size: int) -> Tensor:
    """The kernel shrinks as channels are added: each channel passes through alone, so nothing needs averaging."""
    return ops.bilinear_kernel(channels, kernel_size) / channels


@bilinear_kernel.mistake
def sums_to_one(channels: int, kernel_size: int) -> Tensor:
    """The weights sum to 1, so enlarged pictures turn dark: several stamps share out each *output*, not the kernel."""
    return ops.bilinear_kernel(channels, kernel_size) / _plane(kernel_size).sum()


@bilinear_kernel.mistake
def peak_of_one(channels: int, kernel_size: int) -> Tensor:
    """The largest weight is 1 at every size. For an even size the peak lies between two weights."""
    return ops.bilinear_kernel(channels, kernel_size) / _plane(kernel_size).max()


@bilinear_kernel.mistake
def half_the_size_as_width(channels: int, kernel_size: int) -> Tensor:
    """Even sizes are right. For odd ones the triangle should fall to 0 one step beyond the last weight."""
    triangle = 1 - _distance(kernel_size) / (kernel_size / 2)
    return _diagonal(channels, torch.outer(triangle, triangle))


@bilinear_kernel.mistake
def width_rounded_down(channels: int, kernel_size: int) -> Tensor:
    """Odd sizes end in zeros: round the half width the other way."""
    triangle = 1 - _distance(kernel_size) / max(kernel_size // 2, 1)
    return _diagonal(channels, torch.outer(triangle, triangle))


@bilinear_kernel.mistake
def reaches_zero_at_the_ends(channels: int, kernel_size: int) -> Tensor:
    """The first and the last weight are 0; the triangle should reach 0 just outside the kernel."""
    middle = max((kernel_size - 1) / 2, 0.5)
    triangle = 1 - _distance(kernel_size) / middle
    return _diagonal(channels, torch.outer(triangle, triangle))


@bilinear_kernel.mistake
def centre_for_odd_sizes(channels: int, kernel_size: int) -> Tensor:
    """Even kernels are lopsided: their middle lies between two weights."""
    half = (kernel_size + 1) // 2
    triangle = 1 - (torch.arange(kernel_size) - (half - 1)).abs() / half
    return _diagonal(channels, torch.outer(triangle, triangle))


@bilinear_kernel.mistake
def centre_for_even_sizes(channels: int, kernel_size: int) -> Tensor:
    """Odd kernels are lopsided: their middle lies on a weight."""
    half = (kernel_size + 1) // 2
    triangle = 1 - (torch.arange(kernel_size) - (half - 0.5)).abs() / half
    return _diagonal(channels, torch.outer(triangle, triangle))


@bilinear_kernel.mistake
def pyramid(channels: int, kernel_size: int) -> Tensor:
    """The weights follow the larger of the two distances; interpolating along rows and then columns multiplies."""
    sides = _sides(kernel_size)
    return _diagonal(channels, torch.minimum(sides[:, None], sides[None, :]))


@bilinear_kernel.mistake
def averaged_not_multiplied(channels: int, kernel_size: int) -> Tensor:
    """Rows and columns were averaged; interpolating along one and then the other multiplies."""
    sides = _sides(kernel_size)
    return _diagonal(channels, (sides[:, None] + sides[None, :]) / 2)


@bilinear_kernel.mistake
def cone(channels: int, kernel_size: int) -> Tensor:
    """The weights fall with the distance along a straight line: round, but bilinear is not."""
    distance = torch.hypot(_distance(kernel_size)[:, None], _distance(kernel_size)[None, :])
    return _diagonal(channels, (1 - distance / ((kernel_size + 1) // 2)).clamp(min=0))


@bilinear_kernel.mistake
def along_the_columns_only(channels: int, kernel_size: int) -> Tensor:
    """All columns are the same: the triangle belongs along both axes."""
    return _diagonal(channels, _sides(kernel_size)[:, None].expand(kernel_size, kernel_size))


@bilinear_kernel.mistake
def box(channels: int, kernel_size: int) -> Tensor:
    """All weights are the same: that repeats values, and does not interpolate between them."""
    return _diagonal(channels, torch.ones(kernel_size, kernel_size))
