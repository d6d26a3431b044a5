"""He's initialisation keeps the second moment; the rest of the shared blocks is tested where it is used."""

import pytest
import torch
from torch import nn

from coursekit.models.blocks import conv_bn_relu, he_initialise


def stack(layer, depth=8):
    torch.manual_seed(0)
    return nn.Sequential(*(part for _ in range(depth) for part in (layer(), nn.ReLU()))).apply(he_initialise)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular"),
        lambda: nn.Conv2d(64, 64, 1),
        lambda: nn.Conv2d(64, 64, 3, padding=1, padding_mode="circular", groups=4),
        lambda: nn.ConvTranspose2d(64, 64, 1),
    ],
    ids=["3x3", "1x1", "groups", "transposed-1x1"],
)
def test_signals_neither_fade_nor_grow_through_eight_layers(layer):
    x = torch.randn(4, 64, 12, 12, generator=torch.Generator().manual_seed(0)).relu()
    with torch.no_grad():
        ratio = stack(layer)(x).square().mean() / x.square().mean()
    assert 0.1 < ratio < 10  # without the factor 2 it would be 1/256


@pytest.mark.parametrize(("kernel_size", "stride"), [(2, 2), (4, 2), (3, 1)])
def test_a_transposed_convolution_doubles_the_second_moment_that_relu_then_halves(kernel_size, stride):
    torch.manual_seed(0)
    layer = nn.ConvTranspose2d(64, 64, kernel_size, stride).apply(he_initialise)
    x = torch.randn(4, 64, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        inside = layer(x)[..., 4:-4, 4:-4]
    assert inside.square().mean() == pytest.approx(2 * x.square().mean().item(), rel=0.2)
    assert not layer.bias.any()


def test_conv_bn_relu_keeps_the_size_at_stride_1():
    assert conv_bn_relu(2, 4, 5)(torch.rand(2, 2, 7, 9)).shape == (2, 4, 7, 9)
    assert conv_bn_relu(2, 4, stride=2)(torch.rand(2, 2, 7, 9)).shape == (2, 4, 4, 5)
