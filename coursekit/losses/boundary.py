"""Losses on the boundary, through distance maps: Kervadec's boundary loss and Karimi's Hausdorff loss.

A class's signed distance map costs far more than the loss it is for: an exact Euclidean transform by scipy, on the
CPU, of each class of each picture. The losses compute it from the target when they are not given it; training
should not. `DistanceMaps` computes it once for a label map and hands it out with the sample::

    maps = DistanceMaps(num_classes=11, folder="~/.cache/distances")
    train = CamVid(transforms=Compose([augment, maps]))            # (image, (target, distances))
    for image, (target, distances) in DataLoader(train):
        logits = model(image)
        loss = dice_loss(logits, target) + 0.01 * boundary_loss(logits, target, distances)
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from coursekit.losses.base import Loss, prepare


def signed_distance(mask: Bool[Tensor, "*batch h w"]) -> Float[Tensor, "*batch h w"]:
    """Distance in pixels to the object outside it, −(distance to the background − 1) inside; float32.

    Exact and Euclidean, so that the pixels inside that touch the background are at 0 and those outside that
    touch the object at 1 (Kervadec et al. 2019, the authors' `one_hot2dist`, which truncates to whole pixels if
    given integers). An empty or a full mask has no boundary: 0 everywhere. Leading dimensions are a batch.
    """
    planes = mask.bool().cpu().numpy().reshape(-1, *mask.shape[-2:])
    distances = np.zeros(planes.shape, np.float32)
    for plane, distance in zip(planes, distances, strict=True):
        if plane.any() and not plane.all():
            distance[:] = distance_transform_edt(~plane)
            box = surroundings(plane)  # holds the background nearest to every pixel inside
            inside = plane[box]
            distance[box] -= distance_transform_edt(inside) - inside
    return torch.from_numpy(distances).view(mask.shape).to(mask.device)


def surroundings(plane: Bool[np.ndarray, "h w"]) -> tuple[slice, slice]:
    """The bounding box of an object and one pixel around it."""
    rows, columns = (np.flatnonzero(plane.any(axis)) for axis in (1, 0))
    return slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2)


def class_masks(target: Int[Tensor, "*batch h w"], num_classes: int, ignore_index: int) -> Bool[Tensor, "*batch c h w"]:
    """The pixels of each class; an ignored pixel belongs to none."""
    classes = torch.arange(num_classes, device=target.device)
    return target.unsqueeze(-3) == classes.masked_fill(classes == ignore_index, -1).view(-1, 1, 1)


def distance_maps(
    target: Int[Tensor, "*batch h w"], num_classes: int, ignore_index: int = 255
) -> Float[Tensor, "*batch c h w"]:
    """The `signed_distance` of each class of a label map; an ignored pixel lies outside every class."""
    return signed_distance(class_masks(target, num_classes, ignore_index))


class DistanceMaps:
    """A transform that adds a label map's `distance_maps` to its sample, computing them once.

    `(image, target)` becomes `(image, (target, distances))`, distances (C, H, W) float32, and
    `coursekit.training.fit` calls the loss as `loss(logits, target, distances)`. Put it after the augmentation.
    What was computed is found again by the label map's content, so that a map can never belong to another crop
    or flip, and a set without random geometry is computed exactly once. It is kept in memory, or in `folder`,
    where all workers and later runs find it too; one sample takes 4·C·H·W bytes.
    """

    def __init__(
        self, num_classes: int, *, ignore_index: int = 255, folder: str | os.PathLike[str] | None = None
    ) -> None:
        self.num_classes, self.ignore_index = num_classes, ignore_index
        self.folder = None if folder is None else Path(folder).expanduser()
        self.memory: dict[str, Tensor] = {}

    def __call__(self, image: Any, target: Int[Tensor, "h w"]) -> tuple[Any, tuple[Tensor, Tensor]]:
        return image, (target, self.of(target))

    def of(self, target: Int[Tensor, "h w"]) -> Float[Tensor, "c h w"]:
        """The maps of one label map, computed if it has not been seen before."""
        pixels = np.ascontiguousarray(target.cpu().numpy())
        about = f"{self.num_classes} {self.ignore_index} {pixels.shape} {pixels.dtype}".encode()
        key = hashlib.blake2b(about + pixels.tobytes(), digest_size=16).hexdigest()
        if self.folder is None:
            if key not in self.memory:
                self.memory[key] = self.compute(target)
            return self.memory[key]
        path = self.folder / f"{key}.npy"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(f".{os.getpid()}")
            with partial.open("wb") as file:
                np.save(file, self.compute(target).cpu().numpy())
            partial.replace(path)  # whole or not at all, whichever worker comes first
        return torch.from_numpy(np.load(path)).to(target.device)

    def compute(self, target: Int[Tensor, "h w"]) -> Float[Tensor, "c h w"]:
        """The maps of one label map, whether it has been seen or not."""
        return distance_maps(target, self.num_classes, self.ignore_index)

    def __repr__(self) -> str:
        where = "memory" if self.folder is None else self.folder
        return f"DistanceMaps({self.num_classes} classes, ignoring {self.ignore_index}, in {where})"


def boundary_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    distances: Float[Tensor, "n c h w"] | None = None,
    *,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Boundary loss: the mean of φ_c(x) s_c(x) over valid pixels and classes, φ_c the signed distance to class c.

    Kervadec et al. 2019, who add it to a region loss with a weight that grows, for alone it has
    poor minima. Negative values are right: the best loss is the mean depth inside the objects. `distances` are
    the target's `distance_maps`, computed here when not given. A class that is absent or everywhere has φ = 0.
    MONAI agrees; LIVIAETS averages over the classes chosen by `idc`, mostly the foreground alone.
    """
    s = prepare(logits, target).softmax(1)
    if distances is None:
        distances = distance_maps(target, logits.shape[1], ignore_index)
    first = 0 if include_background else 1
    s, distances = s[:, first:], distances[:, first:].to(s)
    valid = target != ignore_index
    return (s * (distances * valid.unsqueeze(1))).sum() / (valid.sum() * s.shape[1]).clamp(min=1)


