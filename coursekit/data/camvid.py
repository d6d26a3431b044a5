"""CamVid in SegNet's version: street scenes at 480 × 360 with eleven classes.

Brostow, Fauqueur, Cipolla: Semantic object classes in video, Pattern Recognition Letters 2009; the split and
the eleven classes are those of Badrinarayanan, Kendall, Cipolla: SegNet, 2015.
"""

from pathlib import Path

from torchvision import tv_tensors

from .base import SetOnDisk, load_image, pictures, semantic_mask
from .reading import read_labels

__all__ = ["CamVid"]


class CamVid(SetOnDisk):
    """Street scenes from a car in Cambridge: 367 train, 101 val and 233 test pictures.

    The target is a Mask (H, W) int64 with 0..10 as in `classes`; what is unlabelled (11 in the files) is 255.
    The train and val splits share a video sequence (0016E5), so report scores on test.

    Layout: `{split}/NAME.jpg` or `.png` and `{split}annot/NAME.png`.
    """

    name = "camvid"
    splits = ("train", "val", "test")
    classes = (
        "sky",
        "building",
        "pole",
        "road",
        "pavement",
        "tree",
        "sign",
        "fence",
        "car",
        "pedestrian",
        "bicyclist",
    )

    def list_samples(self) -> list[tuple[Path, Path]]:
        labels = self.root / f"{self.split}annot"
        return [(path, labels / f"{path.stem}.png") for path in pictures(self.root / self.split)]

    def load(self, sample: tuple[Path, Path]) -> tuple[tv_tensors.Image, tv_tensors.Mask]:
        path, labels_path = sample
        mask = semantic_mask(read_labels(labels_path), labels_path, len(self.classes), void=11)
        return load_image(path, mask, labels_path), mask
