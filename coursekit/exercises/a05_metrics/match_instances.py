"""`match_instances(iou, scores, threshold)`: by falling score, each detection takes the best truth still free."""

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_METRICS

match_instances = Exercise("match_instances", forbids=(REFERENCE_METRICS,))

PRINTED_IOU = [[0.6, 0.0], [0.9, 0.0], [0.55, 0.8]]
PRINTED_SCORES = [0.9, 0.8, 0.7]


def _reference(iou: Tensor, scores: Tensor, threshold: float, order: Tensor | None = None) -> Tensor:
    """COCO's greedy matching; `order` in place of that by falling score serves the mistakes."""
    hits = torch.zeros(len(scores), dtype=torch.bool)
    free = torch.ones(iou.shape[1], dtype=torch.bool)
    for d in scores.argsort(descending=True) if order is None else order:
        candidates = torch.where(free & (iou[d] >= threshold), iou[d], -1)
        if len(candidates) and candidates.max() >= 0:
            free[candidates.argmax()] = False
            hits[d] = True
    return hits


def _scene(draw: Draw, detections: int, truths: int) -> tuple[Tensor, Tensor]:
    """IoUs without ties, none within 0.01 of a tenth, so that no threshold among the tenths is hit by chance."""
    steps = torch.randperm(detections * truths, generator=draw.generator) / max(1, detections * truths)
    tenths = torch.floor(10 * steps)
    iou = tenths / 10 + 0.01 + 0.08 * (10 * steps - tenths)
    return iou.reshape(detections, truths), draw.distinct(detections).sigmoid()


def _expect(answer: Answer, *cases: tuple[Tensor, Tensor, float]) -> None:
    """All cases are answered before the first is judged, so that like mistakes can be told apart."""
    results = [answer(*case) for case in cases]
    for result, case in zip(results, cases, strict=True):
        expect.close(result, _reference(*case), f"the hits at the threshold {case[2]}")


@match_instances.check(points=0.5)
def three_detections(answer: Answer, draw: Draw) -> None:
    """Three detections and two truths: the printed ones, and others."""
    iou, scores = torch.tensor(PRINTED_IOU), torch.tensor(PRINTED_SCORES)
    others = [(*_scene(draw, 3, 2), draw.choice((0.3, 0.5, 0.7))) for _ in range(12)]
    _expect(answer, (iou, scores, 0.5), (iou, scores, 0.7), *others)


@match_instances.check(points=1)
def any_number(answer: Answer, draw: Draw) -> None:
    """Any number of detections and truths, in any order, at any threshold."""
    sizes = ((8, 3), (5, 5), (4, 9), (1, 3), (6, 1), (7, 6), (6, 6))
    _expect(answer, *[(*_scene(draw, *size), threshold) for size in sizes for threshold in (0.2, 0.5, 0.7)])


@match_instances.check(points=0.5)
def at_the_threshold(answer: Answer, draw: Draw) -> None:
    """An IoU of exactly the threshold is enough."""
    cases = []
    for threshold in (0.5, 0.75, 0.125, draw.choice((0.25, 0.625, 0.375))):
        iou = torch.tensor([[threshold, 0.0], [0.1, threshold - 0.05], [threshold + 0.05, 0.2]])
        scores = draw.distinct(3).sigmoid()
        cases += [(iou[rows], scores[rows], threshold) for rows in ([0, 1], [0], [1, 2])]
    _expect(answer, *cases)


@match_instances.check(points=0.5)
def no_truths(answer: Answer, draw: Draw) -> None:
    """Without truths every detection is false."""
    for detections in (draw.integer(2, 5), 1):
        iou, scores = torch.zeros(detections, 0), draw.distinct(detections).sigmoid()
        expect.close(answer(iou, scores, 0.5), torch.zeros(detections), "the hits")


@match_instances.check(points=0.5, needs="any_number")
def truth_values(answer: Answer, draw: Draw) -> None:
    """The result is of type bool; IoUs and scores are left as they were."""
    iou, scores = _scene(draw, 7, 4)
    properties.leaves_alone(answer, iou, scores, 0.3)
    expect.dtype(answer(iou, scores, 0.3), torch.bool, "the result", "numbers_instead_of_bool")


