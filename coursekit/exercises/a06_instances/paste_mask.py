"""`paste_mask(mask, box, height, width)`: a small mask of probabilities stretched over its box in the picture."""

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

paste_mask = Exercise("paste_mask", forbids=(REFERENCE_OPS, REFERENCE_MODELS))

MARGIN = 2e-3  # no probability is so near to 0.5 that rounding could decide


def _stretched(mask: Tensor, box_height: int, box_width: int, **options: object) -> Tensor:
    options = {"mode": "bilinear", "align_corners": False, **options}
    result: Tensor = F.interpolate(mask[None, None].double(), (box_height, box_width), **options)[0, 0]  # type: ignore[arg-type]
    return result


def _placed(values: Tensor, x1: int, y1: int, height: int, width: int) -> Tensor:
    """`values` with its corner at (x1, y1) on a picture of zeros, as far as it reaches into it."""
    picture = values.new_zeros(height, width)
    rows, columns = slice(max(y1, 0), max(y1 + values.shape[0], 0)), slice(max(x1, 0), max(x1 + values.shape[1], 0))
    inside = picture[rows, columns]
    inside += values[max(-y1, 0) :, max(-x1, 0) :][: inside.shape[0], : inside.shape[1]]
    return picture


def _corners(box: Tensor) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = box.round().int().tolist()
    return x1, y1, x2, y2


