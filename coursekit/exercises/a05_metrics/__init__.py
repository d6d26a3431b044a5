"""Assignment 05: the scores of semantic, instance and panoptic segmentation, up to a leaderboard of one's own."""

from coursekit.exercises.a05_metrics.average_precision import average_precision
from coursekit.exercises.a05_metrics.confusion_matrix import confusion_matrix
from coursekit.exercises.a05_metrics.mask_iou import mask_iou
from coursekit.exercises.a05_metrics.match_instances import match_instances
from coursekit.exercises.a05_metrics.mended_mean_iou import mended_mean_iou
from coursekit.exercises.a05_metrics.panoptic_quality import panoptic_quality
from coursekit.exercises.a05_metrics.segmentation_scores import segmentation_scores
from coursekit.exercises.exercise import Assignment

ASSIGNMENT = Assignment.of(
    "05_metrics",
    confusion_matrix,
    segmentation_scores,
    mended_mean_iou,
    mask_iou,
    match_instances,
    average_precision,
    panoptic_quality,
)
