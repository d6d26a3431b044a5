"""Average precision of detected masks and boxes, as COCO defines it (cocodataset.org/#detection-eval)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal, Self

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
MAX_DETECTIONS = 100  # of one class in one image
AREAS = {"all": (0, np.inf), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, np.inf)}

Sample = Mapping[str, Tensor]
Overlap = tuple[np.ndarray, np.ndarray, np.ndarray]  # intersections (M, K), areas (M,) and (K,)


@dataclass(frozen=True)
class DetectionScores:
    """What `AveragePrecision.compute` gives: fractions between 0 and 1, nan where there is no truth.

    `ap` is the mean over ten IoU thresholds, 0.50, 0.55 … 0.95, and over the classes; `ap50` and `ap75` are
    those at one threshold; `ap_small`, `ap_medium`, `ap_large` those for objects of up to 32² pixels, up to
    96², and above. `precision` is the curve of each class in `per_class` at each threshold, at the recalls
    0, 0.01 … 1.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    per_class: dict[int, float]
    precision: Float[Tensor, "classes 10 101"]


class AveragePrecision:
    """Average precision over any number of images, of masks or of boxes.

    In each image and class, the best hundred detections choose in order of score: each takes the truth with
    the largest IoU that is still free, if that IoU reaches the threshold. A crowd (`iscrowd`) can be taken
    many times, its IoU is the share of the detection that lies inside, and what falls to it counts neither as
    right nor as wrong. The detections of all images are then ranked together.
    """

    def __init__(self, iou_type: Literal["masks", "boxes"] = "masks") -> None:
        if iou_type not in _OVERLAPS:
            raise ValueError(f"iou_type must be one of {list(_OVERLAPS)}, got {iou_type!r}.")
        self.iou_type = iou_type
        self.reset()

    def reset(self) -> None:
        """Forget every image seen so far."""
        # For D detections: scores (D,), labels (D,), and for each area and threshold (4, 10, D) whether it is
        # right, and whether it counts at all. For G truths: labels (G,), and whether each counts (4, G).
        self._detections: list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]] = []
        self._truths: list[tuple[np.ndarray, np.ndarray]] = []

    def update(self, predictions: Sequence[Sample], targets: Sequence[Sample]) -> None:
        """Add images: a dict for each image's detections, and one for its truths.

        Detections hold `masks` (M, H, W), bool or integer, or `boxes` (M, 4), XYXY in pixels, with `scores`
        (M,) and `labels` (M,). Truths hold `masks` or `boxes` and `labels` (K,); they may hold `iscrowd` (K,)
        and `area` (K,), which COCO's files give: it sorts objects by size in place of the pixel count.

        Raises ValueError when an entry is missing or lengths differ, TypeError for masks of probabilities.
        """
        if len(predictions) != len(targets):
            raise ValueError(f"{len(predictions)} predictions for {len(targets)} targets: give one per image.")
        for prediction, target in zip(predictions, targets, strict=True):
            self._add_image(
                _entries("prediction", prediction, (self.iou_type, "scores", "labels")),
                _entries("target", target, (self.iou_type, "labels"), optional=("iscrowd", "area")),
            )

    def _add_image(self, prediction: dict[str, np.ndarray], target: dict[str, np.ndarray]) -> None:
        both, area, target_area = _OVERLAPS[self.iou_type](prediction[self.iou_type], target[self.iou_type])
        crowd = target.get("iscrowd", np.zeros(len(target_area))).astype(bool)
        ignored = crowd | _outside(target.get("area", target_area))
        iou = _iou(both, area, target_area, crowd) * (prediction["labels"][:, None] == target["labels"])
        best = _best_of_each_class(prediction["scores"], prediction["labels"])
        right, excused = _match(iou[best], crowd, ignored)
        excused |= ~right & _outside(area[best])[:, None]
        self._detections.append((prediction["scores"][best], prediction["labels"][best], right, ~excused))
        self._truths.append((target["labels"], ~ignored))

    def merge(self, other: Self) -> None:
        """Add the images that another one has seen, for example in another process."""
        self._detections += other._detections
        self._truths += other._truths

    def compute(self) -> DetectionScores:
        """The scores of all images so far.

        A class without a truth that is no crowd has nan and is left out of the means (COCO's own tool writes
        −1); one whose truths all go undetected has 0.
        """
        if not self._truths:
            raise ValueError("no images yet: call update first.")
        scores, labels, right, counts = (np.concatenate(x, -1) for x in zip(*self._detections, strict=True))
        truth_labels, truth_counts = (np.concatenate(x, -1) for x in zip(*self._truths, strict=True))
        classes = np.union1d(labels, truth_labels)
        precision = np.empty((len(AREAS), len(classes), len(IOU_THRESHOLDS), len(RECALLS)))
        for c, label in enumerate(classes):
            truths = truth_counts[:, truth_labels == label].sum(-1)
            ranked = np.flatnonzero(labels == label)
            ranked = ranked[np.argsort(-scores[ranked], kind="stable")]
            for a, t in np.ndindex(len(AREAS), len(IOU_THRESHOLDS)):
                hits = right[a, t, ranked][counts[a, t, ranked]]
                precision[a, c, t] = precision_at_recalls(hits, truths[a])
        curves = dict(zip(AREAS, torch.from_numpy(precision), strict=True))
        means = {area: curve.nanmean().item() for area, curve in curves.items()}
        return DetectionScores(
            ap=means["all"],
            ap50=curves["all"][:, 0].nanmean().item(),
            ap75=curves["all"][:, 5].nanmean().item(),
            ap_small=means["small"],
            ap_medium=means["medium"],
            ap_large=means["large"],
            per_class=dict(zip(classes.tolist(), curves["all"].mean((1, 2)).tolist(), strict=True)),
            precision=curves["all"],
        )


