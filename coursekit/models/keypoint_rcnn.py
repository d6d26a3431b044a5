"""Keypoint R-CNN: a detector of people that also finds each one's joints.

He et al., *Mask R-CNN*, ICCV 2017, section 5. Parameters carry the names of torchvision's
``keypointrcnn_resnet50_fpn``, whose state dict loads and gives the same boxes, scores and keypoints.
"""

from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from coursekit.models.blocks import he_initialise
from coursekit.models.faster_rcnn import FasterRCNN, Size, rescale
from coursekit.models.roi_heads import RoIHeads, pool_regions


class KeypointRoIHeads(RoIHeads):
    """The box head, and beside it a small FCN that gives each keypoint of an object a 56 × 56 heatmap.

    A heatmap is one classification among its 3136 cells, so there is a softmax over cells, not a sigmoid for
    each: a keypoint is in one place.
    """

    def __init__(self, channels: int, hidden: int, num_classes: int, *, num_keypoints: int, **options: Any) -> None:
        super().__init__(channels, hidden, num_classes, **options)
        inner = 2 * channels
        layers: list[nn.Module] = []
        for i in range(8):
            layers += [nn.Conv2d(inner if i else channels, inner, 3, padding=1), nn.ReLU(inplace=True)]
        self.keypoint_head = nn.Sequential(*layers)
        self.keypoint_predictor = nn.Sequential(
            OrderedDict(
                kps_score_lowres=nn.ConvTranspose2d(inner, num_keypoints, 4, stride=2, padding=1),
                upsample=nn.Upsample(scale_factor=2, mode="bilinear"),
            )
        )
        self.keypoint_head.apply(he_initialise)
        self.keypoint_predictor.apply(he_initialise)

    def predict_heatmaps(self, features: list[Tensor], boxes: list[Tensor]) -> Float[Tensor, "k j 56 56"]:
        return self.keypoint_predictor(self.keypoint_head(pool_regions(features, boxes, size=14)))

    def branch_losses(
        self,
        features: list[Tensor],
        boxes: list[Float[Tensor, "_ 4"]],
        matches: list[Int[Tensor, " _"]],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        heatmaps = self.predict_heatmaps(features, boxes)
        keypoints = [target["keypoints"][index] for target, index in zip(targets, matches, strict=True)]
        cells, valid = keypoint_cells(torch.cat(keypoints), torch.cat(boxes), heatmaps.shape[-1])
        if not valid.any():  # the mean of nothing is nan
            return {"loss_keypoint": heatmaps.sum() * 0}
        return {"loss_keypoint": F.cross_entropy(heatmaps.flatten(2)[valid], cells[valid])}

    def branch_outputs(self, features: list[Tensor], detections: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
        boxes = [detection["boxes"] for detection in detections]
        heatmaps = self.predict_heatmaps(features, boxes).split([len(box) for box in boxes])
        outputs = []
        for heatmap, box in zip(heatmaps, boxes, strict=True):
            keypoints, scores = find_keypoints(heatmap, box)
            outputs.append({"keypoints": keypoints, "keypoints_scores": scores})
        return outputs


def keypoint_cells(
    keypoints: Float[Tensor, "k j 3"], boxes: Float[Tensor, "k 4"], size: int
) -> tuple[Int[Tensor, "k j"], Bool[Tensor, "k j"]]:
    """The cell of each keypoint in its box's size × size heatmap, and whether it is visible and in the box.

    A point on the box's right or bottom edge belongs to the last cell. The cell of an invalid keypoint is 0.
    """
    corner, far = boxes[:, None, :2], boxes[:, None, 2:]
    points, visible = keypoints[..., :2], keypoints[..., 2] > 0
    column_row = ((points - corner) * (size / (far - corner))).floor().long()
    column_row = torch.where(points == far, size - 1, column_row)
    valid = ((column_row >= 0) & (column_row < size)).all(dim=-1) & visible
    column, row = column_row.unbind(-1)
    return (row * size + column) * valid, valid


def find_keypoints(
    heatmaps: Float[Tensor, "k j s s"], boxes: Float[Tensor, "k 4"]
) -> tuple[Float[Tensor, "k j 3"], Float[Tensor, "k j"]]:
    """The highest point of each heatmap as (x, y, 1) in the image, and its height.

    A heatmap is enlarged (bicubic) to as many pixels as its box has, rounded up; the keypoint is the centre
    of the highest pixel.
    """
    keypoints = boxes.new_ones(*heatmaps.shape[:2], 3)
    scores = heatmaps.new_zeros(heatmaps.shape[:2])
    sizes = (boxes[:, 2:] - boxes[:, :2]).clamp(min=1)
    for k, (width, height) in enumerate(sizes.ceil().int().tolist()):
        enlarged = F.interpolate(heatmaps[k, None], size=(height, width), mode="bicubic")[0]
        scores[k], peak = enlarged.flatten(1).max(dim=1)
        pixel = torch.stack([peak % width, peak // width], dim=-1) + 0.5
        keypoints[k, :, :2] = boxes[k, :2] + pixel * sizes[k] / sizes[k].ceil()
    return keypoints, scores


class KeypointRCNN(FasterRCNN):
    """`FasterRCNN` with the keypoints of each detection; for options, images, boxes and labels see there.

    A detection also has `keypoints` (N, K, 3) as x, y, 1 and `keypoints_scores` (N, K), the heights of their
    heatmaps (logits). A target also has `keypoints` (G, K, 3) as x, y and visibility, of which 0 leaves a
    keypoint out of the loss; the losses gain `loss_keypoint`.

    With COCO's 17 keypoints of a person and batch normalisation frozen there are 59,137,258 parameters.
    """

    target_keys = ("boxes", "labels", "keypoints")

    def __init__(
        self,
        num_classes: int = 2,
        num_keypoints: int = 17,
        *,
        min_size: int | Sequence[int] = (640, 672, 704, 736, 768, 800),
        **options: Any,
    ) -> None:
        make_roi_heads = partial(KeypointRoIHeads, num_keypoints=num_keypoints)
        super().__init__(num_classes, min_size=min_size, make_roi_heads=make_roi_heads, **options)
        self.num_keypoints = num_keypoints

    def check_target(self, name: str, target: dict[str, Tensor], size: Size) -> None:
        super().check_target(name, target, size)
        keypoints, expected = target["keypoints"], (len(target["boxes"]), self.num_keypoints, 3)
        if keypoints.shape != expected:
            raise ValueError(f"{name}['keypoints'] must have shape {expected}, got {tuple(keypoints.shape)}")

    def resize_target(self, target: dict[str, Tensor], size: Size, new_size: Size) -> dict[str, Tensor]:
        resized = super().resize_target(target, size, new_size)
        return resized | {"keypoints": _rescale_keypoints(target["keypoints"], size, new_size)}

    def restore(self, detection: dict[str, Tensor], size: Size, new_size: Size) -> dict[str, Tensor]:
        restored = super().restore(detection, size, new_size)
        return restored | {"keypoints": _rescale_keypoints(detection["keypoints"], size, new_size)}


def _rescale_keypoints(keypoints: Float[Tensor, "k j 3"], size: Size, new_size: Size) -> Tensor:
    return torch.cat([rescale(keypoints[..., :2], size, new_size), keypoints[..., 2:]], dim=-1)
