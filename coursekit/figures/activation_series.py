"""Maps from inside a network, one after the other, each at the picture's size: sparse, dense, sparse, dense."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import traitlets
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.figure import Figure
from torch import Tensor

from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK

COLOUR_MAP = colormaps["cividis"]  # made for colour-blind readers; zero is dark


class ActivationSeries(InteractiveFigure):
    """An interactive figure: step through a network's maps with arrow keys, slider or buttons.

    Args:
        image: (3, H, W) in [0, 1], shown beside.
        maps: a title → one channel (h, w) of what leaves a layer, in the order of the network. Each is shown between
            its own least value, dark, and its largest.
    """

    drawing = "activation_series"
    pixels = traitlets.Bytes().tag(sync=True)
    size: Any = traitlets.List().tag(sync=True)
    steps: Any = traitlets.List().tag(sync=True)
    frames: Any = traitlets.List(traitlets.Bytes()).tag(sync=True)
    step = traitlets.Int(0).tag(sync=True)

    def __init__(self, image: Float[Tensor, "3 h w"], maps: Mapping[str, Float[Tensor, "_ _"]]) -> None:
        if not maps:
            raise ValueError("there is no map to show: give at least one, such as the output of a layer")
        self._image = image
        self._maps = {title: map_.detach().cpu().float() for title, map_ in maps.items()}
        super().__init__(
            label="Maps from inside the network. Left and right arrows step.",
            pixels=rgba(image),
            size=list(image.shape[-2:]),
            steps=[
                {"title": title, "size": list(map_.shape), "zeros": _zeros(map_)} for title, map_ in self._maps.items()
            ],
            frames=[rgba(torch.from_numpy(_painted(map_)).movedim(-1, 0)) for map_ in self._maps.values()],
        )

    def picture(self) -> Picture:
        """The same, static: the picture (a), then every map with its letter and its share of zeros."""
        height, width = self.size
        columns = min(5, len(self._maps) + 1)
        rows = -(-(len(self._maps) + 1) // columns)
        figure = Figure(figsize=(2.3 * columns, (2.3 * height / width + 0.45) * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).flatten()
        panels: list[tuple[str, Any, float | None]] = [("picture", self._image.movedim(0, -1).numpy(), None)]
        panels += [(title, _painted(map_), _zeros(map_)) for title, map_ in self._maps.items()]
        for ax in axes:
            ax.axis("off")
        for ax, letter, (title, panel, zeros) in zip(axes, "abcdefghijklmnopqrstuvwxyz", panels):
            ax.imshow(panel, interpolation="nearest", aspect=height / width * panel.shape[1] / panel.shape[0])
            share = "" if zeros is None else f"\n{panel.shape[0]} × {panel.shape[1]}, {zeros:.0%} zeros"
            ax.set_title(f"({letter}) {title}{share}", fontsize=8, color=INK)
        told = "; ".join(f"{title} {_zeros(map_):.0%}" for title, map_ in self._maps.items())
        return Picture(figure, f"A picture and {len(self._maps)} maps from inside a network. Share of zeros: {told}.")


def _zeros(map_: Float[Tensor, "h w"]) -> float:
    return float((map_ == 0).float().mean())


def _painted(map_: Float[Tensor, "h w"]) -> Float[np.ndarray, "h w 3"]:
    low, high = map_.min(), map_.max()
    scaled = (map_ - low) / (high - low) if high > low else torch.zeros_like(map_)
    return np.asarray(COLOUR_MAP(scaled.numpy())[..., :3])
