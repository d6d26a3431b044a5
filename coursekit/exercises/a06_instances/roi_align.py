"""`roi_align(features, boxes, output_size, sampling_ratio=2)`: features of one size for boxes of any."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision import ops as oracle

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS, ROI_ALIGN

roi_align = Exercise("roi_align", forbids=(ROI_ALIGN, REFERENCE_OPS, REFERENCE_MODELS))

Size = tuple[int, int]


def _reference(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    result: Tensor = oracle.roi_align(features[None], [boxes], output_size, sampling_ratio=sampling_ratio, aligned=True)
    return result


def _inner_boxes(draw: Draw, count: int, height: int, width: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Boxes at least one cell from the map's border, so that no sample needs a rule for what lies beyond it."""
    x1 = draw.uniform(count, low=1.1, high=width / 2 - 0.6, dtype=dtype)
    y1 = draw.uniform(count, low=1.1, high=height / 2 - 0.6, dtype=dtype)
    x2 = draw.uniform(count, low=width / 2 + 0.8, high=width - 1.1, dtype=dtype)
    y2 = draw.uniform(count, low=height / 2 + 0.4, high=height - 1.1, dtype=dtype)
    return torch.stack([x1, y1, x2, y2], dim=1)


def _expect_aligned(answer: Answer, features: Tensor, boxes: Tensor, size: Size, ratio: int | None = None) -> None:
    got = answer(features, boxes, size) if ratio is None else answer(features, boxes, size, sampling_ratio=ratio)
    expected = _reference(features, boxes, size, 2 if ratio is None else ratio)
    words = "by default" if ratio is None else f"with sampling_ratio={ratio}"
    expect.close(got, expected, f"the result {words}", tolerance=1e-4)


@roi_align.check(points=1)
def four_by_four(answer: Answer, draw: Draw) -> None:
    """A 4 × 4 map: the numbers 0 to 15, and others."""
    for features in (torch.arange(16.0).reshape(1, 4, 4), draw.normal(1, 4, 4)):
        _expect_aligned(answer, features, torch.tensor([[0.0, 0.0, 3.0, 3.0]]), (2, 2), 1)
        _expect_aligned(answer, features, torch.tensor([[0.6, 0.6, 2.4, 2.4]]), (1, 1))


@roi_align.check(points=1.5)
def any_boxes(answer: Answer, draw: Draw) -> None:
    """Any channels, map, boxes (smaller than a cell too), output size and number of samples."""
    for ratio in (None, 1, 3, 2):
        height, width = draw.integer(6, 7), draw.integer(9, 11)
        boxes = _inner_boxes(draw, draw.integer(2, 3), height, width)
        size = (draw.integer(2, 3), draw.integer(4, 5)) if ratio != 3 else (3, 1)
        _expect_aligned(answer, draw.normal(draw.integer(2, 3), height, width), boxes, size, ratio)
    tiny = boxes.clone()  # less than a cell wide and high
    tiny[:, 2:] = tiny[:, :2] + draw.uniform(len(boxes), 2, low=0.3, high=0.7)
    _expect_aligned(answer, draw.normal(2, height, width), tiny, (2, 3))


@roi_align.check(points=1, needs="four_by_four")
def at_the_border(answer: Answer, draw: Draw) -> None:
    """Up to the map's border, where the outermost cells repeat."""
    height, width = 5, draw.integer(6, 8)
    features = draw.normal(2, height, width)
    whole = torch.tensor([[0.0, 0.0, width, height]])
    _expect_aligned(answer, features, whole, (height, width), 1)  # gives back the map itself
    _expect_aligned(answer, features, whole, (2 * height, 2 * width), 1)
    near, far = draw.uniform(2, low=0.0, high=0.2).tolist()
    corners = [[near, far, 2.3, 1.4], [width - 2.4, height - 1.3, width - far, height - near]]
    _expect_aligned(answer, features, torch.tensor(corners), (2, 3))


@roi_align.check(points=0.5, needs="any_boxes")
def good_manners(answer: Answer, draw: Draw) -> None:
    """Keeps float64, lets gradients through, leaves its input alone."""
    features = draw.normal(2, 6, 9, dtype=torch.float64)
    args = features, _inner_boxes(draw, 2, 6, 9, torch.float64), (2, 3)
    properties.leaves_alone(answer, *args)
    properties.keeps_dtype(answer, *args)
    properties.lets_gradients_through(answer, _reference, *args)


def _samples(
    features: Tensor,
    boxes: Tensor,
    size: Size,
    ratio: int,
    place: float = 0.5,
    mode: str = "bilinear",
    padding_mode: str = "border",
) -> Tensor:
    """(K, C, h, ratio, w, ratio): what each sample reads, at `place` between the ends of its part of the bin."""

    def along(first: Tensor, last: Tensor, bins: int, cells: int) -> Tensor:
        steps = (torch.arange(bins * ratio) + place) / (bins * ratio)
        return (first[:, None] + steps * (last - first)[:, None]) * 2 / cells - 1

    x = along(boxes[:, 0], boxes[:, 2], size[1], features.shape[2])
    y = along(boxes[:, 1], boxes[:, 3], size[0], features.shape[1])
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)
    maps = features.expand(len(boxes), -1, -1, -1)
    read = F.grid_sample(maps, grid, mode=mode, padding_mode=padding_mode, align_corners=False)
    return read.unflatten(3, (size[1], ratio)).unflatten(2, (size[0], ratio))


