"""One recipe for a picture and everything that is said about it: crop, flip, scale, elastic and colour.

The steps are torchvision's `transforms.v2` where it has them. Labels only ever move to the nearest pixel, and what
comes in from outside the picture is void: 255 in a semantic mask, no instance and no segment elsewhere.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from .conversions import VOID, boxes_from_masks, measured

__all__ = ["Elastic", "Fit", "Recipe", "Rescale", "eval_recipe", "train_recipe"]

# In a mirror, the left and the right of COCO's 17 keypoints change places.
MIRRORED = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
PER_OBJECT = ("masks", "boxes", "labels", "area", "iscrowd", "keypoints")


def train_recipe(
    size: tuple[int, int],
    scale: tuple[float, float] = (0.5, 2.0),
    flip: float = 0.5,
    elastic: float = 0.0,
    colour: float = 0.4,
) -> "Recipe":
    """Augmentation to pictures of `size` (height, width), for every kind of target.

    The picture is made larger or smaller by a factor from `scale` and a random piece of it is cut out; the piece is
    mirrored with the probability `flip` and bent by `elastic` pixels (U-Net: 10), and its brightness, contrast and
    saturation are changed by up to `colour`. Objects with `iscrowd` are left out: no loss can use them.
    """

    def steps(fill: int) -> list[v2.Transform]:
        fills = {tv_tensors.Image: 0, tv_tensors.Mask: fill}
        bend = [Elastic(elastic, fill)] if elastic else []
        return [
            Rescale(*scale),
            v2.RandomCrop(size, pad_if_needed=True, fill=fills),
            *bend,
            v2.ColorJitter(colour, colour, colour),
        ]

    return Recipe(steps, flip, drop_crowds=True)


def eval_recipe(size: tuple[int, int]) -> "Recipe":
    """The whole picture fitted into `size` (height, width), with void below or to the right; nothing is random."""
    return Recipe(lambda fill: [Fit(size, fill)])


class Recipe:
    """`recipe(image, target)`: steps of `transforms.v2`, and the target put in order after them.

    `steps(fill)` gives the steps for labels whose outside is filled with that number. Afterwards objects that are no
    longer in the picture are gone, boxes and areas are those of what is left, and keypoints outside are unlabelled.
    `flip` is the probability of a mirror image, in which left and right keypoints change names.
    """

    def __init__(
        self, steps: Callable[[int], Sequence[v2.Transform]], flip: float = 0.0, drop_crowds: bool = False
    ) -> None:
        self.for_semantic = v2.Compose(steps(VOID))
        self.for_objects = v2.Compose(steps(0))
        self.flip = flip
        self.drop_crowds = drop_crowds

    def __call__(self, image: tv_tensors.Image, target: Any) -> tuple[tv_tensors.Image, Any]:
        mirror = v2.RandomHorizontalFlip(p=float(torch.rand(()) < self.flip))
        if not isinstance(target, dict):
            return mirror(*self.for_semantic(image, target))
        image, target = mirror(*self.for_objects(image, _opened(image, target)))
        return image, _closed(target, mirrored=mirror.p == 1, drop_crowds=self.drop_crowds)


def _opened(image: tv_tensors.Image, target: dict[str, Any]) -> dict[str, Any]:
    """The target as `transforms.v2` can move it: keypoints apart from their visibility, areas as shares of boxes."""
    target = dict(target)
    if "area" in target:
        target["area"] = target["area"] / _extent(target["boxes"])
    if "keypoints" in target:
        points = target["keypoints"]
        target["visibility"] = points[..., 2]
        target["keypoints"] = tv_tensors.KeyPoints(points[..., :2], canvas_size=image.shape[-2:])
    return target


def _closed(target: dict[str, Any], mirrored: bool, drop_crowds: bool) -> dict[str, Any]:
    """The target as the sets give it, with what is still in the picture."""
    if "segments_info" in target:
        return {**target, "segments_info": measured(target["ids"], target["segments_info"])}
    if "masks" in target:
        target["boxes"] = boxes_from_masks(target["masks"])
    boxes = target["boxes"] = functional.clamp_bounding_boxes(target["boxes"])
    if "area" in target:
        target["area"] = target["masks"].sum((1, 2)).float() if "masks" in target else target["area"] * _extent(boxes)
    if "keypoints" in target:
        points, visibility = target["keypoints"], target.pop("visibility")
        if mirrored:
            points = points + points.new_tensor([1, 0])  # torchvision mirrors pixels' numbers, these are places
        inside = (points >= 0).all(-1) & (points < points.new_tensor(boxes.canvas_size[::-1])).all(-1)
        points = torch.cat([points, visibility[..., None]], -1) * inside[..., None]
        target["keypoints"] = points[:, MIRRORED] if mirrored else points
    keep = (boxes[:, 2:] - boxes[:, :2] >= 1).all(-1)
    if drop_crowds and "iscrowd" in target:
        keep &= target["iscrowd"] == 0
    kept = {name: target[name][keep] for name in PER_OBJECT if name in target}
    wrapped: dict[str, Any] = {
        name: tv_tensors.wrap(kept[name], like=target[name]) for name in ("masks", "boxes") if name in kept
    }
    return {**target, **kept, **wrapped}


def _extent(boxes: Float[Tensor, "k 4"]) -> Float[Tensor, "k"]:
    return (boxes[:, 2:] - boxes[:, :2]).prod(-1)


class Rescale(v2.Transform):
    """Make a picture larger or smaller by a random factor."""

    def __init__(self, smallest: float, largest: float) -> None:
        super().__init__()
        self.smallest = smallest
        self.largest = largest

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        factor = float(torch.empty(()).uniform_(self.smallest, self.largest))
        return {"size": [max(1, round(side * factor)) for side in v2.query_size(flat_inputs)]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return _resized(inpt, params["size"])


class Fit(v2.Transform):
    """Scale a picture, keeping its proportions, until it just fits into `size`; the rest of a mask is `fill`."""

    def __init__(self, size: tuple[int, int], fill: int) -> None:
        super().__init__()
        self.size = size
        self.fill = fill

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = v2.query_size(flat_inputs)
        factor = min(self.size[0] / height, self.size[1] / width)
        inner = [max(1, round(height * factor)), max(1, round(width * factor))]
        return {"inner": inner, "margins": [0, 0, self.size[1] - inner[1], self.size[0] - inner[0]]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        inpt = _resized(inpt, params["inner"])
        return functional.pad(inpt, params["margins"], fill=self.fill if isinstance(inpt, tv_tensors.Mask) else 0)


def _resized(inpt: Any, size: list[int]) -> Any:
    if isinstance(inpt, tv_tensors.Mask):
        # torchvision's own nearest neighbour lies up to half a pixel to the left and above; this is the true one.
        nearest = v2.InterpolationMode.NEAREST_EXACT
        return tv_tensors.wrap(functional.resize_image(inpt[None], size, interpolation=nearest)[0], like=inpt)
    return functional.resize(inpt, size)


class Elastic(v2.Transform):
    """Bend a picture smoothly, as for U-Net (Ronneberger, Fischer, Brox 2015, section 3.1).

    The points of a 3 × 3 grid are moved by normally distributed steps of `std` pixels; in between the steps are
    interpolated bicubically. What comes from outside is black, and `fill` in a mask.
    """

    def __init__(self, std: float, fill: int) -> None:
        super().__init__()
        self.std = std
        self.fill = fill

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = v2.query_size(flat_inputs)
        steps = self.std * torch.randn(1, 2, 3, 3)
        steps = interpolate(steps, (height, width), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
        return {"displacement": steps * 2 / torch.tensor([width, height])}  # in the units of grid_sample

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if isinstance(inpt, tv_tensors.KeyPoints):
            return tv_tensors.wrap(_bent(inpt, params["displacement"]), like=inpt)
        fill = self.fill if isinstance(inpt, tv_tensors.Mask) else 0
        return functional.elastic(inpt, params["displacement"], fill=fill)


def _bent(points: Float[Tensor, "k p 2"], displacement: Float[Tensor, "1 h w 2"]) -> Float[Tensor, "k p 2"]:
    """Where points go when the new picture at q shows the old one at q + displacement(q).

    So the new place of p solves q = p − displacement(q), which repeating finds while the bends are gentle.
    """
    size = points.new_tensor(displacement.shape[2:0:-1])
    old = 2 * points / size - 1
    new = old
    for _ in range(10):
        steps = grid_sample(displacement.movedim(-1, 1).to(new), new[None], align_corners=False, padding_mode="border")
        new = old - steps[0].movedim(0, -1)
    return (new + 1) * size / 2
