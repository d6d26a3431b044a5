"""RoIPool and RoIAlign of one box that can be dragged over a small map of features."""

from typing import Any

import torch
import traitlets
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from coursekit import ops
from coursekit.figures.interactive import InteractiveFigure
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import ACCENT, INK

ROUNDED = "#0f6bb5"


class RoiBox(InteractiveFigure):
    """An interactive figure: what RoIPool and RoIAlign read from a box, and where they read it.

    The numbers of `features` stand in their cells. RoIPool's rounded box is drawn beside the box itself, RoIAlign's
    sampling points are dots, those of the form without the half-pixel shift are crosses. Drag the box or its lower
    right corner; arrow keys move it by a tenth of a cell, with Shift they change its size.

    Args:
        features: (H, W), small: every cell is shown.
        box: left, top, right, bottom in cells.
        bins: the output is bins × bins, at most 4.
        samples: RoIAlign's sampling points a bin and side, at most 4.
    """

    drawing = "roi_box"
    features: Any = traitlets.List().tag(sync=True)
    box: Any = traitlets.List().tag(sync=True)
    bins = traitlets.Int(2).tag(sync=True)
    samples = traitlets.Int(2).tag(sync=True)

    def __init__(
        self,
        features: Float[Tensor, "h w"],
        box: tuple[float, float, float, float],
        bins: int = 2,
        samples: int = 2,
    ) -> None:
        super().__init__(
            label="RoIPool and RoIAlign of a box. Arrow keys move the box, with Shift they change its size.",
            features=features.tolist(),
            box=list(box),
            bins=bins,
            samples=samples,
        )

    def values(self) -> dict[str, Float[Tensor, "bins bins"]]:
        """What the box gives now: "RoIPool", "RoIAlign", and the latter without the half-pixel shift."""
        features = torch.tensor(self.features)[None, None]
        boxes = [torch.tensor([self.box])]
        return {
            "RoIPool": ops.roi_pool(features, boxes, self.bins)[0, 0],
            "RoIAlign": ops.roi_align(features, boxes, self.bins, 1.0, self.samples)[0, 0],
            "RoIAlign, not aligned": ops.roi_align(features, boxes, self.bins, 1.0, self.samples, False)[0, 0],
        }

    def picture(self) -> Picture:
        """The features three times, with what each of the three reads and gives."""
        values = self.values()
        figure = Figure(figsize=(9, 3.7), layout="constrained")
        for ax, (title, found) in zip(figure.subplots(1, 3), values.items()):
            self._draw_features(ax)
            if title == "RoIPool":
                self._draw_rounded(ax)
            else:
                self._draw_samples(ax, shift=0.0 if title == "RoIAlign" else 0.5)
            rows = "\n".join("  ".join(f"{value:.4g}" for value in row) for row in found.tolist())
            ax.set_title(title, fontsize=10, color=INK)
            ax.set_xlabel(rows, fontsize=11, color=INK)
        left, top, right, bottom = self.box
        told = "; ".join(f"{title} gives {_rounded(found)}" for title, found in values.items())
        return Picture(figure, f"A box from ({left}, {top}) to ({right}, {bottom}) on a map of features. {told}.")

    def _draw_features(self, ax: Axes) -> None:
        values = torch.tensor(self.features)
        h, w = values.shape
        for i in range(h):
            for j in range(w):
                ax.text(j + 0.5, i + 0.5, f"{float(values[i, j]):.4g}", ha="center", va="center", color="#6b675d")
        ax.set(xlim=(-0.05, w + 0.05), ylim=(h + 0.05, -0.05), aspect="equal", xticks=[], yticks=[])
        ax.hlines(range(h + 1), 0, w, color="#d8d3c6", linewidth=1)
        ax.vlines(range(w + 1), 0, h, color="#d8d3c6", linewidth=1)
        left, top, right, bottom = self.box
        ax.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=ACCENT, linewidth=2.5))
        ax.spines[:].set_visible(False)

    def _draw_rounded(self, ax: Axes) -> None:
        left, top, right, bottom = (int(edge + 0.5) for edge in self.box)
        width, height = max(right - left, 0) + 1, max(bottom - top, 0) + 1
        ax.add_patch(
            Rectangle((left, top), width, height, facecolor=(*_rgb(ROUNDED), 0.15), edgecolor=ROUNDED, linestyle="--")
        )

    def _draw_samples(self, ax: Axes, shift: float) -> None:
        left, top, right, bottom = self.box
        least = 1.0 if shift else 0.0  # without the shift a box is at least one cell wide
        count = self.bins * self.samples
        steps = (torch.arange(count) + 0.5) / count
        x = left + shift + steps * max(right - left, least)
        y = top + shift + steps * max(bottom - top, least)
        columns, rows = torch.meshgrid(x, y, indexing="xy")
        ax.plot(columns.flatten(), rows.flatten(), "x" if shift else "o", color=INK, markersize=5)


def _rgb(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _rounded(values: Tensor) -> list[list[float]]:
    return [[round(value, 4) for value in row] for row in values.tolist()]
