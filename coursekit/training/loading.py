"""From a set to batches: which samples come when, and each batch with the numbers of its samples."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from coursekit.training.randomness import mixed, start_from, undisturbed

Key = tuple[int, int]  # epoch, index


@dataclass(frozen=True)
class Batch:
    """Images (N, C, H, W), or a list of them where sizes differ, with their target and their numbers in the set.

    The target is a tensor, a list with one entry an image, or a tuple of these.
    """

    indices: list[int]
    images: Any
    target: Any

    def __len__(self) -> int:
        return len(self.indices)

    def parts(self, count: int) -> list[Self]:
        """The batch in `count` parts that differ by at most one image; never an empty one."""
        count = min(count, len(self))
        ends = [len(self) * i // count for i in range(count + 1)]
        return [
            type(self)(self.indices[a:b], _cut(self.images, a, b), _cut(self.target, a, b)) for a, b in pairwise(ends)
        ]

    def to(self, device: torch.device, memory_format: torch.memory_format = torch.contiguous_format) -> Self:
        """On a device; images that came as bytes are in [0, 1] afterwards."""
        images = _moved(self.images, device)
        if isinstance(images, Tensor):
            images = images.float().div_(255) if images.dtype == torch.uint8 else images
            images = images.contiguous(memory_format=memory_format) if images.ndim == 4 else images
        return type(self)(self.indices, images, _moved(self.target, device))


def _cut(value: Any, start: int, stop: int) -> Any:
    return tuple(_cut(each, start, stop) for each in value) if isinstance(value, tuple) else value[start:stop]


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device, non_blocking=True)
    if isinstance(value, dict):
        return {key: _moved(each, device) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_moved(each, device) for each in value)
    return value


class Order(Sampler[list[Key]]):
    """The batches of one epoch, `epoch`, from batch number `first` on; process `rank` of `processes` gets its share.

    The order depends on seed and epoch alone. Batches of an epoch differ by at most one sample, so that none is too
    small for batch normalisation.
    """

    def __init__(self, length: int, batch_size: int, seed: int, rank: int = 0, processes: int = 1) -> None:
        self.length, self.count = length, -(-length // batch_size)
        self.seed, self.rank, self.processes = seed, rank, processes
        self.epoch = self.first = 0

    def __len__(self) -> int:
        return self.count - self.first

    def batches(self) -> list[list[int]]:
        """All batches of the epoch, of all processes together."""
        generator = torch.Generator().manual_seed(mixed(self.seed, self.epoch))
        indices = torch.randperm(self.length, generator=generator)
        return [batch.tolist() for batch in indices.tensor_split(self.count)]

    def __iter__(self) -> Iterator[list[Key]]:
        for batch in self.batches()[self.first :]:
            # A process without a share still has to take the step: it gets one sample, which will not count.
            mine = batch[self.rank :: self.processes] or batch[:1]
            yield [(self.epoch, index) for index in mine]


class Numbered(Dataset[tuple[int, Any, Any]]):
    """A set whose samples tell their number, and whose random transforms depend on seed, epoch and number alone."""

    def __init__(self, data: Dataset[Any], seed: int) -> None:
        self.data, self.seed = data, seed

    def __getitems__(self, keys: list[Key]) -> list[tuple[int, Any, Any]]:
        """The samples of one batch, which is what a `DataLoader` asks for."""
        samples = []
        with undisturbed():
            for epoch, index in keys:
                start_from(self.seed, epoch, index)
                samples.append((index, *self.data[index]))
        return samples


def in_turn(length: int, batch_size: int, rank: int = 0, processes: int = 1) -> list[list[Key]]:
    """Every sample once, in the set's order: the batches for evaluation, of which each process gets its share."""
    batches = torch.arange(length).split(batch_size)
    return [[(0, index) for index in batch.tolist()] for batch in batches[rank::processes]]


def loader(
    data: Dataset[Any],
    order: Iterable[list[Key]],
    collate: Callable[[list[tuple[int, Any, Any]]], Batch],
    workers: int,
    seed: int = 0,
) -> DataLoader[Any]:
    """The batches of a set in that order."""
    return DataLoader(
        Numbered(data, seed),
        batch_sampler=order,
        collate_fn=collate,
        num_workers=workers,
        persistent_workers=workers > 0,
        generator=torch.Generator(),  # else it draws from the global one
    )
