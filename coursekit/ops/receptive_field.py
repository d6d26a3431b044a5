"""How much of the picture one output sees: by arithmetic along a chain of layers, and by gradient."""

import copy
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torchvision.ops import FrozenBatchNorm2d

from coursekit.ops._pairs import IntOrPair, pair

Step = tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]

ACTIVATIONS = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
    *(nn.Sigmoid, nn.Tanh, nn.Softmax, nn.Softmax2d, nn.LogSoftmax),
)
NORMS = (nn.BatchNorm2d, FrozenBatchNorm2d, nn.GroupNorm, nn.InstanceNorm2d, nn.LocalResponseNorm)
POINTWISE = (nn.Identity, nn.Dropout, nn.Dropout2d, *ACTIVATIONS, *NORMS)


@dataclass(frozen=True)
class ReceptiveField:
    """The input pixels that one output sees.

    `size` is how many in a row, `stride` the step in the input from one output to the next, `start` the left
    edge of the first output's field, negative where it reaches beyond the picture. Each is one number, or
    (down, across) where the two differ.
    """

    size: IntOrPair
    stride: float | tuple[float, float]
    start: IntOrPair


def receptive_field(model_or_layers: nn.Module | Iterable[Any]) -> ReceptiveField:
    """The receptive field of a chain of layers, from their arithmetic.

    Takes a module whose children run one after the other (an nn.Sequential, nested too), or a list of layers
    and of tuples (kernel, stride[, padding[, dilation]]) of numbers or pairs. Each layer widens the field by
    (kernel − 1)·dilation steps, moves its edge by its padding, and multiplies the step by its stride.
    Normalisation counts as pointwise. ValueError for a layer whose field is unknown or differs from output to
    output, as under a transposed convolution with a stride: measure such networks, and all that branch.
    Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019.
    """
    chain = [model_or_layers] if isinstance(model_or_layers, nn.Module) else model_or_layers
    layers = [step for layer in chain for step in _steps(layer)]
    fields = []
    for axis in (0, 1):
        size, step, start = 1, 1, 0
        for kernel, stride, padding, dilation in layers:
            size += (kernel[axis] - 1) * dilation[axis] * step
            start -= padding[axis] * step
            step *= stride[axis]
        fields.append((size, step, start))
    return _both_axes(*fields)


def _both_axes(down: tuple, across: tuple) -> ReceptiveField:
    return ReceptiveField(*(a if a == b else (a, b) for a, b in zip(down, across, strict=True)))


