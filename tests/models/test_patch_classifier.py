"""The naive way and its dense form agree at the same centres."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from coursekit.models import PatchClassifier
from coursekit.ops import mirror_pad, receptive_field


def classifier(**options):
    torch.manual_seed(0)
    return PatchClassifier(3, 2, width=2, **options).double().eval()


def image(n=2, height=9, width=11):
    return torch.rand(n, 2, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("patch_size", [13, 17, 21])
@pytest.mark.parametrize("size", [(9, 11), (30, 5), (1, 1)], ids=str)
def test_dense_scores_are_those_of_every_patch(patch_size, size):
    model, x = classifier(patch_size=patch_size), image(2, *size)
    with torch.no_grad():
        naive = model(x)
        assert naive.shape == (2, 3, *size)
        torch.testing.assert_close(model.as_dense()(x), naive)


def test_the_naive_scores_are_those_of_the_window_around_each_pixel():
    model, x = classifier(patch_size=13), image()
    padded = mirror_pad(x, 6)
    with torch.no_grad():
        scores = model(x)
        for row, column in [(0, 0), (4, 7), (8, 10)]:
            window = padded[..., row : row + 13, column : column + 13]
            torch.testing.assert_close(window[..., 6, 6], x[..., row, column])
            torch.testing.assert_close(scores[..., row, column], model.classify(window))


def test_with_its_poolings_left_alone_the_dense_form_scores_every_fourth_pixel():
    model, x = classifier(patch_size=13), image(2, 14, 19)
    with torch.no_grad():
        torch.testing.assert_close(model.as_dense(every_pixel=False)(x), model(x)[..., ::4, ::4])


def test_shift_and_stitch_recovers_the_rest():
    """Sixteen shifted images through the strided network, interlaced, are the network without strides."""
    model, x = classifier(patch_size=13), image(2, 12, 16)
    _, *layers = model.as_dense(every_pixel=False)
    strided, padded = torch.nn.Sequential(*layers), mirror_pad(x, 6)
    stitched = torch.zeros(2, 3, 12, 16, dtype=torch.float64)
    with torch.no_grad():
        for down in range(4):
            for across in range(4):
                stitched[..., down::4, across::4] = strided(padded[..., down:, across:])
        torch.testing.assert_close(stitched, model(x))


@pytest.mark.parametrize(("every_pixel", "stride"), [(True, 1), (False, 4)])
def test_the_dense_form_sees_the_same_window(every_pixel, stride):
    _, *layers = classifier(patch_size=25).as_dense(every_pixel)
    field = receptive_field(layers)
    assert (field.size, field.stride, field.start) == (25, stride, 0)


def test_dense_form_is_a_copy_and_leaves_the_model_alone():
    model, x = classifier(), image()
    with torch.no_grad():
        before = model(x)
        for parameter in model.as_dense().parameters():
            parameter.zero_()
        assert torch.equal(model(x), before)


def multiplications(model, x):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(x)
    return counter.get_total_flops() / 2  # each with its addition


@pytest.mark.parametrize(
    ("side", "naive", "dense", "strided"), [(64, 2.39, 0.21, 0.03), (128, 9.56, 0.82, 0.10)], ids=["64", "128"]
)
def test_multiplications_are_those_of_the_table(side, naive, dense, strided):
    with torch.device("meta"):
        model = PatchClassifier()
        x = torch.empty(1, 3, side, side)
        patches = torch.empty(side, 3, 21, 21)  # one row of windows; the naive way classifies one row after another
        assert side * multiplications(model.classify, patches) / 1e9 == pytest.approx(naive, abs=0.005)
        assert multiplications(model.as_dense(), x) / 1e9 == pytest.approx(dense, abs=0.005)
        assert multiplications(model.as_dense(every_pixel=False), x) / 1e9 == pytest.approx(strided, abs=0.005)


@pytest.mark.parametrize("patch_size", [9, 12, 20, 23])
def test_patches_without_a_middle_or_with_uneven_poolings_are_an_error(patch_size):
    with pytest.raises(ValueError, match=rf"13, 17, 21, 25, … .*got {patch_size}"):
        PatchClassifier(patch_size=patch_size)
