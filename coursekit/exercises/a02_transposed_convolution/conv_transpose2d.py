"""`conv_transpose2d(x, weight, bias, stride, padding, output_padding)`: stamps in two dimensions, many channels."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import DIFFERENTIATED_CONVOLUTION, FOLD, REFERENCE_OPS, TRANSPOSED_CONVOLUTION

conv_transpose2d = Exercise(
    "conv_transpose2d", forbids=(TRANSPOSED_CONVOLUTION, DIFFERENTIATED_CONVOLUTION, FOLD, REFERENCE_OPS)
)


def _torch(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    return F.conv_transpose2d(x, weight, bias, stride, padding, output_padding)


def _case(draw: Draw, x: tuple[int, ...], weight: tuple[int, ...], **options: int) -> tuple[Any, ...]:
    return draw.normal(*x), draw.normal(*weight), options


@conv_transpose2d.check(points=0.5)
def two_by_two(answer: Answer, draw: Draw) -> None:
    """2 × 2 values, 2 × 2 weights, strides 1 and 2: the lecture's, and others."""
    lecture = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    pairs = (lecture, lecture), (draw.distinct(1, 1, 2, 2) + 0.05, draw.distinct(1, 1, 2, 2) + 0.05)
    cases = [(x, weight, options) for x, weight in pairs for options in ({}, {"stride": 2})]
    expect.as_reference(answer, _torch, *cases)


@conv_transpose2d.check(points=1)
def channels(answer: Answer, draw: Draw) -> None:
    """Any batch, channels, height, width and kernel."""
    sizes = (2, 2, 2, 4), (2, 2, 3, 2), (draw.integer(2, 3), 3, 2, 3), (1, 3, 1, 1)
    cases = (_case(draw, (n, c_in, draw.integer(2, 3), 4), (c_in, c_out, k, k)) for n, c_in, c_out, k in sizes)
    expect.as_reference(answer, _torch, *cases)


@conv_transpose2d.check(points=1)
def strides_and_paddings(answer: Answer, draw: Draw) -> None:
    """Strides and paddings, alone and together."""
    sizes = (3, 2, 0), (2, 3, 0), (3, 1, 1), (4, 2, 1), (5, 3, draw.integer(2, 3))
    cases = (
        _case(draw, (2, 2, 2, draw.integer(3, 4)), (2, 2, k, k), stride=stride, padding=padding)
        for k, stride, padding in sizes
    )
    expect.as_reference(answer, _torch, *cases)


@conv_transpose2d.check(points=0.5)
def output_paddings(answer: Answer, draw: Draw) -> None:
    """Output padding, without and with padding."""
    sizes = (3, 2, 0, 1), (3, 2, 1, 1), (4, 3, 2, 1), (3, 4, draw.integer(1, 2), 3)
    cases = (
        _case(draw, (2, 2, 2, draw.integer(3, 4)), (2, 2, k, k), stride=stride, padding=padding, output_padding=extra)
        for k, stride, padding, extra in sizes
    )
    by_position = draw.normal(1, 2, 3, 2), draw.normal(2, 2, 3, 3), None, 3, 1, 2
    expect.as_reference(answer, _torch, *cases, by_position)


@conv_transpose2d.check(points=0.5)
def biases(answer: Answer, draw: Draw) -> None:
    """A bias, once for each place of its output channel."""
    cases = []
    for c_out, stride, padding, extra in ((4, 1, 0, 0), (3, 3, 1, 2), (2, 2, draw.integer(1, 2), 0)):
        # With 4 channels the output is 4 pixels wide too: a bias along another axis comes to light as such.
        x, weight, bias = draw.normal(2, c_out, 3, 2), draw.normal(c_out, c_out, 3, 3), 1 + draw.uniform(c_out)
        cases.append((x, weight, bias, {"stride": stride, "padding": padding, "output_padding": extra}))
    expect.as_reference(answer, _torch, *cases, what="the result with a bias")


