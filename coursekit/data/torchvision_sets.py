"""VOC, Cityscapes and Oxford Pets in the layouts that torchvision's classes of these names read."""

from pathlib import Path

import torch
from torchvision import datasets, tv_tensors

from .base import SetOnDisk, load_image, semantic_mask
from .conversions import VOID
from .reading import read_labels

__all__ = ["Cityscapes", "OxfordIIITPet", "VOCSegmentation"]


class TorchvisionSet(SetOnDisk):
    """Pictures and label maps whose stored labels `train_ids` renames; what it does not list is void."""

    train_ids: torch.Tensor

    def load(self, sample: tuple[Path, Path]) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        path, labels_path = sample
        labels = semantic_mask(read_labels(labels_path), labels_path, len(self.train_ids), void=VOID)
        table = torch.full((256,), VOID)
        table[: len(self.train_ids)] = self.train_ids
        mask = tv_tensors.Mask(table[labels])
        return load_image(path, mask, labels_path), mask


class VOCSegmentation(TorchvisionSet):
    """PASCAL VOC 2012 (Everingham et al., IJCV 2010): 20 kinds of objects on background.

    The target is a Mask (H, W) int64, 0 background, 1..20 objects, 255 void (the outlines and what is hard
    to tell). The splits are `train` (1464 pictures), `val` (1449) and `trainval`.
    """

    name = "voc"
    splits = ("train", "val", "trainval")
    classes = (
        "background",
        "aeroplane",
        "bicycle",
        "bird",
        "boat",
        "bottle",
        "bus",
        "car",
        "cat",
        "chair",
        "cow",
        "dining table",
        "dog",
        "horse",
        "motorbike",
        "person",
        "potted plant",
        "sheep",
        "sofa",
        "train",
        "tv monitor",
    )
    train_ids = torch.arange(21)

    def list_samples(self) -> list[tuple[Path, Path]]:
        folder = self.root / "VOCdevkit" / "VOC2012"
        names = (folder / "ImageSets" / "Segmentation" / f"{self.split}.txt").read_text().split()
        return [(folder / "JPEGImages" / f"{name}.jpg", folder / "SegmentationClass" / f"{name}.png") for name in names]


class Cityscapes(TorchvisionSet):
    """Cityscapes (Cordts et al., CVPR 2016): streets of fifty cities at 2048 × 1024, finely labelled.

    The target is a Mask (H, W) int64 with the 19 classes that the benchmark counts (its train ids), 255
    elsewhere. The splits are `train` (2975 pictures) and `val` (500).
    """

    name = "cityscapes"
    splits = ("train", "val")
    counted = sorted(
        (each for each in datasets.Cityscapes.classes if 0 <= each.train_id < VOID),
        key=lambda each: each.train_id,
    )
    classes = tuple(each.name for each in counted)
    train_ids = torch.tensor([each.train_id for each in datasets.Cityscapes.classes if each.id >= 0])

    def list_samples(self) -> list[tuple[Path, Path]]:
        labels = self.root / "gtFine" / self.split
        return [
            (path, labels / path.parent.name / path.name.replace("leftImg8bit", "gtFine_labelIds"))
            for path in sorted((self.root / "leftImg8bit" / self.split).glob("*/*_leftImg8bit.png"))
        ]


class OxfordIIITPet(TorchvisionSet):
    """Oxford-IIIT Pets (Parkhi et al., CVPR 2012): cats and dogs, cut out.

    The target is a Mask (H, W) int64, 1 pet, 0 background, 255 the border between them, which is not judged.
    The splits are `train` (torchvision's `trainval`, 3680 pictures) and `test` (3669).
    """

    name = "oxford-iiit-pet"
    splits = ("train", "test")
    classes = ("background", "pet")
    train_ids = torch.tensor([VOID, 1, 0, VOID])  # stored are 1 pet, 2 background, 3 border

    def list_samples(self) -> list[tuple[Path, Path]]:
        annotations = self.root / "annotations"
        lines = (annotations / ("trainval.txt" if self.split == "train" else "test.txt")).read_text().splitlines()
        names = [line.split()[0] for line in lines]
        return [(self.root / "images" / f"{name}.jpg", annotations / "trimaps" / f"{name}.png") for name in names]
