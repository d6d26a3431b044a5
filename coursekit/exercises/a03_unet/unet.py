"""`UNet(in_channels, num_classes, base_channels, depth)`: the network of 2015.

The names and the order of its layers are free, and so is how it goes up: so the network is judged by what it does with
weights that the checks set. Right is what one of the networks `_references` makes gives with the same weights.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

import torch
import torch._dynamo  # optimisers import it at their first step: not within the time limit of a check
from torch import Tensor, nn
from torch.nn import functional as F

from coursekit import models
from coursekit.exercises import expect
from coursekit.exercises.a03_unet.networks import (
    Reference,
    Run,
    build,
    judge_network,
    known_mistake,
    set_weights,
    sizes,
)
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

unet = Exercise("UNet", forbids=(REFERENCE_MODELS, REFERENCE_OPS))

PARAMETERS_2015 = 31_030_658  # one channel in, two classes


class _Frame(nn.Module):
    """A right U-Net, from which each mistake departs in a line or two."""

    skip_first = True

    def __init__(self, in_channels: int, num_classes: int, base_channels: int = 64, depth: int = 4) -> None:
        super().__init__()
        widths = [base_channels * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(self.block(a, b) for a, b in zip([in_channels, *widths], widths))
        self.up = nn.ModuleList(self.up_convolution(2 * c, c) for c in reversed(widths[:-1]))
        self.merge = nn.ModuleList(self.block(self.merged(c), c) for c in reversed(widths[:-1]))
        self.last = nn.Conv2d(base_channels, num_classes, 1)

    def block(self, inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3), nn.ReLU(), nn.Conv2d(outputs, outputs, 3), nn.ReLU())

    def up_convolution(self, inputs: int, outputs: int) -> nn.Module:
        return nn.ConvTranspose2d(inputs, outputs, 2, stride=2)

    def merged(self, channels: int) -> int:
        return 2 * channels

    def pool(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 2)

    def bottom(self, x: Tensor) -> Tensor:
        return x

    def crop(self, skip: Tensor, height: int, width: int) -> Tensor:
        top, left = (skip.shape[2] - height) // 2, (skip.shape[3] - width) // 2
        return skip[..., top : top + height, left : left + width]

    def join(self, skip: Tensor, x: Tensor) -> Tensor:
        cropped = self.crop(skip, *x.shape[2:])
        return torch.cat([cropped, x] if self.skip_first else [x, cropped], dim=1)

    def end(self, logits: Tensor) -> Tensor:
        return logits

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for block in self.down:
            x = block(self.pool(x) if skips else x)
            skips.append(x)
        x = self.bottom(skips.pop())
        for up, merge in zip(self.up, self.merge):
            x = merge(self.join(skips.pop(), up(x)))
        return self.end(self.last(x))


class _ResizedUp(nn.Conv2d):
    """Upsampling and a 2 × 2 convolution, padded on the sides that `padding_sides` names."""

    def __init__(self, inputs: int, outputs: int, mode: str, sides: tuple[int, ...], border: str) -> None:
        super().__init__(inputs, outputs, 2)
        self.mode, self.sides, self.border = mode, sides, border

    def forward(self, x: Tensor) -> Tensor:
        corners = True if self.mode == "aligned" else None
        mode = "bilinear" if self.mode == "aligned" else self.mode
        larger = F.interpolate(x, scale_factor=2, mode=mode, align_corners=corners)
        return super().forward(F.pad(larger, self.sides, mode=self.border))


_SIDES = ((0, 1, 0, 1), (1, 0, 1, 0), (1, 0, 0, 1), (0, 1, 1, 0))
_WAYS_UP = tuple(product(("nearest", "bilinear", "aligned"), _SIDES, ("constant", "replicate", "reflect")))


class _Resizing(_Frame):
    def __init__(self, *args: int, way_up: tuple[str, tuple[int, ...], str]) -> None:
        self.way_up = way_up
        super().__init__(*args)

    def up_convolution(self, inputs: int, outputs: int) -> nn.Module:
        return _ResizedUp(inputs, outputs, *self.way_up)


def _references(network: nn.Module) -> Iterator[Reference]:
    """The right networks in all the forms that the exercise leaves free, as far as `network` may be one of them."""
    yield _published
    yield partial(_appended, _Frame)
    if any(p.ndim == 4 and p.shape[2:] == (2, 2) and p.shape[0] < p.shape[1] for p in network.parameters()):
        for way_up in _WAYS_UP:
            yield partial(_Resizing, way_up=way_up)
            yield partial(_appended, partial(_Resizing, way_up=way_up))


def _published(in_channels: int, num_classes: int, base_channels: int, depth: int) -> nn.Module:
    return models.UNet(num_classes, in_channels, base_channels, depth=depth)


def _appended(make: Callable[..., _Frame], *args: int) -> _Frame:
    """The skip behind the decoder's own channels."""
    network = make(*args)
    network.skip_first = False
    return network


