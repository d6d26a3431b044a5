"""`topk_loss(logits, target, k)`: the mean cross-entropy of the hardest share k of all pixels of the batch."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from coursekit.exercises.a04_losses import batches
from coursekit.exercises.a04_losses.shared_mistakes import add_logarithm_mistakes
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_LOSSES

topk_loss = Exercise("topk_loss", forbids=(REFERENCE_LOSSES,))


def _pixels(logits: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(logits, target, reduction="none").flatten()


def _count(pixels: Tensor, k: float) -> int:
    return max(1, round(k * pixels.numel()))


def _topk(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    pixels = _pixels(logits, target)
    return pixels.topk(_count(pixels, k)).values.mean()


@topk_loss.check(points=0.5)
def values(answer: Answer, draw: Draw) -> None:
    """The notebook's example, and any batch, number of classes, size and k; k is 0.1 by default."""
    calls: list[Any] = [(*batches.two_class_example(), {"k": k}) for k in (0.5, 0.25)]
    calls.append(batches.batch(draw, pixels=(2, 4, 5)))
    for k in (1.0, 0.5, 0.125, 0.25):  # k times the number of pixels is then whole, also in binary
        calls.append((*batches.batch(draw, pixels=(draw.integer(2, 3), 4, 2 * draw.integer(3, 4))), {"k": k}))
    batches.expect_losses(answer, _topk, batches.SMOOTHED_LOG, *calls)


@topk_loss.check(points=0.5, needs="values")
def at_least_one(answer: Answer, draw: Draw) -> None:
    """A picture so small that k asks for less than one pixel: the hardest one remains."""
    calls = [(*batches.batch(draw, 2, (1, 1, width)), {"k": k}) for k, width in ((0.1, 4), (0.01, 5), (0.0625, 6))]
    batches.expect_losses(answer, _topk, batches.SMOOTHED_LOG, *calls)


batches.add_saturated_logarithms(topk_loss, "values", _topk)
batches.add_good_manners(topk_loss, "values", _topk)
add_logarithm_mistakes(topk_loss, _topk)


@topk_loss.mistake
def all_pixels(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """This is the mean over all pixels; only the hardest share of them counts."""
    return _pixels(logits, target).mean()


@topk_loss.mistake
def easiest_pixels(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """The pixels with the smallest loss were kept: in which order does your sort run?"""
    pixels = _pixels(logits, target)
    return pixels.topk(_count(pixels, k), largest=False).values.mean()


@topk_loss.mistake
def easiest_pixels_dropped_by_count(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """k of the pixels were dropped and the others kept; it is k of them that should be kept."""
    pixels = _pixels(logits, target)
    return pixels.topk(max(1, pixels.numel() - _count(pixels, k))).values.mean()


@topk_loss.mistake
def hardest_of_each_picture(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """Each picture gave its share; the hardest pixels of the whole *batch* may all lie in one picture."""
    pixels = F.cross_entropy(logits, target, reduction="none").flatten(1)
    return pixels.topk(_count(pixels[0], k), dim=1).values.mean()


@topk_loss.mistake
def hardest_of_each_class(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """Each class gave its share; the hardest pixels are sought among all."""
    pixels, classes = _pixels(logits, target), target.flatten()
    own = [pixels[classes == c] for c in classes.unique()]
    return torch.stack([p.topk(_count(p, k)).values.mean() for p in own]).mean()


@topk_loss.mistake
def divided_by_all_pixels(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """The sum of the hardest was divided by the number of all pixels; the mean is over those that were kept."""
    pixels = _pixels(logits, target)
    return pixels.topk(_count(pixels, k)).values.sum() / pixels.numel()


@topk_loss.mistake
def sum_of_the_hardest(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """The hardest pixels were added up; their mean is asked for."""
    pixels = _pixels(logits, target)
    return pixels.topk(_count(pixels, k)).values.sum()


@topk_loss.mistake
def one_pixel_too_many(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """One pixel too many was kept: does the comparison include the threshold, or the count begin at zero?"""
    pixels = _pixels(logits, target)
    return pixels.topk(min(_count(pixels, k) + 1, pixels.numel())).values.mean()


@topk_loss.mistake
def always_a_tenth(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """A tenth of the pixels is kept whatever `k` says."""
    return _topk(logits, target, 0.1)


@topk_loss.mistake
def k_in_per_cent(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """k is a share, 0.1 being a tenth; it was taken for per cent."""
    return _topk(logits, target, k / 100)


@topk_loss.mistake
def no_pixel_left(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """When k asks for less than one pixel nothing is left, and the mean of nothing is NaN."""
    pixels = _pixels(logits, target)
    return pixels.topk(int(k * pixels.numel())).values.mean()


@topk_loss.mistake
def share_of_rows(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """The selection runs along one axis of the picture; flatten the batch first, so that all pixels compete."""
    pixels = F.cross_entropy(logits, target, reduction="none").flatten(0, 1)
    return pixels.topk(max(1, round(k * pixels.shape[1])), dim=1).values.mean()


@topk_loss.mistake
def least_confident_pixels(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """The pixels were chosen by how sure the network is; the hardest are those with the greatest *loss*."""
    pixels = _pixels(logits, target)
    confidence = logits.softmax(dim=1).amax(dim=1).flatten()
    return pixels[confidence.topk(_count(pixels, k), largest=False).indices].mean()


@topk_loss.mistake
def threshold_on_the_probability(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """All pixels whose true class has a probability below k were kept; k is the share of pixels."""
    pixels = _pixels(logits, target)
    hard = torch.exp(-pixels) < k
    return (pixels * hard).sum() / hard.sum().clamp(min=1)


@topk_loss.mistake
def quantile_between_pixels(logits: Tensor, target: Tensor, k: float = 0.1) -> Tensor:
    """The k hardest were cut off at a quantile and their rank lost: the threshold itself was returned."""
    return _pixels(logits, target).quantile(1 - k)
