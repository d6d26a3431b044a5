"""`double_conv(in_channels, out_channels)`: two valid 3 × 3 convolutions, each with ReLU."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from coursekit.exercises import expect
from coursekit.exercises.a03_unet.networks import Run, build, judge_network, known_mistake, set_weights, sizes
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import REFERENCE_MODELS, REFERENCE_OPS

double_conv = Exercise("double_conv", forbids=(REFERENCE_MODELS, REFERENCE_OPS))


class _Frame(nn.Module):
    """A right double convolution, from which the mistakes depart."""

    bias = True
    padding = 0

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels, 3, padding=self.padding, bias=self.bias)
        self.second = nn.Conv2d(out_channels, out_channels, 3, padding=self.padding, bias=self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x))))


def _channels(draw: Draw) -> list[tuple[int, int]]:
    return [(3, 5), (draw.integer(6, 8), draw.integer(2, 4)), (1, draw.integer(2, 5))]


@double_conv.check(points=1.5)
def same_values(answer: Answer, draw: Draw) -> None:
    """Given the same weights, gives what two valid convolutions with ReLU give."""
    for args, scale in zip(_channels(draw), (1, 20, 1)):
        x = scale * draw.normal(2, args[0], draw.integer(5, 7), draw.integer(8, 11))
        network = build(answer, *args)
        expect.that(sizes(network), f"double_conv{args} has no parameters", "LayersInPlainList")

        def probe(network: nn.Module, run: Run, x: Tensor = x) -> tuple[Tensor, ...]:
            return (expect.a_tensor(run(set_weights(network.eval(), draw.seed), x.clone())).detach(),)

        judge_network(double_conv, answer, network, [_Frame], args, probe, "the result")
        count, right = sum(sizes(network)), sum(sizes(_Frame(*args)))
        if count != right:
            mistake = known_mistake(double_conv, args, network, probe, probe(network, answer.run))
            raise expect.CheckFailed(f"{args} has {count} parameters; {right} are expected", mistake=mistake)


@double_conv.check(points=0.5, needs="same_values")
def behaves_as_a_module(answer: Answer, draw: Draw) -> None:
    """Each weight is reached by the gradient and used once; float64 and the input stay as they are, training or not."""
    network = build(answer, 3, 4).double()
    x = draw.normal(2, 3, 7, 9, dtype=torch.float64)
    given = x.clone().requires_grad_()
    network.eval()
    result = expect.a_tensor(answer.run(network, given))
    expect.dtype(result, torch.float64)
    if not torch.equal(given.detach(), x):
        raise expect.CheckFailed("the input was changed by the call", given.detach(), x, "ChangesItsInput")
    expect.that(result.requires_grad, "the result is cut off from the weights", "CutFromTheGraph")
    set_weights(network, draw.seed, positive=True)
    positive = x.abs().requires_grad_()
    answer.run(network, positive.clone()).sum().backward()
    dead = [tuple(p.shape) for p in network.parameters() if p.grad is None or not p.grad.all()]
    expect.that(not dead, f"no gradient reaches the parameters of the shapes {dead}", "FirstCutOff")
    expect.that(positive.grad is not None, "no gradient reaches the input", "CutFromTheGraph")
    before = answer.run(network.eval(), x.clone())
    in_training = answer.run(network.train(), x.clone())
    expect.close(in_training, before, "the result in training mode", mistake="DropoutBetween")
    expect.close(answer.run(network.eval(), x.clone()), before, "the result after a call in training mode")
    count, right = sum(sizes(build(answer, 4, 4))), sum(sizes(_Frame(4, 4)))
    expect.that(count == right, f"double_conv(4, 4) has {count} parameters; {right} are expected")
    set_weights(build(answer, 3, 4), draw.seed + 1)
    expect.close(answer.run(network, x.clone()), before, "the result after another block was made and changed")


@double_conv.mistake
class Padded(_Frame):
    """The result has the input's size; a *valid* convolution sees real pixels only and takes a border away."""

    padding = 1


@double_conv.mistake
class NoActivation(_Frame):
    """Nothing stands between the two convolutions and behind them: together they are only one larger convolution."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


@double_conv.mistake
class LastActivationForgotten(_Frame):
    """Negative values come out at the end: *each* of the two convolutions has its ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.relu(self.first(x)))


@double_conv.mistake
class FirstActivationForgotten(_Frame):
    """There is a ReLU at the end and none in the middle: *each* of the two convolutions has its own."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)))


@double_conv.mistake
class ActivationBeforeConvolution(_Frame):
    """The ReLU comes before each convolution, and so throws away what is negative in the input."""

    def forward(self, x: Tensor) -> Tensor:
        return self.second(F.relu(self.first(F.relu(x))))


@double_conv.mistake
class LeakyActivation(_Frame):
    """Negative values are made small, not zero: that is another activation than ReLU."""

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.second(F.leaky_relu(self.first(x))))


@double_conv.mistake
class CappedActivation(_Frame):
    """Large values are cut off at 6; a ReLU leaves everything that is positive as it is."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu6(self.second(F.relu6(self.first(x))))


@double_conv.mistake
class WithoutBias(_Frame):
    """There are too few parameters: what does a convolution add after its sum of products?"""

    bias = False


@double_conv.mistake
class WithBatchNorm(_Frame):
    """There are too many parameters: batch normalisation is younger than this network, which has none."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.norms = nn.ModuleList([nn.BatchNorm2d(out_channels), nn.BatchNorm2d(out_channels)])

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norms[1](self.second(F.relu(self.norms[0](self.first(x))))))


@double_conv.mistake
class OneConvolution(nn.Sequential):
    """The map loses one pixel a side where it should lose two: how many convolutions are there?"""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, 3), nn.ReLU())


@double_conv.mistake
class OneLargeConvolution(nn.Sequential):
    """The size is right, but it comes from a single 5 × 5 convolution: two of 3 × 3 need fewer weights."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.Conv2d(in_channels, out_channels, 5), nn.ReLU())


@double_conv.mistake
class WidensTooLate(nn.Sequential):
    """The first convolution keeps the number of channels and only the second changes it; it is the other way round."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        first = nn.Conv2d(in_channels, in_channels, 3)
        super().__init__(first, nn.ReLU(), nn.Conv2d(in_channels, out_channels, 3), nn.ReLU())


@double_conv.mistake
class LayersInPlainList(_Frame):
    """Layers in a plain Python list are invisible to the optimiser and to state_dict: no parameter is registered."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.layers = [self.first, self.second]
        del self.first, self.second

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.relu(layer(x))
        return x


def _right_values(wrong: type) -> type:
    double_conv.mistake(wrong, right_values=True)
    return wrong


@_right_values
class ChangesItsInput(_Frame):
    """The input is not the same after the call: an operation in place wrote into it."""

    def forward(self, x: Tensor) -> Tensor:
        result = super().forward(x)
        with torch.no_grad():
            x.zero_()
        return result


@_right_values
class CutFromTheGraph(_Frame):
    """The values are right, but autograd cannot follow: `.data`, `.detach()` and `no_grad` cut the graph."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach()


@_right_values
class FirstCutOff(_Frame):
    """The gradient stops between the two convolutions, so the first never learns."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.relu(self.first(x)).detach()))


@_right_values
class DropoutBetween(_Frame):
    """In training mode the result is another one: the block asked for has no dropout and no normalisation."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(F.dropout(F.relu(self.first(x)), 0.5, self.training)))
