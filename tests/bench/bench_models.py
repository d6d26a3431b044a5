"""A training step of a network.

In processor time, at the published widths. The peers of Mask R-CNN and, but for its last up-convolution, MONAI's of
U-Net are the same network. smp's are others, tuned to the same number of parameters and multiplications within 3 %: of
SegNet and U-Net nearly all time goes into convolutions, and the ratio says which shapes torch's kernels like, not whose
code is lean. Mask R-CNN takes 64 of 256 proposals. The patch classifier's peer is itself, called window by window: what
the naive way costs.
"""

import functools
import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.detection import maskrcnn_resnet50_fpn

from coursekit import models

smp = pytest.importorskip("segmentation_models_pytorch")
monai = pytest.importorskip("monai.networks.nets")


def size_of(model: nn.Module) -> str:
    return f"{sum(p.numel() for p in model.parameters()) / 1e6:.1f} M"


def step(model, *batch):
    def run():
        model.zero_grad(set_to_none=True)
        model_loss(model, *batch).backward()

    return run


def model_loss(model, images, target):
    output = model(images, target) if isinstance(target, list) else model(images)
    return sum(output.values()) if isinstance(output, dict) else F.cross_entropy(output, target)


@pytest.mark.parametrize("side", [16, 32, 64])
def test_patch_classifier(versus, side):
    """The naive way against the same network made dense, in one forward pass."""
    naive = models.PatchClassifier(num_classes=2).eval()
    dense = naive.as_dense()
    x = torch.rand(1, 3, side, side)

    def forward(model):
        with torch.no_grad():
            model(x)

    ours, peer = functools.partial(forward, dense), functools.partial(forward, naive)
    versus("patch classifier made dense", f"{side}²", ours, peer, "window by window", time.process_time)


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_segnet(versus, batch):
    pair = torch.rand(batch, 3, 64, 64), torch.randint(0, 11, (batch, 64, 64))
    ours = models.SegNet(num_classes=11)
    peer = smp.Unet("vgg16_bn", encoder_weights=None, classes=11, decoder_channels=(384, 256, 256, 96, 32))
    topic, name = f"SegNet, {size_of(ours)}", f"smp Unet on VGG-16, {size_of(peer)}"
    versus(topic, f"{batch} × 64²", step(ours, *pair), step(peer, *pair), name, time.process_time)


def unet_of_smp():
    decoder = {"decoder_channels": (512, 512, 256, 128, 48), "decoder_use_norm": False}
    return smp.Unet("vgg13", encoder_weights=None, classes=2, **decoder)


def unet_of_monai():
    widths = (64, 128, 256, 512, 1024, 64)
    return monai.BasicUNet(spatial_dims=2, in_channels=3, out_channels=2, features=widths, act="RELU", norm=None)


@pytest.mark.parametrize("batch", [1, 2, 4])
@pytest.mark.parametrize(("name", "make_peer"), [("smp Unet on VGG-13", unet_of_smp), ("MONAI", unet_of_monai)])
def test_unet(versus, name, make_peer, batch):
    pair = torch.rand(batch, 3, 64, 64), torch.randint(0, 2, (batch, 64, 64))
    ours, peer = models.UNet(num_classes=2, in_channels=3, padding="same"), make_peer()
    topic, name = f"U-Net, {size_of(ours)}", f"{name}, {size_of(peer)}"
    versus(topic, f"{batch} × 64²", step(ours, *pair), step(peer, *pair), name, time.process_time)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_mask_rcnn(versus, side):
    """The same weights, and from the same seed the same sampled boxes."""
    options = {"num_classes": 5, "min_size": side, "max_size": side}
    options |= {"rpn_post_nms_top_n_train": 256, "box_batch_size_per_image": 64}
    ours = models.MaskRCNN(**options).train()
    peer = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, trainable_backbone_layers=5, **options).train()
    peer.load_state_dict(ours.state_dict())
    quarter, half = side // 4, side // 2
    masks = torch.zeros(2, side, side, dtype=torch.uint8)
    masks[0, :half, :half], masks[1, quarter:, quarter:] = 1, 1
    boxes = torch.tensor([[0, 0, half, half], [quarter, quarter, side, side]], dtype=torch.float32)
    pair = [torch.rand(3, side, side)], [{"boxes": boxes, "labels": torch.tensor([1, 2]), "masks": masks}]
    topic, name = f"Mask R-CNN, {size_of(ours)}", f"torchvision, {size_of(peer)}"
    versus(topic, f"{side}²", step(ours, *pair), step(peer, *pair), name, time.process_time)
