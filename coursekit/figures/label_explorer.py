"""One street under three kinds of label: what each says about the pixel under the pointer."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import traitlets
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from torch import Tensor

from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.palette import COLOURS, colourise, rgb
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK


class LabelExplorer(InteractiveFigure):
    """An interactive figure: the pixel under the pointer in the semantic, the instance and the panoptic label.

    Pointer or arrow keys (with shift by eight) choose the pixel. The three labels come from one panoptic target: its
    classes are the semantic label, its things' masks the instance label.

    Args:
        image: (3, H, W) in [0, 1].
        target: `ids` (H, W) and `segments_info`, as a panoptic set gives it; id 0 is void.
        classes: the names of the category ids.
    """

    drawing = "label_explorer"
    size: Any = traitlets.List().tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    ids: Any = traitlets.List().tag(sync=True)
    segments = traitlets.Dict().tag(sync=True)
    at: Any = traitlets.List().tag(sync=True)

    def __init__(self, image: Float[Tensor, "3 h w"], target: Mapping[str, Any], classes: Sequence[str]) -> None:
        self._image, self._ids = image, target["ids"].as_subclass(torch.Tensor)
        height, width = self._ids.shape
        self._classes = {info["id"]: info["category_id"] for info in target["segments_info"]}
        things = [info["id"] for info in target["segments_info"] if info["isthing"]]
        super().__init__(
            label="Label explorer. Arrows move to another pixel, with shift by eight.",
            size=[height, width],
            pixels=rgba(image),
            ids=self._ids.flatten().tolist(),
            segments={
                str(info["id"]): {
                    "class": info["category_id"],
                    "name": classes[info["category_id"]],
                    "mask": things.index(info["id"]) if info["isthing"] else None,
                    "area": info["area"],
                }
                for info in target["segments_info"]
            },
            at=[width // 2, height // 2],
        )

    def semantic(self) -> Int[Tensor, "h w"]:
        """The class of every pixel, 255 where it has none."""
        labels = torch.full_like(self._ids, 255)
        for segment, category in self._classes.items():
            labels[self._ids == segment] = category
        return labels

    def picture(self) -> Picture:
        """The photo, the map of classes, the masks of the things, and the map of segments."""
        things = [int(segment) for segment, info in self.segments.items() if info["mask"] is not None]
        masks = torch.zeros_like(self._ids)
        panoptic = torch.from_numpy(colourise(self.semantic())).float()
        for index, segment in enumerate(things):
            masks[self._ids == segment] = index + 1
            shade = torch.from_numpy(rgb(COLOURS[self._classes[segment]])).float()
            panoptic[self._ids == segment] = shade * (0.55 + 0.45 * (index % 4) / 3)
        panels = {
            "picture": self._image.detach().clamp(0, 1).movedim(0, -1),
            "semantic: a class for each pixel": colourise(self.semantic()),
            f"instance: {len(things)} masks": colourise(torch.where(masks > 0, masks, 255)),
            "panoptic: class and id": panoptic,
        }
        height, width = self._ids.shape
        figure = Figure(figsize=(9, 9 * height / width + 0.5), layout="constrained")
        for ax, (title, shown) in zip(figure.subplots(2, 2).flat, panels.items()):
            ax.imshow(shown, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.set_title(title, fontsize=10, color=INK)
        names = sorted({info["name"] for info in self.segments.values()})
        alt = (
            f"A street, its map of classes ({', '.join(names)}), its {len(things)} masks of things in as many colours, "
            f"and its panoptic map of {len(self.segments)} segments, things of one class in different shades."
        )
        return Picture(figure, alt)
