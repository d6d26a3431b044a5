"""The boxes of an architecture have the shapes that the network itself has."""

import pytest
import torch
from torch import nn

from coursekit import figures, models


@pytest.fixture(scope="module")
def unet():
    with torch.device("meta"):
        return models.UNet()


def test_shapes_are_those_of_the_paper(unet):
    parts = {f"down {n}": part for n, part in enumerate(unet.down)} | {"score": unet.classifier}
    shapes = figures.layer_shapes(unet, parts, (1, 572, 572))
    assert list(shapes) == ["image", *parts]
    assert [shapes[f"down {n}"][1] for n in range(5)] == [568, 280, 136, 64, 28]
    assert shapes["score"] == (2, 388, 388)


def test_the_network_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Dropout()).train()
    figures.layer_shapes(model, {"convolution": model[0]}, (1, 8, 9))
    assert model.training
    assert not model[0]._forward_hooks


def test_a_part_that_does_not_run_is_named(unet):
    with pytest.raises(ValueError, match="stranger did not run in UNet"):
        figures.layer_shapes(unet, {"stranger": nn.Identity()}, (1, 188, 188))


def test_boxes_and_skips_are_drawn():
    shapes = {"image": (3, 32, 32), "down": (8, 16, 16), "up": (8, 32, 32)}
    plain = figures.show_architecture(shapes, alt="Three boxes.")
    assert plain.png.startswith(b"\x89PNG")
    assert plain.png != figures.show_architecture(shapes, alt="…", skips={("image", "up"): "copy"}).png
