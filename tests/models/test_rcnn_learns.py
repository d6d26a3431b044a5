"""Small Mask and Keypoint R-CNNs learn two objects by heart."""

from functools import partial

import pytest
import torch
from torch import nn

from coursekit.models.keypoint_rcnn import KeypointRCNN
from coursekit.models.mask_rcnn import MaskRCNN

SMALL = {
    "width": 8,
    "norm": partial(nn.GroupNorm, 4),
    "min_size": 96,
    "anchor_sizes": (8, 16, 32, 64, 96),
    "rpn_pre_nms_top_n_train": 100,
    "rpn_post_nms_top_n_train": 50,
    "rpn_batch_size_per_image": 64,
    "box_batch_size_per_image": 32,
}
STEPS = 50


@pytest.fixture
def scene():
    """A red and a blue box; without the colours they would be one class."""
    picture, masks = torch.full((3, 96, 96), 0.3), torch.zeros(2, 96, 96, dtype=torch.bool)
    picture[0, 20:60, 10:40] = masks[0, 20:60, 10:40] = 1
    picture[2, 50:80, 50:90] = masks[1, 50:80, 50:90] = 1
    target = {
        "boxes": torch.tensor([[10.0, 20, 40, 60], [50, 50, 90, 80]]),
        "labels": torch.tensor([1, 2]),
        "masks": masks,
        "keypoints": torch.tensor([[[12.0, 22, 2], [38, 58, 1]], [[52, 52, 2], [88, 78, 1]]]),
    }
    return picture, target


def learn(model, picture, target):
    """Train on the picture and on one with its colours swapped; what the model then finds in the first."""
    swapped = target | {"labels": 3 - target["labels"]}
    optimiser = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=STEPS)
    for _ in range(STEPS):
        losses = model([picture, picture.flip(0)], [target, swapped])
        optimiser.zero_grad()
        sum(losses.values()).backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        return model.eval()([picture])[0]


@pytest.mark.slow
def test_masks(scene):
    torch.manual_seed(0)
    picture, target = scene
    detection = learn(MaskRCNN(3, **SMALL), picture, target)
    for label, mask in zip((1, 2), target["masks"], strict=True):
        best = torch.where(detection["labels"] == label)[0][0]
        drawn = detection["masks"][best, 0] > 0.5
        assert detection["scores"][best] > 0.5
        assert (drawn & mask).sum() / (drawn | mask).sum() > 0.7


@pytest.mark.slow
def test_keypoints(scene):
    torch.manual_seed(0)
    picture, target = scene
    detection = learn(KeypointRCNN(3, 2, **SMALL), picture, target)
    for label, corners in zip((1, 2), target["keypoints"], strict=True):
        best = torch.where(detection["labels"] == label)[0][0]
        assert detection["scores"][best] > 0.5
        assert (detection["keypoints"][best] - corners)[:, :2].norm(
            dim=1
        ).max() < 12  # the middle of the box is 24 away
