"""Street-like pictures made on the spot, with exact labels for four tasks from one scene; nothing to download."""

from collections.abc import Callable
from operator import index as as_index
from typing import Any

import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors

from .scenes import CLASSES, KEYPOINTS, THINGS, WEATHER, Knobs, Scene, compose, labels

__all__ = ["StreetScenes"]

TASKS: dict[str, Callable[[Scene], Any]] = {
    "semantic": labels.semantic,
    "instance": labels.instances,
    "panoptic": labels.panoptic,
    "keypoints": labels.keypoints,
    "edges": labels.edges,
}


class StreetScenes(Dataset[tuple[tv_tensors.Image, Any]]):
    """`length` street scenes of `size` = (height, width), or one number for both; the same on every machine.

    Scene i depends on `seed`, i, the size and the knobs, not on the length, the task or the order of reading. Sets
    with another seed share no scene. `transforms(image, target)`, a torchvision v2 transform, is applied to each.

    An item is `(image, target)`. The image is a `tv_tensors.Image` (3, H, W), float32 in [0, 1]. `classes` are
    CamVid's eleven with the same ids, so that the two sets can be exchanged; `things` are the ids of sign, car,
    pedestrian and bicyclist (the rider with the bicycle), the other classes are stuff. The target for each `task`:

    - "semantic": a Mask (H, W) int64 of class ids, void = 255.
    - "instance": `masks` (Mask, (K, H, W) bool), `boxes` (BoundingBoxes, (K, 4) XYXY, the far edges outside the
      mask) and `labels` ((K,) int64, class ids, never 0) of the things that are seen; masks do not overlap.
    - "panoptic": `ids` (Mask, (H, W) int64, 0 = void) and `segments_info` as COCO has it: `id`, `category_id` (the
      class id), `area` in pixels, `bbox` as x, y, width, height, `iscrowd` (0) and `isthing`.
    - "keypoints": `masks`, `boxes` and `labels` of the pedestrians, and `keypoints` (K, 17, 3) float32 in COCO's order
      (`keypoint_names`): x, y in pixels, pixel (column, row) being floor(x), floor(y), and visibility: 2 is seen,
      1 is hidden by something or by the body itself, 0 is outside the picture (then x = y = 0).
    - "edges": the pair turned round, to make photos from drawings: the image is a drawing (1, H, W), 1 on the lines,
      and the target is the photo.

    Knobs of difficulty; each leaves the rest of the scene as it is:

    - `noise`: standard deviation of the sensor's noise.
    - `imbalance`: share of the poles, signs, pedestrians and bicyclists that is left out, from 0 to 1.
    - `thin`: width of poles and of fences' bars against the usual; they are never thinner than a pixel.
    - `void_border`: pixels within so many steps of another segment are void.
    - `object_size`: size of things against the usual, up to 2; cars keep a distance that suits their size.
    - `min_area`: things of which fewer pixels are seen are void, in all tasks.
    - `weather`: "clear", "overcast", "rain", "fog", "dusk" or "night"; None draws one for each scene. It changes the
      photo and no label.

    Raises `ValueError` for an argument out of its range, `IndexError` for an index out of range.
    """

    classes = CLASSES
    things = THINGS
    keypoint_names = KEYPOINTS

    def __init__(
        self,
        length: int,
        size: int | tuple[int, int] = 128,
        task: str = "semantic",
        seed: int = 0,
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        *,
        noise: float = 0.02,
        imbalance: float = 0.0,
        thin: float = 1.0,
        void_border: int = 0,
        object_size: float = 1.0,
        min_area: int = 10,
        weather: str | None = None,
    ) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        _require(length >= 0, "length", length, "0 or more")
        _require(min(height, width) >= 16, "size", size, "at least 16 pixels high and wide")
        _require(task in TASKS, "task", task, f"one of {', '.join(TASKS)}")
        _require(seed >= 0, "seed", seed, "0 or more")
        _require(noise >= 0, "noise", noise, "0 or more")
        _require(0 <= imbalance <= 1, "imbalance", imbalance, "between 0 and 1")
        _require(thin > 0, "thin", thin, "more than 0")
        _require(void_border >= 0, "void_border", void_border, "0 or more")
        _require(0 < object_size <= 2, "object_size", object_size, "more than 0 and at most 2")
        _require(min_area >= 1, "min_area", min_area, "1 or more")
        _require(weather is None or weather in WEATHER, "weather", weather, f"None or one of {', '.join(WEATHER)}")
        self.length, self.size, self.task, self.seed, self.transforms = length, (height, width), task, seed, transforms
        self.knobs = Knobs(noise, imbalance, thin, void_border, object_size, min_area, weather)

    def __len__(self) -> int:
        return self.length

    def scene(self, index: int) -> Scene:
        """Scene number `index`, from which the targets of all tasks can be made."""
        number = as_index(index)
        if not -self.length <= number < self.length:
            raise IndexError(f"there is no scene {number}: this set has {self.length}")
        return compose(self.seed, number % self.length, self.size, self.knobs)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, Any]:
        scene = self.scene(index)
        image, target = tv_tensors.Image(torch.from_numpy(scene.image)), TASKS[self.task](scene)
        if self.task == "edges":
            image, target = target, image
        return self.transforms(image, target) if self.transforms else (image, target)


def _require(holds: bool, name: str, value: object, allowed: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value!r}; it must be {allowed}")
