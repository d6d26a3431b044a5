"""`border_weights(labels, w0, sigma)`: U-Net's weight of the narrow gaps between neighbouring cells."""

from typing import Any

import torch
from scipy import ndimage
from torch import Tensor

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

border_weights = Exercise("border_weights", forbids=(REFERENCE_MODELS, REFERENCE_OPS))


def _distances(labels: Tensor) -> Tensor:
    """(cells, H, W): how far each pixel is from each cell."""
    ids = [i for i in labels.unique().tolist() if i]
    maps = [torch.from_numpy(ndimage.distance_transform_edt((labels != i).numpy())) for i in ids]
    return torch.stack(maps) if maps else torch.zeros(0, *labels.shape, dtype=torch.float64)


def _nearest_two(labels: Tensor) -> tuple[Tensor, Tensor] | None:
    distances = _distances(labels).sort(dim=0).values
    return (distances[0], distances[1]) if len(distances) > 1 else None


def _weights(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    nearest = _nearest_two(labels)
    if nearest is None:
        return torch.zeros(labels.shape, dtype=torch.float64)
    d1, d2 = nearest
    return (w0 * torch.exp(-((d1 + d2) ** 2) / (2 * sigma**2))).where(labels == 0, 0)


def _cells(draw: Draw, height: int, width: int, cells: int) -> Tensor:
    """Rectangles with ids that are neither in order nor without gaps; none ever covers another altogether."""
    labels = torch.zeros(height, width, dtype=torch.int64)
    ids = (torch.randperm(30, generator=draw.generator)[:cells] + 2).tolist()
    column = draw.integer(0, 1)
    for number, i in enumerate(ids):
        wide = draw.integer(2, max(2, width // cells - 2))
        top = draw.integer(0, 1) if number % 2 else draw.integer(3, 4)
        labels[top : top + draw.integer(2, height - 6), column : column + wide] = i
        column += wide + draw.integer(0, 2)
    return labels


_CELLS_OF_ANY_ID = torch.tensor([[1, 1, 0, 0, 2, 0, 0], [1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 3, 3, 0, 0]])


def _expect_weights(answer: Answer, *cases: tuple[Any, ...]) -> None:
    expect.as_reference(answer, _weights, *cases, what="the weight map", tolerance=1e-4, any_array=True)


@border_weights.check(points=0.5)
def a_row(answer: Answer, draw: Draw) -> None:
    """Two cells in a row, three pixels apart and one pixel apart; then others."""
    gap = draw.integer(2, 6)
    rows = [[1, 0, 0, 0, 2], [1, 0, 2], [0] * draw.integer(1, 3) + [3] + [0] * gap + [5, 5, 0]]
    _expect_weights(answer, *((torch.tensor([row]),) for row in rows))


@border_weights.check(points=1)
def any_map(answer: Answer, draw: Draw) -> None:
    """Any size, several cells with any ids, any w0 and sigma."""
    cases: list[tuple[Any, ...]] = []
    for cells in (2, 3, draw.integer(4, 5)):
        labels = _cells(draw, draw.integer(9, 11), draw.integer(18, 21), cells)
        cases.append((labels, {"w0": 1.0 + 3 * draw.integer(1, 5), "sigma": 1.5 + draw.integer(0, 2)}))
    large = torch.tensor([0, 256, 300, 1000])[_CELLS_OF_ANY_ID]
    _expect_weights(answer, *cases, (cases[1][0],), (cases[2][0], 4.0, 3.0), (large.roll(draw.integer(0, 2), 1),))


@border_weights.check(points=0.5)
def cell_in_two_pieces(answer: Answer, draw: Draw) -> None:
    """One id in two pieces is one cell; two ids that touch are two."""
    labels = torch.zeros(9, 16, dtype=torch.int64)
    labels[1:3, 1:3], labels[5:8, draw.integer(3, 5)], labels[3:7, 12:14], labels[2:6, 14:] = 7, 7, 4, 9
    _expect_weights(answer, (labels, {"sigma": 4.0}), (labels.flip(1), {"w0": 3.0}))


@border_weights.check(points=0.5, needs="a_row")
def fewer_than_two_cells(answer: Answer, draw: Draw) -> None:
    """Zero everywhere for one cell or none; the map of labels is left alone."""
    one = torch.zeros(6, 9, dtype=torch.int64)
    one[2:4, draw.integer(1, 3) : 6] = draw.integer(1, 9)
    _expect_weights(answer, (one,), (torch.zeros(5, 7, dtype=torch.int64),), (one.clamp(min=3),))
    properties.leaves_alone(answer, _cells(draw, 9, 18, 3))


def _formula(exponent: Tensor, labels: Tensor, w0: float) -> Tensor:
    return (w0 * torch.exp(-exponent)).where(labels == 0, 0)


def _or_far(labels: Tensor) -> tuple[Tensor, Tensor]:
    """The two distances, infinite where there are no two cells."""
    far = torch.full(labels.shape, float("inf"), dtype=torch.float64)
    return _nearest_two(labels) or (far, far)


@border_weights.mistake
def two_in_the_exponent_forgotten(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """The weight falls too fast: look at the denominator of the exponent once more."""
    d1, d2 = _or_far(labels)
    return _formula((d1 + d2) ** 2 / sigma**2, labels, w0)


@border_weights.mistake
def squares_summed(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """Each distance is squared before they are added; it is their sum that is squared."""
    d1, d2 = _or_far(labels)
    return _formula((d1**2 + d2**2) / (2 * sigma**2), labels, w0)


@border_weights.mistake
def sigma_not_squared(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """Sigma stands in the exponent without its square."""
    d1, d2 = _or_far(labels)
    return _formula((d1 + d2) ** 2 / (2 * sigma), labels, w0)


@border_weights.mistake
def sum_not_squared(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """The sum of the distances stands in the exponent without its square."""
    d1, d2 = _or_far(labels)
    return _formula((d1 + d2) / (2 * sigma**2), labels, w0)


@border_weights.mistake
def one_cell_weighs(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """A cell alone has a border of its own weight; without a second cell there is no gap to keep open."""
    distances = _distances(labels)
    if len(distances) == 1:
        return _formula(distances[0] ** 2 / (2 * sigma**2), labels, w0)
    return _weights(labels, w0, sigma)


@border_weights.mistake
def nearest_cell_only(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """Every border is heavy, not only a gap: what of the *second* nearest cell? And is the background one?"""
    distances = _distances(labels)
    if len(distances) == 0:
        return torch.zeros(labels.shape)
    return _formula(distances.amin(0) ** 2 / (2 * sigma**2), labels, w0)


@border_weights.mistake
def nearest_cell_twice(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """The distance to the nearest cell is counted twice: the second nearest is another *cell*."""
    return _formula((2 * _or_far(labels)[0]) ** 2 / (2 * sigma**2), labels, w0)


@border_weights.mistake
def farthest_cell(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """With three cells the weight is too small: the farthest cell is taken for the second nearest."""
    distances = _distances(labels)
    if len(distances) < 2:
        return torch.zeros(labels.shape)
    return _formula((distances.amin(0) + distances.amax(0)) ** 2 / (2 * sigma**2), labels, w0)


@border_weights.mistake
def weights_inside_cells_too(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """Pixels of cells carry a weight as well; in this exercise only the background does."""
    d1, d2 = _or_far(labels)
    return w0 * torch.exp(-((d1 + d2) ** 2) / (2 * sigma**2))


@border_weights.mistake
def pieces_as_cells(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """Connected pieces are taken for cells: a cell is what carries one id, in one piece or in two."""
    return _weights(torch.from_numpy(ndimage.label((labels > 0).numpy())[0]).long(), w0, sigma)


@border_weights.mistake
def distances_in_whole_pixels(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """The distances are whole numbers: √2 has become 1 on the way."""
    nearest = _nearest_two(labels)
    if nearest is None:
        return torch.zeros(labels.shape)
    return _formula((nearest[0].floor() + nearest[1].floor()) ** 2 / (2 * sigma**2), labels, w0)


@border_weights.mistake
def city_blocks(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """Distances are counted in steps along rows and columns; as the crow flies they are shorter."""
    ids = [i for i in labels.unique().tolist() if i]
    if len(ids) < 2:
        return torch.zeros(labels.shape)
    steps = [ndimage.distance_transform_cdt((labels != i).numpy(), "taxicab") for i in ids]
    d = torch.stack([torch.from_numpy(s).double() for s in steps]).sort(dim=0).values
    return _formula((d[0] + d[1]) ** 2 / (2 * sigma**2), labels, w0)


@border_weights.mistake
def class_weight_added(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """A constant 1 is added: that is the weight of the class, which this map leaves out."""
    return 1 + _weights(labels, w0, sigma)


@border_weights.mistake
def fewer_than_two_fail(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """A map with one cell or none raises an error; there the weight is 0 everywhere."""
    distances = _distances(labels).sort(dim=0).values
    return _formula((distances[0] + distances[1]) ** 2 / (2 * sigma**2), labels, w0)


@border_weights.mistake
def w0_ignored(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """The weight in the narrowest gap is the same whatever `w0` says."""
    return _weights(labels, 10.0, sigma)


@border_weights.mistake
def sigma_ignored(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """The weight falls off in the same way whatever `sigma` says."""
    return _weights(labels, w0, 5.0)


@border_weights.mistake
def ids_without_gaps(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """The ids are taken for 1, 2, 3, … up to the number of cells; they may be any positive numbers."""
    count = len([i for i in labels.unique().tolist() if i])
    kept = labels.where(labels <= count, 0)
    return _weights(kept, w0, sigma).where(labels == 0, 0)


@border_weights.mistake
def ids_in_a_byte(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """Large ids change on the way: what becomes of 256 in a type of eight bits?"""
    return _weights(labels % 256, w0, sigma)


def changes_its_input(labels: Tensor, w0: float = 10.0, sigma: float = 5.0) -> Tensor:
    """The labels are not the same after the call: an assignment wrote into them."""
    result = _weights(labels, w0, sigma)
    labels.clamp_(max=1)
    return result


border_weights.mistake(changes_its_input, right_values=True)
