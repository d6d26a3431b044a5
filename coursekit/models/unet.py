"""U-Net: the encoder's features, cropped, beside the decoder's, at every level.

Ronneberger, Fischer & Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from coursekit.models.blocks import he_initialise


class UNet(nn.Module):
    """Two valid 3 × 3 convolutions a level, `depth` poolings down, as many up-convolutions up.

    With `padding="valid"`, the paper's, every logit has seen real pixels only, so the output is smaller than
    the image: 572 → 388. `context` is the difference on each side; `coursekit.ops.predict_tiled` covers whole
    images. With `padding="same"` the output has the image's size, whatever that is: odd sizes are pooled
    rounding up and cropped on the way back.

    `dropout` acts at the end of the contracting path, on its two deepest levels.
    """

    def __init__(
        self,
        num_classes: int = 2,
        in_channels: int = 1,
        base_channels: int = 64,
        *,
        depth: int = 4,
        padding: str = "valid",
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth counts the poolings and must be at least 1, got {depth}")
        if padding not in ("valid", "same"):
            raise ValueError(f"padding must be 'valid' or 'same', got {padding!r}")
        self.depth, self.padding = depth, padding
        widths = [base_channels * 2**level for level in range(depth + 1)]
        before = [in_channels, *widths]
        self.down = nn.ModuleList(double_conv(a, b, padding) for a, b in zip(before, widths, strict=False))
        self.dropout = nn.Dropout(dropout)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 2, stride=2) for c in reversed(widths[:-1]))
        self.merge = nn.ModuleList(double_conv(2 * c, c, padding) for c in reversed(widths[:-1]))
        self.classifier = nn.Conv2d(base_channels, num_classes, 1)
        self.apply(he_initialise)

    @property
    def context(self) -> int:
        """How many pixels the output is smaller on each side."""
        return 6 * 2**self.depth - 4 if self.padding == "valid" else 0

    def output_size(self, size: int) -> int:
        """Height (or width) of the output for that of the image.

        ValueError where a pooling would meet an odd size or nothing would be left.
        """
        step = 2**self.depth
        # The bottom must get 8 pixels (7 if it is the second level): its convolutions leave 4, and on the way up
        # each level doubles what is left and takes 4. On the way down each level had taken 4 as well.
        smallest = 4 * (step - 1) + step * (8 - 3 // step)
        if self.padding == "valid" and (size < smallest or (size - smallest) % step):
            nearest = max(smallest, smallest + (size - smallest) // step * step)
            raise ValueError(
                f"a U-Net of depth {self.depth} with valid convolutions takes heights and widths of "
                f"{smallest}, {smallest + step}, {smallest + 2 * step}, … pixels, not {size}: take {nearest} "
                f"or {nearest + step}, coursekit.ops.predict_tiled, or padding='same'"
            )
        return size - 2 * self.context

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes h2 w2"]:
        """Logits, in size (`output_size(h)`, `output_size(w)`). Raises ValueError as `output_size` does."""
        for size in x.shape[-2:]:
            self.output_size(size)
        skips = []
        for level, double in enumerate(self.down):
            x = double(x)
            if level >= self.depth - 1:
                x = self.dropout(x)
            if level < self.depth:
                skips.append(x)
                x = F.max_pool2d(x, 2, ceil_mode=True)
        for up, merge in zip(self.up, self.merge, strict=True):
            x, skip = crop_to_smaller(up(x), skips.pop())
            x = merge(torch.cat([skip, x], dim=1))
        return self.classifier(x)


def double_conv(in_channels: int, out_channels: int, padding: str) -> nn.Sequential:
    """Two 3 × 3 convolutions, each with ReLU."""
    return nn.Sequential(
        *(nn.Conv2d(in_channels, out_channels, 3, padding=padding), nn.ReLU(inplace=True)),
        *(nn.Conv2d(out_channels, out_channels, 3, padding=padding), nn.ReLU(inplace=True)),
    )


def crop_to_smaller(
    x: Float[Tensor, "n c _ _"], skip: Float[Tensor, "n c _ _"]
) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c h w"]]:
    """Both at the smaller of their sizes.

    Valid convolutions leave the skip the larger, on all sides: its centre is kept. Pooling that rounded up
    leaves `x` one row or column too many, at the bottom or right.
    """
    height, width = (min(sizes) for sizes in zip(x.shape[-2:], skip.shape[-2:], strict=True))
    top, left = (skip.shape[-2] - height) // 2, (skip.shape[-1] - width) // 2
    return x[..., :height, :width], skip[..., top : top + height, left : left + width]
