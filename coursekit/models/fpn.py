"""The feature pyramid network: every level of the pyramid gets the meaning of the deepest one.

Lin et al., *Feature pyramid networks for object detection*, CVPR 2017. Parameters carry the names of
torchvision's ``FeaturePyramidNetwork``.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn


class FPN(nn.Module):
    """Backbone maps, finest first, to as many maps of `out_channels` channels, and coarser ones after them.

    Each map passes a 1×1 convolution, the coarser result is enlarged and added, and a 3×3 convolution smooths
    the sum. Each module of `extra` makes one more level out of the last: Mask R-CNN subsamples with
    ``[nn.MaxPool2d(1, stride=2)]``, YOLACT learns two levels, ``[nn.Conv2d(256, 256, 3, 2, 1), …]``.
    `mode` enlarges the coarser map, "nearest" (the paper) or "bilinear" (YOLACT); with `relu` a ReLU follows
    each 3×3 convolution (YOLACT too).
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        out_channels: int = 256,
        extra: Sequence[nn.Module] = (),
        mode: str = "nearest",
        relu: bool = False,
    ) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.mode = mode
        # Each convolution sits in a Sequential because torchvision's parameters are called "….0.weight".
        self.inner_blocks = nn.ModuleList(nn.Sequential(nn.Conv2d(c, out_channels, 1)) for c in in_channels)
        self.layer_blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(out_channels, out_channels, 3, padding=1), *[nn.ReLU()] * relu) for _ in in_channels
        )
        self.extra_blocks = nn.ModuleList(extra)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, a=1)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, features: Sequence[Float[Tensor, "n _ _ _"]]) -> list[Float[Tensor, "n c _ _"]]:
        merged: list[Tensor] = []  # coarsest first
        for block, feature in zip(reversed(self.inner_blocks), reversed(features), strict=True):
            lateral = block(feature)
            if merged:
                lateral = lateral + F.interpolate(merged[-1], size=lateral.shape[-2:], mode=self.mode)
            merged.append(lateral)
        levels = [block(sums) for block, sums in zip(self.layer_blocks, reversed(merged), strict=True)]
        for block in self.extra_blocks:
            levels.append(block(levels[-1]))
        return levels
