"""COCO 2017 for its three tasks, with COCO's own category ids.

Lin et al.: Microsoft COCO: Common Objects in Context, ECCV 2014; Kirillov et al.: Panoptic Segmentation,
CVPR 2019.
"""

from abc import abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors

from .base import SetOnDisk, load_image
from .conversions import decode_polygons, decode_rle
from .reading import DamagedFileError, read_image, read_json, read_rgb

__all__ = ["CocoInstances", "CocoKeypoints", "CocoPanoptic"]


class Coco(SetOnDisk):
    """What the three tasks share: the layout, the annotation file and the categories.

    Layout: `{split}2017/ID.jpg`, `annotations/{task}_{split}2017.json` and, for panoptic labels,
    `annotations/panoptic_{split}2017/ID.png`. `classes` maps a category's id, which has gaps, to its name.
    """

    name = "coco"
    splits = ("train", "val")
    task: str

    def list_samples(self) -> list[tuple[Path, dict[str, Any]]]:
        path = self.root / "annotations" / f"{self.task}_{self.split}2017.json"
        content = read_json(path)
        try:
            self.categories: list[dict[str, Any]] = content["categories"]
            self.classes = {category["id"]: category["name"] for category in self.categories}
            files = {image["id"]: image for image in content["images"]}
            return [
                (self.root / f"{self.split}2017" / files[number]["file_name"], about)
                for number, about in self.by_image(files, content["annotations"]).items()
            ]
        except (KeyError, TypeError) as error:
            raise DamagedFileError(f"{path} is not an annotation file of COCO: {error!r}") from error

    @abstractmethod
    def by_image(self, images: dict[int, Any], annotations: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
        """What `load` needs to know about each picture, under its id."""


class CocoPanoptic(Coco):
    """Things and stuff in one map.

    The target is `{"image_id", "ids": Mask (H, W) int64, "segments_info": [{"id", "category_id", "iscrowd",
    "bbox", "area"}, …]}`; id 0 is void. `things` are the ids of the categories with instances.
    """

    task = "panoptic"

    @property
    def things(self) -> frozenset[int]:
        return frozenset(category["id"] for category in self.categories if category["isthing"])

    def by_image(self, images: dict[int, Any], annotations: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
        return {annotation["image_id"]: annotation for annotation in annotations}

    def load(self, sample: tuple[Path, dict[str, Any]]) -> tuple[tv_tensors.Image, dict[str, Any]]:
        path, annotation = sample
        labels_path = self.root / "annotations" / f"panoptic_{self.split}2017" / annotation["file_name"]
        ids = (read_rgb(labels_path).long() * torch.tensor([1, 256, 256**2])).sum(-1)
        return load_image(path, ids, labels_path), {
            "image_id": annotation["image_id"],
            "ids": tv_tensors.Mask(ids),
            "segments_info": [dict(segment) for segment in annotation["segments_info"]],
        }


class CocoObjects(Coco):
    """What instances and keypoints share: the annotated objects of each picture, which may be none."""

    def by_image(self, images: dict[int, Any], annotations: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
        objects: dict[int, list[dict[str, Any]]] = {number: [] for number in images}
        for annotation in annotations:
            objects[annotation["image_id"]].append(annotation)
        return {number: {"image": images[number], "objects": objects[number]} for number in images}

    def load(self, sample: tuple[Path, dict[str, Any]]) -> tuple[tv_tensors.Image, dict[str, Any]]:
        path, about = sample
        objects = about["objects"]
        image = read_image(path)
        stated = (about["image"]["height"], about["image"]["width"])
        if image.shape[-2:] != stated:
            raise DamagedFileError(f"{path} is {tuple(image.shape[-2:])} high and wide; its annotations say {stated}")
        boxes = torch.tensor([each["bbox"] for each in objects], dtype=torch.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]  # (x, y, width, height) to XYXY
        return image, {
            "image_id": about["image"]["id"],
            "boxes": tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=image.shape[-2:]),
            "labels": torch.tensor([each["category_id"] for each in objects], dtype=torch.int64),
            "area": torch.tensor([each["area"] for each in objects], dtype=torch.float32),
            "iscrowd": torch.tensor([each["iscrowd"] for each in objects], dtype=torch.int64),
            **self.shapes(objects, *image.shape[-2:]),
        }

    @abstractmethod
    def shapes(self, objects: list[dict[str, Any]], height: int, width: int) -> dict[str, Tensor]:
        """The masks or the keypoints of the objects of one picture."""


class CocoInstances(CocoObjects):
    """Objects with their masks.

    The target is `{"image_id", "masks": (K, H, W) bool, "boxes": (K, 4) XYXY, "labels": (K,), "area": (K,),
    "iscrowd": (K,)}`, boxes and areas as COCO states them. A mask with `iscrowd` 1 is a group of objects.
    """

    task = "instances"

    def shapes(self, objects: list[dict[str, Any]], height: int, width: int) -> dict[str, Tensor]:
        masks = torch.zeros(len(objects), height, width, dtype=torch.bool)
        for mask, each in zip(masks, objects, strict=True):
            outline = each["segmentation"]
            if isinstance(outline, dict):
                mask[:] = decode_rle(outline)
            else:
                mask[:] = decode_polygons(outline, height, width)
        return {"masks": tv_tensors.Mask(masks)}


class CocoKeypoints(CocoObjects):
    """People with the 17 keypoints in `keypoint_names`.

    The target is `{"image_id", "keypoints": (K, 17, 3), "boxes": (K, 4) XYXY, "labels": (K,), "area": (K,),
    "iscrowd": (K,)}`. A keypoint is x, y and 0 unlabelled, 1 hidden or 2 visible; x and y are measured from the
    picture's corner as boxes are, so the numbers of pixels in COCO's files become their middles (+ 0.5). `area` is
    the person's, for the object keypoint similarity.
    """

    task = "person_keypoints"

    @property
    def keypoint_names(self) -> tuple[str, ...]:
        return tuple(self.categories[0]["keypoints"])

    def shapes(self, objects: list[dict[str, Any]], height: int, width: int) -> dict[str, Tensor]:
        points = torch.tensor([each["keypoints"] for each in objects], dtype=torch.float32)
        points = points.reshape(-1, len(self.keypoint_names), 3)
        points[..., :2] += 0.5 * (points[..., 2:] > 0)
        return {"keypoints": points}
