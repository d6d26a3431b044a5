"""`center_crop(x, height, width)`: the centre of a map; an odd margin leaves more at the bottom and on the right."""

from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

center_crop = Exercise("center_crop", forbids=(REFERENCE_MODELS, REFERENCE_OPS))


def _cropped(x: Tensor, height: int, width: int) -> Tensor:
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : top + height, left : left + width]


def _expect_crops(answer: Answer, draw: Draw, margins: list[tuple[int, int]]) -> None:
    cases = []
    for down, across in margins:
        height, width = draw.integer(4, 6), draw.integer(7, 9)
        cases.append((draw.distinct(2, 3, height + down, width + across), height, width))
    results = [answer(*case) for case in cases]
    for result, case in zip(results, cases):
        expect.close(result, _cropped(*case))


@center_crop.check(points=0.5)
def even_margins(answer: Answer, draw: Draw) -> None:
    """The centre, where the margins are even: 64 × 64 to 56 × 56 as in the paper, and others."""
    x = draw.distinct(1, 2, 64, 64)
    expect.close(answer(x, 56, 56), _cropped(x, 56, 56))
    _expect_crops(answer, draw, [(2, 4), (2 * draw.integer(1, 3), 8), (6, 2)])


@center_crop.check(points=0.5)
def odd_margins(answer: Answer, draw: Draw) -> None:
    """Of an odd margin the extra row stays at the bottom, the extra column on the right."""
    _expect_crops(answer, draw, [(1, 3), (3, 1), (5, 7), (2 * draw.integer(1, 4) + 1, 3), (4, 5)])


@center_crop.check(points=0.5)
def no_margin(answer: Answer, draw: Draw) -> None:
    """A margin of 0, in one direction or in both, takes nothing away."""
    _expect_crops(answer, draw, [(0, 2), (2, 0), (0, 0)])


properties.add_good_manners(
    center_crop,
    0.5,
    needs="even_margins",
    reference=_cropped,
    arguments=lambda draw: (draw.normal(2, 3, 8, 13), 4, 7),
)


@center_crop.mistake
def cropped_from_the_top_left(x: Tensor, height: int, width: int) -> Tensor:
    """This is the top-left corner, not the centre: where should the first row kept be?"""
    return x[..., :height, :width]


@center_crop.mistake
def cropped_from_the_bottom_right(x: Tensor, height: int, width: int) -> Tensor:
    """This is the bottom-right corner: a margin has to stay on the other side too."""
    return x[..., x.shape[-2] - height :, x.shape[-1] - width :]


@center_crop.mistake
def extra_row_at_the_top(x: Tensor, height: int, width: int) -> Tensor:
    """Of an odd margin the larger half is taken away at the top and on the left; it is to be the smaller one."""
    top, left = (x.shape[-2] - height + 1) // 2, (x.shape[-1] - width + 1) // 2
    return x[..., top : top + height, left : left + width]


@center_crop.mistake
def half_margin_rounded(x: Tensor, height: int, width: int) -> Tensor:
    """Half the margin is rounded: Python's round takes 1.5 to 2 and 2.5 to 2, now up, now down."""
    top, left = round((x.shape[-2] - height) / 2), round((x.shape[-1] - width) / 2)
    return x[..., top : top + height, left : left + width]


@center_crop.mistake
def same_margin_on_both_sides(x: Tensor, height: int, width: int) -> Tensor:
    """The same is cut off on both sides, so an odd margin leaves one row or column too many."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[..., top : x.shape[-2] - top, left : x.shape[-1] - left]


@center_crop.mistake
def negative_zero(x: Tensor, height: int, width: int) -> Tensor:
    """Nothing is left where there is no margin: what does a slice that ends at `-0` contain?"""
    down, across = x.shape[-2] - height, x.shape[-1] - width
    return x[..., down // 2 : -(down - down // 2), across // 2 : -(across - across // 2)]


@center_crop.mistake
def whole_margin_on_each_side(x: Tensor, height: int, width: int) -> Tensor:
    """The whole margin is taken from every side; it is to be shared between two."""
    down, across = x.shape[-2] - height, x.shape[-1] - width
    return x[..., down : max(height, down), across : max(width, across)]


@center_crop.mistake
def height_and_width_swapped(x: Tensor, height: int, width: int) -> Tensor:
    """Height and width have changed places: the height belongs to the last axis but one."""
    top, left = max((x.shape[-2] - width) // 2, 0), max((x.shape[-1] - height) // 2, 0)
    return x[..., top : top + width, left : left + height]


@center_crop.mistake
def one_margin_for_both_axes(x: Tensor, height: int, width: int) -> Tensor:
    """The margin of the rows is used for the columns too: right on square maps only."""
    margin = (x.shape[-2] - height) // 2
    return x[..., margin : margin + height, margin : margin + width]


@center_crop.mistake
def only_rows_cropped(x: Tensor, height: int, width: int) -> Tensor:
    """The rows are cropped and the columns are not; there are two axes."""
    return _cropped(x, height, x.shape[-1])


@center_crop.mistake
def channels_cropped(x: Tensor, height: int, width: int) -> Tensor:
    """The slice acts on the axes of channels and rows: the map lies in the *last* two."""
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return x[:, top : top + height, left : left + width]


@center_crop.mistake
def resized(x: Tensor, height: int, width: int) -> Tensor:
    """The whole map was made smaller; a crop keeps the pixels of the centre as they are."""
    return F.interpolate(x, (height, width), mode="bilinear")


@center_crop.mistake
def off_by_one(x: Tensor, height: int, width: int) -> Tensor:
    """The window begins one row and one column too late: half of the margin comes before it."""
    top, left = (x.shape[-2] - height) // 2 + 1, (x.shape[-1] - width) // 2 + 1
    return x[..., top : top + height, left : left + width]
