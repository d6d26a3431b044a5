"""Training time to a score, against segmentation-models-pytorch's Unet.

The time of training, without that of scoring, on CamVid's 367 training pictures, fitted into the size of the row,
until the mean IoU of the 233 test pictures reaches the target. Seconds are those of the process, one thread, so that
other work on the machine counts little. The peer is smp's `Unet` with its lightest ResNet, without pretrained
weights, in the loop of the textbook: a `DataLoader` over the set, cross-entropy, Adam with 1e-3, batches of 8; it
stops after the first epoch that reaches the target. Ours is a run of `fit` that has to reach it at its end: a PSPNet
of the course, 8 channels wide, the set in memory, Dice and cross-entropy, batches of 4 under a cosine. The difference
is made by the narrow network first, then by loss, batches and schedule: this compares what one would do with
either library, not equal networks.
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

smp = pytest.importorskip("segmentation_models_pytorch")
TARGET = 0.25
EPOCHS, MOST_EPOCHS = 3, 20
SIZE = (64, 96)


@pytest.mark.timeout(7200)
def test_time_to_a_score(measured):
    try:
        train, test = (CamVid(split=split, transforms=eval_recipe(SIZE)) for split in ("train", "test"))
    except MissingSetError as error:
        pytest.skip(str(error))
    scored = Cached(test)

    def ours():
        torch.manual_seed(0)
        model = models.PSPNet(num_classes=11, width=8)
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
            model.train()
            for images, labels in DataLoader(train, 8, shuffle=True):
                optimizer.zero_grad()
                F.cross_entropy(model(images), labels, ignore_index=255).backward()
                optimizer.step()
            seconds += time.process_time() - started
            if training.evaluate(model, scored).mean_iou >= TARGET:
                break
        return seconds

    size = f"367 × {SIZE[0]} × {SIZE[1]}"
    measured(f"training to a test mean IoU of {TARGET}", size, ours, peer, "smp Unet, ResNet-18")
