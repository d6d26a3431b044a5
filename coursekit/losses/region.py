"""Losses on the overlap of regions: Dice and its relatives.

s is the softmax of the logits, g the one-hot target. For each class, sums over the valid pixels of the whole
batch give the overlap Σ gs, the predicted size Σ s and the actual size Σ g: tp = Σ gs true positives,
fp = Σ s − tp false positives, fn = Σ g − tp false negatives. The loss of a class is averaged over the classes
present in the target; a batch where none is present costs 0, with gradient 0. `include_background=False` leaves
class 0 out, as in MONAI. Nothing is added for smoothing. Libraries differ in just these conventions: MONAI sums
over each picture unless `batch=True`, averages over absent classes too and smooths with 1e-5; smp sums over the
batch, counts an absent class as 0 in the mean and does not smooth; SegLossOdyssey returns −Dice, smoothed with 1.
"""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from coursekit.losses.base import Loss, power, prepare

# Building blocks

PIXELS = (0, 2, 3)  # what a sum over the batch runs over


def probabilities(logits: Float[Tensor, "n c h w"], target: Int[Tensor, "n h w"]) -> Float[Tensor, "n c h w"]:
    """The softmax over the classes."""
    return prepare(logits, target).softmax(1)


def with_labels(
    s: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    ignore_index: int,
    include_background: bool = True,
) -> tuple[Float[Tensor, "n k h w"], Float[Tensor, "n k h w"]]:
    """The probabilities s and the one-hot target g, both 0 in every class where the target is ignored."""
    num_classes, own, valid = s.shape[1], target.unsqueeze(1), None
    least, greatest = (int(extreme) for extreme in target.aminmax()) if target.numel() else (0, 0)
    if least < 0 or greatest >= num_classes or 0 <= ignore_index < num_classes:  # else there is nothing to ignore
        valid = own != ignore_index
        s, own = s * valid, torch.where(valid, own, 0)
    g = torch.zeros_like(s).scatter_(1, own, 1)
    if valid is not None:
        g *= valid
    return (s, g) if include_background else (s[:, 1:], g[:, 1:])


def divide(numerator: Float[Tensor, "*k"], denominator: Float[Tensor, "*k"]) -> Float[Tensor, "*k"]:
    """0/0 = 0, with gradient 0; the least positive number that is added changes no other quotient."""
    return numerator / (denominator + torch.finfo(denominator.dtype).tiny)


def mean_over_present(losses: Float[Tensor, "*k"], actual: Float[Tensor, "*k"]) -> Float[Tensor, ""]:
    """The mean over the classes that the target has pixels of; 0 where it has none."""
    present = (actual > 0).to(losses)
    return (losses * (present / present.sum().clamp(min=1))).sum()


class Sums(NamedTuple):
    """What most region losses are made of: one number a class, or one for all where pooled."""

    overlap: Float[Tensor, "*k"]
    predicted: Float[Tensor, "*k"]
    actual: Float[Tensor, "*k"]

    def dice(self) -> Float[Tensor, "*k"]:
        """2 Σ gs / (Σ s + Σ g)."""
        return divide(2 * self.overlap, self.predicted + self.actual)

    def tversky(self, alpha: float, beta: float) -> Float[Tensor, "*k"]:
        """tp / (tp + α fp + β fn)."""
        fp, fn = self.predicted - self.overlap, self.actual - self.overlap
        return divide(self.overlap, self.overlap.add(fp, alpha=alpha).add(fn, alpha=beta))


def overlap_sums(
    s: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    ignore_index: int,
    include_background: bool = True,
    *,
    squared: bool = False,
    pooled: bool = False,
) -> Sums:
    """Σ gs, Σ s (Σ s² if `squared`) and Σ g over the batch, of each class or of all."""
    s, g = with_labels(s, target, ignore_index, include_background)
    axes = None if pooled else PIXELS
    return Sums((g * s).sum(axes), (s.square() if squared else s).sum(axes), g.sum(axes))


# The losses


