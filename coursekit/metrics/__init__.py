"""How good is a segmentation? One file for each of the lecture's tasks.

`semantic`   one confusion matrix, and the pixel accuracy, IoU and Dice read off it
`boundary`   how well outlines agree: boundary F1, Hausdorff distance
`instance`   average precision of masks and boxes, as COCO defines it
`panoptic`   panoptic quality, for things and stuff together
`keypoints`  object keypoint similarity, the IoU of poses

What is scored over a data set is a class with `update`, `merge`, `compute` and `reset`.
"""

from coursekit.metrics.boundary import boundary_f1, hausdorff_distance
from coursekit.metrics.instance import (
    AveragePrecision,
    DetectionScores,
    average_precision,
    mask_iou,
    precision_at_recalls,
)
from coursekit.metrics.keypoints import COCO_SIGMAS, object_keypoint_similarity
from coursekit.metrics.panoptic import PanopticQuality, panoptic_quality
from coursekit.metrics.semantic import ConfusionMatrix, SemanticScores

__all__ = [
    "COCO_SIGMAS",
    "AveragePrecision",
    "ConfusionMatrix",
    "DetectionScores",
    "PanopticQuality",
    "SemanticScores",
    "average_precision",
    "boundary_f1",
    "hausdorff_distance",
    "mask_iou",
    "object_keypoint_similarity",
    "panoptic_quality",
    "precision_at_recalls",
]
