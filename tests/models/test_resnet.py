"""The ResNet is torchvision's, stage by stage."""

import itertools
from functools import partial

import pytest
import torch
import torchvision
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from coursekit.models.resnet import ResNet

DILATIONS = list(itertools.product([False, True], repeat=3))


def torchvision_resnet(depth, **options):
    return getattr(torchvision.models, f"resnet{depth}")(**options)


def without_classifier(state_dict):
    return {name: value for name, value in state_dict.items() if not name.startswith("fc.")}


def geometry(model):
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    return [(conv.kernel_size, conv.stride, conv.padding, conv.dilation) for conv in convolutions]


@pytest.mark.parametrize("depth", [50, 101])
@pytest.mark.parametrize("dilate", DILATIONS, ids=str)
def test_parameters_strides_and_dilations_are_torchvisions(depth, dilate):
    with torch.device("meta"):
        ours = ResNet(depth, dilate=dilate)
        theirs = torchvision_resnet(depth, replace_stride_with_dilation=dilate)
    expected = without_classifier(theirs.state_dict())
    assert [*ours.state_dict()] == [*expected]
    assert all(value.shape == expected[name].shape for name, value in ours.state_dict().items())
    assert geometry(ours) == geometry(theirs)


@pytest.mark.parametrize("dilate", [(False, False, False), (False, True, True)], ids=["strided", "as in PSPNet"])
def test_maps_equal_torchvisions(dilate):
    torch.manual_seed(0)
    theirs = torchvision_resnet(50, replace_stride_with_dilation=dilate).eval()
    with torch.device("meta"):
        ours = ResNet(50, dilate=dilate).eval()
    ours.load_state_dict(without_classifier(theirs.state_dict()), assign=True)
    image = torch.rand(1, 3, 49, 65)
    with torch.no_grad():
        maps = ours(image)
        x = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(image))))
        for ours_map, stage in zip(maps, (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4), strict=True):
            x = stage(x)
            torch.testing.assert_close(ours_map, x)


@pytest.mark.parametrize(("norm", "count"), [(nn.BatchNorm2d, 23_508_032), (FrozenBatchNorm2d, 23_454_912)])
def test_parameter_count(norm, count):
    with torch.device("meta"):
        assert sum(p.numel() for p in ResNet(50, norm=norm).parameters()) == count


@pytest.mark.parametrize("dilate", DILATIONS, ids=str)
def test_a_small_width_keeps_the_strides(dilate):
    model = ResNet(50, width=4, dilate=dilate, in_channels=1, norm=partial(nn.GroupNorm, 2)).double()
    image = torch.rand(1, 1, 64, 96, dtype=torch.float64, requires_grad=True)
    maps = model(image)
    strides = [4]
    for dilated in dilate:
        strides.append(strides[-1] * (1 if dilated else 2))
    assert model.out_channels == (16, 32, 64, 128)
    for level, channels, stride in zip(maps, model.out_channels, strides, strict=True):
        assert level.shape == (1, channels, 64 // stride, 96 // stride)
        assert level.dtype == torch.float64
    maps[-1].sum().backward()
    assert image.grad.abs().sum() > 0


def test_an_unknown_depth_is_refused():
    with pytest.raises(ValueError, match=r"\[50, 101\], got 34"):
        ResNet(34)
