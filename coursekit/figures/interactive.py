"""What every interactive figure shares: parts of JavaScript and CSS, a label, a static picture beside it."""

import json
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from coursekit.figures.palette import COLOURS
from coursekit.figures.picture import Picture

_HERE = Path(__file__).parent
_PARTS = f"const COLOURS = {json.dumps(COLOURS)};\n" + (_HERE / "interactive.js").read_text(encoding="utf-8")
_STYLE = (_HERE / "interactive.css").read_text(encoding="utf-8")


class InteractiveFigure(anywidget.AnyWidget):
    """An anywidget whose every step happens in the browser, and a `Picture` where no widget runs.

    With `drawing = "mask_painter"` it is drawn by `mask_painter.js` beside this file, which defines
    `render({ model, el })` with the parts of `interactive.js` at hand, and of the files `parts` names; it is
    styled by `interactive.css` and, if there is one, `mask_painter.css`. A figure sets `label`, what a screen reader
    calls it, and draws its `picture()`.

    Where Jupyter shows widgets it shows the figure; a stored notebook, GitHub's page and a slide show the picture.
    """

    drawing: ClassVar[str]
    parts: ClassVar[tuple[str, ...]] = ()
    label = traitlets.Unicode().tag(sync=True)

    def __init_subclass__(cls, **options: Any) -> None:
        if "drawing" in vars(cls):  # traitlets makes subclasses of its own, which inherit it
            own = "\n".join((_HERE / f"{name}.js").read_text(encoding="utf-8") for name in (*cls.parts, cls.drawing))
            style = _HERE / f"{cls.drawing}.css"
            cls._esm = f"{_PARTS}\n{own}\nexport default {{ render }};\n"
            cls._css = _STYLE + (style.read_text(encoding="utf-8") if style.exists() else "")
        super().__init_subclass__(**options)

    def picture(self) -> Picture:
        """The figure standing still: one picture with an alternative text."""
        raise NotImplementedError(f"{type(self).__name__} has no static picture")

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        widget, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        still, alternative = self.picture()._repr_mimebundle_()
        return {**widget, **still}, {**metadata, **alternative}


def rgba(image: Float[Tensor, "c h w"]) -> bytes:
    """A picture (1 or 3, H, W) in [0, 1] as the bytes a canvas takes: four a pixel, row by row."""
    opaque = torch.ones(1, *image.shape[1:])
    pixels = torch.cat([image.detach().cpu().float().expand(3, -1, -1).clamp(0, 1), opaque])
    return (pixels * 255).round().byte().movedim(0, -1).contiguous().numpy().tobytes()
