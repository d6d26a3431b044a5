"""`panoptic_quality(pred, target, categories, void=0)`: segments matched one to one, then scored class by class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_METRICS
from coursekit.metrics import PanopticQuality

panoptic_quality = Exercise("panoptic_quality", forbids=(REFERENCE_METRICS,))

Categories = tuple[dict[int, int], dict[int, int]]
Scene = tuple[Tensor, Tensor, Categories]

# Two cars and two stuff classes; below, class 1 is "car".
PRINTED_TARGET = [[1, 1, 1, 2, 2, 2], [1, 1, 1, 2, 2, 2], [3, 3, 3, 3, 3, 3], [4, 4, 4, 4, 4, 4]]
PRINTED_PRED = [[1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 2, 2], [5, 3, 3, 3, 3, 3], [4, 4, 4, 4, 4, 4]]
PRINTED_CATEGORIES = ({1: 1, 2: 1, 5: 1, 3: 11, 4: 12}, {1: 1, 2: 1, 3: 11, 4: 12})


def _reference(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """The course's own metric, whose void is 0: every id moves up by one, void becomes 0."""

    def moved(ids: Tensor) -> Tensor:
        return torch.where(ids == void, 0, ids + 1)

    quality = PanopticQuality(things=())
    lifted = [{i + 1: c for i, c in side.items() if i != void} for side in categories]
    quality.update(moved(pred), moved(target), *lifted)
    return quality.compute()["all"]


def _expect(answer: Answer, *scenes: Scene, void: int = 0) -> None:
    """All scenes are answered before the first is judged, so that like mistakes can be told apart."""
    optional = {"void": void} if void else {}
    results = [answer(*scene, **optional) for scene in scenes]
    for got, scene in zip(results, scenes, strict=True):
        expect.that(isinstance(got, dict), f"the result should be a dict; yours is {expect.describe(got)}")
        for name, value in _reference(*scene, void).items():
            expect.that(name in got, f"the dict lacks the key {name!r}")
            expect.number_close(got[name], value, name)


def _renamed(draw: Draw, ids: Tensor, categories: dict[int, int], void: int = 0) -> tuple[Tensor, dict[int, int]]:
    """Other numbers for the segments: those of prediction and truth have nothing to do with each other."""
    fresh = torch.randperm(900, generator=draw.generator)[: len(categories)] + 1
    names = {old: int(new) + (int(new) >= void > 0) for old, new in zip(categories, fresh, strict=True)}
    names[0] = void
    result = torch.empty_like(ids)
    for old, new in names.items():
        result[ids == old] = new
    return result, {names[old]: c for old, c in categories.items()}


