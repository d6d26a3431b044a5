"""The pyramid is torchvision's, and YOLACT's with other options."""

from collections import OrderedDict

import pytest
import torch
from torch import nn
from torchvision.ops import FeaturePyramidNetwork
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from coursekit.models.fpn import FPN


def test_levels_equal_torchvisions_on_odd_sizes():
    torch.manual_seed(0)
    channels, sizes = (6, 8, 10, 12), ((23, 37), (12, 19), (6, 10), (3, 5))
    features = [torch.randn(2, c, *size) for c, size in zip(channels, sizes, strict=True)]
    theirs = FeaturePyramidNetwork(list(channels), 7, LastLevelMaxPool())
    ours = FPN(channels, 7, extra=[nn.MaxPool2d(1, stride=2)])
    ours.load_state_dict(theirs.state_dict())
    expected = theirs(OrderedDict((str(i), feature) for i, feature in enumerate(features)))
    levels = ours(features)
    assert len(levels) == 5
    for level, other in zip(levels, expected.values(), strict=True):
        torch.testing.assert_close(level, other)


def test_yolact_learns_two_more_levels():
    with torch.device("meta"):
        extra = [nn.Conv2d(256, 256, 3, stride=2, padding=1) for _ in range(2)]
        fpn = FPN((512, 1024, 2048), 256, extra=extra, mode="bilinear", relu=True)
        features = [torch.empty(1, c, s, s) for c, s in ((512, 69), (1024, 35), (2048, 18))]
    assert sum(p.numel() for p in fpn.parameters()) == 3_868_672
    assert [level.shape[-1] for level in fpn(features)] == [69, 35, 18, 9, 5]


@pytest.mark.parametrize(("mode", "expected"), [("nearest", [-1.0, -1, 2, 2]), ("bilinear", [-1.0, -0.25, 1.25, 2])])
@pytest.mark.parametrize("relu", [False, True], ids=["linear", "relu"])
def test_the_coarser_map_is_enlarged_and_added(mode, expected, relu):
    fpn = FPN((1, 1), 1, mode=mode, relu=relu)
    with torch.no_grad():
        for block in (*fpn.inner_blocks, *fpn.layer_blocks):
            block[0].weight.zero_()
            centre = block[0].kernel_size[0] // 2
            block[0].weight[..., centre, centre] = 1
        fine, coarse = fpn([torch.full((1, 1, 1, 4), 10.0), torch.tensor([[[[-1.0, 2]]]])])
    torch.testing.assert_close(fine.flatten(), 10 + torch.tensor(expected))
    torch.testing.assert_close(coarse.flatten(), torch.tensor([0.0 if relu else -1.0, 2.0]))


def test_every_input_map_gets_its_gradient():
    features = [torch.randn(1, 3, s, s, requires_grad=True) for s in (8, 4)]
    FPN((3, 3), 2)(features)[0].sum().backward()
    assert all(feature.grad.abs().sum() > 0 for feature in features)


def test_a_missing_map_is_refused():
    with pytest.raises(ValueError, match="zip"):
        FPN((3, 3), 2)([torch.randn(1, 3, 8, 8)])
