"""Convolution as a matrix, and the transposed convolution that its transpose performs."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from coursekit.ops._pairs import IntOrPair, pair


def conv1d_matrix(
    kernel: Shaped[Tensor, " k"], length: int, stride: int = 1, padding: int = 0
) -> Shaped[Tensor, "out {length}"]:
    """The matrix X for which `X @ a` is the cross-correlation of `a` with the kernel.

    (K,) → (out, length), out = (length + 2·padding − K) // stride + 1. Each row holds the kernel, `stride`
    columns further right than the row above. The columns that would meet the padding's zeros are cut off, so
    X multiplies `a` itself and `X.T` leads back to its length. ValueError when the kernel is longer than the
    padded input.
    """
    (size,) = kernel.shape
    out = (length + 2 * padding - size) // stride + 1
    if out < 1:
        raise ValueError(
            f"a kernel of {size} does not fit into {length} values with padding {padding}; pad more or shorten it"
        )
    matrix = kernel.new_zeros(out, length + 2 * padding)
    row = torch.arange(out, device=kernel.device)
    for tap in range(size):
        matrix[row, row * stride + tap] = kernel[tap]
    return matrix[:, padding : padding + length]


def conv2d_matrix(
    kernel: Shaped[Tensor, "kh kw"], height: int, width: int, stride: IntOrPair = 1, padding: IntOrPair = 0
) -> Shaped[Tensor, "out {height*width}"]:
    """The matrix X for which `X @ picture.flatten()` is the flattened cross-correlation of the picture.

    (kh, kw) → (out_h·out_w, height·width), pictures flattened row by row. What a tap of the kernel does to
    the rows is independent of what it does to the columns: each is a 1-D matrix, and X is the sum over the
    taps of their Kronecker products. ValueError when the kernel is larger than the padded picture.
    """
    (down, across), (pad_h, pad_w) = pair(stride, "stride", minimum=1), pair(padding, "padding")
    tap_rows, tap_cols = (torch.eye(k, dtype=kernel.dtype, device=kernel.device) for k in kernel.shape)
    rows = torch.stack([conv1d_matrix(tap, height, down, pad_h) for tap in tap_rows])
    cols = torch.stack([conv1d_matrix(tap, width, across, pad_w) for tap in tap_cols])
    return torch.einsum("ij, iab, jcd -> acbd", kernel, rows, cols).flatten(2).flatten(0, 1)


def conv_transpose2d(
    x: Float[Tensor, "n c_in h w"],
    weight: Float[Tensor, "c_in c_out_per_group kh kw"],
    bias: Float[Tensor, " c_out"] | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Float[Tensor, "n c_out h_out w_out"]:
    """Transposed convolution: every input value stamps its weighted kernel on the output, and stamps add up.

    (N, C_in, H, W) → (N, C_out, H_out, W_out) with

        H_out = (H − 1)·stride − 2·padding + dilation·(kh − 1) + output_padding + 1

    and the same across. The weight has the input channels *first*: (C_in, C_out / groups, kh, kw). Padding
    crops the stamped canvas; output padding enlarges it at the bottom and right, to reach the sizes that a
    convolution with a stride maps to the same one. As a matrix this is that convolution's transpose, hence
    the name; it does not invert it. ValueError for channels that do not fit the weight or the groups, an
    output padding that is not below the larger of stride and dilation, or an output without pixels. The fast
    form is `torch.nn.functional.conv_transpose2d`. Dumoulin & Visin, "A guide to convolution arithmetic for
    deep learning", 2016, section 4.
    """
    stride_h, stride_w = pair(stride, "stride", minimum=1)
    pad_h, pad_w = pair(padding, "padding")
    extra_h, extra_w = pair(output_padding, "output_padding")
    dilation_h, dilation_w = pair(dilation, "dilation", minimum=1)
    n, c_in, h, w = x.shape
    weight_in, c_out_per_group, kernel_h, kernel_w = weight.shape
    if weight_in != c_in or c_in % groups:
        raise ValueError(
            f"x has {c_in} channels, the weight {tuple(weight.shape)} takes {weight_in} in {groups} groups; "
            "its layout is (in, out / groups, kh, kw), and the groups divide the channels"
        )
    if extra_h >= max(stride_h, dilation_h) or extra_w >= max(stride_w, dilation_w):
        raise ValueError(f"output_padding {output_padding} must be smaller than stride {stride} or dilation {dilation}")
    # How far the top left corners of the stamps reach, and then the stamps themselves.
    reach_h, reach_w = (h - 1) * stride_h + 1, (w - 1) * stride_w + 1
    canvas_h = reach_h + dilation_h * (kernel_h - 1) + extra_h
    canvas_w = reach_w + dilation_w * (kernel_w - 1) + extra_w
    if canvas_h <= 2 * pad_h or canvas_w <= 2 * pad_w:
        raise ValueError(f"padding {padding} crops all of the {canvas_h} × {canvas_w} canvas; pad less")

    values = x.unflatten(1, (groups, -1))
    stamps = weight.unflatten(0, (groups, -1))
    canvas = x.new_zeros(n, groups, c_out_per_group, canvas_h, canvas_w)
    for i in range(kernel_h):
        for j in range(kernel_w):
            top, left = i * dilation_h, j * dilation_w
            touched = canvas[..., top : top + reach_h : stride_h, left : left + reach_w : stride_w]
            touched += torch.einsum("ngchw, gco -> ngohw", values, stamps[..., i, j])

    out = canvas.flatten(1, 2)[..., pad_h : canvas_h - pad_h, pad_w : canvas_w - pad_w]
    return out if bias is None else out + bias[:, None, None]


def bilinear_kernel(channels: int, kernel_size: int) -> Float[Tensor, "c c k k"]:
    """The weight with which a transposed convolution starts as bilinear upsampling.

    → (C, C, k, k): on the channel diagonal the outer product of a triangle with itself (k = 4: ¼, ¾, ¾, ¼),
    zero between channels. For a factor s take k = 2s − s % 2, stride s and padding (s − s % 2) / 2: away from
    the border that equals `torch.nn.functional.interpolate(mode="bilinear", align_corners=False)`. Long et
    al., "Fully Convolutional Networks for Semantic Segmentation", 2015, section 3.3, and the authors' code.
    """
    half_width = (kernel_size + 1) // 2
    distance = (torch.arange(kernel_size) - (kernel_size - 1) / 2).abs()
    triangle = 1 - distance / half_width
    return torch.eye(channels)[:, :, None, None] * torch.outer(triangle, triangle)


def overlap_count(length: int, kernel_size: int, stride: int) -> Int[Tensor, " out"]:
    """How many inputs of a 1-D transposed convolution reach each output position (padding 0).

    → ((length − 1)·stride + kernel_size,) int64. Away from the ends the count is uniform exactly when the stride
    divides the kernel size; otherwise it alternates, and in two dimensions that is the checkerboard. Odena et
    al. on checkerboard artifacts, Distill, 2016.
    """
    count = torch.zeros((length - 1) * stride + kernel_size, dtype=torch.int64)
    for first in range(0, length * stride, stride):
        count[first : first + kernel_size] += 1
    return count
