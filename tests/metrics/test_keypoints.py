"""Object keypoint similarity, against the worked example and pycocotools."""

import json
import math

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from coursekit.metrics import COCO_SIGMAS, object_keypoint_similarity

NOSE, LEFT_SHOULDER = 0, 5


@pytest.fixture
def one_person():
    """Two labelled keypoints on a person of 400 pixels; the nose is 1 pixel off, the left shoulder 3."""
    target = torch.zeros(1, 17, 3)
    target[0, [NOSE, LEFT_SHOULDER], 2] = 2
    pred = target.clone()
    pred[0, NOSE, 0] = 1
    pred[0, LEFT_SHOULDER, 1] = 3
    return pred, target, torch.tensor([400.0])


def test_worked_example(one_person):
    assert object_keypoint_similarity(*one_person).item() == pytest.approx(0.6335308, abs=1e-6)


@pytest.mark.parametrize(("keypoint", "expected"), [(NOSE, 0.6298472), (LEFT_SHOULDER, 0.6372145)])
def test_worked_example_keypoint_by_keypoint(one_person, keypoint, expected):
    pred, target, area = one_person
    only = torch.zeros_like(target)
    only[0, keypoint] = target[0, keypoint]
    assert object_keypoint_similarity(pred, only, area).item() == pytest.approx(expected, abs=1e-6)


def test_worked_example_average_precision(one_person):
    """An OKS of 0.63 passes three of the ten thresholds."""
    passed = object_keypoint_similarity(*one_person).item() >= np.linspace(0.5, 0.95, 10)
    assert passed.mean() == pytest.approx(0.3)


@pytest.mark.parametrize(("slip", "value"), [("sigma in place of 2 sigma", 0.1611236), ("mean over all 17", 0.0745330)])
def test_the_common_slips_are_other_numbers(one_person, slip, value):
    if slip == "mean over all 17":
        wrong = object_keypoint_similarity(*one_person).item() * 2 / 17
    else:
        half = tuple(sigma / 2 for sigma in COCO_SIGMAS)
        wrong = object_keypoint_similarity(*one_person, sigmas=half).item()
    assert wrong == pytest.approx(value, abs=1e-6)


def pycocotools_oks(pred, annotations):
    """COCOeval's OKS of detections (K, 17, 3) against annotations in COCO's own form, (K, G)."""
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": 1}],
        "categories": [{"id": 1}],
        "annotations": [{**a, "id": i, "image_id": 1, "category_id": 1} for i, a in enumerate(annotations, 1)],
    }
    coco.createIndex()
    detections = [
        {"image_id": 1, "category_id": 1, "keypoints": person.flatten().tolist(), "score": 1 - k / 100}
        for k, person in enumerate(pred)
    ]
    evaluation = COCOeval(coco, coco.loadRes(detections), "keypoints")
    evaluation.evaluate()
    return evaluation.ious[1, 1]


def check_against_pycocotools(pred, annotations):
    target = torch.tensor([a["keypoints"] for a in annotations], dtype=torch.float64).view(-1, 17, 3)
    area = torch.tensor([a["area"] for a in annotations], dtype=torch.float64)
    ours = object_keypoint_similarity(pred, target, area)
    np.testing.assert_allclose(ours, pycocotools_oks(pred, annotations), atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_pycocotools_on_random_people(seed):
    rng = np.random.default_rng(seed)
    people = rng.uniform(0, 100, (4, 17, 3))
    people[..., 2] = rng.integers(0, 3, (4, 17))
    annotations = [
        {
            "keypoints": person.flatten().tolist(),
            "num_keypoints": int((person[:, 2] > 0).sum()),
            "area": float(rng.uniform(100, 5000)),
            "bbox": [0.0, 0.0, 100.0, 100.0],
            "iscrowd": 0,
        }
        for person in people
    ]
    check_against_pycocotools(torch.from_numpy(people[[0, 1, 1, 2, 3]] + rng.normal(0, 4, (5, 17, 3))), annotations)


def test_equal_to_pycocotools_on_coco(coco_annotations):
    content = json.loads((coco_annotations / "person_keypoints_val2017.json").read_text())
    by_image: dict[int, list] = {}
    for annotation in content["annotations"]:
        if annotation["num_keypoints"] and not annotation["iscrowd"]:
            by_image.setdefault(annotation["image_id"], []).append(annotation)
    g = torch.Generator().manual_seed(0)
    for annotations in by_image.values():
        people = torch.tensor([a["keypoints"] for a in annotations[:20]], dtype=torch.float64).view(-1, 17, 3)
        check_against_pycocotools(people + 5 * torch.randn(people.shape, generator=g).double(), annotations)


def test_every_prediction_against_every_truth():
    people = torch.rand(3, 17, 3) + 1
    similarity = object_keypoint_similarity(people[:2], people, torch.ones(3))
    assert similarity.shape == (2, 3)
    torch.testing.assert_close(similarity.diagonal(), torch.ones(2))


def test_unlabelled_keypoints_and_the_predictions_score_do_not_matter(one_person):
    pred, target, area = one_person
    before = object_keypoint_similarity(pred, target, area)
    pred[0, 9:, :2] = 50
    pred[..., 2] = -1
    assert torch.equal(object_keypoint_similarity(pred, target, area), before)


def test_a_person_without_a_label_and_one_without_area():
    pred = torch.zeros(1, 17, 3)
    assert object_keypoint_similarity(pred, pred, torch.ones(1)) == 0
    target = torch.ones(1, 17, 3)
    assert object_keypoint_similarity(target, target, torch.zeros(1)) == 1
    assert object_keypoint_similarity(pred, target, torch.zeros(1)) == 0


def test_differentiable_and_in_the_predictions_precision(one_person):
    pred, target, area = one_person
    pred = pred.double().requires_grad_()
    similarity = object_keypoint_similarity(pred, target.long(), area.long())
    assert similarity.dtype == torch.float64
    similarity.sum().backward()
    assert pred.grad[0, NOSE, 0] < 0
    assert torch.isfinite(pred.grad).all()


def test_people_of_another_skeleton_bring_their_own_sigmas():
    person = torch.ones(1, 3, 3)
    with pytest.raises(ValueError, match="one sigma for each keypoint"):
        object_keypoint_similarity(person, person, torch.ones(1))
    moved = person + 1
    similarity = object_keypoint_similarity(moved, person, torch.ones(1), sigmas=(0.5, 0.5, 0.5))
    assert similarity.item() == pytest.approx(math.exp(-1))
