"""Assignment 03: the U-Net of 2015, its weight map and its overlap-tile strategy, up to a segmented EM picture."""

from coursekit.exercises.a03_unet.border_weights import border_weights
from coursekit.exercises.a03_unet.center_crop import center_crop
from coursekit.exercises.a03_unet.double_conv import double_conv
from coursekit.exercises.a03_unet.mended_split import mended_split
from coursekit.exercises.a03_unet.predict_tiled import predict_tiled
from coursekit.exercises.a03_unet.unet import unet
from coursekit.exercises.a03_unet.unet_output_size import unet_output_size
from coursekit.exercises.exercise import Assignment

ASSIGNMENT = Assignment.of(
    "03_unet", double_conv, center_crop, unet, unet_output_size, border_weights, predict_tiled, mended_split
)