def _steps(layer: Any) -> Iterator[Step]:
    """What each layer of a chain does: kernel, stride, padding, dilation."""
    match layer:
        case nn.Conv2d():
            padding = layer.padding
            if isinstance(padding, str):
                kept = zip(layer.kernel_size, layer.dilation, strict=True)
                padding = tuple(d * (k - 1) // 2 if padding == "same" else 0 for k, d in kept)
            yield _step(layer.kernel_size, layer.stride, padding, layer.dilation)
        case nn.MaxPool2d():
            yield _step(layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        case nn.AvgPool2d():
            yield _step(layer.kernel_size, layer.stride, layer.padding)
        case tuple() if 2 <= len(layer) <= 4:
            yield _step(*layer)
        case nn.Module() if isinstance(layer, POINTWISE):
            return
        case nn.Module() if isinstance(layer, nn.Sequential) or any(True for _ in layer.children()):
            for child in layer.children():
                yield from _steps(child)
        case _:
            raise ValueError(
                f"the receptive field through {layer} is not known: write (kernel, stride, padding, dilation) "
                "in its place, or measure the network with measured_receptive_field"
            )


def _step(kernel: IntOrPair, stride: IntOrPair, padding: IntOrPair = 0, dilation: IntOrPair = 1) -> Step:
    return (
        pair(kernel, "kernel", minimum=1),
        pair(stride, "stride", minimum=1),
        pair(padding, "padding"),
        pair(dilation, "dilation", minimum=1),
    )


def measured_receptive_field(model: nn.Module, input_size: tuple[int, int]) -> ReceptiveField:
    """The receptive field of any network: where the gradient of one output is not zero.

    `input_size` (H, W) must be so large that two outputs near the centre see no border. The model itself is
    left alone: a float64 copy has positive weights, so that no contributions cancel, no normalisation, and
    mean instead of max pooling, so that no position hides another. In a network that upsamples, the field
    differs from output to output with a period of its total stride (U-Net: 188 or 204 pixels); the size is
    then that of the first output, the stride the mean step. TypeError when the model does not return one (N,
    K, H, W) tensor; ValueError when the field reaches the border. Luo et al., "Understanding the Effective
    Receptive Field in Deep Convolutional Neural Networks", 2016, where the gradient's size is the subject.
    """
    probe = _positive_copy(model)
    convolutions = (m for m in probe.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d))
    first_layer = next(convolutions, None)
    channels = 1 if first_layer is None else first_layer.in_channels
    device = None if first_layer is None else first_layer.weight.device
    x = torch.ones(1, channels, *input_size, dtype=torch.float64, device=device, requires_grad=True)
    with _EveryPositionCounts():
        y = probe(x)
    if not isinstance(y, Tensor) or y.ndim != 4:
        raise TypeError(
            f"the model must return one (N, K, H, W) tensor, not {type(y).__name__} "
            f"{tuple(getattr(y, 'shape', ()))}; wrap it so that it returns the map to be measured"
        )
    if min(y.shape[2:]) < 2:
        raise ValueError(f"{input_size} gives one output only, the stride needs two; take a larger input_size")

    # Two outputs a power of two apart, the first at a multiple of it: both have the very first output's phase.
    periods = [2 ** int(math.log2(max(4, min(n, 128)) // 4)) for n in y.shape[2:]]
    position = [(n - period) // 2 // period * period for n, period in zip(y.shape[2:], periods, strict=True)]
    further = [at + period for at, period in zip(position, periods, strict=True)]

    fields = []
    for axis, (first, last), (next_first, next_last) in zip(
        (0, 1), _seen(x, y, position), _seen(x, y, further), strict=True
    ):
        if first == 0 or next_last == input_size[axis] - 1:
            raise ValueError(
                f"the field reaches the border of an input of {input_size}; take a larger input_size (a network "
                "that pools globally sees the whole picture, at any size)"
            )
        moved, period = next_first - first, periods[axis]
        stride = moved // period if moved % period == 0 else moved / period
        fields.append((last - first + 1, stride, first - position[axis] // period * moved))
    return _both_axes(*fields)


def _seen(
    x: Float[Tensor, "1 c h w"], y: Float[Tensor, "1 k h_out w_out"], position: list[int]
) -> list[tuple[int, int]]:
    """The first and the last row, the first and the last column of the input that an output depends on."""
    (gradient,) = torch.autograd.grad(y[0, :, position[0], position[1]].sum(), x, retain_graph=True)
    seen = (gradient[0] != 0).any(0)
    if not seen.any():
        raise ValueError(
            "no gradient reaches the input; measure the network before what cuts it off, as a threshold does"
        )
    rows, cols = seen.any(1).nonzero(), seen.any(0).nonzero()
    return [(int(rows.min()), int(rows.max())), (int(cols.min()), int(cols.max()))]


def _positive_copy(model: nn.Module) -> nn.Module:
    """Every weight the mean over its inputs, every offset zero: values stay near one, and above zero."""
    probe = copy.deepcopy(model).double().eval().requires_grad_(False)
    for name, tensor in itertools.chain(probe.named_parameters(), probe.named_buffers()):
        if tensor.is_floating_point():
            offset = name.endswith(("bias", "running_mean"))
            tensor.fill_(0 if offset else 1 / max(1, tensor[:1].numel()) if tensor.ndim else 1)
    return probe


class _EveryPositionCounts(TorchFunctionMode):
    """Inside, pooling takes the mean, unpooling fills its cells, and normalisation (softmax too) does nothing.

    It replaces calls, not modules, since networks pool by function too.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        match getattr(func, "__name__", ""):
            case "max_pool2d":
                return _mean_pool(*args, **kwargs)[0]
            case "max_pool2d_with_indices":
                return _mean_pool(*args, **kwargs)
            case "max_unpool2d":
                return F.interpolate(args[0], func(*args, **kwargs).shape[2:])
            case "group_norm" | "instance_norm" | "layer_norm" | "local_response_norm" | "softmax" | "log_softmax":
                return args[0]
            case _:
                return func(*args, **kwargs)


def _mean_pool(
    x: Float[Tensor, "n c h w"],
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = True,
) -> tuple[Tensor, Tensor]:
    """The mean where max pooling takes the maximum, with all its options, and max pooling's indices."""
    stride = stride or kernel_size
    options = (kernel_size, stride, padding, dilation, ceil_mode)
    pooled, indices = F.max_pool2d(x, *options, return_indices=True)
    (kernel_h, kernel_w), (down, across) = pair(kernel_size, "kernel_size"), pair(stride, "stride")
    pad_h, pad_w = pair(padding, "padding")
    padded = F.pad(x, (pad_w, pad_w + across, pad_h, pad_h + down))  # ceil_mode needs up to a stride more
    box = x.new_full((x.shape[1], 1, kernel_h, kernel_w), 1 / (kernel_h * kernel_w))
    mean = F.conv2d(padded, box, stride=stride, dilation=dilation, groups=x.shape[1])
    return mean[..., : pooled.shape[2], : pooled.shape[3]], indices
