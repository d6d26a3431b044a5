"""Assignment 01: ways back to full resolution, up to a small SegNet made of one's own parts."""

from coursekit.exercises.a01_unpooling.bed_of_nails import bed_of_nails
from coursekit.exercises.a01_unpooling.max_pool_with_indices import max_pool_with_indices
from coursekit.exercises.a01_unpooling.max_unpool import max_unpool
from coursekit.exercises.a01_unpooling.mended_restore import mended_restore
from coursekit.exercises.a01_unpooling.nearest_unpool import nearest_unpool
from coursekit.exercises.a01_unpooling.tiny_segnet import tiny_segnet
from coursekit.exercises.exercise import Assignment

ASSIGNMENT = Assignment.of(
    "01_unpooling", nearest_unpool, bed_of_nails, max_pool_with_indices, max_unpool, tiny_segnet, mended_restore
)
