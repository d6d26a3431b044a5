"""Sums of a pixel loss and a region loss.

Dice is here the linear class mean of `coursekit.losses.region`: 2 Σ gs / (Σ s + Σ g) of each class present.
The cross-entropy and Dice share one softmax.
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from coursekit.losses.base import Loss, power, prepare
from coursekit.losses.distribution import focal_loss, reduce
from coursekit.losses.region import focal_tversky_loss, mean_over_present, overlap_sums


def combo_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    alpha: float = 0.5,
    beta: float | None = None,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Combo loss: α·CE − (1 − α)·Dice; −(1 − α) is its least value.

    Taghanaki et al. 2019. With `beta`, the cross-entropy weighs the foreground classes β and the background
    1 − β, as there; without, it is the plain one. `include_background` concerns Dice. Some libraries add
    1 − Dice, which is greater by the constant 1 − α.
    """
    log_s = prepare(logits, target).log_softmax(1)
    weight = None if beta is None else log_s.new_tensor([1 - beta] + [beta] * (logits.shape[1] - 1))
    pixels = F.nll_loss(log_s, target, weight, ignore_index=ignore_index, reduction="sum")
    sums = overlap_sums(log_s.exp(), target, ignore_index, include_background)
    dice = mean_over_present(sums.dice(), sums.actual)
    return alpha * reduce(pixels, target, "mean", ignore_index) - (1 - alpha) * dice


def dice_ce_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Dice loss plus cross-entropy.

    Isensee et al. 2021 (nnU-Net), whose −Dice makes it smaller by 1. MONAI's `DiceCELoss(softmax=True)` agrees;
    given probabilities, it takes a softmax of them for the cross-entropy. `include_background` concerns Dice.
    """
    log_s = prepare(logits, target).log_softmax(1)
    pixels = F.nll_loss(log_s, target, ignore_index=ignore_index, reduction="sum")
    sums = overlap_sums(log_s.exp(), target, ignore_index, include_background)
    return mean_over_present(1 - sums.dice(), sums.actual) + reduce(pixels, target, "mean", ignore_index)


def unified_focal_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    weight: float = 0.5,
    delta: float = 0.6,
    gamma: float = 0.5,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Unified focal loss, symmetric: λ·(focal loss) + (1 − λ)·(focal Tversky loss), with one δ and one γ for both.

    Yeung et al. 2022. The focal loss is −δ_t (1 − p_t)^(1 − γ) ln p_t, δ_t = δ in the foreground and 1 − δ in
    the background; the focal Tversky loss is the class mean of (1 − TI)^γ with δ on the false negatives and
    1 − δ on the false positives; λ is `weight`, 0 < γ ≤ 1. Exponents and λ are the paper's: the authors' code
    swaps the two exponents and lets its weight multiply the Tversky term, which are equal at γ = λ = ½; the
    paper sums over classes where the code takes the mean, as here. MONAI has the asymmetric form alone.
    """
    focal = focal_loss(
        logits,
        target,
        gamma=1 - gamma,
        alpha=[1 - delta] + [delta] * (logits.shape[1] - 1),
        ignore_index=ignore_index,
    )
    region = focal_tversky_loss(
        logits,
        target,
        alpha=1 - delta,
        beta=delta,
        gamma=1 / gamma,
        include_background=include_background,
        ignore_index=ignore_index,
    )
    return weight * focal + (1 - weight) * region


def exponential_logarithmic_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    gamma: float = 0.3,
    dice_weight: float = 0.8,
    ce_weight: float = 0.2,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Exponential-logarithmic loss: w_Dice (−ln Dice)^γ + w_CE · the pixel mean of (−ln p_t)^γ.

    Wong et al. 2018, who take the mean over classes after the power, not before, and weigh each pixel with
    √(Σ_k f_k / f_t), f the frequency of a class; SegLossOdyssey leaves the power off the cross-entropy.
    """
    log_s = prepare(logits, target).log_softmax(1)
    pixels = F.nll_loss(log_s, target, ignore_index=ignore_index, reduction="none")
    sums = overlap_sums(log_s.exp(), target, ignore_index, include_background)
    region = mean_over_present(1 - sums.dice(), sums.actual)
    region = region.clamp(0, 1 - torch.finfo(region.dtype).eps)  # rounding below, ln 0 above
    mean = reduce(power(pixels, gamma), target, "mean", ignore_index)
    return dice_weight * power(-torch.log1p(-region), gamma) + ce_weight * mean


class ComboLoss(Loss, function=combo_loss):
    """`combo_loss` as a module."""


class DiceCELoss(Loss, function=dice_ce_loss):
    """`dice_ce_loss` as a module."""


class UnifiedFocalLoss(Loss, function=unified_focal_loss):
    """`unified_focal_loss` as a module."""


class ExponentialLogarithmicLoss(Loss, function=exponential_logarithmic_loss):
    """`exponential_logarithmic_loss` as a module."""