def _reference(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    x1, y1, x2, y2 = _corners(box)
    return _placed(_stretched(mask, y2 - y1, x2 - x1), x1, y1, height, width) > 0.5


def _mask_for(draw: Draw, side: int, box: Tensor) -> Tensor:
    """A random mask of which, stretched over the box, no pixel is within the margin of 0.5."""
    x1, y1, x2, y2 = _corners(box)
    while True:
        mask = draw.uniform(side, side)
        if ((_stretched(mask, y2 - y1, x2 - x1) - 0.5).abs() > MARGIN).all():
            return mask


def _expect_pasted(answer: Answer, mask: Tensor, box: Tensor, height: int, width: int, where: str = "") -> None:
    got = answer(mask, box, height, width)
    expect.close(got, _reference(mask, box, height, width), f"the picture{where}")


@paste_mask.check(points=0.5)
def the_whole_box(answer: Answer, draw: Draw) -> None:
    """A mask of ones fills its box: the far edge is outside, 30 pixels in the lecture's example."""
    _expect_pasted(answer, torch.ones(28, 28), torch.tensor([2.0, 3.0, 7.0, 9.0]), 12, 10)
    x1, y1 = draw.integer(1, 4), draw.integer(1, 4)
    box = torch.tensor([x1, y1, x1 + draw.integer(5, 6), y1 + draw.integer(2, 3)]).float()
    _expect_pasted(answer, torch.ones(4, 4), box, 8, 15)
    expect.close(answer(torch.zeros(4, 4), box, 8, 15), torch.zeros(8, 15), "the picture of an empty mask")


@paste_mask.check(points=1.5)
def any_mask(answer: Answer, draw: Draw) -> None:
    """Any mask, box and picture, in which the box is larger or smaller than the mask."""
    sizes = ((4, 9, 14), (3, 13, 19), (3, 8, 5), (6, 4, 3), (5, 3, 11), (draw.integer(7, 8), 7, 10))
    for side, box_height, box_width in sizes:
        x1, y1 = draw.integer(1, 5), draw.integer(1, 3)
        box = torch.tensor([x1, y1, x1 + box_width, y1 + box_height]).float()
        height, width = y1 + box_height + draw.integer(1, 3), x1 + box_width + draw.integer(2, 5)
        _expect_pasted(answer, _mask_for(draw, side, box), box, height, width)


@paste_mask.check(points=0.5, needs="any_mask")
def reaching_outside(answer: Answer, draw: Draw) -> None:
    """Boxes that reach outside of the picture, on every side or altogether."""
    height, width = 7, draw.integer(9, 11)
    boxes = {
        "left": [-3, 1, 5, 5],
        "left and top": [-3, -2, 5, 4],
        "right": [width - 4, 1, width + 3, 6],
        "bottom": [2, height - 3, 8, height + 4],
        "every side": [-2, -3, width + 4, height + 2],
        "all of it": [width + 1, 1, width + 6, 5],
        "all of it, to the left": [-8, 1, -2, 6],
    }
    for where, corners in boxes.items():
        box = torch.tensor(corners).float()
        mask = _mask_for(draw, 4, box)
        _expect_pasted(answer, mask, box, height, width, f", the box reaching outside: {where}")


@paste_mask.check(points=0.5, needs="any_mask")
def good_manners(answer: Answer, draw: Draw) -> None:
    """The result is a bool mask, also for float64, and the input stays as it was."""
    box = torch.tensor([2.0, 1.0, 9.0, 6.0])
    mask = _mask_for(draw, 4, box)
    expect.dtype(answer(mask, box, 8, 12), torch.bool, "the picture", "numbers_not_bool")
    properties.leaves_alone(answer, mask, box, 8, 12)
    _expect_pasted(answer, mask.double(), box.double(), 8, 12, " for float64")


@paste_mask.mistake
def far_edge_counted_in(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The box is one pixel too wide and too high: a pixel belongs to it when its *centre* does."""
    return _reference(mask, box + box.new_tensor([0, 0, 1, 1]), height, width)


@paste_mask.mistake
def corners_aligned(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The outermost centres of mask and box lie on each other; it should be their borders (align_corners=False)."""
    x1, y1, x2, y2 = _corners(box)
    return _placed(_stretched(mask, y2 - y1, x2 - x1, align_corners=True), x1, y1, height, width) > 0.5


@paste_mask.mistake
def nearest_cell(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """Each pixel takes the nearest cell of the mask; resize bilinearly, then compare with 0.5."""
    x1, y1, x2, y2 = _corners(box)
    values = _stretched(mask, y2 - y1, x2 - x1, mode="nearest", align_corners=None)
    return _placed(values, x1, y1, height, width) > 0.5


@paste_mask.mistake
def threshold_before_resizing(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The mask was made black and white first and resized then: the border moves; it is the other way round."""
    return _reference((mask > 0.5).to(mask.dtype), box, height, width)


@paste_mask.mistake
def smoothed_when_shrunk(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """Where the box is smaller than the mask, cells were averaged (antialiasing); just read at each pixel's centre."""
    x1, y1, x2, y2 = _corners(box)
    return _placed(_stretched(mask, y2 - y1, x2 - x1, antialias=True), x1, y1, height, width) > 0.5


@paste_mask.mistake
def half_pixel_forgotten(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The mask is read at the pixels' corners, and so it is shifted: centres lie at half pixels, in both grids."""
    x1, y1, x2, y2 = _corners(box)
    side = len(mask)
    y = (torch.arange(y2 - y1) * side / (y2 - y1)).clamp(max=side - 1)
    x = (torch.arange(x2 - x1) * side / (x2 - x1)).clamp(max=side - 1)
    grid = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1) * 2 / (side - 1) - 1
    values = F.grid_sample(mask[None, None], grid[None].to(mask.dtype), align_corners=True)[0, 0]
    return _placed(values, x1, y1, height, width) > 0.5


@paste_mask.mistake
def fades_at_the_border(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """Near the border of its box the mask fades towards 0; the outermost cells should repeat (clamp)."""
    x1, y1, x2, y2 = _corners(box)
    y, x = (torch.arange(y2 - y1) + 0.5) * 2 / (y2 - y1) - 1, (torch.arange(x2 - x1) + 0.5) * 2 / (x2 - x1) - 1
    grid = torch.stack(torch.broadcast_tensors(x[None, :], y[:, None]), dim=-1)[None].to(mask.dtype)
    return _placed(F.grid_sample(mask[None, None], grid, align_corners=False)[0, 0], x1, y1, height, width) > 0.5


@paste_mask.mistake
def x_and_y_swapped(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The box was read as y, x, y, x; it is x1, y1, x2, y2, and x runs along the width."""
    return _reference(mask, box[[1, 0, 3, 2]], height, width)


@paste_mask.mistake
def mask_transposed(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The box is in its place, but the mask in it has rows and columns swapped."""
    return _reference(mask.T, box, height, width)


@paste_mask.mistake
def in_the_corner(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The mask has the right size and stands in the corner of the picture: move it to x1, y1."""
    return _reference(mask, box - box[[0, 1, 0, 1]], height, width)


@paste_mask.mistake
def squeezed_into_the_picture(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The box was cut off at the picture's border *before* resizing, so the whole mask is squeezed into the rest."""
    x1, y1, x2, y2 = _corners(box)
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
    if left >= right or top >= bottom:
        return torch.zeros(height, width, dtype=torch.bool)
    return _reference(mask, box.new_tensor([left, top, right, bottom]), height, width)


@paste_mask.mistake
def moved_into_the_picture(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """A box that begins left of or above the picture is moved into it: cut off what lies outside instead."""
    shift = box[:2].clamp(max=0)
    return _reference(mask, box - shift[[0, 1, 0, 1]], height, width)


@paste_mask.mistake
def inverted(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """Object and background have changed places."""
    return ~_reference(mask, box, height, width)


@paste_mask.mistake
def everything_above_zero(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """Every probability above 0 counts as the object: the threshold is 0.5."""
    x1, y1, x2, y2 = _corners(box)
    return _placed(_stretched(mask, y2 - y1, x2 - x1), x1, y1, height, width) > 0


@paste_mask.mistake
def probabilities_returned(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The picture holds probabilities; a bool mask is asked for, with the threshold 0.5."""
    x1, y1, x2, y2 = _corners(box)
    return _placed(_stretched(mask, y2 - y1, x2 - x1), x1, y1, height, width)


@paste_mask.mistake
def height_and_width_swapped(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The picture has the shape (width, height); rows come first."""
    return _reference(mask, box, width, height)


def numbers_not_bool(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The picture is right and its type is not bool, so it cannot be used as an index: compare, do not cast."""
    return _reference(mask, box, height, width).to(mask.dtype)


def changes_its_input(mask: Tensor, box: Tensor, height: int, width: int) -> Tensor:
    """The mask or the box is not the same after the call: something wrote into it."""
    result = _reference(mask, box, height, width)
    mask.round_()
    return result


for with_right_values in (numbers_not_bool, changes_its_input):
    paste_mask.mistake(with_right_values, right_values=True)
