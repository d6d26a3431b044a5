"""The scores of semantic segmentation, all read off one confusion matrix."""

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor


@dataclass(frozen=True)
class SemanticScores:
    """What `ConfusionMatrix.compute` gives: fractions between 0 and 1, nan where nothing was seen."""

    pixel_accuracy: float
    mean_accuracy: float
    mean_iou: float
    frequency_weighted_iou: float
    iou: Float[Tensor, "c"]
    dice: Float[Tensor, "c"]


class ConfusionMatrix:
    """Counts, over any number of batches, how many pixels of each true class were given to each class.

    `matrix[i, j]` is the number of pixels of class i that were predicted as class j: n_ij of Long, Shelhamer
    and Darrell, "Fully Convolutional Networks for Semantic Segmentation" (2015, section 5), whose four scores
    `compute` gives. All pixels are counted before anything is divided; a mean over images of each image's IoU
    is another number.

    Pixels whose target is `ignore_index` are not scored; None scores every pixel. A class of that number is
    left out of the means.
    """

    def __init__(self, num_classes: int, ignore_index: int | None = 255) -> None:
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}.")
        self.num_classes = num_classes
        self.ignore_index = ignore_index
        self.reset()

    def reset(self) -> None:
        """Forget every pixel seen so far."""
        self.matrix: Int[Tensor, "c c"] = torch.zeros(self.num_classes, self.num_classes, dtype=torch.int64)

    def update(self, pred: Shaped[Tensor, "..."], target: Int[Tensor, "*n h w"]) -> None:
        """Add one batch; the counts stay on its device.

        `pred` holds class ids in the shape of `target`, or logits (N, C, H, W) for a target (N, H, W).

        Raises ValueError when the shapes do not fit, or when a class id that is not ignored lies outside
        0 … C − 1; TypeError when class ids are not integers.
        """
        if pred.ndim == target.ndim + 1 and pred.shape[1] == self.num_classes:
            # `max` gives the same indices as `argmax`, several times faster on a CPU.
            pred = pred.max(dim=1).indices
        if pred.shape != target.shape:
            raise ValueError(
                f"pred {tuple(pred.shape)} and target {tuple(target.shape)} do not fit: give class ids of "
                f"one shape, or logits (N, {self.num_classes}, H, W) with a target (N, H, W)."
            )
        if pred.is_floating_point() or target.is_floating_point():
            raise TypeError(f"class ids must be integers, got pred {pred.dtype} and target {target.dtype}.")
        if self.ignore_index is not None:
            ignored = target == self.ignore_index
            pred, target = torch.where(ignored, 0, pred), torch.where(ignored, 0, target)
        self._check_range("target", target)
        self._check_range("pred", pred)
        cells = torch.add(pred.long(), target.long(), alpha=self.num_classes)
        counts = torch.bincount(cells.flatten(), minlength=self.num_classes**2)
        if self.ignore_index is not None:
            # Counted as 0 predicted as 0 and taken off again: far cheaper than picking out the others.
            counts[0] -= ignored.sum()
        self.matrix = self.matrix.to(counts.device) + counts.view_as(self.matrix)

    def _check_range(self, name: str, ids: Int[Tensor, "*n h w"]) -> None:
        if ids.numel() == 0:
            return
        low, high = torch.stack(torch.aminmax(ids)).tolist()
        if low < 0 or high >= self.num_classes:
            raise ValueError(
                f"{name} holds the value {low if low < 0 else high}, neither a class 0 … "
                f"{self.num_classes - 1} nor ignore_index={self.ignore_index}: relabel it or set these."
            )

    def merge(self, other: Self) -> None:
        """Add what another matrix has counted, for example in another process."""
        if other.num_classes != self.num_classes:
            raise ValueError(f"cannot merge {other.num_classes} classes into {self.num_classes}.")
        self.matrix = self.matrix + other.matrix.to(self.matrix.device)

    def compute(self) -> SemanticScores:
        """The scores of all pixels so far.

        A class with neither a true nor a predicted pixel has IoU and Dice nan and is left out of the means. A
        class that is predicted but never true has IoU 0, which counts in `mean_iou`; it has no accuracy.
        """
        matrix = self.matrix.cpu().double()
        right, true, predicted = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
        # 0 / 0 is nan in torch: just the classes that must not count.
        iou = right / (true + predicted - right)
        dice = 2 * right / (true + predicted)
        if self.ignore_index in range(self.num_classes):
            iou[self.ignore_index] = dice[self.ignore_index] = torch.nan
        return SemanticScores(
            pixel_accuracy=(right.sum() / true.sum()).item(),
            mean_accuracy=(right / true).nanmean().item(),
            mean_iou=iou.nanmean().item(),
            frequency_weighted_iou=((true * iou).nansum() / true.sum()).item(),
            iou=iou,
            dice=dice,
        )
