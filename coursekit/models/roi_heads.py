"""The second stage of Faster R-CNN: each proposal's features are pooled, classified and its box refined.

Girshick, *Fast R-CNN*, ICCV 2015; pooled by RoIAlign (He et al., *Mask R-CNN*, ICCV 2017) from the level of
the pyramid that fits the box (Lin et al., CVPR 2017, equation 1).
"""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torchvision.ops import box_area, roi_align

from coursekit.models.boxes import decode, encode, keep_best, match, sample

OFFSET_WEIGHTS = (10.0, 10.0, 5.0, 5.0)


def pool_regions(
    features: list[Float[Tensor, "n c _ _"]], boxes: list[Float[Tensor, "_ 4"]], size: int
) -> Float[Tensor, "k c size size"]:
    """Each box's features, size × size, from the level of P2–P5 that fits it; boxes are listed by image.

    A box of 224 × 224 pixels is read from P4 (stride 16), one half as wide from P3. RoIAlign takes
    2 × 2 samples a bin and leaves out the half-pixel shift (`aligned=False`), as in torchvision.
    """
    image_index = torch.cat([torch.full_like(box[:, :1], i) for i, box in enumerate(boxes)])
    regions = torch.cat([image_index, torch.cat(boxes)], dim=1)
    level = (4 + (box_area(regions[:, 1:]).sqrt() / 224).log2() + 1e-6).floor().clamp(2, 5)
    pooled = features[0].new_zeros(len(regions), features[0].shape[1], size, size)
    for k, feature in enumerate(features[:4], start=2):
        here = torch.where(level == k)[0]
        pooled[here] = roi_align(feature, regions[here], size, spatial_scale=2.0**-k, sampling_ratio=2)
    return pooled


class BoxPredictor(nn.Module):
    """The scores of the classes, background first, and four offsets for each class."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.cls_score = nn.Linear(channels, num_classes)
        self.bbox_pred = nn.Linear(channels, num_classes * 4)

    def forward(self, x: Float[Tensor, "k d"]) -> tuple[Float[Tensor, "k c"], Float[Tensor, "k c 4"]]:
        return self.cls_score(x), self.bbox_pred(x).unflatten(1, (-1, 4))


class RoIHeads(nn.Module):
    """Proposals in; detections out, or in training the losses of class and box.

    What Mask R-CNN adds for each object, it adds in `branch_losses` and `branch_outputs`.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        num_classes: int,
        *,
        samples_per_image: int,
        score_threshold: float,
        nms_threshold: float,
        detections_per_image: int,
    ) -> None:
        super().__init__()
        self.box_head = nn.Sequential(
            OrderedDict(
                flatten=nn.Flatten(),
                fc6=nn.Linear(channels * 7 * 7, hidden),
                relu6=nn.ReLU(inplace=True),
                fc7=nn.Linear(hidden, hidden),
                relu7=nn.ReLU(inplace=True),
            )
        )
        self.box_predictor = BoxPredictor(hidden, num_classes)
        self.samples_per_image = samples_per_image
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.detections_per_image = detections_per_image

    def predict_boxes(
        self, features: list[Tensor], boxes: list[Tensor]
    ) -> tuple[Float[Tensor, "k c"], Float[Tensor, "k c 4"]]:
        return self.box_predictor(self.box_head(pool_regions(features, boxes, size=7)))

    def losses(
        self, features: list[Tensor], proposals: list[Tensor], targets: list[dict[str, Tensor]]
    ) -> dict[str, Tensor]:
        """Cross-entropy of the sampled boxes, smooth L1 of the offsets of their class where it is an object.

        Both are divided by the number of sampled boxes. The objects' own boxes join the proposals, so that
        there are positives from the first step on.
        """
        positives, matches, boxes, labels, wanted = [], [], [], [], []
        for proposal, target in zip(proposals, targets, strict=True):
            candidates = torch.cat([proposal, target["boxes"]])
            matched = match(target["boxes"], candidates, low=0.5, high=0.5)
            positive, negative = sample(matched, self.samples_per_image, positive_fraction=0.25)
            positives.append(candidates[positive])
            matches.append(matched[positive])
            boxes.append(candidates[torch.cat([positive, negative])])
            labels.append(F.pad(target["labels"][matched[positive]], (0, len(negative))))
            wanted.append(encode(target["boxes"][matched[positive]], candidates[positive], OFFSET_WEIGHTS))
        label = torch.cat(labels)
        is_object = torch.where(label > 0)[0]

        scores, offsets = self.predict_boxes(features, boxes)
        box_reg = F.smooth_l1_loss(offsets[is_object, label[is_object]], torch.cat(wanted), beta=1 / 9, reduction="sum")
        return {
            "loss_classifier": F.cross_entropy(scores, label),
            "loss_box_reg": box_reg / len(label),
            **self.branch_losses(features, positives, matches, targets),
        }

    def detect(
        self, features: list[Tensor], proposals: list[Tensor], image_sizes: list[tuple[int, int]]
    ) -> list[dict[str, Tensor]]:
        """The best boxes of each image: for every class those above the score that repeat no better one."""
        scores, offsets = self.predict_boxes(features, proposals)
        boxes = decode(offsets, torch.cat(proposals)[:, None], OFFSET_WEIGHTS)
        counts = [len(proposal) for proposal in proposals]
        detections = []
        for box, score, size in zip(boxes.split(counts), scores.softmax(dim=1).split(counts), image_sizes, strict=True):
            row, label = torch.where(score[:, 1:] > self.score_threshold)
            label += 1  # 0 is the background
            boxes_kept, scores_kept, labels = keep_best(
                box[row, label],
                score[row, label],
                label,
                size,
                min_side=1e-2,
                iou_threshold=self.nms_threshold,
                count=self.detections_per_image,
            )
            detections.append({"boxes": boxes_kept, "labels": labels, "scores": scores_kept})
        outputs = self.branch_outputs(features, detections)
        return [detection | output for detection, output in zip(detections, outputs, strict=True)]

    def branch_losses(
        self,
        features: list[Tensor],
        boxes: list[Float[Tensor, "_ 4"]],
        matches: list[Int[Tensor, " _"]],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """The losses of what a subclass predicts in `boxes`, given the index of the object in each."""
        return {}

    def branch_outputs(self, features: list[Tensor], detections: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
        """What a subclass predicts for each detection, a dict an image."""
        return [{} for _ in detections]
