"""What the detectors do with boxes: lay anchors, code offsets, match with objects, sample for a loss.

Boxes are (x1, y1, x2, y2) in pixels of the image. Ren et al., *Faster R-CNN: Towards real-time object
detection with region proposal networks*, NeurIPS 2015, section 3.1.
"""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import batched_nms, box_convert, box_iou, clip_boxes_to_image, remove_small_boxes

BACKGROUND = -1
IGNORED = -2

# A predicted box is at most 1000 / 16 times as wide or high as its reference: exp() must not overflow.
LARGEST_LOG_SCALE = math.log(1000 / 16)


def grid_anchors(
    grid_size: tuple[int, int], images: Tensor, side: float, ratios: Sequence[float]
) -> Float[Tensor, "k 4"]:
    """The anchors of one level: at each cell, row by row, a box of area side² for each height / width.

    `images` is the batch, whose size, dtype and device they get. Two habits of torchvision matter to trained
    weights: an anchor's centre is the cell's top left corner, and the step is the image's size // the grid's,
    which on an odd grid is not the level's stride (800 // 13 = 61, where the stride is 64).
    """
    root = torch.tensor(ratios, dtype=images.dtype, device=images.device).sqrt()
    width, height = side / root, side * root
    shapes = (torch.stack([-width, -height, width, height], dim=1) / 2).round()
    steps = (images.shape[-2] // grid_size[0], images.shape[-1] // grid_size[1])
    y, x = (torch.arange(n, device=images.device) * step for n, step in zip(grid_size, steps, strict=True))
    y, x = torch.meshgrid(y, x, indexing="ij")
    centres = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
    return (centres + shapes).reshape(-1, 4)


def encode(
    boxes: Float[Tensor, "*k 4"],
    references: Float[Tensor, "*k 4"],
    weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
) -> Float[Tensor, "*k 4"]:
    """Offsets that lead from references to boxes, which are the regression's targets.

    The centre's move is in units of the reference's size, the change of size a logarithm. `weights` bring the
    four numbers to similar variance.
    """
    x, y, w, h = box_convert(boxes, "xyxy", "cxcywh").unbind(-1)
    rx, ry, rw, rh = box_convert(references, "xyxy", "cxcywh").unbind(-1)
    offsets = torch.stack([(x - rx) / rw, (y - ry) / rh, (w / rw).log(), (h / rh).log()], dim=-1)
    return offsets * offsets.new_tensor(weights)


def decode(
    offsets: Float[Tensor, "*k 4"],
    references: Float[Tensor, "*k 4"],
    weights: Sequence[float] = (1.0, 1.0, 1.0, 1.0),
) -> Float[Tensor, "*k 4"]:
    """Boxes from offsets and references: the inverse of `encode`, up to the bound on the size."""
    dx, dy, dw, dh = (offsets / offsets.new_tensor(weights)).unbind(-1)
    rx, ry, rw, rh = box_convert(references, "xyxy", "cxcywh").unbind(-1)
    w = rw * dw.clamp(max=LARGEST_LOG_SCALE).exp()
    h = rh * dh.clamp(max=LARGEST_LOG_SCALE).exp()
    return box_convert(torch.stack([rx + dx * rw, ry + dy * rh, w, h], dim=-1), "cxcywh", "xyxy")


def match(
    objects: Float[Tensor, "g 4"],
    boxes: Float[Tensor, "k 4"],
    low: float,
    high: float,
    claim_best: bool = False,
) -> Int[Tensor, " k"]:
    """For each box the index of the object it overlaps most, or BACKGROUND, or IGNORED.

    An IoU of at least `high` is a match, one below `low` background; in between the box takes no part in the
    loss. With `claim_best` each object also claims the boxes nearest to it, however little they overlap, so
    that none is left without.
    """
    if len(objects) == 0:
        return torch.full((len(boxes),), BACKGROUND, device=boxes.device)
    iou = box_iou(objects, boxes)
    overlap, nearest = iou.max(dim=0)
    matches = nearest.masked_fill(overlap < high, IGNORED).masked_fill(overlap < low, BACKGROUND)
    if claim_best:
        claimed = (iou == iou.amax(dim=1, keepdim=True)).any(dim=0)
        matches = torch.where(claimed, nearest, matches)
    return matches


def sample(
    matches: Int[Tensor, " k"], count: int, positive_fraction: float
) -> tuple[Int[Tensor, " p"], Int[Tensor, " n"]]:
    """Indices of positives and of negatives drawn at random, `count` together if there are as many.

    At most `positive_fraction` of them are positives; negatives fill the rest. Without this the background,
    a thousand times as frequent, would be all that the loss sees.
    """
    positive = torch.where(matches >= 0)[0]
    negative = torch.where(matches == BACKGROUND)[0]
    num_positive = min(len(positive), int(count * positive_fraction))
    num_negative = min(len(negative), count - num_positive)
    return (
        positive[torch.randperm(len(positive), device=positive.device)[:num_positive]],
        negative[torch.randperm(len(negative), device=negative.device)[:num_negative]],
    )


def keep_best(
    boxes: Float[Tensor, "k 4"],
    scores: Float[Tensor, " k"],
    groups: Int[Tensor, " k"],
    image_size: tuple[int, int],
    *,
    min_side: float,
    iou_threshold: float,
    count: int,
) -> tuple[Float[Tensor, "m 4"], Float[Tensor, " m"], Int[Tensor, " m"]]:
    """Boxes, scores and groups of the `count` best boxes, best first, without repetitions.

    Boxes are clipped to the image and dropped if less than `min_side` is left. Then a box goes if it overlaps
    a better one of its group by more than `iou_threshold` (non-maximum suppression): a group is a level of the
    pyramid or a class.
    """
    boxes = clip_boxes_to_image(boxes, image_size)
    large = remove_small_boxes(boxes, min_side)
    boxes, scores, groups = boxes[large], scores[large], groups[large]
    best = batched_nms(boxes, scores, groups, iou_threshold)[:count]
    return boxes[best], scores[best], groups[best]
