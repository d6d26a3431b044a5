"""Conversions there and back, against pycocotools and by hand."""

import json

import numpy as np
import pytest
import torch
from pycocotools import mask as coco
from torchvision.ops import masks_to_boxes

from coursekit.data import CocoInstances, CocoPanoptic, MissingSetError
from coursekit.data.conversions import (
    boxes_from_masks,
    decode_polygons,
    decode_rle,
    encode_polygons,
    encode_rle,
    ids_from_masks,
    instances_from_ids,
    instances_from_panoptic,
    masks_from_ids,
    panoptic_from,
    semantic_from_instances,
    semantic_from_panoptic,
)


def generator(seed):
    return torch.Generator().manual_seed(seed)


def random_mask(seed, most=14):
    g = generator(seed)
    height, width = torch.randint(1, most, (2,), generator=g).tolist()
    return torch.rand(height, width, generator=g) < torch.rand((), generator=g)


RING = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [1, 0, 0, 0, 1]]).bool()
MASKS = [
    pytest.param(torch.zeros(3, 4, dtype=torch.bool), id="empty"),
    pytest.param(torch.ones(3, 4, dtype=torch.bool), id="full"),
    pytest.param(torch.eye(3).bool(), id="diagonal"),
    pytest.param(RING, id="two holes and an island"),
    *(pytest.param(random_mask(seed), id=f"random {seed}") for seed in range(60)),
]


# Run lengths


def test_run_lengths_go_down_the_columns():
    assert encode_rle(torch.tensor([[0, 1], [1, 1]])) == {"size": [2, 2], "counts": [1, 3]}


def test_mask_that_begins_with_foreground_begins_with_an_empty_run():
    assert encode_rle(torch.tensor([[1, 0]]))["counts"] == [0, 1, 1]


@pytest.mark.parametrize("mask", MASKS)
def test_run_lengths_there_and_back_as_pycocotools(mask):
    reference = coco.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))
    compressed = encode_rle(mask, compressed=True)
    assert compressed == {"size": reference["size"], "counts": reference["counts"].decode()}
    for code in (compressed, reference, encode_rle(mask)):
        assert torch.equal(decode_rle(code), mask)


def test_long_runs_take_several_characters():
    mask = torch.zeros(300, 700, dtype=torch.bool)
    mask[17:250, 33:600] = True
    reference = coco.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))
    assert encode_rle(mask, compressed=True)["counts"] == reference["counts"].decode()
    assert torch.equal(decode_rle(reference), mask)


@pytest.mark.parametrize("counts", [[3], [1, 4], [6, -1, 1], []])
def test_runs_that_do_not_fill_the_size(counts):
    with pytest.raises(ValueError, match="2 × 3"):
        decode_rle({"size": [2, 3], "counts": [*counts, 0] if counts != [6, -1, 1] else counts})


# Polygons


@pytest.mark.parametrize("seed", range(60))
def test_polygons_are_drawn_as_pycocotools_draws_them(seed):
    g = generator(seed)
    height, width = torch.randint(2, 40, (2,), generator=g).tolist()
    corners = torch.rand(2, 5, 2, generator=g).double() * 1.6 - 0.3  # some lie outside
    polygons = [(each * torch.tensor([width, height])).flatten().tolist() for each in corners]
    reference = coco.decode(coco.merge(coco.frPyObjects(polygons, height, width)))
    assert np.array_equal(decode_polygons(polygons, height, width).numpy(), reference)


