"""`conv_transpose1d(x, kernel, stride, padding, output_padding)`: every value stamps the kernel, stamps add up."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import DIFFERENTIATED_CONVOLUTION, FOLD, REFERENCE_OPS, TRANSPOSED_CONVOLUTION

conv_transpose1d = Exercise(
    "conv_transpose1d", forbids=(TRANSPOSED_CONVOLUTION, DIFFERENTIATED_CONVOLUTION, FOLD, REFERENCE_OPS)
)


def _torch(x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Tensor:
    return F.conv_transpose1d(x[None, None], kernel[None, None], None, stride, padding, output_padding)[0, 0]


def _case(draw: Draw, length: int, size: int, **options: int) -> tuple[Any, ...]:
    return draw.normal(length), draw.normal(size), options


@conv_transpose1d.check(points=0.5)
def of_the_lecture(answer: Answer, draw: Draw) -> None:
    """Four values, three weights, stride 1: the lecture's, and others."""
    lecture = torch.tensor([1.0, 2, 3, 4]), torch.tensor([1.0, 2, 3])
    expect.as_reference(answer, _torch, lecture, (draw.distinct(4) + 0.05, draw.distinct(3) + 0.05))


@conv_transpose1d.check(points=0.5)
def any_length(answer: Answer, draw: Draw) -> None:
    """Any number of values and weights, more weights than values too."""
    sizes = (1, 3), (4, 1), (3, draw.integer(5, 6)), (draw.integer(5, 9), 4), (1, 1)
    expect.as_reference(answer, _torch, *(_case(draw, length, size) for length, size in sizes))


@conv_transpose1d.check(points=1)
def strides(answer: Answer, draw: Draw) -> None:
    """Strides, smaller and larger than the kernel."""
    sizes = (2, 3, 2), (draw.integer(4, 7), 5, 3), (4, 2, 3), (draw.integer(3, 5), 4, 4), (3, 1, 2)
    expect.as_reference(answer, _torch, *(_case(draw, length, size, stride=stride) for length, size, stride in sizes))


@conv_transpose1d.check(points=0.5)
def paddings(answer: Answer, draw: Draw) -> None:
    """Padding, alone and together with a stride."""
    sizes = (4, 3, 1, 1), (5, 4, 1, 3), (draw.integer(4, 6), 5, 2, 2), (4, 2, 3, 3)
    cases = (_case(draw, length, size, stride=stride, padding=padding) for length, size, stride, padding in sizes)
    expect.as_reference(answer, _torch, *cases)


@conv_transpose1d.check(points=0.5)
def output_paddings(answer: Answer, draw: Draw) -> None:
    """Output padding, without and with padding."""
    sizes = (
        (2, 3, 2, 0, 1),
        (3, 4, draw.integer(3, 4), 0, 2),
        (draw.integer(4, 6), 4, 3, 2, 1),
        (4, 5, 3, 1, 2),
        (draw.integer(3, 5), 3, 4, 2, 3),
    )
    cases = (
        _case(draw, length, size, stride=stride, padding=padding, output_padding=extra)
        for length, size, stride, padding, extra in sizes
    )
    expect.as_reference(answer, _torch, *cases, (draw.normal(5), draw.normal(4), 3, 2, 1))


def _learned(draw: Draw) -> tuple[Any, ...]:
    return _case(draw, 5, 4, stride=3, padding=2, output_padding=1)


properties.add_good_manners(conv_transpose1d, 0.5, needs="output_paddings", reference=_torch, arguments=_learned)


@conv_transpose1d.check(points=0.5, needs="output_paddings")
def kernel_can_learn(answer: Answer, draw: Draw) -> None:
    """Gradients reach the kernel, so that it can be trained."""
    properties.lets_gradients_through(answer, _torch, *_learned(draw), position=1)


def _stamped(x: Tensor, kernel: Tensor, stride: int, size: int | None = None) -> Tensor:
    """The canvas before anything is cropped: (L − 1)·stride + K places, or another size."""
    canvas = x.new_zeros((len(x) - 1) * stride + len(kernel))
    for i, value in enumerate(x):
        canvas[i * stride : i * stride + len(kernel)] += value * kernel
    return canvas if size is None else _to_size(canvas, size)


def _to_size(values: Tensor, size: int) -> Tensor:
    """Cut, or lengthened with zeros, behind."""
    return F.pad(values, (0, max(0, size - len(values))))[:size]


def _size(x: Tensor, kernel: Tensor, stride: int, padding: int, output_padding: int) -> int:
    return (len(x) - 1) * stride + len(kernel) - 2 * padding + output_padding


