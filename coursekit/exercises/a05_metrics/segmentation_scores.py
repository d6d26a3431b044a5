"""`segmentation_scores(matrix)`: the four scores of FCN's authors, read off a confusion matrix (rows = truth)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_METRICS
from coursekit.metrics import ConfusionMatrix

segmentation_scores = Exercise("segmentation_scores", forbids=(REFERENCE_METRICS,))

SCORES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")
PRINTED = [[3, 1, 0], [1, 2, 0], [0, 1, 0]]


def _reference(matrix: Tensor) -> dict[str, float]:
    counts = ConfusionMatrix(len(matrix))
    counts.matrix = matrix.clone()
    scores = counts.compute()
    return {name: getattr(scores, name) for name in SCORES}


def _matrix(draw: Draw, classes: int) -> Tensor:
    """Counts without zeros; the classes differ in size and in how well they are found."""
    sizes = torch.arange(1, classes + 1) ** 2
    return (1 + draw.labels(classes, classes, classes=12)) * sizes[:, None] + 40 * draw.labels(
        classes, classes=9
    ).diag()


def _expect(answer: Answer, matrix: Tensor, *names: str) -> None:
    got, expected = answer(matrix), _reference(matrix)
    for name in names:
        expect.number_close(_entry(got, name), expected[name], name)


def _entry(got: Any, name: str) -> Any:
    expect.that(isinstance(got, dict), f"the result should be a dict; yours is {expect.describe(got)}")
    expect.that(name in got, f"the dict lacks the key {name!r}")
    return got[name]


def _one_score(name: str) -> Callable[[Answer, Draw], None]:
    def check(answer: Answer, draw: Draw) -> None:
        for matrix in (torch.tensor(PRINTED), _matrix(draw, 2), _matrix(draw, draw.integer(4, 8))):
            got = _entry(answer(matrix), name)
            expect.number_close(got, _reference(matrix)[name], name)

    check.__name__, check.__doc__ = name, f"`{name}`: of the printed matrix, and of others in which every class occurs."
    return check


for score in SCORES:
    segmentation_scores.check(points=0.5)(_one_score(score))


def _expect_all(answer: Answer, matrix: Tensor) -> None:
    got = answer(matrix)
    for name, value in _reference(matrix).items():
        expect.number_close(_entry(got, name), value, name)


@segmentation_scores.check(points=0.5)
def absent_class(answer: Answer, draw: Draw) -> None:
    """A class that is neither true nor predicted anywhere is left out of the means."""
    for place in (0, 2, 4):
        matrix = _matrix(draw, 5)
        matrix[place] = matrix[:, place] = 0
        _expect_all(answer, matrix)


@segmentation_scores.check(points=0.5)
def predicted_but_never_true(answer: Answer, draw: Draw) -> None:
    """A class that is predicted but never true counts in `mean_iou` with 0, and not in `mean_accuracy`."""
    for place in (draw.integer(0, 3), 4):
        matrix = _matrix(draw, 5)
        matrix[place] = 0
        _expect_all(answer, matrix)


@segmentation_scores.check(points=0.5, needs="absent_class")
def leaves_the_matrix_alone(answer: Answer, draw: Draw) -> None:
    """The matrix is left as it was, so that the next batch can be added to it."""
    matrix = _matrix(draw, 4)
    matrix[1] = matrix[:, 1] = 0
    properties.leaves_alone(answer, matrix)


def _wrong(matrix: Tensor, **changed: Any) -> dict[str, float]:
    return {**_reference(matrix), **{name: float(value) for name, value in changed.items()}}


def _parts(matrix: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Right, true and predicted pixels of each class, and the IoU, nan where a class does not occur."""
    counts = matrix.double()
    right, true, predicted = counts.diagonal(), counts.sum(1), counts.sum(0)
    return right, true, predicted, right / (true + predicted - right)


def _of_ratios(matrix: Tensor, ratio: Tensor) -> dict[str, float]:
    """The scores with something else in the place of the IoU."""
    true = matrix.double().sum(1)
    weighted = (true * ratio).nansum() / true.sum()
    return _wrong(matrix, mean_iou=ratio.nanmean(), frequency_weighted_iou=weighted)


@segmentation_scores.mistake
def columns_for_rows(matrix: Tensor) -> dict[str, float]:
    """The accuracy of a class was divided by how often it was predicted; its true pixels stand in its row."""
    right, _, predicted, _ = _parts(matrix)
    return _wrong(matrix, mean_accuracy=(right / predicted).nanmean())


@segmentation_scores.mistake
def union_not_subtracted(matrix: Tensor) -> dict[str, float]:
    """Row plus column counts the pixels in both twice; in a union they are counted once."""
    right, true, predicted, _ = _parts(matrix)
    return _of_ratios(matrix, right / (true + predicted))


@segmentation_scores.mistake
def dice_instead_of_iou(matrix: Tensor) -> dict[str, float]:
    """What stands for the IoU is the Dice score: what is divided by what?"""
    right, true, predicted, _ = _parts(matrix)
    return _of_ratios(matrix, 2 * right / (true + predicted))


