"""A picture to paint a mask on, and what every score and every loss says of it while one paints."""

from typing import Any

import torch
import traitlets
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from torch import Tensor

from coursekit import metrics
from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.loss_laboratory import LOSSES
from coursekit.figures.palette import rgb
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK

RIGHT, TOO_MUCH = "#0f6bb5", "#dc5a14"


class MaskPainter(InteractiveFigure):
    """An interactive figure: paint over a picture; IoU, Dice, boundary F1, accuracy and all losses follow the brush.

    The pointer paints; so do the keys: arrows move (with shift by five), space stamps the brush, p puts it down and
    lifts it, e changes between brush and eraser, l takes the next loss. Losses see the painted pixels as predicted
    with `confidence`, the others with one less that. All is computed in the browser; tests hold it against the library.

    Args:
        image: (3, H, W) in [0, 1], at most some ten thousand pixels.
        truth: the true mask.
        painted: the mask to begin with; nothing, if not given.
        tolerance: of the boundary F1, in pixels.
        confidence: between 0.5 and 1.
    """

    drawing = "mask_painter"
    parts = ("pixel_losses",)
    size: Any = traitlets.List().tag(sync=True)
    pixels = traitlets.Bytes().tag(sync=True)
    truth = traitlets.Bytes().tag(sync=True)
    painted = traitlets.Bytes().tag(sync=True, from_json=lambda value, _: bytes(value))
    tolerance = traitlets.Int(1).tag(sync=True)
    confidence = traitlets.Float(0.9).tag(sync=True)
    chosen = traitlets.Enum(tuple(LOSSES), "cross-entropy").tag(sync=True)

    def __init__(
        self,
        image: Float[Tensor, "3 h w"],
        truth: Bool[Tensor, "h w"],
        painted: Bool[Tensor, "h w"] | None = None,
        tolerance: int = 1,
        confidence: float = 0.9,
    ) -> None:
        if image.shape[-2:] != truth.shape:
            raise ValueError(f"image {tuple(image.shape)} and truth {tuple(truth.shape)} differ in height or width")
        self._image = image
        super().__init__(
            label="Mask painter. Arrows move, space stamps, p draws, e erases, l changes the loss.",
            size=list(truth.shape),
            pixels=rgba(image),
            truth=_bytes(truth),
            painted=_bytes(torch.zeros_like(truth) if painted is None else painted),
            tolerance=tolerance,
            confidence=confidence,
        )

    @property
    def mask(self) -> Bool[Tensor, "h w"]:
        """What is painted now."""
        return self._mask(self.painted)

    def scores(self) -> dict[str, float]:
        """What the library's metrics say of the painted mask."""
        mask, truth = self.mask, self._mask(self.truth)
        matrix = metrics.ConfusionMatrix(2)
        matrix.update(mask.long(), truth.long())
        semantic = matrix.compute()
        return {
            "IoU": float(semantic.iou[1].nan_to_num(1)),
            "Dice": float(semantic.dice[1].nan_to_num(1)),
            "boundary F1": metrics.boundary_f1(mask, truth, self.tolerance),
            "pixel accuracy": semantic.pixel_accuracy,
        }

    def losses(self) -> dict[str, tuple[float, Float[Tensor, "h w"]]]:
        """Each loss of the painted mask, and its gradient with respect to the logit of the object at each pixel."""
        target = self._mask(self.truth).long()[None]
        found = {}
        for name, loss in LOSSES.items():
            logit = torch.where(self.mask, self.confidence, 1 - self.confidence).double().logit().requires_grad_()
            value = loss(torch.stack([torch.zeros_like(logit), logit])[None], target)
            found[name] = float(value.detach()), torch.autograd.grad(value, logit)[0]
        return found

    def picture(self) -> Picture:
        """The painted mask over the picture, its scores, and the gradient of the chosen loss."""
        mask, truth, scores = self.mask, self._mask(self.truth), self.scores()
        value, gradient = self.losses()[self.chosen]
        shown = self._image.detach().clone().float()
        for where, colour in ((mask & truth, RIGHT), (mask & ~truth, TOO_MUCH)):
            tint = torch.from_numpy(rgb(colour)).float()[:, None]
            shown[:, where] = 0.35 * shown[:, where] + 0.65 * tint
        figure = Figure(figsize=(9, 3.1), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=(3, 3, 2))
        left.imshow(shown.clamp(0, 1).movedim(0, -1).numpy())
        left.set_title("blue is right, orange too much", fontsize=9, color=INK)
        most = float(gradient.abs().max()) or 1.0
        middle.imshow(gradient.numpy(), cmap="PuOr_r", vmin=-most, vmax=most)
        middle.set_title(f"gradient of {self.chosen}", fontsize=9, color=INK)
        for ax in (left, middle):
            ax.contour(truth.float().numpy(), [0.5], colors=INK, linewidths=0.8)
            ax.set(xticks=[], yticks=[])
        right.barh(list(scores)[::-1], list(scores.values())[::-1], color=RIGHT)
        right.set(xlim=(0, 1))
        right.bar_label(right.containers[0], fmt="%.2f", padding=-24, color="white", fontsize=8)
        right.spines[["top", "right"]].set_visible(False)
        told = ", ".join(f"{name} {value:.2f}" for name, value in scores.items())
        alt = (
            f"A mask of {int(mask.sum())} pixels painted over a picture whose object has {int(truth.sum())}: {told}; "
            f"beside it the map of the gradient of the loss {self.chosen}, which is {value:.3f}."
        )
        return Picture(figure, alt)

    def _mask(self, values: bytes) -> Bool[Tensor, "h w"]:
        return torch.tensor(list(values), dtype=torch.bool).view(*self.size)


def _bytes(mask: Tensor) -> bytes:
    return mask.to(torch.uint8).contiguous().numpy().tobytes()
