"""`overlap_count(length, kernel_size, stride)`: how many stamps reach each place of a transposed convolution."""

import torch
from torch import Tensor

from coursekit import ops
from coursekit.exercises import expect
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_OPS

overlap_count = Exercise("overlap_count", forbids=(REFERENCE_OPS,))


def _expect_counts(answer: Answer, *cases: tuple[int, int, int]) -> None:
    expect.as_reference(answer, ops.overlap_count, *cases, what="the count", any_array=True)


@overlap_count.check(points=0.5)
def of_the_lecture(answer: Answer, draw: Draw) -> None:
    """Four inputs at stride 2, with kernels of 2 to 5; and other numbers of inputs."""
    _expect_counts(
        answer, *((length, kernel_size, 2) for kernel_size in (3, 4, 5, 2) for length in (4, draw.integer(5, 9)))
    )


@overlap_count.check(points=1)
def any_numbers(answer: Answer, draw: Draw) -> None:
    """Any length, kernel and stride."""
    drawn = (draw.integer(6, 8), draw.integer(9, 10), 4), (draw.integer(12, 15), 5, draw.integer(3, 5))
    _expect_counts(answer, (6, 3, 1), (5, 7, 3), (3, 8, 2), (1, 4, 2), (2, 3, 3), *drawn)


@overlap_count.check(points=0.5)
def gaps(answer: Answer, draw: Draw) -> None:
    """Places that no stamp reaches, where the stride is larger than the kernel."""
    _expect_counts(answer, (4, 1, 2), (3, 2, 4), (draw.integer(3, 6), 3, draw.integer(5, 6)))


def _stamped(length: int, kernel_size: int, stride: int, size: int | None = None) -> Tensor:
    size = (length - 1) * stride + kernel_size if size is None else size
    count = torch.zeros(size)
    for i in range(length):
        count[i * stride : i * stride + kernel_size] += 1
    return count


@overlap_count.mistake
def same_count_everywhere(length: int, kernel_size: int, stride: int) -> Tensor:
    """The same number stands everywhere. Do as many stamps reach the ends? And when the kernel is odd?"""
    return torch.full(((length - 1) * stride + kernel_size,), kernel_size // stride)


@overlap_count.mistake
def rounded_up_everywhere(length: int, kernel_size: int, stride: int) -> Tensor:
    """The largest count stands everywhere: stamp by stamp, which places does each one reach?"""
    return torch.full(((length - 1) * stride + kernel_size,), -(-kernel_size // stride))


@overlap_count.mistake
def reached_or_not(length: int, kernel_size: int, stride: int) -> Tensor:
    """A place that two stamps reach counts once only: stamps that overlap add up."""
    return _stamped(length, kernel_size, stride).clamp(max=1)


@overlap_count.mistake
def neighbours_only(length: int, kernel_size: int, stride: int) -> Tensor:
    """Every count is too small by one: the first stamp that reaches a place counts too."""
    return (_stamped(length, kernel_size, stride) - 1).clamp(min=0)


@overlap_count.mistake
def cut_at_length_times_stride(length: int, kernel_size: int, stride: int) -> Tensor:
    """The output's size is not length · stride: the last stamp begins at (length − 1) · stride. Where does it end?"""
    return _stamped(length, kernel_size, stride, length * stride)


@overlap_count.mistake
def room_for_one_stamp_more(length: int, kernel_size: int, stride: int) -> Tensor:
    """The result is too long: how many steps lie between the first stamp and the last?"""
    return _stamped(length, kernel_size, stride, length * stride + kernel_size)


@overlap_count.mistake
def stamp_too_short(length: int, kernel_size: int, stride: int) -> Tensor:
    """Each stamp is one place too short: a range leaves out its end."""
    size = (length - 1) * stride + kernel_size
    return _stamped(length, kernel_size - 1, stride, size)


@overlap_count.mistake
def last_stamp_missing(length: int, kernel_size: int, stride: int) -> Tensor:
    """The last input leaves no stamp."""
    return _stamped(length - 1, kernel_size, stride, (length - 1) * stride + kernel_size)


@overlap_count.mistake
def stride_ignored(length: int, kernel_size: int, stride: int) -> Tensor:
    """The stamps stand one place apart whatever `stride` is."""
    return _stamped(length, kernel_size, 1)


@overlap_count.mistake
def kernel_and_stride_swapped(length: int, kernel_size: int, stride: int) -> Tensor:
    """Stamps as wide as the stride, `kernel_size` apart: the two have changed places."""
    return _stamped(length, stride, kernel_size)


@overlap_count.mistake
def counted_for_the_convolution(length: int, kernel_size: int, stride: int) -> Tensor:
    """This counts the way down: how many outputs of a *convolution* each of its `length` inputs reaches."""
    return _stamped(max(0, (length - kernel_size) // stride + 1), kernel_size, stride, length)


@overlap_count.mistake
def ends_filled_up(length: int, kernel_size: int, stride: int) -> Tensor:
    """The pattern of the middle goes on to the ends; with padding 0 fewer stamps reach them."""
    margin = kernel_size // stride + 1
    longer = _stamped(length + 2 * margin, kernel_size, stride)
    return longer[margin * stride : margin * stride + (length - 1) * stride + kernel_size]


@overlap_count.mistake
def counted_in_two_dimensions(length: int, kernel_size: int, stride: int) -> Tensor:
    """The counts are squared, as along the diagonal of a picture; one dimension is asked for."""
    return _stamped(length, kernel_size, stride) ** 2