def average_precision(
    predictions: Sequence[Sample], targets: Sequence[Sample], iou_type: Literal["masks", "boxes"] = "masks"
) -> DetectionScores:
    """COCO's average precision of some images.

    `AveragePrecision` says what is counted and what the dicts hold, and takes a data set in parts.
    """
    metric = AveragePrecision(iou_type)
    metric.update(predictions, targets)
    return metric.compute()


def precision_at_recalls(hits: Shaped[np.ndarray, "d"], num_truths: int) -> Float[np.ndarray, "101"]:
    """The precision at recall 0, 0.01 … 1; its mean is the average precision at one threshold.

    `hits` says of the detections, by falling score, whether each is right. The precision at a recall is the
    best at that recall or any higher one, and 0 where the detections never get so far. Without truths: nan.
    """
    if num_truths == 0:
        return np.full(len(RECALLS), np.nan)
    found = np.cumsum(hits)
    precision = found / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    first_to_reach = np.searchsorted(found / num_truths, RECALLS)
    return np.append(best_from_here, 0.0)[first_to_reach]


def mask_iou(pred: Shaped[Tensor, "m h w"], target: Shaped[Tensor, "k h w"]) -> Float[Tensor, "m k"]:
    """The IoU of every mask (bool or integer) with every other, float64; two empty masks have 0."""
    overlap = _mask_overlaps(pred.detach().cpu().numpy(), target.detach().cpu().numpy())
    return torch.from_numpy(_iou(*overlap, crowd=False)).to(pred.device)


def _entries(
    name: str, sample: Sample, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, np.ndarray]:
    """The entries as arrays of one length; floats in double precision, as COCO has them."""
    if missing := [key for key in required if key not in sample]:
        raise ValueError(f"a {name} lacks {missing}; it has {sorted(sample)}.")
    entries = {key: sample[key].detach().cpu() for key in (*required, *optional) if key in sample}
    if len({len(entry) for entry in entries.values()}) > 1:
        shapes = {key: tuple(entry.shape) for key, entry in entries.items()}
        raise ValueError(f"the entries of a {name} differ in length: {shapes}.")
    return {key: (x.double() if x.is_floating_point() else x).numpy() for key, x in entries.items()}


