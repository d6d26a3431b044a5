"""What one value of each layer sees: hover over the picture, and its receptive field is framed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from coursekit import ops
from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK


class ReceptiveFields(InteractiveFigure):
    """An interactive figure: point at a place, choose a layer, and see what its value there sees.

    Arrow keys go from value to value, Page Up and Page Down from layer to layer. Values whose field has its middle
    outside the picture, as under a large padding, are left out.

    Args:
        image: (3, H, W) in [0, 1].
        layers: a title → a layer, or a tuple (kernel, stride[, padding[, dilation]]), in their order, as
            `coursekit.ops.receptive_field` takes them; square ones only.
        margin: how much is shown around the picture, in pixels.
    """

    drawing = "receptive_fields"
    pixels = traitlets.Bytes().tag(sync=True)
    size: Any = traitlets.List().tag(sync=True)
    margin = traitlets.Int().tag(sync=True)
    layers: Any = traitlets.List().tag(sync=True)
    layer = traitlets.Int(0).tag(sync=True)
    row = traitlets.Int(0).tag(sync=True)
    column = traitlets.Int(0).tag(sync=True)

    def __init__(self, image: Float[Tensor, "3 h w"], layers: Mapping[str, Any], margin: int = 48) -> None:
        self._image = image
        fields = [
            _fields(title, ops.receptive_field(list(layers.values())[: number + 1]), image.shape[-2:])
            for number, title in enumerate(layers)
        ]
        start = min(1, len(fields) - 1)
        super().__init__(
            label="Receptive fields. Arrow keys go from value to value, Page Up and Page Down from layer to layer.",
            pixels=rgba(image),
            size=list(image.shape[-2:]),
            margin=margin,
            layers=fields,
            layer=start,
            row=fields[start]["count"][0] // 2,
            column=fields[start]["count"][1] // 2,
        )

    def picture(self) -> Picture:
        """The same, static: fields around one place, one in the other, each at most half as wide as the next."""
        height, width = self.size
        shown = [self.layers[-1]]
        for field in reversed(self.layers):
            if width / 20 <= field["size"] <= shown[-1]["size"] / 2:
                shown.append(field)
        figure = Figure(figsize=(5.6, 5.6 * (height + 2 * self.margin) / (width + 2 * self.margin)))
        ax = figure.add_axes((0, 0, 1, 1))
        ax.imshow(self._image.movedim(0, -1).numpy(), extent=(0, width, height, 0))
        middle = (height // 2, width // 2)
        for field in shown:
            top, left = (_nearest(field, at, axis) for axis, at in enumerate(middle))
            for colour, line in (("white", 3.6), (INK, 1.4)):
                box = Rectangle((left, top), field["size"], field["size"], fill=False, edgecolor=colour, linewidth=line)
                ax.add_patch(box)
            x, y = max(left, 4 - self.margin), max(top, 16 - self.margin)
            text = f"{field['title']}: {field['size']}"
            plate = {"facecolor": "white", "edgecolor": INK, "linewidth": 0.6, "pad": 2}
            ax.text(x, y, text, va="bottom", fontsize=8, color=INK, bbox=plate)
        ax.set(xlim=(-self.margin, width + self.margin), ylim=(height + self.margin, -self.margin))
        ax.axis("off")
        told = ", ".join(f"{field['title']} {field['size']}" for field in shown)
        return Picture(figure, f"Receptive fields around the middle of the picture, in pixels a side: {told}.")


def _fields(title: str, field: ops.ReceptiveField, size: Sequence[int]) -> dict[str, Any]:
    """One layer's fields: size and stride, and of the values over the picture how many and where the first starts."""
    if isinstance(field.size, tuple) or isinstance(field.stride, tuple) or isinstance(field.start, tuple):
        raise ValueError(f"{title} sees another height than width: this figure draws square fields only")
    stride = int(field.stride)
    middle = field.start + (field.size - 1) / 2
    first = max(0, int(np.ceil(-middle / stride)))
    start = field.start + first * stride
    count = []
    for side in size:
        values = (side - 2 * field.start - field.size) // stride + 1  # with the padding on both sides
        over = int((side - 1 - middle) // stride) + 1
        count.append(min(values, over) - first)
    if min(count) < 1:
        raise ValueError(f"{title} has no value over a picture of {size[0]} × {size[1]}: take a larger picture")
    return {"title": title, "size": field.size, "stride": stride, "start": start, "count": count}


def _nearest(field: dict[str, Any], place: int, axis: int) -> int:
    """The first row (or column) of the field whose middle is nearest to a place."""
    index = round((place - field["start"] - (field["size"] - 1) / 2) / field["stride"])
    return int(field["start"] + min(max(index, 0), field["count"][axis] - 1) * field["stride"])