def _scene(draw: Draw, pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> Scene:
    """A scene with new ids; 0 is void before, `void` after."""
    new_pred, of_pred = _renamed(draw, pred, categories[0], void)
    new_target, of_target = _renamed(draw, target, categories[1], void)
    return new_pred, new_target, (of_pred, of_target)


def _row(*runs: tuple[int, int]) -> Tensor:
    """A map of one row (1, W) from pairs (id, number of pixels)."""
    return torch.cat([torch.full((count,), i) for i, count in runs])[None]


def _tiled(draw: Draw, rows: int, columns: int, side: int) -> tuple[Tensor, Tensor]:
    """A map of rows × columns segments, ids from 1, and a second one in which every segment has lost some pixels.

    What was lost goes to one of the neighbours, more in some segments than in others.
    """
    target = torch.arange(1, rows * columns + 1).reshape(rows, columns)
    target = target.repeat_interleave(side, 0).repeat_interleave(side + 1, 1)
    share = 0.75 * draw.uniform(rows * columns + 1)
    moved = target.roll(draw.choice((-1, 1)) * (side - 1), draw.integer(0, 1))
    return torch.where(draw.uniform(*target.shape) < share[target], moved, target), target


def _random(draw: Draw) -> Scene:
    """Fifteen segments of four classes; some classes confused. No IoU is exactly one half."""
    while True:
        pred, target = _tiled(draw, 3, 5, draw.integer(4, 5))
        of_target = {i: 10 + draw.integer(0, 3) for i in range(1, 16)}
        of_pred = {i: c if draw.integer(0, 5) else 14 - draw.integer(0, 2) for i, c in of_target.items()}
        present = {int(i): of_pred[int(i)] for i in pred.unique()}
        halves = [
            2 * int(both) == int((p | t).sum())
            for p in (pred == i for i in present)
            for t in (target == k for k in of_target)
            if (both := (p & t).sum())
        ]
        if not any(halves):
            return _scene(draw, pred, target, (present, of_target))


def _numbered_by_class(draw: Draw) -> Scene:
    """Ids as in Cityscapes, class · 1000 + number: 1000 · 1001 + 2001 and 1000 · 1002 + 1001 are the same number."""
    n = draw.integer(3, 4)
    target = _row((1001, 2 * n), (1002, 10), (2001, 8))
    pred = _row((2001, n), (1002, n), (1001, 4), (1002, 6), (2001, 8))
    classes = {1001: 1, 1002: 1, 2001: 2}
    return pred, target, (classes, dict(classes))


@panoptic_quality.check(points=0.5)
def small_maps(answer: Answer, draw: Draw) -> None:
    """Two cars and two kinds of ground: the printed maps, others like them, and ids as in Cityscapes."""
    pred, target = torch.tensor(PRINTED_PRED), torch.tensor(PRINTED_TARGET)
    other = pred.clone()
    other[draw.integer(0, 1), 4] = 1
    scenes = (pred, target, PRINTED_CATEGORIES), _scene(draw, other, target, PRINTED_CATEGORIES)
    _expect(answer, *scenes, _numbered_by_class(draw))


@panoptic_quality.check(points=0.5)
def many_segments(answer: Answer, draw: Draw) -> None:
    """Many segments of several classes: only those of one class match, and each class counts the same."""
    _expect(answer, *[_random(draw) for _ in range(4)])


@panoptic_quality.check(points=0.5)
def exactly_one_half(answer: Answer, draw: Draw) -> None:
    """An IoU of exactly 0.5 is no match, one just above is."""
    n = draw.integer(3, 6)
    categories = ({1: 7, 2: 8}, {1: 7, 2: 8})
    target = _row((1, 2 * n), (2, 9))
    preds = [_row((1, left), (0, 2 * n - left), (2, 9)) for left in (n, n + 1)]
    _expect(answer, *[_scene(draw, pred, target, categories) for pred in preds])


@panoptic_quality.check(points=0.5)
def void_in_the_target(answer: Answer, draw: Draw) -> None:
    """Pixels void in the target leave the union."""
    n, scenes = draw.integer(4, 7), []
    for wrong in (0, 1, n - 1):
        # Void beside the first segment, void all of it predicted as that segment; `wrong` of its pixels missed.
        target = _row((1, 2 * n), (0, n), (2, 8), (0, 2))
        pred = _row((2, wrong), (1, 3 * n - wrong), (2, 8), (0, 2))
        scenes.append(_scene(draw, pred, target, ({1: 3, 2: 4}, {1: 3, 2: 4})))
    # A match stays one when most of what was predicted lies on void.
    target, pred = _row((1, n), (0, 2 * n), (2, 8)), _row((1, 3 * n), (2, 8))
    scenes.append(_scene(draw, pred, target, ({1: 3, 2: 4}, {1: 3, 2: 4})))
    _expect(answer, *scenes)


@panoptic_quality.check(points=0.5)
def void_in_the_prediction(answer: Answer, draw: Draw) -> None:
    """Where only the prediction is void, the true segment's pixels stay in the union."""
    n, scenes = draw.integer(5, 9), []
    for missing in (2, n - 1, n + 1):
        target = _row((1, 2 * n), (2, 8), (3, 5))
        pred = _row((1, 2 * n - missing), (0, missing), (2, 8), (0, 5))
        scenes.append(_scene(draw, pred, target, ({1: 3, 2: 4}, {1: 3, 2: 4, 3: 4})))
    _expect(answer, *scenes)


@panoptic_quality.check(points=0.5)
def predictions_on_void(answer: Answer, draw: Draw) -> None:
    """An unmatched prediction is no false positive if more than half of it lies on void; exactly half is too little."""
    n, scenes = draw.integer(4, 7), []
    for on_void in (n - 1, n, n + 1, 2 * n):
        target = _row((1, 12), (2, 9), (0, 2 * n))
        # Segment 3 reaches from true segment 2, too short a way to match it, into void.
        pred = _row((1, 11), (2, 10 - (2 * n - on_void)), (3, 2 * n), (0, 2 * n - on_void))
        for c in (3, 4):
            scenes.append(_scene(draw, pred, target, ({1: 3, 2: 4, 3: c}, {1: 3, 2: 4})))
    _expect(answer, *scenes)


@panoptic_quality.check(points=0.5)
def class_without_a_match(answer: Answer, draw: Draw) -> None:
    """A class that occurs in only one of the maps, or never matches, counts with 0: pq, sq and rq."""
    n = draw.integer(6, 9)
    target = _row((1, n), (2, 5), (3, 4))
    pred = _row((1, n - 1), (2, 6), (3, 4))
    categories = (
        ({1: 1, 2: 2, 3: 2}, {1: 1, 2: 2, 3: 3}),
        ({1: 1, 2: 2, 3: 3}, {1: 1, 2: 2, 3: 2}),
        ({1: 1, 2: 4, 3: 3}, {1: 1, 2: 2, 3: 5}),
    )
    _expect(answer, *[_scene(draw, pred, target, pair) for pair in categories])


@panoptic_quality.check(points=0.5, needs="many_segments")
def another_void(answer: Answer, draw: Draw) -> None:
    """Another `void` than 0, with 0 as a segment like any other; the maps are left as they were."""
    void = draw.integer(1, 300)
    pred, target, categories = _scene(
        draw,
        _row((1, 6), (0, 4), (2, 10), (3, 2), (4, 4)),
        _row((1, 7), (2, 1), (0, 3), (2, 11), (4, 4)),
        ({1: 1, 2: 2, 3: 2, 4: 1}, {1: 1, 2: 2, 4: 1}),
        void,
    )
    named = dict(categories[0]), dict(categories[1])
    for side, ids in zip(named, (pred, target), strict=True):
        last = int(ids[0, -1])
        side[0] = side.pop(last)
        ids[ids == last] = 0
    _expect(answer, (pred, target, named), void=void)
    properties.leaves_alone(answer, pred, target, named, void)


@dataclass(frozen=True)
class _Rules:
    """The conventions, each of which a mistake turns round."""

    least: Callable[[int, int], bool] = lambda both, union: 2 * both > union
    excused: Callable[[int, int], bool] = lambda on_void, area: 2 * on_void > area
    void_leaves: bool = True
    predicted_void_leaves: bool = False
    same_class: bool = True
    base: int = 2**31  # a pair of ids, packed into one number
    false_positive: float = 0.5
    false_negative: float = 0.5


Counts = dict[int, list[float]]  # class → sum of the matches' IoU, matches, false positives, misses


def _counted(pred: Tensor, target: Tensor, categories: Categories, void: int, rules: _Rules) -> Counts:
    counts: Counts = {c: [0.0] * 4 for c in sorted({*categories[0].values(), *categories[1].values()})}
    on_void, blank = target == void, pred == void
    of_pred, of_target = ({i: c for i, c in side.items() if i != void} for side in categories)
    pairs = target * rules.base + pred
    matched: set[int] = set()
    for t, c in of_target.items():
        truth = target == t
        for p, d in of_pred.items():
            mask = pred == p
            both = int((pairs == t * rules.base + p).sum())
            union = (mask | truth) & ~(on_void & rules.void_leaves) & ~(blank & rules.predicted_void_leaves)
            if p not in matched and both and (c == d or not rules.same_class) and rules.least(both, int(union.sum())):
                counts[c][0] += both / int(union.sum())
                counts[c][1] += 1
                matched.add(p)
                break
        else:
            counts[c][3] += 1
    for p, d in of_pred.items():
        mask = pred == p
        counts[d][2] += p not in matched and not rules.excused(int((mask & on_void).sum()), int(mask.sum()))
    return counts


def _qualities(counts: Counts, rules: _Rules) -> list[tuple[float, float, float]]:
    """pq, sq and rq of each class that occurs."""
    found = []
    for iou, hits, extra, missed in counts.values():
        if segments := hits + rules.false_positive * extra + rules.false_negative * missed:
            found.append((iou / segments, iou / max(hits, 1), hits / segments))
    return found


def _mean(qualities: list[tuple[float, float, float]]) -> dict[str, float]:
    means = torch.tensor(qualities, dtype=torch.float64).reshape(-1, 3).mean(0).tolist()
    return dict(zip(("pq", "sq", "rq"), means, strict=True))


def _with(pred: Tensor, target: Tensor, categories: Categories, void: int = 0, **rules: Any) -> dict[str, float]:
    chosen = _Rules(**rules)
    return _mean(_qualities(_counted(pred, target, categories, void, chosen), chosen))


@panoptic_quality.mistake
def one_half_is_enough(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """An IoU of exactly 0.5 was let pass; only *above* one half can a segment have just one partner."""
    return _with(pred, target, categories, void, least=lambda both, union: 2 * both >= union)


@panoptic_quality.mistake
def any_overlap_matches(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """Segments match that hardly meet: is the IoU compared with 0.5?"""
    return _with(pred, target, categories, void, least=lambda both, union: both > 0)


@panoptic_quality.mistake
def void_stays_in_the_union(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """A prediction that reaches over void is punished for it, though nobody knows what is there."""
    return _with(pred, target, categories, void, void_leaves=False)


@panoptic_quality.mistake
def predicted_void_leaves_too(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """Leaving pixels unlabelled costs nothing: only where the *target* is void do they leave the union."""
    return _with(pred, target, categories, void, predicted_void_leaves=True)


@panoptic_quality.mistake
def only_all_on_void_excused(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """Only predictions wholly on void are let off; more than half is enough."""
    return _with(pred, target, categories, void, excused=lambda on_void, area: on_void == area)


@panoptic_quality.mistake
def predictions_on_void_punished(
    pred: Tensor, target: Tensor, categories: Categories, void: int = 0
) -> dict[str, float]:
    """A prediction counts as false although most of it lies on void, where nobody knows."""
    return _with(pred, target, categories, void, excused=lambda on_void, area: False)


@panoptic_quality.mistake
def mostly_void_never_matches(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """Predictions that lie mostly on void were thrown away at once; some of them find a partner in what is left."""
    shares = {p: (target[pred == p] == void).double().mean() for p in categories[0]}
    kept = {p: c for p, c in categories[0].items() if shares[p] <= 0.5}
    return _with(pred, target, (kept, categories[1]), void)


@panoptic_quality.mistake
def half_on_void_excused(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """A prediction with exactly half of its pixels on void was let off; it takes more than half."""
    return _with(pred, target, categories, void, excused=lambda on_void, area: 2 * on_void >= area)


@panoptic_quality.mistake
def any_touch_of_void_excused(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """One pixel on void is enough to let a false prediction off; it takes more than half of it."""
    return _with(pred, target, categories, void, excused=lambda on_void, area: on_void > 0)


@panoptic_quality.mistake
def classes_need_not_agree(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """A car found as a tree counts as found: segments match only when their classes agree."""
    return _with(pred, target, categories, void, same_class=False)


@panoptic_quality.mistake
def errors_count_whole(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """In the denominator false positives and misses count one half each, as in an F1 score."""
    return _with(pred, target, categories, void, false_positive=1.0, false_negative=1.0)


@panoptic_quality.mistake
def misses_forgotten(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """A true segment that nothing matches costs nothing: what stands in the denominator?"""
    rules = _Rules(false_negative=0.0)
    counts = _counted(pred, target, categories, void, rules)
    occurring = {c: n for c, n in counts.items() if any(n[1:])}
    return _mean([q for n in occurring.values() for q in _qualities({0: n}, rules) or [(0.0, 0.0, 0.0)]])


@panoptic_quality.mistake
def false_positives_forgotten(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """A predicted segment that matches nothing costs nothing: what stands in the denominator?"""
    rules = _Rules(false_positive=0.0)
    counts = _counted(pred, target, categories, void, rules)
    occurring = {c: n for c, n in counts.items() if any(n[1:])}
    return _mean([q for n in occurring.values() for q in _qualities({0: n}, rules) or [(0.0, 0.0, 0.0)]])


@panoptic_quality.mistake
def all_classes_together(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """All segments were counted in one pot, so that a frequent class decides; score each class, then take the mean."""
    counts = _counted(pred, target, categories, void, _Rules())
    pot = [sum(column) for column in zip(*counts.values(), strict=True)]
    return _mean(_qualities({0: pot}, _Rules()))


@panoptic_quality.mistake
def product_of_the_means(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """`pq` is the product of the mean sq and the mean rq; of each class it is the product, of their means it is not."""
    means = _with(pred, target, categories, void)
    return {**means, "pq": means["sq"] * means["rq"]}


@panoptic_quality.mistake
def only_classes_of_the_truth(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """A class that is predicted but never true is passed over, so that inventing it costs nothing."""
    counts = _counted(pred, target, categories, void, _Rules())
    return _mean(_qualities({c: counts[c] for c in categories[1].values()}, _Rules()))


@panoptic_quality.mistake
def only_classes_of_the_prediction(
    pred: Tensor, target: Tensor, categories: Categories, void: int = 0
) -> dict[str, float]:
    """A class that is never predicted is passed over, so that missing it altogether costs nothing."""
    counts = _counted(pred, target, categories, void, _Rules())
    return _mean(_qualities({c: counts[c] for c in categories[0].values()}, _Rules()))


@panoptic_quality.mistake
def classes_without_a_match_left_out(
    pred: Tensor, target: Tensor, categories: Categories, void: int = 0
) -> dict[str, float]:
    """A class of which nothing was found is left out of the means; it is a failure and counts with 0."""
    counts = _counted(pred, target, categories, void, _Rules())
    return _mean(_qualities({c: n for c, n in counts.items() if n[1]}, _Rules()))


@panoptic_quality.mistake
def sq_over_found_classes(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """In the mean of sq the classes without a match are missing (or nan); here their sq counts as 0."""
    counts = _counted(pred, target, categories, void, _Rules())
    found = _mean(_qualities({c: n for c, n in counts.items() if n[1]}, _Rules()))
    return {**_with(pred, target, categories, void), "sq": found["sq"]}


@panoptic_quality.mistake
def nan_without_a_match(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """A class without a match divides 0 by 0, and one nan spoils the mean."""
    counts = _counted(pred, target, categories, void, _Rules())
    lost = any(not hits and extra + missed for _, hits, extra, missed in counts.values())
    return {**_with(pred, target, categories, void), **({"sq": float("nan")} if lost else {})}


@panoptic_quality.mistake
def same_number_same_segment(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """A segment was compared with the one of the same *id*; ids are free, only pixels and classes tell partners."""
    counts: Counts = {c: [0.0] * 4 for c in sorted({*categories[0].values(), *categories[1].values()})}
    for p, c in categories[0].items():
        mask, truth = pred == p, target == p
        union = int((mask | truth & (target != void)).sum()) - int((mask & (target == void)).sum())
        both = int((mask & truth).sum())
        if categories[1].get(p) == c and 2 * both > union:
            counts[c][0] += both / union
            counts[c][1] += 1
        else:
            counts[c][2] += 2 * int((mask & (target == void)).sum()) <= int(mask.sum())
    for c in counts:
        counts[c][3] = sum(d == c for d in categories[1].values()) - counts[c][1]
    return _mean(_qualities(counts, _Rules()))


@panoptic_quality.mistake
def pairs_collide(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """Pairs of ids are packed into one number, and two pairs get the same one: by how much must the first be lifted?"""
    return _with(pred, target, categories, void, base=1000)


@panoptic_quality.mistake
def instances_melted(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """All segments of a class were taken as one, as in semantic segmentation; each id is a segment of its own."""

    def melted(ids: Tensor, side: dict[int, int]) -> Tensor:
        result = torch.full_like(ids, -1)
        for i, c in side.items():
            result[ids == i] = c
        return result

    classes = [{c: c for c in sorted(set(side.values()))} for side in categories]
    return _with(melted(pred, categories[0]), melted(target, categories[1]), (classes[0], classes[1]), -1)


@panoptic_quality.mistake
def maps_swapped(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """Prediction and truth have changed places: it is the *target's* void that is forgiven."""
    return _with(target, pred, (categories[1], categories[0]), void)


@panoptic_quality.mistake
def void_always_zero(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """Id 0 is void whatever `void` says: where does your code use it?"""
    return _with(pred, target, categories, 0)


@panoptic_quality.mistake
def dice_of_the_matches(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """The quality of a match is its Dice score; panoptic quality adds up IoUs."""
    counts = _counted(pred, target, categories, void, _Rules())
    for t, c in categories[1].items():
        for p, d in categories[0].items():
            mask, truth = (pred == p) & (target != void), target == t
            iou = int((mask & truth).sum()) / max(int((mask | truth).sum()), 1)
            if c == d and iou > 0.5:
                counts[c][0] += 2 * iou / (1 + iou) - iou
    return _mean(_qualities(counts, _Rules()))


def changes_its_input(pred: Tensor, target: Tensor, categories: Categories, void: int = 0) -> dict[str, float]:
    """A map is not the same after the call: an assignment such as `pred[target == void] = void` wrote into it."""
    means = _reference(pred, target, categories, void)
    pred[:] = void
    return means


panoptic_quality.mistake(changes_its_input, right_values=True)
