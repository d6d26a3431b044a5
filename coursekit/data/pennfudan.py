"""Penn-Fudan: pedestrians around two campuses.

Wang, Shi, Song, Shen: Object detection combining recognition and segmentation, ACCV 2007.
"""

from pathlib import Path

from torch import Tensor
from torchvision import tv_tensors

from .base import SetOnDisk, in_split, load_image, pictures
from .conversions import instances_from_ids
from .reading import read_labels

__all__ = ["PennFudan"]


class PennFudan(SetOnDisk):
    """170 pictures with 423 pedestrians, each an instance; small and far people are not labelled.

    The target is `{"masks": (K, H, W) bool, "boxes": (K, 4) XYXY, "labels": (K,)}` with the label 1 for
    person. The splits are drawn by the SHA-256 of the name (7 : 1 : 2); `all` is every picture.

    Layout: `PNGImages/NAME.png` (or `JPEGImages/NAME.jpg`) and `PedMasks/NAME_mask.png`, ids with 0
    background.
    """

    name = "pennfudan"
    splits = ("train", "val", "test", "all")
    classes = ("background", "person")

    def list_samples(self) -> list[tuple[Path, Path]]:
        folder = next(self.root / name for name in ("PNGImages", "JPEGImages") if (self.root / name).is_dir())
        return [
            (path, self.root / "PedMasks" / f"{path.stem}_mask.png")
            for path in pictures(folder)
            if in_split(path.stem, self.split)
        ]

    def load(self, sample: tuple[Path, Path]) -> tuple[tv_tensors.Image, dict[str, Tensor]]:
        path, labels_path = sample
        ids = read_labels(labels_path)
        return load_image(path, ids, labels_path), instances_from_ids(ids)
