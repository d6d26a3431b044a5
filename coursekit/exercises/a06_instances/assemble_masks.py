"""`assemble_masks(prototypes, coefficients, boxes)`: YOLACT's masks as mixtures of shared prototypes, cut to boxes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

assemble_masks = Exercise("assemble_masks", forbids=(REFERENCE_OPS, REFERENCE_MODELS))

LECTURE = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [2.0, 0.0]]]  # (H, W, P)


def _mixed(prototypes: Tensor, weights: Tensor) -> Tensor:
    return torch.einsum("hwp, kp -> khw", prototypes, weights)


def _inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """(K, H, W) bool: x1 ≤ x < x2 and y1 ≤ y < y2."""
    x1, y1, x2, y2 = boxes[:, :, None, None].unbind(1)
    y, x = torch.arange(height)[:, None], torch.arange(width)
    return (x1 <= x) & (x < x2) & (y1 <= y) & (y < y2)


def _reference(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    probabilities = _mixed(prototypes, coefficients.tanh()).sigmoid()
    return probabilities * _inside(boxes, *prototypes.shape[:2])


def _boxes(draw: Draw, count: int, height: int, width: int) -> Tensor:
    """Whole-number boxes that leave a margin of two pixels, so that a box may be read otherwise and still fit."""
    drawn = [
        [draw.integer(2, 3), draw.integer(1, 2), draw.integer(width // 2 + 2, width - 2), draw.integer(5, height - 2)]
        for _ in range(count)
    ]
    return torch.tensor(drawn).float()


def _arguments(draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    height, width, count = draw.integer(8, 9), draw.integer(11, 13), draw.integer(3, 4)
    prototypes = 1.5 * draw.normal(height, width, draw.integer(5, 6))
    return prototypes, draw.normal(count, prototypes.shape[-1]), _boxes(draw, count, height, width)


@assemble_masks.check(points=0.5)
def two_prototypes(answer: Answer, draw: Draw) -> None:
    """Two prototypes of 2 × 2, and a box that holds everything: the lecture's, and others."""
    box = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    for prototypes, coefficients in (
        (torch.tensor(LECTURE), torch.tensor([[1.0, -1.0]])),
        (draw.normal(2, 2, 2), draw.normal(1, 2)),
    ):
        expect.close(answer(prototypes, coefficients, box), _reference(prototypes, coefficients, box))


@assemble_masks.check(points=1)
def any_masks(answer: Answer, draw: Draw) -> None:
    """Any size, prototypes and instances: the probabilities in the boxes."""
    for _ in range(2):
        args = _arguments(draw)
        expected = _reference(*args)
        got = expect.a_tensor(answer(*args), expected.shape)
        x1, y1, x2, y2 = (args[2] + torch.tensor([1, 1, -1, -1])).int().unbind(1)
        for k in range(len(expected)):
            inner = (k, slice(y1[k], y2[k]), slice(x1[k], x2[k]))
            expect.close(got[inner], expected[inner], f"the probabilities in box {k}")


@assemble_masks.check(points=0.5, needs="any_masks")
def cut_to_the_boxes(answer: Answer, draw: Draw) -> None:
    """0 outside of the box, in which x1 and y1 are the first pixels and x2 and y2 the first ones beyond."""
    args = _arguments(draw)
    expect.close(answer(*args), _reference(*args))
    prototypes, coefficients, _ = args
    height, width, _ = prototypes.shape
    to_the_border = torch.tensor([[0, 0, width, 3], [width - 1, 2, width, height], [0, height - 1, 4, height]]).float()
    expected = _reference(prototypes, coefficients[:3], to_the_border)
    expect.close(answer(prototypes, coefficients[:3], to_the_border), expected, "the result for boxes at the border")


properties.add_good_manners(
    assemble_masks,
    0.5,
    needs="any_masks",
    reference=_reference,
    arguments=lambda draw: tuple(arg.double() for arg in _arguments(draw)),
)


@assemble_masks.check(points=0.5, needs="good_manners")
def coefficients_learn(answer: Answer, draw: Draw) -> None:
    """The gradient reaches the coefficients too."""
    prototypes, coefficients, boxes = _arguments(draw)
    weights = draw.normal(len(boxes), *prototypes.shape[:2])

    def gradient(function: Callable[..., Any]) -> Tensor:
        leaf = coefficients.clone().requires_grad_()
        result = expect.a_tensor(function(prototypes, leaf, boxes))
        found = None
        if result.requires_grad:
            (found,) = torch.autograd.grad((result * weights).sum(), leaf, allow_unused=True)
        if found is None:
            raise expect.CheckFailed("no gradient reaches the coefficients", mistake="coefficients_cut_off")
        return found

    expected = gradient(_reference)
    expect.close(gradient(answer), expected, "the gradient with respect to the coefficients", tolerance=1e-4)


