"""One map of segments: ids as colours, and instances and stuff merged without overlaps."""

import torch
from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Tensor


def rgb_to_id(rgb: UInt8[Tensor, "h w 3"]) -> Int[Tensor, "h w"]:
    """The segment ids that a panoptic PNG stores as colours: R + 256·G + 65536·B.

    (H, W, 3) uint8 → (H, W) int64. ValueError when the last axis is not the three colours. COCO's panoptic
    format, 2018.
    """
    if rgb.shape[-1] != 3:
        raise ValueError(f"colours come last, (H, W, 3); the shape is {tuple(rgb.shape)}: permute it")
    red, green, blue = rgb.long().unbind(-1)  # widened first: a uint8 cannot hold 256 · G
    return red + 256 * green + 65536 * blue


def id_to_rgb(ids: Int[Tensor, "h w"]) -> UInt8[Tensor, "h w 3"]:
    """Segment ids as the colours of a panoptic PNG, the inverse of `rgb_to_id`.

    (H, W) integers → (H, W, 3) uint8. ValueError for an id that three bytes cannot hold.
    """
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < 256**3:
        raise ValueError(
            f"ids from 0 to {256**3 - 1} fit into a colour; these run from {int(ids.min())} to {int(ids.max())}"
        )
    return torch.stack([ids % 256, ids // 256 % 256, ids // 65536], dim=-1).to(torch.uint8)


def merge_panoptic(
    masks: Bool[Tensor, "k h w"],
    scores: Float[Tensor, " k"],
    classes: Int[Tensor, " k"],
    stuff: Int[Tensor, "h w"],
    overlap: float = 0.5,
    min_stuff_area: int = 0,
) -> tuple[Int[Tensor, "h w"], dict[int, int]]:
    """Merge instances and a semantic map into one map in which every pixel has at most one segment.

    Instance masks (K, H, W), their scores and classes (K,), stuff classes (H, W) with 0 for none → segment
    ids (H, W) int64 with 0 for unlabelled, and {id: class}. Instances are painted by falling score on what is
    still free; one of which more than the fraction `overlap` is already covered is dropped. What then remains
    takes its stuff class where that covers at least `min_stuff_area` pixels. Ids count from 1, none is
    without pixels. ValueError when the shapes do not fit. Kirillov et al., "Panoptic Segmentation", 2019,
    section 6; COCO's defaults are 0.5 and 64².
    """
    if masks.shape[1:] != stuff.shape or not len(masks) == len(scores) == len(classes):
        raise ValueError(
            f"masks {tuple(masks.shape)}, scores {tuple(scores.shape)} and classes {tuple(classes.shape)} must "
            f"have one length, and masks the size of the stuff map, {tuple(stuff.shape)}"
        )
    ids = torch.zeros_like(stuff, dtype=torch.int64)
    category: dict[int, int] = {}

    def paint(pixels: Shaped[Tensor, "h w"], class_id: int) -> None:
        if pixels.any():
            category[len(category) + 1] = class_id
            ids[pixels] = len(category)

    for k in scores.argsort(descending=True, stable=True).tolist():
        mask = masks[k].bool()
        free = mask & (ids == 0)
        if (mask & ~free).sum() <= overlap * mask.sum():
            paint(free, int(classes[k]))

    for class_id in stuff[(ids == 0) & (stuff != 0)].unique().tolist():
        free = (stuff == class_id) & (ids == 0)
        if free.sum() >= min_stuff_area:
            paint(free, class_id)
    return ids, category
