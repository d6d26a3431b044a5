"""SegNet and DeconvNet: exact sizes, and decoders that unpool with their own level's indices."""

import pytest
import torch
from torch import nn

from coursekit import ops
from coursekit.models import DeconvNet, SegNet
from coursekit.models.blocks import pool, unpool

VGG16 = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512)] + [(512, 512)] * 5
MIRROR = [(512, 512)] * 5 + [(512, 256), (256, 256), (256, 256), (256, 128), (128, 128), (128, 64), (64, 64)]


def count(model, kinds=nn.Module):
    parts = [m for m in model.modules() if isinstance(m, kinds)] if kinds is not nn.Module else [model]
    return sum(parameter.numel() for part in parts for parameter in part.parameters())


def channels(model, kind):
    return [(m.in_channels, m.out_channels) for m in model.modules() if isinstance(m, kind)]


def without_weights(model):
    """Only what the model does besides its layers: pooling and unpooling."""
    for name, child in model.named_children():
        if isinstance(child, nn.ModuleList):
            setattr(model, name, nn.ModuleList(nn.Identity() for _ in child))
        else:
            setattr(model, name, nn.Identity())
    return model.eval()


@pytest.mark.parametrize(("num_classes", "parameters"), [(11, 29_449_355), (12, 29_449_932), (21, 29_455_125)])
def test_segnet_parameters(num_classes, parameters):
    with torch.device("meta"):
        model = SegNet(num_classes)
    assert count(model) == parameters
    normalisation = count(model, nn.BatchNorm2d)
    assert (num_classes != 12) or parameters - normalisation == 29_434_060


def test_segnet_is_vgg16_and_its_mirror_image_with_the_classifier_last():
    with torch.device("meta"):
        model = SegNet()
        assert channels(model.encoder, nn.Conv2d) == VGG16
        assert channels(model.decoder, nn.Conv2d) == [*MIRROR, (64, 11)]
        assert isinstance(list(model.modules())[-1], nn.Conv2d)  # neither normalised nor cut at zero
        assert sum(isinstance(m, nn.BatchNorm2d) for m in model.modules()) == 25
        assert model(torch.empty(2, 3, 360, 480)).shape == (2, 11, 360, 480)


def test_deconvnet_parameters():
    with torch.device("meta"):
        model = DeconvNet()
    assert count(model) == 251_805_653
    assert count(model, nn.Conv2d) == 134_261_909
    assert count(model, nn.ConvTranspose2d) == 117_510_336
    assert count(model, nn.BatchNorm2d) == 33_408
    assert count(model.fc6_transposed[0]) == 102_760_960
    assert count(model.classifier) == 1_365


def test_deconvnet_is_vgg16_and_its_mirror_image():
    with torch.device("meta"):
        model = DeconvNet()
        assert channels(model, nn.Conv2d) == [*VGG16, (512, 4096), (4096, 4096), (64, 21)]
        assert channels(model.decoder, nn.ConvTranspose2d) == [*MIRROR, (64, 64)]
        bottom = []
        model.fc7.register_forward_hook(lambda module, args, output: bottom.append(output.shape[-2:]))
        model.eval()
        assert model(torch.empty(1, 3, 224, 224)).shape == (1, 21, 224, 224)
        assert model(torch.empty(1, 3, 321, 500)).shape == (1, 21, 321, 500)
        assert bottom == [(1, 1), (5, 10)]


@pytest.mark.parametrize("size", [(64, 96), (45, 67), (33, 31)], ids=str)
@pytest.mark.parametrize(
    "make", [lambda: SegNet(width=1), lambda: DeconvNet(width=1, window=1)], ids=["segnet", "deconvnet"]
)
def test_without_weights_each_block_of_32_keeps_only_its_maximum_in_its_place(make, size):
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    expected = torch.zeros_like(x)
    for top in range(0, size[0], 32):
        for left in range(0, size[1], 32):
            block = x[..., top : top + 32, left : left + 32]
            largest = block == block.amax((-2, -1), keepdim=True)
            expected[..., top : top + 32, left : left + 32] = block * largest
    assert torch.equal(without_weights(make())(x), expected)


def test_pool_and_unpool_are_the_lecture_s_where_the_size_divides():
    x = torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(0))
    pooled, (indices, size) = pool(x)
    expected, expected_indices = ops.max_pool_with_indices(x, 2)
    assert torch.equal(pooled, expected)
    assert torch.equal(indices, expected_indices)
    other = torch.randn_like(pooled)
    assert torch.equal(unpool(other, (indices, size)), ops.max_unpool(other, indices, size))


def test_pooling_that_rounds_up_pools_every_pixel():
    x = torch.arange(25.0).view(1, 1, 5, 5)
    pooled, pooling = pool(x)
    assert pooled.flatten().tolist() == [6, 8, 9, 16, 18, 19, 21, 23, 24]
    assert torch.equal(unpool(pooled, pooling), x * torch.isin(x, pooled))


@pytest.mark.parametrize(
    ("make", "size", "message"),
    [
        (lambda: SegNet(width=1), 16, "SegNet in training.* two images, or one larger than 16 × 16"),
        (lambda: DeconvNet(width=1), 192, "window of 7 needs images of at least 193 × 193, got 192 × 192"),
        (lambda: DeconvNet(width=1), 224, "DeconvNet in training.* two images, or a side above 224"),
        (lambda: DeconvNet(width=1, window=3), 64, "window of 3 needs images of at least 65 × 65"),
    ],
    ids=["segnet-training-16", "deconvnet-192", "deconvnet-training-224", "deconvnet-window-3"],
)
def test_a_size_that_cannot_work_is_an_error_that_names_those_that_do(make, size, message):
    with pytest.raises(ValueError, match=message):
        make()(torch.zeros(1, 3, size, size))


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: SegNet(width=1), (16, 17)),
        (lambda: DeconvNet(width=1, window=2), (33, 65)),
        (lambda: DeconvNet(width=1, window=2).eval(), (33, 33)),
    ],
    ids=["segnet", "deconvnet", "deconvnet-evaluation"],
)
def test_the_sizes_that_the_errors_name_do_work(make, size):
    assert make()(torch.zeros(1, 3, *size)).shape[-2:] == size