@assemble_masks.mistake
def tanh_forgotten(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The coefficients were used as they are; they come from the network *before* their tanh."""
    return _mixed(prototypes, coefficients).sigmoid() * _inside(boxes, *prototypes.shape[:2])


@assemble_masks.mistake
def sigmoid_of_the_coefficients(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The coefficients went through a sigmoid, so no prototype can be subtracted: tanh has both signs."""
    return _mixed(prototypes, coefficients.sigmoid()).sigmoid() * _inside(boxes, *prototypes.shape[:2])


@assemble_masks.mistake
def sigmoid_forgotten(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The result is not between 0 and 1: the mixture is a logit, and a probability is asked for."""
    return _mixed(prototypes, coefficients.tanh()) * _inside(boxes, *prototypes.shape[:2])


@assemble_masks.mistake
def sigmoid_twice(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """Everything in the boxes lies between 0.5 and 0.73: the sigmoid was taken twice."""
    mixed = _mixed(prototypes, coefficients.tanh())
    return mixed.sigmoid().sigmoid() * _inside(boxes, *prototypes.shape[:2])


@assemble_masks.mistake
def tanh_after_mixing(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The tanh was taken of the mixture; it belongs to the coefficients."""
    return _mixed(prototypes, coefficients).tanh().sigmoid() * _inside(boxes, *prototypes.shape[:2])


@assemble_masks.mistake
def softmax_over_instances(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The masks compete with each other: each instance's pixel is a yes or no of its own, a sigmoid."""
    return _mixed(prototypes, coefficients.tanh()).softmax(dim=0) * _inside(boxes, *prototypes.shape[:2])


@assemble_masks.mistake
def prototypes_made_positive(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """A ReLU was put on the prototypes: here they come ready, and are mixed as they are."""
    return _reference(prototypes.relu(), coefficients, boxes)


@assemble_masks.mistake
def mean_of_the_prototypes(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The mixture was divided by the number of prototypes: it is a sum."""
    mixed = _mixed(prototypes, coefficients.tanh()) / prototypes.shape[-1]
    return mixed.sigmoid() * _inside(boxes, *prototypes.shape[:2])


@assemble_masks.mistake
def not_cut(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The masks go on outside of their boxes: where are the boxes used?"""
    return _mixed(prototypes, coefficients.tanh()).sigmoid()


@assemble_masks.mistake
def cut_before_the_sigmoid(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """Outside of the boxes stands 0.5, the sigmoid of 0: take the sigmoid first and cut then."""
    return (_mixed(prototypes, coefficients.tanh()) * _inside(boxes, *prototypes.shape[:2])).sigmoid()


@assemble_masks.mistake
def far_edge_counted_in(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The boxes are one pixel too wide and too high: x2 and y2 are outside."""
    return _reference(prototypes, coefficients, boxes + boxes.new_tensor([0, 0, 1, 1]))


@assemble_masks.mistake
def near_edge_left_out(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The boxes begin one pixel too late: x1 and y1 are inside."""
    return _reference(prototypes, coefficients, boxes + boxes.new_tensor([1, 1, 0, 0]))


@assemble_masks.mistake
def x_and_y_swapped(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The boxes were read as y, x, y, x; they are x1, y1, x2, y2, and x runs along the width."""
    return _reference(prototypes, coefficients, boxes[:, [1, 0, 3, 2]])


@assemble_masks.mistake
def cut_to_the_first_box(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """All masks were cut to the first box: each instance has its own."""
    return _reference(prototypes, coefficients, boxes[:1].expand_as(boxes))


@assemble_masks.mistake
def inside_cut_away(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The inside of the boxes is 0 and the outside is kept; it should be the other way round."""
    return not_cut(prototypes, coefficients, boxes) * ~_inside(boxes, *prototypes.shape[:2])


@assemble_masks.mistake
def reshaped_in_the_wrong_order(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The prototypes lie in the *last* dimension: a reshape to (P, H, W) mixes them up, a permutation does not."""
    height, width, count = prototypes.shape
    return _reference(prototypes.reshape(count, height, width).permute(1, 2, 0), coefficients, boxes)


@assemble_masks.mistake
def instances_last(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The shape is (H, W, K); the instances should come first."""
    return _reference(prototypes, coefficients, boxes).permute(1, 2, 0)


@assemble_masks.mistake
def thresholded(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The probabilities were compared with 0.5 and are lost; return them as they are."""
    return (_reference(prototypes, coefficients, boxes) > 0.5).to(prototypes.dtype)


def coefficients_cut_off(prototypes: Tensor, coefficients: Tensor, boxes: Tensor) -> Tensor:
    """The prototypes learn and the coefficients do not: something cuts them from the graph."""
    return _reference(prototypes, coefficients.detach(), boxes)


assemble_masks.mistake(coefficients_cut_off, right_values=True)
