"""FCN: a classifier slid over the image, its scores enlarged, sharpened by earlier layers' scores.

Long, Shelhamer & Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, and its longer
version by Shelhamer, Long & Darrell, TPAMI 2017.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from coursekit.models.blocks import VGG16_PLAN, he_initialise
from coursekit.ops import bilinear_kernel

VALUE_BY_VALUE = (nn.ReLU, nn.LeakyReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Dropout, nn.Identity)


def convolutionalize(classifier: nn.Sequential, in_shape: tuple[int, int, int]) -> nn.Sequential:
    """The convolutions that give, on a larger map, a fully connected classifier's scores of every window.

    `classifier` takes a flattened map of `in_shape` (C, H, W): linear layers, and between them whatever works
    value by value. Its first linear layer becomes an H × W convolution, the others 1 × 1. The weights are
    copied, and on an input of that very shape the output is one pixel, the classifier's own scores. Section
    3.1 of the paper.

    Raises ValueError where the first linear layer does not take C · H · W values, and TypeError for a layer
    that mixes values.
    """
    layers: list[nn.Module] = []
    channels, height, width = in_shape
    for layer in classifier:
        if isinstance(layer, nn.Linear):
            if layer.in_features != channels * height * width:
                raise ValueError(
                    f"{layer} cannot take a map of {channels} × {height} × {width} = "
                    f"{channels * height * width} values; in_shape is what reaches nn.Flatten"
                )
            convolution = nn.Conv2d(channels, layer.out_features, (height, width), bias=layer.bias is not None)
            convolution.to(layer.weight)
            # nn.Flatten reads a map channel by channel, row by row; so does this.
            weights = {"weight": layer.weight.unflatten(1, (channels, height, width))}
            if layer.bias is not None:
                weights["bias"] = layer.bias
            convolution.load_state_dict(weights)
            layers.append(convolution)
            channels, height, width = layer.out_features, 1, 1
        elif isinstance(layer, VALUE_BY_VALUE):
            layers.append(copy.deepcopy(layer))
        elif not isinstance(layer, nn.Flatten):
            raise TypeError(f"{layer} does not work value by value; only the linear layers may mix values")
    return nn.Sequential(*layers).train(classifier.training)


class FCN32s(nn.Module):
    """One score map at stride 32, enlarged to the image.

    `backbone` is "vgg16", "alexnet" or "googlenet", each as published for Caffe: AlexNet's second, fourth and
    fifth convolutions in two groups, GoogLeNet with 5 × 5 branches, biases and no batch normalisation.

    The first convolution pads by 100 (GoogLeNet's by 116), so that even a single pixel fills the window of
    7 × 7 positions (AlexNet's 6 × 6) that was the classifier's whole input. Each position less of `window`
    needs 16 less of padding and moves no score: `window=1` is for small images on a laptop. `width` is VGG's
    first number of channels, a multiple of 8, and scales every backbone alike; 64 is the published size.

    The upsampling is fixed to bilinear and has no parameters. The authors' files keep it as a dense kernel that
    is zero between classes: (2 · 32)² · 21² = 1,806,336 constants beside VGG-16's 134,346,581 parameters.
    """

    def __init__(
        self,
        num_classes: int = 21,
        in_channels: int = 3,
        width: int = 64,
        *,
        backbone: str = "vgg16",
        window: int | None = None,
    ) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"no backbone is called {backbone!r}; there are {', '.join(BACKBONES)}")
        net = self.net = BACKBONES[backbone]
        if width % 8:
            raise ValueError(f"width must be a multiple of 8, so that every layer scales evenly; got {width}")
        if window is None:
            window = net.window
        if not 1 <= window <= net.window:
            raise ValueError(f"{backbone} takes a window of 1 to {net.window} positions, got {window}")
        self.options: dict[str, Any] = {
            "num_classes": num_classes,
            "in_channels": in_channels,
            "width": width,
            "backbone": backbone,
            "window": window,
        }
        self.missing = net.window - window
        self.channels = [channels * width // 64 for channels in net.channels]
        self.to8, self.to16, self.to32 = net.layers(in_channels, width, window, net.padding - 16 * self.missing)
        self.score = nn.Conv2d(self.channels[2], num_classes, 1)
        self.apply(he_initialise)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes h w"]:
        """Logits at the image's size, which may be any."""
        scores = self.score(self.to32(self.to16(self.to8(x))))
        return crop(upsample(scores, 32, self.net.odd), self.net.crops[0], x)

    def longest_path(self) -> Iterator[nn.Module]:
        """The layers from the image to the scores whose receptive field is largest."""
        for layer in (*self.to8, *self.to16, *self.to32, self.score):
            if isinstance(layer, Inception):
                yield from layer.branch5
            else:
                yield layer


class FCN16s(FCN32s):
    """The scores at stride 32, enlarged twice, plus scores of the map at stride 16.

    The new scores start at zero, so that training goes on from where FCN-32s stopped.
    """

    def __init__(self, num_classes: int = 21, in_channels: int = 3, width: int = 64, **options: Any) -> None:
        super().__init__(num_classes, in_channels, width, **options)
        self.score16 = zero_score(self.channels[1], num_classes)
        self.crop16 = self.net.skip_crops[0] - self.missing

    @classmethod
    def from_fcn32s(cls, model: FCN32s) -> Self:
        """A copy of a trained FCN-32s with the skip added.

        What is enlarged last are then the FCN-32s scores at twice their size, bit for bit, and the logits are
        those of FCN-32s as far as interpolating in two steps is interpolating at once. With AlexNet and
        GoogLeNet it is. With VGG-16 scores lie between pixels (`upsample`): there it is so in the middle half
        between two of them and wherever they are locally linear, and around a score the corner is cut.
        """
        return grow(cls, model)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes h w"]:
        """Logits at the image's size, which may be any."""
        at16 = self.to16(self.to8(x))
        scores = upsample(self.score(self.to32(at16)), 2, self.net.odd)
        scores = scores + crop(self.score16(at16), self.crop16, scores)
        return crop(upsample(scores, 16, self.net.odd), self.net.crops[1], x)


class FCN8s(FCN16s):
    """The sum at stride 16, enlarged twice, plus scores of the map at stride 8."""

    def __init__(self, num_classes: int = 21, in_channels: int = 3, width: int = 64, **options: Any) -> None:
        super().__init__(num_classes, in_channels, width, **options)
        self.score8 = zero_score(self.channels[0], num_classes)
        self.crop8 = self.net.skip_crops[1] - 2 * self.missing

    @classmethod
    def from_fcn16s(cls, model: FCN16s) -> Self:
        """A copy of a trained FCN-16s with the skip added, equal as `FCN16s.from_fcn32s` says."""
        return grow(cls, model)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n classes h w"]:
        """Logits at the image's size, which may be any."""
        at8 = self.to8(x)
        at16 = self.to16(at8)
        scores = upsample(self.score(self.to32(at16)), 2, self.net.odd)
        scores = scores + crop(self.score16(at16), self.crop16, scores)
        scores = upsample(scores, 2, self.net.odd)
        scores = scores + crop(self.score8(at8), self.crop8, scores)
        return crop(upsample(scores, 8, self.net.odd), self.net.crops[2], x)


Grown = TypeVar("Grown", bound=FCN32s)


def grow(cls: type[Grown], model: FCN32s) -> Grown:
    """A `cls` of the model's options with the model's weights; what is new keeps its start."""
    grown = cls(**model.options).to(next(model.parameters()))
    grown.load_state_dict(model.state_dict(), strict=False)
    return grown.train(model.training)


def zero_score(channels: int, num_classes: int) -> nn.Conv2d:
    """A 1 × 1 scoring layer that says nothing yet."""
    layer = nn.Conv2d(channels, num_classes, 1)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def crop(x: Float[Tensor, "n c _ _"], offset: int, like: Float[Tensor, "_ _ h w"]) -> Float[Tensor, "n c h w"]:
    """The part of `x` from (offset, offset) on, as large as `like`; zeros where it reaches beyond `x`.

    Only the skips beside a small window do, at positions outside the image.
    """
    bottom, right = (offset + size - own for size, own in zip(like.shape[-2:], x.shape[-2:], strict=True))
    return F.pad(x, (-offset, right, -offset, bottom))


def upsample(x: Float[Tensor, "n c h w"], scale: int, odd: bool) -> Float[Tensor, "n c h2 w2"]:
    """A transposed convolution of stride `scale`, one fixed triangle kernel for each channel, nothing cropped.

    The kernel has twice the stride's size where the receptive field is even, and one less where it is `odd`,
    so that the enlarged scores fall on pixels and not between them.
    """
    kernel = bilinear_kernel(1, 2 * scale - odd).to(x).expand(x.shape[1], -1, -1, -1)
    return F.conv_transpose2d(x, kernel, stride=scale, groups=x.shape[1])


def pool(kernel_size: int) -> nn.MaxPool2d:
    """Pooling by 2 that rounds up, as Caffe's: rounding down would leave the scores short of the image."""
    return nn.MaxPool2d(kernel_size, stride=2, ceil_mode=True)


def hidden_layers(channels: int, features: int, window: int) -> list[nn.Module]:
    """The classifier's two hidden layers as convolutions."""
    return [
        *(nn.Conv2d(channels, features, window), nn.ReLU(inplace=True), nn.Dropout()),
        *(nn.Conv2d(features, features, 1), nn.ReLU(inplace=True), nn.Dropout()),
    ]


Layers = tuple[nn.Sequential, nn.Sequential, nn.Sequential]
"""From the image to stride 8, from there to stride 16, from there to the last map before the scores."""


def vgg16(in_channels: int, width: int, window: int, padding: int) -> Layers:
    stages: list[list[nn.Module]] = []
    before = in_channels
    for units, convolutions in VGG16_PLAN:
        stage: list[nn.Module] = []
        for _ in range(convolutions):
            stage += [nn.Conv2d(before, units * width, 3, padding=padding), nn.ReLU(inplace=True)]
            before, padding = units * width, 1
        stages.append([*stage, pool(2)])
    return (
        nn.Sequential(*stages[0], *stages[1], *stages[2]),
        nn.Sequential(*stages[3]),
        nn.Sequential(*stages[4], *hidden_layers(before, 64 * width, window)),
    )


def alexnet(in_channels: int, width: int, window: int, padding: int) -> Layers:
    c1, c2, c3, features = (channels * width // 64 for channels in (96, 256, 384, 4096))
    relu, normalise = nn.ReLU(inplace=True), nn.LocalResponseNorm(5)
    return (
        nn.Sequential(nn.Conv2d(in_channels, c1, 11, stride=4, padding=padding), relu, pool(3), normalise),
        nn.Sequential(nn.Conv2d(c1, c2, 5, padding=2, groups=2), relu, pool(3), normalise),
        nn.Sequential(
            *(nn.Conv2d(c2, c3, 3, padding=1), relu),
            *(nn.Conv2d(c3, c3, 3, padding=1, groups=2), relu),
            *(nn.Conv2d(c3, c2, 3, padding=1, groups=2), relu, pool(3)),
            *hidden_layers(c2, features, window),
        ),
    )


def googlenet(in_channels: int, width: int, window: int, padding: int) -> Layers:
    def inception(*channels: int) -> Inception:
        return Inception(*(number * width // 64 for number in channels))

    c1, c2 = width, 3 * width
    relu, normalise = nn.ReLU(inplace=True), nn.LocalResponseNorm(5)
    return (
        nn.Sequential(
            *(nn.Conv2d(in_channels, c1, 7, stride=2, padding=padding), relu, pool(3), normalise),
            *(nn.Conv2d(c1, c1, 1), relu, nn.Conv2d(c1, c2, 3, padding=1), relu, normalise, pool(3)),
        ),
        nn.Sequential(
            inception(192, 64, 96, 128, 16, 32, 32),
            inception(256, 128, 128, 192, 32, 96, 64),
            pool(3),
        ),
        nn.Sequential(
            inception(480, 192, 96, 208, 16, 48, 64),
            inception(512, 160, 112, 224, 24, 64, 64),
            inception(512, 128, 128, 256, 24, 64, 64),
            inception(512, 112, 144, 288, 32, 64, 64),
            inception(528, 256, 160, 320, 32, 128, 128),
            pool(3),
            inception(832, 256, 160, 320, 32, 128, 128),
            inception(832, 384, 192, 384, 48, 128, 128),
            *(nn.AvgPool2d(window, stride=1), nn.Dropout(0.4)),
        ),
    )


class Inception(nn.Module):
    """Four views of the same map, side by side: 1 × 1, 3 × 3, 5 × 5 and a pooling.

    The numbers are the columns of table 1 of Szegedy et al., "Going Deeper with Convolutions", CVPR 2015.
    """

    def __init__(
        self, channels: int, out1: int, reduce3: int, out3: int, reduce5: int, out5: int, out_pool: int
    ) -> None:
        super().__init__()
        relu = nn.ReLU(inplace=True)
        self.branch1 = nn.Sequential(nn.Conv2d(channels, out1, 1), relu)
        self.branch3 = nn.Sequential(
            *(nn.Conv2d(channels, reduce3, 1), relu), *(nn.Conv2d(reduce3, out3, 3, padding=1), relu)
        )
        self.branch5 = nn.Sequential(
            *(nn.Conv2d(channels, reduce5, 1), relu), *(nn.Conv2d(reduce5, out5, 5, padding=2), relu)
        )
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), nn.Conv2d(channels, out_pool, 1), relu)

    def forward(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n d h w"]:
        branches = (self.branch1, self.branch3, self.branch5, self.branch_pool)
        return torch.cat([branch(x) for branch in branches], dim=1)


@dataclass(frozen=True)
class Backbone:
    """A backbone's layers and the numbers that align its maps.

    The middle of a map's first receptive field (`coursekit.ops.receptive_field`: start + (size − 1) / 2) is
    where its first value belongs in the image. An upsampling moves that point (kernel − 1) / 2 of its fine
    steps up and left. What is then left between two maps, or between the logits and the image, is cropped.
    """

    layers: Callable[[int, int, int, int], Layers]
    channels: tuple[int, int, int]
    """Of the maps at stride 8, 16 and 32, at width 64."""
    window: int
    """Of the classifier, in positions at stride 32."""
    padding: int
    odd: bool
    """Whether the receptive field has a middle pixel."""
    crops: tuple[int, int, int]
    """From the enlarged scores of FCN-32s, 16s and 8s."""
    skip_crops: tuple[int, int]
    """From the scores of the maps at stride 16 and 8."""


BACKBONES = {
    "alexnet": Backbone(alexnet, (96, 256, 4096), 6, padding=100, odd=True, crops=(18, 18, 18), skip_crops=(5, 10)),
    "vgg16": Backbone(vgg16, (256, 512, 4096), 7, padding=100, odd=False, crops=(19, 27, 31), skip_crops=(5, 9)),
    "googlenet": Backbone(
        googlenet, (192, 480, 1024), 7, padding=116, odd=True, crops=(18, 18, 18), skip_crops=(6, 12)
    ),
}
