"""U-Net's skips on switches: what the network makes of the picture with any of them turned off."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import product
from typing import Any

import torch
import traitlets
from jaxtyping import Float, Int
from torch import Tensor, nn

from coursekit import metrics
from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import show_labels
from coursekit.models import UNet
from coursekit.ops import mirror_pad

Switches = tuple[bool, ...]


class SkipSwitchboard(InteractiveFigure):
    """An interactive figure: a switch for each skip, the finest first, and the label map that is left.

    All combinations are computed here, once. The digits 1, 2, … turn skips off and on, 0 turns all.

    Args:
        model: a trained U-Net whose output has the picture's size (`padding="same"`, or valid on a picture that
            its tiles fit).
        image: (C, H, W) in [0, 1].
        target: (H, W) class ids, void = 255.
        classes: their names.
    """

    drawing = "skip_switchboard"
    pixels = traitlets.Bytes().tag(sync=True)
    size: Any = traitlets.List().tag(sync=True)
    classes: Any = traitlets.List().tag(sync=True)
    labels: Any = traitlets.Dict().tag(sync=True)
    scores: Any = traitlets.Dict().tag(sync=True)
    switches: Any = traitlets.List().tag(sync=True)

    def __init__(
        self, model: UNet, image: Float[Tensor, "c h w"], target: Int[Tensor, "h w"], classes: Sequence[str]
    ) -> None:
        self._image, self._target = image, target
        self.results = {on: _predict(model, image, on) for on in product((True, False), repeat=model.depth)}
        super().__init__(
            label="Skips of a U-Net. The digits turn skips off and on, 0 turns all.",
            pixels=rgba(image),
            size=list(image.shape[-2:]),
            classes=list(classes),
            labels={_key(on): result.byte().numpy().tobytes() for on, result in self.results.items()},
            scores={_key(on): _scores(result, target, len(classes)) for on, result in self.results.items()},
            switches=[True] * model.depth,
        )

    def picture(self) -> Picture:
        """The same, static: all skips, without the finest, without the coarsest, none."""
        depth = len(self.switches)
        shown = {
            "all skips": (True,) * depth,
            "without the finest": (False,) + (True,) * (depth - 1),
            "without the coarsest": (True,) * (depth - 1) + (False,),
            "none": (False,) * depth,
        }
        panels = {f"{title}: mean IoU {self.scores[_key(on)]['mean']:.2f}": on for title, on in shown.items()}
        told = "What a U-Net makes of a picture with its skips on and off. " + "; ".join(panels) + "."
        return show_labels({title: self.results[on] for title, on in panels.items()}, self.classes, alt=told)


@contextmanager
def skips_off(model: UNet, off: Sequence[int]) -> Iterator[None]:
    """Inside, the skips with these numbers (0 is the finest) carry zeros."""

    def silence(_module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        (both,) = inputs
        skip, below = both.chunk(2, dim=1)
        return (torch.cat([torch.zeros_like(skip), below], dim=1),)

    hooks = [model.merge[model.depth - 1 - number].register_forward_pre_hook(silence) for number in off]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@torch.no_grad()
def _predict(model: UNet, image: Float[Tensor, "c h w"], on: Switches) -> Int[Tensor, "h w"]:
    model.eval()
    with skips_off(model, [number for number, switch in enumerate(on) if not switch]):
        return model(mirror_pad(image[None], model.context))[0].argmax(0)


def _scores(result: Tensor, target: Tensor, num_classes: int) -> dict[str, Any]:
    matrix = metrics.ConfusionMatrix(num_classes)
    matrix.update(result[None], target[None])
    found = matrix.compute()
    return {"mean": float(found.mean_iou), "each": [None if math.isnan(iou) else iou for iou in found.iou.tolist()]}


def _key(on: Switches) -> str:
    return "".join("1" if switch else "0" for switch in on)
