"""`iou_loss(logits, target)`: the lecture's form: one minus overlap by union, sums over all pixels and classes."""

from torch import Tensor

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.a04_losses.batches import softmax_and_one_hot
from coursekit.exercises.a04_losses.shared_mistakes import add_region_mistakes
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_LOSSES

iou_loss = Exercise("iou_loss", forbids=(REFERENCE_LOSSES,))


def _iou(logits: Tensor, target: Tensor) -> Tensor:
    return _iou_of(*softmax_and_one_hot(logits, target))


def _iou_of(s: Tensor, g: Tensor) -> Tensor:
    return 1 - (g * s).sum() / (g + s - g * s).sum()


@iou_loss.check(points=0.5)
def values(answer: Answer, draw: Draw) -> None:
    """The notebook's examples, and any batch, number of classes, height and width."""
    calls = [batches.two_class_example(), batches.three_class_example(), batches.batch(draw, 2, (1, 1, 2))]
    calls += [batches.batch(draw, classes) for classes in (None, 2, 6)]
    batches.expect_losses(answer, _iou, batches.SMOOTHED, *calls)


batches.add_saturated_regions(iou_loss, "values", _iou)
batches.add_good_manners(iou_loss, "values", _iou)
add_region_mistakes(iou_loss, _iou_of)


@iou_loss.mistake
def overlap_not_subtracted(logits: Tensor, target: Tensor) -> Tensor:
    """A perfect prediction does not reach 0: below the line the overlap is counted twice."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - (g * s).sum() / (g + s).sum()


@iou_loss.mistake
def dice_in_its_place(logits: Tensor, target: Tensor) -> Tensor:
    """This is a Dice loss: the IoU has no factor 2, and the union below the line."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - 2 * (g * s).sum() / (g + s).sum()


@iou_loss.mistake
def squared_dice_in_its_place(logits: Tensor, target: Tensor) -> Tensor:
    """This is the Dice loss of the exercise before: the IoU has no factor 2, no squares, and the union below."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - 2 * (g * s).sum() / (g**2 + s**2).sum()


@iou_loss.mistake
def squares_below(logits: Tensor, target: Tensor) -> Tensor:
    """The squares belong to the Dice loss; the union of the IoU is made of g and s as they are."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - (g * s).sum() / (g**2 + s**2 - g * s).sum()


@iou_loss.mistake
def factor_two_above(logits: Tensor, target: Tensor) -> Tensor:
    """The factor 2 belongs to the Dice loss: a perfect prediction would give an IoU of 2."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - 2 * (g * s).sum() / (g + s - g * s).sum()


@iou_loss.mistake
def logarithm_of_the_iou(logits: Tensor, target: Tensor) -> Tensor:
    """Minus the logarithm of the IoU is a loss too, and another one: the lecture's is 1 minus the ratio."""
    return -(1 - _iou(logits, target)).log()


@iou_loss.mistake
def mean_over_the_classes(logits: Tensor, target: Tensor) -> Tensor:
    """Each class has a ratio of its own here; in the lecture's form the sums run over all classes first."""
    s, g = softmax_and_one_hot(logits, target)
    axes = (0, 2, 3)
    return (1 - (g * s).sum(axes) / (g + s - g * s).sum(axes)).mean()


@iou_loss.mistake
def mean_over_pictures_and_classes(logits: Tensor, target: Tensor) -> Tensor:
    """There is one ratio for each picture and class here; the sums run over all of them first."""
    s, g = softmax_and_one_hot(logits, target)
    axes = (2, 3)
    return (1 - (g * s).sum(axes) / (g + s - g * s).sum(axes)).mean()


@iou_loss.mistake
def mean_over_the_pixels(logits: Tensor, target: Tensor) -> Tensor:
    """There is one ratio for each pixel here; first the sums, then one division."""
    s, g = softmax_and_one_hot(logits, target)
    return (1 - (g * s).sum(1) / (g + s - g * s).sum(1)).mean()


@iou_loss.mistake
def smoothed_with_one(logits: Tensor, target: Tensor) -> Tensor:
    """A 1 was added above and below: on small pictures that changes the loss. At most 1e-5 is free here."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - ((g * s).sum() + 1) / ((g + s - g * s).sum() + 1)
