"""FCN: counts, sizes, crops, a classifier made convolutional, and skips that start at zero."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from coursekit.models import FCN8s, FCN16s, FCN32s, convolutionalize, fcn
from coursekit.ops import bilinear_kernel, conv_transpose2d, receptive_field

BACKBONES = ["alexnet", "vgg16", "googlenet"]
every_backbone = pytest.mark.parametrize("backbone", BACKBONES)
every_fcn = pytest.mark.parametrize("make", [FCN32s, FCN16s, FCN8s])


def count(model):
    return sum(parameter.numel() for parameter in model.parameters())


def on_meta(make, **options):
    with torch.device("meta"):
        return make(**options).eval()


def small(make, **options):
    torch.manual_seed(0)
    return make(**({"num_classes": 3, "width": 8, "window": 2} | options)).eval()


def randomise_skips(model):
    for name, parameter in model.named_parameters():
        if name.startswith(("score16", "score8")):
            nn.init.normal_(parameter)


# -- parameters ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backbone", "parameters"), [("alexnet", 56_954_261), ("vgg16", 134_346_581), ("googlenet", 5_995_077)]
)
def test_parameters_without_the_upsampling(backbone, parameters):
    model = on_meta(FCN32s, backbone=backbone)
    assert count(model) == parameters
    assert not list(model.buffers())


@pytest.mark.parametrize(
    ("make", "options", "kernels", "caffe"),
    [
        (FCN32s, {"backbone": "alexnet"}, [63], 58_704_590),
        (FCN32s, {}, [64], 136_152_917),
        (FCN16s, {}, [4, 32], 134_815_994),
        (FCN8s, {}, [4, 4, 16], 134_489_759),
    ],
    ids=["alexnet-32s", "vgg16-32s", "vgg16-16s", "vgg16-8s"],
)
def test_with_the_authors_dense_kernels_the_counts_are_those_of_their_files(make, options, kernels, caffe):
    dense = sum(21 * 21 * size * size for size in kernels)
    assert count(on_meta(make, **options)) + dense == caffe


def test_parameters_of_vgg16_s_parts():
    model = on_meta(FCN8s)
    features = count(model.to8) + count(model.to16) + sum(count(layer) for layer in list(model.to32)[:7])
    fc6, fc7 = (layer for layer in list(model.to32)[7:] if isinstance(layer, nn.Conv2d))
    assert features == 14_714_688
    assert (count(fc6), count(fc7)) == (102_764_544, 16_781_312)
    assert (count(model.score), count(model.score16), count(model.score8)) == (86_037, 10_773, 5_397)


# -- sizes and crops -------------------------------------------------------------------------------------------------


def test_sizes_of_500_pixels_through_vgg16():
    model = on_meta(FCN8s)
    sizes = []
    for layer in (*model.to8, *model.to16, *model.to32):
        if isinstance(layer, nn.MaxPool2d) or layer is model.to8[0]:
            layer.register_forward_hook(lambda module, args, output: sizes.append(output.shape[-1]))
    model.score.register_forward_hook(lambda module, args, output: sizes.append(output.shape[-1]))
    assert model(torch.empty(1, 3, 500, 500, device="meta")).shape[-2:] == (500, 500)
    assert sizes == [698, 349, 175, 88, 44, 22, 16]


def enlarged_and_cropped(monkeypatch, model, size):
    """(size before, offset, size after) of every crop."""
    seen = []
    crop = fcn.crop

    def spy(x, offset, like):
        seen.append((x.shape[-1], offset, like.shape[-1]))
        return crop(x, offset, like)

    monkeypatch.setattr(fcn, "crop", spy)
    model(torch.empty(1, 3, size, size, device="meta"))
    monkeypatch.undo()
    return seen


@pytest.mark.parametrize(
    ("make", "options", "crops"),
    [
        (FCN32s, {}, [(544, 19, 500)]),
        (FCN16s, {}, [(44, 5, 34), (560, 27, 500)]),
        (FCN8s, {}, [(44, 5, 34), (88, 9, 70), (568, 31, 500)]),
        (FCN32s, {"backbone": "alexnet"}, [(543, 18, 500)]),
    ],
    ids=["32s", "16s", "8s", "alexnet"],
)
def test_crops_of_500_pixels_are_the_authors(monkeypatch, make, options, crops):
    assert enlarged_and_cropped(monkeypatch, on_meta(make, width=8, **options), 500) == crops


def test_poolings_that_round_down_leave_the_scores_short_of_the_image(monkeypatch):
    model = on_meta(FCN32s, width=8)
    for layer in model.modules():
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = False
    ((enlarged, offset, _),) = enlarged_and_cropped(monkeypatch, model, 500)
    assert enlarged == 512 < offset + 500


@every_backbone
@every_fcn
def test_any_size_is_covered_by_the_enlarged_scores(monkeypatch, make, backbone):
    for window in (1, fcn.BACKBONES[backbone].window):
        model = on_meta(make, width=8, backbone=backbone, window=window)
        for size in (1, 2, 5, 16, 31, 32, 33, 47, 64, 90, 121):
            *skips, (enlarged, offset, _) = enlarged_and_cropped(monkeypatch, model, size)
            assert enlarged >= offset + size
            if window > 1:
                assert all(before >= first + after for before, first, after in skips)


@every_backbone
@pytest.mark.parametrize("window", [1, 4, None], ids=["window-1", "window-4", "published"])
def test_crops_follow_from_where_the_receptive_fields_lie(backbone, window):
    """The middle of a map's first field is its first value's place; upsampling moves it; the crops undo that."""
    model = small(FCN8s, backbone=backbone, window=window)

    def first_middle(layers):
        field = receptive_field([branch for layer in layers for branch in getattr(layer, "branch5", [layer])])
        return field.start + (field.size - 1) / 2, field.stride

    at8, stride8 = first_middle(model.to8)
    at16, stride16 = first_middle([*model.to8, *model.to16])
    at32, stride32 = first_middle(model.longest_path())
    assert (stride8, stride16, stride32) == (8, 16, 32)

    def after(place, new_stride, scale):
        kernel = 2 * scale - model.net.odd
        return place - new_stride * (kernel - 1) / 2

    assert after(at32, 1, 32) == -model.net.crops[0]
    sum16 = after(at32, 16, 2)
    assert (sum16 - at16) / 16 == model.crop16
    assert after(sum16, 1, 16) == -model.net.crops[1]
    sum8 = after(sum16, 8, 2)
    assert (sum8 - at8) / 8 == model.crop8
    assert after(sum8, 1, 8) == -model.net.crops[2]


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("scale", [2, 8, 16, 32])
def test_upsampling_is_a_transposed_convolution_with_the_dense_bilinear_kernel(scale, odd):
    x = torch.randn(2, 3, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kernel = bilinear_kernel(3, 2 * scale - odd).double()
    torch.testing.assert_close(fcn.upsample(x, scale, odd), conv_transpose2d(x, kernel, stride=scale))
    if not odd:
        inside = fcn.upsample(x, scale, odd)[..., scale:-scale, scale:-scale]
        expected = F.interpolate(x, scale_factor=scale, mode="bilinear")[
            ..., scale // 2 : -(scale // 2), scale // 2 : -(scale // 2)
        ]
        torch.testing.assert_close(inside, expected)


# -- skips that start at zero ----------------------------------------------------------------------------------------


def twice_enlarged(model32, x, scale):
    """FCN-32s's scores enlarged twice and then by `scale`, as FCN-16s enlarges them, cropped to the image."""
    scores = model32.score(model32.to32(model32.to16(model32.to8(x))))
    odd = model32.net.odd
    return fcn.crop(fcn.upsample(fcn.upsample(scores, 2, odd), scale, odd), model32.net.crops[1], x)