def _judge(answer: Answer, draw: Draw, cases: list[tuple[int, int, int]], positive: bool, what: str) -> None:
    """Compare with the references for each (classes, base_channels, depth): what fits the first must fit them all."""
    fitting: list[Reference] = []
    for num_classes, base, depth in cases:
        network = build(answer, 3, num_classes, base_channels=base, depth=depth)
        size = [_smallest(depth) + 2**depth * draw.integer(*bounds) for bounds in ((1, 2), (3, 4))]
        x = draw.uniform(2, 3, *size) ** 2 if positive else draw.normal(2, 3, *size)
        probe = partial(_output, x=x, seed=draw.seed, positive=positive)
        args = 3, num_classes, base, depth
        fitting = judge_network(unet, answer, network, fitting or _references(network), args, probe, what)


def _output(network: nn.Module, run: Run, x: Tensor, seed: int, positive: bool = False) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return (expect.a_tensor(run(set_weights(network.eval(), seed, positive), x.clone()), what="the output"),)


def _smallest(depth: int) -> int:
    return 12 * 2**depth - 4 if depth > 1 else 18


@unet.check(points=1)
def sizes_and_parameters(answer: Answer, draw: Draw) -> None:
    """The size left and the number of parameters are those of the 2015 network."""
    for in_channels, num_classes, base, depth in ((1, 2, 3, 1), (3, draw.integer(4, 6), 2, 2), (2, 3, 1, 3)):
        args, smallest = (in_channels, num_classes, base, depth), _smallest(depth)
        height, width = (smallest + 2**depth * draw.integer(*bounds) for bounds in ((0, 1), (2, 4)))
        x = draw.normal(2, in_channels, height, width)
        network = build(answer, *args)

        def probe(network: nn.Module, run: Run, x: Tensor = x) -> tuple[Tensor, ...]:
            with torch.no_grad():
                return (torch.zeros_like(expect.a_tensor(run(network.eval(), x), what="the logits")),)

        judge_network(unet, answer, network, [_Frame], args, probe, "the logits")
        _count(answer, network, args, x, draw.seed)
    count = sum(sizes(build(answer, 1, 2)))
    expect.that(
        count == PARAMETERS_2015,
        f"UNet(1, 2) has {count:,} parameters; the network of 2015 has {PARAMETERS_2015:,}",
        mistake="DefaultsChanged",
    )


def _count(answer: Answer, network: nn.Module, args: tuple[int, ...], x: Tensor, seed: int) -> None:
    count, expected = sum(sizes(network)), sum(sizes(_Frame(*args)))
    if count == expected:
        return

    probe = partial(_output, x=x, seed=seed)
    mistake = known_mistake(unet, args, network, probe, probe(network, answer.run))
    if count < expected and not mistake:
        again = build(answer, *args[:2], base_channels=args[2], depth=args[3]).eval()
        again.load_state_dict(network.state_dict(), strict=False)
        first, second = probe(network, answer.run)[0], probe(again, answer.run)[0]
        mistake = None if torch.equal(first, second) else "LayersInPlainList"
    arguments = f"UNet({args[0]}, {args[1]}, base_channels={args[2]}, depth={args[3]})"
    raise expect.CheckFailed(f"{arguments} has {count} parameters; {expected} are expected", mistake=mistake)


