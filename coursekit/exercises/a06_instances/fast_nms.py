"""`fast_nms(boxes, scores, threshold)`: YOLACT's suppression of doubles, in which suppressed boxes still suppress."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchvision.ops import box_area, box_iou, nms

from coursekit import ops
from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

fast_nms = Exercise("fast_nms", forbids=(REFERENCE_OPS, REFERENCE_MODELS))

LECTURE = [[0.0, 0, 10, 5], [3, 0, 13, 5], [6, 0, 16, 5]]
Arguments = tuple[Tensor, Tensor, float]


def _expect_kept(answer: Answer, *cases: Arguments) -> None:
    for case, got in zip(cases, [answer(*case) for case in cases]):  # all calls first: they tell mistakes apart
        _compare(got, ops.fast_nms(*case))


def _compare(got: Any, expected: Tensor) -> None:
    if isinstance(got, tuple | list) and not any(isinstance(k, bool) for k in got):
        got = torch.tensor([int(k) for k in got], dtype=torch.int64)
    seen = expect.a_tensor(got, what="the indices")
    expect.that(seen.dtype != torch.bool, "the indices of the boxes are asked for; yours are True and False")
    if sorted(seen.flatten().tolist()) != sorted(expected.tolist()):
        raise expect.CheckFailed(f"kept should be {expected.tolist()}; yours are {seen.flatten().tolist()[:40]}")
    expect.close(seen, expected, "the order of the indices")


def _crowd(draw: Draw, count: int, threshold: float, side: float = 20.0) -> Arguments:
    """Boxes of which Fast NMS keeps at least three, and NMS more; no IoU within 0.001 of the threshold."""
    while True:
        size = draw.uniform(count, 2, low=0.3 * side, high=0.8 * side)
        corner = draw.uniform(count, 2, high=side)
        boxes = torch.cat([corner, corner + size], dim=1)
        scores = (torch.randperm(count, generator=draw.generator) + 1.0) / (count + 2)
        kept = ops.fast_nms(boxes, scores, threshold)
        clear = ((box_iou(boxes, boxes) - threshold).abs() > 1e-3).all()
        if clear and 3 <= len(kept) < len(nms(boxes, scores, threshold)):
            return boxes, scores, threshold


@fast_nms.check(points=0.5)
def three_boxes(answer: Answer, draw: Draw) -> None:
    """Three boxes in a row: the lecture's, and others."""
    x, step = draw.uniform(2, low=2.0, high=3.0).tolist()
    chain = torch.tensor([[x + i * step, x, x + i * step + 10, 2 * x + 7] for i in range(3)])
    lecture = torch.tensor(LECTURE), torch.tensor([0.9, 0.8, 0.7]), 0.5
    _expect_kept(answer, lecture, (chain[[2, 0, 1]], torch.tensor([0.1, 0.35, 0.2]), 0.5))


@fast_nms.check(points=1)
def any_boxes(answer: Answer, draw: Draw) -> None:
    """Any boxes, scores and threshold; suppressed boxes still suppress, and the result runs by falling score."""
    kinds = ((0.5, 20.0), (0.3, 100.0), (draw.uniform(low=0.35, high=0.6).item(), 20.0), (0.4, 1.0))
    crowds = [_crowd(draw, draw.integer(12, 16), threshold, side) for threshold, side in kinds]
    x, y = draw.uniform(2, high=5.0).tolist()
    apart = torch.tensor([[x, y, x + 10, y + 10], [x + 19, y + 19, x + 29, y + 29], [x + 2, y + 19, x + 12, y + 29]])
    _expect_kept(answer, *crowds, (apart, torch.tensor([0.3, 0.9, 0.6]), 0.5))


@fast_nms.check(points=0.5, needs="any_boxes")
def good_manners(answer: Answer, draw: Draw) -> None:
    """Takes float64, and leaves its input alone."""
    boxes, scores, threshold = _crowd(draw, 12, 0.5)
    properties.leaves_alone(answer, boxes, scores, threshold)
    _expect_kept(answer, (boxes.double(), scores.double(), threshold))


def _suppressed_by(
    overlaps: Callable[[Tensor], Tensor], boxes: Tensor, scores: Tensor, threshold: float
) -> tuple[Tensor, Tensor]:
    """Which boxes, by falling score, overlap a better one too much by another measure; and that order."""
    order = scores.argsort(descending=True)
    return (overlaps(boxes[order]).triu(diagonal=1) > threshold).any(dim=0), order


