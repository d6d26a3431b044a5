"""Mask R-CNN: a detector that also draws each object, in a small mask of its own.

He et al., *Mask R-CNN*, ICCV 2017. Parameters carry the names of torchvision's ``maskrcnn_resnet50_fpn``,
whose state dict loads and gives the same boxes, scores and masks.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torchvision.ops import roi_align

from coursekit.models.blocks import he_initialise
from coursekit.models.faster_rcnn import FasterRCNN, Size
from coursekit.models.roi_heads import RoIHeads, pool_regions


class MaskRoIHeads(RoIHeads):
    """The box head, and beside it a small FCN that gives each object a 28 × 28 mask for every class.

    The classes do not compete: each has its own sigmoid, and only that of the object's class counts. Which
    class it is, the box head has decided.
    """

    def __init__(self, channels: int, hidden: int, num_classes: int, **options: Any) -> None:
        super().__init__(channels, hidden, num_classes, **options)
        self.mask_head = nn.Sequential(
            *(nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)) for _ in range(4))
        )
        self.mask_predictor = nn.Sequential(
            OrderedDict(
                conv5_mask=nn.ConvTranspose2d(channels, channels, 2, stride=2),
                relu=nn.ReLU(inplace=True),
                mask_fcn_logits=nn.Conv2d(channels, num_classes, 1),
            )
        )
        self.mask_head.apply(he_initialise)
        self.mask_predictor.apply(he_initialise)

    def predict_masks(
        self, features: list[Tensor], boxes: list[Tensor], labels: list[Tensor]
    ) -> Float[Tensor, "k 28 28"]:
        """The logits of the mask of each box's class."""
        logits = self.mask_predictor(self.mask_head(pool_regions(features, boxes, size=14)))
        return logits[torch.arange(len(logits), device=logits.device), torch.cat(labels)]

    def branch_losses(
        self,
        features: list[Tensor],
        boxes: list[Float[Tensor, "_ 4"]],
        matches: list[Int[Tensor, " _"]],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        labels = [target["labels"][index] for target, index in zip(targets, matches, strict=True)]
        logits = self.predict_masks(features, boxes, labels)
        wanted = [
            crop_masks(target["masks"], box, index, logits.shape[-1])
            for target, box, index in zip(targets, boxes, matches, strict=True)
        ]
        if len(logits) == 0:  # the mean of nothing is nan
            return {"loss_mask": logits.sum()}
        return {"loss_mask": F.binary_cross_entropy_with_logits(logits, torch.cat(wanted))}

    def branch_outputs(self, features: list[Tensor], detections: list[dict[str, Tensor]]) -> list[dict[str, Tensor]]:
        boxes = [detection["boxes"] for detection in detections]
        labels = [detection["labels"] for detection in detections]
        masks = self.predict_masks(features, boxes, labels).sigmoid()
        return [{"masks": mask} for mask in masks.split([len(box) for box in boxes])]


def crop_masks(
    masks: Int[Tensor, "g h w"], boxes: Float[Tensor, "k 4"], index: Int[Tensor, " k"], size: int
) -> Float[Tensor, "k size size"]:
    """For each box the mask `index` names, cut out and resized: what the mask head should draw there."""
    regions = torch.cat([index[:, None].to(boxes.dtype), boxes], dim=1)
    return roi_align(masks[:, None].to(boxes.dtype), regions, size)[:, 0]


def paste_masks_whole_pixels(
    masks: Float[Tensor, "k m m"], boxes: Float[Tensor, "k 4"], image_size: Size
) -> Float[Tensor, "k h w"]:
    """Each mask at its box in the image, as torchvision pastes: at whole pixels, and a little too large.

    The mask gets a border of one zero, the box grows in proportion, (m + 2) / m, its corners are cut to whole
    numbers and its far edges belong to it, as in the first Detectron. A mask of ones in the box (2, 3, 7, 9)
    covers 56 pixels, where `coursekit.ops.paste_masks`, which samples the mask at the pixels' centres, gives
    the box's own 5 × 6 = 30.
    """
    height, width = image_size
    canvas = masks.new_zeros(len(masks), height, width)
    growth = (masks.shape[-1] + 2) / masks.shape[-1]
    centre, half = (boxes[:, 2:] + boxes[:, :2]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * growth
    corners = torch.cat([centre - half, centre + half], dim=1).long()
    for k, (mask, (x1, y1, x2, y2)) in enumerate(zip(F.pad(masks, (1, 1, 1, 1)), corners.tolist(), strict=True)):
        size = (max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1))
        patch = F.interpolate(mask[None, None], size=size, mode="bilinear")[0, 0]
        top, left = max(y1, 0), max(x1, 0)
        inside = patch[top - y1 : max(height - y1, 0), left - x1 : max(width - x1, 0)]
        canvas[k, top : top + inside.shape[0], left : left + inside.shape[1]] = inside
    return canvas


class MaskRCNN(FasterRCNN):
    """`FasterRCNN` with a mask for each detection; for options, images, boxes and labels see there.

    A detection also has `masks` (N, 1, H, W), probabilities in the size of its image; above 0.5 is the
    object. A target also has `masks` (G, H, W), bool or 0 and 1; the losses gain `loss_mask`. `paste` brings
    the 28 × 28 masks into the image: torchvision's way, or `coursekit.ops.paste_masks`, which is more exact.

    With 91 classes there are 44,454,513 parameters, or 44,401,393 with `norm=FrozenBatchNorm2d`.
    """

    target_keys = ("boxes", "labels", "masks")

    def __init__(
        self,
        num_classes: int = 91,
        *,
        paste: Callable[[Tensor, Tensor, Size], Tensor] = paste_masks_whole_pixels,
        **options: Any,
    ) -> None:
        super().__init__(num_classes, make_roi_heads=MaskRoIHeads, **options)
        self.paste = paste

    def check_target(self, name: str, target: dict[str, Tensor], size: Size) -> None:
        super().check_target(name, target, size)
        expected = (len(target["boxes"]), *size)
        if target["masks"].shape != expected:
            raise ValueError(f"{name}['masks'] must have shape {expected}, got {tuple(target['masks'].shape)}")

    def resize_target(self, target: dict[str, Tensor], size: Size, new_size: Size) -> dict[str, Tensor]:
        masks = F.interpolate(target["masks"][:, None].to(torch.uint8), size=new_size)[:, 0]
        return super().resize_target(target, size, new_size) | {"masks": masks}

    def restore(self, detection: dict[str, Tensor], size: Size, new_size: Size) -> dict[str, Tensor]:
        detection = super().restore(detection, size, new_size)
        masks = self.paste(detection["masks"], detection["boxes"], new_size)
        return detection | {"masks": masks[:, None]}
