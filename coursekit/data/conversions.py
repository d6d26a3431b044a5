"""From one kind of label to another: semantic, instance, panoptic, boxes, COCO's RLE and polygons.

An instance target is `{"masks": (K, H, W) bool, "boxes": (K, 4), "labels": (K,)}`; a panoptic one is
`{"ids": (H, W), "segments_info": [{"id", "category_id", "iscrowd", "area", "bbox"}, …]}` with 0 for void.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from torch import Tensor
from torchvision import tv_tensors

__all__ = [
    "boxes_from_masks",
    "decode_polygons",
    "decode_rle",
    "encode_polygons",
    "encode_rle",
    "ids_from_masks",
    "instances_from_ids",
    "instances_from_panoptic",
    "masks_from_ids",
    "panoptic_from",
    "semantic_from_instances",
    "semantic_from_panoptic",
]

VOID = 255  # the label of pixels that belong to no class


# Instances: one map of ids, one mask each, boxes


def masks_from_ids(ids: Int[Tensor, "h w"], void: int = 0) -> Bool[tv_tensors.Mask, "k h w"]:
    """One mask for each id that occurs, in increasing order; `void` is not an instance."""
    values = ids.unique()
    values = values[values != void]
    return tv_tensors.Mask(ids == values[:, None, None])


def ids_from_masks(masks: Bool[Tensor, "k h w"]) -> Int[tv_tensors.Mask, "h w"]:
    """A map of ids 1..K in the order of the masks, 0 elsewhere; the inverse of `masks_from_ids`.

    Raises `ValueError` when masks overlap, which a map of ids cannot say.
    """
    ids = torch.zeros(masks.shape[-2:], dtype=torch.int64, device=masks.device)
    for number, mask in enumerate(masks.bool(), 1):
        if ids[mask].any():
            raise ValueError("the masks overlap, so one map of ids cannot hold them; merge them first")
        ids[mask] = number
    return tv_tensors.Mask(ids)


def boxes_from_masks(masks: Bool[Tensor, "k h w"]) -> Float[tv_tensors.BoundingBoxes, "k 4"]:
    """The tight box of each mask, XYXY along the pixels' outer edges: one pixel has width 1.

    An empty mask has the box (0, 0, 0, 0). `torchvision.ops.masks_to_boxes` gives the last pixel's index instead of
    its far edge.
    """
    height, width = masks.shape[-2:]
    sides = []
    for occupied, length in ((masks.any(-2), width), (masks.any(-1), height)):
        first = occupied.int().argmax(-1)
        last = length - occupied.flip(-1).int().argmax(-1)
        sides.append(torch.stack([first, last], -1) * occupied.any(-1, keepdim=True))
    boxes = torch.stack([sides[0][:, 0], sides[1][:, 0], sides[0][:, 1], sides[1][:, 1]], -1)
    return tv_tensors.BoundingBoxes(boxes.float(), format="XYXY", canvas_size=(height, width))


def instances_from_ids(ids: Int[Tensor, "h w"], label: int = 1, void: int = 0) -> dict[str, Tensor]:
    """The instance target of a map of ids whose instances are all of the class `label`."""
    masks = masks_from_ids(ids, void)
    labels = torch.full((len(masks),), label, device=masks.device)
    return {"masks": masks, "boxes": boxes_from_masks(masks), "labels": labels}


def semantic_from_instances(
    masks: Bool[Tensor, "k h w"], labels: Int[Tensor, "k"], background: int = 0
) -> Int[tv_tensors.Mask, "h w"]:
    """The class of each pixel; where masks overlap, the first one's."""
    semantic = torch.full(masks.shape[-2:], background, device=masks.device)
    for mask, label in zip(reversed(masks.unbind()), reversed(labels.unbind()), strict=True):
        semantic[mask.bool()] = label
    return tv_tensors.Mask(semantic)


# Panoptic: stuff and things in one map (Kirillov et al.: Panoptic Segmentation, 2019)


def semantic_from_panoptic(
    ids: Int[Tensor, "h w"], segments_info: Sequence[dict[str, Any]], void: int = VOID
) -> Int[tv_tensors.Mask, "h w"]:
    """The category of each pixel, `void` where no segment is."""
    semantic = torch.full_like(ids, void)
    for segment in segments_info:
        semantic[ids == segment["id"]] = segment["category_id"]
    return tv_tensors.Mask(semantic)


def instances_from_panoptic(
    ids: Int[Tensor, "h w"], segments_info: Sequence[dict[str, Any]], things: Collection[int]
) -> dict[str, Tensor]:
    """The instance target of the segments whose category is a thing, with `iscrowd` beside the labels."""
    about = [(s["id"], s["category_id"], s.get("iscrowd", 0)) for s in segments_info if s["category_id"] in things]
    numbers, labels, crowd = torch.tensor(about, dtype=torch.int64, device=ids.device).reshape(-1, 3).unbind(1)
    masks = tv_tensors.Mask(ids == numbers[:, None, None])
    return {"masks": masks, "boxes": boxes_from_masks(masks), "labels": labels, "iscrowd": crowd}


def panoptic_from(
    semantic: Int[Tensor, "h w"], instances: dict[str, Tensor], things: Collection[int], void: int = VOID
) -> dict[str, Any]:
    """A panoptic target with things from `instances` and stuff from `semantic`, ids 1, 2, … in that order.

    A pixel of a thing's category that no instance covers becomes void (0). Raises `ValueError` when instances overlap.
    """
    ids = ids_from_masks(instances["masks"])
    categories = instances["labels"].tolist()
    crowd = instances.get("iscrowd", torch.zeros(len(categories))).tolist()
    free = ids == 0
    for category in semantic.unique().tolist():
        stuff = free & (semantic == category)
        if category != void and category not in things and stuff.any():
            categories.append(category)
            crowd.append(0)
            ids = torch.where(stuff, len(categories), ids)
    segments = [
        {"id": number, "category_id": category, "iscrowd": int(iscrowd)}
        for number, (category, iscrowd) in enumerate(zip(categories, crowd, strict=True), 1)
    ]
    return {"ids": tv_tensors.Mask(ids), "segments_info": measured(ids, segments)}


