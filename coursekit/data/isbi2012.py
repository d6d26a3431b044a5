"""ISBI 2012: membranes of neurons in electron microscopy.

Cardona et al.: An integrated micro- and macroarchitectural analysis of the Drosophila brain by
computer-assisted serial section electron microscopy, PLoS Biology 2010; Arganda-Carreras et al.:
Crowdsourcing the creation of image segmentation algorithms for connectomics, Frontiers in Neuroanatomy
2015.
"""

from pathlib import Path

import torch
from torchvision import tv_tensors

from .base import SetOnDisk, load_image, pictures
from .reading import DamagedFileError, read_labels

__all__ = ["ISBI2012"]


class ISBI2012(SetOnDisk):
    """Thirty slices, 512 × 512, of one volume of 2 × 2 × 1.5 µm.

    The target is a Mask (H, W) int64: 1 membrane, 0 cell. Only these slices have public labels, so the
    split is by slice: 0..23 train, 24..29 test. They are neighbours in one volume: a score on test says
    little about another.

    Layout: `image/N.png` and `label/N.png`, where 0 is membrane and 255 is cell.
    """

    name = "isbi2012"
    splits = ("train", "test")
    classes = ("cell", "membrane")
    first_test_slice = 24

    def list_samples(self) -> list[tuple[Path, Path]]:
        slices = sorted(pictures(self.root / "image"), key=lambda path: int(path.stem))
        return [
            (path, self.root / "label" / path.name)
            for path in slices
            if (int(path.stem) >= self.first_test_slice) == (self.split == "test")
        ]

    def load(self, sample: tuple[Path, Path]) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        path, labels_path = sample
        labels = read_labels(labels_path)
        if not ((labels == 0) | (labels == 255)).all():
            raise DamagedFileError(f"{labels_path} holds other labels than 0 (membrane) and 255 (cell)")
        mask = tv_tensors.Mask((labels == 0).to(torch.int64))
        return load_image(path, mask, labels_path), mask