@conv_transpose2d.check(points=0.5)
def adjoint(answer: Answer, draw: Draw) -> None:
    """It is the transpose of PyTorch's convolution: ⟨conv(u), v⟩ = ⟨u, yours(v)⟩."""
    for stride, padding in ((2, 1), (3, draw.integer(1, 2))):
        # Sizes in which the last step of the convolution comes out even: then the way up leads back to them.
        height, width = ((steps * stride + 4 - 2 * padding) for steps in (1, draw.integer(2, 3)))
        u = draw.normal(2, 2, height, width, dtype=torch.float64)
        weight = draw.normal(2, 2, 4, 4, dtype=torch.float64)
        down = F.conv2d(u, weight, None, stride, padding)
        v = draw.normal(*down.shape, dtype=torch.float64)
        up = expect.a_tensor(answer(v, weight, stride=stride, padding=padding), u.shape).detach().double()
        left, right = float((down * v).sum()), float((u * up).sum())
        expect.number_close(right, left, "⟨u, yours(v)⟩")


def _learned(draw: Draw) -> tuple[Any, ...]:
    options = {"stride": 2, "padding": 1, "output_padding": 1}
    return draw.normal(2, 3, 3, 4), draw.normal(3, 2, 3, 3), draw.normal(2), options


properties.add_good_manners(conv_transpose2d, 0.5, needs="strides_and_paddings", reference=_torch, arguments=_learned)


@conv_transpose2d.check(points=0.5, needs="biases")
def weights_can_learn(answer: Answer, draw: Draw) -> None:
    """Gradients reach the weight and the bias, so that they can be trained."""
    for position in (1, 2):
        properties.lets_gradients_through(answer, _torch, *_learned(draw), position=position)


def _stamped(x: Tensor, weight: Tensor, stride: int, extra: int = 0) -> Tensor:
    """The canvas of the stamps, not cropped, with `extra` zeros at the bottom and the right."""
    return F.pad(F.conv_transpose2d(x, weight, stride=stride), (0, extra, 0, extra))


def _cropped(canvas: Tensor, padding: int, bias: Tensor | None) -> Tensor:
    height, width = canvas.shape[2:]
    result = canvas[..., padding : height - padding, padding : width - padding]
    return result if bias is None else result + bias[:, None, None]


