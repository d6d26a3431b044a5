"""YOLACT: instance masks as mixtures of prototypes that the whole image shares.

Bolya et al., *YOLACT: Real-time instance segmentation*, ICCV 2019. One branch draws a few dozen prototypes of
the image, another predicts for every box the coefficients that mix them: a mask is a matrix product away.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torchvision.ops import box_area, box_iou, clip_boxes_to_image

from coursekit.models.boxes import BACKGROUND, decode, encode, match
from coursekit.models.fpn import FPN
from coursekit.models.resnet import NormLayer, ResNet
from coursekit.ops import fast_nms

DEPTHS = {"resnet50": 50, "resnet101": 101}
ANCHOR_SIDES = (24, 48, 96, 192, 384)  # of P3 to P7, in pixels of an image of 550 × 550
ANCHOR_RATIOS = (1, 1 / 2, 2)  # width / height
CODE_WEIGHTS = (10, 10, 5, 5)  # SSD's "variances" 0.1 and 0.2, upside down
POSITIVE_IOU, NEGATIVE_IOU = 0.5, 0.4
NEGATIVES_PER_POSITIVE = 3
GAINS = {"loss_classifier": 1.0, "loss_box_reg": 1.5, "loss_mask": 6.125, "loss_semantic": 1.0}


def conv_relu(in_channels: int, out_channels: int) -> nn.Sequential:
    """3×3 convolution that keeps the size, and ReLU."""
    return nn.Sequential(nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU(inplace=True))


def protonet(channels: int, prototypes: int) -> nn.Sequential:
    """From P3 to the prototypes, at twice its size; no loss tells them what to show.

    The closing ReLU leaves a prototype without an upper bound: what it is sure of, it may say loudly.
    """
    return nn.Sequential(
        conv_relu(channels, channels),
        conv_relu(channels, channels),
        conv_relu(channels, channels),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        conv_relu(channels, channels),
        nn.Conv2d(channels, prototypes, 1),
        nn.ReLU(inplace=True),
    )


class PredictionHead(nn.Module):
    """For every prior the offsets of its box, the logits of its class, the coefficients of its mask.

    The same weights serve all levels of the pyramid, whose priors follow one another in one row.
    """

    def __init__(self, channels: int, num_classes: int, prototypes: int) -> None:
        super().__init__()
        anchors = len(ANCHOR_RATIOS)
        self.shared = conv_relu(channels, channels)
        self.offsets = nn.Conv2d(channels, anchors * 4, 3, padding=1)
        self.classes = nn.Conv2d(channels, anchors * num_classes, 3, padding=1)
        self.coefficients = nn.Conv2d(channels, anchors * prototypes, 3, padding=1)

    def forward(
        self, levels: Sequence[Float[Tensor, "n c _ _"]]
    ) -> tuple[Float[Tensor, "n p 4"], Float[Tensor, "n p classes"], Float[Tensor, "n p k"]]:
        shared = [self.shared(level) for level in levels]
        offsets, classes, coefficients = (
            torch.cat([one_row(branch(level)) for level in shared], dim=1)
            for branch in (self.offsets, self.classes, self.coefficients)
        )
        return offsets, classes, coefficients


def one_row(x: Float[Tensor, "n a*d h w"]) -> Float[Tensor, "n h*w*a d"]:
    """The predictions of a level in the order of its priors."""
    return x.unflatten(1, (len(ANCHOR_RATIOS), -1)).permute(0, 3, 4, 1, 2).flatten(1, 3)


class YOLACT(nn.Module):
    """Instance segmentation of images (N, `in_channels`, H, W) of any size.

    In training `model(images, targets)` returns a dict of losses, whose sum is to be minimised. A target is a
    dict of one image, as in torchvision: `boxes` (L, 4) XYXY in pixels, `labels` (L,) from 1 to
    num_classes − 1, `masks` (L, H, W). `loss_classifier`, `loss_box_reg` and `loss_mask` are means over the
    positive priors of the batch, `loss_semantic` is one over its pixels; each has its gain already.

    In evaluation `model(images)` returns for each image a dict of `boxes` (L, 4), `labels` (L,), `scores`
    (L,), highest first, and `masks` (L, 1, H, W), True inside. In each class Fast NMS looks at the `top_k`
    best boxes that score above `score_threshold`; over all classes at most `max_detections` are left.

    `num_classes` counts the background, class 0. `width` is that of the residual network's first stage, the
    rest has four times as many channels. The default is the published network of 50,157,071 parameters
    (31,164,943 with the backbone "resnet50"), 20,560 of them in the semantic layer. Images are taken as they
    come: a backbone trained on ImageNet wants them normalised before.

    The published sizes are made for 550 pixels. `anchor_sides`, of the priors on P3 to P7, are pixels of an image
    of 550 × 550 and shrink with the image; the 8 pixels from one prior of P3 to the next, and the 4 between two of
    a prototype, do not. In an image of 128 pixels the smallest priors, 5.6 wide, have gaps between them, and
    most small objects match none. `enlarge` shows the backbone the image so many times larger, which brings priors
    and prototypes closer together. Boxes and masks are of the image as it came. `norm` is the backbone's, as in
    `ResNet`.

    Raises ValueError for an unknown backbone and for targets that are missing or wrong.
    """

    def __init__(
        self,
        num_classes: int = 81,
        backbone: str = "resnet101",
        width: int = 64,
        in_channels: int = 3,
        prototypes: int = 32,
        *,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        top_k: int = 200,
        max_detections: int = 100,
        anchor_sides: Sequence[float] = ANCHOR_SIDES,
        enlarge: float = 1,
        norm: NormLayer = nn.BatchNorm2d,
    ) -> None:
        super().__init__()
        if backbone not in DEPTHS:
            raise ValueError(f"the backbone of YOLACT is {' or '.join(DEPTHS)}, not {backbone!r}")
        self.num_classes = num_classes
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.top_k = top_k
        self.max_detections = max_detections
        self.anchor_sides = anchor_sides
        self.enlarge = enlarge

        channels = 4 * width
        self.backbone = ResNet(DEPTHS[backbone], width, norm, in_channels=in_channels)
        p6, p7 = (nn.Conv2d(channels, channels, 3, stride=2, padding=1) for _ in range(2))
        self.fpn = FPN(self.backbone.out_channels[1:], channels, extra=[p6, p7], mode="bilinear", relu=True)
        self.protonet = protonet(channels, prototypes)
        self.head = PredictionHead(channels, num_classes, prototypes)
        self.semantic = nn.Conv2d(channels, num_classes - 1, 1)  # trains the features and is not used after
        for part in (self.fpn, self.protonet, self.head, self.semantic):
            part.apply(xavier_initialise)

    def forward(
        self, images: Float[Tensor, "n c h w"], targets: Sequence[Mapping[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | list[dict[str, Tensor]]:
        levels = self.pyramid(images)
        prototypes = self.protonet(levels[0]).permute(0, 2, 3, 1)
        offsets, classes, coefficients = self.head(levels)
        priors = make_priors(levels, images, self.anchor_sides)

        if self.training:
            targets = check_targets(targets, len(images), self.num_classes)
            semantic = self.semantic(levels[0])
            return losses(images, targets, priors, offsets, classes, coefficients, prototypes, semantic)

        boxes = decode(offsets, priors, CODE_WEIGHTS)
        scores = classes.softmax(dim=-1)[..., 1:]
        return [
            self.detect(*one, images.shape[-2:]) for one in zip(boxes, scores, coefficients, prototypes, strict=True)
        ]

    def pyramid(self, images: Float[Tensor, "n c h w"]) -> list[Float[Tensor, "n d _ _"]]:
        """P3 to P7 of the images, enlarged if that was asked for."""
        if self.enlarge != 1:
            images = F.interpolate(images, scale_factor=self.enlarge, mode="bilinear")
        _, *features = self.backbone(images)
        return self.fpn(features)

    def detect(
        self,
        boxes: Float[Tensor, "p 4"],
        scores: Float[Tensor, "p foreground"],
        coefficients: Float[Tensor, "p k"],
        prototypes: Float[Tensor, "h w k"],
        image_size: Sequence[int],
    ) -> dict[str, Tensor]:
        """The instances of one image: choose boxes, mix their masks, crop, and only then enlarge."""
        prior, class_id = self.select(boxes, scores)
        boxes = clip_boxes_to_image(boxes[prior], image_size)
        crop = with_margin(rescale(boxes, image_size, prototypes.shape))
        masks = assemble_masks(prototypes, coefficients[prior], crop)
        masks = F.interpolate(masks[:, None], size=tuple(image_size), mode="bilinear") > 0.5
        return {"boxes": boxes, "labels": class_id + 1, "scores": scores[prior, class_id], "masks": masks}

    def select(
        self, boxes: Float[Tensor, "p 4"], scores: Float[Tensor, "p foreground"]
    ) -> tuple[Int[Tensor, " m"], Int[Tensor, " m"]]:
        """The priors that survive and their foreground classes, highest score first."""
        survivors = [torch.empty((2, 0), dtype=torch.int64, device=boxes.device)]
        for class_id in (scores > self.score_threshold).any(dim=0).nonzero().flatten():
            score, prior = scores[:, class_id].topk(min(self.top_k, len(scores)))
            score, prior = score[score > self.score_threshold], prior[score > self.score_threshold]
            prior = prior[fast_nms(boxes[prior], score, self.nms_threshold)]
            survivors.append(torch.stack((prior, class_id.expand_as(prior))))
        prior, class_id = torch.cat(survivors, dim=1)
        best = scores[prior, class_id].argsort(descending=True)[: self.max_detections]
        return prior[best], class_id[best]


def make_priors(
    levels: Sequence[Float[Tensor, "n c _ _"]],
    images: Float[Tensor, "n c h w"],
    sides: Sequence[float] = ANCHOR_SIDES,
) -> Float[Tensor, "p 4"]:
    """XYXY boxes in pixels around the centre of each cell of each level, row by row, one an aspect ratio.

    They grow with the image, as in the authors' settings for 400 and 700 pixels. The authors' code makes
    squares of these widths by mistake, and keeps them because its trained weights expect them; here the
    heights are those of the paper.
    """
    height, width = images.shape[-2:]
    root = images.new_tensor(ANCHOR_RATIOS).sqrt()
    shapes = torch.stack((root, 1 / root), dim=1) * math.sqrt(height * width) / 550
    priors = []
    for level, side in zip(levels, sides, strict=True):
        rows, columns = level.shape[-2:]
        y = (torch.arange(rows).to(images) + 0.5) * height / rows
        x = (torch.arange(columns).to(images) + 0.5) * width / columns
        centres = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[:, :, None]
        half = side * shapes / 2
        priors.append(torch.cat((centres - half, centres + half), dim=-1).flatten(0, 2))
    return torch.cat(priors)


def mask_logits(prototypes: Float[Tensor, "h w k"], coefficients: Float[Tensor, "m k"]) -> Float[Tensor, "m h w"]:
    """P Cᵀ with C through tanh, which lets a mask subtract a prototype as well as add it."""
    return (prototypes @ coefficients.tanh().T).permute(2, 0, 1)


def assemble_masks(
    prototypes: Float[Tensor, "h w k"], coefficients: Float[Tensor, "m k"], boxes: Float[Tensor, "m 4"]
) -> Float[Tensor, "m h w"]:
    """Probabilities σ(P Cᵀ), 0 outside of the boxes (XYXY in prototype pixels). Section 3.3 of the paper."""
    return mask_logits(prototypes, coefficients).sigmoid() * inside(boxes, prototypes.shape)


def inside(boxes: Float[Tensor, "m 4"], size: Sequence[int]) -> Bool[Tensor, "m h w"]:
    """Where x1 ≤ x < x2 and y1 ≤ y < y2 on a map of size (height, width, …)."""
    x1, y1, x2, y2 = boxes[:, :, None].unbind(dim=1)
    y, x = (torch.arange(side, device=boxes.device) for side in size[:2])
    return ((y1 <= y) & (y < y2))[:, :, None] & ((x1 <= x) & (x < x2))[:, None, :]


def with_margin(boxes: Float[Tensor, "m 4"]) -> Float[Tensor, "m 4"]:
    """One pixel larger on every side: a crop must not cut what the box regression missed by a hair."""
    return boxes + boxes.new_tensor([-1, -1, 1, 1])


def rescale(boxes: Float[Tensor, "m 4"], old: Sequence[int], new: Sequence[int]) -> Float[Tensor, "m 4"]:
    """Boxes on a map of size `old` (height, width, …) as boxes on one of size `new`."""
    y, x = new[0] / old[0], new[1] / old[1]
    return boxes * boxes.new_tensor([x, y, x, y])


def match_priors(boxes: Float[Tensor, "l 4"], priors: Float[Tensor, "p 4"]) -> Int[Tensor, " p"]:
    """For each prior the index of its object, BACKGROUND, or IGNORED where the IoU is in between.

    No object goes without: the best of all pairs is made first, then the best of the objects and priors left.
    """
    matches = match(boxes, priors, NEGATIVE_IOU, POSITIVE_IOU)
    iou = box_iou(boxes, priors)
    for _ in range(len(boxes)):
        best_object, best_prior = divmod(int(iou.argmax()), len(priors))
        matches[best_prior] = best_object
        iou[best_object] = -1
        iou[:, best_prior] = -1
    return matches


def losses(
    images: Float[Tensor, "n c h w"],
    targets: Sequence[Mapping[str, Tensor]],
    priors: Float[Tensor, "p 4"],
    *predictions: Float[Tensor, "n ..."],
) -> dict[str, Tensor]:
    """Sections 3.3 and 5 of the paper: sums over the priors, divided by the number of positives in the batch.

    `predictions` are offsets, class logits, coefficients, prototypes and semantic logits.
    """
    sums: dict[str, list[Tensor]] = {name: [] for name in GAINS}
    positives = []
    for target, *predicted in zip(targets, *predictions, strict=True):
        offsets, classes, coefficients, prototypes, semantic = predicted
        boxes, labels, masks = target["boxes"].to(priors), target["labels"], target["masks"].to(priors)
        matches = match_priors(boxes, priors)
        positive = matches >= 0
        truth = matches[positive]
        positives.append(positive.sum())

        sums["loss_classifier"].append(class_loss(classes, labels, matches))
        wanted = encode(boxes[truth], priors[positive], CODE_WEIGHTS)
        sums["loss_box_reg"].append(F.smooth_l1_loss(offsets[positive], wanted, reduction="sum"))
        small_boxes = rescale(boxes, images.shape[-2:], prototypes.shape)[truth]
        small_masks = shrink(masks, prototypes.shape[:2])[truth]
        sums["loss_mask"].append(mask_loss(prototypes, coefficients[positive], small_masks, small_boxes))
        sums["loss_semantic"].append(semantic_loss(semantic, masks, labels))

    counts = dict.fromkeys(GAINS, torch.stack(positives).sum().clamp(min=1))
    counts["loss_semantic"] = torch.tensor(len(targets))
    return {name: gain * torch.stack(sums[name]).sum() / counts[name] for name, gain in GAINS.items()}


def class_loss(
    logits: Float[Tensor, "p classes"], labels: Int[Tensor, " l"], matches: Int[Tensor, " p"]
) -> Float[Tensor, ""]:
    """Cross-entropy of the positives, and of three times as many negatives: those least like background."""
    positive = matches >= 0
    target = torch.zeros_like(matches)
    target[positive] = labels[matches[positive]]

    loss = F.cross_entropy(logits, target, reduction="none")
    negatives = loss[matches == BACKGROUND]
    hardest = negatives.topk(min(NEGATIVES_PER_POSITIVE * int(positive.sum()), len(negatives))).values
    return loss[positive].sum() + hardest.sum()


def mask_loss(
    prototypes: Float[Tensor, "h w k"],
    coefficients: Float[Tensor, "m k"],
    masks: Float[Tensor, "m h w"],
    boxes: Float[Tensor, "m 4"],
) -> Float[Tensor, ""]:
    """Binary cross-entropy inside the true boxes, over the box's area: a small object counts as much."""
    loss = F.binary_cross_entropy_with_logits(mask_logits(prototypes, coefficients), masks, reduction="none")
    cropped = loss * inside(with_margin(boxes), prototypes.shape)
    return (cropped.sum(dim=(1, 2)) / box_area(boxes)).sum()


