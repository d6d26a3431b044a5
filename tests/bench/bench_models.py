"""A training step of a network against the same network, or one of its size, from another library."""

import pytest
import torch
from torch.nn import functional as F
from torchvision.models.detection import maskrcnn_resnet50_fpn

from coursekit import models

smp = pytest.importorskip("segmentation_models_pytorch")


def step(model, images, target):
    def run():
        model.zero_grad(set_to_none=True)
        F.cross_entropy(model(images), target).backward()

    return run


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_segnet(versus, batch):
    images, target = torch.rand(batch, 3, 96, 96), torch.randint(0, 11, (batch, 96, 96))
    ours = models.SegNet(num_classes=11)
    peer = smp.Unet("vgg16_bn", encoder_weights=None, classes=11)
    versus("SegNet step", f"{batch} × 96²", step(ours, images, target), step(peer, images, target), "smp Unet, VGG-16")


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_unet(versus, batch):
    images, target = torch.rand(batch, 3, 96, 96), torch.randint(0, 2, (batch, 96, 96))
    ours = models.UNet(num_classes=2, in_channels=3, padding="same")
    peer = smp.Unet(
        "vgg13", encoder_weights=None, classes=2, decoder_channels=(512, 256, 128, 64, 64), decoder_use_batchnorm=False
    )
    versus("U-Net step", f"{batch} × 96²", step(ours, images, target), step(peer, images, target), "smp Unet, VGG-13")


@pytest.mark.parametrize("side", [96, 192])
def test_mask_rcnn(versus, side):
    torch.manual_seed(0)
    options = {"min_size": side, "max_size": side}
    ours = models.MaskRCNN(num_classes=5, **options)
    peer = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=5, **options)
    peer.load_state_dict(ours.state_dict())
    masks = torch.zeros(2, side, side, dtype=torch.uint8)
    masks[0, 10:50, 10:60], masks[1, 30:80, 40:90] = 1, 1
    boxes = torch.tensor([[10.0, 10, 60, 50], [40, 30, 90, 80]])
    target = [{"boxes": boxes, "labels": torch.tensor([1, 2]), "masks": masks}]
    images = [torch.rand(3, side, side)]

    def step_of(model):
        def run():
            model.zero_grad(set_to_none=True)
            sum(model(images, target).values()).backward()

        return run

    versus("Mask R-CNN step", f"{side}²", step_of(ours.train()), step_of(peer.train()), "torchvision")
