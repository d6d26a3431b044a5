"""What several networks share: VGG-16's plan, a normalised convolution, pooling that can be undone."""

import math

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

VGG16_PLAN: tuple[tuple[int, int], ...] = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))
"""Simonyan & Zisserman, 2015, column D: five stages of (channels in units of the width, convolutions)."""


def conv_bn_relu(
    in_channels: int, out_channels: int, kernel_size: int = 3, *, stride: int = 1, bias: bool = False
) -> nn.Sequential:
    """A convolution that keeps the size (odd kernels, stride 1), batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


Pooling = tuple[Int[Tensor, "n c h2 w2"], tuple[int, int]]
"""What undoing a pooling takes: where each maximum was, and the size before."""


def pool(x: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n c h2 w2"], Pooling]:
    """2×2 max pooling that rounds odd sizes up, so that every pixel is pooled."""
    pooled, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    return pooled, (indices, (x.shape[2], x.shape[3]))


def unpool(x: Float[Tensor, "n c h2 w2"], pooling: Pooling) -> Float[Tensor, "n c h w"]:
    """Each value goes back where that pooling found its maximum; everything else is zero."""
    indices, size = pooling
    return F.max_unpool2d(x, indices, (2, 2), output_size=size)


def he_initialise(module: nn.Module) -> None:
    """For `model.apply`: normal weights of variance 2 / fan-in and biases of zero.

    A ReLU halves the second moment of what passes it; the factor 2 restores it, so that signals neither fade
    nor grow with depth (He et al., 2015, section 2.2).
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    elif isinstance(module, nn.ConvTranspose2d):
        # An output sees kernel_size² / stride² of the stamps of every input channel.
        stamps = math.prod(module.kernel_size) / math.prod(module.stride)
        nn.init.normal_(module.weight, std=math.sqrt(2 / (module.in_channels * stamps)))
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
        nn.init.zeros_(module.bias)


def require_statistics(model: nn.Module, values: int, way_out: str) -> None:
    """Raise ValueError where batch normalisation would have to take the variance of a single value."""
    if model.training and values < 2:
        raise ValueError(
            f"{type(model).__name__} in training leaves batch normalisation one value a channel: {way_out}"
        )
