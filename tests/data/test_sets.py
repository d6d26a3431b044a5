"""Every set: small ones made here in each layout, and the real files where `$COURSEKIT_DATA` holds them."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from torch.utils.data import DataLoader
from torchvision import datasets, tv_tensors

from coursekit import data
from coursekit.data.base import in_split

GENERATOR = np.random.default_rng(0)


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path, **options)
    return np.asarray(array)


def picture(path, height=4, width=6, channels=3):
    return save(path, GENERATOR.integers(0, 256, (height, width, channels), dtype=np.uint8).squeeze())


def labels(rows, dtype=np.uint8):
    return np.array(rows, dtype=dtype)


LABELS = labels([[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11], [0] * 6, [11] * 6])
IDS = labels([[0, 1, 1, 0, 0, 0], [0, 1, 0, 0, 3, 3], [0, 0, 0, 0, 3, 3], [0] * 6])


# Small sets, one function a layout, which gives the parent folder


def make_camvid(folder, suffix=".png"):
    for split in ("train", "val", "test"):
        picture(folder / "camvid" / split / f"a{suffix}")
        save(folder / "camvid" / f"{split}annot" / "a.png", LABELS)


def make_isbi(folder):
    for number in (0, 2, 10, 23, 24, 29):
        picture(folder / "isbi2012" / "image" / f"{number}.png", channels=1)
        save(folder / "isbi2012" / "label" / f"{number}.png", labels([[0, 255, 255, 255, 255, number % 2 * 255]] * 4))


def make_nuclei(folder):
    for number in range(12):
        picture(folder / "nuclei" / "images" / f"n{number}.png")
        save(folder / "nuclei" / "labels" / f"n{number}.png", IDS.astype(np.uint16) * 300)


def make_nuclei_as_its_source(folder):
    for number in range(12):
        name = f"n{number}"
        place = folder / "nuclei" / "stage1_train" / name
        picture(place / "images" / f"{name}.png", channels=4)
        for instance in (1, 3):
            save(place / "masks" / f"{instance}.png", (instance == IDS).astype(np.uint8) * 255)


def make_pennfudan(folder, suffix=".png", pictures="PNGImages"):
    for number in range(12):
        picture(folder / "pennfudan" / pictures / f"n{number}{suffix}")
        save(folder / "pennfudan" / "PedMasks" / f"n{number}_mask.png", IDS)


def make_kitti(folder):
    colours = np.array([[[255, 0, 255], [255, 0, 0], [0, 0, 0]] * 2] * 4, dtype=np.uint8)
    for kind in ("um", "uu"):
        picture(folder / "kitti_road" / "training" / "image_2" / f"{kind}_000000.png")
        save(folder / "kitti_road" / "training" / "gt_image_2" / f"{kind}_road_000000.png", colours)
    save(folder / "kitti_road" / "training" / "gt_image_2" / "um_lane_000000.png", colours)


def make_voc(folder):
    place = folder / "voc" / "VOCdevkit" / "VOC2012"
    (place / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split, names in {"train": "ab", "val": "c", "trainval": "abc"}.items():
        (place / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(names) + "\n")
    for name in "abc":
        picture(place / "JPEGImages" / f"{name}.jpg")
        palette = Image.fromarray(labels([[0, 1, 20, 255, 5, 6]] * 4)).convert("P")
        (place / "SegmentationClass").mkdir(exist_ok=True)
        palette.save(place / "SegmentationClass" / f"{name}.png")


def make_cityscapes(folder):
    for split, city in (("train", "bonn"), ("train", "ulm"), ("val", "lindau")):
        stem = f"{city}_000000_000019"
        picture(folder / "cityscapes" / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png")
        gt = folder / "cityscapes" / "gtFine" / split / city
        save(gt / f"{stem}_gtFine_labelIds.png", labels([[7, 8, 0, 33, 26, 255]] * 4))


def make_pets(folder):
    place = folder / "oxford-iiit-pet"
    (place / "annotations").mkdir(parents=True)
    for name, file in (("Abyssinian_1", "trainval"), ("beagle_2", "test")):
        (place / "annotations" / f"{file}.txt").write_text(f"{name} 1 1 1\n")
        picture(place / "images" / f"{name}.jpg")
        save(place / "annotations" / "trimaps" / f"{name}.png", labels([[1, 2, 3, 1, 2, 3]] * 4))


def make_coco(folder):
    place = folder / "coco"
    images = [{"id": number, "file_name": f"{number:012}.jpg", "height": 4, "width": 6} for number in (7, 9)]
    crowd = {"size": [4, 6], "counts": [0, 4, 20]}
    objects = [
        {"id": 1, "image_id": 9, "category_id": 90, "bbox": [1, 0, 3, 2], "area": 6.0, "iscrowd": 0}
        | {"segmentation": [[1, 0, 4, 0, 4, 2, 1, 2]]},
        {"id": 2, "image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 4], "area": 4.0, "iscrowd": 1}
        | {"segmentation": crowd},
    ]
    people = [
        {"id": 3, "image_id": 7, "category_id": 1, "bbox": [0, 1, 3, 2], "area": 5.0, "iscrowd": 0, "num_keypoints": 1}
        | {"keypoints": [2, 1, 2] + [0] * 48, "segmentation": [[0, 1, 3, 1, 3, 3, 0, 3]]}
    ]
    categories = [{"id": 1, "name": "person", "isthing": 1}, {"id": 90, "name": "toothbrush", "isthing": 1}]
    stuff = {"id": 200, "name": "rug-merged", "isthing": 0}
    skeleton = {"id": 1, "name": "person", "keypoints": [f"point {number}" for number in range(17)]}
    segments = [
        {"id": 1 + 256 * 2 + 65536 * 3, "category_id": 1, "iscrowd": 0, "bbox": [0, 0, 3, 4], "area": 12},
        {"id": 5, "category_id": 200, "iscrowd": 0, "bbox": [3, 0, 2, 4], "area": 8},
    ]
    colours = np.zeros((4, 6, 3), dtype=np.uint8)
    colours[:, :3] = [1, 2, 3]
    colours[:, 3:5] = [5, 0, 0]
    panoptic = [{"image_id": number, "file_name": f"{number:012}.png", "segments_info": segments} for number in (7, 9)]
    for split in ("train", "val"):
        for number in (7, 9):
            picture(place / f"{split}2017" / f"{number:012}.jpg", channels=1 if number == 9 else 3)
            save(place / "annotations" / f"panoptic_{split}2017" / f"{number:012}.png", colours)
        for task, annotations, named in (
            ("instances", objects, categories),
            ("person_keypoints", people, [skeleton]),
            ("panoptic", panoptic, [*categories, stuff]),
        ):
            content = {"images": images, "annotations": annotations, "categories": named}
            (place / "annotations" / f"{task}_{split}2017.json").write_text(json.dumps(content))


SEMANTIC = {
    "CamVid png": (data.CamVid, make_camvid, [*range(11), 255]),
    "CamVid jpg": (data.CamVid, lambda folder: make_camvid(folder, ".jpg"), [*range(11), 255]),
    "ISBI 2012": (data.ISBI2012, make_isbi, [0, 1]),
    "KITTI road": (data.KittiRoad, make_kitti, [0, 1, 255]),
    "VOC": (data.VOCSegmentation, make_voc, [0, 1, 5, 6, 20, 255]),
    "Cityscapes": (data.Cityscapes, make_cityscapes, [0, 1, 13, 18, 255]),
    "Oxford Pets": (data.OxfordIIITPet, make_pets, [0, 1, 255]),
}
INSTANCES = {
    "nuclei merged": (data.Nuclei, make_nuclei),
    "nuclei one by one": (data.Nuclei, make_nuclei_as_its_source),
    "Penn-Fudan png": (data.PennFudan, make_pennfudan),
    "Penn-Fudan jpg": (data.PennFudan, lambda folder: make_pennfudan(folder, ".jpg", "JPEGImages")),
}
COCO_SETS = {kind.__name__: (kind, make_coco) for kind in (data.CocoPanoptic, data.CocoInstances, data.CocoKeypoints)}
EVERY = {name: entry[:2] for name, entry in {**SEMANTIC, **INSTANCES, **COCO_SETS}.items()}


def cases(table):
    return [pytest.param(*entry, id=name) for name, entry in table.items()]


# What all have in common


@pytest.mark.parametrize(("kind", "make"), cases(EVERY))
def test_face(kind, make, tmp_path):
    make(tmp_path)
    for split in kind.splits:
        images = kind(tmp_path, split)
        image, _ = images[0]
        assert isinstance(image, tv_tensors.Image)
        assert image.dtype == torch.float32
        assert image.shape == (3, 4, 6)
        assert 0 <= image.min() < image.max() <= 1
        assert len(list(images)) == len(images) > 0


@pytest.mark.parametrize(("kind", "make"), cases(EVERY))
def test_root_is_the_folder_or_its_parent_or_in_the_environment(kind, make, tmp_path, monkeypatch):
    make(tmp_path)
    parent = kind(tmp_path)
    own = kind(str(parent.root))
    monkeypatch.setenv("COURSEKIT_DATA", str(tmp_path))
    assert parent.root == own.root == kind().root == data.record(kind.name).present
    assert parent.samples == own.samples


@pytest.mark.parametrize(("kind", "make"), cases(EVERY))
def test_missing_set_says_what_to_do_and_leaves_no_trace(kind, make, tmp_path):
    with pytest.raises(FileNotFoundError) as caught:
        kind(tmp_path / "nowhere")
    record = data.record(kind.name)
    for word in (record.title, str(tmp_path / "nowhere"), f"{record.size_mb} MB", record.terms, record.by_hand):
        assert word in str(caught.value)
    assert (f"coursekit data get {kind.name}" in str(caught.value)) == record.downloadable
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("kind", "make"), cases(EVERY))
def test_unknown_split_names_the_splits(kind, make, tmp_path):
    with pytest.raises(ValueError, match=", ".join(kind.splits)):
        kind(tmp_path, "tests")


@pytest.mark.parametrize(("kind", "make"), cases(EVERY))
def test_transforms_get_image_and_target(kind, make, tmp_path):
    make(tmp_path)
    plain, target = kind(tmp_path)[0]
    image, got = kind(tmp_path, transforms=lambda image, target: (image + 1, (target, "seen")))[0]
    assert torch.equal(image, plain + 1)
    assert got[1] == "seen"
    assert type(got[0]) is type(target)


@pytest.mark.parametrize("ruin", ["cut off", "empty", "no picture"])
@pytest.mark.parametrize(("kind", "make"), cases(EVERY))
def test_damaged_file_is_named(kind, make, tmp_path, monkeypatch, ruin):
    make(tmp_path)
    images = kind(tmp_path)
    opened, original = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(Path(path)) or original(path))
    list(images)
    assert len(set(opened)) >= 2
    for path in set(opened):
        content = path.read_bytes()
        path.write_bytes({"cut off": content[: len(content) // 2], "empty": b"", "no picture": b"<html>"}[ruin])
        with pytest.raises(data.DamagedFileError, match=re.escape(str(path))):
            list(images)
        path.write_bytes(content)


@pytest.mark.parametrize(("kind", "make"), cases(EVERY))
def test_missing_file_is_named(kind, make, tmp_path):
    make(tmp_path)
    images = kind(tmp_path)
    for path in list(images.root.rglob("*.png")) + list(images.root.rglob("*.jpg")):
        path.unlink()
    with pytest.raises(FileNotFoundError, match=re.escape(str(images.root))):
        images[0]


# Semantic


@pytest.mark.parametrize(("kind", "make", "found"), cases(SEMANTIC))
def test_semantic_target(kind, make, found, tmp_path):
    make(tmp_path)
    images = kind(tmp_path)
    masks = [mask for _, mask in images]
    assert all(isinstance(mask, tv_tensors.Mask) and mask.dtype == torch.int64 for mask in masks)
    assert all(mask.shape == (4, 6) for mask in masks)
    assert torch.stack(masks).unique().tolist() == found
    assert all(each < len(images.classes) for each in found if each != 255)


@pytest.mark.parametrize(
    ("kind", "make", "message"),
    [
        pytest.param(data.CamVid, make_camvid, "label 77", id="CamVid"),
        pytest.param(data.ISBI2012, make_isbi, "other labels than 0", id="ISBI 2012"),
        pytest.param(data.VOCSegmentation, make_voc, "label 77", id="VOC"),
        pytest.param(data.Cityscapes, make_cityscapes, "label 77", id="Cityscapes"),
        pytest.param(data.OxfordIIITPet, make_pets, "label 77", id="Oxford Pets"),
    ],
)
def test_label_that_the_set_does_not_have(kind, make, message, tmp_path):
    make(tmp_path)
    images = kind(tmp_path)
    path = images.samples[0][1]
    save(path, labels([[77] * 6] * 4))
    with pytest.raises(data.DamagedFileError, match=message) as caught:
        images[0]
    assert str(path) in str(caught.value)


def test_colour_that_kitti_does_not_have(tmp_path):
    make_kitti(tmp_path)
    images = data.KittiRoad(tmp_path)
    save(images.samples[0][1], np.full((4, 6, 3), [0, 255, 0], dtype=np.uint8))
    with pytest.raises(data.DamagedFileError, match="other colours"):
        images[0]


@pytest.mark.parametrize(("kind", "make"), cases({**INSTANCES, "CamVid": (data.CamVid, make_camvid)}))
def test_labels_of_another_size(kind, make, tmp_path):
    make(tmp_path)
    images = kind(tmp_path)
    picture(images.samples[0][0], height=5)
    with pytest.raises(data.DamagedFileError, match=r"\(5, 6\).*\(4, 6\)"):
        images[0]


def test_colour_picture_is_no_label_map(tmp_path):
    make_camvid(tmp_path)
    images = data.CamVid(tmp_path)
    picture(images.samples[0][1])
    with pytest.raises(data.DamagedFileError, match="one channel"):
        images[0]


def test_empty_split_is_no_set(tmp_path):
    make_camvid(tmp_path)
    (tmp_path / "camvid" / "val" / "a.png").unlink()
    with pytest.raises(data.DamagedFileError, match="no image in the split 'val'"):
        data.CamVid(tmp_path, "val")


def test_camvid_classes():
    names = "sky, building, pole, road, pavement, tree, sign, fence, car, pedestrian, bicyclist"
    assert ", ".join(data.CamVid.classes) == names


def test_isbi_is_split_by_slice_in_the_order_of_the_volume(tmp_path):
    make_isbi(tmp_path)
    numbers = {
        split: [int(path.stem) for path, _ in data.ISBI2012(tmp_path, split).samples] for split in ("train", "test")
    }
    assert numbers == {"train": [0, 2, 10, 23], "test": [24, 29]}
    assert data.ISBI2012(tmp_path)[0][1][0].tolist() == [1, 0, 0, 0, 0, 1]


def test_kitti_road_colours(tmp_path):
    make_kitti(tmp_path)
    assert data.KittiRoad(tmp_path)[0][1][0].tolist() == [1, 0, 255, 1, 0, 255]


def test_voc_as_torchvision(tmp_path):
    make_voc(tmp_path)
    for split in ("train", "val", "trainval"):
        theirs = datasets.VOCSegmentation(tmp_path / "voc", image_set=split)
        for (image, mask), (their_image, their_mask) in zip(data.VOCSegmentation(tmp_path, split), theirs, strict=True):
            assert np.array_equal((image * 255).round().movedim(0, -1), np.asarray(their_image))
            assert np.array_equal(mask, np.asarray(their_mask))


def test_cityscapes_as_torchvision(tmp_path):
    make_cityscapes(tmp_path)
    train_ids = {each.id: each.train_id for each in datasets.Cityscapes.classes}
    for split in ("train", "val"):
        ours = data.Cityscapes(tmp_path, split)
        theirs = datasets.Cityscapes(tmp_path / "cityscapes", split, mode="fine", target_type="semantic")
        assert [str(path) for path, _ in ours.samples] == sorted(theirs.images)
        for (path, _), (_, mask) in zip(ours.samples, ours, strict=True):
            _, stored = theirs[theirs.images.index(str(path))]
            assert np.array_equal(mask, np.vectorize(lambda label: train_ids.get(label, 255))(np.asarray(stored)))
    assert len(data.Cityscapes.classes) == 19
    assert data.Cityscapes.classes[13] == "car"


def test_pets_as_torchvision(tmp_path):
    make_pets(tmp_path)
    for split, theirs in (("train", "trainval"), ("test", "test")):
        listed = datasets.OxfordIIITPet(tmp_path, theirs, target_types="segmentation")
        for (_, mask), (_, trimap) in zip(data.OxfordIIITPet(tmp_path, split), listed, strict=True):
            assert np.array_equal(mask, np.array([9, 1, 0, 255])[np.asarray(trimap)])


# Instances


@pytest.mark.parametrize(("kind", "make"), cases(INSTANCES))
def test_instance_target(kind, make, tmp_path):
    make(tmp_path)
    images = kind(tmp_path, "all")
    for _, target in images:
        assert set(target) == {"masks", "boxes", "labels"}
        assert isinstance(target["masks"], tv_tensors.Mask)
        assert np.array_equal(target["masks"], [IDS == 1, IDS == 3])
        assert isinstance(target["boxes"], tv_tensors.BoundingBoxes)
        assert target["boxes"].tolist() == [[1, 0, 3, 2], [4, 1, 6, 3]]
        assert [images.classes[label] for label in target["labels"]] in (["nucleus"] * 2, ["person"] * 2)


@pytest.mark.parametrize(("kind", "make"), cases(INSTANCES))
def test_splits_share_nothing_and_make_the_whole(kind, make, tmp_path):
    make(tmp_path)
    names = {split: {path.stem for path, _ in kind(tmp_path, split).samples} for split in kind.splits}
    assert names["train"] | names["val"] | names["test"] == names["all"]
    assert len(names["all"]) == sum(len(names[split]) for split in ("train", "val", "test")) == 12


def test_split_depends_on_the_name_alone():
    counts = {split: sum(in_split(f"{n}", split) for n in range(10000)) for split in ("train", "val", "test", "all")}
    assert counts["all"] == 10000
    assert abs(counts["train"] - 7000) < 150
    assert abs(counts["val"] - 1000) < 150
    # Pinned, because results are compared over them.
    assert in_split("FudanPed00001", "train")
    assert in_split("FudanPed00002", "val")
    assert in_split("n1", "test")


def test_both_layouts_of_the_nuclei_have_the_same_splits(tmp_path):
    names = [f"{number:064x}"[::-1] for number in range(20)]
    for name in names:
        picture(tmp_path / "short" / "images" / f"{name[:12]}.png")
        picture(tmp_path / "long" / "stage1_train" / name / "images" / f"{name}.png")
    (tmp_path / "short" / "labels").mkdir()
    for split in data.Nuclei.splits:
        short, long = (data.Nuclei(tmp_path / layout, split).samples for layout in ("short", "long"))
        assert [path.stem for path, _ in short] == [path.stem[:12] for path, _ in long]


# COCO


def test_panoptic_target(tmp_path):
    make_coco(tmp_path)
    images = data.CocoPanoptic(tmp_path)
    _, target = images[0]
    assert target["image_id"] == 7
    number = 1 + 256 * 2 + 65536 * 3
    assert isinstance(target["ids"], tv_tensors.Mask)
    assert target["ids"].tolist() == [[number, number, number, 5, 5, 0]] * 4
    assert [images.classes[segment["category_id"]] for segment in target["segments_info"]] == ["person", "rug-merged"]
    assert images.things == {1, 90}
    target["segments_info"].clear()
    assert len(images[0][1]["segments_info"]) == 2


def test_coco_instances_keep_their_ids_boxes_and_crowds(tmp_path):
    make_coco(tmp_path)
    images = data.CocoInstances(tmp_path)
    _, none = images[0]
    assert none["masks"].shape == (0, 4, 6)
    assert none["boxes"].shape == (0, 4)
    image, target = images[1]
    assert torch.equal(image[0], image[2])  # a grey picture has three channels too
    assert target["labels"].tolist() == [90, 1]
    assert target["iscrowd"].tolist() == [0, 1]
    assert target["boxes"].tolist() == [[1, 0, 4, 2], [0, 0, 1, 4]]
    assert target["masks"].sum((1, 2)).tolist() == target["area"].tolist() == [6, 4]
    assert images.classes == {1: "person", 90: "toothbrush"}


def test_coco_keypoints(tmp_path):
    make_coco(tmp_path)
    images = data.CocoKeypoints(tmp_path)
    _, target = images[0]
    assert target["keypoints"].shape == (1, 17, 3)
    assert target["keypoints"][0, :2].tolist() == [[2.5, 1.5, 2], [0, 0, 0]]  # pixel (2, 1)
    assert target["area"].tolist() == [5]
    assert images.keypoint_names[16] == "point 16"
    assert images[1][1]["keypoints"].shape == (0, 17, 3)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"categories": [], "images": [], "annotations": [1]}'])
@pytest.mark.parametrize(("kind", "make"), cases(COCO_SETS))
def test_annotation_file_that_is_none(kind, make, tmp_path, content):
    make(tmp_path)
    path = tmp_path / "coco" / "annotations" / f"{kind.task}_train2017.json"
    path.write_text(content)
    with pytest.raises(data.DamagedFileError, match=re.escape(str(path))):
        kind(tmp_path)


def test_coco_picture_of_another_size(tmp_path):
    make_coco(tmp_path)
    images = data.CocoInstances(tmp_path)
    picture(images.samples[0][0], height=5)
    with pytest.raises(data.DamagedFileError, match=r"\(5, 6\).*\(4, 6\)"):
        images[0]


# The real files


def real(kind, split):
    if not os.environ.get("COURSEKIT_DATA"):
        pytest.skip("set COURSEKIT_DATA to the folder of the real sets")
    try:
        return kind(split=split)
    except data.MissingSetError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("kind", "split", "count", "size"),
    [
        (data.CamVid, "train", 367, (360, 480)),
        (data.CamVid, "val", 101, (360, 480)),
        (data.CamVid, "test", 233, (360, 480)),
        (data.ISBI2012, "train", 24, (512, 512)),
        (data.ISBI2012, "test", 6, (512, 512)),
        (data.KittiRoad, "train", 2, (375, 1242)),
        (data.VOCSegmentation, "trainval", 3, None),
        (data.Nuclei, "all", 551, None),
        (data.Nuclei, "train", 380, None),
        (data.PennFudan, "all", 170, None),
        (data.PennFudan, "test", 25, None),
        (data.CocoPanoptic, "train", 100, None),
        (data.CocoPanoptic, "val", 100, None),
        (data.CocoInstances, "train", 28, None),
        (data.CocoKeypoints, "val", 32, None),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value),
)
def test_real_set(kind, split, count, size):
    images = real(kind, split)
    if len(images) != count:
        pytest.skip(f"another selection of {kind.__name__} is here, with {len(images)} pictures instead of {count}")
    for index in range(0, count, max(1, count // 3)):
        image, target = images[index]
        assert size is None or image.shape[-2:] == size
        if isinstance(target, tv_tensors.Mask):
            assert set(target.unique().tolist()) <= {*range(len(images.classes)), 255}


def test_real_camvid_classes_are_where_they_belong():
    """Over the test pictures, sky lies above the road, and the classes are as frequent as is known of CamVid."""
    images = real(data.CamVid, "test")
    masks = torch.stack([images[index][1] for index in range(0, len(images), 12)])
    rows = torch.arange(masks.shape[1], dtype=torch.float64)[:, None].expand_as(masks[0])
    height = {name: rows.expand_as(masks)[masks == label].mean() for label, name in enumerate(images.classes)}
    assert height["sky"] < height["building"] < height["car"] < height["road"]
    share = {name: (masks == label).double().mean() for label, name in enumerate(images.classes)}
    assert share["road"] > 0.15
    assert share["building"] > 0.15
    assert 0 < share["bicyclist"] < 0.05
    assert 0 < (masks == 255).double().mean() < 0.1


@pytest.mark.parametrize("index", range(0, 170, 34))
def test_real_pedestrians_lie_in_the_boxes_of_the_annotation(index):
    images = real(data.PennFudan, "all")
    path, _ = images.samples[index]
    text = (images.root / "Annotation" / f"{path.stem}.txt").read_text()
    boxes = re.findall(r"\(Xmin, Ymin\) - \(Xmax, Ymax\) : \((\d+), (\d+)\) - \((\d+), (\d+)\)", text)
    target = images[index][1]
    assert len(target["boxes"]) == len(boxes)
    stated = torch.tensor([[int(value) for value in box] for box in boxes]) - torch.tensor([1, 1, 0, 0])  # 1-based
    assert (target["boxes"] - stated).abs().max() <= 6  # drawn by hand, some a few pixels wide of the mask


def test_real_coco_instances_as_pycocotools(capsys):
    images = real(data.CocoInstances, "val")
    reference = COCO(images.root / "annotations" / "instances_val2017.json")
    for index in range(0, len(images), 8):
        image, target = images[index]
        theirs = reference.loadAnns(reference.getAnnIds(imgIds=target["image_id"]))
        assert len(theirs) == len(target["labels"])
        for mask, label, each in zip(target["masks"], target["labels"], theirs, strict=True):
            assert np.array_equal(mask, reference.annToMask(each))
            assert label == each["category_id"]
        assert image.shape[-2:] == target["masks"].shape[-2:]


def test_real_panoptic_segments_are_the_ids_of_the_map():
    images = real(data.CocoPanoptic, "val")
    for index in range(0, len(images), 20):
        _, target = images[index]
        numbers, areas = target["ids"].unique(return_counts=True)
        found = {number: area for number, area in zip(numbers.tolist(), areas.tolist(), strict=True) if number}
        assert found == {segment["id"]: segment["area"] for segment in target["segments_info"]}


def test_loader_with_workers(tmp_path):
    make_camvid(tmp_path)
    batches = DataLoader(data.CamVid(tmp_path), batch_size=1, num_workers=1)
    image, mask = next(iter(batches))
    assert image.shape == (1, 3, 4, 6)
    assert mask.shape == (1, 4, 6)


# The table


def test_catalogue_says_everything_about_every_set():
    table = data.catalogue()
    assert [each.name for each in table] == list(dict.fromkeys(each.name for each in table))
    assert {kind.name for kind, _ in EVERY.values()} == {each.name for each in table}
    for each in table:
        assert each.images > 0
        assert each.size_mb > 0
        for text in (each.title, each.what, each.terms, each.citation, each.by_hand):
            assert len(text) > 2
        assert each.homepage.startswith("http")
        assert each.downloadable == (each.source is not None)


def test_unknown_name_lists_the_names():
    with pytest.raises(ValueError, match="camvid, isbi2012, nuclei"):
        data.get("camvit")


def test_sets_are_looked_for_in_the_environment_then_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSEKIT_DATA", str(tmp_path / "data"))
    make_camvid(tmp_path / "cache" / "coursekit")
    if sys.platform == "linux":
        assert data.CamVid().root == tmp_path / "cache" / "coursekit" / "camvid"
    make_camvid(tmp_path / "data")
    assert data.CamVid().root == tmp_path / "data" / "camvid"