def _best_of_each_class(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Indices of the detections that count: of each class the best hundred, by falling score."""
    order = np.argsort(-scores, kind="stable")
    best = [order[labels[order] == label][:MAX_DETECTIONS] for label in np.unique(labels)]
    return np.concatenate([np.zeros(0, dtype=np.intp), *best])


def _mask_overlaps(pred: np.ndarray, target: np.ndarray) -> Overlap:
    if pred.dtype.kind == "f" or target.dtype.kind == "f":
        raise TypeError("masks are probabilities: turn them into bool first, for example with masks > 0.5.")
    if pred.ndim != 3 or pred.shape[1:] != target.shape[1:]:
        raise ValueError(f"masks must be (M, H, W) and (K, H, W), got {pred.shape} and {target.shape}.")
    packed, packed_target = _pack(pred), _pack(target)
    both = np.zeros((len(pred), len(target)))
    for k, truth in enumerate(packed_target):
        (words,) = truth.nonzero()  # nowhere else can the two meet
        both[:, k] = np.bitwise_count(packed[:, words] & truth[words]).sum(1, dtype=np.int64)
    areas = (np.bitwise_count(masks).sum(1, dtype=np.int64) for masks in (packed, packed_target))
    return both, *areas


def _pack(masks: np.ndarray) -> np.ndarray:
    """(N, H, W) masks as (N, words) with 64 pixels in a word, so that `&` meets 64 pixels at once."""
    bits = np.packbits(masks.reshape(len(masks), prod(masks.shape[1:])), axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)


def _box_overlaps(pred: np.ndarray, target: np.ndarray) -> Overlap:
    if pred.shape[1:] != (4,) or target.shape[1:] != (4,):
        raise ValueError(f"boxes must be (M, 4) and (K, 4), XYXY, got {pred.shape} and {target.shape}.")
    top_left = np.maximum(pred[:, None, :2], target[:, :2])
    bottom_right = np.minimum(pred[:, None, 2:], target[:, 2:])
    both = np.clip(bottom_right - top_left, 0, None).prod(-1)
    return both, (pred[:, 2:] - pred[:, :2]).prod(-1), (target[:, 2:] - target[:, :2]).prod(-1)


_OVERLAPS = {"masks": _mask_overlaps, "boxes": _box_overlaps}


def _iou(both: np.ndarray, area: np.ndarray, target_area: np.ndarray, crowd: np.ndarray | bool) -> np.ndarray:
    union = area[:, None] + np.where(crowd, 0, target_area - both)
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def _outside(area: np.ndarray) -> np.ndarray:
    """(4, N): whether each area lies outside each range of `AREAS`."""
    low, high = np.array(list(AREAS.values())).T[..., None]
    return (area < low) | (area > high)


def _match(iou: np.ndarray, crowd: np.ndarray, ignored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whether each detection, by falling score, takes a truth that counts, or takes one that is ignored.

    `iou` (D, G) is 0 between classes, so that all classes are matched in one go; `crowd` (G,) and `ignored`
    (4, G) describe the truths. Both answers are (4, 10, D), for every area range and threshold.
    """
    # Of truths with the same IoU COCO takes the last one, `argmax` the first.
    iou, crowd, ignored = iou[:, ::-1], crowd[::-1], ignored[:, None, ::-1]
    right, excused = np.zeros((2, len(AREAS), len(IOU_THRESHOLDS), len(iou)), dtype=bool)
    taken = np.zeros((len(AREAS), len(IOU_THRESHOLDS), len(crowd)), dtype=bool)
    for d in np.flatnonzero((iou >= IOU_THRESHOLDS[0]).any(1)):
        eligible = (iou[d] >= IOU_THRESHOLDS[:, None]) & (~taken | crowd)
        # Any truth that counts comes before any that is ignored.
        preference = np.where(eligible, iou[d] + ~ignored, 0)
        choice = preference.argmax(-1)[..., None] == np.arange(len(crowd))
        choice &= eligible
        taken |= choice
        right[..., d] = (choice & ~ignored).any(-1)
        excused[..., d] = (choice & ignored).any(-1)
    return right, excused