@match_instances.mistake
def in_the_given_order(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The detections choose in the order they came in; who is sure of its object should choose first."""
    return _reference(iou, scores, threshold, torch.arange(len(scores)))


@match_instances.mistake
def rising_scores(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The least certain detection chooses first: `argsort` begins with the smallest."""
    return _reference(iou, scores, threshold, scores.argsort())


@match_instances.mistake
def result_in_order_of_score(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The marks stand in the order of the scores; entry i should belong to detection i as it was given."""
    return _reference(iou, scores, threshold)[scores.argsort(descending=True)]


@match_instances.mistake
def a_truth_taken_many_times(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Two detections of one object both count as right: a truth that was taken is no longer free."""
    return (iou >= threshold).any(1)


@match_instances.mistake
def no_second_choice(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """A detection whose best truth is taken gives up; the best of those *still free* may be good enough."""
    hits = torch.zeros(len(scores), dtype=torch.bool)
    free = torch.ones(iou.shape[1], dtype=torch.bool)
    for d in scores.argsort(descending=True) if iou.shape[1] else ():
        best = iou[d].argmax()
        hits[d] = free[best] & (iou[d, best] >= threshold)
        free[best] &= ~hits[d]
    return hits


@match_instances.mistake
def first_instead_of_best(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """A detection gets the first truth that is good enough, also where a loop over the truths deals them out; it
    should take the best.
    """
    hits = torch.zeros(len(scores), dtype=torch.bool)
    free = torch.ones(iou.shape[1], dtype=torch.bool)
    for d in scores.argsort(descending=True):
        for k in range(iou.shape[1]):
            if free[k] and iou[d, k] >= threshold:
                hits[d], free[k] = True, False
                break
    return hits


@match_instances.mistake
def above_the_threshold_only(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """An IoU of exactly the threshold is turned away; COCO lets it pass."""
    return _reference(torch.where(iou == threshold, 0, iou), scores, threshold)


@match_instances.mistake
def threshold_always_half(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The threshold is 0.5 whatever the caller asks for: where does your code use `threshold`?"""
    return _reference(iou, scores, 0.5)


@match_instances.mistake
def any_overlap(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """A detection takes a truth that it hardly meets: is the IoU ever compared with the threshold?"""
    return _reference(iou, scores, 1e-9)


@match_instances.mistake
def taken_without_a_match(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """A truth is gone although the detection that looked at it did not reach the threshold."""
    hits = torch.zeros(len(scores), dtype=torch.bool)
    free = torch.ones(iou.shape[1], dtype=torch.bool)
    for d in scores.argsort(descending=True):
        if free.any():
            best = torch.where(free, iou[d], -1).argmax()
            free[best] = False
            hits[d] = iou[d, best] >= threshold
    return hits


@match_instances.mistake
def largest_iou_first(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The pairs were taken by falling IoU; the detections should choose by falling *score*."""
    hits = torch.zeros(len(scores), dtype=torch.bool)
    left = iou.clone()
    while left.numel() and left.max() >= threshold:
        d, k = divmod(int(left.argmax()), iou.shape[1])
        hits[d] = True
        left[d], left[:, k] = -1, -1
    return hits


@match_instances.mistake
def truths_choose(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Each truth chose its best detection; it is the detections that choose, by falling score."""
    best = iou.max(0)
    return torch.zeros(len(scores), dtype=torch.bool).index_fill(0, best.indices[best.values >= threshold], True)


@match_instances.mistake
def as_many_pairs_as_possible(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The matching makes the most of all detections together; COCO lets each choose for itself, the surest first."""
    hits = torch.zeros(len(scores), dtype=torch.bool)
    owner: dict[int, int] = {}

    def place(d: int, seen: set[int]) -> bool:
        for k in (iou[d] >= threshold).nonzero()[:, 0].tolist():
            if k not in seen:
                seen.add(k)
                if k not in owner or place(owner[k], seen):
                    owner[k] = d
                    return True
        return False

    for d in scores.argsort(descending=True).tolist():
        hits[d] = place(d, set())
    return hits


@match_instances.mistake
def best_sum_of_ious(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The assignment makes the sum of all IoUs as large as it can be; COCO's detections choose one after another."""
    good = torch.where(iou >= threshold, iou, 0)
    rows, columns = map(torch.from_numpy, linear_sum_assignment(good.numpy(), maximize=True))
    return torch.zeros(len(scores), dtype=torch.bool).index_fill(0, rows[good[rows, columns] > 0], True)


@match_instances.mistake
def false_positives_marked(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """Right and wrong have changed places: True is for a detection that found a truth."""
    return ~_reference(iou, scores, threshold)


@match_instances.mistake
def a_mark_for_each_truth(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The result says which *truths* were found; it should say which detections are right."""
    return (iou >= threshold).any(0)


@match_instances.mistake
def no_truths_forgotten(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """A picture without objects stops the evaluation: of no values there is no maximum. What is right there?"""
    iou.max(1)
    return _reference(iou, scores, threshold)


def numbers_instead_of_bool(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The result is not of type bool."""
    return _reference(iou, scores, threshold).float()


def changes_its_input(iou: Tensor, scores: Tensor, threshold: float) -> Tensor:
    """The IoUs are not the same after the call: striking out a column in place spoils the next threshold."""
    hits = _reference(iou, scores, threshold)
    iou[:, :1] = -1
    return hits


for with_right_values in (numbers_instead_of_bool, changes_its_input):
    match_instances.mistake(with_right_values, right_values=True)
