"""A playground: draw lines, and a small U-Net, running in the browser, paints the street they may come from."""

from collections.abc import Mapping
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from matplotlib.figure import Figure
from torch import Tensor

from coursekit.figures.interactive import InteractiveFigure
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import INK
from coursekit.models import UNet


class SketchToStreet(InteractiveFigure):
    """An interactive figure: a drawing, and the picture that a generator makes of it, line by line.

    The network is sent to the browser and runs there, so the picture follows the pen. Arrow keys move the pen, with
    Shift they draw; the space bar draws or wipes out a dot, Delete clears the sheet.

    Args:
        generator: a `UNet` from one channel to three, with `padding="same"`.
        drawings: a name → (1, H, W), 1 on the lines; H and W are multiples of the network's stride.
    """

    drawing = "sketch_to_street"
    shape: Any = traitlets.List().tag(sync=True)
    drawings: Any = traitlets.Dict().tag(sync=True)
    weights = traitlets.Bytes().tag(sync=True)
    layers: Any = traitlets.List().tag(sync=True)

    def __init__(self, generator: UNet, drawings: Mapping[str, Float[Tensor, "1 h w"]]) -> None:
        height, width = next(iter(drawings.values())).shape[1:]
        step = 2**generator.depth
        if generator.padding != "same" or height % step or width % step:
            raise ValueError(
                f"the generator needs padding='same' and drawings whose sides are multiples of {step}, "
                f"got padding={generator.padding!r} and {height} × {width}"
            )
        self._generator, self._drawings = generator.eval(), drawings
        state = generator.state_dict()
        super().__init__(
            label="A sheet to draw on. Arrows move the pen, with Shift they draw, space is a dot, Delete clears.",
            shape=[height, width],
            drawings={name: drawing.flatten().int().tolist() for name, drawing in drawings.items()},
            weights=torch.cat([value.float().flatten() for value in state.values()]).numpy().tobytes(),
            layers=[[name, list(value.shape)] for name, value in state.items()],
        )

    @torch.no_grad()
    def paint(self, drawing: Float[Tensor, "1 h w"]) -> Float[Tensor, "3 h w"]:
        """The generator's picture of a drawing."""
        return self._generator(drawing[None]).sigmoid()[0]

    def picture(self) -> Picture:
        """The drawings, and below each what the generator makes of it."""
        count = len(self._drawings)
        figure = Figure(figsize=(2.2 * count, 4.6), layout="constrained")
        axes = figure.subplots(2, count, squeeze=False)
        for (above, below), (name, drawing) in zip(axes.T, self._drawings.items()):
            above.imshow(drawing[0].numpy(), cmap="gray", interpolation="nearest")
            above.set_title(name, fontsize=9, color=INK)
            below.imshow(self.paint(drawing).movedim(0, -1).numpy(), interpolation="nearest")
            for ax in (above, below):
                ax.set(xticks=[], yticks=[])
        names = ", ".join(self._drawings)
        return Picture(figure, f"Drawings ({names}), and below each the street that the generator paints.")
