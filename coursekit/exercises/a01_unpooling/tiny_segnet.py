"""`TinySegNet(in_channels, num_classes, width)`: two poolings, and a decoder that unpools with their indices.

How many convolutions stand between the poolings is left open, so the network is judged by what it does. The main idea:
with every convolution set to the identity, a SegNet gives back the maximum of each 4 × 4 block in its own place, zeros
elsewhere. Whatever else reaches the output, or puts a maximum elsewhere, then shows.
"""

from collections.abc import Callable

import torch
import torch._dynamo  # optimisers import it at their first step: not within the time limit of a check
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.parameter import is_lazy

from coursekit import ops
from coursekit.exercises import expect
from coursekit.exercises.answer import Answer
from coursekit.exercises.draw import Draw
from coursekit.exercises.exercise import Exercise
from coursekit.exercises.watch import MAX_UNPOOLING, REFERENCE_OPS

tiny_segnet = Exercise("TinySegNet", forbids=(MAX_UNPOOLING, REFERENCE_OPS))


def _build(answer: Answer, *args: int, **kwargs: int) -> nn.Module:
    network = answer(*args, **kwargs)
    if not isinstance(network, nn.Module):
        raise expect.CheckFailed(f"TinySegNet should make an nn.Module; it makes {expect.describe(network)}")
    if any(is_lazy(p) for p in network.parameters()):
        answer.run(network, torch.zeros(1, args[0], 16, 16))
    return network


@tiny_segnet.check(points=1)
def logits_at_input_size(answer: Answer, draw: Draw) -> None:
    """Logits at the input's size, for any picture whose sides 4 divides."""
    for in_channels, num_classes in ((1, 2), (3, draw.integer(4, 6))):
        network = _build(answer, in_channels, num_classes, width=8)
        for height, width in ((8, 12), (4 * draw.integer(3, 5), 4 * draw.integer(6, 8))):
            x = draw.normal(2, in_channels, height, width)
            expect.a_tensor(answer.run(network, x.clone()), (2, num_classes, height, width), "the logits")
    widths: tuple[dict[str, int], ...] = {"width": 8}, {"width": 16}, {}
    narrow, wide, default = (sum(p.numel() for p in _build(answer, 3, 4, **w).parameters()) for w in widths)
    expect.that(
        wide > narrow > 0,
        f"a wider network should have more parameters; width 8 has {narrow}, width 16 has {wide}",
        mistake="WidthIgnored" if narrow else "LayersInPlainList",
    )
    expect.that(default == wide, f"without a width there are {default} parameters; with width 16 there are {wide}")


@tiny_segnet.check(points=5, needs="logits_at_input_size")
def maxima_in_their_places(answer: Answer, draw: Draw) -> None:
    """With identity convolutions, each maximum comes back in its own place, and nothing else does."""
    channels = 2
    network = _build(answer, channels, channels, width=8)
    expect.that(_set_to_identity(network), "the network holds no convolution that could be set to the identity")
    x = 10 + draw.distinct(2, channels, 8, 12).abs() + draw.uniform(2, channels, 8, 12, high=0.05)
    got = expect.a_tensor(answer.run(network.eval(), x.clone()), x.shape, "the result").detach()
    for what, (alternative, mistake) in _ALTERNATIVES.items():
        if torch.allclose(got, alternative(x), rtol=0.02, atol=0.1):
            raise expect.CheckFailed(f"the output is {what}", got, _segnet_of_identities(x), mistake)
    if torch.allclose(got.sum(dim=1), torch.ones(()), atol=1e-3):
        raise expect.CheckFailed("the outputs of a pixel sum to 1: logits are asked for", mistake="SoftmaxAtTheEnd")
    expect.close(got, _segnet_of_identities(x), "the output", tolerance=0.02)


@tiny_segnet.check(points=1, needs="logits_at_input_size")
def parameters_are_alive(answer: Answer, draw: Draw) -> None:
    """Every weight is registered, reached by the gradient, and survives saving and loading."""
    network, other = (_build(answer, 3, 4, width=8) for _ in range(2))
    x = draw.normal(2, 3, 16, 24)
    answer.run(network, x.clone())
    other.load_state_dict(network.state_dict())
    first, second = (answer.run(n.eval(), x.clone()) for n in (network, other))
    expect.close(
        second, first.detach(), "the output after loading the saved state", tolerance=1e-4, mistake="LayersInPlainList"
    )
    weights = [p for p in network.parameters() if p.ndim > 1]
    (first * draw.normal(*first.shape)).sum().backward()
    dead = [tuple(p.shape) for p in weights if p.grad is None or not p.grad.any()]
    expect.that(
        weights and not dead,
        f"no gradient reaches {len(dead)} of {len(weights)} weights; their shapes: {dead[:3]}",
        mistake="EncoderCutOff",
    )


