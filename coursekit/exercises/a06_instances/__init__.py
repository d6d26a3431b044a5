"""Assignment 06: the parts of instance and panoptic segmentation, from a box to one map without overlaps."""

from coursekit.exercises.a06_instances.assemble_masks import assemble_masks
from coursekit.exercises.a06_instances.fast_nms import fast_nms
from coursekit.exercises.a06_instances.keypoint_targets import keypoint_targets
from coursekit.exercises.a06_instances.mended_predict import mended_predict
from coursekit.exercises.a06_instances.merge_panoptic import merge_panoptic
from coursekit.exercises.a06_instances.paste_mask import paste_mask
from coursekit.exercises.a06_instances.roi_align import roi_align
from coursekit.exercises.exercise import Assignment

ASSIGNMENT = Assignment.of(
    "06_instances",
    roi_align,
    paste_mask,
    fast_nms,
    assemble_masks,
    keypoint_targets,
    merge_panoptic,
    mended_predict,
)