@unet.check(points=1.5)
def skips_and_pooling(answer: Answer, draw: Draw) -> None:
    """With positive weights, which no ReLU cuts off, maxima go down and the centre of every skip arrives."""
    _judge(answer, draw, [(2, draw.integer(3, 4), 1), (3, 2, 2), (2, 1, 3)], True, "the output with positive weights")


@unet.check(points=1.5, needs="sizes_and_parameters")
def everything_is_alive(answer: Answer, draw: Draw) -> None:
    """The gradient reaches every skip, the bottom and every parameter; the saved state holds them all."""
    args = (2, 3, 2, 2)
    x = 0.1 + draw.uniform(2, 2, 48, 52)
    cotangent = draw.normal(2, 3, 8, 12)

    def probe(network: nn.Module, run: Run) -> tuple[Tensor, ...]:
        silent = [_silent(network, run, x, cotangent, draw.seed, cut) for cut in (2, 4, 0)]
        return *silent, *_output(network, run, x, draw.seed)

    network, other = (build(answer, *args[:2], base_channels=args[2], depth=args[3]) for _ in range(2))
    got, expected = probe(network, answer.run), probe(_Frame(*args), _Frame.__call__)
    ways = ", with the last up-convolution set to zero", ", with the first up-convolution set to zero", ""
    for silent, right, way in zip(got, expected, ways):
        if not torch.equal(silent, right):
            mistake = known_mistake(unet, args, network, probe, got)
            message = f"all weights are positive, but no gradient reaches {len(silent)} of them"
            raise expect.CheckFailed(f"{message}{way}; {len(right)} is right", mistake=mistake)
    answer.run(other.load_state_dict, network.state_dict())
    with torch.no_grad():
        first, again, second = (answer.run(n.eval(), x.clone()) for n in (network, network, other))
    expect.close(again, first, "the output of a second call", mistake="DropoutAlwaysOn")
    expect.close(second, first, "the output after loading the saved state", mistake="LayersInPlainList")
    _gradient_is_the_derivative(answer, draw, x.double(), cotangent.double())


def _silent(network: nn.Module, run: Run, x: Tensor, cotangent: Tensor, seed: int, cut: int) -> Tensor:
    """Every weight that gets no gradient, as the size of its parameter.

    The weights are positive, so no ReLU stands in the way. With the up-convolution to `cut` channels set to zero, a
    gradient can only come down by the skips of that level and those above.
    """
    set_weights(network.eval(), seed, positive=True).zero_grad()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1 and parameter.numel() == 8 * cut**2:
                parameter.zero_()
    output = expect.a_tensor(run(network, x), cotangent.shape, "the logits")
    expect.that(output.requires_grad, "no gradient reaches any parameter", "AllCutOff")
    (output * cotangent).sum().backward()
    lost = [(p.numel(), p.numel() if p.grad is None else int((p.grad == 0).sum())) for p in network.parameters()]
    return torch.tensor(sorted(size for size, count in lost for _ in range(count)), dtype=torch.float32)


@unet.check(points=2)
def same_logits(answer: Answer, draw: Draw) -> None:
    """Given its weights, gives the logits of the 2015 network."""
    _judge(
        answer,
        draw,
        [(2, draw.integer(4, 5), 1), (draw.integer(3, 5), 2, 2), (2, 1, 3), (4, 3, 2)],
        False,
        "the logits",
    )


