"""The residual network, the backbone of PSPNet, the R-CNN family and YOLACT.

He et al., *Deep residual learning for image recognition*, CVPR 2016. Parameters carry the names of
torchvision's ``resnet50`` and ``resnet101``, whose state dicts load once the classifier ``fc`` is taken out.
"""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn

from coursekit.models.blocks import he_initialise

NormLayer = Callable[[int], nn.Module]

BLOCKS_PER_STAGE = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class Bottleneck(nn.Module):
    """A residual block: 1×1 to `width` channels, 3×3, 1×1 to 4 · `width`, added to the block's own input.

    The stride is in the 3×3 convolution, which sees every input pixel; the paper had it in the first 1×1,
    which skips three pixels of four. Where the shape changes, a 1×1 convolution brings the input into line.
    """

    expansion = 4

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        dilation: int = 1,
        norm: NormLayer = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        out_channels = width * self.expansion
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = norm(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), norm(out_channels)
            )

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h2 w2"]:
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        return self.relu(out + self.downsample(x))


class ResNet(nn.Module):
    """ResNet-50 or ResNet-101 without its classifier: an image in, the feature maps of its four stages out.

    The maps c2, c3, c4, c5 have strides 4, 8, 16, 32 and 4, 8, 16, 32 · `width` channels; `out_channels`
    lists the channels. `dilate` says for each of the last three stages whether its stride becomes a dilation,
    which keeps the map large and the receptive field too: (False, True, True) gives c4 and c5 stride 8 and
    dilations 2 and 4. The first block of such a stage still has the dilation of the stage before, as in
    torchvision.

    `norm` builds the normalisation for a number of channels: `nn.BatchNorm2d`, or torchvision's
    `FrozenBatchNorm2d` for fine-tuning in batches too small for statistics. Raises ValueError for a depth
    other than 50 and 101.
    """

    def __init__(
        self,
        depth: int = 50,
        width: int = 64,
        norm: NormLayer = nn.BatchNorm2d,
        dilate: tuple[bool, bool, bool] = (False, False, False),
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if depth not in BLOCKS_PER_STAGE:
            raise ValueError(f"depth must be one of {list(BLOCKS_PER_STAGE)}, got {depth}")
        self.conv1 = nn.Conv2d(in_channels, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)

        stages = []
        channels, dilation = width, 1
        for index, (blocks, dilated) in enumerate(zip(BLOCKS_PER_STAGE[depth], (False, *dilate), strict=True)):
            stage_width = width * 2**index
            stride = 1 if index == 0 or dilated else 2
            first = Bottleneck(channels, stage_width, stride, dilation, norm)
            channels = stage_width * Bottleneck.expansion
            dilation *= 2 if dilated else 1
            rest = [Bottleneck(channels, stage_width, 1, dilation, norm) for _ in range(blocks - 1)]
            stages.append(nn.Sequential(first, *rest))
        self.layer1, self.layer2, self.layer3, self.layer4 = stages
        self.out_channels = tuple(width * 2**index * Bottleneck.expansion for index in range(4))

        self.apply(he_initialise)

    def forward(
        self, x: Float[Tensor, "n c h w"]
    ) -> tuple[
        Float[Tensor, "n c2 h2 w2"],
        Float[Tensor, "n c3 h3 w3"],
        Float[Tensor, "n c4 h4 w4"],
        Float[Tensor, "n c5 h5 w5"],
    ]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        c2 = self.layer1(x)
        c3 = self.layer2(c2)
        c4 = self.layer3(c3)
        c5 = self.layer4(c4)
        return c2, c3, c4, c5
