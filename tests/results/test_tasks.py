"""What a task gives a model, and how it scores."""

from itertools import islice

import pytest
import torch
from torch import nn
from torchvision.ops import box_iou

from coursekit.data import MissingSetError
from coursekit.models.yolact import POSITIVE_IOU, make_priors
from coursekit.results import EXPERIMENTS, tasks
from coursekit.results.experiments import Row
from coursekit.training.pretrained import build

SMALL = {"set": "streets", "size": (32, 64), "train": 6, "test": 4, "positive": (8,)}
RANDOM = torch.Generator()


class Oracle(nn.Module):
    """Knows the answers, picture by picture, in the order of the test set."""

    def __init__(self, answers):
        super().__init__()
        self.answers = list(answers)

    def forward(self, images):
        taken, self.answers = self.answers[: len(images)], self.answers[len(images) :]
        return taken


class LogitOracle(Oracle):
    def forward(self, images):
        targets = torch.stack(super().forward(images)).long()
        return 9.0 * nn.functional.one_hot(targets.where(targets != 255, 0), 11).movedim(3, 1)


def row(model="unet", **options):
    return Row("row", "row", model, **options)


def test_a_perfect_semantic_answer_scores_one_and_a_constant_one_its_share():
    task = tasks.Semantic(SMALL, row())
    assert task.score(LogitOracle(task.test[1]))["mean_iou"] == 1
    constant = task.score(LogitOracle(torch.full_like(task.test[1], 3)))
    known = task.test[1] != 255
    assert constant["pixel_accuracy"] == pytest.approx(float((task.test[1][known] == 3).float().mean()))


def test_train_and_test_share_no_picture():
    task = tasks.Semantic(SMALL, row())
    assert not any(torch.equal(a, b) for a in task.images for b in task.test[0])


def test_a_batch_is_mirrored_with_its_labels():
    task = tasks.Semantic(SMALL, row())
    images, targets = task.batch(torch.arange(6), RANDOM.manual_seed(1))
    flips = [torch.equal(t, own.flip(-1).long()) for t, own in zip(targets, task.targets)]
    assert 0 < sum(flips) < 6
    for image, own, flipped in zip(images, task.images, flips):
        assert torch.allclose(image * 255, (own.flip(-1) if flipped else own).float(), atol=1e-3)


def test_windows_are_centred_on_their_pixel():
    """A classifier that answers with the colour in the middle of a window has no loss on a target of colours."""
    task = tasks.Patches(SMALL, row("patch_classifier"))
    task.images = task.targets[:, None].expand(-1, 3, -1, -1)
    model = tasks.PatchClassifier(256, width=4)
    seen = []
    model.classify = lambda windows: seen.append(windows[:, 0, 10, 10]) or torch.zeros(len(windows), 256)
    task.criterion = lambda logits, target: (seen[-1] * 255).round().long().eq(target.flatten()).float().mean()
    assert task.loss(model, torch.arange(4), RANDOM.manual_seed(0)) == 1


def test_foreground_is_one_class_and_void_stays_void():
    whole, task = tasks.Semantic(SMALL, row()), tasks.Foreground(SMALL, row())
    assert torch.equal(task.targets == 1, whole.targets == 8)
    assert torch.equal(task.targets == 255, whole.targets == 255)


def test_ranking_precision():
    scores, truth = torch.tensor([0.9, 0.8, 0.7, 0.1]), torch.tensor([True, False, True, False])
    assert tasks.ranking_precision(scores, truth) == pytest.approx((1 + 2 / 3) / 2)


@pytest.mark.parametrize("task", [tasks.Instances, tasks.Driving])
def test_objects_are_mirrored_with_their_picture(task):
    objects = task(SMALL, row("yolop"))
    image, target = objects.train[0]
    tries = (objects.augment(image, target, RANDOM.manual_seed(seed)) for seed in range(9))
    flipped = next(each for each in tries if each[0] is not image)
    assert torch.equal(flipped[0], image.flip(-1))
    for mask, box in zip(flipped[1]["masks"], flipped[1]["boxes"]):
        rows, columns = mask.nonzero().unbind(1)
        assert box.tolist() == [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_yolact_s_priors_fit_the_nuclei_it_learns_from():
    """Otherwise the only positives are priors that hardly touch their object, and little is ever found."""
    experiment = EXPERIMENTS["nuclei"]
    yolact = experiment.row("yolact")
    try:
        crops = list(islice(tasks._nuclei_crops(experiment.data, "train"), 60))
    except MissingSetError as error:
        pytest.skip(str(error))
    model, image = build(yolact.model, yolact.options), crops[0][0][None]
    priors = make_priors(model.pyramid(image), image, model.anchor_sides)
    boxes = torch.cat([tasks.nuclei_of(ids)["boxes"] for _, ids in crops]).float()
    assert (box_iou(boxes, priors).amax(dim=1) >= POSITIVE_IOU).float().mean() > 0.7


def test_perfect_instances_score_one():
    task = tasks.Instances(SMALL, row("mask_rcnn"))
    answers = [
        {**target, "masks": target["masks"][:, None].float(), "scores": torch.ones(len(target["labels"]))}
        for _, target in task.test
    ]
    scores = task.score(Oracle(answers))
    assert scores["ap"] == scores["ap50"] == pytest.approx(1)


def test_perfect_keypoints_score_one_and_none_found_zero():
    data = {**SMALL, "size": (64, 96), "test": 8}
    task = tasks.Keypoints(data, row("keypoint_rcnn"))
    answers = [{**target, "scores": torch.ones(len(target["labels"]))} for _, target in task.test]
    assert task.score(Oracle(answers))["oks"] == pytest.approx(1)
    nothing = [{key: value[:0] for key, value in answer.items()} for answer in answers]
    assert task.score(Oracle(nothing))["oks"] == 0


def test_the_edge_of_a_mask_is_inside_of_it_and_not_at_the_picture_s_border():
    mask = torch.zeros(5, 6, dtype=torch.bool)
    mask[2:, 1:] = True
    assert tasks.edge(mask).long().tolist() == [
        *([0] * 6, [0] * 6),
        *([0, 1, 1, 1, 1, 1], [0, 1, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0]),
    ]


def test_every_loss_of_the_lecture_is_a_row():
    from coursekit import losses

    used = {each.loss for each in EXPERIMENTS["losses"].rows}
    functions = {name for name in losses.__all__ if name.islower() and name not in ("signed_distance", "distance_maps")}
    assert functions <= used
