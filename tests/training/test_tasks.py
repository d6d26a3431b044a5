"""Every kind of target that `fit` takes: label maps, tuples, auxiliary logits, and detectors with their own losses."""

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset
from torchvision.transforms.v2 import Compose

from coursekit import losses, models, training
from coursekit.data import StreetScenes
from coursekit.metrics import AveragePrecision
from coursekit.training.tasks import Instances, Semantic


def pairs(count=8, size=8):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 3, size, size, generator=generator)
    return images, (images.mean(dim=1) > 0.5).long()


def network():
    torch.manual_seed(0)
    return nn.Conv2d(3, 2, 1)


def test_a_tuple_goes_to_the_loss_in_parts_and_its_first_is_scored():
    images, target = pairs()
    distances = losses.boundary.distance_maps(target, 2)
    data = [(image, (labels, maps)) for image, labels, maps in zip(images, target, distances)]
    seen = []

    def loss(logits, labels, maps):
        seen.append((labels.shape, maps.shape))
        return losses.cross_entropy(logits, labels) + 0.01 * losses.boundary_loss(logits, labels, distances=maps)

    history = training.fit(network(), data, data, epochs=2, batch_size=4, loss=loss, progress=False)
    assert seen == [((4, 8, 8), (4, 2, 8, 8))] * 4
    assert 0 < history.epochs[-1].mean_iou <= 1


def test_distance_maps_of_the_losses_are_such_a_tuple():
    data = StreetScenes(4, 32, transforms=Compose([losses.DistanceMaps(11)]))

    def loss(logits, labels, maps):
        return losses.boundary_loss(logits, labels, distances=maps)

    model = nn.Conv2d(3, 11, 1)
    assert training.fit(model, data, data, epochs=1, loss=loss, progress=False).epochs[0].mean_iou >= 0


def test_auxiliary_logits_count_as_much_as_the_paper_says():
    class Two(nn.Module):
        def forward(self, x):
            return (x, -x) if self.training else x

    images, target = torch.randn(2, 3, 4, 4), torch.randint(0, 3, (2, 4, 4))
    task = Semantic(losses.cross_entropy)
    batch = task.collate([(0, images[0], target[0]), (1, images[1], target[1])])
    expected = losses.cross_entropy(images, target) + 0.4 * losses.cross_entropy(-images, target)
    torch.testing.assert_close(task.loss(Two(), batch), expected)
    torch.testing.assert_close(task.loss(Two().eval(), batch), losses.cross_entropy(images, target))


def test_pspnet_is_trained_with_its_auxiliary_head():
    scenes = StreetScenes(4, 48)  # in batches of 2 + 2, not 3 + 1: batch normalisation needs two
    model = models.PSPNet(11, width=4)
    before = model.auxiliary[2].weight.clone()
    training.fit(model, scenes, scenes, epochs=1, batch_size=3, progress=False)
    assert not torch.equal(model.auxiliary[2].weight, before)


@pytest.mark.parametrize("name", ["mask_rcnn", "yolact", "keypoint_rcnn"])
def test_detectors_bring_their_own_losses(name):
    torch.manual_seed(0)
    scenes = StreetScenes(4, 64, task="keypoints" if name == "keypoint_rcnn" else "instance", seed=3, min_area=40)
    data = [each for each in scenes if len(each[1]["labels"])] or pytest.fail("no scene has an object")
    if name == "keypoint_rcnn":
        data = [(image, {**target, "labels": torch.ones_like(target["labels"])}) for image, target in data]
        model = models.KeypointRCNN(2, width=4, min_size=64, max_size=64)
    elif name == "mask_rcnn":
        model = models.MaskRCNN(11, width=4, min_size=64, max_size=64)
    else:
        model = models.YOLACT(11, "resnet50", width=4)
    history = training.fit(model, data, data, epochs=2, batch_size=2, progress=False)
    assert history.epochs[1].loss < history.epochs[0].loss
    assert set(history.epochs[-1].scores) == {"ap", "ap50"}


def test_instances_are_scored_as_average_precision_does():
    class Oracle(nn.Module):
        """Gives the truth, as a detector would."""

        def forward(self, images, targets=None):
            index = [int(image.mean().round()) for image in images]
            return [
                {**targets_of[i], "scores": torch.ones(1), "masks": targets_of[i]["masks"][:, None].float()}
                for i in index
            ]

    def target(left):
        masks = torch.zeros(1, 8, 8, dtype=torch.bool)
        masks[0, :, left : left + 3] = True
        boxes = torch.tensor([[left, 0.0, left + 3, 8.0]])
        return {"boxes": boxes, "labels": torch.tensor([1]), "masks": masks}

    targets_of = [target(0), target(4)]
    data = [(torch.full((3, 8, 8), float(i)), each) for i, each in enumerate(targets_of)]
    task, metric = Instances(), None
    for number, (image, truth) in enumerate(data):
        metric = task.score(Oracle(), task.collate([(number, image, truth)]), metric)
    assert isinstance(metric, AveragePrecision)
    assert metric.iou_type == "masks"
    assert task.scores(metric.compute())["ap"] == pytest.approx(1.0)


def test_images_of_a_detector_may_differ_in_size_others_may_not():
    samples = [(3, torch.zeros(3, 4, 4), {}), (5, torch.zeros(3, 4, 6), {})]
    assert [image.shape for image in Instances().collate(samples).images] == [(3, 4, 4), (3, 4, 6)]
    labelled = [(n, image, torch.zeros(image.shape[1:], dtype=torch.int64)) for n, image, _ in samples]
    with pytest.raises(ValueError, match=r"samples 3, 5 .* differ in shape.*train_recipe"):
        Semantic(losses.cross_entropy).collate(labelled)


def test_images_may_be_bytes():
    images, target = pairs()
    as_bytes = (images * 255).round().byte()
    first, second = network(), network()
    training.fit(first, TensorDataset(as_bytes, target), epochs=1, progress=False)
    training.fit(second, TensorDataset(as_bytes / 255, target), epochs=1, progress=False)
    torch.testing.assert_close(first.weight, second.weight)


def test_a_task_of_ones_own():
    class Regression:
        """The target is a number."""

        collate = Instances.collate

        def loss(self, model, batch):
            return (model(batch.images) - torch.stack(batch.target)).square().mean()

        def score(self, model, batch, metric):
            metric = metric or Sum()
            metric.total += (model(batch.images) - torch.stack(batch.target)).abs().sum().item()
            return metric

        def scores(self, computed):
            return {"closeness": -computed}

    class Sum:
        total = 0.0

        def compute(self):
            return self.total

    data = [(torch.rand(2), torch.tensor([1.0])) for _ in range(8)]
    history = training.fit(nn.Linear(2, 1), data, data, task=Regression(), epochs=30, learning_rate=0.1, progress=False)
    assert history.epochs[-1].scores["closeness"] > history.epochs[0].scores["closeness"]
