"""A person's seventeen keypoints as seventeen one-hot masks, and beside them what a network says."""

from typing import Any

import torch
import traitlets
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import ACCENT, INK
from coursekit.models.keypoint_rcnn import keypoint_cells

SKELETON = (
    *((0, 1), (0, 2), (1, 3), (2, 4), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
    *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
)
HIDDEN, SEEN = "#c8420c", "#0f6bb5"


class KeypointHeatmaps(InteractiveFigure):
    """An interactive figure: step through the keypoints of one person, or drag them, and see their masks.

    Each keypoint of the box is one cell of a size × size map: a classification among size² places. Left and right
    arrow keys choose a keypoint; with Shift, arrow keys move it by one cell.

    Args:
        image: (3, H, W) the picture.
        keypoints: (K, 3) x, y in pixels, and visibility.
        box: left, top, right, bottom of the person in pixels.
        names: of the K keypoints.
        size: of the masks.
        heatmaps: (K, size, size) a network's probabilities, shown when wished.
    """

    drawing = "keypoint_heatmaps"
    pixels = traitlets.Bytes().tag(sync=True)
    shape: Any = traitlets.List().tag(sync=True)
    keypoints: Any = traitlets.List().tag(sync=True)
    box: Any = traitlets.List().tag(sync=True)
    names: Any = traitlets.List().tag(sync=True)
    skeleton: Any = traitlets.List().tag(sync=True)
    size = traitlets.Int(56).tag(sync=True)
    heatmaps = traitlets.Bytes().tag(sync=True)
    chosen = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        image: Float[Tensor, "3 h w"],
        keypoints: Float[Tensor, "k 3"],
        box: Float[Tensor, "4"],
        names: tuple[str, ...],
        size: int = 56,
        heatmaps: Float[Tensor, "k size size"] | None = None,
    ) -> None:
        self._image, self._heatmaps = image, heatmaps
        answer = b"" if heatmaps is None else (heatmaps / heatmaps.amax((1, 2), True) * 255).round().byte()
        super().__init__(
            label="Seventeen keypoints as masks. Left and right choose a keypoint, Shift and an arrow move it.",
            pixels=rgba(image),
            shape=list(image.shape[1:]),
            keypoints=keypoints.tolist(),
            box=box.tolist(),
            names=list(names),
            skeleton=list(map(list, SKELETON)),
            size=size,
            heatmaps=answer if isinstance(answer, bytes) else answer.numpy().tobytes(),
        )

    def picture(self) -> Picture:
        """The person with the keypoints, and some of the masks."""
        figure = Figure(figsize=(9, 3.4), layout="constrained")
        grid = figure.add_gridspec(2, 6, width_ratios=[1.8, *[1] * 5])
        self._draw_person(figure.add_subplot(grid[:, 0]))
        axes = [[figure.add_subplot(grid[row, 1 + column]) for column in range(5)] for row in range(2)]
        count = 5 if self._heatmaps is not None else 10
        shown = torch.linspace(0, len(self.names) - 1, count).round().int().tolist()
        for number, ax in zip(shown, axes[0] + axes[1]):
            _draw_mask(ax, self.names[number], self._target(number))
        if self._heatmaps is not None:
            for number, ax in zip(shown, axes[1]):
                _draw_mask(ax, "the network", self._heatmaps[number])
        visible = sum(visibility > 0 for _, _, visibility in self.keypoints)
        alt = (
            f"A person in a box with {len(self.keypoints)} keypoints, {visible} of them marked. Beside it the masks of "
            f"{', '.join(self.names[number] for number in shown)}: one of {self.size} × {self.size} cells is lit."
        )
        return Picture(figure, alt)

    def _draw_person(self, ax: Axes) -> None:
        left, top, right, bottom = self.box
        ax.imshow(self._image.movedim(0, -1).clamp(0, 1).numpy(), extent=(0, self.shape[1], self.shape[0], 0))
        ax.set(xlim=(left - 1, right + 1), ylim=(bottom + 1, top - 1), xticks=[], yticks=[])
        for a, b in SKELETON:
            (xa, ya, va), (xb, yb, vb) = self.keypoints[a], self.keypoints[b]
            if va and vb:
                ax.plot([xa, xb], [ya, yb], color="white", linewidth=1.2)
        for x, y, visibility in self.keypoints:
            if visibility:
                ax.plot(x, y, "o", color=SEEN if visibility == 2 else HIDDEN, markeredgecolor="white", markersize=5)
        ax.set_title("seen (blue), hidden (orange)", fontsize=9, color=INK)

    def _target(self, number: int) -> Float[Tensor, "size size"]:
        """The one-hot mask of a keypoint, all 0 where it is not marked or outside the box."""
        cells, valid = keypoint_cells(torch.tensor([[self.keypoints[number]]]), torch.tensor([self.box]), self.size)
        target = torch.zeros(self.size * self.size)
        target[cells[0, 0]] = float(valid)
        return target.view(self.size, self.size)


def _draw_mask(ax: Axes, title: str, mask: Float[Tensor, "size size"]) -> None:
    """A mask of which a single lit cell can be seen too."""
    ax.imshow(mask.numpy(), cmap="magma", interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.set_title(title.replace("_", " "), fontsize=8, color=INK)
    if mask.count_nonzero() == 1:
        row, column = mask.nonzero()[0].tolist()
        ax.plot(column, row, "s", color=ACCENT, markersize=4)
