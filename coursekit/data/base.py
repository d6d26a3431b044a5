"""What every set on disk has in common: find the folder, list the samples, read one, transform it."""

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

from .conversions import VOID
from .reading import DamagedFileError, read_image
from .records import get, record

__all__ = ["SetOnDisk"]

IMAGE_SUFFIXES = {".jpg", ".jpeg", ".png"}


class SetOnDisk(Dataset[tuple[tv_tensors.Image, Any]]):
    """`Set(root=None, split="train", transforms=None, download=False)`, a sequence of `(image, target)`.

    `root` is the set's own folder or its parent; None looks in `$COURSEKIT_DATA`, then in the user's cache
    directory. `transforms(image, target)` is applied to each sample. `download=True` gets a missing set
    first. `classes[label]` is the name of a label.

    Raises `MissingSetError` (a `FileNotFoundError`) when the set is not there, `ValueError` for an unknown
    split, and `DamagedFileError` (an `OSError`) for a file that cannot be read.
    """

    name: ClassVar[str]
    splits: ClassVar[tuple[str, ...]]
    classes: Sequence[str] | Mapping[int, str]

    def __init__(
        self,
        root: str | Path | None = None,
        split: str = "train",
        transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None,
        download: bool = False,
    ) -> None:
        if split not in self.splits:
            raise ValueError(f"{type(self).__name__} has no split {split!r}; it has {', '.join(self.splits)}")
        self.split = split
        self.transforms = transforms
        self.root = get(self.name, root) if download else record(self.name).locate(root)
        self.samples = self.list_samples()
        if not self.samples:
            raise DamagedFileError(f"{self.root} has no image in the split {split!r} of {self.name}")

    @abstractmethod
    def list_samples(self) -> list[Any]:
        """What `load` needs to read each sample of `self.split`, in a fixed order."""

    @abstractmethod
    def load(self, sample: Any) -> tuple[tv_tensors.Image, Any]:
        """Read one sample from disk."""

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, Any]:
        image, target = self.load(self.samples[index])
        return self.transforms(image, target) if self.transforms else (image, target)


def pictures(folder: Path) -> list[Path]:
    """The pictures of a folder, sorted by name; other files are passed over."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)


def in_split(name: str, split: str) -> bool:
    """Whether a picture belongs to train, val or test (7 : 1 : 2) by its name's SHA-256; always to `all`."""
    tenth = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % 10
    return split in ("all", "train" if tenth < 7 else "val" if tenth < 8 else "test")


def load_image(path: Path, labels: Tensor, labels_path: Path) -> tv_tensors.Image:
    """The picture that belongs to a label map (..., H, W), which must have its size."""
    image = read_image(path)
    if image.shape[-2:] != labels.shape[-2:]:
        raise DamagedFileError(
            f"{path} is {tuple(image.shape[-2:])} high and wide, but its labels {labels_path} "
            f"are {tuple(labels.shape[-2:])}"
        )
    return image


def semantic_mask(labels: Tensor, path: Path, num_classes: int, void: int) -> tv_tensors.Mask:
    """A label map with `void` turned into 255; any other label from `num_classes` on is an error."""
    mask = torch.where(labels == void, VOID, labels)
    strange = mask[(mask >= num_classes) & (mask != VOID)]
    if len(strange):
        raise DamagedFileError(
            f"{path} holds the label {int(strange[0])}; this set has 0..{num_classes - 1} and {void} (void)"
        )
    return tv_tensors.Mask(mask)
