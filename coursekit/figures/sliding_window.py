"""The naive way to label every pixel: a window around each, and how often that reads the same pixels again."""

from collections.abc import Sequence
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK
from coursekit.models import PatchClassifier

WINDOWS = (13, 21, 29, 37)


class SlidingWindow(InteractiveFigure):
    """An interactive figure: a window goes over a picture, and the multiplications of three networks are counted.

    Arrow keys move the window, with shift by ten; menus set the window's side. What is counted is the course's
    `PatchClassifier`: a window for every pixel, the dense network that shares the work, and the dense network that
    answers for every fourth pixel of every fourth row.

    Args:
        image: (3, H, W) in [0, 1].
        window: the side to begin with, one of `windows`.
        num_classes, width: those of the `PatchClassifier`.
    """

    drawing = "sliding_window"
    size: Any = traitlets.List().tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    costs = traitlets.Dict().tag(sync=True)
    window = traitlets.Int().tag(sync=True)
    at: Any = traitlets.List().tag(sync=True)

    def __init__(
        self,
        image: Float[Tensor, "3 h w"],
        window: int = 21,
        windows: tuple[int, ...] = WINDOWS,
        num_classes: int = 21,
        width: int = 16,
    ) -> None:
        self._image = image
        size = image.shape[1:]
        super().__init__(
            label="Sliding window. Arrows move the window, with shift by ten.",
            size=list(size),
            pixels=rgba(image),
            costs={
                str(side): _costs(PatchClassifier(num_classes, 3, width, patch_size=side), size) for side in windows
            },
            window=window,
            at=[size[1] // 2, size[0] // 2],
        )

    def picture(self) -> Picture:
        """The window, the one after it, and the three networks' multiplications as bars."""
        height, width = self._image.shape[1:]
        x, y = self.at
        costs = self.costs[str(self.window)]
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        left.imshow(self._image.detach().clamp(0, 1).movedim(0, -1).numpy())
        corner = x - self.window / 2, y - self.window / 2
        for step, colour in ((0, "#f2b134"), (1, "white")):
            left.add_patch(
                Rectangle((corner[0] + step, corner[1]), self.window, self.window, fill=False, edgecolor=colour, lw=2)
            )
        left.set(xticks=[], yticks=[])
        left.set_title(f"{height * width:,} windows of {self.window} × {self.window}", fontsize=9, color=INK)
        totals = {"a window for every pixel": costs["window"] * height * width}
        totals |= {"dense": costs["dense"], "dense, one in 16": costs["strided"]}
        bars = right.barh(list(totals)[::-1], list(totals.values())[::-1], color="#0f6bb5")
        right.bar_label(bars, [f"{value / 1e9:.2f} G" for value in list(totals.values())[::-1]], padding=3)
        right.set(xscale="log", xlabel="multiplications", xlim=(1e7, 1e11))
        right.spines[["top", "right"]].set_visible(False)
        told = ", ".join(f"{name} {value / 1e9:.2f} thousand million" for name, value in totals.items())
        alt = (
            f"A window of {self.window} × {self.window} pixels on a street and the next one, a pixel further on, which "
            f"shares nearly all of it. Multiplications for the whole picture: {told}."
        )
        return Picture(figure, alt)


def _costs(model: PatchClassifier, size: Sequence[int]) -> dict[str, int]:
    """Multiplications: of one window, of the dense network, and of the dense network with strides."""
    side, picture = model.patch_size, torch.empty(1, 3, *size, device="meta")
    model = model.to("meta")
    return {
        "window": multiplications(nn.Sequential(model.features, model.classifier), picture.new_empty(1, 3, side, side)),
        "dense": multiplications(model.as_dense(), picture),
        "strided": multiplications(model.as_dense(every_pixel=False), picture),
    }


def multiplications(model: nn.Module, x: Tensor) -> int:
    """Multiplications of the convolutions and linear layers of a model on an input: outputs times what each sums."""
    total = 0

    def count(layer: Any, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output.numel() * layer.weight[0].numel()

    counted = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in counted]
    try:
        model(x)
    finally:
        for hook in hooks:
            hook.remove()
    return total
