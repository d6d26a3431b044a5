"""Panoptic quality, against the worked examples and torchmetrics."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image
from torchmetrics.functional.detection import panoptic_quality as torchmetrics_pq

from coursekit.metrics import PanopticQuality, panoptic_quality

THING, OTHER_THING, STUFF = 1, 2, 7
THINGS = {THING, OTHER_THING}


def row(*ids):
    return torch.tensor([ids])


def torchmetrics_map(ids, categories):
    """torchmetrics wants (1, H, W, 2): the class of every pixel, and its id; a class that it does not know is void."""
    table = torch.zeros(int(ids.max()) + 1, dtype=torch.long)
    for segment, category in categories.items():
        if segment < len(table):
            table[segment] = category
    return torch.stack([table[ids], ids], -1)[None]


def torchmetrics_scores(pred, target, pred_categories, target_categories, things, stuff):
    """PQ, SQ and RQ, averaged and of each class."""
    maps = torchmetrics_map(pred, pred_categories), torchmetrics_map(target, target_categories)
    options = {"allow_unknown_preds_category": True, "return_sq_and_rq": True}
    mean = torchmetrics_pq(*maps, things, stuff, **options)
    per_class = torchmetrics_pq(*maps, things, stuff, return_per_class=True, **options)
    return mean.tolist(), dict(zip([*sorted(things), *sorted(stuff)], per_class.tolist(), strict=True))


# The worked examples ------------------------------------------------------------------------------------

# Two things of 2 × 3 above, stuff below; the prediction cuts them 4 : 2 and has a stray pixel in the stuff.
TARGET = torch.tensor([[1, 1, 1, 2, 2, 2]] * 2 + [[3] * 6] * 2)
PRED = torch.tensor([[1, 1, 1, 1, 2, 2]] * 2 + [[3] * 6, [3] * 5 + [4]])
TARGET_CATEGORIES = {1: THING, 2: THING, 3: STUFF}
PRED_CATEGORIES = {1: THING, 2: THING, 3: STUFF, 4: THING}


@pytest.mark.parametrize(
    ("group", "pq", "sq", "rq"),
    [
        ("things", 0.5666667, 0.7083333, 0.8),
        ("stuff", 0.9166667, 0.9166667, 1),
        ("all", 0.7416667, 0.8125, 0.9),
    ],
)
def test_worked_example_two_things_and_a_stray_pixel(group, pq, sq, rq):
    quality = panoptic_quality(PRED, TARGET, PRED_CATEGORIES, TARGET_CATEGORIES, THINGS)
    assert quality[group] == pytest.approx({"pq": pq, "sq": sq, "rq": rq}, abs=1e-7)
    mean, _ = torchmetrics_scores(PRED, TARGET, PRED_CATEGORIES, TARGET_CATEGORIES, {THING}, {STUFF})
    assert list(quality["all"].values()) == pytest.approx(mean)


def test_worked_example_void_leaves_the_union():
    quality = panoptic_quality(row(1, 1, 1, 1), row(1, 1, 0, 0), {1: THING}, {1: THING}, THINGS)
    assert quality["all"] == {"pq": 1, "sq": 1, "rq": 1}


def test_worked_example_iou_of_exactly_half_does_not_match():
    quality = PanopticQuality(THINGS)
    quality.update(row(1, 1, 1, 1), row(1, 1, 2, 2), {1: THING}, {1: THING, 2: THING})
    assert quality.compute()["all"] == {"pq": 0, "sq": 0, "rq": 0}
    quality.update(row(1), row(1), {1: THING}, {1: THING})
    assert quality.compute()["all"]["rq"] == pytest.approx(1 / (1 + 1 / 2 + 2 / 2))  # tp 1, fp 1, fn 2


@pytest.mark.parametrize(("crowd", "expected"), [((2,), 1), ((), 0.5)])
def test_worked_example_prediction_inside_a_crowd_is_ignored(crowd, expected):
    pred, target = row(1, 1, 2, 0, 0), row(1, 1, 2, 2, 2)
    categories = {1: THING, 2: THING}
    quality = panoptic_quality(pred, target, categories, categories, THINGS, crowd=crowd)
    assert quality["all"]["pq"] == pytest.approx(expected)


# The rules of void, crowd and classes -------------------------------------------------------------------


def test_predicted_void_over_a_true_segment_stays_in_the_union():
    quality = panoptic_quality(row(1, 1, 1, 0), row(1, 1, 1, 1), {1: THING}, {1: THING}, THINGS)
    assert quality["all"]["sq"] == pytest.approx(0.75)


@pytest.mark.parametrize(("void", "expected"), [(2, 2 / 3), (3, 1.0)], ids=["half", "more than half"])
def test_an_unmatched_prediction_more_than_half_on_void_is_no_false_positive(void, expected):
    """Segment 2 covers four pixels, `void` of them void; the rest belongs to a large stuff segment."""
    target = torch.tensor([1, 1] + [0] * void + [3] * 20)[None]
    pred = torch.tensor([1, 1] + [2] * 4 + [3] * (16 + void))[None]
    pred_categories, target_categories = {1: THING, 2: THING, 3: STUFF}, {1: THING, 3: STUFF}
    quality = panoptic_quality(pred, target, pred_categories, target_categories, THINGS)
    assert quality["things"]["pq"] == pytest.approx(expected)


def test_void_and_crowd_together_excuse_a_prediction_and_another_class_does_not():
    """Three of four pixels are excused when void and crowd of the class count together, one when they do not."""
    pred, target = row(1, 1, 1, 1, 5), row(0, 2, 2, 3, 5)
    pred_categories = {1: THING, 5: STUFF}

    def things(crowd_class):
        target_categories = {2: crowd_class, 3: STUFF, 5: STUFF}
        return panoptic_quality(pred, target, pred_categories, target_categories, THINGS, crowd={2})["things"]

    assert math.isnan(things(THING)["pq"])
    assert things(OTHER_THING)["pq"] == 0


def test_a_match_needs_the_class():
    quality = PanopticQuality(THINGS)
    quality.update(row(1, 1), row(1, 1), {1: THING}, {1: OTHER_THING})
    zero = {"pq": 0, "sq": 0, "rq": 0}
    assert quality.per_class() == {THING: zero, OTHER_THING: zero}


@pytest.mark.filterwarnings("error")
def test_classes_without_pixels_do_not_count():
    quality = panoptic_quality(row(1, 1), row(1, 1), {1: THING, 9: STUFF}, {1: THING, 8: OTHER_THING}, THINGS)
    assert quality["all"]["pq"] == 1


def test_a_group_that_does_not_occur_is_nan():
    """The reference evaluation of the paper's authors divides by zero here."""
    quality = panoptic_quality(row(1, 1), row(1, 1), {1: THING}, {1: THING}, THINGS)
    assert all(math.isnan(value) for value in quality["stuff"].values())
    assert quality["all"] == quality["things"]


