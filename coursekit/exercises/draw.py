"""Random inputs for the checks: the same for the same seed, other ones for another seed."""

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Draw:
    """Draws the inputs of one check.

    Each check has its own stream, so that adding a check does not change what the others see.
    """

    def __init__(self, seed: int, *path: str) -> None:
        digest = hashlib.sha256("/".join([str(seed), *path]).encode()).digest()
        self.seed = int.from_bytes(digest[:6], "big")
        self.generator = torch.Generator().manual_seed(self.seed)

    def integer(self, low: int, high: int) -> int:
        """An integer from low to high, both included."""
        return int(torch.randint(low, high + 1, (), generator=self.generator))

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
        return low + (high - low) * torch.rand(shape, generator=self.generator, dtype=dtype)

    def normal(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.randn(shape, generator=self.generator, dtype=dtype)

    def distinct(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        """Values of both signs without ties, at least 0.1 apart: no tie can hide behind rounding."""
        count = torch.Size(shape).numel()
        order = torch.randperm(count, generator=self.generator)
        return ((order.to(dtype) - count // 2) / 10).reshape(shape)

    def labels(self, *shape: int, classes: int) -> Tensor:
        """Class ids, int64."""
        return torch.randint(classes, shape, generator=self.generator)
