"""Training: `fit` against hand-written loops, time to a score against smp's Unet, loading against learning.

Seconds are those of the process, one thread, so that other work on the machine does not count.

*Time to a score* is the time of training, without that of scoring, on CamVid's 367 training pictures, fitted into the
size of the row, until the mean IoU of the 233 test pictures reaches the target. The peer is
segmentation-models-pytorch's `Unet` with its lightest ResNet, without pretrained weights, in the loop of the
textbook: a `DataLoader` over the set, cross-entropy, Adam with 1e-3, batches of 8; it stops after the first epoch
that reaches the target. Ours is a run of `fit` that must reach the target at its end: a SegNet of the course, 8
channels wide, the set in memory, Dice and cross-entropy, batches of 4 under a cosine. What makes the
difference is mostly the narrow network, then loss, batches and schedule; the comparison is of what one would do with
either library, not of equal networks. *An epoch* compares equal ones.
"""

import time

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader

from coursekit import models, training
from coursekit.data import Cached, CamVid, MissingSetError
from coursekit.data.transforms import eval_recipe
from coursekit.losses import dice_ce_loss
from coursekit.training.loading import Order, loader
from coursekit.training.tasks import Semantic

smp = pytest.importorskip("segmentation_models_pytorch")
TARGET = 0.22
EPOCHS, MOST_EPOCHS = 4, 20
SIZE = (64, 96)


@pytest.fixture(scope="module")
def camvid():
    try:
        return [CamVid(split=split, transforms=eval_recipe(SIZE)) for split in ("train", "test")]
    except MissingSetError as error:
        pytest.skip(str(error))


def loop(model, batches, optimizer):
    """What one writes by hand."""
    model.train()
    for images, target in batches:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), target, ignore_index=255)
        loss.backward()
        optimizer.step()
        loss.item()


def test_time_to_a_score(measured, camvid):
    train, test = camvid
    scored = Cached(test)

    def ours():
        torch.manual_seed(0)
        model = models.SegNet(num_classes=11, width=8)
        options = {"epochs": EPOCHS, "batch_size": 4, "learning_rate": 1e-2, "schedule": "cosine", "clip": 1.0}
        started = time.process_time()
        training.fit(model, Cached(train), loss=dice_ce_loss, channels_last=True, progress=False, **options)
        seconds = time.process_time() - started
        score = training.evaluate(model, scored).mean_iou
        assert score >= TARGET, f"a mean IoU of {score:.3f} is not the {TARGET} that was to be reached"
        return seconds

    def peer():
        torch.manual_seed(0)
        model, seconds = smp.Unet("resnet18", encoder_weights=None, classes=11), 0.0
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
        for _ in range(MOST_EPOCHS):
            started = time.process_time()
            loop(model, DataLoader(train, 8, shuffle=True), optimizer)
            seconds += time.process_time() - started
            if training.evaluate(model, scored).mean_iou >= TARGET:
                break
        return seconds

    size = f"367 × {SIZE[0]} × {SIZE[1]}"
    measured(f"training to a test mean IoU of {TARGET}", size, ours, peer, "smp Unet, ResNet-18")


@pytest.mark.parametrize("width", [4, 8, 16])
def test_pictures_a_second(versus, camvid, width):
    data = Cached(torch.utils.data.Subset(camvid[0], range(32)))
    model = models.UNet(11, 3, width, padding="same")

    def ours():
        training.fit(model, data, epochs=1, progress=False)

    def peer():
        loop(model, DataLoader(data, 8, shuffle=True), torch.optim.Adam(model.parameters(), lr=1e-3))

    topic = f"an epoch of 32 pictures, U-Net of {width} channels"
    versus(topic, f"{SIZE[0]} × {SIZE[1]}", ours, peer, "a hand-written loop", clock=time.process_time)


@pytest.mark.parametrize("width", [4, 8, 16])
def test_loading_against_learning(versus, camvid, width):
    """The share of an epoch that goes into its batches."""
    data = Cached(torch.utils.data.Subset(camvid[0], range(32)))
    model = models.UNet(11, 3, width, padding="same")
    order = Order(len(data), 8, seed=0)
    batches = loader(data, order, Semantic(F.cross_entropy).collate, workers=0)

    def ours():
        for _ in batches:
            pass

    def peer():
        training.fit(model, data, epochs=1, progress=False)

    topic = f"loading for a U-Net of {width} channels"
    versus(topic, f"32 × {SIZE[0]} × {SIZE[1]}", ours, peer, "loading and learning", clock=time.process_time)
