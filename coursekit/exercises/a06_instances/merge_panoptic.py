"""`merge_panoptic(masks, scores, classes, stuff, overlap=0.5, min_stuff_area=0)`: one segment at most for each pixel.

Ids are free, so results are renumbered by first appearance before they are compared.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from operator import index
from typing import Any

import torch
from torch import Tensor

from coursekit import ops
from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

merge_panoptic = Exercise("merge_panoptic", forbids=(REFERENCE_OPS, REFERENCE_MODELS))

Merged = tuple[Tensor, dict[int, int]]
Inputs = tuple[Tensor, Tensor, Tensor, Tensor]


def _renumbered(result: Any) -> Merged:
    """Ids from 1 by their first pixel in row order; segments without pixels come last."""
    ids = torch.as_tensor(result[0]).detach().cpu()
    classes = {index(key): index(value) for key, value in result[1].items()}
    present = [i for i in dict.fromkeys(ids.flatten().tolist()) if i != 0]
    number = {old: new for new, old in enumerate([*present, *sorted(set(classes) - set(present))], start=1)}
    renumbered = torch.zeros_like(ids, dtype=torch.int64)
    for old in present:
        renumbered[ids == old] = number[old]
    return renumbered, {number[key]: value for key, value in classes.items()}


def _expect_merged(answer: Answer, *several: Inputs, what: str = "", **options: float) -> None:
    for inputs, seen in [(inputs, _asked(answer, inputs, options)) for inputs in several]:  # all calls come first
        _compare(seen, _renumbered(ops.merge_panoptic(*inputs, **options)), what)  # type: ignore[arg-type]


def _asked(answer: Answer, inputs: Inputs, options: dict[str, float]) -> Merged:
    """The answer's result with its ids renumbered, also where it is written down to recognise mistakes."""
    result = answer(*inputs, **options)
    ids, classes = expect.a_pair(result, "the map of ids and the classes")
    expect.that(hasattr(ids, "shape"), f"the map of ids should be a tensor; yours is {expect.describe(ids)}")
    expect.a_tensor(torch.as_tensor(ids), inputs[3].shape, "the map of ids")
    expect.that(isinstance(classes, dict), f"the classes should be a dict; yours is {expect.describe(classes)}")
    renumbered = _renumbered(result)
    answer.calls[-1] = replace(answer.calls[-1], result=renumbered)
    return renumbered


def _compare(seen: Merged, right: Merged, what: str) -> None:
    (got, got_classes), (expected, expected_classes) = seen, right
    expect.close(got, expected, f"the map of ids (numbered anew by first appearance){what}")
    empty = set(got_classes) - set(expected_classes)
    expect.that(not empty, f"the dict holds {len(empty)} id(s) without a pixel, or 0{what}")
    expect.that(
        got_classes == expected_classes, f"{{id: class}} is {got_classes}; it should be {expected_classes}{what}"
    )


def _rectangle(height: int, width: int, top: int, left: int, bottom: int, right: int) -> Tensor:
    mask = torch.zeros(height, width, dtype=torch.bool)
    mask[top:bottom, left:right] = True
    return mask


def _scores(draw: Draw, count: int) -> Tensor:
    return (torch.randperm(count, generator=draw.generator) + 1.3) / (count + 2)


