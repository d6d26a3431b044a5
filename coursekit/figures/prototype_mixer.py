"""YOLACT's last step by hand: prototypes, mixed by coefficients, through a sigmoid, cropped to a box."""

from collections.abc import Mapping
from typing import Any

import torch
import traitlets
from jaxtyping import Bool, Float
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from coursekit.figures.interactive import InteractiveFigure, rgba
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import ACCENT, INK


class PrototypeMixer(InteractiveFigure):
    """An interactive figure: drag the coefficients of the prototypes and see the mask that they mix.

    Left and right arrow keys choose a prototype, up and down change its coefficient.

    Args:
        image: (3, H, W) the picture.
        prototypes: (K, h, w), some eight of them, on any grid.
        recipes: a name → (K,) coefficients before the tanh, one recipe an object.
        boxes: a name → left, top, right, bottom in prototype pixels.
        truths: a name → (h, w) the true mask, if the figure is to tell the IoU.
    """

    drawing = "prototype_mixer"
    pixels = traitlets.Bytes().tag(sync=True)
    image_shape: Any = traitlets.List().tag(sync=True)
    prototypes = traitlets.Bytes().tag(sync=True)
    shape: Any = traitlets.List().tag(sync=True)
    recipes = traitlets.Dict().tag(sync=True)
    boxes = traitlets.Dict().tag(sync=True)
    truths = traitlets.Dict().tag(sync=True)
    recipe = traitlets.Unicode().tag(sync=True)
    coefficients: Any = traitlets.List().tag(sync=True)
    tanh = traitlets.Bool(True).tag(sync=True)
    crop = traitlets.Bool(True).tag(sync=True)

    def __init__(
        self,
        image: Float[Tensor, "3 _ _"],
        prototypes: Float[Tensor, "k h w"],
        recipes: Mapping[str, Float[Tensor, " k"]],
        boxes: Mapping[str, Float[Tensor, "4"]],
        truths: Mapping[str, Bool[Tensor, "h w"]] | None = None,
    ) -> None:
        self._image, self._prototypes = image, prototypes.detach().float()
        first = next(iter(recipes))
        super().__init__(
            label="Prototypes and their coefficients. Left and right choose a prototype, up and down change it.",
            pixels=rgba(image),
            image_shape=list(image.shape[1:]),
            prototypes=self._prototypes.numpy().tobytes(),
            shape=list(prototypes.shape),
            recipes={name: values.tolist() for name, values in recipes.items()},
            boxes={name: box.tolist() for name, box in boxes.items()},
            truths={name: mask.int().flatten().tolist() for name, mask in (truths or {}).items()},
            recipe=first,
            coefficients=recipes[first].tolist(),
        )

    def mask(self) -> Float[Tensor, "h w"]:
        """The mask that is shown: σ(Σ c P), inside the box where it is cropped."""
        weights = torch.tensor(self.coefficients)
        weights = weights.tanh() if self.tanh else weights
        mask = torch.einsum("k,khw->hw", weights, self._prototypes).sigmoid()
        if self.crop:
            left, top, right, bottom = self.boxes[self.recipe]
            y, x = torch.meshgrid(*(torch.arange(side) for side in mask.shape), indexing="ij")
            mask = mask * ((left <= x) & (x < right) & (top <= y) & (y < bottom))
        return mask

    def picture(self) -> Picture:
        """The prototypes with their coefficients, and the mask beside the picture."""
        count, height, width = self.shape
        columns = (count + 1) // 2
        figure = Figure(figsize=(9, 3.2), layout="constrained")
        axes = figure.subplots(2, columns + 2, squeeze=False)
        for number in range(2 * columns):
            ax = axes[number // columns, number % columns]
            ax.set(xticks=[], yticks=[])
            if number >= count:
                ax.set_visible(False)
                continue
            ax.imshow(self._prototypes[number].numpy(), cmap="viridis")
            ax.set_title(f"{torch.tensor(self.coefficients[number]).tanh():+.2f}", fontsize=9, color=INK)
        grid = axes[0, 0].get_subplotspec().get_gridspec()
        for ax in axes[:, columns:].flat:
            ax.remove()
        left, top, right, bottom = self.boxes[self.recipe]
        for rows, title, shown in ((0, "the picture", None), (1, f"mask of {self.recipe}", self.mask())):
            ax = figure.add_subplot(grid[rows, columns:])
            ax.set(xticks=[], yticks=[])
            if shown is None:
                ax.imshow(self._image.movedim(0, -1).clamp(0, 1).numpy(), extent=(0, width, height, 0))
            else:
                ax.imshow(shown.numpy(), cmap="gray", vmin=0, vmax=1, extent=(0, width, height, 0))
            ax.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, edgecolor=ACCENT))
            ax.set_title(title, fontsize=9, color=INK)
        alt = (
            f"{count} prototypes, each with its coefficient after the tanh, and the mask of {self.recipe} they mix: "
            f"{int((self.mask() > 0.5).sum())} of {height * width} pixels are inside."
        )
        return Picture(figure, alt)
