"""DeconvNet: all of VGG-16, and then all of it backwards.

Noh, Hong & Han, "Learning Deconvolution Network for Semantic Segmentation", ICCV 2015. The name is
the authors'; the layers are transposed convolutions.
"""

from itertools import pairwise
from math import ceil

from jaxtyping import Float
from torch import Tensor, nn

from coursekit.models.blocks import VGG16_PLAN, conv_bn_relu, he_initialise, pool, require_statistics, unpool


class DeconvNet(nn.Module):
    """VGG-16's convolutions and its two fully connected layers, then their mirror image.

    Unpooling puts each value back where its maximum was, which leaves holes; the transposed convolutions fill
    them in. The fully connected layers are convolutions over a window of 7 × 7 positions, one position every
    32 pixels, and hold nearly nine tenths of the parameters.

    `width` is the number of channels of the first stage; 64 is the published network. `window` is the side of
    the first fully connected layer in positions: the published 7 needs images of more than 192 pixels a side,
    3 needs more than 64. Poolings round up, so any larger size works.
    """

    def __init__(self, num_classes: int = 21, in_channels: int = 3, width: int = 64, *, window: int = 7) -> None:
        super().__init__()
        self.window = window
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        before = in_channels
        for units, convolutions in VGG16_PLAN:
            channels = units * width
            encoded = [before] + convolutions * [channels]
            # Out of the last level come features, not an image: it keeps its own width.
            decoded = convolutions * [channels] + [before if self.encoder else width]
            self.encoder.append(nn.Sequential(*(conv_bn_relu(a, b, bias=True) for a, b in pairwise(encoded))))
            self.decoder.insert(0, nn.Sequential(*(transposed_bn_relu(a, b) for a, b in pairwise(decoded))))
            before = channels
        top, fully_connected = 8 * width, 64 * width
        self.fc6 = nn.Sequential(
            nn.Conv2d(top, fully_connected, window), nn.BatchNorm2d(fully_connected), nn.ReLU(inplace=True)
        )
        self.fc7 = conv_bn_relu(fully_connected, fully_connected, 1, bias=True)
        self.fc6_transposed = transposed_bn_relu(fully_connected, top, window, padding=0)
        self.classifier = nn.Conv2d(width, num_classes, 1)
        self.apply(he_initialise)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes h w"]:
        """Logits at the image's size.

        Raises ValueError for an image with fewer positions than the window, and in training for a single
        image with exactly one window.
        """
        height, width = (ceil(side / 32) - self.window + 1 for side in x.shape[-2:])
        smallest = 32 * (self.window - 1) + 1
        if min(height, width) < 1:
            raise ValueError(
                f"DeconvNet with a window of {self.window} needs images of at least {smallest} × {smallest}, "
                f"got {x.shape[-2]} × {x.shape[-1]}; a smaller window takes smaller images"
            )
        require_statistics(self, x.shape[0] * height * width, f"give it two images, or a side above {smallest + 31}")
        poolings = []
        for stage in self.encoder:
            x, pooling = pool(stage(x))
            poolings.append(pooling)
        x = self.fc6_transposed(self.fc7(self.fc6(x)))
        for stage in self.decoder:
            x = stage(unpool(x, poolings.pop()))
        return self.classifier(x)


def transposed_bn_relu(in_channels: int, out_channels: int, kernel_size: int = 3, padding: int = 1) -> nn.Sequential:
    """A transposed convolution of stride 1, batch normalisation, ReLU."""
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, out_channels, kernel_size, padding=padding),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )
