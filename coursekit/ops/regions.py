"""From boxes to features of one size and back: RoIPool, RoIAlign, pasting masks, Fast NMS."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.ops import box_iou

from coursekit.ops._pairs import IntOrPair, pair

Boxes = Sequence[Float[Tensor, "l 4"]] | Float[Tensor, "k 5"]


def roi_pool(
    features: Float[Tensor, "n c h w"], boxes: Boxes, output_size: IntOrPair, spatial_scale: float = 1.0
) -> Float[Tensor, "k c h_out w_out"]:
    """RoIPool: round the box to whole cells, cut it into `output_size` bins, take the maximum of each.

    Boxes are XYXY in pixels of the picture: a list with one (L, 4) tensor an image, or one (K, 5) tensor with
    the image's index first. `spatial_scale` is the features' size divided by the picture's (1/16 at stride
    16). The cell of the far edge counts as inside, bins overlap where they do not divide the box evenly, and
    a bin that lies outside the features gives 0. ValueError for boxes of another form. The fast form is
    `torchvision.ops.roi_pool`. Girshick, "Fast R-CNN", 2015, section 2.1.
    """
    out_h, out_w = pair(output_size, "output_size", minimum=1)
    n, c, h, w = features.shape
    image, corners = _image_and_corners(boxes, n)
    scaled = corners * spatial_scale
    left, top, right, bottom = (scaled.sign() * (scaled.abs() + 0.5).floor()).unbind(1)
    row_bins = zip(*_bins(top, bottom, out_h, h), strict=True)
    col_bins = zip(*_bins(left, right, out_w, w), strict=True)

    pooled = [features.new_zeros(0, c, out_h, out_w)]
    for index, (top_edge, bottom_edge), (left_edge, right_edge) in zip(image.tolist(), row_bins, col_bins, strict=True):
        rows, cols = _cells(top_edge, bottom_edge), _cells(left_edge, right_edge)
        windows = features[index][:, rows[:, :, None, None], cols]  # (c, out_h, cells, out_w, cells)
        filled = (top_edge < bottom_edge)[:, None] & (left_edge < right_edge)
        pooled.append(windows.amax((2, 4)).where(filled, 0)[None])
    return torch.cat(pooled)


def _bins(
    first: Float[Tensor, " k"], last: Float[Tensor, " k"], count: int, size: int
) -> tuple[Int[Tensor, "k count"], Int[Tensor, "k count"]]:
    """Where the bins between two cells begin and end (exclusive), inside 0 … size."""
    step = (last - first + 1).clamp(min=1)[:, None] / count
    edge = torch.arange(count + 1, dtype=step.dtype, device=step.device) * step
    begin, end = first[:, None] + edge[:, :-1].floor(), first[:, None] + edge[:, 1:].ceil()
    return begin.clamp(0, size).long(), end.clamp(0, size).long()


def _cells(begin: Int[Tensor, " bins"], end: Int[Tensor, " bins"]) -> Int[Tensor, "bins cells"]:
    """The cells of every bin, as many as the longest has: a bin's last cell repeated changes no maximum."""
    steps = torch.arange(max(1, int((end - begin).max())), device=begin.device)
    return (begin[:, None] + steps).minimum(end[:, None] - 1).clamp(min=0)


def roi_align(
    features: Float[Tensor, "n c h w"],
    boxes: Boxes,
    output_size: IntOrPair,
    spatial_scale: float = 1.0,
    sampling_ratio: int = 0,
    aligned: bool = True,
) -> Float[Tensor, "k c h_out w_out"]:
    """RoIAlign: round nothing; read the features between their cells and average inside each bin.

    Boxes and `spatial_scale` as in `roi_pool`. Each bin is sampled at `sampling_ratio` × `sampling_ratio`
    points with bilinear interpolation, 0 meaning as many as there are cells in a bin, rounded up. `aligned`
    places cell centres at half pixels; without it (torchvision's default, and its Mask R-CNN's) everything is
    read half a cell further right and down, and boxes are at least one cell wide. Points more than a cell
    outside the features count 0. ValueError for boxes of another form. The fast form is
    `torchvision.ops.roi_align`. He et al., "Mask R-CNN", 2017, section 3.

    Interpolating and averaging are linear, and rows do not mix with columns: a box's bins are `rows @
    features @ cols.T`, with one row of weights a bin.
    """
    out_h, out_w = pair(output_size, "output_size", minimum=1)
    n, c, h, w = features.shape
    image, corners = _image_and_corners(boxes, n)
    left, top, right, bottom = (corners * spatial_scale - (0.5 if aligned else 0)).unbind(1)
    box_h, box_w = bottom - top, right - left
    if not aligned:
        box_h, box_w = box_h.clamp(min=1), box_w.clamp(min=1)
    rows = _bin_weights(top, box_h, out_h, h, sampling_ratio)
    cols = _bin_weights(left, box_w, out_w, w, sampling_ratio)

    out = features.new_zeros(len(image), c, out_h, out_w)
    for index in image.unique().tolist():
        of_image = image == index
        out[of_image] = torch.einsum("kiy, cyx, kjx -> kcij", rows[of_image], features[index], cols[of_image])
    return out


def _bin_weights(
    start: Float[Tensor, " k"], extent: Float[Tensor, " k"], bins: int, size: int, samples: int
) -> Float[Tensor, "k bins size"]:
    """What each of `size` cells contributes to each bin of the boxes, along one axis."""
    step = extent[:, None, None] / bins
    count = torch.full_like(step, samples) if samples > 0 else step.detach().ceil().clamp(min=0)
    sample = torch.arange(max(1, int(count.max())) if len(count) else 1, device=start.device)
    bin_index = torch.arange(bins, device=start.device)[:, None]
    at = start[:, None, None] + bin_index * step + (sample + 0.5) * step / count.clamp(min=1)

    counts = (sample < count) & (at >= -1) & (at <= size)
    weights = _bilinear_weights(at, size).where(counts[..., None], 0)
    return weights.sum(2) / count.clamp(min=1)


def _bilinear_weights(at: Float[Tensor, "*points"], size: int) -> Float[Tensor, "*points size"]:
    """Each cell's weight in the value between cells: falls from 1 to 0 over one cell; the border repeats."""
    cells = torch.arange(size, dtype=at.dtype, device=at.device)
    return (1 - (at.clamp(0, size - 1)[..., None] - cells).abs()).clamp(min=0)


def _image_and_corners(boxes: Boxes, images: int) -> tuple[Int[Tensor, " k"], Float[Tensor, "k 4"]]:
    """Both forms of boxes as each box's image and its corners."""
    if isinstance(boxes, Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise ValueError(
                f"one tensor of boxes is (K, 5), the image's index first; it is {tuple(boxes.shape)}. "
                "Corners alone go into a list, one (L, 4) tensor an image"
            )
        return boxes[:, 0].long(), boxes[:, 1:]
    if len(boxes) != images or any(b.ndim != 2 or b.shape[1] != 4 for b in boxes):
        raise ValueError(
            f"a list of boxes has one (L, 4) tensor for each of the {images} images; "
            f"it has {[tuple(b.shape) for b in boxes]}"
        )
    corners = torch.cat(list(boxes))
    lengths = torch.tensor([len(b) for b in boxes], device=corners.device)
    return torch.arange(images, device=corners.device).repeat_interleave(lengths), corners


def paste_masks(
    masks: Float[Tensor, "k mh mw"], boxes: Float[Tensor, "k 4"], image_size: tuple[int, int]
) -> Float[Tensor, "k h w"]:
    """Stretch each mask over its XYXY box on an empty picture.

    (K, m, m) probabilities, (K, 4), (H, W) → (K, H, W) probabilities, 0 outside the box; `>= 0.5` makes them
    masks. Pixel centres are at half pixels, as in `roi_align(aligned=True)`, whose inverse this is: a pixel
    belongs to the box when its centre does, and reads the mask bilinearly, the mask's border repeated. Boxes
    may reach outside the picture. The whole box (2, 3, 7, 9) has 5 × 6 = 30 pixels here; torchvision's Mask
    R-CNN, which truncates the box and counts its far edge in, paints 56.
    """
    height, width = image_size
    left, top, right, bottom = boxes.unbind(1)
    rows = _stretch_weights(top, bottom, masks.shape[1], height)
    cols = _stretch_weights(left, right, masks.shape[2], width)
    return torch.einsum("kyi, kij, kxj -> kyx", rows, masks, cols)


def _stretch_weights(
    first: Float[Tensor, " k"], last: Float[Tensor, " k"], cells: int, pixels: int
) -> Float[Tensor, "k pixels cells"]:
    """What each cell of a mask contributes to each pixel, along one axis; nothing outside the box."""
    first, last = first[:, None], last[:, None]
    centre = torch.arange(pixels, dtype=first.dtype, device=first.device) + 0.5
    inside = (first <= centre) & (centre < last)
    at = ((centre - first) / (last - first) * cells - 0.5).where(inside, 0)
    return _bilinear_weights(at, cells).where(inside[..., None], 0)


def fast_nms(boxes: Float[Tensor, "k 4"], scores: Float[Tensor, " k"], threshold: float) -> Int[Tensor, " kept"]:
    """Drop every box that overlaps a better one too much, all at once.

    (K, 4) XYXY boxes of one class, (K,) scores → the indices kept, by falling score. Kept is what has an IoU
    of at most `threshold` with every better box. Unlike in NMS (`torchvision.ops.nms`) a dropped box still
    drops others, so nothing has to be decided in turn; a few more boxes go. Bolya et al., "YOLACT", 2019,
    section 3.4.
    """
    order = scores.argsort(descending=True, stable=True)
    with_better = box_iou(boxes[order], boxes[order]).triu(diagonal=1)
    return order[~(with_better > threshold).any(0)]
