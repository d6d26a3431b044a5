"""Pyramid pooling: what one pixel is told about the scene by the bin that holds it, at four scales."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
import traitlets
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import ACCENT, INK


class PyramidBins(InteractiveFigure):
    """An interactive figure: point at a pixel and see its bin among 1, 4, 9 and 36, and what lies in it.

    Arrow keys move the pixel, a digit chooses the level whose bins are drawn over the picture. PSPNet pools features
    this way; here it is colours and classes, so that one can see it.

    Args:
        image: (3, H, W) in [0, 1].
        target: (H, W) class ids; void (255) counts for no class.
        classes: their names.
        bins: how many bins a side, level by level.
    """

    drawing = "pyramid_bins"
    pixels = traitlets.Bytes().tag(sync=True)
    size: Any = traitlets.List().tag(sync=True)
    classes: Any = traitlets.List().tag(sync=True)
    bins: Any = traitlets.List().tag(sync=True)
    colours: Any = traitlets.List().tag(sync=True)
    shares: Any = traitlets.List().tag(sync=True)
    level = traitlets.Int(0).tag(sync=True)
    y = traitlets.Int(0).tag(sync=True)
    x = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        image: Float[Tensor, "3 h w"],
        target: Int[Tensor, "h w"],
        classes: Sequence[str],
        bins: Sequence[int] = (1, 2, 3, 6),
    ) -> None:
        height, width = image.shape[-2:]
        self._image = image
        self._pooled = [F.adaptive_avg_pool2d(image, side) for side in bins]
        one_hot = torch.stack([target == label for label in range(len(classes))]).float()
        shares = [F.adaptive_avg_pool2d(one_hot, side).movedim(0, -1) for side in bins]
        super().__init__(
            label="Pyramid pooling. Arrow keys move the pixel, the digits "
            + " ".join(map(str, bins))
            + " choose a level.",
            pixels=rgba(image),
            size=[height, width],
            classes=list(classes),
            bins=list(bins),
            colours=[(255 * pooled).round().int().movedim(0, -1).tolist() for pooled in self._pooled],
            shares=[[[[round(s, 3) for s in bin_] for bin_ in row] for row in level.tolist()] for level in shares],
            level=len(bins) - 1,
            y=height * 2 // 3,
            x=width // 3,
        )

    def picture(self) -> Picture:
        """The same, static: the picture, and its mean colours in the bins of each level, one pixel's bin framed."""
        height, width = self.size
        figure = Figure(figsize=(2.6 * (len(self.bins) + 1), 2.6 * height / width + 0.4), layout="constrained")
        axes = figure.subplots(1, len(self.bins) + 1)
        panels = [("the picture and a pixel", self._image)]
        panels += [(f"{side} × {side}", pooled) for side, pooled in zip(self.bins, self._pooled)]
        for ax, (title, panel) in zip(axes, panels):
            ax.imshow(panel.movedim(0, -1).numpy(), extent=(0, width, height, 0), interpolation="nearest")
            ax.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
            ax.set_title(title, fontsize=10, color=INK)
        for ax, side in zip(axes[1:], self.bins):
            top, left = (size / side * (place * side // size) for size, place in ((height, self.y), (width, self.x)))
            for line, colour in ((4, INK), (2, ACCENT)):
                box = Rectangle((left, top), width / side, height / side, fill=False, edgecolor=colour, linewidth=line)
                ax.add_patch(box)
        axes[0].plot(self.x, self.y, "o", markersize=7, markerfacecolor=ACCENT, markeredgecolor=INK)
        levels = ", ".join(f"{side} × {side}" for side in self.bins)
        return Picture(
            figure, f"A picture and its mean colours in {levels} bins; the bin of one pixel is framed in each."
        )
