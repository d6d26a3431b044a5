"""`average_precision(scores, is_true_positive, num_truths)`: COCO's mean of the precision at 101 recalls."""

import math

import torch
from torch import Tensor

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_METRICS
from coursekit.metrics import precision_at_recalls

average_precision = Exercise("average_precision", forbids=(REFERENCE_METRICS,))

PRIMES = (3, 7, 11, 13, 17)  # no recall k / prime but 0 and 1 lies on a point of the 101: no rounding decides


def _ranked(scores: Tensor, hits: Tensor) -> Tensor:
    return hits[scores.argsort(descending=True)].double()


def _reference(scores: Tensor, hits: Tensor, num_truths: int) -> float:
    return float(precision_at_recalls(_ranked(scores, hits).numpy(), num_truths).mean())


def _detections(draw: Draw, count: int, right: int) -> tuple[Tensor, Tensor]:
    """`right` of the detections are, among the first as among the last."""
    return draw.distinct(count).sigmoid(), torch.randperm(count, generator=draw.generator) < right


def _expect(answer: Answer, *cases: tuple[Tensor, Tensor, int]) -> None:
    """All cases are answered before the first is judged, so that like mistakes can be told apart."""
    results = [answer(*case) for case in cases]
    for result, case in zip(results, cases, strict=True):
        expect.number_close(result, _reference(*case), "the average precision")


@average_precision.check(points=0.5)
def three_detections(answer: Answer, draw: Draw) -> None:
    """Right, wrong, right, with two truths: the printed example, and others."""
    scores, hits = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([True, False, True])
    order = torch.tensor(draw.choice(((2, 0, 1), (1, 2, 0), (1, 0, 2))))
    others = [(*_detections(draw, 4, 2), 3), (*_detections(draw, 6, 3), 3)]
    _expect(answer, (scores, hits, 2), (scores[order], hits[order], 2), *others)


@average_precision.check(points=1)
def any_number(answer: Answer, draw: Draw) -> None:
    """Any number of detections in any order, all truths found."""
    _expect(answer, *[(*_detections(draw, truths + draw.integer(2, 9), truths), truths) for truths in PRIMES])


