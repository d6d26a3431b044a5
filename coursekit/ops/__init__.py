"""What the lecture derives, in code that can be read beside it.

unpooling.py         copy, pin, put back: upsampling without weights
convolution.py       convolution as a matrix, its transpose, and what follows from overlapping stamps
receptive_field.py   how much of the picture one output sees
regions.py           boxes to features of one size and back; Fast NMS
tiling.py            large pictures tile by tile, mirrored at the border
panoptic.py          ids as colours; instances and stuff in one map
"""

from coursekit.ops.convolution import (
    bilinear_kernel,
    conv1d_matrix,
    conv2d_matrix,
    conv_transpose2d,
    overlap_count,
)
from coursekit.ops.panoptic import id_to_rgb, merge_panoptic, rgb_to_id
from coursekit.ops.receptive_field import ReceptiveField, measured_receptive_field, receptive_field
from coursekit.ops.regions import fast_nms, paste_masks, roi_align, roi_pool
from coursekit.ops.tiling import mirror_pad, predict_tiled
from coursekit.ops.unpooling import bed_of_nails, max_pool_with_indices, max_unpool, nearest_unpool

__all__ = [
    "ReceptiveField",
    "bed_of_nails",
    "bilinear_kernel",
    "conv1d_matrix",
    "conv2d_matrix",
    "conv_transpose2d",
    "fast_nms",
    "id_to_rgb",
    "max_pool_with_indices",
    "max_unpool",
    "measured_receptive_field",
    "merge_panoptic",
    "mirror_pad",
    "nearest_unpool",
    "overlap_count",
    "paste_masks",
    "predict_tiled",
    "receptive_field",
    "rgb_to_id",
    "roi_align",
    "roi_pool",
]
