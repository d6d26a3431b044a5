"""What happened in a training run, epoch by epoch."""

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from matplotlib.figure import Figure

from coursekit.figures.picture import Picture

NAMES = {"mean_iou": "mean IoU", "pixel_accuracy": "pixel accuracy", "ap": "AP", "ap50": "AP50"}


@dataclass(frozen=True)
class Epoch:
    """One pass over the training set. The scores are of the validation set, where there is one."""

    number: int
    loss: float
    seconds: float
    scores: Mapping[str, float] = field(default_factory=dict)

    @property
    def mean_iou(self) -> float | None:
        return self.scores.get("mean_iou")

    @property
    def pixel_accuracy(self) -> float | None:
        return self.scores.get("pixel_accuracy")

    def to_dict(self) -> dict[str, Any]:
        return {"number": self.number, "loss": self.loss, "seconds": self.seconds, **self.scores}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        about = ("number", "loss", "seconds")
        scores = {name: value for name, value in values.items() if name not in about}
        return cls(values["number"], values["loss"], values["seconds"], scores)

    def __str__(self) -> str:
        scores = [f"{NAMES.get(name, name)} {score:.3f}" for name, score in self.scores.items()]
        return ", ".join([f"epoch {self.number}", f"loss {self.loss:.4f}", *scores, f"{self.seconds:.1f} s"])


@dataclass(repr=False)
class History:
    """All epochs of a run; in a notebook it shows itself as a plot, in a terminal as a line an epoch.

    `cell` is the notebook's cell that has shown the plot live: as this cell's result it is the lines alone.
    """

    epochs: list[Epoch] = field(default_factory=list)
    cell: int | None = field(default=None, compare=False)

    @property
    def best(self) -> Epoch:
        """The epoch with the highest first score, the earliest of equals; without scores the last one."""
        if not self.epochs:
            raise ValueError("there is no best epoch: the history holds none yet")
        if not self.epochs[-1].scores:
            return self.epochs[-1]
        return max(self.epochs, key=lambda epoch: _or_least(next(iter(epoch.scores.values()), math.nan)))

    def to_dict(self) -> dict[str, Any]:
        return {"epochs": [epoch.to_dict() for epoch in self.epochs]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        return cls([Epoch.from_dict(each) for each in values["epochs"]])

    def __repr__(self) -> str:
        return "\n".join(map(str, self.epochs)) or "no epoch yet"

    def plot(self) -> Picture:
        """Loss, and the first score where one was measured, over the epochs."""
        if not self.epochs:
            raise ValueError("there is nothing to plot: the history holds no epoch yet")
        numbers = [epoch.number for epoch in self.epochs]
        curves = {"training loss": [epoch.loss for epoch in self.epochs]}
        for name in list(self.epochs[-1].scores)[:1]:
            scores = [epoch.scores.get(name, math.nan) for epoch in self.epochs]
            curves[f"validation {NAMES.get(name, name)}"] = scores
        figure = Figure(figsize=(3.6 * len(curves), 2.6), layout="constrained")
        for ax, (title, values) in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves.items()):
            ax.plot(numbers, values, marker="o", markersize=3, color="#1b3fbf")
            ax.set(title=title, xlabel="epoch")
            ax.set_ylim(bottom=min(0, *values) if all(map(math.isfinite, values)) else None)
            ax.spines[["top", "right"]].set_visible(False)
        told = "; ".join(f"{title} from {values[0]:.3g} to {values[-1]:.3g}" for title, values in curves.items())
        return Picture(figure, f"Curves over {len(numbers)} epochs: {told}.")

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        wanted = self.epochs and (self.cell is None or self.cell != current_cell())
        data, metadata = self.plot()._repr_mimebundle_() if wanted else ({}, {})
        return {**data, "text/plain": repr(self)}, metadata


def current_cell() -> int | None:
    """The number of the notebook's cell that runs; None outside of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell.execution_count if shell is not None and hasattr(shell, "kernel") else None


def _or_least(score: float) -> float:
    return -math.inf if math.isnan(score) else score
