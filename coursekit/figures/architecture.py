"""An architecture drawn from the network itself: run once, every named part becomes a box of its output's shape."""

import math
from collections.abc import Mapping

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor, nn

from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK

DOWN, UP = "#8fb8de", "#f2b134"


def layer_shapes(
    model: nn.Module, parts: Mapping[str, nn.Module], in_shape: tuple[int, int, int]
) -> dict[str, tuple[int, int, int]]:
    """What shape (C, H, W) leaves each named part, and, as "image", what enters the network.

    The network runs once, in evaluation mode, on zeros of `in_shape`. Made on the meta device
    (`with torch.device("meta"):`) it computes shapes only, at any size, in no time. A part that ran twice has the
    shape of its last run. ValueError for a part that did not run.
    """
    shapes: dict[str, tuple[int, int, int]] = {"image": in_shape}

    def keep(title: str, output: Tensor) -> None:
        _, channels, height, width = output.shape
        shapes[title] = (channels, height, width)

    hooks = [
        part.register_forward_hook(lambda _module, _inputs, output, title=title: keep(title, output))
        for title, part in parts.items()
    ]
    device = next(model.parameters()).device
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *in_shape, device=device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    missing = [title for title in parts if title not in shapes]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} did not run in {type(model).__name__}: take a part that its forward calls"
        )
    return shapes


def show_architecture(
    shapes: Mapping[str, tuple[int, int, int]], *, alt: str, skips: Mapping[tuple[str, str], str] | None = None
) -> Picture:
    """Boxes from left to right: as high as the map, as wide as its channels (both compressed), and arcs for skips.

    Args:
        shapes: a title → (C, H, W), such as `layer_shapes` gives, in the order of the network.
        skips: (from, to) → what is handed over.
    """
    tallest = max(height for _, height, _ in shapes.values())
    figure = Figure(figsize=(min(12.0, 0.72 * len(shapes) + 0.6), 3.4), layout="constrained")
    ax = figure.subplots()
    places: dict[str, tuple[float, float]] = {}
    left, smallest = 0.0, math.inf
    for title, (channels, height, _) in shapes.items():
        smallest = min(smallest, height)
        wide, high = 0.18 + 0.055 * math.log2(channels), 0.25 + 1.75 * math.sqrt(height / tallest)
        colour = UP if height > smallest else DOWN
        ax.add_patch(Rectangle((left, -high / 2), wide, high, facecolor=colour, edgecolor=INK, linewidth=0.8))
        middle = left + wide / 2
        places[title] = (middle, high / 2)
        ax.text(middle, -high / 2 - 0.08, f"{channels}", ha="center", va="top", fontsize=8, color=INK)
        ax.text(middle, 0, f"{height}", ha="center", va="center", fontsize=8, color=INK, rotation=90)
        ax.text(middle, -1.35, title, ha="right", va="top", fontsize=8, color=INK, rotation=40, rotation_mode="anchor")
        left += wide + 0.32
    arcs = sorted((places[start], places[end], label) for (start, end), label in (skips or {}).items())
    ceiling = 1.05
    for start, end, label in reversed(arcs):  # the innermost lowest
        ceiling += 0.24
        _draw_skip(ax, start, end, ceiling, label)
    ax.set(xlim=(-0.5, left), ylim=(-2.1, ceiling + 0.2))
    ax.axis("off")
    return Picture(figure, alt)


def _draw_skip(ax: Axes, start: tuple[float, float], end: tuple[float, float], ceiling: float, label: str) -> None:
    """From the top of one box up to the ceiling, along it, and down into the other."""
    ax.plot([start[0], start[0], end[0]], [start[1], ceiling, ceiling], color=INK, linewidth=0.8)
    ax.annotate(
        "", end, (end[0], ceiling), arrowprops={"arrowstyle": "->", "color": INK, "linewidth": 0.8, "shrinkA": 0}
    )
    middle = (start[0] + end[0]) / 2
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    ax.text(middle, ceiling, label, ha="center", va="center", fontsize=8, color=INK, bbox=box)