def _gradient_is_the_derivative(answer: Answer, draw: Draw, x: Tensor, cotangent: Tensor) -> None:
    """Autograd's slope is what comes of a small step of the picture and of all parameters: no path is cut off."""
    network = set_weights(build(answer, 2, 3, base_channels=2, depth=2).double().eval(), draw.seed, positive=True)
    moved = [x.requires_grad_(), *network.parameters()]
    steps = [draw.normal(*part.shape, dtype=torch.float64) * part.detach() for part in moved]
    (answer.run(network, x.clone()) * cotangent).sum().backward()
    slope = sum(float((part.grad * step).sum()) for part, step in zip(moved, steps) if part.grad is not None)
    sums = []
    with torch.no_grad():
        for stride in (1e-6, -2e-6):
            for part, step in zip(moved, steps):
                part.add_(step, alpha=stride)
            sums.append(float((answer.run(network, x.clone()) * cotangent).sum()))
    expected = (sums[0] - sums[1]) / 2e-6
    expect.that(
        abs(slope - expected) <= 1e-3 * abs(expected),
        f"the gradient gives a slope of {slope:.6g}; a small step gives {expected:.6g}",
        mistake="PathCutOff",
    )


@unet.check(points=0.5, needs="sizes_and_parameters")
def manners(answer: Answer, draw: Draw) -> None:
    """Keeps float64, its input and its state; gives the same twice; does not mix the pictures of a batch."""
    network = build(answer, 2, 3, base_channels=4, depth=1).double()
    set_weights(network, draw.seed)
    x = draw.normal(2, 2, 24, 28, dtype=torch.float64)
    given, state = x.clone(), {name: value.clone() for name, value in network.state_dict().items()}
    first = answer.run(network.eval(), given)
    expect.dtype(first, torch.float64, "the output for a float64 picture")
    if not torch.equal(given, x):
        raise expect.CheckFailed("the picture was changed by the call", given, x, "ChangesItsInput")
    expect.close(
        answer.run(network, x.clone()), first.detach(), "the output of a second call", mistake="DropoutAlwaysOn"
    )
    outputs = []
    for second_picture in (x[1], 3 + 2 * x[1]):
        torch.manual_seed(draw.seed)  # dropout, where there is some, drops the same
        outputs.append(answer.run(network.train(), torch.stack([x[0], second_picture]))[0].detach())
    sums = {"SoftmaxAtTheEnd": outputs[0].sum(dim=0), "LogSoftmaxAtTheEnd": outputs[0].exp().sum(dim=0)}
    for mistake, total in sums.items():
        expect.that((total - 1).abs().max() > 1e-6, "in training mode the outputs of a pixel are normalised", mistake)
    message = "the output for one picture of a batch, when the other changes"
    expect.close(outputs[1], outputs[0], message, mistake="NormalisesBatches")
    now = network.state_dict()
    same = all(torch.equal(now[name], value) for name, value in state.items())
    expect.that(same, "a call changed the network's saved state")


@unet.check(points=0.5, needs="sizes_and_parameters", seconds=20)
def learns(answer: Answer, draw: Draw) -> None:
    """Learns two small pictures by heart."""
    coarse = draw.labels(2, 1, 6, 7, classes=2).float()
    whole = F.interpolate(coarse, scale_factor=6)
    images, target = (whole + 0.2 * draw.normal(*whole.shape))[..., :34, :42], whole[:, 0, 8:26, 8:34].long()
    for _ in range(4):  # an unlucky start, with all ReLUs of a level closed, proves nothing
        network = build(answer, 1, 2, base_channels=8, depth=1).train()
        zero = all(not p.any() for p in network.parameters() if p.ndim > 1 and p.shape[-1] == 3)
        reached = _trained(answer, network, images, target)
        if reached < 0.4:
            return
    raise expect.CheckFailed(
        f"cross-entropy comes down to {reached:.3f} in 60 steps; below 0.4 is easily reached",
        mistake="StartsAtZero" if zero else None,
    )