def test_polygon_of_a_rectangle_covers_its_pixels():
    mask = decode_polygons([[1, 0, 4, 0, 4, 2, 1, 2]], 3, 5)
    assert mask.int().tolist() == [[0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]


@pytest.mark.parametrize("mask", MASKS)
def test_mask_to_polygons_and_back_loses_nothing(mask):
    polygons = encode_polygons(mask)
    assert torch.equal(decode_polygons(polygons, *mask.shape), mask)
    if polygons:
        assert np.array_equal(coco.decode(coco.merge(coco.frPyObjects(polygons, *mask.shape))), mask.numpy())


def test_one_polygon_for_each_part():
    assert encode_polygons(torch.tensor([[1, 1, 0, 1]]).bool()) == [[0, 0, 2, 0, 2, 1, 0, 1], [3, 0, 4, 0, 4, 1, 3, 1]]


@pytest.mark.parametrize("polygon", [[0, 0, 1, 1], [0, 0, 1, 1, 2, 2, 3]])
def test_polygon_that_is_none(polygon):
    with pytest.raises(ValueError, match="three points"):
        decode_polygons([polygon], 3, 3)


# Instances and boxes


def test_box_of_one_pixel_is_one_wide():
    mask = torch.zeros(1, 4, 5, dtype=torch.bool)
    mask[0, 2, 3] = True
    assert boxes_from_masks(mask).tolist() == [[3, 2, 4, 3]]


@pytest.mark.parametrize("mask", MASKS)
def test_boxes_as_pycocotools(mask):
    x, y, width, height = coco.toBbox(coco.encode(np.asfortranarray(mask.numpy().astype(np.uint8)))).tolist()
    box = boxes_from_masks(mask[None])
    assert box.tolist() == [[x, y, x + width, y + height]]
    assert box.canvas_size == tuple(mask.shape)
    if mask.any():
        assert torch.equal(box[0] - torch.tensor([0, 0, 1, 1]), masks_to_boxes(mask[None])[0])


def test_boxes_of_no_masks():
    assert boxes_from_masks(torch.zeros(0, 4, 5, dtype=torch.bool)).shape == (0, 4)


@pytest.mark.parametrize("seed", range(5))
def test_ids_to_masks_and_back(seed):
    ids = torch.randint(0, 5, (6, 7), generator=generator(seed))
    ids[0, :5] = torch.arange(5)
    assert torch.equal(ids_from_masks(masks_from_ids(ids)), ids)


def test_ids_with_gaps_keep_their_order():
    masks = masks_from_ids(torch.tensor([[0, 300], [7, 7]]))
    assert masks.int().tolist() == [[[0, 0], [1, 1]], [[0, 1], [0, 0]]]


def test_overlapping_masks_do_not_go_into_one_map():
    with pytest.raises(ValueError, match="overlap"):
        ids_from_masks(torch.ones(2, 3, 3, dtype=torch.bool))


def test_instance_target_of_a_map():
    target = instances_from_ids(torch.tensor([[0, 2], [1, 2]]), label=9)
    assert target["labels"].tolist() == [9, 9]
    assert target["boxes"].tolist() == [[0, 1, 1, 2], [1, 0, 2, 2]]


def test_semantic_of_instances_shows_the_first_on_top():
    masks = torch.tensor([[[1, 1, 0]], [[0, 1, 0]]]).bool()
    assert semantic_from_instances(masks, torch.tensor([4, 5]), background=7).tolist() == [[4, 4, 7]]
    assert semantic_from_instances(masks[:0], torch.tensor([]), background=7).tolist() == [[7, 7, 7]]


# Panoptic

IDS = torch.tensor([[1, 1, 2, 2], [1, 4, 4, 2], [0, 3, 3, 3]])
SEGMENTS = [
    {"id": 1, "category_id": 17, "iscrowd": 0, "area": 3, "bbox": [0, 0, 2, 2]},
    {"id": 2, "category_id": 17, "iscrowd": 1, "area": 3, "bbox": [2, 0, 2, 2]},
    {"id": 3, "category_id": 90, "iscrowd": 0, "area": 3, "bbox": [1, 2, 3, 1]},
    {"id": 4, "category_id": 95, "iscrowd": 0, "area": 2, "bbox": [1, 1, 2, 1]},
]


def test_panoptic_by_hand():
    assert semantic_from_panoptic(IDS, SEGMENTS).tolist() == [[17, 17, 17, 17], [17, 95, 95, 17], [255, 90, 90, 90]]
    things = instances_from_panoptic(IDS, SEGMENTS, things={17})
    assert things["labels"].tolist() == [17, 17]
    assert things["iscrowd"].tolist() == [0, 1]
    assert things["boxes"].tolist() == [[0, 0, 2, 2], [2, 0, 4, 2]]


def test_panoptic_apart_and_together_again():
    whole = panoptic_from(semantic_from_panoptic(IDS, SEGMENTS), instances_from_panoptic(IDS, SEGMENTS, {17}), {17})
    assert torch.equal(whole["ids"], IDS)
    assert whole["segments_info"] == SEGMENTS


def test_thing_pixels_without_an_instance_are_void():
    none = {"masks": torch.zeros(0, 1, 3, dtype=torch.bool), "labels": torch.zeros(0, dtype=torch.int64)}
    whole = panoptic_from(torch.tensor([[17, 90, 255]]), none, things={17})
    assert whole["ids"].tolist() == [[0, 1, 0]]
    assert [segment["category_id"] for segment in whole["segments_info"]] == [90]


# Real labels


def real(kind, split):
    try:
        return kind(split=split)
    except MissingSetError as error:
        pytest.skip(str(error))


def test_coco_masks_as_pycocotools_and_there_and_back():
    images = real(CocoInstances, "val")
    for index in range(0, len(images), 8):
        image, target = images[index]
        objects = images.samples[index][1]["objects"]
        for mask, each in zip(target["masks"], objects, strict=True):
            reference = coco.frPyObjects(each["segmentation"], *image.shape[-2:])
            reference = coco.merge(reference) if isinstance(reference, list) else reference
            assert np.array_equal(mask.numpy(), coco.decode(reference))
            assert torch.equal(decode_polygons(encode_polygons(mask), *mask.shape), mask)
            assert torch.equal(decode_rle(json.loads(json.dumps(encode_rle(mask, compressed=True)))), mask)


def test_coco_panoptic_apart_and_together_again():
    images = real(CocoPanoptic, "train")
    for index in range(0, len(images), 25):
        _, target = images[index]
        ids, segments = target["ids"], target["segments_info"]
        semantic = semantic_from_panoptic(ids, segments)
        assert torch.equal(semantic == 255, ids == 0)
        whole = panoptic_from(semantic, instances_from_panoptic(ids, segments, images.things), images.things)
        assert torch.equal(semantic_from_panoptic(whole["ids"], whole["segments_info"]), semantic)
        found = sorted((each["category_id"], each["area"], each["bbox"]) for each in whole["segments_info"])
        assert found == sorted((each["category_id"], each["area"], each["bbox"]) for each in segments)
