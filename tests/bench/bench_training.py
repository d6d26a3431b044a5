"""Training: an epoch of `fit` against a hand-written loop with the same network, loading against learning.

Seconds are those of the process, one thread. The set is in memory for both.
"""

import time

import pytest
import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset

from coursekit import models, training
from coursekit.data import Cached, CamVid, MissingSetError
from coursekit.data.transforms import eval_recipe
from coursekit.training.loading import Order, loader
from coursekit.training.tasks import Semantic

SIZE = (64, 96)


@pytest.fixture(scope="module")
def camvid():
    try:
        return Cached(Subset(CamVid(transforms=eval_recipe(SIZE)), range(32)))
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


@pytest.mark.parametrize("width", [4, 8, 16])
def test_pictures_a_second(versus, camvid, width):
    model = models.UNet(11, 3, width, padding="same")

    def ours():
        training.fit(model, camvid, epochs=1, progress=False)

    def peer():
        loop(model, DataLoader(camvid, 8, shuffle=True), torch.optim.Adam(model.parameters(), lr=1e-3))

    topic = f"an epoch of 32 pictures, U-Net of {width} channels"
    versus(topic, f"{SIZE[0]} × {SIZE[1]}", ours, peer, "a hand-written loop", clock=time.process_time)


@pytest.mark.parametrize("width", [4, 8, 16])
def test_loading_against_learning(versus, camvid, width):
    """The share of an epoch that goes into its batches."""
    model = models.UNet(11, 3, width, padding="same")
    order = Order(len(camvid), 8, seed=0)
    batches = loader(camvid, order, Semantic(F.cross_entropy).collate, workers=0)

    def ours():
        for _ in batches:
            pass

    def peer():
        training.fit(model, camvid, epochs=1, progress=False)

    topic = f"loading for a U-Net of {width} channels"
    versus(topic, f"32 × {SIZE[0]} × {SIZE[1]}", ours, peer, "loading and learning", clock=time.process_time)