def hausdorff_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    distances: Float[Tensor, "n c h w"] | None = None,
    *,
    alpha: float = 2.0,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Hausdorff loss: the mean of (s − g)² (d_s^α + d_g^α) over the pixels and the foreground classes.

    Karimi and Salcudean 2020, the form with distance transforms. d is the distance to the nearest pixel on the
    other side of the boundary, d_g of the mask's and d_s of that of the prediction, s > ½; 0 where one of them is
    empty or full. `distances` are the target's `distance_maps`; those of the prediction change with every step
    and are computed here. An ignored pixel counts as background; where all are ignored, the loss is 0. MONAI
    (`include_background=False`) agrees; LIVIAETS measures the distance inside alone. Raises ValueError for fewer
    than two classes.
    """
    if logits.shape[1] < 2:
        raise ValueError(f"the Hausdorff loss is over the foreground classes: {logits.shape[1]} class is too few")
    s = prepare(logits, target).softmax(1)[:, 1:]
    g = class_masks(target, logits.shape[1], ignore_index)[:, 1:]
    to_mask = signed_distance(g) if distances is None else distances[:, 1:]
    to_prediction = signed_distance(s.detach() > 0.5)
    fields = unsigned(to_prediction.to(s)) ** alpha + unsigned(to_mask.to(s)) ** alpha
    return ((s - g.to(s)).square() * fields).sum() / max(1, s.numel()) * (target != ignore_index).any()


def unsigned(signed: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Of a signed distance the distance to the nearest pixel on the other side, 0 where there is no other side."""
    boundary = signed.amax((2, 3), keepdim=True) > 0
    return torch.where(signed > 0, signed, 1 - signed) * boundary


class BoundaryLoss(Loss, function=boundary_loss):
    """`boundary_loss` as a module; give the batch's maps at the call: `loss(logits, target, distances)`."""


class HausdorffLoss(Loss, function=hausdorff_loss):
    """`hausdorff_loss` as a module; give the batch's maps at the call: `loss(logits, target, distances)`."""
