"""`cross_entropy(logits, target)`: the mean over all pixels of minus the logarithm of the true class's probability."""

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.a04_losses.shared_mistakes import add_logarithm_mistakes
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import CROSS_ENTROPY, REFERENCE_LOSSES

cross_entropy = Exercise("cross_entropy", forbids=(CROSS_ENTROPY, REFERENCE_LOSSES))


def _log_of_true_class(logits: Tensor, target: Tensor) -> Tensor:
    return logits.log_softmax(dim=1).gather(1, target[:, None])[:, 0]


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return -_log_of_true_class(logits, target).mean()


def _expect(answer: Answer, *calls: tuple[Tensor, Tensor]) -> None:
    batches.expect_losses(answer, _cross_entropy, batches.SMOOTHED_LOG, *calls)


@cross_entropy.check(points=0.5)
def worked_example(answer: Answer, draw: Draw) -> None:
    """Four pixels: the notebook's examples, and another."""
    _expect(answer, batches.two_class_example(), batches.three_class_example(), batches.batch(draw, 3, (1, 1, 4)))


@cross_entropy.check(points=0.5)
def any_shape(answer: Answer, draw: Draw) -> None:
    """Any batch, number of classes, height and width."""
    _expect(answer, *(batches.batch(draw, classes) for classes in (None, 2, 6)))


batches.add_saturated_logarithms(cross_entropy, "any_shape", _cross_entropy)
batches.add_good_manners(cross_entropy, "any_shape", _cross_entropy)
add_logarithm_mistakes(cross_entropy, _cross_entropy)


@cross_entropy.mistake
def sum_instead_of_mean(logits: Tensor, target: Tensor) -> Tensor:
    """The loss grows with the size of the picture: by how many pixels is it to be divided?"""
    return -_log_of_true_class(logits, target).sum()


@cross_entropy.mistake
def divided_by_pictures_only(logits: Tensor, target: Tensor) -> Tensor:
    """The sum was divided by the number of pictures; the mean is over all *pixels*."""
    return -_log_of_true_class(logits, target).sum() / len(logits)


@cross_entropy.mistake
def divided_by_pixels_of_one_picture(logits: Tensor, target: Tensor) -> Tensor:
    """The sum was divided by height times width; a batch holds more pixels than one picture."""
    return -_log_of_true_class(logits, target).sum() / target[0].numel()


@cross_entropy.mistake
def softmax_forgotten(logits: Tensor, target: Tensor) -> Tensor:
    """The logits went in as they are; the formula speaks of probabilities."""
    return -logits.gather(1, target[:, None]).mean()


@cross_entropy.mistake
def logarithm_forgotten(logits: Tensor, target: Tensor) -> Tensor:
    """The probability of the true class itself was averaged: something of the formula is missing between the two."""
    return -_log_of_true_class(logits, target).exp().mean()


@cross_entropy.mistake
def softmax_over_the_rows(logits: Tensor, target: Tensor) -> Tensor:
    """The softmax runs along an axis of the picture: along which axis do the probabilities of a pixel sum to 1?"""
    return -logits.log_softmax(dim=2).gather(1, target[:, None]).mean()


@cross_entropy.mistake
def softmax_over_the_columns(logits: Tensor, target: Tensor) -> Tensor:
    """The softmax runs along the last axis: in (N, C, H, W) the classes are not the last."""
    return -logits.log_softmax(dim=-1).gather(1, target[:, None]).mean()


@cross_entropy.mistake
def softmax_over_the_batch(logits: Tensor, target: Tensor) -> Tensor:
    """The softmax runs over the pictures of the batch: which axis are the classes?"""
    return -logits.log_softmax(dim=0).gather(1, target[:, None]).mean()


@cross_entropy.mistake
def a_sigmoid_for_each_class(logits: Tensor, target: Tensor) -> Tensor:
    """Each class was squashed by itself, with a sigmoid; the classes of a pixel share one softmax."""
    return -F.logsigmoid(logits).gather(1, target[:, None]).mean()


@cross_entropy.mistake
def binary_cross_entropy_of_each_class(logits: Tensor, target: Tensor) -> Tensor:
    """The classes that are not true have a term of their own; in the lecture's formula their g is 0."""
    s, g = batches.softmax_and_one_hot(logits, target)
    return F.binary_cross_entropy(s, g)


@cross_entropy.mistake
def binary_terms_summed_over_classes(logits: Tensor, target: Tensor) -> Tensor:
    """There is a second term, with 1 - g; the lecture's formula, for any number of classes, has only one."""
    s, g = batches.softmax_and_one_hot(logits, target)
    return F.binary_cross_entropy(s, g) * logits.shape[1]


@cross_entropy.mistake
def logarithm_to_base_two(logits: Tensor, target: Tensor) -> Tensor:
    """Too large by the same factor everywhere, 1.44: which logarithm is meant?"""
    return -_log_of_true_class(logits, target).mean() / torch.tensor(2.0).log()


@cross_entropy.mistake
def logarithm_to_base_ten(logits: Tensor, target: Tensor) -> Tensor:
    """Too small by the same factor everywhere, 0.43: which logarithm is meant?"""
    return -_log_of_true_class(logits, target).mean() / torch.tensor(10.0).log()


@cross_entropy.mistake
def logarithm_of_the_mean(logits: Tensor, target: Tensor) -> Tensor:
    """The mean was taken before the logarithm; first the logarithm of each pixel, then the mean."""
    return -_log_of_true_class(logits, target).exp().mean().log()


@cross_entropy.mistake
def mean_over_classes_of_their_means(logits: Tensor, target: Tensor) -> Tensor:
    """Each class has the same weight, however few its pixels: that is class balancing, and not the plain mean."""
    pixels = -_log_of_true_class(logits, target)
    return torch.stack([pixels[target == c].mean() for c in target.unique()]).mean()


@cross_entropy.mistake
def background_left_out(logits: Tensor, target: Tensor) -> Tensor:
    """The pixels of class 0 cost nothing here; it is a class like the others."""
    return -_log_of_true_class(logits, target)[target > 0].sum() / target.numel()


@cross_entropy.mistake
def entropy_of_the_prediction(logits: Tensor, target: Tensor) -> Tensor:
    """Where does the target enter? The sum over all classes of s·log s is the entropy of the prediction alone."""
    log_s = logits.log_softmax(dim=1)
    return -(log_s.exp() * log_s).sum(dim=1).mean()
