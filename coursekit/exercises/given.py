"""Networks of the checks' own that a student's function is handed.

When an answer is graded in another process, its function gets a twin there: the same class, made from the same plain
arguments, with the same state. That is why these classes stand apart from the checks, which never go there.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Given(nn.Module):
    """A network that a twin can be made of: `type(self)(*self.arguments)` with the same state dict and modes.

    Args:
        arguments: what the constructor was called with, plain values.
    """

    counted: ClassVar[bool] = False  # every forward call of a twin is answered by the original, which keeps count
    records: ClassVar[tuple[str, ...]] = ()  # lists of plain values that a twin's calls add to

    def __init__(self, *arguments: object) -> None:
        super().__init__()
        self.arguments = arguments


class ValidConvolutions(Given):
    """A few valid convolutions that keep a record of how many pixels they were asked for at once."""

    counted = True

    def __init__(self, channels: int, classes: int, kernels: tuple[int, ...]) -> None:
        super().__init__(channels, classes, kernels)
        self.margin = sum(k // 2 for k in kernels)
        widths = [channels, *(4 for _ in kernels[1:]), classes]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, k) for a, b, k in zip(widths, widths[1:], kernels))
        self.most = 0

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4:
            raise ValueError(f"the model takes batches (N, C, H, W), not {tuple(x.shape)}")
        for number, layer in enumerate(self.layers):
            x = layer(x if number == 0 else x.tanh())
        self.most = max(self.most, x.shape[0] * x.shape[2] * x.shape[3])
        return x

    def whole(self, image: Tensor) -> Tensor:
        """One pass over the mirrored picture."""
        m = self.margin
        with torch.no_grad():
            result: Tensor = self(F.pad(image[None], (m, m, m, m), mode="reflect"))[0]
        return result


class MoodyNetwork(Given):
    """Everything that behaves otherwise in training: batch normalisation, dropout as a layer and as a function."""

    records = ("gradients",)

    def __init__(self, classes: int) -> None:
        super().__init__(classes)
        self.body = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.Dropout2d(0.4))
        self.head = nn.Conv2d(12, classes, 1)
        self.gradients: list[bool] = []

    def forward(self, images: Tensor) -> Tensor:
        self.gradients.append(torch.is_grad_enabled())
        features = F.dropout(self.body(images), 0.4, self.training)
        logits: Tensor = self.head(features)
        return logits
