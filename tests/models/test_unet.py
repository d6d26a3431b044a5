"""The 2015 U-Net: its count, its sizes, and tiles without seams."""

import pytest
import torch
from torch import nn

from coursekit.models import UNet, unet
from coursekit.ops import measured_receptive_field, mirror_pad, predict_tiled


def meta(*size, **options):
    with torch.device("meta"):
        return UNet(base_channels=1, **options).eval()(torch.empty(1, 1, *size))


def naive_output_size(size, depth):
    """The arithmetic of the network's drawing; None where it does not come out."""
    for _ in range(depth):
        size -= 4
        if size < 2 or size % 2:
            return None
        size //= 2
    size -= 4
    for _ in range(depth):
        if size < 1:
            return None
        size = 2 * size - 4
    return size if size > 0 else None


@pytest.mark.parametrize(
    ("in_channels", "num_classes", "parameters"), [(1, 2, 31_030_658), (3, 2, 31_031_810), (1, 1, 31_030_593)]
)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_parameters(in_channels, num_classes, parameters, padding):
    with torch.device("meta"):
        model = UNet(num_classes, in_channels, padding=padding)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert sum(isinstance(m, nn.Conv2d | nn.ConvTranspose2d) for m in model.modules()) == 23


def test_572_becomes_388_through_the_crops_of_the_paper(monkeypatch):
    sizes = []
    cropped = unet.crop_to_smaller

    def spy(x, skip):
        sizes.append((skip.shape[-1], x.shape[-1]))
        return cropped(x, skip)

    monkeypatch.setattr(unet, "crop_to_smaller", spy)
    assert meta(572, 572).shape[-2:] == (388, 388)
    assert [skip for skip, _ in sizes] == [64, 136, 280, 568]
    assert [(skip - x) // 2 for skip, x in sizes] == [4, 16, 40, 88]
    assert UNet(base_channels=1).context == 92


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_output_size_and_its_errors_follow_the_drawing(depth):
    model = UNet(base_channels=1, depth=depth)
    for size in range(1, 640):
        expected = naive_output_size(size, depth)
        if expected is None:
            with pytest.raises(ValueError, match=f"depth {depth}"):
                model.output_size(size)
        else:
            assert model.output_size(size) == expected == size - 2 * model.context


def test_valid_sizes_are_12_more_than_a_multiple_of_16_from_188():
    model = UNet(base_channels=1)
    assert model.output_size(188) == 4
    assert model.output_size(204) == 20
    with pytest.raises(ValueError, match=r"188, 204, 220, … pixels, not 512: take 508 or 524"):
        meta(572, 512)
    with pytest.raises(ValueError, match="not 100: take 188 or 204"):
        meta(100, 572)


@pytest.mark.parametrize("size", [(188, 204), (220, 188), (252, 300)], ids=str)
def test_the_output_has_the_size_that_output_size_says(size):
    model = UNet(base_channels=1)
    assert meta(*size).shape[-2:] == tuple(model.output_size(side) for side in size)


@pytest.mark.parametrize("size", [(1, 1), (16, 32), (33, 47)], ids=str)
def test_same_padding_keeps_any_size(size):
    assert meta(*size, padding="same").shape[-2:] == size


def test_crop_keeps_the_centre_of_a_larger_skip_and_the_beginning_of_a_larger_map():
    skip, x = torch.arange(7.0).expand(1, 1, 7, 7), torch.arange(4.0).expand(1, 1, 4, 4)
    kept, cropped = unet.crop_to_smaller(x, skip)
    assert kept.shape == (1, 1, 4, 4)
    assert cropped[0, 0, 0].tolist() == [1, 2, 3, 4]  # an odd margin leaves the extra column at the right
    kept, cropped = unet.crop_to_smaller(x, skip[..., :3, :3])
    assert kept[0, 0, 0].tolist() == cropped[0, 0, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("size", [(40, 56), (42, 57)], ids=str)
def test_tiles_are_one_pass_over_the_mirrored_image(size):
    torch.manual_seed(0)
    model = UNet(2, 1, base_channels=4, depth=2).double().eval()
    image = torch.rand(1, *size, dtype=torch.float64)
    (height, width), margin, further = size, model.context, 4
    # One pass needs a size that fits, so it goes a little further into the mirror image below and to the right.
    mirrored = mirror_pad(image[None], margin + further)[..., further:, further:]
    rows, columns = (side + -side % 4 + 2 * margin for side in size)
    with torch.no_grad():
        whole = model(mirrored[..., :rows, :columns])[0, :, :height, :width]
        torch.testing.assert_close(predict_tiled(model, image, tile=20, context=margin), whole)


def test_tiles_mirrored_one_by_one_have_seams():
    """What the strategy is for: a tile's surroundings are the image's, not its own reflection."""
    torch.manual_seed(0)
    model = UNet(2, 1, base_channels=4, depth=2).double().eval()
    image = torch.rand(1, 40, 60, dtype=torch.float64)
    with torch.no_grad():
        whole = predict_tiled(model, image, tile=20, context=model.context)
        alone = model(mirror_pad(image[None, :, 20:40, 20:40], model.context))[0]
    assert (whole[:, 20:40, 20:40] - alone).abs().max() > 1e-3


def test_an_output_sees_188_or_204_pixels():
    field = measured_receptive_field(UNet(1, 1, base_channels=1), (572, 572))
    assert field.size in (188, 204)


def test_dropout_acts_on_the_two_deepest_levels_only_in_training():
    model = UNet(base_channels=2, depth=3, padding="same")
    seen = []
    model.dropout.register_forward_hook(lambda module, args, output: seen.append(output.shape[1]))
    model(torch.zeros(1, 1, 16, 16))
    assert seen == [8, 16]


@pytest.mark.parametrize(
    ("options", "message"),
    [({"padding": "reflect"}, "'valid' or 'same'.*'reflect'"), ({"depth": 0}, "at least 1, got 0")],
    ids=["padding", "depth"],
)
def test_options_that_do_not_exist(options, message):
    with pytest.raises(ValueError, match=message):
        UNet(base_channels=1, **options)
