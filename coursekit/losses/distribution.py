"""Losses on the distribution at each pixel: cross-entropy and its weighted relatives.

p is the softmax of the logits at a pixel, p_t its entry for the true class t. All take `reduction`: "none" gives
the map (N, H, W), 0 where ignored; "sum" adds it up; "mean" divides the sum by the number of valid pixels, and
by 1 where there is none, so that a batch without labels costs 0 (torch gives nan).
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from coursekit.losses.base import Loss, power, prepare
from coursekit.losses.boundary import distance_maps

Reduction = Literal["mean", "sum", "none"]
ClassWeights = Float[Tensor, "c"] | Sequence[float]


def reduce(
    pixels: Float[Tensor, "n h w"], target: Int[Tensor, "n h w"], reduction: Reduction, ignore_index: int
) -> Float[Tensor, "..."]:
    """The map itself, its sum, or its mean over the valid pixels. Raises ValueError for another word."""
    if reduction == "none":
        return pixels
    if reduction == "sum":
        return pixels.sum()
    if reduction == "mean":
        return pixels.sum() / (target != ignore_index).count_nonzero().clamp(min=1)
    raise ValueError(f"reduction must be 'mean', 'sum' or 'none', not {reduction!r}")


def cross_entropy(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    reduction: Reduction = "mean",
    ignore_index: int = 255,
) -> Float[Tensor, "..."]:
    """Cross-entropy: −ln p_t.

    Long, Shelhamer and Darrell 2015, section 4, train FCN with it, summed instead of averaged.
    `torch.nn.functional.cross_entropy` agrees, and gives nan where every pixel is ignored.
    """
    logits = prepare(logits, target)
    inner = "none" if reduction == "none" else "sum"  # torch adds up on the way
    pixels = F.cross_entropy(logits, target, ignore_index=ignore_index, reduction=inner)
    return reduce(pixels, target, reduction, ignore_index)


def weighted_cross_entropy(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    weight: ClassWeights | None = None,
    reduction: Reduction = "mean",
    ignore_index: int = 255,
) -> Float[Tensor, "..."]:
    """Cross-entropy with a weight for each class: −w_t ln p_t; without `weight`, cross-entropy.

    Ronneberger et al. 2015, equation 1, with one weight a class; the mean divides by the number of valid pixels.
    `torch.nn.functional.cross_entropy(weight=)` divides by the sum of their weights instead, so that doubling
    every weight changes nothing there and doubles the loss here.
    """
    logits = prepare(logits, target)
    if weight is not None:
        weight = torch.as_tensor(weight, dtype=logits.dtype, device=logits.device)
    pixels = F.cross_entropy(logits, target, weight, ignore_index=ignore_index, reduction="none")
    return reduce(pixels, target, reduction, ignore_index)


def focal_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    gamma: float = 2.0,
    alpha: ClassWeights | None = None,
    reduction: Reduction = "mean",
    ignore_index: int = 255,
) -> Float[Tensor, "..."]:
    """Focal loss: −α_t (1 − p_t)^γ ln p_t; γ = 0 is cross-entropy.

    Lin et al. 2017, equations 4 and 5, in the softmax form; `alpha` is a weight for each class, none by default.
    Torchvision's `sigmoid_focal_loss` takes one channel, weighs with (0.75, 0.25) and does not reduce unless
    asked; MONAI's softmax form averages over the classes too (C times smaller); smp's multiclass form treats
    each class with a sigmoid of its own.
    """
    negative_log = cross_entropy(logits, target, reduction="none", ignore_index=ignore_index)
    pixels = power(1 - torch.exp(-negative_log), gamma) * negative_log
    if alpha is not None:
        weight = torch.as_tensor(alpha, dtype=pixels.dtype, device=pixels.device)
        pixels = pixels * weight[torch.where(target == ignore_index, 0, target)]
    return reduce(pixels, target, reduction, ignore_index)


def topk_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    k: float = 0.1,
    reduction: Reduction = "mean",
    ignore_index: int = 255,
) -> Float[Tensor, "..."]:
    """Top-k cross-entropy: the mean of −ln p_t over the hardest share k of the batch's valid pixels.

    Wu, Shen and van den Hengel 2016 (online bootstrapping), with a share in place of a fixed number: k times
    the number of valid pixels, rounded, and at least one. `reduction="none"` gives the map with 0 at the easy
    pixels. Raises ValueError unless 0 < k ≤ 1. SegLossOdyssey cuts k·pixels off, so that a small picture
    selects nothing and the mean is nan; the form with a threshold on p_t is another loss.
    """
    if not 0 < k <= 1:
        raise ValueError(f"k is the share of pixels to keep, 0 < k ≤ 1, not {k}")
    pixels = cross_entropy(logits, target, reduction="none", ignore_index=ignore_index)
    count = max(1, round(k * int((target != ignore_index).count_nonzero())))
    hardest, where = pixels.flatten().topk(min(count, pixels.numel()), sorted=False)
    if reduction == "mean":
        return hardest.sum() / count
    pixels = torch.zeros_like(pixels).flatten().scatter(0, where, hardest).view_as(pixels)
    return reduce(pixels, target, reduction, ignore_index)


def distance_penalized_cross_entropy(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    distances: Float[Tensor, "n c h w"] | None = None,
    *,
    reduction: Reduction = "mean",
    ignore_index: int = 255,
) -> Float[Tensor, "..."]:
    """Distance-penalised cross-entropy: −(1 + φ) ln p_t, where φ is 1 at the edge of an object and 0 at its heart.

    Caliva et al. 2019. φ falls linearly with d, a pixel's distance to the nearest pixel of another class:
    (d_max − d) / (d_max − 1), d_max the greatest d of the class in the picture. A region one pixel thin is
    all edge (φ = 1); a picture of one class has no edge (φ = 0). `distances` are the target's `distance_maps`,
    computed here when not given. SegLossOdyssey builds φ and then returns the plain cross-entropy; its φ is 0/0
    in a picture of one class.
    """
    pixels = cross_entropy(logits, target, reduction="none", ignore_index=ignore_index)
    if distances is None:
        distances = distance_maps(target, logits.shape[1], ignore_index)
    distances = distances.to(pixels)
    own = torch.where(target == ignore_index, 0, target).flatten(1)
    depth = -distances.flatten(2).gather(1, own.unsqueeze(1)).squeeze(1).clamp(max=0)  # d − 1
    deepest = depth.new_zeros(logits.shape[:2]).scatter_reduce(1, own, depth, "amax")
    has_edge = distances.amax((2, 3)) > 0
    edge = (1 - depth / deepest.gather(1, own).clamp(min=torch.finfo(depth.dtype).tiny)) * has_edge.gather(1, own)
    return reduce(pixels * (1 + edge.view_as(pixels)), target, reduction, ignore_index)


class CrossEntropy(Loss, function=cross_entropy):
    """`cross_entropy` as a module."""


class WeightedCrossEntropy(Loss, function=weighted_cross_entropy):
    """`weighted_cross_entropy` as a module."""


class FocalLoss(Loss, function=focal_loss):
    """`focal_loss` as a module."""


class TopKLoss(Loss, function=topk_loss):
    """`topk_loss` as a module."""


class DistancePenalizedCrossEntropy(Loss, function=distance_penalized_cross_entropy):
    """`distance_penalized_cross_entropy` as a module."""