@conv_transpose1d.mistake
def kernel_flipped(x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Tensor:
    """The stamps are mirror images of the kernel. What does a single 1 stamp? (As a convolution it needs a flip.)"""
    return _torch(x, kernel.flip(0), stride, padding, output_padding)


@conv_transpose1d.mistake
def the_convolution_itself(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """This is the convolution, the way down: the result should be longer than the input."""
    return F.conv1d(x[None, None], kernel[None, None], None, stride, padding)[0, 0]


@conv_transpose1d.mistake
def stamps_overwrite(x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Tensor:
    """Where stamps overlap only the last one is left; they should add up."""
    canvas = x.new_zeros((len(x) - 1) * stride + len(kernel) + output_padding)
    for i, value in enumerate(x):
        canvas[i * stride : i * stride + len(kernel)] = value * kernel
    return canvas[padding : len(canvas) - padding]


@conv_transpose1d.mistake
def averaged_where_stamps_overlap(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Where stamps overlap their mean is taken; they should simply add up."""
    count = _torch(torch.ones_like(x), torch.ones_like(kernel), stride, padding, output_padding)
    return _torch(x, kernel, stride, padding, output_padding) / count.clamp(min=1)


@conv_transpose1d.mistake
def stride_ignored(x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Tensor:
    """The stamps stand one place apart whatever `stride` is."""
    return _to_size(_stamped(x, kernel, 1), len(x) - 1 + len(kernel) + output_padding)[padding:][: -padding or None]


@conv_transpose1d.mistake
def values_repeated(x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Tensor:
    """Each value was repeated `stride` times; between the values there should be zeros, so that each stamps once."""
    repeated = x.repeat_interleave(stride)
    return _stamped(repeated, kernel, 1)[padding : len(repeated) - 1 + len(kernel) - padding]


@conv_transpose1d.mistake
def kernel_spread(x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Tensor:
    """The weights of the kernel were spread, which is dilation; the stride moves the stamps apart."""
    spread = kernel.new_zeros((len(kernel) - 1) * stride + 1)
    spread[::stride] = kernel
    return _to_size(_stamped(x, spread, 1), len(x) - 1 + len(spread) + output_padding)[padding:][: -padding or None]


@conv_transpose1d.mistake
def one_zero_too_many(x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Tensor:
    """The stamps stand `stride` + 1 places apart: how many zeros belong between two neighbours?"""
    step = stride + 1
    canvas = _to_size(_stamped(x, kernel, step), (len(x) - 1) * step + len(kernel) + output_padding)
    return canvas[padding : len(canvas) - padding]


@conv_transpose1d.mistake
def zeros_after_the_last_value(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The end is too long: zeros stand between the values, (L − 1) times, and not behind the last one."""
    canvas = _stamped(x, kernel, stride, len(x) * stride - 1 + len(kernel) + output_padding)
    return canvas[padding : len(canvas) - padding]


@conv_transpose1d.mistake
def padding_ignored(x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0) -> Tensor:
    """The result is the same whatever `padding` is."""
    return _stamped(x, kernel, stride, _size(x, kernel, stride, 0, output_padding))


@conv_transpose1d.mistake
def padding_makes_it_longer(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Padding added zeros; it is the padding of the convolution going *down*, so on the way up it takes away."""
    canvas = _stamped(x, kernel, stride, _size(x, kernel, stride, 0, output_padding))
    return F.pad(canvas, (padding, padding))


@conv_transpose1d.mistake
def cropped_in_front_only(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """`padding` places were taken away in front, none behind."""
    return _stamped(x, kernel, stride, _size(x, kernel, stride, 0, output_padding))[padding:]


@conv_transpose1d.mistake
def cropped_behind_only(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The size is right, but everything was taken away behind; `padding` takes from both ends."""
    return _stamped(x, kernel, stride, _size(x, kernel, stride, padding, output_padding))


@conv_transpose1d.mistake
def nothing_left_without_padding(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """With padding 0 nothing is left: what does the slice `[0:-0]` give?"""
    return _stamped(x, kernel, stride, _size(x, kernel, stride, 0, output_padding))[padding:-padding]


@conv_transpose1d.mistake
def output_padding_ignored(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The result is the same whatever `output_padding` is."""
    return _torch(x, kernel, stride, padding)


@conv_transpose1d.mistake
def output_padding_needs_padding(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The output padding is forgotten where there is no padding: does one branch of your code leave it out?"""
    return _torch(x, kernel, stride, padding, output_padding if padding else 0)


@conv_transpose1d.mistake
def output_padding_in_front(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The output padding lengthens the front; it belongs to the end."""
    canvas = F.pad(_stamped(x, kernel, stride), (output_padding, 0))
    return canvas[padding : len(canvas) - padding]


@conv_transpose1d.mistake
def output_padding_on_both_sides(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The output padding lengthens both ends; it belongs to the last one only."""
    canvas = F.pad(_stamped(x, kernel, stride), (output_padding, output_padding))
    return canvas[padding : len(canvas) - padding]


@conv_transpose1d.mistake
def output_padding_of_zeros(
    x: Tensor, kernel: Tensor, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Zeros were put at the end *after* cropping; output padding crops less, so stamped values may come back there."""
    return F.pad(_torch(x, kernel, stride, padding), (0, output_padding))