def _stuff(draw: Draw, height: int, width: int) -> Tensor:
    """Three stuff classes in stripes that come again, and pixels without stuff."""
    column = torch.arange(width) * 5 // width
    stripes = torch.tensor([21, 23, 0, 22, 21])[column].expand(height, width).clone()
    stripes[draw.integer(0, 1) :: 3, : width // 3] = 22
    return stripes


def _crowd(draw: Draw) -> Inputs:
    """Rectangles with odd sides, so that none is covered by exactly a half; two at least share a class."""
    height, width, count = draw.integer(9, 10), draw.integer(13, 15), draw.integer(8, 10)
    masks = []
    for _ in range(count):
        rows, columns = draw.choice((3, 5, 7)), draw.choice((3, 5, 7))
        top, left = draw.integer(0, height - rows), draw.integer(0, width - columns)
        masks.append(_rectangle(height, width, top, left, top + rows, left + columns))
    classes = draw.labels(count, classes=4) + 11
    return torch.stack(masks), _scores(draw, count), classes, _stuff(draw, height, width)


def _shuffled(draw: Draw, inputs: Inputs) -> Inputs:
    masks, scores, classes, stuff = inputs
    order = torch.randperm(len(masks), generator=draw.generator)
    return masks[order], scores[order], classes[order], stuff


@merge_panoptic.check(points=0.5)
def four_by_six(answer: Answer, draw: Draw) -> None:
    """Three instances on 4 × 6 pixels: the lecture's, and others."""
    a, b, c = _rectangle(4, 6, 0, 0, 2, 3), _rectangle(4, 6, 0, 1, 2, 4), _rectangle(4, 6, 0, 2, 2, 6)
    stuff = torch.full((4, 6), 10)
    stuff[2:, 5] = 11
    inputs = torch.stack([a, b, c]), torch.tensor([0.9, 0.8, 0.7]), torch.tensor([1, 2, 3]), stuff
    _expect_merged(answer, inputs, min_stuff_area=3)
    flipped = torch.stack([a, b, c]).flip(-1), torch.tensor([0.3, 0.9, 0.6]), torch.tensor([7, 5, 7]), stuff.flip(0)
    _expect_merged(answer, _shuffled(draw, flipped), min_stuff_area=2)


@merge_panoptic.check(points=1)
def any_instances(answer: Answer, draw: Draw) -> None:
    """Any instances, scores and classes over any stuff, by default settings."""
    almost_all = torch.stack([_rectangle(9, 11, 0, 0, 9, 9), _rectangle(9, 11, 0, 1, 9, 10), torch.ones(9, 11) > 0])
    doubles = almost_all, _scores(draw, 3), torch.tensor([11, 12, 13]), _stuff(draw, 9, 11)
    small = torch.stack([_rectangle(9, 11, 2, 1, 5, 6), _rectangle(9, 11, 2, 2, 5, 7)])
    twins = small, _scores(draw, 2), torch.tensor([12, 12]), doubles[3]
    left, right = _rectangle(17, 41, 0, 0, 17, 23), _rectangle(17, 41, 0, 13, 17, 41)  # more than 255 pixels each
    large = torch.stack([left, right]), _scores(draw, 2), torch.tensor([11, 12]), _stuff(draw, 17, 41)
    _expect_merged(answer, *(_crowd(draw) for _ in range(4)), doubles, twins, large)


@merge_panoptic.check(points=0.5, needs="any_instances")
def any_overlap(answer: Answer, draw: Draw) -> None:
    """Dropped when more than `overlap` of its own area is covered; a half covered is not more than a half."""
    for overlap in (0.21, 0.83):
        _expect_merged(answer, _crowd(draw), _crowd(draw), what=f" with overlap={overlap}", overlap=overlap)
    masks = torch.stack([_rectangle(6, 9, 0, 0, 4, 4), _rectangle(6, 9, 0, 2, 4, 6), _rectangle(6, 9, 2, 5, 6, 9)])
    masks[2, 2:4, 5] = True
    inputs = masks, torch.tensor([0.9, 0.7, 0.5]), torch.tensor([11, 12, 11]), _stuff(draw, 6, 9)
    _expect_merged(answer, inputs, what=" where exactly a half is covered", overlap=0.5)


@merge_panoptic.check(points=0.5, needs="any_instances")
def small_stuff(answer: Answer, draw: Draw) -> None:
    """Stuff is kept where what is left of it, all its pieces together, has at least `min_stuff_area` pixels."""
    for _ in range(2):
        inputs = _crowd(draw)
        left = ops.merge_panoptic(*inputs)[0]
        free = {c: int(((inputs[3] == c) & ~_things(inputs, left)).sum()) for c in (21, 22, 23)}
        for area in sorted({1, *free.values(), *(n + 1 for n in free.values())}):
            _expect_merged(answer, inputs, what=f" with min_stuff_area={area}", min_stuff_area=area)


def _things(inputs: Inputs, ids: Tensor) -> Tensor:
    """Where an instance was painted."""
    classes = ops.merge_panoptic(*inputs)[1]
    things = [key for key, value in classes.items() if value < 20]
    return torch.isin(ids, torch.tensor(things))


@merge_panoptic.check(points=0.5, needs="any_instances")
def no_id_without_pixels(answer: Answer, draw: Draw) -> None:
    """Instances without a free pixel, and stuff that is nowhere left, get no id."""
    height, width = 6, draw.integer(8, 9)
    masks = torch.stack([
        _rectangle(height, width, 0, 0, 4, 5),
        _rectangle(height, width, 1, 1, 3, 3),
        torch.zeros(height, width, dtype=torch.bool),
        _rectangle(height, width, 2, 3, 6, 7),
    ])  # fmt: skip
    stuff = torch.full((height, width), 21)
    stuff[1:3, 1:3] = 22
    inputs = masks, torch.tensor([0.9, 0.8, 0.7, 0.6]), torch.tensor([11, 12, 13, 12]), stuff
    for overlap in (1.0, 0.5):
        _expect_merged(answer, _shuffled(draw, inputs), what=f" with overlap={overlap}", overlap=overlap)
    covered = torch.ones(1, height, width, dtype=torch.bool)
    everything = covered, torch.tensor([0.4]), torch.tensor([14]), stuff
    _expect_merged(answer, everything, what=" with everything covered")
    single = torch.zeros(height, width, dtype=torch.int64)
    single[draw.integer(0, 5), draw.integer(0, 7)] = 23  # a single pixel is enough by default
    all_but_one = covered & (single == 0), torch.tensor([0.4]), torch.tensor([14]), single
    _expect_merged(answer, all_but_one, what=" with one pixel of stuff")


@merge_panoptic.check(points=0.5, needs="any_instances")
def good_manners(answer: Answer, draw: Draw) -> None:
    """Takes float64 scores, and leaves its input alone."""
    masks, scores, classes, stuff = _crowd(draw)
    properties.leaves_alone(answer, masks, scores, classes, stuff)
    _expect_merged(answer, (masks, scores.double(), classes, stuff))


def _named(mistake: Callable[..., Merged], right_values: bool = False) -> Callable[..., Merged]:
    """Add a mistake to the bank; its ids are renumbered as those of an answer are."""

    @wraps(mistake)
    def renumbered(*args: Any, **options: float) -> Merged:
        return _renumbered(mistake(*args, **options))

    merge_panoptic.mistake(renumbered, right_values)
    return mistake


def _merge(
    masks: Tensor,
    scores: Tensor,
    classes: Tensor,
    stuff: Tensor,
    overlap: float = 0.5,
    min_stuff_area: int = 0,
    *,
    order: Tensor | None = None,
    covered_share: Callable[[Tensor, Tensor], float] | None = None,
    stays: Callable[[float, float], bool] = lambda share, overlap: share <= overlap,
    dropped_cover_too: bool = False,
    paint_over: bool = False,
    stuff_area: Callable[[Tensor, Tensor], int] = lambda mine, free: int((mine & free).sum()),
    large_enough: Callable[[int, int], bool] = lambda area, limit: area >= limit,
    stuff_first: bool = False,
    no_stuff: int = 0,
    empty_ids: bool = False,
) -> Merged:
    """The merging, with a switch for every way it goes wrong."""
    ids, taken, found = torch.zeros_like(stuff), torch.zeros_like(stuff, dtype=torch.bool), dict[int, int]()

    def paint(pixels: Tensor, class_id: int) -> None:
        if pixels.any() or empty_ids:
            found[len(found) + 1] = class_id
            ids[pixels] = len(found)

    def share_of(mask: Tensor) -> float:
        if covered_share:
            return covered_share(mask, taken)
        return float((mask & taken).sum() / mask.sum().clamp(min=1))

    for k in (scores.argsort(descending=True) if order is None else order).tolist():
        mask = masks[k]
        kept = stays(share_of(mask), overlap)
        if kept:
            paint(mask if paint_over else mask & ~taken, int(classes[k]))
        if kept or dropped_cover_too:
            taken = taken | mask
    free = torch.ones_like(taken) if stuff_first else ids == 0
    for class_id in stuff.unique().tolist():
        mine = stuff == class_id
        if class_id != no_stuff and large_enough(stuff_area(mine, free), min_stuff_area):
            paint(mine & free, class_id)
    present = set(ids.unique().tolist())
    return ids, {key: value for key, value in found.items() if key in present or empty_ids}


@_named
def scores_not_used(masks: Tensor, scores: Tensor, *args: Any, **options: Any) -> Merged:
    """The instances were painted in the order in which they were given: the best score goes first."""
    return _merge(masks, scores, *args, **options, order=torch.arange(len(masks)))


@_named
def by_rising_score(masks: Tensor, scores: Tensor, *args: Any, **options: Any) -> Merged:
    """The worst instances are painted first and take the pixels: the scores should fall."""
    return _merge(masks, scores, *args, **options, order=scores.argsort())


@_named
def later_paints_over(*args: Any, **options: Any) -> Merged:
    """A worse instance paints over a better one: only pixels that are still free may be taken."""
    return _merge(*args, **options, paint_over=True)


@_named
def never_dropped(*args: Any, **options: Any) -> Merged:
    """No instance is dropped, however much of it is covered: what is `overlap` for?"""
    return _merge(*args, **options, stays=lambda share, overlap: True)


@_named
def dropped_when_touched(*args: Any, **options: Any) -> Merged:
    """An instance is dropped as soon as one pixel is covered; it may be covered up to `overlap`."""
    return _merge(*args, **options, stays=lambda share, overlap: share == 0)


@_named
def exactly_overlap_dropped(*args: Any, **options: Any) -> Merged:
    """An instance covered by exactly `overlap` is dropped; it goes when *more* than that is covered."""
    return _merge(*args, **options, stays=lambda share, overlap: share < overlap)


@_named
def overlap_fixed(*args: Any, **options: Any) -> Merged:
    """The limit is a half whatever `overlap` says."""
    return _merge(*args, **options, stays=lambda share, overlap: share <= 0.5)


@_named
def overlap_means_what_is_free(*args: Any, **options: Any) -> Merged:
    """The *free* share was compared with `overlap`; it is the covered one."""
    return _merge(*args, **options, stays=lambda share, overlap: 1 - share <= overlap)


@_named
def iou_instead_of_share(*args: Any, **options: Any) -> Merged:
    """The covered pixels were divided by a union; they should be by the instance's own area."""
    return _merge(
        *args, **options, covered_share=lambda mask, taken: float((mask & taken).sum() / (mask | taken).sum())
    )


@_named
def share_of_the_taken_area(*args: Any, **options: Any) -> Merged:
    """The covered pixels were divided by the area of what covers them; they should be by the instance's own."""

    def share(mask: Tensor, taken: Tensor) -> float:
        return float((mask & taken).sum() / taken.sum().clamp(min=1))

    return _merge(*args, **options, covered_share=share)


@_named
def share_of_the_picture(*args: Any, **options: Any) -> Merged:
    """The covered pixels were divided by the area of the picture; they should be by the instance's own."""
    return _merge(*args, **options, covered_share=lambda mask, taken: float((mask & taken).double().mean()))


@_named
def dropped_ones_cover(*args: Any, **options: Any) -> Merged:
    """An instance that was dropped still counts as covering: it leaves no trace."""
    return _merge(*args, **options, dropped_cover_too=True)


@_named
def one_id_a_class(*args: Any, **options: Any) -> Merged:
    """Instances of the same class share an id: then they are no instances any more."""
    ids, classes = _merge(*args, **options)
    for key in reversed(classes):
        first = next(k for k, value in classes.items() if value == classes[key])
        ids[ids == key] = first
    return ids, {key: classes[key] for key in ids.unique().tolist() if key}


@_named
def class_in_the_map(*args: Any, **options: Any) -> Merged:
    """The map holds classes where ids belong, so that two cars next to each other are one."""
    ids, classes = _merge(*args, **options)
    for key, value in classes.items():
        ids[ids == key] = 1000 + value
    return ids, {value: value for value in classes.values()}


@_named
def dictionary_turned_round(*args: Any, **options: Any) -> Merged:
    """The dict says {class: id}; it should say {id: class}."""
    ids, classes = _merge(*args, **options)
    return ids, {value: key for key, value in classes.items()}


@_named
def stuff_forgotten(
    masks: Tensor, scores: Tensor, classes: Tensor, stuff: Tensor, *args: Any, **options: Any
) -> Merged:
    """The pixels between the instances stay unlabelled: they take their stuff class."""
    return _merge(masks, scores, classes, torch.zeros_like(stuff), *args, **options)


@_named
def stuff_on_top(*args: Any, **options: Any) -> Merged:
    """Stuff was painted over the instances; it takes only what they leave."""
    return _merge(*args, **options, stuff_first=True)


@_named
def no_stuff_made_a_class(*args: Any, **options: Any) -> Merged:
    """Pixels without stuff got an id of their own: class 0 means none."""
    return _merge(*args, **options, no_stuff=-1)


@_named
def stuff_measured_too_early(*args: Any, **options: Any) -> Merged:
    """Stuff was measured with what lies under the instances; what counts is what is left of it."""
    return _merge(*args, **options, stuff_area=lambda mine, free: int(mine.sum()))


@_named
def exact_stuff_area_dropped(*args: Any, **options: Any) -> Merged:
    """Stuff of exactly `min_stuff_area` pixels is dropped; that is enough."""
    return _merge(*args, **options, large_enough=lambda area, limit: area > limit)


@_named
def small_stuff_kept(*args: Any, **options: Any) -> Merged:
    """Stuff stays however small it is: what is `min_stuff_area` for?"""
    return _merge(*args, **options, large_enough=lambda area, limit: True)


@_named
def ids_without_pixels(*args: Any, **options: Any) -> Merged:
    """The dict names a segment that has no pixel: ask whether anything is left before giving an id."""
    return _merge(*args, **options, empty_ids=True)


@_named
def unlabelled_in_the_dict(*args: Any, **options: Any) -> Merged:
    """The dict has an entry for 0: that means unlabelled, and is no segment."""
    ids, classes = _merge(*args, **options)
    return ids, {0: 0, **classes}


def changes_its_input(masks: Tensor, scores: Tensor, classes: Tensor, stuff: Tensor, *args: Any, **o: Any) -> Merged:
    """The masks or the stuff are not the same after the call: `&=` or an assignment wrote into them."""
    result = _merge(masks, scores, classes, stuff, *args, **o)
    stuff[masks.any(dim=0)] = 0
    return result


_named(changes_its_input, right_values=True)