def measured(ids: Int[Tensor, "h w"], segments_info: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The segments that occur in `ids`, with the area and the box (x, y, width, height) they have there."""
    found = []
    for segment in segments_info:
        mask = ids == segment["id"]
        if mask.any():
            left, top, right, bottom = boxes_from_masks(mask[None])[0].int().tolist()
            bbox = [left, top, right - left, bottom - top]
            found.append({**segment, "area": int(mask.sum()), "bbox": bbox})
    return found


# COCO's run lengths: column by column, beginning with a run of background (which may be 0)


def encode_rle(mask: Bool[Tensor, "h w"], compressed: bool = False) -> dict[str, Any]:
    """COCO's code of a mask: `{"size": [h, w], "counts": …}`, a list or COCO's compressed string."""
    flat = mask.bool().cpu().numpy().ravel(order="F")
    changes = np.flatnonzero(np.diff(flat, prepend=False))
    counts = np.diff(changes, prepend=0, append=len(flat)).tolist()
    return {"size": list(mask.shape), "counts": _compress(counts) if compressed else counts}


def decode_rle(rle: dict[str, Any]) -> Bool[Tensor, "h w"]:
    """The mask of COCO's run lengths, `counts` being a list, a compressed string or bytes.

    Raises `ValueError` when the runs do not fill the size.
    """
    counts = rle["counts"]
    counts = np.asarray(_expand(counts) if isinstance(counts, str | bytes) else counts, dtype=np.int64)
    height, width = rle["size"]
    if counts.sum() != height * width or (counts < 0).any():
        raise ValueError(f"run lengths that sum to {counts.sum()} do not fill {height} × {width} pixels")
    values = np.arange(len(counts)) % 2 == 1
    return torch.from_numpy(values.repeat(counts).reshape(width, height).T.copy())


def _compress(counts: Sequence[int]) -> str:
    # Each run as its difference from the one two before, in groups of five bits, least significant first,
    # two's complement; bit 5 says that more follow; 48 makes it a printable character.
    characters = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        more = True
        while more:
            group = value & 31
            value >>= 5
            more = value != (-1 if group & 16 else 0)
            characters.append(chr(group + 32 * more + 48))
    return "".join(characters)


def _expand(text: str | bytes) -> list[int]:
    codes = text if isinstance(text, bytes) else text.encode("ascii")
    counts: list[int] = []
    value = shift = 0
    for code in codes:
        group = code - 48
        value |= (group & 31) << shift
        shift += 5
        if not group & 32:
            value -= (1 << shift) if group & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    return counts


# COCO's polygons: [x1, y1, x2, y2, …] in pixels, (0, 0) being the corner of the picture


def decode_polygons(polygons: Sequence[Sequence[float]], height: int, width: int) -> Bool[Tensor, "h w"]:
    """The union of polygons as COCO draws them, pixel for pixel.

    COCO rounds an outline to a grid five times as fine and walks along it in unit steps. Where the walk
    passes the middle of a column of pixels, everything after that place (column by column) changes sides; a
    pixel is inside after an odd number of changes.
    """
    mask = torch.zeros(height, width, dtype=torch.bool)
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"a polygon is x and y of three points or more, not {len(polygon)} numbers")
        changes = np.sort(_crossings(np.asarray(polygon, dtype=np.float64).reshape(-1, 2), height, width))
        counts = np.diff(changes, prepend=0, append=height * width)
        mask |= decode_rle({"size": [height, width], "counts": counts})
    return mask


FINE = 5


def _crossings(points: np.ndarray, height: int, width: int) -> np.ndarray:
    walk = _walk(np.trunc(FINE * points + 0.5).astype(np.int64))
    before, after = walk[:-1], walk[1:]
    sideways = before[:, 0] != after[:, 0]
    before, after = before[sideways], after[sideways]
    # The left one of the two steps, counted from the middle of the first column.
    column = np.minimum(before[:, 0], after[:, 0]) - FINE // 2
    row = np.ceil((np.minimum(before[:, 1], after[:, 1]) + 0.5) / FINE - 0.5).clip(0, height).astype(np.int64)
    middle = (column % FINE == 0) & (column >= 0) & (column < FINE * width)
    return column[middle] // FINE * height + row[middle]


def _walk(corners: np.ndarray) -> np.ndarray:
    """The grid points along the closed outline, one for each unit of the longer direction of each edge."""
    steps = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        lengths = np.abs(end - start)
        long = 0 if lengths[0] >= lengths[1] else 1
        # Always from the lower end, so that an edge walked there and back meets the same points.
        low, high = (start, end) if start[long] <= end[long] else (end, start)
        along = np.arange(lengths[long] + 1)
        slope = (high - low)[1 - long] / max(lengths[long], 1)
        edge = np.empty((len(along), 2), dtype=np.int64)
        edge[:, long] = low[long] + along
        edge[:, 1 - long] = np.trunc(low[1 - long] + slope * along + 0.5)
        steps.append(edge if low is start else edge[::-1])
    return np.concatenate(steps)


def encode_polygons(mask: Bool[Tensor, "h w"]) -> list[list[float]]:
    """The outlines of a mask along its pixels' edges; `decode_polygons` gives exactly the mask again.

    One polygon for each 4-connected part. Its holes hang on it by ways that are walked there and back.
    """
    parts, _ = ndimage.label(mask.cpu().numpy())
    polygons = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(parts), 1):
        loops = _loops(parts[rows, columns] == number)
        outline = loops[0]
        if len(loops) > 1:
            there = [point for loop in loops for point in (*loop, loop[0])]
            outline = there + [loop[0] for loop in loops[-2:0:-1]]
        polygons.append([float(value) for x, y in outline for value in (columns.start + x, rows.start + y)])
    return polygons


def _loops(mask: np.ndarray) -> list[list[tuple[int, int]]]:
    """The closed outlines of a mask as corners (x, y), with the mask on the right-hand side of the way."""
    padded = np.pad(mask, 1)
    edges: dict[tuple[int, int], list[tuple[int, int]]] = {}  # from a corner of a pixel: the ways (dx, dy)
    for (up, left), (start_x, start_y), way in (
        ((-1, 0), (0, 0), (1, 0)),  # nothing above: along the top edge to the right
        ((0, 1), (1, 0), (0, 1)),
        ((1, 0), (1, 1), (-1, 0)),
        ((0, -1), (0, 1), (0, -1)),
    ):
        rows, columns = np.nonzero(mask & ~np.roll(padded, (-up, -left), (0, 1))[1:-1, 1:-1])
        for x, y in zip((columns + start_x).tolist(), (rows + start_y).tolist(), strict=True):
            edges.setdefault((x, y), []).append(way)
    loops = []
    for start in sorted(edges, key=lambda corner: corner[::-1]):
        while edges[start]:
            loops.append(_follow(edges, start))
    return loops


def _follow(edges: dict[tuple[int, int], list[tuple[int, int]]], start: tuple[int, int]) -> list[tuple[int, int]]:
    corners = []
    (x, y), before = start, None
    while edges[x, y]:
        way = edges[x, y].pop(0)
        if way != before:
            corners.append((x, y))
        x, y, before = x + way[0], y + way[1], way
    return corners
