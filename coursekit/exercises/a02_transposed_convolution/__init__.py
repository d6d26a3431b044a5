"""Assignment 02: the convolution as a matrix, its transpose, and what a transposed convolution does to pictures."""

from coursekit.exercises.a02_transposed_convolution.bilinear_kernel import bilinear_kernel
from coursekit.exercises.a02_transposed_convolution.conv1d_matrix import conv1d_matrix
from coursekit.exercises.a02_transposed_convolution.conv_transpose1d import conv_transpose1d
from coursekit.exercises.a02_transposed_convolution.conv_transpose2d import conv_transpose2d
from coursekit.exercises.a02_transposed_convolution.overlap_count import overlap_count
from coursekit.exercises.a02_transposed_convolution.prepare_mended import prepare_mended
from coursekit.exercises.exercise import Assignment

ASSIGNMENT = Assignment.of(
    "02_transposed_convolution",
    conv1d_matrix,
    conv_transpose1d,
    conv_transpose2d,
    bilinear_kernel,
    overlap_count,
    prepare_mended,
)
