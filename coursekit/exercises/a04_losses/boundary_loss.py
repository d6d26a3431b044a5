"""`boundary_loss(probabilities, distances)`: the mean of what is predicted times how far outside the object it lies."""

import torch
from torch import Tensor

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_LOSSES

boundary_loss = Exercise("boundary_loss", forbids=(REFERENCE_LOSSES,))

ROW = ([0.1, 0.2, 0.7, 0.9, 0.6, 0.4], [2.0, 1.0, 0.0, -1.0, 0.0, 1.0])


def _boundary(probabilities: Tensor, distances: Tensor) -> Tensor:
    return (probabilities * distances).mean()


def _inputs(draw: Draw, n: int, c: int, h: int, w: int) -> tuple[Tensor, Tensor]:
    """Distances of both signs whose sums differ from class to class and from picture to picture."""
    shift = torch.arange(n * c).reshape(n, c, 1, 1) - 1.5
    return draw.normal(n, c, h, w).softmax(dim=1), 4 * draw.normal(n, c, h, w) + shift


def _doubled(draw: Draw) -> tuple[Tensor, Tensor]:
    """Both in float64: a product of two types is an error in some of the right answers."""
    probabilities, distances = _inputs(draw, 2, 3, 4, 5)
    return probabilities.double(), distances.double()


@boundary_loss.check(points=0.5)
def values(answer: Answer, draw: Draw) -> None:
    """The notebook's row, and any batch, number of classes, height and width."""
    row = tuple(torch.tensor(values)[None, None, None] for values in ROW)
    calls = [_inputs(draw, draw.integer(2, 3), draw.integer(2, 4), draw.integer(3, 4), 7) for _ in range(3)]
    batches.expect_losses(answer, _boundary, 3e-5, row, _inputs(draw, 1, 1, 1, 6), *calls)


batches.add_good_manners(boundary_loss, "values", _boundary, _doubled)


@boundary_loss.mistake
def sum_instead_of_mean(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The loss grows with the size of the picture: the products were added, and their mean is asked for."""
    return (probabilities * distances).sum()


@boundary_loss.mistake
def sign_turned(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The loss has the wrong sign: probability far outside, where the distance is positive, must cost."""
    return -_boundary(probabilities, distances)


@boundary_loss.mistake
def distances_without_sign(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The sign of the distances was lost: inside the object probability is to be rewarded. The loss may be negative."""
    return _boundary(probabilities, distances.abs())


@boundary_loss.mistake
def never_below_zero(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The products inside the object were set to 0; this loss may be negative, and that is right."""
    return _boundary(probabilities, distances.clamp(min=0))


@boundary_loss.mistake
def absolute_value_at_the_end(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The sign was taken off at the end; this loss may be negative, and that is right."""
    return _boundary(probabilities, distances).abs()


@boundary_loss.mistake
def mean_over_pixels_only(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The products were divided by the number of pixels; the mean is over the classes too."""
    return (probabilities * distances).sum(dim=1).mean()


@boundary_loss.mistake
def mean_over_pictures_only(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The products of a picture were added; the mean is over everything."""
    return (probabilities * distances).flatten(1).sum(dim=1).mean()


@boundary_loss.mistake
def first_class_left_out(probabilities: Tensor, distances: Tensor) -> Tensor:
    """Class 0 takes no part; the mean of this exercise is over all that it is given."""
    return _boundary(probabilities[:, 1:], distances[:, 1:])


@boundary_loss.mistake
def product_of_the_means(probabilities: Tensor, distances: Tensor) -> Tensor:
    """Two means were multiplied; it is the products whose mean is asked for."""
    return probabilities.mean() * distances.mean()


@boundary_loss.mistake
def softmax_again(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The probabilities went through a softmax: they have been through one already."""
    return _boundary(probabilities.softmax(dim=1), distances)


@boundary_loss.mistake
def sigmoid_again(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The probabilities went through a sigmoid, as if they were logits."""
    return _boundary(probabilities.sigmoid(), distances)


@boundary_loss.mistake
def of_what_is_not_predicted(probabilities: Tensor, distances: Tensor) -> Tensor:
    """1 - p was multiplied with the distances; p itself is asked for."""
    return _boundary(1 - probabilities, distances)


@boundary_loss.mistake
def logarithms_weighed(probabilities: Tensor, distances: Tensor) -> Tensor:
    """There is a logarithm in it, as in cross-entropy; this loss takes the probabilities as they are."""
    return _boundary(-probabilities.log(), distances)


@boundary_loss.mistake
def divided_by_the_distances(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The sum was divided by the sum of the distances; divide by the number of products."""
    return (probabilities * distances).sum() / distances.abs().sum()


@boundary_loss.mistake
def divided_by_the_probabilities(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The sum was divided by the sum of the probabilities; divide by the number of products."""
    return (probabilities * distances).sum() / probabilities.sum()


@boundary_loss.mistake
def hard_prediction(probabilities: Tensor, distances: Tensor) -> Tensor:
    """The prediction was rounded to 0 and 1, through which no gradient passes: use the probabilities."""
    return _boundary((probabilities > 0.5).to(probabilities), distances)
