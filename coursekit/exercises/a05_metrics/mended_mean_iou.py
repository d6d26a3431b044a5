"""`mended_mean_iou(pred, target, num_classes)`: the autopsy of an evaluation in which void 255 became a class."""

import torch
from torch import Tensor

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_METRICS
from coursekit.metrics import ConfusionMatrix

mended_mean_iou = Exercise("mended_mean_iou", forbids=(REFERENCE_METRICS,))

VOID = 255


def _reference(pred: Tensor, target: Tensor, num_classes: int) -> float:
    counts = ConfusionMatrix(num_classes, VOID)
    counts.update(pred, target)
    return counts.compute().mean_iou


def _maps(draw: Draw, classes: int, right: float = 0.6) -> tuple[Tensor, Tensor]:
    """A prediction, and a truth of which about a third is void."""
    shape = (draw.integer(2, 3), draw.integer(4, 6), draw.integer(8, 11))
    truth, other = (draw.labels(*shape, classes=classes) for _ in range(2))
    pred = torch.where(draw.uniform(*shape) < right, truth, other)
    void = draw.uniform(*shape) < 0.35
    void[0, 0, :3] = True
    return pred, truth.masked_fill(void, VOID)


def _expect(answer: Answer, pred: Tensor, target: Tensor, num_classes: int) -> None:
    got = answer(pred, target, num_classes)
    expect.number_close(got, _reference(pred, target, num_classes), "the mean IoU")


@mended_mean_iou.check(points=1)
def void_is_no_class(answer: Answer, draw: Draw) -> None:
    """Pictures with void pixels, and without: void pixels count nowhere."""
    for classes in (2, 3, draw.integer(4, 7)):
        pred, target = _maps(draw, classes)
        _expect(answer, pred, target, classes)
        _expect(answer, pred, target.where(target != VOID, draw.labels(*target.shape, classes=classes)), classes)


@mended_mean_iou.check(points=0.5, needs="void_is_no_class")
def perfect_prediction(answer: Answer, draw: Draw) -> None:
    """A prediction that is right wherever there is a truth scores 1; the label maps are left as they were."""
    for classes in (3, draw.integer(4, 7)):
        pred, target = _maps(draw, classes, right=1.0)
        properties.leaves_alone(answer, pred, target, classes)
        expect.number_close(answer(pred, target, classes), 1.0, "the mean IoU of a perfect prediction")


@mended_mean_iou.check(points=0.5)
def classes_that_do_not_occur(answer: Answer, draw: Draw) -> None:
    """Outside void, a class that does not occur is left out; one that is only predicted counts with 0."""
    classes = draw.integer(5, 7)
    pred, target = _maps(draw, classes - 1)
    _expect(answer, pred, target, classes)
    on_void = pred.where(target != VOID, classes - 1)
    _expect(answer, on_void, target, classes)
    pred[target == 1] = classes - 1
    _expect(answer, pred, target, classes)


def _ratios(pred: Tensor, target: Tensor, num_classes: int) -> tuple[Tensor, Tensor, Tensor]:
    """Right, true and predicted pixels of each class, in all of the picture."""
    classes = torch.arange(num_classes)[:, None]
    p, t = pred.flatten() == classes, target.flatten() == classes
    return (p & t).sum(1).double(), t.sum(1).double(), p.sum(1).double()


def _mean_iou(pred: Tensor, target: Tensor, num_classes: int) -> float:
    right, true, predicted = _ratios(pred, target, num_classes)
    return float((right / (true + predicted - right)).nanmean())


def _scored(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    valid = target != VOID
    return pred[valid], target[valid]


@mended_mean_iou.mistake
def void_still_the_last_class(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """Nothing has changed: which class's IoU is odd, and what does the given code do with a target of 255?"""
    return _mean_iou(pred, target.clamp(max=num_classes - 1), num_classes)


@mended_mean_iou.mistake
def void_still_in_the_union(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """Void is no longer true anywhere, but what is *predicted* there still counts as wrong."""
    return _mean_iou(pred, target, num_classes)


@mended_mean_iou.mistake
def void_as_the_first_class(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """Void pixels have moved from the last class to class 0: they should belong to none."""
    return _mean_iou(pred, target.where(target != VOID, 0), num_classes)


@mended_mean_iou.mistake
def void_set_to_zero_in_both(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """Void pixels count as class 0, well predicted: the mean looks right for a perfect prediction only."""
    valid = target != VOID
    return _mean_iou(pred * valid, target * valid, num_classes)


@mended_mean_iou.mistake
def void_counts_as_right(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """Void pixels take the predicted class for truth, so they lift the score; they should not count at all."""
    return _mean_iou(pred, torch.where(target == VOID, pred, target), num_classes)


@mended_mean_iou.mistake
def only_true_classes(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """A class that is predicted but never true is passed over; the given code counts it with 0, and that was right."""
    right, true, predicted = _ratios(*_scored(pred, target), num_classes)
    return float((right / (true + predicted - right))[true > 0].mean())


@mended_mean_iou.mistake
def last_class_left_out(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """The odd class was taken out of the mean; but it has pixels of its own that should count."""
    right, true, predicted = _ratios(*_scored(pred, target), num_classes)
    return float((right / (true + predicted - right))[:-1].nanmean())


@mended_mean_iou.mistake
def last_class_pixels_left_out(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """With void the true pixels of the last class were thrown away: after the clamp they look alike."""
    valid = target.clamp(max=num_classes - 1) != num_classes - 1
    return _mean_iou(pred[valid], target[valid], num_classes)


@mended_mean_iou.mistake
def void_as_a_class_of_its_own(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """Void has become a class number C with IoU 0 in the mean; it is not a class at all."""
    valid = target != VOID
    return _mean_iou(pred, torch.where(valid, target, num_classes), num_classes + 1)


@mended_mean_iou.mistake
def absent_class_counts_as_zero(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """A class that does not occur pulls the mean down; the given code leaves it out, and that was right."""
    right, true, predicted = _ratios(*_scored(pred, target), num_classes)
    return float((right / (true + predicted - right)).nan_to_num().mean())


@mended_mean_iou.mistake
def nan_spreads(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """A class that does not occur turns the whole mean into nan; the given code leaves it out, and that was right."""
    right, true, predicted = _ratios(*_scored(pred, target), num_classes)
    return float((right / (true + predicted - right)).mean())


@mended_mean_iou.mistake
def absent_class_counts_as_one(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """A class that does not occur lifts the mean; the given code leaves it out, and that was right."""
    right, true, predicted = _ratios(*_scored(pred, target), num_classes)
    return float((right / (true + predicted - right)).nan_to_num(1).mean())


@mended_mean_iou.mistake
def picture_by_picture(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """The mean over the pictures of each one's score is another number: count all pixels first, then divide."""
    scores = [_mean_iou(*_scored(p, t), num_classes) for p, t in zip(pred, target, strict=True)]
    return sum(scores) / len(scores)


@mended_mean_iou.mistake
def accuracy_of_valid_pixels(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """This is a share of right pixels; the mean IoU is asked for."""
    p, t = _scored(pred, target)
    return float((p == t).double().mean())


@mended_mean_iou.mistake
def always_one(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """A perfect prediction scores 1, but so does every other."""
    return 1.0


def changes_its_input(pred: Tensor, target: Tensor, num_classes: int) -> float:
    """A label map is not the same after the call: an assignment such as `target[void] = 0` wrote into it."""
    value = _reference(pred, target, num_classes)
    target[target == VOID] = 0
    return value


mended_mean_iou.mistake(changes_its_input, right_values=True)
