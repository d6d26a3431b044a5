"""`mask_iou(a, b)`: the IoU of every mask of one set with every mask of another, (M, H, W), (K, H, W) → (M, K)."""

import torch
from torch import Tensor

from coursekit import metrics
from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_METRICS

mask_iou = Exercise("mask_iou", forbids=(REFERENCE_METRICS,))


def _expect(answer: Answer, *cases: tuple[Tensor, Tensor]) -> None:
    """All cases are answered before the first is judged, so that like mistakes can be told apart."""
    results = [answer(*case) for case in cases]
    for result, case in zip(results, cases, strict=True):
        expect.close(result, metrics.mask_iou(*case))


def _masks(draw: Draw, count: int, height: int, width: int) -> Tensor:
    """Spotted masks of many sizes: none is empty, no two are alike, and they are no boxes."""
    share = 0.2 + 0.7 * torch.rand(count, 1, 1, generator=draw.generator)
    masks = draw.uniform(count, height, width) < share
    masks[:, 0, 0] = True
    return masks


@mask_iou.check(points=0.5)
def small_masks(answer: Answer, draw: Draw) -> None:
    """Two masks and one of 2 × 3 pixels: the printed ones, and others."""
    a = torch.tensor([[[1, 1, 0], [1, 0, 0]], [[0, 0, 0], [0, 1, 1]]]).bool()
    b = torch.tensor([[[1, 1, 1], [0, 0, 1]]]).bool()
    _expect(answer, (a, b), (_masks(draw, 2, 2, 3), _masks(draw, 1, 2, 3)))


@mask_iou.check(points=0.5)
def any_shape(answer: Answer, draw: Draw) -> None:
    """Any number of masks on either side, any size; masks that do not meet have 0."""
    cases = []
    as_many = draw.integer(2, 4)
    for m, k in ((3, 2), (draw.integer(2, 3), draw.integer(4, 5)), (1, 1), (as_many, as_many)):
        height, width = draw.integer(4, 6), draw.integer(7, 9)
        a, b = _masks(draw, m, height, width), _masks(draw, k, height, width)
        b[0] = ~a[0]
        b[0, 0, 1] = True
        a[0, 0, 1] = False
        cases.append((a, b))
    _expect(answer, *cases)


@mask_iou.check(points=0.5, needs="any_shape")
def large_masks(answer: Answer, draw: Draw) -> None:
    """Masks of more than 255 pixels; they are left as they were."""
    a, b = _masks(draw, 2, 24, 31), _masks(draw, 3, 24, 31)
    a[0], b[0] = True, True
    b[0, 0] = False
    properties.leaves_alone(answer, a, b)
    _expect(answer, (a, b))


