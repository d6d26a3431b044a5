"""U-Net's overlap-tile strategy: what the network reads, what it answers for, and what is only a mirror image."""

from collections.abc import Sequence
from typing import Any

import torch
import traitlets
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from coursekit import ops
from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.palette import colourise
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK

READ, ANSWERED = "#1b3fbf", "#f2b134"


class OverlapTile(InteractiveFigure):
    """An interactive figure: tile by tile over a picture with a mirrored margin.

    Left and right arrows go from tile to tile, up and down to larger and smaller tiles; slider, menu and buttons do
    the same. The right half shows the answer growing.

    Args:
        image: (1 or 3, H, W) in [0, 1].
        answer: (H, W) class ids: what the network says in the end.
        context: pixels that the network needs around each tile, on every side.
        tiles: the choices of the tile's side.
    """

    drawing = "overlap_tile"
    pixels = traitlets.Bytes().tag(sync=True)
    answer = traitlets.Bytes().tag(sync=True)
    size: Any = traitlets.List().tag(sync=True)
    context = traitlets.Int().tag(sync=True)
    beyond = traitlets.Int().tag(sync=True)
    tiles: Any = traitlets.List().tag(sync=True)
    tile = traitlets.Int().tag(sync=True)
    position = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        image: Float[Tensor, "c h w"],
        answer: Int[Tensor, "h w"],
        context: int,
        tiles: Sequence[int] = (64, 96, 128),
    ) -> None:
        height, width = image.shape[-2:]
        if answer.shape != (height, width):
            raise ValueError(
                f"the answer is {tuple(answer.shape)}, the picture {height} × {width}: give one for each pixel"
            )
        # The last tile of a row or column runs on beyond the picture.
        beyond = max(-side % tile for side in (height, width) for tile in tiles)
        self._mirrored = ops.mirror_pad(image, context + beyond)[..., beyond:, beyond:].expand(3, -1, -1)
        self._answer = answer
        super().__init__(
            label="Overlap-tile strategy. Left and right arrows go from tile to tile, up and down change their size.",
            pixels=rgba(self._mirrored),
            answer=rgba(torch.from_numpy(colourise(answer)).movedim(-1, 0)),
            size=[height, width],
            context=context,
            beyond=beyond,
            tiles=sorted(tiles),
            tile=sorted(tiles)[len(tiles) // 2],
        )

    def picture(self) -> Picture:
        """The same, static: the first tile's input and output on the mirrored picture, and the whole answer."""
        (height, width), tile, context = self.size, self.tile, self.context
        side, far = tile + 2 * context, context + self.beyond
        figure = Figure(figsize=(8, 8 * (height + context + far) / (2 * width + context + far)))
        left, right = figure.subplots(1, 2, width_ratios=(width + context + far, width))
        left.imshow(self._mirrored.movedim(0, -1).numpy(), extent=(-context, width + far, height + far, -context))
        right.imshow(colourise(self._answer), extent=(0, width, height, 0), interpolation="nearest")
        boxes = (
            *((left, 0, width, height, INK, ":"), (left, -context, side, side, READ, "-")),
            *((left, 0, tile, tile, ANSWERED, "-"), (right, 0, tile, tile, ANSWERED, "-")),
        )
        for ax, corner, wide, high, colour, style in boxes:
            for line, edge in ((4.5, "white"), (2, colour)):
                box = Rectangle(
                    (corner, corner), wide, high, fill=False, edgecolor=edge, linewidth=line, linestyle=style
                )
                ax.add_patch(box)
        left.set_title("read (blue) to answer for one tile (yellow)", fontsize=9, color=INK)
        right.set_title("the answer, tile by tile", fontsize=9, color=INK)
        for ax in (left, right):
            ax.axis("off")
        alt = (
            f"A picture of {height} × {width} in a mirrored margin: to answer for {tile} × {tile} pixels at its corner "
            f"(yellow) the network reads {side} × {side} (blue), partly mirror image. Beside it the whole answer."
        )
        return Picture(figure, alt)
