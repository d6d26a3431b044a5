"""`keypoint_targets(keypoints, boxes, size)`: the cell of each keypoint in the square heatmap of its box."""

import torch
from torch import Tensor

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

keypoint_targets = Exercise("keypoint_targets", forbids=(REFERENCE_OPS, REFERENCE_MODELS))

Pair = tuple[Tensor, Tensor]


def _reference(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    cells = _fractions(keypoints, boxes) * size
    cells = torch.where(keypoints[..., :2] == boxes[:, None, 2:], size - 1, cells.floor())
    return _packed(cells, _is_inside(keypoints, boxes) & (keypoints[..., 2] > 0), size)


def _fractions(keypoints: Tensor, boxes: Tensor) -> Tensor:
    """(K, 17, 2): 0 at the near edges of the box, 1 at the far ones."""
    near, far = boxes[:, None, :2], boxes[:, None, 2:]
    return (keypoints[..., :2] - near) / (far - near)


def _is_inside(keypoints: Tensor, boxes: Tensor) -> Tensor:
    points = keypoints[..., :2]
    return ((boxes[:, None, :2] <= points) & (points <= boxes[:, None, 2:])).all(dim=-1)


def _packed(cells: Tensor, valid: Tensor, size: int) -> Pair:
    """Indices from (column, row); 0 where invalid."""
    column, row = cells.long().unbind(-1)
    return (row * size + column) * valid, valid


def _expect_targets(answer: Answer, keypoints: Tensor, boxes: Tensor, size: int, of: str = "") -> Pair:
    indices, valid = expect.a_pair(answer(keypoints, boxes, size), "the indices and what is valid")
    right_indices, right_valid = _reference(keypoints, boxes, size)
    indices = expect.a_tensor(indices, right_valid.shape, "the indices")
    expect.close(valid, right_valid, f"what is valid{of}")
    expect.close(torch.where(right_valid, indices, 0), right_indices, f"the valid indices{of}")
    return indices, valid


def _people(draw: Draw, count: int, size: int) -> Pair:
    """Keypoints well inside of cells of their heatmaps, a fifth of them outside of the box; all visibilities."""
    near = draw.uniform(count, 2, low=15.0, high=60.0)
    sides = torch.stack([draw.uniform(count, low=20.0, high=30.0), draw.uniform(count, low=35.0, high=50.0)], dim=1)
    cells = torch.stack([draw.labels(count, 17, classes=size) for _ in range(2)], dim=-1)
    strays = draw.uniform(count, 17) < 0.2
    strays[:, -2:] = True
    cells[..., 1][strays] = draw.integer(size + 1, size + 4)
    cells[:, -1, 1] = -draw.integer(2, 4)
    points = near[:, None] + (cells + draw.uniform(count, 17, 2, low=0.2, high=0.8)) / size * sides[:, None]
    visibility = draw.labels(count, 17, classes=3)
    visibility[:, :3] = torch.tensor([0, 1, 2])
    visibility[:, -2:] = 2
    return torch.cat([points, visibility[..., None]], dim=-1), torch.cat([near, near + sides], dim=1)


def _placed(boxes: Tensor, fractions: Tensor) -> Tensor:
    """Seen keypoints (K, 17, 3) at fractions (17, 2) of the boxes' sides, exact at 0 and 1."""
    near, far = boxes[:, None, :2], boxes[:, None, 2:]
    points = torch.where(fractions == 1, far, near + fractions * (far - near))
    return torch.cat([points, torch.full_like(points[..., :1], 2)], dim=-1)


@keypoint_targets.check(points=0.5)
def one_person(answer: Answer, draw: Draw) -> None:
    """One box and a heatmap of 56 × 56: the lecture's, and another."""
    points = torch.zeros(1, 17, 3)
    points[0, :3] = torch.tensor([[5.2, 5.2, 2], [19.9, 10.1, 2], [12.2, 7.3, 0]])
    for keypoints, boxes in ((points, torch.tensor([[0.0, 0.0, 20.0, 20.0]])), _people(draw, 1, 56)):
        _expect_targets(answer, keypoints, boxes, 56)


@keypoint_targets.check(points=0.5)
def any_people(answer: Answer, draw: Draw) -> None:
    """Any people, boxes, visibilities and size of the heatmap."""
    for size in (7, 28, draw.integer(10, 20)):
        _expect_targets(answer, *_people(draw, draw.integer(3, 5), size), size)


@keypoint_targets.check(points=0.5, needs="any_people")
def on_the_edges(answer: Answer, draw: Draw) -> None:
    """A point on the far edge belongs to the last cell, one on the near edge to the first."""
    boxes = torch.tensor([[16.0, 32, 48, 96], [draw.integer(1, 9), draw.integer(11, 19), 41, 59]]).float()
    middle = torch.linspace(0.14, 0.87, 17)  # none on the border of two of the 8 cells
    for at in (1.0, 0.0):
        edge = torch.full_like(middle, at)
        for x, y in ((edge, middle), (middle, edge), (edge, edge)):
            _expect_targets(answer, _placed(boxes, torch.stack([x, y], dim=1)), boxes, 8, " on the edges")


@keypoint_targets.check(points=0.5, needs="any_people")
def outside(answer: Answer, draw: Draw) -> None:
    """A point outside of its box is invalid, on every side, near and far."""
    boxes = torch.tensor([[16.0, 32, 48, 96], [draw.integer(1, 9), draw.integer(11, 19), 41, 59]]).float()
    fractions = (1 + draw.labels(17, 2, classes=6) + draw.uniform(17, 2, low=0.2, high=0.8)) / 8
    beyond = torch.tensor([-0.03, -0.4, 1.03, 1.4])
    fractions[:4, 0] = beyond
    fractions[4:8, 1] = beyond
    fractions[8:10] = torch.tensor([[-0.04, 1.0], [1.0, -0.06]])
    fractions[10:12] = torch.tensor([[1.0, 1.05], [1.02, 1.0]])
    _expect_targets(answer, _placed(boxes, fractions), boxes, 8, " beside the boxes")


@keypoint_targets.check(points=0.5, needs="any_people")
def types(answer: Answer, draw: Draw) -> None:
    """The indices are int64, what is valid is bool, also for float64, and the input stays as it was."""
    keypoints, boxes = _people(draw, 2, 14)
    indices, valid = _expect_targets(answer, keypoints.double(), boxes.double(), 14, " for float64")
    expect.dtype(indices, torch.int64, "the index", "indices_not_int64")
    expect.dtype(valid, torch.bool, "what is valid", "valid_as_numbers")
    properties.leaves_alone(answer, keypoints, boxes, 14)


@keypoint_targets.mistake
def row_and_column_swapped(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """The index is x · size + y; rows come first, and y says which row."""
    indices, valid = _reference(keypoints, boxes, size)
    return (indices % size * size + indices // size) * valid, valid


@keypoint_targets.mistake
def corner_not_subtracted(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """The points are counted from the corner of the picture: take the box's corner off first."""
    sides = boxes[:, None, 2:] - boxes[:, None, :2]
    valid = _is_inside(keypoints, boxes) & (keypoints[..., 2] > 0)
    return _packed((keypoints[..., :2] / sides * size).floor(), valid, size)


@keypoint_targets.mistake
def not_scaled(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """The cells are pixels of the picture; the box's sides should be divided into `size` cells each."""
    valid = _is_inside(keypoints, boxes) & (keypoints[..., 2] > 0)
    return _packed((keypoints[..., :2] - boxes[:, None, :2]).floor(), valid, size)


@keypoint_targets.mistake
def one_cell_too_few(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """The side was divided into size − 1 cells; there are `size`, and the far edge has a rule of its own."""
    valid = _is_inside(keypoints, boxes) & (keypoints[..., 2] > 0)
    return _packed((_fractions(keypoints, boxes) * (size - 1)).floor(), valid, size)


@keypoint_targets.mistake
def rounded(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """The nearest whole number was taken; a point belongs to the cell it lies *in*."""
    valid = _is_inside(keypoints, boxes) & (keypoints[..., 2] > 0)
    return _packed((_fractions(keypoints, boxes) * size).round().clamp(max=size - 1), valid, size)


@keypoint_targets.mistake
def width_for_both(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """Rows were scaled with the *width* of the box; boxes are not square, their heatmaps are."""
    near, far = boxes[:, None, :2], boxes[:, None, 2:]
    cells = (keypoints[..., :2] - near) / (far - near)[..., :1] * size
    return _packed(cells.floor().clamp(0, size - 1), _reference(keypoints, boxes, size)[1], size)


@keypoint_targets.mistake
def far_corner_as_size(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """x2 and y2 were taken for the width and height of the box; they are its far corner."""
    cells = (keypoints[..., :2] - boxes[:, None, :2]) / boxes[:, None, 2:] * size
    return _packed(cells.floor(), _reference(keypoints, boxes, size)[1], size)


@keypoint_targets.mistake
def visibility_ignored(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """Keypoints without a label count too: visibility 0 means that nobody knows where the point is."""
    seen = keypoints.clone()
    seen[..., 2] = 2
    return _reference(seen, boxes, size)


@keypoint_targets.mistake
def hidden_points_left_out(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """Points with visibility 1 are missing: they are hidden, but labelled, and count."""
    indices, valid = _reference(keypoints, boxes, size)
    valid = valid & (keypoints[..., 2] == 2)
    return indices * valid, valid


@keypoint_targets.mistake
def outside_moved_in(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """Points outside of the box were clamped into it, and so they count; they are invalid."""
    cells = (_fractions(keypoints, boxes) * size).floor().clamp(0, size - 1)
    return _packed(cells, keypoints[..., 2] > 0, size)


@keypoint_targets.mistake
def cut_towards_zero(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """Points a little left of or above the box count: whole-number conversion makes −0.3 to 0, floor does not."""
    cells = (_fractions(keypoints, boxes) * size).trunc()
    cells = torch.where(keypoints[..., :2] == boxes[:, None, 2:], size - 1, cells)
    valid = ((cells >= 0) & (cells < size)).all(dim=-1) & (keypoints[..., 2] > 0)
    return _packed(cells, valid, size)


@keypoint_targets.mistake
def far_edge_left_out(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """A point on the right or bottom edge is called invalid; it belongs to the last cell."""
    indices, valid = _reference(keypoints, boxes, size)
    valid = valid & (keypoints[..., :2] < boxes[:, None, 2:]).all(dim=-1)
    return indices * valid, valid


@keypoint_targets.mistake
def near_edge_left_out(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """A point on the left or top edge is called invalid; it belongs to the first cell."""
    indices, valid = _reference(keypoints, boxes, size)
    valid = valid & (keypoints[..., :2] > boxes[:, None, :2]).all(dim=-1)
    return indices * valid, valid


@keypoint_targets.mistake
def far_edge_in_the_next_row(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """A point on the far edge got the cell after the last, which is in the next row or beyond the heatmap."""
    valid = _is_inside(keypoints, boxes) & (keypoints[..., 2] > 0)
    return _packed((_fractions(keypoints, boxes) * size).floor(), valid, size)


@keypoint_targets.mistake
def beyond_the_far_edge_counts(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """Points right of or below the box count as in its last cell: only those *on* the far edge do."""
    cells = (_fractions(keypoints, boxes) * size).floor()
    valid = (cells >= 0).all(dim=-1) & (keypoints[..., 2] > 0)
    return _packed(cells.clamp(max=size - 1), valid, size)


@keypoint_targets.mistake
def first_box_for_all(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """Everyone's keypoints were measured in the first box: each person has a box of their own."""
    return _reference(keypoints, boxes[:1].expand_as(boxes), size)


@keypoint_targets.mistake
def results_swapped(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """What is valid comes first and the indices second; it should be the other way round."""
    indices, valid = _reference(keypoints, boxes, size)
    return valid, indices


def indices_not_int64(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """The indices are of another type than int64, so cross-entropy does not take them as targets."""
    indices, valid = _reference(keypoints, boxes, size)
    return indices.float(), valid


def valid_as_numbers(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """What is valid is not of type bool, so it cannot select: compare, and combine with `&`."""
    indices, valid = _reference(keypoints, boxes, size)
    return indices, valid.long()


def changes_its_input(keypoints: Tensor, boxes: Tensor, size: int) -> Pair:
    """The keypoints are not the same after the call: `-=` or an assignment wrote into them."""
    result = _reference(keypoints, boxes, size)
    keypoints[..., :2] -= boxes[:, None, :2]
    return result


for with_right_values in (indices_not_int64, valid_as_numbers, changes_its_input):
    keypoint_targets.mistake(with_right_values, right_values=True)