def _trained(answer: Answer, network: nn.Module, images: Tensor, target: Tensor) -> float:
    """The smallest of the last losses."""
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        loss = F.cross_entropy(answer.run(network, images.clone()), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return min(losses[-10:])


@unet.mistake
class SkipsTimesZero(_Frame):
    """The skips arrive, but hold nothing but zeros: what the encoder saw never reaches the decoder."""

    def crop(self, skip: Tensor, height: int, width: int) -> Tensor:
        return super().crop(skip, height, width) * 0


@unet.mistake
class DecoderConcatenatedWithItself(_Frame):
    """The decoder's own map stands twice in the concatenation; one of the two places is the skip's."""

    def join(self, skip: Tensor, x: Tensor) -> Tensor:
        return torch.cat([x, x], dim=1)


@unet.mistake
class SkipsAdded(_Frame):
    """Skips are added to the decoder's map; a U-Net puts them *beside* it, as further channels."""

    def merged(self, channels: int) -> int:
        return channels

    def join(self, skip: Tensor, x: Tensor) -> Tensor:
        return self.crop(skip, *x.shape[2:]) + x


@unet.mistake
class NoSkips(_Frame):
    """There are too few parameters: the decoder's convolutions see its own channels only, and no skips."""

    def merged(self, channels: int) -> int:
        return channels

    def join(self, skip: Tensor, x: Tensor) -> Tensor:
        return x


@unet.mistake
class CroppedFromTheTopLeft(_Frame):
    """The skip brings its top-left corner, so the decoder sees features of another place than its own."""

    def crop(self, skip: Tensor, height: int, width: int) -> Tensor:
        return skip[..., :height, :width]


@unet.mistake
class CroppedFromTheBottomRight(_Frame):
    """The skip brings its bottom-right corner, so the decoder sees features of another place than its own."""

    def crop(self, skip: Tensor, height: int, width: int) -> Tensor:
        return skip[..., skip.shape[2] - height :, skip.shape[3] - width :]


@unet.mistake
class CropOffByOne(_Frame):
    """The crop of the skip is one pixel beside the centre: is the margin the same on both sides?"""

    def crop(self, skip: Tensor, height: int, width: int) -> Tensor:
        top, left = (skip.shape[2] - height) // 2 - 1, (skip.shape[3] - width) // 2 - 1
        return skip[..., top : top + height, left : left + width]


@unet.mistake
class SkipResized(_Frame):
    """The whole skip was squeezed to the decoder's size, so its places no longer agree: crop it."""

    def crop(self, skip: Tensor, height: int, width: int) -> Tensor:
        return F.interpolate(skip, (height, width), mode="bilinear")


@unet.mistake
class SkipResizedByRepetition(_Frame):
    """The whole skip was squeezed to the decoder's size, so its places no longer agree: crop it."""

    def crop(self, skip: Tensor, height: int, width: int) -> Tensor:
        return F.interpolate(skip, (height, width))


@unet.mistake
class CropForgotten(_Frame):
    """Skip and decoder differ in size: the skip has lost fewer borders. What has to happen before `cat`?"""

    def crop(self, skip: Tensor, height: int, width: int) -> Tensor:
        return skip


@unet.mistake
class DecoderPadded(_Frame):
    """The decoder's map is padded to the skip's size; in 2015 the skip is cropped, and the output is smaller."""

    def join(self, skip: Tensor, x: Tensor) -> Tensor:
        down, across = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
        padded = F.pad(x, (across // 2, across - across // 2, down // 2, down - down // 2))
        return super().join(skip, padded)


@unet.mistake
class SkipBeforeSecondConvolution(_Frame):
    """The skip is taken between the two convolutions of its level; it leaves after both, where the pooling begins."""

    def forward(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        for block in self.down:
            middle = block[1](block[0](self.pool(x) if skips else x))  # type: ignore[index]
            x = block[3](block[2](middle))  # type: ignore[index]
            skips.append(middle)
        skips.pop()
        for up, merge in zip(self.up, self.merge):
            x = merge(self.join(skips.pop(), up(x)))
        return self.last(x)


@unet.mistake
class PooledByAverage(_Frame):
    """The poolings take the mean of each window; this network takes the maximum."""

    def pool(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2)


@unet.mistake
class PooledBySkippingPixels(_Frame):
    """Every second pixel is dropped on the way down; a pooling looks at all four of a window."""

    def pool(self, x: Tensor) -> Tensor:
        return x[..., ::2, ::2]


@unet.mistake
class ActivationAfterUpConvolution(_Frame):
    """The up-convolutions are followed by a ReLU; in this network only the 3 × 3 convolutions are."""

    def up_convolution(self, inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(super().up_convolution(inputs, outputs), nn.ReLU())


@unet.mistake
class NoActivation(_Frame):
    """There is no ReLU after the 3 × 3 convolutions, and so hardly anything that is not linear."""

    def block(self, inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3), nn.Conv2d(outputs, outputs, 3))


@unet.mistake
class OneActivationPerLevel(_Frame):
    """Only one of the two 3 × 3 convolutions of a level has its ReLU."""

    def block(self, inputs: int, outputs: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3), nn.ReLU(), nn.Conv2d(outputs, outputs, 3))


@unet.mistake
class SoftmaxAtTheEnd(_Frame):
    """The network returns probabilities; the loss takes the softmax itself, so return the logits."""

    def end(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=1)


@unet.mistake
class LogSoftmaxAtTheEnd(_Frame):
    """The network returns log-probabilities; the loss takes the softmax itself, so return the logits."""

    def end(self, logits: Tensor) -> Tensor:
        return logits.log_softmax(dim=1)


@unet.mistake
class SigmoidAtTheEnd(_Frame):
    """The outputs are squeezed between 0 and 1: return the logits as the 1 × 1 convolution gives them."""

    def end(self, logits: Tensor) -> Tensor:
        return logits.sigmoid()


@unet.mistake
class ActivationAtTheEnd(_Frame):
    """No logit is ever negative: nothing comes after the 1 × 1 convolution."""

    def end(self, logits: Tensor) -> Tensor:
        return logits.relu()


@unet.mistake
class PaddedConvolutions(_Frame):
    """The output has the input's size: the convolutions of 2015 are valid, without padding."""

    def block(self, inputs: int, outputs: int) -> nn.Module:
        first, second = nn.Conv2d(inputs, outputs, 3, padding=1), nn.Conv2d(outputs, outputs, 3, padding=1)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


@unet.mistake
class WithBatchNorm(_Frame):
    """There are too many parameters: the network of 2015 has no batch normalisation."""

    def block(self, inputs: int, outputs: int) -> nn.Module:
        first, second = nn.Conv2d(inputs, outputs, 3), nn.Conv2d(outputs, outputs, 3)
        norms = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
        return nn.Sequential(first, norms[0], nn.ReLU(), second, norms[1], nn.ReLU())


@unet.mistake
class WithoutBias(_Frame):
    """There are too few parameters: the convolutions have biases."""

    def block(self, inputs: int, outputs: int) -> nn.Module:
        first, second = nn.Conv2d(inputs, outputs, 3, bias=False), nn.Conv2d(outputs, outputs, 3, bias=False)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU())


@unet.mistake
class UpsamplingWithoutConvolution(_Frame):
    """The way up only enlarges: the up-convolution, with its weights and half the channels, is missing."""

    def up_convolution(self, inputs: int, outputs: int) -> nn.Module:
        return nn.Upsample(scale_factor=2)

    def merged(self, channels: int) -> int:
        return 3 * channels


@unet.mistake
class UpConvolutionKeepsChannels(_Frame):
    """The up-convolution keeps the number of channels; it should halve them, to make room for the skip."""

    def up_convolution(self, inputs: int, outputs: int) -> nn.Module:
        return nn.ConvTranspose2d(inputs, inputs, 2, stride=2)

    def merged(self, channels: int) -> int:
        return 3 * channels


@unet.mistake
class LargeUpConvolution(_Frame):
    """There are too many parameters on the way up: its windows are 2 × 2."""

    def up_convolution(self, inputs: int, outputs: int) -> nn.Module:
        return nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1)


@unet.mistake
class BottomLost(_Frame):
    """The map at the bottom holds only zeros: the decoder lives on the skips alone."""

    def bottom(self, x: Tensor) -> Tensor:
        return x * 0


@unet.mistake
class DepthIgnored(_Frame):
    """The number of levels is the same whatever `depth` says."""

    def __init__(self, in_channels: int, num_classes: int, base_channels: int = 64, depth: int = 4) -> None:
        super().__init__(in_channels, num_classes, base_channels, 4)


@unet.mistake
class BaseChannelsIgnored(_Frame):
    """The number of channels is the same whatever `base_channels` says."""

    def __init__(self, in_channels: int, num_classes: int, base_channels: int = 64, depth: int = 4) -> None:
        super().__init__(in_channels, num_classes, 64, depth)


@unet.mistake
class OneLevelTooFew(_Frame):
    """There is one pooling too few: `depth` counts the poolings, and the bottom comes after the last."""

    def __init__(self, in_channels: int, num_classes: int, base_channels: int = 64, depth: int = 4) -> None:
        super().__init__(in_channels, num_classes, base_channels, depth - 1)


@unet.mistake
class ChannelsNotDoubled(_Frame):
    """There are too few parameters: from level to level the number of channels doubles."""

    def __init__(self, in_channels: int, num_classes: int, base_channels: int = 64, depth: int = 4) -> None:
        nn.Module.__init__(self)
        c = base_channels
        self.down = nn.ModuleList(self.block(in_channels if level == 0 else c, c) for level in range(depth + 1))
        self.up = nn.ModuleList(self.up_convolution(c, c) for _ in range(depth))
        self.merge = nn.ModuleList(self.block(2 * c, c) for _ in range(depth))
        self.last = nn.Conv2d(c, num_classes, 1)


def _right_values(wrong: type) -> type:
    unet.mistake(wrong, right_values=True)
    return wrong


@_right_values
class DefaultsChanged(_Frame):
    """Without further arguments the network is another one than that of 2015: 64 channels, four poolings."""

    def __init__(self, in_channels: int, num_classes: int, base_channels: int = 32, depth: int = 4) -> None:
        super().__init__(in_channels, num_classes, base_channels, depth)


@_right_values
class LayersInPlainList(_Frame):
    """Layers in a plain Python list are invisible to the optimiser and to state_dict: use nn.ModuleList."""

    def __init__(self, in_channels: int, num_classes: int, base_channels: int = 64, depth: int = 4) -> None:
        super().__init__(in_channels, num_classes, base_channels, depth)
        self.hidden = list(self.merge)
        del self.merge

    def forward(self, x: Tensor) -> Tensor:
        self.__dict__["merge"] = self.hidden
        return super().forward(x)


@_right_values
class AllCutOff(_Frame):
    """No gradient reaches any parameter: something after the last layer leaves the graph."""

    def end(self, logits: Tensor) -> Tensor:
        return logits.detach()


@unet.mistake
class SkipsDetached(_Frame):
    """The skips bring the right values and no gradient back: what cuts them off from the graph?"""

    def crop(self, skip: Tensor, height: int, width: int) -> Tensor:
        return super().crop(skip, height, width).detach()


@unet.mistake
class BottomDetached(_Frame):
    """The gradient ends at the bottom, so the deepest level never learns: what cuts it off from the graph?"""

    def bottom(self, x: Tensor) -> Tensor:
        return x.detach()


@_right_values
class PathCutOff(_Frame):
    """Every parameter gets a gradient, but not all of it: one of its ways back was cut, by `detach` for example."""

    def pool(self, x: Tensor) -> Tensor:
        return super().pool(x).detach()


@_right_values
class DropoutAlwaysOn(_Frame):
    """Two calls in evaluation mode give two results: dropout has to end with training."""

    def bottom(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5)


@_right_values
class NormalisesBatches(_Frame):
    """In training mode the pictures of a batch change each other: the network has no batch normalisation."""

    def bottom(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, None, None, training=True) if self.training else x


@_right_values
class ChangesItsInput(_Frame):
    """The picture is not the same after the call: an operation in place wrote into it."""

    def forward(self, x: Tensor) -> Tensor:
        result = super().forward(x)
        with torch.no_grad():
            x.zero_()
        return result


@_right_values
class StartsAtZero(_Frame):
    """All weights start at zero, so all channels would stay alike for ever: leave PyTorch's initialisation."""

    def __init__(self, in_channels: int, num_classes: int, base_channels: int = 64, depth: int = 4) -> None:
        super().__init__(in_channels, num_classes, base_channels, depth)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)
