"""Nuclei of the Data Science Bowl 2018 (BBBC038), with the corrections of K. Lopuhin and others.

Caicedo et al.: Nucleus segmentation across imaging experiments: the 2018 Data Science Bowl, Nature Methods
2019.
"""

from pathlib import Path

import torch
from torch import Tensor
from torchvision import tv_tensors

from .base import SetOnDisk, in_split, load_image, pictures
from .conversions import instances_from_ids
from .reading import read_labels

__all__ = ["Nuclei"]


class Nuclei(SetOnDisk):
    """Nuclei under the microscope, fluorescent and stained, each an instance.

    The target is `{"masks": (K, H, W) bool, "boxes": (K, 4) XYXY, "labels": (K,)}` with the label 1 for
    nucleus. The splits are drawn by the SHA-256 of the name (7 : 1 : 2), so they stay when pictures are
    added or removed; `all` is every picture. Pictures of one experiment can fall into several splits.

    Layout: `images/NAME.png` and `labels/NAME.png`, 16-bit ids, 0 background; or that of the source,
    `stage1_train/NAME/images/NAME.png` with one picture for each nucleus in `stage1_train/NAME/masks/`.
    """

    name = "nuclei"
    splits = ("train", "val", "test", "all")
    classes = ("background", "nucleus")

    def list_samples(self) -> list[tuple[Path, Path]]:
        if (self.root / "images").is_dir():
            samples = [(path, self.root / "labels" / f"{path.stem}.png") for path in pictures(self.root / "images")]
        else:
            folders = sorted((self.root / "stage1_train").iterdir())
            samples = [(folder / "images" / f"{folder.name}.png", folder / "masks") for folder in folders]
        # Some copies of the set shorten the names to twelve letters, which still tell the pictures apart.
        return [sample for sample in samples if in_split(sample[0].stem[:12], self.split)]

    def load(self, sample: tuple[Path, Path]) -> tuple[tv_tensors.Image, dict[str, Tensor]]:
        path, labels_path = sample
        ids = merged(labels_path) if labels_path.is_dir() else read_labels(labels_path)
        return load_image(path, ids, labels_path), instances_from_ids(ids)


def merged(folder: Path) -> Tensor:
    """The map of ids of a folder with one mask for each nucleus; where two overlap, the later one's."""
    ids = torch.zeros(1, 1, dtype=torch.int64)
    for number, path in enumerate(pictures(folder), 1):
        ids = torch.where(read_labels(path) > 0, number, ids)
    return ids
