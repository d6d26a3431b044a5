"""A pinhole camera, round-ended strokes, and the filling of convex outlines.

Coordinates come first in every array, (x, y) or (X, Y, Z), so that x and y are contiguous. Everything here is
+, −, ×, ÷ and √ on single numbers, which IEEE 754 rounds the same everywhere: no sine, no exponential, no matrix
product whose sum could be taken in another order.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped

__all__ = ["CORNERS", "GRID", "Camera", "capsules", "fill", "strokes", "turned", "unit"]

CORNERS = 8  # of every outline; one with fewer repeats its last
GRID = 16.0  # corners lie on sixteenths of a pixel


@dataclass(frozen=True)
class Camera:
    """A camera that looks down the street: X to the right, Y up, Z ahead, metres, the lens at (0, height, 0).

    `focal` is in pixels; (`centre`, `horizon`) is the pixel where lines along the street meet.
    """

    focal: float
    centre: float
    horizon: float
    height: float

    def project(self, points: Float[np.ndarray, "3 *n"]) -> tuple[Float[np.ndarray, "2 *n"], Float[np.ndarray, "*n"]]:
        """Where points (X, Y, Z) with Z > 0 are seen, as (x, y) in pixels, and pixels per metre there."""
        x, y, z = points
        scale = self.focal / z
        return np.array([self.centre + x * scale, self.horizon - (y - self.height) * scale]), scale


def unit(vectors: Float[np.ndarray, "2 *n"]) -> Float[np.ndarray, "2 *n"]:
    """The vectors at length 1; those of no length point along the second axis."""
    x, y = vectors
    length = np.sqrt(x * x + y * y)
    safe = np.maximum(length, 1e-6)
    return np.array([x / safe, y / safe + (length < 1e-6)])


def turned(
    points: Float[np.ndarray, "3 n *p"], place: Float[np.ndarray, "2 n"], heading: Float[np.ndarray, "2 n"]
) -> Float[np.ndarray, "3 n *p"]:
    """Bodies given as (right, up, forward), put at `place` (X, Z) with forward along the unit vector `heading`."""
    right, up, forward = points
    each = (slice(None), *[None] * (right.ndim - 1))
    (x, z), (along_x, along_z) = place, heading
    return np.array(
        [
            x[each] + right * along_z[each] + forward * along_x[each],
            up,
            z[each] - right * along_x[each] + forward * along_z[each],
        ]
    )


# The corners of a stroke, four at each end: how far across and along it, in radii.
ACROSS = np.array([1, 0.41, -0.41, -1, -1, -0.41, 0.41, 1])[:, None]
ALONG = np.array([-0.41, -1, -1, -0.41, 0.41, 1, 1, 0.41])[:, None]


def capsules(
    start: Float[np.ndarray, "2 n"], end: Float[np.ndarray, "2 n"], radii: Float[np.ndarray, "2 n"]
) -> Float[np.ndarray, "2 8 n"]:
    """Outlines of thick strokes with round ends of two radii; where both ends meet it is an octagon."""
    x, y = unit(end - start)
    outlines = np.array([ALONG * x - ACROSS * y, ALONG * y + ACROSS * x])
    outlines[:, :4] *= radii[0]
    outlines[:, 4:] *= radii[1]
    outlines[:, :4] += start[:, None]
    outlines[:, 4:] += end[:, None]
    return outlines


def strokes(camera: Camera, solid: Float[np.ndarray, "8 n"]) -> Float[np.ndarray, "2 8 n"]:
    """Outlines of thick strokes in space: from (X, Y, Z), to (X, Y, Z), the radii there, all in metres.

    None is thinner than a pixel, or the far ones would fall to pieces.
    """
    seen, scale = camera.project(solid[:6].reshape(2, 3, -1).swapaxes(0, 1))
    return capsules(seen[:, 0], seen[:, 1], np.maximum(solid[6:] * scale[0], 0.5))


def fill(canvas: Shaped[np.ndarray, "h w"], outlines: Float[np.ndarray, "2 8 n"], values: Int[np.ndarray, "n"]) -> None:
    """Paint convex outlines (x, y in pixels) onto `canvas` one over the other, the first at the bottom.

    A pixel is painted when its centre lies in the outline. All outlines go at once: in every row that an outline
    has, one edge crosses the row's centre line on the way down and one on the way up; between them lies the span.
    """
    height, width = canvas.shape
    seen = np.flatnonzero((outlines[0].max(axis=0) > 0) & (outlines[0].min(axis=0) < width))
    x, y = corners = np.rint(outlines.take(seen, axis=2) * GRID)
    dx, dy = corners[:, NEXT] - corners
    slope = dx / (dy + (dy == 0))
    origin = x + (GRID / 2 - y) * slope  # where the edge would cross the centre of row 0
    line = _first_centre(y, height)
    next_line = line[NEXT]

    top = line.min(axis=0)
    rows = line.max(axis=0) - top
    place = np.cumsum(rows) - rows - top + (next_line > line) * rows.sum()
    crossed = np.abs(next_line - line).reshape(-1)
    row = _count_up(np.minimum(line, next_line).reshape(-1), crossed)
    of_edge = [np.repeat(what.reshape(-1), crossed) for what in (origin, slope, place)]
    spans = np.empty(2 * rows.sum())
    spans[of_edge[2] + row] = of_edge[0] + of_edge[1] * (row * GRID)

    up, down = spans.reshape(2, -1)
    left, right = _first_centre(np.minimum(up, down), width), _first_centre(np.maximum(up, down), width)
    columns = right - left
    pixels = _count_up(left + width * _count_up(top, rows), columns)
    canvas.reshape(-1)[pixels] = np.repeat(np.repeat(values[seen], rows), columns)  # a repeated one keeps the last


NEXT = [*range(1, CORNERS), 0]


def _first_centre(position: Float[np.ndarray, "*n"], limit: int) -> Int[np.ndarray, "*n"]:
    """The first of the pixels of [0, limit) whose centre is not before `position` on the grid; limit: none is."""
    return np.minimum(np.maximum(np.ceil(position / GRID - 0.5), 0), limit).astype(np.intp)


def _count_up(first: Int[np.ndarray, "n"], lengths: Int[np.ndarray, "n"]) -> Int[np.ndarray, "m"]:
    """first[0], first[0] + 1, … as many as lengths[0], then the same from first[1], and so on."""
    end = np.cumsum(lengths)
    return np.arange(lengths.sum()) + np.repeat(first - (end - lengths), lengths)
