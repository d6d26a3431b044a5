"""What a run was asked for."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from coursekit.training.schedules import Schedule, schedule_of
from coursekit.training.tasks import Loss


@dataclass(frozen=True)
class Settings:
    """The arguments of `fit`, whose docstring says what each means. Raises ValueError for one out of its range."""

    epochs: int
    loss: Loss
    batch_size: int
    learning_rate: float
    schedule: str | Schedule
    optimizer: Callable[..., Optimizer]
    clip: float | None
    ema: float | None
    patience: int | None
    save_seconds: float
    accumulate: int
    channels_last: bool
    compile: bool
    seed: int
    workers: int

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "patience", "accumulate"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} is {value}; it must be 1 or more")
        if self.ema is not None and not 0 <= self.ema < 1:
            raise ValueError(f"ema is {self.ema}; a decay is from 0 up to but not including 1")
        self.factor(0.0)

    def factor(self, done: float) -> float:
        """What the learning rate is multiplied with when this share of the run is done."""
        return schedule_of(self.schedule)(done)

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def decisive(self) -> dict[str, Any]:
        """What must be the same when a run goes on; names stand for functions, the same in every process."""
        functions = {name: name_of(getattr(self, name)) for name in ("loss", "schedule", "optimizer")}
        numbers = ("batch_size", "learning_rate", "clip", "ema", "seed")
        return functions | {name: getattr(self, name) for name in numbers}


def name_of(option: Any) -> str:
    """A function, class or module in words, without its address in memory."""
    if isinstance(option, str | nn.Module):
        return str(option)
    if isinstance(option, partial):
        values = [*map(repr, option.args), *(f"{name}={value!r}" for name, value in option.keywords.items())]
        return f"{name_of(option.func)}({', '.join(values)})"
    return str(getattr(option, "__qualname__", type(option).__qualname__))
