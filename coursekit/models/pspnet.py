"""PSPNet: what a pixel is depends on the scene, so look at the scene at four scales.

Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from coursekit.models.blocks import conv_bn_relu, he_initialise, require_statistics
from coursekit.models.resnet import Bottleneck, ResNet


class PSPNet(nn.Module):
    """A dilated ResNet at stride 8, pyramid pooling, one convolution, scores.

    In training the third stage learns to segment by itself too (`auxiliary`): its logits come back beside the
    main ones, and the paper adds `auxiliary_weight` times their loss. They are not computed otherwise, and a
    network built with `auxiliary=False` has no layers for them.

    `depth` is ResNet's, 50 or 101, and `width` its first stage's; 64 is published. With `deep_stem` the network
    begins as the authors' does, with three 3 × 3 convolutions in the place of one 7 × 7.
    """

    auxiliary_weight = 0.4

    def __init__(
        self,
        num_classes: int = 21,
        in_channels: int = 3,
        width: int = 64,
        *,
        depth: int = 50,
        deep_stem: bool = False,
        auxiliary: bool = True,
    ) -> None:
        super().__init__()
        self.backbone = ResNet(depth, width, dilate=(False, True, True), in_channels=in_channels)
        if deep_stem:
            use_deep_stem(self.backbone, in_channels, width)
        _, _, c4, c5 = self.backbone.out_channels
        self.pyramid = PyramidPooling(c5)
        self.head = scorer(2 * c5, c5 // 4, num_classes)
        self.auxiliary = scorer(c4, c4 // 4, num_classes) if auxiliary else None
        self.pyramid.apply(he_initialise)

    def forward(
        self, x: Float[Tensor, "n c h w"]
    ) -> Float[Tensor, "n classes h w"] | tuple[Float[Tensor, "n classes h w"], Float[Tensor, "n classes h w"]]:
        """Logits at the image's size, which may be any; in training (logits, auxiliary logits).

        Raises ValueError in training for a single image: pooled to one bin, it is one value a channel.
        """
        require_statistics(self, x.shape[0], "the coarsest bin is the whole image, so give it at least two")
        size = x.shape[-2:]
        _, _, c4, c5 = self.backbone(x)
        logits = enlarge(self.head(self.pyramid(c5)), size)
        if self.training and self.auxiliary is not None:
            return logits, enlarge(self.auxiliary(c4), size)
        return logits


def scorer(channels: int, hidden: int, num_classes: int) -> nn.Sequential:
    """A 3 × 3 convolution to fewer channels, dropout, 1 × 1 scores."""
    layers = (conv_bn_relu(channels, hidden), nn.Dropout(0.1), nn.Conv2d(hidden, num_classes, 1))
    return nn.Sequential(*layers).apply(he_initialise)


class PyramidPooling(nn.Module):
    """The map, and beside it its means over 1, 4, 9 and 36 bins, each reduced to a quarter of the channels."""

    def __init__(self, channels: int, bins: tuple[int, ...] = (1, 2, 3, 6)) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(side), conv_bn_relu(channels, channels // len(bins), 1)) for side in bins
        )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        return torch.cat([x, *(enlarge(level(x), x.shape[-2:]) for level in self.levels)], dim=1)


def enlarge(x: Float[Tensor, "n c _ _"], size: torch.Size) -> Float[Tensor, "n c h w"]:
    """Bilinear, corner on corner: exact at the image's size where that is 1 more than a multiple of 8."""
    return F.interpolate(x, size, mode="bilinear", align_corners=True)


def use_deep_stem(backbone: ResNet, in_channels: int, width: int) -> None:
    """Three 3 × 3 convolutions for the 7 × 7 one, and twice the channels out of them."""
    stem = nn.Sequential(
        conv_bn_relu(in_channels, width, stride=2),
        conv_bn_relu(width, width),
        nn.Conv2d(width, 2 * width, 3, padding=1, bias=False),
    )
    backbone.register_module("conv1", stem.apply(he_initialise))
    backbone.register_module("bn1", nn.BatchNorm2d(2 * width))
    backbone.layer1[0] = Bottleneck(2 * width, width).apply(he_initialise)
