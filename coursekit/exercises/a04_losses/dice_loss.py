"""`dice_loss(logits, target)`: the lecture's form: squares below, every sum over all pixels and classes at once."""

from torch import Tensor

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.a04_losses.batches import softmax_and_one_hot
from coursekit.exercises.a04_losses.shared_mistakes import add_region_mistakes
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_LOSSES

dice_loss = Exercise("dice_loss", forbids=(REFERENCE_LOSSES,))


def _dice(logits: Tensor, target: Tensor) -> Tensor:
    return _dice_of(*softmax_and_one_hot(logits, target))


def _dice_of(s: Tensor, g: Tensor) -> Tensor:
    return 1 - 2 * (g * s).sum() / ((g**2).sum() + (s**2).sum())


@dice_loss.check(points=0.5)
def worked_example(answer: Answer, draw: Draw) -> None:
    """Four pixels: the notebook's examples; and two others."""
    calls = batches.two_class_example(), batches.three_class_example(), batches.batch(draw, 2, (1, 1, 2))
    batches.expect_losses(answer, _dice, batches.SMOOTHED, *calls)


@dice_loss.check(points=0.5)
def any_shape(answer: Answer, draw: Draw) -> None:
    """Any batch, number of classes, height and width."""
    calls = (batches.batch(draw, classes) for classes in (None, 2, 6))
    batches.expect_losses(answer, _dice, batches.SMOOTHED, *calls)


batches.add_saturated_regions(dice_loss, "any_shape", _dice)
batches.add_good_manners(dice_loss, "any_shape", _dice)
add_region_mistakes(dice_loss, _dice_of)


@dice_loss.mistake
def squares_missing(logits: Tensor, target: Tensor) -> Tensor:
    """Below the line stand the sums of g and s as they are; the lecture's form has them squared."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - 2 * (g * s).sum() / (g + s).sum()


@dice_loss.mistake
def squares_of_the_sums(logits: Tensor, target: Tensor) -> Tensor:
    """Below the line the sums were squared; each term is squared before it is added."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - 2 * (g * s).sum() / (g.sum() ** 2 + s.sum() ** 2)


@dice_loss.mistake
def square_of_g_plus_s(logits: Tensor, target: Tensor) -> Tensor:
    """Below the line stands the square of a sum, (g + s)²; it should be a sum of squares."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - 2 * (g * s).sum() / ((g + s) ** 2).sum()


@dice_loss.mistake
def overlap_squared(logits: Tensor, target: Tensor) -> Tensor:
    """Above the line the product was squared; only what stands below is squared."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - 2 * ((g * s) ** 2).sum() / ((g**2).sum() + (s**2).sum())


@dice_loss.mistake
def factor_two_missing(logits: Tensor, target: Tensor) -> Tensor:
    """A perfect prediction does not reach 0: a factor is missing above the line."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - (g * s).sum() / ((g**2).sum() + (s**2).sum())


@dice_loss.mistake
def overlap_counted_once(logits: Tensor, target: Tensor) -> Tensor:
    """The overlap was taken off below the line, as for the IoU; here it is counted twice above it."""
    s, g = softmax_and_one_hot(logits, target)
    overlap = (g * s).sum()
    return 1 - overlap / ((g**2).sum() + (s**2).sum() - overlap)


@dice_loss.mistake
def mean_over_the_classes(logits: Tensor, target: Tensor) -> Tensor:
    """Each class has a ratio of its own here; in the lecture's form the sums run over all classes first."""
    s, g = softmax_and_one_hot(logits, target)
    axes = (0, 2, 3)
    return (1 - 2 * (g * s).sum(axes) / ((g**2).sum(axes) + (s**2).sum(axes))).mean()


@dice_loss.mistake
def mean_over_pictures_and_classes(logits: Tensor, target: Tensor) -> Tensor:
    """There is one ratio for each picture and class here; the sums run over all of them first."""
    s, g = softmax_and_one_hot(logits, target)
    axes = (2, 3)
    below = (g**2).sum(axes) + (s**2).sum(axes)
    return (1 - 2 * (g * s).sum(axes) / below).mean()


@dice_loss.mistake
def mean_over_the_pixels(logits: Tensor, target: Tensor) -> Tensor:
    """There is one ratio for each pixel here; first the sums, then one division."""
    s, g = softmax_and_one_hot(logits, target)
    return (1 - 2 * (g * s).sum(1) / ((g**2).sum(1) + (s**2).sum(1))).mean()


@dice_loss.mistake
def smoothed_with_one(logits: Tensor, target: Tensor) -> Tensor:
    """A 1 was added above and below: on small pictures that changes the loss. At most 1e-5 is free here."""
    s, g = softmax_and_one_hot(logits, target)
    return 1 - (2 * (g * s).sum() + 1) / ((g**2).sum() + (s**2).sum() + 1)