@tiny_segnet.check(points=1, needs="logits_at_input_size", seconds=20)
def learns(answer: Answer, draw: Draw) -> None:
    """Learns two small pictures by heart in 60 steps."""
    network = _build(answer, 3, 3, width=16)
    target = F.interpolate(draw.labels(2, 1, 4, 4, classes=3).float(), scale_factor=4).long()[:, 0]
    images = F.one_hot(target, 3).movedim(-1, 1) + 0.3 * draw.normal(2, 3, 16, 16)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        logits = answer.run(network, images.clone())
        loss = F.cross_entropy(logits, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    reached = min(losses[-5:])
    expect.that(
        reached < 0.5 * losses[0] and reached < 0.6,
        f"cross-entropy went from {losses[0]:.3f} to {reached:.3f}; below 0.6 is easily reached",
    )
    expect.that(bool((logits < 0).any()), "no logit is ever negative", mistake="ActivationAtTheEnd")


def _set_to_identity(network: nn.Module) -> bool:
    """Make every convolution pass its channels on unchanged, and every normalisation do nothing.

    Output channel o takes input channels o, o + outputs, o + 2·outputs, …: where a decoder concatenates an encoder's
    features, these are added and so come to light. A convolution of each channel by itself passes on all of them.
    """
    convolutions = 0
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.fill_(1.0 if parameter.ndim == 1 and name.endswith("weight") else 0.0)
            if parameter.ndim == 4:
                outputs, inputs, height, width = parameter.shape
                for i in range(inputs if inputs > 1 else outputs):
                    parameter[i % outputs, i % inputs, height // 2, width // 2] = 1.0
                convolutions += 1
        for name, buffer in network.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.fill_(1 if name.endswith("running_var") else 0)
    return convolutions > 0


def _segnet_of_identities(x: Tensor) -> Tensor:
    once, outer = F.max_pool2d(x, 2, return_indices=True)
    twice, inner = F.max_pool2d(once, 2, return_indices=True)
    h, w = x.shape[2:]
    return ops.max_unpool(ops.max_unpool(twice, inner, (h // 2, w // 2)), outer, (h, w))


def _pool(x: Tensor, levels: int) -> Tensor:
    return F.max_pool2d(x, 2**levels)


_ALTERNATIVES: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "each maximum in its whole 4 × 4 block": (
        lambda x: ops.nearest_unpool(_pool(x, 2), 4),
        "RepeatsInsteadOfUnpooling",
    ),
    "each maximum in the corner of its block": (lambda x: ops.bed_of_nails(_pool(x, 2), 4), "NailsInsteadOfUnpooling"),
    "the maxima of one level of pooling, not of two": (
        lambda x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), (2, 2)),
        "OnePoolingOnly",
    ),
    "the unpooled maxima with the input added": (lambda x: _segnet_of_identities(x) + x, "SkipFromTheFirstLevel"),
    "the unpooled maxima with those of the first level added": (
        lambda x: _segnet_of_identities(x) + F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), (2, 2)),
        "SkipFromTheSecondLevel",
    ),
    "the input itself": (lambda x: x, "NoPoolingAtAll"),
    "smooth: the pooled map was interpolated": (
        lambda x: F.interpolate(_pool(x, 2), scale_factor=4, mode="bilinear"),
        "InterpolatesInsteadOfUnpooling",
    ),
}


class _Frame(nn.Module):
    """A right TinySegNet, from which each mistake departs in one line."""

    def __init__(self, in_channels: int, num_classes: int, width: int = 16) -> None:
        super().__init__()
        self.encode1 = self.block(in_channels, width)
        self.encode2 = self.block(width, width)
        self.decode2 = self.block(width, width)
        self.decode1 = nn.Conv2d(width, num_classes, 3, padding=1)

    def block(self, inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU())

    def down(self, x: Tensor) -> tuple[Tensor, Tensor]:
        values, indices = F.max_pool2d(x, 2, return_indices=True)
        return values, indices

    def up(self, x: Tensor, indices: Tensor) -> Tensor:
        return ops.max_unpool(x, indices, (2 * x.shape[2], 2 * x.shape[3]))

    def forward(self, x: Tensor) -> Tensor:
        once, outer = self.down(self.encode1(x))
        twice, inner = self.down(self.encode2(once))
        return self.decode1(self.up(self.decode2(self.up(twice, inner)), outer))


