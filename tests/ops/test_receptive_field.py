import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet18

from coursekit.ops import ReceptiveField, measured_receptive_field, receptive_field

ALEXNET = [(11, 4), (3, 2), (5, 1, 2), (3, 2), *3 * [(3, 1, 1)], (3, 2)]


def vgg(*convolutions_a_stage):
    return [layer for n in convolutions_a_stage for layer in [*n * [(3, 1, 1)], (2, 2)]]


INCEPTION = (5, 1, 2)  # its widest branch
POOL = (3, 2, 1)
GOOGLENET = [(7, 2, 3), POOL, (1, 1), (3, 1, 1), POOL, *2 * [INCEPTION], POOL, *5 * [INCEPTION], POOL, *2 * [INCEPTION]]


@pytest.mark.parametrize(
    ("layers", "size", "stride"),
    [
        pytest.param(ALEXNET, 195, 32, id="AlexNet pool5"),
        pytest.param([*ALEXNET, (6, 1)], 355, 32, id="AlexNet fc6"),
        pytest.param(vgg(2, 2, 3), 44, 8, id="VGG16 pool3"),
        pytest.param(vgg(2, 2, 3, 3), 100, 16, id="VGG16 pool4"),
        pytest.param(vgg(2, 2, 3, 3, 3), 212, 32, id="VGG16 pool5"),
        pytest.param([*vgg(2, 2, 3, 3, 3), (7, 1)], 404, 32, id="VGG16 fc6"),
        pytest.param(GOOGLENET, 715, 32, id="GoogLeNet before the average pool"),
        pytest.param([*GOOGLENET, (7, 1)], 907, 32, id="GoogLeNet after it"),
        pytest.param(3 * [(3, 1)], 7, 1, id="three 3x3"),
        pytest.param([(3, 1, 0, d) for d in (1, 2, 4)], 15, 1, id="dilations 1 2 4"),
    ],
)
def test_2_receptive_fields_of_the_fcn_table(layers, size, stride):
    field = receptive_field(layers)
    assert (field.size, field.stride) == (size, stride)
    assert field.start == -sum(
        layer[2] * strides for layer, strides in zip(layers, running_strides(layers), strict=True) if len(layer) > 2
    )


def running_strides(layers):
    step = 1
    for layer in layers:
        yield step
        step *= layer[1]


def random_chain(seed):
    """Four to six layers of every kind that has a rule, with sizes that may differ down and across."""
    generator = torch.Generator().manual_seed(seed)

    def draw(low, high, pair=False):
        numbers = torch.randint(low, high + 1, (2,), generator=generator).tolist()
        return tuple(numbers) if pair else numbers[0]

    layers = []
    for _ in range(draw(4, 6)):
        kind = draw(0, 5)
        kernel, stride = draw(1, 4, pair=True), draw(1, 2, pair=True)
        if kind <= 1:
            layers.append(
                nn.Conv2d(2, 2, kernel, stride, draw(0, 2, pair=True), draw(1, 2, pair=True), groups=kind + 1)
            )
        elif kind == 2:
            layers.append(nn.Conv2d(2, 2, kernel, padding="same", dilation=draw(1, 2)))
        elif kind == 3:
            layers.append(nn.MaxPool2d((2, 3), stride, padding=1, dilation=draw(1, 2), ceil_mode=bool(draw(0, 1))))
        elif kind == 4:
            layers.append(nn.AvgPool2d(2, stride, ceil_mode=bool(draw(0, 1))))
        else:
            layers.append(
                nn.Sequential(nn.BatchNorm2d(2), nn.ReLU(), nn.GroupNorm(1, 2), nn.Dropout(), nn.SiLU(), nn.Softmax2d())
            )
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.Sequential(*layers))


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize("seed", range(20))
def test_arithmetic_and_gradient_agree_on_random_chains(seed):
    model = random_chain(seed)
    assert receptive_field(model) == measured_receptive_field(model, input_size=(300, 330))


def test_down_and_across_are_given_apart_where_they_differ():
    model = nn.Sequential(nn.Conv2d(1, 1, (3, 5), stride=(2, 1), padding=1), nn.MaxPool2d(2, stride=1))
    expected = ReceptiveField(size=(5, 6), stride=(2, 1), start=-1)
    assert receptive_field(model) == expected
    assert measured_receptive_field(model, (20, 20)) == expected


def test_a_module_whose_children_run_in_order():
    class Chain(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Sequential())
            self.second = nn.Conv2d(4, 1, 3, stride=2)

        def forward(self, x):
            return self.second(self.first(x))

    assert receptive_field(Chain()) == ReceptiveField(5, 2, 0)
    assert receptive_field([Chain(), (3, 1)]) == ReceptiveField(9, 2, 0)


@pytest.mark.parametrize(
    "layer",
    [nn.Upsample(scale_factor=2), nn.ConvTranspose2d(1, 1, 2, 2), nn.Linear(3, 3), (3,), (1, 2, 3, 4, 5), "conv"],
)
def test_an_unknown_layer_is_an_error(layer):
    with pytest.raises(ValueError, match=r"is not known: write \(kernel, stride, padding, dilation\) in its place"):
        receptive_field([(3, 1), layer])


