"""Pictures larger than memory: predict tile by tile, with a mirrored border (U-Net's overlap-tile strategy)."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from coursekit.ops._pairs import IntOrPair, pair


def mirror_pad(x: Shaped[Tensor, "*batch h w"], margin: IntOrPair) -> Shaped[Tensor, "*batch h_out w_out"]:
    """Continue the picture beyond its border by its mirror image.

    (…, H, W) → (…, H + 2·margin, W + 2·margin), `margin` a number or a pair (down, across). The border pixel
    itself is not repeated: 1 2 3 becomes 3 2 1 2 3 2 1. A margin beyond the picture's size reflects again and
    again, where `torch.nn.functional.pad(mode="reflect")`, the fast form, stops. ValueError for a negative
    margin.
    """
    (down, across), (h, w) = pair(margin, "margin"), x.shape[-2:]
    rows, cols = _mirrored(h, -down, h + down), _mirrored(w, -across, w + across)
    return x[..., rows.to(x.device)[:, None], cols.to(x.device)]


def _mirrored(size: int, begin: int, end: int) -> Int[Tensor, " positions"]:
    """For every position from `begin` to `end` the pixel, 0 … size − 1, that its mirror shows."""
    period = max(1, 2 * (size - 1))
    phase = torch.arange(begin, end) % period
    return torch.minimum(phase, period - phase).clamp(max=size - 1)


def predict_tiled(
    model: Callable[[Tensor], Tensor], image: Float[Tensor, "*n c h w"], tile: IntOrPair, context: IntOrPair
) -> Float[Tensor, "*n k h w"]:
    """Predict a picture of any size piece by piece, without seams.

    (C, H, W) → (K, H, W), or both with a batch in front. Each call of the model sees one `tile` of the output
    and `context` pixels around it on every side, beyond the border those of the mirrored picture, and of what
    it returns the centre is kept: all of it for valid convolutions (U-Net: tile 388, context 92), less for a
    padded network, whose rim is wrong. The result is that of one pass over the mirrored picture when the
    context covers the receptive field and the tile is a multiple of the network's stride. ValueError when the
    model returns less than a tile. Ronneberger et al., "U-Net", 2015, figure 2.
    """
    (tile_h, tile_w), (above, beside) = pair(tile, "tile", minimum=1), pair(context, "context")
    batch = image if image.ndim == 4 else image[None]
    h, w = batch.shape[-2:]
    # The last tile of a row or column is as large as the others and runs on into the mirror image.
    rows = _mirrored(h, -above, h + -h % tile_h + above).to(image.device)
    cols = _mirrored(w, -beside, w + -w % tile_w + beside).to(image.device)

    strips = []
    for top in range(0, h, tile_h):
        seen_rows = rows[top : top + tile_h + 2 * above, None]
        tiles = []
        for left in range(0, w, tile_w):
            seen = batch[..., seen_rows, cols[left : left + tile_w + 2 * beside]]
            tiles.append(_centre(model(seen), tile_h, tile_w))
        strips.append(torch.cat(tiles, dim=-1))
    whole = torch.cat(strips, dim=-2)[..., :h, :w]
    return whole if image.ndim == 4 else whole[0]


def _centre(x: Float[Tensor, "n k h w"], height: int, width: int) -> Float[Tensor, "n k {height} {width}"]:
    h, w = x.shape[-2:]
    top, left = (h - height) // 2, (w - width) // 2
    if top < 0 or left < 0 or (h - height) % 2 or (w - width) % 2:
        raise ValueError(
            f"the model returned {h} × {w} pixels for a tile of {height} × {width}: take a context of half the "
            "difference between the model's input and output, or more by a whole number"
        )
    return x[..., top : top + height, left : left + width]
