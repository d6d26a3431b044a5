"""Upsampling without weights: copy a value, pin it into a corner, or put it back where its maximum was."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from coursekit.ops._pairs import IntOrPair, pair


def nearest_unpool(x: Float[Tensor, "n c h w"], scale: IntOrPair) -> Float[Tensor, "n c h_out w_out"]:
    """Nearest neighbour: every value fills a cell of `scale` × `scale` pixels.

    (N, C, H, W) → (N, C, H·scale, W·scale), `scale` a whole number or a pair (down, across). ValueError for a
    scale below 1. The fast form is `torch.nn.functional.interpolate(x, scale_factor=scale, mode="nearest")`.
    """
    down, across = pair(scale, "scale", minimum=1)
    return x.repeat_interleave(down, dim=-2).repeat_interleave(across, dim=-1)


def bed_of_nails(x: Float[Tensor, "n c h w"], scale: IntOrPair) -> Float[Tensor, "n c h_out w_out"]:
    """Every value in the top-left corner of a cell of `scale` × `scale` pixels, zeros elsewhere.

    (N, C, H, W) → (N, C, H·scale, W·scale), `scale` a whole number or a pair (down, across). ValueError for a
    scale below 1.
    """
    down, across = pair(scale, "scale", minimum=1)
    n, c, h, w = x.shape
    out = x.new_zeros(n, c, h * down, w * across)
    out[..., ::down, ::across] = x
    return out


def max_pool_with_indices(
    x: Float[Tensor, "n c h w"], kernel_size: IntOrPair
) -> tuple[Float[Tensor, "n c h_out w_out"], Int[Tensor, "n c h_out w_out"]]:
    """Max pooling (stride = kernel size) that remembers where each maximum stood.

    (N, C, H, W) → the maxima and their positions, both (N, C, H // kernel, W // kernel). A position is int64,
    counted row by row in the H·W plane of its own channel. Among equals the first in row order wins; rows and
    columns that fill no whole window are left out. ValueError when the kernel is larger than the picture. The
    fast form is `torch.nn.functional.max_pool2d(x, kernel_size, return_indices=True)`.
    """
    kernel_h, kernel_w = pair(kernel_size, "kernel_size", minimum=1)
    n, c, h, w = x.shape
    rows, cols = h // kernel_h, w // kernel_w
    if rows == 0 or cols == 0:
        raise ValueError(f"kernel_size {kernel_size} is larger than the picture, {h} × {w}; make it smaller")

    cells = x[..., : rows * kernel_h, : cols * kernel_w].reshape(n, c, rows, kernel_h, cols, kernel_w)
    values, inside = cells.transpose(3, 4).flatten(4).max(dim=4)  # `inside`: the position in its own window

    row = torch.arange(rows, device=x.device)[:, None] * kernel_h + inside // kernel_w
    col = torch.arange(cols, device=x.device) * kernel_w + inside % kernel_w
    return values, row * w + col


def max_unpool(
    x: Float[Tensor, "n c h w"], indices: Int[Tensor, "n c h w"], output_size: tuple[int, int]
) -> Float[Tensor, "n c h_out w_out"]:
    """Put every value back where its maximum was found, zeros elsewhere (SegNet, DeconvNet; 2015).

    Values and indices (N, C, h, w) → (N, C, H, W) for `output_size` (H, W), the size *before* pooling: an
    index counts row by row through that plane, so guessing the size as 2h × 2w misplaces values of odd
    pictures. Where overlapping windows gave one index twice, one of its values is kept, never their sum, and
    only that one receives the gradient. ValueError when shapes differ or an index is outside the plane. The
    fast form is `torch.nn.functional.max_unpool2d(x, indices, kernel_size, output_size=…)`.
    """
    height, width = output_size
    if x.shape != indices.shape:
        raise ValueError(
            f"values {tuple(x.shape)} and indices {tuple(indices.shape)} must have one shape; "
            "take the indices of the pooling that this layer undoes"
        )
    if x.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < height * width:
        raise ValueError(
            f"indices run from {int(indices.min())} to {int(indices.max())}, but {height} × {width} pixels "
            f"have the positions 0 to {height * width - 1}; output_size is the size before pooling"
        )
    n, c, h, w = x.shape
    # Each output position looks up one input: with a repeated index that is still one, for the gradient too.
    places = torch.arange(h * w, device=x.device).expand(n, c, -1)
    source = indices.new_full((n, c, height * width), -1).scatter(2, indices.flatten(2), places)
    out = x.flatten(2).gather(2, source.clamp(min=0)).where(source >= 0, 0)
    return out.unflatten(2, (height, width))
