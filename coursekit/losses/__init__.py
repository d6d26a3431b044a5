"""The lecture's loss functions, in its three families and their sums.

    distribution.py   the pixel's distribution: cross-entropy, weighted, focal, top-k, distance-penalised
    region.py         the overlap of regions: Dice, IoU, Tversky and their relatives, Lovász-softmax
    boundary.py       the distance of boundaries: boundary loss, Hausdorff loss; `DistanceMaps` computes ahead
    compound.py       sums of two: combo, Dice + cross-entropy, unified focal, exponential-logarithmic
    base.py           what they share

Each is a function `loss(logits, target, *, ignore_index=255, …)` of logits (N, C, H, W) and class ids (N, H, W)
int64, and a module of the same name in CamelCase that takes the same keyword options: `dice_loss(logits, target,
squared=False)` is `DiceLoss(squared=False)(logits, target)`. Those that need distance maps take them third, as a
batch with `DistanceMaps` brings them: `loss(logits, *target)`. The result is a scalar, finite for finite logits, of
the logits' dtype (float32 for half precision); a batch without pictures, or with every pixel ignored, costs 0.
"""

from coursekit.losses.boundary import (
    BoundaryLoss,
    DistanceMaps,
    HausdorffLoss,
    boundary_loss,
    distance_maps,
    hausdorff_loss,
    signed_distance,
)
from coursekit.losses.compound import (
    ComboLoss,
    DiceCELoss,
    ExponentialLogarithmicLoss,
    UnifiedFocalLoss,
    combo_loss,
    dice_ce_loss,
    exponential_logarithmic_loss,
    unified_focal_loss,
)
from coursekit.losses.distribution import (
    CrossEntropy,
    DistancePenalizedCrossEntropy,
    FocalLoss,
    TopKLoss,
    WeightedCrossEntropy,
    cross_entropy,
    distance_penalized_cross_entropy,
    focal_loss,
    topk_loss,
    weighted_cross_entropy,
)
from coursekit.losses.region import (
    AsymmetricSimilarityLoss,
    DiceLoss,
    FocalTverskyLoss,
    GeneralizedDiceLoss,
    IoULoss,
    LogCoshDiceLoss,
    LovaszSoftmaxLoss,
    SensitivitySpecificityLoss,
    TverskyLoss,
    asymmetric_similarity_loss,
    dice_loss,
    focal_tversky_loss,
    generalized_dice_loss,
    iou_loss,
    log_cosh_dice_loss,
    lovasz_softmax_loss,
    sensitivity_specificity_loss,
    tversky_loss,
)

__all__ = [
    "AsymmetricSimilarityLoss",
    "BoundaryLoss",
    "ComboLoss",
    "CrossEntropy",
    "DiceCELoss",
    "DiceLoss",
    "DistanceMaps",
    "DistancePenalizedCrossEntropy",
    "ExponentialLogarithmicLoss",
    "FocalLoss",
    "FocalTverskyLoss",
    "GeneralizedDiceLoss",
    "HausdorffLoss",
    "IoULoss",
    "LogCoshDiceLoss",
    "LovaszSoftmaxLoss",
    "SensitivitySpecificityLoss",
    "TopKLoss",
    "TverskyLoss",
    "UnifiedFocalLoss",
    "WeightedCrossEntropy",
    "asymmetric_similarity_loss",
    "boundary_loss",
    "combo_loss",
    "cross_entropy",
    "dice_ce_loss",
    "dice_loss",
    "distance_maps",
    "distance_penalized_cross_entropy",
    "exponential_logarithmic_loss",
    "focal_loss",
    "focal_tversky_loss",
    "generalized_dice_loss",
    "hausdorff_loss",
    "iou_loss",
    "log_cosh_dice_loss",
    "lovasz_softmax_loss",
    "sensitivity_specificity_loss",
    "signed_distance",
    "topk_loss",
    "tversky_loss",
    "unified_focal_loss",
    "weighted_cross_entropy",
]
