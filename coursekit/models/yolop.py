"""YOLOP: one encoder and three heads see the traffic, the drivable area and the lane lines in one pass.

Wu et al., *YOLOP: You only look once for panoptic driving perception*, Machine Intelligence Research 2022.
The encoder is CSPDarknet with spatial pyramid pooling and a feature pyramid; the detector is that of YOLOv5.
"""

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn
from torchvision.ops import box_convert, complete_box_iou_loss

from coursekit.models.boxes import keep_best

STRIDES = (8, 16, 32)
ANCHORS = (  # width and height in pixels, three a stride, clustered on BDD100K at 640 × 640
    ((3, 9), (5, 11), (4, 20)),
    ((7, 18), (6, 39), (12, 31)),
    ((19, 50), (38, 81), (68, 157)),
)
ANCHOR_RATIO = 4.0  # an anchor answers for a box when neither side differs by this factor
SCALE_BALANCE = (4.0, 1.0, 0.4)  # objectness: the fine map has many cells, so its mean is small
GAINS = {
    "loss_box_reg": 0.05,
    "loss_objectness": 1.0,
    "loss_classifier": 0.5,
    "loss_drivable": 0.2,
    "loss_lane": 0.2,
    "loss_lane_iou": 0.2,
}
IGNORE_INDEX = 255


def conv(in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, Hardswish; only the stride changes the size."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.03),
        nn.Hardswish(),
    )


