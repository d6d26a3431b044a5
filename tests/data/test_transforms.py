"""The recipes: a picture and its labels move together, masks by nearest neighbour, void from outside."""

import pickle

import pytest
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2

from coursekit.data import CamVid, CocoInstances, CocoKeypoints, MissingSetError, StreetScenes
from coursekit.data.conversions import boxes_from_masks, instances_from_ids, measured
from coursekit.data.transforms import MIRRORED, Elastic, Fit, Recipe, eval_recipe, train_recipe


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def coded(height=40, width=56):
    """A picture whose colour says which label its pixel has, and the labels: blocks of 0..6."""
    blocks = torch.randint(0, 7, (height // 8, width // 8))
    labels = blocks.repeat_interleave(8, 0).repeat_interleave(8, 1)
    return tv_tensors.Image(labels.float().expand(3, -1, -1) / 10 + 0.1), tv_tensors.Mask(labels)


NO_COLOUR = {"colour": 0.0}
RECIPES = {
    "train": train_recipe((32, 48)),
    "train, elastic": train_recipe((32, 48), elastic=2.0),
    "train, smaller": train_recipe((32, 48), scale=(0.3, 0.5)),
    "train, larger": train_recipe((32, 48), scale=(2.0, 3.0)),
    "evaluate": eval_recipe((32, 48)),
    "evaluate, larger": eval_recipe((90, 90)),
}
SIZES = {name: (90, 90) if name == "evaluate, larger" else (32, 48) for name in RECIPES}
recipes = pytest.mark.parametrize("name", RECIPES)


# Semantic masks


@recipes
def test_image_and_mask_keep_size_type_and_range(name):
    image, mask = RECIPES[name](*coded())
    assert isinstance(image, tv_tensors.Image)
    assert isinstance(mask, tv_tensors.Mask)
    assert image.shape == (3, *SIZES[name])
    assert mask.shape == SIZES[name]
    assert image.dtype == torch.float32
    assert mask.dtype == torch.int64
    assert 0 <= image.min() <= image.max() <= 1


@recipes
def test_mask_is_never_mixed(name):
    """With the labels 0 and 6 alone, interpolation would make labels between them, and void would mix too."""
    image, mask = coded()
    mask = torch.where(mask > 3, 6, 0)
    for _ in range(10):
        _, moved = RECIPES[name](image, tv_tensors.Mask(mask))
        assert set(moved.unique().tolist()) <= {0, 6, 255}


def test_that_the_test_above_can_fail():
    _, mask = coded()
    blurred = v2.functional.resize_image(torch.where(mask > 3, 6, 0)[None], [30, 30], antialias=False)
    assert not set(blurred.unique().tolist()) <= {0, 6, 255}


@pytest.mark.parametrize(
    "recipe",
    [
        pytest.param(train_recipe((32, 48), **NO_COLOUR), id="crop, flip, scale"),
        pytest.param(train_recipe((32, 48), elastic=2.0, **NO_COLOUR), id="elastic"),
        pytest.param(train_recipe((64, 80), scale=(0.5, 0.6), **NO_COLOUR), id="padded"),
        pytest.param(eval_recipe((32, 48)), id="evaluate"),
    ],
)
def test_picture_and_mask_move_together(recipe):
    """Red and green say where a pixel comes from, blue that nothing outside is mixed in, its label the 8 × 8 block."""
    y, x = torch.meshgrid(torch.arange(40) + 0.5, torch.arange(56) + 0.5, indexing="ij")
    image = tv_tensors.Image(torch.stack([x / 56, y / 40, torch.ones(40, 56)]))
    mask = tv_tensors.Mask(((y // 8) * 7 + x // 8).long())
    for _ in range(10):
        moved, labels = recipe(image, mask)
        inner = moved[2] > 0.999
        assert inner.sum() > 150
        assert (labels[inner] != 255).all()
        assert (labels[moved[2] < 0.001] == 255).all()
        for came_from, block in ((moved[0] * 56, labels % 7), (moved[1] * 40, labels // 7)):
            off_centre = (came_from - (block * 8 + 4)).abs()[inner]
            assert off_centre.max() <= 4 + 1.5  # half a block, and what rounding at half the size makes of its edge


@pytest.mark.parametrize("size", [(64, 80), (41, 57)])
def test_outside_is_void_and_black(size):
    recipe = train_recipe(size, scale=(1.0, 1.0), flip=0.0, colour=0.0)
    image, mask = recipe(*coded())
    # Every row and column of the picture is there, so what is void is exactly what was padded.
    assert (mask != 255).sum() <= 40 * 56
    assert torch.equal(mask == 255, image[0] == 0)
    assert (mask == 255).any()


def test_elastic_fills_with_void():
    image, mask = Recipe(lambda fill: [Elastic(15.0, fill)])(*coded())
    assert (mask == 255).any()
    assert image[:, mask == 255].mean() < 0.1 < image[:, mask != 255].mean()


def test_void_of_the_set_stays_void():
    image, mask = coded()
    for recipe in RECIPES.values():
        _, moved = recipe(image, tv_tensors.Mask(torch.full_like(mask, 255)))
        assert (moved == 255).all()


def test_evaluation_keeps_proportions_and_pads_below_or_right():
    recipe = eval_recipe((40, 40))
    image, mask = recipe(
        tv_tensors.Image(torch.ones(3, 20, 10)), tv_tensors.Mask(torch.zeros(20, 10, dtype=torch.int64))
    )
    assert (mask[:, :20] == 0).all()
    assert (mask[:, 20:] == 255).all()
    assert torch.equal(image[0], (mask == 0).float())
    again, _ = recipe(tv_tensors.Image(torch.ones(3, 20, 10)), tv_tensors.Mask(torch.zeros(20, 10)))
    assert torch.equal(again, image)


def test_mask_is_resized_about_its_middle():
    """Plain nearest neighbour takes the pixel to the left and above, so a mirrored mask would come out differently."""
    image, _ = coded(32, 64)
    image, mask = image[:, :30, :60], tv_tensors.Mask(torch.randint(0, 7, (30, 60)))
    mirrored = tv_tensors.Mask(mask.flip(-1))
    assert torch.equal(eval_recipe((20, 40))(image, mirrored)[1], eval_recipe((20, 40))(image, mask)[1].flip(-1))


def test_inputs_are_not_changed():
    image, mask = coded()
    target = instances_from_ids(mask)
    copies = image.clone(), mask.clone(), {name: value.clone() for name, value in target.items()}
    RECIPES["train, elastic"](image, mask)
    RECIPES["train, elastic"](image, target)
    assert torch.equal(image, copies[0])
    assert torch.equal(mask, copies[1])
    assert all(torch.equal(target[name], copies[2][name]) for name in target)


@recipes
def test_recipe_goes_to_another_process(name):
    image, mask = coded()
    torch.manual_seed(1)
    expected = RECIPES[name](image, mask)
    torch.manual_seed(1)
    got = pickle.loads(pickle.dumps(RECIPES[name]))(image, mask)
    assert all(torch.equal(a, b) for a, b in zip(expected, got, strict=True))


# Instances and segments


def same_luck(recipe, image, *targets):
    """Each target after the same random choices."""
    moved = []
    for target in targets:
        torch.manual_seed(3)
        moved.append(recipe(image, target)[1])
    return moved


@recipes
def test_instances_and_segments_move_alike(name):
    image, ids = coded()
    whole = {"ids": ids, "segments_info": measured(ids, [{"id": number, "category_id": 9} for number in range(1, 7)])}
    instances, panoptic = same_luck(RECIPES[name], image, instances_from_ids(ids), whole)
    expected = instances_from_ids(panoptic["ids"])
    assert torch.equal(instances["masks"], expected["masks"])
    assert torch.equal(instances["boxes"], expected["boxes"])
    assert instances["boxes"].canvas_size == SIZES[name]
    assert isinstance(instances["masks"], tv_tensors.Mask)
    assert instances["labels"].tolist() == [1] * len(expected["masks"])
    segments = panoptic["segments_info"]
    assert [each["id"] for each in segments] == [number for number in panoptic["ids"].unique().tolist() if number]
    assert [each["area"] for each in segments] == instances["masks"].sum((1, 2)).tolist()
    assert all(each["category_id"] == 9 for each in segments)


def test_large_segment_ids_survive():
    """COCO's ids reach 2²⁴ − 1, as far as float32 counts without a gap."""
    image, mask = coded()
    ids = tv_tensors.Mask(torch.where(mask > 3, 2**24 - 1, 2**24 - 2))
    whole = {"ids": ids, "segments_info": [{"id": 2**24 - 1}, {"id": 2**24 - 2}]}
    for recipe in RECIPES.values():
        assert set(recipe(image, whole)[1]["ids"].unique().tolist()) <= {0, 2**24 - 1, 2**24 - 2}


def three_objects():
    masks = torch.zeros(3, 20, 20, dtype=torch.bool)
    masks[0, 2:6, 2:6] = masks[1, 3:9, 12:18] = masks[2, 17:, 17:] = True
    return tv_tensors.Image(torch.rand(3, 20, 20)), {
        "masks": tv_tensors.Mask(masks),
        "boxes": boxes_from_masks(masks),
        "labels": torch.tensor([5, 6, 7]),
        "area": torch.tensor([16.0, 36.0, 9.0]),
        "iscrowd": torch.tensor([0, 1, 0]),
        "image_id": 11,
    }


def test_objects_that_left_the_picture_are_gone():
    corner = Recipe(lambda fill: [v2.CenterCrop(14)])
    _, target = corner(*three_objects())
    assert target["labels"].tolist() == [5, 6]
    assert target["boxes"].tolist() == [[0, 0, 3, 3], [9, 0, 14, 6]]
    assert target["area"].tolist() == [9, 30]
    assert target["iscrowd"].tolist() == [0, 1]
    assert target["image_id"] == 11


def test_crowds_are_left_out_of_training_only():
    assert train_recipe((20, 20), scale=(1, 1), flip=0)(*three_objects())[1]["labels"].tolist() == [5, 7]
    assert eval_recipe((20, 20))(*three_objects())[1]["labels"].tolist() == [5, 6, 7]


@recipes
def test_picture_without_objects(name):
    image, target = three_objects()
    none = {key: tv_tensors.wrap(value[:0], like=value) for key, value in target.items() if key != "image_id"}
    none["labels"] = target["labels"][:0]
    _, moved = RECIPES[name](image, none)
    assert moved["masks"].shape == (0, *SIZES[name])
    assert moved["boxes"].shape == (0, 4)


# Boxes and keypoints without masks


def test_boxes_alone_move_as_the_boxes_of_masks():
    image = tv_tensors.Image(torch.rand(3, 40, 56))
    mask = torch.zeros(1, 40, 56, dtype=torch.bool)
    mask[0, 10:30, 8:40] = True
    with_mask = {"masks": tv_tensors.Mask(mask), "boxes": boxes_from_masks(mask), "labels": torch.tensor([1])}
    alone = {name: value for name, value in with_mask.items() if name != "masks"}
    for name in ("train", "train, smaller", "train, larger", "evaluate"):
        expected, got = same_luck(RECIPES[name], image, with_mask, alone)
        assert (expected["boxes"] - got["boxes"]).abs().max() <= 1


def person(points, height=64, width=64):
    """A person whose first keypoints are `points`, all visible, in a box."""
    keypoints = torch.zeros(1, 17, 3)
    keypoints[0, : len(points)] = torch.tensor([[x, y, 2.0] for x, y in points])
    box = tv_tensors.BoundingBoxes([[4.0, 4, 60, 60]], format="XYXY", canvas_size=(height, width))
    return {"boxes": box, "labels": torch.tensor([1]), "area": torch.tensor([1568.0]), "keypoints": keypoints}


@pytest.mark.parametrize("seed", range(12))
def test_keypoint_stays_on_its_spot(seed):
    """A round spot is painted at the keypoint; after crop, flip, scale and bend it is still there."""
    torch.manual_seed(seed)
    centre = torch.rand(2) * 24 + 20
    places = torch.arange(64) + 0.5
    spot = torch.exp(-((places - centre[0]) ** 2 + (places[:, None] - centre[1]) ** 2) / 2)
    recipe = train_recipe((56, 60), scale=(0.8, 1.5), elastic=3.0, colour=0.0)
    image, target = recipe(tv_tensors.Image(spot.expand(3, -1, -1)), person([centre.tolist()]))
    x, y, visible = target["keypoints"][0, 0]
    if visible and 6 < x < 54 and 6 < y < 50:
        weight = image[0] / image[0].sum()
        seen = torch.stack(
            [(weight * (torch.arange(60) + 0.5)).sum(), (weight * (torch.arange(56)[:, None] + 0.5)).sum()]
        )
        assert (seen - torch.stack([x, y])).abs().max() < 0.5
    else:
        assert seed not in (0, 1, 2)  # some must be inside, or the test would say nothing


def test_mirror_exchanges_left_and_right():
    points = [[10.0 + number, 30.0] for number in range(17)]
    recipe = Recipe(lambda fill: [Fit((64, 64), fill)], flip=1.0)
    _, target = recipe(tv_tensors.Image(torch.rand(3, 64, 64)), person(points))
    assert target["keypoints"][0, :, 0].tolist() == [64 - (10 + number) for number in MIRRORED]
    assert target["boxes"].tolist() == [[4, 4, 60, 60]]


def test_mirror_pairs_are_left_and_right():
    names = StreetScenes.keypoint_names
    for number, other in enumerate(MIRRORED):
        swapped = names[other].replace("left", "LEFT").replace("right", "left").replace("LEFT", "right")
        assert names[number] == swapped


def test_keypoints_outside_are_unlabelled():
    recipe = Recipe(lambda fill: [v2.CenterCrop(32)])
    _, target = recipe(tv_tensors.Image(torch.rand(3, 64, 64)), person([[20.0, 20.0], [10.0, 30.0], [48.0, 30.0]]))
    assert target["keypoints"][0, :4].tolist() == [[4, 4, 2], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert target["boxes"].tolist() == [[0, 0, 32, 32]]


def test_area_without_a_mask_grows_with_its_box():
    _, target = eval_recipe((128, 128))(tv_tensors.Image(torch.rand(3, 64, 64)), person([[20.0, 20.0]]))
    assert target["area"].tolist() == [4 * 1568]
    assert target["keypoints"][0, 0].tolist() == [40, 40, 2]


# The sets


@pytest.mark.parametrize("task", ["semantic", "instance", "panoptic", "keypoints"])
def test_street_scenes_go_through_the_recipe(task):
    scenes = StreetScenes(2, (48, 64), task, transforms=train_recipe((40, 40), elastic=1.0))
    for image, target in scenes:
        assert image.shape == (3, 40, 40)
        if task == "keypoints":
            inside = target["keypoints"][..., 2] > 0
            assert (target["keypoints"][..., :2][inside] < 40).all()
            assert len(target["keypoints"]) == len(target["masks"])


def real(kind, **options):
    try:
        return kind(**options)
    except MissingSetError as error:
        pytest.skip(str(error))


def test_real_camvid_makes_batches():
    images = real(CamVid, transforms=train_recipe((128, 160)))
    batch = torch.utils.data.default_collate([images[index] for index in range(3)])
    assert batch[0].shape == (3, 3, 128, 160)
    assert set(batch[1].unique().tolist()) <= {*range(11), 255}


@pytest.mark.parametrize("kind", [CocoInstances, CocoKeypoints])
def test_real_coco_objects_stay_consistent(kind):
    images = real(kind, split="val", transforms=train_recipe((200, 200), elastic=4.0))
    for index in range(0, len(images), 8):
        _, target = images[index]
        count = len(target["labels"])
        assert (target["iscrowd"] == 0).all()
        assert all(len(target[name]) == count for name in ("boxes", "area", "masks", "keypoints") if name in target)
        if "masks" in target:
            assert torch.equal(target["boxes"], boxes_from_masks(target["masks"]))
            assert target["masks"].flatten(1).any(1).all()
