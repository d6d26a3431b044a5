import numpy as np
import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from coursekit.ops import mirror_pad, predict_tiled


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def valid():
    """Two valid convolutions: three pixels of context on every side."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Conv2d(4, 3, 5)).double()


def test_4_reflect_not_symmetric():
    row = torch.tensor([[[[1, 2, 3]]]])
    assert mirror_pad(row, (0, 2)).flatten().tolist() == [3, 2, 1, 2, 3, 2, 1]


@pytest.mark.parametrize("margin", [0, 1, 4, 5, 9, 30, (3, 0), (0, 17)])
@pytest.mark.parametrize("size", [(5, 6), (2, 7), (1, 3)], ids="{0[0]}x{0[1]}".format)
def test_mirror_pad_is_numpys_beyond_the_pictures_size_too(size, margin):
    x = random(2, 3, *size)
    down, across = (margin, margin) if isinstance(margin, int) else margin
    expected = np.pad(x.numpy(), [(0, 0), (0, 0), (down, down), (across, across)], mode="reflect")
    assert np.array_equal(mirror_pad(x, margin).numpy(), expected)


def test_mirror_pad_of_one_plane_and_a_negative_margin():
    assert mirror_pad(torch.ones(2, 2, dtype=torch.uint8), 1).shape == (4, 4)
    with pytest.raises(ValueError, match="margin is a number or a pair"):
        mirror_pad(torch.ones(2, 2), -1)


@pytest.mark.parametrize("tile", [1, 4, 7, 50, (3, 5)])
@pytest.mark.parametrize("size", [(8, 12), (7, 9), (2, 3)], ids="{0[0]}x{0[1]}".format)
def test_4_tiles_equal_one_pass_over_the_mirrored_image(valid, size, tile):
    image = random(2, *size)
    whole = valid(mirror_pad(image, 3)[None])[0]
    tiled = predict_tiled(valid, image, tile, 3)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-12)
    assert torch.equal(predict_tiled(valid, image[None], tile, 3)[0], tiled)


def test_4_mirroring_every_tile_is_another_result(valid):
    image = random(2, 8, 8)
    by_tile = torch.cat([valid(mirror_pad(image[None, :, :, at : at + 4], 3)) for at in (0, 4)], dim=3)
    assert (by_tile[0] - predict_tiled(valid, image, (8, 4), 3)).abs().max() > 0.1


def test_a_padded_network_loses_its_rim():
    padded = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.ReLU(), nn.Conv2d(2, 1, 3, padding=1)).double()
    image = random(1, 10, 13)
    whole = padded(mirror_pad(image, 2)[None])[0, :, 2:-2, 2:-2]
    torch.testing.assert_close(predict_tiled(padded, image, 4, 2), whole)
    torch.testing.assert_close(predict_tiled(padded, image, 4, (5, 3)), whole)


def test_a_network_that_pools_needs_tiles_of_its_stride():
    """Pool and copy back: valid, stride 2; context 2 around even tiles keeps the phase."""
    model = nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool2d(2), nn.Upsample(scale_factor=2), nn.Conv2d(1, 1, 3)).double()
    image = random(1, 12, 16)
    whole = model(mirror_pad(image, 2)[None])[0]
    torch.testing.assert_close(predict_tiled(model, image, 4, 2), whole)
    torch.testing.assert_close(predict_tiled(model, image, (6, 8), 2), whole)


def test_every_call_sees_one_tile_and_its_context():
    seen = []

    def model(x):
        seen.append(tuple(x.shape))
        return x[..., 2:-2, 1:-1]

    image = random(3, 5, 9)
    assert torch.equal(predict_tiled(model, image, (2, 4), (2, 1)), image)
    assert seen == 9 * [(1, 3, 6, 6)]


def test_gradients(valid):
    assert gradcheck(lambda x: predict_tiled(valid, x, 2, 3), random(2, 3, 3).requires_grad_())


@pytest.mark.parametrize("context", [2, (3, 2)])
def test_too_little_context_is_an_error(valid, context):
    with pytest.raises(ValueError, match=r"returned \d × \d pixels for a tile of 4 × 4: take a context of half"):
        predict_tiled(valid, random(2, 8, 8), 4, context)


def test_a_model_without_a_centre_is_an_error():
    with pytest.raises(ValueError, match="returned 5 × 5 pixels for a tile of 4 × 4"):
        predict_tiled(nn.Conv2d(2, 1, 4).double(), random(2, 8, 8), 4, 2)