def upsample(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c 2*h 2*w"]:
    """Twice the size, every pixel repeated."""
    return F.interpolate(x, scale_factor=2)


class Bottleneck(nn.Module):
    """1×1, then 3×3 convolution, with the input added if `shortcut`."""

    def __init__(self, channels: int, shortcut: bool) -> None:
        super().__init__()
        self.convs = nn.Sequential(conv(channels, channels), conv(channels, channels, 3))
        self.shortcut = shortcut

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        return x + self.convs(x) if self.shortcut else self.convs(x)


class CSP(nn.Module):
    """Cross stage partial block: one half of the channels passes the bottlenecks, the other goes round them.

    Wang et al., *CSPNet*, CVPR workshops 2020.
    """

    def __init__(self, in_channels: int, out_channels: int, bottlenecks: int = 1, shortcut: bool = False) -> None:
        super().__init__()
        half = out_channels // 2
        self.deep = nn.Sequential(
            conv(in_channels, half),
            *[Bottleneck(half, shortcut) for _ in range(bottlenecks)],
            nn.Conv2d(half, half, 1, bias=False),
        )
        self.short = nn.Conv2d(in_channels, half, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * half, eps=1e-3, momentum=0.03)
        self.merge = conv(2 * half, out_channels)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        both = torch.cat((self.deep(x), self.short(x)), dim=1)
        return self.merge(F.leaky_relu(self.norm(both), 0.1))


class SPP(nn.Module):
    """Spatial pyramid pooling: the map beside its maxima over 5×5, 9×9 and 13×13 neighbourhoods."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = conv(channels, channels // 2)
        self.pools = nn.ModuleList(nn.MaxPool2d(size, stride=1, padding=size // 2) for size in (5, 9, 13))
        self.merge = conv(2 * channels, channels)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
        x = self.reduce(x)
        return self.merge(torch.cat((x, *(pool(x) for pool in self.pools)), dim=1))


class Encoder(nn.Module):
    """CSPDarknet and the way back up: maps of strides 8, 16 and 32 with 8, 4 and 8 · `width` channels."""

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        w = width
        self.stem = nn.Sequential(  # "Focus": a 2×2 block of pixels becomes four times the channels
            nn.PixelUnshuffle(2), conv(4 * in_channels, w, 3)
        )
        self.stage2 = nn.Sequential(conv(w, 2 * w, 3, 2), CSP(2 * w, 2 * w, 1, shortcut=True))
        self.stage3 = nn.Sequential(conv(2 * w, 4 * w, 3, 2), CSP(4 * w, 4 * w, 3, shortcut=True))
        self.stage4 = nn.Sequential(conv(4 * w, 8 * w, 3, 2), CSP(8 * w, 8 * w, 3, shortcut=True))
        self.stage5 = nn.Sequential(conv(8 * w, 16 * w, 3, 2), SPP(16 * w), CSP(16 * w, 16 * w))
        self.lateral5 = conv(16 * w, 8 * w)
        self.merge4 = CSP(16 * w, 8 * w)
        self.lateral4 = conv(8 * w, 4 * w)

    def forward(
        self, x: Float[Tensor, "n c h w"]
    ) -> tuple[Float[Tensor, "n c3 h3 w3"], Float[Tensor, "n c4 h4 w4"], Float[Tensor, "n c5 h5 w5"]]:
        c3 = self.stage3(self.stage2(self.stem(x)))
        c4 = self.stage4(c3)
        p5 = self.lateral5(self.stage5(c4))
        p4 = self.lateral4(self.merge4(torch.cat((upsample(p5), c4), dim=1)))
        p3 = torch.cat((upsample(p4), c3), dim=1)
        return p3, p4, p5


class Detector(nn.Module):
    """A path back down, then for each stride, anchor and cell the logits of box, objectness and classes."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        w = width
        self.merge3 = CSP(8 * w, 4 * w)
        self.down3 = conv(4 * w, 4 * w, 3, 2)
        self.merge4 = CSP(8 * w, 8 * w)
        self.down4 = conv(8 * w, 8 * w, 3, 2)
        self.merge5 = CSP(16 * w, 16 * w)
        self.outputs = nn.ModuleList(
            nn.Conv2d(channels, len(anchors) * (5 + num_classes), 1)
            for channels, anchors in zip((4 * w, 8 * w, 16 * w), ANCHORS, strict=True)
        )
        self._start_with_few_objects(num_classes)

    @torch.no_grad()
    def _start_with_few_objects(self, num_classes: int) -> None:
        """Biases for 8 objects in 640 × 640 pixels; else the many empty cells would fill the first steps."""
        for output, stride, anchors in zip(self.outputs, STRIDES, ANCHORS, strict=True):
            bias = output.get_parameter("bias").view(len(anchors), -1)
            bias[:, 4] += math.log(8 / (640 / stride) ** 2)
            bias[:, 5:] += math.log(0.6 / (num_classes - 0.99))

    def forward(
        self,
        p3: Float[Tensor, "n c3 h3 w3"],
        p4: Float[Tensor, "n c4 h4 w4"],
        p5: Float[Tensor, "n c5 h5 w5"],
    ) -> list[Float[Tensor, "n anchors h w 5+classes"]]:
        n3 = self.merge3(p3)
        n4 = self.merge4(torch.cat((self.down3(n3), p4), dim=1))
        n5 = self.merge5(torch.cat((self.down4(n4), p5), dim=1))
        maps = [output(level) for output, level in zip(self.outputs, (n3, n4, n5), strict=True)]
        return [m.unflatten(1, (len(a), -1)).permute(0, 1, 3, 4, 2) for m, a in zip(maps, ANCHORS, strict=True)]


def segmentation_head(width: int) -> nn.Sequential:
    """From the map of stride 8 to 2 logits a pixel of the image, by three nearest-neighbour upsamplings."""
    w = width
    return nn.Sequential(
        conv(8 * w, 4 * w, 3),
        nn.Upsample(scale_factor=2),
        CSP(4 * w, 2 * w),
        conv(2 * w, w, 3),
        nn.Upsample(scale_factor=2),
        conv(w, w // 2, 3),
        CSP(w // 2, w // 4),
        nn.Upsample(scale_factor=2),
        *conv(w // 4, 2, 3)[:-1],  # no activation: Hardswish would keep every logit above −3/8
    )


class YOLOP(nn.Module):
    """Traffic objects, drivable area and lane lines of images (N, `in_channels`, H, W), in one pass.

    In training `model(images, targets)` returns a dict of losses, whose sum is to be minimised:
    `loss_box_reg` (1 − complete IoU), `loss_objectness`, `loss_classifier` (which the authors leave out when
    there is one class), `loss_drivable`, `loss_lane` (binary cross-entropies) and `loss_lane_iou`; each has
    its gain already. A target is a dict of one image: `boxes` (L, 4) XYXY in pixels; `labels` (L,) from 1 to
    `num_classes`, as in torchvision, where 0 is the background, though a YOLO has no class for it; `drivable`
    and `lane` (H, W), 1 where there is some, 0 where not, 255 where nobody knows.

    In evaluation `model(images)` returns a dict: `detections` holds for each image a dict of `boxes` (L, 4),
    `labels` (L,) and `scores` (L,), highest first; `drivable` and `lane` are logits (N, 2, H, W), whose
    argmax is the map. For a precision-recall curve the authors set `score_threshold` to 0.001,
    `nms_threshold` to 0.6.

    The authors close both segmentation heads with Hardswish and a sigmoid, and then apply a cross-entropy
    that takes logits; their lane IoU counts pixels after an argmax, so that no gradient comes of it. Here the
    heads end in logits, and the IoU is that of the probabilities. The network has their 7,940,846 parameters.

    `width` is the number of channels of the first layer, a multiple of 8; all others follow from it. H and W
    are multiples of 32. Raises ValueError for another width or size, and for targets that are missing or
    wrong.
    """

    anchors: Tensor

    def __init__(
        self,
        num_classes: int = 1,
        in_channels: int = 3,
        width: int = 32,
        *,
        score_threshold: float = 0.25,
        nms_threshold: float = 0.45,
        max_detections: int = 300,
    ) -> None:
        super().__init__()
        if width < 8 or width % 8:
            raise ValueError(f"the width of YOLOP must be a multiple of 8, because its heads divide it by 8: {width}")
        self.num_classes = num_classes
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold
        self.max_detections = max_detections
        self.encoder = Encoder(in_channels, width)
        self.detector = Detector(num_classes, width)
        self.drivable = segmentation_head(width)
        self.lane = segmentation_head(width)
        self.register_buffer("anchors", torch.tensor(ANCHORS, dtype=torch.get_default_dtype()), persistent=False)

    def forward(
        self, images: Float[Tensor, "n c h w"], targets: Sequence[Mapping[str, Tensor]] | None = None
    ) -> dict[str, Tensor] | dict[str, list[dict[str, Tensor]] | Tensor]:
        check_size(images)
        p3, p4, p5 = self.encoder(images)
        # Boxes are in pixels, for which the half precision of autocast is too coarse.
        predictions = [prediction.to(self.anchors) for prediction in self.detector(p3, p4, p5)]
        drivable, lane = self.drivable(p3), self.lane(p3)
        if not self.training:
            return {"detections": self.detect(predictions, images), "drivable": drivable, "lane": lane}

        targets = check_targets(targets, len(images), self.num_classes)
        drivable_target = torch.stack([target["drivable"] for target in targets])
        lane_target = torch.stack([target["lane"] for target in targets])
        losses = {
            **self.detection_losses(predictions, targets),
            "loss_drivable": segmentation_loss(drivable, drivable_target),
            "loss_lane": segmentation_loss(lane, lane_target),
            "loss_lane_iou": lane_iou_loss(lane, lane_target),
        }
        return {name: GAINS[name] * loss for name, loss in losses.items()}

    def detection_losses(
        self, predictions: list[Float[Tensor, "n a h w d"]], targets: Sequence[Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """Means over the anchors in charge (for objectness over all), summed over the three strides."""
        boxes = torch.cat([target["boxes"] for target in targets]).to(self.anchors)
        classes = torch.cat([target["labels"] for target in targets]) - 1
        counts = torch.tensor([len(target["labels"]) for target in targets], device=boxes.device)
        image = torch.arange(len(targets), device=boxes.device).repeat_interleave(counts)
        box_losses, objectness_losses, class_losses = [], [], []
        scales = zip(predictions, self.anchors, STRIDES, SCALE_BALANCE, strict=True)
        for prediction, anchors, stride, balance in scales:
            truth, anchor, row, column = assign(boxes, anchors, stride, prediction.shape[2:4])
            assigned = (image[truth], anchor, row, column)

            box_loss = complete_box_iou_loss(decode_boxes(prediction, anchors, stride)[assigned], boxes[truth])
            box_losses.append(box_loss.sum() / max(len(truth), 1))

            objectness = torch.zeros_like(prediction[..., 4])
            objectness[assigned] = (1 - box_loss.detach()).clamp(min=0)  # be as sure as the box is good
            objectness_losses.append(balance * F.binary_cross_entropy_with_logits(prediction[..., 4], objectness))

            one_hot = F.one_hot(classes[truth], self.num_classes).to(prediction)
            class_loss = F.binary_cross_entropy_with_logits(prediction[assigned][:, 5:], one_hot, reduction="sum")
            class_losses.append(class_loss / max(one_hot.numel(), 1))
        return {
            "loss_box_reg": torch.stack(box_losses).sum(),
            "loss_objectness": torch.stack(objectness_losses).sum(),
            "loss_classifier": torch.stack(class_losses).sum(),
        }

    def detect(
        self, predictions: list[Float[Tensor, "n a h w d"]], images: Float[Tensor, "n c h w"]
    ) -> list[dict[str, Tensor]]:
        """The boxes of each image that score enough and survive non-maximum suppression in their class."""
        boxes = torch.cat(
            [
                decode_boxes(prediction, anchors, stride).flatten(1, 3)
                for prediction, anchors, stride in zip(predictions, self.anchors, STRIDES, strict=True)
            ],
            dim=1,
        )
        probabilities = torch.cat([prediction[..., 4:].flatten(1, 3) for prediction in predictions], dim=1).sigmoid()
        scores = probabilities[..., :1] * probabilities[..., 1:]
        detections = []
        for image_boxes, image_scores in zip(boxes, scores, strict=True):
            candidate, class_id = (image_scores > self.score_threshold).nonzero(as_tuple=True)
            best_boxes, best_scores, best_classes = keep_best(
                image_boxes[candidate],
                image_scores[candidate, class_id],
                class_id,
                (images.shape[2], images.shape[3]),
                min_side=1,
                iou_threshold=self.nms_threshold,
                count=self.max_detections,
            )
            detections.append({"boxes": best_boxes, "labels": best_classes + 1, "scores": best_scores})
        return detections


def decode_boxes(
    prediction: Float[Tensor, "n a h w d"], anchors: Float[Tensor, "a 2"], stride: int
) -> Float[Tensor, "n a h w 4"]:
    """XYXY boxes in pixels from the first four logits of a cell.

    The centre may lie half a cell outside of its cell, and a side may be up to 4 times the anchor's.
    """
    height, width = prediction.shape[2:4]
    rows = torch.arange(height, device=prediction.device)
    columns = torch.arange(width, device=prediction.device)
    cells = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)
    twice = 2 * prediction[..., :4].sigmoid()
    centres = (twice[..., :2] - 0.5 + cells) * stride
    sides = twice[..., 2:] ** 2 * anchors[:, None, None]
    return box_convert(torch.cat((centres, sides), dim=-1), "cxcywh", "xyxy")


def assign(
    boxes: Float[Tensor, "t 4"], anchors: Float[Tensor, "a 2"], stride: int, size: Sequence[int]
) -> tuple[Int[Tensor, " k"], Int[Tensor, " k"], Int[Tensor, " k"], Int[Tensor, " k"]]:
    """Who answers for which box at one stride: indices of box, anchor, row and column.

    Every anchor of a similar shape does, in the cell of the box's centre and in the nearest cell on either
    axis, from which the centre can be reached too: up to three times as many positives as one cell would
    give.
    """
    height, width = size
    centres, sides = box_convert(boxes, "xyxy", "cxcywh").split(2, dim=1)
    ratios = sides[:, None] / anchors
    similar = torch.maximum(ratios, 1 / ratios).amax(dim=2) < ANCHOR_RATIO

    shifts = boxes.new_tensor([[0, 0], [-0.5, 0], [0.5, 0], [0, -0.5], [0, 0.5]])
    cells = (centres[:, None] / stride + shifts).floor().long()
    inside = ((cells >= 0) & (cells < cells.new_tensor([width, height]))).all(dim=2)
    another = (cells != cells[:, :1]).any(dim=2)
    another[:, 0] = True
    truth, anchor, shift = (similar[:, :, None] & (inside & another)[:, None]).nonzero(as_tuple=True)
    column, row = cells[truth, shift].unbind(dim=1)
    return truth, anchor, row, column


def segmentation_loss(logits: Float[Tensor, "n 2 h w"], target: Int[Tensor, "n h w"]) -> Float[Tensor, ""]:
    """Binary cross-entropy of both channels, mean over the pixels that are known."""
    known = target != IGNORE_INDEX
    one_hot = F.one_hot(target.long().where(known, 0), 2).movedim(3, 1).to(logits)
    loss = F.binary_cross_entropy_with_logits(logits, one_hot, reduction="none").mean(dim=1)
    return loss[known].sum() / known.sum().clamp(min=1)


def lane_iou_loss(logits: Float[Tensor, "n 2 h w"], target: Int[Tensor, "n h w"]) -> Float[Tensor, ""]:
    """1 − soft IoU of the batch's lane pixels: lanes are thin, and a mean over pixels hardly feels them."""
    known = target != IGNORE_INDEX
    probability = logits[:, 1].sigmoid()[known]
    lane = (target == 1)[known].to(logits)
    intersection = (probability * lane).sum()
    union = (probability + lane).sum() - intersection
    return 1 - intersection / union.clamp(min=1e-6)


def check_size(images: Tensor) -> None:
    """Five halvings must come out even, or what is upsampled does not fit what it is joined to."""
    sides, coarsest = images.shape[-2:], STRIDES[-1]
    if any(side % coarsest for side in sides):
        fits = " × ".join(str(math.ceil(side / coarsest) * coarsest) for side in sides)
        raise ValueError(
            f"YOLOP takes images whose sides are multiples of {coarsest}, not {sides[0]} × {sides[1]}; "
            f"pad or resize them, for instance to {fits}"
        )


def check_targets(
    targets: Sequence[Mapping[str, Tensor]] | None, images: int, num_classes: int
) -> Sequence[Mapping[str, Tensor]]:
    """The targets, if YOLOP can be trained on them."""
    if targets is None or len(targets) != images:
        given = "none" if targets is None else len(targets)
        raise ValueError(
            f"YOLOP trains on one target an image: {images} images, targets: {given}; "
            "to predict without targets call eval() first"
        )
    for target in targets:
        missing = {"boxes", "labels", "drivable", "lane"} - target.keys()
        if missing:
            raise ValueError(f"a target of YOLOP lacks {', '.join(sorted(missing))}")
        labels = target["labels"]
        if ((labels < 1) | (labels > num_classes)).any():
            raise ValueError(f"labels go from 1 to num_classes = {num_classes}, not {labels.tolist()}")
    return targets
