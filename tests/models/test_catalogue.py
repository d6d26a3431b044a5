"""The table of the models, row by row, and the two functions that build them."""

import copy
import importlib
import subprocess
import sys

import pytest
import torch
from torch import nn

from coursekit import models
from coursekit.models import CATALOGUE, FCN32s, ResNet
from coursekit.ops import receptive_field


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("facts", CATALOGUE, ids=lambda facts: facts.title)
def test_parameters_are_those_of_the_table(facts):
    with torch.device("meta"):
        assert count(models.create(facts.name, **facts.options)) == facts.parameters


@pytest.mark.parametrize("facts", [f for f in CATALOGUE if f.published], ids=lambda facts: facts.title)
def test_parameters_round_to_the_published_count(facts):
    printed = facts.published.split()[0]
    published = float(printed[:-1]) * 1e6 if printed.endswith("M") else float(printed.replace(",", ""))
    assert facts.parameters == pytest.approx(published, rel=0.01)


def residual_chain(depth):
    """The 7 × 7 convolution, the pooling and the 3 × 3 convolution of every block."""
    net = ResNet(depth, width=1)
    blocks = [block for stage in (net.layer1, net.layer2, net.layer3, net.layer4) for block in stage]
    return [net.conv1, net.maxpool, *(block.conv2 for block in blocks)]


def csp_chain(encoder):
    """The bottlenecks of every CSP block, and the widest of the spatial pyramid's poolings."""
    focus = (2, 2)
    stages = [encoder.stage2, encoder.stage3, encoder.stage4, encoder.stage5]
    path = [focus, encoder.stem[1]]
    for down, *pyramid, block in stages:
        path += [down, *(layer for part in pyramid for layer in (part.reduce, part.pools[-1])), block.deep]
    return path


def poolings_after(stages):
    return [layer for stage in stages for layer in (stage, (2, 2))]


def chain(facts):
    """The longest path from the image to the deepest map, as layers or (kernel, stride, padding)."""
    match facts.name:
        case "mask_rcnn" | "keypoint_rcnn":
            return residual_chain(50)
        case "yolact":
            return residual_chain(50 if facts.options else 101)
        case "yolop":
            return csp_chain(models.create(facts.name, width=8).encoder)
        case "patch_classifier":
            return models.create(facts.name).as_dense()[1:]
        case "unet":
            model = models.create(facts.name, base_channels=1)
            return poolings_after(model.down)[:-1]
        case "segnet":
            model = models.create(facts.name, width=1)
            return poolings_after(model.encoder)
        case "deconvnet":
            model = models.create(facts.name, width=1)
            return [*poolings_after(model.encoder), model.fc6, model.fc7]
        case name:
            return models.create(name, width=8, **facts.options).longest_path()


@pytest.mark.parametrize(
    "facts", [f for f in CATALOGUE if f.receptive_field is not None], ids=lambda facts: facts.title
)
def test_receptive_field_and_stride_are_those_of_the_table(facts):
    field = receptive_field(chain(facts))
    assert (field.size, field.stride) == (facts.receptive_field, facts.stride)


@pytest.mark.parametrize(
    ("backbone", "layers", "size"), [("alexnet", 8, 355), ("vgg16", 16, 404), ("googlenet", 22, 907)]
)
def test_the_lecture_s_table_of_fcn_backbones(backbone, layers, size):
    path = list(FCN32s(width=8, backbone=backbone).longest_path())
    assert sum(isinstance(layer, nn.Conv2d) for layer in path) == layers
    field = receptive_field(path)
    assert (field.size, field.stride) == (size, 32)


def test_every_name_is_in_the_table_and_every_row_can_be_built():
    assert list(dict.fromkeys(facts.name for facts in CATALOGUE)) == models.names()
    assert len({facts.title for facts in CATALOGUE}) == len(CATALOGUE)


def test_create_passes_options_on_and_rejects_unknown_names():
    model = models.create("segnet", num_classes=3, width=2)
    assert isinstance(model, models.SegNet)
    assert model(torch.zeros(1, 3, 32, 32)).shape[1] == 3
    with pytest.raises(ValueError, match=r"'segnt'.*segnet"):
        models.create("segnt")


@pytest.mark.parametrize("name", models.names())
def test_create_makes_every_model_narrow(name):
    with torch.device("meta"):
        narrow = models.create(name, width=8)
        assert count(narrow) < min(facts.parameters for facts in CATALOGUE if facts.name == name) / 2
    again = copy.deepcopy(narrow)
    assert again.load_state_dict(narrow.state_dict()).missing_keys == []


def test_every_public_name_is_where_the_map_says():
    for name in models.__all__:
        assert getattr(models, name) is not None
        assert name in dir(models)
    assert models.UNet is importlib.import_module("coursekit.models.unet").UNet
    with pytest.raises(AttributeError, match="VNet"):
        _ = models.VNet


def test_the_table_is_read_without_torch():
    code = "import sys, coursekit.models as m; m.CATALOGUE, m.names(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
