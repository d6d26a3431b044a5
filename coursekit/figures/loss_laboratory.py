"""One object, one prediction of it that is wrong in four ways, and what every loss says about each pixel."""

from collections.abc import Callable

import torch
import traitlets
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor

from coursekit import losses
from coursekit.figures.interactive import InteractiveFigure
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK

SIDE = 32
LOSSES: dict[str, Callable[..., Tensor]] = {  # the names are those of pixel_losses.js
    "cross-entropy": losses.cross_entropy,
    "focal, γ = 2": losses.focal_loss,
    "top-k, 10 %": losses.topk_loss,
    "Dice": losses.dice_loss,
    "IoU": losses.iou_loss,
    "Tversky 0.3, 0.7": losses.tversky_loss,
    "generalised Dice": losses.generalized_dice_loss,
    "Lovász": losses.lovasz_softmax_loss,
    "boundary": losses.boundary_loss,
    "Hausdorff": losses.hausdorff_loss,
}
SHAPES = ("disc", "pole")


class LossLaboratory(InteractiveFigure):
    """An interactive figure: an object of some size, predicted too far to the right, too small or too unsure.

    Shown are each loss with its curve over one of the settings, and the gradient of one of them at each pixel. Left and
    right arrow keys change the setting of the curves, up and down choose a loss. Everything is computed in the
    browser; a test holds it against `coursekit.losses`.

    Args:
        shape: "disc" or "pole", a tall object of the same width.
        size: the disc's diameter, or the pole's width, in pixels.
        shift: how many pixels too far to the right the prediction lies.
        growth: how many pixels its edge lies too far outside; below 0 the prediction is eroded.
        confidence: the probability of the object inside the prediction, and of the background outside it.
    """

    drawing = "loss_laboratory"
    parts = ("pixel_losses",)
    side = traitlets.Int(SIDE).tag(sync=True)
    shape = traitlets.Enum(SHAPES, "disc").tag(sync=True)
    size = traitlets.Int(10).tag(sync=True)
    shift = traitlets.Int(2).tag(sync=True)
    growth = traitlets.Int(0).tag(sync=True)
    confidence = traitlets.Float(0.9).tag(sync=True)
    chosen = traitlets.Enum(tuple(LOSSES), "cross-entropy").tag(sync=True)
    swept = traitlets.Enum(("size", "shift", "growth", "confidence"), "shift").tag(sync=True)

    def __init__(
        self, shape: str = "disc", size: int = 10, shift: int = 2, growth: int = 0, confidence: float = 0.9
    ) -> None:
        super().__init__(
            label="Loss laboratory. Left and right change the setting of the curves, up and down choose a loss.",
            shape=shape,
            size=size,
            shift=shift,
            growth=growth,
            confidence=confidence,
        )

    def scene(self) -> tuple[Bool[Tensor, "side side"], Float[Tensor, "side side"]]:
        """The true mask and the predicted probabilities."""
        truth, predicted = self._object(0, 0), self._object(self.shift, self.growth)
        return truth, torch.where(predicted, self.confidence, 1 - self.confidence)

    def _object(self, shift: int, growth: int) -> Bool[Tensor, "side side"]:
        """The pixels whose centre is in the object, moved to the right and grown on all sides."""
        y, x = torch.meshgrid(*[torch.arange(SIDE) + 0.5 - SIDE / 2] * 2, indexing="ij")
        x, radius = x - shift, self.size / 2 + growth
        if self.shape == "disc":
            return (x.square() + y.square() < radius**2) & torch.tensor(radius > 0)
        return (x.abs() < radius) & (y.abs() < SIDE / 2 - 4 + growth)

    def values(self) -> dict[str, tuple[float, Float[Tensor, "side side"]]]:
        """Each loss of the scene, and its gradient with respect to the logit of the object at each pixel."""
        truth, p = self.scene()
        found = {}
        for name, loss in LOSSES.items():
            logit = p.double().logit().requires_grad_()
            value = loss(torch.stack([torch.zeros_like(logit), logit])[None], truth.long()[None])
            (gradient,) = torch.autograd.grad(value, logit)
            found[name] = (float(value.detach()), gradient)
        return found

    def picture(self) -> Picture:
        """The scene, and the gradients of all losses, each to its own scale."""
        truth, p = self.scene()
        values = self.values()
        figure = Figure(figsize=(9, 3.9), layout="constrained")
        axes = figure.subplots(2, 6)
        overlay = torch.stack([truth * 0.45 + (p > 0.5) * 0.5] * 3, -1)
        for ax in axes.flat:
            ax.set(xticks=[], yticks=[])
        axes[0, 0].imshow(overlay.numpy(), vmin=0, vmax=1)
        axes[0, 0].set_title("truth and prediction;\nbrightest where both", fontsize=8, color=INK)
        axes[1, 0].set_visible(False)
        for ax, (name, (value, gradient)) in zip(axes[:, 1:].flat, values.items()):
            most = float(gradient.abs().max()) or 1.0
            ax.imshow(gradient.numpy(), cmap="PuOr_r", vmin=-most, vmax=most)
            ax.contour(truth.float().numpy(), [0.5], colors=INK, linewidths=0.7)
            ax.set_title(f"{name}\n{value:.3f}", fontsize=8, color=INK)
        told = ", ".join(f"{name} {value:.3f}" for name, (value, _) in values.items())
        alt = (
            f"A {self.shape} of size {self.size}, predicted {self.shift} pixels too far right, {self.growth} too large "
            f"with confidence {self.confidence:g}. Losses: {told}. Maps of their gradients: pixels that are "
            "pulled up in purple, pushed down in orange."
        )
        return Picture(figure, alt)