def _counts(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Intersections (M, K), and the areas (M, 1) and (K)."""
    left, right = a.flatten(1).double(), b.flatten(1).double()
    return left @ right.T, left.sum(1)[:, None], right.sum(1)


@mask_iou.mistake
def union_not_subtracted(a: Tensor, b: Tensor) -> Tensor:
    """The sum of the two areas counts their common pixels twice; a union counts them once."""
    both, left, right = _counts(a, b)
    return both / (left + right)


@mask_iou.mistake
def dice(a: Tensor, b: Tensor) -> Tensor:
    """This is the Dice score, always at least as large as the IoU."""
    both, left, right = _counts(a, b)
    return 2 * both / (left + right)


@mask_iou.mistake
def share_of_the_first(a: Tensor, b: Tensor) -> Tensor:
    """The intersection was divided by the area of the first mask, so a huge second one would be perfect."""
    both, left, _ = _counts(a, b)
    return both / left


@mask_iou.mistake
def share_of_the_second(a: Tensor, b: Tensor) -> Tensor:
    """The intersection was divided by the area of the second mask, so a huge first one would be perfect."""
    both, _, right = _counts(a, b)
    return both / right


@mask_iou.mistake
def share_of_the_smaller(a: Tensor, b: Tensor) -> Tensor:
    """The intersection was divided by the smaller area; a small mask inside a large one is no perfect match."""
    both, left, right = _counts(a, b)
    return both / torch.minimum(left, right)


@mask_iou.mistake
def share_of_the_larger(a: Tensor, b: Tensor) -> Tensor:
    """The intersection was divided by the larger area; the union is larger still wherever neither holds the other."""
    both, left, right = _counts(a, b)
    return both / torch.maximum(left, right)


@mask_iou.mistake
def transposed(a: Tensor, b: Tensor) -> Tensor:
    """Rows and columns have changed places: a row for each mask of `a`."""
    return metrics.mask_iou(b, a)


@mask_iou.mistake
def only_pairs(a: Tensor, b: Tensor) -> Tensor:
    """Each mask was compared with the one of the same number; every one of `a` should meet every one of `b`."""
    count = min(len(a), len(b))
    return metrics.mask_iou(a[:count], b[:count]).diagonal()


@mask_iou.mistake
def boxes_instead_of_masks(a: Tensor, b: Tensor) -> Tensor:
    """This is the IoU of the masks' bounding boxes: which pixels inside does each mask really hold?"""

    def filled(masks: Tensor) -> Tensor:
        boxes = torch.zeros_like(masks)
        for box, mask in zip(boxes, masks, strict=True):
            rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
            box[int(rows.min()) : int(rows.max()) + 1, int(columns.min()) : int(columns.max()) + 1] = True
        return boxes

    return metrics.mask_iou(filled(a), filled(b))


@mask_iou.mistake
def intersections(a: Tensor, b: Tensor) -> Tensor:
    """These are the numbers of common pixels; what are they to be divided by?"""
    return _counts(a, b)[0]


@mask_iou.mistake
def distance(a: Tensor, b: Tensor) -> Tensor:
    """Masks that do not meet have 1 and equal ones 0: this is the Jaccard *distance*."""
    return 1 - metrics.mask_iou(a, b)


@mask_iou.mistake
def agreement(a: Tensor, b: Tensor) -> Tensor:
    """Pixels that lie in neither mask count as agreement; then the size of the picture decides."""
    return (a[:, None] == b).double().mean((-1, -2))


@mask_iou.mistake
def background_in_the_iou(a: Tensor, b: Tensor) -> Tensor:
    """This is the IoU of what lies *outside* the masks."""
    return metrics.mask_iou(~a, ~b)


@mask_iou.mistake
def exclusive_union(a: Tensor, b: Tensor) -> Tensor:
    """The denominator holds the pixels in exactly one of the two; a union holds the common ones too."""
    both, left, right = _counts(a, b)
    return both / (left + right - 2 * both)


@mask_iou.mistake
def smoothed_by_one(a: Tensor, b: Tensor) -> Tensor:
    """Adding 1 to both counts, as in a loss, makes masks alike that do not meet."""
    both, left, right = _counts(a, b)
    return (both + 1) / (left + right - both + 1)


@mask_iou.mistake
def one_number_for_all(a: Tensor, b: Tensor) -> Tensor:
    """Every entry is the same: the sums must run over the pixels only, not over the masks."""
    both, left, right = _counts(a, b)
    union = left + right - both
    return (both.sum() / union.sum()).expand_as(both)


@mask_iou.mistake
def counted_in_bytes(a: Tensor, b: Tensor) -> Tensor:
    """Small masks come out right, large ones do not: numbers of type uint8 begin again after 255."""
    both, left, right = (count.long() % 256 for count in _counts(a, b))
    return both / ((left + right - both) % 256)


def changes_its_input(a: Tensor, b: Tensor) -> Tensor:
    """A mask is not the same after the call: an operation such as `&=` wrote into it."""
    iou = metrics.mask_iou(a, b)
    a &= b[:1]
    return iou


mask_iou.mistake(changes_its_input, right_values=True)
