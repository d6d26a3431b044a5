"""`conv1d_matrix(kernel, length, stride, padding)`: the matrix that performs a 1-D convolution."""

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_OPS

conv1d_matrix = Exercise("conv1d_matrix", forbids=(REFERENCE_OPS,))


def _expected(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """Column j is what PyTorch's convolution makes of a signal that is 1 at j."""
    units = torch.eye(length, dtype=kernel.dtype)[:, None]
    return F.conv1d(units, kernel[None, None], stride=stride, padding=padding)[:, 0].T


@conv1d_matrix.check(points=0.5)
def of_the_lecture(answer: Answer, draw: Draw) -> None:
    """Three weights over six values: the lecture's, and others."""
    for kernel in (torch.tensor([1.0, 2.0, 3.0]), draw.distinct(3) + 0.05):
        x, y, z = kernel.tolist()
        expected = torch.tensor([[x, y, z, 0, 0, 0], [0, x, y, z, 0, 0], [0, 0, x, y, z, 0], [0, 0, 0, x, y, z]])
        expect.close(answer(kernel, 6), expected, "the matrix")


@conv1d_matrix.check(points=0.5)
def any_length(answer: Answer, draw: Draw) -> None:
    """Any kernel, of even size too, and any length."""
    sizes = (1, 4), (2, draw.integer(5, 8)), (draw.integer(3, 5), draw.integer(6, 9)), (4, 4)
    cases = ((draw.normal(size), length) for size, length in sizes)
    expect.as_reference(answer, _expected, *cases, what="the matrix")


@conv1d_matrix.check(points=0.5)
def strides(answer: Answer, draw: Draw) -> None:
    """Strides, also where the last step does not fit."""
    sizes = (3, 9, 2), (3, 8, 2), (2, draw.integer(9, 12), 3), (draw.integer(3, 4), 11, 4)
    cases = ((draw.normal(size), length, {"stride": stride}) for size, length, stride in sizes)
    expect.as_reference(answer, _expected, *cases, what="the matrix")


@conv1d_matrix.check(points=1)
def paddings(answer: Answer, draw: Draw) -> None:
    """Padding, alone and together with a stride."""
    sizes = (3, 4, 1, 1), (4, 7, 1, 2), (5, draw.integer(6, 8), 2, 3), (4, 9, 3, 1), (2, 5, 1, 3)
    cases = (
        (draw.normal(size), length, {"stride": stride, "padding": padding}) for size, length, stride, padding in sizes
    )
    expect.as_reference(answer, _expected, *cases, (draw.normal(3), 8, 3, 1), what="the matrix")


properties.add_good_manners(
    conv1d_matrix,
    0.5,
    needs="paddings",
    reference=_expected,
    arguments=lambda draw: (draw.normal(4), 9, {"stride": 2, "padding": 3}),
)


@conv1d_matrix.mistake
def kernel_flipped(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """The weights run backwards in the rows. That is convolution as signal processing has it; networks do not flip."""
    return _expected(kernel.flip(0), length, stride, padding)


@conv1d_matrix.mistake
def rows_and_columns_swapped(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """This is the transpose. A row for every output, a column for every input: which shape lets X @ a work?"""
    return _expected(kernel, length, stride, padding).T


@conv1d_matrix.mistake
def columns_of_the_padding_kept(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """The matrix wants a padded signal; it will be multiplied with the signal as it is, of `length` values."""
    return _expected(kernel, length + 2 * padding, stride)


@conv1d_matrix.mistake
def padding_ignored(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """The matrix is the same whatever `padding` is; padding adds outputs, and with them rows."""
    return _expected(kernel, length, stride)


@conv1d_matrix.mistake
def padding_behind_only(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """There are as many rows as there should be, but the first begins at the signal. Where does the padding begin?"""
    return _expected(kernel, length + 2 * padding, stride)[:, :length]


@conv1d_matrix.mistake
def padding_in_front_only(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """The kernel may hang over the front end but not over the back: padding is added on both sides."""
    return _expected(kernel, length + padding, stride)[:, padding:]


@conv1d_matrix.mistake
def stride_ignored(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """Each row moves on by one whatever `stride` is."""
    return _expected(kernel, length, 1, padding)


@conv1d_matrix.mistake
def stride_between_the_weights(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """The weights stand `stride` apart within a row: that is dilation. A stride is the step from row to row."""
    spread = kernel.new_zeros((len(kernel) - 1) * stride + 1)
    spread[::stride] = kernel
    return _rows(spread, length, 1, padding, length + 2 * padding - len(spread) + 1)


@conv1d_matrix.mistake
def last_row_missing(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """One row too few: three weights fit into three values *once*. Count steps, then places."""
    return _expected(kernel, length, stride, padding)[:-1]


@conv1d_matrix.mistake
def hangs_over_the_end(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """In the last rows the kernel no longer fits, and is cut: a row is an output only where the whole kernel fits."""
    return _rows(kernel, length, stride, padding, -(-(length + padding) // stride))


@conv1d_matrix.mistake
def last_step_rounded_up(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """Where the stride does not come out even there is a row too many: steps that do not fit are left out."""
    return _rows(kernel, length, stride, padding, -(-(length + 2 * padding - len(kernel)) // stride) + 1)


@conv1d_matrix.mistake
def wraps_around(kernel: Tensor, length: int, stride: int = 1, padding: int = 0) -> Tensor:
    """What leaves a row at one end comes in at the other: beyond the ends there are zeros, not the signal again."""
    first = F.pad(kernel, (0, max(0, length - len(kernel))))[:length]
    return torch.stack([first.roll(i * stride - padding) for i in range(-(-length // stride))])


def _rows(kernel: Tensor, length: int, stride: int, padding: int, count: int) -> Tensor:
    """So many rows, each with the kernel `stride` further on, cut off at both ends."""
    wide = kernel.new_zeros(max(count, 0), 2 * length + 2 * padding + 2 * len(kernel) + stride)
    for i in range(count):
        wide[i, i * stride : i * stride + len(kernel)] = kernel
    return wide[:, padding : padding + length]
