"""`prepare_mended(image, mask, size)`, the autopsy: a pipeline that resizes label maps as if they were pictures."""

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises import expect, properties
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import CHECKS

prepare_mended = Exercise("prepare_mended", forbids=(CHECKS,))

Pair = tuple[Tensor, Tensor]
Size = tuple[int, int]


def _scene(draw: Draw, classes: int = 11) -> Pair:
    """A picture and a label map with odd sides, so that no output pixel lies halfway between two of the mask's."""
    height, width = 2 * draw.integer(5, 6) + 1, 2 * draw.integer(7, 9) + 1
    mask = draw.labels(height, width, classes=classes)
    void = draw.uniform(height, width) < 0.15
    return draw.uniform(3, height, width), mask.masked_fill(void, 255)


def _image(image: Tensor, size: Size) -> Tensor:
    return F.interpolate(image[None], size, mode="bilinear", align_corners=False)[0]


def _nearest_sources(old: int, new: int) -> list[list[int]]:
    """Where a side of `new` pixels takes its labels from, in each of the usual readings of "nearest".

    Pixel corners (PyTorch's "nearest"), pixel centres ("nearest-exact", Pillow), and the outermost pixels on each
    other (SciPy's zoom). For an odd `old` and a power of two as `new` none of them meets a tie.
    """
    corners = [i * old // new for i in range(new)]
    centres = [(2 * i + 1) * old // (2 * new) for i in range(new)]
    outermost = [round(i * (old - 1) / max(new - 1, 1)) for i in range(new)]
    return [corners, centres, outermost]


def _expect_nearest(got: object, mask: Tensor, size: Size) -> None:
    seen = expect.a_tensor(got, size, "the mask").detach().cpu()
    invented = sorted(set(seen.unique().tolist()) - set(mask.unique().tolist()))
    if invented:
        raise expect.CheckFailed(f"the mask holds labels that were not in it: {invented[:5]}", seen, _mask(mask, size))
    rows, columns = (_nearest_sources(old, new) for old, new in zip(mask.shape, size))
    readings = [mask[down][:, across] for down, across in zip(rows, columns)]
    if not any(torch.equal(seen.to(torch.float64), reading.to(torch.float64)) for reading in readings):
        expect.close(seen, _mask(mask, size), "the mask")


def _mask(mask: Tensor, size: Size) -> Tensor:
    return F.interpolate(mask[None, None].double(), size, mode="nearest")[0, 0].long()


def _reference(image: Tensor, mask: Tensor, size: Size) -> Pair:
    return _image(image, size), _mask(mask, size)


def _both(answer: Answer, image: Tensor, mask: Tensor, size: Size) -> tuple[object, object]:
    return expect.a_pair(answer(image, mask, size), "the image and the mask")


@prepare_mended.check(points=1)
def labels_survive(answer: Answer, draw: Draw) -> None:
    """Every pixel of the mask has the label of its nearest pixel before, larger and smaller."""
    for size in ((16, 32), (4, 8), (64, 4), (2, 64)):
        image, mask = _scene(draw)
        _expect_nearest(_both(answer, image, mask, size)[1], mask, size)


@prepare_mended.check(points=0.5)
def void_survives(answer: Answer, draw: Draw) -> None:
    """Void is still 255, and nothing else has become void."""
    for classes, size in ((1, (16, 32)), (2, (4, 8)), (draw.integer(3, 6), (8, 32))):
        image, mask = _scene(draw, classes)
        _, got = _both(answer, image, mask, size)
        _expect_nearest(got, mask, size)


@prepare_mended.check(points=0.5, needs="labels_survive")
def image_is_smooth(answer: Answer, draw: Draw) -> None:
    """The image is still resized with bilinear interpolation, its corners not aligned."""
    for size in ((16, 32), (4, 8), (draw.integer(10, 12), draw.integer(4, 6))):
        image, mask = _scene(draw)
        expect.close(_both(answer, image, mask, size)[0], _image(image, size), "the image")


@prepare_mended.check(points=0.5, needs="labels_survive")
def label_type(answer: Answer, draw: Draw) -> None:
    """The labels are int64, as losses want them."""
    image, mask = _scene(draw)
    _, got = _both(answer, image, mask, (8, 16))
    expect.dtype(got, torch.int64, "the mask", "labels_of_another_type")


properties.add_good_manners(
    prepare_mended,
    0.5,
    needs="image_is_smooth",
    reference=_reference,
    arguments=lambda draw: (*_scene(draw), (8, 16)),
)


def _smooth(mask: Tensor, size: Size) -> Tensor:
    """The labels as bilinear interpolation mixes them, as floats."""
    return F.interpolate(mask[None, None].float(), size, mode="bilinear", align_corners=False)[0, 0]


@prepare_mended.mistake
def bilinear_as_before(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """The bug is still there. Halfway between class 2 and class 8, what label does the mask get?"""
    return _image(image, size), _smooth(mask, size).long()


@prepare_mended.mistake
def bilinear_then_rounded(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """Rounding makes whole numbers, but a mean of labels is no label: halfway between 2 and 8 lies 5."""
    return _image(image, size), _smooth(mask, size).round().long()


@prepare_mended.mistake
def bicubic_then_rounded(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """A smoother interpolation mixes labels all the more."""
    smooth = F.interpolate(mask[None, None].float(), size, mode="bicubic", align_corners=False)
    return _image(image, size), smooth[0, 0].round().long()


@prepare_mended.mistake
def area_averaged(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """The labels of an area were averaged: a mean of labels is no label."""
    return _image(image, size), F.interpolate(mask[None, None].float(), size, mode="area")[0, 0].round().long()


@prepare_mended.mistake
def snapped_to_known_labels(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """No label is new to the mask, but some are new to their place: between 2 and 8 there may be no 5 nearby."""
    known = mask.unique()
    nearest = (_smooth(mask, size)[..., None] - known).abs().argmin(dim=-1)
    return _image(image, size), known[nearest]


@prepare_mended.mistake
def vote_of_the_neighbours(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """Each class was interpolated alone and the largest share won. No label is invented, but it is not the nearest."""
    votes = F.one_hot(mask, 256).movedim(-1, 0)[None].float()
    return _image(image, size), F.interpolate(votes, size, mode="bilinear", align_corners=False)[0].argmax(dim=0)


@prepare_mended.mistake
def only_void_mended(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """Void no longer leaks, but the other labels are still mixed with each other."""
    void = _mask(mask, size) == 255
    return _image(image, size), _smooth(mask.masked_fill(mask == 255, 0), size).long().masked_fill(void, 255)


@prepare_mended.mistake
def void_becomes_background(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """Void has turned into class 0, and will be trained and scored as such; keep the 255."""
    return _image(image, size), _mask(mask.masked_fill(mask == 255, 0), size)


@prepare_mended.mistake
def void_clamped(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """Void has turned into the last class; keep the 255."""
    return _image(image, size), _mask(mask.clamp(max=10), size)


@prepare_mended.mistake
def image_by_nearest_too(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """The mask is right, but the image has become blocky: only the labels may not be mixed."""
    return F.interpolate(image[None], size, mode="nearest")[0], _mask(mask, size)


@prepare_mended.mistake
def methods_swapped(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """Nearest for the image and bilinear for the mask: it is the other way round."""
    return F.interpolate(image[None], size, mode="nearest")[0], _smooth(mask, size).long()


@prepare_mended.mistake
def corners_aligned(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """The image has been shifted against the mask: what does `align_corners` do?"""
    return F.interpolate(image[None], size, mode="bilinear", align_corners=True)[0], _mask(mask, size)


@prepare_mended.mistake
def image_antialiased(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """The image was blurred before it was made smaller. That may be wise, but the image was not the patient."""
    smooth = F.interpolate(image[None], size, mode="bilinear", align_corners=False, antialias=True)
    return smooth[0], _mask(mask, size)


@prepare_mended.mistake
def height_and_width_swapped(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """The result is lying on its side: `size` is (height, width)."""
    return _reference(image, mask, (size[1], size[0]))


@prepare_mended.mistake
def mask_not_resized(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """The mask still has its old size, and no longer lies on the image."""
    return _image(image, size), mask


@prepare_mended.mistake
def mask_cut_instead(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """The mask was cut or filled up to the size; it should be resized like the image, so that both show the same."""
    height, width = mask.shape
    return _image(image, size), F.pad(mask, (0, size[1] - width, 0, size[0] - height), value=255)


@prepare_mended.mistake
def extra_axes_left(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """`interpolate` wants a batch axis and a channel axis; take them away again afterwards."""
    return _image(image, size)[None], _mask(mask, size)[None, None]


@prepare_mended.mistake
def results_swapped(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """The mask comes first and the image second; it should be the other way round."""
    return _mask(mask, size), _image(image, size)


def labels_of_another_type(image: Tensor, mask: Tensor, size: Size) -> Pair:
    """The labels are right, but not of type int64; cross-entropy will refuse them."""
    return _image(image, size), _mask(mask, size).float()


prepare_mended.mistake(labels_of_another_type, right_values=True)
