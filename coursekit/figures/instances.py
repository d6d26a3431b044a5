"""Pictures with what was found in them: masks, boxes, names and scores, joints."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from coursekit.figures.keypoint_heatmaps import SKELETON
from coursekit.figures.palette import COLOURS, rgb
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK

# Those of the palette that stand out on a street, in an order in which neighbours differ.
BRIGHT = tuple(COLOURS[i] for i in (2, 8, 9, 10, 6, 1, 0, 13, 12, 5))


def show_instances(
    images: Mapping[str, tuple[Tensor, Mapping[str, Any]]], classes: Sequence[str], *, alt: str, columns: int = 2
) -> Picture:
    """Pictures with their objects, each in a colour of its own.

    Args:
        images: a title → picture (3, H, W) and a dict as torchvision's detectors give and take it: `boxes` (K, 4) and
            `labels` (K,), and where there are, `scores` (K,), `masks` (K, H, W) or (K, 1, H, W), of which what is
            above ½ is inside, and `keypoints` (K, 17, 3).
        classes: the names of the labels.
        columns: pictures in a row.
    """
    rows = -(-len(images) // columns)
    height, width = next(iter(images.values()))[0].shape[-2:]
    figure = Figure(figsize=(8, rows * (8 / columns * height / width + 0.3)), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for ax, (title, (image, found)) in zip(axes, images.items()):
        ax.imshow(image.detach().cpu().clamp(0, 1).movedim(0, -1).numpy(), extent=(0, width, height, 0))
        ax.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
        ax.set_title(title, fontsize=10, color=INK)
        for k in range(len(found["boxes"])):
            _draw_object(ax, {key: value[k] for key, value in found.items() if key in _PARTS}, BRIGHT[k % 10], classes)
    for ax in list(axes):
        ax.set_visible(False)
    return Picture(figure, alt)


_PARTS = ("boxes", "labels", "scores", "masks", "keypoints")


def _draw_object(ax: Axes, thing: Mapping[str, Tensor], colour: str, classes: Sequence[str]) -> None:
    left, top, right, bottom = thing["boxes"].tolist()
    ax.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.5))
    name = classes[int(thing["labels"])]
    if "scores" in thing:
        name += f" {float(thing['scores']):.2f}"
    label = {"facecolor": (*rgb(INK), 0.7), "edgecolor": "none", "pad": 1}
    ax.text(max(left, 0), max(top, 0), name, fontsize=6.5, color="white", va="bottom", bbox=label)
    if "masks" in thing:
        inside = thing["masks"].reshape(thing["masks"].shape[-2:]) > 0.5
        layer = inside[..., None].float().numpy() * [*rgb(colour), 0.55]
        ax.imshow(layer, extent=(0, inside.shape[1], inside.shape[0], 0), interpolation="nearest")
    if "keypoints" in thing:
        points = thing["keypoints"].tolist()
        for a, b in SKELETON:
            if points[a][2] and points[b][2]:
                ax.plot([points[a][0], points[b][0]], [points[a][1], points[b][1]], color=colour, linewidth=1.5)
