"""From a scene to the target of each task; all of them read the same map of segments."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import find_objects
from torchvision import tv_tensors

from .classes import IS_THING
from .scene import Scene

__all__ = ["edges", "instances", "keypoints", "panoptic", "semantic"]


def semantic(scene: Scene) -> Int[tv_tensors.Mask, "h w"]:
    """The class of every pixel, 255 where it is void."""
    return tv_tensors.Mask(torch.from_numpy(scene.labels.take(scene.segments)))


def instances(scene: Scene) -> dict[str, Any]:
    """Masks, boxes and classes of the things that are seen."""
    found, boxes = _seen(scene)
    things = IS_THING[scene.labels[found]]
    return _objects(scene, found[things], boxes[things])


def panoptic(scene: Scene) -> dict[str, Any]:
    """The segment of every pixel, 0 where it is void, and what the segments are."""
    found, boxes = _seen(scene)
    area = np.bincount(scene.segments.reshape(-1))
    info = [
        {
            "id": segment,
            "category_id": label,
            "area": pixels,
            "bbox": [left, top, right - left, bottom - top],
            "iscrowd": 0,
            "isthing": int(IS_THING[label]),
        }
        for segment, label, pixels, (left, top, right, bottom) in zip(
            found.tolist(), scene.labels[found].tolist(), area[found].tolist(), boxes.tolist(), strict=True
        )
    ]
    return {"ids": tv_tensors.Mask(torch.from_numpy(scene.segments)), "segments_info": info}


def keypoints(scene: Scene) -> dict[str, Any]:
    """Masks, boxes, classes and keypoints of the pedestrians that are seen."""
    found, boxes = _seen(scene)
    person = np.flatnonzero(np.isin(scene.people, found))
    segments = scene.people[person]
    target = _objects(scene, segments, boxes[np.searchsorted(found, segments)])
    x, y = scene.keypoints[:, person]
    height, width = scene.segments.shape
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    points = np.stack([x * inside, y * inside, inside + scene.uncovered[person] * 1], axis=-1)
    return {**target, "keypoints": torch.from_numpy(points.astype(np.float32))}


def edges(scene: Scene) -> Float[tv_tensors.Image, "1 h w"]:
    """A drawing of the scene: 1 where the plain colour changes to the right or below, else 0."""
    lines = np.zeros((1, *scene.segments.shape), dtype=np.float32)
    for axis in (1, 2):
        line, flat = lines.swapaxes(1, axis), scene.colours.take(scene.paint, axis=1).swapaxes(1, axis)
        line[0, :-1] = np.maximum(line[0, :-1], (np.abs(flat[:, 1:] - flat[:, :-1]) > 0.08).any(axis=0))
    return tv_tensors.Image(torch.from_numpy(lines))


def _seen(scene: Scene) -> tuple[Int[np.ndarray, "k"], Int[np.ndarray, "k 4"]]:
    """The segments with pixels in rising order, and their boxes: left, top, right, bottom, the far edges outside."""
    slices = [(i + 1, box) for i, box in enumerate(find_objects(scene.segments)) if box is not None]
    boxes = [(columns.start, rows.start, columns.stop, rows.stop) for _, (rows, columns) in slices]
    return np.array([i for i, _ in slices], dtype=int), np.array(boxes, dtype=int).reshape(-1, 4)


def _objects(scene: Scene, segments: Int[np.ndarray, "k"], boxes: Int[np.ndarray, "k 4"]) -> dict[str, Any]:
    masks: Bool[np.ndarray, "k h w"] = scene.segments == segments[:, None, None]
    return {
        "masks": tv_tensors.Mask(torch.from_numpy(masks)),
        "boxes": tv_tensors.BoundingBoxes(
            torch.from_numpy(boxes.astype(np.float32)), format="XYXY", canvas_size=scene.segments.shape
        ),
        "labels": torch.from_numpy(scene.labels[segments]),
    }
