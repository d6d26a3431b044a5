"""Panoptic quality: segments matched one to one, then counted class by class."""

from collections.abc import Collection, Mapping
from typing import Self

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

VOID = 0

Quality = dict[str, float]


class PanopticQuality:
    """Panoptic quality over any number of images (Kirillov et al., "Panoptic Segmentation", CVPR 2019).

    A predicted and a true segment match when their classes agree and their IoU is above 0.5; a segment has at
    most one such partner. For each class, PQ = Σ IoU of the matches / (TP + FP / 2 + FN / 2), which is
    the mean IoU of the matches (SQ) times an F1 score (RQ). Matches are counted over all images first, the
    classes that occur are averaged last. `things` are the classes that can be counted; others are stuff.
    """

    def __init__(self, things: Collection[int]) -> None:
        self.things = frozenset(things)
        self.reset()

    def reset(self) -> None:
        """Forget every image seen so far."""
        # class → the sum of the matches' IoU, true positives, false positives, false negatives
        self._counts: dict[int, np.ndarray] = {}

    def update(
        self,
        pred: Int[Tensor, "h w"],
        target: Int[Tensor, "h w"],
        pred_categories: Mapping[int, int],
        target_categories: Mapping[int, int],
        *,
        crowd: Collection[int] = (),
    ) -> None:
        """Add one image: two maps of segment ids, and for each the class of every id.

        Id 0 is void. Where the truth is void, pixels leave the union; where only the prediction is, they
        stay. A prediction without a partner is no false positive if more than half of it lies on void and on
        true segments of its class that `crowd` lists. Those are neither matched nor missed.

        Raises ValueError when the shapes differ or an id has no class.
        """
        if pred.shape != target.shape:
            raise ValueError(f"pred {tuple(pred.shape)} and target {tuple(target.shape)} differ in shape.")
        if unknown := set(crowd) - set(target_categories):
            raise ValueError(f"crowd names {unknown}, which target_categories does not.")
        pred_ids, columns = _number_segments("pred", pred, pred_categories)
        target_ids, rows = _number_segments("target", target, target_categories)
        # A confusion matrix of segments: row and column 0 are void.
        size = (len(target_ids), len(pred_ids))
        cells = torch.bincount((rows * size[1] + columns).flatten(), minlength=size[0] * size[1])
        overlap = cells.view(size).cpu().numpy()

        both, void = overlap[1:, 1:], overlap[0, 1:]
        pred_area, target_area = overlap.sum(0)[1:], overlap.sum(1)[1:]
        pred_class = np.array([pred_categories[i] for i in pred_ids[1:]], dtype=np.int64)
        target_class = np.array([target_categories[i] for i in target_ids[1:]], dtype=np.int64)
        is_crowd = np.isin(target_ids[1:], list(crowd))

        agree = target_class[:, None] == pred_class
        union = target_area[:, None] + pred_area - both - void
        match = agree & ~is_crowd[:, None] & (2 * both > union)
        iou = np.where(match, both / np.maximum(union, 1), 0)
        excused = void + (both * (agree & is_crowd[:, None])).sum(0)
        false_positive = (pred_area > 0) & ~match.any(0) & (2 * excused <= pred_area)
        false_negative = (target_area > 0) & ~match.any(1) & ~is_crowd
        for category in {*pred_class.tolist(), *target_class.tolist()}:
            of_pred, of_target = pred_class == category, target_class == category
            counts = self._counts.setdefault(category, np.zeros(4))
            counts += [
                iou[of_target].sum(),
                match[of_target].sum(),
                false_positive[of_pred].sum(),
                false_negative[of_target].sum(),
            ]

    def merge(self, other: Self) -> None:
        """Add what another one has counted, for example in another process."""
        for category, counts in other._counts.items():
            self._counts[category] = self._counts.get(category, 0) + counts

    def per_class(self) -> dict[int, Quality]:
        """`pq`, `sq` and `rq` of each class that occurs, by a match, a false positive or a miss.

        The `sq` of a class without a match is 0.
        """
        qualities = {}
        for category, (iou, matched, extra, missed) in sorted(self._counts.items()):
            if segments := matched + extra / 2 + missed / 2:
                pq, sq, rq = iou / segments, iou / max(matched, 1), matched / segments
                qualities[category] = {"pq": float(pq), "sq": float(sq), "rq": float(rq)}
        return qualities

    def compute(self) -> dict[str, Quality]:
        """The means of `pq`, `sq` and `rq` over "all" classes that occur, the "things" and the "stuff".

        A group none of whose classes occur gets nan. As means of classes, the mean PQ is not SQ times RQ.
        """
        classes = self.per_class()
        groups = {
            "all": list(classes.values()),
            "things": [quality for category, quality in classes.items() if category in self.things],
            "stuff": [quality for category, quality in classes.items() if category not in self.things],
        }
        return {
            group: {
                score: sum(quality[score] for quality in members) / len(members) if members else float("nan")
                for score in ("pq", "sq", "rq")
            }
            for group, members in groups.items()
        }


def panoptic_quality(
    pred: Int[Tensor, "h w"],
    target: Int[Tensor, "h w"],
    pred_categories: Mapping[int, int],
    target_categories: Mapping[int, int],
    things: Collection[int],
    *,
    crowd: Collection[int] = (),
) -> dict[str, Quality]:
    """The panoptic quality of one image: `{"all" | "things" | "stuff": {"pq", "sq", "rq"}}`.

    For a data set use `PanopticQuality`, which explains the arguments: the mean over images of this is
    another number.
    """
    quality = PanopticQuality(things)
    quality.update(pred, target, pred_categories, target_categories, crowd=crowd)
    return quality.compute()


def _number_segments(
    name: str, segments: Int[Tensor, "h w"], categories: Mapping[int, int]
) -> tuple[list[int], Int[Tensor, "h w"]]:
    """All ids that have a class, rising with void first, and the map with each id's place in that list."""
    if min(categories, default=1) <= VOID:
        raise ValueError(f"{name}_categories holds the id {min(categories)}: ids of segments begin at 1.")
    ids = [VOID, *sorted(categories)]
    known = torch.tensor(ids, device=segments.device)
    place = torch.searchsorted(known, segments.long()).clamp(max=len(ids) - 1)
    unknown = segments[known[place] != segments]
    if unknown.numel():
        raise ValueError(f"{name} holds the id {unknown[0]}, which {name}_categories gives no class.")
    return ids, place