class Residual(nn.Module):
    """A wide path beside a narrow one, summed under a max pooling that hides all but one position."""

    def __init__(self):
        super().__init__()
        self.narrow, self.wide = nn.Conv2d(2, 2, 1), nn.Conv2d(2, 2, 3, padding=2, dilation=2)

    def forward(self, x):
        return F.max_pool2d(F.relu(self.narrow(x) + self.wide(x)), 3, stride=2, padding=1)


def test_skips_and_functional_pooling():
    # Wide path 5, pooling adds 2 pixels at stride 1; the second block adds 4 and 2 at stride 2.
    field = measured_receptive_field(nn.Sequential(Residual().eval(), Residual()), (64, 60))
    assert field == ReceptiveField(size=5 + 2 + 2 * 6, stride=4, start=-3 - 2 * 3)


def test_resnet18():
    body = nn.Sequential(*list(resnet18(weights=None, num_classes=2).children())[:6])
    assert measured_receptive_field(body, (256, 256)) == ReceptiveField(size=99, stride=8, start=-49)


class TinyUNet(nn.Module):
    """U-Net's geometry with one channel: four poolings, two valid 3 × 3 convolutions a level, 2 × 2 up-convolutions."""

    def __init__(self, phase=0):
        super().__init__()
        self.phase = phase
        self.pairs = nn.ModuleList(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)) for _ in range(9))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(1, 1, 2, 2) for _ in range(4))

    def forward(self, x):
        skips = []
        for pair in self.pairs[:4]:
            skips.append(pair(x))
            x = F.max_pool2d(skips[-1], 2)
        x = self.pairs[4](x)
        for up, pair in zip(self.ups, self.pairs[5:], strict=True):
            x, skip = up(x), skips.pop()
            margin = (skip.shape[-1] - x.shape[-1]) // 2
            x = pair(x + skip[..., margin:-margin, margin:-margin])
        return x[..., self.phase :, self.phase :]


def test_2_unet_sees_188_or_204_pixels_by_phase():
    fields = [measured_receptive_field(TinyUNet(phase), (412, 412)) for phase in range(0, 16, 3)]
    assert {field.size for field in fields} == {188, 204}
    assert fields[0] == ReceptiveField(size=188, stride=1, start=0)


@pytest.mark.parametrize("phase", [0, 1])
def test_unpooling_reaches_wherever_a_maximum_may_have_been(phase):
    class Unpooled(nn.Module):
        def forward(self, x):
            pooled, indices = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
            return F.max_unpool2d(pooled, indices, 2, output_size=x.shape[2:])[..., phase:, phase:]

    assert measured_receptive_field(Unpooled(), (33, 35)) == ReceptiveField(size=2, stride=1, start=0)


def test_upsampling_steps_by_less_than_a_pixel():
    up = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1)
    assert measured_receptive_field(up, (40, 50)) == ReceptiveField(size=2, stride=0.5, start=-1)


def test_measuring_leaves_the_model_alone():
    model = nn.Sequential(nn.Conv2d(3, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    measured_receptive_field(model, (16, 16))
    assert model.training
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert model[0].weight.dtype == torch.float32
    assert model[0].weight.requires_grad
    assert model[0].weight.grad is None


def test_2_every_sth_patch_and_shift_and_stitch():
    """The convolution alone sees every patch, with the pooling every second one; shifted by one the others."""
    x = torch.tensor([1.0, 3, 2, 5, 4, 0])[None, None]

    def convolve(x):
        return F.conv1d(x, torch.ones(1, 1, 3))

    assert convolve(x).flatten().tolist() == [6, 10, 11, 9]
    even, odd = F.max_pool1d(convolve(x), 2), F.max_pool1d(convolve(x[..., 1:]), 2)
    assert even.flatten().tolist() == [10, 11]
    assert odd.flatten().tolist() == [11]
    stitched = [even[..., 0].item(), odd[..., 0].item(), even[..., 1].item()]
    assert stitched == [10, 11, 11] == F.max_pool1d(convolve(x), 2, stride=1).flatten().tolist()


@pytest.mark.parametrize(
    ("model", "input_size", "error", "message"),
    [
        (nn.Conv2d(1, 1, 9, padding=4), (10, 10), ValueError, r"reaches the border of an input of \(10, 10\)"),
        (nn.Sequential(nn.ZeroPad2d((8, 0, 8, 0)), nn.Conv2d(1, 1, 9)), (10, 10), ValueError, "reaches the border"),
        (nn.Sequential(nn.ZeroPad2d((0, 8, 0, 8)), nn.Conv2d(1, 1, 9)), (10, 10), ValueError, "reaches the border"),
        (nn.Conv2d(1, 1, 9), (9, 40), ValueError, "one output only"),
        (nn.Conv2d(1, 1, 9), (10, 40), ValueError, "reaches the border"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten()), (9, 9), TypeError, r"\(N, K, H, W\) tensor, not Tensor"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Threshold(2, 0)), (20, 20), ValueError, "no gradient reaches the input"),
    ],
    ids=["padded", "padded before", "padded after", "one output", "too small", "flat", "threshold"],
)
def test_what_cannot_be_measured_is_an_error(model, input_size, error, message):
    with pytest.raises(error, match=message):
        measured_receptive_field(model, input_size)
