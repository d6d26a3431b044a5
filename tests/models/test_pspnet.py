"""PSPNet: exact sizes, the auxiliary head, the pyramid."""

import pytest
import torch
from torch import nn

from coursekit.models import PSPNet
from coursekit.models.pspnet import PyramidPooling
from coursekit.ops import measured_receptive_field


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


AUTHORS = {"deep_stem": True, "auxiliary": False}


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({}, 48_957_802),
        ({"auxiliary": False}, 46_592_597),
        ({"num_classes": 150, **AUTHORS}, 46_782_550),
        ({"depth": 101, **AUTHORS}, 65_708_501),
        ({"num_classes": 19, "depth": 101, **AUTHORS}, 65_707_475),
    ],
    ids=["train", "evaluation", "authors-ADE20K", "authors-VOC", "authors-Cityscapes"],
)
def test_parameters(options, parameters):
    with torch.device("meta"):
        assert count(PSPNet(**options)) == parameters


def test_parameters_of_the_parts():
    with torch.device("meta"):
        model = PSPNet()
    assert count(model.backbone) == 23_508_032
    assert count(model.pyramid) == 4_198_400
    assert count(model.pyramid) + count(model.head) == 23_084_565
    assert count(model.auxiliary) == 2_365_205


def test_stride_8_and_dilations_2_and_4():
    with torch.device("meta"):
        backbone = PSPNet(width=4).backbone
        assert [c.shape[-2:] for c in backbone(torch.empty(2, 3, 473, 465))] == [(119, 117)] + [(60, 59)] * 3
    assert [block.conv2.dilation[0] for block in backbone.layer3] == [1, 2, 2, 2, 2, 2]
    assert [block.conv2.dilation[0] for block in backbone.layer4] == [2, 4, 4]


def test_training_returns_the_auxiliary_logits_too_and_evaluation_does_not():
    model = PSPNet(5, width=4)
    x = torch.rand(2, 3, 41, 33)
    logits, auxiliary = model(x)
    assert logits.shape == auxiliary.shape == (2, 5, 41, 33)
    assert isinstance(model.eval()(x), torch.Tensor)
    assert isinstance(PSPNet(5, width=4, auxiliary=False)(x), torch.Tensor)


def test_the_auxiliary_logits_come_from_the_third_stage():
    model = PSPNet(5, width=4)
    _, auxiliary = model(torch.rand(2, 3, 33, 33))
    auxiliary.sum().backward()
    asked = {
        name.split(".")[1 if name.startswith("backbone") else 0]
        for name, p in model.named_parameters()
        if p.grad is not None
    }
    assert asked == {"conv1", "bn1", "layer1", "layer2", "layer3", "auxiliary"}


def test_the_loss_is_the_main_one_and_four_tenths_of_the_auxiliary():
    assert 0.7 + PSPNet.auxiliary_weight * 0.5 == pytest.approx(0.9)


@pytest.mark.parametrize("size", [(12, 12), (9, 10), (1, 5)], ids=str)
def test_the_pyramid_is_the_map_and_its_means_over_1_4_9_and_36_bins(size):
    pyramid = PyramidPooling(4)
    for level in pyramid.levels:
        level[1] = nn.Identity()
    x = torch.rand(2, 4, *size, generator=torch.Generator().manual_seed(0))
    parts = pyramid(x).split(4, dim=1)
    assert len(parts) == 5
    assert torch.equal(parts[0], x)
    torch.testing.assert_close(parts[1], x.mean((-2, -1), keepdim=True).expand_as(x))
    if size == (12, 12):  # six bins of two pixels: at the corners the bin's own mean
        torch.testing.assert_close(parts[4][..., 0, 0], x[..., :2, :2].mean((-2, -1)))
        torch.testing.assert_close(parts[4][..., -1, -1], x[..., -2:, -2:].mean((-2, -1)))
        torch.testing.assert_close(parts[2][..., 0, -1], x[..., :6, 6:].mean((-2, -1)))


def test_where_the_size_is_one_more_than_a_multiple_of_8_scores_stay_where_they_were():
    model = PSPNet(3, width=4).eval()
    scores = []
    model.head.register_forward_hook(lambda module, args, output: scores.append(output))
    with torch.no_grad():
        logits = model(torch.rand(1, 3, 41, 57))
    torch.testing.assert_close(logits[..., ::8, ::8], scores[0], rtol=1e-4, atol=1e-4)


def test_one_image_has_no_variance_at_the_coarsest_bin():
    model = PSPNet(width=4)
    with pytest.raises(ValueError, match=r"PSPNet in training.*at least two"):
        model(torch.zeros(1, 3, 64, 64))
    assert model.eval()(torch.zeros(1, 3, 64, 64)).shape == (1, 21, 64, 64)


def test_every_logit_sees_the_whole_image():
    model = PSPNet(3, width=4).double().eval()
    x = torch.rand(1, 3, 73, 73, dtype=torch.float64, requires_grad=True)
    model(x)[0, 0, 0, 0].backward()
    assert x.grad[0, :, -8:, -8:].abs().sum() > 0
    with pytest.raises(ValueError, match="border"):
        measured_receptive_field(PSPNet(1, 1, width=4), (128, 128))
