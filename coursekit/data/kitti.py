"""KITTI road: where a car may drive.

Fritsch, Kühnl, Geiger: A new performance measure and evaluation benchmark for road detection algorithms,
ITSC 2013.
"""

from pathlib import Path

import torch
from torchvision import tv_tensors

from .base import SetOnDisk, load_image, pictures
from .conversions import VOID
from .reading import DamagedFileError, read_rgb

__all__ = ["KittiRoad"]

ROAD, NOT_ROAD, IGNORED = (255, 0, 255), (255, 0, 0), (0, 0, 0)


class KittiRoad(SetOnDisk):
    """Streets of Karlsruhe, about 1242 × 375, with the road area.

    Only the training pictures have public labels, so that is the only split.

    The target is a Mask (H, W) int64: 1 road, 0 not road, 255 where the set says nothing.

    Layout of the devkit: `training/image_2/um_000000.png` and `training/gt_image_2/um_road_000000.png`, whose
    colours are (255, 0, 255) road, (255, 0, 0) not road and (0, 0, 0) ignored.
    """

    name = "kitti_road"
    splits = ("train",)
    classes = ("not road", "road")

    def list_samples(self) -> list[tuple[Path, Path]]:
        folder = self.root / "training"
        return [
            (path, folder / "gt_image_2" / path.name.replace("_", "_road_", 1)) for path in pictures(folder / "image_2")
        ]

    def load(self, sample: tuple[Path, Path]) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        path, labels_path = sample
        colours = read_rgb(labels_path)
        road, ground, ignored = ((colours == torch.tensor(each)).all(-1) for each in (ROAD, NOT_ROAD, IGNORED))
        if not (road | ground | ignored).all():
            raise DamagedFileError(f"{labels_path} has other colours than the devkit's magenta, red and black")
        mask = tv_tensors.Mask(torch.where(ignored, VOID, road.to(torch.int64)))
        return load_image(path, mask, labels_path), mask
