"""The region proposal network: a small convolutional net that says where an object may be.

Ren et al., *Faster R-CNN*, NeurIPS 2015, section 3.1; on a feature pyramid as in Lin et al., CVPR 2017.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from coursekit.models.boxes import decode, encode, grid_anchors, keep_best, match, sample

RATIOS = (0.5, 1.0, 2.0)  # of an anchor, height / width


class RPNHead(nn.Module):
    """At each cell of a feature map, for each anchor, a logit of "object" and four offsets."""

    def __init__(self, channels: int, anchors_per_cell: int) -> None:
        super().__init__()
        # Twice in a Sequential, for torchvision's name "conv.0.0.weight".
        self.conv = nn.Sequential(nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)))
        self.cls_logits = nn.Conv2d(channels, anchors_per_cell, 1)
        self.bbox_pred = nn.Conv2d(channels, anchors_per_cell * 4, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, feature: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n h*w*a"], Float[Tensor, "n h*w*a 4"]]:
        """Logits and offsets in the order of `grid_anchors`: row, column, anchor."""
        hidden = self.conv(feature)
        logits = self.cls_logits(hidden).permute(0, 2, 3, 1).flatten(1)
        offsets = self.bbox_pred(hidden).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4))
        return logits, offsets


class RegionProposalNetwork(nn.Module):
    """Proposals for each image of a batch, and in training the losses of objectness and offsets.

    `anchor_sizes` has the side of the square anchor for each level of the pyramid. `pre_nms` boxes a level
    enter the non-maximum suppression and `post_nms` boxes an image leave it, each as (in training,
    in evaluation). `samples_per_image` anchors take part in the loss.
    """

    def __init__(
        self,
        channels: int,
        anchor_sizes: Sequence[float],
        pre_nms: tuple[int, int],
        post_nms: tuple[int, int],
        samples_per_image: int,
    ) -> None:
        super().__init__()
        self.head = RPNHead(channels, len(RATIOS))
        self.anchor_sizes = anchor_sizes
        self.pre_nms = pre_nms
        self.post_nms = post_nms
        self.samples_per_image = samples_per_image

    def forward(
        self,
        images: Float[Tensor, "n c h w"],
        image_sizes: list[tuple[int, int]],
        features: list[Tensor],
        targets: list[dict[str, Tensor]] | None = None,
    ) -> tuple[list[Float[Tensor, "k 4"]], dict[str, Tensor]]:
        """`image_sizes` are those of the images before they were padded to a batch."""
        logits, offsets = zip(*(self.head(feature) for feature in features), strict=True)
        anchors = [
            grid_anchors((feature.shape[-2], feature.shape[-1]), images, side, RATIOS)
            for feature, side in zip(features, self.anchor_sizes, strict=True)
        ]
        proposals = self.propose(logits, offsets, anchors, image_sizes)
        if targets is None:
            return proposals, {}
        return proposals, self.losses(torch.cat(logits, 1), torch.cat(offsets, 1), torch.cat(anchors), targets)

    @torch.no_grad()  # the heads take the proposals as given
    def propose(
        self,
        logits: Sequence[Float[Tensor, "n _"]],
        offsets: Sequence[Float[Tensor, "n _ 4"]],
        anchors: Sequence[Float[Tensor, "_ 4"]],
        image_sizes: list[tuple[int, int]],
    ) -> list[Float[Tensor, "k 4"]]:
        """The most object-like boxes of each image, without those that repeat a better one of their level."""
        boxes, scores, levels = [], [], []
        for level, (logit, offset, anchor) in enumerate(zip(logits, offsets, anchors, strict=True)):
            count = min(self.pre_nms[not self.training], len(anchor))
            top, best = logit.topk(count)
            boxes.append(decode(offset.take_along_dim(best[..., None], dim=1), anchor[best]))
            scores.append(top.sigmoid())
            levels.append(torch.full_like(best, level))

        candidates = zip(torch.cat(boxes, 1), torch.cat(scores, 1), torch.cat(levels, 1), image_sizes, strict=True)
        count = self.post_nms[not self.training]
        return [keep_best(*each, min_side=1e-3, iou_threshold=0.7, count=count)[0] for each in candidates]

    def losses(
        self,
        logits: Float[Tensor, "n k"],
        offsets: Float[Tensor, "n k 4"],
        anchors: Float[Tensor, "k 4"],
        targets: list[dict[str, Tensor]],
    ) -> dict[str, Tensor]:
        """Cross-entropy of the sampled anchors, smooth L1 of the offsets of the positive ones.

        Both are divided by the number of sampled anchors.
        """
        objectness = box_reg = logits.new_zeros(())
        count = 0
        for logit, offset, target in zip(logits, offsets, targets, strict=True):
            matches = match(target["boxes"], anchors, low=0.3, high=0.7, claim_best=True)
            positive, negative = sample(matches, self.samples_per_image, positive_fraction=0.5)
            sampled = torch.cat([positive, negative])
            is_object = (matches[sampled] >= 0).to(logit.dtype)
            wanted = encode(target["boxes"][matches[positive]], anchors[positive])
            objectness = objectness + F.binary_cross_entropy_with_logits(logit[sampled], is_object, reduction="sum")
            box_reg = box_reg + F.smooth_l1_loss(offset[positive], wanted, beta=1 / 9, reduction="sum")
            count += len(sampled)
        return {"loss_objectness": objectness / count, "loss_rpn_box_reg": box_reg / count}
