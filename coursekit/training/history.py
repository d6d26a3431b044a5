"""What happened in a training run, epoch by epoch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from matplotlib.figure import Figure

from coursekit.figures.picture import Picture


@dataclass(frozen=True)
class Epoch:
    """One pass over the training set. The scores are of the validation set, where there is one."""

    number: int
    loss: float
    seconds: float
    mean_iou: float | None = None
    pixel_accuracy: float | None = None

    def __str__(self) -> str:
        parts = [f"epoch {self.number}", f"loss {self.loss:.4f}"]
        if self.mean_iou is not None:
            parts += [f"mean IoU {self.mean_iou:.3f}", f"pixel accuracy {self.pixel_accuracy:.3f}"]
        return ", ".join([*parts, f"{self.seconds:.1f} s"])


@dataclass(repr=False)
class History:
    """All epochs of a run; in a notebook it shows itself as a plot, in a terminal as a line an epoch."""

    epochs: list[Epoch] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        return {"epochs": [asdict(epoch) for epoch in self.epochs]}

    def __repr__(self) -> str:
        return "\n".join(map(str, self.epochs)) or "no epoch yet"

    def plot(self) -> Picture:
        """Loss, and mean IoU where it was measured, over the epochs."""
        if not self.epochs:
            raise ValueError("there is nothing to plot: the history holds no epoch yet")
        numbers = [epoch.number for epoch in self.epochs]
        curves = {"training loss": [epoch.loss for epoch in self.epochs]}
        if self.epochs[-1].mean_iou is not None:
            curves["validation mean IoU"] = [epoch.mean_iou or 0.0 for epoch in self.epochs]
        figure = Figure(figsize=(3.6 * len(curves), 2.6), layout="constrained")
        for ax, (title, values) in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves.items()):
            ax.plot(numbers, values, marker="o", markersize=3, color="#1b3fbf")
            ax.set(title=title, xlabel="epoch")
            ax.set_ylim(bottom=0)
            ax.spines[["top", "right"]].set_visible(False)
        told = "; ".join(f"{title} from {values[0]:.3g} to {values[-1]:.3g}" for title, values in curves.items())
        return Picture(figure, f"Curves over {len(numbers)} epochs: {told}.")

    def _repr_mimebundle_(
        self, include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = self.plot()._repr_mimebundle_() if self.epochs else ({}, {})
        return {**data, "text/plain": repr(self)}, metadata