@average_precision.check(points=0.5)
def truths_never_found(answer: Answer, draw: Draw) -> None:
    """Recalls that are never reached have precision 0."""
    cases = [(*_detections(draw, draw.integer(9, 15), (truths + 1) // 2), truths) for truths in PRIMES]
    _expect(answer, *cases, (*_detections(draw, 4, 0), 3))


@average_precision.check(points=0.5)
def recall_just_reached(answer: Answer, draw: Draw) -> None:
    """A recall that is reached exactly, such as 0.5 with one of two truths, counts as reached."""
    high, low = sorted(draw.distinct(2).sigmoid().tolist(), reverse=True)
    scores = torch.tensor([low, high])
    _expect(answer, *[(scores, torch.tensor(hits), 2) for hits in ([False, True], [True, False])])


@average_precision.check(points=0.5)
def no_truths(answer: Answer, draw: Draw) -> None:
    """Without truths there is nothing to find: nan."""
    scores = draw.distinct(draw.integer(2, 4)).sigmoid()
    got = answer(scores, torch.zeros(len(scores), dtype=torch.bool), 0)
    expect.that(math.isnan(expect.a_number(got)), f"without truths nan is expected; yours is {float(got):.6g}")
    properties.leaves_alone(answer, *_detections(draw, 5, 2), 3)


def _curve(scores: Tensor, hits: Tensor, num_truths: int) -> tuple[Tensor, Tensor]:
    """Recall and precision after each detection, by falling score."""
    found = _ranked(scores, hits).cumsum(0)
    return found / num_truths, found / torch.arange(1, len(found) + 1)


def _best_from_here(precision: Tensor) -> Tensor:
    return precision.flip(0).cummax(0).values.flip(0)


def _at(points: Tensor, recall: Tensor, precision: Tensor, side: str = "left") -> Tensor:
    """The precision where a recall is first reached, 0 where it never is."""
    return torch.cat([precision, precision.new_zeros(1)])[torch.searchsorted(recall, points, side=side)]


def _points(count: int = 101) -> Tensor:
    return torch.linspace(0, 1, count, dtype=torch.float64)


def _nan_without_truths(num_truths: int, value: Tensor) -> float:
    return float(value) if num_truths else math.nan


@average_precision.mistake
def in_the_given_order(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """The detections were counted in the order they came in; the surest come first."""
    return _reference(-torch.arange(len(scores)), is_true_positive, num_truths)


@average_precision.mistake
def rising_scores(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """The least certain detections were counted first: `argsort` begins with the smallest."""
    return _reference(-scores, is_true_positive, num_truths)


@average_precision.mistake
def zigzag_kept(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """The precision at a recall is the best at that recall *or any higher one*; yours goes up and down."""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    return _nan_without_truths(num_truths, _at(_points(), recall, precision).mean())


@average_precision.mistake
def best_so_far(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """The best precision at *lower* recalls was carried on; look from the other end of the curve."""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    return _nan_without_truths(num_truths, _at(_points(), recall, precision.cummax(0).values).mean())


@average_precision.mistake
def eleven_points(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """The recalls are 0, 0.1 … 1, as in Pascal VOC until 2009; COCO takes steps of 0.01."""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    return _nan_without_truths(num_truths, _at(_points(11), recall, _best_from_here(precision)).mean())


@average_precision.mistake
def recall_zero_left_out(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """There are 100 recalls in your mean; from 0 to 1 in steps of 0.01 there are 101."""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    return _nan_without_truths(num_truths, _at(_points()[1:], recall, _best_from_here(precision)).mean())


@average_precision.mistake
def recall_one_left_out(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """The last recall is 0.99: `arange` stops before its end."""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    return _nan_without_truths(num_truths, _at(_points()[:-1], recall, _best_from_here(precision)).mean())


@average_precision.mistake
def area_under_the_curve(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """This is the exact area under the curve, as in Pascal VOC from 2010; COCO takes the mean over 101 recalls."""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    steps = recall.diff(prepend=recall.new_zeros(1))
    return _nan_without_truths(num_truths, (steps * _best_from_here(precision)).sum())


@average_precision.mistake
def mean_precision_of_the_hits(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """The precisions after each hit were averaged, as in text retrieval; COCO reads the curve at 101 recalls."""
    _, precision = _curve(scores, is_true_positive, num_truths)
    hits = _ranked(scores, is_true_positive)
    return _nan_without_truths(num_truths, (precision * hits).sum() / max(num_truths, 1))


@average_precision.mistake
def misses_forgotten(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """The recall was divided by the truths that were found; those that were missed count too."""
    return _nan_without_truths(num_truths, torch.tensor(_found_only(scores, is_true_positive)))


def _found_only(scores: Tensor, hits: Tensor) -> float:
    return _reference(scores, hits, int(hits.sum())) if hits.any() else 0.0


@average_precision.mistake
def last_precision_carried_on(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """Recalls that are never reached have the last precision; nobody knows it there, so it counts as 0."""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    places = torch.searchsorted(recall, _points()).clamp(max=len(recall) - 1)
    return _nan_without_truths(num_truths, _best_from_here(precision)[places].mean())


@average_precision.mistake
def unreached_recalls_left_out(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """Recalls that are never reached were left out of the mean; then one lucky detection is enough for 1."""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    points = _points()
    return _nan_without_truths(num_truths, _at(points[points <= recall[-1]], recall, _best_from_here(precision)).mean())


@average_precision.mistake
def recall_must_be_passed(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """A recall that is reached exactly does not count as reached: `>` or `>=`, side "left" or "right"?"""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    return _nan_without_truths(num_truths, _at(_points(), recall, _best_from_here(precision), "right").mean())


@average_precision.mistake
def precision_over_truths(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """Precision and recall have changed places: which of them is a share of the detections?"""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    value = torch.stack(
        [
            recall[precision >= point].max() if (precision >= point).any() else recall.new_zeros(())
            for point in _points()
        ]
    )
    return _nan_without_truths(num_truths, value.mean())


@average_precision.mistake
def ranks_from_zero(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """After one detection one has been made, not none: the ranks below the fraction begin at 1."""
    recall, precision = _curve(scores, is_true_positive, num_truths)
    ranks = torch.arange(1, len(precision) + 1)
    shifted = precision * ranks / (ranks - 1).clamp(min=1)
    return _nan_without_truths(num_truths, _at(_points(), recall, _best_from_here(shifted)).mean())


@average_precision.mistake
def final_precision(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """This is the share of right detections, one number of the whole curve."""
    return _nan_without_truths(num_truths, is_true_positive.double().mean())


@average_precision.mistake
def zero_without_truths(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """A class without truths gets 0 and would pull the mean over the classes down; there is nothing to judge."""
    return _reference(scores, is_true_positive, num_truths) if num_truths else 0.0


@average_precision.mistake
def minus_one_without_truths(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """A class without truths gets −1, as in COCO's own tool; here nan is asked for."""
    return _reference(scores, is_true_positive, num_truths) if num_truths else -1.0


@average_precision.mistake
def divides_by_no_truths(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """Without truths Python's own division raises an error: what should come out there?"""
    _ = 1 / num_truths
    return _reference(scores, is_true_positive, num_truths)


def changes_its_input(scores: Tensor, is_true_positive: Tensor, num_truths: int) -> float:
    """Scores or marks are not the same after the call: sort a copy."""
    value = _reference(scores, is_true_positive, num_truths)
    scores.neg_()
    return value


average_precision.mistake(changes_its_input, right_values=True)
