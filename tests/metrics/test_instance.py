"""Average precision, against the worked examples and pycocotools."""

import contextlib
import io
import math

import numpy as np
import pytest
import torch
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from coursekit.metrics import AveragePrecision, average_precision, mask_iou, precision_at_recalls

both_kinds = pytest.mark.parametrize("iou_type", ["boxes", "masks"])
SCORES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
EXACT = 1e-6


def image(iou_type, boxes, size=(48, 48), **entries):
    """One image's dict. The boxes have whole numbers, and a mask fills its box."""
    boxes = torch.tensor(boxes, dtype=torch.float32).view(-1, 4)
    if iou_type == "masks":
        masks = torch.zeros(len(boxes), *size, dtype=torch.bool)
        for mask, (x1, y1, x2, y2) in zip(masks, boxes.int().tolist(), strict=True):
            mask[y1:y2, x1:x2] = True
        shapes = masks
    else:
        shapes = boxes
    tensors = {key: torch.as_tensor(value) for key, value in entries.items()}
    return {iou_type: shapes, "labels": torch.ones(len(boxes), dtype=torch.long), **tensors}


def pycocotools_scores(predictions, targets, iou_type):
    """COCOeval's six AP figures, and AP by class; −1 becomes nan."""

    def entry(number, sample, i):
        x = sample[iou_type][i]
        if iou_type == "masks":
            # Without a "bbox": pycocotools would take the detection's area from it.
            shape = {"segmentation": rle.encode(np.asfortranarray(x.numpy()))}
            area = float(rle.area(shape["segmentation"]))
        else:
            x1, y1, x2, y2 = x.double().tolist()
            shape, area = {"bbox": [x1, y1, x2 - x1, y2 - y1]}, (x2 - x1) * (y2 - y1)
        given = float(sample["area"][i]) if "area" in sample else area
        return {"image_id": number, "category_id": int(sample["labels"][i]), "area": given, **shape}

    truths = [
        {**entry(n, t, i), "iscrowd": int(t["iscrowd"][i]) if "iscrowd" in t else 0}
        for n, t in enumerate(targets)
        for i in range(len(t["labels"]))
    ]
    detections = [
        {**entry(n, p, i), "score": float(p["scores"][i])}
        for n, p in enumerate(predictions)
        for i in range(len(p["labels"]))
    ]
    classes = sorted({a["category_id"] for a in truths + detections})
    sizes = [t["masks"].shape[1:] if iou_type == "masks" else (0, 0) for t in targets]
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": n, "height": h, "width": w} for n, (h, w) in enumerate(sizes)],
        "categories": [{"id": c} for c in classes],
        "annotations": [{**a, "id": k} for k, a in enumerate(truths, 1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(detections), {"masks": "segm", "boxes": "bbox"}[iou_type])
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    per_class = evaluation.eval["precision"][:, :, :, 0, -1].mean((0, 1))
    stats = np.where(evaluation.stats[:6] < 0, np.nan, evaluation.stats[:6])
    return stats, dict(zip(classes, np.where(per_class < 0, np.nan, per_class), strict=True))


def check_against_pycocotools(predictions, targets, iou_type):
    scores = average_precision(predictions, targets, iou_type)
    stats, per_class = pycocotools_scores(predictions, targets, iou_type)
    assert [getattr(scores, name) for name in SCORES] == pytest.approx(stats, abs=EXACT, nan_ok=True)
    assert scores.per_class == pytest.approx(per_class, abs=EXACT, nan_ok=True)
    return scores


# The worked examples ------------------------------------------------------------------------------------


@both_kinds
def test_worked_example_right_wrong_right(iou_type):
    """Two truths; detections at 0.9 right, 0.8 wrong, 0.7 right: 51 recalls at 1 and 50 at 2/3."""
    truth = image(iou_type, [[0, 0, 10, 10]])
    predictions = [
        image(iou_type, [[0, 0, 10, 10], [20, 20, 30, 30]], scores=[0.9, 0.8]),
        image(iou_type, [[0, 0, 10, 10]], scores=[0.7]),
    ]
    scores = check_against_pycocotools(predictions, [truth, truth], iou_type)
    assert [scores.ap, scores.ap50, scores.ap75] == pytest.approx([0.8349835] * 3, abs=1e-7)


@both_kinds
def test_worked_example_each_threshold(iou_type):
    """IoU 0.6 at 0.9 and IoU 1 at 0.8 on one truth, IoU 0.8 at 0.7 on the other."""
    truth = image(iou_type, [[0, 0, 10, 10], [20, 20, 30, 30]])
    prediction = image(iou_type, [[0, 0, 10, 6], [0, 0, 10, 10], [20, 20, 30, 28]], scores=[0.9, 0.8, 0.7])
    scores = check_against_pycocotools([prediction], [truth], iou_type)
    by_threshold = scores.precision[0].mean(1).tolist()
    assert by_threshold == pytest.approx([0.8349835] * 3 + [2 / 3] * 4 + [0.2524752] * 3, abs=1e-7)
    assert scores.ap == pytest.approx(0.5929043, abs=1e-7)
    assert [scores.ap50, scores.ap75] == pytest.approx([0.8349835, 2 / 3], abs=1e-7)


@both_kinds
def test_worked_example_iou_of_exactly_half_matches(iou_type):
    truth = image(iou_type, [[0, 0, 10, 10], [20, 20, 30, 30]])
    prediction = image(iou_type, [[0, 0, 10, 5]], scores=[0.9])
    scores = check_against_pycocotools([prediction], [truth], iou_type)
    assert scores.ap50 == pytest.approx(0.5049505, abs=1e-7)
    assert scores.ap == pytest.approx(scores.ap50 / 10)


@both_kinds
@pytest.mark.parametrize(("crowd", "expected"), [(True, 1.0), (False, 0.5)])
def test_worked_example_detection_inside_a_crowd(iou_type, crowd, expected):
    """The first detection fills 0.16 of the crowd, and lies wholly inside it."""
    boxes, iscrowd = [[0, 0, 10, 10], [20, 20, 30, 30]], [0, 1]
    truth = image(iou_type, boxes, iscrowd=iscrowd) if crowd else image(iou_type, boxes[:1])
    prediction = image(iou_type, [[20, 20, 24, 24], [0, 0, 10, 10]], scores=[0.9, 0.8])
    assert check_against_pycocotools([prediction], [truth], iou_type).ap50 == pytest.approx(expected)


@both_kinds
def test_worked_example_no_large_truth_is_left_out(iou_type):
    truth = image(iou_type, [[0, 0, 10, 10]])
    scores = average_precision([{**truth, "scores": torch.ones(1)}], [truth], iou_type)
    assert math.isnan(scores.ap_large)
    assert scores.ap == scores.ap_small == 1


def test_precision_at_recalls_against_the_older_averages():
    """Right, wrong, right of two truths: 101 points give 0.8350, VOC's area 0.8333, its 11 points 0.8485."""
    curve = precision_at_recalls(np.array([True, False, True]), 2)
    assert curve.mean() == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert curve[::10].mean() == pytest.approx(0.8484848, abs=1e-7)
    assert curve[0] == curve[50] == 1
    assert curve[51] == curve[100] == pytest.approx(2 / 3)


def test_precision_at_recalls_at_its_ends():
    assert np.isnan(precision_at_recalls(np.array([False]), 0)).all()
    assert (precision_at_recalls(np.array([], dtype=bool), 3) == 0).all()
    assert (precision_at_recalls(np.array([True]), 2)[51:] == 0).all()


# Equal to pycocotools -----------------------------------------------------------------------------------


def random_data(seed, iou_type, images=6, size=(120, 140), classes=3):
    """Truths, and detections that are shifted truths among strays; many scores tie."""
    rng = np.random.default_rng(seed)

    def boxes(n):
        low = rng.integers(0, (size[1] - 4, size[0] - 4), (n, 2))
        return np.concatenate([low, np.minimum(low + rng.integers(3, 110, (n, 2)), size[::-1])], 1)

    predictions, targets = [], []
    for _ in range(images):
        truth, labels = boxes(n := rng.integers(0, 7)), rng.integers(1, classes + 1, n)
        near = np.repeat(truth, 2, 0) + rng.integers(-3, 4, (2 * n, 4))
        near = np.concatenate([near[:, :2].clip(0), np.maximum(near[:, 2:], near[:, :2].clip(0) + 1)], 1)
        stray = boxes(k := rng.integers(0, 5))
        found = np.concatenate([near, stray])
        guess = np.concatenate([np.repeat(labels, 2), rng.integers(1, classes + 2, k)])
        order = rng.permutation(len(found))
        target = {"labels": labels, "iscrowd": rng.random(n) < 0.2}
        targets.append(image(iou_type, truth, size, **target))
        prediction = {"labels": guess[order], "scores": rng.random(len(found)).round(1)}
        predictions.append(image(iou_type, found[order], size, **prediction))
    return predictions, targets


@both_kinds
@pytest.mark.parametrize("seed", range(12))
def test_equal_to_pycocotools_on_random_data(iou_type, seed):
    check_against_pycocotools(*random_data(seed, iou_type), iou_type)


@both_kinds
def test_equal_to_pycocotools_with_the_areas_of_the_files(iou_type):
    """COCO's `area` is a polygon's and need not be the pixel count."""
    predictions, targets = random_data(0, iou_type)
    with_area = [{**t, "area": torch.logspace(2, 4, 7, dtype=torch.float64)[: len(t["labels"])]} for t in targets]
    scores = check_against_pycocotools(predictions, with_area, iou_type)
    assert scores.ap_small != average_precision(predictions, targets, iou_type).ap_small


@both_kinds
def test_between_truths_with_the_same_iou_the_last_is_taken(iou_type):
    """The first detection lies halfway between two truths; the second is the last truth itself, and gets the other."""
    truth = image(iou_type, [[0, 0, 10, 10], [2, 0, 12, 10]])
    prediction = image(iou_type, [[1, 0, 11, 10], [2, 0, 12, 10]], scores=[0.9, 0.8])
    scores = check_against_pycocotools([prediction], [truth], iou_type)
    assert scores.ap50 == 1
    assert scores.ap75 == pytest.approx(51 / 101)


@both_kinds
def test_an_area_on_the_border_of_two_ranges_counts_in_both(iou_type):
    truth = image(iou_type, [[0, 0, 32, 32]])
    scores = check_against_pycocotools([{**truth, "scores": torch.ones(1)}], [truth], iou_type)
    assert scores.ap_small == scores.ap_medium == 1


@both_kinds
def test_only_the_best_hundred_of_a_class_in_an_image_count(iou_type):
    """The right detection is the hundredth of its class, then the hundred-and-first; another class is free."""
    truth = image(iou_type, [[0, 0, 10, 10], [0, 0, 10, 10]], labels=[1, 2])
    for strays, expected in ((99, 0.01), (100, 0.0)):
        prediction = image(
            iou_type,
            [[0, 0, 10, 10], [0, 0, 10, 10]] + [[30, 30, 40, 40]] * strays,
            labels=[1, 2] + [1] * strays,
            scores=[0.1, 0.1] + [0.5] * strays,
        )
        scores = check_against_pycocotools([prediction], [truth], iou_type)
        assert scores.per_class == pytest.approx({1: expected, 2: 1.0})


@pytest.fixture(scope="module")
def coco_truths(coco_annotations):
    """Truths of ten images, with masks at half their size and the areas of the file."""
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(str(coco_annotations / "instances_val2017.json"))
    truths = []
    for image_id in sorted(coco.getImgIds())[:10]:
        annotations = coco.imgToAnns[image_id]
        masks = torch.zeros(len(annotations), 320, 320, dtype=torch.uint8)
        for mask, annotation in zip(masks, annotations, strict=True):
            half = torch.from_numpy(coco.annToMask(annotation)[::2, ::2])
            mask[: half.shape[0], : half.shape[1]] = half
        corner, size = torch.tensor([a["bbox"] for a in annotations]).double().view(-1, 2, 2).unbind(1)
        truths.append(
            {
                "masks": masks,
                "boxes": torch.cat([corner, corner + size], 1),
                "labels": torch.tensor([a["category_id"] for a in annotations], dtype=torch.long),
                "iscrowd": torch.tensor([a["iscrowd"] for a in annotations]),
                "area": torch.tensor([a["area"] for a in annotations], dtype=torch.float64),
            }
        )
    return truths


def disturb(truth, iou_type, g):
    """Detections from an image's truth: each twice, shifted; some of a wrong class, some missing."""
    copies = torch.arange(len(truth["labels"])).repeat(2)
    copies = copies[torch.rand(len(copies), generator=g) < 0.8]
    shifts = torch.randint(-6, 7, (len(copies), 2), generator=g)
    shapes = truth[iou_type][copies]
    if iou_type == "masks":
        pairs = zip(shapes, shifts.tolist(), strict=True)
        shapes = torch.stack([mask.roll(s, (0, 1)) for mask, s in pairs]) if len(copies) else shapes
    else:
        shapes = shapes + 3 * torch.randn(shapes.shape, generator=g)
    wrong = torch.rand(len(copies), generator=g) < 0.1
    labels = torch.where(wrong, 1, truth["labels"][copies])
    return {iou_type: shapes, "labels": labels, "scores": torch.rand(len(copies), generator=g)}


@both_kinds
def test_equal_to_pycocotools_on_coco(coco_truths, iou_type):
    g = torch.Generator().manual_seed(0)
    predictions = [disturb(truth, iou_type, g) for truth in coco_truths]
    scores = check_against_pycocotools(predictions, coco_truths, iou_type)
    assert 0.1 < scores.ap < 0.9
    assert any(truth["iscrowd"].any() for truth in coco_truths)


# Properties ---------------------------------------------------------------------------------------------


@both_kinds
def test_images_may_come_in_any_order_and_in_parts(iou_type):
    predictions, targets = random_data(3, iou_type)
    for n, p in enumerate(predictions):  # without ties, which are ranked by the order of images
        p["scores"] = torch.linspace(0.1, 0.9, len(p["scores"])) + n / 1000
    whole = average_precision(predictions, targets, iou_type)
    first, second = AveragePrecision(iou_type), AveragePrecision(iou_type)
    first.update(predictions[4:], targets[4:])
    second.update(predictions[:1], targets[:1])
    second.update(predictions[1:4], targets[1:4])
    first.merge(second)
    assert first.compute().per_class == pytest.approx(whole.per_class, nan_ok=True)
    first.reset()
    first.update(predictions, targets)
    assert first.compute().ap == whole.ap


@both_kinds
def test_renaming_the_classes_renames_the_scores(iou_type):
    predictions, targets = random_data(4, iou_type)
    scores = average_precision(predictions, targets, iou_type)
    names = torch.tensor([0, 70, 3, 12, 5])
    renamed = [[{**x, "labels": names[x["labels"]]} for x in samples] for samples in (predictions, targets)]
    expected = {names[label].item(): ap for label, ap in scores.per_class.items()}
    again = average_precision(*renamed, iou_type)
    assert again.per_class == pytest.approx(expected, nan_ok=True)
    assert again.ap == pytest.approx(scores.ap)


@both_kinds
def test_only_the_order_of_scores_matters(iou_type):
    predictions, targets = random_data(5, iou_type)
    squeezed = [{**p, "scores": (p["scores"] / 7 - 3).float()} for p in predictions]
    assert average_precision(squeezed, targets, iou_type).ap == pytest.approx(
        average_precision(predictions, targets, iou_type).ap
    )


def test_boxes_may_be_in_any_unit():
    samples = random_data(6, "boxes")
    shrunk = [[{**x, "boxes": x["boxes"] / 128} for x in side] for side in samples]
    assert average_precision(*shrunk, "boxes").ap == pytest.approx(average_precision(*samples, "boxes").ap)


@both_kinds
def test_images_without_truths_and_without_detections(iou_type):
    nothing = image(iou_type, [])
    full = image(iou_type, [[0, 0, 10, 10]])
    missed = average_precision([{**nothing, "scores": torch.zeros(0)}], [full], iou_type)
    assert missed.ap == 0
    stray = average_precision([{**full, "scores": torch.ones(1)}], [nothing], iou_type)
    assert math.isnan(stray.ap)
    assert stray.per_class == pytest.approx({1: math.nan}, nan_ok=True)
    both = average_precision([{**nothing, "scores": torch.zeros(0)}], [nothing], iou_type)
    assert math.isnan(both.ap)
    assert both.per_class == {}


def test_a_class_of_crowds_only_is_left_out():
    truth = image("boxes", [[0, 0, 9, 9], [20, 20, 29, 29]], labels=[1, 2], iscrowd=[0, 1])
    scores = average_precision([{**truth, "scores": torch.ones(2)}], [truth], "boxes")
    assert scores.ap == 1
    assert math.isnan(scores.per_class[2])


@pytest.mark.parametrize("size", [(5, 7), (8, 8), (31, 67)])
def test_mask_iou_counts_every_pixel(size):
    g = torch.Generator().manual_seed(0)
    a, b = (torch.rand(n, *size, generator=g) < 0.4 for n in (4, 3))
    a[0], b[0] = False, False
    intersection = (a[:, None] & b).sum((2, 3)).double()
    union = (a[:, None] | b).sum((2, 3))
    expected = torch.where(union > 0, intersection / union, 0)
    torch.testing.assert_close(mask_iou(a, b), expected, rtol=0, atol=0)
    torch.testing.assert_close(mask_iou(3 * a.byte(), b.long()), expected, rtol=0, atol=0)
    torch.testing.assert_close(mask_iou(a.transpose(1, 2), b.transpose(1, 2)), expected, rtol=0, atol=0)
    assert mask_iou(a[:0], b).shape == (0, 3)


# Errors -------------------------------------------------------------------------------------------------


def test_probabilities_are_no_masks():
    masks = torch.rand(1, 4, 4)
    with pytest.raises(TypeError, match=r"masks > 0\.5"):
        mask_iou(masks, masks > 0.5)


@pytest.mark.parametrize(
    ("iou_type", "change", "message"),
    [
        ("boxes", {"scores": None}, "lacks"),
        ("boxes", {"scores": torch.ones(3)}, "differ in length"),
        ("boxes", {"boxes": torch.zeros(1, 5)}, "XYXY"),
        ("masks", {"masks": torch.zeros(1, 1, 48, 48, dtype=torch.bool)}, r"\(M, H, W\)"),
        ("masks", {"masks": torch.zeros(1, 47, 48, dtype=torch.bool)}, r"\(M, H, W\)"),
    ],
    ids=["no scores", "too many scores", "five numbers a box", "masks with a channel", "masks of two sizes"],
)
def test_entries_that_do_not_fit(iou_type, change, message):
    truth = image(iou_type, [[0, 0, 10, 10]])
    prediction = {**truth, "scores": torch.ones(1), **change}
    prediction = {key: value for key, value in prediction.items() if value is not None}
    with pytest.raises(ValueError, match=message):
        average_precision([prediction], [truth], iou_type)


def test_other_errors():
    with pytest.raises(ValueError, match="iou_type"):
        AveragePrecision("segm")
    with pytest.raises(ValueError, match="one per image"):
        average_precision([], [image("boxes", [])], "boxes")
    with pytest.raises(ValueError, match="update"):
        AveragePrecision().compute()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@both_kinds
def test_same_scores_on_the_gpu(iou_type):
    data = random_data(0, iou_type)
    there = [[{key: x.cuda() for key, x in sample.items()} for sample in samples] for samples in data]
    assert average_precision(*there, iou_type).ap == average_precision(*data, iou_type).ap