def dice_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    squared: bool = True,
    pooled: bool = True,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Dice loss: 1 − 2 Σ gs / (Σ g² + Σ s²), the sums over all pixels and classes.

    Milletari, Navab and Ahmadi 2016 (V-Net), section 3, squares the denominator's terms. `squared=False` is
    Σ g + Σ s (Drozdzal et al. 2016), `pooled=False` the mean over the classes present. No common library pools:
    MONAI (`squared_pred=True` squares), smp and LIVIAETS average over classes; SegLossOdyssey's `square=True`
    squares the sums instead of the terms.
    """
    s = probabilities(logits, target)
    sums = overlap_sums(s, target, ignore_index, include_background, squared=squared, pooled=pooled)
    return mean_over_present(1 - sums.dice(), sums.actual)


def iou_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    pooled: bool = True,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """IoU (Jaccard) loss: 1 − Σ gs / Σ (g + s − gs), the sums over all pixels and classes.

    Rahman and Wang 2016; `pooled=False` is the mean over the classes present, as MONAI
    (`jaccard=True`) and smp take it.
    """
    s = probabilities(logits, target)
    overlap, predicted, actual = overlap_sums(s, target, ignore_index, include_background, pooled=pooled)
    return mean_over_present(1 - divide(overlap, predicted + actual - overlap), actual)


def tversky_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Tversky loss: the class mean of 1 − tp / (tp + α fp + β fn); α = β = ½ is Dice, α = β = 1 IoU.

    Salehi, Erdogmus and Gholipour 2017, α on the false positives as there; MONAI and smp agree,
    while Keras code (Jadon, Yeung) names the weight of the false *negatives* α or δ. Never pooled: over all
    classes of a softmax Σ fp = Σ fn, and α and β would not matter.
    """
    sums = overlap_sums(probabilities(logits, target), target, ignore_index, include_background)
    return mean_over_present(1 - sums.tversky(alpha, beta), sums.actual)


def asymmetric_similarity_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    beta: float = 1.5,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Asymmetric similarity loss: the class mean of 1 − F_β, which weighs recall β times as much as precision.

    F_β = tp / (tp + β²/(1 + β²) fn + 1/(1 + β²) fp): Hashemi et al. 2019; the Tversky loss with
    weights that sum to 1. β = 1 is Dice.
    """
    share = beta**2 / (1 + beta**2)
    sums = overlap_sums(probabilities(logits, target), target, ignore_index, include_background)
    return mean_over_present(1 - sums.tversky(1 - share, share), sums.actual)


def focal_tversky_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    alpha: float = 0.3,
    beta: float = 0.7,
    gamma: float = 4 / 3,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Focal Tversky loss: the class mean of (1 − TI)^(1/γ), TI = tp / (tp + α fp + β fn).

    Abraham and Khan 2019, equation 4, with α on the false positives (theirs is on the false negatives). In smp
    and in Keras code `gamma` is the exponent itself, 0.75, and smp takes the power of the mean, not the mean
    of the powers.
    """
    sums = overlap_sums(probabilities(logits, target), target, ignore_index, include_background)
    missing = (1 - sums.tversky(alpha, beta)).clamp(min=0)  # the index exceeds 1 by a rounding
    return mean_over_present(power(missing, 1 / gamma), sums.actual)


def generalized_dice_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Generalised Dice loss: 1 − 2 Σ_c w_c tp_c / Σ_c w_c (Σ s + Σ g)_c with w_c = 1 / (Σ g_c)².

    Sudre et al. 2017, section 2.1. The weight of an absent class is infinite; here it is 0. MONAI takes the
    greatest finite weight instead, LIVIAETS 1e20.
    """
    overlap, predicted, actual = overlap_sums(probabilities(logits, target), target, ignore_index, include_background)
    weight = torch.where(actual > 0, 1 / actual.clamp(min=1) ** 2, 0)
    numerator, denominator = 2 * (weight * overlap).sum(), (weight * (predicted + actual)).sum()
    return mean_over_present(1 - divide(numerator, denominator), actual.sum())


def sensitivity_specificity_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    weight: float = 0.1,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Sensitivity-specificity loss: the class mean of w Σ (g − s)² g / Σ g + (1 − w) Σ (g − s)² (1 − g) / Σ (1 − g).

    Brosch et al. 2015; w weighs the sensitivity (the object's pixels). With two classes the mean
    does not depend on w, for each is the other's complement: leave the background out. SegLossOdyssey names
    the two parts the wrong way round and smooths with 1.
    """
    s, g = with_labels(probabilities(logits, target), target, ignore_index)
    error, actual = (g - s).square(), g.sum(PIXELS)
    inside = (error * g).sum(PIXELS)
    missed, false = divide(inside, actual), divide(error.sum(PIXELS) - inside, actual.sum() - actual)
    first = 0 if include_background else 1
    return mean_over_present((weight * missed + (1 - weight) * false)[first:], actual[first:])