def _kept_by(overlaps: Callable[[Tensor], Tensor], boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    dropped, order = _suppressed_by(overlaps, boxes, scores, threshold)
    return order[~dropped]


def _iou(boxes: Tensor) -> Tensor:
    result: Tensor = box_iou(boxes, boxes)
    return result


def _intersections(boxes: Tensor) -> Tensor:
    sides = torch.min(boxes[:, None, 2:], boxes[None, :, 2:]) - torch.max(boxes[:, None, :2], boxes[None, :, :2])
    return sides.clamp(min=0).prod(dim=-1)


@fast_nms.mistake
def ordinary_nms(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """This is NMS, in which a suppressed box does nothing more; in Fast NMS it still suppresses others."""
    result: Tensor = nms(boxes, scores, threshold)
    return result


@fast_nms.mistake
def worse_boxes_suppress(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Boxes are suppressed by *worse* ones: which triangle of the matrix holds the better ones?"""
    order = scores.argsort(descending=True)
    return order[~(_iou(boxes[order]).tril(diagonal=-1) > threshold).any(dim=0)]


@fast_nms.mistake
def suppressed_by_itself(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Nothing is kept: every box overlaps itself with IoU 1. What about the diagonal?"""
    order = scores.argsort(descending=True)
    return order[~(_iou(boxes[order]).triu() > threshold).any(dim=0)]


@fast_nms.mistake
def every_neighbour_suppresses(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Of two that overlap both are dropped; the better one should stay."""
    order = scores.argsort(descending=True)
    iou = _iou(boxes[order]).fill_diagonal_(0)
    return order[~(iou > threshold).any(dim=0)]


@fast_nms.mistake
def scores_not_used(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The boxes are compared in the order in which they were given: sort them by score first."""
    return (~(_iou(boxes).triu(diagonal=1) > threshold).any(dim=0)).nonzero()[:, 0]


@fast_nms.mistake
def sorted_by_rising_score(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The worst boxes win: the scores should fall."""
    return _kept_by(_iou, boxes, -scores, threshold)


@fast_nms.mistake
def places_in_the_sorted_list(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The right boxes, with their places *after* sorting: lead the indices back to the boxes as they were given."""
    return (~_suppressed_by(_iou, boxes, scores, threshold)[0]).nonzero()[:, 0]


@fast_nms.mistake
def in_the_given_order(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The right indices in the order of the boxes; they should run by falling score."""
    return _kept_by(_iou, boxes, scores, threshold).sort().values


@fast_nms.mistake
def only_the_next_better_one(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Each box is compared with the next better one only; it should be with all better ones."""
    order = scores.argsort(descending=True)
    with_next = torch.cat([scores.new_zeros(1).to(boxes.dtype), _iou(boxes[order]).diagonal(1)])
    return order[with_next <= threshold]


@fast_nms.mistake
def compared_with_the_best_only(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Each box is compared with the very best one only; it should be with all better ones."""
    order = scores.argsort(descending=True)
    with_best = _iou(boxes[order])[0]
    with_best[0] = 0
    return order[with_best <= threshold]


@fast_nms.mistake
def pixels_counted_in(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Widths and heights are x2 − x1 + 1, an old habit: with coordinates that are not whole pixels it is wrong."""
    return _kept_by(lambda b: _iou(b + b.new_tensor([0, 0, 1, 1])), boxes, scores, threshold)


@fast_nms.mistake
def union_not_subtracted(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The intersection is counted twice in the union: take it off once."""
    return _kept_by(lambda b: _intersections(b) / (box_area(b)[:, None] + box_area(b)), boxes, scores, threshold)


@fast_nms.mistake
def share_of_the_smaller_box(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The intersection was divided by the smaller box's area; it should be by the union's."""
    return _kept_by(
        lambda b: _intersections(b) / torch.min(box_area(b)[:, None], box_area(b)), boxes, scores, threshold
    )


@fast_nms.mistake
def share_of_its_own_area(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The intersection was divided by the box's own area; it should be by the area of the union."""
    return _kept_by(lambda b: _intersections(b) / box_area(b), boxes, scores, threshold)


@fast_nms.mistake
def negative_sides(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Boxes far apart count as overlapping: the product of two negative sides is positive."""

    def overlaps(b: Tensor) -> Tensor:
        sides = torch.min(b[:, None, 2:], b[None, :, 2:]) - torch.max(b[:, None, :2], b[None, :, :2])
        intersection = sides.prod(dim=-1)
        return intersection / (box_area(b)[:, None] + box_area(b) - intersection)

    return _kept_by(overlaps, boxes, scores, threshold)


@fast_nms.mistake
def suppressed_ones_returned(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """These are the boxes that are dropped; those that are kept are asked for."""
    dropped, order = _suppressed_by(_iou, boxes, scores, threshold)
    return order[dropped]


@fast_nms.mistake
def true_and_false(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """A mask of True and False came back; the indices of the boxes that are kept are asked for."""
    return torch.zeros(len(boxes), dtype=torch.bool).index_fill(0, ops.fast_nms(boxes, scores, threshold), True)


@fast_nms.mistake
def boxes_returned(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The boxes themselves came back; their indices are asked for."""
    return boxes[ops.fast_nms(boxes, scores, threshold)]


def changes_its_input(boxes: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The boxes or scores are not the same after the call: something wrote into them."""
    result = ops.fast_nms(boxes, scores, threshold)
    scores.copy_(scores.sort(descending=True).values)
    return result


fast_nms.mistake(changes_its_input, right_values=True)
