"""`confusion_matrix(pred, target, num_classes, ignore_index=255)`: (C, C) counts, rows = truth, void left out."""

import torch
from torch import Tensor

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_METRICS
from coursekit.metrics import ConfusionMatrix

confusion_matrix = Exercise("confusion_matrix", forbids=(REFERENCE_METRICS,))

PRED = [[[0, 0, 0, 1], [1, 1, 0, 1]]]
TARGET = [[[0, 0, 0, 0], [1, 1, 1, 2]]]


def _reference(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    counts = ConfusionMatrix(num_classes, ignore_index)
    counts.update(pred, target)
    return counts.matrix


def _maps(draw: Draw, classes: int, *shape: int) -> tuple[Tensor, Tensor]:
    """A prediction that is right more often than not, so that the diagonal is not like the rest."""
    target, other = (draw.labels(*shape, classes=classes) for _ in range(2))
    return torch.where(draw.uniform(*shape) < 0.6, target, other), target


def _with(target: Tensor, value: int, draw: Draw) -> Tensor:
    """About a third of the pixels set to a value, one at least."""
    chosen = draw.uniform(*target.shape) < 0.35
    chosen[0, 0, 0] = True
    return torch.where(chosen, value, target)


@confusion_matrix.check(points=0.5)
def eight_pixels(answer: Answer, draw: Draw) -> None:
    """Eight pixels and four classes, of which one does not occur: the printed ones, and others."""
    order = torch.randperm(3, generator=draw.generator)
    for pred, target in ((torch.tensor(PRED), torch.tensor(TARGET)), _maps(draw, 3, 1, 2, 4)):
        for names in (torch.arange(3), order):
            expect.close(answer(names[pred], names[target], 4), _reference(names[pred], names[target], 4))


@confusion_matrix.check(points=1)
def any_shape(answer: Answer, draw: Draw) -> None:
    """Any number of pictures, any size, any number of classes; counts beyond 255."""
    small = draw.integer(2, 3), draw.integer(4, 6), draw.integer(8, 11)
    for classes, shape in ((2, (1, 23, 31)), (3, small), (draw.integer(5, 9), small), (draw.integer(17, 21), small)):
        pred, target = _maps(draw, classes, *shape)
        expect.close(
            answer(pred, target, classes), _reference(pred, target, classes), f"the matrix of {classes} classes"
        )


@confusion_matrix.check(points=0.5)
def void(answer: Answer, draw: Draw) -> None:
    """Pixels whose truth is 255 are not counted, whatever is predicted there."""
    for classes in (3, draw.integer(4, 7)):
        pred, target = _maps(draw, classes, 2, 5, 7)
        target = _with(target, 255, draw)
        expect.close(answer(pred, target, classes), _reference(pred, target, classes))


@confusion_matrix.check(points=0.5)
def another_ignore_index(answer: Answer, draw: Draw) -> None:
    """Another `ignore_index` than 255, which may be the number of a class too."""
    classes = draw.integer(4, 6)
    pred, target = _maps(draw, classes, 2, 5, 7)
    for index in (-1, draw.integer(100, 200), 0, draw.integer(1, classes - 2), classes - 1):
        marked = _with(target, index, draw)
        got = answer(pred, marked, classes, ignore_index=index)
        expect.close(got, _reference(pred, marked, classes, index), f"the matrix with ignore_index={index}")


@confusion_matrix.check(points=0.5, needs="void")
def whole_numbers(answer: Answer, draw: Draw) -> None:
    """The counts are int64, and the label maps are left as they were."""
    pred, target = _maps(draw, 4, 2, 5, 7)
    target = _with(target, 255, draw)
    properties.leaves_alone(answer, pred, target, 4)
    expect.dtype(answer(pred, target, 4), torch.int64, "the matrix", "counts_not_int64")


def _count(pred: Tensor, target: Tensor, num_classes: int) -> Tensor:
    """Counts of the pairs whose classes exist; whatever else stands in the maps is passed over."""
    known = (target >= 0) & (target < num_classes) & (pred >= 0) & (pred < num_classes)
    cells = (target * num_classes + pred)[known]
    return torch.bincount(cells, minlength=num_classes**2).view(num_classes, num_classes)


@confusion_matrix.mistake
def rows_are_predictions(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Rows and columns have changed places: in which of the two do you look up the truth?"""
    return _reference(pred, target, num_classes, ignore_index).T


@confusion_matrix.mistake
def void_as_the_last_class(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Void pixels are counted in the row of the last class: were they squeezed into the range of the classes?"""
    return _count(pred, torch.where(target == ignore_index, num_classes - 1, target), num_classes)


@confusion_matrix.mistake
def void_as_the_first_class(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Void pixels are counted in the row of class 0: setting them to 0 makes them a class, it does not remove them."""
    return _count(pred, torch.where(target == ignore_index, 0, target), num_classes)


@confusion_matrix.mistake
def void_counts_as_right(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Void pixels stand on the diagonal, as if they had been predicted well; they should stand nowhere."""
    return _count(pred, torch.where(target == ignore_index, pred, target), num_classes)


@confusion_matrix.mistake
def void_sought_in_the_prediction(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Which pixels are left out was read off the prediction; the truth decides."""
    return _count(torch.where(pred == ignore_index, -1, pred), target.clamp(0, num_classes - 1), num_classes)


@confusion_matrix.mistake
def only_255_ignored(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """255 is left out whatever `ignore_index` says: where does your code use it?"""
    return _count(pred, torch.where(target == 255, -1, target), num_classes)


@confusion_matrix.mistake
def ignored_in_the_prediction_too(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Pixels are left out because of what was *predicted*; a class that is ignored in the truth may be predicted."""
    left_out = (target == ignore_index) | (pred == ignore_index)
    return _count(pred, torch.where(left_out, -1, target), num_classes)


@confusion_matrix.mistake
def counted_once(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """No cell is above 1: `matrix[rows, columns] += 1` adds only once where a pair of indices occurs many times."""
    return _reference(pred, target, num_classes, ignore_index).clamp(max=1)


@confusion_matrix.mistake
def size_from_the_data(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """The matrix is as large as the largest class that occurs; it should have a row for every class there is."""
    valid = target != ignore_index
    size = int(torch.maximum(pred[valid].max(), target[valid].max())) + 1
    return _reference(pred, target, num_classes, ignore_index)[:size, :size]


@confusion_matrix.mistake
def first_picture_only(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Only the first picture of the batch was counted."""
    return _reference(pred[:1], target[:1], num_classes, ignore_index)


@confusion_matrix.mistake
def hits_only(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Everything beside the diagonal is 0: what became of the pixels that were confused?"""
    return _reference(pred, target, num_classes, ignore_index).diagonal().diag()


@confusion_matrix.mistake
def errors_only(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """The diagonal is empty: pixels that were predicted well are counted too."""
    matrix = _reference(pred, target, num_classes, ignore_index)
    return matrix - matrix.diagonal().diag()


@confusion_matrix.mistake
def shares_of_the_rows(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """The rows were divided by their sums; counts are asked for, since those of two batches can be added."""
    matrix = _reference(pred, target, num_classes, ignore_index).double()
    return matrix / matrix.sum(1, keepdim=True).clamp(min=1)


@confusion_matrix.mistake
def a_row_for_void(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """The matrix has one row and column more than there are classes: void is not a class."""
    return _count(pred, torch.where(target == ignore_index, num_classes, target), num_classes + 1)


@confusion_matrix.mistake
def both_directions(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """The matrix is symmetric: a car taken for a tree and a tree taken for a car are two things."""
    matrix = _reference(pred, target, num_classes, ignore_index)
    return matrix + matrix.T


@confusion_matrix.mistake
def summed_over_the_truth(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Every row is the same: of a pixel both classes belong together, its own truth and its own prediction."""
    matrix = _reference(pred, target, num_classes, ignore_index)
    return matrix.sum(0).expand(num_classes, num_classes)


def counts_not_int64(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """The counts are of another type than int64; float32 stops counting at 16 777 216 pixels, int32 at 2³¹."""
    return _reference(pred, target, num_classes, ignore_index).float()


def changes_its_input(pred: Tensor, target: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """A label map is not the same after the call: an assignment such as `target[void] = 0` wrote into it."""
    matrix = _reference(pred, target, num_classes, ignore_index)
    target[target == ignore_index] = 0
    return matrix


for with_right_values in (counts_not_int64, changes_its_input):
    confusion_matrix.mistake(with_right_values, right_values=True)
