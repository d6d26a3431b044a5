"""SegNet: a decoder that remembers where each maximum was.

Badrinarayanan, Kendall & Cipolla, "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image
Segmentation", TPAMI 2017.
"""

from itertools import pairwise
from math import ceil

from jaxtyping import Float
from torch import Tensor, nn

from coursekit.models.blocks import VGG16_PLAN, conv_bn_relu, he_initialise, pool, require_statistics, unpool


class SegNet(nn.Module):
    """VGG-16's thirteen convolutions, and their mirror image.

    Each pooling of the encoder hands its indices to the level of the decoder that undoes it; nothing else
    crosses over. There are no fully connected layers, which is where a VGG-16 keeps nine tenths of its
    parameters. Poolings round up, as the authors' do, so that every pixel is pooled and any image size works.

    `width` is the number of channels of the first stage; 64 is the published network.
    """

    def __init__(self, num_classes: int = 11, in_channels: int = 3, width: int = 64) -> None:
        super().__init__()
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        before = in_channels
        for units, convolutions in VGG16_PLAN:
            channels = units * width
            widths = [before] + convolutions * [channels]
            self.encoder.append(_stage(widths))
            self.decoder.insert(0, _stage(widths[::-1]))
            before = channels
        # The outermost level ends in the classifier: scores, hence no normalisation and no ReLU.
        self.decoder[-1] = nn.Sequential(
            conv_bn_relu(width, width, bias=True), nn.Conv2d(width, num_classes, 3, padding=1)
        )
        self.apply(he_initialise)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes h w"]:
        """Logits at the image's size.

        Raises ValueError in training for a single image of at most 16 × 16: at the deepest level one pixel is
        left of it, and one pixel has no variance.
        """
        deepest = x.shape[0] * ceil(x.shape[2] / 16) * ceil(x.shape[3] / 16)
        require_statistics(self, deepest, "give it two images, or one larger than 16 × 16")
        poolings = []
        for stage in self.encoder:
            x, pooling = pool(stage(x))
            poolings.append(pooling)
        for stage in self.decoder:
            x = stage(unpool(x, poolings.pop()))
        return x


def _stage(widths: list[int]) -> nn.Sequential:
    return nn.Sequential(*(conv_bn_relu(before, after, bias=True) for before, after in pairwise(widths)))
