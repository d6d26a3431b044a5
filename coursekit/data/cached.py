"""A set that is read from disk once."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors

__all__ = ["Cached"]


class Cached(Dataset[tuple[tv_tensors.Image, Any]]):
    """`data` with every sample kept in memory after its first reading; `transforms` is applied each time anew.

    Give what is always the same, such as a resizing, to `data` and what is random here:
    `Cached(CamVid(transforms=eval_recipe(size)), train_recipe(size))`. Pictures are kept as bytes and label maps as
    bytes where their numbers allow it, a quarter and an eighth of what they take otherwise; a picture that was
    resized is rounded by that, to the nearest of 256 steps. With workers each keeps the samples that it has read.
    """

    def __init__(self, data: Any, transforms: Callable[[Any, Any], tuple[Any, Any]] | None = None) -> None:
        self.data, self.transforms = data, transforms
        self.kept: dict[int, tuple[Tensor, Any]] = {}

    def __len__(self) -> int:
        return len(self.data)

    def __getattr__(self, name: str) -> Any:
        """What else the set tells, such as its `classes`."""
        # A set's `__getitems__`, which loaders prefer, would go past what is kept; and `data` is not there yet while
        # a copy of this is unpacked.
        if name.startswith("__") or name == "data":
            raise AttributeError(name)
        return getattr(self.data, name)

    def __getitem__(self, index: int) -> tuple[tv_tensors.Image, Any]:
        if index not in self.kept:
            image, target = self.data[index]
            self.kept[index] = image.mul(255).round_().to(torch.uint8).as_subclass(Tensor), small(target)
        pixels, target = self.kept[index]
        image, target = tv_tensors.Image(pixels.float().div_(255)), large(target)
        return self.transforms(image, target) if self.transforms else (image, target)


def small(target: Any) -> Any:
    """A label map as bytes, if they hold it; other targets as they are."""
    is_map = isinstance(target, tv_tensors.Mask) and target.dtype == torch.int64
    if is_map and target.min() >= 0 and target.max() < 256:
        return tv_tensors.Mask(target.to(torch.uint8))
    return target


def large(target: Any) -> Any:
    """The target as the set gave it, in a dict of its own."""
    if isinstance(target, dict):
        return dict(target)
    return tv_tensors.Mask(target.long()) if isinstance(target, tv_tensors.Mask) else target