def test_sq_of_a_class_without_a_match_is_zero_in_the_mean():
    quality = panoptic_quality(row(1, 2, 2), row(1, 3, 3), {1: THING, 2: STUFF}, {1: THING, 3: 8}, THINGS)
    assert quality["all"]["sq"] == pytest.approx(1 / 3)
    assert quality["stuff"] == {"pq": 0, "sq": 0, "rq": 0}


# Equal to torchmetrics ----------------------------------------------------------------------------------


def random_image(seed, size=(24, 30), segments=9, stuff=(7, 8)):
    """A truth of rectangles laid over each other, and a prediction with some of them moved or renamed."""
    rng = np.random.default_rng(seed)
    target, pred = np.zeros(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    categories = {}
    for segment in rng.permutation(np.arange(1, segments + 1)) * 1000:  # COCO's ids are far apart
        y, x = rng.integers(0, (size[0] - 4, size[1] - 4))
        h, w = rng.integers(5, 16, 2)
        categories[int(segment)] = int(rng.choice([*THINGS, *stuff]))
        target[y : y + h, x : x + w] = segment
        dy, dx = rng.integers(0, 3, 2)
        pred[y + dy : y + dy + h, x + dx : x + dx + w] = segment
    pred_categories = {s: c if rng.random() < 0.8 else int(rng.choice([*THINGS])) for s, c in categories.items()}
    # One segment of each stuff class in a map: torchmetrics joins them.
    for ids, names in ((target, categories), (pred, pred_categories)):
        for kind in stuff:
            same = [s for s, c in names.items() if c == kind]
            ids[np.isin(ids, same)] = same[0] if same else 0
    return torch.from_numpy(pred), torch.from_numpy(target), pred_categories, categories


def check_against_torchmetrics(data, things, stuff):
    """On predictions without void, which torchmetrics treats in its own way: here it becomes a stuff segment."""
    pred, target, pred_categories, target_categories = data
    filling = max(pred_categories) + 1
    pred_categories = {**pred_categories, filling: max(stuff) + 1}
    data = torch.where(pred == 0, filling, pred), target, pred_categories, target_categories
    quality = PanopticQuality(things)
    quality.update(*data)
    mean, per_class = torchmetrics_scores(*data, things, stuff | {max(stuff) + 1})
    assert list(quality.compute()["all"].values()) == pytest.approx(mean, abs=1e-6)
    ours = quality.per_class()
    for category, scores in per_class.items():
        assert list(ours.get(category, {"pq": 0, "sq": 0, "rq": 0}).values()) == pytest.approx(scores, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_equal_to_torchmetrics_on_random_segments(seed):
    check_against_torchmetrics(random_image(seed), THINGS, {7, 8})


def test_where_torchmetrics_differs_on_predicted_void():
    """It takes pixels that only the prediction leaves void out of the union, as if the truth were void there."""
    data = row(1, 1, 1, 0), row(1, 1, 1, 1), {1: THING}, {1: THING}
    mean, _ = torchmetrics_scores(*data, THINGS, {STUFF})
    assert mean[0] == 1
    assert panoptic_quality(*data, THINGS)["all"]["pq"] == pytest.approx(0.75)


def test_equal_to_torchmetrics_on_coco(coco_annotations):
    content = json.loads((coco_annotations / "panoptic_val2017.json").read_text())
    things = {c["id"] for c in content["categories"] if c["isthing"]}
    stuff = {c["id"] for c in content["categories"]} - things
    for annotation in content["annotations"][:40:8]:
        rgb = np.array(Image.open(coco_annotations / "panoptic_val2017" / annotation["file_name"]))[::4, ::4]
        ids = rgb.astype(np.int64) @ [1, 256, 65536]
        categories = {s["id"]: s["category_id"] for s in annotation["segments_info"]}
        # Numbered from 1: torchmetrics_map keeps a table of all ids.
        names = [0, *sorted(categories)]
        target = torch.from_numpy(np.searchsorted(names, ids))
        target_categories = {i: categories[name] for i, name in enumerate(names) if name}
        pred = target.roll((2, 3), (0, 1))
        check_against_torchmetrics((pred, target, target_categories, target_categories), things, stuff)


# Properties ---------------------------------------------------------------------------------------------


def test_a_data_set_is_counted_before_it_is_divided():
    """One thing found and three missed: 1 / (1 + 3/2), where the mean of the two images would be 1/2."""
    quality = PanopticQuality(THINGS)
    quality.update(row(1), row(1), {1: THING}, {1: THING})
    quality.update(row(0, 0, 0), row(1, 2, 3), {}, {1: THING, 2: THING, 3: THING})
    assert quality.compute()["things"]["pq"] == pytest.approx(0.4)


def test_images_may_come_in_any_order_and_in_parts():
    images = [random_image(seed) for seed in range(6)]
    whole, first, second = (PanopticQuality(THINGS) for _ in range(3))
    for data in images:
        whole.update(*data)
    for data in reversed(images[:2]):
        second.update(*data)
    for data in images[2:]:
        first.update(*data)
    before = second.compute()
    first.merge(second)
    for group, scores in whole.compute().items():
        assert first.compute()[group] == pytest.approx(scores)
    assert second.compute() == before
    first.reset()
    assert math.isnan(first.compute()["all"]["pq"])


@pytest.mark.parametrize("seed", range(3))
def test_ids_are_only_names(seed):
    pred, target, pred_categories, target_categories = random_image(seed)
    renamed = panoptic_quality(
        torch.where(pred > 0, 20_000 - pred, 0),
        target * 1500 + (target > 0),
        {20_000 - s: c for s, c in pred_categories.items()},
        {s * 1500 + 1: c for s, c in target_categories.items()},
        THINGS,
    )
    expected = panoptic_quality(pred, target, pred_categories, target_categories, THINGS)
    for group, scores in expected.items():
        assert renamed[group] == pytest.approx(scores)


@pytest.mark.parametrize("seed", range(3))
def test_pq_is_sq_times_rq_in_each_class_and_a_perfect_prediction_has_one(seed):
    pred, target, pred_categories, target_categories = random_image(seed)
    quality = PanopticQuality(THINGS)
    quality.update(pred, target, pred_categories, target_categories)
    for scores in quality.per_class().values():
        assert scores["pq"] == pytest.approx(scores["sq"] * scores["rq"])
    perfect = panoptic_quality(target, target, target_categories, target_categories, THINGS)
    assert perfect["all"] == {"pq": 1, "sq": 1, "rq": 1}


def test_other_integer_types():
    args = PRED_CATEGORIES, TARGET_CATEGORIES, THINGS
    expected = panoptic_quality(PRED, TARGET, *args)
    assert panoptic_quality(PRED.int(), TARGET.to(torch.uint8), *args) == expected


# Errors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("segment", [2, -1, 10**7])
def test_an_id_without_a_class_is_named(segment):
    with pytest.raises(ValueError, match=f"pred holds the id {segment},"):
        panoptic_quality(row(1, segment), row(1, 1), {1: THING}, {1: THING}, THINGS)
    with pytest.raises(ValueError, match=f"target holds the id {segment},"):
        panoptic_quality(row(1, 1), row(1, segment), {1: THING, 7: STUFF}, {1: THING, 7: STUFF}, THINGS)


def test_other_errors():
    with pytest.raises(ValueError, match="shape"):
        panoptic_quality(row(1), row(1, 1), {1: THING}, {1: THING}, THINGS)
    with pytest.raises(ValueError, match="begin at 1"):
        panoptic_quality(row(1), row(1), {0: STUFF, 1: THING}, {1: THING}, THINGS)
    with pytest.raises(ValueError, match="crowd"):
        panoptic_quality(row(1), row(1), {1: THING}, {1: THING}, THINGS, crowd={4})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_same_quality_on_the_gpu():
    pred, target, *categories = random_image(0)
    there = panoptic_quality(pred.cuda(), target.cuda(), *categories, THINGS)
    assert there == panoptic_quality(pred, target, *categories, THINGS)
