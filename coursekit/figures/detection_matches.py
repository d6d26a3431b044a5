"""Detections and truths: which match at which threshold, and the curve and the scores that follow."""

from collections.abc import Mapping
from typing import Any

import torch
import traitlets
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from coursekit import metrics, ops
from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.palette import rgb
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK

RIGHT, WRONG, MISSED = "#0f6bb5", "#dc5a14", "#ffea1e"
LEVELS = [round(0.5 + 0.05 * step, 2) for step in range(10)]


class DetectionMatches(InteractiveFigure):
    """An interactive figure: average precision and panoptic quality, built from their matches.

    Left and right keep fewer or more of the detections, up and down ask for more or less IoU: matches light up, and
    the point on the precision–recall curve moves. All objects count as one class. Every number is computed here, by
    `coursekit.metrics`; the browser looks it up.

    Args:
        image: (3, H, W) in [0, 1].
        masks: (M, H, W) of the detections.
        scores: (M,) between 0 and 1.
        truths: (K, H, W).
    """

    drawing = "detection_matches"
    size: Any = traitlets.List().tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    detections: Any = traitlets.List().tag(sync=True)
    truths: Any = traitlets.List().tag(sync=True)
    scores: Any = traitlets.List().tag(sync=True)
    levels: Any = traitlets.List().tag(sync=True)
    panoptic: Any = traitlets.List().tag(sync=True)
    kept = traitlets.Int().tag(sync=True)
    level = traitlets.Int(0).tag(sync=True)

    def __init__(
        self,
        image: Float[Tensor, "3 h w"],
        masks: Bool[Tensor, "m h w"],
        scores: Float[Tensor, "m"],
        truths: Bool[Tensor, "k h w"],
    ) -> None:
        order = scores.argsort(descending=True, stable=True)
        self._image = image
        self._masks, self._truths = masks[order].as_subclass(torch.Tensor), truths.as_subclass(torch.Tensor)
        iou = metrics.mask_iou(self._masks, self._truths)
        super().__init__(
            label="Matches of detections. Left and right keep fewer or more, up and down change the IoU they need.",
            size=list(truths.shape[1:]),
            pixels=rgba(image),
            detections=[mask.flatten().nonzero()[:, 0].tolist() for mask in self._masks],
            truths=[mask.flatten().nonzero()[:, 0].tolist() for mask in self._truths],
            scores=[round(score, 3) for score in scores[order].tolist()],
            levels=[_level(iou, threshold) for threshold in LEVELS],
            panoptic=[
                _panoptic(self._masks[:kept], scores[order][:kept], self._truths) for kept in range(len(order) + 1)
            ],
            kept=len(order),
        )

    def picture(self) -> Picture:
        """The matches of the detections that are kept, and the precision–recall curve with its point."""
        now: Mapping[str, Any] = self.levels[self.level]
        partners = now["partners"][: self.kept]
        shown = self._image.detach().clone().float()
        for mask, partner in zip(self._masks, partners):
            tint = torch.from_numpy(rgb(WRONG if partner is None else RIGHT)).float()[:, None]
            shown[:, mask] = 0.45 * shown[:, mask] + 0.55 * tint
        figure = Figure(figsize=(9, 3.3), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        left.imshow(shown.clamp(0, 1).movedim(0, -1).numpy())
        left.set(xticks=[], yticks=[])
        for index, truth in enumerate(self._truths):
            found = index in partners
            left.contour(
                truth.float().numpy(), [0.5], colors="white" if found else MISSED, linewidths=1 if found else 2
            )
        left.set_title("blue: a match, orange: none; yellow rim: missed", fontsize=9, color=INK)
        self._draw_curve(right, now)
        quality = self.panoptic[self.kept]
        right_ones = sum(partner is not None for partner in partners)
        alt = (
            f"{self.kept} detections kept, {right_ones} of them match one of {len(self._truths)} objects at an IoU of "
            f"{now['iou']}. Beside it the precision–recall curve, AP {now['ap']:.3f}. "
            f"Panoptic quality of what is kept: {quality['pq']:.3f}."
        )
        return Picture(figure, alt)

    def _draw_curve(self, ax: Axes, now: Mapping[str, Any]) -> None:
        ax.step([i / 100 for i in range(101)], now["curve"], where="post", color=RIGHT, label=f"AP {now['ap']:.3f}")
        ax.plot(now["recall"], now["precision"], "o", color=INK, markersize=4)
        if self.kept:
            point = now["recall"][self.kept - 1], now["precision"][self.kept - 1]
            ax.plot(*point, "o", color="#f2b134", markeredgecolor=INK, markersize=9)
        ax.set(xlim=(-0.02, 1.02), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
        ax.legend(loc="lower left", frameon=False)


def _level(iou: Float[Tensor, "m k"], threshold: float) -> dict[str, Any]:
    """By falling score each detection takes the best truth that is still free: partners, curve and AP."""
    free = torch.ones(iou.shape[1], dtype=torch.bool)
    partners: list[int | None] = []
    for row in iou:
        best = int((row * free).argmax())
        partners.append(best if row[best] * free[best] >= threshold else None)
        if partners[-1] is not None:
            free[best] = False
    hits = torch.tensor([partner is not None for partner in partners])
    right, rank = hits.cumsum(0), torch.arange(1, len(hits) + 1)
    curve = metrics.precision_at_recalls(hits.numpy(), iou.shape[1])
    return {
        "iou": threshold,
        "partners": partners,
        "overlap": [float(row.max()) for row in iou],
        "precision": (right / rank).tolist(),
        "recall": (right / iou.shape[1]).tolist(),
        "curve": curve.tolist(),
        "ap": float(curve.mean()),
    }


def _panoptic(masks: Tensor, scores: Tensor, truths: Tensor) -> dict[str, float]:
    """The panoptic quality of these detections, merged into one map without overlaps."""
    nothing = torch.zeros(truths.shape[1:], dtype=torch.int64)
    merged, categories = ops.merge_panoptic(masks, scores, torch.ones(len(masks), dtype=torch.int64), nothing)
    target = nothing.clone()
    for index, truth in enumerate(truths, start=1):
        target[truth] = index
    of_target = dict.fromkeys(range(1, len(truths) + 1), 1)
    return metrics.panoptic_quality(merged, target, categories, of_target, things=[1])["things"]
