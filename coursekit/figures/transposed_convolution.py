"""The transposed convolution under the microscope: stamp by stamp, beside the lit row of its matrix."""

from itertools import product
from typing import Any

import torch
import traitlets
from jaxtyping import Float
from torch import Tensor

from coursekit import ops
from coursekit.figures.interactive import InteractiveFigure
from coursekit.figures.picture import Picture
from coursekit.figures.pictures import show_arrays


class TransposedConvolution(InteractiveFigure):
    """An interactive figure: every input value stamps the kernel, scaled by it, into the output.

    All stamps of all settings are computed here, once; stepping and switching happen in the browser, without the
    kernel. Arrow keys, a slider and buttons step; menus set stride, padding and output padding.

    Args:
        x: (H, W) input, small.
        kernel: (K, K).
        strides, paddings, output_paddings: the choices; combinations that do not exist are left out.
    """

    drawing = "transposed_convolution"
    x: Any = traitlets.List().tag(sync=True)
    weights: Any = traitlets.List().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    stride = traitlets.Int(2).tag(sync=True)
    padding = traitlets.Int(0).tag(sync=True)
    output_padding = traitlets.Int(0).tag(sync=True)
    step = traitlets.Int(1).tag(sync=True)

    def __init__(
        self,
        x: Float[Tensor, "h w"],
        kernel: Float[Tensor, "k k"],
        strides: tuple[int, ...] = (1, 2, 3),
        paddings: tuple[int, ...] = (0, 1),
        output_paddings: tuple[int, ...] = (0, 1),
    ) -> None:
        self._input, self._kernel = x, kernel
        settings = {
            f"{s},{p},{o}": _stamps(x, kernel, s, p, o)
            for s, p, o in product(strides, paddings, output_paddings)
            if o < s
        }
        super().__init__(
            label="Transposed convolution, stamp by stamp. Arrow keys step.",
            x=x.tolist(),
            weights=kernel.tolist(),
            settings=settings,
            stride=strides[-1],
        )

    def picture(self, stride: int | None = None) -> Picture:
        """The same, static: input, kernel, the output after each stamp of the first row, and the whole output."""
        stride = stride or self.stride
        stamps = _stamps(self._input, self._kernel, stride, 0, 0)
        size = stamps["size"]
        each = self._input.reshape(-1, 1, 1) * torch.tensor(stamps["matrix"]).reshape(-1, *size)
        panels = {"input": self._input, "kernel": self._kernel}
        panels |= {f"after stamp {count}": each[:count].sum(0) for count in (1, 2)}
        panels["all stamps"] = each.sum(0)
        h, w = size
        alt = (
            f"A transposed convolution with stride {stride}: the kernel, times each input value, is stamped into the "
            f"output {stride} places further on, and overlapping stamps add up to a {h} × {w} output."
        )
        return show_arrays(panels, alt=alt)


def _stamps(x: Tensor, kernel: Tensor, stride: int, padding: int, output_padding: int) -> dict[str, Any]:
    """The output's size, how many stamps cover each place, and the convolution's matrix.

    Row i of the matrix is the stamp of input value i, as if that were 1.
    """
    h, w = x.shape
    units = torch.eye(h * w).reshape(h * w, 1, h, w)
    stamps = ops.conv_transpose2d(units, kernel[None, None], None, stride, padding, output_padding)[:, 0]
    ones = torch.ones(1, 1, h, w), torch.ones(1, 1, *kernel.shape)
    covers = ops.conv_transpose2d(*ones, None, stride, padding, output_padding)
    return {
        "size": list(stamps.shape[1:]),
        "covers": covers.int().flatten().tolist(),
        "matrix": stamps.flatten(1).tolist(),
    }
