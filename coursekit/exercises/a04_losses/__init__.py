"""Assignment 04: ten losses from three families, a silent bug, and one task trained under five of one's own losses."""

from coursekit.exercises.a04_losses.asymmetric_similarity_loss import asymmetric_similarity_loss
from coursekit.exercises.a04_losses.boundary_loss import boundary_loss
from coursekit.exercises.a04_losses.cross_entropy import cross_entropy
from coursekit.exercises.a04_losses.dice_loss import dice_loss
from coursekit.exercises.a04_losses.focal_loss import focal_loss
from coursekit.exercises.a04_losses.hausdorff_loss import hausdorff_loss
from coursekit.exercises.a04_losses.iou_loss import iou_loss
from coursekit.exercises.a04_losses.mended_loss import mended_loss
from coursekit.exercises.a04_losses.signed_distance import signed_distance
from coursekit.exercises.a04_losses.topk_loss import topk_loss
from coursekit.exercises.a04_losses.tversky_loss import tversky_loss
from coursekit.exercises.exercise import Assignment

ASSIGNMENT = Assignment.of(
    "04_losses",
    cross_entropy,
    focal_loss,
    topk_loss,
    dice_loss,
    iou_loss,
    tversky_loss,
    asymmetric_similarity_loss,
    signed_distance,
    boundary_loss,
    hausdorff_loss,
    mended_loss,
)