def semantic_loss(
    logits: Float[Tensor, "foreground h w"],
    masks: Float[Tensor, "l image_h image_w"],
    labels: Int[Tensor, " l"],
) -> Float[Tensor, ""]:
    """Binary cross-entropy of a map for each class, which joins its instances; summed over the classes."""
    one_hot = F.one_hot(labels - 1, len(logits)).to(logits)
    joined = torch.einsum("lc,lhw->chw", one_hot, shrink(masks, logits.shape[1:]).to(logits)).clamp(max=1)
    return F.binary_cross_entropy_with_logits(logits, joined, reduction="none").sum(dim=0).mean()


def shrink(masks: Float[Tensor, "l image_h image_w"], size: Sequence[int]) -> Float[Tensor, "l h w"]:
    """Masks of 0 and 1 on a coarser grid, of 0 and 1 again."""
    small = F.interpolate(masks[:, None], size=tuple(size), mode="bilinear")[:, 0]
    return (small > 0.5).to(masks)


def xavier_initialise(module: nn.Module) -> None:
    """For `model.apply`, where every convolution has a bias."""
    if isinstance(module, nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.get_parameter("bias"))


def check_targets(
    targets: Sequence[Mapping[str, Tensor]] | None, images: int, num_classes: int
) -> Sequence[Mapping[str, Tensor]]:
    """The targets, if YOLACT can be trained on them."""
    if targets is None or len(targets) != images:
        given = "none" if targets is None else len(targets)
        raise ValueError(
            f"YOLACT trains on one target an image: {images} images, targets: {given}; "
            "to predict without targets call eval() first"
        )
    for target in targets:
        boxes, labels = target["boxes"], target["labels"]
        if (boxes[:, 2:] <= boxes[:, :2]).any():
            raise ValueError(f"boxes need x1 < x2 and y1 < y2; drop the empty ones of {boxes.tolist()}")
        if ((labels < 1) | (labels >= num_classes)).any():
            raise ValueError(f"labels go from 1 to num_classes − 1 = {num_classes - 1}, not {labels.tolist()}")
    return targets