@roi_align.mistake
def half_pixel_forgotten(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """Everything is read half a cell too far right and down: the centre of cell 0 lies at 0.5, not at 0."""
    result: Tensor = oracle.roi_align(features[None], [boxes], output_size, sampling_ratio=sampling_ratio)
    return result


@roi_align.mistake
def half_pixel_twice(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """Everything is read half a cell too far left and up: is the half pixel taken off twice?"""
    return _reference(features, boxes - 0.5, output_size, sampling_ratio)


@roi_align.mistake
def boxes_rounded(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """The corners of the boxes were rounded to whole cells; RoIAlign is RoIPool without the rounding."""
    return _reference(features, boxes.round(), output_size, sampling_ratio)


@roi_align.mistake
def boxes_truncated(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """The corners of the boxes lost their fractions; RoIAlign reads between the cells."""
    return _reference(features, boxes.floor(), output_size, sampling_ratio)


@roi_align.mistake
def maximum_of_the_samples(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """Each bin holds the largest of its samples, as in RoIPool; here they are averaged."""
    return _samples(features, boxes, output_size, sampling_ratio).amax(dim=(3, 5))


@roi_align.mistake
def sum_of_the_samples(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """The samples of a bin were added and never divided by their number."""
    return _samples(features, boxes, output_size, sampling_ratio).sum(dim=(3, 5))


@roi_align.mistake
def divided_by_one_side(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """The sum of the samples was divided by their number along one side: how many are there in a bin?"""
    return _samples(features, boxes, output_size, sampling_ratio).sum(dim=(3, 5)) / sampling_ratio


@roi_align.mistake
def one_sample_a_bin(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """Each bin is read once, in its middle, whatever `sampling_ratio` says."""
    return _reference(features, boxes, output_size, 1)


@roi_align.mistake
def always_two_samples(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """Each bin is read at 2 × 2 points whatever `sampling_ratio` says."""
    return _reference(features, boxes, output_size, 2)


@roi_align.mistake
def samples_at_the_corners(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """Each sample stands at the beginning of its part of the bin; it belongs into the middle."""
    return _samples(features, boxes, output_size, sampling_ratio, place=0.0).mean(dim=(3, 5))


@roi_align.mistake
def nearest_cell(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """Each sample takes the value of the cell it falls into; between centres it should be interpolated."""
    return _samples(features, boxes, output_size, sampling_ratio, mode="nearest").mean(dim=(3, 5))


@roi_align.mistake
def zeros_beyond_the_border(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """Within half a cell of the map's border the values fade towards 0; the outermost cells should repeat."""
    return _samples(features, boxes, output_size, sampling_ratio, padding_mode="zeros").mean(dim=(3, 5))


@roi_align.mistake
def x_and_y_swapped(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """The boxes were read as y, x, y, x; they are x1, y1, x2, y2, and x runs along the width."""
    return _reference(features, boxes[:, [1, 0, 3, 2]], output_size, sampling_ratio)


@roi_align.mistake
def width_and_height_boxes(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """The last two numbers of a box were taken for its width and height; they are its far corner."""
    return _reference(features, torch.cat([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], 1), output_size, sampling_ratio)


@roi_align.mistake
def far_edge_counted_in(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """The boxes are one cell too wide and too high: in continuous coordinates a width is x2 − x1."""
    return _reference(features, boxes + boxes.new_tensor([0, 0, 1, 1]), output_size, sampling_ratio)


@roi_align.mistake
def at_least_one_cell(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """Boxes smaller than a cell were made a cell wide, as RoIPool needs it; RoIAlign reads between the cells."""
    near, far = boxes[:, :2], boxes[:, 2:]
    return _reference(features, torch.cat([near, near + (far - near).clamp(min=1)], dim=1), output_size, sampling_ratio)


@roi_align.mistake
def output_size_swapped(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """Height and width of the output have changed places: `output_size` is (h, w)."""
    return _reference(features, boxes, (output_size[1], output_size[0]), sampling_ratio)


@roi_align.mistake
def one_box_for_all(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """All results are those of the first box."""
    return _reference(features, boxes[:1].expand_as(boxes), output_size, sampling_ratio)


@roi_align.mistake
def first_channel_for_all(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """All channels of the result are alike: each has its own map to read."""
    return _reference(features[:1].expand_as(features), boxes, output_size, sampling_ratio)


def always_float32(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """A float64 input comes back as float32: make new tensors with the dtype of the features."""
    return _reference(features, boxes, output_size, sampling_ratio).float()


def cut_from_the_graph(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """The values are right, but autograd cannot follow: NumPy, `.data`, `.detach()`, `.item()` cut the graph."""
    return _reference(features.detach(), boxes, output_size, sampling_ratio)


def changes_its_input(features: Tensor, boxes: Tensor, output_size: Size, sampling_ratio: int = 2) -> Tensor:
    """The features or boxes are not the same after the call: `-=` or an assignment wrote into them."""
    result = _reference(features, boxes, output_size, sampling_ratio)
    boxes -= 0.5
    return result


for with_right_values in (always_float32, properties.in_float32_by(_reference), cut_from_the_graph, changes_its_input):
    roi_align.mistake(with_right_values, right_values=True)