def log_cosh_dice_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Log-cosh Dice loss: ln cosh of the linear class-mean Dice loss, quadratic where that is small.

    Jadon 2020, whose code takes one channel and smooths with 1.
    """
    sums = overlap_sums(probabilities(logits, target), target, ignore_index, include_background)
    return mean_over_present(1 - sums.dice(), sums.actual).cosh().log()


def lovasz_softmax_loss(
    logits: Float[Tensor, "n c h w"],
    target: Int[Tensor, "n h w"],
    *,
    include_background: bool = True,
    ignore_index: int = 255,
) -> Float[Tensor, ""]:
    """Lovász-softmax loss: the class mean of the Lovász extension of 1 − IoU, at the errors `|g − s|`.

    Berman, Triki and Blaschko 2018, algorithm 1; the errors of the whole batch are sorted
    together. The authors' code agrees (`classes="present"`); SegLossOdyssey's mean runs over absent classes
    too; smp takes a softmax of whatever it is given.
    """
    s, g = with_labels(probabilities(logits, target), target, ignore_index, include_background)
    s, g = s.transpose(0, 1).flatten(1), g.transpose(0, 1).flatten(1)
    errors = (g - s).abs()
    losses = (errors * lovasz_weights(errors.detach(), g > 0)).sum(1)
    return mean_over_present(losses, g.sum(1))


def lovasz_weights(errors: Float[Tensor, "c m"], own: Bool[Tensor, "c m"]) -> Float[Tensor, "c m"]:
    """How much the Jaccard loss of a class grows as each pixel is added to the wrong ones, the worst first.

    After k pixels, f of them among the class's own G, the loss is 1 − (G − f) / U with the union U = G + k − f.
    An own pixel as the last of them has added 1 / U, a foreign one (G − f) / (U (U − 1)). Written so, no digits
    are lost in the difference of two losses that are nearly equal.
    """
    order = worst_first(errors)
    sorted_own = own.gather(1, order)
    found = sorted_own.cumsum(1, dtype=torch.int32)
    left = (found[:, -1:] - found).to(errors)
    union_before = left + torch.arange(errors.shape[1], device=errors.device)  # U − 1, for a foreign pixel
    growth = torch.where(sorted_own, 1, left / union_before.clamp(min=1)) / (union_before + 1)
    return torch.empty_like(errors).scatter_(1, order, growth)


def worst_first(errors: Float[Tensor, "c m"]) -> Int[Tensor, "c m"]:
    """The pixels of each class by falling error; numpy sorts faster than torch, but on the CPU alone."""
    if errors.device.type == "cpu":
        return torch.from_numpy(np.argsort(-errors.numpy(), axis=1))
    return errors.argsort(1, descending=True)


class DiceLoss(Loss, function=dice_loss):
    """`dice_loss` as a module."""


class IoULoss(Loss, function=iou_loss):
    """`iou_loss` as a module."""


class TverskyLoss(Loss, function=tversky_loss):
    """`tversky_loss` as a module."""


class AsymmetricSimilarityLoss(Loss, function=asymmetric_similarity_loss):
    """`asymmetric_similarity_loss` as a module."""


class FocalTverskyLoss(Loss, function=focal_tversky_loss):
    """`focal_tversky_loss` as a module."""


class GeneralizedDiceLoss(Loss, function=generalized_dice_loss):
    """`generalized_dice_loss` as a module."""


class SensitivitySpecificityLoss(Loss, function=sensitivity_specificity_loss):
    """`sensitivity_specificity_loss` as a module."""


class LogCoshDiceLoss(Loss, function=log_cosh_dice_loss):
    """`log_cosh_dice_loss` as a module."""


class LovaszSoftmaxLoss(Loss, function=lovasz_softmax_loss):
    """`lovasz_softmax_loss` as a module."""