@segmentation_scores.mistake
def recall_instead_of_iou(matrix: Tensor) -> dict[str, float]:
    """What stands for the IoU does not fall when a class is predicted where it is not."""
    right, true, _, _ = _parts(matrix)
    return _of_ratios(matrix, right / true)


@segmentation_scores.mistake
def never_true_counts_in_mean_accuracy(matrix: Tensor) -> dict[str, float]:
    """A class that is never true counts in `mean_accuracy`; of no pixels no share can be right."""
    right, true, predicted, _ = _parts(matrix)
    return _wrong(matrix, mean_accuracy=(right / true).nan_to_num()[true + predicted > 0].mean())


@segmentation_scores.mistake
def absent_class_counts_as_zero(matrix: Tensor) -> dict[str, float]:
    """A class without a pixel pulls the means down: 0 / 0 was made 0, but there is nothing to judge."""
    right, true, _, iou = _parts(matrix)
    return _wrong(matrix, mean_accuracy=(right / true).nan_to_num().mean(), mean_iou=iou.nan_to_num().mean())


@segmentation_scores.mistake
def absent_class_counts_as_one(matrix: Tensor) -> dict[str, float]:
    """A class without a pixel lifts the means: 0 / 0 was made 1, but there is nothing to judge."""
    right, true, _, iou = _parts(matrix)
    return _wrong(matrix, mean_accuracy=(right / true).nan_to_num(1).mean(), mean_iou=iou.nan_to_num(1).mean())


@segmentation_scores.mistake
def nan_spreads(matrix: Tensor) -> dict[str, float]:
    """One class without pixels turns a whole mean into nan: leave it out before you take the mean."""
    right, true, _, iou = _parts(matrix)
    weighted = (true * iou).sum() / true.sum()
    return _wrong(matrix, mean_accuracy=(right / true).mean(), mean_iou=iou.mean(), frequency_weighted_iou=weighted)


@segmentation_scores.mistake
def only_true_classes_in_mean_iou(matrix: Tensor) -> dict[str, float]:
    """A class that is predicted but never true is passed over, so a false alarm costs nothing in `mean_iou`."""
    _, true, _, iou = _parts(matrix)
    return _wrong(matrix, mean_iou=iou[true > 0].mean())


@segmentation_scores.mistake
def frequency_of_the_prediction(matrix: Tensor) -> dict[str, float]:
    """The weights say how often a class is predicted; they should say how often it is true."""
    _, _, predicted, iou = _parts(matrix)
    return _wrong(matrix, frequency_weighted_iou=(predicted * iou).nansum() / predicted.sum())


@segmentation_scores.mistake
def weights_not_normalised(matrix: Tensor) -> dict[str, float]:
    """The frequencies are numbers of pixels; as weights of a mean they should add up to 1."""
    _, true, _, iou = _parts(matrix)
    return _wrong(matrix, frequency_weighted_iou=(true * iou).nansum())


@segmentation_scores.mistake
def weighted_and_averaged(matrix: Tensor) -> dict[str, float]:
    """The weighted sum was divided by the number of classes as well; the weights make it a mean already."""
    _, true, _, iou = _parts(matrix)
    return _wrong(matrix, frequency_weighted_iou=(true * iou).nansum() / true.sum() / len(matrix))


@segmentation_scores.mistake
def mean_accuracy_of_pixels(matrix: Tensor) -> dict[str, float]:
    """`mean_accuracy` is the share of right pixels again; it is the mean over classes of each class's share."""
    return _wrong(matrix, mean_accuracy=_reference(matrix)["pixel_accuracy"])


@segmentation_scores.mistake
def pooled_iou(matrix: Tensor) -> dict[str, float]:
    """All classes were added up before the division, so large ones decide; take each class's IoU, then the mean."""
    right, true, predicted, _ = _parts(matrix)
    return _wrong(matrix, mean_iou=right.sum() / (true + predicted - right).sum())


@segmentation_scores.mistake
def class_zero_left_out(matrix: Tensor) -> dict[str, float]:
    """Class 0 was left out as background; here it is a class like any other."""
    right, true, _, iou = _parts(matrix)
    return _wrong(matrix, mean_accuracy=(right / true)[1:].nanmean(), mean_iou=iou[1:].nanmean())


@segmentation_scores.mistake
def whole_number_division(matrix: Tensor) -> dict[str, float]:
    """The scores are whole numbers: `//` and integer types drop what comes after the point."""
    return {name: float(value == 1) for name, value in _reference(matrix).items()}


@segmentation_scores.mistake
def per_cent(matrix: Tensor) -> dict[str, float]:
    """The scores run to 100; fractions between 0 and 1 are asked for."""
    return {name: 100 * value for name, value in _reference(matrix).items()}


@segmentation_scores.mistake
def errors_instead_of_hits(matrix: Tensor) -> dict[str, float]:
    """The pixel accuracy is the share of wrong pixels."""
    return _wrong(matrix, pixel_accuracy=1 - _reference(matrix)["pixel_accuracy"])


def changes_its_input(matrix: Tensor) -> dict[str, float]:
    """The matrix is not the same after the call: an operation ending in `_`, or `/=`, wrote into it."""
    scores = _reference(matrix)
    matrix += 1
    return scores


segmentation_scores.mistake(changes_its_input, right_values=True)