@tiny_segnet.mistake
class RepeatsInsteadOfUnpooling(_Frame):
    """The decoder enlarges by repetition, so the places of the maxima are lost: unpool with the encoder's indices."""

    def up(self, x: Tensor, indices: Tensor) -> Tensor:
        return ops.nearest_unpool(x, 2)


@tiny_segnet.mistake
class NailsInsteadOfUnpooling(_Frame):
    """The decoder puts values into corners, not where the maxima were: unpool with the encoder's indices."""

    def up(self, x: Tensor, indices: Tensor) -> Tensor:
        return ops.bed_of_nails(x, 2)


@tiny_segnet.mistake
class InterpolatesInsteadOfUnpooling(_Frame):
    """The decoder enlarges by interpolation: unpool with the encoder's indices."""

    def forward(self, x: Tensor) -> Tensor:
        once, _ = self.down(self.encode1(x))
        twice, _ = self.down(self.encode2(once))
        return F.interpolate(self.decode1(self.decode2(twice)), scale_factor=4.0, mode="bilinear")


@tiny_segnet.mistake
class OnePoolingOnly(_Frame):
    """The picture is pooled once; the network asked for has two levels."""

    def forward(self, x: Tensor) -> Tensor:
        once, outer = self.down(self.encode2(self.encode1(x)))
        return self.decode1(self.up(self.decode2(once), outer))


@tiny_segnet.mistake
class NoPoolingAtAll(_Frame):
    """The picture keeps its size all through the network: where are the two poolings?"""

    def forward(self, x: Tensor) -> Tensor:
        return self.decode1(self.decode2(self.encode2(self.encode1(x))))


@tiny_segnet.mistake
class SkipFromTheFirstLevel(_Frame):
    """Features of the encoder reach the decoder past the bottleneck; a SegNet hands over nothing but indices."""

    def forward(self, x: Tensor) -> Tensor:
        first = self.encode1(x)
        once, outer = self.down(first)
        twice, inner = self.down(self.encode2(once))
        return self.decode1(self.up(self.decode2(self.up(twice, inner)), outer) + first)


@tiny_segnet.mistake
class SkipFromTheSecondLevel(_Frame):
    """Features of the encoder's second level reach the decoder; a SegNet hands over nothing but indices."""

    def forward(self, x: Tensor) -> Tensor:
        once, outer = self.down(self.encode1(x))
        second = self.encode2(once)
        twice, inner = self.down(second)
        return self.decode1(self.up(self.decode2(self.up(twice, inner) + second), outer))


@tiny_segnet.mistake
class SoftmaxAtTheEnd(_Frame):
    """The network returns probabilities; the loss takes the softmax itself, so return the logits."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).softmax(dim=1)


@tiny_segnet.mistake
class ActivationAtTheEnd(_Frame):
    """No logit is ever negative: nothing comes after the last convolution."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).relu()


@tiny_segnet.mistake
class LayersInPlainList(_Frame):
    """Layers in a plain Python list are invisible to the optimiser and to state_dict: use nn.ModuleList."""

    def __init__(self, in_channels: int, num_classes: int, width: int = 16) -> None:
        super().__init__(in_channels, num_classes, width)
        self.hidden = [self.encode2, self.decode2]
        del self.encode2, self.decode2

    def forward(self, x: Tensor) -> Tensor:
        once, outer = self.down(self.encode1(x))
        twice, inner = self.down(self.hidden[0](once))
        return self.decode1(self.up(self.hidden[1](self.up(twice, inner)), outer))


@tiny_segnet.mistake
class EncoderCutOff(_Frame):
    """No gradient reaches the encoder: something between it and the decoder leaves the graph."""

    def up(self, x: Tensor, indices: Tensor) -> Tensor:
        return super().up(x, indices).detach()


@tiny_segnet.mistake
class WidthIgnored(_Frame):
    """The number of channels is the same whatever `width` says."""

    def __init__(self, in_channels: int, num_classes: int, width: int = 16) -> None:
        super().__init__(in_channels, num_classes, 16)