@conv_transpose2d.mistake
def kernel_flipped(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The stamps are turned by half a turn. What does a single 1 stamp? (As a convolution it needs a flip.)"""
    return F.conv_transpose2d(x, weight.flip(-1, -2), bias, stride, padding, output_padding)


@conv_transpose2d.mistake
def flipped_along_one_axis(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The stamps are mirrored along one axis: as a convolution the kernel is flipped along both, or along none."""
    return F.conv_transpose2d(x, weight.flip(-1), bias, stride, padding, output_padding)


@conv_transpose2d.mistake
def kernel_transposed(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Rows and columns of the kernel have changed places."""
    return F.conv_transpose2d(x, weight.mT, bias, stride, padding, output_padding)


@conv_transpose2d.mistake
def channels_of_the_weight_swapped(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The weight was read as (out, in, k, k), the layout of a convolution; here the input channels come first."""
    return F.conv_transpose2d(x, weight.transpose(0, 1), bias, stride, padding, output_padding)


@conv_transpose2d.mistake
def channels_averaged(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The stamps of the input channels are averaged; they should add up."""
    return F.conv_transpose2d(x, weight / x.shape[1], bias, stride, padding, output_padding)


@conv_transpose2d.mistake
def first_input_channel_only(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Only the first input channel leaves stamps; all of them add up in every output channel."""
    return F.conv_transpose2d(x[:, :1], weight[:1], bias, stride, padding, output_padding)


@conv_transpose2d.mistake
def same_weights_for_every_output(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Every output channel looks the same: each has weights of its own."""
    return F.conv_transpose2d(x, weight[:, :1].expand_as(weight), bias, stride, padding, output_padding)


@conv_transpose2d.mistake
def first_picture_for_all(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Every picture of the batch comes out as the first one."""
    return F.conv_transpose2d(x[:1].expand_as(x), weight, bias, stride, padding, output_padding)


@conv_transpose2d.mistake
def stamps_overwrite(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Where stamps overlap only the last one is left; they should add up."""
    n, _, h, w = x.shape
    k = weight.shape[-1]
    reach = ((h - 1) * stride + k + output_padding, (w - 1) * stride + k + output_padding)
    canvas = x.new_zeros(n, weight.shape[1], *reach)
    for i in range(h):
        for j in range(w):
            stamp = torch.einsum("nc, cokl -> nokl", x[:, :, i, j], weight)
            canvas[:, :, i * stride : i * stride + k, j * stride : j * stride + k] = stamp
    return _cropped(canvas, padding, bias)


@conv_transpose2d.mistake
def stride_ignored(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The stamps stand one place apart whatever `stride` is."""
    return _cropped(_stamped(x, weight, 1, output_padding), padding, bias)


@conv_transpose2d.mistake
def stride_down_only(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The stride moves the stamps apart down the rows only; it counts across as well."""
    wide = F.conv_transpose2d(x, weight, stride=(stride, 1))
    return _cropped(F.pad(wide, (0, output_padding, 0, output_padding)), padding, bias)


@conv_transpose2d.mistake
def values_repeated(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Each value was repeated in a square; between the values there should be zeros, so that each stamps once."""
    repeated = x.repeat_interleave(stride, dim=2).repeat_interleave(stride, dim=3)
    return _cropped(_stamped(repeated, weight, 1), padding, bias)


@conv_transpose2d.mistake
def zeros_after_the_last_value(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The output is too large: zeros stand between the values, not behind the last ones."""
    return _cropped(_stamped(x, weight, stride, stride - 1 + output_padding), padding, bias)


@conv_transpose2d.mistake
def padding_ignored(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The result is the same whatever `padding` is."""
    return _cropped(_stamped(x, weight, stride, output_padding), 0, bias)


@conv_transpose2d.mistake
def padding_makes_it_larger(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Padding added zeros around; it belongs to the convolution going *down*, so on the way up it takes away."""
    return _cropped(F.pad(_stamped(x, weight, stride, output_padding), (padding,) * 4), 0, bias)


@conv_transpose2d.mistake
def cropped_at_the_top_left_only(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """`padding` rows and columns were taken away at the top and the left, none at the bottom and the right."""
    return _cropped(_stamped(x, weight, stride, output_padding), 0, bias)[..., padding:, padding:]


@conv_transpose2d.mistake
def nothing_left_without_padding(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """With padding 0 nothing is left: what does the slice `[0:-0]` give?"""
    return _cropped(_stamped(x, weight, stride, output_padding), 0, bias)[..., padding:-padding, padding:-padding]


@conv_transpose2d.mistake
def output_padding_ignored(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The result is the same whatever `output_padding` is."""
    return F.conv_transpose2d(x, weight, bias, stride, padding)


@conv_transpose2d.mistake
def output_padding_at_the_top_left(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The output padding lengthens the top and the left; it belongs to the bottom and the right."""
    canvas = F.pad(_stamped(x, weight, stride), (output_padding, 0, output_padding, 0))
    return _cropped(canvas, padding, bias)


@conv_transpose2d.mistake
def output_padding_of_zeros(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """Zeros were added *after* cropping; output padding crops less, so stamped values may come back there."""
    result = _cropped(_stamped(x, weight, stride), padding, None)
    result = F.pad(result, (0, output_padding, 0, output_padding))
    return result if bias is None else result + bias[:, None, None]


@conv_transpose2d.mistake
def bias_ignored(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The result is the same whatever `bias` is."""
    return F.conv_transpose2d(x, weight, None, stride, padding, output_padding)


@conv_transpose2d.mistake
def bias_with_every_stamp(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The bias counts several times where stamps overlap; it is added once, to the finished output."""
    if bias is None:
        return F.conv_transpose2d(x, weight, None, stride, padding, output_padding)
    stamps = weight.new_ones(1, 1, *weight.shape[2:])
    count = F.conv_transpose2d(x.new_ones(1, 1, *x.shape[2:]), stamps, None, stride, padding, output_padding)
    return F.conv_transpose2d(x, weight, None, stride, padding, output_padding) + count * bias[:, None, None]


@conv_transpose2d.mistake
def bias_missing_at_the_far_edge(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The output padding holds zeros where the bias should be: add the bias last, everywhere."""
    result = F.conv_transpose2d(x, weight, bias, stride)
    result = F.pad(result, (0, output_padding, 0, output_padding))
    return _cropped(result, padding, None)


@conv_transpose2d.mistake
def bias_along_the_width(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The bias was added along the columns; its axis is that of the channels."""
    result = F.conv_transpose2d(x, weight, None, stride, padding, output_padding)
    return result if bias is None else result + bias