@every_backbone
@pytest.mark.parametrize("window", [1, None], ids=["window-1", "published"])
def test_fcn16s_starts_as_fcn32s_enlarged_in_two_steps(backbone, window):
    model32 = small(FCN32s, backbone=backbone, window=window).double()
    model16 = FCN16s.from_fcn32s(model32)
    x = torch.rand(2, 3, 45, 70, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(model16(x), twice_enlarged(model32, x, 16))


@pytest.mark.parametrize("backbone", ["alexnet", "googlenet"])
@pytest.mark.parametrize(("grow", "make"), [(FCN16s.from_fcn32s, FCN32s), (FCN8s.from_fcn16s, FCN16s)])
def test_with_an_odd_receptive_field_two_steps_are_one(backbone, grow, make):
    """Every score falls on a pixel, so the knots of the second interpolation are those of the first and midpoints."""
    model = small(make, backbone=backbone).double()
    grown = grow(model)
    x = torch.rand(1, 3, 100, 132, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(grown(x), model(x), rtol=0, atol=1e-12)


def test_with_vgg16_fcn16s_is_fcn32s_in_the_middle_half_between_two_scores():
    """Scores fall between pixels: the second interpolation's knots lie a quarter before and after the first's."""
    model32 = small(FCN32s).double()
    model16 = FCN16s.from_fcn32s(model32)
    x = torch.rand(1, 3, 100, 132, dtype=torch.float64)
    field = receptive_field(model32.longest_path())
    first = field.start + (field.size - 1) / 2

    def in_the_middle_half(size):
        phase = ((torch.arange(size) - first) / 32) % 1
        return (phase >= 0.25) & (phase <= 0.75)

    middle = in_the_middle_half(100)[:, None] & in_the_middle_half(132)
    with torch.no_grad():
        difference = (model16(x) - model32(x)).abs().amax((0, 1))
        scores = model32.score(model32.to32(model32.to16(model32.to8(x))))
    assert middle.float().mean() > 0.2
    assert difference[middle].max() < 1e-12
    assert difference[~middle].max() > 1e-6
    # The corner that is cut is at most a quarter of the jump between neighbours: an eighth in each direction.
    assert difference.max() <= (scores.amax() - scores.amin()) / 4


def test_where_the_scores_are_linear_fcn16s_and_fcn32s_agree_everywhere():
    rows, columns = torch.meshgrid(torch.arange(6.0), torch.arange(7.0), indexing="ij")
    scores = (2 * rows - 3 * columns + 1)[None, None].double()
    image = torch.empty(1, 3, 90, 122)
    once = fcn.crop(fcn.upsample(scores, 32, False), 19, image)
    twice = fcn.crop(fcn.upsample(fcn.upsample(scores, 2, False), 16, False), 27, image)
    thrice = fcn.upsample(fcn.upsample(fcn.upsample(scores, 2, False), 2, False), 8, False)
    inside = (..., slice(25, None), slice(25, None))  # before the outermost scores there is nothing but zero
    torch.testing.assert_close(once[inside], twice[inside])
    torch.testing.assert_close(once[inside], fcn.crop(thrice, 31, image)[inside])


@every_backbone
def test_fcn8s_starts_as_fcn16s_enlarged_in_two_steps(backbone):
    model16 = small(FCN16s, backbone=backbone).double()
    randomise_skips(model16)
    model8 = FCN8s.from_fcn16s(model16)
    x = torch.rand(2, 3, 45, 70, dtype=torch.float64)
    sums = []
    hook = model16.score16.register_forward_hook(lambda module, args, output: sums.append(output))
    with torch.no_grad():
        before, after = model16(x), model8(x)
        scores = fcn.upsample(model16.score(model16.to32(model16.to16(model16.to8(x)))), 2, model16.net.odd)
    hook.remove()
    scores = scores + fcn.crop(sums[0], model16.crop16, scores)
    odd = model16.net.odd
    in_two_steps = fcn.crop(fcn.upsample(fcn.upsample(scores, 2, odd), 8, odd), model16.net.crops[2], x)
    assert torch.equal(after, in_two_steps)
    torch.testing.assert_close(before, after, rtol=0, atol=(before.amax() - before.amin()).item() / 4)


@pytest.mark.parametrize(
    ("grow", "make", "new"), [(FCN16s.from_fcn32s, FCN32s, "score16"), (FCN8s.from_fcn16s, FCN16s, "score8")]
)
def test_only_the_new_skip_is_new_and_it_learns(grow, make, new):
    model = small(make).double().train()
    grown = grow(model)
    assert grown.training
    assert grown.score.weight.dtype == torch.float64
    state, before = grown.state_dict(), model.state_dict()
    assert state.keys() - before.keys() == {f"{new}.weight", f"{new}.bias"}
    assert all(torch.equal(state[name], before[name]) for name in before)
    assert not state[f"{new}.weight"].any()
    assert not state[f"{new}.bias"].any()
    assert grown.score.weight.data_ptr() != model.score.weight.data_ptr()  # a copy: the model trains on alone
    grown(torch.rand(1, 3, 40, 40, dtype=torch.float64)).square().sum().backward()
    assert grown.get_submodule(new).weight.grad.any()
    assert model.score.weight.grad is None


@pytest.mark.parametrize("make", [FCN16s, FCN8s])
def test_the_skips_matter_once_they_are_not_zero(make):
    model = small(make)
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        before = model(x)
        randomise_skips(model)
        assert not torch.allclose(model(x), before)


# -- convolutionalize ------------------------------------------------------------------------------------------------


def classifier(in_features, bias=True):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(in_features, 11, bias=bias), nn.ReLU(), nn.Dropout(), nn.Linear(11, 4, bias=bias)
    )


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("shape", [(5, 3, 2), (1, 7, 7), (6, 1, 1)], ids=str)
def test_convolutionalize_gives_the_classifier_s_scores_on_every_window(shape, bias):
    channels, height, width = shape
    fully_connected = classifier(channels * height * width, bias).double().eval()
    dense = convolutionalize(fully_connected, shape)
    x = torch.randn(2, channels, 9, 8, dtype=torch.float64)
    scores = dense(x)
    assert scores.shape == (2, 4, 9 - height + 1, 8 - width + 1)
    for row in range(scores.shape[2]):
        for column in range(scores.shape[3]):
            window = x[..., row : row + height, column : column + width]
            torch.testing.assert_close(scores[..., row, column], fully_connected(window))
    assert count(dense) == count(fully_connected)


def test_convolutionalize_copies_and_keeps_the_mode():
    fully_connected = classifier(12)
    dense = convolutionalize(fully_connected, (3, 2, 2))
    assert dense.training
    dense(torch.rand(1, 3, 4, 4)).sum().backward()
    assert fully_connected[1].weight.grad is None
    nn.init.zeros_(dense[0].weight)
    assert fully_connected[1].weight.any()


def test_convolutionalize_s_errors_name_the_layer_and_the_way_out():
    with pytest.raises(ValueError, match=r"in_features=12.*3 × 4 × 4 = 48 values; in_shape"):
        convolutionalize(classifier(12), (3, 4, 4))
    with pytest.raises(TypeError, match=r"BatchNorm1d.*value by value"):
        convolutionalize(nn.Sequential(nn.Flatten(), nn.Linear(12, 4), nn.BatchNorm1d(4)), (3, 2, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "vgg19"}, "'vgg19'; there are alexnet, vgg16, googlenet"),
        ({"width": 12}, "multiple of 8.*12"),
        ({"window": 8}, "vgg16 takes a window of 1 to 7 positions, got 8"),
        ({"window": 0}, "1 to 7 positions, got 0"),
    ],
    ids=["backbone", "width", "window-too-large", "window-0"],
)
def test_options_that_do_not_exist(options, message):
    with pytest.raises(ValueError, match=message):
        FCN32s(**{"width": 8} | options)
